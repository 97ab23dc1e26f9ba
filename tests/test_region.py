"""Regions: what they hold and how large they are, across the seam, over the poles, inside out."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Polygon, box

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.spatial.region import Region
from retrieval.spatial.shapes import area_km2, inside, normalised
from retrieval.spatial.sphere import lonlat_of

MARS = get_body("mars")
ANYWHERE = lonlat_of(np.random.default_rng(7).normal(size=(20_000, 3)))
PIECES = normalised([box(160, 20, 200, 60), Polygon([(lon, 75) for lon in range(0, 360, 5)])], MARS)[0]

longitudes = st.floats(-180, 360)
REGIONS = [
    Region("a box over the seam", (170, -20, -160, 45)),
    Region("all longitudes", (0, -40, 360, -10)),
    Region("a cap at the pole", cap=(12, 88, 900)),
    Region("a cap over the seam", cap=(179, 5, 2500)),
    Region("more than a hemisphere", cap=(30, -50, 7000)),
    Region("polygons", shapes=PIECES),
    Region("a box and a cap", (-30, -30, 60, 30), (20, 10, 2000)),
    Region("polygons in a cap", cap=(180, 60, 1500), shapes=PIECES),
]


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.words)
def test_the_area_is_the_share_of_the_body_that_is_held(region: Region, outside: bool) -> None:
    region = Region(region.words, region.lonlat_box, region.cap, region.shapes, outside)
    held = region.holds(MARS, ANYWHERE)
    area = region.area_km2(MARS)
    error = np.sqrt(held.mean() * (1 - held.mean()) / len(held))
    assert held.mean() == pytest.approx(area / MARS.area_km2, abs=4 * error)
    drawn = region.polygon(MARS)
    assert area_km2(drawn, MARS)[0] == pytest.approx(area, rel=1e-5)
    assert ((inside(ANYWHERE, drawn) >= 0) == held).mean() > 0.999


@settings(max_examples=30)
@given(longitudes, st.floats(-90, 90), st.floats(1, 10_600))
def test_a_cap_holds_what_lies_within_its_radius(lon: float, lat: float, km: float) -> None:
    region = Region("a cap", cap=(lon, lat, km))
    away = MARS.distance_km([lon, lat], ANYWHERE)
    clear = np.abs(away - km) > 1e-6
    assert np.array_equal(region.holds(MARS, ANYWHERE)[clear], (away <= km)[clear])
    exact = MARS.area_km2 * np.sin(km / MARS.radius_km / 2) ** 2
    assert region.area_km2(MARS) == pytest.approx(exact, rel=1e-12)
    assert area_km2(region.polygon(MARS), MARS)[0] == pytest.approx(exact, rel=1e-3)


def test_edges_belong_to_a_region_and_a_pole_has_every_longitude() -> None:
    edge = float(MARS.distance_km([0, 0], [5, 0]))
    assert Region("c", cap=(0, 0, edge)).holds(MARS, [[5, 0], [5.001, 0]]).tolist() == [True, False]
    assert Region("b", (10, 60, 20, 90)).holds(MARS, [[10, 60], [20, 70], [99, 90], [99, -90]]).tolist() == [
        True,
        True,
        True,
        False,
    ]
    assert Region("everything").holds(MARS, [[0, 0], [180, -90]]).all()
    assert Region("everything").area_km2(MARS) == pytest.approx(MARS.area_km2)
    assert not Region("nothing", outside=True).holds(MARS, [[0, 0]]).any()
    assert Region("all", cap=(0, 0, 1e6)).area_km2(MARS) == pytest.approx(MARS.area_km2)
    assert Region("b", (10, 60, 20, 90)).holds(MARS, []).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"lonlat_box": (10, 0, 10, 5)}, "is no box"),
        ({"lonlat_box": (10, 5, 20, 5)}, "is no box"),
        ({"lonlat_box": (10, 5, 20, 95)}, "is no box"),
        ({"lonlat_box": (np.nan, 5, 20, 45)}, "is no box"),
        ({"cap": (0, 91, 10)}, "latitude 91"),
        ({"cap": (0, 0, 0)}, "a radius of 0 km"),
        ({"cap": (0, 0, -5)}, "a radius of -5 km"),
        ({"cap": (0, 0, np.nan)}, "a radius of nan km"),
        ({"shapes": np.array([LineString([(0, 0), (1, 1)]), None], dtype=object)}, "encloses an area"),
    ],
)
def test_what_is_no_region_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(GeometryError, match=f"Hellas: .*{words}"):
        Region("Hellas", **arguments)
