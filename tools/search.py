"""Search the index by words or by example; every hit carries its score and, for words, a probability."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageOps

from retrieval.calibrate import Calibrated, calibrate
from retrieval.encoder import encode_query
from retrieval.errors import SettingsError, ToolInputError
from retrieval.grid import MAX_TILES
from tools.layers import Layer, make_table, shorten
from tools.results import Figures, model_rows, said, tidy
from tools.spatial import TOUCHING_TILES, counted, merge_features
from tools.workspace import ToolResult, Workspace, check_number, check_text

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

LONGEST_TEXT = 500
SMALLEST_PICTURE_PX = 16
LARGEST_PICTURE_PIXELS = 50_000_000
MOST_EXAMPLES = 1000

_LONLAT = re.compile(r"\s*([-+]?\d+(?:\.\d*)?)\s*[,;]\s*([-+]?\d+(?:\.\d*)?)\s*")
_TILE_ID = re.compile(r"\s*\d+(?:\.\d+)?km-r\d+c\d+\s*")


def search_words(
    ws: Workspace, text: str, min_probability: float | None = None, title: str | None = None
) -> ToolResult:
    """Search the image index for tiles that show what the words describe. Makes a layer of the tiles whose
    probability reaches a threshold, most probable first.

    Parameters
    ----------
    text
        What the ground should look like, one kind of landform at a time, such as "pitted cones";
        1 to 500 characters. Places, latitudes and relations to other things belong to other tools.
    min_probability
        Smallest probability to keep, 0 to 1. Leave it out to let the scores themselves choose the
        threshold.
    title
        Short name of the layer; the text if not given.
    """
    query = check_text("text", text, LONGEST_TEXT)
    given = None if min_probability is None else check_number("min_probability", min_probability, 0, 1, "")
    name = shorten(query if title is None else check_text("title", title, 200), 80)
    scores, calibrated = _score_words(ws.index, ws.encoder, query, ws.templates)
    ws.check_stop()
    probability = np.asarray(calibrated.probability, dtype=np.float64)
    threshold = float(calibrated.threshold if given is None else given)
    kept = _best_first(np.flatnonzero(probability >= threshold), probability, scores)
    counts = dict(calibrated.counts_at) | {f"{threshold:.2f}": len(kept)}
    notes = () if ws.index.manifest.background_prompts else ("the index has no background prompts",)
    layer = _store_tiles(
        ws,
        name.rstrip("?.! "),
        kept,
        scores[kept],
        probability[kept],
        tool="search_words",
        arguments={"text": text, "min_probability": min_probability, "title": title},
        query=query,
        templates=tuple(ws.templates),
        threshold=threshold,
        threshold_method=calibrated.method if given is None else "given in the call",
        counts_at=dict(sorted(counts.items())),
        notes=notes,
    )
    figures: Figures = {
        "count": len(kept),
        "searched": len(ws.index),
        "threshold": tidy(threshold, 3),
        "best_score": tidy(float(scores.max(initial=-1.0)), 3),
        "best_probability": tidy(float(probability.max(initial=0.0)), 3),
    }
    if not len(kept):
        summary = (
            f"{layer.id} is empty: nothing on this index reaches a probability of "
            f"{said(figures['threshold'])} for these words. The best of {len(ws.index):,} tiles has "
            f"score {said(figures['best_score'])} and probability {said(figures['best_probability'])}."
        )
        return ToolResult(summary, (layer.id,), figures)
    figures |= _extent_figures(ws, layer)
    summary = (
        f"{layer.id}: {counted(layer, figures)} of {len(ws.index):,} searched reach a probability of "
        f"{said(figures['threshold'])}; their mean probability is {said(figures['mean_probability'])}. "
        f"They cover {said(figures['area_km2'])} km2."
    )
    stricter = _stricter(layer.provenance.counts_at, threshold)
    if stricter:
        figures |= {"stricter_threshold": tidy(stricter[0]), "stricter_count": stricter[1]}
        summary += f" At a threshold of {said(figures['stricter_threshold'])} there would be {stricter[1]:,}."
    return ToolResult(summary, (layer.id,), figures, table=model_rows(ws, layer))


def search_example(ws: Workspace, example: str, limit: int = 50) -> ToolResult:
    """Search the image index for the tiles that look most like an example: a tile, a place or a picture
    that the user brought. Makes a layer ranked by similarity; similarities are not probabilities.

    Parameters
    ----------
    example
        Id of a tile such as "16km-r012c034", or longitude and latitude in degrees such as "137.4,-4.6", or
        the name of a picture file that the user brought into the conversation.
    limit
        How many tiles to keep, 1 to 1000.
    """
    wanted = check_text("example", example, LONGEST_TEXT)
    most = int(check_number("limit", limit, 1, MOST_EXAMPLES, "tiles"))
    vector, name, row, note = _example_vector(ws, wanted)
    ws.check_stop()
    rows, cosines = ws.index.search(vector, most + (row is not None))
    keep = np.flatnonzero(rows != (-1 if row is None else row))[:most]
    rows, scores = rows[keep], cosines[keep].astype(np.float64)
    layer = _store_tiles(
        ws,
        f"tiles like {name}",
        rows,
        scores,
        None,
        tool="search_example",
        arguments={"example": example, "limit": most},
        query=note,
        notes=("ranked by similarity to one picture; the limit, not the likeness, sets how many there are",),
    )
    figures: Figures = {"count": len(rows), "searched": len(ws.index), "limit": most}
    if not len(rows):
        return ToolResult(f"{layer.id} is empty: the index has no other tile.", (layer.id,), figures)
    figures |= {
        "best_score": tidy(float(scores[0]), 3),
        "worst_score": tidy(float(scores[-1]), 3),
        **_extent_figures(ws, layer),
    }
    summary = (
        f"{layer.id}: the {counted(layer, figures)} most like the example, of {len(ws.index):,} searched. "
        f"Their similarity falls from {said(figures['best_score'])} to {said(figures['worst_score'])}; "
        "it is not a probability."
    )
    return ToolResult(summary, (layer.id,), figures, table=model_rows(ws, layer))


def rank_words(
    index: TileIndex, encoder: Encoder, text: str, templates: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    """The best tiles for words, without a workspace: no threshold, no layer, no record.

    Returns
    -------
    At most ``limit`` records of ``tile_id``, ``lon``, ``lat``, ``score`` and ``probability``, best first.

    Raises
    ------
    ToolInputError
        If the text is empty or too long, or the limit below 1.
    """
    most = int(check_number("limit", limit, 1, MAX_TILES, "tiles"))
    scores, calibrated = _score_words(index, encoder, check_text("text", text, LONGEST_TEXT), templates)
    probability = np.asarray(calibrated.probability, dtype=np.float64)
    rows = _best_first(np.arange(len(index)), probability, scores)[:most]
    hits = index.tiles.iloc[rows][["tile_id", "lon", "lat"]]
    hits = pd.DataFrame(hits).assign(score=scores[rows], probability=probability[rows])
    return [
        {str(name): round(value, 6) if isinstance(value, float) else value for name, value in hit.items()}
        for hit in hits.to_dict("records")
    ]


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """Read a picture file as the square RGB array that an encoder takes.

    Turned as its EXIF says, transparency on black, 16-bit and float grey stretched, cropped to the central
    square (a tile is square: squeezing would change shapes), then averaged down to ``side``.

    Returns
    -------
    Shape (side, side, 3), uint8.

    Raises
    ------
    ToolInputError
        If it is no picture, torn, under 16 px, over 50 megapixels, or of a single brightness.
    """
    try:
        with Image.open(path) as image:
            _check_size(path, *image.size)
            picture = ImageOps.exif_transpose(image)
            rgb = _to_rgb(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ToolInputError(
            f"{path.name} is no picture that can be read ({str(error)[:80]})",
            allowed="PNG, JPEG, TIFF, WebP, GIF or BMP",
            next_step="open it in a viewer, save it as PNG and bring it again",
        ) from error
    if rgb.getextrema() == tuple((low, low) for low, _ in rgb.getextrema()):  # type: ignore[misc]
        raise ToolInputError(f"{path.name} has one brightness throughout", next_step="bring another picture")
    return np.asarray(ImageOps.fit(rgb, (side, side), Image.Resampling.LANCZOS))


def _score_words(
    index: TileIndex, encoder: Encoder, text: str, templates: Sequence[str]
) -> tuple[NDArray[np.float64], Calibrated]:
    scores = index.score(encode_query(encoder, text, templates))
    calibrated = calibrate(scores, index.background, encoder.manifest.logit_scale)
    return np.asarray(scores, dtype=np.float64), calibrated


def _example_vector(ws: Workspace, example: str) -> tuple[NDArray[np.float32], str, int | None, str]:
    # The unit vector, what to call it, the index row it is (or None), and what to put on record.
    place = _LONLAT.fullmatch(example)
    if place:
        lon = check_number("longitude", float(place[1]), -360, 360, "degrees")
        lat = check_number("latitude", float(place[2]), -90, 90, "degrees")
        row = int(ws.rows_at(np.array([[lon, lat]]))[0])
        if row < 0:
            raise ToolInputError(
                f"the index has no tile at longitude {lon:g}, latitude {lat:g}",
                allowed="places that the index has observed",
                next_step=f"try {_nearest_tile(ws, lon, lat)}, the nearest tile it has",
            )
    elif _TILE_ID.fullmatch(example):
        try:
            row = ws.index.row_of(example.strip())
        except SettingsError as error:
            raise ToolInputError(error.what, allowed=error.allowed) from error
    else:
        path = ws.readable_file(example)
        pixels = read_picture(path, ws.encoder.manifest.image_size)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return ws.encoder.encode_images(pixels[None])[0], path.name, None, f"picture {path.name} {digest}"
    tile_id = str(ws.index.tiles["tile_id"].iloc[row])
    return ws.index.vectors(np.array([row]))[0], tile_id, row, f"tile {tile_id}"


def _store_tiles(
    ws: Workspace,
    title: str,
    rows: NDArray[np.int64],
    scores: NDArray[np.float64],
    probability: NDArray[np.float64] | None,
    *,
    tool: str,
    arguments: dict[str, Any],
    **record: Any,
) -> Layer:
    """Store index rows, in the order given, as a layer with every fact the index knows of them."""
    tiles = ws.index.tiles.iloc[rows]
    lonlat = tiles[["lon", "lat"]].to_numpy(dtype=float)
    facts = tiles.drop(columns=["tile_id", "lon", "lat", tiles.geometry.name]).reset_index(drop=True)
    labels = merge_features(lonlat, ws.body, TOUCHING_TILES * ws.index.grid.tile_km)
    table = make_table(
        ws.body,
        tiles["tile_id"].tolist(),
        lonlat,
        scores,
        probability,
        rank=np.arange(1, len(rows) + 1),
        feature_id=labels + 1,
        **{str(name): facts[name] for name in facts.columns},
    )
    ws.check_stop()
    return ws.layers.add(title, "tiles", table, ws.provenance(tool, arguments, **record))


def _extent_figures(ws: Workspace, layer: Layer) -> Figures:
    table = layer.table
    figures: Figures = {
        "features": int(table["feature_id"].max()),
        "area_km2": tidy(float(table["area_km2"].sum())),
    }
    if table["probability"].notna().any():
        figures["mean_probability"] = tidy(float(table["probability"].mean()), 3)
    return figures


def _best_first(
    rows: NDArray[np.int64], probability: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.int64]:
    return rows[np.lexsort((rows, -scores[rows], -probability[rows]))]


def _stricter(counts: dict[str, int], threshold: float) -> tuple[float, int] | None:
    # The count at the next threshold that is clearly stricter: what the choice of threshold is worth.
    above = sorted((float(level), count) for level, count in counts.items())
    return next(((level, count) for level, count in above if level >= threshold + 0.1), None)


def _nearest_tile(ws: Workspace, lon: float, lat: float) -> str:
    centres = ws.index.tiles[["lon", "lat"]].to_numpy(dtype=float)
    return str(ws.index.tiles["tile_id"].iloc[int(ws.body.distance_km(centres, [lon, lat]).argmin())])


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < SMALLEST_PICTURE_PX:
        raise ToolInputError(
            f"{path.name} is {width} x {height} px",
            allowed=f"at least {SMALLEST_PICTURE_PX} px a side",
            next_step="bring a larger picture",
        )
    if width * height > LARGEST_PICTURE_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> ToolInputError:
    return ToolInputError(
        f"{path.name} has too many pixels",
        allowed=f"at most {LARGEST_PICTURE_PIXELS // 1_000_000} megapixels",
        next_step="cut out the part that matters",
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        low, high = np.percentile(values, [0.5, 99.5])
        scaled = (values - low) / max(high - low, 1e-9) * 255.0
        return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8)).convert("RGB")
    if "A" in picture.getbands() or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")
