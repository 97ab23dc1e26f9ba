"""Plain tool functions -> LangChain tools: schema from signature and docstring, results as JSON.

A tool is a function ``f(ws, ...) -> ToolResult`` with a numpydoc docstring. The model sees its name, the text
before the first section, and for each argument its type, its description and the bounds that stand in it
(``0.1 to 5000 km``).
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import re
import time
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from langchain.agents.middleware import ToolErrorMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.tools import StructuredTool
from pydantic import BaseModel, ConfigDict, Field, create_model

from retrieval.errors import Cancelled, InputError, ToolInputError
from tools.workspace import ToolResult, Workspace

Json = Any
ToolFunction = Callable[..., ToolResult]

log = logging.getLogger(__name__)

_NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
_BOUNDS = re.compile(rf"(?<![\w.-])({_NUMBER}) (?:to|and) ({_NUMBER})(?!\.?\w)")
_SECTION = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", re.MULTILINE)
_PARAMETER = re.compile(r"^(\S.*)\n((?:[ \t]+.*\n?|\n)*)", re.MULTILINE)


def wrap_tools(functions: Iterable[ToolFunction], workspace: Workspace) -> list[StructuredTool]:
    """Bind each function to a workspace and describe it to a model.

    A call answers with JSON ``{"summary", "figures", "layers", "table"}`` and the artifact that
    `describe_result` makes. Arguments are checked strictly: no unknown names, no text for a number.
    """
    return [_wrap(function, workspace) for function in functions]


def error_middleware() -> ToolErrorMiddleware[Any, Any]:
    """Tell the model what went wrong in a tool; a stop ends the run instead."""
    return ToolErrorMiddleware(_tell)


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


def _wrap(function: ToolFunction, workspace: Workspace) -> StructuredTool:
    name = function.__name__
    description, arguments = parse_docstring(inspect.getdoc(function) or "")
    schema = _schema(function, arguments)

    def call(**given: Json) -> tuple[str, dict[str, Json]]:
        started = time.perf_counter()
        result = function(workspace, **given)
        artifact = describe_result(result, workspace, time.perf_counter() - started)
        shown = {key: artifact[key] for key in ("summary", "figures", "layers", "table") if artifact[key]}
        return json.dumps(shown, ensure_ascii=False, separators=(",", ":")), artifact

    return StructuredTool(
        name=name,
        description=description,
        args_schema=schema,
        func=call,
        response_format="content_and_artifact",
        handle_validation_error=lambda error: _say_what_is_wrong(name, schema, error),
    )


def _schema(function: ToolFunction, descriptions: Mapping[str, str]) -> type[BaseModel]:
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


def _bounds(hint: Any, text: str) -> dict[str, float]:
    kinds = set(typing.get_args(hint) or (hint,)) - {type(None)}
    found = _BOUNDS.search(text)
    if not found or not kinds <= {int, float}:
        return {}
    low, high = (float(number.replace(",", "")) for number in found.groups())
    return {"ge": low, "le": high}


def _tell(error: Exception, request: ToolCallRequest) -> str | None:
    if isinstance(error, Cancelled):
        return None
    if isinstance(error, InputError):
        return str(error)
    name = request.tool_call["name"]
    log.error("tool %s failed on %s", name, request.tool_call["args"], exc_info=error)
    return (
        f"{name} failed by a fault of the program ({type(error).__name__}), not of the arguments. "
        "Other tools still work; do not make up its result."
    )


def _say_what_is_wrong(tool: str, schema: type[BaseModel], error: Any) -> str:
    wrong = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"][:1])
        if item["type"] == "extra_forbidden":
            wrong.append(f"it has no argument {where!r}")
        elif item["type"] == "missing":
            wrong.append(f"{where} is missing")
        else:
            wrong.append(f"{where}: {item['msg'].lower()}, not {_short(item['input'])}")
    allowed = ", ".join(_spell(name, spec) for name, spec in schema.model_json_schema()["properties"].items())
    # A union reports each of its members; one line for each thing that is wrong is enough.
    what = f"{tool}: " + "; ".join(dict.fromkeys(wrong))
    return str(ToolInputError(what, allowed=allowed or "no arguments", next_step="call it again, corrected"))


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
