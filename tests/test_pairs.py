"""Pairs from folders: shards and plain pictures, joined, with what is unknown; and everything torn."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retrieval.body import get_body
from retrieval.corpus.shards import Pair, write_shards
from retrieval.corpus.splits import SplitRule
from retrieval.errors import SettingsError
from retrieval.training.pairs import Pairs, draw_weights, read_pairs


def shard_folder(
    out: Path, keys: tuple[str, ...], count: int = 12, size: int = 16, split: SplitRule | None = None
) -> Path:
    """Grey noise; tile n shows landform n modulo k and leaves the next one unknown every fourth time."""
    rng = np.random.default_rng(count)
    pairs = [
        Pair(
            f"{out.name}-{n}",
            rng.integers(1, 256, (size, size), dtype=np.uint8),
            (f"{out.name} tile {n}", "a second sentence"),
            (keys[n % len(keys)],),
            float(rng.uniform(-180, 180)),
            float(rng.uniform(-60, 60)),
            unknown=(keys[(n + 1) % len(keys)],) if n % 4 == 0 and len(keys) > 1 else (),
        )
        for n in range(count)
    ]
    mars = get_body("mars")
    return write_shards(out, pairs, keys=keys, body=mars, tile_km=60.0, split=split, seed=1, about={})


def plain_folder(out: Path, table: str, pictures: dict[str, Image.Image] | None = None) -> Path:
    out.mkdir()
    for n in range(3):
        grey = np.full((40, 40), 60 * (n + 1), dtype=np.uint8)
        Image.fromarray(grey).save(out / f"{n}.png")
    for name, picture in (pictures or {}).items():
        picture.save(out / name)
    (out / "pairs.csv").write_text(table, encoding="utf-8")
    return out


def test_shards_come_back_as_they_were_written(tmp_path: Path) -> None:
    pairs = read_pairs([shard_folder(tmp_path / "a", ("x", "y", "z"))])
    rng = np.random.default_rng(12)
    for n in range(12):
        assert np.array_equal(pairs.images[n], rng.integers(1, 256, (16, 16), dtype=np.uint8))
        rng.uniform(size=2)
        assert pairs.captions[n] == (f"a tile {n}", "a second sentence")
        assert pairs.labels[n].tolist() == [n % 3 == k for k in range(3)]
        assert pairs.known[n].tolist() == [n % 4 != 0 or (n + 1) % 3 != k for k in range(3)]
    assert (pairs.keys, pairs.sources) == (("x", "y", "z"), (("a", 12),))
    assert not (pairs.labels & ~pairs.known).any()


def test_folders_of_other_landforms_are_joined(tmp_path: Path) -> None:
    table = "file,caption,landforms,absent\n0.png,dunes,w,y\n1.png,ground,,\n2.png,nothing,,*\n"
    folders = [
        shard_folder(tmp_path / "few", ("y", "v")),
        plain_folder(tmp_path / "plain", table),
        shard_folder(tmp_path / "many", ("x", "y", "z")),
    ]
    pairs = read_pairs(folders)
    assert pairs.keys == ("x", "y", "z", "v", "w")
    assert pairs.sources == (("few", 12), ("plain", 3), ("many", 12))
    assert pairs.images.shape == (27, 16, 16)
    few, plain, many = slice(0, 12), slice(12, 15), slice(15, 27)
    assert not pairs.known[few][:, [0, 2, 4]].any()
    assert not pairs.known[many][:, [3, 4]].any()
    assert pairs.labels[plain].tolist() == [[False] * 4 + [True], [False] * 5, [False] * 5]
    assert pairs.known[plain].tolist() == [
        [False, True, False, False, True],
        [False] * 5,
        [False, True, False, False, True],
    ]
    alone = read_pairs([folders[2]])
    columns = [pairs.keys.index(key) for key in alone.keys]
    assert np.array_equal(pairs.labels[many][:, columns], alone.labels)
    assert np.array_equal(pairs.known[many][:, columns], alone.known)
    assert np.array_equal(pairs.images[many], alone.images)


@settings(max_examples=15)
@given(st.data())
def test_joining_never_invents_knowledge(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("join")
    key_sets = data.draw(
        st.lists(st.lists(st.sampled_from("abcde"), unique=True, min_size=1), min_size=1, max_size=3)
    )
    folders = [shard_folder(root / f"f{n}", tuple(keys), 5, 4) for n, keys in enumerate(key_sets)]
    joined = read_pairs(folders)
    assert set(joined.keys) == {key for keys in key_sets for key in keys}
    for n, (folder, keys) in enumerate(zip(folders, key_sets, strict=True)):
        alone, rows = read_pairs([folder]), slice(5 * n, 5 * n + 5)
        for column, key in enumerate(joined.keys):
            if key in keys:
                own = alone.keys.index(key)
                assert np.array_equal(joined.known[rows, column], alone.known[:, own])
                assert np.array_equal(joined.labels[rows, column], alone.labels[:, own])
            else:
                assert not joined.known[rows, column].any()
                assert not joined.labels[rows, column].any()


def test_splits_are_read_one_by_one(tmp_path: Path) -> None:
    rule = SplitRule(0.5, 0.25, 0.25, 6)
    folder = shard_folder(tmp_path / "s", ("x", "y"), 300, 8, rule)
    plain = plain_folder(tmp_path / "p", "file,caption,split\n0.png,a,val\n1.png,b,\n2.png,c,test\n")
    parts = {split: read_pairs([folder, plain], split) for split in ("train", "val", "test", "all")}
    assert sum(len(parts[split]) for split in ("train", "val", "test")) == len(parts["all"])
    captions = [parts[split].captions for split in ("train", "val", "test")]
    assert not set(captions[0]) & set(captions[1])
    assert [dict(parts[split].sources)["p"] for split in ("train", "val", "test")] == [1, 1, 1]
    with pytest.raises(SettingsError, match="no observed pairs in the split val"):
        read_pairs([shard_folder(tmp_path / "whole", ("x",))], "val")
    with pytest.raises(SettingsError, match="no split 'dev'"):
        read_pairs([folder], "dev")  # type: ignore[arg-type]


def test_plain_pictures_of_any_kind_become_one_size(tmp_path: Path) -> None:
    ramp = np.linspace(0, 40_000, 60 * 90).reshape(60, 90)
    pictures = {
        "deep.tif": Image.fromarray(ramp.astype(np.uint16)),
        "float.tif": Image.fromarray(ramp.astype(np.float32)),
        "wide.jpg": Image.fromarray(np.repeat(np.arange(200, dtype=np.uint8)[None], 50, axis=0)),
        "palette.png": Image.new("RGB", (20, 20), (0, 255, 0)).convert("P", dither=Image.Dither.NONE),
        "alpha.png": Image.new("RGBA", (20, 20), (200, 0, 0, 255)),
    }
    table = "file,caption_1,caption_2\n" + "".join(f"{name},one,two\n" for name in pictures)
    folder = plain_folder(tmp_path / "plain", table, pictures)
    pairs = read_pairs([folder], size_px=24)
    deep, floating, wide, palette, alpha = pairs.images
    assert pairs.images.shape == (5, 24, 24)
    assert pairs.captions == (("one", "two"),) * 5
    assert deep[0, 0] < 60 < 200 < deep[-1, -1]
    assert np.abs(deep.astype(int) - floating).max() <= 1
    assert wide[:, 0].mean() == pytest.approx(75, abs=2)  # the middle square of 200 columns
    assert wide[:, -1].mean() == pytest.approx(124, abs=2)
    assert palette.std() == alpha.std() == 0
    assert read_pairs([folder]).images.shape == (5, 96, 96)
    colours = read_pairs([folder, shard_folder(tmp_path / "grey", ("x",))], grey=False)
    assert colours.images.shape == (17, 16, 16, 3)
    assert colours.images[4, 3, 3].tolist() == [200, 0, 0]
    assert (colours.images[5:] == colours.images[5:, :, :, :1]).all()
    assert read_pairs([tmp_path / "grey"], grey=False).images.shape == (12, 16, 16)


def test_a_large_picture_is_averaged_not_sampled(tmp_path: Path) -> None:
    checks = Image.fromarray((np.indices((96, 96)).sum(axis=0) % 2 * 200).astype(np.uint8))
    folder = plain_folder(tmp_path / "plain", "file,caption\nchecks.png,checks\n", {"checks.png": checks})
    assert set(read_pairs([folder], size_px=24).images.flatten().tolist()) == {100}


def test_rows_of_one_picture_are_joined(tmp_path: Path) -> None:
    table = "\ufefffile,caption,landforms\n0.png,first,a\n1.png,other,\n0.png,second,a; b\n0.png,first,\n"
    folder = plain_folder(tmp_path / "plain", table)
    (folder / "pairs.csv").rename(folder / "anything.csv")
    pairs = read_pairs([folder])
    assert pairs.captions == (("first", "second"), ("other",))
    assert pairs.labels.tolist() == pairs.known.tolist() == [[True, True], [False, False]]


def test_unobserved_tiles_are_left_out(tmp_path: Path) -> None:
    black = Image.fromarray(np.pad(np.full((40, 19), 9, np.uint8), ((0, 0), (21, 0))))
    table = "file,caption\n0.png,a\nblack.png,b\n2.png,c\n"
    pairs = read_pairs([plain_folder(tmp_path / "plain", table, {"black.png": black})], size_px=40)
    assert pairs.captions == (("a",), ("c",))
    assert pairs.sources == (("plain", 2),)
    assert pairs.images[:, 0, 0].tolist() == [60, 180]


def test_a_subset_keeps_what_is_known(tmp_path: Path) -> None:
    pairs = read_pairs([shard_folder(tmp_path / "a", ("x", "y", "z"))])
    rows = np.array([7, 0, 4])
    some = pairs.subset(rows)
    assert isinstance(some, Pairs)
    assert len(some) == 3
    assert np.array_equal(some.known, pairs.known[rows])
    assert some.captions == tuple(pairs.captions[row] for row in rows)


def edit_manifest(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return edit


def shard(manifest: dict) -> dict:
    return manifest["splits"]["train"]["shards"][0]


def replace_shard(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Another content with the right checksum: what a writer of somebody else may do wrong."""

    def edit(folder: Path) -> None:
        path = folder / "train-000000.tar"
        content = change(path.read_bytes())
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        edit_manifest(lambda manifest: shard(manifest).update(sha256=digest))(folder)

    return edit


def without(name: str) -> Callable[[bytes], bytes]:
    """A tar but for one of its members."""

    def change(content: bytes) -> bytes:
        copy = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=copy, mode="w") as new:
            for member in old:
                if member.name != name:
                    new.addfile(member, old.extractfile(member))
        return copy.getvalue()

    return change


TORN: dict[str, tuple[Callable[[Path], object], str]] = {
    "unfinished": (lambda f: (f / "manifest.json").unlink(), r"manifest\.json is missing"),
    "torn manifest": (lambda f: (f / "manifest.json").write_text('{"kind": "pa'), r"manifest\.json is torn"),
    "bytes": (lambda f: (f / "manifest.json").write_bytes(b"\xff\xfe\x00"), r"manifest\.json is torn"),
    "empty": (lambda f: (f / "manifest.json").write_text("{}"), "does not describe pairs"),
    "list": (lambda f: (f / "manifest.json").write_text("[]"), "does not describe pairs"),
    "version": (edit_manifest(lambda m: m.update(format=99)), "layout 99; this version reads 1"),
    "no splits": (edit_manifest(lambda m: m.pop("splits")), r"manifest\.json is torn"),
    "outside": (edit_manifest(lambda m: shard(m).update(file="../a.tar")), "is missing"),
    "missing shard": (lambda f: (f / "train-000000.tar").unlink(), r"shard train-000000\.tar is missing"),
    "checksum": (
        lambda f: (f / "train-000000.tar").write_bytes(b"x" + (f / "train-000000.tar").read_bytes()[1:]),
        "its checksum differs",
    ),
    "count": (
        edit_manifest(lambda m: shard(m).update(count=13)),
        "holds 12 pairs where its manifest says 13",
    ),
    "no tar": (replace_shard(lambda content: b"no tar" * 200), "no whole tar file"),
    "no picture": (replace_shard(without("a-3.png")), "pair a-3 has no png"),
    "no record": (replace_shard(without("a-3.json")), "pair a-3 has no json"),
    "torn picture": (replace_shard(lambda c: c.replace(b"IDAT", b"IDOT", 1)), "pair a-0 is torn"),
    "torn record": (
        replace_shard(lambda c: c.replace(b'{"captions"', b'{"aptions",', 1)),
        "pair a-0 is torn",
    ),
    "landform": (replace_shard(lambda c: c.replace(b'["x"]', b'["q"]', 1)), "pair a-0 is torn"),
}


@pytest.mark.parametrize("name", TORN)
def test_torn_shards_are_refused(name: str, tmp_path: Path) -> None:
    folder = shard_folder(tmp_path / "a", ("x", "y"))
    tear, message = TORN[name]
    tear(folder)
    with pytest.raises(SettingsError, match=message) as caught:
        read_pairs([folder])
    assert "Next:" in str(caught.value) or "Allowed:" in str(caught.value)
    assert str(folder) in str(caught.value)


TABLES = {
    "file,caption\n": "has no rows",
    "": "the columns of an empty file",
    "picture,text\n0.png,a\n": "the columns picture, text",
    "file,caption\n0.png,\n": "line 2: the caption is empty",
    "file,caption\n,a\n": "line 2: the file is empty",
    "file,caption\n0.png,a\n9.png,b\n": r"line 3: there is no picture 9\.png",
    "file,caption,split\n0.png,a,dev\n": "no split 'dev'",
    "file,caption,split\n0.png,a,val\n0.png,b,test\n": "in test here and in val on line 2",
    "file,caption,landforms,absent\n0.png,a,x,x\n": "both shows and does not show x",
    "file,caption,landforms\n0.png,a,*\n": r"cannot show \*",
    'file,caption\n0.png,"a\n': "no table that can be read",
    "file,caption\nbroken.png,a\n": "no picture that can be read",
}


@pytest.mark.parametrize("table", TABLES, ids=list(TABLES.values()))
def test_tables_that_cannot_be_used_are_refused(table: str, tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "plain", table)
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:60])
    with pytest.raises(SettingsError, match=TABLES[table]):
        read_pairs([folder])


def test_folders_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no pairs to read"):
        read_pairs([])
    with pytest.raises(SettingsError, match="there is no folder"):
        read_pairs([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="holds no pairs"):
        read_pairs([tmp_path / "empty"])
    two = plain_folder(tmp_path / "two", "")
    (two / "pairs.csv").rename(two / "a.csv")
    (two / "b.csv").write_text("")
    with pytest.raises(SettingsError, match=r"2 tables: a\.csv, b\.csv"):
        read_pairs([two])
    latin = plain_folder(tmp_path / "latin", "")
    (latin / "pairs.csv").write_bytes("file,caption\n0.png,Dünen\n".encode("latin-1"))
    with pytest.raises(SettingsError, match="UTF-8"):
        read_pairs([latin])


def test_shards_of_two_sizes_need_a_size(tmp_path: Path) -> None:
    folders = [shard_folder(tmp_path / "small", ("x",)), shard_folder(tmp_path / "large", ("x",), size=20)]
    with pytest.raises(SettingsError, match="another tile size"):
        read_pairs(folders)
    assert read_pairs(folders, size_px=10).images.shape == (24, 10, 10)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 99))
def test_rare_landforms_are_drawn_more_often(k: int, n: int, seed: int) -> None:
    labels = np.random.default_rng(seed).random((n, k)) < 0.4
    weights = draw_weights(labels)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    if labels.any():
        rarest = labels[:, labels.mean(axis=0) > 0].mean(axis=0).argmin()
        rows = labels[:, labels.mean(axis=0) > 0][:, rarest]
        assert weights[rows].min() >= weights.max() * 0.999
