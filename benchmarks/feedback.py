"""What five accepted and five rejected tiles are worth, for landforms that words find badly.

    python benchmarks/feedback.py --seed 2 [--cache FILE] [--json] [--judged 5] [--repeats 10]

For every landform whose F1 at the label-free threshold is under 0.8, a user looks at a gallery of half of
the tiles (drawn anew in each repeat), the surest first down to a probability of 0.18, and accepts the surest
right ones and rejects the surest wrong ones. The figures are of the tiles that nobody judged. ``closed`` is
the gain in F1 over the gap to the best threshold of the words' own ranking, summed over landforms; its 95 %
interval is over landforms drawn with replacement, each the mean of its repeats. ``median`` is the share of
the median landform: a few with a large gap rule the sum.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from lowell_tiles import LabelledTiles, arguments, open_tiles
from numpy.typing import NDArray

from prompts import load_prompts
from retrieval.calibrate import log_odds
from retrieval.encoder import Encoder, encode_query
from retrieval.evaluate import best_threshold, detection
from retrieval.feedback import keep_count, learn, rocchio

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Rule = Callable[[NDArray[np.float32], Floats, Rows, Rows], Floats]

HARD = 0.8
FAINTEST = -1.5  # log odds of the last tile of the gallery
RESAMPLES = 2000


def main() -> None:
    """Measure, print a table or JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--judged", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    tiles, encoder = open_tiles(options)
    report = {
        name: judge(rule, tiles, encoder, options.judged, options.repeats)
        for name, rule in rules(tiles).items()
    }
    if options.json:
        print(json.dumps({"seed": options.seed, "judged": options.judged, "rules": report}))
        return
    columns = list(next(iter(report.values())))
    print(f"{'rule':44s}" + "".join(f"{name:>12s}" for name in columns))
    for name, row in report.items():
        print(f"{name:44s}" + "".join(f"{row[column]:12.3f}" for column in columns))


def rules(tiles: LabelledTiles) -> dict[str, Rule]:
    """Each rule: query, log odds, accepted and rejected rows to new log odds of all tiles."""
    mean = tiles.vectors[:: max(1, len(tiles.vectors) // 2000)].mean(axis=0)

    def moved(examples: float) -> Rule:
        def rule(query: NDArray[np.float32], before: Floats, right: Rows, wrong: Rows) -> Floats:
            vector = rocchio(query, tiles.vectors[right], tiles.vectors[wrong], examples=examples)
            return keep_count(tiles.score(vector).astype(float), max(int((before >= 0).sum()), len(right)))

        return rule

    def probe(slope: float | None, counted: bool = True) -> Rule:
        def rule(query: NDArray[np.float32], before: Floats, right: Rows, wrong: Rows) -> Floats:
            rows = np.concatenate([right, wrong])
            accepted = np.arange(len(rows)) < len(right)
            direction = learn(tiles.vectors[rows], accepted, before[rows], mean, slope_sd=slope)
            after = before + tiles.vectors @ direction
            if counted:
                return keep_count(after, max(int((before >= 0).sum()), len(right)))
            return after - float(mean @ direction)

        return rule

    return {
        "Rocchio, 0.2 of the examples": moved(0.2),
        "Rocchio, 0.5 of the examples": moved(0.5),
        "probe without keeping the count": probe(None, counted=False),
        "probe, slope 1": probe(1.0),
        "probe as in tools.refine": probe(None),
        "probe, slope 4": probe(4.0),
    }


def judge(rule: Rule, tiles: LabelledTiles, encoder: Encoder, judged: int, repeats: int) -> dict[str, float]:
    """F1 before and after, the best threshold's F1 before, and the share of the gap that was closed."""
    prompts, manifest = load_prompts(), encoder.manifest
    terms = {term.key: term.term for term in prompts.glossary}
    rows = []
    for column, key in enumerate(tiles.keys):
        truth = tiles.labels[:, column]
        query = encode_query(encoder, terms[key], prompts.templates)
        before = log_odds(tiles.score(query), tiles.background, manifest.logit_scale, manifest.logit_bias)
        if detection(before >= 0, truth)["f1"] >= HARD:
            continue
        for repeat in range(repeats):
            rng = np.random.default_rng((repeat, column))
            shown = np.flatnonzero((rng.random(len(truth)) < 0.5) & (before > FAINTEST))
            shown = shown[np.argsort(-before[shown], kind="stable")]
            right, wrong = shown[truth[shown]][:judged], shown[~truth[shown]][:judged]
            if not len(right) + len(wrong):
                continue
            rest = np.ones(len(truth), dtype=bool)
            rest[right] = rest[wrong] = False
            old = detection((before >= 0)[rest], truth[rest])["f1"]
            best = best_threshold(before[rest], truth[rest])[1]
            new = detection((rule(query, before, right, wrong) >= 0)[rest], truth[rest])["f1"]
            rows.append((column, old, new, best))
    table = np.array(rows)
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


if __name__ == "__main__":
    main()
