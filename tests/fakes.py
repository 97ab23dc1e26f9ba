"""Stand-ins that enter by the real doors: an encoder and a tile source that agree on a picture code.

Every landform is a checker of 8 x 8 grey blocks taken from the two-dimensional Walsh functions, which are
orthogonal: `PatternSource` draws a tile as the sum of the codes of its labels, and `PatternEncoder` reads
the coefficients back, so the cosine of a tile and a text is high when the tile has what the text names
and near zero otherwise. No torch, no weights, the same on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy.linalg import hadamard

from retrieval.body import BODIES, Body
from retrieval.corpus.source import TileBatch
from retrieval.encoder import EncoderManifest
from retrieval.grid import Grid, in_box

# "plains" is the absence of any other; its code is the constant.
LANDFORMS = {
    "plains": "plains",
    "transverse_dunes": "transverse dunes",  # the code with north-south stripes: azimuth 0
    "simple_crater": "fresh simple crater",
    "degraded_crater": "degraded crater",
    "central_peak_crater": "central-peak crater",
    "layered_ejecta_crater": "layered-ejecta crater",
    "barchan_dunes": "barchan dunes",
    "yardangs": "yardangs",
    "dust_devil_tracks": "dust devil tracks",
    "shield_volcano": "shield volcano",
    "pitted_cones": "pitted cones",
    "lava_flow": "lava flow",
    "pit_chain": "pit chain",
    "graben": "graben",
    "wrinkle_ridges": "wrinkle ridges",
    "valley_network": "valley network",
    "outflow_channel": "outflow channel",
    "alluvial_fan": "alluvial fan",
    "landslide": "landslide",
    "debris_apron": "lobate debris apron",
    "gullies": "gullies",
    "polygons": "polygons",
    "chaos": "chaos terrain",
    "scalloped_depressions": "scalloped depressions",
}
DIMENSION = 32
BLOCKS = 8


def _codes() -> NDArray[np.float64]:
    """Walsh functions as block patterns, shape (DIMENSION, 8, 8), values +1 and -1, smoothest first."""
    rows = hadamard(BLOCKS).astype(float)
    changes = np.abs(np.diff(rows, axis=1)).sum(axis=1)
    walsh = rows[np.argsort(changes, kind="stable")]
    order = sorted(((i, j) for i in range(BLOCKS) for j in range(BLOCKS)), key=lambda ij: (sum(ij), ij))
    chosen = [ij for ij in order if ij != (0, 5)][1:DIMENSION]
    # Constant first, then vertical stripes, which the orientation tools can measure.
    return np.stack([np.outer(walsh[i], walsh[j]) for i, j in [(0, 0), (0, 5), *chosen]][:DIMENSION])


CODES = _codes()


class PatternEncoder:
    """Reads the picture code. Texts name landforms by any of their words in singular or plural.

    Parameters
    ----------
    name
        Another name makes another fingerprint: an index made with one is refused by the other.
    """

    def __init__(self, name: str = "pattern") -> None:
        self._manifest = EncoderManifest(
            name=name,
            fingerprint=hashlib.sha256(f"pattern-encoder {name}".encode()).hexdigest()[:16],
            architecture="walsh",
            bands=("grey",),
            image_size=32,
            mean=(0.5,),
            std=(0.5,),
            dimension=DIMENSION,
            logit_scale=20.0,
            context_length=77,
        )

    @property
    def manifest(self) -> EncoderManifest:
        return self._manifest

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, s, s, 3) uint8 -> (n, 32) unit rows."""
        assert pixels.ndim == 4
        assert pixels.shape[3] == 3
        assert pixels.dtype == np.uint8
        blocks = [
            np.asarray(Image.fromarray(tile).convert("L").resize((BLOCKS, BLOCKS), Image.Resampling.BOX))
            for tile in pixels
        ]
        values = np.array(blocks, dtype=float).reshape(-1, BLOCKS, BLOCKS) / 127.5 - 1.0
        coefficients = np.einsum("nij,kij->nk", values, CODES) / BLOCKS**2
        return _unit(coefficients)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n,) texts -> (n, 32) unit rows."""
        return _unit(np.array([_text_vector(text) for text in texts], dtype=float).reshape(-1, DIMENSION))


@dataclass(frozen=True)
class PatternSource:
    """A planet of picture codes: a seeded table of labels by rules that spatial questions can find.

    - outflow channels lie north of the equator; pitted cones mostly within two tiles of one;
    - gullies lie between 30 and 55 degrees of either hemisphere; lava flows at negative longitudes;
    - craters are everywhere; the rest are rare; a tile has at most two landforms;
    - longitudes 100..130, latitudes -30..0 were never observed.

    ``elevation_m`` falls from south to north, from 2000 to -2000.
    """

    body: Body = BODIES["lowell"]
    seed: int = 0
    hole: tuple[float, float, float, float] | None = (100.0, -30.0, 130.0, 0.0)

    @property
    def name(self) -> str:
        return f"pattern {self.seed}"

    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.body.name} {self.seed} {self.hole}".encode()).hexdigest()[:16]

    def describe(self) -> dict[str, object]:
        return {"kind": "pattern", "seed": self.seed}

    def candidates(self, grid: Grid) -> NDArray[np.int64]:
        return np.arange(len(grid))

    def labels(self, grid: Grid) -> pd.DataFrame:
        """Truth, shape (tiles, landforms), bool, in grid order."""
        rng = np.random.default_rng(self.seed)
        lonlat = grid.centres()
        lon, lat = lonlat[:, 0], lonlat[:, 1]
        n = len(lon)
        chance = {key: rng.random(n) for key in LANDFORMS}
        table = {key: chance[key] < 0.01 for key in LANDFORMS if key != "plains"}
        table["simple_crater"] = chance["simple_crater"] < 0.10
        table["degraded_crater"] = chance["degraded_crater"] < 0.10
        table["outflow_channel"] = (chance["outflow_channel"] < 0.08) & (lat > 0)
        table["gullies"] = (chance["gullies"] < 0.15) & (np.abs(lat) > 30) & (np.abs(lat) < 55)
        table["lava_flow"] = (chance["lava_flow"] < 0.10) & (lon < 0)
        outflow = lonlat[table["outflow_channel"]]
        nearest = self.body.distance_km(lonlat[:, None], outflow[None]).min(axis=1)
        table["pitted_cones"] = chance["pitted_cones"] < np.where(nearest < 2 * grid.tile_km, 0.3, 0.01)
        labels = pd.DataFrame(table)
        # At most two a tile, the rarer ones first, so that no code drowns another.
        rank = labels[labels.sum().sort_values(kind="stable").index].cumsum(axis=1)
        labels &= (rank <= 2)[labels.columns]
        labels["plains"] = ~labels.any(axis=1)
        return labels[list(LANDFORMS)]

    def read(self, grid: Grid, tiles: ArrayLike, size_px: int) -> TileBatch:
        numbers = np.asarray(tiles, dtype=np.int64)
        labels = self.labels(grid).to_numpy()[numbers]
        patterns = np.einsum("nk,kij->nij", labels.astype(float), CODES[: len(LANDFORMS)])
        noise = np.array(
            [np.random.default_rng((self.seed, t)).normal(0, 3, (size_px, size_px)) for t in numbers]
        ).reshape(-1, size_px, size_px)
        rows = np.arange(size_px) * BLOCKS // size_px
        grey = 128 + 45 * patterns[:, rows][:, :, rows] + noise
        pixels = np.repeat(np.clip(grey, 1, 255).astype(np.uint8)[..., None], 3, axis=-1)
        lonlat = grid.centres(numbers)
        seen = np.ones(len(numbers), dtype=np.float32)
        if self.hole:
            seen[in_box(lonlat, *self.hole)] = 0.0
        pixels[seen == 0] = 0
        elevation = (-2000 * np.sin(np.radians(lonlat[:, 1]))).astype(np.float32)
        elevation[seen == 0] = np.nan
        return TileBatch(numbers, pixels, seen, {"elevation_m": elevation})


def _text_vector(text: str) -> NDArray[np.float64]:
    words = _singular(text)
    vector = np.zeros(DIMENSION)
    for position, (key, name) in enumerate(LANDFORMS.items()):
        if _singular(key) in words or _singular(name) in words:
            vector[position] = 1.0
    if not vector.any():
        # "craters", "dunes": every landform that has the word.
        for position, name in enumerate(LANDFORMS.values()):
            if set(_singular(name).split()) & (set(words.split()) - {"fresh", "chain", "flow", "fan"}):
                vector[position] = 1.0
    if not vector.any():
        # Unknown words point where no landform does.
        seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
        vector[len(LANDFORMS) :] = np.random.default_rng(seed).normal(size=DIMENSION - len(LANDFORMS))
    return vector


def _singular(text: str) -> str:
    words = re.findall(r"[a-z]+", text.lower())
    return " ".join("gully" if w == "gullies" else w.removesuffix("s") for w in words)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
