"""Limits that belong together, turned round, and as tool calls."""

from __future__ import annotations

from typing import Any, Protocol

from agent.grammar.limits.conditions import opposite_condition
from agent.grammar.query import Declined, Region
from agent.grammar.steps import FilterLayer, FindPlace, LayerArg, Ref, StepBase, Without

# A layer less some of its own rows: all that is not at the place of one of them.
SAME_PLACE_KM = 0.1
# Parts of a limit that are no bounds of one call.
_APART = (
    "words",
    "both_hemispheres",
    "beyond",
    "place",
    "within_km",
    "centre",
    "outside",
    "where",
    "facing",
    "either",
)


class Steps(Protocol):
    """A plan to which steps can be added."""

    def add(self, tool: type[StepBase], /, **arguments: Any) -> LayerArg:
        """Append a step; returns a reference to it."""

    def any_of(self, layers: list[LayerArg]) -> LayerArg:
        """The rows of several layers."""


def mirrored(region: Region) -> Region:
    """A latitude band of one hemisphere, in both; any other limit as it is."""
    low, high = region.min_lat_deg, region.max_lat_deg
    if low is None or high is None or low * high < 0:
        return region
    low, high = sorted((abs(low), abs(high)))
    words = f"between {low:g} and {high:g} degrees latitude in either hemisphere"
    return region.model_copy(
        update={"min_lat_deg": low, "max_lat_deg": high, "both_hemispheres": True, "words": words}
    )


def combined(regions: list[Region]) -> list[Region]:
    """Limits without repetition; a band of both hemispheres and one hemisphere make the band of that one."""
    distinct = _opened(list(dict.fromkeys(regions)))
    bands = [region for region in distinct if region.both_hemispheres]
    halves = [region for region in distinct if _given(region) in ({"min_lat_deg": 0.0}, {"max_lat_deg": 0.0})]
    if len(bands) != 1 or len(halves) != 1:
        return distinct
    (band,), (half,) = bands, halves
    low, high = band.min_lat_deg or 0.0, band.max_lat_deg
    high = None if high == 90 else high
    bounds = (low, high) if half.min_lat_deg == 0 else (None if high is None else -high, -low)
    one = Region(min_lat_deg=bounds[0], max_lat_deg=bounds[1], words=f"{band.words} {half.words}".strip())
    side = "north" if half.min_lat_deg == 0 else "south"
    words = (
        f"poleward of {low:g} degrees {side}"
        if high is None
        else f"between {low:g} and {high:g} degrees {side}"
    )
    one = one.model_copy(update={"words": words})
    return [one if region is band else region for region in distinct if region is not half]


def either(one: Region, other: Region) -> Region:
    """Limits of which one is enough."""
    ends = {**_given(one), **_given(other)}
    low, high = ends.get("min_lat_deg"), ends.get("max_lat_deg")
    single = len(_given(one)) == len(_given(other)) == 1 and len(ends) == 2
    if single and low is not None and high is not None and low == -high:
        words = f"poleward of {low:g} degrees in either hemisphere"
        return Region(min_lat_deg=low, max_lat_deg=90.0, both_hemispheres=True, words=words)
    parts = (*(one.either or (one,)), other)
    return Region(either=parts, words=" or ".join(part.words for part in parts))


def _opened(regions: list[Region]) -> list[Region]:
    # "North of 45 N and south of 45 S" cannot both hold: either is meant.
    north = [region for region in regions if (_only(region, "min_lat_deg") or -1.0) > 0]
    south = [region for region in regions if (_only(region, "max_lat_deg") or 1.0) < 0]
    if len(north) != 1 or len(south) != 1:
        return regions
    rest = [region for region in regions if region not in (*north, *south)]
    return [*rest, either(north[0], south[0])]


def _only(region: Region, name: str) -> float | None:
    """The value of a limit that has no other bound."""
    given = _given(region)
    return given[name] if set(given) == {name} else None


def opposite(region: Region, text: str) -> Region:
    """The other side of a limit.

    Raises
    ------
    Declined
        If one limit cannot say it.
    """
    given, words = _given(region), f"not {region.words}"
    low, high = region.min_lat_deg, region.max_lat_deg
    if set(given) == {"where"} and (turned := opposite_condition(region.where)):
        return Region(where=turned, words=words)
    if set(given) == {"west_lon_deg", "east_lon_deg"}:
        return Region(west_lon_deg=region.east_lon_deg, east_lon_deg=region.west_lon_deg, words=words)
    if set(given) == {"min_lat_deg", "max_lat_deg"} and low is not None and high is not None and low == -high:
        return Region(min_lat_deg=high, max_lat_deg=90.0, both_hemispheres=True, words=words)
    if region.both_hemispheres and high == 90 and low is not None:
        return Region(min_lat_deg=-low, max_lat_deg=low, words=words)
    swaps = {"min_lat_deg": "max_lat_deg", "max_lat_deg": "min_lat_deg"}
    swaps |= {"min_elevation_m": "max_elevation_m", "max_elevation_m": "min_elevation_m"}
    if len(given) != 1 or not set(given) <= set(swaps):
        raise Declined(
            "unsupported",
            f"“not {text}” cannot be used as a limit in this version",
            "a limit said the other way round, such as south of 30 degrees",
        )
    ((name, value),) = given.items()
    return Region(**{swaps[name]: value}, words=words)


def limited(plan: Steps, layer: LayerArg, regions: tuple[Region, ...]) -> LayerArg:
    """A layer within limits: those that can be put into one call are.

    Raises
    ------
    Declined
        If they contradict each other.
    """
    if not regions:
        return layer
    placed = [region for region in regions if (region.place or region.centre) and not region.beyond]
    around = [region for region in placed if not region.outside]
    bands = [region for region in regions if region.both_hemispheres]
    plain = _merged([region for region in regions if not region.both_hemispheres and region not in placed])
    conditions = tuple(dict.fromkeys(region.where for region in regions if region.where))
    if conditions:
        plain["where"] = conditions
    if len(bands) > 1:
        raise Declined("contradiction", "two latitude bands were given", "one latitude band")
    if len(around) == 1 and not bands:
        plain |= _around(around[0])
        around = []
    for region in regions:
        if region.beyond:
            layer = _beyond(plan, layer, region)
    if plain:
        layer = plan.add(FilterLayer, layer=layer, **plain)
    if bands:
        layer = _in_both(plan, layer, bands[0])
    for region in regions:
        if region.facing:
            layer = _facing(plan, layer, north=region.facing == "pole")
    if around:
        layer = plan.any_of([plan.add(FilterLayer, layer=layer, **_around(region)) for region in around])
    for region in regions:
        if region.either:
            layer = plan.any_of([limited(plan, layer, (part,)) for part in region.either])
    for region in placed:
        if region.outside:
            inside = plan.add(FilterLayer, layer=layer, **_around(region))
            layer = plan.add(Without, layer=layer, other=inside, distance_km=SAME_PLACE_KM)
    return layer


def _given(region: Region) -> dict[str, Any]:
    return {
        name: value
        for name, value in region
        if name != "words" and value is not None and value is not False and value not in ("", ())
    }


def _around(region: Region) -> dict[str, Any]:
    """Arguments of a filter call around a place or a position."""
    if region.centre:
        lon, lat = region.centre
        return {"centre_lon_deg": lon, "centre_lat_deg": lat, "within_km": region.within_km}
    return {"place": region.place, "within_km": region.within_km}


def _beyond(plan: Steps, layer: LayerArg, region: Region) -> LayerArg:
    """A layer on one side of a place: for east and west the half of the globe on that side."""
    place = plan.add(FindPlace, place=region.place)
    assert isinstance(place, Ref)
    lon, lat = (Ref(step=place.step, figure=name) for name in ("lon_deg", "lat_deg"))
    half = lon.model_copy(update={"plus": 180.0 if region.beyond == "east" else -180.0})
    limits: dict[str, dict[str, Any]] = {
        "north": {"min_lat_deg": lat},
        "south": {"max_lat_deg": lat},
        "east": {"west_lon_deg": lon, "east_lon_deg": half},
        "west": {"west_lon_deg": half, "east_lon_deg": lon},
    }
    return plan.add(FilterLayer, layer=layer, **limits[region.beyond])


def _in_both(plan: Steps, layer: LayerArg, band: Region) -> LayerArg:
    low, high = band.min_lat_deg or 0.0, band.max_lat_deg
    top = None if high == 90 else high
    north = plan.add(FilterLayer, layer=layer, min_lat_deg=low, max_lat_deg=top)
    south = plan.add(FilterLayer, layer=layer, min_lat_deg=None if top is None else -top, max_lat_deg=-low)
    return plan.any_of([north, south])


def _facing(plan: Steps, layer: LayerArg, *, north: bool) -> LayerArg:
    """Slopes that face the pole: north in the northern hemisphere; or else the equator."""
    up, down = (f"aspect_deg between {low} and {high}" for low, high in ((315, 45), (135, 225)))
    here = plan.add(FilterLayer, layer=layer, min_lat_deg=0.0, where=(up if north else down,))
    there = plan.add(FilterLayer, layer=layer, max_lat_deg=0.0, where=(down if north else up,))
    return plan.any_of([here, there])


def _merged(regions: list[Region]) -> dict[str, Any]:
    """Arguments of one filter call that holds all limits."""
    merged: dict[str, Any] = {}
    for region in regions:
        for name, value in region:
            if value is None or name in _APART:
                continue
            old = merged.get(name)
            if name.startswith("min_"):
                merged[name] = value if old is None else max(old, value)
            elif name.startswith("max_"):
                merged[name] = value if old is None else min(old, value)
            elif old is not None and old != value:
                raise Declined("contradiction", "two longitude ranges were given", "one longitude range")
            else:
                merged[name] = value
    for name, unit in (("lat_deg", "degrees latitude"), ("elevation_m", "m elevation")):
        low, high = merged.get(f"min_{name}"), merged.get(f"max_{name}")
        if low is not None and high is not None and low >= high:
            raise Declined(
                "contradiction",
                f"nothing lies both above {low:g} and below {high:g} {unit}",
                "a lower limit below the upper one",
            )
    return merged
