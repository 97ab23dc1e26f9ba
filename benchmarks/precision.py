"""How well judged tiles tell the precision of a layer, where the truth is known.

    python benchmarks/precision.py --seed 2 [--cache FILE] [--json] [--judged 12] [--repeats 300]

For every landform that words find, and for vague words of which a user wants one kind ("craters", the fresh
ones), a user judges some tiles of the layer rightly. ``holds`` is how often an interval of 95 % holds the
layer's true precision, ``width`` how wide it is, ``off`` how far the estimate is from the truth on average,
``bias`` in which direction.

The rules: `retrieval.judged` on tiles drawn at random; the same after as many of the surest were judged too,
after a fifth of the random ones was passed over at random, and after the wrong ones were passed over half the
time; and, for comparison, Wilson's interval on whatever was judged, the surest (what one would do who did not
think of it), and the estimate sharpened by the encoder's probabilities.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from lowell_tiles import LabelledTiles, arguments, open_tiles
from numpy.typing import NDArray

from prompts import load_prompts
from retrieval.calibrate import log_odds, sigmoid
from retrieval.encoder import Encoder, encode_query
from retrieval.judged import estimate, wilson

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST = 40  # tiles of a layer
VAGUE = {
    "craters": ("simple_crater", "degraded_crater", "central_peak_crater", "layered_ejecta_crater"),
    "dunes": ("transverse_dunes", "barchan_dunes"),
    "channels": ("valley_network", "inverted_channels"),
}


@dataclass(frozen=True)
class Case:
    """A layer: which of its tiles show what the user wants, and their probabilities; the surest first."""

    truth: Bools
    probability: Floats


Told = tuple[float, float, float]
"""Estimate, lower and upper end of the interval."""
Rule = Callable[[Case, int, np.random.Generator], Told]


def main() -> None:
    """Measure, print a table or JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--judged", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()
    tiles, encoder = open_tiles(options)
    cases = {"words that say it": plain_cases(tiles, encoder), "vague words": vague_cases(tiles, encoder)}
    report = {
        kind: {name: measure(rule, layers, options.judged, options.repeats) for name, rule in RULES.items()}
        for kind, layers in cases.items()
    }
    if options.json:
        settings = {"seed": options.seed, "judged": options.judged, "repeats": options.repeats}
        print(json.dumps(settings | {"layers": {k: len(v) for k, v in cases.items()}, "rules": report}))
        return
    for kind, rows in report.items():
        print(f"\n{kind}: {len(cases[kind])} layers, {options.judged} tiles judged")
        print(f"{'':44s}" + "".join(f"{name:>8s}" for name in ("holds", "width", "off", "bias")))
        for name, row in rows.items():
            print(f"{name:44s}" + "".join(f"{value:8.3f}" for value in row.values()))


def plain_cases(tiles: LabelledTiles, encoder: Encoder) -> list[Case]:
    """A layer for each landform, found by its name."""
    terms = {term.key: term.term for term in load_prompts().glossary}
    found = [layer(tiles, encoder, terms[key], number) for number, key in enumerate(tiles.keys)]
    return [case for case in found if len(case.truth) >= LEAST]


def vague_cases(tiles: LabelledTiles, encoder: Encoder) -> list[Case]:
    """Layers of words that stand for several landforms, of which one is wanted."""
    found = [
        layer(tiles, encoder, words, tiles.keys.index(key))
        for words, keys in VAGUE.items()
        for key in keys
        if key in tiles.keys
    ]
    return [case for case in found if len(case.truth) >= LEAST]


def layer(tiles: LabelledTiles, encoder: Encoder, words: str, landform: int) -> Case:
    """What a search for words gives, and which of it shows a landform."""
    manifest = encoder.manifest
    scores = tiles.score(encode_query(encoder, words, load_prompts().templates))
    odds = log_odds(scores, tiles.background, manifest.logit_scale, manifest.logit_bias)
    rows = np.argsort(-odds, kind="stable")[: int((odds >= 0).sum())]
    return Case(tiles.labels[rows, landform], sigmoid(odds[rows]))


def measure(rule: Rule, cases: list[Case], judged: int, repeats: int) -> dict[str, float]:
    """How often the interval holds the truth, its width, the estimate's error; all cases weigh alike."""
    rows = []
    for number, case in enumerate(cases):
        truth = float(case.truth.mean())
        for repeat in range(repeats):
            value, low, high = rule(case, judged, np.random.default_rng((number, repeat)))
            rows.append((low - 1e-9 <= truth <= high + 1e-9, high - low, abs(value - truth), value - truth))
    holds, width, off, bias = np.array(rows, dtype=float).mean(axis=0)
    return {"holds": float(holds), "width": float(width), "off": float(off), "bias": float(bias)}


def told(known: list[bool], drawn: list[bool | None], count: int) -> Told:
    """What the program would say; nothing known is anything possible."""
    found = estimate(known, drawn, count)
    return (0.5, 0.0, 1.0) if found is None else (found.value, found.low, found.high)


def at_random(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """Tiles drawn at random."""
    return told([], rng.permutation(case.truth)[:judged].tolist(), len(case.truth))


def beside_the_surest(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """As many of the surest judged before."""
    rest = rng.permutation(case.truth[judged:])
    return told(case.truth[:judged].tolist(), rest[:judged].tolist(), len(case.truth))


def some_passed_over(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """A fifth of those drawn has no verdict, whatever it shows."""
    verdicts: list[bool | None] = rng.permutation(case.truth)[:judged].tolist()
    return told([], [None if rng.random() < 0.2 else one for one in verdicts], len(case.truth))


def wrong_passed_over(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """Half of the wrong ones have no verdict: people judge what is plain."""
    verdicts: list[bool | None] = rng.permutation(case.truth)[:judged].tolist()
    return told([], [None if not one and rng.random() < 0.5 else one for one in verdicts], len(case.truth))


def wilson_on_surest(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """The share among the surest, taken for that of all."""
    share = float(case.truth[:judged].mean())
    return (share, *wilson(share, judged, 10**9))


def wilson_on_half_surest(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """Half of the judged tiles are the surest, half are drawn at random; all counted alike."""
    half = judged // 2
    verdicts = np.concatenate([case.truth[:half], rng.permutation(case.truth[half:])[: judged - half]])
    share = float(verdicts.mean())
    return (share, *wilson(share, judged, 10**9))


def with_probabilities(case: Case, judged: int, rng: np.random.Generator) -> Told:
    """Difference estimator (Särndal, Swensson & Wretman 1992, section 6.3): the mean probability of the layer
    and what the drawn tiles differ from theirs; its variance as the probabilities themselves foresee it.
    """
    rows = rng.permutation(len(case.truth))[:judged]
    probability = case.probability
    value = float(np.clip(probability.mean() + (case.truth[rows] - probability[rows]).mean(), 0, 1))
    mean = float(probability.mean())
    left = min(1.0, max(0.5, 1.0 - float(probability.var()) / max(mean * (1.0 - mean), 1e-9)))
    return (value, *wilson(value, math.ceil(judged / left), len(case.truth)))


RULES: dict[str, Rule] = {
    "as in retrieval.judged": at_random,
    "the same, beside as many of the surest": beside_the_surest,
    "the same, a fifth passed over": some_passed_over,
    "the same, half of the wrong passed over": wrong_passed_over,
    "Wilson on the surest": wilson_on_surest,
    "Wilson, half surest and half random": wilson_on_half_surest,
    "sharpened by the probabilities": with_probabilities,
}


if __name__ == "__main__":
    main()
