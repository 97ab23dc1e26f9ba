"""Lines and polygons on a sphere: whatever the file did at the seam and the poles, the ground decides."""

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from shapely import LineString, MultiLineString, MultiPolygon, Point, Polygon, box

from retrieval.body import BODIES, get_body
from retrieval.errors import GeometryError
from retrieval.spatial.shapes import (
    along,
    area_km2,
    axis_deg,
    distance_km,
    inside,
    length_km,
    normalised,
    representative,
    shape_distance_km,
)
from retrieval.spatial.sphere import lonlat_of, rotated, vectors_of

MARS = get_body("mars")
seeds = st.integers(0, 2**32 - 1)
NARROW = 20 / 360 * np.sin(np.radians(10))  # share of the sphere of a box 20 degrees wide about the equator
CAP = (1 - np.sin(np.radians(80))) / 2


def made(*shapes: Any) -> Any:
    return normalised(shapes, MARS)[0]


def parallel(lat: float, start: float = 0.0, step: float = 10.0) -> list[tuple[float, float]]:
    return [((start + lon + 180) % 360 - 180, lat) for lon in np.arange(0, 360, step)]


def star(rng: np.random.Generator, size_km: float, corners: int = 12) -> tuple[Any, Any]:
    """A polygon about a random centre, with corners at random distances; the centre and the lonlat."""
    centre = lonlat_of(rng.normal(size=3))
    azimuth = np.arange(corners) * 360.0 / corners + rng.uniform(0, 10)
    return centre, MARS.destination(centre, azimuth, size_km * rng.uniform(0.4, 1.0, corners))


@pytest.mark.parametrize(
    ("shape", "share", "note"),
    [
        (box(-180, -90, 180, 90), 1.0, ""),
        (box(0, -90, 360, 90), 1.0, ""),
        (box(-180, -30, 180, 30), 0.5, ""),
        (box(-180, 0, 180, 90), 0.5, ""),
        (Polygon([(170, -10), (-170, -10), (-170, 10), (170, 10)]), NARROW, "cut at longitude 180"),
        (box(170, -10, 190, 10), NARROW, "cut at longitude 180"),
        (box(350, -10, 370, 10), NARROW, ""),
        (
            Polygon(
                [
                    (170, -10),
                    (180, -10),
                    (-180, -10),
                    (-170, -10),
                    (-170, 10),
                    (-180, 10),
                    (180, 10),
                    (170, 10),
                ]
            ),
            NARROW,
            "cut at longitude 180",
        ),
        (Polygon(parallel(80)), CAP, "closed over a pole"),
        (Polygon(parallel(80)[::-1]), CAP, "closed over a pole"),
        (Polygon(parallel(80, 187.0, 30.0)), CAP, "closed over a pole"),
        (Polygon(parallel(-80)), CAP, "closed over a pole"),
        (Polygon([(-180, 80), *parallel(80)[19:], *parallel(80)[:19], (180, 90), (-180, 90)]), CAP, ""),
        (box(-180, 80, 180, 90), CAP, ""),
        (Polygon([(0, 60), (90, 60), (33, 90)]), (1 - np.sin(np.radians(60))) / 8, ""),
        (Polygon([(33, 90), (0, 60), (90, 60)]), (1 - np.sin(np.radians(60))) / 8, ""),
        (Polygon(parallel(80), [parallel(85)]), CAP - (1 - np.sin(np.radians(85))) / 2, "closed over a pole"),
        (Polygon(parallel(5), [parallel(-5)]), np.sin(np.radians(5)), "closed over a pole"),
        (Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]), 4.8472753675e-05, "repaired"),
        (MultiPolygon([box(0, 0, 10, 10), box(5, 0, 15, 10)]), 15 / 720 * np.sin(np.radians(10)), ""),
    ],
)
def test_every_way_to_draw_a_polygon_has_the_right_area(shape: Any, share: float, note: str) -> None:
    shapes, notes = normalised([shape], MARS)
    assert shapes[0].is_valid
    assert np.abs(shapes[0].bounds).max() <= 180.0
    assert area_km2(shapes, MARS)[0] / MARS.area_km2 == pytest.approx(share, rel=1e-9)
    assert inside(representative(shapes, MARS), shapes).tolist() == [0]
    assert (note in " ".join(notes)) if note else True
    again, nothing = normalised(shapes, MARS)
    assert area_km2(again, MARS) == pytest.approx(area_km2(shapes, MARS), rel=1e-12)
    assert not [line for line in nothing if "repaired" in line]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (None, "without coordinates"),
        (Polygon(), "without coordinates"),
        (Point(np.nan, 5.0), "a coordinate is no number"),
        (Point(0, 91), "outside the latitudes and longitudes of mars"),
        (LineString([(0, 0), (1e6, 5)]), "outside the latitudes and longitudes of mars"),
        (Polygon([(0, 0), (1, 1), (2, 2)]), "a polygon without area"),
        (LineString([(1, 1), (1, 1)]), "a line without length"),
        (
            Polygon([(lon % 360 - 180, 40 + lon / 100) for lon in range(0, 720, 20)]),
            "a ring that turns 2 times",
        ),
    ],
)
def test_what_is_no_shape_is_dropped_and_said(shape: Any, words: str) -> None:
    shapes, notes = normalised([Point(3, 4), shape], MARS)
    assert shapes[1] is None
    assert shapes[0] == Point(3, 4)
    assert len(notes) == 1
    assert f"1 shape dropped: {words}" in notes[0]
    assert "row 1" in notes[0]
    for measure in (area_km2, length_km, axis_deg):
        assert np.isnan(measure(shapes, MARS)[1])
    assert np.isnan(representative(shapes, MARS)[1]).all()


def test_points_lines_and_collections() -> None:
    shapes = made(
        Point(190, 5, 7),
        LineString([(170, 0), (-170, 0)]),
        LineString([(10, 80), (55, 90), (-170, 80)]),
        shapely.GeometryCollection([Point(0, 0), box(0, 0, 1, 1)]),
        shapely.MultiPoint([(179, 0), (181, 0)]),
    )
    assert shapes[0] == Point(-170, 5)
    assert [shape.geom_type for shape in shapes[1:4]] == ["MultiLineString", "LineString", "Polygon"]
    degree = MARS.half_circumference_km / 180
    assert length_km(shapes, MARS)[:3] == pytest.approx([0.0, 20 * degree, 20 * degree], rel=1e-9)
    assert area_km2(shapes, MARS)[:3].tolist() == [0.0, 0.0, 0.0]
    assert abs(representative(shapes, MARS)[1, 0]) == pytest.approx(180.0)
    assert representative(shapes, MARS)[2, 1] == pytest.approx(90.0)
    assert [len(part) for part in along(shapes[4:], MARS, 5.0)] == [2, 2]


def test_outlines_leave_out_the_cut_and_the_pole() -> None:
    shapes = made(
        box(170, -10, 190, 10), box(-10, -10, 10, 10), Polygon(parallel(80)), box(-180, -90, 180, 90)
    )
    around = MARS.half_circumference_km * 2 * np.cos(np.radians(80))
    lengths = length_km(shapes, MARS)
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-9)
    assert lengths[2:] == pytest.approx([around, 0.0], rel=1e-6)
    points, row = along(shapes, MARS, 50.0)
    assert np.abs(points[row == 0, 0]).max() <= 180.0
    assert np.abs(np.abs(points[(row == 0) & (np.abs(points[:, 1]) < 9.9), 0]) - 170.0).max() < 1e-9
    assert points[row == 2, 1] == pytest.approx(80.0)
    assert set(row.tolist()) == {0, 1, 2}


@settings(max_examples=30)
@given(st.sampled_from(list(BODIES)), seeds, st.sampled_from([0.001, 1.0, 100.0, 1000.0]))
def test_area_is_that_of_the_geodesic_library(name: str, seed: int, size_km: float) -> None:
    body = BODIES[name]
    size_km *= body.radius_km / MARS.radius_km
    ring = star(np.random.default_rng(seed), size_km)[1]
    shapes = normalised([Polygon(ring)], body)[0]
    if np.abs(ring[:, 1]).max() > 89.9:
        return
    # Geodesics between corners close enough that a straight edge and a great circle are one.
    dense = shapely.segmentize(shapes[0], max(0.002, np.ptp(ring[:, 1]) / 2000))
    expected = sum(abs(body.geod.geometry_area_perimeter(part)[0]) for part in shapely.get_parts(dense))
    assert area_km2(shapes, body)[0] == pytest.approx(expected / 1e6, rel=2e-6)


@settings(max_examples=40)
@given(seeds, st.sampled_from([0.01, 10.0, 1000.0]))
def test_the_centroid_the_axis_and_the_area_do_not_know_where_they_are(seed: int, size_km: float) -> None:
    rng = np.random.default_rng(seed)
    # An ellipse twice as long as wide, anywhere, in any direction.
    centre, turn = lonlat_of(rng.normal(size=3)), rng.uniform(0, 180)
    t = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    along_km, across_km = size_km * np.cos(t), size_km * np.sin(t) / 2
    azimuth = turn + np.degrees(np.arctan2(across_km, along_km))
    ring = MARS.destination(centre, azimuth, np.hypot(along_km, across_km))
    shapes = made(Polygon(ring))
    # Edges are straight in longitude and latitude: beside a pole that is not what was drawn.
    if MARS.distance_km(centre, [0.0, 90.0 * np.sign(centre[1])]) < 1.5 * size_km:
        return
    assert MARS.distance_km(centre, representative(shapes, MARS)[0]) < 1e-3 * size_km
    off = (axis_deg(shapes, MARS)[0] - turn + 90.0) % 180.0 - 90.0
    assert abs(off) < 0.5
    flat = np.pi * size_km**2 / 2
    assert area_km2(shapes, MARS)[0] == pytest.approx(flat, rel=1e-3 if size_km < 100 else 0.02)


@settings(max_examples=20)
@given(seeds)
def test_a_rotation_changes_neither_area_nor_length_nor_what_is_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = star(rng, 1500.0, 5)[1]
    # Corners along great circles, close enough that straight edges between them follow anywhere.
    on = [MARS.geod.npts(*a, *b, 400, initial_idx=0) for a, b in zip(ring, np.roll(ring, -1, 0), strict=True)]
    path = np.concatenate([np.array(edge) for edge in on])
    turn = Rotation.random(rng=rng)
    points = lonlat_of(rng.normal(size=(300, 3)))
    before = made(Polygon(path))
    after = made(Polygon(lonlat_of(rotated(vectors_of(path), turn))))
    assert area_km2(after, MARS) == pytest.approx(area_km2(before, MARS), rel=1e-4)
    assert length_km(after, MARS) == pytest.approx(length_km(before, MARS), rel=1e-4)
    clear = distance_km(points, np.array([before[0].boundary], dtype=object), MARS)[0] > 1.0
    moved = lonlat_of(rotated(vectors_of(points), turn))
    assert np.array_equal(inside(moved, after)[clear], inside(points, before)[clear])


def test_a_shape_and_the_rest_of_the_body_make_the_whole() -> None:
    rng = np.random.default_rng(4)
    world = box(-180, -90, 180, 90)
    for _ in range(10):
        shapes = made(Polygon(star(rng, 2000.0)[1]))
        rest = np.array([world.difference(shapes[0])], dtype=object)
        assert area_km2(shapes, MARS) + area_km2(rest, MARS) == pytest.approx(MARS.area_km2, rel=1e-12)
        points = lonlat_of(rng.normal(size=(200, 3)))
        assert ((inside(points, shapes) >= 0) != (inside(points, rest) >= 0)).all()


def test_azimuths_and_round_shapes() -> None:
    north_south = MultiLineString([[(0, 0), (0, 10)], [(50, 0), (50, 10)]])
    shapes = made(
        LineString([(0, 0), (10, 10)]),
        LineString([(20, 0), (20, 9)]),
        box(-1, -1, 1, 1),
        Point(0, 0),
        north_south,
    )
    axes = axis_deg(shapes, MARS)
    assert axes[:2] == pytest.approx([45.0, 0.0], abs=0.5)
    assert np.isnan(axes[2:4]).all()
    assert axes[4] == pytest.approx(90.0)  # 50 degrees apart and 10 long: the pair lies east to west


def test_inside_knows_the_seam_the_poles_and_the_smallest() -> None:
    shapes = made(
        box(-180, 60, 180, 90),
        box(170, -10, 190, 10),
        Polygon(parallel(85)),
        LineString([(0, 0), (9, 9)]),
        None,
    )
    points = [[180.0, 0.0], [-180.0, 0.0], [175.0, 5.0], [3.0, 90.0], [3.0, 70.0], [5.0, 5.0], [3.0, -90.0]]
    assert inside(points, shapes).tolist() == [1, 1, 1, 2, 0, -1, -1]
    assert inside(points, made(LineString([(0, 0), (9, 9)]))).tolist() == [-1] * 7
    assert inside([], shapes).tolist() == []
    with pytest.raises(GeometryError, match="latitude 95"):
        inside([[0.0, 95.0]], shapes)


def dense_distance(points: Any, shape: Any, step_deg: float = 0.002) -> Any:
    """Distance to the nearest of many positions along a shape, km."""
    corners = shapely.get_coordinates(shapely.segmentize(shape, step_deg))
    return np.array([MARS.distance_km(point, corners).min() for point in np.asarray(points)])


@settings(max_examples=25)
@given(seeds)
def test_distances_to_shapes_are_those_to_their_nearest_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centre, ring = star(rng, 200.0, 5)
    line = MARS.destination(lonlat_of(rng.normal(size=3)), rng.uniform(0, 360), [0.0, 400.0, 700.0])
    shapes = made(Polygon(ring), LineString(line), Point(*lonlat_of(rng.normal(size=3))))
    points = np.concatenate(
        [lonlat_of(rng.normal(size=(8, 3))), MARS.destination(centre, 45.0, [[0.0], [300.0]])[:, 0]]
    )
    each = np.stack([dense_distance(points, shape) for shape in shapes])
    each[0, inside(points, shapes[:1]) >= 0] = 0.0
    distance, row = distance_km(points, shapes, MARS)
    assert distance == pytest.approx(each.min(axis=0), abs=0.02)
    assert each[row, np.arange(len(points))] == pytest.approx(distance, abs=0.02)
    near, near_row = distance_km(points, shapes, MARS, 1000.0)
    assert np.array_equal(near_row >= 0, distance <= 1000.0)
    assert np.array_equal(near[near_row >= 0], distance[distance <= 1000.0])
    assert np.isinf(near[near_row < 0]).all()


def test_distances_beside_the_middle_and_the_end_of_an_edge() -> None:
    shapes = made(
        LineString([(175, 0), (-175, 0)]), box(-10, -10, 10, 10), LineString([(0, 89.9), (179, 89.9)])
    )
    degree = MARS.half_circumference_km / 180
    points = [[180, 1], [-179.95, 0], [-170, 0], [12, 0], [0, 0], [90, 89.5]]
    distance, row = distance_km(points, shapes, MARS)
    assert distance / degree == pytest.approx([1.0, 0.0, 5.0, 2.0, 0.0, 0.4], abs=2e-5)
    assert row.tolist() == [0, 0, 0, 1, 1, 2]


@settings(max_examples=8)
@given(seeds)
def test_distances_between_shapes_are_the_same_from_either_side(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = made(*(Polygon(star(rng, 600.0, 6)[1]) for _ in range(4)), Point(*lonlat_of(rng.normal(size=3))))
    lines = [
        MARS.destination(lonlat_of(rng.normal(size=3)), rng.uniform(0, 360), [0.0, 900.0]) for _ in range(3)
    ]
    second = made(*map(LineString, lines), Polygon(star(rng, 1500.0)[1]), None)
    for a in first[3:]:
        for b in second[:-1]:
            there, _ = shape_distance_km(made(a), made(b), MARS)
            back, _ = shape_distance_km(made(b), made(a), MARS)
            assert there == pytest.approx(back, abs=1e-6)
            if not shapely.intersects(a, b):
                far = shapely.get_coordinates(shapely.segmentize(a, 0.05))
                assert there[0] == pytest.approx(distance_km(far, made(b), MARS)[0].min(), abs=0.5)
    each = np.array([[shape_distance_km(made(a), made(b), MARS)[0][0] for b in second[:-1]] for a in first])
    distance, row = shape_distance_km(first, second, MARS)
    assert distance == pytest.approx(each.min(axis=1), abs=1e-6)
    assert np.array_equal(row, each.argmin(axis=1))
    assert np.isnan(shape_distance_km(second, first, MARS)[0][-1])


def test_shapes_that_hold_cross_or_touch_each_other_are_at_no_distance() -> None:
    outer, inner = box(0, 0, 30, 30), box(10, 10, 12, 12)
    crossing, touching = LineString([(-5, 5), (5, 5)]), box(170, 0, 180, 10)
    shapes = made(outer, inner, crossing, touching)
    distance, row = shape_distance_km(shapes, made(inner, outer, box(-180, 0, -175, 10)), MARS)
    assert distance == pytest.approx([0.0] * 4, abs=1e-9)
    assert row.tolist() == [0, 0, 1, 2]
    nothing, none = shape_distance_km(shapes[1:2], shapes[3:], MARS, 100.0)
    assert np.isinf(nothing).all()
    assert none.tolist() == [-1]


@pytest.mark.parametrize("step_km", [7.0, 400.0])
def test_positions_along_a_shape_are_even_and_keep_the_ends(step_km: float) -> None:
    shapes = made(
        LineString([(175, 3), (179, 8), (-170, 8)]), Polygon([(0, 0), (4, 0), (4, 4)]), Point(5, 6), None
    )
    points, row = along(shapes, MARS, step_km)
    assert set(row.tolist()) == {0, 1, 2}
    gaps = MARS.distance_km(points[1:], points[:-1])[row[1:] == row[:-1]]
    assert gaps.max() <= step_km + 1e-6
    for end in ([175.0, 3.0], [-170.0, 8.0], [5.0, 6.0]):
        assert MARS.distance_km(points, end).min() < 1e-6
    assert distance_km(points, shapes, MARS)[0] == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(GeometryError, match="a step of 0 km"):
        along(shapes, MARS, 0.0)


def test_nothing_has_no_shape() -> None:
    empty = np.zeros(0, dtype=object)
    for measure in (area_km2, length_km, axis_deg):
        assert measure(empty, MARS).shape == (0,)
    assert representative(empty, MARS).shape == (0, 2)
    assert distance_km([[0.0, 0.0]], empty, MARS)[1].tolist() == [-1]
    assert shape_distance_km(made(Point(0, 0)), empty, MARS)[1].tolist() == [-1]
    assert along(empty, MARS, 1.0)[0].shape == (0, 2)
    assert normalised([], MARS)[1] == []
    with pytest.raises(GeometryError, match="none"):
        distance_km([[0.0, 0.0]], made(Point(0, 0)), MARS, -1.0)


def test_a_line_that_passes_the_seam_by_the_last_bit_stays_one_piece() -> None:
    over = float(np.nextafter(180.0, 181.0))
    shapes, _ = normalised([shapely.LineString([(179.0, 10.0), (180.0, 10.0), (over, 10.0)])], MARS)
    assert shapes[0].geom_type == "LineString"
    straight, _ = normalised([shapely.LineString([(179.0, 10.0), (180.0, 10.0)])], MARS)
    assert length_km(shapes, MARS) == pytest.approx(length_km(straight, MARS))
    assert distance_km([[180.0, 10.0]], shapes, MARS)[0] == pytest.approx(0.0, abs=1e-3)
