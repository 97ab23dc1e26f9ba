"""The rasters that an index was built from, found again on this machine, to draw its ground more sharply.

An index folder carries thumbnails and no path: it may travel. Where the rasters lie is remembered in the home
(``imagery/SOURCE.json``) when an index is built. They are used only if they still give the fingerprint that
the index's manifest names: other pixels under the same name are not shown as those that were searched.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from retrieval.corpus.raster import RasterSource, exaggeration_of, open_rasters
from retrieval.corpus.rasterfile import GDAL_OPTIONS, Bounds, Kind, Raster, open_dataset
from retrieval.corpus.sampling import sample
from retrieval.errors import InputError

if TYPE_CHECKING:
    from retrieval.manifest import IndexManifest

Floats = NDArray[np.float64]

PROBES = 12  # patches that decide how much relief is exaggerated
PROBE_PX = 48


def remember(
    folder: Path, source: RasterSource, files: Sequence[Path], bounds: Bounds | None, kind: Kind
) -> None:
    """Note in ``folder`` where the rasters of a source lie and how they were opened.

    A folder that cannot be written stops nothing: the map then shows thumbnails.
    """
    path = folder / f"{source.fingerprint()}.json"
    named = [str(Path(file).expanduser().resolve()) for file in files]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"files": named, "bounds": bounds, "kind": kind}), encoding="utf-8")
        temporary.replace(path)


def find_rasters(manifest: IndexManifest, folder: Path, data: Path) -> RasterSource | None:
    """The rasters that an index was built from; None if they are gone, changed, or were none.

    Parameters
    ----------
    folder
        Where `remember` noted them.
    data
        Where data sets of the index's body are kept: files of the manifest's names are looked for there
        if nothing was noted.
    """
    if manifest.source.get("kind") != "raster":
        return None
    # Only here: this module is of use without any body but the manifest's.
    from retrieval.body import get_body

    try:
        noted = json.loads((folder / f"{manifest.source['fingerprint']}.json").read_text(encoding="utf-8"))
        files = [Path(name) for name in noted["files"]]
        bounds, kind = noted["bounds"] and tuple(noted["bounds"]), noted["kind"]
    except (OSError, ValueError, KeyError, TypeError):  # never noted, or torn
        files = [data / Path(str(one["file"])).name for one in manifest.source.get("files", [])]
        bounds, kind = None, "auto"
    if not files or not all(file.is_file() for file in files):
        return None
    try:
        source = open_rasters(files, get_body(manifest.body), bounds=bounds, kind=kind)
    except InputError:
        return None
    return source if source.fingerprint() == manifest.source["fingerprint"] else None


class OpenRasters:
    """A source's files kept open, drawing for one caller at a time.

    Attributes
    ----------
    finest_km
        Size of the smallest pixel of any raster, km.
    relief
        Whether anything is drawn as shaded relief, whose light is meant for pictures with north up.
    """

    def __init__(self, source: RasterSource) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._datasets: dict[Path, Any] = {}
        self._exaggeration = cache(self._probe)
        self.finest_km = min(_pixel_km(raster, source) for raster in source.rasters)
        self.relief = any(raster.kind == "dem" for raster in source.rasters)

    def draw(self, lonlat: Floats, pixel_km: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """RGB pixels (h, w, 3) at positions (h, w, 2), degrees, and which of them have data, (h, w).

        Raises
        ------
        RasterError
            If a file is gone or torn.
        """
        with self._lock, rasterio.Env(**GDAL_OPTIONS):
            for raster in self._source.rasters:
                if raster.path not in self._datasets and raster.near(lonlat, 0.0).any():
                    self._datasets[raster.path] = self._opened.enter_context(open_dataset(raster.path))
            # Pictures side by side must have the same relief: it goes by the scale, in steps of two.
            level = round(math.log2(pixel_km))
            exaggeration = self._exaggeration(level) if self.relief else None
            return self._source.draw(lonlat, pixel_km * 1000.0, self._datasets, exaggeration)

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._opened.close()
            self._datasets.clear()

    def _probe(self, level: int) -> float:
        found, body = [], self._source.body
        rng = np.random.default_rng(level + 100)
        pixel_km = 2.0**level
        along = (np.arange(PROBE_PX) - PROBE_PX / 2) * pixel_km
        east, north = np.meshgrid(along, -along)
        for raster in (one for one in self._source.rasters if one.kind == "dem"):
            middle, half, south, north_end = raster.reach
            with open_dataset(raster.path) as dataset:
                for _ in range(PROBES):
                    centre = middle + rng.uniform(-half, half), rng.uniform(south, north_end)
                    rows, cols = raster.positions(body, body.offsets_to_lonlat(centre, east, north))
                    values, seen = sample(dataset, raster.bands, rows, cols, cyclic=raster.cyclic)
                    if seen.all():
                        relief = values[0].astype(np.float64) * dataset.scales[0]
                        found.append(exaggeration_of(relief, pixel_km * 1000.0))
        return float(np.median(found)) if found else 1.0


def _pixel_km(raster: Raster, source: RasterSource) -> float:
    """Size of a pixel from north to south, in the middle of a raster."""
    middle, _, south, north = raster.reach
    lat, step = (south + north) / 2, min(0.01, (north - south) / 4)
    ends = np.array([[middle, lat - step], [middle, lat + step]])
    rows, cols = raster.positions(source.body, ends)
    apart = float(np.hypot(rows[1] - rows[0], cols[1] - cols[0]))
    return float(np.radians(2 * step)) * source.body.radius_km / max(apart, 1e-9)
