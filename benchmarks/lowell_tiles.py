"""Vectors and truth of a synthetic planet, for benchmarks that look at the same tiles again and again."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prompts import load_prompts
from retrieval.calibrate import background
from retrieval.encoder import Encoder, load_encoder
from retrieval.evaluate.landforms import lowell_labels
from retrieval.library import open_planet
from retrieval.settings import load_settings


@dataclass(frozen=True)
class LabelledTiles:
    """Tiles as an index has them, with the truth.

    Attributes
    ----------
    vectors
        Unit vectors, shape (n, d).
    labels
        Shape (n, k).
    keys
        The k landforms.
    background
        Shape (n,).
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.bool_]
    keys: tuple[str, ...]
    background: NDArray[np.float32]

    def score(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of every tile with a unit vector."""
        return np.asarray(self.vectors @ vector, dtype=np.float32)


def arguments(about: str | None) -> argparse.ArgumentParser:
    """The options that such benchmarks share."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=2, help="planet; 0 is the reported one: tune on another")
    parser.add_argument("--encoder", default=None)
    parser.add_argument("--cache", type=Path, help="file of vectors and labels, read if there, else written")
    parser.add_argument("--json", action="store_true")
    return parser


def open_tiles(options: argparse.Namespace) -> tuple[LabelledTiles, Encoder]:
    """The tiles of the planet that was asked for, and the encoder; drawn and encoded where missing."""
    settings, prompts = load_settings(), load_prompts()
    encoder = load_encoder(options.encoder or settings.encoder)
    if options.cache and options.cache.is_file():
        with np.load(options.cache) as kept:
            vectors, labels, keys = kept["vectors"], kept["labels"], kept["keys"]
            if str(kept["fingerprint"]) != encoder.manifest.fingerprint:
                raise SystemExit(f"{options.cache} was made with another encoder; give another file")
    else:
        index = open_planet(options.seed, settings, encoder, prompts.background)
        table = lowell_labels(index, options.seed)
        vectors = index.vectors(np.arange(len(index)))
        labels, keys = table.to_numpy(dtype=bool), np.array(table.columns, dtype=str)
        if options.cache:
            fingerprint = encoder.manifest.fingerprint
            np.savez(options.cache, vectors=vectors, labels=labels, keys=keys, fingerprint=fingerprint)
    named = {term.key for term in prompts.glossary}
    chosen = [i for i, key in enumerate(keys) if str(key) in named and labels[:, i].any()]
    bank = background(vectors, encoder.encode_texts(list(prompts.background)), encoder.manifest.logit_scale)
    return LabelledTiles(vectors, labels[:, chosen], tuple(str(keys[i]) for i in chosen), bank), encoder
