"""Every landform of a planet whose truth is known, searched by words as a user would, beside baselines.

The road is that of a search: the glossary's term in every template, cosines, probabilities, the threshold
that comes without labels. Labels only judge.

Baselines, judged on the same tiles and labels:

- ``random``: as many tiles as the search found, drawn at random; for ranking a random order.
- ``every_tile``: everything is a hit; its average precision is the prevalence.
- ``bare_cosine``: one prompt, the bare term, ranked by plain cosine; its F1 by the same threshold rule.
- ``linear_probe``: supervised. The planet is cut into blocks of `FOLD_TILES` tiles a side, which a seed
  deals to two halves; each half is judged by a probe fitted to the labels of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from retrieval.encoder import Encoder
from retrieval.errors import IndexFolderError, SettingsError
from retrieval.evaluate.bootstrap import (
    Draws,
    draw_blocks,
    interval,
    resampled_average_precision,
    resampled_f1,
)
from retrieval.evaluate.catalogue import blocks_of
from retrieval.evaluate.probe import cross_fitted
from retrieval.evaluate.ranking import (
    Bools,
    Floats,
    average_precision,
    best_threshold,
    calibration_error,
    detection,
)
from retrieval.query import Asked, ask

if TYPE_CHECKING:
    from retrieval.index import TileIndex

Json = Any

FOLD_TILES = 15  # side of a block of the probe's two halves: few tiles touch the other half
LIKELY = 0.05  # most tiles show nothing of a landform and are sure to; the error of the rest is told apart
PLAINS = "plains"  # the absence of the others: judged, but no landform of the macro figures


def lowell_labels(index: TileIndex, seed: int | None = None) -> pd.DataFrame:
    """Truth of the rows of an index of Lowell: bool, shape (n, landform keys); see `lowell_truth`."""
    return lowell_truth(index, seed)[0]


def lowell_truth(index: TileIndex, seed: int | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Truth of the rows of an index of Lowell.

    Returns
    -------
    labels, partly
        Which landforms each row shows, and which only in part: bool, shape (n, landform keys).

    Raises
    ------
    IndexFolderError
        If the index is not of Lowell, of another seed, or was drawn by another version of it.
    """
    from retrieval.corpus.lowell import LowellSource, make_planet

    source = index.manifest.source
    if source.get("kind") != "lowell":
        raise IndexFolderError(
            f"{index.manifest.name} was made from {source.get('name', 'something else')}, whose truth is "
            "unknown",
            allowed="an index of Lowell",
        )
    made = int(source["seed"])
    if seed is not None and seed != made:
        raise IndexFolderError(
            f"{index.manifest.name} is of Lowell {made}, not of Lowell {seed}",
            next_step=f"give --seed {made}, or leave --index out",
        )
    if source["fingerprint"] != LowellSource(made).fingerprint():
        raise IndexFolderError(
            f"{index.manifest.name} was drawn by another version of Lowell: the truth has other tiles",
            next_step="build it again, or leave --index out",
        )
    tiles = index.tiles.numbers
    labels, partly = make_planet(made).judged(index.grid)
    return labels.iloc[tiles].reset_index(drop=True), partly.iloc[tiles].reset_index(drop=True)


def read_queries(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Paraphrases by landform and words for absent things: ``paraphrases.yaml`` and ``absent.txt``.

    A file that is not there is left out, because the queries do not travel with an installed package.

    Raises
    ------
    SettingsError
        If a file is of another form.
    """
    paraphrases, absent = folder / "paraphrases.yaml", folder / "absent.txt"
    try:
        found = yaml.safe_load(paraphrases.read_text("utf-8")) if paraphrases.is_file() else {}
        lines = absent.read_text("utf-8").splitlines() if absent.is_file() else []
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{folder} holds queries that cannot be read ({error})") from error
    if not isinstance(found, dict) or not all(
        isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in found.values()
    ):
        raise SettingsError(f"{paraphrases} is no list of texts per landform")
    return found, [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def evaluate_landforms(
    index: TileIndex,
    encoder: Encoder,
    labels: pd.DataFrame,
    terms: Mapping[str, str],
    templates: Sequence[str],
    *,
    partly: pd.DataFrame | None = None,
    glossary: Mapping[str, str] | None = None,
    paraphrases: Mapping[str, Sequence[str]] | None = None,
    absent: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Json]:
    """Judge the search for every landform that a planet has and the glossary names.

    Parameters
    ----------
    labels
        Truth, bool, shape (n, keys), in row order.
    terms
        Key -> the term that is searched for.
    partly
        Where a landform shows only in part, bool like ``labels``. Figures under ``clear_tiles`` leave such a
        tile out of that landform's count: whoever looks at it sees the landform, cut by the edge. All other
        figures call it wrong to find it there.
    glossary
        What a search is given to understand other words by: term -> its names and description.
    paraphrases
        Key -> other words for it, which no training text uses.
    absent
        Words for things that the planet does not have.
    resamples, seed
        Of the block bootstrap; ``seed`` also deals blocks to the probe's halves and makes the random order.

    Returns
    -------
    dict
        Plain JSON values. Per landform under ``landforms``; macro figures are plain means over them.
        ``paraphrase_share`` is the mean of F1(paraphrase) / F1(canonical term) over the paraphrases of
        landforms whose canonical F1 is not 0.

    Raises
    ------
    IndexFolderError
        If the planet shows none of the landforms.
    """
    keys = _searchable(index, labels, terms)
    truth = labels[keys].to_numpy(dtype=bool)
    draws = draw_blocks(blocks_of(index), resamples, seed)

    def search(text: str) -> Asked:
        return ask(index, encoder, text, templates, glossary)

    searched = {key: search(terms[key]) for key in keys}
    hits = np.stack([_hits(asked) for asked in searched.values()], axis=1)
    report: dict[str, Json] = {
        "index": index.manifest.name,
        "encoder": encoder.manifest.name,
        "encoder_fingerprint": encoder.manifest.fingerprint,
        "body": index.body.name,
        "tiles": len(index),
        "tile_km": index.grid.tile_km,
        "templates": len(templates),
        "resamples": resamples,
        **_searched(searched, terms, hits, truth, draws),
        "not_on_planet": sorted(str(key) for key in labels.columns if key in terms and not labels[key].any()),
        "baselines": _baselines(index, encoder, [terms[key] for key in keys], truth, hits, keys, draws, seed),
    }
    if partly is not None:
        unclear = partly[keys].to_numpy(dtype=bool)
        report["clear_tiles"] = _without(unclear, searched, hits, truth, draws)
    if PLAINS in labels.columns and PLAINS in terms and labels[PLAINS].any():
        report["plains"] = _plains(search(terms[PLAINS]), labels[PLAINS].to_numpy(bool))
    report |= _absent({text: search(text) for text in absent})
    known = [(key, text) for key, texts in (paraphrases or {}).items() if key in keys for text in texts]
    said = [(key, text, search(text)) for key, text in known]
    report |= _paraphrased(said, truth, keys, report["landforms"])
    return finite(report)


def finite(report: dict[str, Json]) -> dict[str, Json]:
    """The same report with None for what is not a number, because JSON has no word for it."""
    return {name: _finite(value) for name, value in report.items()}


def _finite(value: Json) -> Json:
    if isinstance(value, dict):
        return finite(value)
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _searchable(index: TileIndex, labels: pd.DataFrame, terms: Mapping[str, str]) -> list[str]:
    """Landforms that the planet shows and the glossary names; at least one."""
    keys = [str(key) for key in labels.columns if key in terms and labels[key].any() and key != PLAINS]
    if not keys:
        raise IndexFolderError(
            f"{index.manifest.name} shows no landform of the glossary", next_step="take smaller tiles"
        )
    return keys


def _searched(
    searched: Mapping[str, Asked], terms: Mapping[str, str], hits: Bools, truth: Bools, draws: Draws
) -> dict[str, Json]:
    """Our own search: macro figures beside the best threshold's, calibration, a row per landform."""
    keys = list(searched)
    cosines = np.stack([asked.scores for asked in searched.values()], axis=1)
    probability = np.stack([asked.calibrated.probability for asked in searched.values()], axis=1)
    figures = _judge(cosines, hits, truth, keys, draws)
    rows = figures.pop("landforms")
    for column, key in enumerate(keys):
        rows[key] |= {
            "query": terms[key],
            "support": int(truth[:, column].sum()),
            "prevalence": float(truth[:, column].mean()),
            "hits": int(hits[:, column].sum()),
            "f1_oracle": best_threshold(cosines[:, column], truth[:, column])[1],
        }
    best = max(keys, key=lambda key: rows[key]["f1"])
    oracle = float(np.mean([row["f1_oracle"] for row in rows.values()]))
    likely = probability >= LIKELY
    return {
        **figures,
        "macro_f1_oracle": oracle,
        "oracle_share": figures["macro_f1"] / oracle if oracle else float("nan"),
        "best_f1": rows[best]["f1"],
        "best_landform": best,
        "ece": calibration_error(probability, truth),
        "ece_adaptive": calibration_error(probability, truth, adaptive=True),
        "ece_likely": calibration_error(probability[likely], truth[likely]),
        "landforms": rows,
    }


def _without(
    unclear: Bools, searched: Mapping[str, Asked], hits: Bools, truth: Bools, draws: Draws
) -> dict[str, Json]:
    """The same figures where unclear tiles, of which none is true, are neither found nor ranked."""
    scores = np.stack([asked.scores for asked in searched.values()], axis=1)
    figures = _judge(
        np.where(unclear, scores.min() - 1.0, scores), hits & ~unclear, truth, list(searched), draws
    )
    rows = figures["landforms"]
    best = max(rows, key=lambda key: rows[key]["f1"])
    return {"left_out": int(unclear.sum()), "best_f1": rows[best]["f1"], "best_landform": best, **figures}


def _hits(asked: Asked) -> Bools:
    return np.asarray(asked.calibrated.probability >= asked.calibrated.threshold)


def _judge(
    scores: NDArray[np.floating], hits: Bools, truth: Bools, keys: Sequence[str], draws: Draws
) -> dict[str, Json]:
    """Average precision and detection per landform (column) with intervals, and their macro means."""
    rows: dict[str, dict[str, float]] = {}
    ap_draws, f1_draws = [], []
    for column, key in enumerate(keys):
        ap_draws.append(resampled_average_precision(scores[:, column], truth[:, column], draws))
        f1_draws.append(resampled_f1(hits[:, column], truth[:, column], draws))
        ap_low, ap_high = interval(ap_draws[-1])
        f1_low, f1_high = interval(f1_draws[-1])
        figures = detection(hits[:, column], truth[:, column])
        rows[key] = {
            "ap": average_precision(scores[:, column], truth[:, column]),
            "ap_low": ap_low,
            "ap_high": ap_high,
            "f1": figures["f1"],
            "f1_low": f1_low,
            "f1_high": f1_high,
            "precision": figures["precision"],
            "recall": figures["recall"],
        }
    # A landform that a resample lost is left out of that resample's mean.
    ap_low, ap_high = interval(_mean_of_known(ap_draws))
    f1_low, f1_high = interval(_mean_of_known(f1_draws))
    return {
        "macro_ap": float(np.mean([row["ap"] for row in rows.values()])),
        "macro_ap_low": ap_low,
        "macro_ap_high": ap_high,
        "macro_f1": float(np.mean([row["f1"] for row in rows.values()])),
        "macro_f1_low": f1_low,
        "macro_f1_high": f1_high,
        "landforms": rows,
    }


def _mean_of_known(drawn: Sequence[Floats]) -> Floats:
    values = np.stack(drawn)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def _baselines(
    index: TileIndex,
    encoder: Encoder,
    terms: Sequence[str],
    truth: Bools,
    hits: Bools,
    keys: Sequence[str],
    draws: Draws,
    seed: int,
) -> dict[str, Json]:
    rng = np.random.default_rng([seed, 1])
    everything = np.ones_like(truth)
    bare = [ask(index, encoder, term, ()) for term in terms]
    blocks, block = np.unique(blocks_of(index, FOLD_TILES), return_inverse=True)
    side = rng.permutation(np.arange(len(blocks)) % 2)
    probe = cross_fitted(index.vectors(np.arange(len(index))), truth, side[block])
    ways: dict[str, tuple[NDArray[np.floating], Bools]] = {
        "random": (rng.random(truth.shape), rng.permuted(hits, axis=0)),
        "every_tile": (everything.astype(float), everything),
        "bare_cosine": (
            np.stack([asked.scores for asked in bare], axis=1),
            np.stack([_hits(asked) for asked in bare], axis=1),
        ),
        "linear_probe": probe,
    }
    return {name: _judge(scores, found, truth, keys, draws) for name, (scores, found) in ways.items()}


def _plains(asked: Asked, truth: Bools) -> dict[str, Json]:
    return {
        "query": asked.sought,
        "support": int(truth.sum()),
        "prevalence": float(truth.mean()),
        "ap": average_precision(asked.scores, truth),
        "f1_oracle": best_threshold(asked.scores, truth)[1],
        **detection(_hits(asked), truth),
    }


def _absent(searched: Mapping[str, Asked]) -> dict[str, Json]:
    """A query for something absent is flagged when no tile reaches the threshold."""
    counts = {text: int(_hits(asked).sum()) for text, asked in searched.items()}
    return {
        "absent_queries": len(counts),
        "absent_queries_flagged": sum(count == 0 for count in counts.values()) if counts else None,
        "absent_hits": counts,
    }


def _paraphrased(
    searched: Sequence[tuple[str, str, Asked]],
    truth: Bools,
    keys: Sequence[str],
    rows: Mapping[str, Mapping[str, float]],
) -> dict[str, Json]:
    details: list[dict[str, Json]] = []
    for key, text, asked in searched:
        f1 = detection(_hits(asked), truth[:, keys.index(key)])["f1"]
        canonical = rows[key]["f1"]
        details.append(
            {
                "landform": key,
                "text": text,
                "sought": asked.sought,
                "f1": f1,
                "share": f1 / canonical if canonical else None,
            }
        )
    shares = [one["share"] for one in details if one["share"] is not None]
    return {
        "paraphrase_share": float(np.mean(shares)) if shares else None,
        "paraphrase_f1": float(np.mean([one["f1"] for one in details])) if details else None,
        "paraphrases": len(details),
        "paraphrases_without_share": len(details) - len(shares),
        "paraphrase_details": details,
    }
