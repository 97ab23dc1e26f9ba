"""Panels of a static map: ground, graticule, layers and scale bar, in any projection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from retrieval.body import Body
from retrieval.spatial.shapes import Shapes, outlines_of
from tools.layers import Layer
from tools.maps.backdrop import ground_picture
from tools.maps.globe import COLOURS
from tools.maps.paper import DPI, INK, QUIET
from tools.maps.projections import Azimuthal, Line
from tools.maps.views import degree_step, latitude_label, longitude_label
from tools.maps.windows import Projection
from tools.results import said, tidy
from tools.workspace import Workspace

MARKERS = ("o", "s", "^", "D", "P", "v", "X")  # shape repeats what colour says
CELL_PX = 14.0  # tiles larger than this on the map are drawn as their cell
CROWD_PX = 12.0  # side of the blocks in which symbols are counted
ROOM_PX2 = 200.0  # of the map for each outline: with less they are thin and without a dark edge
SHAPE_PX = 5.0  # shapes smaller than this on the map are drawn as a symbol

_GRATICULE, _SHADOW = (1.0, 1.0, 1.0, 0.42), (0.0, 0.0, 0.0, 0.16)
_HALO = (withStroke(linewidth=2.0, foreground=(0, 0, 0, 0.45)),)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A place in the figure, pixels from its top left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Panel:
    """One projection in one place of the figure."""

    axes: Any
    projection: Projection
    px: float  # pixels in a radius of the body

    def km_per_px(self, body: Body) -> float:
        """Kilometres in a pixel, at the middle."""
        return body.radius_km / self.px


@dataclass(frozen=True)
class Label:
    """Words at a meridian or parallel.

    Attributes
    ----------
    at, offset
        Place on the plane; how far beside it, points.
    inside
        Whether they lie on the map.
    """

    text: str
    at: tuple[float, float]
    offset: tuple[float, float] = (0, 0)
    ha: str = "center"
    va: str = "center"
    turn: float = 0.0
    inside: bool = False


@dataclass(frozen=True)
class Style:
    """How a layer is drawn: its place in the order, and a colour for each row if they differ."""

    number: int
    of: int
    rows: NDArray[np.float64] | None = None  # rgba (n, 4); opacity 0 where a row has no value

    @property
    def colour(self) -> str:
        """Colour of the layer."""
        return COLOURS[self.number]

    def faces(self, chosen: Any) -> Any:
        """Fill of some rows, rgba."""
        return to_rgba_array(self.colour) if self.rows is None else self.rows[chosen]


def open_axes(figure: Figure, box: Box, projection: Projection, rim: float = 0.0) -> Panel:
    """Axes for a projection, as large as fits into a box.

    Parameters
    ----------
    rim
        Space for labels around the map, as a share of its half width.
    """
    half = np.array([projection.half_width, projection.half_height]) * (1.0 + rim)
    px = min(box.width / (2.0 * half[0]), box.height / (2.0 * half[1]))
    width, height = (2.0 * px * half).tolist()
    across, down = figure.get_size_inches() * DPI
    place = (box.left / across, 1.0 - (box.top + height) / down, width / across, height / down)
    axes: Any = figure.add_axes(place)
    axes.set_axis_off()
    axes.set(xlim=(-half[0], half[0]), ylim=(-half[1], half[1]))
    return Panel(axes, projection, px)


def open_panel(figure: Figure, box: Box, projection: Projection, title: str = "", rim: float = 0.0) -> Panel:
    """Axes for a projection with its outline; ``title`` stands in the top left corner of the box."""
    panel = open_axes(figure, box, projection, rim)
    axes = panel.axes
    if title:
        axes.text(
            0.01, 0.99, title, transform=axes.transAxes, va="top", fontsize=10.5, color=INK, fontweight="bold"
        )
    edge = shapely.get_coordinates(projection.frame)
    axes.plot(edge[:, 0], edge[:, 1], color=QUIET, linewidth=0.8, zorder=4, clip_on=False)
    return panel


def draw_ground(panel: Panel, ws: Workspace) -> None:
    """The ground in grey, hatched where nothing was observed, and the lines of the graticule over it."""
    view = panel.projection
    extent = (-view.half_width, view.half_width, -view.half_height, view.half_height)
    ground = ground_picture(view, panel.px, ws)
    panel.axes.imshow(ground, extent=extent, aspect="auto", interpolation="antialiased", zorder=0)
    lines = view.graticule(*_steps(view))
    paths = [np.asarray(part.coords) for line in lines for part in shapely.get_parts(line.path)]
    for colour, width in ((_SHADOW, 1.2), (_GRATICULE, 0.6)):  # seen on dark ground and on the pale hatching
        panel.axes.add_collection(LineCollection(paths, colors=[colour], linewidths=width, zorder=1))


def label_graticule(panel: Panel, body: Body, *, sparse: bool = False) -> list[Label]:
    """Labels of meridians and parallels in the body's convention, ``sparse`` for a small panel.

    Those beside the map are written; those on it, which lie over the layers, are returned for `write`.
    """
    taken: list[tuple[Label, Any]] = []
    for line in panel.projection.graticule(*_steps(panel.projection)):
        label = longitude_label(line.degrees, body) if line.axis == "lon" else latitude_label(line.degrees)
        if panel.projection.round:
            _label_disc(panel, line, label, taken, sparse)
        else:
            _label_frame(panel, line, label, taken)
    return [label for label, _ in taken if label.inside]


def write(panel: Panel, label: Label) -> Any:
    """Write a label on a panel."""
    return panel.axes.annotate(
        label.text,
        label.at,
        xytext=label.offset,
        textcoords="offset points",
        ha=label.ha,
        va=label.va,
        rotation=label.turn,
        rotation_mode="anchor",
        fontsize=8.0 if label.inside else 9.0,
        color="white" if label.inside else QUIET,
        path_effects=_HALO if label.inside else None,
        zorder=5,
        annotation_clip=False,
    )


def draw_layer(panel: Panel, ws: Workspace, layer: Layer, style: Style) -> NDArray[np.bool_]:
    """A layer as symbols, cells and shapes; which of its rows the map shows, (n,)."""
    ws.check_stop()
    xy = panel.projection.to_plane(layer.lonlat)
    symbols = shown = np.isfinite(xy[:, 0])
    if not layer.pointlike:
        large, shown = _draw_shapes(panel, layer.shapes, style, shown)
        symbols = symbols & ~large
    tile_px = ws.index.grid.tile_km / panel.km_per_px(ws.body)
    if layer.kind == "tiles" and tile_px > CELL_PX and shown.any():
        cells = np.full(len(layer), None, dtype=object)
        cells[shown] = ws.index.grid.cells(ws.index.grid.locate(layer.lonlat[shown]))
        _draw_shapes(panel, cells, style, shown)
    _draw_symbols(panel, xy, np.flatnonzero(symbols), style, tile_px)
    return np.asarray(shown)


def draw_layers(
    panel: Panel, ws: Workspace, layers: Sequence[Layer], styles: Sequence[Style]
) -> list[NDArray[np.bool_]]:
    """All layers, later ones on top; which rows of each the map shows."""
    return [draw_layer(panel, ws, layer, style) for layer, style in zip(layers, styles, strict=True)]


def draw_scale(panel: Panel, body: Body, *, below_px: float = 40.0, parts: int = 8) -> None:
    """A scale bar under the panel's right end, with the place at which it is true."""
    view, axes = panel.projection, panel.axes
    length_km, length = view.scale_bar(body.radius_km, parts)
    if not isinstance(view, Azimuthal):
        at = (
            "at the equator"
            if view.lat == 0
            else f"at latitude {said(tidy(abs(view.lat), 3))}° " + "NS"[view.lat < 0]
        )
    else:
        at = "at the pole" if abs(view.lat) == 90 else "at the middle"
    right = axes.get_xlim()[1]
    y = -view.half_height - below_px / panel.px
    axes.add_line(
        Line2D(
            [right - length, right], [y, y], color=INK, linewidth=2.4, solid_capstyle="butt", clip_on=False
        )
    )
    axes.text(
        right,
        y - 6.0 / panel.px,
        f"{said(tidy(length_km))} km {at}",
        ha="right",
        va="top",
        fontsize=9.5,
        color=INK,
    )


def _steps(view: Projection) -> tuple[float, float]:
    """Steps of longitude and latitude, degrees."""
    if not isinstance(view, Azimuthal):
        return degree_step(view.east - view.west, 11), degree_step(view.north - view.south, 6)
    if view.disc:
        return 30.0, 30.0 if view.law == "orthographic" else 10.0
    step_lat = degree_step(math.degrees(2.0 * view.half_height), 6)
    to_pole = 90.0 - abs(view.lat)
    if to_pole < math.degrees(math.hypot(view.half_width, view.half_height)):
        return 30.0, step_lat
    return degree_step(math.degrees(2.0 * view.half_width) / math.cos(math.radians(view.lat)), 9), step_lat


def _label_frame(panel: Panel, line: Line, label: str, taken: list[tuple[Label, Any]]) -> None:
    """Where a line leaves a rectangular map: meridians below if they do, parallels on the left."""
    view = panel.projection
    ends = _ends(line, view)
    sides = {
        "bottom": (ends[:, 1] < -view.half_height * 0.999, (0, -5), "center", "top"),
        "left": (ends[:, 0] < -view.half_width * 0.999, (-5, 0), "right", "center"),
        "top": (ends[:, 1] > view.half_height * 0.999, (0, 4), "center", "bottom"),
        "right": (ends[:, 0] > view.half_width * 0.999, (5, 0), "left", "center"),
    }
    order = ("bottom", "top", "left", "right") if line.axis == "lon" else ("left", "right")
    for side in order:
        at, offset, ha, va = sides[side]
        if at.any() and _place(panel, Label(label, tuple(ends[at][0]), offset, ha, va), taken):
            return
    if not len(ends) and line.axis == "lat":
        _label_inside(panel, line, label, taken)


def _label_disc(panel: Panel, line: Line, label: str, taken: list[tuple[Label, Any]], sparse: bool) -> None:
    view = panel.projection
    ends = _ends(line, view)
    about_pole = abs(view.lat) > 75.0
    if line.axis == "lon" and not about_pole:
        at = view.to_plane([line.degrees, 0.0])
        if np.hypot(*at) < 0.93 and at[0] < 0.8:  # not over the rim; NaN on the far side
            _place(panel, Label(label, tuple(at), (2, 2), "left", "bottom", inside=True), taken)
    elif len(ends) and ((line.axis == "lat") != about_pole) and (not sparse or line.degrees % 90 == 0):
        end = ends[np.argmin(ends[:, 0])] if line.axis == "lat" else ends[np.argmax(np.hypot(*ends.T))]
        angle = math.degrees(math.atan2(end[1], end[0]))
        turn = angle % 180.0 - 90.0 if about_pole else 0.0
        ha = "center" if about_pole else "right" if end[0] < 0 else "left"
        beside = end * (1.0 + 11.0 / (panel.px * view.half_width))
        _place(panel, Label(label, tuple(beside), ha=ha, turn=turn), taken)
    elif line.axis == "lat" and not len(ends):
        _label_inside(panel, line, label, taken)


def _ends(line: Line, view: Projection) -> Floats:
    """Where a line meets the frame, (n, 2)."""
    rim = view.frame.exterior.buffer(1e-6 * view.half_width)
    return np.asarray(shapely.get_coordinates(shapely.intersection(line.path, rim)))


def _label_inside(panel: Panel, line: Line, label: str, taken: list[tuple[Label, Any]]) -> None:
    at = panel.projection.to_plane([panel.projection.lon, line.degrees])
    if np.isfinite(at[0]):
        _place(panel, Label(label, tuple(at), (3, 1), "left", "bottom", inside=True), taken)


def _place(panel: Panel, label: Label, taken: list[tuple[Label, Any]]) -> bool:
    """Write a label unless it would touch another."""
    text = write(panel, label)
    extent = text.get_window_extent(panel.axes.figure.canvas.get_renderer()).expanded(1.08, 1.1)
    free = not any(extent.overlaps(other) for _, other in taken)
    if free:
        taken.append((label, extent))
    if not free or label.inside:
        text.remove()
    return free


def _draw_shapes(
    panel: Panel, shapes: Shapes, style: Style, shown: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Lines and polygons; which were large enough to be drawn so, and which rows the map shows at all."""
    rows = np.flatnonzero(shapely.get_dimensions(shapes) > 0)
    drawn = panel.projection.cut(shapes[rows])
    there = ~shapely.is_missing(drawn)
    shown = shown.copy()
    shown[rows] |= there
    west, south, east, north = shapely.bounds(drawn).T
    visible = there & (np.maximum(east - west, north - south) * panel.px >= SHAPE_PX)
    large = np.zeros(len(shapes), dtype=bool)
    large[rows[visible]] = True
    areas = visible & (shapely.get_dimensions(drawn) == 2)
    faces = np.broadcast_to(style.faces(rows[areas]), (int(areas.sum()), 4)).copy()
    # The ground stays readable under a shape that covers much of the map.
    share = shapely.area(drawn[areas]) / panel.projection.frame.area
    crowded = len(rows[visible]) * ROOM_PX2 > panel.projection.frame.area * panel.px**2
    faces[:, 3] *= np.clip(0.34 - share, 0.1, 0.12 if crowded else 0.3) if style.rows is None else 0.75
    depth = 2.0 + style.number / 20  # under the symbols of every layer
    paths = [_path_of(shape) for shape in shapely.orient_polygons(drawn[areas])]
    panel.axes.add_collection(PathCollection(paths, facecolors=faces, edgecolors="none", zorder=depth))
    lines, of = shapely.get_parts(panel.projection.cut(outlines_of(shapes[large])), return_index=True)
    edges = style.faces(np.flatnonzero(large))
    edges = np.broadcast_to(edges, (int(large.sum()), 4))[of].copy()
    edges[edges[:, 3] == 0] = to_rgba(QUIET)
    # Earlier layers show on both sides of later ones.
    width = (0.6 if crowded else 1.2) + 0.7 * min(style.of - 1 - style.number, 2)
    segments = [shapely.get_coordinates(line) for line in lines]
    inked = LineCollection(segments, colors=edges, linewidths=width, zorder=depth + 0.02)
    if not crowded:
        casing = LineCollection(segments, colors=INK, linewidths=width + 0.9, alpha=0.55, zorder=depth + 0.01)
        panel.axes.add_collection(casing)
    panel.axes.add_collection(inked)
    return large, shown


def _path_of(shape: Any) -> Path:
    rings = shapely.get_rings(shapely.get_parts(shape))
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    codes = np.full(len(corners), Path.LINETO, dtype=np.uint8)
    codes[np.flatnonzero(np.diff(ring, prepend=-1))] = Path.MOVETO
    codes[np.flatnonzero(np.diff(ring, append=-1))] = Path.CLOSEPOLY
    return Path(corners, codes)


def _draw_symbols(panel: Panel, xy: Floats, rows: NDArray[np.int64], style: Style, tile_px: float) -> None:
    if not len(rows):
        return
    few = len(rows) < panel.projection.frame.area * panel.px**2 / 300.0
    size_px = _symbol_px(xy[rows] * panel.px, tile_px, 5.0 if few else 1.8)
    # Earlier layers are larger, so that a layer on top of them does not hide them.
    size_px *= 1.0 + 0.2 * min(style.of - 1 - style.number, 3)
    faces, edged = style.faces(rows), size_px >= 4.5
    edges: Any = INK if edged else "none"
    if style.rows is not None:  # a row without a value is hollow: it has an edge at any size
        edges = np.where(faces[:, 3:] > 0, to_rgba_array(INK) if edged else faces, to_rgba_array(INK))
    panel.axes.scatter(
        xy[rows, 0],
        xy[rows, 1],
        s=(size_px * 72.0 / DPI) ** 2,
        marker=MARKERS[style.number],
        facecolors=faces,
        edgecolors=edges,
        linewidths=min(0.55, size_px / 9.0),
        alpha=(0.92 if edged else 0.6) if style.rows is None else None,
        zorder=2.5 + style.number / 10,
    )


def _symbol_px(at_px: Floats, tile_px: float, least_px: float) -> float:
    """Size of symbols that lets most be told apart; what lies in few places stays large enough to be seen."""
    blocks = len(np.unique(np.floor(at_px / CROWD_PX), axis=0))
    apart_px = CROWD_PX * math.sqrt(blocks / len(at_px))
    least_px = max(least_px, 3.0 if blocks < 100 else 0.0)
    return float(np.clip(min(1.05 * tile_px, apart_px), least_px, 11.0))
