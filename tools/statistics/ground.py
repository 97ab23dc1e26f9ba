"""A quantity on the ground observed: what a density divides by and what a layer is compared with.

Also what counts as one piece of evidence in both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.body import unit_vectors
from retrieval.errors import ToolInputError
from retrieval.grid import Grid
from retrieval.spatial.nulls import clusters_of
from retrieval.spatial.observed import Observed, observed_by_index
from tools.context import Quantity
from tools.maps.views import round_step
from tools.results import Figures, said, tidy
from tools.things import LINK_TILES
from tools.workspace import Workspace, check_number

USUAL_CLASSES = 9
MOST_CLASSES = 120
MOST_OF_GROUND = 0.5  # in one class, before classes of equal width give way to those of equal area
EQUAL_CLASSES = 8
MOST_MEASURED = 50_000  # places of the ground where a raster is asked: a second of terrain
WIDEST_LINKS = 2.0  # linking distances: groups that reach farther than this from their middle are cut

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ground:
    """The ground observed and a value on it.

    Attributes
    ----------
    observed
        Where was looked.
    cell_values
        The value of each observed cell, (c,); NaN where it is not known.
    values
        The value at any positions (..., 2), shape (...); NaN off the ground observed.
    of_things
        The same at the positions of things, (n, 2), each measured where it lies.
    measured
        Cells in which the value was measured, if not in all of them.
    """

    observed: Observed
    cell_values: Floats
    values: Callable[[Floats], Floats]
    of_things: Callable[[Floats], Floats]
    measured: int | None = None


def ground_of(ws: Workspace, wanted: Quantity, most: int = MOST_MEASURED) -> Ground:
    """A quantity on the ground that the index has observed.

    Positions have the value of the cell that they lie in: so moved ones cost nothing, and all are measured
    as the ground is. Latitude and longitude are those of the position itself. What is measured over discs
    (of a raster) is measured in about ``most`` cells at most, spread evenly over the ground; the cells
    around each take its value. Things are then measured in their own cells all the same.
    """
    observed = observed_by_index(ws.index)
    if wanted.scale_km > 0 and len(observed.cells) > most:
        return _measured_in_some(ws, wanted, observed, most)
    cells = wanted.at(observed.grid.centres(observed.cells)) if len(observed.cells) else np.zeros(0)
    cells = np.asarray(cells, dtype=np.float64)
    ws.check_stop()

    def exact(lonlat: Floats) -> Floats:
        cell = observed.cell_at(lonlat)
        own = wanted.at(np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)).reshape(cell.shape)
        return np.where(cell >= 0, own, np.nan)

    def of_cell(lonlat: Floats) -> Floats:
        return np.asarray(np.append(cells, np.nan)[observed.cell_at(lonlat)])

    at = exact if wanted.name in ("latitude", "longitude") else of_cell
    return Ground(observed, cells, at, at)


def sampled_words(ground: Ground, name: str, figures: Figures) -> str:
    """That the ground was measured in some of its cells only, and what that is worth; else empty."""
    if ground.measured is None:
        return ""
    figures["measured_tiles"], figures["ground_tiles"] = ground.measured, len(ground.observed.cells)
    # Of a share of one half, the largest; as if places were drawn at random, while they are spread evenly.
    error = 1.96 * 50.0 / np.sqrt(max(1, ground.measured))
    figures["share_error_percent"] = tidy(float(error), 2)
    return (
        f" On the ground {name} was measured in {figures['measured_tiles']:,} of its "
        f"{figures['ground_tiles']:,} tiles, spread evenly: shares of the ground are right to "
        f"{said(figures['share_error_percent'])} % of it or better."
    )


def _measured_in_some(ws: Workspace, wanted: Quantity, observed: Observed, most: int) -> Ground:
    """`ground_of` where there are more cells than can be measured while someone waits."""
    centres = observed.grid.centres(observed.cells)
    blocks = Grid(ws.body, float(np.sqrt(observed.area_km2 / most)))
    block = blocks.locate(centres)
    order = np.random.default_rng(ws.seed).permutation(len(block))
    chosen = np.full(len(blocks), -1, dtype=np.int64)
    chosen[block[order]] = order  # one cell of each block, any of them
    some = np.flatnonzero(chosen >= 0)
    of_block = np.full(len(blocks), np.nan)
    of_block[some] = wanted.at(centres[chosen[some]])
    ws.check_stop()
    cells = of_block[block]

    def values(lonlat: Floats) -> Floats:
        return np.asarray(np.append(cells, np.nan)[observed.cell_at(lonlat)])

    def of_things(lonlat: Floats) -> Floats:
        cell = observed.cell_at(lonlat)
        found = np.full(len(cell), np.nan)
        found[cell >= 0] = wanted.at(centres[cell[cell >= 0]])
        return found

    return Ground(observed, cells, values, of_things, len(some))


def evidence_groups(ws: Workspace, lonlat: Floats) -> Ints:
    """Label of the independent piece of evidence that each position belongs to, (n,).

    What is linked over a few tiles is one piece. In a crowded layer all would be linked to all, so groups
    that reach far are cut into equal-area blocks, each a piece.
    """
    link_km = LINK_TILES * ws.index.grid.tile_km
    widest_km = WIDEST_LINKS * link_km
    labels = clusters_of(ws.body, lonlat, link_km)
    groups = int(labels.max(initial=-1)) + 1
    vectors = unit_vectors(lonlat)
    total: Floats = np.stack([np.bincount(labels, vectors[:, axis], groups) for axis in range(3)], axis=-1)
    middle = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    nearness = np.ones(groups)
    np.minimum.at(nearness, labels, (vectors * middle[labels]).sum(axis=1))
    wide = nearness < np.cos(min(widest_km / ws.body.radius_km, np.pi))
    block = Grid(ws.body, min(widest_km, ws.body.half_circumference_km / 4.0)).locate(lonlat)
    pairs = np.stack([labels, np.where(wide[labels], block, 0)], axis=1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def class_edges(cell_values: Floats, wanted: Quantity, step: float | None) -> Floats:
    """Edges of classes that hold the ground observed, (k + 1,): of equal width, multiples of the step.

    Without a step, where more than half of the ground would lie in one of them (slopes are like that),
    classes of about equal area instead.

    Raises
    ------
    ToolInputError
        If the step is no width, or makes too many classes.
    """
    known = cell_values[np.isfinite(cell_values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    width = _usual_step(low, high, wanted) if step is None else step
    width = check_number("step", width, 0.0, 1e12, wanted.unit, above=True)
    first, last = np.floor(low / width + 1e-9), np.ceil(high / width - 1e-9)
    if last - first > MOST_CLASSES:
        raise ToolInputError(
            f"a step of {width:g} makes {last - first:,.0f} classes of {wanted.name}",
            allowed=f"at most {MOST_CLASSES} classes, and there are {said(tidy(low))} to "
            f"{said(tidy(high))}{unit_of(wanted)}",
            next_step="give a larger step, or none",
        )
    edges = np.asarray(np.round((first + np.arange(max(int(last - first), 1) + 1)) * width, 9))
    if step is None and np.histogram(known, edges)[0].max() > MOST_OF_GROUND * len(known) > 0:
        return _equal_areas(known)
    return edges


def unit_of(wanted: Quantity) -> str:
    """The unit as it stands behind a number: `` degrees``, `` m``, or nothing."""
    unit = "degrees" if wanted.unit == "deg" else wanted.unit
    return f" {unit}" if unit else ""


def suffix_of(wanted: Quantity) -> str:
    """The unit as it ends the name of a figure: ``_deg``, ``_m``; nothing if it is no plain word."""
    return f"_{wanted.unit}" if wanted.unit.isalnum() else ""


def _equal_areas(known: Floats) -> Floats:
    """Rounded edges of classes that hold about as many of the values, each."""
    span = float(np.ptp(known))
    if not span > 0:
        return np.array([known[0] - 0.5, known[0] + 0.5])
    digit = 10.0 ** (np.floor(np.log10(span)) - 3)
    inner = np.quantile(known, np.arange(1, EQUAL_CLASSES) / EQUAL_CLASSES)
    edges = np.concatenate(
        [np.floor(known.min() / digit), np.round(inner / digit), np.ceil(known.max() / digit)], axis=None
    )
    return np.asarray(np.round(np.unique(edges) * digit, 9))


def _usual_step(low: float, high: float, wanted: Quantity) -> float:
    span = high - low
    if wanted.unit == "deg" and span > 45.0:
        return 10.0 if span <= 180.0 else 30.0
    # Ground all alike still is a class.
    return round_step(span, USUAL_CLASSES) if span > 0 else max(abs(low) / 10.0, 1.0)
