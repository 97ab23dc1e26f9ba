"""How many sentences around a query help.

    python benchmarks/templates.py --seed 2 [--cache FILE] [--json]

The first 1, 3, 7 and 10 of the shipped sentences and of some more: macro average precision and F1 of the
glossary's terms at the label-free threshold, and of the paraphrases in ``prompts/queries/dev``, whose share
is their mean F1 over that of their canonical terms. What the paraphrases are asked as is left to
`retrieval.query.ask`.
"""

from __future__ import annotations

import json

import numpy as np
from lowell_tiles import LabelledTiles, arguments, open_tiles

from prompts import DEV_QUERIES_FOLDER, load_prompts
from retrieval.encoder import Encoder
from retrieval.evaluate import average_precision, detection
from retrieval.evaluate.landforms import read_queries
from retrieval.query import ask

MORE = (
    "a CTX image of {}",
    "a photograph of {} taken by a spacecraft",
    "an aerial view of {}",
    "the surface of Mars with {}",
)
COUNTS = (1, 3, 7, 10)


def main() -> None:
    """Measure, print a table or JSON."""
    options = arguments(__doc__).parse_args()
    tiles, encoder = open_tiles(options)
    templates = (*load_prompts().templates, *MORE)
    report = {str(count): judge(templates[:count], tiles, encoder) for count in COUNTS}
    if options.json:
        print(json.dumps({"seed": options.seed, "templates": report}))
        return
    columns = list(report["1"])
    print(f"{'templates':12s}" + "".join(f"{name:>14s}" for name in columns))
    for name, row in report.items():
        print(f"{name:12s}" + "".join(f"{row[column]:14.4f}" for column in columns))


def judge(templates: tuple[str, ...], tiles: LabelledTiles, encoder: Encoder) -> dict[str, float]:
    """Figures with these sentences."""
    prompts = load_prompts()
    terms = {term.key: term.term for term in prompts.glossary}
    paraphrases, _ = read_queries(DEV_QUERIES_FOLDER)
    precision, f1, said, canonical = [], [], [], []
    for column, key in enumerate(tiles.keys):
        truth = tiles.labels[:, column]
        asked = ask(tiles, encoder, terms[key], templates, prompts.descriptions)
        precision.append(average_precision(asked.scores, truth))
        f1.append(detection(asked.calibrated.probability >= asked.calibrated.threshold, truth)["f1"])
        for text in paraphrases.get(key, ()):
            asked = ask(tiles, encoder, text, templates, prompts.descriptions)
            said.append(detection(asked.calibrated.probability >= asked.calibrated.threshold, truth)["f1"])
            canonical.append(f1[-1])
    return {
        "macro_ap": float(np.mean(precision)),
        "macro_f1": float(np.mean(f1)),
        "paraphrases": float(np.mean(said) / max(float(np.mean(canonical)), 1e-9)),
    }


if __name__ == "__main__":
    main()
