"""Slope, aspect, curvature and position at a scale, on ground whose shape is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import BODIES
from retrieval.corpus.terrain import curvature, patches, plane_fit, slope_deg, terrain_at
from retrieval.errors import GeometryError, SettingsError
from retrieval.spatial.directions import apart_deg

MARS = BODIES["mars"]
PIXEL_M = 100.0
SIDE = 33


def square(size: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """East and north of the pixels of a square about its middle, metres."""
    along = (np.arange(size) - (size - 1) / 2) * PIXEL_M
    x, y = np.meshgrid(along, -along)
    return x, y


@settings(max_examples=40, deadline=None)
@given(
    east=st.floats(-1, 1),
    north=st.floats(-1, 1),
    level=st.floats(-8000, 20000),
    size=st.integers(3, 40),
    gaps=st.floats(0, 0.3),
    seed=st.integers(0, 99),
)
def test_a_plane_has_its_slope_and_aspect_with_gaps_and_without(east, north, level, size, gaps, seed) -> None:
    x, y = square(size)
    heights = level + east * x + north * y
    heights[np.random.default_rng(seed).random(heights.shape) < gaps] = np.nan
    (slope,), (aspect,), (residual,) = plane_fit(heights[None], PIXEL_M)
    if np.isnan(slope):
        return
    assert slope == pytest.approx(np.degrees(np.arctan(np.hypot(east, north))), abs=1e-6)
    assert residual < 1e-6
    if slope < 0.0999:
        assert np.isnan(aspect)
    elif slope > 0.1001:
        assert apart_deg(aspect, np.degrees(np.arctan2(-east, -north)), 360) < 1e-4


def test_aspect_is_the_way_down() -> None:
    x, y = square()
    falls = np.stack([-0.1 * y, -0.1 * x, 0.1 * y, 0.1 * x])
    assert plane_fit(falls, PIXEL_M)[1] == pytest.approx([0, 90, 180, 270])


def test_what_a_plane_leaves_is_the_roughness() -> None:
    x, y = square(65)
    rough = np.random.default_rng(0).normal(0, 7.0, x.shape)
    (slope,), _, (residual,) = plane_fit((0.1 * x + 0.05 * y + rough)[None], PIXEL_M)
    assert residual == pytest.approx(7.0, rel=0.1)
    assert slope == pytest.approx(np.degrees(np.arctan(np.hypot(0.1, 0.05))), abs=0.1)


def test_less_than_half_of_a_disc_says_nothing() -> None:
    x, y = square()
    heights = np.stack([0.1 * x + y] * 3)
    heights[0, :, :14] = np.nan
    heights[1, :, :20] = np.nan
    heights[2] = np.nan
    assert np.isfinite(plane_fit(heights, PIXEL_M)[0]).tolist() == [True, False, False]
    assert np.isfinite(curvature(heights, PIXEL_M)[0]).tolist() == [True, False, False]
    # Half of four points is a line, which has no slope across it.
    few = np.array([[[1.0, np.nan], [2.0, np.nan]]])
    assert np.isnan(plane_fit(few, PIXEL_M)[0]).all()


@settings(max_examples=25, deadline=None)
@given(
    radius=st.floats(2e4, 1e6),
    off=st.floats(0.05, 0.3),
    turn=st.floats(0, 360),
    sign=st.sampled_from([1, -1]),
)
def test_domes_and_bowls_curve_alike_along_and_across(radius, off, turn, sign) -> None:
    x, y = square()
    east, north = off * radius * np.sin(np.radians(turn)), off * radius * np.cos(np.radians(turn))
    dome = sign * np.sqrt(radius**2 - (x - east) ** 2 - (y - north) ** 2)
    profile, plan = curvature(dome[None], PIXEL_M)
    assert profile[0] == pytest.approx(sign / radius, rel=0.02)
    assert plan[0] == pytest.approx(sign / radius, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 360), st.floats(0.05, 0.5))
def test_a_cone_curves_across_its_slope_only_and_a_valley_the_other_way(turn, fall) -> None:
    x, y = square()
    apex = 20_000 * np.array([np.sin(np.radians(turn)), np.cos(np.radians(turn))])
    cone = -fall * np.hypot(x - apex[0], y - apex[1])
    (profile, rises), (plan, hollow) = curvature(np.stack([cone, -cone]), PIXEL_M)
    assert profile == pytest.approx(0, abs=1e-7)
    assert rises == pytest.approx(0, abs=1e-7)
    assert plan == pytest.approx(fall / 20_000 / np.hypot(1, fall), rel=0.01)
    assert hollow == pytest.approx(-plan, rel=1e-6)
    assert np.isnan(curvature(np.zeros((1, 9, 9)), PIXEL_M)).all()


APEXES = [(0.0, 0.0), (179.9, 30.0), (-180.0, -45.0), (40.0, 89.6), (0.0, -90.0)]


@pytest.mark.parametrize("apex", APEXES)
def test_an_analytic_cone_at_three_scales_at_the_seam_and_at_the_poles(apex) -> None:
    def cone(lonlat: np.ndarray) -> np.ndarray:
        return 3000.0 - 0.1 * 1000.0 * MARS.distance_km(lonlat, np.array(apex))

    azimuths = np.arange(0, 360, 30.0)
    points = MARS.destination(np.array(apex), azimuths, 100.0)
    down = MARS.azimuth_deg(points, np.array(apex)) + 180.0
    columns = terrain_at(cone, MARS, points, [4, 12, 36])
    for scale in ("4km", "12km", "36km"):
        assert columns[f"slope_deg_{scale}"] == pytest.approx(np.degrees(np.arctan(0.1)), abs=0.05)
        assert apart_deg(columns[f"aspect_deg_{scale}"], down, 360).max() < 0.05
        assert columns[f"plan_curvature_per_km_{scale}"] == pytest.approx(
            0.1 / 100 / np.hypot(1, 0.1), rel=0.02
        )
        assert np.abs(columns[f"profile_curvature_per_km_{scale}"]).max() < 2e-5
        assert columns[f"elevation_m_{scale}"] == pytest.approx(3000 - 10_000, abs=60)
    assert columns["relief_m_12km"] == pytest.approx(1200, rel=0.03)


def test_crests_stand_above_their_surroundings_and_valleys_below() -> None:
    def ridge(lonlat: np.ndarray) -> np.ndarray:
        return -50.0 * np.abs(lonlat[..., 0] - 10.0) * MARS.radius_km * np.radians(1.0)

    columns = terrain_at(ridge, MARS, [(10.0, 0.0), (10.5, 0.0)], [12.0])
    crest, flank = columns["position_m_12km"]
    assert crest > 50
    assert abs(flank) < 1
    assert terrain_at(lambda p: -ridge(p), MARS, [(10.0, 0.0)], [12.0])["position_m_12km"][0] < -50


def test_gaps_are_nan_in_every_column_and_no_position_gives_empty_ones() -> None:
    def half(lonlat: np.ndarray) -> np.ndarray:
        return np.where(lonlat[..., 0] < 5, 100.0 * lonlat[..., 1], np.nan)

    columns = terrain_at(half, MARS, [(0.0, 0.0), (5.02, 0.0), (20.0, 0.0)], [12.0])
    assert all(np.isnan(values[1:]).all() for values in columns.values())
    assert np.isfinite(columns["slope_deg_12km"][0])
    empty = terrain_at(half, MARS, np.zeros((0, 2)), [12, 36])
    assert set(empty) == {name.replace("12km", scale) for name in columns for scale in ("12km", "36km")}
    assert all(len(values) == 0 for values in empty.values())


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 70), st.integers(2, 120))
def test_patches_come_whole_and_in_order(count, size) -> None:
    lonlat = np.stack([np.linspace(-170, 170, count), np.linspace(-80, 80, count)], axis=-1)
    seen = [(rows, heights) for rows, heights in patches(lambda p: p[..., 1], MARS, lonlat, 10.0, size)]
    assert np.concatenate([np.arange(count)[rows] for rows, _ in seen]).tolist() == list(range(count))
    means = np.concatenate([heights.mean(axis=(1, 2)) for _, heights in seen])
    assert means == pytest.approx(lonlat[:, 1], abs=0.01)


def test_slopes_of_many_are_the_slopes_of_each() -> None:
    many = np.random.default_rng(1).normal(0, 50, (4, 9, 12))
    assert np.array_equal(slope_deg(many, 20.0), np.stack([slope_deg(one, 20.0) for one in many]))


@pytest.mark.parametrize("scale", [0.0, -3.0, np.nan, 6000.0])
def test_scales_that_are_none_are_refused(scale) -> None:
    with pytest.raises(SettingsError, match="cannot be measured over"):
        terrain_at(lambda p: p[..., 0], MARS, [(0.0, 0.0)], [scale])


def test_positions_that_are_none_are_refused() -> None:
    with pytest.raises(GeometryError, match="row 1"):
        terrain_at(lambda p: p[..., 0], MARS, [(0.0, 0.0), (0.0, 91.0)], [12.0])
    with pytest.raises(SettingsError, match="no squares"):
        plane_fit(np.zeros((4, 4)), PIXEL_M)
    with pytest.raises(SettingsError, match="no slope"):
        curvature(np.zeros((1, 4, 4)), 0.0)
