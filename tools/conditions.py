"""Conditions on the values of a layer's rows: ``slope_deg >= 10``, ``unit = Hesperian``.

A condition is read by a small grammar into a name, a comparison and one or two values; nothing is executed.

    condition   name comparison value | name "between" number "and" number
                | name "contains" text | name "is known" | name "is unknown"
    comparison  >= | <= | > | < | = | !=
"""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from retrieval.errors import ToolInputError
from tools.context import Quantity, quantities, quantity, values_of
from tools.layers import Layer
from tools.results import said, tidy
from tools.workspace import Workspace

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Comparison = Literal[">=", "<=", ">", "<", "=", "!=", "between", "contains", "is known", "is unknown"]

LONGEST = 200
_NAME = r"(?P<name>[^\W\d][\w .:-]*?)"
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_RULES = tuple(
    re.compile(rf"{_NAME}\s*{rule}", re.IGNORECASE)
    for rule in (
        r"(?P<sign>>=|<=|!=|==|=|>|<)\s*(?P<value>[^<>=!].*)",
        rf"\s(?P<sign>between)\s+(?P<value>{_NUMBER})\s+and\s+(?P<high>{_NUMBER})",
        r"\s(?P<sign>contains)\s+(?P<value>.+)",
        r"\s(?P<sign>is known|is unknown)",
    )
)
_EXAMPLES = "slope_deg >= 10; elevation_m between -3000 and -2000; unit = Hesperian; diameter_km is known"


class Condition(BaseModel):
    """One condition.

    Attributes
    ----------
    name
        What is compared, as it was written.
    comparison, value, high
        How, and with what; ``high`` is the upper bound of "between".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    comparison: Comparison
    value: float | str = ""
    high: float = 0.0

    @property
    def words(self) -> str:
        """For people: ``slope_deg of at least 10``."""
        name, value = self.name, self.value if isinstance(self.value, str) else said(tidy(self.value, 6))
        return {
            ">=": f"{name} of at least {value}",
            "<=": f"{name} of at most {value}",
            ">": f"{name} above {value}",
            "<": f"{name} below {value}",
            "=": f"{name} equal to {value}",
            "!=": f"{name} other than {value}",
            "between": f"{name} between {value} and {said(tidy(self.high, 6))}",
            "contains": f"{name} containing {value}",
            "is known": f"{name} known",
            "is unknown": f"{name} unknown",
        }[self.comparison]


def read_condition(text: str) -> Condition:
    """Read one condition.

    Raises
    ------
    ToolInputError
        If it does not follow the grammar.
    """
    plain = " ".join(str(text).split())
    for rule in _RULES if len(plain) <= LONGEST else ():
        found = rule.fullmatch(plain)
        if not found:
            continue
        parts = found.groupdict()
        sign = parts["sign"].lower().replace("==", "=")
        value = (parts.get("value") or "").strip().strip("\"'")
        number = re.fullmatch(_NUMBER, value, re.IGNORECASE) and sign != "contains"
        if sign in (">=", "<=", ">", "<") and not number:
            break
        return Condition.model_validate(
            {
                "name": parts["name"].strip(),
                "comparison": sign,
                "value": float(value) if number else value,
                "high": float(parts.get("high") or 0.0),
            }
        )
    raise ToolInputError(
        f"{plain[:60]!r} is no condition",
        allowed=_EXAMPLES,
        next_step="write one comparison in each condition",
    )


def values_named(ws: Workspace, layer: Layer, name: str) -> tuple[str, pd.Series[Any]]:
    """Values of what `named` finds at the rows of a layer, and the column's name.

    Raises
    ------
    ToolInputError
        If there is no such thing; the message names those there are.
    """
    found = named(ws, layer, name)
    if isinstance(found, str):
        return found, layer.table[found]
    return found.column, pd.Series(values_of(ws, layer, found), index=layer.table.index)


def named(ws: Workspace, layer: Layer, name: str) -> str | Quantity:
    """A column of a layer, or a known quantity.

    A name may leave out the unit at its end and write spaces for underscores: ``elevation`` is
    ``elevation_m``.

    Raises
    ------
    ToolInputError
        If neither is called so; the message names those there are.
    """
    columns = [str(column) for column in layer.table.columns if column != "geometry"]
    wanted = _plain(name)
    same = [column for column in columns if _plain(column) == wanted]
    same = same or [column for column in columns if _plain(column).rpartition("_")[0] == wanted]
    if len(same) == 1:
        return same[0]
    try:
        return quantity(ws, name)
    except ToolInputError as error:
        raise ToolInputError(
            f"rows of {layer.id} have no {name[:40]!r}",
            allowed=", ".join(dict.fromkeys([*columns, *quantities(ws)])),
            next_step="use one of these names",
        ) from error


def holds(condition: Condition, values: pd.Series[Any], column: str) -> Bools:
    """For which rows a condition holds; unknown values (NaN, no text) hold for "is unknown" only.

    Azimuths and aspects run around: between 315 and 45 is through north.

    Raises
    ------
    ToolInputError
        If text is compared by size, or the bounds are in the wrong order.
    """
    numeric = pd.api.types.is_numeric_dtype(values)
    known = values.notna().to_numpy() & (True if numeric else (values.astype(str) != "").to_numpy())
    if condition.comparison in ("is known", "is unknown"):
        return np.asarray(known if condition.comparison == "is known" else ~known)
    if not numeric:
        return np.asarray(_text_holds(condition, values, column) & known)
    if isinstance(condition.value, str):
        raise ToolInputError(
            f"{column} holds numbers, which {condition.value[:40]!r} is not", allowed="a number in its unit"
        )
    number, value = values.to_numpy(dtype=float), condition.value
    around = column == "lon" or column.endswith(("azimuth_deg", "aspect_deg"))
    if condition.comparison == "between" and value > condition.high and not around:
        raise ToolInputError(
            f"{column} cannot lie between {value:g} and {condition.high:g}", next_step="swap them"
        )
    with np.errstate(invalid="ignore"):
        found = {
            ">=": number >= value,
            "<=": number <= value,
            ">": number > value,
            "<": number < value,
            "=": np.isclose(number, value, rtol=1e-9, atol=0.0),
            "!=": ~np.isclose(number, value, rtol=1e-9, atol=0.0),
            "between": (number - value) % 360.0 <= (condition.high - value) % 360.0
            if around
            else (number >= value) & (number <= condition.high),
        }[condition.comparison]
    return np.asarray(found & known)


def _text_holds(condition: Condition, values: pd.Series[Any], column: str) -> Bools:
    text = values.fillna("").astype(str).str.casefold().str.strip().to_numpy()
    wanted = condition.value if isinstance(condition.value, str) else f"{condition.value:g}"
    wanted = wanted.casefold()
    if condition.comparison in ("=", "!="):
        same = text == wanted
        return np.asarray(same if condition.comparison == "=" else ~same)
    if condition.comparison == "contains":
        return np.array([wanted in value for value in text], dtype=bool)
    raise ToolInputError(
        f"{column} holds text, which is not compared by size",
        allowed=f"{column} = TEXT, {column} != TEXT, {column} contains TEXT",
    )


def _plain(name: str) -> str:
    return re.sub(r"[ .-]+", "_", name.strip().casefold())
