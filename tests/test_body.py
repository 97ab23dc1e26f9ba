"""Great circles, local planes and conventions, judged by PROJ on every body."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from retrieval.body import BODIES, Body, chord, get_body, to_east_180, unit_vectors
from retrieval.errors import BodyMismatchError, RasterError, SettingsError

bodies = st.sampled_from(list(BODIES.values()))
# The seam and the poles are where spherical code breaks, so they are drawn often.
longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 179.999999, 0.0, -179.999999]))
latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 89.9999, 0.0]))
points = st.tuples(longitudes, latitudes).map(np.array)
inner_points = st.tuples(longitudes, st.floats(-89.9, 89.9)).map(np.array)


@given(bodies, points, points)
def test_distance_agrees_with_proj(body: Body, a: np.ndarray, b: np.ndarray) -> None:
    _, _, metres = body.geod.inv(*a, *b)
    assert body.distance_km(a, b) == pytest.approx(metres / 1000, rel=1e-9, abs=1e-6)


@given(bodies, inner_points, inner_points)
def test_azimuth_agrees_with_proj(body: Body, a: np.ndarray, b: np.ndarray) -> None:
    azimuth, _, metres = body.geod.inv(*a, *b)
    assume(1.0 < metres / 1000 < body.half_circumference_km - 1.0)
    off = (body.azimuth_deg(a, b) - azimuth + 180) % 360 - 180
    assert abs(off) < 1e-6


@given(bodies, points, st.floats(0, 360), st.floats(0, 0.999))
def test_destination_lies_where_it_was_sent(
    body: Body, start: np.ndarray, azimuth: float, share: float
) -> None:
    distance = share * body.half_circumference_km
    end = body.destination(start, azimuth, distance)
    assert body.distance_km(start, end) == pytest.approx(distance, rel=1e-9, abs=1e-6)
    assert -180 <= end[0] < 180
    lon, lat, _ = body.geod.fwd(*start, azimuth, distance * 1000)
    assert body.distance_km(end, [lon, lat]) == pytest.approx(0.0, abs=1e-5)


@given(bodies, inner_points, st.floats(-200, 200), st.floats(-200, 200))
def test_offsets_round_trip_and_agree_with_the_local_crs(
    body: Body, centre: np.ndarray, east: float, north: float
) -> None:
    lonlat = body.offsets_to_lonlat(centre, east, north)
    assert body.lonlat_to_offsets(centre, lonlat) == pytest.approx((east, north), abs=1e-5)
    to_plane = Transformer.from_crs(
        CRS.from_proj4(f"+proj=longlat +R={body.radius_m} +no_defs"), body.local_crs(*centre), always_xy=True
    )
    x, y = to_plane.transform(*lonlat)
    assert (x / 1000, y / 1000) == pytest.approx((east, north), abs=1e-3)


@given(bodies, points, points)
def test_chord_of_unit_vectors_is_the_distance(body: Body, a: np.ndarray, b: np.ndarray) -> None:
    straight = np.linalg.norm(unit_vectors(a) - unit_vectors(b))
    assert chord(body.distance_km(a, b) / body.radius_km) == pytest.approx(straight, abs=1e-12)


@given(points, points)
def test_earth_is_within_its_stated_error_of_the_ellipsoid(a: np.ndarray, b: np.ndarray) -> None:
    _, _, metres = Geod(ellps="WGS84").inv(*a, *b)
    assert get_body("earth").distance_km(a, b) == pytest.approx(metres / 1000, rel=6e-3, abs=1e-6)


@given(st.floats(-720, 720))
def test_longitudes_come_home(lon: float) -> None:
    home = float(to_east_180(lon))
    assert -180 <= home < 180 or home == pytest.approx(180)
    assert np.cos(np.radians(home - lon)) == pytest.approx(1.0, abs=1e-9)


def test_longitudes_inside_keep_their_bits() -> None:
    assert to_east_180([0.1, -180.0, 179.9]).tolist() == [0.1, -180.0, 179.9]
    assert to_east_180([180.0, 359.0, 360.0]).tolist() == [-180.0, -1.0, 0.0]


def test_west_positive_planetographic_mars_is_turned() -> None:
    mars, crs = get_body("mars"), CRS.from_user_input("IAU_2015:49901")
    lonlat = mars.lonlat_from(crs, [43.1, 190.0], [45.0, -90.0])
    squash = (3376.2 / 3396.19) ** 2
    assert lonlat[0] == pytest.approx([-43.1, np.degrees(np.arctan(squash))], abs=1e-6)
    assert lonlat[1] == pytest.approx([170.0, -90.0], abs=1e-6)
    x, y = mars.lonlat_to(crs, lonlat)
    assert np.cos(np.radians(x - [43.1, 190.0])) == pytest.approx([1, 1])
    assert y == pytest.approx([45.0, -90.0], abs=1e-6)


@pytest.mark.parametrize(
    "crs",
    [
        "+proj=eqc +lon_0=180 +R=3396190 +units=m +no_defs",
        "+proj=stere +lat_0=-90 +R=3396190 +units=m +no_defs",
        "+proj=sinu +R=3396190 +units=m +no_defs",
        "ESRI:103885",
    ],
)
def test_projections_round_trip(crs: str) -> None:
    mars, projection = get_body("mars"), CRS.from_user_input(crs)
    lonlat = np.array([[10.0, -70.0], [-120.5, -10.0], [179.9, -0.1]])
    back = mars.lonlat_from(projection, *mars.lonlat_to(projection, lonlat))
    assert back == pytest.approx(lonlat, abs=1e-8)


def test_points_outside_a_projection_are_nan_not_numbers() -> None:
    mars = get_body("mars")
    disk = CRS.from_proj4("+proj=ortho +R=3396190 +units=m +no_defs")
    lonlat = mars.lonlat_from(disk, [0.0, 9e6], [0.0, 0.0])
    assert lonlat[0] == pytest.approx([0, 0])
    assert np.isnan(lonlat[1]).all()


def test_another_bodys_crs_is_refused_by_name() -> None:
    mars = get_body("mars")
    mars.check_same_body(CRS.from_user_input("IAU_2015:49901"), "a file")
    with pytest.raises(BodyMismatchError, match=r"dem\.tif has a CRS of earth.*pass --body earth") as caught:
        mars.check_same_body(CRS.from_epsg(4326), "dem.tif")
    assert isinstance(caught.value, RasterError)
    with pytest.raises(BodyMismatchError, match="no known body"):
        mars.check_same_body(CRS.from_proj4("+proj=longlat +R=1000 +no_defs"), "pebble.tif")


def test_bodies_are_found_by_name() -> None:
    assert get_body(" Mars ").radius_km == pytest.approx(3396.19)
    assert get_body("mars").area_km2 == pytest.approx(144.9e6, rel=1e-3)
    assert get_body("lowell").crs.ellipsoid.semi_major_metre == 450_000
    with pytest.raises(SettingsError, match=r"pluto.*Allowed: mars, moon"):
        get_body("pluto")
