"""The arguments of a recipe's calls as the fields of a form, and what is typed into them read back.

A field is what the schema of its tool says of an argument (`tools.schema`): its kind, bounds, unit and words
of help. Nothing is judged here: `agent.rerun.faults` says what is wrong with what was read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent.rerun import NOT_AGAIN, History, schemas
from agent.rerun_words import Recorded, label_of
from retrieval.errors import ToolInputError
from tools.results import said
from tools.schema import ToolSchema

Json = Any
Kind = Literal["number", "text", "list", "choice", "layer", "layers"]

MOST_EDITED_CALLS = 1_000
MOST_CHARS = 20_000
MOST_ITEMS = 1_000
_UNIT = re.compile(r"_(percent|km2|km|m|deg)$")
_UNITS = {"percent": "%", "km2": "km²", "km": "km", "m": "m", "deg": "degrees"}
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_WHOLE = re.compile(r"[+-]?\d{1,15}")


@dataclass(frozen=True)
class Field:
    """One argument as a field of a form.

    Attributes
    ----------
    name, label, unit, help
        The argument, and its words for people.
    kind
        ``list``: texts, one a line. ``choice``, ``layer``, ``layers``: of ``options``.
    value
        What was given, as it is typed; of ``list`` and ``layers`` the items.
    options
        Values with their words.
    required, given
        Whether the tool cannot do without it; whether the call had it.
    bounds
        ``0 to 1``; empty if there are none.
    default
        What the tool takes if it is left out, as it is typed; empty if it finds that out by itself.
    """

    name: str
    label: str
    unit: str
    help: str
    kind: Kind
    value: str | tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    required: bool
    given: bool
    bounds: str
    default: str

    @property
    def typed(self) -> str:
        """The value as one text, to see whether it was changed: items on lines of their own."""
        return self.value if isinstance(self.value, str) else "\n".join(self.value)


def fields_of(history: History, call: Recorded) -> list[Field]:
    """The fields of a call; none for a call that cannot run again.

    Those that were given come first, and of them numbers and words, which are changed most, before layers.
    """
    schema = schemas().get(call.step.tool)
    if schema is None or call.step.tool in NOT_AGAIN:
        return []
    layers = layers_before(history, call)
    fields = [
        _field(name, spec, call, schema, layers, required=name in schema.required)
        for name, spec in schema.properties.items()
    ]
    return sorted(
        fields, key=lambda field: (not (field.given or field.required), field.kind in ("layer", "layers"))
    )


def layers_before(history: History, call: Recorded) -> list[tuple[str, str]]:
    """Ids and titles of the layers that were there before a call."""
    found: list[tuple[str, str]] = []
    for other in history.calls[: call.number - 1]:
        briefs = {str(brief.get("id")): brief for brief in other.step.layers}
        for layer in other.step.layer_ids:
            about = briefs.get(layer, {})
            title, count = str(about.get("title", "")), about.get("count")
            rows = f", {count:,} rows" if isinstance(count, int) else ""
            found.append((layer, f"{layer} · {title}{rows}" if title else layer))
    return found


def read_edits(given: Json, history: History) -> dict[int, dict[str, Json]]:
    """Changes as a page sends them: ``{"3": {"distance_km": "60"}}``, texts as typed or plain values.

    An empty text, an empty list and None leave an argument out.

    Raises
    ------
    ToolInputError
        If it is none, or speaks of calls that do not exist.
    """
    if not isinstance(given, Mapping) or len(given) > MOST_EDITED_CALLS:
        raise ToolInputError("these changes cannot be read", next_step="reload the page")
    edits: dict[int, dict[str, Json]] = {}
    for key, changed in given.items():
        number = read_number(key)
        if not isinstance(changed, Mapping):
            raise ToolInputError("these changes cannot be read", next_step="reload the page")
        schema = schemas().get(history.call(number).step.tool)
        specs, needed = (schema.properties, schema.required) if schema else ({}, ())
        edits[number] = {
            str(name)[:80]: _read(value, _plain(specs.get(name, {})), name in needed)
            for name, value in changed.items()
        }
    return edits


def read_number(given: Json) -> int:
    """The number of a call, from whatever was sent."""
    text = str(given)
    if isinstance(given, bool) or not re.fullmatch(r"\d{1,6}", text):
        raise ToolInputError(f"{text[:20]!r} is no number of a call", next_step="reload the page")
    return int(text)


def _field(
    name: str,
    spec: Mapping[str, Json],
    call: Recorded,
    schema: ToolSchema,
    layers: Sequence[tuple[str, str]],
    *,
    required: bool,
) -> Field:
    plain, given = _plain(spec), call.step.arguments.get(name)
    kind = _kind(name, plain, schema)
    options: list[tuple[str, str]] = []
    if kind == "choice":
        options = [(str(option), str(option)) for option in plain["enum"]]
    elif kind in ("layer", "layers"):
        known, chosen = dict(layers), [str(item) for item in _items(given)]
        # Of several, those given come first, in their order. One that is gone may still be what was given.
        first = [(layer, known.get(layer, layer)) for layer in chosen]
        if kind == "layers":
            options = [*first, *(layer for layer in layers if layer[0] not in chosen)]
        else:
            options = [*layers, *(layer for layer in first if layer[0] not in known)]
    if kind in ("list", "layers"):
        value: str | tuple[str, ...] = tuple(str(item) for item in _items(given))
    else:
        value = _typed(given)
    unit = _UNIT.search(name)
    return Field(
        name=name,
        label=label_of(name) if name not in ("count", "n") else name,
        unit=_UNITS[unit[1]] if unit else "",
        help=spec.get("description", ""),
        kind=kind,
        value=value,
        options=tuple(options),
        required=required,
        given=given is not None,
        bounds=_bounds(plain),
        default=_typed(spec.get("default")),
    )


def _plain(spec: Mapping[str, Json]) -> Mapping[str, Json]:
    """A schema without the choice to leave the argument out."""
    choices = [one for one in spec.get("anyOf", ()) if one.get("type") != "null"]
    return choices[0] if choices else spec


def _kind(name: str, spec: Mapping[str, Json], schema: ToolSchema) -> Kind:
    if "enum" in spec:
        return "choice"
    if spec.get("type") == "array":
        return "layers" if name in schema.layers else "list"
    if spec.get("type") in ("number", "integer"):
        return "number"
    return "layer" if name in schema.layers else "text"


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else [] if value is None else [value]


def _typed(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return said(value).replace(",", "")
    return str(value)


def _bounds(spec: Mapping[str, Json]) -> str:
    low, high = spec.get("minimum"), spec.get("maximum")
    return f"{said(low)} to {said(high)}" if low is not None and high is not None else ""


def _read(value: Json, spec: Mapping[str, Json], required: bool) -> Json:
    """A value as the tool wants it; what cannot be read so stays as it is, for the schema to refuse."""
    if spec.get("type") == "array":
        items = value.splitlines() if isinstance(value, str) else value
        if not isinstance(items, list):
            return items
        texts = [str(item).strip()[:MOST_CHARS] for item in items[:MOST_ITEMS]]
        return [text for text in texts if text] or ([] if required else None)
    if not isinstance(value, str):
        return value
    text = value.strip()[:MOST_CHARS]
    if not text:
        return None
    if spec.get("type") == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    if spec.get("type") == "number":
        try:
            return float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
        except ValueError:
            return text
    return text
