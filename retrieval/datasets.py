"""Public data sets: what they are, where their publishers keep them, their terms, and what reads them.

Nothing here touches the network; `retrieval.sources` fetches. An address stands here only with evidence, said
beside it, and a SHA-256 where the publisher's file is known byte for byte.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from retrieval.errors import SourceError

Bounds = tuple[float, float, float, float]

CTX_TILE_DEG = 4
CTX_LATITUDES = (-88, 88)  # the mosaic ends there


@dataclass(frozen=True)
class RemoteFile:
    """One file of a publisher.

    Attributes
    ----------
    name
        What it is called here.
    addresses
        Where it lies, the publisher's own first; the next is tried where one fails.
    size
        Bytes, as far as known; 0 where not. Only shown and planned with: the hash decides.
    sha256
        Of the publisher's file; empty where it is not known or the publisher updates it.
    members
        For a zip: patterns of the members that matter. Only they are kept, without their folders.
    unpacked
        Bytes of those members, as far as known.
    """

    name: str
    addresses: tuple[str, ...]
    size: int = 0
    sha256: str = ""
    members: tuple[str, ...] = ()
    unpacked: int = 0


@dataclass(frozen=True)
class Dataset:
    """A data set as its users see it.

    Attributes
    ----------
    name, title, body
        What it is called on the command line; what it is; the body it belongs to.
    page
        The publisher's page about it.
    licence, citation
        Its terms, as the publisher states them, and what to cite.
    files
        What is fetched; empty where that depends on the bounds asked for.
    opens
        Patterns of the files to hand to a command, of those that were fetched or made beside them.
    next_steps
        Commands that use it; ``{files}`` stands for those files.
    by_name_only
        Whether asking for the whole body leaves it out, for its size.
    georeference
        What is written beside its files because GDAL would place them wrongly; see `retrieval.georeference`.
    """

    name: str
    title: str
    body: str
    page: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]
    opens: tuple[str, ...]
    next_steps: tuple[str, ...]
    by_name_only: bool = False
    georeference: Literal["", "pds3", "ocentric"] = ""

    @property
    def size(self) -> int:
        """Bytes to fetch, as far as known."""
        return sum(file.size for file in self.files)


_PDS_MOLA = "https://pds-geosciences.wustl.edu/mgs/mgs-m-mola-5-megdr-l3-v1/mgsl_300x/meg004/"
_USGS_MOSAICS = (
    # The first redirects to the second; projects that fetched from either, found 2026-11-21.
    "https://planetarymaps.usgs.gov/mosaic/",
    "https://asc-pds-services.s3.us-west-2.amazonaws.com/mosaic/",
)
_CTX_TILES = "https://murray-lab.caltech.edu/CTX/V01/tiles/"

DATASETS: tuple[Dataset, ...] = (
    Dataset(
        name="mola",
        title="MOLA elevation (MEGDR), 4 pixels per degree, metres",
        body="mars",
        page="https://pds-geosciences.wustl.edu/missions/mgs/megdr.html",
        licence="NASA Planetary Data System, public domain",
        citation=(
            "Smith, D. E., et al. (2003), Mars Global Surveyor Laser Altimeter Mission Experiment Gridded "
            "Data Record, MGS-M-MOLA-5-MEGDR-L3-V1.0, NASA Planetary Data System, doi:10.17189/1519460"
        ),
        # Addresses in GDAL's own manual of the PDS driver; both hashes pinned by public projects that fetched
        # them and equal to copies at hand (720 x 1440 int16, -8068..21134 m, as its label says); 2026-11-21.
        files=(
            RemoteFile(
                "megt90n000cb.img",
                (_PDS_MOLA + "megt90n000cb.img",),
                2_073_600,
                "25f16fb7aaf857898dcf98bc4f841341a24f8b9f7e98453ca083bc45d897ca2c",
            ),
            RemoteFile(
                "megt90n000cb.lbl",
                (_PDS_MOLA + "megt90n000cb.lbl",),
                4_796,
                "5a3fe60256afa1c35fea5d551fe0ab0a9198fb2bcd2c2e161d078aa69627ebac",
            ),
        ),
        opens=("*.vrt",),
        next_steps=(
            "areographer index build {files} --out mola --body mars --tile-km 900",
            "areographer caption RASTER --dem {files} --out pairs",
        ),
        georeference="pds3",
    ),
    Dataset(
        name="names",
        title="IAU nomenclature: named features with centre and diameter",
        body="mars",
        page="https://planetarynames.wr.usgs.gov",
        licence="public domain (the file's own metadata)",
        citation=(
            "International Astronomical Union (IAU) and U.S. Geological Survey, Gazetteer of Planetary "
            "Nomenclature"
        ),
        # In several public projects, some of them of this year, found 2026-11-21. Updated as names are
        # approved, so that no hash can be known beforehand.
        files=(
            RemoteFile(
                "MARS_nomenclature_center_pts.kmz",
                (
                    "https://asc-planetarynames-data.s3.us-west-2.amazonaws.com/"
                    "MARS_nomenclature_center_pts.kmz",
                ),
                2_600_000,
            ),
        ),
        opens=("*.kmz",),
        next_steps=(
            "areographer ask QUESTION --index INDEX --gazetteer {files}",
            "areographer caption RASTER --catalogue {files} --out pairs",
        ),
    ),
    Dataset(
        name="craters",
        title="Robbins & Hynek craters of 1 km and more, release of 2020",
        body="mars",
        page="https://craters.sjrdesign.net",
        licence="none stated; offered for download by its author",
        citation=(
            "Robbins, S. J., and Hynek, B. M. (2012), A new global database of Mars impact craters >= 1 km, "
            "J. Geophys. Res. 117, E05004, doi:10.1029/2011JE003966"
        ),
        # The author's page leads to it; named by two public projects, found 2026-11-21.
        files=(
            RemoteFile(
                "Catalog_Mars_Release_2020_1kmPlus_FullMorphData.csv.zip",
                ("https://craters.sjrdesign.net/Catalog_Mars_Release_2020_1kmPlus_FullMorphData.csv.zip",),
                members=("*Catalog_Mars_Release_2020*.csv", "*Catalog_Mars_Release_2020*.txt"),
                unpacked=93_000_000,
            ),
        ),
        opens=("Catalog_Mars_Release_2020*.csv", "Catalog_Mars_Release_2020*.txt"),
        next_steps=("areographer caption RASTER --catalogue impact_crater={files} --out pairs",),
    ),
    Dataset(
        name="viking",
        title="Viking colour mosaic, 925 m per pixel",
        body="mars",
        page="https://astrogeology.usgs.gov/search/map/mars_viking_global_color_mosaic_925m",
        licence="public domain, no use constraints (the publisher's metadata)",
        citation="Mars Viking Global Color Mosaic 925m, NASA/JPL/USGS Astrogeology Science Center",
        # Size and hash from a public project that also held the file against the publisher's MD5, 2026-11-21.
        files=(
            RemoteFile(
                "Mars_Viking_ClrMosaic_global_925m.tif",
                tuple(place + "Mars_Viking_ClrMosaic_global_925m.tif" for place in _USGS_MOSAICS),
                797_888_177,
                "5b3c6bea36cec0ec65b9ce5927db6b1c555c5fae60a227c774f9fcaecdf5bb33",
            ),
        ),
        opens=("*.tif",),
        next_steps=("areographer index build {files} --out viking --body mars --tile-km 90",),
    ),
    Dataset(
        name="mdim21",
        title="Viking MDIM 2.1 colour mosaic, 232 m per pixel",
        body="mars",
        page=(
            "https://astrogeology.usgs.gov/search/map/Mars/Viking/MDIM21/Mars_Viking_MDIM21_ClrMosaic_global_232m"
        ),
        licence="public domain, no use constraints (the publisher's metadata)",
        citation=(
            "Mars Viking Colorized Global Mosaic 232m (MDIM 2.1), NASA Ames, USGS Astrogeology Science Center"
        ),
        # In a manual of MapProxy and in public projects, one of which gives the size; found 2026-11-21.
        files=(
            RemoteFile(
                "Mars_Viking_MDIM21_ClrMosaic_global_232m.tif",
                tuple(place + "Mars_Viking_MDIM21_ClrMosaic_global_232m.tif" for place in _USGS_MOSAICS),
                12_742_411_029,
            ),
        ),
        opens=("*.tif",),
        next_steps=("areographer index build {files} --out mdim21 --body mars --tile-km 24",),
        by_name_only=True,
    ),
    Dataset(
        name="geology",
        title="Geologic map of Mars (SIM 3292): units and structures",
        body="mars",
        page="https://pubs.usgs.gov/sim/3292/",
        licence="no constraints; please cite the authors (the file's own metadata)",
        citation=(
            "Tanaka, K. L., et al. (2014), Geologic map of Mars, U.S. Geological Survey Scientific "
            "Investigations Map 3292, scale 1:20,000,000, doi:10.3133/sim3292"
        ),
        # In several public projects, two of which give the size; found 2026-11-21.
        files=(
            RemoteFile(
                "sim3292_database.zip",
                ("https://pubs.usgs.gov/sim/3292/downloads/sim3292_database.zip",),
                808_910_442,
                members=tuple(
                    f"*SIM3292_Global_{layer}.{end}"
                    for layer in ("Geology", "Structure")
                    for end in ("shp", "shx", "dbf", "prj", "cpg")
                ),
                unpacked=60_000_000,
            ),
        ),
        opens=("SIM3292_Global_*.shp",),
        next_steps=("areographer chat --index INDEX, and attach as a catalogue: {files}",),
        # Nine tenths of the zip are base maps, and only centres of polygons are used so far.
        by_name_only=True,
    ),
    Dataset(
        name="ctx",
        title="CTX mosaic of the Murray Lab, 5 m per pixel, tiles of 4 degrees (--bounds W S E N)",
        body="mars",
        page="https://murray-lab.caltech.edu/CTX/",
        licence="none stated; its authors ask to acknowledge Malin Space Science Systems and JPL",
        citation=(
            "Dickson, J. L., Ehlmann, B. L., Kerber, L. H., and Fassett, C. I. (2023), Release of the Global "
            "CTX Mosaic of Mars, 54th Lunar and Planetary Science Conference, 2806, doi:10.17189/m23v-ae12"
        ),
        files=(),
        opens=("*.tif",),
        next_steps=("areographer index build {files} --out ctx --body mars",),
        by_name_only=True,
        georeference="ocentric",
    ),
)


def named(names: Sequence[str]) -> list[Dataset]:
    """The data sets of names; a body's name stands for all of its sets that are not too large for that.

    Raises
    ------
    SourceError
        If a name is unknown.
    """
    known = {dataset.name: dataset for dataset in DATASETS}
    bodies = {dataset.body for dataset in DATASETS}
    chosen: dict[str, Dataset] = {}
    for name in names:
        if name in bodies:
            chosen.update({d.name: d for d in DATASETS if d.body == name and not d.by_name_only})
        elif name in known:
            chosen[name] = known[name]
        else:
            raise SourceError(
                f"there is no data set {name!r}",
                allowed=", ".join([*sorted(bodies), *known]),
                next_step="areographer fetch --list",
            )
    return list(chosen.values())


def choose(names: Sequence[str], bounds: Bounds | None = None) -> list[Dataset]:
    """The data sets of names, ready to be fetched: with the tiles that overlap the bounds.

    Parameters
    ----------
    bounds
        W S E N in degrees, for sets that come in tiles.

    Raises
    ------
    SourceError
        If a name is unknown, or bounds are missing, impossible or of no use.
    """
    chosen = named(names)
    tiled = [dataset.name for dataset in chosen if not dataset.files]
    if bounds is not None and not tiled:
        raise SourceError("--bounds belongs to data sets that come in tiles", allowed="ctx")
    if bounds is None and tiled:
        raise SourceError(
            f"{tiled[0]} comes in tiles of {CTX_TILE_DEG} degrees, of about 1.8 GB each",
            next_step=f"say where: areographer fetch {tiled[0]} --bounds 136 -8 140 -4",
        )
    if bounds is None:
        return chosen
    return [replace(one, files=ctx_files(bounds)) if one.name in tiled else one for one in chosen]


def ctx_files(bounds: Bounds) -> tuple[RemoteFile, ...]:
    """Tiles of the CTX mosaic that overlap a box; west may be east of east (across the antimeridian).

    A tile is named by its western and southern edge: ``E136_N-08`` spans 136..140 E and 8..4 S. Naming, the
    zip's members and sizes as in public projects that fetched tiles in all four quadrants (found 2026-11-21).

    Raises
    ------
    SourceError
        If the box is impossible, empty, or beyond the mosaic.
    """
    west, south, east, north = bounds
    low, high = CTX_LATITUDES
    if not (all(math.isfinite(edge) for edge in bounds) and low <= south < north <= high):
        raise SourceError(
            f"--bounds {west:g} {south:g} {east:g} {north:g} is no box of the CTX mosaic",
            allowed=f"W S E N in degrees, S below N, latitudes {low}..{high}",
        )
    if not (-180 <= west <= 360 and -180 <= east <= 360) or west == east:
        raise SourceError(
            f"longitudes {west:g} and {east:g} span no box",
            allowed="degrees east in -180..180 or 0..360, west edge first",
        )
    span = 360.0 if abs(east - west) >= 360 else (east - west) % 360
    files = []
    for lat in range(math.floor(south / CTX_TILE_DEG) * CTX_TILE_DEG, math.ceil(north), CTX_TILE_DEG):
        for lon in range(
            math.floor(west / CTX_TILE_DEG) * CTX_TILE_DEG, math.ceil(west + span), CTX_TILE_DEG
        ):
            tile = ctx_name((lon + 180) % 360 - 180, lat)
            files.append(
                RemoteFile(
                    f"MurrayLab_GlobalCTXMosaic_V01_{tile}.zip",
                    (f"{_CTX_TILES}MurrayLab_GlobalCTXMosaic_V01_{tile}.zip",),
                    1_800_000_000,
                    members=(f"*MurrayLab_CTX_V01_{tile}_Mosaic.tif",),
                    unpacked=2_254_080_140,
                )
            )
    return tuple(dict.fromkeys(files))


def ctx_name(lon: int, lat: int) -> str:
    """Name of the tile with its south-western corner at whole degrees: ``E-004_N40``, ``E136_N-08``."""
    return f"E{'-' * (lon < 0)}{abs(lon):03d}_N{'-' * (lat < 0)}{abs(lat):02d}"
