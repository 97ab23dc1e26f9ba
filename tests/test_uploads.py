"""Uploads: pictures and catalogues that people bring, hostile ones among them, under names that are safe."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from agent.chat.dialogue import PICTURE_NAME
from agent.chat.uploads import Brought, keep, keep_all, keep_picture, named_in, safe_stem, shown_name
from agent.grammar.lexicon import FILE
from retrieval.errors import QuestionError

SECRET = "TOPSECRET-4711"


def noise(side: int = 64, bands: int = 3) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 255, (side, side, bands), dtype=np.uint8)
    return Image.fromarray(values.squeeze())


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif"])
def test_pictures_of_every_usual_kind_are_kept_as_png(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"x.{suffix}"
    Image.fromarray(np.full((40, 60, 3), 128, dtype=np.uint8)).save(source)
    name = keep_picture(source, tmp_path / "kept")
    assert PICTURE_NAME.fullmatch(name)
    with Image.open(tmp_path / "kept" / name) as kept:
        assert (kept.format, kept.mode, kept.size) == ("PNG", "RGB", (60, 40))
    assert keep_picture(source, tmp_path / "kept") == name
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_range_of_deep_pictures_survives(tmp_path: Path, dtype: type) -> None:
    source = tmp_path / "dem.tif"
    Image.fromarray((np.arange(32 * 32).reshape(32, 32) * 20 + 30_000).astype(dtype)).save(source)
    name = keep_picture(source, tmp_path)
    with Image.open(tmp_path / name) as kept:
        grey = np.asarray(kept)[..., 0]
    assert (grey.min(), grey.max()) == (0, 255)
    assert len(np.unique(grey)) > 200


def test_a_flat_deep_picture_is_black_not_an_error(tmp_path: Path) -> None:
    source = tmp_path / "flat.tif"
    Image.fromarray(np.full((32, 32), 700, dtype=np.uint16)).save(source)
    with Image.open(tmp_path / keep_picture(source, tmp_path)) as kept:
        assert np.asarray(kept).max() == 0


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    source = tmp_path / "wide.png"
    Image.new("L", (5000, 100)).save(source)
    with Image.open(tmp_path / keep_picture(source, tmp_path)) as kept:
        assert kept.size == (2048, 41)


# Pillow says so when it skips a torn tag.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"\xff\xd8\xff"]),
)
def test_no_bytes_do_anything_but_give_a_picture_or_a_clear_line(
    tmp_path: Path, content: bytes, start: bytes
) -> None:
    source = tmp_path / "x.png"
    source.write_bytes(start + content)
    kept = tmp_path / "kept"
    with pytest.raises(QuestionError, match="cannot be read as a picture"):
        keep_picture(source, kept)
    assert not kept.exists()


def test_a_torn_picture_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(whole)
    torn = tmp_path / "torn.png"
    torn.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(QuestionError, match=r"'torn\.png' cannot be read"):
        keep_picture(torn, tmp_path)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    """A real PNG with more chunks behind its header."""
    stream = io.BytesIO()
    noise().save(stream, "PNG")
    whole = stream.getvalue()
    return whole[:33] + b"".join(chunks) + whole[33:]


def test_nothing_but_pixels_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = exif[0x9286] = f"<script>{SECRET}</script>"
    info = PngInfo()
    info.add_text("Comment", SECRET)
    info.add_itxt("XML:com.adobe.xmp", f"<x>{SECRET}</x>", zip=True)
    profile = SECRET.encode() * 10_000
    for name, more in {
        "a.png": {"pnginfo": info, "icc_profile": profile, "exif": exif},
        "b.jpg": {"comment": SECRET, "icc_profile": profile, "exif": exif},
        "c.webp": {"icc_profile": profile, "exif": exif, "xmp": SECRET.encode()},
        "d.tif": {"description": SECRET, "icc_profile": profile},
    }.items():
        noise().save(tmp_path / name, **more)
        assert SECRET.encode() in (tmp_path / name).read_bytes() or name == "a.png"
        kept = tmp_path / "kept" / keep_picture(tmp_path / name, tmp_path / "kept")
        with Image.open(kept) as opened:
            opened.load()
            assert not opened.info
        kinds = {kept.read_bytes()[at - 4 : at] for at in _chunk_starts(kept.read_bytes())}
        assert kinds <= {b"IHDR", b"IDAT", b"IEND"}


def _chunk_starts(png: bytes) -> list[int]:
    starts, at = [], 8
    while at < len(png):
        starts.append(at + 8)
        at += 12 + struct.unpack(">I", png[at : at + 4])[0]
    return starts


BOMB = zlib.compress(b"\0" * 50_000_000, 9)
HOSTILE = {
    "a text that swells": with_chunks(chunk(b"zTXt", b"x\0\0" + BOMB)),
    "many texts that swell": with_chunks(*[chunk(b"iTXt", b"x\0\1\0\0\0" + BOMB) for _ in range(40)]),
    "a profile that swells": with_chunks(chunk(b"iCCP", b"x\0\0" + BOMB)),
    "positions that lead nowhere": with_chunks(chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff" + b"\xff" * 4000)),
    "a tag that points at itself": with_chunks(
        chunk(b"eXIf", b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0")
    ),
    "tags of a TIFF": b"II*\0\x08\0\0\0" + b"\xff\x7f" + b"\x11\x01\x04\0\xff\xff\xff\xff\0\0\0\0" * 600,
    "pixels that swell": b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", BOMB)
    + chunk(b"IEND", b""),
    "a drawing": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>',
    "a page": b"<!doctype html><script>alert(1)</script>",
    "a photo of a telephone": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n",
    "nothing": b"",
}


# Pillow tells of what it leaves out.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_pictures_are_drawn_anew_or_refused_in_words(tmp_path: Path, what: str) -> None:
    source = tmp_path / "x.png"
    source.write_bytes(HOSTILE[what])
    refused = ""
    try:
        name = keep_picture(source, tmp_path / "kept")
    except QuestionError as error:
        refused = str(error)
    if refused:
        assert refused.startswith("'x.png' ")
        assert "Allowed: " in refused
        assert "Next: " in refused
        assert str(tmp_path) not in refused
    else:
        assert (tmp_path / "kept" / name).stat().st_size < 20_000


def test_what_was_brought_instead_of_a_picture_is_named(tmp_path: Path) -> None:
    for what, said in (
        ("a photo of a telephone", "it is a HEIC photo"),
        ("a drawing", "SVG"),
        ("nothing", "it is empty"),
    ):
        (tmp_path / "x.png").write_bytes(HOSTILE[what])
        with pytest.raises(QuestionError, match=said):
            keep_picture(tmp_path / "x.png", tmp_path)


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif"])
def test_of_many_frames_the_first_is_kept(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("L", (32, 32), number % 256) for number in range(300)]
    frames[0] = noise(32, 1)
    frames[0].save(tmp_path / f"x.{suffix}", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / keep_picture(tmp_path / f"x.{suffix}", tmp_path)) as kept:
        assert kept.size == (32, 32)
        assert np.asarray(kept).std() > 20


@pytest.mark.parametrize(("size", "said"), [((1, 1), "at least 16 px"), ((20_000, 4_000), "too many pixels")])
def test_sizes_that_cannot_be_used_are_refused(tmp_path: Path, size: tuple[int, int], said: str) -> None:
    Image.new("1", size).save(tmp_path / "x.png")
    with pytest.raises(QuestionError, match=said) as refused:
        keep_picture(tmp_path / "x.png", tmp_path)
    assert refused.value.next_step


@pytest.mark.parametrize("mode", ["CMYK", "P", "LA", "RGBA", "1", "I;16"])
def test_every_way_of_holding_pixels_is_read(tmp_path: Path, mode: str) -> None:
    values = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    picture = Image.fromarray(values) if mode == "I;16" else noise().convert(mode)
    more = {"transparency": 3} if mode == "P" else {}
    picture.save(tmp_path / "x.tif" if mode == "CMYK" else tmp_path / "x.png", **more)
    source = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    with Image.open(tmp_path / "kept" / keep_picture(source, tmp_path / "kept")) as kept:
        assert kept.mode == "RGB"
        assert np.asarray(kept).std() > 20


def test_a_catalogue_keeps_its_name_and_its_bytes(tmp_path: Path) -> None:
    folder, source = tmp_path / "kept", tmp_path / "my craters (final).csv"
    source.write_text("lon,lat\n1,2\n")
    kept = keep(source, folder)
    assert kept == Brought("catalogue", "my_craters_final.csv", "my craters (final).csv")
    assert (folder / kept.name).read_bytes() == source.read_bytes()
    assert keep(source, folder) == kept
    source.write_text("lon,lat\n3,4\n")
    other = keep(source, folder)
    assert other.name != kept.name
    assert (folder / kept.name).read_text() == "lon,lat\n1,2\n"
    assert len(list(folder.iterdir())) == 2


@given(st.text(max_size=200))
def test_no_name_leads_out_or_hides(title: str) -> None:
    name = safe_stem(f"{title}.csv") + ".csv"
    assert "/" not in name
    assert "\\" not in name
    assert not name.startswith(".")
    assert re.fullmatch(FILE, name)
    assert shown_name(title).isprintable()
    assert len(shown_name(title).encode()) < 400


def test_too_much_is_refused_and_temporary_files_go(tmp_path: Path) -> None:
    sources = [tmp_path / f"{number}.csv" for number in range(9)]
    for source in sources:
        source.write_text("lon,lat\n1,2\n")
    with pytest.raises(QuestionError, match=r"9 files came.*at most 8 at once"):
        keep_all(sources, tmp_path / "kept")
    kept = keep_all(sources[:8], tmp_path / "kept")
    assert len(kept) == 8
    assert [source.exists() for source in sources] == [False] * 8 + [True]
    (tmp_path / "empty.csv").touch()
    with pytest.raises(QuestionError, match="is empty"):
        keep(tmp_path / "empty.csv", tmp_path / "kept")
    with pytest.raises(QuestionError, match="did not arrive"):
        keep(tmp_path / "gone.csv", tmp_path / "kept")


def test_a_full_disk_and_a_full_conversation_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.csv").write_text("lon,lat\n1,2\n")
    monkeypatch.setattr("agent.chat.uploads.SPARE_BYTES", 10**18)
    with pytest.raises(QuestionError, match="no room"):
        keep(tmp_path / "x.csv", tmp_path / "kept")
    monkeypatch.setattr("agent.chat.uploads.MOST_KEPT_BYTES", 0)
    with pytest.raises(QuestionError, match="begin a new conversation"):
        keep(tmp_path / "x.csv", tmp_path / "kept")


def test_a_transcript_is_no_catalogue(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("recipe.json", json.dumps([]))
    with pytest.raises(QuestionError, match="is a transcript"):
        keep(tmp_path / "x.zip", tmp_path / "kept")


LIST = [Brought("catalogue", "my_craters.csv", "my craters.csv")]


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", "Load the catalogue my_craters.csv"),
        ("How far are pitted cones from these craters?", "How far are pitted cones from my_craters.csv?"),
        ("Which craters are not in my list of craters?", "Which craters are not in my_craters.csv?"),
        ("Map them", "Map my_craters.csv"),
        ("Cones within 9 km of my_craters.csv?", "Cones within 9 km of my_craters.csv?"),
    ],
)
def test_a_question_names_the_catalogue_that_it_points_at(text: str, asked: str) -> None:
    assert named_in(text, LIST, offline=True) == asked


def test_a_question_that_points_at_nothing_is_asked_back_of_the_fixed_planner_only() -> None:
    with pytest.raises(QuestionError, match=r"the file is kept, so ask again"):
        named_in("Where are pitted cones?", LIST, offline=True)
    assert "my_craters.csv" in named_in("Where are pitted cones?", LIST, offline=False)
