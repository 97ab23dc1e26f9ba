"""How many tiles a refinement should keep, once verdicts on tiles drawn at random tell its precision.

    python benchmarks/refine_count.py --seed 2 [--cache FILE] [--json] [--judged 12] [--repeats 5]

A user judges tiles drawn at random from what words find, and refines. ``precision`` and ``f1`` are of the
tiles that nobody judged, ``first`` is the precision of the 24 surest of those: the page that she sees. Rules:
as many as before (what verdicts on chosen tiles allow), as many as are estimated to be right, as many as
there may be at most, and halfway between the two, which `agent.judging` takes; with the words' own order to
compare with. Vague words are those of ``precision.py``, of which one kind of landform is wanted.
"""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
from lowell_tiles import LabelledTiles, arguments, open_tiles
from numpy.typing import NDArray
from precision import LEAST, VAGUE

from prompts import load_prompts
from retrieval.calibrate import log_odds
from retrieval.encoder import Encoder, encode_query
from retrieval.evaluate import detection
from retrieval.feedback import correct, keep_count
from retrieval.judged import estimate

Floats = NDArray[np.float64]
Results = dict[str, list[tuple[float, ...]]]

FIRST = 24


def main() -> None:
    """Measure, print a table or JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--judged", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    tiles, encoder = open_tiles(options)
    terms = {term.key: term.term for term in load_prompts().glossary}
    asked = {
        "words that say it": [(terms[key], n) for n, key in enumerate(tiles.keys)],
        "vague words": [
            (words, tiles.keys.index(key))
            for words, keys in VAGUE.items()
            for key in keys
            if key in tiles.keys
        ],
    }
    report: dict[str, dict[str, dict[str, float]]] = {}
    for kind, queries in asked.items():
        results: Results = defaultdict(list)
        for words, landform in queries:
            before = odds_of(tiles, encoder, words)
            if (before >= 0).sum() >= LEAST:
                for repeat in range(options.repeats):
                    judge(tiles, before, landform, options.judged, repeat, results)
        names = ("precision", "f1", "count", "first")
        report[kind] = {
            rule: dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))
            for rule, rows in results.items()
        }
    if options.json:
        print(json.dumps({"seed": options.seed, "judged": options.judged, "rules": report}))
        return
    for kind, rows_ in report.items():
        print(f"\n{kind}, {options.judged} tiles judged")
        print(f"{'':36s}" + "".join(f"{name:>10s}" for name in ("precision", "f1", "count", "first")))
        for rule, row in rows_.items():
            print(f"{rule:36s}" + "".join(f"{value:10.3f}" for value in row.values()))


def odds_of(tiles: LabelledTiles, encoder: Encoder, words: str) -> Floats:
    """Log odds of every tile by the words."""
    manifest = encoder.manifest
    scores = tiles.score(encode_query(encoder, words, load_prompts().templates))
    return log_odds(scores, tiles.background, manifest.logit_scale, manifest.logit_bias)


def judge(
    tiles: LabelledTiles, before: Floats, landform: int, judged: int, repeat: int, results: Results
) -> None:
    """Judge tiles drawn at random, refine, and add what each rule gives."""
    truth, rng = tiles.labels[:, landform], np.random.default_rng((repeat, landform))
    found = np.flatnonzero(before >= 0)
    rows = rng.choice(found, judged, replace=False)
    direction = correct(before, rows, truth[rows], lambda some: tiles.vectors[some], np.random.default_rng(0))
    moved = before + tiles.vectors @ direction
    told = estimate([], truth[rows].tolist(), len(found))
    if told is None:
        return
    shares = {
        "as many as before": 1.0,
        "as many as are right": told.value,
        "halfway, as in agent.judging": (told.value + told.high) / 2,
        "as many as there may be": told.high,
    }
    after = {"not refined": before} | {
        name: keep_count(moved, max(1, round(share * len(found)), int(truth[rows].sum())))
        for name, share in shares.items()
    }
    after["the words' order, halfway"] = keep_count(
        before, max(1, round((told.value + told.high) / 2 * len(found)))
    )
    rest = np.setdiff1d(np.arange(len(truth)), rows)
    for name, odds in after.items():
        hits = odds[rest] >= 0
        first = rest[np.argsort(-odds[rest], kind="stable")[:FIRST]]
        right = float(truth[rest][hits].mean()) if hits.any() else 1.0
        f1 = detection(hits, truth[rest])["f1"]
        results[name].append((right, f1, float(hits.sum()), float(truth[first].mean())))


if __name__ == "__main__":
    main()
