"""Slope and shading of a terrain model."""

import numpy as np
import pytest

from retrieval.corpus.terrain import hillshade, lunar_lambert, slope_deg
from retrieval.errors import SettingsError


def plane(east_slope: float, north_slope: float, pixel_m: float = 50.0, size: int = 12) -> np.ndarray:
    along = np.arange(size) * pixel_m
    return east_slope * along[None, :] - north_slope * along[:, None]


def test_slope_of_a_plane_is_its_slope_everywhere() -> None:
    slope = slope_deg(plane(0.3, 0.4), 50.0)
    assert np.allclose(slope, np.degrees(np.arctan(0.5)), atol=1e-3)


@pytest.mark.parametrize(("azimuth", "east", "north"), [(90, -1, 0), (270, 1, 0), (0, 0, -1), (180, 0, 1)])
def test_slopes_that_face_the_sun_are_brighter_than_level_ground(
    azimuth: float, east: float, north: float
) -> None:
    # A slope that rises to the west (negative east slope) faces east.
    facing = hillshade(plane(0.3 * east, 0.3 * north), 50.0, azimuth, 35.0)
    away = hillshade(plane(-0.3 * east, -0.3 * north), 50.0, azimuth, 35.0)
    level = hillshade(plane(0, 0), 50.0, azimuth, 35.0)
    assert facing.min() > level.max() > away.max()
    assert np.allclose(level, np.sin(np.radians(35.0)), atol=1e-6)


def test_exaggeration_steepens() -> None:
    gentle = plane(0.1, 0.0)
    assert np.allclose(
        hillshade(gentle, 50.0, 90, 30, exaggeration=3.0), hillshade(3 * gentle, 50.0, 90, 30), atol=1e-5
    )


def test_lunar_lambert_is_one_on_level_ground_and_dark_in_shade() -> None:
    assert np.allclose(lunar_lambert(plane(0, 0), 50.0, 270, 30), 1.0, atol=1e-5)
    shaded = lunar_lambert(plane(-2.0, 0.0), 50.0, 270, 20)
    assert shaded.max() == 0.0


@pytest.mark.parametrize(
    ("dem", "pixel"), [(np.zeros((1, 5)), 10.0), (np.zeros(5), 10.0), (np.zeros((5, 5)), 0.0)]
)
def test_what_has_no_slope_is_refused(dem: np.ndarray, pixel: float) -> None:
    with pytest.raises(SettingsError):
        slope_deg(dem, pixel)
