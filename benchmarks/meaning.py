"""How well descriptions in other people's words find the landform they mean, and absent things none.

    python benchmarks/meaning.py [FOLDER ...] [--encoder areo-mini]

Every folder holds ``paraphrases.yaml`` and ``absent.txt`` (default: ``prompts/queries/dev``). A text is right
if the glossary entry it is taken for is its landform. It is refused if its lead over ordinary things is too
small, or if it is taken for a landform that the encoder was not trained on. First at the shipped threshold,
then at thresholds that suit four fifths of the landforms and of the absent things best (most right plus most
refused), each judging the last fifth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prompts import DEV_QUERIES_FOLDER, load_prompts
from retrieval.encoder import load_encoder
from retrieval.evaluate.landforms import read_queries
from retrieval.meaning import best_match

FOLDS = 5


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[DEV_QUERIES_FOLDER])
    parser.add_argument("--encoder", default="areo-mini")
    options = parser.parse_args()
    prompts = load_prompts()
    landforms = load_encoder(options.encoder).manifest.landforms or tuple(prompts.descriptions)
    keys = {term.term: term.key for term in prompts.glossary}
    meant, taken, leads, convinced, landform = [], [], [], [], []
    for folder in options.folders:
        paraphrases, absent = read_queries(folder)
        texts = [(text, key) for key, group in paraphrases.items() for text in group]
        for text, key in [*texts, *((text, "") for text in absent)]:
            match = best_match(text, prompts.descriptions, landforms)
            known = match is not None and match.term in landforms
            meant.append(key)
            taken.append(keys[match.term] if match and known else "")
            leads.append(match.lead if match and known and match.nearer > 0.5 else -np.inf)
            convinced.append(match is not None and known and match.convinces)
            landform.append(key or f"absent {len(meant) % FOLDS}")
    right = np.array(meant) == np.array(taken)
    present = np.array(meant) != ""
    report("shipped threshold", right, present, np.array(convinced))
    groups = np.random.default_rng(0).permutation(sorted(set(landform)))
    fold = {group: number % FOLDS for number, group in enumerate(groups)}
    accepted, thresholds = left_out(
        np.array(leads), right, present, np.array([fold[group] for group in landform])
    )
    report("landforms left out", right, present, accepted)
    print("thresholds", " ".join(f"{threshold:.3f}" for threshold in thresholds))


def left_out(
    leads: NDArray[np.float64], right: NDArray[np.bool_], present: NDArray[np.bool_], fold: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], list[float]]:
    """What thresholds of the other folds accept (n,), and the thresholds."""
    accepted, thresholds = np.zeros(len(leads), dtype=bool), []
    for number in range(FOLDS):
        others = fold != number
        candidates = np.unique(leads[others & np.isfinite(leads)])
        good = [
            (leads >= t)[others & present & right].sum() / (others & present).sum()
            + (leads < t)[others & ~present].mean()
            for t in candidates
        ]
        best = candidates[np.flatnonzero(np.isclose(good, max(good)))]
        thresholds.append(float(best[0] + best[-1]) / 2)
        accepted[~others] = leads[~others] >= thresholds[-1]
    return accepted, thresholds


def report(
    name: str, right: NDArray[np.bool_], present: NDArray[np.bool_], accepted: NDArray[np.bool_]
) -> None:
    """One line of shares."""
    found = accepted[present]
    print(
        f"{name:20s} of {present.sum()} descriptions right {(found & right[present]).mean():.3f}, "
        f"wrong {(found & ~right[present]).mean():.3f}, refused {(~found).mean():.3f}; "
        f"of {(~present).sum()} absent things refused {(~accepted[~present]).sum()}"
    )


if __name__ == "__main__":
    main()
