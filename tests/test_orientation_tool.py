"""Directions as a tool: of tiles, shapes and catalogues, against chance, a given axis, another layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import shapely

from retrieval.body import Body, get_body
from retrieval.corpus.source import TileBatch
from retrieval.errors import ToolInputError
from retrieval.grid import Grid
from retrieval.index import build_index
from retrieval.spatial.directions import apart_deg
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, shape_layer, tile_layer, tiles_like
from tools.statistics.axes import directions_of, light_of
from tools.statistics.orientation import orientation, tile_axes

# A spiral over the sphere: twelve places as far from each other as there is room for.
_STEPS = np.arange(12)
FAR_APART = np.stack(
    [(_STEPS * 137.508) % 360 - 180, np.degrees(np.arcsin(1 - (2 * _STEPS + 1) / 12))], axis=-1
)


def stripes(azimuth_deg: float, side: int) -> np.ndarray:
    """Stripes that run along an azimuth, clockwise from north; row 0 is the north."""
    x, y = np.meshgrid(np.arange(side), -np.arange(side))
    angle = np.radians(azimuth_deg)
    across = x * np.cos(angle) - y * np.sin(angle)
    return (128 + 80 * np.sin(2 * np.pi * across / 9.0)).astype(np.uint8)


def stripes_of(tile: int) -> float:
    rng = np.random.default_rng(tile)
    return float((30 if tile % 3 == 0 else 180 * rng.random()) + rng.normal(0, 6))


@dataclass(frozen=True)
class StripedSource:
    """Every third tile has stripes along azimuth 30, give or take; the others along anything."""

    name: str = "stripes"

    @property
    def body(self) -> Body:
        return get_body("lowell")

    def fingerprint(self) -> str:
        return "stripes"

    def describe(self) -> dict[str, object]:
        return {}

    def candidates(self, grid: Grid) -> np.ndarray:
        return np.arange(len(grid))

    def read(self, grid: Grid, tiles, size_px: int) -> TileBatch:
        pixels = np.stack([stripes(stripes_of(int(tile)), size_px) for tile in tiles])
        return TileBatch(
            np.asarray(tiles),
            np.repeat(pixels[..., None], 3, axis=-1),
            np.ones(len(tiles), np.float32),
            {"elevation_m": np.zeros(len(tiles), np.float32)},
        )


@pytest.fixture(scope="module")
def striped(tmp_path_factory, pattern_encoder):
    source = StripedSource()
    return build_index(
        source, Grid(source.body, 100.0), pattern_encoder, tmp_path_factory.mktemp("stripes") / "index"
    )


@pytest.fixture
def ws(home, striped, pattern_encoder):
    return a_workspace(home, striped, pattern_encoder)


@pytest.fixture
def along_30(ws):
    """Index rows of stripes along 30 degrees that lie far from each other."""
    return scattered(ws, 3, 0)


def scattered(ws, modulus: int, remainder: int, every: int = 1) -> np.ndarray:
    """Rows of a class of tile numbers, thinned until clusters of them are small."""
    rows = np.flatnonzero(ws.index.tiles.numbers % modulus == remainder)
    lonlat = ws.index.tiles.lonlat
    kept: list[int] = []
    for row in rows[::every]:
        if not kept or ws.body.distance_km(lonlat[row], lonlat[kept]).min() > 420:
            kept.append(int(row))
    return np.array(kept)


class TestTiles:
    def test_a_common_direction_is_found_among_others(self, ws, along_30) -> None:
        tile_layer(ws, along_30)
        result = orientation(ws, "L1")
        assert_keeps_its_word(result)
        figures = result.figures
        assert apart_deg(figures["mean_azimuth_deg"], 30) < 5
        assert figures["azimuth_low_deg"] < figures["mean_azimuth_deg"] < figures["azimuth_high_deg"]
        assert figures["resultant_length"] > 0.9
        assert figures["p_value"] < 1e-2
        assert figures["other_resultant_length"] < 0.5
        assert "a common direction" in result.summary
        assert [path.suffix for path in result.pictures] == [".png"]
        assert all(path.is_file() for path in result.pictures)

    def test_without_a_common_direction_none_is_claimed(self, ws) -> None:
        tile_layer(ws, scattered(ws, 3, 1))
        result = orientation(ws, "L1")
        assert_keeps_its_word(result)
        assert result.figures["p_value"] > 0.01
        assert "no common direction beyond chance" in result.summary

    def test_what_every_tile_has_may_be_the_light(self, ws) -> None:
        rows = np.flatnonzero(ws.index.tiles.numbers % 3 == 0)
        tile_layer(ws, scattered(ws, 3, 0))
        other = tiles_like(ws.index, rows)
        pictures = [ws.index.thumbnail(row) for row in rows]

        class OnlyStripes:
            tiles, grid, body, manifest = other, ws.index.grid, ws.index.body, ws.index.manifest

            def __len__(self) -> int:
                return len(other)

            def thumbnail(self, row: int) -> bytes:
                return pictures[row]

        ws.index = OnlyStripes()
        result = orientation(ws, "L1")
        assert "no common direction" in result.summary or "too much alike" in result.summary
        assert_keeps_its_word(result)

    def test_one_large_feature_is_one_piece_of_evidence(self, ws) -> None:
        together = ws.index.grid.within_bounds(-60, -20, 60, 20)
        tile_layer(ws, np.flatnonzero(np.isin(ws.index.tiles.numbers, together)))
        result = orientation(ws, "L1")
        assert result.figures["effective_n"] == 1
        assert result.figures["p_value"] > 0.01
        assert result.summary.startswith("Cannot tell how L1 is oriented: ")
        assert "about 1 independent one," in result.summary
        assert_keeps_its_word(result)

    @pytest.mark.parametrize("count", [0, 4])
    def test_too_few_tiles_cannot_tell(self, ws, count) -> None:
        tile_layer(ws, range(count))
        result = orientation(ws, "L1", given_azimuth_deg=30.0)
        assert result.summary.startswith("Cannot tell")
        assert result.figures["n"] == count
        assert result.pictures == ()
        assert_keeps_its_word(result)

    def test_a_whole_index_has_nothing_to_compare_with(self, ws) -> None:
        tile_layer(ws, np.arange(len(ws.index)))
        result = orientation(ws, "L1")
        assert "too few other tiles to tell" in result.summary
        assert_keeps_its_word(result)

    def test_many_tiles_are_sampled_with_the_seed(self, ws, monkeypatch) -> None:
        monkeypatch.setattr("tools.statistics.axes.MOST_TILES", 50)
        tile_layer(ws, np.arange(len(ws.index)))
        first = orientation(ws, "L1")
        assert first.figures["n"] == 50
        assert orientation(ws, "L1").figures == first.figures

    def test_stricter_thresholds_are_those_of_the_rows_left(self, ws, along_30) -> None:
        tile_layer(ws, along_30)
        result = orientation(ws, "L1")
        table = ws.layers.get("L1").table
        for level, name in ((0.6, "0.60"), (0.7, "0.70")):
            assert result.figures[f"n_at_{name}"] == (table["probability"] >= level).sum()
            assert apart_deg(result.figures[f"mean_azimuth_deg_at_{name}"], 30) < 6
        assert "At stricter thresholds of 0.6 and 0.7 the mean axis is" in result.summary

    def test_axes_of_single_tiles_are_their_own(self, ws) -> None:
        rows = np.array([5, -1, 17, 5, 33])
        azimuth, strength = tile_axes(ws, rows)
        assert np.isnan(azimuth[1])
        assert strength[1] == 0
        wanted = [stripes_of(int(ws.index.tiles.numbers[row])) for row in rows[[0, 2, 4]]]
        assert apart_deg(azimuth[[0, 2, 4]], wanted).max() < 3
        assert (azimuth[0], strength[0]) == (azimuth[3], strength[3])
        assert strength[[0, 2, 4]].min() > 0.8
        assert tile_axes(ws, [])[0].shape == (0,)


def test_light_that_stays_in_all_tiles_is_no_common_direction(
    home, tiny_index, pattern_encoder, monkeypatch
) -> None:
    ws = a_workspace(home, tiny_index, pattern_encoder)
    rng = np.random.default_rng(9)
    # Gradients of every ground run a little more often east-west, however unlike its tensors are.
    doubled = rng.vonmises(np.pi, 0.8, len(tiny_index))
    coherence = rng.uniform(0.1, 0.9, len(tiny_index)) / 2
    tensors = np.stack(
        [0.5 - coherence * np.cos(doubled), 0.5 + coherence * np.cos(doubled), coherence * np.sin(doubled)],
        axis=-1,
    )
    monkeypatch.setattr(
        "tools.statistics.axes._tile_tensors", lambda ws, rows: tensors[np.asarray(rows, dtype=int)]
    )
    monkeypatch.setattr("tools.statistics.axes.clusters", lambda ws, layer: np.arange(len(layer)))
    alarms, without = 0, 0
    for number in range(40):
        layer = tile_layer(ws, rng.choice(len(tiny_index), 60, replace=False))
        light = light_of(ws, [layer])
        alarms += directions_of(ws, layer, light).mean(number).p_value < 0.05
        unknown = replace(light, count=0)
        without += directions_of(ws, layer, unknown).mean(number).p_value < 0.05
    assert alarms <= 6
    assert without > 2 * alarms


class TestGiven:
    @pytest.mark.parametrize("given", [30.0, 210.0])
    def test_an_axis_that_they_follow_is_followed_either_way_round(self, ws, along_30, given) -> None:
        tile_layer(ws, along_30)
        result = orientation(ws, "L1", given_azimuth_deg=given)
        assert_keeps_its_word(result)
        assert result.figures["given_azimuth_deg"] == 30
        assert result.figures["given_off_deg"] < 15
        assert result.figures["given_p"] < 0.01
        assert "V test" in result.summary

    def test_an_axis_across_them_is_not_followed(self, ws, along_30) -> None:
        tile_layer(ws, along_30)
        result = orientation(ws, "L1", given_azimuth_deg=120)
        assert_keeps_its_word(result)
        assert result.figures["given_p"] > 0.5
        assert result.figures["given_off_deg"] > 75
        assert "they do not crowd about it" in result.summary

    def test_near_to_it_is_not_along_it(self, ws) -> None:
        a_layer(ws, FAR_APART, azimuth_deg=50 + np.tile([-2.0, 2.0], 6))
        result = orientation(ws, "L1", given_azimuth_deg=70)
        assert_keeps_its_word(result)
        assert "but their mean axis is another" in result.summary
        assert "they follow it" in orientation(ws, "L1", given_azimuth_deg=50).summary

    @pytest.mark.parametrize("given", [-1, 361, float("nan"), "east"])
    def test_what_is_no_azimuth_is_refused(self, ws, given) -> None:
        a_layer(ws, FAR_APART, azimuth_deg=np.full(12, 50.0))
        with pytest.raises(ToolInputError, match="given_azimuth_deg is"):
            orientation(ws, "L1", given_azimuth_deg=given)


class TestOther:
    def layers(self, ws, first_deg: float, second_deg: float, spread: float = 8.0) -> None:
        rng = np.random.default_rng(5)
        for name, mean in (("a", first_deg), ("b", second_deg)):
            a_layer(ws, FAR_APART, name, azimuth_deg=(mean + rng.normal(0, spread, 12)) % 180)

    def test_axes_far_apart_are_told_apart(self, ws) -> None:
        self.layers(ws, 170, 20)
        result = orientation(ws, "L1", other="L2")
        assert_keeps_its_word(result)
        assert result.figures["apart_deg"] == pytest.approx(30, abs=8)
        assert 0 < result.figures["apart_low_deg"] < 30 < result.figures["apart_high_deg"] + 8
        assert "they do not share an axis" in result.summary
        assert len(result.pictures) == 2

    def test_one_axis_shows_no_difference(self, ws) -> None:
        self.layers(ws, 178, 2)
        result = orientation(ws, "L1", other="L2")
        assert_keeps_its_word(result)
        assert result.figures["apart_p"] > 0.05
        assert result.figures["apart_low_deg"] < 0
        assert "no difference is shown" in result.summary

    def test_without_a_common_direction_nothing_is_shared(self, ws) -> None:
        a_layer(ws, FAR_APART, "a", azimuth_deg=np.full(12, 40.0))
        a_layer(ws, FAR_APART, "b", azimuth_deg=np.arange(12) * 15.0)
        result = orientation(ws, "L1", other="L2")
        assert_keeps_its_word(result)
        assert "Cannot tell whether L1 and L2 share an axis: L2 has no common direction." in result.summary

    def test_too_few_share_nothing_either(self, ws) -> None:
        a_layer(ws, FAR_APART, "a", azimuth_deg=np.full(12, 40.0))
        a_layer(ws, FAR_APART[:3], "b", azimuth_deg=np.full(3, 40.0))
        result = orientation(ws, "L1", other="L2")
        assert_keeps_its_word(result)
        assert "Cannot tell whether L1 and L2 share an axis: L2 has too few" in result.summary

    def test_tiles_in_both_are_owned_up_to(self, ws, along_30) -> None:
        tile_layer(ws, along_30, "a")
        tile_layer(ws, along_30[5:], "b")
        result = orientation(ws, "L1", other="L2")
        assert_keeps_its_word(result)
        assert result.figures["same_tile_count"] == len(along_30) - 5
        assert "stand in both layers" in result.summary

    def test_a_layer_beside_itself_is_refused(self, ws) -> None:
        self.layers(ws, 10, 20)
        with pytest.raises(ToolInputError, match="it shares its own axis"):
            orientation(ws, "L1", other="[l1]")


class TestCatalogues:
    def test_they_use_their_own_azimuths(self, ws) -> None:
        azimuth = np.array([88, 92, 90, 91, 89, 90, 90, 90, np.nan])
        a_layer(ws, FAR_APART[:9], azimuth_deg=azimuth)
        result = orientation(ws, "L1")
        assert result.figures["mean_azimuth_deg"] == pytest.approx(90)
        assert result.figures["n"] == 8
        assert "shading" not in result.summary
        assert_keeps_its_word(result)

    def test_rows_of_one_place_are_one_piece_of_evidence(self, ws) -> None:
        a_layer(ws, np.zeros((8, 2)), azimuth_deg=np.full(8, 90.0))
        result = orientation(ws, "L1")
        assert result.figures["mean_azimuth_deg"] == pytest.approx(90)
        assert result.summary.startswith("Cannot tell")
        assert_keeps_its_word(result)

    def test_without_azimuths_they_are_refused(self, ws) -> None:
        a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match="have no azimuths"):
            orientation(ws, "L1")

    @pytest.mark.parametrize("azimuth", [0.0, 35.0, 90.0, 160.0])
    def test_lines_have_the_axis_along_which_they_were_laid(self, ws, azimuth) -> None:
        ends = [ws.body.destination(FAR_APART, azimuth + turn, 40.0) for turn in (0.0, 180.0)]
        lines = [shapely.LineString(pair) for pair in zip(*ends, strict=True)]
        shape_layer(ws, lines)
        result = orientation(ws, "L1", given_azimuth_deg=azimuth)
        assert_keeps_its_word(result)
        assert apart_deg(result.figures["mean_azimuth_deg"], azimuth) < 1
        assert "12 long axes of L1" in result.summary
        assert "they follow it" in result.summary

    def test_round_polygons_have_none(self, ws) -> None:
        corners = [ws.body.destination(point, np.arange(0, 360, 10.0), 30.0) for point in FAR_APART]
        shape_layer(ws, [shapely.Polygon(ring) for ring in corners])
        result = orientation(ws, "L1")
        assert result.summary.startswith("Cannot tell")
        assert result.figures["n"] == 0
        assert_keeps_its_word(result)


def test_many_tests_are_corrected_and_the_same_one_counts_once(ws) -> None:
    a_layer(ws, FAR_APART, "a", azimuth_deg=_STEPS * 15.0)
    a_layer(ws, FAR_APART, "b", azimuth_deg=50 + np.linspace(-50, 50, 12))
    orientation(ws, "L1")
    result = orientation(ws, "L2")
    assert_keeps_its_word(result)
    assert result.figures["tests_count"] == 2
    assert result.figures["corrected_p"] == pytest.approx(2 * result.figures["p_value"], rel=0.05)
    assert "corrected for the 2 tests of this conversation (Holm)" in result.summary
    assert orientation(ws, "L2").figures == result.figures
