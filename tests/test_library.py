"""Named indexes: the embedded planet is made once, and made again when it no longer is what would be made."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from retrieval.body import BODIES
from retrieval.corpus.context import sample_at
from retrieval.corpus.lowell import cached_planet
from retrieval.errors import Cancelled, IndexFolderError, RasterError
from retrieval.index import TileIndex
from retrieval.library import (
    encoder_name,
    index_folder,
    index_names,
    open_context_rasters,
    open_gazetteer,
    open_or_make,
    open_planet,
)
from retrieval.settings import Settings
from tests.fakes import PatternEncoder

BANK = ("an orbital image", "a planetary surface")


def in_few_tiles(patch: pytest.MonkeyPatch) -> None:
    """Lowell in some 300 tiles instead of 10,000, from a planet that is made once."""
    patch.setattr("retrieval.corpus.lowell.GRID_TILE_KM", 90.0)
    patch.setattr("retrieval.corpus.lowell.make_planet", cached_planet)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pattern_encoder: PatternEncoder) -> Settings:
    """A home with Lowell, made by the real door."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), workers=1)
    with pytest.MonkeyPatch.context() as patch:
        in_few_tiles(patch)
        open_or_make("lowell", settings, pattern_encoder, BANK)
    return settings


@pytest.fixture
def copied(made: Settings, home: Settings) -> Settings:
    """The same, to be changed."""
    shutil.copytree(made.home, home.home, dirs_exist_ok=True)
    return home


@pytest.fixture
def remade(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders in which Lowell would be made again; it is not, because that takes half a minute."""
    folders: list[Path] = []
    monkeypatch.setattr("retrieval.library._make_lowell", lambda *given, **_: folders.append(given[2]))
    return folders


def test_lowell_is_made_once(made: Settings, pattern_encoder: PatternEncoder, remade: list[Path]) -> None:
    index = open_or_make("lowell", made, pattern_encoder, BANK)
    assert remade == []
    assert index_names(made) == ["lowell"]
    places = open_gazetteer(index, made)
    assert len(places) > 5
    assert places["name"].is_unique


def test_a_later_start_does_without_what_draws(made: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from retrieval.library import open_or_make\n"
        "from retrieval.settings import Settings; from tests.fakes import PatternEncoder\n"
        f"open_or_make('lowell', Settings(home=Path({str(made.home)!r})), PatternEncoder(), {BANK!r})\n"
        "print([name for name in sys.modules if name.startswith('retrieval.corpus.lowell.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_before_it_is_made(home: Settings) -> None:
    assert index_names(home) == ["lowell"]
    assert encoder_name("lowell", home) == home.encoder


def test_another_generator_makes_lowell_again(
    copied: Settings, pattern_encoder: PatternEncoder, remade: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.corpus.lowell_version.GENERATOR_VERSION", 999)
    open_or_make("lowell", copied, pattern_encoder, BANK)
    assert remade == [copied.indexes / "lowell"]
    assert (copied.indexes / "lowell.old1/manifest.json").is_file()


def test_an_index_cut_off_is_made_again_and_kept_aside(
    copied: Settings, pattern_encoder: PatternEncoder, remade: list[Path]
) -> None:
    (copied.indexes / "lowell/manifest.json").unlink()
    (copied.indexes / "lowell/notes.txt").write_text("mine")
    open_or_make("lowell", copied, pattern_encoder, BANK)
    assert remade == [copied.indexes / "lowell"]
    assert (copied.indexes / "lowell.old1/notes.txt").read_text() == "mine"


def test_what_was_set_aside_is_never_deleted(
    copied: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    in_few_tiles(monkeypatch)
    old = copied.indexes / "lowell"
    shutil.copytree(old, copied.indexes / "lowell.old1")  # left by an earlier version
    shutil.copytree(old, copied.indexes / "lowell-7.old1")  # of another planet
    (old / "notes.txt").write_text("mine")
    index = open_or_make("lowell", copied, PatternEncoder("another"), BANK)
    assert index.manifest.encoder["name"] == "another"
    left = sorted(path.name for path in copied.indexes.iterdir())
    assert left == ["lowell", "lowell-7.old1", "lowell.old1", "lowell.old2"]
    assert (copied.indexes / "lowell.old2" / "notes.txt").read_text() == "mine"
    TileIndex.open(copied.indexes / "lowell.old2").verify()
    assert "no longer needed" in caplog.text
    assert "lowell.old2" in caplog.text
    assert "lowell.old2" not in index_names(copied)


def test_what_was_set_aside_stays_when_the_new_index_fails(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_few_tiles(monkeypatch)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        open_or_make("lowell", copied, PatternEncoder("another"), BANK, stop=stop)
    assert (copied.indexes / "lowell.old1/manifest.json").is_file()


def test_other_background_prompts_count_for_what_is_judged(
    copied: Settings, pattern_encoder: PatternEncoder, remade: list[Path]
) -> None:
    # The fake encoder is not the settings' own: its planet is named after its fingerprint.
    name = f"lowell-{copied.lowell_seed}-{pattern_encoder.manifest.fingerprint[:8]}"
    (copied.indexes / "lowell").rename(copied.indexes / name)
    open_planet(copied.lowell_seed, copied, pattern_encoder, BANK)
    assert remade == []
    open_planet(copied.lowell_seed, copied, pattern_encoder, ("transverse dunes", "yardangs"))
    assert remade == [copied.indexes / name]


def test_names_and_folders(home: Settings) -> None:
    with pytest.raises(IndexFolderError, match="no index is called 'nowhere'"):
        index_folder("nowhere", home)
    assert index_folder(str(home.home), home) == home.home.resolve()


def relief(path: Path, body: str = "mars", height_m: float = 500.0) -> Path:
    """A level elevation model of a whole planet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"width": 72, "height": 36, "count": 1, "dtype": "int16", "crs": BODIES[body].crs.to_wkt()}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(5, 0, -180, 0, -5, 90), **profile) as out:
        out.write(np.full((36, 72), height_m, dtype="int16"), 1)
    return path


@pytest.fixture
def of_mars() -> Any:
    """As much of an index of Mars as context looks at."""
    return SimpleNamespace(body=BODIES["mars"], manifest=SimpleNamespace(source={"kind": "raster"}))


def test_lowell_has_the_relief_that_it_was_drawn_with(
    made: Settings, pattern_encoder: PatternEncoder
) -> None:
    index = open_or_make("lowell", made, pattern_encoder, BANK)
    (elevation,) = open_context_rasters(index, made)
    (file,) = (made.planets / "lowell-0").glob("elevation-*.tif")
    drawn = file.stat().st_mtime_ns
    places = np.array([[0.0, 0.0], [-179.9, 40.0], [90.0, -88.0], [33.0, 12.0]])
    expected = cached_planet(0).elevation_m(places)
    assert sample_at(elevation, index.body, places, 1.0) == pytest.approx(expected, abs=40)
    open_context_rasters(index, made)
    assert file.stat().st_mtime_ns == drawn
    assert [path.name for path in file.parent.iterdir() if path.suffix == ".tmp"] == []


def test_a_relief_that_cannot_be_kept_is_left_out(made: Settings, pattern_encoder, monkeypatch) -> None:
    index = open_or_make("lowell", made, pattern_encoder, BANK)
    monkeypatch.setattr("retrieval.library.lowell_fingerprint", lambda seed: "another" * 2)
    monkeypatch.setattr("retrieval.corpus.lowell.elevation.PER_DEG", 1)
    monkeypatch.setattr(rasterio, "open", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    (elevation,) = open_context_rasters(index, made)
    assert "disk full" in elevation.fault


def test_nothing_at_hand_is_no_context(of_mars: Any, home: Settings) -> None:
    assert open_context_rasters(of_mars, home) == ()


def test_fetched_relief_needs_no_table(of_mars: Any, home: Settings) -> None:
    relief(home.data / "mars" / "megt90n000cb.vrt")
    (elevation,) = open_context_rasters(of_mars, home)
    assert (elevation.name, elevation.column, elevation.fault) == ("elevation", "elevation_m", "")
    assert sample_at(elevation, BODIES["mars"], [(10, 10)], 5.0).tolist() == [500.0]
    # Of another body nothing of this is known.
    assert open_context_rasters(SimpleNamespace(**{**vars(of_mars), "body": BODIES["moon"]}), home) == ()


def test_a_table_replaces_adds_and_names_what_is_wrong(of_mars: Any, home: Settings, caplog) -> None:
    folder = home.data / "mars"
    relief(folder / "megt90n000cb.vrt")
    relief(folder / "finer.tif", height_m=700.0)
    relief(folder / "moon.tif", "moon")
    (folder / "torn.tif").write_bytes(b"II*\0 no more")
    (folder / "context.toml").write_text(
        '[elevation]\nfile = "finer.tif"\nunit = "m"\nabout = "a finer model"\n'
        '[depth]\nfile = "moon.tif"\nunit = "m"\n'
        '[dust]\nfile = "torn.tif"\nunit = ""\n'
        '[ice]\nfile = "none.tif"\nunit = "percent"\n'
    )
    found = {raster.name: raster for raster in open_context_rasters(of_mars, home)}
    assert sample_at(found["elevation"], BODIES["mars"], [(10, 10)], 5.0).tolist() == [700.0]
    assert found["elevation"].about == "a finer model"
    for name, says in (("depth", "moon"), ("dust", r"torn\.tif"), ("ice", r"none\.tif does not exist")):
        with pytest.raises(RasterError, match=f"{name} cannot be used.*{says}"):
            sample_at(found[name], BODIES["mars"], [(10, 10)], 5.0)
    assert "depth of mars is left out" in caplog.text


def test_a_table_that_is_none_leaves_the_rest(of_mars: Any, home: Settings) -> None:
    relief(home.data / "mars" / "megt90n000cb.vrt")
    (home.data / "mars" / "context.toml").write_text('[lat]\nfile = "x.tif"\nunit = "m"\n')
    elevation, table = open_context_rasters(of_mars, home)
    assert (elevation.fault, table.name) == ("", "context.toml")
    assert "'lat' is no name" in table.fault
