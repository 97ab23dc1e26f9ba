"""What tool calls amount to, in a form in which two plans can be compared.

A layer is what its rows were searched by and the set of conditions put on them since, whatever the order and
however many calls it took: limits before or after a relation, one filter or two, are the same. A measure is a
call that makes no new rows. `read_calls` reads both from expected calls and from those that were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

from retrieval.errors import ToolInputError
from tools.conditions import read_condition

Json = Any
Same = Callable[[str, "Layer"], bool]  # whether a search was for a landform

RELATIONS = ("near", "without", "overlap", "downslope", "novelty", "nearest")
MEASURES: tuple[str, ...] = ("associate", "orientation", "compare", "density", "evaluate_layer")
MEASURES += ("sample_context", "summarise", "draw_map", "export_layer", "find_place", "decline")
MEASURES += ("merge_features", "nearest")
_LIMITS = {
    "latitude": ("min_lat_deg", "max_lat_deg"),
    "longitude": ("west_lon_deg", "east_lon_deg"),
    "elevation": ("min_elevation_m", "max_elevation_m"),
    "probability": ("min_probability",),
    "place": ("place", "within_km"),
    "position": ("centre_lon_deg", "centre_lat_deg"),
}
_OPEN = {"min_lat_deg": -90.0, "max_lat_deg": 90.0, "min_elevation_m": -1e5, "max_elevation_m": 1e5}
_EDGES = {"<=": "max", "<": "max", ">=": "min", ">": "min"}
_SYMMETRIC = ("associate", "compare", "orientation")
TOLERANCE = 0.01  # of a number: miles and degrees are converted, and rounded
OVERLAP_KM = 30.0  # up to there tiles that lie near each other are the same or touch


@dataclass(frozen=True)
class Condition:
    """One condition on rows: its kind, the values given, and the other layer of a relation."""

    kind: str
    values: tuple[tuple[str, Json], ...] = ()
    other: Layer | None = None


@dataclass(frozen=True)
class Layer:
    """What a layer's rows are: how they came, by what words, and the conditions they meet.

    Attributes
    ----------
    way
        ``words``, ``example``, ``catalogue``, ``union`` or ``unknown``.
    sought
        Words, example or file.
    parts
        Layers of a union.
    layer_id
        Of the search, to look at what it found.
    """

    way: str
    sought: str = ""
    parts: tuple[Layer, ...] = ()
    conditions: tuple[Condition, ...] = ()
    layer_id: str = field(default="", compare=False)

    @property
    def first(self) -> Layer:
        """The search it began with; of a union that of its first part."""
        return self.parts[0].first if self.parts else self


@dataclass(frozen=True)
class Measure:
    """A call that measures layers: its values, and the layers in the order of its arguments."""

    tool: str
    values: tuple[tuple[str, Json], ...]
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Plan:
    """Layers by id, and what was measured."""

    layers: Mapping[str, Layer]
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Match:
    """How well calls do what was expected: the same steps, and how many of the argument values are right."""

    same: bool
    right: int
    total: int

    def __add__(self, other: Match) -> Match:
        return Match(self.same and other.same, self.right + other.right, self.total + other.total)

    @property
    def rank(self) -> tuple[bool, int]:
        """The better of two is the larger."""
        return self.same, self.right


Call = tuple[str, Mapping[str, Json], Sequence[str]]  # tool, arguments, ids of the layers it made


def read_calls(calls: Iterable[Call], known: Mapping[str, Layer] | None = None) -> Plan:
    """What calls amount to, those that failed left out by the caller."""
    layers: dict[str, Layer] = dict(known or {})
    measures: list[Measure] = []
    for tool, arguments, made in calls:
        given = {name: value for name, value in arguments.items() if value is not None}
        if tool == "classify":
            for layer_id, words in zip(made, given.get("classes", ()), strict=False):
                layers[layer_id] = Layer("words", str(words), layer_id=layer_id)
            continue
        found = _layer(tool, given, layers, made[0] if made else "")
        if found is not None and made:
            layers[made[0]] = found
        if tool in MEASURES:
            measures.append(_measure(tool, given, layers))
    return Plan(layers, tuple(measures))


def _layer(tool: str, given: dict[str, Json], layers: Mapping[str, Layer], made: str) -> Layer | None:
    if tool == "search_words":
        threshold = given.get("min_probability")
        found = Layer("words", str(given.get("text", "")), layer_id=made)
        return found if threshold is None else _limited(found, {"min_probability": threshold})
    if tool == "search_example":
        return Layer("example", str(given.get("example", "")), layer_id=made)
    if tool == "load_catalogue":
        return Layer("catalogue", str(given.get("file", "")), layer_id=made)
    if tool == "union":
        return Layer("union", parts=tuple(_at(layers, name) for name in _names(given.get("layers"))))
    source = _at(layers, given.get("layer"))
    if tool == "filter_layer":
        return _limited(source, given)
    if tool == "refine":
        return replace(source, conditions=(*source.conditions, Condition("refine")))
    if tool.split("|")[0] in RELATIONS and (tool != "nearest" or "count" in given):
        values = tuple((name, given[name]) for name in ("distance_km", "count") if name in given)
        other = _at(layers, given.get("other", given.get("catalogue")))
        return replace(source, conditions=(*source.conditions, Condition(tool, values, other)))
    return source if tool in ("nearest", "sample_context", "merge_features") else None


def _limited(source: Layer, given: Mapping[str, Json]) -> Layer:
    """A layer with the conditions of one filter call; limits of one kind are taken together."""
    given = dict(given)
    new: list[Condition] = []
    for text in given.get("where") or ():
        new += _written(str(text), given)
    for kind, names in _LIMITS.items():
        values = {name: given[name] for name in names if name in given}
        if kind == "position" and values:
            values["within_km"] = given.get("within_km")
        elif kind == "place" and "place" not in values:
            continue
        if values:
            new.append(Condition(kind, tuple(values.items())))
    new += [Condition(name, (("layer", given[name]),)) for name in ("inside", "outside") if name in given]
    kept = list(source.conditions)
    for one in new:
        old = next((each for each in kept if each.kind == one.kind and one.kind in _LIMITS), None)
        if old is not None:
            kept.remove(old)
            one = Condition(one.kind, tuple(_tighter(dict(old.values), dict(one.values)).items()))
        kept.append(one)
    return replace(source, conditions=tuple(kept))


def _written(text: str, given: dict[str, Json]) -> list[Condition]:
    """A written condition; one on latitude, elevation or probability becomes the argument it stands for."""
    try:
        read = read_condition(text)
    except ToolInputError:
        return [Condition("where", (("text", text),))]
    name = read.name.lower().removesuffix("_deg").removesuffix("_m")
    ends = {"latitude": "lat_deg", "lat": "lat_deg", "elevation": "elevation_m", "probability": "probability"}
    if name in ends and read.comparison in (*_EDGES, "between"):
        if read.comparison == "between":
            given[f"min_{ends[name]}"], given[f"max_{ends[name]}"] = read.value, read.high
        else:
            given[f"{_EDGES[read.comparison]}_{ends[name]}"] = read.value
        return []
    values: tuple[tuple[str, Json], ...] = (("name", name), ("value", read.value))
    return [Condition(f"where {name}", values + ((("high", read.high),) if read.high else ()))]


def _tighter(old: dict[str, Json], new: dict[str, Json]) -> dict[str, Json]:
    for name, value in new.items():
        known = old.get(name)
        if isinstance(known, (int, float)) and isinstance(value, (int, float)):
            value = max(known, value) if name.startswith("min") else min(known, value)
        old[name] = value
    return old


def _measure(tool: str, given: dict[str, Json], layers: Mapping[str, Layer]) -> Measure:
    names = [given[key] for key in ("layer", "other", "catalogue") if key in given]
    names += _names(given.get("layers"))
    values = {k: v for k, v in given.items() if k not in ("layer", "other", "catalogue", "layers")}
    return Measure(tool, tuple(values.items()), tuple(_at(layers, name) for name in names))


def _at(layers: Mapping[str, Layer], name: Json) -> Layer:
    return layers.get(str(name).strip("[] "), Layer("unknown", str(name)))


def _names(value: Json) -> list[str]:
    return value.split(",") if isinstance(value, str) else list(value or ())


def match_layer(wanted: Layer, found: Layer, same: Same) -> Match:
    """Compare a layer with the one expected."""
    if wanted.way == "union" or found.way == "union":
        start = _match_parts(wanted, found, same)
    else:
        right = wanted.way == found.way and _same_search(wanted, found, same)
        start = Match(wanted.way == found.way, int(right), 1)
    left = list(found.conditions)
    for condition in wanted.conditions:
        tried = [(match_condition(condition, one, same), one) for one in left]
        tried = [pair for pair in tried if pair[0].same or pair[1].kind == condition.kind]
        if not tried:
            start += Match(False, 0, _worth(condition))
            continue
        best, one = max(tried, key=lambda pair: pair[0].rank)
        left.remove(one)
        start += best
    return start if not left else start + Match(False, 0, 0)


def _match_parts(wanted: Layer, found: Layer, same: Same) -> Match:
    if wanted.way != found.way or len(wanted.parts) != len(found.parts) or len(wanted.parts) > 4:
        parts = found.parts or (found,)
        best = max((match_layer(p, q, same) for p in wanted.parts or (wanted,) for q in parts), key=_rank)
        return Match(False, best.right, max(best.total, sum(map(_worth_layer, wanted.parts))))
    ways = [
        sum((match_layer(p, q, same) for p, q in zip(wanted.parts, order, strict=True)), Match(True, 0, 0))
        for order in permutations(found.parts)
    ]
    return max(ways, key=_rank)


def match_condition(wanted: Condition, found: Condition, same: Same) -> Match:
    """Compare one condition with another."""
    kinds = wanted.kind.split("|")
    alike = found.kind in kinds
    given = dict(found.values)
    if not alike:
        # In the same tile or the next is what a short distance says too.
        distance = given.get("distance_km")
        alike = "overlap" in kinds and found.kind == "near" and _as_number(distance) <= OVERLAP_KM
        given.pop("distance_km", None)
    if not alike:
        return Match(False, 0, _worth(wanted))
    total = Match(True, 0, 0)
    for name, value in wanted.values:
        counts = not (name == "distance_km" and found.kind == "overlap")
        total += Match(True, int(counts and _same_value(name, value, given.get(name))), int(counts))
    if wanted.other is not None:
        total += match_layer(wanted.other, found.other or Layer("unknown"), same)
    return total


def match_measure(wanted: Measure, found: Measure, same: Same) -> Match:
    """Compare one measurement with another; of two layers the order does not count."""
    if wanted.tool != found.tool or len(wanted.layers) > len(found.layers):
        return Match(False, 0, worth_measure(wanted))
    orders = [found.layers]
    if wanted.tool in _SYMMETRIC and len(found.layers) == 2:
        orders.append(found.layers[::-1])
    best = max(
        (
            sum(
                (match_layer(p, q, same) for p, q in zip(wanted.layers, order, strict=False)),
                Match(True, 0, 0),
            )
            for order in orders
        ),
        key=_rank,
    )
    given = dict(found.values)
    for name, value in wanted.values:
        best += Match(True, int(_same_value(name, value, given.get(name))), 1)
    return best


def worth_measure(wanted: Measure) -> int:
    """How many argument values a measurement has."""
    return len(wanted.values) + sum(map(_worth_layer, wanted.layers))


def _worth_layer(layer: Layer) -> int:
    own = sum(map(_worth_layer, layer.parts)) if layer.parts else 1
    return own + sum(map(_worth, layer.conditions))


def _worth(condition: Condition) -> int:
    return len(condition.values) + (_worth_layer(condition.other) if condition.other else 0)


def _same_search(wanted: Layer, found: Layer, same: Same) -> bool:
    if wanted.way == "words":
        return same(wanted.sought, found)
    return _plain(wanted.sought) == _plain(found.sought)


def _same_value(name: str, wanted: Json, found: Json) -> bool:
    if found is None:
        found = _OPEN.get(name)
    if isinstance(wanted, (list, tuple)) and all(isinstance(one, (int, float)) for one in wanted):
        return bool(wanted[0] <= _as_number(found) <= wanted[1])
    if isinstance(wanted, (list, tuple)):
        given = [_plain(str(one)) for one in _names(found)]
        return all(any(_plain(str(one)) in each for each in given) for one in wanted)
    if isinstance(wanted, (int, float)):
        return abs(_as_number(found) - wanted) <= max(TOLERANCE * abs(wanted), 1e-9)
    return found is not None and _plain(str(wanted)) in _plain(str(found))


def _as_number(value: Json) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _plain(text: str) -> str:
    return " ".join("".join(c if c.isalnum() or c in ".-" else " " for c in text.casefold()).split())


def _rank(match: Match) -> tuple[bool, int]:
    return match.rank
