"""Verbs on an index that is there: add tiles to it, replace some, take some out, check its files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prompts import load_prompts
from retrieval.errors import InputError, SettingsError
from retrieval.settings import Settings, load_settings
from terminal import console, print_json, progress_bar

if TYPE_CHECKING:
    from retrieval.building.change import How
    from retrieval.corpus.raster import RasterSource
    from retrieval.index import TileIndex

Name = Annotated[str, typer.Argument(metavar="INDEX", help="Name or folder of the index.")]
Sources = Annotated[list[Path], typer.Argument(metavar="SOURCE...", help="Rasters of the same body.")]
Box = tuple[float, float, float, float]
Placed = Annotated[
    Box | None, typer.Option("--placed", help="W S E N in degrees, for plain simple-cylindrical pictures.")
]
Kind = Annotated[Literal["auto", "image", "dem"], typer.Option(help="What the rasters hold.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="Cores that draw and encode.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def add(
    index: Name,
    sources: Sources,
    placed: Placed = None,
    kind: Kind = "auto",
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Add the tiles of rasters to an index; the index as it was is set aside as NAME.oldN."""
    from retrieval.building import change

    settings = load_settings()
    folder = _folder(index, settings)
    source, whole = _drawn_from(folder, settings, sources, placed, kind, first=False)
    made = _with(folder, settings, workers, lambda how: change.add(folder, source, how, whole))
    if whole is not None:
        _remember(settings, whole, placed, kind)
    _report(made, as_json)


def replace(
    index: Name,
    sources: Sources,
    bounds: Annotated[
        Box | None, typer.Option(help="W S E N in degrees: only tiles with their centre inside.")
    ] = None,
    placed: Placed = None,
    kind: Kind = "auto",
    workers: Workers = 2,
    as_json: AsJson = False,
) -> None:
    """Draw tiles of an index again from rasters; the index as it was is set aside as NAME.oldN."""
    from retrieval.building import change

    settings = load_settings()
    folder = _folder(index, settings)
    source, whole = _drawn_from(folder, settings, sources, placed, kind, first=True)
    made = _with(
        folder, settings, workers, lambda how: change.replace_tiles(folder, source, how, whole, bounds)
    )
    _report(made, as_json)


def remove(
    index: Name,
    bounds: Annotated[Box, typer.Option(help="W S E N in degrees: tiles with their centre inside go.")],
    as_json: AsJson = False,
) -> None:
    """Take the tiles of a region out of an index; the index as it was is set aside as NAME.oldN."""
    from retrieval.building import change

    settings = load_settings()
    folder = _folder(index, settings)
    made = _with(folder, settings, 1, lambda how: change.remove(folder, how, bounds))
    _report(made, as_json)


def verify(index: Name, as_json: AsJson = False) -> None:
    """Read every file of an index and compare it with what was built."""
    from retrieval.index import TileIndex

    opened = TileIndex.open(_folder(index, load_settings()))
    opened.verify()
    size = sum(int(about["bytes"]) for about in opened.manifest.files.values())
    if as_json:
        print_json({"folder": str(opened.folder), "verified": True, "bytes": size, "tiles": len(opened)})
    else:
        print(f"{opened.folder}: {len(opened):,} tiles, {size / 1e6:,.1f} MB, every file as it was built")


def _folder(index: str, settings: Settings) -> Path:
    from retrieval.building.change import finish
    from retrieval.library import EMBEDDED, index_folder

    for path in (settings.indexes / index, Path(index).expanduser()):
        if finish(path):
            console.print(f"{path}: a change that was cut off is in place now", highlight=False, markup=False)
    folder = index_folder(index, settings)
    if not (folder / "manifest.json").is_file() and index == EMBEDDED:
        raise SettingsError(f"{EMBEDDED} is not made yet", next_step="it is made when it is first asked")
    return folder


def _drawn_from(
    folder: Path,
    settings: Settings,
    files: list[Path],
    placed: Box | None,
    kind: Literal["auto", "image", "dem"],
    *,
    first: bool,
) -> tuple[RasterSource, RasterSource | None]:
    """The rasters given; and with those of the index, before or after them, if these are at hand."""
    from retrieval.body import get_body
    from retrieval.corpus.imagery import find_rasters
    from retrieval.corpus.raster import RasterSource, open_rasters
    from retrieval.manifest import read_manifest

    manifest = read_manifest(folder)
    source = open_rasters(files, get_body(manifest.body), bounds=placed, kind=kind)
    known = find_rasters(manifest, settings.imagery, settings.data / manifest.body)
    if known is None:
        return source, None
    both = (source.rasters, known.rasters) if first else (known.rasters, source.rasters)
    return source, RasterSource(both[0] + both[1], source.body)


def _remember(
    settings: Settings, whole: RasterSource, placed: Box | None, kind: Literal["auto", "image", "dem"]
) -> None:
    """Note where the rasters of a grown index lie, if they open again in one go."""
    from retrieval.corpus.imagery import remember
    from retrieval.corpus.raster import open_rasters

    files = [raster.path for raster in whole.rasters]
    with suppress(InputError):
        if open_rasters(files, whole.body, bounds=placed, kind=kind).fingerprint() == whole.fingerprint():
            remember(settings.imagery, whole, files, placed, kind)


def _with(folder: Path, settings: Settings, workers: int, change: Callable[[How], TileIndex]) -> TileIndex:
    """Make a change with the encoder of the index, and say how far it is."""
    from retrieval.building.change import How
    from retrieval.encoder import load_encoder
    from retrieval.library import encoder_name

    encoder = load_encoder(encoder_name(str(folder), settings))
    with progress_bar() as progress:
        return change(How(encoder, load_prompts().background, workers, progress))


def _report(index: TileIndex, as_json: bool) -> None:
    from retrieval.building.change import aside_of

    aside = aside_of(index.folder)[-1]
    entry: dict[str, Any] = index.manifest.source["history"][-1]
    if as_json:
        print_json({"folder": str(index.folder), "tiles": len(index), "set_aside": str(aside), **entry})
        return
    print(f"{index.folder}: {len(index):,} tiles, {len(index.coverage):,} looked at")
    print(f"as it was: {aside} (delete it when you no longer want it)")


def say_what_it_holds(index: TileIndex, as_json: bool) -> None:
    """Print what an index is, and what was set aside when it was changed."""
    from retrieval.building.change import aside_of
    from retrieval.vectors.place import read_place

    manifest, place = asdict(index.manifest), read_place(index.folder)
    aside = [str(path) for path in aside_of(index.folder)]
    if as_json:
        elsewhere = {"vectors": str(place)} if place else {}
        print_json({"folder": str(index.folder), **manifest, **elsewhere, "set_aside": aside})
        return
    print(f"{index.folder}: {len(index):,} tiles of {manifest['tile_km']:g} km on {manifest['body']}")
    print(f"encoder {manifest['encoder']['name']}, vectors {manifest['storage']}, made {manifest['created']}")
    if place is not None:
        print(f"vectors are searched in {place}")
    if manifest["why"]:
        print(f"storage {manifest['storage']}: {manifest['why']}")
    if manifest["recall"]:
        print(f"recall {_recall(manifest['recall'])}")
    for entry in manifest["source"].get("history", [])[1:]:
        print(f"{entry['change']}: " + ", ".join(f"{key} {entry[key]}" for key in entry if key != "change"))
    if aside:
        print(f"set aside, no longer needed: {', '.join(aside)}")


def _recall(found: dict[str, Any]) -> str:
    measured = [
        f"{one['measured']:.3f} ({' to '.join(f'{end:.3f}' for end in one['interval'])}) "
        f"with {one['queries']} {name}"
        for name, one in found.items()
        if isinstance(one, dict)
    ]
    return f"of the best {found['hits']:,}, asked {found['asked']:g}, measured {', '.join(measured)}"
