from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.grid import Grid
from retrieval.spatial.shapes import area_km2, inside, normalised
from retrieval.tiles import TileTable
from tools.maps.projections import Azimuthal, Flat, polar_cap, seen_from, whole_body
from tools.maps.views import column_label, degree_step, latitude_label, longitude_label, round_step
from tools.maps.windows import box_outline, circle_outline, middle_of, view_of, window

MARS = get_body("mars")
LOWELL = get_body("lowell")

PROJECTIONS = [
    whole_body(MARS),
    Flat(180.0, 0.0, np.pi, np.pi / 2),
    Flat(179.0, 20.0, 0.5, 0.25),
    Flat(-170.0, -35.0, 0.4, 0.3),
    polar_cap(1),
    polar_cap(-1),
    seen_from(0.0, 10.0),
    seen_from(170.0, -80.0),
    Azimuthal(180.0, 65.0, 0.5, 0.25),
    Azimuthal(0.0, 90.0, 1.2, 0.6),
]
NAMES = [f"{view.name} {view.lon:g} {view.lat:g}" for view in PROJECTIONS]

everywhere = st.tuples(st.floats(-180, 179.99), st.floats(-90, 90))


def whole_shapes():
    """Shapes over the antimeridian, around each pole, with a hole, and a line from pole to pole."""
    turn = np.arange(-180, 180, 5)
    given_ = [
        shapely.Polygon([(170, 10), (195, 5), (190, 30), (165, 35)]),
        shapely.Polygon([(lon, 72 + 6 * np.sin(np.radians(3 * lon))) for lon in turn]),
        shapely.Polygon([(lon, -20.0) for lon in turn]),
        shapely.Polygon([(0, 0), (40, -10), (50, 30), (10, 35)], [[(15, 8), (30, 5), (30, 20), (18, 22)]]),
        shapely.box(-120, 50, 100, 80),
    ]
    return normalised(given_, MARS)[0]


class TestProjections:
    @pytest.mark.parametrize("view", PROJECTIONS, ids=NAMES)
    def test_positions_turn_back(self, view) -> None:
        @given(everywhere)
        def turns_back(lonlat) -> None:
            xy = view.to_plane(lonlat)
            if np.isfinite(xy[0]):
                assert MARS.distance_km(view.to_lonlat(xy), lonlat) < 1e-2

        turns_back()

    @pytest.mark.parametrize("view", PROJECTIONS, ids=NAMES)
    def test_the_scale_bar_is_true_at_the_middle(self, view) -> None:
        length_km, width = view.scale_bar(MARS.radius_km)
        ends = view.to_lonlat([[-width / 2, 0.0], [width / 2, 0.0]])
        assert MARS.distance_km(*ends) == pytest.approx(length_km, rel=0.01)
        assert 0 < width < 2 * view.half_width

    @pytest.mark.parametrize("view", PROJECTIONS, ids=NAMES)
    def test_lengths_at_the_middle_are_true_in_every_direction(self, view) -> None:
        ends = MARS.destination([view.lon, view.lat], np.arange(0.0, 360.0, 30.0), 20.0)
        reach = np.hypot(*view.to_plane(ends).T)
        np.testing.assert_allclose(reach * MARS.radius_km, 20.0, rtol=0.01)

    @pytest.mark.parametrize("view", PROJECTIONS, ids=NAMES)
    def test_shapes_are_cut_to_what_the_map_shows(self, view) -> None:
        # A pixel of the map is inside the drawn shape where its place on the ground is inside the shape.
        shapes = whole_shapes()
        drawn = view.cut(shapes)
        xy = np.random.default_rng(1).uniform(-1, 1, (1500, 2)) * [view.half_width, view.half_height]
        lonlat = view.to_lonlat(xy)
        xy, lonlat = xy[np.isfinite(lonlat[:, 0])], lonlat[np.isfinite(lonlat[:, 0])]
        assert len(xy) > 500
        for shape, flat in zip(shapes, drawn, strict=True):
            there = inside(lonlat, np.array([shape], dtype=object)) == 0
            here = shapely.contains_xy(flat, xy) if flat is not None else np.zeros(len(xy), dtype=bool)
            assert (here != there).mean() < 0.004  # chords leave slivers
            assert flat is None or view.frame.buffer(1e-6).covers(flat)

    def test_equal_areas_are_equal(self) -> None:
        shapes = whole_shapes()[[0, 3]]
        drawn = shapely.area(Azimuthal(20.0, 30.0, 2.0, 2.0).cut(shapes)) * MARS.radius_km**2
        np.testing.assert_allclose(drawn, area_km2(shapes, MARS), rtol=2e-3)

    def test_what_the_antimeridian_cut_is_one_again(self) -> None:
        for view in (Flat(179.0, 20.0, 0.6, 0.4), Azimuthal(-175.0, 20.0, 0.6, 0.4), polar_cap(1, 0.0)):
            piece = view.cut(whole_shapes()[:1])[0]
            assert piece.geom_type == "Polygon"
            assert piece.is_valid

    @pytest.mark.parametrize("view", PROJECTIONS, ids=NAMES)
    def test_the_graticule_lies_on_its_degrees(self, view) -> None:
        lines = view.graticule(30.0, 10.0)
        assert {line.axis for line in lines} == {"lon", "lat"}
        for line in lines:
            inner = shapely.intersection(
                line.path, view.frame.buffer(-0.02 * view.half_height)
            )  # not along the limb
            points = view.to_lonlat(shapely.get_coordinates(shapely.segmentize(inner, 0.05)))
            away = np.abs(points[:, 1]) < 89.0
            if line.axis == "lat":
                np.testing.assert_allclose(points[:, 1], line.degrees, atol=0.1)
            else:
                off = (points[away, 0] - line.degrees + 180.0) % 360.0 - 180.0
                np.testing.assert_allclose(off * np.cos(np.radians(points[away, 1])), 0.0, atol=0.1)

    def test_poles_are_seen_from_above(self) -> None:
        # In the north 90 E is to the right of longitude 0 at the bottom; in the south, of 0 at the top.
        north, south = polar_cap(1), polar_cap(-1)
        edge = north.half_width
        np.testing.assert_allclose(north.to_plane([90.0, 60.0]), [edge, 0], atol=1e-12)
        np.testing.assert_allclose(north.to_plane([0.0, 60.0]), [0, -edge], atol=1e-12)
        np.testing.assert_allclose(south.to_plane([0.0, -60.0]), [0, edge], atol=1e-12)
        assert np.isnan(north.to_plane([0.0, 59.9])).all()

    def test_the_far_side_is_not_seen(self) -> None:
        xy = seen_from(10.0, 20.0).to_plane([[10.0, 20.0], [-170.0, -20.0], [95.0, 0.0]])
        np.testing.assert_allclose(xy[0], 0.0, atol=1e-12)
        assert np.isnan(xy[1]).all()
        assert 0.99 < np.hypot(*xy[2]) <= 1.0

    def test_nothing_is_cut_to_nothing(self) -> None:
        for view in PROJECTIONS:
            assert len(view.cut(np.array([], dtype=object))) == 0
            assert view.cut(np.array([None], dtype=object))[0] is None


class TestWindows:
    @given(
        st.lists(everywhere, min_size=1, max_size=12),
        everywhere,
        st.floats(0.01, 40.0),
        st.floats(0.0, 5.0),
    )
    def test_a_window_holds_what_it_is_for(self, offsets, centre, spread_deg, margin_deg) -> None:
        # Positions within a circle about any place, the poles among them.
        share = (np.array(offsets)[:, 1] + 90.0) / 180.0
        points = MARS.destination(
            centre, np.array(offsets)[:, 0], np.radians(share * spread_deg) * MARS.radius_km
        )
        view = window(points, MARS, margin_deg + 0.01)
        assert np.isfinite(view.to_plane(points)).all()
        assert view.whole or view.half_height >= np.radians(margin_deg)

    @given(everywhere, st.floats(0.1, 20.0))
    def test_no_window_is_stretched(self, centre, radius_deg) -> None:
        outline = circle_outline(MARS, centre, np.radians(radius_deg) * MARS.radius_km)
        view = window(outline, MARS)
        assert not view.whole
        # The circle keeps its form: the map's scale at its edge is that of the middle within a third.
        xy = view.to_plane(outline) - view.to_plane(centre)
        assert np.hypot(*xy.T).max() < 1.35 * np.hypot(*xy.T).min()

    def test_a_region_across_the_antimeridian_is_shown_in_one_piece(self) -> None:
        view = window([[179.0, 0.0], [-179.0, 10.0]], MARS, 1.0)
        assert isinstance(view, Flat)
        assert abs(view.lon) == pytest.approx(180.0)
        assert view.half_width == pytest.approx(2 * view.half_height)

    def test_a_pole_is_shown_from_above(self) -> None:
        view = window(box_outline(-180, 75, 180, 90), MARS)
        assert isinstance(view, Azimuthal)
        assert (view.lon, view.lat) == (0.0, 90.0)
        assert view.half_height == pytest.approx(2 * np.sin(np.radians(15) / 2))

    def test_what_lies_all_around_has_no_window(self) -> None:
        assert window([[0, 0], [120, 10], [-120, -10]], MARS).whole
        assert window(box_outline(-180, -40, 180, 40), MARS).whole
        assert middle_of([[0, 0], [180, 0]]) is None
        assert middle_of(np.empty((0, 2))) is None
        assert middle_of([[10, 20], [20, 20]]) == pytest.approx((15, 20.07), abs=0.01)

    def test_the_view_of_an_index_is_what_it_observed(self, tiny_index) -> None:
        assert view_of(tiny_index) == whole_body(tiny_index.body)
        grid = Grid(LOWELL, 30.0)
        for bounds, kind in (((160, -5, -160, 20), Flat), ((-180, 70, 180, 90), Azimuthal)):
            numbers = np.sort(grid.within_bounds(*bounds))
            lonlat = grid.centres(numbers)
            tiles = TileTable(grid, {"tile": numbers, "observed": np.ones(len(numbers))})
            view = view_of(SimpleNamespace(tiles=tiles, body=LOWELL, grid=grid))
            assert isinstance(view, kind)
            assert np.isfinite(view.to_plane(lonlat)).all()

    def test_bodies_counted_to_360_begin_at_the_meridian(self) -> None:
        assert whole_body(SimpleNamespace(longitude_domain=360)).west == 0.0
        assert (whole_body(MARS).west, whole_body(MARS).east) == (-180.0, 180.0)


class TestWords:
    @pytest.mark.parametrize(
        ("lon", "domain", "positive", "text"),
        [
            (-120, 180, "east", "120° W"),
            (60, 180, "east", "60° E"),
            (0, 180, "east", "0°"),
            (180, 180, "east", "180°"),
            (200, 180, "east", "160° W"),
            (-120, 360, "east", "240° E"),
            (-120, 360, "west", "120° W"),
            (120, 360, "west", "240° W"),
            (0, 360, "east", "0°"),
        ],
    )
    def test_longitudes_are_written_as_the_body_counts_them(self, lon, domain, positive, text) -> None:
        body = SimpleNamespace(longitude_domain=domain, longitude_positive=positive)
        assert longitude_label(lon, body) == text

    def test_latitudes(self) -> None:
        assert [latitude_label(lat) for lat in (30, 0, -7.5)] == ["30° N", "0°", "7.5° S"]

    def test_columns(self) -> None:
        names = ["diameter_km", "area_km2", "azimuth_deg", "probability", "joint_probability", "m"]
        labels = ["diameter, km", "area, km²", "azimuth, °", "probability", "joint probability", "m"]
        assert [column_label(name) for name in names] == labels

    @given(st.floats(0.01, 360.0), st.integers(3, 12))
    def test_steps_are_round_and_near(self, span, parts) -> None:
        for step in (round_step(span, parts), degree_step(span, parts)):
            assert 0.3 < step / (span / parts) < 2.6
        assert f"{round_step(span, parts):.0e}"[0] in "125"

    def test_steps_of_common_maps(self) -> None:
        spans = itertools.starmap(degree_step, [(360, 11), (180, 6), (57, 6), (10, 6)])
        assert list(spans) == [30, 30, 10, 2]
        assert [round_step(21333, 8), round_step(0.07, 8)] == [2000, pytest.approx(0.01)]
