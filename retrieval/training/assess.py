"""Zero-shot retrieval on held-out tiles: how well words alone find landforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import background, calibrate
from retrieval.encoder import Encoder, encode_query
from retrieval.training.pairs import Pairs


@dataclass(frozen=True)
class LandformScore:
    """How one landform was found.

    Attributes
    ----------
    prevalence
        Share of tiles that show it: the average precision of guessing.
    average_precision
        Area under precision-recall, from the ranking alone.
    f1
        At the threshold chosen without labels; NaN without background prompts.
    best_f1
        At the best threshold for these labels, which no user knows.
    """

    prevalence: float
    average_precision: float
    f1: float
    best_f1: float


def assess(
    encoder: Encoder,
    pairs: Pairs,
    *,
    words: Mapping[str, Sequence[str]] | None = None,
    templates: Sequence[str] = (),
    background_prompts: Sequence[str] = (),
) -> dict[str, LandformScore]:
    """Query every landform by its first word and compare with the labels.

    Parameters
    ----------
    encoder
        The encoder.
    pairs
        Held-out tiles.
    words
        Names per landform key; a key without names is spelled out.
    templates
        Sentences around a name.
    background_prompts
        Texts of what is nothing in particular; without them no threshold is chosen.

    Returns
    -------
    Per landform that occurs, its scores.
    """
    vectors = encoder.encode_images(np.repeat(pairs.images[..., None], 3, axis=3))
    scale = encoder.manifest.logit_scale
    base = None
    if background_prompts:
        base = background(vectors, encoder.encode_texts(background_prompts), scale)
    scores = {}
    for column, key in enumerate(pairs.keys):
        positive = pairs.labels[:, column]
        if not positive.any():
            continue
        similarity = vectors @ encode_query(encoder, names_of(key, words)[0], templates)
        precision, recall = precision_recall(similarity, positive)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        chosen = float("nan")
        if base is not None:
            calibrated = calibrate(similarity, base, scale)
            chosen = f1_score(calibrated.probability >= calibrated.threshold, positive)
        scores[key] = LandformScore(
            prevalence=float(positive.mean()),
            average_precision=float(np.sum(np.diff(recall, prepend=0.0) * precision)),
            f1=chosen,
            best_f1=float(f1.max()),
        )
    return scores


def names_of(key: str, words: Mapping[str, Sequence[str]] | None) -> tuple[str, ...]:
    """Names of a landform; the key spelled out if none are given."""
    return tuple((words or {}).get(key, ())) or (key.replace("_", " "),)


def macro(scores: Mapping[str, LandformScore], field: str = "average_precision") -> float:
    """Mean of a field over landforms; 0 if there are none."""
    return float(np.mean([getattr(score, field) for score in scores.values()])) if scores else 0.0


def precision_recall(
    scores: NDArray[np.floating], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at every distinct score, from the highest down; ties count together."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    taken = np.flatnonzero(last_of_tie)
    return hits[taken] / (taken + 1), hits[taken] / max(1, int(positive.sum()))


def f1_score(chosen: NDArray[np.bool_], positive: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall of a choice; 0 if nothing right was chosen."""
    right = int((chosen & positive).sum())
    return 2 * right / max(1, int(chosen.sum()) + int(positive.sum()))
