"""Limits as a follow-up changes them: of which kind one is, and the same with another number."""

from __future__ import annotations

from agent.grammar.limits.bounds import opposite
from agent.grammar.limits.edges import degrees
from agent.grammar.query import Declined, Region, short_number


def kind_of(region: Region) -> str:
    """What a limit is on: latitude, longitude, elevation, probability, place, or another value."""
    if region.either:
        return kind_of(region.either[0])
    if region.place or region.centre:
        return "place"
    if region.min_lat_deg is not None or region.max_lat_deg is not None:
        return "latitude"
    if region.west_lon_deg is not None or region.east_lon_deg is not None:
        return "longitude"
    if region.min_elevation_m is not None or region.max_elevation_m is not None:
        return "elevation"
    return "probability" if region.min_probability is not None else "value"


def sort_of(region: Region) -> str:
    """The kind of a limit, where a latitude and a place are one: each says where."""
    kind = kind_of(region)
    return "where" if kind in ("latitude", "place") else kind


def on_place(name: str, within_km: float | None = None) -> Region:
    """A place, or what lies within a distance of it."""
    if within_km is None:
        return Region(place=name, words=f"in {name}")
    words = f"within {short_number(within_km)} km of {name}"
    return Region(place=name, within_km=within_km, words=words)


def opposite_limit(region: Region) -> Region:
    """What lies on the other side of a limit, or outside a place.

    Raises
    ------
    Declined
        If one limit cannot say it.
    """
    if (region.place or region.centre) and not region.beyond:
        words = f"outside {region.place}" if not region.outside and region.place else f"not {region.words}"
        return region.model_copy(update={"outside": not region.outside, "words": words})
    return opposite(region, region.words)


def probability(value: float) -> Region:
    """A smallest probability.

    Raises
    ------
    Declined
        If it is none.
    """
    if not 0 <= value <= 1:
        raise Declined("bad_value", f"{value:g} is no probability", "0 to 1, or 0 to 100 percent")
    return Region(min_probability=round(value, 6), words=f"with a probability of at least {value:g}")


def relimited(region: Region, value: float, side: str = "") -> Region | None:
    """A limit of one number with another number; None if it has two.

    Parameters
    ----------
    side
        Hemisphere that was said with the number.
    """
    kind = kind_of(region)
    if region.either:
        return None
    if kind == "latitude":
        return _latitude(region, value, side)
    if kind == "elevation":
        low, high = region.min_elevation_m, region.max_elevation_m
        if low is not None and high is not None:
            return None
        words = f"at elevations {'above' if high is None else 'below'} {value:,g} m"
        return region.model_copy(
            update={"min_elevation_m" if high is None else "max_elevation_m": value, "words": words}
        )
    if kind == "probability":
        words = f"with a probability of at least {value:g}"
        return region.model_copy(update={"min_probability": value, "words": words})
    return _value(region, value)


def _latitude(region: Region, value: float, side: str) -> Region | None:
    if abs(value) > 90:
        raise Declined("bad_value", f"{value:g} degrees is no latitude", "latitudes from -90 to 90 degrees")
    low, high = region.min_lat_deg, region.max_lat_deg
    value = -abs(value) if side == "south" else value
    if region.both_hemispheres:
        if high != 90.0:
            return None
        words = f"poleward of {abs(value):g} degrees in either hemisphere"
        return region.model_copy(update={"min_lat_deg": abs(value), "words": words})
    if low is not None and high is not None:
        if low != -high:
            return None
        words = f"equatorward of {abs(value):g} degrees"
        return Region(min_lat_deg=-abs(value), max_lat_deg=abs(value), words=words)
    old = low if low is not None else high
    assert old is not None
    if old < 0 and value > 0 and not side:  # "south of 30 S", and then "40"
        value = -value
    name = "min_lat_deg" if low is not None else "max_lat_deg"
    if "pole" in region.words or "equatorward" in region.words:
        pole = (name == "min_lat_deg") == (value >= 0)
        words = f"{'poleward' if pole else 'equatorward'} of {degrees(value)}"
    else:
        words = f"{'north' if name == 'min_lat_deg' else 'south'} of {degrees(value)}"
    return Region().model_copy(update={name: value, "words": words})


def _value(region: Region, value: float) -> Region | None:
    # "slope_deg >= 10" with another number
    parts = region.where.split(" ")
    if len(parts) != 3 or parts[1] not in (">=", "<=", ">", "<", "=") or region.facing:
        return None
    old, where = parts[2], f"{parts[0]} {parts[1]} {value:g}"
    return region.model_copy(update={"where": where, "words": region.words.replace(old, f"{value:g}")})
