"""What the words and steps of a map are: labels of the graticule, round steps, a column's name and unit."""

from __future__ import annotations

import math

from retrieval.body import Body, to_east_180

# Endings of column names and what is written for them.
_UNITS = {"km2": "km²", "deg": "°", "percent": "%", "wm2": "W/m²"}
_PLAIN_UNITS = ("m", "km", "px", "s")


def longitude_label(lon_deg: float, body: Body) -> str:
    """A longitude as the body's users write it: ``120° W``, or ``240° E`` where they count to 360."""
    east = float(to_east_180(lon_deg))
    if body.longitude_domain == 360:
        value = (-east if body.longitude_positive == "west" else east) % 360.0
        return f"{value:g}°" + (f" {body.longitude_positive[0].upper()}" if value else "")
    if east in (0.0, -180.0):
        return f"{abs(east):g}°"
    return f"{abs(east):g}° {'E' if east > 0 else 'W'}"


def latitude_label(lat_deg: float) -> str:
    """``30° N``, ``0°``, ``30° S``."""
    return f"{abs(lat_deg):g}°" + (" N" if lat_deg > 0 else " S" if lat_deg < 0 else "")


def column_label(column: str) -> str:
    """A column as people read it: ``diameter_km`` is ``diameter, km``."""
    head, _, unit = column.rpartition("_")
    if head and (unit in _UNITS or unit in _PLAIN_UNITS):
        return f"{head.replace('_', ' ')}, {_UNITS.get(unit, unit)}"
    return column.replace("_", " ")


def round_step(span: float, parts: int) -> float:
    """The number nearest span / parts that is 1, 2 or 5 times a power of ten."""
    raw = span / parts
    scale = 10.0 ** math.floor(math.log10(raw))
    return min((factor * scale for factor in (1.0, 2.0, 5.0, 10.0)), key=lambda step: abs(step - raw))


def degree_step(span_deg: float, parts: int) -> float:
    """Like `round_step`, in divisors of 90 where a step is more than a few degrees."""
    raw = span_deg / parts
    return round_step(span_deg, parts) if raw < 4 else min((5, 10, 15, 30, 45), key=lambda s: abs(s - raw))
