"""Whether two layers differ in a value, or a layer from the ground observed: how much, how surely.

Every thing counts once (touching tiles are one) and things that lie together are one piece of evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from retrieval.spatial import compare as statistics
from retrieval.spatial.compare import FEWEST_CLUSTERS, LARGE, LEAST_RETAINED, Difference
from retrieval.spatial.nulls import Null, Shifts, make_shifts
from tools.context import Quantity
from tools.layers import Layer
from tools.maps.charts import draw_distributions
from tools.results import Figures, plural, said, tidy
from tools.statistics.ground import Ground, ground_of, sampled_words, suffix_of, unit_of
from tools.statistics.per_area import both
from tools.statistics.robustness import ALPHA, at, corrected, said_p_value, stricter, thresholds_words
from tools.statistics.samples import Measured, Sample, measure, sample, shared_rows
from tools.workspace import ToolResult, Workspace

SHIFTS = 999
MOST_MOVED = 2000  # things compared with the ground: of more a sample of them is moved
MOST_ROWS = 20_000  # things of a layer compared with another
# Distance up to which things move together, tiles. Chosen on simulated clusters 40 to 240 km wide (tiles of
# 16 km, 120 trials each): 2 to 6 % of false alarms at 5 %. One tile gave 4 to 10 %, and two told less.
MOVED_TILES = 1.5

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def compare(ws: Workspace, layer: str, by: str, other: str | None = None) -> ToolResult:
    """Compare two layers in latitude, elevation or another value, or one layer with the ground observed:
    which is higher, the difference of medians and the chance that one thing is higher than another, both
    with intervals, and a test. Answers higher, lower, no difference, or cannot tell. Touching tiles count
    once.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    by
        latitude, elevation, another quantity known for this body, or a column of numbers of both layers.
    other
        Id of the layer to compare with, for example L2; if not given, the ground that the index has observed.
    """
    one = ws.layers.get(layer)
    two = None if other is None else ws.layers.get(other)
    if two is not None and two.id == one.id:
        raise ToolInputError(
            f"layer and other are both {one.id}: it does not differ from itself",
            allowed="two different layers of " + ", ".join(ws.layers.ids()) + ", or no other",
        )
    wanted, measured = measure(ws, one, two, by)
    if two is None:
        return _with_ground(ws, one, wanted)
    return _with_layer(ws, one, two, wanted, measured)


def _with_layer(ws: Workspace, one: Layer, two: Layer, wanted: Quantity, measured: Measured) -> ToolResult:
    a, b = (sample(ws, layer, measured, MOST_ROWS) for layer in (one, two))
    ws.check_stop()
    found = statistics.compare(a.values, b.values, a.groups, b.groups, alpha=ALPHA, seed=ws.seed)
    figures: Figures = {}
    if found.n_a and found.n_b:
        why_not = _few(one, found.clusters_a, figures) or _few(two, found.clusters_b, figures)
    else:
        why_not = _unknown([(one, found.n_a), (two, found.n_b)], wanted)
    summary = _answer(one, two.id, wanted, found, why_not, figures)
    summary += _size(ws, one, two.id, wanted, found, a, b.noun, figures)
    summary += _left_out(one, a, found.n_a, wanted, figures, "")
    summary += _left_out(two, b, found.n_b, wanted, figures, "other_")
    shared = shared_rows(ws, one, two)
    if shared:
        figures["shared_count"] = shared
        summary += (
            f" {plural(shared, 'row')} {'is' if shared == 1 else 'are'} in both layers, which makes them "
            "more alike than what they stand for."
        )

    def again(cut: Layer, other: Layer | None) -> Difference:
        first, second = (sample(ws, layer, measured, MOST_ROWS) for layer in (cut, other or two))
        return statistics.compare(
            first.values, second.values, first.groups, second.groups, resamples=19, seed=ws.seed
        )

    summary += _sensitivity(ws, one, two, wanted, again, figures)
    groups = {f"{one.id} {one.title}": a.values, f"{two.id} {two.title}": b.values}
    picture = _picture(ws, f"compare_{one.id}_{two.id}_{wanted.column}", wanted, groups)
    table = (_row(one.id, a.values, found.clusters_a), _row(two.id, b.values, found.clusters_b))
    return ToolResult(summary, figures=figures, pictures=(picture,), table=table)


def _with_ground(ws: Workspace, one: Layer, wanted: Quantity) -> ToolResult:
    ground = ground_of(ws, wanted)
    a = sample(ws, one, lambda layer: ground.of_things(layer.lonlat), MOST_MOVED)
    known = np.isfinite(a.values)
    points, own = a.lonlat[known], a.values[known]
    seen = bool(np.isfinite(ground.cell_values).any())
    place = np.zeros(0)
    if seen:
        place = ground.values(ground.observed.sample(statistics.GROUND, np.random.default_rng(ws.seed)))
        place = place[np.isfinite(place)]
    shifts, found = _moved(ws, ground, points, own, a.groups[known], "rotation")
    figures: Figures = {}
    why_not = _unknown([(one, len(own))], wanted)
    if not why_not and not len(place):
        why_not = f"the index has observed no ground of known {wanted.name}"
    elif not why_not and shifts.retained < LEAST_RETAINED:
        figures["retained_percent"] = tidy(100.0 * shifts.retained, 2)
        figures["least_retained_percent"] = tidy(100.0 * LEAST_RETAINED, 2)
        why_not = (
            f"only {said(figures['retained_percent'])} % of what is moved falls on observed ground, and "
            f"{said(figures['least_retained_percent'])} % is needed"
        )
    elif not why_not and "independent" in found.reason:
        figures["fewest_n"] = FEWEST_CLUSTERS
        why_not = f"its {a.noun}s are worth fewer than {figures['fewest_n']} independent ones"
    summary = _answer(one, "", wanted, found, why_not, figures)
    summary += _size(ws, one, "", wanted, found, a, "place", figures)
    summary += _left_out(one, a, len(own), wanted, figures, "")
    if np.isfinite(found.p_value):
        reason = "; one that kept latitudes could not test them" if wanted.name == "latitude" else ""
        summary += f" Null model “rotation”: {shifts.why}{reason}."
    summary += sampled_words(ground, wanted.name, figures)
    if wanted.name == "latitude" and not why_not and found.verdict not in ("higher", "lower"):
        summary += " Belts on both sides of the equator balance each other in this: density shows them."
    if wanted.name != "latitude" and found.verdict in ("higher", "lower"):
        summary += _with_latitudes_kept(ws, ground, points, own, figures)

    def again(cut: Layer, other: Layer | None) -> Difference:
        values = sample(ws, cut, lambda layer: ground.of_things(layer.lonlat), MOST_MOVED).values
        return statistics.compare(
            values, place, np.arange(len(values)), np.arange(len(place)), resamples=19, seed=ws.seed
        )

    if len(place):
        summary += _sensitivity(ws, one, None, wanted, again, figures)
    groups = {f"{one.id} {one.title}": own, "ground observed": place}
    picture = _picture(ws, f"compare_{one.id}_ground_{wanted.column}", wanted, groups)
    table = (_row(one.id, own, found.clusters_a), _row("ground observed", place, len(place)))
    return ToolResult(summary, figures=figures, pictures=(picture,), table=table)


def _moved(
    ws: Workspace, ground: Ground, points: Floats, values: Floats, groups: Ints | None, null: Null
) -> tuple[Shifts, Difference]:
    """The things moved by a null model, and the comparison with the ground by it."""
    ws.check_stop()
    rng = np.random.default_rng(ws.seed)
    link_km = MOVED_TILES * ws.index.grid.tile_km
    shifts = make_shifts(null, ws.body, points, ground.observed, SHIFTS, rng, link_km=link_km)
    ws.check_stop()
    found = statistics.against_observed(
        values, ground.values, ground.observed, shifts, clusters=groups, alpha=ALPHA, seed=ws.seed
    )
    return shifts, found


def _with_latitudes_kept(
    ws: Workspace, ground: Ground, points: Floats, values: Floats, figures: Figures
) -> str:
    """Whether a difference may be one of latitude only."""
    p_value = _moved(ws, ground, points, values, None, "spin")[1].p_value
    if not np.isfinite(p_value):
        return ""
    words = said_p_value(p_value, figures, "spin_p")
    meaning = "latitude alone does not explain it" if p_value <= ALPHA else "latitude alone may explain it"
    return (
        f" Turned about the spin axis only, so that latitudes stay (null model “spin”), p {words}: {meaning}."
    )


def _unknown(layers: list[tuple[Layer, int]], wanted: Quantity) -> str:
    """Why nothing can be compared, if a layer has no values."""
    for layer, count in layers:
        if not len(layer):
            return f"{layer.id} is empty"
        if not count:
            return f"no {wanted.name} is known where {layer.id} lies"
    return ""


def _few(layer: Layer, groups: int, figures: Figures) -> str:
    """Why the things of a layer are too few to tell, if they are."""
    if groups >= FEWEST_CLUSTERS:
        return ""
    figures["independent_n"], figures["fewest_n"] = groups, FEWEST_CLUSTERS
    return (
        f"{layer.id} has {plural(groups, 'independent group')}, and at least {figures['fewest_n']} are needed"
    )


def _answer(
    one: Layer, other: str, wanted: Quantity, found: Difference, why_not: str, figures: Figures
) -> str:
    against = other or "the ground observed"
    if why_not or found.verdict == "cannot tell":
        if not why_not:
            figures["large_percent"] = tidy(100.0 * LARGE)
            why_not = (
                f"no difference beyond chance was seen, but a large one (a chance of "
                f"{said(figures['large_percent'])} % or more) is not excluded"
            )
        return f"Cannot tell whether {one.id} and {against} differ in {wanted.name}: {why_not}."
    if found.verdict == "no difference":
        figures["large_percent"] = tidy(100.0 * LARGE)
        return (
            f"{one.id} and {against} do not differ in {wanted.name} beyond chance; a large difference (a "
            f"chance of {said(figures['large_percent'])} % or more) is excluded."
        )
    north = {"higher": ", that is, lies farther north", "lower": ", that is, lies farther south"}
    more = north[found.verdict] if wanted.name == "latitude" else ""
    return f"{one.id} has a {found.verdict} {wanted.name} than {against}{more}."


def _size(
    ws: Workspace,
    one: Layer,
    other: str,
    wanted: Quantity,
    found: Difference,
    a: Sample,
    noun: str,
    figures: Figures,
) -> str:
    """Medians, their difference, the superiority and p."""
    figures |= {"count": found.n_a, ("other_count" if other else "ground_count"): found.n_b}
    if not found.n_a or not found.n_b:
        return ""
    unit, end = unit_of(wanted), suffix_of(wanted)
    for name, value in (
        ("median", found.median_a),
        ("other_median", found.median_b),
        ("difference", found.difference),
        ("difference_low", found.low),
        ("difference_high", found.high),
    ):
        figures[name + end] = tidy(value)
    for name, value in (
        ("chance_percent", found.superiority),
        ("chance_low_percent", found.superiority_low),
        ("chance_high_percent", found.superiority_high),
    ):
        figures[name] = tidy(100.0 * value, 3)
    figures["interval_percent"] = tidy(100.0 * (1.0 - ALPHA))
    north = wanted.name == "latitude"
    higher = "lies farther north than" if north else f"has a higher {wanted.name} than"
    text = (
        f" The medians are {said(figures['median' + end])}{unit} ({plural(found.n_a, a.noun)}) and "
        f"{said(figures['other_median' + end])}{unit} ({plural(found.n_b, noun)}), a difference of "
        f"{said(figures['difference' + end])}{unit} ({figures['interval_percent']} % interval "
        f"{said(figures['difference_low' + end])} to {said(figures['difference_high' + end])}). A {a.noun} "
        f"of {one.id} {higher} {f'one of {other}' if other else 'a place of the ground'} with a chance of "
        f"{said(figures['chance_percent'])} % ({said(figures['chance_low_percent'])} to "
        f"{said(figures['chance_high_percent'])})"
    )
    if not np.isfinite(found.p_value):
        return text + "."
    test = f"compare {one.id} with {other or 'the ground'} by {wanted.column}"
    text += f", p {said_p_value(found.p_value, figures)}"
    clause, after = corrected(ws, test, found.p_value, figures)
    text += f"{clause}."
    if found.verdict in ("higher", "lower") and after > ALPHA:
        text += " Among all tests of this conversation that is no more than chance allows."
    return text


def _left_out(layer: Layer, a: Sample, known: int, wanted: Quantity, figures: Figures, prefix: str) -> str:
    """What was not looked at, and what has no value."""
    text = ""
    if len(a.values) < a.whole:
        figures[f"{prefix}sampled_count"], figures[f"{prefix}whole_count"] = len(a.values), a.whole
        text += f" Of {layer.id} a random {len(a.values):,} of {plural(a.whole, a.noun)} were taken."
    missing = len(a.values) - known
    if missing:
        figures[f"{prefix}unknown_count"] = missing
        verb = "has" if missing == 1 else "have"
        text += f" {plural(missing, a.noun)} of {layer.id} {verb} no known {wanted.name} on ground observed."
    return text


def _sensitivity(
    ws: Workspace,
    one: Layer,
    two: Layer | None,
    wanted: Quantity,
    again: Callable[[Layer, Layer | None], Difference],
    figures: Figures,
) -> str:
    """The same at stricter thresholds, of both layers where both have one."""
    cuts, others = stricter(one), stricter(two) if two is not None else []
    steps = range(max(len(cuts), len(others)))
    levels, chances, differences, end = [], [], [], suffix_of(wanted)
    for step in steps:
        ws.check_stop()
        level = (cuts or others)[min(step, len(cuts or others) - 1)][0]
        found = again(
            cuts[min(step, len(cuts) - 1)][1] if cuts else one,
            others[min(step, len(others) - 1)][1] if others else None,
        )
        if not np.isfinite(found.superiority):
            continue
        levels.append(level)
        chances.append(tidy(100.0 * found.superiority, 3))
        differences.append(tidy(found.difference))
        figures[at("chance_percent", level)] = chances[-1]
        figures[at("difference", level) + end] = differences[-1]
    if not levels:
        return ""
    whose = f" of {one.id}" if not others else f" of {two.id}" if two is not None and not cuts else ""
    if cuts and others and cuts[0][0] != others[0][0]:
        whose = f" of {one.id}, and others as much stricter"
    return (
        f" At {thresholds_words(levels, figures)}{whose} the chance is {both(chances)} % and the difference "
        f"of medians {both(differences)}{unit_of(wanted)}."
    )


def _row(name: str, values: Floats, groups: int) -> dict[str, Any]:
    known = values[np.isfinite(values)]
    quantiles = np.quantile(known, [0.25, 0.5, 0.75]).tolist() if len(known) else [None] * 3
    names = ("q25", "median", "q75")
    spread = {key: None if q is None else tidy(q) for key, q in zip(names, quantiles, strict=True)}
    return {"of": name, "count": len(known), "independent": groups, **spread}


def _picture(ws: Workspace, name: str, wanted: Quantity, groups: dict[str, Floats]) -> Path:
    return draw_distributions(
        ws,
        name,
        title=f"{wanted.name} of {' and '.join(groups)}",
        x_label=", ".join(filter(None, (wanted.name, unit_of(wanted).strip()))),
        groups=groups,
        notes=("Tiles that touch count once; heights are scaled to the same maximum.",),
    )
