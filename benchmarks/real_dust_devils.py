"""Do dust devils choose their ground? CTX crops with and without them by elevation, albedo, thermal inertia.

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/real_dust_devils.py [--json FILE]

Compares the ground under crops labelled ``dust_devil`` with that under ``not_dust_devil``. Crops of one CTX
product are one piece of evidence; in the second reading all crops that hang together within 300 km are,
because products of one monitored site repeat each other. Positions are known to about one degree, so that
reading is repeated with positions moved that far. Which ground was photographed, and which crops without a
dust devil were chosen, is not random: a third reading keeps only crops that lie near some of the other kind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from retrieval.body import Body, get_body
from retrieval.catalogue import read_catalogue
from retrieval.corpus.context import ContextFile, ContextRaster, open_context, sample_at
from retrieval.spatial.compare import Difference, compare
from retrieval.spatial.nulls import clusters_of
from retrieval.spatial.sphere import SphereTree
from retrieval.spatial.verdicts import holm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MANIFEST = Path("ctx-dust-devils") / "manifest.csv"
RADIUS_KM = 15.0  # half of the coarsest pixel, and less than the error of the positions
SITE_KM = 300.0
# Their labels say nothing of where they begin; `landmarks` tells.
FROM_180, FROM_0 = (-180.0, -90.0, 180.0, 90.0), (0.0, -90.0, 360.0, 90.0)
LANDMARKS = {
    "Syrtis Major (dark, rocky)": (70.0, 10.0),
    "Acidalia (dark)": (-30.0, 45.0),
    "Arabia (bright, dusty)": (25.0, 20.0),
    "Tharsis (bright, dusty)": (-110.0, 5.0),
}


def main() -> None:
    """Check the maps, compare, move positions, print, write."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--moves", type=int, default=20, help="times that positions are moved by their error")
    parser.add_argument("--error-deg", type=float, default=1.0, help="standard deviation of that move")
    arguments = parser.parse_args()
    data, mars = real_data(), get_body("mars")
    with tempfile.TemporaryDirectory() as folder:
        rasters = maps(data, Path(folder), mars)
        result: dict[str, Any] = {"landmarks": landmarks(data, mars), "seed": arguments.seed}
        crops = read_catalogue(data / MANIFEST, mars)
        groups = {
            label: crops[crops["label"] == label].reset_index(drop=True)
            for label in ("dust_devil", "dust_devil_MY36", "not_dust_devil")
        }
        result["counts"] = {label: _counts(mars, table) for label, table in groups.items()}
        result["comparisons"] = [
            row
            for first in ("dust_devil", "dust_devil_MY36")
            for row in _compared(mars, rasters, groups[first], groups["not_dust_devil"], first, arguments)
        ]
    for reading in {row["reading"] for row in result["comparisons"]}:
        tests = [row for row in result["comparisons"] if row["reading"] == reading]
        for row, p in zip(tests, holm([row["p_value"] for row in tests]).tolist(), strict=True):
            row["p_holm"] = p
    _show(result)
    write_json(result, arguments.json)


def maps(data: Path, folder: Path, mars: Body) -> tuple[ContextRaster, ...]:
    """MOLA elevation, TES albedo and thermal inertia; the elevations are given a georeference in a folder."""
    albedo, inertia = (data / "mars-rasters" / name for name in ("albedo_2ppd.vicar", "ti_map2ppd_v4.vicar"))
    return open_context(
        mars,
        {
            "elevation": elevation_file(data, folder),
            "albedo": ContextFile(albedo, "", bounds=FROM_180),
            "thermal inertia": ContextFile(inertia, "J m-2 K-1 s-1/2", bounds=FROM_0),
        },
    )


def elevation_file(data: Path, folder: Path) -> ContextFile:
    """MOLA's 4 pixels per degree as a GeoTIFF: the file came without its label."""
    metres = np.fromfile(data / "mars-rasters" / "megt90n000cb.img", ">i2").reshape(720, 1440)
    path = folder / "mola.tif"
    transform = rasterio.Affine(0.25, 0, 0, 0, -0.25, 90)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=720,
        width=1440,
        count=1,
        dtype="int16",
        crs=get_body("mars").crs_code,
        transform=transform,
    ) as file:
        file.write(metres.astype("int16"), 1)
    return ContextFile(path, "m")


def landmarks(data: Path, mars: Body) -> list[dict[str, Any]]:
    """Albedo and thermal inertia of known places, with the maps taken to begin at -180 and at 0 degrees."""
    rows = []
    for name, file in (("albedo", "albedo_2ppd.vicar"), ("thermal inertia", "ti_map2ppd_v4.vicar")):
        for start, bounds in ((-180, FROM_180), (0, FROM_0)):
            (raster,) = open_context(
                mars, {name: ContextFile(data / "mars-rasters" / file, "", bounds=bounds)}
            )
            values = sample_at(raster, mars, list(LANDMARKS.values()), 60.0)
            rows.append(
                {"map": name, "first_column_deg": start, **dict(zip(LANDMARKS, values.tolist(), strict=True))}
            )
    return rows


def _counts(mars: Body, table: pd.DataFrame) -> dict[str, int]:
    lonlat = table[["lon", "lat"]].to_numpy(dtype=float)
    return {
        "crops": len(table),
        "products": int(table["ctx_product"].nunique()),
        "sites": int(clusters_of(mars, lonlat, SITE_KM).max(initial=-1)) + 1,
    }


def _compared(
    mars: Body,
    rasters: tuple[ContextRaster, ...],
    one: pd.DataFrame,
    other: pd.DataFrame,
    name: str,
    arguments: Any,
) -> list[dict[str, Any]]:
    """A row for each quantity and each reading of what is independent."""
    places = [table[["lon", "lat"]].to_numpy(dtype=float) for table in (one, other)]
    products = [pd.factorize(table["ctx_product"])[0] for table in (one, other)]
    sites = [clusters_of(mars, lonlat, SITE_KM) for lonlat in places]
    close = [
        SphereTree(mars, away).nearest(lonlat, SITE_KM)[1] >= 0
        for lonlat, away in zip(places, places[::-1], strict=True)
    ]
    quantities: Mapping[str, tuple[str, Any]] = {
        "latitude": ("deg", lambda lonlat: lonlat[:, 1]),
        **{
            raster.name: (
                raster.unit,
                lambda lonlat, raster=raster: sample_at(raster, mars, lonlat, RADIUS_KM),
            )
            for raster in rasters
        },
    }
    rows = []
    everything = [np.ones(len(lonlat), dtype=bool) for lonlat in places]
    for quantity, (unit, at) in quantities.items():
        values = [at(lonlat) for lonlat in places]
        about = {"of": name, "quantity": quantity, "unit": unit}
        for reading, clusters, kept in (
            ("products", products, everything),
            ("sites", sites, everything),
            ("sites, near the other kind", sites, close),
        ):
            one_by_one = [value[keep] for value, keep in zip(values, kept, strict=True)]
            labels = [label[keep] for label, keep in zip(clusters, kept, strict=True)]
            found = compare(*one_by_one, *labels, seed=arguments.seed)
            row = {**about, "reading": reading, **as_row(found)}
            if reading == "sites":
                row |= _moved(mars, places, clusters, at, arguments)
            rows.append(row)
        means = [_means(value, label) for value, label in zip(values, sites, strict=True)]
        found = compare(*means, *map(np.arange, map(len, means)), seed=arguments.seed)
        rows.append({**about, "reading": "one mean a site", **as_row(found)})
    return rows


def _means(values: Floats, labels: Ints) -> Floats:
    known = np.isfinite(values)
    total, count = np.bincount(labels[known], values[known]), np.bincount(labels[known])
    return np.asarray(total[count > 0] / count[count > 0])


def _moved(mars: Body, places: list[Floats], clusters: list[Ints], at: Any, arguments: Any) -> dict[str, Any]:
    """The same comparison with positions moved by their error."""
    rng = np.random.default_rng(arguments.seed)
    error_km = np.radians(arguments.error_deg) * mars.radius_km
    found = []
    for _ in range(arguments.moves):
        values = []
        for lonlat, label in zip(places, clusters, strict=True):
            # Errors of one site are not independent, so that all of it moves alike: the worst case.
            east, north = rng.normal(0.0, error_km / np.sqrt(2.0), (2, int(label.max()) + 1))
            values.append(at(mars.offsets_to_lonlat(lonlat, east[label], north[label])))
        found.append(compare(*values, *clusters, resamples=199, seed=arguments.seed))
    return {
        "moved_difference_low": min(one.difference for one in found),
        "moved_difference_high": max(one.difference for one in found),
        "moved_superiority_low": min(one.superiority for one in found),
        "moved_superiority_high": max(one.superiority for one in found),
        "moved_p_median": float(np.median([one.p_value for one in found])),
        "moved_p_below_5_percent": sum(one.p_value <= 0.05 for one in found),
        "moves": len(found),
    }


def as_row(found: Difference) -> dict[str, Any]:
    """A difference as plain JSON values."""
    return {
        key: None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in vars(found).items()
    }


def _show(result: dict[str, Any]) -> None:
    console = Console(width=260)
    table = Table(title="Where do the maps begin? mean within 60 km")
    for heading in ("map", "first column", *LANDMARKS):
        table.add_column(heading, justify="right")
    for row in result["landmarks"]:
        table.add_row(row["map"], f"{row['first_column_deg']} E", *(f"{row[name]:.3g}" for name in LANDMARKS))
    console.print(table)
    for label, counts in result["counts"].items():
        console.print(
            f"{label}: {counts['crops']} crops, {counts['products']} products, {counts['sites']} sites"
        )
    table = Table(title="Against crops without a dust devil; units: degrees, m, none, J m-2 K-1 s-1/2")
    for heading in ("of", "quantity", "evidence", "n (clusters)", "medians", "difference (95 %)"):
        table.add_column(heading, no_wrap=True)
    for heading in ("higher, % (95 %)", "p (Holm)", "verdict", "moved: difference"):
        table.add_column(heading, no_wrap=True)
    for row in result["comparisons"]:
        table.add_row(*_cells(row))
    console.print(table)


def _cells(row: dict[str, Any]) -> list[str]:
    def said(*keys: str, scale: float = 1.0) -> list[str]:
        return ["-" if row[key] is None else f"{scale * row[key]:.3g}" for key in keys]

    medians, ends = said("median_a", "median_b"), said("difference", "low", "high")
    chance = said("superiority", "superiority_low", "superiority_high", scale=100.0)
    p = said("p_value")[0] + (f" ({row['p_holm']:.2g})" if row.get("p_holm") is not None else "")
    moved = ""
    if "moves" in row:
        moved = (
            f"{row['moved_difference_low']:.3g} to {row['moved_difference_high']:.3g}, p <= 0.05 in "
            f"{row['moved_p_below_5_percent']} of {row['moves']}"
        )
    return [
        row["of"],
        row["quantity"],
        row["reading"],
        f"{row['n_a']} ({row['clusters_a']}) : {row['n_b']} ({row['clusters_b']})",
        " : ".join(medians),
        f"{ends[0]} ({ends[1]} to {ends[2]})",
        f"{chance[0]} ({chance[1]} to {chance[2]})",
        p,
        row["verdict"],
        moved,
    ]


if __name__ == "__main__":
    main()
