"""Do words find the crops of real CTX mosaic tiles that hold a crater?

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/real_ctx_craters.py [--encoder NAME] [--json FILE]

Four tiles of MC-11 East, 2000 px a side, with boxes that volunteers drew and a clustering joined (Francis et
al. 2020). Each is cut into crops of 125, 250 and 500 px; a crop is right when the centre of a box lies in it
whose longer side is a tenth of the crop or more and fits into it. Ranked for "impact crater" in every
template. Smaller craters are nearly everywhere, and volunteers missed some: the figures are a lower bound.

Baselines: chance, the contrast of the crop, and the plain cosine of the bare words. Intervals draw blocks of
500 px.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from prompts import load_prompts
from retrieval.encoder import Encoder, encode_query, load_encoder
from retrieval.evaluate import average_precision_interval

CROPS_PX = (125, 250, 500)
BLOCK_PX = 500
SMALLEST_SHARE = 0.1  # of the crop: less is a few pixels of what the encoder sees


def main() -> None:
    """Cut, rank, judge, print, write."""
    parser = make_parser(__doc__, encoder=True, seed=True)
    parser.add_argument("--query", default="impact crater")
    arguments = parser.parse_args()
    data = real_data()
    encoder = load_encoder(arguments.encoder)
    boxes = pd.read_csv(data / "ctx-craters" / "boxes.csv")
    boxes = boxes[boxes["set"] == "clustered"]
    scales = {}
    for side in CROPS_PX:
        pixels, truth, blocks = cut(data / "ctx-craters" / "images", boxes, side, encoder.manifest.image_size)
        scores = rank(encoder, pixels, arguments.query, arguments.seed)
        scales[str(side)] = {
            "crops": len(truth),
            "right": int(truth.sum()),
            "rankings": {
                name: average_precision_interval(values, truth, blocks, seed=arguments.seed)
                for name, values in scores.items()
            },
        }
    result: dict[str, Any] = {
        "query": arguments.query,
        "encoder": encoder.manifest.name,
        "encoder_fingerprint": encoder.manifest.fingerprint,
        "seed": arguments.seed,
        "crops_px": scales,
    }
    _show(result)
    write_json(result, arguments.json)


def cut(
    folder: Path, boxes: pd.DataFrame, side: int, seen: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int64]]:
    """Crops (n, seen, seen), which of them hold a crater (n,), and their blocks (n,)."""
    pixels, truth, blocks = [], [], []
    for number, (name, own) in enumerate(boxes.groupby("image", sort=True)):
        with Image.open(folder / str(name)) as image:
            mosaic = image.convert("L")
        across, down = mosaic.width // side, mosaic.height // side
        length = np.maximum(own["xmax"] - own["xmin"], own["ymax"] - own["ymin"])
        own = own[(length >= SMALLEST_SHARE * side) & (length <= side)]
        column = ((own["xmin"] + own["xmax"]) / 2 // side).astype(int)
        row = ((own["ymin"] + own["ymax"]) / 2 // side).astype(int)
        held = set(zip(row, column, strict=True))
        for i in range(down):
            for j in range(across):
                box = (j * side, i * side, (j + 1) * side, (i + 1) * side)
                crop = mosaic.crop(box).resize((seen, seen), Image.Resampling.BICUBIC)
                pixels.append(np.asarray(crop))
                truth.append((i, j) in held)
                blocks.append(number * 10_000 + i * side // BLOCK_PX * 100 + j * side // BLOCK_PX)
    return np.stack(pixels), np.array(truth), np.array(blocks)


def rank(encoder: Encoder, pixels: NDArray[np.uint8], query: str, seed: int) -> dict[str, NDArray[Any]]:
    """Scores of all crops by every way of ranking them: ours first, baselines after."""
    vectors = encoder.encode_images(np.repeat(pixels[..., None], 3, axis=-1))
    return {
        "cosine, templates": vectors @ encode_query(encoder, query, load_prompts().templates),
        "cosine, bare words": vectors @ encode_query(encoder, query),
        "contrast of the crop": pixels.reshape(len(pixels), -1).std(axis=1),
        "chance": np.random.default_rng(seed).random(len(pixels)),
    }


def _show(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['query']!r} with {result['encoder']}")
    for heading in ("crops", "right", "ranking", "AP", "95 %", "AP / prevalence", "95 %"):
        table.add_column(heading, justify="left" if heading == "ranking" else "right")
    for side, scale in result["crops_px"].items():
        for name, row in scale["rankings"].items():
            table.add_row(
                f"{scale['crops']} of {side} px",
                str(scale["right"]),
                name,
                f"{row['ap']:.3f}",
                f"{row['ap_low']:.3f}–{row['ap_high']:.3f}",
                f"{row['ratio']:.2f}",
                f"{row['ratio_low']:.2f}–{row['ratio_high']:.2f}",
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
