"""Where do spiders (araneiforms) lie? Planet Four: Terrains' votes by latitude and elevation.

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/real_spiders.py [--json FILE]

Volunteers looked at pieces of CTX images of the south polar region (800 by 600 pixels, about 4.8 by 3.6 km),
and their votes gave each a score for spiders. All pieces are the ground looked at; those above a threshold
have spiders. Counts per class are divided by the pieces looked at and by the area that they cover.

The null model deals the shares of hits anew among the images (``labels``), because an image, not a piece, is
a piece of evidence, and again among groups of images within 100 km of each other; dealing single pieces
shows what forgetting that would claim. Turning the pattern on the sphere (``rotation``) is shown for
comparison: nothing of it falls on ground that was looked at.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from real_dust_devils import as_row, elevation_file
from rich.console import Console
from rich.table import Table
from scipy.stats import beta, spearmanr

from retrieval.body import Body, get_body
from retrieval.catalogue import read_catalogue
from retrieval.corpus.context import open_context, sample_at
from retrieval.spatial.compare import against_observed
from retrieval.spatial.density import density_by
from retrieval.spatial.nulls import clusters_of, make_shifts
from retrieval.spatial.observed import Observed, observed_points
from retrieval.spatial.sphere import SphereTree
from retrieval.spatial.verdicts import holm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TABLE = Path("mars-vectors") / "p4terrains_spider_swiss_scores.csv"
CELL_KM = 5.0  # about the side of a piece
GROUP_KM = 100.0
RADIUS_KM = 7.5  # half a pixel of the elevations
MAIN = 0.75
THRESHOLDS = (0.5, 0.65, 0.75, 0.85)
EDGES = {
    "latitude": np.array([-90.0, -87.0, -84.0, -82.0, -80.0, -78.0, -76.0, -73.0]),
    "elevation": np.array([0.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 5000.0]),
}


def main() -> None:
    """Read, count, test, print, write."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--shifts", type=int, default=1999)
    arguments = parser.parse_args()
    data, mars = real_data(), get_body("mars")
    pieces = read_catalogue(data / TABLE, mars)
    lonlat = pieces[["lon", "lat"]].to_numpy(dtype=float)
    observed = observed_points(mars, lonlat, CELL_KM)
    image = pd.factorize(pieces["Parent CTX_image"])[0].astype(np.int64)
    blocks = {"images": image, "groups of images": _groups(mars, lonlat, image)}
    blocks["pieces"] = np.arange(len(pieces))  # as if all were independent, for comparison only
    score = pieces["spider score"].to_numpy(dtype=float)
    with tempfile.TemporaryDirectory() as folder:
        (mola,) = open_context(mars, {"elevation": elevation_file(data, Path(folder))})
        elevation = sample_at(mola, mars, lonlat, RADIUS_KM)
        cells = observed.grid.centres(observed.cells)
        at_cells = {"latitude": cells[:, 1], "elevation": sample_at(mola, mars, cells, RADIUS_KM)}
    values = {"latitude": lonlat[:, 1], "elevation": elevation}
    values["elevation at its latitude"] = _residual(elevation, lonlat[:, 1])
    result: dict[str, Any] = {
        "pieces": len(pieces),
        "images": int(image.max()) + 1,
        "groups": int(blocks["groups of images"].max()) + 1,
        "observed_km2": observed.area_km2,
        "elevation_unknown": int(np.isnan(elevation).sum()),
        "latitude_and_elevation_rank_correlation": float(
            spearmanr(lonlat[:, 1], elevation, nan_policy="omit").statistic
        ),
        "seed": arguments.seed,
        "shifts": arguments.shifts,
    }
    result["classes"] = {
        name: classes(values[name], at_cells[name], score > MAIN, image, observed, edges)
        for name, edges in EDGES.items()
    }
    result["tests"] = [
        test(mars, lonlat, values[name], score > threshold, observed, unit, arguments)
        | {"quantity": name, "threshold": threshold, "blocks": of}
        for name in values
        for threshold in THRESHOLDS
        for of, unit in blocks.items()
        if of != "pieces" or threshold == MAIN
    ]
    chosen = [row for row in result["tests"] if (row["threshold"], row["blocks"]) == (MAIN, "images")]
    for row, p in zip(chosen, holm([row["p_value"] for row in chosen]).tolist(), strict=True):
        row["p_holm"] = p
    hits = lonlat[score > MAIN]
    rng = np.random.default_rng(arguments.seed)
    rotated = make_shifts("rotation", mars, hits, observed, 199, rng, link_km=GROUP_KM)
    spun = make_shifts("spin", mars, hits, observed, 199, rng, link_km=GROUP_KM)
    result["rotation_retained"], result["spin_retained"] = rotated.retained, spun.retained
    _show(result)
    write_json(result, arguments.json)


def classes(
    values: Floats,
    cell_values: Floats,
    hit: NDArray[np.bool_],
    image: Ints,
    observed: Observed,
    edges: Floats,
) -> list[dict[str, Any]]:
    """Per class the pieces looked at, those with spiders, their share, and the density over the area."""
    found = density_by(values[hit], image[hit], edges, cell_values, observed)
    rows = []
    for row, (low, high) in enumerate(pairwise(edges.tolist())):
        inside = (values >= low) & (values < high)
        images, with_hits = np.unique(image[inside]), np.unique(image[inside & hit])
        looked, hits = int(inside.sum()), int((inside & hit).sum())
        share_low, share_high = _share_interval(inside, hit, image)
        rows.append(
            {
                "low": low,
                "high": high,
                "pieces": looked,
                "images": len(images),
                "spiders": hits,
                "images_with_spiders": len(with_hits),
                "percent": 100.0 * hits / looked if looked else None,
                "percent_low": share_low,
                "percent_high": share_high,
                "observed_km2": float(found.observed_km2[row]),
                "per_1000_km2": _thousandth(found.per_million_km2[row]),
                "per_1000_km2_low": _thousandth(found.low[row]),
                "per_1000_km2_high": _thousandth(found.high[row]),
            }
        )
    return rows


def test(
    mars: Body,
    lonlat: Floats,
    values: Floats,
    hit: NDArray[np.bool_],
    observed: Observed,
    blocks: Ints,
    arguments: Any,
) -> dict[str, Any]:
    """Pieces with spiders against all pieces, their shares dealt anew among blocks."""
    rng = np.random.default_rng(arguments.seed)
    dealt = make_shifts("labels", mars, lonlat[hit], observed, arguments.shifts, rng, blocks=blocks)
    found = against_observed(values[hit], _lookup(mars, lonlat, values), observed, dealt, seed=arguments.seed)
    return {"spiders": int(hit.sum()), "blocks_with_spiders": len(np.unique(blocks[hit])), **as_row(found)}


def _lookup(mars: Body, lonlat: Floats, values: Floats) -> Callable[[Floats], Floats]:
    """The value of the piece at a position: positions asked for are those of pieces."""
    tree = SphereTree(mars, lonlat)

    def at(where: Floats) -> Floats:
        rows = tree.nearest(where.reshape(-1, 2))[1]
        return np.asarray(values[rows].reshape(where.shape[:-1]))

    return at


def _groups(mars: Body, lonlat: Floats, image: Ints) -> Ints:
    """Group of each piece: images whose middles lie within `GROUP_KM` of each other are one."""
    vectors = pd.DataFrame(mars.lonlat_to_offsets([0.0, -90.0], lonlat)).T.groupby(image).median()
    middles = mars.offsets_to_lonlat([0.0, -90.0], vectors[0].to_numpy(), vectors[1].to_numpy())
    return np.asarray(clusters_of(mars, middles, GROUP_KM)[image])


def _residual(values: Floats, by: Floats) -> Floats:
    """What a straight line over all pieces leaves of a value."""
    known = np.isfinite(values)
    slope, start = np.polyfit(by[known], values[known], 1)
    return np.asarray(values - (slope * by + start))


def _share_interval(
    inside: NDArray[np.bool_], hit: NDArray[np.bool_], image: Ints
) -> tuple[float | None, float | None]:
    """Interval of 95 % of a share of pieces, per cent, images being what is independent.

    Clopper and Pearson's with the number of pieces divided by the design effect between images.
    """
    if not inside.any():
        return None, None
    looked = np.bincount(image[inside]).astype(float)
    hits = np.bincount(image[inside & hit], minlength=len(looked)).astype(float)
    hits, looked = hits[looked > 0], looked[looked > 0]
    n, k, m = looked.sum(), hits.sum(), len(looked)
    share = k / n
    effect = 1.0
    if 0 < k < n and m > 1:
        variance = m / (m - 1) * ((hits - share * looked) ** 2).sum() / n**2
        effect = max(1.0, variance / (share * (1 - share) / n))
    elif m:  # no hit at all says as much as there are images
        effect = n / m
    n, k = n / effect, k / effect
    low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
    return 100.0 * low, 100.0 * high


def _thousandth(per_million: float) -> float | None:
    return float(per_million) / 1000.0 if np.isfinite(per_million) else None


def _show(result: dict[str, Any]) -> None:
    console = Console(width=220)
    console.print(
        f"{result['pieces']} pieces of {result['images']} images in {result['groups']} groups, "
        f"{result['observed_km2']:,.0f} km2; latitude and elevation of the pieces: rank correlation "
        f"{result['latitude_and_elevation_rank_correlation']:.2f}"
    )
    console.print(
        f"of the hits, the null 'rotation' leaves {100 * result['rotation_retained']:.1f} % on ground looked "
        f"at, 'spin' {100 * result['spin_retained']:.1f} %"
    )
    for name, rows in result["classes"].items():
        table = Table(title=f"by {name}, score above {MAIN:g}")
        for heading in (
            "class",
            "pieces (images)",
            "spiders (images)",
            "% of pieces (95 %)",
            "per 1000 km2 (95 %)",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(
                f"{row['low']:g} to {row['high']:g}",
                f"{row['pieces']} ({row['images']})",
                f"{row['spiders']} ({row['images_with_spiders']})",
                _range(row, "percent"),
                _range(row, "per_1000_km2"),
            )
        console.print(table)
    table = Table(title="pieces with spiders against all pieces looked at, null 'labels'")
    for heading in (
        "quantity",
        "score >",
        "dealt among",
        "n (blocks; worth)",
        "median : all",
        "difference (95 %)",
    ):
        table.add_column(heading, no_wrap=True)
    for heading in ("higher, % (95 %)", "p (Holm)", "verdict"):
        table.add_column(heading, no_wrap=True)
    for row in result["tests"]:
        table.add_row(*_cells(row))
    console.print(table)


def _range(row: dict[str, Any], key: str) -> str:
    if row[key] is None:
        return "-"
    return f"{row[key]:.2f} ({row[key + '_low']:.2f} to {row[key + '_high']:.2f})"


def _cells(row: dict[str, Any]) -> list[str]:
    def said(*keys: str, scale: float = 1.0) -> list[str]:
        return ["-" if row[key] is None else f"{scale * row[key]:.3g}" for key in keys]

    ends, medians = said("difference", "low", "high"), said("median_a", "median_b")
    chance = said("superiority", "superiority_low", "superiority_high", scale=100.0)
    return [
        row["quantity"],
        f"{row['threshold']:g}",
        row["blocks"],
        f"{row['spiders']} ({row['blocks_with_spiders']}; {row['clusters_a']})",
        " : ".join(medians),
        f"{ends[0]} ({ends[1]} to {ends[2]})",
        f"{chance[0]} ({chance[1]} to {chance[2]})",
        said("p_value")[0] + (f" ({row['p_holm']:.2g})" if "p_holm" in row else ""),
        row["verdict"],
    ]


if __name__ == "__main__":
    main()
