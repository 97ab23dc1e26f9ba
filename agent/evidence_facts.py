"""Numbers that tools gave, each with its unit and the layers that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agent.events import Step

# Ends of the names of figures; one at another threshold is called ``near_percent_at_0.60``.
_UNITS = {"percent": "%", "km2": "km2", "km": "km", "m2": "m2", "m": "m", "deg": "deg"}
_UNITS |= {"lat": "deg", "lon": "deg"}
_UNITS |= dict.fromkeys(("count", "n", "features", "rows", "searched", "tiles", "entries", "layers"), "count")
_AT = r"_at_(?P<at>\d+(?:\.\d+)?)"
_NAMED_UNIT = re.compile(rf"(?:^|_)({'|'.join(_UNITS)})(?:_L\d+)?(?:{_AT})?$")
_AT_LEVEL = re.compile(rf"{_AT}(?:_|$)")
_OWN_LAYER = re.compile(r"_(L\d+)$")
# Settings and facts of the index hold for every layer that a sentence may cite.
_COMMON = re.compile(
    r"(?:^|_)(?:threshold|min|max|tile_km|searched|observed|level|interval|power|middle|step|classes|large"
    r"|within|given|least|fewest|tests|seed)(?:_|$)|^distance_km$|^limit_|^stratum_"
)
# Of the rows, these only number them.
_ORDINALS = {"tile", "feature_id", "rank", "index"}
# Columns of values of whatever quantity was asked for.
_QUANTITY = re.compile(r"^(?:q\d+|median|mean|low|high|value|from|to)$")
ANY = "any"
TABLE = "(table)"
_MOST_ROWS_KEYS = ("distance_km", "threshold")
_LAYERS_AS_ARGUMENTS = ("layer", "other", "catalogue", "inside", "outside", "layers", "earlier", "parent")
_FEATURE_TESTS = ("associate", "compare", "density")


@dataclass(frozen=True)
class Fact:
    """A number that a tool gave.

    Attributes
    ----------
    name, value, unit
        As the tool named it; the unit is empty where the name tells none.
    noun
        ``tile`` or ``feature`` where it is known which of them it counts.
    owners
        Layers it is about; empty: it holds whatever is cited.
    at
        The threshold it holds at, where it is not the layer's own.
    row
        What else its row says, where it stands in a table beside figures of the same name: a sentence that
        means this one says some of it.
    step, tool
        Of which step and tool; empty for what the model was told of the index.
    """

    name: str
    value: Decimal
    unit: str = ""
    noun: str = ""
    owners: frozenset[str] = frozenset()
    at: str = ""
    row: frozenset[str] = frozenset()
    step: str = ""
    tool: str = ""


def facts_of(step: Step) -> Iterator[Fact]:
    """Every number that the result of a step shows a model."""
    if step.error:
        return
    about = layers_of(step)
    for name, value in _numbers("", step.figures):
        yield _fact(step, name, value, about)
    for brief in step.layers:
        owner = frozenset({str(brief["id"])}) if "id" in brief else about
        for name, value in _numbers("", brief):
            # A threshold in a brief is that layer's own.
            yield Fact(
                name,
                value,
                unit_of(name),
                _kind(brief) if name == "count" else "",
                owner,
                "",
                frozenset(),
                "",
            )
    units = [unit_of(name) for name in step.figures if "median_" in name]
    quantity = units[0] if units else ANY
    for row in step.table:
        words = frozenset(str(item) for key, item in row.items() if key in _MOST_ROWS_KEYS or _is_word(item))
        for name, value in _numbers("", row):
            if name not in _ORDINALS:
                others = words if name in step.figures else frozenset()
                unit = unit_of(name) or (quantity if _QUANTITY.search(name) else "")
                yield Fact(name, value, unit, "", about, "", others, step.step_id, TABLE)


def layers_of(step: Step) -> frozenset[str]:
    """The layers a step made, or used."""
    return frozenset(step.layer_ids) | frozenset(parents_of(step))


def parents_of(step: Step) -> list[str]:
    """The layers that a step was given."""
    given = [step.arguments.get(name) for name in _LAYERS_AS_ARGUMENTS]
    listed = [item for value in given for item in (value if isinstance(value, list | tuple) else [value])]
    return [f"L{match[1]}" for item in listed if (match := re.fullmatch(r"\[?[Ll](\d+)\]?", str(item)))]


def ancestors(steps: Iterable[Step]) -> dict[str, frozenset[str]]:
    """For each layer those it was made from, however far back."""
    above: dict[str, frozenset[str]] = {}
    for step in steps:
        parents = parents_of(step)
        for made in step.layer_ids:
            above[made] = frozenset(parents).union(*(above.get(parent, frozenset()) for parent in parents))
    return above


def unit_of(name: str) -> str:
    """Unit at the end of a figure's name; empty if there is none that is known."""
    if "per_million_km2" in name:
        return "per_million_km2"
    if name.startswith("km_to_"):
        return "km"
    found = None if "per_" in name else _NAMED_UNIT.search(name)
    if found is None and (middle := re.search(r"_(m|km|deg|km2|percent)_at_", name)):
        return _UNITS[middle[1]]
    if found is None and (end := re.search(r"_at_[\d.]+_(m|km|deg|km2|percent)$", name)):
        return _UNITS[end[1]]
    return _UNITS[found[1]] if found else ""


def known_fact(name: str, value: float, owners: frozenset[str] = frozenset()) -> Fact:
    """A number that the model was told beside the tools' results."""
    return Fact(name, decimal(value), unit_of(name), owners=owners)


def decimal(value: float) -> Decimal:
    """The number as it is written, so that 12.25 written from a figure of 12.25 meets it exactly."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _fact(step: Step, name: str, value: Decimal, about: frozenset[str]) -> Fact:
    at = _AT_LEVEL.search(name)
    level = at["at"] if at else ""
    owners, noun = _owners(step, name, about), _noun(step, name)
    return Fact(name, value, unit_of(name), noun, owners, level, step=step.step_id, tool=step.tool)


def _owners(step: Step, name: str, about: frozenset[str]) -> frozenset[str]:
    """The layers a figure is about: the first, the other, or what was made of them."""
    if own := _OWN_LAYER.search(name):
        return frozenset({own[1]})
    if _COMMON.search(name):
        return frozenset()
    made = frozenset(step.layer_ids)
    first, other = (_ids(step.arguments.get(key)) for key in ("layer", "other"))
    counts = unit_of(name) == "count"
    if name.startswith(("other_", "second_")) and other:
        return other if counts or name.startswith("second_") else about
    if name.startswith("of_") and first:
        return first
    if counts and name in ("count", "n") and first and not made:
        return first
    return made if made and (counts or name == "area_km2") else about


def _ids(value: Any) -> frozenset[str]:
    found = re.fullmatch(r"\[?[Ll](\d+)\]?", str(value))
    return frozenset({f"L{found[1]}"}) if found else frozenset()


def _noun(step: Step, name: str) -> str:
    stem = _AT_LEVEL.split(name)[0]
    if "feature" in stem:
        return "feature"
    if stem == "rows_count":
        return "tile"
    if step.tool in _FEATURE_TESTS:
        return "feature" if stem in ("count", "of_count", "near_count", "tested_count") else ""
    if stem == "of_count" and step.tool == "merge_features":
        return "tile"
    if stem in ("count", "stricter_count") and "features" in step.figures:
        kinds = {str(brief.get("kind", "")) for brief in step.layers}
        return "tile" if kinds <= {"tiles"} else "feature" if kinds == {"features"} else ""
    return ""


def _kind(brief: Mapping[str, Any]) -> str:
    return {"tiles": "tile", "features": "feature"}.get(str(brief.get("kind", "")), "")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) > 2


def _numbers(name: str, value: Any) -> Iterator[tuple[str, Decimal]]:
    """Every number in nested JSON, under the key nearest to it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(str(key), item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(name, item)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = decimal(value)
        if number.is_finite():
            yield name, number
