"""Numbers in the answers of the offline planner: how they are written, and whether a tool gave them."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_NAME = re.compile(r"\b\d+(?:\.\d+)?km-r\d+c\d+\b|\bL\d+\b")


def numbers_in(text: str) -> set[float]:
    """Numbers as written, without their signs; those in names of tiles and layers are none."""
    return {float(number.replace(",", "")) for number in _NUMBER.findall(_NAME.sub("", text))}


def is_backed(text: str, known: set[float]) -> bool:
    """Whether every number of a text is known."""
    return numbers_in(text) <= {abs(value) for value in known}


def number(value: float) -> str:
    """A figure as it is written: ``1,234``, ``0.25``."""
    return f"{value:,}" if isinstance(value, int) or float(value).is_integer() else f"{value:,.10g}"


def degrees(value: float) -> str:
    """A latitude as it is written: ``12.5 degrees south``."""
    return (
        "the equator" if abs(value) < 1e-6 else f"{abs(value):g} degrees {'north' if value > 0 else 'south'}"
    )
