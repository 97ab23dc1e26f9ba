"""The truth of Lowell as shapes: courses of long features, outlines of the large ones, winds."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from retrieval.body import BODIES, unit_vectors
from retrieval.catalogue import read_catalogue
from retrieval.corpus.lowell import LANDFORMS, Planet, cached_planet
from retrieval.corpus.lowell.placement import course_points
from retrieval.corpus.lowell.relief import fields
from retrieval.spatial.shapes import along, area_km2, distance_km, inside, length_km

SEED = 5
BODY = BODIES["lowell"]


@pytest.fixture(scope="module")
def planet() -> Planet:
    return cached_planet(SEED)


def lonlat(table: gpd.GeoDataFrame) -> np.ndarray:
    return table[["lon", "lat"]].to_numpy()


def of(table: gpd.GeoDataFrame, landform: str) -> gpd.GeoDataFrame:
    return table[table["landform"] == landform]


def test_what_has_a_course_is_a_line_and_the_rest_are_points_at_their_centres(planet: Planet) -> None:
    table = planet.truth
    lines = {key for key, row in LANDFORMS.items() if row.body in ("line", "strands", "branches")}
    assert set(table.loc[table.geom_type != "Point", "landform"]) == lines
    points = table[table.geom_type == "Point"]
    assert lines.isdisjoint(points["landform"])
    assert np.array_equal(shapely.get_coordinates(points.geometry.to_numpy()), lonlat(points))
    assert table.crs == BODY.crs


def test_lines_are_as_long_as_they_say_valid_and_cut_at_the_antimeridian(planet: Planet) -> None:
    lines = planet.truth[planet.truth.geom_type != "Point"]
    shapes = lines.geometry.to_numpy()
    assert shapely.is_valid(shapes).all()
    corners, part = shapely.get_coordinates(shapely.get_parts(shapes), return_index=True)
    assert np.abs(corners[:, 0]).max() <= 180
    edges = BODY.distance_km(corners[1:], corners[:-1])[np.diff(part) == 0]
    assert edges.max() < 3
    assert (np.abs(np.diff(corners[:, 0]))[np.diff(part) == 0] < 180).all()
    said = lines["length_km"].to_numpy()
    known = np.isfinite(said)
    # A bent course is longer than its extent along its direction.
    ratio = length_km(shapes[known], BODY) / said[known]
    assert ratio.min() > 0.99
    assert np.median(ratio) < 1.1
    # The centre lies at the line, or within the tree of valleys.
    some = list(zip(lonlat(lines), shapes, strict=True))[::12]
    away = [distance_km(centre, np.array([shape]), BODY)[0][0] for centre, shape in some]
    assert np.quantile(away, 0.9) < 6


def test_distances_to_the_shapes_are_those_that_placement_used(planet: Planet) -> None:
    truth = planet.truth
    cones = lonlat(of(truth, "pitted_cones"))
    channels = of(truth, "outflow_channel").geometry.to_numpy()
    courses = np.concatenate([course_points(f) for f in planet.features if f.landform == "outflow_channel"])
    expected = BODY.distance_km(cones[:, None, :], courses[None, :, :]).min(axis=1)
    found, _ = distance_km(cones, channels, BODY)
    assert (found <= expected + 1e-6).all()
    assert found == pytest.approx(expected, abs=0.6)  # course points are 1 km apart
    assert (found <= 40.5).mean() > 0.85
    flows = of(truth, "lava_flow").geometry.to_numpy()
    assert distance_km(cones, flows, BODY)[0].min() > 58


def test_saved_truth_keeps_shapes_and_is_read_as_a_catalogue(planet: Planet, tmp_path: Path) -> None:
    planet.save_truth(tmp_path)
    table = gpd.read_parquet(tmp_path / "truth.parquet")
    assert np.array_equal(lonlat(table), lonlat(planet.truth))
    assert shapely.equals(table.geometry.to_numpy(), planet.truth.geometry.to_numpy()).all()
    outlines = gpd.read_parquet(tmp_path / "outlines.parquet")
    assert outlines["id"].tolist() == planet.outlines["id"].tolist()
    again = read_catalogue(tmp_path / "truth.parquet", BODY)
    assert again["id"].tolist() == table["id"].tolist()
    assert again["landform"].tolist() == table["landform"].tolist()
    assert again["diameter_km"].to_numpy() == pytest.approx(table["diameter_km"].to_numpy())
    # Of lines, a reader of any catalogue takes the centroid, not the centre that only truth knows.
    apart = BODY.distance_km(lonlat(again), lonlat(table))
    assert apart[table.geom_type == "Point"].max() < 1e-6
    assert np.quantile(apart, 0.99) < 12
    read = read_catalogue(tmp_path / "outlines.parquet", BODY)
    assert read["landform"].tolist() == planet.outlines["landform"].tolist()


# Outlines


def test_outlines_have_the_schema_of_catalogues(planet: Planet) -> None:
    table = planet.outlines
    wanted = ["id", "name", "landform", "lon", "lat", "diameter_km", "length_km", "azimuth_deg", "geometry"]
    assert list(table.columns) == wanted
    assert set(table["landform"]) == {
        "dichotomy",
        "canyon",
        "canyon_rim",
        "polar_cap",
        "polar_cap_margin",
        "rise",
    }
    shapes = table.geometry.to_numpy()
    assert shapely.is_valid(shapes).all()
    assert np.abs(shapely.get_coordinates(shapes)[:, 0]).max() <= 180
    areas = shapely.get_dimensions(shapes) == 2
    assert table.loc[areas, "landform"].tolist() == ["canyon", "polar_cap", "polar_cap", "rise"]
    assert (table.loc[areas, "diameter_km"] > 50).all()
    assert (table.loc[~areas, "length_km"] > 200).all()


@pytest.mark.parametrize(("landform", "name"), [("dichotomy", "boundary_km"), ("canyon_rim", "canyon_km")])
def test_lines_run_where_the_fields_are_zero(planet: Planet, landform: str, name: str) -> None:
    points, _ = along(of(planet.outlines, landform).geometry.to_numpy(), BODY, 10.0)
    at = fields(planet.regions, planet.noise, unit_vectors(points).astype(np.float32))
    assert np.abs(getattr(at, name)).max() < 1.0
    assert len(points) > 100


def test_areas_hold_what_the_pictures_show(planet: Planet) -> None:
    rng = np.random.default_rng(0)
    points = np.stack(
        [rng.uniform(-180, 180, 4000), np.degrees(np.arcsin(rng.uniform(-1, 1, 4000)))], axis=-1
    )
    at = fields(planet.regions, planet.noise, unit_vectors(points).astype(np.float32))
    canyon = inside(points, of(planet.outlines, "canyon").geometry.to_numpy()) >= 0
    clear = np.abs(at.canyon_km) > 1
    assert np.array_equal(canyon[clear], at.canyon_km[clear] < 0)
    # Ice is the brightest ground.
    cap = inside(points, of(planet.outlines, "polar_cap").geometry.to_numpy()) >= 0
    margin, _ = distance_km(points, of(planet.outlines, "polar_cap_margin").geometry.to_numpy(), BODY)
    assert at.albedo[cap & (margin > 12)].min() > 1.6
    assert at.albedo[~cap & (margin > 12)].max() < 1.55
    rise = of(planet.outlines, "rise")
    exact = 2 * np.pi * BODY.radius_km**2 * (1 - np.cos(320 / BODY.radius_km))
    assert area_km2(rise.geometry.to_numpy(), BODY)[0] == pytest.approx(exact, rel=1e-3)


def test_processes_hold_against_the_outlines(planet: Planet) -> None:
    truth, outlines = planet.truth, planet.outlines

    def away(landform: str, of_what: str) -> np.ndarray:
        shapes = of(outlines, of_what).geometry.to_numpy()
        return np.asarray(distance_km(lonlat(of(truth, landform)), shapes, BODY)[0])

    assert (away("landslide", "canyon_rim") < 11).mean() > 0.95
    assert (away("araneiforms", "polar_cap_margin") < 80).mean() > 0.95
    assert (away("lava_flow", "rise") == 0).mean() > 0.7
    # The signed field is no exact distance: noise bends the boundary.
    assert (away("debris_apron", "dichotomy") < 75).mean() > 0.85
    layers = of(truth, "layered_deposits")
    free = lonlat(layers[layers["parent"] == ""])
    assert (inside(free, of(outlines, "canyon").geometry.to_numpy()) >= 0).all()


# Wind


def test_the_wind_is_asked_in_any_shape(planet: Planet) -> None:
    points = np.stack(np.meshgrid(np.arange(-180, 180, 30.0), np.arange(-80, 81, 40.0)), axis=-1)
    wind = planet.wind_azimuth_deg(points)
    assert wind.shape == points.shape[:-1]
    assert ((wind >= 0) & (wind < 360)).all()
    assert wind[1, 3] == planet.wind_azimuth_deg(points[1, 3])
    assert set(wind.ravel()) <= set(planet.wind.azimuth_deg)
    yardangs = of(planet.truth, "yardangs")
    off = (yardangs["azimuth_deg"] - planet.wind_azimuth_deg(lonlat(yardangs)) + 90) % 180 - 90
    assert off.abs().median() < 6
