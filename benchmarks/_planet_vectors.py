"""Made vectors of a whole planet that behave like those of a real index, drawn block by block.

A real index is the pattern. Its vectors are cut into clusters (k-means); each cluster has a centre, a
covariance of low rank, and a share of a residual covariance common to all. A made tile has a *source*, a
tile of the real index: it takes the centre of the source's cluster, a share of the source's own deviation
from it, and draws the rest anew from the cluster's covariance, so that no two tiles are equal and the
covariance stays that of the real index. Sources are copied in patches of neighbouring tiles from about the
same latitude: neighbours then resemble each other as real neighbours do, and polar landforms stay polar.
With a *grain* of g a source stands for g x g neighbours, as where tiles are smaller than landforms.

A longer vector than the real one is made by continuing the spectrum, whose logarithm falls along a line,
into new dimensions, and turning everything by a fixed orthonormal matrix. Texts are turned by the
same matrix: their cosines with the real tiles do not change.

Every patch and every grid row has a seed of its own: what is drawn does not depend on which rows are asked
for, nor on how many at once, up to rounding in the matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import faiss
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from retrieval.encoder_manifest import Encoder, EncoderManifest
    from retrieval.grid import Grid
    from retrieval.index import TileIndex

Floats = NDArray[np.float32]

CLUSTERS = 128
RANK = 32  # of a cluster's own covariance; what is left of it is drawn from the residual's
KEPT = 0.5  # share of a source's deviation (as variance) that a made tile takes over
PATCH_ROWS, PATCH_COLS = 16, 32
LATITUDE_JITTER = 2  # rows of the real grid
_AT_ONCE = 16_384  # tiles drawn in one piece: 32 MB at 512 dimensions, twice that while it is drawn


@dataclass(frozen=True)
class VectorModel:
    """What is drawn from, in the dimensions of the made vectors.

    Attributes
    ----------
    centres, weights
        Of each cluster, (k, d); share of real tiles, (k,).
    factors
        Square roots of the clusters' covariances, (k, r, d).
    residual, residual_scale
        Square root of the common residual's covariance, (d, d); its factor in each cluster, (k,).
    deviations, labels
        Each real tile's difference from its centre, (n, d); its cluster, (n,).
    turn
        Orthonormal columns that take the real dimensions to the made ones, (d, d_real).
    source_first, source_rows
        Real tile of each tile of the real grid: the start of each of its rows, and the tiles row by row.
    """

    centres: Floats
    weights: NDArray[np.float64]
    factors: Floats
    residual: Floats
    residual_scale: Floats
    deviations: Floats
    labels: NDArray[np.int64]
    turn: Floats
    source_first: NDArray[np.int64]
    source_rows: NDArray[np.int64]

    @property
    def dimension(self) -> int:
        """Length of a made vector."""
        return int(self.centres.shape[1])


def fit_vectors(
    index: TileIndex,
    dimension: int,
    *,
    seed: int = 0,
    clusters: int = CLUSTERS,
    rank: int = RANK,
    turned: bool = True,
) -> VectorModel:
    """Fit a model to the vectors of an index and where they lie.

    Parameters
    ----------
    turned
        Whether the made vectors are turned; those that are not have the real ones' length and axes.

    Raises
    ------
    ValueError
        If the made vectors were shorter than the real ones, or longer and not turned.
    """
    real = index.vectors(np.arange(len(index)))
    count, own = real.shape
    if dimension < own:
        raise ValueError(f"{dimension} dimensions are fewer than the {own} of {index.folder}")
    if dimension > own and not turned:
        raise ValueError(f"{dimension} dimensions have other axes than the {own} of {index.folder}")
    labels = _clusters(real, clusters, seed)
    centres = np.stack([real[labels == c].mean(axis=0) for c in range(clusters)])
    deviations = (real - centres[labels]).astype(np.float64)
    factors = np.zeros((clusters, rank, own))
    left = deviations.copy()
    for c in range(clusters):
        members = np.flatnonzero(labels == c)
        # A third of the members at most: the smallest directions of a small sample are chance.
        kept = min(rank, len(members) // 3)
        _, sizes, axes = np.linalg.svd(deviations[members], full_matrices=False)
        factors[c, :kept] = axes[:kept] * sizes[:kept, None] / np.sqrt(len(members))
        left[members] -= deviations[members] @ axes[:kept].T @ axes[:kept]
    power = np.array([(left[labels == c] ** 2).sum(axis=1).mean() for c in range(clusters)])
    overall = (left**2).sum(axis=1).mean()
    turn = _orthonormal(dimension, seed) if turned else np.eye(dimension)
    values, axes = np.linalg.eigh(left.T @ left / count)
    spread = np.maximum(values[::-1], 1e-14)
    if dimension > own:
        whole = np.linalg.eigvalsh(np.cov(real.T.astype(np.float64)))[::-1]
        # Nothing of a source is kept in the new dimensions: what is drawn there is all there is.
        more = continued(np.maximum(whole, 1e-14), dimension)[own:] / (1.0 - KEPT)
        spread = np.concatenate([spread, more])
    basis = np.eye(dimension)
    basis[:own, :own] = axes[:, ::-1].T
    first, rows = _real_grid(index)
    return VectorModel(
        centres=_f32(centres @ turn[:, :own].T),
        weights=np.bincount(labels, minlength=clusters) / count,
        factors=_f32(factors @ turn[:, :own].T),
        residual=_f32((np.sqrt(spread)[:, None] * basis) @ turn.T),
        residual_scale=_f32(np.sqrt(power / overall)),
        deviations=_f32(deviations @ turn[:, :own].T),
        labels=labels,
        turn=_f32(turn[:, :own]),
        source_first=first,
        source_rows=rows,
    )


def continued(spectrum: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """A falling spectrum carried on to ``length`` values along the line of its logarithm's last half.

    The last eighth is left out of the fit: there rounding of the stored vectors sets a floor.
    """
    count = len(spectrum)
    if length <= count:
        return spectrum[:length]
    fitted = np.arange(count // 2, count - count // 8)
    slope, start = np.polyfit(fitted, np.log(spectrum[fitted]), 1)
    more = np.arange(count, length)
    line = np.exp(start + min(slope, 0.0) * more)
    return np.concatenate([spectrum, np.minimum(line, spectrum[-1])])


class PlanetVectors:
    """The made vectors of all tiles of a grid, drawn when asked for; nothing of them is kept."""

    def __init__(
        self, model: VectorModel, grid: Grid, *, seed: int = 0, kept: float = KEPT, grain: int = 1
    ) -> None:
        self.model, self.grid, self.seed, self.kept, self.grain = model, grid, seed, kept, grain

    @cached_property
    def _patch_rows(self) -> int:
        return -(-self.grid.rows // PATCH_ROWS)

    def sources(self, row: int) -> NDArray[np.int64]:
        """Real tile behind each tile of a grid row, (columns,)."""
        model, columns = self.model, int(self.grid.columns[row])
        real_rows = len(model.source_first) - 1
        band, inside = divmod(row, PATCH_ROWS)
        middle = min((band + 0.5) * PATCH_ROWS / self.grid.rows, 1.0) * real_rows
        col = np.arange(columns)
        patch, across = np.divmod(col, PATCH_COLS)
        rng = _rng(self.seed, 1, band)
        # Drawn for the whole band at once, as many as its longest row needs: the same for each of its rows.
        many = int(self.grid.columns[band * PATCH_ROWS : (band + 1) * PATCH_ROWS].max()) // PATCH_COLS + 1
        jitter = rng.integers(-LATITUDE_JITTER, LATITUDE_JITTER + 1, many)
        place = rng.random(many)
        source = np.floor(middle).astype(np.int64) + jitter[patch] + (inside - PATCH_ROWS // 2) // self.grain
        source = _reflected(source, real_rows)
        first, length = model.source_first[source], np.diff(model.source_first)[source]
        at = (np.floor(place[patch] * length).astype(np.int64) + across // self.grain) % length
        return np.asarray(model.source_rows[first + at])

    def rows(self, row: int, end: int) -> Floats:
        """Unit vectors of the tiles of grid rows ``row`` to ``end`` - 1, (tiles, d)."""
        model = self.model
        source = np.concatenate([self.sources(r) for r in range(row, end)])
        labels = model.labels[source]
        dimension, rank = model.dimension, model.factors.shape[1]
        noise = np.empty((len(source), dimension), dtype=np.float32)
        own = np.empty((len(source), rank), dtype=np.float32)
        at = 0
        for r in range(row, end):
            rng, stop = _rng(self.seed, 2, r), at + int(self.grid.columns[r])
            rng.standard_normal(dtype=np.float32, out=own[at:stop])
            rng.standard_normal(dtype=np.float32, out=noise[at:stop])
            at = stop
        out = noise @ model.residual
        out *= model.residual_scale[labels][:, None]
        order = np.argsort(labels, kind="stable")
        edges = np.flatnonzero(np.diff(labels[order], prepend=-1)).tolist()
        for start, stop in zip(edges, [*edges[1:], len(order)], strict=True):
            members = order[start:stop]
            out[members] += own[members] @ model.factors[labels[members[0]]]
        out *= np.float32(np.sqrt(1.0 - self.kept))
        np.multiply(model.deviations[source], np.float32(np.sqrt(self.kept)), out=noise)
        noise += model.centres[labels]
        out += noise
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return out

    def blocks(self, start: int = 0, end: int | None = None, *, threads: int = 2) -> Iterator[Floats]:
        """Vectors of the tiles in ascending order, some thousands at a time; from grid row ``start`` on."""
        last = self.grid.rows if end is None else end
        pieces = list(self._pieces(start, last))
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
            waiting = [pool.submit(self.rows, *piece) for piece in pieces[: threads + 1]]
            for number in range(len(pieces)):
                if number + threads + 1 < len(pieces):
                    waiting.append(pool.submit(self.rows, *pieces[number + threads + 1]))
                yield waiting.pop(0).result()

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        first = self.grid.first
        while start < end:
            stop = int(np.searchsorted(first, first[start] + _AT_ONCE, side="right")) - 1
            stop = min(max(stop, start + 1), end)
            yield start, stop
            start = stop


class LiftedEncoder:
    """An encoder whose texts are turned into the dimensions of made vectors; it sees no pictures."""

    def __init__(self, encoder: Encoder, turn: Floats) -> None:
        self._encoder, self._turn = encoder, turn

    @property
    def manifest(self) -> EncoderManifest:
        """The encoder's own, with another dimension and fingerprint."""
        own, dimension = self._encoder.manifest, len(self._turn)
        name = f"{own.name} lifted to {dimension}"
        return replace(
            own, name=name, dimension=dimension, fingerprint=f"{own.fingerprint[:48]}-lift-{dimension}"
        )

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors, (n, d)."""
        # Not by the BLAS: its second thread would spin for 20 ms and take a core from the search that
        # follows, which no real encoder does to it.
        return np.asarray(np.einsum("nk,dk->nd", self._encoder.encode_texts(texts), self._turn))

    def encode_images(self, pixels: NDArray[np.uint8]) -> Floats:
        """Unit vectors of pictures: those of the encoder, turned."""
        return self._encoder.encode_images(pixels) @ self._turn.T


def _clusters(vectors: Floats, count: int, seed: int) -> NDArray[np.int64]:
    """Cluster of each vector by k-means, (n,)."""
    means = faiss.Kmeans(vectors.shape[1], count, niter=30, seed=seed, min_points_per_centroid=1)
    with threadpool_limits(1):  # the same sums in the same order on every machine
        means.train(vectors)
        return np.asarray(means.index.search(vectors, 1)[1][:, 0], dtype=np.int64)


def _real_grid(index: TileIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts of the rows of the real grid; each tile's row in the index, the nearest's where it has none."""
    grid, tiles = index.grid, index.tiles.numbers
    everywhere = np.arange(len(grid))
    after = np.minimum(np.searchsorted(tiles, everywhere), len(tiles) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(tiles[before] - everywhere) < np.abs(tiles[after] - everywhere)
    return grid.first, np.where(nearer, before, after)


def _reflected(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Row numbers thrown back at both poles."""
    back = np.where(rows < 0, -1 - rows, rows)
    return np.clip(np.where(back >= count, 2 * count - 1 - back, back), 0, count - 1)


def _orthonormal(dimension: int, seed: int) -> NDArray[np.float64]:
    q, r = np.linalg.qr(np.random.default_rng([seed, 0]).standard_normal((dimension, dimension)))
    return np.asarray(q * np.sign(np.diag(r)))


def _rng(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(list(key))))


def _f32(values: NDArray[np.float64]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)
