"""How long a large catalogue takes to become a layer, and how much memory that needs.

    python benchmarks/catalogue_size.py [--rows 10000 100000 1000000 2000000] [--index lowell] [--json FILE]

Rows lie evenly on an index's planet, with an id, a name, a diameter and a depth. Each file is read in a
process of its own, as the chat reads it: the tool `load_catalogue`, then what the map is sent of the layer.
Memory is the most that the process ever held (resident), beside it what it held before it began, and what
the process held that reads large files. The
stall is the longest that another thread of the same process, which wants to do something every ten
milliseconds, had to wait meanwhile: what other people at the same chat would feel. Refusals count as results:
their words are printed.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json

SUFFIXES = (".csv", ".geojson", ".gpkg")


def write(path: Path, count: int, seed: int) -> None:
    """A catalogue of points spread evenly over the planet; GeoPackage in a CRS of Mars' sphere."""
    rng = np.random.default_rng(seed)
    lon = np.round(rng.uniform(0, 360, count), 5)
    lat = np.round(np.degrees(np.arcsin(rng.uniform(-1, 1, count))), 5)
    diameter, depth = np.round(rng.gamma(2, 2, count), 3), np.round(rng.uniform(0, 2000, count), 1)
    with path.open("w", encoding="utf-8") as out:
        if path.suffix == ".csv":
            out.write("crater_id,name,lon,lat,diameter_km,depth_m\n")
            for i in range(count):
                out.write(f"c{i:07d},Crater {i},{lon[i]},{lat[i]},{diameter[i]},{depth[i]}\n")
        elif path.suffix == ".geojson":
            out.write('{"type":"FeatureCollection","features":[\n')
            for i in range(count):
                row = {"crater_id": f"c{i:07d}", "name": f"Crater {i}"}
                row |= {"diameter_km": diameter[i], "depth_m": depth[i]}
                place = {"type": "Point", "coordinates": [lon[i], lat[i]]}
                one = {"type": "Feature", "properties": row, "geometry": place}
                out.write(json.dumps(one) + (",\n" if i < count - 1 else "\n]}"))
    if path.suffix == ".gpkg":
        import geopandas as gpd

        path.unlink()
        table = {
            "crater_id": [f"c{i:07d}" for i in range(count)],
            "name": [f"Crater {i}" for i in range(count)],
            "diameter_km": diameter,
            "depth_m": depth,
        }
        gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(lon, lat)).to_file(path, driver="GPKG")


class Ticker(threading.Thread):
    """Wakes every ten milliseconds and remembers how late it ever was, in ``worst_s``."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.worst_s = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        """Until ``over`` is set."""
        before = time.perf_counter()
        while not self.over.wait(0.01):
            now = time.perf_counter()
            self.worst_s, before = max(self.worst_s, now - before - 0.01), now


def measure(index: str, path: Path) -> dict[str, Any]:
    """Load one file in this process."""
    from prompts import load_prompts
    from retrieval.encoder import load_encoder
    from retrieval.errors import InputError
    from retrieval.index import TileIndex
    from retrieval.settings import load_settings
    from tools.maps.globe import globe_payload
    from tools.places import load_catalogue
    from tools.workspace import open_workspace

    settings = load_settings()
    opened = TileIndex.open(settings.indexes / index)
    with tempfile.TemporaryDirectory() as folder:
        ws = open_workspace(
            settings,
            opened,
            load_encoder(settings.encoder),
            Path(folder) / "layers",
            load_prompts().templates,
            readable=(path.parent,),
        )
        globe_payload(ws, [], thumbnails=False)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        said = ""
        found: dict[str, Any] = {}
        ticker = Ticker()
        ticker.start()
        try:
            result = load_catalogue(ws, path.name)
        except InputError as error:
            said = str(error)
        found["load_s"] = time.perf_counter() - started
        ticker.over.set()
        found["stall_s"] = ticker.worst_s
        if not said:
            started = time.perf_counter()
            payload = globe_payload(ws, [ws.layers.get(result.layer_ids[0])], thumbnails=True)
            found["map_s"] = time.perf_counter() - started
            found["map_mb"] = len(json.dumps(payload["layers"])) / 1e6
            found["count"] = result.figures["count"]
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        **found,
        "before_mb": before / 1000,
        "most_mb": most / 1000,
        "reader_mb": reader / 1000,
        "said": said,
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 2_000_000])
    parser.add_argument("--suffixes", nargs="+", default=list(SUFFIXES))
    parser.add_argument("--index", default="lowell")
    parser.add_argument("--one", type=Path, help="measure this file in this process, print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.index, options.one)))
        return
    figures: list[dict[str, Any]] = []
    heads = f"{'load s':>8s}{'stall s':>8s}{'map s':>7s}{'map MB':>8s}"
    heads += f"{'before MB':>10s}{'peak MB':>9s}{'reader':>8s}"
    print(f"{'format':9s}{'rows':>10s}{'file MB':>9s}{heads}")
    with tempfile.TemporaryDirectory() as folder:
        for suffix in options.suffixes:
            for count in options.rows:
                path = Path(folder) / f"craters{suffix}"
                write(path, count, options.seed)
                size = path.stat().st_size / 1e6
                made = subprocess.run(
                    [sys.executable, __file__, "--index", options.index, "--one", str(path)],
                    capture_output=True,
                    text=True,
                )
                path.unlink()
                if made.returncode:
                    print(f"{suffix:9s}{count:10,d}{size:9.1f}  failed: {made.stderr.strip()[-200:]}")
                    figures.append({"format": suffix, "rows": count, "file_mb": size, "failed": True})
                    continue
                one = json.loads(made.stdout.splitlines()[-1])
                figures.append({"format": suffix, "rows": count, "file_mb": size, **one})
                print(
                    f"{suffix:9s}{count:10,d}{size:9.1f}{one['load_s']:8.2f}{one['stall_s']:8.2f}"
                    f"{one.get('map_s', 0):7.2f}{one.get('map_mb', 0):8.2f}{one['before_mb']:10.0f}"
                    f"{one['most_mb']:9.0f}{one['reader_mb']:8.0f}  {one['said'][:160]}",
                    flush=True,
                )
    write_json(figures, options.json)


if __name__ == "__main__":
    main()
