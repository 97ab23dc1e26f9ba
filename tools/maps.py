"""Static maps: layers on the ground they were found in, as one picture that can go into a paper.

An equirectangular main panel (of the observed region if that is small) with the layers as symbols, and
a polar stereographic view of each pole the index has observed. Unobserved ground is hatched, so that
absence of hits and absence of data look different.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from retrieval.body import Body
from tools.export import free_path
from tools.globe import COLOURS
from tools.layers import Layer, shorten
from tools.mosaic import basemap as basemap
from tools.mosaic import paint, stretch
from tools.results import Figures, said, tidy
from tools.views import (
    POLAR_LIMIT_DEG,
    View,
    degree_step,
    from_polar,
    latitude_label,
    longitude_label,
    round_step,
    to_orthographic,
    to_polar,
    view_of,
)
from tools.workspace import ToolResult, Workspace, check_layers

WIDTH_PX, HEIGHT_PX, DPI = 1600, 900, 100
MOST_LAYERS = len(COLOURS)
MARKERS = ("o", "s", "^", "D", "P", "v", "X")  # shape repeats what colour says
POLAR_PX = 360

_INK, _QUIET, _PAPER = "#1b1f24", "#646c76", "#fbfaf7"
_GRATICULE = (1.0, 1.0, 1.0, 0.38)
_UNSEEN, _HATCH = (226, 224, 218), (203, 200, 192)
Floats = NDArray[np.float64]


def draw_map(ws: Workspace, layers: list[str]) -> ToolResult:
    """Draw layers on one map: the whole body or the observed region, both poles, a legend with counts and
    thresholds, and a scale bar. Makes a PNG picture.

    Parameters
    ----------
    layers
        Ids of 1 to 7 layers, for example ["L1", "L3"]; later ones are drawn on top.
    """
    chosen = check_layers(ws, layers, 1, MOST_LAYERS)
    figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI, facecolor=_PAPER)
    FigureCanvasAgg(figure)
    view = view_of(ws.index)
    _draw_main(figure, ws, chosen, view)
    places = [0.565, 0.145]
    if not view.whole:
        _draw_locator(figure, ws, view, _inset(places.pop(0)))
    for pole in _poles_observed(ws):
        if places:
            ws.check_stop()
            _draw_pole(figure, ws, chosen, pole, _inset(places.pop(0)))
    _draw_words(figure, ws, chosen, view)
    ws.check_stop()
    path = _save(figure, ws, chosen)
    figures: Figures = {"layers": len(chosen), **{f"count_{layer.id}": len(layer) for layer in chosen}}
    listed = ", ".join(f"{layer.id} ({len(layer):,})" for layer in chosen)
    where = "the whole body" if view.whole else "the observed region"
    summary = f"Drew {listed} on a map of {where}."
    empty = [layer.id for layer in chosen if not len(layer)]
    if empty:
        summary += f" Nothing of {', '.join(empty)} is to be seen: no rows."
    return ToolResult(summary, figures=figures, pictures=(path,))


def _draw_main(figure: Figure, ws: Workspace, layers: Sequence[Layer], view: View) -> None:
    axes: Any = figure.add_axes((0.047, 0.235, 0.675, 0.6))
    ground = _main_ground(ws, view)
    axes.imshow(
        _paper(ground, 5),
        extent=(view.west, view.east, view.south, view.north),
        aspect="auto",
        interpolation="antialiased",
        zorder=0,
    )
    axes.set_xlim(view.west, view.east)
    axes.set_ylim(view.south, view.north)
    axes.set_aspect(1.0 / view.stretch_x, anchor="NW")
    _draw_graticule(axes, ws.body, view)
    axes.apply_aspect()
    box = axes.get_window_extent()
    pixels_per_degree = box.height / (view.north - view.south)
    tile_px = ws.index.grid.row_height_deg * pixels_per_degree
    for number, layer in enumerate(layers):
        lonlat = layer.lonlat
        x = view.lon(lonlat[:, 0])
        inside = (x <= view.east) & (lonlat[:, 1] >= view.south) & (lonlat[:, 1] <= view.north)
        _scatter(axes, x[inside], lonlat[inside, 1], number, len(layers), tile_px)
    _draw_scale(axes, ws.body, view)


def _main_ground(ws: Workspace, view: View) -> NDArray[np.uint8]:
    if view.whole:
        picture = basemap(ws.index, 2048, ws.settings.home / "cache", ws.check_stop)
        return np.roll(picture, -round((view.west + 180.0) / 360.0 * picture.shape[1]), axis=1)
    width = 1400
    height = round(width * (view.north - view.south) / ((view.east - view.west) * view.stretch_x))
    lon = view.west + (np.arange(width) + 0.5) * (view.east - view.west) / width
    lat = view.north - (np.arange(height) + 0.5) * (view.north - view.south) / height
    km_per_pixel = math.radians((view.north - view.south) / height) * ws.body.radius_km
    points = np.stack(np.meshgrid(lon, lat), axis=-1)
    return stretch(paint(ws.index, points, km_per_pixel, ws.check_stop))


def _draw_graticule(axes: Any, body: Body, view: View) -> None:
    step_x, step_y = degree_step(view.east - view.west, 11), degree_step(view.north - view.south, 6)
    lons = np.arange(math.ceil(view.west / step_x), math.floor(view.east / step_x) + 1) * step_x
    lats = np.arange(math.ceil(view.south / step_y), math.floor(view.north / step_y) + 1) * step_y
    axes.set_xticks(lons, [longitude_label(lon, body) for lon in lons.tolist()])
    axes.set_yticks(lats, [latitude_label(lat) for lat in lats.tolist()])
    axes.grid(color=_GRATICULE, linewidth=0.6, zorder=1)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=_QUIET, pad=5)
    for spine in axes.spines.values():
        spine.set(color=_QUIET, linewidth=0.7)


def _draw_scale(axes: Any, body: Body, view: View) -> None:
    # True at the equator, or at the middle latitude of a view that does not hold it.
    km_per_degree = math.radians(1.0) * body.radius_km * view.stretch_x
    length_km = round_step((view.east - view.west) * km_per_degree, 8)
    share = length_km / km_per_degree / (view.east - view.west)
    at = "at the equator" if view.true_lat == 0 else f"at latitude {view.true_lat:.0f}°"
    bottom = -0.075
    axes.add_line(
        Line2D(
            [1.0 - share, 1.0],
            [bottom, bottom],
            transform=axes.transAxes,
            color=_INK,
            linewidth=2.4,
            solid_capstyle="butt",
            clip_on=False,
        )
    )
    axes.text(
        1.0,
        bottom - 0.014,
        f"{said(tidy(length_km))} km {at}",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=9.5,
        color=_INK,
    )


def _inset(bottom: float) -> tuple[float, float, float, float]:
    return (0.752, bottom, 0.211, 0.211 * WIDTH_PX / HEIGHT_PX)


def _round_axes(figure: Figure, box: tuple[float, float, float, float], title: str) -> Any:
    axes: Any = figure.add_axes(box)
    axes.set_axis_off()
    axes.set(xlim=(-1.16, 1.16), ylim=(-1.16, 1.16), aspect="equal")
    axes.text(-1.13, 1.13, title, ha="left", va="top", fontsize=10.5, color=_INK, fontweight="bold")
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    axes.plot(np.cos(turn), np.sin(turn), color=_QUIET, linewidth=0.7, zorder=4)
    return axes


def _poles_observed(ws: Workspace) -> list[int]:
    lat = ws.index.tiles["lat"].to_numpy(dtype=float)
    return [pole for pole in (1, -1) if (lat * pole > POLAR_LIMIT_DEG).any()]


def _draw_locator(figure: Figure, ws: Workspace, view: View, box: tuple[float, float, float, float]) -> None:
    # Where on the body the main panel lies.
    axes = _round_axes(figure, box, f"Where on {ws.body.name.capitalize()}")
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    axes.fill(np.cos(turn), np.sin(turn), color="#" + bytes(_UNSEEN).hex(), zorder=0)
    centre = [(view.west + view.east) / 2.0, (view.south + view.north) / 2.0]
    along = np.linspace(0.0, 1.0, 121)
    meridians = [np.stack([np.full(121, lon), 180.0 * along - 90.0], axis=-1) for lon in range(0, 360, 30)]
    parallels = [np.stack([360.0 * along, np.full(121, lat)], axis=-1) for lat in range(-60, 90, 30)]
    for line in (*meridians, *parallels):
        width = 1.1 if line[0, 1] == line[-1, 1] == 0 else 0.6
        axes.plot(*to_orthographic(line, centre), color="#b9b5aa", linewidth=width, zorder=1)
    lon = np.interp(4.0 * along, [0, 1, 2, 3, 4], [view.west, view.east, view.east, view.west, view.west])
    lat = np.interp(
        4.0 * along, [0, 1, 2, 3, 4], [view.north, view.north, view.south, view.south, view.north]
    )
    x, y = to_orthographic(np.stack([lon, lat], axis=-1), centre)
    axes.fill(x, y, color=COLOURS[5], alpha=0.25, zorder=2)
    axes.plot(x, y, color=COLOURS[5], linewidth=1.8, zorder=3)


def _draw_pole(
    figure: Figure,
    ws: Workspace,
    layers: Sequence[Layer],
    pole: int,
    box: tuple[float, float, float, float],
) -> None:
    axes = _round_axes(figure, box, "North pole" if pole > 0 else "South pole")
    along = (np.arange(POLAR_PX) + 0.5) / POLAR_PX * 2.0 - 1.0
    x, y = np.meshgrid(along, -along)
    lonlat = from_polar(x, y, pole)
    lonlat[np.hypot(x, y) > 1.0] = np.nan
    cap_km = math.radians(90.0 - POLAR_LIMIT_DEG) * ws.body.radius_km
    picture = _paper(stretch(paint(ws.index, lonlat, 2.0 * cap_km / POLAR_PX, ws.check_stop)), 5)
    # A soft round edge: opacity falls over one pixel.
    alpha = np.clip((1.0 - np.hypot(x, y)) * POLAR_PX / 2.0 + 0.5, 0.0, 1.0)
    axes.imshow(
        np.dstack([picture, (alpha * 255).astype(np.uint8)]),
        extent=(-1, 1, -1, 1),
        zorder=0,
        interpolation="antialiased",
    )
    _draw_polar_graticule(axes, ws.body, pole)
    axes.apply_aspect()
    tile_px = ws.index.grid.row_height_deg / (90.0 - POLAR_LIMIT_DEG) * axes.get_window_extent().width / 2.32
    for number, layer in enumerate(layers):
        lonlat = layer.lonlat
        near = lonlat[lonlat[:, 1] * pole >= POLAR_LIMIT_DEG]
        _scatter(axes, *to_polar(near, pole), number, len(layers), tile_px)


def _draw_polar_graticule(axes: Any, body: Body, pole: int) -> None:
    turn = np.linspace(0.0, 2.0 * np.pi, 181)
    for lat in (70.0, 80.0):
        radius = float(np.hypot(*to_polar(np.array([[0.0, lat * pole]]), pole))[0])
        axes.plot(radius * np.cos(turn), radius * np.sin(turn), color=_GRATICULE, linewidth=0.6, zorder=1)
        axes.text(
            0.02,
            -radius,
            latitude_label(lat * pole),
            fontsize=7.5,
            color="white",
            alpha=0.85,
            va="bottom",
            zorder=5,
        )
    for lon in range(0, 360, 30):
        x, y = to_polar(np.array([[lon, POLAR_LIMIT_DEG * pole]]), pole)
        axes.plot([0.33 * x[0], x[0]], [0.33 * y[0], y[0]], color=_GRATICULE, linewidth=0.6, zorder=1)
        if lon % 90 == 0:
            axes.text(
                1.09 * x[0],
                1.09 * y[0],
                longitude_label(float(lon), body),
                ha="center",
                va="center",
                fontsize=8.5,
                color=_QUIET,
                rotation=0 if x[0] ** 2 < 0.5 else -90 * np.sign(x[0]),
            )


def _scatter(axes: Any, x: Floats, y: Floats, number: int, layers: int, tile_px: float) -> None:
    # Earlier layers are larger, so that a layer on top of them does not hide them.
    size_px = float(np.clip(1.05 * tile_px, 5.0, 11.0)) * (1.0 + 0.2 * (layers - 1 - number))
    axes.scatter(
        x,
        y,
        s=(size_px * 72.0 / DPI) ** 2,
        marker=MARKERS[number],
        c=COLOURS[number],
        edgecolors=_INK,
        linewidths=0.55,
        alpha=0.92,
        zorder=2.5 + number / 10,
    )


def _draw_words(figure: Figure, ws: Workspace, layers: Sequence[Layer], view: View) -> None:
    title = _title(layers)
    body = ws.body
    title, size = shorten(title[:1].upper() + title[1:], 74), 19 if len(title) <= 56 else 15
    figure.text(0.047, 0.925, title, fontsize=size, color=_INK, fontweight="bold")
    about = (
        f"{body.name.capitalize()} · {len(ws.index):,} tiles of {ws.index.grid.tile_km:g} km · "
        f"index {ws.index.manifest.name}"
    )
    figure.text(0.047, 0.886, about, fontsize=11, color=_QUIET)
    handles: list[Any] = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[number],
            markersize=8.5,
            markerfacecolor=COLOURS[number],
            markeredgecolor=_INK,
            markeredgewidth=0.6,
            label=_legend_text(layer),
        )
        for number, layer in enumerate(layers)
    ]
    grey, edge = ("#" + bytes(colour).hex() for colour in (_UNSEEN, _HATCH))
    unseen = Patch(
        facecolor=grey, edgecolor=edge, hatch="/////", linewidth=0, label="not observed by this index"
    )
    handles.append(unseen)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.04, 0.2),
        ncols=1 if len(handles) <= 5 else 2,
        frameon=False,
        fontsize=10.5,
        labelcolor=_INK,
        handletextpad=0.5,
        labelspacing=0.55,
        columnspacing=2.2,
    )
    convention = f"Longitude {body.longitude_positive}-positive, latitude planetocentric"
    if body.name == "earth":
        convention = "Longitude east-positive, latitude geodetic"
    projection = "equirectangular, poles stereographic"
    made = f"encoder {ws.encoder.manifest.name} · index {ws.index.manifest.fingerprint}"
    figure.text(0.962, 0.028, f"{convention} · {projection} · {made}", fontsize=8.5, color=_QUIET, ha="right")


def _title(layers: Sequence[Layer]) -> str:
    # The layer made from others is what the map is about; without one, all of them.
    made = [layer.title for layer in layers if layer.provenance.parents]
    titles = made[-1:] or [layer.title for layer in layers]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def _legend_text(layer: Layer) -> str:
    noun = {"tiles": "tile", "features": "row", "catalogue": "catalogue entry"}[layer.kind]
    many = noun if len(layer) == 1 else noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    text = f"{layer.id}  {shorten(layer.title, 74)}:  {len(layer):,} {many}"
    threshold = layer.provenance.threshold
    return text if threshold is None else f"{text}, probability ≥ {said(tidy(threshold, 2))}"


def _paper(ground: NDArray[np.uint8], period_px: int) -> NDArray[np.uint8]:
    # Grey to RGB: observed ground a little lighter than it is, so that symbols stand out; else hatching.
    tone = (38.0 + 0.8 * ground.astype(np.float32))[..., None] * np.array([1.0, 0.985, 0.96])
    row, col = np.indices(ground.shape)
    stripe = ((row + col) // period_px % 3 == 0)[..., None]
    unseen = np.where(stripe, np.array(_HATCH, dtype=np.float32), np.array(_UNSEEN, dtype=np.float32))
    return np.where(ground[..., None] > 0, np.clip(tone, 0, 255), unseen).astype(np.uint8)


def _save(figure: Figure, ws: Workspace, layers: Sequence[Layer]) -> Path:
    ws.output.mkdir(parents=True, exist_ok=True)
    name = "_".join(layer.id for layer in layers)
    path = free_path(ws.output / f"map_{ws.body.name}_{name}.png")
    temporary = path.with_name(path.stem + ".part.png")
    figure.savefig(
        temporary,
        facecolor=_PAPER,
        metadata={
            "Title": f"{ws.body.name}: " + "; ".join(layer.title for layer in layers),
            "Software": "Areographer",
            "Description": f"index {ws.index.manifest.fingerprint}, layers {name}",
        },
    )
    temporary.replace(path)
    return path
