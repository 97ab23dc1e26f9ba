"""Image-text pairs as WebDataset shards: layout, splits, refusals."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip_train.data import filter_no_caption_or_no_image, tarfile_to_samples_nothrow
from PIL import Image

from retrieval.body import get_body
from retrieval.corpus import shards
from retrieval.corpus.shards import Pair, write_shards
from retrieval.corpus.splits import SplitRule
from retrieval.errors import SettingsError

KEYS = ("dunes", "pits", "plains")
READER_LEAVES_FILES_OPEN = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def make_pairs(count: int, size: int = 8, colour: bool = False) -> Iterator[Pair]:
    """Noise with captions, everywhere on the sphere."""
    rng = np.random.default_rng(3)
    for n in range(count):
        image = rng.integers(1, 256, (size, size, 3) if colour else (size, size), dtype=np.uint8)
        lon, lat = float(rng.uniform(-180, 180)), float(np.degrees(np.arcsin(rng.uniform(-1, 1))))
        shown = (KEYS[n % 3],)
        captions = (f"the {n}th tile: {shown[0]}", f"Dünen? {shown[0]}")
        record = {"facts": {"relief_m": np.float32(n), "slope_deg": float("nan")}, "row": np.arange(2)}
        yield Pair(f"tile-{n:03d}", image, captions, shown, lon, lat, record)


def write(out: Path, pairs: object, **changes: object) -> Path:
    settings = {
        "keys": KEYS,
        "body": get_body("mars"),
        "tile_km": 100.0,
        "split": None,
        "seed": 4,
        "about": {"kind": "noise", "seeds": {3}},
    }
    return write_shards(out, pairs, **(settings | changes))  # type: ignore[arg-type]


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "PAIRS_PER_SHARD", 40)
        rule = SplitRule(0.6, 0.2, 0.2, block_tiles=6)
        return write(tmp_path_factory.mktemp("shards") / "split", make_pairs(400), split=rule)


def test_a_pair_is_three_members_of_a_tar(folder: Path) -> None:
    expected = {pair.key: pair for pair in make_pairs(400)}
    with tarfile.open(folder / "train-000000.tar") as tar:
        names = tar.getnames()
        assert len(names) == 3 * 40
        for name in names[::3]:
            pair = expected[name.removesuffix(".png")]
            png, txt, meta = (tar.extractfile(f"{pair.key}.{end}").read() for end in ("png", "txt", "json"))
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), pair.image)
            assert txt.decode() == pair.captions[0]
            assert json.loads(meta) == {
                "captions": list(pair.captions),
                "landforms": list(pair.landforms),
                "unknown": [],
                "lon": pair.lon,
                "lat": pair.lat,
                "facts": {"relief_m": float(pair.record["facts"]["relief_m"]), "slope_deg": None},
                "row": [0, 1],
            }


def test_the_manifest_describes_every_shard(folder: Path) -> None:
    manifest = manifest_of(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [shard["file"] for split in manifest["splits"].values() for shard in split["shards"]]
        + ["manifest.json"]
    )
    for name, split in manifest["splits"].items():
        assert sum(shard["count"] for shard in split["shards"]) == split["count"] > 0
        assert sum(split["positives"].values()) == split["count"]
        for number, shard in enumerate(split["shards"]):
            assert shard["file"] == f"{name}-{number:06d}.tar"
            content = (folder / shard["file"]).read_bytes()
            assert shard["sha256"] == hashlib.sha256(content).hexdigest()
            assert shard["bytes"] == len(content)
    assert manifest["count"] + manifest["split"]["dropped"] == 400
    assert manifest["keys"] == list(KEYS)
    assert (manifest["size_px"], manifest["bands"], manifest["tile_km"]) == (8, ["grey"], 100.0)
    assert (manifest["body"], manifest["sources"]) == ("mars", {"kind": "noise", "seeds": [3]})


def test_mean_and_spread_are_those_of_observed_training_pixels(tmp_path: Path) -> None:
    images = np.stack([pair.image for pair in make_pairs(90, colour=True)])
    images[::2, :3] = 0
    pairs = [replace(pair, image=image) for pair, image in zip(make_pairs(90), images, strict=True)]
    manifest = manifest_of(write(tmp_path / "x", pairs))
    observed = images[images.any(axis=-1)] / 255
    assert manifest["bands"] == ["red", "green", "blue"]
    assert manifest["mean"] == pytest.approx(observed.mean(axis=0), abs=1e-5)
    assert manifest["std"] == pytest.approx(observed.std(axis=0), abs=1e-5)


def test_the_same_pairs_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    one, two = (write(tmp_path / name, make_pairs(70)) for name in ("one", "two"))
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


@READER_LEAVES_FILES_OPEN
def test_webdataset_reads_the_shards(folder: Path) -> None:
    names = [shard["file"] for shard in manifest_of(folder)["splits"]["train"]["shards"]]
    urls = [str(folder / name) for name in names]
    data = webdataset.WebDataset(urls, shardshuffle=False).decode("pil").to_tuple("png", "txt", "json")
    samples = list(data)
    gc.collect()
    assert len(samples) == manifest_of(folder)["splits"]["train"]["count"]
    image, text, meta = samples[5]
    assert image.size == (8, 8)
    assert text == meta["captions"][0]


@READER_LEAVES_FILES_OPEN
def test_the_reader_of_open_clip_train_reads_the_shards(folder: Path) -> None:
    """The stages of `open_clip_train.data.get_wds_dataset`, up to its batches."""
    pipeline = webdataset.DataPipeline(
        webdataset.SimpleShardList([str(folder / "val-000000.tar")]),
        tarfile_to_samples_nothrow,
        webdataset.select(filter_no_caption_or_no_image),
        webdataset.decode("pilrgb"),
        webdataset.rename(image="jpg;png;jpeg;webp", text="txt"),
        webdataset.to_tuple("image", "text"),
        webdataset.batched(16, collation_fn=None),
    )
    batches = list(pipeline)
    gc.collect()
    first = manifest_of(folder)["splits"]["val"]["shards"][0]
    assert sum(len(batch) for batch in batches) == first["count"]
    assert all(image.size == (8, 8) and "tile" in text for batch in batches for image, text in batch)


def test_writing_takes_one_chunk_of_a_stream_at_a_time(tmp_path: Path) -> None:
    waiting = 0

    def counted() -> Iterator[Pair]:
        nonlocal waiting
        for pair in make_pairs(200):
            waiting += 1
            assert waiting <= 64
            yield pair

    def told(stage: str, done: int, total: int) -> None:
        nonlocal waiting
        assert done <= total
        waiting = 0

    assert manifest_of(write(tmp_path / "x", counted(), progress=told))["count"] == 200


def test_an_interruption_leaves_no_manifest_and_the_folder_is_refused(tmp_path: Path) -> None:
    def broken() -> Iterator[Pair]:
        yield from make_pairs(100)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "x", broken())
    assert not (tmp_path / "x" / "manifest.json").exists()
    with pytest.raises(SettingsError, match="not empty"):
        write(tmp_path / "x", make_pairs(3))


GOOD = next(make_pairs(1))
BAD = [
    (replace(GOOD, key="a.b"), "other characters"),
    (replace(GOOD, key=""), "other characters"),
    (replace(GOOD, key="tile-000"), "comes twice"),
    (replace(GOOD, key="x", image=np.zeros((8, 9), np.uint8)), "shape"),
    (replace(GOOD, key="x", image=np.zeros((9, 9), np.uint8)), "like the first"),
    (replace(GOOD, key="x", image=np.zeros((8, 8, 3), np.uint8)), "like the first"),
    (replace(GOOD, key="x", image=np.zeros((8, 8))), "float64"),
    (replace(GOOD, key="x", captions=()), "no caption"),
    (replace(GOOD, key="x", captions=("a", " ")), "no caption"),
    (replace(GOOD, key="x", landforms=("lakes",)), "'lakes', which is no key"),
    (replace(GOOD, key="x", landforms=("pits",), unknown=("pits",)), "both shown and unknown"),
    (replace(GOOD, key="x", record={"captions": ()}), "the field 'captions'"),
    (replace(GOOD, key="x", lat=float("nan")), "not finite"),
]


@pytest.mark.parametrize(("pair", "message"), BAD, ids=[message for _, message in BAD])
def test_a_pair_that_training_could_not_read_is_refused(pair: Pair, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        write(tmp_path / "x", [GOOD, pair])
    assert not (tmp_path / "x" / "manifest.json").exists()


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no pairs to write"):
        write(tmp_path / "none", [])
    with pytest.raises(SettingsError, match="no position to split by"):
        write(tmp_path / "nowhere", [replace(GOOD, lat=None)], split=SplitRule())
    with pytest.raises(SettingsError, match="needs a body"):
        write(tmp_path / "bodiless", [GOOD], split=SplitRule(), body=None)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="not empty"):
        write(tmp_path / "file", [GOOD])


@settings(max_examples=20)
@given(
    keys=st.lists(st.text("abzAZ019_-", min_size=1, max_size=80), unique=True, min_size=1, max_size=8),
    captions=st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=4),
    size=st.integers(1, 9),
)
def test_any_pairs_come_back_from_their_tar(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], captions: list[str], size: int
) -> None:
    captions = [text.encode("utf-8", "replace").decode() for text in captions]
    pairs = [Pair(key, np.full((size, size), n, np.uint8), tuple(captions), ()) for n, key in enumerate(keys)]
    out = write(tmp_path_factory.mktemp("any") / "x", pairs)
    with tarfile.open(out / "train-000000.tar") as tar:
        for pair in pairs:
            assert tar.extractfile(f"{pair.key}.txt").read().decode() == pair.captions[0]
            assert json.loads(tar.extractfile(f"{pair.key}.json").read())["captions"] == captions
            assert (np.asarray(Image.open(tar.extractfile(f"{pair.key}.png"))) == pair.image).all()
