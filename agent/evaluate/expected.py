"""Which answers are right: a closed list of kinds, each worked out from the truth of the planet.

How far an answer may be off follows from what retrieval itself gets right of the same question (`Ground`):

- of a set of tiles, an F1 against the truth at most `SLACK` below that of the search's own hits, and a number
  between what would be left if only true tiles were found and what there would be with all false ones, two
  standard deviations of a count wider;
- of a figure, between its values for the truth and for the hits, a `FIGURE_SLACK` wider;
- of a verdict, that of the rule that placed the landforms.

Where retrieval finds too little of something (`LEAST_F1`), or the planet does not hold what is asked about,
no answer can be called right: `Unjudged`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from agent.evaluate.answers import Answer, same_search
from agent.evaluate.facts import axis_of, catalogue_verdict, densities, expected_verdict
from agent.evaluate.ground import Bools, Ground, compared
from agent.evaluate.plans import Layer, match_layer
from agent.evaluate.suite import Question
from agent.events import Step
from retrieval.spatial.compare import compare
from retrieval.spatial.nulls import clusters_of

Json = Any

SLACK = 0.1
LEAST_F1 = 0.3
FIGURE_SLACK = 0.2
AXIS_DEG = 20.0
DENSE_SHARE = 0.6  # of the truth's own greatest density
FEWEST_TO_TELL = 12
CLUSTER_KM = 64.0  # what lies together is one piece of evidence
_UNABLE = re.compile(
    r"\b(?:cannot|can't|can not|unable|not able|not possible|outside|beyond what|do(?:es)? not (?:hold|tell|"
    r"show|have)|too small|below the resolution|only answer)\b",
    re.IGNORECASE,
)
_SAYS = {
    "nearer": r"\b(?:nearer|closer|associated|more often|cluster\w* (?:around|near))",
    "farther": r"\b(?:farther|further|avoid\w*|away from|less often)",
    "no difference": r"\b(?:no nearer|neither|no (?:evidence|difference|association|farther)|not associated|"
    r"not once corrected|not (?:significantly )?(?:nearer|closer)|independent)",
    "cannot tell": r"\b(?:cannot tell|cannot be told|too few|inconclusive|not enough|cannot say)",
    "higher": r"\b(?:higher|above|north\w*|steeper|brighter)",
    "lower": r"\b(?:lower|below|south\w*|gentler|darker)",
}


class Unjudged(Exception):
    """The truth of this planet gives no answer to hold others against; the reason."""


def is_right(question: Question, answer: Answer, ground: Ground) -> bool:
    """Whether an answer is right.

    Raises
    ------
    Unjudged
        If that cannot be told on this planet.
    """
    return KINDS[question.kind](question, answer, ground)


def _found(question: Question, answer: Answer, ground: Ground) -> bool:
    """A layer that holds what was asked for is cited, and how many there are is said."""
    return _holds(question.answer, answer, ground)


def _more(question: Question, answer: Answer, ground: Ground) -> bool:
    """Of several things each is counted rightly."""
    layers = question.plan.layers
    return all(_holds(layers[name], answer, ground) for name in question.about)


def _holds(wanted: Layer, answer: Answer, ground: Ground) -> bool:
    true, hits = ground.mask(wanted, "truth"), ground.mask(wanted, "hits")
    quality = compared(hits, true)
    if true.any() and quality.f1 < LEAST_F1:
        raise Unjudged(f"the search finds it with an F1 of {quality.f1:.2f} only")
    low, high = _range(true, hits)
    short = [ground.mask(one, "hits") for one in _one_condition_less(wanted)]
    for layer_id in answer.cited or answer.made:
        rows = answer.rows(ground, layer_id)
        if any((rows == less).all() and (less != hits).any() for less in short):
            continue  # a condition was left out, however little it changes
        fits = low <= rows.sum() <= high and compared(rows, true).f1 >= quality.f1 - SLACK
        if fits and answer.states(*_counts(answer, layer_id)):
            return True
    return not hits.any() and low <= 0 and answer.states(0)


def _one_condition_less(layer: Layer) -> list[Layer]:
    kept = layer.conditions
    return [replace(layer, conditions=(*kept[:n], *kept[n + 1 :])) for n in range(len(kept))]


def _range(true: Bools, hits: Bools) -> tuple[float, float]:
    """How many tiles may be found: from the true ones alone to all with the search's share of false ones."""
    quality = compared(hits, true)
    if not true.any():
        return 0.0, float(hits.sum()) + 2.0
    low, high = quality.true * quality.recall, quality.true / max(quality.precision, 1e-9)
    low, high = min(low, quality.found), max(high, quality.found)
    return low - 2.0 * max(1.0, low) ** 0.5, high + 2.0 * max(1.0, high) ** 0.5


def _counts(answer: Answer, layer_id: str) -> list[float]:
    """How many tiles, features or rows a layer holds, as tools said."""
    counts = [float(len(answer.layers.get(layer_id)))]
    for step in answer.turn.steps:
        if layer_id in step.layer_ids or step.arguments.get("layer") == layer_id:
            names = ("count", "features", "hits", "new")
            counts += [float(step.figures[name]) for name in names if name in step.figures]
    return counts


def _area(question: Question, answer: Answer, ground: Ground) -> bool:
    """The area of what was asked for is said."""
    true, hits = (ground.mask(question.answer, side) for side in ("truth", "hits"))
    if compared(hits, true).f1 < LEAST_F1:
        raise Unjudged("the search does not find it")
    areas = [float(ground.area_km2[rows].sum()) for rows in (true, hits)]
    said = [v for s in answer.turn.steps for k, v in s.figures.items() if k.endswith("area_km2")]
    inside = [value for value in said if _between(value, areas)]
    return bool(inside) and answer.states(*inside)


def _distance(question: Question, answer: Answer, ground: Ground) -> bool:
    """The usual distance of one thing from the nearest of another is said."""
    layers = question.plan.layers
    one, two = (layers[name] for name in question.about)
    middles = []
    for side in ("truth", "hits"):
        apart = ground.apart_km(ground.mask(one, side), ground.mask(two, side))
        if not np.isfinite(apart).any():
            raise Unjudged("there is nothing to measure")
        middles.append(float(np.median(apart)))
    said = [float(s.figures["median_distance_km"]) for s in answer.steps("nearest") if _has(s)]
    inside = [value for value in said if _between(value, middles, 0.5 * ground.index.grid.tile_km)]
    return bool(inside) and answer.states(*inside)


def _nearest(question: Question, answer: Answer, ground: Ground) -> bool:
    """So many are cited, as near to true others as the true nearest are; which of equals does not count."""
    (condition,) = (one for one in question.answer.conditions if one.kind == "nearest")
    plain = replace(question.answer, conditions=())
    others = ground.mask(condition.other or Layer("unknown"), "truth")
    count = int(dict(condition.values)["count"])
    apart = np.sort(ground.apart_km(ground.mask(plain, "truth"), others))[:count]
    quality = ground.quality(plain)
    if quality.f1 < LEAST_F1 or len(apart) < count:
        raise Unjudged("there are too few, or the search does not find them")
    farthest = float(apart[-1]) + ground.index.grid.tile_km
    for layer_id in answer.cited or answer.made:
        rows = answer.rows(ground, layer_id)
        near = ground.apart_km(rows, others) <= farthest
        true = ground.truth(ground.key_of(plain.sought) or plain.sought)[rows]
        least = count * (quality.precision - FIGURE_SLACK)
        if rows.sum() == count and (near & true).sum() >= min(least, count - 1):
            return answer.states(float(count)) or answer.states(*_counts(answer, layer_id))
    return False


def _has(step: Step) -> bool:
    return "median_distance_km" in step.figures


def _between(value: float, ends: Sequence[float], more: float = 0.0) -> bool:
    low, high = min(ends), max(ends)
    return low - FIGURE_SLACK * abs(low) - more <= value <= high + FIGURE_SLACK * abs(high) + more


def _verdict(question: Question, answer: Answer, ground: Ground) -> bool:
    """One pair, or each of several, was tested and the verdict is that of the planet's rules."""
    pairs = question.about if isinstance(question.about[0], list) else [question.about]
    return all(_verdict_of(a, b, answer, ground) for a, b in pairs)


def _verdict_of(one: str, two: str, answer: Answer, ground: Ground) -> bool:
    same = same_search(ground, answer.layers)
    wanted = expected_verdict(one, two)
    right = {wanted} if wanted in ("nearer", "farther") else {"no difference", "cannot tell", "farther"}
    if wanted in ("nearer", "farther"):
        own = catalogue_verdict(ground.seed, one, two)
        right |= {own} - {"nearer", "farther"}
    for step in answer.steps("associate"):
        ends = [answer.layer_of(step, name).first for name in ("layer", "other")]
        if not any(same(one, a) and same(two, b) for a, b in (ends, ends[::-1])):
            continue
        said = verdict_of(step.summary)
        return said in right and re.search(_SAYS[said], answer.turn.answer, re.IGNORECASE) is not None
    return False


def verdict_of(summary: str) -> str:
    """The verdict of a test or a comparison in a tool's sentence."""
    first = summary.split(". ")[0]
    if first.startswith("Cannot tell"):
        return "cannot tell"
    if re.search(r"\bno (?:nearer|farther)\b|\bneither\b|not once corrected|do not differ", first):
        return "no difference"
    found = re.search(r"\b(nearer|farther|higher|lower)\b", first)
    return found[1] if found else "cannot tell"


def _higher(question: Question, answer: Answer, ground: Ground) -> bool:
    """Two things, or one and the ground, were compared, and the one said to be higher is."""
    names, layers = question.about["of"], question.plan.layers
    value = np.abs(ground.lonlat[:, 1]) if question.about["by"] == "abs_latitude" else ground.elevation_m
    value = ground.lonlat[:, 1] if question.about["by"] == "latitude" else value
    sets = [ground.mask(layers[name], "truth") for name in names]
    a = value[sets[0]]
    b = value[sets[1]] if len(sets) > 1 else value
    if not len(a) or not len(b):
        raise Unjudged("there is nothing to compare")
    chance = float(np.mean(np.searchsorted(np.sort(b), a) / len(b)))
    wanted = "higher" if chance >= 0.5 else "lower"
    right = {wanted}
    if len(sets) > 1:
        groups = [clusters_of(ground.body, ground.lonlat[rows], CLUSTER_KM) for rows in sets]
        own = str(compare(a, b, groups[0], groups[1], resamples=199).verdict)
        right |= {own} - {"higher", "lower"}  # where the truth itself does not show it
    if abs(chance - 0.5) < 0.15 or min(len(a), len(b)) < FEWEST_TO_TELL:
        right |= {"no difference", "cannot tell"}
    same = same_search(ground, answer.layers)
    for step in answer.steps("compare"):
        said = verdict_of(step.summary)
        if len(names) > 1 and not same(layers[names[0]].first.sought, answer.layer_of(step, "layer").first):
            said = {"higher": "lower", "lower": "higher"}.get(said, said)
        return said in right
    return False


def _azimuth(question: Question, answer: Answer, ground: Ground) -> bool:
    """The mean direction is said, or that there is none where there is none."""
    mean, length, count = axis_of(ground, question.answer)
    if not count:
        raise Unjudged("there is nothing with a direction")
    for step in answer.steps("orientation"):
        if not _is_of(question.answer, step, answer, ground):
            continue
        unsure = bool(re.search(r"Cannot tell|no common direction|none among", step.summary))
        if unsure and (count < FEWEST_TO_TELL or length < 0.7):
            return True
        said = step.figures.get("mean_azimuth_deg")
        if said is None or unsure:
            continue
        off = abs((float(said) - mean + 90.0) % 180.0 - 90.0)
        return off <= AXIS_DEG and answer.states(float(said))
    return False


def _is_of(wanted: Layer, step: Step, answer: Answer, ground: Ground) -> bool:
    """Whether a measurement is of the layer that was asked about, or of the other one given to it."""
    same = same_search(ground, answer.layers)
    given = [answer.layer_of(step, name) for name in ("layer", "other") if step.arguments.get(name)]
    matches = [match_layer(wanted, layer, same) for layer in given]
    return any(match.same and match.right == match.total for match in matches)


def _densest(question: Question, answer: Answer, ground: Ground) -> bool:
    """The class said to hold most per area is among the densest in truth."""
    value = ground.lonlat[:, 1] if question.about["by"] == "latitude" else ground.elevation_m
    rows = ground.mask(question.plan.layers[question.about["of"]], "truth")
    unit = "deg" if question.about["by"] == "latitude" else "m"
    for step in answer.steps("density"):
        if not _is_of(question.plan.layers[question.about["of"]], step, answer, ground):
            continue
        low, high = (step.figures.get(f"densest_{end}_{unit}") for end in ("from", "to"))
        if low is None or high is None:
            continue
        inside = densities(value, rows, ground.area_km2, float(low), float(high))
        best = max(
            densities(value, rows, ground.area_km2, edge, edge + float(high) - float(low))
            for edge in np.arange(value.min(), value.max(), max(1e-6, (float(high) - float(low)) / 2))
        )
        return inside >= DENSE_SHARE * best and answer.states(float(low), float(high))
    return False


def _similar(question: Question, answer: Answer, ground: Ground) -> bool:
    """What looks like an example shows the same landform about as often as the index's own neighbours."""
    key, example = question.about["shows"], question.about["example"]
    true = ground.truth(key)
    row = int(np.flatnonzero(ground.rows_of([example]))[0])
    for layer_id in answer.cited or answer.made:
        rows = answer.rows(ground, layer_id)
        if not rows.any() or not answer.states(*_counts(answer, layer_id)):
            continue
        own = ground.index.search(ground.index.vectors([row])[0], int(rows.sum()) + 1)[0]
        reference = float(np.mean(true[[other for other in own if other != row]]))
        if reference < LEAST_F1:
            raise Unjudged("what looks alike to the encoder shows other landforms")
        if float(np.mean(true[rows])) >= reference - SLACK:
            return True
    return False


def _place(question: Question, answer: Answer, ground: Ground) -> bool:
    """Where a place is."""
    place = ground.place(question.about)
    lon, lat = float(place["lon"]), float(place["lat"])
    return answer.states(abs(lat), lat) and answer.states(lon, abs(lon), lon % 360.0)


def _measured(question: Question, answer: Answer, ground: Ground) -> bool:
    """A value was looked up at what was found, and its middle is said."""
    value = {"elevation": ground.elevation_m, "latitude": ground.lonlat[:, 1]}[question.about]
    middles = [float(np.median(value[ground.mask(question.answer, side)])) for side in ("truth", "hits")]
    more = 0.1 * float(np.quantile(value, 0.9) - np.quantile(value, 0.1))
    said = [float(v) for s in answer.turn.steps for k, v in s.figures.items() if "median" in k]
    inside = [v for v in said if _between(v, middles, more)]
    return bool(inside) and answer.states(*inside, *(abs(v) for v in inside))


def _declined(question: Question, answer: Answer, ground: Ground) -> bool:
    """It was declined."""
    text = answer.turn.answer
    return answer.turn.status == "declined" or (not answer.made and _UNABLE.search(text) is not None)


def _absent(question: Question, answer: Answer, ground: Ground) -> bool:
    """It was declined, or nothing was found."""
    if _declined(question, answer, ground):
        return True
    empty = all(not len(answer.layers.get(layer_id)) for layer_id in answer.made)
    return answer.turn.status == "answered" and empty and answer.states(0)


def _asks(question: Question, answer: Answer, ground: Ground) -> bool:
    """It asks back, and does not answer what was not asked."""
    return not answer.made and "?" in answer.turn.answer


def _explained(question: Question, answer: Answer, ground: Ground) -> bool:
    """How a layer came to be is said: the layer cited, and the words or the distance it was made with."""
    words = [str(value).casefold() for value in question.about["says"]]
    text = answer.turn.answer.casefold()
    return question.about["layer"] in answer.cited and all(word in text for word in words)


Judge = Callable[[Question, Answer, Ground], bool]
KINDS: dict[str, Judge] = {
    "found": _found,
    "more": _more,
    "area": _area,
    "distance": _distance,
    "nearest": _nearest,
    "verdict": _verdict,
    "higher": _higher,
    "azimuth": _azimuth,
    "densest": _densest,
    "similar": _similar,
    "place": _place,
    "measured": _measured,
    "declined": _declined,
    "absent": _absent,
    "asks": _asks,
    "explained": _explained,
}
