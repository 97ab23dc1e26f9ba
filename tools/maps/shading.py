"""Rows coloured by a column of numbers, and the bar that says which colour is which value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from tools.layers import Layer
from tools.maps.drawing import Box
from tools.maps.paper import DPI, INK, QUIET
from tools.maps.views import column_label
from tools.results import Figures, plural, said, tidy

PALETTE = "viridis"  # even steps look even, with any colour vision; stands out from a grey ground
MANY = 200  # values from which on the outermost hundredths do not set the scale
LOG_RANGE = 100.0  # largest over smallest value from which on positive values are shaded by their logarithm


@dataclass(frozen=True)
class Shade:
    """Colours of a layer's rows by a column.

    Attributes
    ----------
    layer, column
        Id of the layer and name of the column.
    values
        Its values, (n,); NaN where a row has none.
    """

    layer: str
    column: str
    values: NDArray[np.float64]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a value."""
        return np.isfinite(self.values)

    @property
    def scale(self) -> Normalize:
        """Values to 0..1: evenly, or by their logarithm where they are positive and span much."""
        known = self.values[self.known]
        low, high = np.percentile(known, (1.0, 99.0) if len(known) >= MANY else (0.0, 100.0)).tolist()
        if low > 0 and high > LOG_RANGE * low:
            return LogNorm(low, high, clip=True)
        return Normalize(low, high, clip=True) if high > low else Normalize(low - 0.5, low + 0.5)

    def rows(self) -> NDArray[np.float64]:
        """Colour of each row, rgba (n, 4); opacity 0 where it has no value."""
        colours = np.zeros((len(self.values), 4))
        if self.known.any():
            colours[self.known] = colormaps[PALETTE](self.scale(self.values[self.known]))
        return colours

    def words(self, figures: Figures) -> str:
        """A sentence for the summary; its numbers are put into the figures."""
        label = column_label(self.column)
        known = self.values[self.known]
        if not len(known):
            return f"No row of {self.layer} has a value of {label}: all are drawn hollow."
        figures["colour_lowest"], figures["colour_highest"] = tidy(known.min()), tidy(known.max())
        words = (
            f"{self.layer} is coloured by {label}, from {said(figures['colour_lowest'])} to "
            f"{said(figures['colour_highest'])}"
        )
        if missing := len(self.values) - len(known):
            figures["without_value"] = missing
            words += f"; {plural(missing, 'row')} without a value drawn hollow"
        return words + "."


def shade_of(layer: Layer, column: str) -> Shade:
    """Colours by a column of a layer.

    Raises
    ------
    ToolInputError
        If it has no such column of numbers; those it has are named.
    """
    table = layer.table.drop(columns="geometry")
    numeric = [
        str(name)
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])
    ]
    if column not in numeric:
        raise ToolInputError(
            f"{layer.id} has no column of numbers {column[:60]!r}",
            allowed=", ".join(numeric[:20]),
            next_step="colour by one of these, or leave colour_by out",
        )
    return Shade(layer.id, column, table[column].to_numpy(dtype=float, na_value=np.nan))


def shade_colour() -> Any:
    """A colour of the scale that stands for all of it in a legend."""
    return colormaps[PALETTE](0.6)


def draw_bar(figure: Figure, shade: Shade, box: Box) -> None:
    """The colours of the values from low to high, with the column's name and unit beside them."""
    across, down = figure.get_size_inches() * DPI
    place = (box.left / across, 1.0 - (box.top + box.height) / down, box.width / across, box.height / down)
    axes: Any = figure.add_axes(place)
    scale, known = shade.scale, shade.values[shade.known]
    ends = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
    beyond = bool(known.min() < scale.vmin), bool(known.max() > scale.vmax)
    mappable = ScalarMappable(scale, PALETTE)
    bar: Any = figure.colorbar(mappable, cax=axes, orientation="horizontal", extend=ends[beyond])
    bar.outline.set_linewidth(0.5)
    bar.minorticks_off()
    bar.formatter = lambda value, _: said(tidy(value))
    bar.update_ticks()
    axes.tick_params(labelsize=9.0, labelcolor=QUIET, length=3, color=QUIET)
    label = f"{shade.layer}  {column_label(shade.column)}" + (
        ", log scale" if isinstance(scale, LogNorm) else ""
    )
    middle = 1.0 - (box.top + box.height / 2.0) / down
    figure.text((box.left + box.width + 20.0) / across, middle, label, fontsize=10.5, color=INK, va="center")
