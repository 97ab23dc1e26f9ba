"""The three tasks of MarsRetrieval (arXiv 2602.13961) on any data that come in their layouts.

- *paired retrieval*: a folder with one CSV of ``file, caption``: R@1, R@10, MRR and median rank, both ways;
- *landform retrieval*: a folder with a folder of pictures per class: macro mAP, R-precision, nDCG@10, Hit@10;
- *geo-localization*: an index and a catalogue file per class, alone or together in a folder: see
  `retrieval.evaluate.geolocalization`.

The words for a class are the name of its folder or file with spaces for underscores, in every template.
Each task stands beside the same figures of random scores.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from retrieval.encoder import Encoder, encode_query
from retrieval.errors import InputError, SettingsError
from retrieval.evaluate.landforms import finite
from retrieval.evaluate.ranking import average_precision, expected_ranks, retrieval_at

if TYPE_CHECKING:
    from retrieval.index import TileIndex

Json = Any

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}
CATALOGUES = {".csv", ".geojson", ".gpkg", ".parquet", ".kmz", ".kml", ".shp"}
LAYOUTS = (
    "a folder with one CSV of file,caption; a folder with a folder of pictures per class; an index folder; "
    "a catalogue file per class, alone or in a folder"
)
MOST_PIXELS = 80_000_000
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_AT_ONCE = 256


@dataclass
class Tasks:
    """What there is to judge.

    Attributes
    ----------
    paired
        Name of a folder -> (pictures, captions), row by row.
    landforms
        Name of a folder -> class -> its pictures.
    catalogues
        Class -> catalogue file.
    index
        Index folder that was among the data.
    """

    paired: dict[str, tuple[list[Path], list[str]]] = field(default_factory=dict)
    landforms: dict[str, dict[str, list[Path]]] = field(default_factory=dict)
    catalogues: dict[str, Path] = field(default_factory=dict)
    index: Path | None = None


def read_tasks(data: Sequence[Path]) -> Tasks:
    """Find out which task each path is for. Everything is looked for before anything is computed.

    Raises
    ------
    SettingsError
        If a path is missing or of no layout, a class is empty or comes twice, or a CSV names a picture that
        is not there.
    """
    tasks = Tasks()
    for path in data:
        if path.is_file() and path.suffix.lower() in CATALOGUES:
            _add_catalogue(tasks, path)
        elif path.is_dir():
            _add_folder(tasks, path)
        else:
            raise SettingsError(f"{path} is no data of these tasks", allowed=LAYOUTS)
    return tasks


def evaluate_marsretrieval(
    tasks: Tasks,
    encoder: Encoder,
    templates: Sequence[str],
    index: TileIndex | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Json]:
    """Judge an encoder on what `read_tasks` found; plain JSON values.

    Raises
    ------
    SettingsError
        If there are catalogues and no index, or an unreadable picture.
    """
    if tasks.catalogues and index is None:
        raise SettingsError(
            "catalogues can only be judged on an index", next_step="give --index NAME, or an index folder"
        )
    report: dict[str, Json] = {
        "encoder": encoder.manifest.name,
        "encoder_fingerprint": encoder.manifest.fingerprint,
        "templates": len(templates),
        "seed": seed,
        "paired": {name: _paired(encoder, *pair, seed) for name, pair in tasks.paired.items()},
        "landforms": {
            name: _landforms(encoder, templates, classes, seed) for name, classes in tasks.landforms.items()
        },
    }
    if tasks.catalogues and index is not None:
        report["geolocalization"] = _geolocalization(
            index, encoder, templates, tasks.catalogues, resamples, seed
        )
    return finite(report)


def paired_figures(
    similarity: NDArray[np.floating], files: Sequence[Path], captions: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Both directions of paired retrieval.

    Parameters
    ----------
    similarity
        Of the picture of row i and the caption of row j, shape (n, n).
    files, captions
        Of each row. A picture with several captions has several right answers, and so has a caption that
        several pictures share; the benchmark's own data have neither.
    """
    picture = np.unique([str(file) for file in files], return_inverse=True)[1]
    caption = np.unique(np.asarray(captions, dtype=str), return_inverse=True)[1]
    right = (picture[:, None] == picture) | (caption[:, None] == caption)
    ways = {"image_to_text": similarity, "text_to_image": similarity.T}
    return {name: _rank_figures(expected_ranks(values, right)) for name, values in ways.items()}


def landform_figures(
    similarity: NDArray[np.floating], classes: NDArray[np.int64], names: Sequence[str], seed: int
) -> dict[str, Json]:
    """Macro and per-class figures from the similarity of class query k and picture i, shape (classes, n).

    Parameters
    ----------
    classes
        Class of each picture, shape (n,).
    seed
        Breaks ties: pictures lie in the order of their classes, which must not help.
    """
    shuffled = np.random.default_rng(seed).permutation(len(classes))
    rows: dict[str, dict[str, float]] = {}
    for number, name in enumerate(names):
        scores, truth = similarity[number][shuffled], classes[shuffled] == number
        figures = retrieval_at(truth[np.argsort(-scores, kind="stable")])
        rows[name] = {"ap": average_precision(scores, truth), **figures, "pictures": int(truth.sum())}
    macro = {
        title: float(np.mean([row[key] for row in rows.values()]))
        for title, key in (
            ("map", "ap"),
            ("r_precision", "r_precision"),
            ("ndcg_10", "ndcg"),
            ("hit_10", "hit"),
        )
    }
    return {**macro, "classes": rows}


def _rank_figures(ranks: NDArray[np.float64]) -> dict[str, float]:
    return {
        "r_1": float(np.mean(ranks <= 1)),
        "r_10": float(np.mean(ranks <= 10)),
        "mrr": float(np.mean(1.0 / ranks)),
        "median_rank": float(np.median(ranks)),
    }


def _paired(encoder: Encoder, files: Sequence[Path], captions: Sequence[str], seed: int) -> dict[str, Json]:
    similarity = _encode_pictures(encoder, files) @ encoder.encode_texts(list(captions)).T
    chance = np.random.default_rng(seed).random(similarity.shape, dtype=np.float32)
    return {
        "pairs": len(files),
        **paired_figures(similarity, files, captions),
        "random": paired_figures(chance, files, captions),
    }


def _landforms(
    encoder: Encoder, templates: Sequence[str], classes: Mapping[str, Sequence[Path]], seed: int
) -> dict[str, Json]:
    names = sorted(classes)
    files = [file for name in names for file in classes[name]]
    numbers = np.repeat(np.arange(len(names)), [len(classes[name]) for name in names])
    queries = np.stack([encode_query(encoder, _words(name), templates) for name in names])
    similarity = queries @ _encode_pictures(encoder, files).T
    chance = np.random.default_rng(seed).random(similarity.shape)
    random = landform_figures(chance, numbers, names, seed)
    return {
        "pictures": len(files),
        **landform_figures(similarity, numbers, names, seed),
        "random": {name: value for name, value in random.items() if name != "classes"},
    }


def _geolocalization(
    index: TileIndex,
    encoder: Encoder,
    templates: Sequence[str],
    catalogues: Mapping[str, Path],
    resamples: int,
    seed: int,
) -> dict[str, Json]:
    from retrieval.catalogue import read_catalogue
    from retrieval.evaluate.geolocalization import localize

    # All files first: a torn one must not cost the work on those before it.
    tables = {name: read_catalogue(path, index.body, landform=name) for name, path in catalogues.items()}
    classes = {
        name: localize(
            index,
            encoder,
            _words(name),
            templates,
            table,
            resamples=resamples,
            seed=seed,
        )
        for name, table in tables.items()
    }
    rows = list(classes.values())
    return {
        "index": index.manifest.name,
        "tiles": len(index),
        "macro_f1_published": float(np.mean([row["published"]["f1"] for row in rows])),
        "macro_auprc_published": float(np.mean([row["published"]["auprc"] for row in rows])),
        "macro_f1_strict": float(np.mean([row["strict"]["f1"] for row in rows])),
        "macro_f1_published_random": float(np.mean([row["random"]["published"]["f1"] for row in rows])),
        "macro_f1_strict_random": float(np.mean([row["random"]["strict"]["f1"] for row in rows])),
        "classes": classes,
    }


def _add_folder(tasks: Tasks, folder: Path) -> None:
    if (folder / "manifest.json").is_file() and (folder / "vectors.faiss").is_file():
        if tasks.index is not None:
            raise SettingsError(f"{folder} is a second index", allowed="one index")
        tasks.index = folder
        return
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".csv"]
    if len(tables) == 1 and {"file", "caption"} <= set(_read_csv(tables[0], rows=0).columns):
        tasks.paired[folder.name] = _read_pairs(tables[0])
        return
    catalogues = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in CATALOGUES]
    inside = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    if catalogues:
        for path in catalogues:
            _add_catalogue(tasks, path)
        for path in inside:
            _add_folder(tasks, path)
        return
    if not inside:
        raise SettingsError(f"{folder} holds no data of these tasks", allowed=LAYOUTS)
    classes: dict[str, list[Path]] = {}
    for path in inside:
        _refuse_twice(path.name, classes, folder)
        classes[path.name] = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURES)
        if not classes[path.name]:
            raise SettingsError(
                f"class folder {path} holds no picture",
                allowed=", ".join(sorted(PICTURES)),
                next_step="fill it or remove it",
            )
    tasks.landforms[folder.name] = classes


def _add_catalogue(tasks: Tasks, path: Path) -> None:
    _refuse_twice(path.stem, tasks.catalogues, path.parent)
    tasks.catalogues[path.stem] = path


def _refuse_twice(name: str, known: Mapping[str, Json], where: Path) -> None:
    other = next((one for one in known if _words(one) == _words(name)), None)
    if other is not None:
        raise SettingsError(
            f"class {_words(name)!r} comes twice: {other} and {name} ({where})",
            next_step="remove one of them",
        )


def _read_pairs(table: Path) -> tuple[list[Path], list[str]]:
    rows = _read_csv(table)
    captions = rows["caption"].str.strip()
    files = [table.parent / name for name in rows["file"]]
    for number, (file, caption) in enumerate(zip(files, captions, strict=True), start=2):
        if not file.is_file():
            raise SettingsError(
                f"{table.name} line {number} names {file.name}, which is not in {file.parent}",
                next_step="add the picture or remove the line",
            )
        if not caption:
            raise SettingsError(f"{table.name} line {number} has no caption for {file.name}")
    if not files:
        raise SettingsError(f"{table} has no rows", allowed="rows of file,caption")
    return files, captions.tolist()


def _read_csv(table: Path, rows: int | None = None) -> pd.DataFrame:
    try:
        return pd.read_csv(table, nrows=rows, skipinitialspace=True, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:  # pandas' own errors and wrong encodings are ValueErrors
        raise SettingsError(f"{table} cannot be read as CSV ({str(error).splitlines()[0][:120]})") from error


def _encode_pictures(encoder: Encoder, files: Sequence[Path]) -> NDArray[np.float32]:
    side = encoder.manifest.image_size
    parts = [
        encoder.encode_images(np.stack([_read_picture(file, side) for file in files[at : at + _AT_ONCE]]))
        for at in range(0, len(files), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """The central square of a picture as the encoder takes it, shape (side, side, 3)."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise SettingsError(
                    f"{path} has too many pixels", allowed=f"at most {MOST_PIXELS // 1_000_000} megapixels"
                )
            picture = ImageOps.exif_transpose(image)
            if picture.mode.startswith(("I", "F")):
                picture = _stretched(picture)
            return np.asarray(ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC))
    except InputError:
        raise
    except (OSError, SyntaxError, ValueError, *BOMBS) as error:
        raise SettingsError(
            f"{path} is no picture that can be read ({str(error).splitlines()[0][:80]})",
            next_step="replace or remove it",
        ) from error


def _stretched(picture: Image.Image) -> Image.Image:
    # 16-bit and float grey: converting would clip at 255.
    values = np.nan_to_num(np.asarray(picture, dtype=float))
    low, high = np.percentile(values, [0.5, 99.5])
    scaled = (values - low) / max(high - low, 1e-9) * 255.0
    return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def _words(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()
