"""Named indexes: where they live, which there are, and how the embedded one is made on first use."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np

from retrieval.building.change import SET_ASIDE, aside_of, set_aside
from retrieval.calibrate import background
from retrieval.catalogue import read_catalogue
from retrieval.corpus.lowell_version import lowell_fingerprint
from retrieval.errors import IndexFolderError, InputError, SettingsError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index, open_matching
from retrieval.manifest import read_manifest
from retrieval.settings import Settings

if TYPE_CHECKING:
    from retrieval.corpus.context import ContextRaster
    from retrieval.encoder import Encoder

EMBEDDED = "lowell"
CONTEXT_TABLE = "context.toml"
# Context that needs no table: what `areographer fetch` brings, by body.
_FETCHED = {
    "mars": {"elevation": ("megt90n000cb.vrt", "m", "MOLA elevation (MEGDR)")},
}
_LOWELL_ELEVATION = "large-scale relief of Lowell, without its landforms"
Progress = Callable[[str, int, int], None]

log = logging.getLogger(__name__)


def index_names(settings: Settings) -> list[str]:
    """Names that may be given instead of a folder; the embedded one is always among them.

    What was set aside can be opened by its name too, but is not offered.
    """
    made = (path.parent.name for path in settings.indexes.glob("*/manifest.json"))
    return sorted({EMBEDDED, *(name for name in made if not SET_ASIDE.fullmatch(name))})


def open_or_make(
    name: str,
    settings: Settings,
    encoder: Encoder,
    background_prompts: Sequence[str],
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> TileIndex:
    """Open an index by name or folder; make Lowell and its index if that is what is asked for and missing.

    An embedded index that an earlier version's encoder or planet generator made is set aside as
    ``lowell.oldN`` and made again. What was set aside is never deleted: the log says that it can go.

    Raises
    ------
    IndexFolderError
        If there is no such index, or it does not fit the encoder.
    """
    folder = index_folder(name, settings)
    if name != EMBEDDED:
        return open_matching(folder, encoder)
    if folder.exists():
        with suppress(IndexFolderError):
            index = open_matching(folder, encoder)
            if _drawn_today(index):
                return index
        set_aside(folder)
    return _make_lowell(
        settings, encoder, folder, background_prompts, progress, stop, seed=settings.lowell_seed
    )


def open_planet(
    seed: int,
    settings: Settings,
    encoder: Encoder,
    background_prompts: Sequence[str],
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> TileIndex:
    """Open the index of Lowell of any seed, or make it: what is judged is what would be made today.

    The embedded planet with the default encoder is the index of that name; another is kept as
    ``lowell-SEED``, with another encoder as ``lowell-SEED-FINGERPRINT``. One that an earlier encoder, planet
    generator or bank of background prompts made is replaced, as by `open_or_make`.
    """
    name = EMBEDDED if seed == settings.lowell_seed else f"{EMBEDDED}-{seed}"
    if encoder.manifest.name != settings.encoder:
        name = f"{EMBEDDED}-{seed}-{encoder.manifest.fingerprint[:8]}"
    folder = settings.indexes / name
    if folder.exists():
        with suppress(IndexFolderError):
            index = open_matching(folder, encoder)
            if _drawn_today(index) and _same_background(index, encoder, background_prompts):
                return index
        set_aside(folder)
    return _make_lowell(settings, encoder, folder, background_prompts, progress, stop, seed=seed)


def encoder_name(name: str, settings: Settings) -> str:
    """Which encoder an index given by name or folder was made with; the default for one not made yet.

    Raises
    ------
    IndexFolderError
        If there is no such index.
    """
    folder = index_folder(name, settings)
    if name == EMBEDDED or not folder.exists():
        return settings.encoder
    return str(read_manifest(folder).encoder["name"])


def index_folder(name: str, settings: Settings) -> Path:
    """Folder of an index given by name or by path.

    Raises
    ------
    IndexFolderError
        If neither exists (the embedded one may be missing: it can be made).
    """
    if name == EMBEDDED or (settings.indexes / name / "manifest.json").is_file():
        return settings.indexes / name
    folder = Path(name).expanduser()
    if not folder.exists():
        raise IndexFolderError(
            f"no index is called {name[:80]!r} and no folder either",
            allowed=", ".join(index_names(settings)) + ", or a folder made by `areographer index build`",
        )
    return folder.resolve()


def open_gazetteer(index: TileIndex, settings: Settings, file: Path | None = None) -> Any:
    """Named places for an index: a file the user names, Lowell's own, or None."""
    if file is not None:
        return read_catalogue(file, index.body, landform="place")
    if index.body.name != EMBEDDED:
        return None
    places = settings.planets / f"{EMBEDDED}-{_lowell_seed(index)}" / "places.parquet"
    return gpd.read_parquet(places) if places.is_file() else None


def open_context_rasters(index: TileIndex, settings: Settings) -> tuple[ContextRaster, ...]:
    """Rasters that say what the ground of an index is like: elevation, albedo, whatever is at hand.

    First the index's own planet, where it is a synthetic one; then what was fetched for the body; then
    ``data/BODY/context.toml``, whose names replace those before. What cannot be used is kept with its reason,
    and raises `RasterError` when asked for: a broken file stops no conversation.
    """
    # Only here, because most starts need no raster.
    from retrieval.corpus.context import ContextFile, broken_context, open_context, read_context_table

    body, folder = index.body, settings.data / index.body.name
    files: dict[str, ContextFile] = {}
    faults: dict[str, str] = {}
    if index.manifest.source.get("kind") == EMBEDDED:
        try:
            files["elevation"] = ContextFile(
                _lowell_elevation(_lowell_seed(index), settings), "m", about=_LOWELL_ELEVATION
            )
        except OSError as error:
            faults["elevation"] = f"it could not be drawn ({error})"
    for name, (file, unit, about) in _FETCHED.get(body.name, {}).items():
        if (folder / file).is_file():
            files[name] = ContextFile(folder / file, unit, about=about)
    if (folder / CONTEXT_TABLE).is_file():
        try:
            files |= read_context_table(folder / CONTEXT_TABLE)
        except SettingsError as error:
            faults[CONTEXT_TABLE] = error.what
    found: list[ContextRaster] = []
    for name, described in files.items():
        try:
            found += open_context(body, {name: described})
        except InputError as error:
            faults[name] = error.what
    for name, fault in faults.items():
        log.warning("%s of %s is left out: %s", name, body.name, fault)
    return (*found, *(broken_context(body, name, fault) for name, fault in faults.items()))


def _lowell_elevation(seed: int, settings: Settings) -> Path:
    """The relief of a synthetic planet, drawn on first use; its name says which generator drew it."""
    folder = settings.planets / f"{EMBEDDED}-{seed}"
    path = folder / f"elevation-{lowell_fingerprint(seed)[:8]}.tif"
    if not path.is_file():
        from retrieval.corpus.lowell.elevation import save_elevation

        save_elevation(seed, path)
    return path


def _make_lowell(
    settings: Settings,
    encoder: Encoder,
    folder: Path,
    background_prompts: Sequence[str],
    progress: Progress | None,
    stop: threading.Event | None,
    *,
    seed: int,
) -> TileIndex:
    # Only here, because drawing a planet needs modules that a later start has no use for.
    from retrieval.corpus.lowell import GRID_TILE_KM, LowellSource, make_planet

    planet = make_planet(seed)
    planet.save_truth(settings.planets / f"{EMBEDDED}-{seed}")
    source = LowellSource(seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    index = build_index(
        source,
        Grid(source.body, GRID_TILE_KM),
        encoder,
        folder,
        background_prompts=background_prompts,
        workers=settings.workers,
        progress=progress,
        stop=stop,
    )
    aside = aside_of(folder)
    if aside:
        log.info("made by earlier versions and no longer needed: %s", ", ".join(map(str, aside)))
    return index


def _drawn_today(index: TileIndex) -> bool:
    return bool(index.manifest.source["fingerprint"] == lowell_fingerprint(_lowell_seed(index)))


def _same_background(index: TileIndex, encoder: Encoder, prompts: Sequence[str]) -> bool:
    # The manifest holds the number of prompts only; a few tiles tell whether the words are the same.
    rows = np.arange(min(64, len(index)))
    bank = encoder.encode_texts(list(prompts))
    fresh = background(index.vectors(rows), bank, encoder.manifest.logit_scale)
    return bool(np.allclose(fresh, index.background[rows], atol=0.02))


def _lowell_seed(index: TileIndex) -> int:
    return int(index.manifest.source.get("seed", 0))
