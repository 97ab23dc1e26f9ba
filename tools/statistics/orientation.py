"""Whether things run in a common direction, along a given one, or along that of another layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from retrieval.spatial.directions import (
    Axes,
    apart_deg,
    apart_interval,
    holds,
    rayleigh_p,
    same_axis,
)
from retrieval.spatial.verdicts import said_p
from tools.layers import Layer
from tools.maps.charts import draw_rose
from tools.results import Figures, plural, said, tidy
from tools.statistics.axes import Directions, Light, directions_of, light_of, tile_axes
from tools.statistics.robustness import ALPHA, at, corrected, said_p_value, stricter, thresholds_words
from tools.workspace import ToolResult, Workspace, check_number

__all__ = ["orientation", "tile_axes"]

FEWEST_AXES = 5
SAME_AXIS_DEG = 20.0
MEASURED_DEG = 2.0  # axes of textures and shapes are no truer than this
LEVEL = 0.01  # of one layer's own tests: a little of the light always stays in its texture
WIDEST_DEG = 120.0  # an interval of a mean axis wider than this holds nearly every direction

Floats = NDArray[np.float64]


def orientation(
    ws: Workspace, layer: str, given_azimuth_deg: float | None = None, other: str | None = None
) -> ToolResult:
    """Measure in which direction the texture of a layer's tiles runs (dunes, ridges, yardangs, grabens): mean
    axis as an azimuth with its interval, how strongly they agree, and a Rayleigh test against random
    directions; on request also whether they follow a given azimuth, or share the axis of another layer. What
    sunlight from one side gives to all tiles of the index is taken out first. Entries of a catalogue use
    their own azimuths, lines and polygons their long axes.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    given_azimuth_deg
        A direction that they may follow, degrees clockwise from north, 0 to 360; 90 is east-west.
    other
        Id of another layer whose axis may be the same, for example L2.
    """
    chosen = ws.layers.get(layer)
    given = None
    if given_azimuth_deg is not None:
        given = check_number("given_azimuth_deg", given_azimuth_deg, 0, 360, "degrees") % 180.0
    second = _second(ws, chosen, other)
    both = [chosen] if second is None else [chosen, second]
    light = light_of(ws, [one for one in both if one.kind == "tiles"])
    found = [directions_of(ws, one, light) for one in both]
    means = [rows.mean(ws.seed, given if number == 0 else None) for number, rows in enumerate(found)]

    figures: Figures = {"n": len(found[0])}
    summary, stands = _common(ws, chosen, found[0], means[0], figures)
    if not stands and len(found[0]) < FEWEST_AXES:
        return ToolResult(summary, figures=figures)
    if chosen.kind == "tiles":
        summary += _against_light(light, means[0], figures)
    if given is not None:
        summary += _against_given(ws, chosen, means[0], given, figures)
    if second is not None:
        summary += _against_other(ws, (chosen, second), found[1], means, figures)
    summary += _at_stricter(ws, chosen, found[0], figures)
    pictures = tuple(
        _rose(ws, one, rows, mean, given)
        for one, rows, mean in zip(both, found, means, strict=True)
        if len(rows)
    )
    return ToolResult(summary, figures=figures, pictures=pictures)


def _second(ws: Workspace, chosen: Layer, other: str | None) -> Layer | None:
    if other is None:
        return None
    second = ws.layers.get(other)
    if second.id == chosen.id:
        raise ToolInputError(
            f"layer and other are both {chosen.id}: it shares its own axis",
            allowed="two different layers of " + ", ".join(ws.layers.ids()),
            next_step="search for the second thing first, or leave other out",
        )
    return second


def _common(ws: Workspace, layer: Layer, rows: Directions, axes: Axes, figures: Figures) -> tuple[str, bool]:
    """The mean axis and whether there is one; False if that cannot be told."""
    if len(rows) < FEWEST_AXES:
        figures["fewest"] = FEWEST_AXES
        return (
            f"Cannot tell how {layer.id} is oriented: it has {_measured(rows)}, and at least {FEWEST_AXES} "
            "are needed."
        ), False
    told = not _too_few(axes)
    shown = axes if told else rows.mean(ws.seed, alone=True)
    figures |= {
        "mean_azimuth_deg": _tidy_deg(shown.azimuth_deg),
        "resultant_length": tidy(shown.resultant_length, 3),
        "effective_n": tidy(axes.effective_n, 3),
    }
    p_value = said_p_value(axes.p_value, figures)
    mean = (
        f"a mean axis of azimuth {said(figures['mean_azimuth_deg'])} degrees{_interval(shown, figures)} with "
        f"resultant length {said(figures['resultant_length'])}"
    )
    if not told:
        one = "one" if axes.effective_n < 1.5 else "ones"
        return (
            f"Cannot tell how {layer.id} is oriented: its {_number(rows)} have {mean}, but lie so close "
            f"together that they are worth about {said(figures['effective_n'])} independent {one}, too few "
            "for any agreement to be beyond chance."
        ), False
    more, after = corrected(ws, f"orientation {layer.id}", axes.p_value, figures)
    figures["level_percent"] = tidy(100 * LEVEL)
    level = f"(level {said(figures['level_percent'])} %)"
    if axes.p_value >= LEVEL:
        verdict = f"no common direction beyond chance {level}"
    elif after >= LEVEL:
        verdict = f"a common direction if this test stood alone, none among so many {level}"
    else:
        verdict = "a common direction"
    return (
        f"The {_number(rows)} of {layer.id} have {mean}; Rayleigh p {p_value} for "
        f"{said(figures['effective_n'])} independent ones{more}: {verdict}."
    ), True


def _interval(axes: Axes, figures: Figures, prefix: str = "") -> str:
    if not len(axes.resampled_deg):
        return ""
    figures["interval_percent"] = tidy(100 * (1 - ALPHA))
    low, high = np.quantile(axes.resampled_deg, [ALPHA / 2, 1 - ALPHA / 2])
    if high - low > WIDEST_DEG:
        return f" (the {said(figures['interval_percent'])} % interval holds nearly every direction)"
    figures[f"{prefix}azimuth_low_deg"] = _tidy_deg(axes.low_deg)
    figures[f"{prefix}azimuth_high_deg"] = _tidy_deg(axes.high_deg)
    return (
        f" ({said(figures['interval_percent'])} % interval {said(figures[f'{prefix}azimuth_low_deg'])} to "
        f"{said(figures[f'{prefix}azimuth_high_deg'])})"
    )


def _too_few(axes: Axes) -> bool:
    """Whether not even perfect agreement of so few independent directions would be beyond chance."""
    return rayleigh_p(1.0, axes.effective_n) >= LEVEL


def _against_light(light: Light, axes: Axes, figures: Figures) -> str:
    if not light.known:
        return (
            " There are too few other tiles to tell what sunlight from one side does to the texture, so part "
            "of this may be shading."
        )
    figures |= {
        "other_n": light.count,
        "other_azimuth_deg": _tidy_deg(light.azimuth_deg),
        "other_resultant_length": tidy(light.resultant_length, 3),
    }
    summary = (
        f" The shading that {light.count:,} other tiles share was taken out, and so was what is left of it "
        f"in them, an axis of {said(figures['other_azimuth_deg'])} degrees with resultant length "
        f"{said(figures['other_resultant_length'])}"
    )
    alike = float(apart_deg(axes.azimuth_deg, light.azimuth_deg)) < SAME_AXIS_DEG
    if alike and light.resultant_length > 0.5 * axes.resultant_length:
        return summary + ": too much alike to be told from sunlight."
    return summary + "."


def _against_given(ws: Workspace, layer: Layer, axes: Axes, given: float, figures: Figures) -> str:
    """The V test: do they crowd about the given axis?"""
    figures["given_azimuth_deg"] = tidy(given)
    asked = f"{said(figures['given_azimuth_deg'])} degrees"
    if _too_few(axes):
        return f" Whether they follow {asked} cannot be told either."
    figures["given_off_deg"] = tidy(axes.given_off_deg, 3)
    p_value = said_p_value(axes.given_p, figures, "given_p")
    more, after = corrected(ws, f"orientation {layer.id} given {given:g}", axes.given_p, figures, "given_")
    off = f"they are {said(figures['given_off_deg'])} degrees off it in the median"
    if axes.given_p >= LEVEL:
        verdict = "they do not crowd about it more than chance allows"
    elif not holds(axes, given) and apart_deg(axes.azimuth_deg, given) > MEASURED_DEG:
        verdict = "they lie closer to it than chance allows, but their mean axis is another"
    else:
        verdict = "they follow it"
    if axes.given_p < LEVEL <= after:
        verdict += " if this test stood alone, not among so many"
    return f" Against the given axis of {asked}: V test p {p_value}{more}; {off}: {verdict}."


def _against_other(
    ws: Workspace, layers: tuple[Layer, Layer], rows: Directions, means: list[Axes], figures: Figures
) -> str:
    """Do two layers share an axis?"""
    first, second = layers
    question = f" Cannot tell whether {first.id} and {second.id} share an axis"
    figures["second_n"] = len(rows)
    if len(rows) < FEWEST_AXES or _too_few(means[1]) or _too_few(means[0]):
        weak = second if len(rows) < FEWEST_AXES or _too_few(means[1]) else first
        return f"{question}: {weak.id} has too few independent directions."
    figures["second_azimuth_deg"] = _tidy_deg(means[1].azimuth_deg)
    figures["second_resultant_length"] = tidy(means[1].resultant_length, 3)
    own = (
        f" The {_number(rows)} of {second.id} have a mean axis of {said(figures['second_azimuth_deg'])} "
        f"degrees{_interval(means[1], figures, 'second_')} with resultant length "
        f"{said(figures['second_resultant_length'])}, Rayleigh p "
        f"{said_p_value(means[1].p_value, figures, 'second_p_value')}."
    )
    without = [one.id for one, mean in zip(layers, means, strict=True) if mean.p_value >= LEVEL]
    if without:
        have = "has" if len(without) == 1 else "have"
        return f"{own}{question}: {' and '.join(without)} {have} no common direction."
    apart, p_value = same_axis(*means)
    low, high = apart_interval(*means)
    figures |= {
        "apart_deg": tidy(apart, 3),
        "apart_low_deg": tidy(low, 3),
        "apart_high_deg": tidy(high, 3),
    }
    p_words = said_p_value(p_value, figures, "apart_p")
    names = " ".join(sorted(layer.id for layer in layers))
    more, after = corrected(ws, f"orientation same axis {names}", p_value, figures, "apart_")
    if p_value >= ALPHA:
        verdict = "no difference is shown"
    elif after >= ALPHA:
        verdict = "they differ if this test stood alone, not among so many"
    else:
        verdict = "they do not share an axis"
    shared = 0
    if first.kind == second.kind == "tiles":
        shared = int(np.isin(first.table["row_id"], second.table["row_id"]).sum())
    common = ""
    if shared:
        figures["same_tile_count"] = shared
        stand = "stands" if shared == 1 else "stand"
        common = f" {plural(shared, 'tile')} {stand} in both layers, which makes them alike."
    return (
        f"{own} The two axes are {said(figures['apart_deg'])} degrees apart (interval "
        f"{said(figures['apart_low_deg'])} to {said(figures['apart_high_deg'])}), p {p_words}{more}: "
        f"{verdict}.{common}"
    )


def _at_stricter(ws: Workspace, layer: Layer, rows: Directions, figures: Figures) -> str:
    """The mean axis at stricter thresholds."""
    alone = _too_few(rows.mean(ws.seed))
    axes = {level: rows.mean(ws.seed, least=level, alone=alone) for level, _ in stricter(layer)}
    counts = {level: int((rows.probability >= level).sum()) for level in axes}
    enough = [level for level in axes if counts[level] >= FEWEST_AXES]
    if not enough:
        return ""
    azimuths, lengths = [], []
    for level in enough:
        figures[at("n", level)] = counts[level]
        azimuths.append(_tidy_deg(axes[level].azimuth_deg))
        lengths.append(tidy(axes[level].resultant_length, 3))
        figures[at("mean_azimuth_deg", level)] = azimuths[-1]
        figures[at("resultant_length", level)] = lengths[-1]
    return (
        f" At {thresholds_words(enough, figures)} the mean axis is {_and(azimuths)} degrees, the resultant "
        f"length {_and(lengths)}."
    )


def _rose(ws: Workspace, layer: Layer, rows: Directions, axes: Axes, given: float | None) -> Path:
    told = not _too_few(axes)
    common = told and axes.p_value < LEVEL
    verdict = "a common direction" if common else "no common direction" if told else "too few to tell"
    return draw_rose(
        ws,
        f"directions_{layer.id}",
        title=f"{layer.title}: {_number(rows)}",
        azimuth_deg=rows.azimuth_deg,
        weight=rows.weight,
        mean_deg=axes.azimuth_deg if common else None,
        low_deg=axes.low_deg if common else None,
        high_deg=axes.high_deg if common else None,
        given_deg=given,
        notes=(
            "Rows that lie within a few tiles of each other count as one. Number of independent directions: "
            f"{axes.effective_n:.3g}. Rayleigh {said_p(axes.p_value)}: {verdict}.",
        ),
    )


def _tidy_deg(azimuth_deg: float) -> float | int:
    """An azimuth to a tenth of a degree, north as 0."""
    return tidy(round(azimuth_deg, 1) % 180.0, 3) % 180


def _number(rows: Directions) -> str:
    return plural(len(rows), rows.noun) if rows.noun != "long axis" else f"{len(rows):,} long axes"


def _measured(rows: Directions) -> str:
    return plural(len(rows), f"measured {rows.noun}") if rows.noun != "long axis" else _number(rows)


def _and(values: list[float | int]) -> str:
    return " and ".join(said(value) for value in values)
