"""Zero-shot retrieval on held-out tiles: how well words alone find landforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from retrieval.calibrate import background, calibrate
from retrieval.encoder import Encoder, EncoderManifest, encode_query
from retrieval.encoder_torch import bfloat16_pays, prepare_images, unit_rows
from retrieval.training.pairs import Pairs

_AT_ONCE = 4096  # tiles in colour at a time


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
        At the threshold chosen without labels; NaN for a model without logit bias if there are no background
        prompts.
    best_f1
        At the best threshold for these labels, which no user knows.
    """

    prevalence: float
    average_precision: float
    f1: float
    best_f1: float


@dataclass(frozen=True)
class Assessment:
    """How well words find tiles.

    Attributes
    ----------
    landforms
        Scores of every landform that known labels both show and deny.
    caption_rank
        Mean reciprocal rank of a tile among all, searched by its own first caption; tiles with the same
        caption are equally right. NaN if there are no tiles.
    logit_shift
        What must be added to the model's log odds so that as many tiles are expected as there are; 0 for a
        model without a logit bias. Tiles are drawn by rarity in training, which shifts the odds.
    """

    landforms: dict[str, LandformScore]
    caption_rank: float
    logit_shift: float = 0.0

    @property
    def score(self) -> float:
        """What a run tries to raise: macro average precision, or the caption rank without labels."""
        return macro(self.landforms) if self.landforms else self.caption_rank


class ModelInUse:
    """A model on a device as an encoder, while it is trained or right after.

    Parameters
    ----------
    model, tokenizer
        As open_clip made them; the model lies on the device.
    manifest
        How to prepare pictures, with the model's logit scale and bias (see `described`).
    device
        Where the model is.
    """

    def __init__(self, model: Any, tokenizer: Any, manifest: EncoderManifest, device: torch.device) -> None:
        self._model, self._tokenizer, self._device = model.eval(), tokenizer, device
        self._manifest = manifest

    @property
    def manifest(self) -> EncoderManifest:
        """What this encoder is."""
        return self._manifest

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode square pictures (n, s, s, 3) into unit rows, shape (n, dimension)."""
        rows = np.empty((len(pixels), self._manifest.dimension), dtype=np.float32)
        gpu = self._device.type == "cuda"
        bfloat16 = torch.cuda.is_bf16_supported() if gpu else bfloat16_pays()
        # On a CPU few enough for its cache, on a GPU enough to fill it.
        at_once = 256 if gpu else max(1, 128 * 96**2 // self._manifest.image_size**2)
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=bfloat16):
            for start in range(0, len(pixels), at_once):
                images = torch.tensor(pixels[start : start + at_once], device=self._device)
                vectors = self._model.encode_image(prepare_images(images.permute(0, 3, 1, 2), self._manifest))
                rows[start : start + at_once] = unit_rows(vectors).cpu().numpy()
        return rows

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts in full precision into unit rows, shape (n, dimension)."""
        rows = np.empty((len(texts), self._manifest.dimension), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), 256):
                tokens = self._tokenizer(list(texts[start : start + 256])).to(self._device)
                rows[start : start + 256] = unit_rows(self._model.encode_text(tokens)).cpu().numpy()
        return rows


def described(model: Any, manifest: EncoderManifest) -> EncoderManifest:
    """The manifest with the present logit scale and bias of a model in training."""
    bias = getattr(model, "logit_bias", None)
    return replace(
        manifest,
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=None if bias is None else float(bias.detach()),
    )


def assess(
    encoder: Encoder,
    pairs: Pairs,
    *,
    words: Mapping[str, Sequence[str]] | None = None,
    templates: Sequence[str] = (),
    background_prompts: Sequence[str] = (),
) -> Assessment:
    """Query every landform by its first word and compare with the labels; query tiles by their captions.

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
        Texts of what is nothing in particular; a model without a logit bias needs them for a threshold.

    Returns
    -------
    Scores on the tiles whose labels are known, and the rank of tiles by their captions.
    """
    vectors = np.concatenate(
        [
            encoder.encode_images(np.repeat(pairs.images[i : i + _AT_ONCE, ..., None], 3, axis=3))
            for i in range(0, len(pairs), _AT_ONCE)
        ]
    )
    scale, bias = encoder.manifest.logit_scale, encoder.manifest.logit_bias
    base = np.zeros(len(vectors), dtype=np.float32) if bias is not None else None
    if background_prompts:
        base = background(vectors, encoder.encode_texts(background_prompts), scale)
    scores = {}
    odds, truths = [], []
    for column, key in enumerate(pairs.keys):
        known = pairs.known[:, column]
        positive = pairs.labels[known, column]
        if not positive.any() or positive.all():
            continue  # nothing to tell apart: it must move neither the score nor the shift
        similarity = vectors @ encode_query(encoder, names_of(key, words)[0], templates)
        odds.append(scale * similarity[known].astype(float) + (bias or 0.0))
        truths.append(positive)
        precision, recall = precision_recall(similarity[known], positive)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        chosen = float("nan")
        if base is not None:
            calibrated = calibrate(similarity, base, scale, bias)
            chosen = f1_score((calibrated.probability >= calibrated.threshold)[known], positive)
        scores[key] = LandformScore(
            prevalence=float(positive.mean()),
            average_precision=float(np.sum(np.diff(recall, prepend=0.0) * precision)),
            f1=chosen,
            best_f1=float(f1.max()),
        )
    shift = fit_shift(np.concatenate(odds), np.concatenate(truths)) if odds and bias is not None else 0.0
    return Assessment(scores, _caption_rank(encoder, pairs, vectors), shift)


def fit_shift(log_odds: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The constant that, added to log odds, makes their likelihood greatest: expected equals counted."""
    wanted = float(truth.sum())
    if not 0 < wanted < len(truth):
        return 0.0
    return float(brentq(lambda shift: float(expit(log_odds + shift).sum()) - wanted, -60.0, 60.0, xtol=1e-4))


def _caption_rank(encoder: Encoder, pairs: Pairs, vectors: NDArray[np.float32], most: int = 500) -> float:
    """Mean reciprocal rank of tiles by their first captions, of at most so many captions."""
    first = [captions[0] for captions in pairs.captions]
    rows = np.unique(np.linspace(0, len(first) - 1, min(most, len(first))).astype(int))
    texts = encoder.encode_texts([first[row] for row in rows])
    number: dict[str, int] = {}
    numbers = np.array([number.setdefault(text, len(number)) for text in first])
    total = 0.0
    for row, text in zip(rows, texts, strict=True):
        similarity = vectors @ text
        best = similarity[numbers == numbers[row]].max()
        total += 1 / (1 + int((similarity > best).sum()))
    return total / len(rows) if len(rows) else float("nan")


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
