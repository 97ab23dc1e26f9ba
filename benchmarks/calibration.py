"""Ways from scores to probabilities and a threshold without labels, side by side.

    python benchmarks/calibration.py --seed 2 [--cache FILE] [--json]

Every way gets the same scores of the glossary's terms on all tiles of one planet. Columns: macro F1 at its
threshold and its share of the best threshold's F1 of the ranking by score; expected calibration error (15
bins) over all tiles and terms, and over those with a probability of at least 0.05; absent things of
``prompts/queries/dev/absent.txt`` that no tile is a hit for; mean F1 of the paraphrases in
``prompts/queries/dev/paraphrases.yaml`` over that of their canonical terms, and how many of them have hits
that are nearly all wrong. The last way is what `retrieval.query.ask` does; the others are baselines.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
from lowell_tiles import LabelledTiles, arguments, open_tiles
from numpy.typing import NDArray

from prompts import DEV_QUERIES_FOLDER, load_prompts
from retrieval.calibrate import calibrate, sigmoid
from retrieval.encoder import Encoder, encode_query
from retrieval.evaluate import best_threshold, calibration_error, detection
from retrieval.evaluate.landforms import read_queries
from retrieval.query import ask

Floats = NDArray[np.float64]
Way = Callable[[str], NDArray[np.floating]]


LIKELY = 0.05


def main() -> None:
    """Measure, print a table or JSON."""
    options = arguments(__doc__).parse_args()
    tiles, encoder = open_tiles(options)
    terms = {term.key: term.term for term in load_prompts().glossary}
    paraphrases, absent = read_queries(DEV_QUERIES_FOLDER)
    report = {
        name: judge(way, tiles, encoder, terms, paraphrases, absent)
        for name, way in ways(tiles, encoder).items()
    }
    if options.json:
        print(json.dumps({"seed": options.seed, "encoder": encoder.manifest.fingerprint, "ways": report}))
        return
    columns = list(next(iter(report.values())))
    print(f"{'way':44s}" + "".join(f"{name:>15s}" for name in columns))
    for name, row in report.items():
        print(f"{name:44s}" + "".join(f"{row[column]:15.4g}" for column in columns))


def ways(tiles: LabelledTiles, encoder: Encoder) -> dict[str, Way]:
    """Each way: from a text to the probability of every tile; half is its threshold."""
    prompts, manifest = load_prompts(), encoder.manifest
    scale, bias = manifest.logit_scale, manifest.logit_bias
    terms = [term.term for term in prompts.glossary]
    bank = np.stack([encode_query(encoder, term, prompts.templates) for term in terms])
    bank_logits = scale * tiles.vectors @ bank.T

    def score(text: str) -> NDArray[np.float32]:
        return tiles.score(encode_query(encoder, text, prompts.templates))

    def competition(text: str) -> Floats:
        query = encode_query(encoder, text, prompts.templates)
        rivals = bank_logits[:, bank @ query < 0.7]  # the rest are synonyms
        own = scale * tiles.score(query)
        top = np.maximum(own, rivals.max(axis=1, initial=-np.inf))
        chance = np.exp(own - top) / (np.exp(own - top) + np.exp(rivals - top[:, None]).sum(axis=1))
        return np.asarray(np.where(own > tiles.background, chance, 0.0))

    found: dict[str, Way] = {
        "score across tiles, background across texts": lambda text: (
            calibrate(score(text), tiles.background, scale).probability
        ),
        "margin over background, Platt (1, 1)": lambda text: sigmoid(
            scale * score(text) - tiles.background - 1
        ),
        "margin over background, Platt (1, 3)": lambda text: sigmoid(
            scale * score(text) - tiles.background - 3
        ),
        "two Gaussians on the scores": lambda text: mixture(scale * score(text)),
        "two Gaussians on the margins": lambda text: mixture(scale * score(text) - tiles.background),
        "softmax over the glossary with a floor": competition,
    }
    if bias is not None:
        found["sigmoid of the encoder's scale and bias"] = lambda text: sigmoid(scale * score(text) + bias)
        found["the same, unknown words refused"] = lambda text: (
            ask(tiles, encoder, text, prompts.templates).calibrated.probability
        )
    found["retrieval.query.ask: and glossary"] = lambda text: (
        ask(tiles, encoder, text, prompts.templates, prompts.descriptions).calibrated.probability
    )
    return found


def judge(
    way: Way,
    tiles: LabelledTiles,
    encoder: Encoder,
    terms: dict[str, str],
    paraphrases: dict[str, list[str]],
    absent: list[str],
) -> dict[str, float]:
    """The columns of the table for one way."""
    templates = load_prompts().templates
    probability = np.stack([way(terms[key]) for key in tiles.keys], axis=1).astype(float)
    f1, oracle = [], []
    for column, key in enumerate(tiles.keys):
        truth = tiles.labels[:, column]
        f1.append(detection(probability[:, column] >= 0.5, truth)["f1"])
        oracle.append(best_threshold(tiles.score(encode_query(encoder, terms[key], templates)), truth)[1])
    likely = probability >= LIKELY
    said, canonical, wrong = [], [], 0
    for key, texts in paraphrases.items():
        if key not in tiles.keys:
            continue
        column = tiles.keys.index(key)
        for text in texts:
            hits = way(text) >= 0.5
            figure = detection(hits, tiles.labels[:, column])["f1"]
            said.append(figure)
            canonical.append(f1[column])
            wrong += bool(hits.any() and figure < 0.1 * f1[column])
    return {
        "macro_f1": float(np.mean(f1)),
        "oracle_share": float(np.mean(f1) / np.mean(oracle)),
        "ece": calibration_error(probability, tiles.labels),
        "ece_likely": calibration_error(probability[likely], tiles.labels[likely]),
        "absent_flagged": float(sum(not (way(text) >= 0.5).any() for text in absent)),
        "absent": float(len(absent)),
        "paraphrases": float(np.mean(said) / max(float(np.mean(canonical)), 1e-9)),
        "wrong_confident": float(wrong),
    }


def mixture(logits: NDArray[np.floating], steps: int = 100) -> Floats:
    """Posterior of the upper of two Gaussians fitted by EM; zeros where there is no second mode.

    The lower one starts at the median and the spread below it, the upper one at what lies above three of
    these; a second mode is one at least two standard deviations of the lower one away.
    """
    values = np.asarray(logits, dtype=float)
    middle = np.median(values)
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), 1e-6)
    upper = values > middle + 3 * spread
    if upper.sum() < 5:
        return np.zeros(len(values))
    mean, deviation, share = (
        np.array([middle, values[upper].mean()]),
        np.array([spread, max(values[upper].std(), 0.3 * spread)]),
        float(upper.mean()),
    )
    chance = upper.astype(float)
    for _ in range(steps):
        log = -np.log(deviation) - 0.5 * ((values[:, None] - mean) / deviation) ** 2
        chance = np.asarray(sigmoid(log[:, 1] - log[:, 0] + np.log(share / (1 - share))))
        chance[values < mean[0]] = 0.0
        share = float(np.clip(chance.mean(), 1e-6, 0.7))
        for component, weight in enumerate((1 - chance, chance)):
            total = max(float(weight.sum()), 1e-9)
            mean[component] = (weight * values).sum() / total
            variance = (weight * (values - mean[component]) ** 2).sum() / total
            deviation[component] = max(np.sqrt(variance), 0.3 * spread)
    return chance if mean[1] - mean[0] > 2 * deviation[0] else np.zeros(len(values))


if __name__ == "__main__":
    main()
