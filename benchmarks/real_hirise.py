"""Zero-shot classes of real HiRISE crops by words, on observations that no training pair may come from.

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/real_hirise.py [--encoder NAME] [--json FILE]

Crater, dark dune, bright dune, slope streak, and other (which here includes the crops of picture edges), in
the test part of `real_splits`. A crop's class is the most probable of four, or none of them, as the tool
`classify` divides tiles; or the one of five whose words score highest. A class is the unit mean of every way
of saying it in every template. The words below were written before any figure was seen.

Baselines: classes drawn by their frequency, the most frequent class always, the cosine of one bare prompt
per class, and a linear probe trained on the labels of the train part. Intervals draw whole observations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from PIL import Image
from real_splits import part_of
from rich.console import Console
from rich.table import Table

from prompts import load_prompts
from retrieval.encoder import Encoder, encode_query, load_encoder
from retrieval.evaluate.bootstrap import draw_blocks, interval
from retrieval.evaluate.probe import fit_probe
from tools.classify import posterior

# The first is the bare prompt of the baseline.
WORDS = {
    "crater": ("crater", "impact crater", "fresh impact crater"),
    "dark_dune": ("dark dune", "dark sand dunes", "a dark dune field"),
    "bright_dune": ("bright dune", "bright sand ripples", "bright transverse aeolian ridges"),
    "slope_streak": ("slope streak", "dark slope streaks", "slope streaks on a dusty slope"),
    "other": (
        "other",
        "plains with nothing remarkable",
        "rough ground",
        "rocky terrain",
        "featureless terrain",
    ),
}
NAMES = tuple(WORDS)


def main() -> None:
    """Encode, classify, judge, print, write."""
    parser = make_parser(__doc__, encoder=True, seed=True)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    data = real_data()
    folder = data / "hirise-landmarks"
    crops = pd.read_csv(folder / "manifest.csv")
    crops["part"] = crops["observation"].map(part_of)
    truth = crops["class"].where(crops["class"].isin(NAMES), "other").map(NAMES.index).to_numpy()
    encoder = load_encoder(arguments.encoder)
    vectors = encoder.encode_images(read_crops(folder / "images", crops["file"], encoder))
    test, train = (crops["part"] == "test").to_numpy(), (crops["part"] == "train").to_numpy()
    guesses = guess(encoder, vectors[test], vectors[train], truth[train], arguments.seed)
    draws = draw_blocks(crops.loc[test, "observation"].to_numpy(), arguments.resamples, arguments.seed)
    ways = {}
    for name, guessed in guesses.items():
        # One confusion matrix an observation: a resample is then a weighted sum of them.
        cell = (draws.block * len(NAMES) + truth[test]) * len(NAMES) + guessed
        counts = np.bincount(cell, minlength=draws.times.shape[1] * len(NAMES) ** 2)
        tables = counts.reshape(-1, len(NAMES), len(NAMES))
        low, high = interval(macro_f1(np.einsum("rb,bij->rij", draws.times, tables)))
        whole = tables.sum(axis=0)
        ways[name] = {
            "macro_f1": float(macro_f1(whole[None])[0]),
            "macro_f1_low": low,
            "macro_f1_high": high,
            "accuracy": float(np.trace(whole) / whole.sum()),
            "f1": dict(zip(NAMES, f1_of(whole[None])[0].tolist(), strict=True)),
            "confusion": whole.tolist(),
        }
    result: dict[str, Any] = {
        "encoder": encoder.manifest.name,
        "encoder_fingerprint": encoder.manifest.fingerprint,
        "seed": arguments.seed,
        "crops": int(test.sum()),
        "observations": int(crops.loc[test, "observation"].nunique()),
        "support": {name: int((truth[test] == k).sum()) for k, name in enumerate(NAMES)},
        "ways": ways,
    }
    _show(result)
    write_json(result, arguments.json)


def guess(
    encoder: Encoder,
    test: NDArray[np.float32],
    train: NDArray[np.float32],
    train_truth: NDArray[np.int64],
    seed: int,
) -> dict[str, NDArray[np.int64]]:
    """Class numbers of the test crops by every way: ours first, baselines after."""
    templates = load_prompts().templates
    ours = [encode_query(encoder, "", _sentences(words, templates)) for words in WORDS.values()]
    bare = [encode_query(encoder, words[0]) for words in WORDS.values()]
    probe = fit_probe(train, train_truth[:, None] == np.arange(len(NAMES)))
    frequency = np.bincount(train_truth, minlength=len(NAMES)) / len(train_truth)
    rng = np.random.default_rng(seed)
    manifest = encoder.manifest
    odds = manifest.logit_scale * (test @ np.stack(ours[:-1]).T) + (manifest.logit_bias or 0.0)
    return {
        # As the tool `classify` divides tiles: the last class is none of the others.
        "words, or none of them": posterior(odds).argmax(axis=1),
        "words, five prompts": (test @ np.stack(ours).T).argmax(axis=1),
        "random": rng.choice(len(NAMES), size=len(test), p=frequency),
        "most frequent class": np.full(len(test), frequency.argmax()),
        "cosine, one bare prompt": (test @ np.stack(bare).T).argmax(axis=1),
        "linear probe, supervised": probe.scores(test).argmax(axis=1),
    }


def read_crops(folder: Path, files: pd.Series, encoder: Encoder) -> NDArray[np.uint8]:
    """Crops as the encoder takes them, shape (n, side, side, 3)."""
    side = encoder.manifest.image_size
    pictures = []
    for name in files:
        with Image.open(folder / name) as image:
            grey = np.asarray(image.convert("L").resize((side, side), Image.Resampling.BOX))
        pictures.append(np.repeat(grey[..., None], 3, axis=-1))
    return np.stack(pictures)


def f1_of(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of each class from confusion matrices (truth, guess), shape (r, k, k) to (r, k)."""
    both = np.diagonal(confusion, axis1=1, axis2=2)
    total = confusion.sum(axis=1) + confusion.sum(axis=2)
    return np.asarray(2.0 * both / np.maximum(total, 1))


def macro_f1(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Mean F1 over the classes that a resample holds, shape (r, k, k) to (r,)."""
    there = confusion.sum(axis=2) > 0
    return np.asarray((f1_of(confusion) * there).sum(axis=1) / there.sum(axis=1))


def _sentences(words: tuple[str, ...], templates: tuple[str, ...]) -> list[str]:
    # Every wording in every template; no {} is left, so encode_query averages them as they are.
    return [template.replace("{}", word) for word in words for template in templates]


def _show(result: dict[str, Any]) -> None:
    table = Table(
        title=f"{result['crops']} crops of {result['observations']} observations, {result['encoder']}"
    )
    for heading in ("way", "macro F1", "95 %", "accuracy", *NAMES):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    for name, row in result["ways"].items():
        table.add_row(
            name,
            f"{row['macro_f1']:.3f}",
            f"{row['macro_f1_low']:.3f}–{row['macro_f1_high']:.3f}",
            f"{row['accuracy']:.3f}",
            *(f"{row['f1'][key]:.2f}" for key in NAMES),
        )
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
