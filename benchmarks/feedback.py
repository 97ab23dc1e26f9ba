"""What five accepted and five rejected tiles are worth, for landforms that words find badly.

    python benchmarks/feedback.py --seed 2 [--cache FILE] [--json] [--judged 5] [--repeats 10]
                                  [--offered surest|doubtful|spread|random] [--only TEXT]

For every landform whose F1 at the label-free threshold is under 0.8, a user looks at a gallery of half of
the tiles (drawn anew in each repeat) down to a probability of 0.18, in the order in which they are offered
(the surest first, as layers are), and accepts the first right ones and rejects the first wrong ones. The
figures are of the tiles that nobody judged. ``closed`` is the gain in F1 over the gap to the best threshold
of the words' own ranking, summed over landforms; its 95 % interval is over landforms drawn with replacement,
each the mean of its repeats. ``median`` is the share of the median landform: a few with a large gap rule the
sum.

The last rows are no rules but bounds, for which ten verdicts would have to be as good as half a planet of
truth. What is learnt from every true label of one half of the planet (latitude bands, alternately) is judged
in the other: a threshold alone, a linear correction that keeps the count, one with its own best threshold,
and the correction of those ten tiles, of many sets drawn, that does best in the half where they lie.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from feedback_rules import Asked, Floats, Rows, Rule, rules
from lowell_tiles import LabelledTiles, arguments, open_tiles
from numpy.typing import NDArray

from prompts import load_prompts
from retrieval.calibrate import log_odds
from retrieval.encoder import encode_query
from retrieval.evaluate import best_threshold, detection
from retrieval.feedback import keep_count, learn

Bools = NDArray[np.bool_]
Offer = Callable[[Rows, Floats, NDArray[np.float32], np.random.Generator], Rows]

HARD = 0.8
FAINTEST = -1.5  # log odds of the last tile of the gallery
RESAMPLES = 2000
BANDS = 40
SPREAD = 60  # tiles that a user looks through where they are offered as unlike one another as can be


def main() -> None:
    """Measure, print a table or JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--judged", type=int, default=5, help="accepted tiles, and rejected ones")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--offered", choices=list(OFFERS), default="surest")
    parser.add_argument("--sets", type=int, default=500, help="of ten tiles, of which the best is a bound")
    parser.add_argument("--only", default="", help="rules whose name holds this text; bound for the bounds")
    options = parser.parse_args()
    tiles, encoder = open_tiles(options)
    prompts, manifest = load_prompts(), encoder.manifest
    terms = {term.key: term.term for term in prompts.glossary}
    asked = []
    for landform, key in enumerate(tiles.keys):
        query = encode_query(encoder, terms[key], prompts.templates)
        scores = tiles.score(query)
        odds = log_odds(scores, tiles.background, manifest.logit_scale, manifest.logit_bias)
        asked.append(Asked(landform, query, odds))
    every = np.stack([one.before for one in asked], axis=1)
    hard = [one for one in asked if found(one.before, tiles.labels[:, one.landform]) < HARD]
    report = {
        name: summed(judge(rule, tiles, hard, options.judged, options.repeats, OFFERS[options.offered]))
        for name, rule in rules(tiles, every).items()
        if options.only in name
    }
    if options.sets and options.only in "bound":
        report |= bounds(tiles, hard, options.judged, options.sets)
    if options.json:
        settings = {"seed": options.seed, "judged": options.judged, "offered": options.offered}
        print(json.dumps(settings | {"rules": report}))
        return
    columns = list(next(iter(report.values())))
    print(f"{'rule':52s}" + "".join(f"{name:>10s}" for name in columns))
    for name, row in report.items():
        print(f"{name:52s}" + "".join(f"{row[column]:10.3f}" for column in columns))


def judge(
    rule: Rule, tiles: LabelledTiles, hard: list[Asked], judged: int, repeats: int, offer: Offer
) -> Floats:
    """Landform, F1 before, after, and at the words' best threshold, one row a repeat, shape (m, 4)."""
    rows = []
    for asked in hard:
        truth, before = tiles.labels[:, asked.landform], asked.before
        for repeat in range(repeats):
            rng = np.random.default_rng((repeat, asked.landform))
            gallery = np.flatnonzero((rng.random(len(truth)) < 0.5) & (before > FAINTEST))
            shown = offer(gallery, before[gallery], tiles.vectors[gallery], rng)
            right, wrong = shown[truth[shown]][:judged], shown[~truth[shown]][:judged]
            if not len(right) + len(wrong):
                continue
            rest = np.ones(len(truth), dtype=bool)
            rest[right] = rest[wrong] = False
            after = rule(asked, right, wrong)
            best = best_threshold(before[rest], truth[rest])[1]
            rows.append(
                (asked.landform, found(before[rest], truth[rest]), found(after[rest], truth[rest]), best)
            )
    return np.array(rows, dtype=float).reshape(-1, 4)


def bounds(tiles: LabelledTiles, hard: list[Asked], judged: int, sets: int) -> dict[str, dict[str, float]]:
    """The bounds that the module's docstring names, with half of the planet's truth."""
    names = (
        "bound: threshold from half of the truth",
        "bound: correction from half of the truth",
        "bound: correction and threshold from half",
        f"bound: best of {sets} sets of {2 * judged} by half",
    )
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in names}
    band = np.arange(len(tiles.labels)) * BANDS // len(tiles.labels) % 2 == 0
    for asked in hard:
        for known in (band, ~band):
            truth, other = tiles.labels[:, asked.landform], ~known
            before, rng = asked.before, np.random.default_rng(asked.landform)
            direction = learn(tiles.vectors[known], truth[known], before[known])
            after = before + tiles.vectors @ direction
            count = int((before[other] >= 0).sum())
            luckiest = best_set(asked, tiles, np.flatnonzero(known), judged, sets, rng)
            results = (
                before[other] - best_threshold(before[known], truth[known])[0],
                keep_count(after[other], count),
                after[other] - best_threshold(after[known], truth[known])[0],
                keep_count(before[other] + tiles.vectors[other] @ luckiest, count),
            )
            old, best = found(before[other], truth[other]), best_threshold(before[other], truth[other])[1]
            for name, result in zip(names, results, strict=True):
                rows[name].append((asked.landform, old, found(result, truth[other]), best))
    return {name: summed(np.array(row)) for name, row in rows.items()}


def best_set(
    asked: Asked, tiles: LabelledTiles, known: Rows, judged: int, sets: int, rng: np.random.Generator
) -> Floats:
    """The correction by the judged tiles that raises F1 among the known tiles most, shape (d,)."""
    truth, before = tiles.labels[known, asked.landform], asked.before[known]
    count = int((before >= 0).sum())
    near = np.flatnonzero(before > FAINTEST)
    right, wrong = near[truth[near]], near[~truth[near]]
    best, luckiest = -1.0, np.zeros(tiles.vectors.shape[1])
    for _ in range(sets):
        chosen = np.concatenate(
            [rng.choice(side, min(judged, len(side)), replace=False) for side in (right, wrong)]
        )
        direction = learn(tiles.vectors[known[chosen]], truth[chosen], before[chosen], slope_sd=2.0)
        f1 = found(keep_count(before + tiles.vectors[known] @ direction, count), truth)
        if f1 > best:
            best, luckiest = f1, direction
    return luckiest


def found(odds: Floats, truth: Bools) -> float:
    """F1 where log odds of 0 and more are hits."""
    return detection(odds >= 0, truth)["f1"]


def summed(table: Floats) -> dict[str, float]:
    """F1 before and after, the best threshold's F1 before, and the share of the gap that was closed."""
    landforms = np.unique(table[:, 0])
    sums = np.array([table[table[:, 0] == one, 1:].mean(axis=0) for one in landforms])
    rng = np.random.default_rng(0)
    drawn = sums[rng.integers(len(sums), size=(RESAMPLES, len(sums)))].sum(axis=1)
    shares = (drawn[:, 1] - drawn[:, 0]) / np.maximum(drawn[:, 2] - drawn[:, 0], 1e-9)
    old, new, best = sums.mean(axis=0)
    low, high = np.quantile(shares, [0.025, 0.975])
    return {
        "landforms": float(len(landforms)),
        "before": float(old),
        "after": float(new),
        "best": float(best),
        "closed": float((new - old) / max(best - old, 1e-9)),
        "low": float(low),
        "high": float(high),
        "median": float(np.median((sums[:, 1] - sums[:, 0]) / np.maximum(sums[:, 2] - sums[:, 0], 1e-3))),
    }


def surest(rows: Rows, odds: Floats, vectors: NDArray[np.float32], rng: np.random.Generator) -> Rows:
    """As layers are sorted."""
    return rows[np.argsort(-odds, kind="stable")]


def doubtful(rows: Rows, odds: Floats, vectors: NDArray[np.float32], rng: np.random.Generator) -> Rows:
    """Nearest to the threshold first."""
    return rows[np.argsort(np.abs(odds), kind="stable")]


def spread(rows: Rows, odds: Floats, vectors: NDArray[np.float32], rng: np.random.Generator) -> Rows:
    """The surest, then always the tile that is least like all before it."""
    chosen = [int(np.argmax(odds))]
    apart = np.full(len(rows), np.inf)
    while len(chosen) < min(SPREAD, len(rows)):
        apart = np.minimum(apart, 1.0 - vectors @ vectors[chosen[-1]])
        chosen.append(int(np.argmax(apart)))
    return rows[chosen]


def shuffled(rows: Rows, odds: Floats, vectors: NDArray[np.float32], rng: np.random.Generator) -> Rows:
    """In any order."""
    return rng.permutation(rows)


OFFERS: dict[str, Offer] = {"surest": surest, "doubtful": doubtful, "spread": spread, "random": shuffled}


if __name__ == "__main__":
    main()
