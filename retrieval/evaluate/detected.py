"""What a search finds of the landforms of a planet, as things that questions can be asked of."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.body import unit_vectors
from retrieval.encoder import Encoder
from retrieval.query import ask
from retrieval.spatial.features import link_tiles
from retrieval.spatial.observed import Observed, observed_by_index
from retrieval.spatial.textures import mean_tensor, structure_tensors, texture_axes

if TYPE_CHECKING:
    from retrieval.index import TileIndex

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

THUMBNAIL_PX = 96
OTHERS = 300  # tiles that tell what the light does


@dataclass(frozen=True)
class Detected:
    """The hits of one search.

    Attributes
    ----------
    tiles
        Middles of the tiles found, (t, 2), lonlat in degrees.
    lonlat
        Of tiles that touch the middle of the one nearest to their common centre, (n, 2).
    azimuth_deg
        Direction in which the texture of that tile runs, (n,), 0..180 clockwise from north; NaN where it
        has none or was not measured.
    """

    tiles: Floats
    lonlat: Floats
    azimuth_deg: Floats


@dataclass(frozen=True)
class Detections:
    """What was found on a planet, by landform, and the ground on which it was looked for."""

    index: str
    observed: Observed
    found: Mapping[str, Detected]


def detect(
    index: TileIndex,
    encoder: Encoder,
    terms: Mapping[str, str],
    templates: Sequence[str],
    *,
    glossary: Mapping[str, str] | None = None,
    directed: Collection[str] = (),
    seed: int = 0,
) -> Detections:
    """Search an index for each landform by its term, with the threshold that comes without labels.

    Parameters
    ----------
    terms
        Landform -> the term that is searched for.
    templates
        Sentences with ``{}`` around it.
    glossary
        What a search is given to understand other words by: term -> its names and description.
    directed
        Landforms of which directions are measured in the thumbnails, with what the light does to other
        tiles taken out (`spatial.textures`).
    seed
        Chooses those other tiles.
    """
    lonlat = index.tiles.lonlat
    numbers = index.tiles.numbers
    rng = np.random.default_rng(seed)
    others = np.sort(rng.permutation(len(index))[:OTHERS])
    shading = mean_tensor(_tensors(index, others)) if directed else None
    found: dict[str, Detected] = {}
    for landform, term in terms.items():
        rows = np.sort(ask(index, encoder, term, templates, glossary).hits().rows)
        central = rows[_central(lonlat[rows], link_tiles(index.grid, numbers[rows]))]
        azimuth = np.full(len(central), np.nan)
        if shading is not None and landform in directed and len(central):
            axis, strength = texture_axes(_tensors(index, central), shading)
            azimuth = np.where(strength > 0, axis, np.nan)
        found[landform] = Detected(lonlat[rows], lonlat[central], azimuth)
    return Detections(index.manifest.name, observed_by_index(index), found)


def _central(lonlat: Floats, feature: Ints) -> Ints:
    """Of each feature the row nearest to the common centre of its rows, (features,)."""
    vectors = unit_vectors(lonlat)
    centre = np.stack([np.bincount(feature, vectors[:, axis]) for axis in range(3)], axis=-1)
    # Rounded, so that the first of equals counts on every machine.
    along = np.round((vectors * centre[feature]).sum(axis=1), 12)
    order = np.lexsort((-along, feature))
    return np.asarray(order[np.unique(feature[order], return_index=True)[1]], dtype=np.int64)


def _tensors(index: TileIndex, rows: Ints) -> Floats:
    """Structure tensors of thumbnails, (n, 3)."""
    pictures = (Image.open(io.BytesIO(index.thumbnail(row))).convert("L") for row in rows.tolist())
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return structure_tensors(np.stack([np.asarray(picture.resize(size)) for picture in pictures]))
