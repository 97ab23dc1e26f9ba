"""Pairs of a planet, from drawing to training: shards written, read again, and the same planet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retrieval.corpus import lowell_pairs
from retrieval.corpus.lowell import KEYS, Planet, cached_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.corpus.lowell_pairs import PairsPlan, choose_patches, write_pairs
from retrieval.corpus.splits import SPLITS, SplitRule, Splitter
from retrieval.errors import SettingsError
from retrieval.grid import Grid
from retrieval.training.pairs import read_pairs

SEED = 5
PLAN = PairsPlan(size_px=32, captions=4)
RULE = SplitRule(0.4, 0.3, 0.3, 12)
EVERY = 40  # of the grid's tiles, to be quick


def few_patches(planet: Planet, plan: PairsPlan, rng: object) -> tuple[np.ndarray, pd.DataFrame]:
    centres = Grid(planet.body, plan.tile_km).centres()[::EVERY]
    return centres, planet.labels_at(centres, plan.tile_km)


@pytest.fixture(scope="module")
def told() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, int, int]]) -> Path:
    out = tmp_path_factory.mktemp("pairs") / "planet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lowell_pairs, "choose_patches", few_patches)
        return write_pairs(SEED, out, PLAN, split=RULE, workers=2, progress=lambda *now: told.append(now))


def test_a_planet_comes_back_from_its_shards(folder: Path) -> None:
    """Drawn by other processes, dealt by region, written, read: as if drawn here."""
    planet = cached_planet(SEED)
    centres, labels = few_patches(planet, PLAN, None)
    drawn = np.stack([draw_tile(planet, *lonlat, PLAN.tile_km, 32)[0] for lonlat in centres.tolist()])
    observed = (drawn > 0).mean(axis=(1, 2)) >= 0.5
    dealt = Splitter(RULE, planet.body, PLAN.tile_km, SEED).assign(centres)
    for number, split in enumerate(SPLITS):
        pairs, rows = read_pairs([folder], split), observed & (dealt == number)
        assert pairs.keys == KEYS == tuple(labels.columns)
        assert np.array_equal(pairs.images, drawn[rows])
        assert np.array_equal(pairs.labels, labels.to_numpy(dtype=bool)[rows])
        assert pairs.known.all()
        assert all(1 <= len(texts) <= 4 and len(set(texts)) == len(texts) for texts in pairs.captions)


def test_the_manifest_tells_where_the_pairs_come_from(folder: Path, told: list[tuple[str, int, int]]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    total = len(Grid(cached_planet(SEED).body, PLAN.tile_km).centres()[::EVERY])
    assert manifest["sources"]["seed"] == SEED
    assert manifest["sources"]["plan"]["tile_km"] == manifest["tile_km"] == PLAN.tile_km
    assert manifest["body"] == "lowell"
    assert manifest["count"] + manifest["split"]["dropped"] == total
    assert told[-1] == ("drawing", total, total)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_folder_in_use_is_refused_before_anything_is_drawn(folder: Path) -> None:
    with pytest.raises(SettingsError, match="not empty"):
        write_pairs(SEED, folder)


@pytest.mark.parametrize(
    "values", [{"plains_share": 0.0}, {"captions": 0}, {"extra_views": -1}, {"size_px": 0}]
)
def test_senseless_plans_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="makes no sense"):
        PairsPlan(**values)  # type: ignore[arg-type]


def test_plains_can_be_thinned_and_features_seen_more_often() -> None:
    planet = cached_planet(SEED)
    plan = PairsPlan(plains_share=0.25, extra_views=1)
    centres, labels = choose_patches(planet, plan, np.random.default_rng(0))
    empty = ~labels.drop(columns="plains").any(axis=1)
    grid_labels = planet.labels(Grid(planet.body, plan.tile_km))
    assert 0.22 < empty.mean() < 0.26
    assert len(centres) == len(labels)
    assert labels["gullies"].sum() > 1.5 * grid_labels["gullies"].sum()
