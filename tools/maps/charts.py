"""Static charts: what the statistics found, as pictures that can go into a paper, in the look of the maps.

Every chart is one PNG of 1200 x 700 pixels in the output folder of the conversation. Without anything to
show a chart is made all the same, and says so in the middle: a missing picture would look like a fault. In
all, ``name`` begins the name of the file and ``notes`` are sentences at the foot.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from tools.layers import shorten
from tools.maps.globe import COLOURS
from tools.maps.paper import DPI, INK, PAPER, QUIET, save_picture
from tools.results import plural
from tools.workspace import Workspace

WIDTH_PX, HEIGHT_PX = 1200, 700
MOST_COUNTED = 36  # classes above which counts over the bars would touch
MOST_EDGES = 14  # classes whose edges can all be written
MOST_DOTS = 300  # rows of a sample that are drawn one by one
SECTOR_DEG = 10

_GROUND, _HATCH, _GRID = "#e2e0da", "#cbc8c0", "#e6e3dc"
_MAIN, _SECOND, _GIVEN = COLOURS[6], COLOURS[5], COLOURS[4]
_LEFT, _RIGHT, _TOP = 0.085, 0.965, 0.845
_LINE = 0.034  # of the height: one line of notes
Floats = NDArray[np.float64]


def draw_curve(
    ws: Workspace,
    name: str,
    *,
    title: str,
    x_label: str,
    y_label: str,
    x: ArrayLike,
    value: ArrayLike,
    null_mean: ArrayLike,
    null_low: ArrayLike,
    null_high: ArrayLike,
    mark_x: float | None = None,
    value_label: str = "observed",
    null_label: str = "expected by chance, with its band",
    notes: Sequence[str] = (),
) -> Path:
    """Draw a curve over the band that chance gives it.

    Parameters
    ----------
    x, value, null_mean, null_low, null_high
        Shapes (n,): where, what was found, and what chance would make of it. NaN leaves gaps.
    mark_x
        Where the question was asked; a dotted line.
    """
    at, found, mean, low, high = (_flat(given) for given in (x, value, null_mean, null_low, null_high))
    figure, axes = _begin(ws, title, notes)
    if not (np.isfinite(at) & np.isfinite(found)).any():
        return _empty(figure, ws, axes, name, title)
    axes.fill_between(at, low, high, color=_HATCH, alpha=0.75, linewidth=0, label=null_label, zorder=2)
    axes.plot(at, mean, color=QUIET, linewidth=1.6, linestyle=(0, (5, 3)), zorder=3)
    axes.plot(at, found, color=_MAIN, linewidth=2.6, label=value_label, zorder=4, solid_capstyle="round")
    _frame(axes, x_label, y_label)
    axes.margins(x=0)
    top = np.nanmax(np.concatenate([found, high, mean]))
    axes.set_ylim(min(0.0, float(np.nanmin(np.concatenate([found, low])))), float(top) * 1.08 or 1.0)
    if mark_x is not None and at[0] <= mark_x <= at[-1]:
        axes.axvline(mark_x, color=_SECOND, linewidth=1.4, linestyle=":", zorder=3.5)
        here = float(np.interp(mark_x, at, found))
        axes.plot([mark_x], [here], "o", color=_SECOND, markersize=9, markeredgecolor=PAPER, zorder=5)
    _legend(axes)
    return save_picture(figure, ws, name, title)


def draw_bars(
    ws: Workspace,
    name: str,
    *,
    title: str,
    x_label: str,
    y_label: str,
    low_edges: ArrayLike,
    high_edges: ArrayLike,
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    reference: float | None = None,
    reference_label: str = "",
    counts: ArrayLike | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Draw one bar for each class of a value, with its interval.

    Parameters
    ----------
    low_edges, high_edges
        Edges of the classes, (k,), ascending. Classes of very different widths are drawn equally wide.
    value, low, high
        What each has and its interval, (k,). A class whose value is NaN was not observed and is hatched.
    reference, reference_label
        A level across all classes, and its words.
    counts
        Rows of each class, (k,), written over the bars.
    """
    left, right, found, below, above = (_flat(given) for given in (low_edges, high_edges, value, low, high))
    figure, axes = _begin(ws, title, notes)
    seen = np.isfinite(found)
    if not seen.any():
        return _empty(figure, ws, axes, name, title, "Nothing was observed in any class.")
    edges = np.append(left, right[-1])
    uneven = bool(np.ptp(right - left) > 2.0 * (right - left).min())
    if uneven:  # side by side: to scale the narrow ones would not be seen
        left = np.arange(len(left), dtype=np.float64)
        right = left + 1.0
    middle, width = (left + right) / 2, right - left
    axes.bar(middle[seen], found[seen], 0.86 * width[seen], color=_MAIN, alpha=0.85, linewidth=0, zorder=2)
    most = float(found[seen].max())
    if reference is not None:
        most = max(most, reference)
        axes.axhline(reference, color=_SECOND, linewidth=1.6, linestyle=(0, (5, 3)), zorder=3)
    # A class of little ground has an interval as wide as the page: what is cut off ends in an arrow.
    widest = float(np.nanmax(np.where(seen, above, np.nan)))
    top = 1.18 * (min(widest, 2.6 * most) if most > 0 else widest) or 1.0
    whiskers = np.minimum(above, top * 0.93)
    axes.vlines(middle[seen], below[seen], whiskers[seen], color=INK, linewidth=1.5, zorder=4)
    for end in (below, whiskers):
        shown = seen & ((end is below) | (above <= whiskers))
        axes.hlines(
            end[shown], (middle - 0.12 * width)[shown], (middle + 0.12 * width)[shown], color=INK, zorder=4
        )
    cut = seen & (above > whiskers)
    axes.plot(middle[cut], whiskers[cut], "^", color=INK, markersize=6, zorder=4)
    axes.set_ylim(0.0, top)
    axes.set_xlim(float(left[0]), float(right[-1]))
    if not seen.all():
        axes.bar(
            middle[~seen],
            np.full(int((~seen).sum()), top),
            width[~seen],
            color=_GROUND,
            edgecolor=_HATCH,
            hatch="///",
            linewidth=0,
            label="not observed",
            zorder=1,
        )
    if counts is not None and len(found) <= MOST_COUNTED:
        size = 10.0 if len(found) <= 18 else 7.5
        halo = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6}
        for x, y, number in zip(middle[seen], whiskers[seen], _flat(counts)[seen], strict=True):
            _text(
                axes, x, y + 0.012 * top, f"{number:,.0f}", ha="center", va="bottom", fontsize=size, bbox=halo
            )
    _frame(axes, x_label, y_label)
    if uneven or len(found) <= MOST_EDGES:
        every = -(-len(found) // MOST_EDGES)
        axes.set_xticks(
            np.append(left, right[-1])[::every], [_said(edge) for edge in edges[::every].tolist()]
        )
    axes.grid(visible=False, axis="x")
    if reference is not None and reference_label:
        axes.plot([], [], color=_SECOND, linewidth=1.6, linestyle=(0, (5, 3)), label=reference_label)
    axes.plot([], [], color=INK, linewidth=1.5, label="95 % interval")
    _legend(axes)
    return save_picture(figure, ws, name, title)


def draw_rose(
    ws: Workspace,
    name: str,
    *,
    title: str,
    azimuth_deg: ArrayLike,
    weight: ArrayLike,
    axial: bool = True,
    mean_deg: float | None = None,
    low_deg: float | None = None,
    high_deg: float | None = None,
    given_deg: float | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Draw directions as a rose: north up, clockwise, the area of a sector its share of the weight.

    Parameters
    ----------
    azimuth_deg, weight
        Directions clockwise from north and their weights, (n,).
    axial
        Whether opposite directions are the same: both halves are then drawn alike.
    mean_deg, low_deg, high_deg
        The mean and its interval, clockwise from low to high (low may be the larger number).
    given_deg
        A direction to compare with.
    """
    azimuth, heavy = _flat(azimuth_deg), _flat(weight)
    known = np.isfinite(azimuth) & np.isfinite(heavy) & (heavy > 0)
    figure, axes = _begin(ws, title, notes, polar=True)
    if not known.any():
        return _empty(figure, ws, axes, name, title, "No direction is known.")
    azimuth, heavy = azimuth[known] % 360.0, heavy[known]
    turns = (0.0, 180.0) if axial else (0.0,)
    edges = np.arange(0, 361, SECTOR_DEG)
    both = np.concatenate([(azimuth + turn) % 360.0 for turn in turns])
    total = np.histogram(both, edges, weights=np.tile(heavy, len(turns)))[0]
    radius = np.sqrt(total / total.max())
    nouns = ("axis", "axes") if axial else ("direction", "directions")
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.bar(
        np.radians(edges[:-1]),
        radius,
        np.radians(SECTOR_DEG),
        align="edge",
        color=_MAIN,
        alpha=0.8,
        edgecolor=PAPER,
        linewidth=1.0,
        zorder=2,
        label=f"{len(azimuth):,} {nouns[len(azimuth) > 1]}",
    )
    axes.set_ylim(0.0, 1.18)
    axes.set_yticks([0.5, 1.0], ["", ""])
    axes.set_thetagrids(range(0, 360, 45), ["N", "45°", "90°", "135°", "180°", "225°", "270°", "315°"])
    axes.grid(color=_HATCH, linewidth=0.7)
    axes.tick_params(labelsize=11, labelcolor=QUIET, pad=3)
    axes.spines["polar"].set(color=QUIET, linewidth=0.7)
    if given_deg is not None and np.isfinite(given_deg):
        _ray(axes, given_deg, axial, color=_GIVEN, linestyle=(0, (4, 2)), label="given direction")
    if mean_deg is not None and np.isfinite(mean_deg):
        _ray(axes, mean_deg, axial, color=_SECOND, linestyle="-", label="mean axis" if axial else "mean")
        if low_deg is not None and high_deg is not None and np.isfinite([low_deg, high_deg]).all():
            period = 180.0 if axial else 360.0
            arc = np.radians(low_deg + np.linspace(0.0, (high_deg - low_deg) % period, 60))
            for turn in np.radians(turns):
                line = axes.plot(arc + turn, np.full(60, 1.09), color=_SECOND, linewidth=5, alpha=0.55)[0]
                line.set_solid_capstyle("butt")
            line.set_label("its 95 % interval")
    _legend(axes, loc="upper left", anchor=(1.22, 1.0))
    words = "The area of a sector is its share of the weight."
    _text(axes, 1.245, 0.0, textwrap.fill(words, 34), transform=axes.transAxes, color=QUIET, fontsize=10)
    return save_picture(figure, ws, name, title)


def draw_distributions(
    ws: Workspace,
    name: str,
    *,
    title: str,
    x_label: str,
    groups: Mapping[str, ArrayLike],
    notes: Sequence[str] = (),
) -> Path:
    """Draw samples of a value, one above the other: density, the middle half, the median.

    Parameters
    ----------
    groups
        Name of each sample and its values, (n,); NaN are left out. Few rows are drawn one by one as well.
    """
    known = {label: _flat(values) for label, values in groups.items()}
    known = {label: values[np.isfinite(values)] for label, values in known.items()}
    figure, axes = _begin(ws, title, notes, left=0.21)
    everything = np.concatenate([np.zeros(0), *known.values()])
    if not len(everything):
        return _empty(figure, ws, axes, name, title)
    low, high = float(everything.min()), float(everything.max())
    margin = 0.03 * (high - low) or max(abs(low), 1.0) * 0.05
    axes.set_xlim(low - margin, high + margin)
    for number, (label, values) in enumerate(known.items()):
        level = float(len(known) - 1 - number)
        words = f"{textwrap.fill(shorten(label, 60), 22)}\n{plural(len(values), 'value')}"
        _text(axes, -0.02, level + 0.3, words, transform=axes.get_yaxis_transform(), ha="right", va="center")
        if len(values):
            _sample(axes, values, level, COLOURS[(6, 5, 4)[number % 3]], (high - low) or 1.0)
    axes.set_ylim(-0.3, len(known) - 0.12)
    _frame(axes, x_label, "")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.plot([], [], color=INK, linewidth=2.4, label="median")
    axes.plot([], [], color=INK, linewidth=7, alpha=0.35, label="middle half")
    _legend(axes, ncols=2, loc="lower right", anchor=(1.0, 1.0))
    return save_picture(figure, ws, name, title)


def _sample(axes: Any, values: Floats, level: float, colour: str, span: float) -> None:
    # A thousand quantiles have the shape of any number of rows.
    kept = np.sort(values if len(values) <= 1000 else np.quantile(values, (np.arange(1000) + 0.5) / 1000))
    spread = float(kept.std())
    if len(kept) >= 5 and spread > 1e-6 * span:
        from scipy.stats import gaussian_kde  # half a second to import, which no start needs

        at = np.linspace(kept[0], kept[-1], 240)
        shape = gaussian_kde(kept, lambda fit: 0.5 * fit.scotts_factor())(at)  # two peaks stay two
        shape *= 0.72 / shape.max()
        axes.fill_between(at, level, level + shape, color=colour, alpha=0.45, linewidth=0, zorder=2)
        axes.plot(at, level + shape, color=colour, linewidth=1.4, zorder=3)
    if len(values) <= MOST_DOTS:
        axes.plot(values, np.full(len(values), level - 0.15), "|", color=colour, markersize=9, alpha=0.8)
    first, middle, last = np.quantile(values, [0.25, 0.5, 0.75])
    line = axes.plot([first, last], [level, level], color=INK, linewidth=7, alpha=0.35, zorder=4)[0]
    line.set_solid_capstyle("butt")
    axes.vlines(middle, level - 0.08, level + 0.76, color=INK, linewidth=2.4, zorder=5)


def _ray(axes: Any, azimuth_deg: float, axial: bool, *, label: str, **style: Any) -> None:
    ends = np.radians([azimuth_deg, azimuth_deg + 180.0] if axial else [azimuth_deg, azimuth_deg])
    axes.plot(ends, [1.16, 1.16 if axial else 0.0], linewidth=2.4, zorder=4, label=label, **style)


def _begin(
    ws: Workspace, title: str, notes: Sequence[str], *, polar: bool = False, left: float = _LEFT
) -> tuple[Figure, Any]:
    """A page with its title, its notes and the axes between them."""
    figure = Figure(figsize=(WIDTH_PX / DPI, HEIGHT_PX / DPI), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    title = shorten(title[:1].upper() + title[1:], 92)
    size = 18 if len(title) <= 66 else 14
    _text(figure, 0.04, 0.93, title, fontsize=size, fontweight="bold")
    about = (
        f"{ws.body.name.capitalize()} · {len(ws.index):,} tiles of {ws.index.grid.tile_km:g} km · "
        f"index {ws.index.manifest.name}"
    )
    _text(figure, 0.04, 0.888, about, fontsize=10.5, color=QUIET)
    made = f"encoder {ws.encoder.manifest.name} · index {ws.index.manifest.fingerprint}"
    _text(figure, 0.965, 0.025, made, fontsize=8, color=QUIET, ha="right")
    lines = [line for note in notes for line in textwrap.wrap(note, 150)][:5]
    for number, line in enumerate(lines):
        height = 0.03 + _LINE * (len(lines) - number) + 0.004
        _text(figure, 0.04, height, line, fontsize=9.5, color=QUIET)
    foot = 0.055 + _LINE * len(lines)
    if polar:
        box = (0.17, foot + 0.06, 0.44, _TOP - foot - 0.09)
        return figure, figure.add_axes(box, projection="polar", facecolor=PAPER)
    bottom = foot + 0.1
    return figure, figure.add_axes((left, bottom, _RIGHT - left, _TOP - 0.045 - bottom), facecolor=PAPER)


def _frame(axes: Any, x_label: str, y_label: str) -> None:
    axes.set_xlabel(shorten(x_label, 110), fontsize=11.5, color=INK, labelpad=7)
    axes.set_ylabel(shorten(y_label, 60), fontsize=11.5, color=INK, labelpad=7)
    axes.tick_params(length=0, labelsize=10.5, labelcolor=QUIET, pad=6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda number, _: _said(number))
    axes.grid(color=_GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(color=QUIET, linewidth=0.7, visible=side in ("left", "bottom"))


def _legend(
    axes: Any, ncols: int = 4, loc: str = "lower right", anchor: tuple[float, float] = (1.0, 1.0)
) -> None:
    if axes.name == "polar":
        ncols = 1
    axes.legend(
        loc=loc,
        bbox_to_anchor=anchor,
        ncols=ncols,
        frameon=False,
        fontsize=10.5,
        labelcolor=INK,
        handlelength=1.8,
        columnspacing=1.6,
        labelspacing=0.8,
        borderaxespad=0.2,
    )


def _text(on: Any, x: float, y: float, words: str, **style: Any) -> None:
    on.text(x, y, words, **{"color": INK, "fontsize": 10.5, **style})


def _empty(
    figure: Figure, ws: Workspace, axes: Any, name: str, title: str, words: str = "There is nothing to show."
) -> Path:
    axes.remove()
    _text(figure, 0.5, 0.5, words, ha="center", va="center", fontsize=15, color=QUIET)
    return save_picture(figure, ws, name, title)


def _said(number: float) -> str:
    return f"{number:,.6g}".replace("-", "−")


def _flat(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(-1)
