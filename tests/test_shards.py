"""Image-text pairs on disk."""

import json
from pathlib import Path

import numpy as np
import pytest

from retrieval.corpus.lowell import KEYS, cached_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.corpus.shards import PairsPlan, choose_patches, write_pairs
from retrieval.errors import SettingsError
from retrieval.grid import Grid

SEED = 5
COARSE = 90.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pairs") / "whole"
    return write_pairs(SEED, out, PairsPlan(size_px=24, tile_km=COARSE, captions=4), workers=1)


def test_a_folder_holds_pictures_labels_captions_and_a_manifest(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    images = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    lines = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    count = len(Grid(cached_planet(SEED).body, COARSE))
    assert images.shape == (count, 24, 24)
    assert images.dtype == np.uint8
    assert labels.shape == (count, len(KEYS))
    assert len(lines) == count == manifest["count"]
    assert all(len(line["captions"]) == 4 == len(set(line["captions"])) for line in lines)
    assert manifest["keys"] == list(KEYS)
    assert manifest["seeds"] == [SEED]
    assert manifest["positives"] == dict(zip(KEYS, labels.sum(axis=0).tolist(), strict=True))


def test_pictures_are_those_of_the_planet(folder: Path) -> None:
    planet = cached_planet(SEED)
    lon, lat = Grid(planet.body, COARSE).centres([17])[0].tolist()
    images = np.load(folder / "images.npy", mmap_mode="r")
    assert np.array_equal(images[17], draw_tile(planet, lon, lat, COARSE, 24)[0])


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    with pytest.raises(SettingsError, match="not empty"):
        write_pairs(SEED, folder)


@pytest.mark.parametrize(
    "plan", [PairsPlan(plains_share=0.0), PairsPlan(captions=0), PairsPlan(extra_views=-1)]
)
def test_senseless_plans_are_refused(tmp_path: Path, plan: PairsPlan) -> None:
    with pytest.raises(SettingsError):
        write_pairs(SEED, tmp_path / "x", plan)


def test_plains_can_be_thinned_and_features_seen_more_often() -> None:
    planet = cached_planet(SEED)
    plan = PairsPlan(plains_share=0.25, extra_views=1)
    centres, labels = choose_patches(planet, plan, np.random.default_rng(0))
    empty = ~labels.drop(columns="plains").any(axis=1)
    grid_labels = planet.labels(Grid(planet.body, plan.tile_km))
    assert 0.22 < empty.mean() < 0.26
    assert len(centres) == len(labels)
    assert labels["gullies"].sum() > 1.5 * grid_labels["gullies"].sum()
