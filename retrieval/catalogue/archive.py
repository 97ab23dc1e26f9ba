"""A catalogue in a zip: a Shapefile with its companions, or one file of another format."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from retrieval.errors import CatalogueError

# Of several formats in one zip the first is the catalogue; the others are what is said about it.
BY_LIKELIHOOD = (".shp", ".gpkg", ".parquet", ".geojson", ".csv", ".tsv", ".tab", ".kml", ".json", ".txt")
COMPANIONS = (".shx", ".dbf", ".prj", ".cpg")
CHUNK_BYTES = 1 << 20


def unpack_catalogue(archive: Path, folder: Path, most_bytes: int) -> Path:
    """Put the one catalogue of a zip into a folder, under its bare name.

    Returns
    -------
    The file to read.

    Raises
    ------
    CatalogueError
        If it holds none or several, or more than ``most_bytes`` of them.
    zipfile.BadZipFile, RuntimeError
        If it is torn or encrypted.
    """
    with zipfile.ZipFile(archive) as opened:
        members = [info for info in opened.infolist() if not info.is_dir() and _wanted(info.filename)]
        for suffix in BY_LIKELIHOOD:
            found = [info for info in members if info.filename.lower().endswith(suffix)]
            if found:
                break
        else:
            raise CatalogueError(
                f"{archive.name} holds no catalogue",
                allowed="a Shapefile (.shp, .shx, .dbf, .prj), or one CSV, GeoJSON, GeoPackage or KML file",
            )
        if len(found) > 1:
            names = ", ".join(_bare(info.filename) for info in found[:6])
            raise CatalogueError(
                f"{archive.name} holds {len(found)} catalogues ({names})",
                allowed="one in each zip",
                next_step="unpack it and bring the one that you mean",
            )
        stem = found[0].filename[: -len(suffix)]
        beside = [
            info
            for info in members
            if suffix == ".shp"
            and info.filename[: len(stem)] == stem
            and info.filename[len(stem) :].lower() in COMPANIONS
        ]
        place = folder / (_bare(stem) + suffix)
        left = most_bytes
        for info in (found[0], *beside):
            target = place.with_suffix(Path(info.filename).suffix.lower())
            left = _copy(opened, info, target, left, archive.name, most_bytes)
    return place


def _copy(
    opened: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, left: int, name: str, most_bytes: int
) -> int:
    # Counted as they come: what a zip says of itself may be a lie.
    with opened.open(info) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise CatalogueError(
                    f"{name} unpacks to more than {most_bytes / 1e6:,.0f} MB",
                    next_step="cut the catalogue to what matters, or save it as GeoPackage",
                )
            out.write(chunk)
    return left


def _wanted(name: str) -> bool:
    # macOS leaves companions such as __MACOSX/._NAME.
    return not _bare(name).startswith(".") and not name.startswith("__MACOSX")


def _bare(name: str) -> str:
    """A member's name without folders, fit to be one of a file."""
    return re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rpartition("/")[2])[-80:] or "catalogue"
