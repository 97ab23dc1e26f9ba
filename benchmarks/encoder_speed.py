"""Tiles that an encoder embeds in a second, on one thread and on all, beside a ViT-B-32 of random weights.

    python benchmarks/encoder_speed.py [--encoder NAME] [--seconds 10] [--json FILE]

Pictures are random and have the encoder's own size. The baseline is what most CLIP models of the field start
from; its weights do not matter to its speed.
"""

from __future__ import annotations

import os
import time

import numpy as np
import torch
from _common import make_parser, write_json

from retrieval.encoder import Encoder, load_encoder

BASELINE = "ViT-B-32:untrained"


def tiles_per_second(encoder: Encoder, threads: int, seconds: float, batch: int) -> float:
    """Rate over at least ``seconds``, after one batch that warms up."""
    torch.set_num_threads(threads)
    size = encoder.manifest.image_size
    pixels = np.random.default_rng(0).integers(1, 256, (batch, size, size, 3), dtype=np.uint8)
    encoder.encode_images(pixels)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        encoder.encode_images(pixels)
        done += batch
    return done / (time.perf_counter() - started)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__, encoder=True)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    ours, baseline = load_encoder(options.encoder), load_encoder(BASELINE)
    rates = {
        f"{name}, {threads} thread{'s' if threads > 1 else ''}": tiles_per_second(
            encoder, threads, options.seconds, batch
        )
        for threads in sorted({1, cores})
        for name, encoder, batch in ((options.encoder, ours, 512), (BASELINE, baseline, 16))
    }
    for name, rate in rates.items():
        print(f"{name:40s}{rate:10.1f} tiles/s")
    whole = f"{cores} thread{'s' if cores > 1 else ''}"
    ratio = rates[f"{options.encoder}, {whole}"] / rates[f"{BASELINE}, {whole}"]
    print(f"{'ratio on all threads':40s}{ratio:10.1f}")
    write_json({**rates, "ratio": ratio}, options.json)


if __name__ == "__main__":
    main()
