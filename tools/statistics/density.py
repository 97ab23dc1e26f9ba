"""How many of a layer there are per area: in classes of latitude, elevation or any quantity, or in cells.

Counts are of things (touching tiles are one), areas are what the index has observed, and intervals take
things that lie together for one piece of evidence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from retrieval.spatial.compare import LEAST_RETAINED
from retrieval.spatial.density import Density, density_cells, unevenness_p
from retrieval.spatial.nulls import make_shifts
from retrieval.spatial.observed import observed_by_index
from tools.context import Quantity, quantities, quantity
from tools.layers import Layer, make_table
from tools.maps.charts import draw_bars
from tools.maps.views import round_step
from tools.results import Figures, add_layer, plural, said, tidy
from tools.statistics.ground import Ground, class_edges, ground_of, sampled_words, suffix_of, unit_of
from tools.statistics.per_area import (
    PerArea,
    densest,
    densest_words,
    per_area,
    record,
    stricter_words,
    whole_words,
)
from tools.statistics.robustness import ALPHA, corrected, said_p_value
from tools.things import LINK_TILES
from tools.workspace import ToolResult, Workspace, check_number

CELLS = "cells"
CELL_NAMES = (CELLS, "cell", "area")
USUAL_CELLS = 400
LEAST_GROUND = 0.005  # of the ground observed: a class of less is not called the densest
LEAST_OF_CELL = 0.5  # observed: a cell of less is not called the densest
SHOWN_CELLS = 12
FEWEST_GROUPS = 5
SHIFTS = 999
MOST_MOVED = 2000  # things for the test: of more a sample of them is moved

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def density(ws: Workspace, layer: str, by: str = "latitude", step: float | None = None) -> ToolResult:
    """Count a layer per area observed, in classes of latitude, elevation or another quantity, or in cells of
    equal area: densities per million km2 with intervals, the densest class, a test whether the classes
    differ more than chance allows, and a chart. By cells it makes a layer of them. Touching tiles count once.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    by
        latitude, longitude, elevation, another quantity known for this body, or cells.
    step
        Width of a class in the unit of the quantity, or side of the cells in km; chosen if not given.
    """
    chosen = ws.layers.get(layer)
    if str(by).strip().lower() in CELL_NAMES:
        return _by_cells(ws, chosen, step)
    try:
        wanted = quantity(ws, by)
    except ToolInputError as error:
        allowed = ", ".join([*quantities(ws), CELLS])
        raise ToolInputError(error.what, allowed=allowed, next_step=error.next_step) from error
    return _by_quantity(ws, chosen, wanted, step)


def _by_quantity(ws: Workspace, layer: Layer, wanted: Quantity, step: float | None) -> ToolResult:
    ground = ground_of(ws, wanted)
    edges = class_edges(ground.cell_values, wanted, step)
    counted = per_area(ws, layer, ground, edges)
    found, unit, end = counted.classes, unit_of(wanted), suffix_of(wanted)
    figures: Figures = {}
    summary = whole_words(layer, counted, figures)
    figures["classes"] = len(found.count)
    kind = "classes of about equal area"
    if np.allclose(np.diff(edges), edges[1] - edges[0]):
        figures["step" + end] = tidy(float(edges[1] - edges[0]))
        kind = f"classes of {said(figures['step' + end])}{unit}"
    enough = found.observed_km2 >= LEAST_GROUND * max(float(found.observed_km2.sum()), 1e-12)
    first = densest(found, enough)
    if len(first):
        row = int(first[0])
        low, high = "densest_from" + end, "densest_to" + end
        figures |= {low: tidy(float(found.low_edge[row])), high: tidy(float(found.high_edge[row]))}
        among = ""
        if densest(found, enough | True)[0] != row:
            figures["least_ground_percent"] = tidy(100.0 * LEAST_GROUND)
            among = f" of at least {said(figures['least_ground_percent'])} % of the ground"
        summary += (
            f" By {wanted.name}, in {kind}{among}, most per area lie "
            f"from {said(figures[low])} to {said(figures[high])}{unit}: "
            f"{densest_words(counted, row, figures)}."
        )
        summary += _uneven(ws, layer, ground, counted, edges, wanted, figures)
        summary += stricter_words(ws, layer, ground, edges, row, "class", figures)
    if counted.unknown:
        figures["unknown_count"] = counted.unknown
        verb = "lies" if counted.unknown == 1 else "lie"
        summary += f" {plural(counted.unknown, counted.noun)} {verb} where no {wanted.name} is known."
    summary += sampled_words(ground, wanted.name, figures)
    picture = _chart(ws, layer, wanted, counted)
    return ToolResult(summary, figures=figures, pictures=(picture,), table=_rows(ws, wanted, found))


def _uneven(
    ws: Workspace,
    layer: Layer,
    ground: Ground,
    counted: PerArea,
    edges: Floats,
    wanted: Quantity,
    figures: Figures,
) -> str:
    """Whether the classes differ more than chance allows."""
    groups = int(counted.groups.max(initial=-1)) + 1
    if groups < FEWEST_GROUPS:
        figures["independent_n"], figures["fewest_n"] = groups, FEWEST_GROUPS
        return (
            f" Whether the classes differ more than chance allows cannot be told: there "
            f"{'is' if groups == 1 else 'are'} {plural(groups, 'independent group')}, and at least "
            f"{figures['fewest_n']} are needed."
        )
    rng = np.random.default_rng(ws.seed)
    points, sample = counted.lonlat, ""
    if len(points) > MOST_MOVED:
        points = points[np.sort(rng.choice(len(points), MOST_MOVED, replace=False))]
        figures["tested_count"] = MOST_MOVED
        sample = f" (tested on {MOST_MOVED:,} of them)"
    # The pattern turns as one: patches that turn by themselves would overlap, an unevenness of its own.
    shifts = make_shifts("rotation", ws.body, points, ground.observed, SHIFTS, rng)
    ws.check_stop()
    if shifts.retained < LEAST_RETAINED:
        figures["retained_percent"] = tidy(100.0 * shifts.retained, 2)
        return (
            " Whether the classes differ more than chance allows cannot be told: when moved, only "
            f"{said(figures['retained_percent'])} % of them fall on observed ground."
        )
    p_value = unevenness_p(
        ground.of_things(points), ground.values(shifts.lonlat), shifts, edges, seed=ws.seed
    )
    if not np.isfinite(p_value):
        return ""
    test = (
        f"density {layer.id} by {wanted.name} in {len(edges) - 1} classes from {edges[0]:g} to {edges[-1]:g}"
    )
    words = said_p_value(p_value, figures)
    clause, after = corrected(ws, test, p_value, figures)
    verdict = "more than chance allows" if p_value <= ALPHA else "no more than chance allows"
    if p_value <= ALPHA < after:
        verdict += " by this test alone, but not among all of them"
    return (
        f" The classes differ {verdict}{sample}, p {words}{clause}. Null model “rotation”: the whole pattern "
        f"is turned any way on the sphere, so clusters stay and {wanted.name} does not."
    )


def _rows(ws: Workspace, wanted: Quantity, found: Density) -> tuple[dict[str, Any], ...]:
    """The classes; of too many, the densest in their order."""
    end, rows = suffix_of(wanted), np.arange(len(found.count))
    most = ws.settings.model_rows
    if len(rows) > most:
        rows = np.sort(np.argsort(-np.nan_to_num(found.per_million_km2), kind="stable")[:most])
    return tuple(
        {
            f"from{end}": tidy(float(found.low_edge[row])),
            f"to{end}": tidy(float(found.high_edge[row])),
            **record(found, row),
        }
        for row in rows.tolist()
    )


def _chart(ws: Workspace, layer: Layer, wanted: Quantity, counted: PerArea) -> Path:
    found, per = counted.classes, float(counted.whole.per_million_km2[0])
    seen = bool(np.isfinite(per))
    link_km = LINK_TILES * ws.index.grid.tile_km
    return draw_bars(
        ws,
        f"density_{layer.id}_{wanted.name}",
        title=f"{layer.title}: density by {wanted.name}",
        x_label=", ".join(filter(None, (wanted.name, unit_of(wanted).strip()))),
        y_label=f"{counted.noun}s per million km² observed",
        low_edges=found.low_edge,
        high_edges=found.high_edge,
        value=found.per_million_km2,
        low=found.low,
        high=found.high,
        reference=per if seen else None,
        reference_label=f"all ground observed: {said(tidy(per, 3))}" if seen else "",
        counts=found.count,
        notes=(
            f"Numbers over the bars count {counted.noun}s of {layer.id}. Intervals take those that lie "
            f"within {link_km:g} km of each other for one piece of evidence.",
        ),
    )


def _by_cells(ws: Workspace, layer: Layer, step: float | None) -> ToolResult:
    observed, tile_km = observed_by_index(ws.index), ws.index.grid.tile_km
    most_km = ws.body.half_circumference_km / 4.0
    if step is None:
        usual_km = round_step(float(np.sqrt(max(observed.area_km2, tile_km**2) / USUAL_CELLS)), 1)
        step = float(np.clip(usual_km, tile_km, most_km))
    cell_km = check_number("step", step, tile_km, most_km, "km")
    grid, cells, _, _ = density_cells(np.zeros((0, 2)), observed, cell_km)
    # The class of a place is the row of its large cell, that of the observed cell which it lies in.
    home = np.searchsorted(cells, grid.locate(observed.grid.centres(observed.cells))).astype(np.float64)

    def of_cell(lonlat: Floats) -> Floats:
        return np.asarray(np.append(home, np.nan)[observed.cell_at(lonlat)])

    ground = Ground(observed, home, of_cell, of_cell)
    edges = np.arange(max(len(cells), 1) + 1, dtype=np.float64) - 0.5
    counted = per_area(ws, layer, ground, edges)
    found = counted.classes
    figures: Figures = {}
    summary = whole_words(layer, counted, figures)
    if not len(cells):
        return ToolResult(summary, figures=figures)
    first = densest(found, found.observed_km2 >= LEAST_OF_CELL * grid.areas_km2(cells))
    centres = grid.centres(cells)
    figures |= {"cell_km": tidy(cell_km), "cells": len(cells), "empty_cells": int((found.count == 0).sum())}
    summary += (
        f" Of {plural(len(cells), 'cell')} of {said(figures['cell_km'])} km {figures['empty_cells']:,} have "
        "none."
    )
    if len(first):
        row = int(first[0])
        figures["densest_lat_deg"] = tidy(float(centres[row, 1]))
        figures["densest_lon_deg"] = tidy(float(centres[row, 0]))
        figures["least_seen_percent"] = tidy(100.0 * LEAST_OF_CELL)
        summary += (
            f" The densest, among those of which at least {figures['least_seen_percent']} % was observed, "
            f"lies at latitude {said(figures['densest_lat_deg'])} and longitude "
            f"{said(figures['densest_lon_deg'])} degrees: {densest_words(counted, row, figures)}."
        )
        summary += stricter_words(ws, layer, ground, edges, row, "cell", figures)
    made = add_layer(
        ws,
        "density",
        {"layer": layer.id, "by": CELLS, "step": cell_km},
        title=f"density of {layer.title} in cells of {cell_km:g} km",
        table=make_table(
            ws.body,
            [grid.tile_id(cell) for cell in cells.tolist()],
            centres,
            shapes=grid.cells(cells),
            count=found.count,
            observed_km2=found.observed_km2,
            per_million_km2=found.per_million_km2,
            low_per_million_km2=found.low,
            high_per_million_km2=found.high,
        ),
        parents=(layer,),
        kind="catalogue",
        notes=("rows are cells of equal area, not finds; densities are per million km2 observed",),
    )
    summary += f" {made.id} holds all cells with their counts and densities."
    rows = tuple(
        {"lon": tidy(float(centres[at, 0])), "lat": tidy(float(centres[at, 1])), **record(found, at)}
        for at in first[: min(SHOWN_CELLS, ws.settings.model_rows)].tolist()
    )
    return ToolResult(summary, (made.id,), figures, table=rows)
