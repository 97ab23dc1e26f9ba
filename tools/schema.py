"""A tool as others see it: schema from signature and docstring, checked arguments, results as plain JSON.

A tool is a function ``f(ws, ...) -> ToolResult`` with a numpydoc docstring. A model, or a program that speaks
MCP, sees its name, the text before the first section, and for each argument its type, its description and
the bounds that stand in it (``0.1 to 5000 km``).
"""

from __future__ import annotations

import inspect
import json
import math
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from retrieval.errors import ToolInputError
from tools.workspace import ToolResult, Workspace

Json = Any
ToolFunction = Callable[..., ToolResult]

# What of a result is told in words; the rest (files, seconds) is for the program around the model.
TOLD = ("summary", "figures", "layers", "table")

_NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
_BOUNDS = re.compile(rf"(?<![\w.-])({_NUMBER}) (?:to|and) ({_NUMBER})(?!\.?\w)")
_LAYER_ID = re.compile(r"Ids? of (?:an?|the|another|as many|[\d,]+ to [\d,]+)(?: different)? layers?\b")
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
_PARAMETER = re.compile(r"^(\S.*)\n((?:[ \t]+.*\n?|\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class ToolSchema:
    """What a caller must know of a tool.

    Attributes
    ----------
    function
        The tool itself.
    name, description
        As the caller sees them.
    arguments
        Model of the arguments: strict, no unknown names, no text for a number, no NaN.
    """

    function: ToolFunction
    name: str
    description: str
    arguments: type[BaseModel]

    def json_schema(self) -> dict[str, Json]:
        """JSON schema of the arguments."""
        return self.arguments.model_json_schema()

    @cached_property
    def properties(self) -> Mapping[str, Mapping[str, Json]]:
        """JSON schema of each argument by its name; to be read only."""
        found: Mapping[str, Mapping[str, Json]] = self.json_schema().get("properties", {})
        return found

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Names of the arguments that are ids of layers, one or a list of them."""
        about = ((name, str(spec.get("description", ""))) for name, spec in self.properties.items())
        return tuple(name for name, text in about if _LAYER_ID.match(text))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the arguments that cannot be left out."""
        return tuple(name for name, spec in self.properties.items() if "default" not in spec)

    def faults(self, given: Mapping[str, Json]) -> dict[str, str]:
        """What is wrong with each argument, by its name; empty if nothing is.

        One that is missing or that the tool does not have is named like any other.
        """
        try:
            self.arguments.model_validate(dict(given))
        except ValidationError as error:
            return self._faults(error)
        return {}

    def check(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """The arguments that were given, checked.

        Raises
        ------
        ToolInputError
            That says what is wrong with each and what is allowed.
        """
        try:
            checked = self.arguments.model_validate(dict(given))
        except ValidationError as error:
            raise self.refusal(error) from error
        return {name: getattr(checked, name) for name in given}

    def refusal(self, error: Any) -> ToolInputError:
        """A `ValidationError` of the arguments in our words."""
        wrong = self._faults(error).values()
        allowed = ", ".join(_spell(name, spec) for name, spec in self.json_schema()["properties"].items())
        what = f"{self.name}: " + "; ".join(wrong)
        return ToolInputError(what, allowed=allowed or "no arguments", next_step="call it again, corrected")

    def _faults(self, error: Any) -> dict[str, str]:
        wrong: dict[str, list[str]] = {}
        for item in error.errors(include_url=False):
            where = ".".join(str(part) for part in item["loc"][:1])
            if item["type"] == "extra_forbidden":
                said = f"it has no argument {where!r}"
            elif item["type"] == "missing":
                said = f"{where} is missing"
            else:
                said = f"{where}: {item['msg'].lower()}, not {_short(item['input'])}"
            wrong.setdefault(where, []).append(said)
        # A union reports each of its members; one line for each thing that is wrong is enough.
        return {name: "; ".join(dict.fromkeys(said)) for name, said in wrong.items()}


@lru_cache(maxsize=256)
def tool_schema(function: ToolFunction) -> ToolSchema:
    """Read a tool's signature and docstring, once for all conversations."""
    description, arguments = parse_docstring(inspect.getdoc(function) or "")
    return ToolSchema(function, function.__name__, description, _model(function, arguments))


def describe_result(result: ToolResult, workspace: Workspace, seconds: float) -> dict[str, Json]:
    """A tool's result as plain JSON values, small enough for a checkpoint; tables stay in the layer store."""
    return {
        "summary": result.summary,
        "figures": plain(result.figures),
        "layer_ids": list(result.layer_ids),
        "layers": [plain(workspace.layers.get(name).brief()) for name in result.layer_ids],
        "table": [plain(row) for row in result.table[: workspace.settings.model_rows]],
        "pictures": [_name_in(workspace.output, path) for path in result.pictures],
        "files": [_name_in(workspace.output, path) for path in result.files],
        "seconds": seconds,
    }


def told(description: Mapping[str, Json]) -> str:
    """What a model reads of a described result: its `TOLD` parts, as JSON."""
    shown = {key: description[key] for key in TOLD if description[key]}
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def fault_text(tool: str, error: Exception) -> str:
    """What a caller is told when a tool breaks; the log keeps the rest."""
    return (
        f"{tool} failed by a fault of the program ({type(error).__name__}), not of the arguments. "
        "Other tools still work; do not make up its result."
    )


def plain(value: Json) -> Json:
    """JSON values only: NumPy scalars become numbers, NaN and infinities null, paths their names."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return value.name
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def parse_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Split a numpydoc docstring (dedented) into the text before its first section and its parameters.

    >>> parse_docstring("Add.\\n\\nParameters\\n----------\\na, b\\n    Any number.")
    ('Add.', {'a': 'Any number.', 'b': 'Any number.'})
    """
    head, *sections = _SECTION.split(text)
    arguments: dict[str, str] = {}
    named = dict(zip(sections[::2], sections[1::2], strict=True))
    for names, body in _PARAMETER.findall(named.get("Parameters", "")):
        for name in names.split(":")[0].split(","):
            arguments[name.strip()] = " ".join(body.split())
    return " ".join(head.split()), arguments


def _model(function: ToolFunction, descriptions: Mapping[str, str]) -> type[BaseModel]:
    # Tools may import these two names for type checking only.
    names = {"Workspace": Workspace, "ToolResult": ToolResult}
    hints = typing.get_type_hints(function, localns=names, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        text, hint = descriptions.get(parameter.name, ""), hints[parameter.name]
        options: dict[str, Any] = {"description": text, **_bounds(hint, text)}
        if parameter.default is not inspect.Parameter.empty:
            options["default"] = parameter.default
        fields[parameter.name] = (hint, Field(**options))
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(function.__name__, __config__=strict, **fields)


def _bounds(hint: Any, text: str) -> dict[str, float]:
    kinds = set(typing.get_args(hint) or (hint,)) - {type(None)}
    found = _BOUNDS.search(text)
    if not found or not kinds <= {int, float}:
        return {}
    low, high = (float(number.replace(",", "")) for number in found.groups())
    return {"ge": low, "le": high}


def _short(value: Json) -> str:
    text = json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _spell(name: str, spec: Mapping[str, Json]) -> str:
    kinds = [option.get("type", "") for option in spec.get("anyOf", [spec])]
    words = " or ".join(kind for kind in kinds if kind and kind != "null")
    if "enum" in spec:
        words = " | ".join(map(str, spec["enum"]))
    return f"{name} ({words}{', optional' if 'default' in spec else ''})"


def _name_in(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
