"""How alike made vectors are to those of the real index they were fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from _planet_vectors import Floats, PlanetVectors
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from retrieval.grid import Grid
from retrieval.index import TileIndex
from retrieval.spatial.features import link_tiles

LAGS = (1, 2, 3, 4, 8, 16)
_RARE = 0.02  # share of tiles that count as hits where features are compared
_NEIGHBOURS_OF = 2_000


def compare(index: TileIndex, planet: PlanetVectors, queries: Floats, seed: int) -> dict[str, Any]:
    """Figures and curves of both.

    Parameters
    ----------
    index
        The real index.
    planet
        Made vectors; all are drawn and held, so the grid must be small.
    queries
        Texts as the real index is asked for them, (q, d_real).
    """
    real = index.vectors(np.arange(len(index)))
    made = np.concatenate(list(planet.blocks()))
    turn = planet.model.turn
    scores = (real @ queries.T, made @ (queries @ turn.T).T)
    distances = [float(ks_2samp(a, b).statistic) for a, b in zip(scores[0].T, scores[1].T, strict=True)]
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(made))
    few = min(len(real), len(made))
    tiles = (index.tiles.numbers, np.arange(len(planet.grid)))
    grids = (index.grid, planet.grid)
    sides: dict[str, dict[str, Any]] = {}
    for side, name in enumerate(("real", "made")):
        vectors = (real, made)[side]
        # Nearest among as many made ones as there are real ones: it falls with their number.
        sample = real[rng.permutation(len(real))[:few]] if side == 0 else made[some[:few]]
        sides[name] = {
            "tiles": len(vectors),
            "nearest": _nearest(sample),
            "spectrum": _spectrum(vectors if side == 0 else made[some[: 4 * len(real)]]),
            "lag_correlation": dict(zip(LAGS, _lags(vectors, grids[side], tiles[side]), strict=True)),
            "features_per_hit": _features(scores[side], grids[side], tiles[side]),
            "scores": scores[side],
        }
    return {
        "ks_median": float(np.median(distances)),
        "ks_largest": float(np.max(distances)),
        "ks": distances,
        "ks_nearest": float(ks_2samp(sides["real"]["nearest"], sides["made"]["nearest"]).statistic),
        **sides,
    }


def figures_of(comparison: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a comparison, without its curves; plain JSON values."""
    figures = {name: value for name, value in comparison.items() if name.startswith("ks")}
    for side in ("real", "made"):
        one = comparison[side]
        figures[side] = {
            "tiles": one["tiles"],
            "nearest_cosine_10_50_90": [
                round(float(q), 4) for q in np.quantile(one["nearest"], (0.1, 0.5, 0.9))
            ],
            "effective_dimension": round(float(one["spectrum"].sum() ** 2 / (one["spectrum"] ** 2).sum()), 1),
            "lag_correlation": {str(lag): round(value, 3) for lag, value in one["lag_correlation"].items()},
            "features_per_hit": round(one["features_per_hit"], 3),
        }
    return figures


def draw(comparison: dict[str, Any], texts: list[str], path: Path) -> None:
    """Histograms of cosines, nearest neighbours, spectrum and smoothness, real beside made."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, 4, figsize=(14, 9), layout="constrained")
    panels = axes.ravel()
    bins = np.linspace(-0.5, 0.9, 90)
    worst = np.argsort(comparison["ks"])[::-1]
    chosen = [*worst[:3].tolist(), *np.linspace(3, len(texts) - 1, 6).astype(int).tolist()]
    sides = (("real", "tab:blue"), ("made", "tab:orange"))
    for panel, at in zip(panels, chosen, strict=False):
        number = at if at in worst[:3] else int(worst[at])
        for side, colour in sides:
            panel.hist(
                comparison[side]["scores"][:, number],
                bins,
                density=True,
                histtype="step",
                color=colour,
                label=side,
            )
        panel.set(title=f"{texts[number]}: KS {comparison['ks'][number]:.3f}", yscale="log", ylim=(3e-3, 20))
    for side, colour in sides:
        one = comparison[side]
        panels[9].hist(one["nearest"], 60, density=True, histtype="step", color=colour)
        panels[10].semilogy(np.maximum(one["spectrum"], 1e-12), color=colour)
        panels[11].plot(LAGS, list(one["lag_correlation"].values()), "o-", color=colour)
    panels[9].set(title="cosine with the nearest of as many tiles")
    panels[10].set(title="variance along principal axes")
    panels[11].set(title="correlation of tiles some columns apart", ylim=(0, None))
    panels[0].legend()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _nearest(vectors: Floats) -> Floats:
    some = min(_NEIGHBOURS_OF, len(vectors))
    cosines = vectors[:some] @ vectors.T
    cosines[np.arange(some), np.arange(some)] = -1.0
    return np.asarray(cosines.max(axis=1))


def _spectrum(vectors: Floats) -> NDArray[np.float64]:
    centred = vectors - vectors.mean(axis=0)
    return np.asarray(np.linalg.svd(centred, compute_uv=False).astype(np.float64) ** 2 / len(vectors))


def _lags(vectors: Floats, grid: Grid, tiles: NDArray[np.int64]) -> list[float]:
    centred = vectors - vectors.mean(axis=0)
    power = float((centred**2).sum(axis=1).mean())
    rows, cols = grid.rows_cols(tiles)
    found = []
    for lag in LAGS:
        other = grid.first[rows] + (cols + lag) % grid.columns[rows]
        at = np.minimum(np.searchsorted(tiles, other), len(tiles) - 1)
        there = np.flatnonzero(tiles[at] == other)
        found.append(float(np.einsum("ij,ij->i", centred[there], centred[at[there]]).mean()) / power)
    return found


def _features(scores: Floats, grid: Grid, tiles: NDArray[np.int64]) -> float:
    """Features for each hit among the best few of every hundred tiles; 1 if no two hits touch."""
    shares = []
    for values in scores.T:
        hits = np.flatnonzero(values >= np.quantile(values, 1.0 - _RARE))
        shares.append((int(link_tiles(grid, tiles[hits]).max()) + 1) / len(hits))
    return float(np.mean(shares))
