"""How well words find landforms on the embedded planet, whose seed no encoder or threshold was tuned on.

    python benchmarks/lowell_landforms.py [--json FILE]

Per landform: average precision beside its prevalence (what guessing gives), and F1 at the threshold chosen
without labels beside the F1 of the best threshold for these labels. Baseline: one bare prompt, raw cosine.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from prompts import load_prompts
from retrieval.calibrate import calibrate
from retrieval.corpus.lowell import make_planet
from retrieval.encoder import encode_query, load_encoder
from retrieval.evaluate import average_precision
from retrieval.library import open_or_make
from retrieval.settings import load_settings


def f1(hits: np.ndarray, truth: np.ndarray) -> float:
    return 2 * float((hits & truth).sum()) / max(1, int(hits.sum() + truth.sum()))


def best_f1(scores: np.ndarray, truth: np.ndarray) -> float:
    found = np.cumsum(truth[np.argsort(-scores, kind="stable")])
    return float((2 * found / (np.arange(1, len(scores) + 1) + truth.sum())).max())


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings, prompts = load_settings(), load_prompts()
    encoder = load_encoder(settings.encoder)
    index = open_or_make("lowell", settings, encoder, prompts.background)
    labels = make_planet(settings.lowell_seed).labels(index.grid)
    labels = labels.iloc[index.tiles["tile"].to_numpy()]
    terms = {term.key: term.term for term in prompts.glossary}
    rows: dict[str, dict[str, float]] = {}
    for key in labels.columns:
        truth = labels[key].to_numpy(dtype=bool)
        if key not in terms or not truth.any():
            continue
        scores = index.score(encode_query(encoder, terms[key], prompts.templates))
        bare = index.score(encode_query(encoder, terms[key], ()))
        found = calibrate(scores, index.background, encoder.manifest.logit_scale)
        hits = found.probability >= found.threshold
        rows[str(key)] = {
            "support": int(truth.sum()),
            "prevalence": float(truth.mean()),
            "ap": float(average_precision(scores, truth)),
            "ap_bare_prompt": float(average_precision(bare, truth)),
            "f1": f1(hits, truth),
            "f1_oracle": best_f1(scores, truth),
        }
    names = list(next(iter(rows.values())))
    rows["macro"] = {name: float(np.mean([row[name] for row in rows.values()])) for name in names}
    print(f"{'landform':24s}" + "".join(f"{name:>16s}" for name in names))
    for key, row in rows.items():
        print(f"{key:24s}" + "".join(f"{row[name]:16.3f}" for name in names))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
