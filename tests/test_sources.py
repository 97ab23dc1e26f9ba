"""Data sets are fetched whole or not at all: a real server on the loopback with the faults of real ones."""

from __future__ import annotations

import hashlib
import io
import json
import resource
import shlex
import shutil
import signal
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
import typer
from hypothesis import given
from hypothesis import strategies as st

import cli
from retrieval import sources
from retrieval.body import get_body
from retrieval.corpus.rasterfile import open_raster
from retrieval.datasets import DATASETS, Dataset, RemoteFile, choose, ctx_files
from retrieval.errors import SourceError
from retrieval.georeference import georeference
from retrieval.settings import Settings
from retrieval.sources import CHUNK_BYTES, fetch, read_journal, state
from tests.data_server import Publisher, pds3_label, publisher

CONTENT = np.random.default_rng(5).integers(0, 256, 900_000, dtype=np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
KEPT = 600_000 // CHUNK_BYTES * CHUNK_BYTES  # when a connection breaks after 600,000 bytes
PATH = "/data.example/maps/relief.bin"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr(sources, "PAUSE_S", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with publisher() as running:
        running.files[PATH] = CONTENT
        yield running


def dataset(file: RemoteFile | None = None, **fields: Any) -> Dataset:
    """A data set of one file whose hash is known."""
    plain = RemoteFile("relief.bin", (f"https:/{PATH}",), len(CONTENT), SHA256)
    values: dict[str, Any] = {
        "name": "relief",
        "title": "a relief",
        "body": "mars",
        "page": "https://data.example",
        "licence": "public domain",
        "citation": "A. Nobody (1999)",
        "files": (file or plain,),
        "opens": ("*.bin",),
        "next_steps": ("areographer index build {files} --out relief",),
    }
    return Dataset(**{**values, **fields})


def unknown(**fields: Any) -> Dataset:
    """The same, but nobody knows its hash beforehand."""
    return dataset(RemoteFile("relief.bin", (f"https:/{PATH}",)), **fields)


def left_in(folder: Path) -> set[str]:
    """Names of visible files."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_file_is_fetched_verified_recorded_and_not_fetched_again(server: Publisher, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    done = fetch(dataset(), tmp_path, mirror=server.address, progress=lambda *one: told.append(one))
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT
    assert done.opens == (tmp_path / "relief.bin",)
    assert done.downloaded == ("relief.bin",)
    assert told[-1] == ("relief.bin", len(CONTENT), len(CONTENT))
    entry = read_journal(tmp_path)["relief.bin"]
    assert entry["sha256"] == SHA256
    assert entry["licence"] == "public domain"
    assert done.files["relief.bin"]["hash"] == "known"
    assert left_in(tmp_path) == {"relief.bin", "fetched.json"}
    assert state(dataset(), tmp_path) == "fetched"

    again = fetch(dataset(), tmp_path, mirror=server.address)
    assert again.downloaded == ()
    assert server.asked == [(PATH, "")]


@pytest.mark.parametrize("cuts", [[450_000], [899_999], [300_000, 20_000, 300_000], [1, 1, 450_000]])
def test_a_cut_connection_goes_on_where_it_stopped(
    server: Publisher, tmp_path: Path, cuts: list[int]
) -> None:
    server.cuts[PATH] = list(cuts)
    fetch(dataset(), tmp_path, mirror=server.address)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT
    offsets = np.cumsum([cut // CHUNK_BYTES * CHUNK_BYTES for cut in cuts]).tolist()
    ranges = [f"bytes={offset}-" if offset else "" for offset in offsets]
    assert [asked for _, asked in server.asked] == ["", *ranges]


@pytest.mark.parametrize("make", [dataset, unknown])
def test_a_later_run_goes_on_with_what_an_earlier_one_left(
    server: Publisher, tmp_path: Path, make: Callable[[], Dataset]
) -> None:
    server.cuts[PATH], server.statuses[PATH] = [600_000], []

    def refuse_the_rest(name: str, done: int, total: int) -> None:
        server.statuses[PATH] = [503] * sources.ATTEMPTS

    with pytest.raises(SourceError, match=f"{KEPT:,} bytes are kept") as failure:
        fetch(make(), tmp_path, mirror=server.address, progress=refuse_the_rest)
    assert "goes on from there" in failure.value.next_step
    assert not (tmp_path / "relief.bin").exists()
    assert state(make(), tmp_path) == "begun"

    server.asked.clear()
    fetch(make(), tmp_path, mirror=server.address)
    assert server.asked == [(PATH, f"bytes={KEPT}-")]
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT


def test_a_fetch_that_was_interrupted_goes_on(server: Publisher, tmp_path: Path) -> None:
    def interrupt(name: str, done: int, total: int) -> None:
        if done > 500_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(dataset(), tmp_path, mirror=server.address, progress=interrupt)
    kept = (tmp_path / "relief.bin.part").stat().st_size
    assert kept > 400_000
    fetch(dataset(), tmp_path, mirror=server.address)
    assert server.asked[-1] == (PATH, f"bytes={kept}-")
    assert left_in(tmp_path) == {"relief.bin", "fetched.json"}


def test_two_editions_are_never_joined(server: Publisher, tmp_path: Path) -> None:
    edition = CONTENT[::-1]

    def publish_another(name: str, done: int, total: int) -> None:
        server.files[PATH] = edition

    server.cuts[PATH] = [600_000]
    fetch(unknown(), tmp_path, mirror=server.address, progress=publish_another)
    assert (tmp_path / "relief.bin").read_bytes() == edition
    assert len(server.asked) == 2


def test_without_a_hash_or_an_edition_nothing_is_joined(server: Publisher, tmp_path: Path) -> None:
    server.tags = False
    server.cuts[PATH] = [600_000]
    fetch(unknown(), tmp_path, mirror=server.address)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT
    assert server.asked == [(PATH, ""), (PATH, "")]


def test_a_server_without_ranges_is_asked_for_the_whole_again(server: Publisher, tmp_path: Path) -> None:
    server.ranges = False
    server.cuts[PATH] = [600_000]
    fetch(dataset(), tmp_path, mirror=server.address)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT


def test_a_server_that_always_breaks_off_is_given_up(server: Publisher, tmp_path: Path) -> None:
    server.ranges = False
    server.cuts[PATH] = [500_000, 100_000] * 50
    with pytest.raises(SourceError, match="breaks off"):
        fetch(dataset(), tmp_path, mirror=server.address)
    assert len(server.asked) == 1 + sources.ATTEMPTS


def test_a_part_that_was_whole_already_is_taken(server: Publisher, tmp_path: Path) -> None:
    (tmp_path / "relief.bin.part").write_bytes(CONTENT)
    fetch(dataset(), tmp_path, mirror=server.address)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT
    assert server.asked == [(PATH, f"bytes={len(CONTENT)}-")]


def test_a_part_that_is_too_long_is_started_anew(server: Publisher, tmp_path: Path) -> None:
    (tmp_path / "relief.bin.part").write_bytes(CONTENT + b"more")
    fetch(dataset(), tmp_path, mirror=server.address)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT


def test_a_wrong_file_is_thrown_away_and_never_replaces_a_good_one(server: Publisher, tmp_path: Path) -> None:
    server.files[PATH] = CONTENT[:-1] + b"?"
    with pytest.raises(SourceError, match="another SHA-256 than expected; it was thrown away"):
        fetch(dataset(), tmp_path, mirror=server.address)
    assert left_in(tmp_path) == set()

    server.files[PATH] = CONTENT
    fetch(unknown(), tmp_path, mirror=server.address)
    server.files[PATH] = b"<a torn new edition"
    server.cuts[PATH] = [5] * 20
    server.statuses[PATH] = [500] * 20
    with pytest.raises(SourceError):
        fetch(unknown(), tmp_path, mirror=server.address, renew=True)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT
    assert fetch(unknown(), tmp_path, mirror=server.address).downloaded == ()


def test_the_hash_of_the_first_fetch_is_held_against_later_ones(server: Publisher, tmp_path: Path) -> None:
    first = fetch(unknown(), tmp_path, mirror=server.address)
    assert first.files["relief.bin"]["hash"] == "recorded"
    assert first.files["relief.bin"]["sha256"] == SHA256
    assert fetch(unknown(), tmp_path, mirror=server.address).files["relief.bin"]["hash"] == "kept"

    (tmp_path / "relief.bin").write_bytes(CONTENT[:-1] + b"?")  # same size, other bytes
    assert fetch(unknown(), tmp_path, mirror=server.address).downloaded == ("relief.bin",)
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT

    (tmp_path / "relief.bin").unlink()
    server.files[PATH] = b"a new edition"
    with pytest.raises(SourceError, match="than what was fetched on 20") as failure:
        fetch(unknown(), tmp_path, mirror=server.address)
    assert "areographer fetch relief --renew" in failure.value.next_step
    renewed = fetch(unknown(), tmp_path, mirror=server.address, renew=True)
    assert (tmp_path / "relief.bin").read_bytes() == b"a new edition"
    assert renewed.files["relief.bin"]["hash"] == "recorded"
    assert read_journal(tmp_path)["relief.bin"]["sha256"] == hashlib.sha256(b"a new edition").hexdigest()


def test_a_file_brought_by_hand_is_taken(server: Publisher, tmp_path: Path) -> None:
    for make in (dataset, unknown):
        folder = tmp_path / make.__name__
        folder.mkdir()
        (folder / "relief.bin").write_bytes(CONTENT)
        assert fetch(make(), folder, mirror=server.address).downloaded == ()
        assert read_journal(folder)["relief.bin"]["sha256"] == SHA256
    assert server.asked == []


def test_what_is_gone_says_where_to_look(server: Publisher, tmp_path: Path) -> None:
    server.files.clear()
    with pytest.raises(SourceError, match=r"answers 404 \(Not Found\)") as failure:
        fetch(dataset(), tmp_path, mirror=server.address)
    assert "https://data.example" in failure.value.next_step
    assert len(server.asked) == 1


def test_a_web_page_is_no_data(server: Publisher, tmp_path: Path) -> None:
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(SourceError, match="sent a web page instead of relief"):
        fetch(unknown(), tmp_path, mirror=server.address)
    assert left_in(tmp_path) == set()


def test_the_next_address_is_tried(server: Publisher, tmp_path: Path) -> None:
    places = ("https://gone.example/relief.bin", f"https:/{PATH}")
    fetch(dataset(RemoteFile("relief.bin", places, 0, SHA256)), tmp_path, mirror=server.address)
    assert [path for path, _ in server.asked] == ["/gone.example/relief.bin", PATH]
    assert read_journal(tmp_path)["relief.bin"]["address"].endswith(PATH)


def test_a_publisher_out_of_reach_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAUSE_S", 0.001)
    with publisher() as gone:
        address = gone.address
    with pytest.raises(SourceError, match="cannot be reached"):
        fetch(dataset(), tmp_path, mirror=address)
    with pytest.raises(SourceError, match="'ftp://x' is no address"):
        fetch(dataset(), tmp_path, mirror="ftp://x")


def test_a_disk_that_fills_up_keeps_what_was_there(server: Publisher, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then writing fails as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
    try:
        with pytest.raises(SourceError, match=r"cannot be written to \(File too large\)"):
            fetch(dataset(), tmp_path, mirror=server.address)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "relief.bin.part").stat().st_size == 500_000
    fetch(dataset(), tmp_path, mirror=server.address)
    assert server.asked[-1] == (PATH, "bytes=500000-")
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT


def test_what_does_not_fit_is_refused_before_anything_is_asked(
    server: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: used._replace(free=100_500_000))
    with pytest.raises(SourceError, match=r"relief takes 0\.00 GB more and .* has 0\.10 GB free"):
        fetch(dataset(), tmp_path, mirror=server.address)
    assert server.asked == []


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written to"):
        fetch(dataset(), tmp_path / "file" / "data")


def test_one_file_is_fetched_by_one_process_at_a_time(server: Publisher, tmp_path: Path) -> None:
    other = "/data.example/maps/names.bin"
    server.files[other] = b"names"
    server.hold = threading.Event()
    begun = threading.Event()
    first = threading.Thread(
        target=fetch,
        args=(dataset(), tmp_path),
        kwargs={"mirror": server.address, "progress": lambda *_: begun.set()},
    )
    first.start()
    assert begun.wait(10)
    with pytest.raises(SourceError, match="is being fetched by another process"):
        fetch(dataset(), tmp_path, mirror=server.address)
    server.hold.set()
    names = dataset(RemoteFile("names.bin", (f"https:/{other}",)), name="names")
    fetch(names, tmp_path, mirror=server.address)  # another file of the same folder need not wait
    first.join()
    assert set(read_journal(tmp_path)) == {"relief.bin", "names.bin"}
    assert (tmp_path / "relief.bin").read_bytes() == CONTENT


def zipped(**members: bytes) -> bytes:
    """A zip of members, ``__`` in their names standing for ``/``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def craters(*patterns: str) -> Dataset:
    file = RemoteFile("all.zip", ("https://data.example/all.zip",), members=patterns or ("*.csv",))
    return dataset(file, name="craters", opens=("*.csv",))


def test_of_a_zip_only_what_matters_is_kept(server: Publisher, tmp_path: Path) -> None:
    archive = zipped(
        **{"a__craters.csv": b"lon,lat\n1,2\n", "a__base.tif": CONTENT, "__MACOSX__._craters.csv": b"?"}
    )
    server.files["/data.example/all.zip"] = archive
    done = fetch(craters(), tmp_path, mirror=server.address)
    assert left_in(tmp_path) == {"craters.csv", "fetched.json"}
    assert done.opens == (tmp_path / "craters.csv",)
    assert done.files["all.zip"]["sha256"] == hashlib.sha256(archive).hexdigest()
    assert fetch(craters(), tmp_path, mirror=server.address).downloaded == ()

    (tmp_path / "craters.csv").write_bytes(b"lon,lat\n1,3\n")
    assert fetch(craters(), tmp_path, mirror=server.address).downloaded == ("all.zip",)
    assert (tmp_path / "craters.csv").read_bytes() == b"lon,lat\n1,2\n"


def test_no_member_leads_out_of_the_folder(server: Publisher, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    server.files["/data.example/all.zip"] = zipped(
        **{"..__..__evil.csv": b"1", "__tmp__absolute.csv": b"2", "..": b"3", "a__..": b"4"}
    )
    fetch(craters("*"), folder, mirror=server.address)
    assert left_in(folder) == {"evil.csv", "absolute.csv", "fetched.json"}
    assert {path.name for path in tmp_path.rglob("*.csv")} == {"evil.csv", "absolute.csv"}


@pytest.mark.parametrize("wrong", [b"PK but no zip", "torn", "empty"])
def test_a_zip_without_what_matters_is_an_error_that_leaves_nothing(
    server: Publisher, tmp_path: Path, wrong: bytes | str
) -> None:
    whole = (
        zipped(a__craters=CONTENT, b__craters=b"") if wrong == "empty" else zipped(**{"craters.csv": CONTENT})
    )
    if wrong == "torn":
        middle = len(whole) // 2
        whole = whole[:middle] + bytes(100) + whole[middle + 100 :]
    server.files["/data.example/all.zip"] = wrong if isinstance(wrong, bytes) else whole
    with pytest.raises(SourceError, match=r"torn and was thrown away|holds none of"):
        fetch(craters(), tmp_path, mirror=server.address)
    assert not list(tmp_path.glob("*.csv*"))
    assert not (tmp_path / "fetched.json").exists()


def test_a_torn_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "fetched.json").write_text('{"files": {"relief.bin"')
    with pytest.raises(SourceError, match=r"fetched\.json is torn"):
        fetch(dataset(), tmp_path)


# --- the table, tiles and places


def test_the_table_says_everything() -> None:
    assert len({one.name for one in DATASETS}) == len(DATASETS)
    for one in DATASETS:
        get_body(one.body)
        assert one.page.startswith("https://")
        assert all((one.title, one.licence, one.citation, one.opens, one.next_steps)), one.name
        for file in one.files:
            assert all(address.startswith("https://") for address in file.addresses), file.name
            assert file.addresses
            assert not file.sha256 or len(bytes.fromhex(file.sha256)) == 32
    assert [one.name for one in choose(["mars"])] == ["mola", "names", "craters", "viking"]
    assert [one.name for one in choose(["viking", "mola"])] == ["viking", "mola"]


def test_every_next_step_is_a_command_that_exists() -> None:
    root = typer.main.get_command(cli.app)
    for step in (step for one in DATASETS for step in one.next_steps):
        words = shlex.split(step.split(",")[0])
        command: Any = root
        assert words.pop(0) == "areographer"
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, step


@pytest.mark.parametrize(
    ("bounds", "tiles"),
    [
        ((137, -6, 138, -4.5), ["E136_N-08"]),
        ((136, -8, 140, -4), ["E136_N-08"]),
        ((-1, -1, 1, 1), ["E-004_N-04", "E000_N-04", "E-004_N00", "E000_N00"]),
        ((179, 40, -179, 41), ["E176_N40", "E-180_N40"]),
        ((181, 40, 182, 41), ["E-180_N40"]),
        ((320, 20, 324, 24), ["E-040_N20"]),
        ((0, 84, 4, 88), ["E000_N84"]),
    ],
)
def test_tiles_of_a_box(bounds: tuple[float, float, float, float], tiles: list[str]) -> None:
    assert [file.name for file in ctx_files(bounds)] == [
        f"MurrayLab_GlobalCTXMosaic_V01_{tile}.zip" for tile in tiles
    ]


@given(
    west=st.floats(-180, 180),
    span=st.floats(0.01, 60),
    south=st.floats(-88, 80),
    height=st.floats(0.01, 8),
    across=st.floats(0.001, 0.999),
    up=st.floats(0.001, 0.999),
)
def test_every_point_of_a_box_lies_in_one_of_its_tiles(
    west: float, span: float, south: float, height: float, across: float, up: float
) -> None:
    east = (west + span + 180) % 360 - 180
    names = [file.name for file in ctx_files((west, south, east, south + height))]
    assert len(set(names)) == len(names)
    lon = int(np.floor(((west + across * span + 180) % 360 - 180) / 4)) * 4
    lat = int(np.floor((south + up * height) / 4)) * 4
    digits = f"E{lon:+04d}_N{lat:+03d}".replace("+", "")
    assert any(name.endswith(f"_{digits}.zip") for name in names), (digits, names)


def test_the_whole_planet_has_every_tile_once() -> None:
    assert len(ctx_files((-180, -88, 180, 88))) == 3960


@pytest.mark.parametrize(
    ("names", "bounds", "message"),
    [
        (["marz"], None, "no data set 'marz'"),
        (["ctx"], None, "ctx comes in tiles"),
        (["mola"], (0, 0, 1, 1), "--bounds belongs to"),
        (["ctx"], (0, 10, 1, 5), "no box of the CTX mosaic"),
        (["ctx"], (0, 85, 1, 90), "no box of the CTX mosaic"),
        (["ctx"], (0, float("nan"), 1, 5), "no box of the CTX mosaic"),
        (["ctx"], (400, 0, 401, 1), "span no box"),
        (["ctx"], (5, 0, 5, 1), "span no box"),
    ],
)
def test_names_and_boxes_that_mean_nothing(names: list[str], bounds: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        choose(names, bounds)


def test_a_grid_with_a_label_lies_where_the_label_says(tmp_path: Path) -> None:
    heights = np.random.default_rng(6).integers(-8000, 21000, (18, 36)).astype(">i2")
    (tmp_path / "grid.img").write_bytes(heights.tobytes())
    (tmp_path / "grid.lbl").write_bytes(pds3_label("GRID.IMG", 18, 36).encode())
    one = dataset(georeference="pds3")
    (placed,) = georeference(one, [tmp_path / "grid.img", tmp_path / "grid.lbl"])
    raster, _ = open_raster(placed, get_body("mars"), None, "auto")
    assert raster.kind == "dem"
    assert raster.cyclic
    rows, cols = raster.positions(get_body("mars"), np.array([[5.0, 85.0], [-5.0, -85.0], [135.0, 15.0]]))
    np.testing.assert_allclose(rows, [0, 17, 7], atol=1e-6)
    np.testing.assert_allclose(cols, [0, 35, 13], atol=1e-6)
    with rasterio.open(placed) as opened:
        np.testing.assert_array_equal(opened.read(1), heights)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MSB_INTEGER", "LSB_INTEGER", "another kind"),
        ('"EAST"', '"WEST"', "another kind"),
        ("LINES ", "LINEZ ", "no label of a map"),
        ("0.1 <PIXEL", "0.0 <PIXEL", "no label of a map"),
    ],
)
def test_labels_of_other_grids_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "grid.lbl").write_text(pds3_label("GRID.IMG", 18, 36).replace(old, new))
    with pytest.raises(SourceError, match=message):
        georeference(dataset(georeference="pds3"), [tmp_path / "grid.lbl"])


# As the CTX tiles say it: planetocentric by name, on an ellipsoid by number.
CTX_CRS = """PROJCS["Mars_2015_Ocentric_Equirectangular_clon_0",GEOGCS["Mars (2015) - Ocentric",
DATUM["Mars_(2015)",SPHEROID["Mars (2015)",3396190,169.894447223612]],PRIMEM["Reference Meridian",0],
UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],PARAMETER["standard_parallel_1",0],
PARAMETER["central_meridian",0],PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]"""


def test_a_ctx_tile_lies_where_its_name_says(server: Publisher, home: Settings, tmp_path: Path) -> None:
    metres = 3_396_190 * np.pi / 180
    side = 40
    tile = tmp_path / "tile.tif"
    grey = np.random.default_rng(7).integers(1, 255, (1, side, side), dtype=np.uint8)
    place = rasterio.Affine(4 * metres / side, 0, 136 * metres, 0, -4 * metres / side, -4 * metres)
    profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": side, "height": side}
    with rasterio.open(tile, "w", crs=CTX_CRS, transform=place, **profile) as out:
        out.write(grey)
    (ctx,) = choose(["ctx"], (137, -6, 138, -5))
    inside = "MurrayLab_GlobalCTXMosaic_V01_E136_N-08/MurrayLab_CTX_V01_E136_N-08_Mosaic.tif"
    archive = zipped(**{inside.replace("/", "__"): tile.read_bytes(), "readme.txt": b"-"})
    server.files["/murray-lab.caltech.edu/CTX/V01/tiles/MurrayLab_GlobalCTXMosaic_V01_E136_N-08.zip"] = (
        archive
    )
    small = replace(ctx, files=tuple(replace(file, size=0, unpacked=0) for file in ctx.files))
    done = fetch(small, home.data / "mars", mirror=server.address)
    assert [path.name for path in done.opens] == ["MurrayLab_CTX_V01_E136_N-08_Mosaic.tif"]
    raster, _ = open_raster(done.opens[0], get_body("mars"), None, "auto")
    rows, cols = raster.positions(get_body("mars"), np.array([[138.0, -6.0], [136.05, -7.95]]))
    np.testing.assert_allclose(rows, [side / 2 - 0.5, side - 1], atol=1e-6)
    np.testing.assert_allclose(cols, [side / 2 - 0.5, 0], atol=1e-6)


# --- the verb


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(
    server: Publisher, home: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    monkeypatch.setenv("AREOGRAPHER_MIRROR", server.address)
    names = "/asc-planetarynames-data.s3.us-west-2.amazonaws.com/MARS_nomenclature_center_pts.kmz"
    mark = "<Placemark><name>Gale</name><Point><coordinates>137.8,-5.4</coordinates></Point></Placemark>"
    server.files[names] = zipped(**{"doc.kml": f"<kml><Document>{mark}</Document></kml>".encode()})

    def call(*argv: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["areographer", *argv])
        capfd.readouterr()
        status = cli.run()
        return Ran(status, *capfd.readouterr())

    return call


def test_the_verb_shows_terms_fetches_and_says_what_to_do_next(
    run: Callable[..., Ran], home: Settings, server: Publisher
) -> None:
    first = run("fetch", "names")
    assert first.status == 0, first.err
    file = home.data / "mars" / "MARS_nomenclature_center_pts.kmz"
    assert file.exists()
    lines = first.out.splitlines()
    licence = next(n for n, line in enumerate(lines) if "licence" in line)
    fetched = next(n for n, line in enumerate(lines) if ": fetched," in line)
    assert licence < fetched
    assert "Gazetteer of Planetary Nomenclature" in first.out
    assert "recorded now and checked from now on" in first.out
    assert f"areographer ask QUESTION --index INDEX --gazetteer {file}" in first.out

    second = run("fetch", "names", "--json")
    (told,) = json.loads(second.out)["datasets"]
    assert told["downloaded"] == []
    assert told["opens"] == [str(file)]
    assert told["files"][file.name]["hash"] == "kept"
    assert len(server.asked) == 1

    listed = json.loads(run("fetch", "--list", "--json").out)["datasets"]
    assert {one["name"]: one["state"] for one in listed}["names"] == "fetched"
    assert {one["name"]: one["state"] for one in listed}["mola"] == "not fetched"
    text = run("fetch", "--list").out
    assert all(one.name in text and one.licence in text for one in DATASETS)


def test_the_verb_refuses_in_one_line_and_keeps_what_was_fetched(
    run: Callable[..., Ran], home: Settings, tmp_path: Path
) -> None:
    for argv, message in (
        (["fetch", "moonn"], "there is no data set 'moonn'"),
        (["fetch", "ctx"], "ctx comes in tiles of 4 degrees"),
        (["fetch", "mola", "--bounds", "0", "0", "1", "1"], "--bounds belongs to"),
    ):
        ran = run(*argv)
        assert ran.status == 2
        assert ran.out == ""
        assert ran.err.startswith(f"error: {message}")
        assert ran.err.count("\n") == 1
    out = tmp_path / "here"
    ran = run("fetch", "names", "craters", "--out", str(out))
    assert ran.status == 2
    assert "answers 404" in ran.err
    assert (out / "MARS_nomenclature_center_pts.kmz").exists()
