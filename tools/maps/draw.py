"""Static maps: layers on the ground they were found in, as one picture that can go into a paper.

The whole body with its poles, a region, both poles alone, or the body from far above. Unobserved ground is
hatched, so that absence of hits and absence of data look different.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from retrieval.body import Body
from retrieval.shared import Shared
from tools.layers import Layer, shorten
from tools.maps.backdrop import HATCH, UNSEEN
from tools.maps.drawing import (
    MARKERS,
    Box,
    Label,
    Style,
    draw_ground,
    draw_layers,
    draw_scale,
    label_graticule,
    open_axes,
    open_panel,
    write,
)
from tools.maps.globe import COLOURS
from tools.maps.paper import DPI, INK, PAPER, QUIET, Rgba, drawn, save_picture
from tools.maps.projections import polar_cap, seen_from
from tools.maps.shading import Shade, draw_bar, shade_colour, shade_of
from tools.maps.views import column_label
from tools.maps.windows import POLAR_LIMIT_DEG, Kind, Projection, Sheet, sheet_of
from tools.results import Figures, plural, said, tidy
from tools.workspace import ToolResult, Workspace, check_layers

WIDTH_PX, HEIGHT_PX = 1600, 900
MOST_LAYERS = len(COLOURS)
LINE_PX = 23.0  # of the legend
INSETS = (Box(1203.0, 54.0, 338.0, 338.0), Box(1203.0, 432.0, 338.0, 338.0))
_POLES = {1: "North pole", -1: "South pole"}
PAGES_KEPT = 6  # grounds of whole pages: 6 MB each

# The page, and for each panel the labels that lie over its layers.
Behind = tuple[Rgba, list[list[Label]]]

_pages: Shared[tuple[object, ...], Behind] = Shared(PAGES_KEPT)


@dataclass(frozen=True)
class Place:
    """Where on the page a projection is drawn, and under what title."""

    box: Box
    view: Projection
    title: str = ""
    rim: float = 0.0
    sparse: bool = False


def draw_map(
    ws: Workspace,
    layers: list[str],
    projection: Kind = "auto",
    place: str | None = None,
    within_km: float | None = None,
    west_lon_deg: float | None = None,
    south_lat_deg: float | None = None,
    east_lon_deg: float | None = None,
    north_lat_deg: float | None = None,
    colour_by: str | None = None,
) -> ToolResult:
    """Draw layers on one map with the ground, a legend with counts and thresholds, and a scale bar: the whole
    body or the observed region with both poles, a region, the poles alone, or the body seen from above.
    Makes a PNG picture.

    Parameters
    ----------
    layers
        Ids of 1 to 7 layers, for example ["L1", "L3"]; later ones are drawn on top.
    projection
        "auto", "equirectangular" (the whole body), "polar" (both poles, large), "orthographic" (the body seen
        from far above the layers or the place) or "regional" (a window about the place, between the bounds,
        or around the layers).
    place
        Name of a place in the gazetteer for the middle of a regional or orthographic map.
    within_km
        Half the height of a regional map about ``place``, km. Without it, a little more than the place's
        own radius.
    west_lon_deg
        Western bound of a regional map, degrees east, -360 to 360; all four bounds are given together.
    south_lat_deg
        Southern bound of a regional map, degrees north, -90 to 90.
    east_lon_deg
        Eastern bound of a regional map, degrees east, -360 to 360; less than west_lon_deg to cross the
        antimeridian.
    north_lat_deg
        Northern bound of a regional map, degrees north, -90 to 90.
    colour_by
        A column of numbers of the last layer, for example "probability", by which its rows are coloured.
    """
    chosen = check_layers(ws, layers, 1, MOST_LAYERS)
    shade = None if colour_by is None else shade_of(chosen[-1], colour_by)
    bounds = (west_lon_deg, south_lat_deg, east_lon_deg, north_lat_deg)
    sheet = sheet_of(ws, chosen, projection, place, within_km, bounds)
    figure, behind, shown = _draw(ws, chosen, sheet, shade)
    ws.check_stop()
    ids = "_".join(layer.id for layer in chosen)
    title = f"{ws.body.name}: " + "; ".join(layer.title for layer in chosen)
    path = save_picture(figure, ws, f"map_{ws.body.name}_{ids}", title, f", layers {ids}", behind)
    figures: Figures = {"layers": len(chosen), **{f"count_{layer.id}": len(layer) for layer in chosen}}
    figures |= sheet.figures
    listed = ", ".join(f"{layer.id} ({len(layer):,})" for layer in chosen)
    summary = f"Drew {listed} on {sheet.words}."
    for layer, rows in zip(chosen, shown, strict=True):
        if rows < len(layer):
            figures[f"shown_{layer.id}"] = rows
            summary += f" It shows {rows:,} of the {plural(len(layer), 'row')} of {layer.id}."
    if shade is not None:
        summary += " " + shade.words(figures)
    empty = [layer.id for layer in chosen if not len(layer)]
    if empty:
        summary += f" Nothing of {', '.join(empty)} is to be seen: no rows."
    return ToolResult(summary, figures=figures, pictures=(path,))


def _draw(
    ws: Workspace, layers: Sequence[Layer], sheet: Sheet, shade: Shade | None
) -> tuple[Figure, Rgba, list[int]]:
    """The figure, the ground behind it, and how many rows of each layer its main panels show."""
    styles = [Style(number, len(layers)) for number in range(len(layers))]
    if shade is not None:
        styles[-1] = Style(len(layers) - 1, len(layers), shade.rows())
    words_top = 858.0 if sheet.kind in ("polar", "globe") else 720.0
    bar_px = 64.0 if shade is not None and shade.known.any() else 0.0
    handles = _handles(layers, styles, shade)
    height = max(HEIGHT_PX, math.ceil(words_top + bar_px + LINE_PX * len(handles) + 62.0))
    figure = _page(height)
    shown = [np.zeros(len(layer), dtype=bool) for layer in layers]
    main, insets = _main_places(sheet), _inset_places(sheet)
    behind, inside = _behind(ws, (*main, *insets), height)
    panels = [open_panel(figure, place.box, place.view, place.title, place.rim) for place in (*main, *insets)]
    for panel, labels in zip(panels, inside, strict=True):
        for label in labels:
            write(panel, label)
    for panel in panels[: len(main)]:
        here = draw_layers(panel, ws, layers, styles)
        shown = [before | now for before, now in zip(shown, here, strict=True)]
        draw_scale(panel, ws.body)
    if sheet.kind == "region":
        _draw_locator(figure, INSETS[0], sheet.panels[0], ws.body)
    for panel in panels[len(main) :]:
        ws.check_stop()
        draw_layers(panel, ws, layers, styles)
        draw_scale(panel, ws.body, below_px=4.0, parts=5)
    if shade is not None and bar_px:
        draw_bar(figure, shade, Box(75.0, words_top + 12.0, 420.0, 14.0))
    _draw_words(figure, ws, layers, sheet)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.04, 1.0 - (words_top + bar_px) / height),
        frameon=False,
        fontsize=10.5,
        labelcolor=INK,
        handletextpad=0.5,
        labelspacing=0.55,
    )
    return figure, behind, [int(rows.sum()) for rows in shown]


def _page(height: int) -> Figure:
    figure = Figure(figsize=(WIDTH_PX / DPI, height / DPI), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def _behind(ws: Workspace, places: Sequence[Place], height: int) -> Behind:
    """The page with nothing but the ground and its graticule: the same for every map of these panels."""

    def draw() -> Behind:
        figure, inside = _page(height), []
        for place in places:
            ws.check_stop()
            panel = open_axes(figure, place.box, place.view, place.rim)
            draw_ground(panel, ws)
            inside.append(label_graticule(panel, ws.body, sparse=place.sparse))
        return drawn(figure), inside

    about = tuple((place.box, type(place.view), place.view, place.rim, place.sparse) for place in places)
    return _pages.get((ws.index.manifest.fingerprint, ws.index.folder, height, about), draw, ws.check_stop)


def _main_places(sheet: Sheet) -> list[Place]:
    if sheet.kind == "polar":
        return [
            Place(Box(left, 120.0, 690.0, 690.0), view, title, rim=0.09)
            for left, view, title in zip(
                (70.0, 840.0), sheet.panels, ("North pole", "South pole"), strict=True
            )
        ]
    if sheet.kind == "globe":
        near, far = sheet.panels
        return [
            Place(Box(70.0, 120.0, 690.0, 690.0), near, rim=0.09),
            Place(Box(900.0, 300.0, 470.0, 470.0), far, "Far side", rim=0.12),
        ]
    return [Place(Box(75.0, 148.0, 1080.0, 540.0), sheet.panels[0])]


def _inset_places(sheet: Sheet) -> list[Place]:
    return [
        Place(box, polar_cap(pole, POLAR_LIMIT_DEG), _POLES[pole], rim=0.16, sparse=True)
        for box, pole in zip(INSETS, sheet.poles, strict=False)
    ]


def _draw_locator(figure: Figure, box: Box, window: Projection, body: Body) -> None:
    """Where on the body a window lies."""
    panel = open_panel(
        figure, box, seen_from(window.lon, window.lat), f"Where on {body.name.capitalize()}", 0.16
    )
    axes = panel.axes
    disc = shapely.get_coordinates(panel.projection.frame)
    axes.fill(disc[:, 0], disc[:, 1], color="#" + bytes(UNSEEN).hex(), zorder=0)
    for line in panel.projection.graticule(30.0, 30.0):
        equator = line.axis == "lat" and line.degrees == 0
        for part in shapely.get_parts(line.path):
            x, y = np.asarray(part.coords).T
            axes.plot(x, y, color="#b9b5aa", linewidth=1.1 if equator else 0.6, zorder=1)
    outline = panel.projection.to_plane(window.frame_lonlat())
    axes.fill(*outline[np.isfinite(outline[:, 0])].T, color=COLOURS[5], alpha=0.25, zorder=2)
    axes.plot(*outline.T, color=COLOURS[5], linewidth=1.8, zorder=3)
    # Of a very small window the outline is a speck: a ring shows where to look.
    if window.half_width * panel.px < 6.0:
        axes.plot(0, 0, "o", markersize=14, markerfacecolor="none", markeredgecolor=COLOURS[5], zorder=3)


def _handles(layers: Sequence[Layer], styles: Sequence[Style], shade: Shade | None) -> list[Any]:
    """What the legend shows: each layer, rows without a value, and ground that was not observed."""
    mark: dict[str, Any] = {
        "linestyle": "",
        "markersize": 8.5,
        "markeredgecolor": INK,
        "markeredgewidth": 0.6,
    }
    handles: list[Any] = []
    for layer, style in zip(layers, styles, strict=True):
        colour = style.colour if style.rows is None else shade_colour()
        dimension = 0 if layer.pointlike else int(shapely.get_dimensions(layer.shapes).max())
        text = _legend_text(layer)
        if dimension == 2:
            handles.append(Patch(facecolor=(colour, 0.7), edgecolor=INK, linewidth=0.6, label=text))
        elif dimension == 1:
            handles.append(Line2D([], [], color=colour, linewidth=1.8, label=text))
        else:
            marker = MARKERS[style.number]
            handles.append(Line2D([], [], marker=marker, markerfacecolor=colour, label=text, **mark))
    if shade is not None and not shade.known.all():
        text = f"{shade.layer}  no value of {column_label(shade.column)}:  {int((~shade.known).sum()):,}"
        handles.append(
            Line2D([], [], marker=MARKERS[styles[-1].number], markerfacecolor="none", label=text, **mark)
        )
    grey, edge = ("#" + bytes(colour).hex() for colour in (UNSEEN, HATCH))
    handles.append(
        Patch(facecolor=grey, edgecolor=edge, hatch="/////", linewidth=0, label="not observed by this index")
    )
    return handles


def _draw_words(figure: Figure, ws: Workspace, layers: Sequence[Layer], sheet: Sheet) -> None:
    title = _title(layers)
    body = ws.body
    height = figure.get_size_inches()[1] * DPI
    title, size = shorten(title[:1].upper() + title[1:], 74), 19 if len(title) <= 56 else 15
    figure.text(0.047, 1.0 - 68.0 / height, title, fontsize=size, color=INK, fontweight="bold")
    about = (
        f"{body.name.capitalize()} · {len(ws.index):,} tiles of {ws.index.grid.tile_km:g} km · "
        f"index {ws.index.manifest.name}"
    )
    figure.text(0.047, 1.0 - 103.0 / height, about, fontsize=11, color=QUIET)
    convention = f"Longitude {body.longitude_positive}-positive, latitude planetocentric"
    if body.name == "earth":
        convention = "Longitude east-positive, latitude geodetic"
    projection = sheet.panels[0].name + (", poles stereographic" if sheet.poles else "")
    made = f"encoder {ws.encoder.manifest.name} · index {ws.index.manifest.fingerprint}"
    figure.text(
        0.962, 25.0 / height, f"{convention} · {projection} · {made}", fontsize=8.5, color=QUIET, ha="right"
    )


def _title(layers: Sequence[Layer]) -> str:
    # The layer made from others is what the map is about; without one, all of them.
    made = [layer.title for layer in layers if layer.provenance.parents]
    titles = made[-1:] or [layer.title for layer in layers]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def _legend_text(layer: Layer) -> str:
    noun = {"tiles": "tile", "features": "feature", "catalogue": "catalogue entry"}[layer.kind]
    text = f"{layer.id}  {shorten(layer.title, 74)}:  {plural(len(layer), noun)}"
    threshold = layer.provenance.threshold
    return text if threshold is None else f"{text}, probability ≥ {said(tidy(threshold, 2))}"
