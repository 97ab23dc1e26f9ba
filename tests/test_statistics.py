from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from retrieval.body import Body, get_body
from retrieval.corpus.source import TileBatch
from retrieval.errors import ToolInputError
from retrieval.grid import Grid
from retrieval.index import build_index
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, tile_layer
from tools.search import search_words
from tools.statistics import (
    axial_statistics,
    mean_tensor,
    orientation,
    structure_tensors,
    summarise,
    texture_axes,
)

ISOTROPIC = np.array([0.5, 0.5, 0.0])


def grating(azimuth_deg: float, side: int = 96, period_px: float = 9.0) -> np.ndarray:
    """Stripes that run along an azimuth, clockwise from north; row 0 is the north."""
    x, y = np.meshgrid(np.arange(side), -np.arange(side))
    angle = np.radians(azimuth_deg)
    across = x * np.cos(angle) - y * np.sin(angle)
    return (128 + 80 * np.sin(2 * np.pi * across / period_px)).astype(np.uint8)


def lit_relief(
    rng: np.random.Generator, azimuth_deg: float | None = None, strength: float = 2.0
) -> np.ndarray:
    """Rough ground lit from the east, with or without ridges along an azimuth."""
    height = gaussian_filter(rng.normal(size=(140, 140)), 3)[22:118, 22:118] * 12
    if azimuth_deg is not None:
        height = height + strength * (grating(azimuth_deg, period_px=12.0) / 128.0 - 1.0)
    return np.clip(128 + 60 * np.gradient(height, axis=1), 1, 255).astype(np.uint8)


def axial_gap(a, b):
    return np.abs((np.asarray(a) - b + 90.0) % 180.0 - 90.0)


@dataclass(frozen=True)
class GratingSource:
    """Every third tile has stripes along azimuth 30, give or take; the others along anything."""

    name: str = "gratings"

    @property
    def body(self) -> Body:
        return get_body("lowell")

    def fingerprint(self) -> str:
        return "gratings"

    def describe(self) -> dict[str, object]:
        return {}

    def candidates(self, grid: Grid) -> np.ndarray:
        return np.arange(len(grid))

    def read(self, grid: Grid, tiles, size_px: int) -> TileBatch:
        azimuths = [
            (30 if t % 3 == 0 else 180 * rng.random()) + rng.normal(0, 6)
            for t, rng in ((int(t), np.random.default_rng(int(t))) for t in tiles)
        ]
        pixels = np.stack([grating(azimuth, size_px) for azimuth in azimuths])
        return TileBatch(
            np.asarray(tiles),
            np.repeat(pixels[..., None], 3, axis=-1),
            np.ones(len(tiles), np.float32),
            {"elevation_m": np.zeros(len(tiles), np.float32)},
        )


@pytest.fixture(scope="module")
def gratings(tmp_path_factory, pattern_encoder):
    source = GratingSource()
    grid = Grid(source.body, 100.0)
    return build_index(source, grid, pattern_encoder, tmp_path_factory.mktemp("gratings") / "index")


@pytest.fixture
def ws(home, tiny_index, pattern_encoder):
    return a_workspace(home, tiny_index, pattern_encoder)


class TestTexture:
    @pytest.mark.parametrize("azimuth", range(0, 180, 15))
    def test_stripes_run_where_they_run_under_any_light(self, azimuth) -> None:
        tensors = structure_tensors(grating(azimuth)[None])
        for shading in (ISOTROPIC, np.array([0.7, 0.3, 0.1])):
            found, coherence = texture_axes(tensors, shading)
            assert axial_gap(found[0], azimuth) < 1.0
            assert coherence[0] > 0.9

    def test_noise_has_no_direction_and_flatness_none_at_all(self) -> None:
        noise = np.random.default_rng(0).integers(1, 255, (1, 96, 96)).astype(np.uint8)
        assert texture_axes(structure_tensors(noise), ISOTROPIC)[1][0] < 0.1
        flat = np.full((1, 96, 96), 90, np.uint8)
        assert texture_axes(structure_tensors(flat), ISOTROPIC)[1][0] == 0.0

    def test_the_edge_of_a_gap_is_no_texture(self) -> None:
        picture = grating(30)
        picture[:, :48] = 0
        found, coherence = texture_axes(structure_tensors(picture[None]), ISOTROPIC)
        assert axial_gap(found[0], 30) < 2.0
        assert coherence[0] > 0.9

    def test_rough_ground_lit_from_the_east_seems_to_run_north_until_the_light_is_taken_out(self) -> None:
        rng = np.random.default_rng(3)
        rough = structure_tensors(np.stack([lit_relief(rng) for _ in range(80)]))
        seeming = axial_statistics(*texture_axes(rough, ISOTROPIC))
        assert axial_gap(seeming.azimuth_deg, 0) < 5
        assert seeming.resultant_length > 0.9
        left = axial_statistics(*texture_axes(rough, mean_tensor(rough)))
        assert left.resultant_length < 0.6 * seeming.resultant_length

    @pytest.mark.parametrize("azimuth", [20, 45, 70, 135])
    def test_ridges_on_rough_ground_are_found_better_without_the_light(self, azimuth) -> None:
        rng = np.random.default_rng(4)
        shading = mean_tensor(structure_tensors(np.stack([lit_relief(rng) for _ in range(80)])))
        ridges = structure_tensors(np.stack([lit_relief(rng, azimuth) for _ in range(20)]))
        found = axial_statistics(*texture_axes(ridges, shading))
        seeming = axial_statistics(*texture_axes(ridges, ISOTROPIC))
        assert axial_gap(found.azimuth_deg, azimuth) < 6
        assert axial_gap(found.azimuth_deg, azimuth) <= axial_gap(seeming.azimuth_deg, azimuth)

    def test_too_few_tiles_say_nothing_of_the_light(self) -> None:
        np.testing.assert_array_equal(mean_tensor(structure_tensors(np.stack([grating(0)] * 5))), ISOTROPIC)


class TestAxes:
    def test_an_axis_and_its_opposite_are_one(self) -> None:
        axes = axial_statistics([10, 190, 10, 190], np.ones(4))
        assert axes.azimuth_deg == pytest.approx(10)
        assert axes.resultant_length == pytest.approx(1)

    def test_north_lies_between_1_and_179(self) -> None:
        assert axial_gap(axial_statistics([1, 179] * 5, np.ones(10)).azimuth_deg, 0) < 1e-9

    def test_uniform_directions_keep_the_promised_rate_of_false_alarms(self) -> None:
        rng = np.random.default_rng(1)
        p = [axial_statistics(rng.uniform(0, 180, 30), np.ones(30)).p_value for _ in range(2000)]
        assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.015)

    def test_one_piece_of_evidence_proves_nothing_however_often_it_is_counted(self) -> None:
        many = axial_statistics(np.full(100, 40.0), np.ones(100))
        assert many.p_value < 1e-20
        assert axial_statistics(np.full(100, 40.0), np.ones(100), most_independent=1).p_value > 0.1

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(0, 180), min_size=1, max_size=40), st.floats(-180, 180))
    def test_turning_everything_turns_the_mean(self, azimuths, turn) -> None:
        before = axial_statistics(azimuths, np.ones(len(azimuths)))
        after = axial_statistics(np.array(azimuths) + turn, np.ones(len(azimuths)))
        assert 0 <= before.resultant_length <= 1
        assert 0 <= before.azimuth_deg <= 180
        assert after.resultant_length == pytest.approx(before.resultant_length, abs=1e-9)
        if before.resultant_length > 1e-3:
            assert axial_gap(after.azimuth_deg, before.azimuth_deg + turn) < 1e-3


class TestOrientation:
    @pytest.fixture
    def ws(self, home, gratings, pattern_encoder):
        return a_workspace(home, gratings, pattern_encoder)

    def test_a_common_direction_is_found_among_others(self, ws) -> None:
        tile_layer(ws, np.flatnonzero(ws.index.tiles["tile"] % 3 == 0))
        result = orientation(ws, "L1")
        assert axial_gap(result.figures["mean_azimuth_deg"], 30) < 4
        assert result.figures["resultant_length"] > 0.9
        assert result.figures["p_value"] < 1e-2
        assert result.figures["other_resultant_length"] < 0.3
        assert "a common direction" in result.summary
        assert "too much alike" not in result.summary
        assert_keeps_its_word(result)

    def test_without_a_common_direction_none_is_claimed(self, ws) -> None:
        tile_layer(ws, np.flatnonzero(ws.index.tiles["tile"] % 6 == 1))
        result = orientation(ws, "L1")
        assert result.figures["p_value"] > 0.01
        assert "no common direction beyond chance" in result.summary
        assert_keeps_its_word(result)

    def test_what_every_tile_has_may_be_the_light(self, ws) -> None:
        rows = np.flatnonzero(ws.index.tiles["tile"] % 3 == 0)
        tile_layer(ws, rows[::2])
        keep = np.sort(rows)
        other = ws.index.tiles.iloc[keep].reset_index(drop=True)
        stripes = [ws.index.thumbnail(row) for row in keep]

        class OnlyStripes:
            tiles, grid, body, manifest = other, ws.index.grid, ws.index.body, ws.index.manifest

            def __len__(self) -> int:
                return len(other)

            def thumbnail(self, row: int) -> bytes:
                return stripes[row]

        ws.index = OnlyStripes()
        result = orientation(ws, "L1")
        assert "no common direction" in result.summary or "too much alike" in result.summary
        assert_keeps_its_word(result)

    def test_one_large_feature_is_one_piece_of_evidence(self, ws) -> None:
        together = ws.index.grid.within_bounds(-60, -20, 60, 20)
        rows = np.flatnonzero(ws.index.tiles["tile"].isin(together))
        tile_layer(ws, rows)
        result = orientation(ws, "L1")
        assert result.figures["effective_n"] == 1
        assert result.figures["p_value"] > 0.01
        assert_keeps_its_word(result)

    @pytest.mark.parametrize("count", [0, 4])
    def test_too_few_tiles_cannot_tell(self, ws, count) -> None:
        tile_layer(ws, range(count))
        result = orientation(ws, "L1")
        assert result.summary.startswith("Cannot tell")
        assert result.figures["n"] == count
        assert_keeps_its_word(result)

    def test_a_whole_index_has_nothing_to_compare_with(self, ws) -> None:
        tile_layer(ws, np.arange(len(ws.index)))
        result = orientation(ws, "L1")
        assert "too few other tiles to tell" in result.summary
        assert_keeps_its_word(result)

    def test_many_tiles_are_sampled_with_the_seed(self, ws, monkeypatch) -> None:
        monkeypatch.setattr("tools.statistics.MOST_TILES", 50)
        tile_layer(ws, np.arange(len(ws.index)))
        first = orientation(ws, "L1")
        assert first.figures["n"] == 50
        assert orientation(ws, "L1").figures == first.figures

    def test_catalogues_use_their_own_azimuths(self, ws) -> None:
        a_layer(ws, np.zeros((8, 2)), azimuth_deg=np.array([88, 92, 90, 91, 89, 90, 90, np.nan]))
        result = orientation(ws, "L1")
        assert result.figures["mean_azimuth_deg"] == pytest.approx(90)
        assert result.figures["n"] == 7
        assert "shading" not in result.summary
        assert_keeps_its_word(result)

    def test_catalogues_without_azimuths_are_refused(self, ws) -> None:
        a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match="have no azimuths"):
            orientation(ws, "L1")


class TestSummarise:
    def test_numbers_are_those_of_the_layer_and_the_index(self, ws, tiny_index) -> None:
        found = search_words(ws, "gullies")
        result = summarise(ws, "L1")
        table = ws.layers.get("L1").table
        coverage = tiny_index.coverage
        observed = (tiny_index.grid.areas_km2(coverage["tile"]) * coverage["observed"]).sum()
        figures = result.figures
        assert figures["count"] == len(table) == figures["north_count"] + figures["south_count"]
        assert figures["features"] == found.figures["features"] == table["feature_id"].nunique()
        assert figures["area_km2"] == pytest.approx(table["area_km2"].sum(), rel=1e-3)
        assert figures["observed_area_km2"] == pytest.approx(observed, rel=1e-3)
        assert figures["area_percent"] == pytest.approx(100 * table["area_km2"].sum() / observed, rel=1e-2)
        assert figures["lat_median_deg"] == pytest.approx(table["lat"].median(), rel=1e-3)
        assert figures["per_million_km2"] == pytest.approx(len(table) / observed * 1e6, rel=1e-2)
        assert result.layer_ids == ()
        assert_keeps_its_word(result)

    def test_bands_share_the_rows_and_the_observed_area(self, ws, tiny_index) -> None:
        tile_layer(ws, np.arange(len(tiny_index)))
        result = summarise(ws, "L1")
        assert [band["min_lat_deg"] for band in result.table] == [-90, -60, -30, 0, 30, 60]
        assert sum(band["count"] for band in result.table) == len(tiny_index)
        total = sum(band["observed_km2"] for band in result.table)
        assert total == pytest.approx(result.figures["observed_area_km2"], rel=1e-4)
        assert result.figures["area_percent"] == pytest.approx(100, rel=1e-2)
        assert 97 < result.figures["observed_percent"] < 100  # a part was never observed

    def test_an_empty_layer_says_what_was_observed(self, ws) -> None:
        tile_layer(ws, [])
        result = summarise(ws, "L1")
        assert result.summary.startswith("L1 is empty. The index has observed")
        assert result.figures["count"] == 0
        assert_keeps_its_word(result)

    def test_catalogues_have_no_area_and_no_probability(self, ws) -> None:
        a_layer(ws, [[0, 10], [10, -20], [20, -30]])
        result = summarise(ws, "L1")
        assert {"area_km2", "features", "mean_probability"}.isdisjoint(result.figures)
        assert result.figures["south_count"] == 2
        assert_keeps_its_word(result)

    def test_a_hemisphere_that_was_not_observed_has_no_density(self, home, pattern_encoder, tmp_path) -> None:
        source = GratingSource()
        grid = Grid(source.body, 100.0)
        index = build_index(
            source, grid, pattern_encoder, tmp_path / "north", tiles=grid.within_bounds(-180, 10, 180, 90)
        )
        ws = a_workspace(home, index, pattern_encoder)
        tile_layer(ws, [0, 1, 2])
        result = summarise(ws, "L1")
        assert "south_per_million_km2" not in result.figures
        assert result.table[0]["per_million_km2"] is None
        assert_keeps_its_word(result)
