"""The synthetic planet: seeded, seamless, with a truth that its pictures and its table agree with."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import BODIES, unit_vectors
from retrieval.corpus.lowell import (
    GRID_TILE_KM,
    KEYS,
    LANDFORMS,
    LowellSource,
    Planet,
    cached_planet,
    make_planet,
)
from retrieval.corpus.lowell.light import cast_shadow, in_gap
from retrieval.corpus.lowell.placement import course_points, line_points
from retrieval.corpus.lowell.processes import PROCESSES, process
from retrieval.corpus.lowell.relief import fields
from retrieval.corpus.lowell.render import PAD, draw_surface, draw_tile
from retrieval.corpus.lowell.truth import Covers, body_points, evidence
from retrieval.corpus.source import TileSource
from retrieval.errors import SettingsError
from retrieval.grid import Grid

SEED = 5
BODY = BODIES["lowell"]
lons = st.floats(-180, 180, allow_nan=False)
lats = st.floats(-90, 90, allow_nan=False)


@pytest.fixture(scope="module")
def planet() -> Planet:
    return cached_planet(SEED)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return Grid(BODY, GRID_TILE_KM)


@pytest.fixture(scope="module")
def labels(planet: Planet, grid: Grid) -> pd.DataFrame:
    return planet.labels(grid)


def members(planet: Planet, landform: str) -> gpd.GeoDataFrame:
    return planet.truth[planet.truth["landform"] == landform]


def lonlat(table: gpd.GeoDataFrame) -> np.ndarray:
    return table[["lon", "lat"]].to_numpy()


def near_lines(planet: Planet, points: np.ndarray, landform: str) -> np.ndarray:
    lines = np.concatenate([line_points(f, 3.0) for f in planet.features if f.landform == landform])
    return BODY.distance_km(points[:, None, :], lines[None, :, :]).min(axis=1)


# The planet and its relief


@pytest.mark.slow
def test_the_same_seed_gives_the_same_planet_and_another_seed_another(planet: Planet) -> None:
    again, other = make_planet(SEED), make_planet(SEED + 1)
    assert again.truth.drop(columns="geometry").equals(planet.truth.drop(columns="geometry"))
    assert np.array_equal(draw_tile(again, 10, 20, 16, 32)[0], draw_tile(planet, 10, 20, 16, 32)[0])
    assert not other.truth["lon"].head(50).equals(planet.truth["lon"].head(50))


@given(lat=lats)
@settings(max_examples=30, deadline=None)
def test_relief_has_no_seam_at_180_degrees(lat: float) -> None:
    z = cached_planet(SEED).elevation_m([[-180.0, lat], [179.99999, lat]])
    assert abs(z[0] - z[1]) < 1.0


@given(a=lons, b=lons, pole=st.sampled_from([-90.0, 90.0]))
@settings(max_examples=20, deadline=None)
def test_relief_has_one_value_at_each_pole(a: float, b: float, pole: float) -> None:
    z = cached_planet(SEED).elevation_m([[a, pole], [b, pole]])
    assert abs(z[0] - z[1]) < 1.0


def test_the_planet_has_low_plains_and_high_lands(planet: Planet) -> None:
    points = Grid(BODY, 60.0).centres()
    z = planet.elevation_m(points)
    assert -6000 < z.min() < -1500
    assert 3000 < z.max() < 12000
    lowland = planet.places.set_index("name").filter(like="Planitia", axis=0).iloc[0]
    highland = planet.places.set_index("name").filter(like="Terra", axis=0).iloc[0]
    low, high = planet.elevation_m([[lowland.lon, lowland.lat], [highland.lon, highland.lat]])
    assert high - low > 1500


@given(lon=lons, lat=st.floats(-85, 85))
@settings(max_examples=12, deadline=None)
def test_neighbouring_patches_agree_where_they_overlap(lon: float, lat: float) -> None:
    planet = cached_planet(SEED)
    # A second patch 4 km east of the first: the same ground must have the same height.
    there = BODY.offsets_to_lonlat([lon, lat], 4.0, 0.0)
    first = draw_surface(planet, lon, lat, 16.0, 96)
    second = draw_surface(planet, float(there[0]), float(there[1]), 16.0, 96)
    from scipy.spatial import cKDTree

    inner = np.s_[PAD:-PAD, PAD:-PAD]
    tree = cKDTree(second.points[inner].reshape(-1, 3))
    away, index = tree.query(first.points[inner].reshape(-1, 3))
    close = away * BODY.radius_km < 0.02
    gap = np.abs(first.elevation_m[inner].ravel() - second.elevation_m[inner].reshape(-1)[index])[close]
    assert close.sum() > 50
    # Up to 20 m apart on slopes of up to 45 degrees, the heights differ by metres, never by a step.
    assert np.quantile(gap, 0.98) < 25.0


# Truth


def test_the_catalogue_has_the_schema_of_real_ones(planet: Planet) -> None:
    table = planet.truth
    wanted = ["id", "name", "landform", "lon", "lat", "diameter_km", "length_km", "azimuth_deg", "geometry"]
    assert set(wanted) <= set(table.columns)
    assert table["id"].is_unique
    assert set(table["landform"]) == set(LANDFORMS)
    assert table.crs == BODY.crs
    assert table["lon"].between(-180, 180).all()
    assert (table["diameter_km"] > 0).all()
    azimuth = table["azimuth_deg"].dropna()
    assert ((azimuth >= 0) & (azimuth < 180)).all()


def test_every_parent_exists(planet: Planet) -> None:
    parents = set(planet.truth["parent"]) - {""}
    assert parents
    assert parents <= set(planet.truth["id"])


def test_truth_is_saved_whole(planet: Planet, tmp_path: Path) -> None:
    planet.save_truth(tmp_path / "truth")
    table = gpd.read_parquet(tmp_path / "truth" / "truth.parquet")
    places = gpd.read_parquet(tmp_path / "truth" / "places.parquet")
    rules = json.loads((tmp_path / "truth" / "processes.json").read_text())
    assert len(table) == len(planet.truth)
    assert (places["landform"] == "place").all()
    assert [r["statement"] for r in rules["processes"]] == [p.statement for p in PROCESSES]


def test_places_have_unique_names_and_positions_on_the_planet(planet: Planet) -> None:
    assert planet.places["name"].is_unique
    assert planet.places["lat"].between(-90, 90).all()
    assert {"Mons", "Chasma", "Planitia", "Terra"} <= {n.split()[-1] for n in planet.places["name"]}


# Processes


def test_gullies_lie_on_pole_facing_walls_of_craters_at_mid_latitudes(planet: Planet) -> None:
    gullies = members(planet, "gullies")
    assert len(gullies) > 20
    assert gullies["lat"].abs().between(30, 60).all()
    # The pole-facing wall is on the equator's side.
    equatorward = np.where(gullies["lat"] > 0, 180.0, 0.0)
    turn = (gullies["direction_deg"] - equatorward + 180) % 360 - 180
    assert turn.abs().max() < 45
    hosts = planet.truth.set_index("id").loc[gullies["parent"]]
    assert hosts["landform"].isin(["simple_crater", "central_peak_crater", "degraded_crater"]).all()


def test_pitted_cones_lie_near_outflow_channels_on_both_sides_of_20_north_and_far_from_lava(
    planet: Planet,
) -> None:
    cones = members(planet, "pitted_cones")
    near = near_lines(planet, lonlat(cones), "outflow_channel") <= 42
    assert near.mean() > 0.85
    assert near_lines(planet, lonlat(cones), "lava_flow").min() > 58
    assert (cones["lat"][near] > 20).sum() >= 8
    assert (cones["lat"][near] < 20).sum() >= 8


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.slow
def test_cones_lie_on_both_sides_of_20_north_on_the_planets_people_use(seed: int) -> None:
    cones = members(make_planet(seed), "pitted_cones")
    assert (cones["lat"] > 20).sum() >= 8
    assert (cones["lat"] < 20).sum() >= 8


def test_aprons_lie_along_the_dichotomy_at_mid_latitudes(planet: Planet) -> None:
    aprons = members(planet, "debris_apron")
    at = fields(planet.regions, planet.noise, unit_vectors(lonlat(aprons)).astype(np.float32))
    held = (np.abs(at.boundary_km) <= 61) & aprons["lat"].abs().between(30, 55).to_numpy()
    assert held.mean() > 0.85


@pytest.mark.parametrize(("landform", "turn", "scatter"), [("yardangs", 0, 5), ("transverse_dunes", 90, 8)])
def test_wind_landforms_follow_the_regional_wind(
    planet: Planet, landform: str, turn: float, scatter: float
) -> None:
    table = members(planet, landform)
    wind = planet.wind.at(lonlat(table))
    off = (table["azimuth_deg"].to_numpy() - wind - turn + 90) % 180 - 90
    assert np.sqrt((off**2).mean()) < 1.5 * scatter


def test_landslides_lie_on_canyon_walls_and_layers_on_canyon_or_crater_floors(planet: Planet) -> None:
    slides, layers = members(planet, "landslide"), members(planet, "layered_deposits")
    at = fields(planet.regions, planet.noise, unit_vectors(lonlat(slides)).astype(np.float32))
    assert (at.canyon_km < 3).mean() > 0.95
    free = layers[layers["parent"] == ""]
    at = fields(planet.regions, planet.noise, unit_vectors(lonlat(free)).astype(np.float32))
    assert (at.canyon_km < -7).all()
    hosts = planet.truth.set_index("id").loc[layers.loc[layers["parent"] != "", "parent"]]
    assert len(hosts) > 10
    assert set(hosts["landform"]) == {"degraded_crater"}


@pytest.mark.parametrize(("landform", "limit_km"), [("delta", 20), ("inverted_channels", 45)])
def test_deltas_and_inverted_channels_lie_near_valley_networks(
    planet: Planet, landform: str, limit_km: float
) -> None:
    courses = np.concatenate([course_points(f) for f in planet.features if f.landform == "valley_network"])
    table = lonlat(members(planet, landform))
    away = BODY.distance_km(table[:, None, :], courses[None, :, :]).min(axis=1)
    assert (away < limit_km + 1).mean() > 0.75
    anywhere = BODY.distance_km(Grid(BODY, 60.0).centres()[:, None, :], courses[None, :, :]).min(axis=1)
    assert (anywhere < limit_km).mean() < 0.5


def test_streaks_lie_in_bright_dust_at_low_latitudes(planet: Planet) -> None:
    table = members(planet, "slope_streaks")
    bright = fields(planet.regions, planet.noise, unit_vectors(lonlat(table)).astype(np.float32)).albedo
    held = (bright >= 1.03) & (table["lat"].abs() <= 30)
    assert held.mean() > 0.85


def test_spiders_and_valley_fill_keep_their_latitudes(planet: Planet) -> None:
    assert members(planet, "araneiforms")["lat"].abs().min() > 68
    fill = members(planet, "lineated_valley_fill")["lat"].abs()
    assert fill.between(30, 55).mean() > 0.8


def test_nulls_are_uniform_in_area(planet: Planet) -> None:
    for landform in ("simple_crater", "degraded_crater"):
        height = np.sin(np.radians(members(planet, landform)["lat"]))
        assert abs(height.mean()) < 4 * np.sqrt(1 / 3 / len(height))


def test_the_table_is_asked_by_name() -> None:
    assert process("pitted_cones", "outflow_channel").kind == "true"
    assert {p.kind for p in PROCESSES} == {"true", "false_friend", "null"}
    with pytest.raises(KeyError):
        process("plains", "wind")


# Labels


def test_every_landform_is_somewhere_and_plains_are_commonest(labels: pd.DataFrame, grid: Grid) -> None:
    assert list(labels.columns) == list(KEYS)
    assert len(labels) == len(grid)
    counts = labels.sum()
    assert len(LANDFORMS) == 30
    assert counts.min() >= 50
    small = ["gullies", "landslide", "alluvial_fan", "delta", "pedestal_crater", "debris_apron"]
    assert counts[small].min() >= 100
    assert counts.idxmax() == "plains"


def test_plains_exclude_everything_else(labels: pd.DataFrame) -> None:
    others = labels.drop(columns="plains").any(axis=1)
    assert not (others & labels["plains"]).any()


@pytest.mark.parametrize(
    "landform",
    ["simple_crater", "shield_volcano", "landslide", "gullies", "delta", "alluvial_fan", "slope_streaks"],
)
def test_a_patch_centred_on_a_feature_carries_its_label(planet: Planet, landform: str) -> None:
    table = members(planet, landform)
    assert planet.labels_at(lonlat(table), 18.0)[landform].mean() > 0.95


def test_other_scales_can_be_labelled(planet: Planet) -> None:
    coarse = planet.labels(Grid(BODY, 120.0))
    assert coarse["outflow_channel"].any()
    # A crater of a few kilometres is no clear feature of a tile 120 km wide.
    assert not coarse["pedestal_crater"].any()


def test_labelled_tiles_differ_from_plains_in_the_picture(
    planet: Planet, grid: Grid, labels: pd.DataFrame
) -> None:
    centres = grid.centres()

    def contrast(key: str) -> float:
        chosen = np.flatnonzero(labels[key])[:12]
        return float(
            np.median(
                [draw_surface(planet, *centres[n].tolist(), 16.0, 48).elevation_m.std() for n in chosen]
            )
        )

    assert contrast("chaos") > 1.5 * contrast("plains")
    assert contrast("central_peak_crater") > 1.5 * contrast("plains")


def test_labels_are_evidence_of_at_least_one_and_gaps_hide(
    planet: Planet, grid: Grid, labels: pd.DataFrame
) -> None:
    amount, touched = evidence(planet, grid.centres()[::8], grid.tile_km)
    assert (labels[list(LANDFORMS)].to_numpy()[::8] == (amount >= 1).to_numpy()).all()
    assert (touched >= 0).all()
    centres = grid.centres()
    lost = np.flatnonzero(in_gap(SEED, unit_vectors(centres).astype(np.float32)))
    dark = [n for n in lost[:60] if draw_tile(planet, *centres[n].tolist(), 16.0, 24)[1] == 0.0]
    assert dark
    assert not labels.iloc[dark].drop(columns="plains").to_numpy().any()


def test_what_a_younger_crater_covers_no_longer_counts(planet: Planet) -> None:
    old = next(f for f in planet.features if f.landform == "simple_crater" and 3 < f.diameter_km < 5)
    young = replace(old, number=1, age_ga=old.age_ga / 2, diameter_km=2 * old.diameter_km)
    old = replace(old, number=0)
    child = replace(young, parent=0)
    points = unit_vectors(body_points(old)[0])
    bodies = [body_points(old), body_points(young)]
    assert Covers([old, young], bodies).hide(old, points).all()
    assert not Covers([old, young], bodies).hide(young, unit_vectors(bodies[1][0])).any()
    assert not Covers([old, child], bodies).hide(old, points).any()


def test_a_tile_that_shows_a_landform_in_part_is_not_labelled(
    planet: Planet, grid: Grid, labels: pd.DataFrame
) -> None:
    same, partly = planet.judged(grid)
    assert same.equals(labels)
    assert not (partly & labels).to_numpy().any()
    # Every landform has tiles at whose edge it is cut.
    assert partly.any().all()


# Light


def test_shadows_fall_away_from_the_sun() -> None:
    wall = np.zeros((40, 40), dtype=np.float32)
    wall[:, 20] = 500.0
    shadow = cast_shadow(wall, 100.0, 270.0, 45.0)  # the sun in the west, at 45 degrees
    assert shadow[20, 22] == 1.0
    assert shadow[20, 24] > 0.5
    assert (shadow[:, 27:] == 0).all()
    assert (shadow[:, :20] == 0).all()


@given(azimuth=st.floats(0, 360), elevation=st.floats(10, 80), seed=st.integers(0, 50))
@settings(max_examples=25, deadline=None)
def test_a_lower_sun_casts_no_less_shadow_and_flat_ground_none(
    azimuth: float, elevation: float, seed: int
) -> None:
    ground = np.random.default_rng(seed).normal(0, 80, (32, 32)).astype(np.float32)
    high, low = (cast_shadow(ground, 167.0, azimuth, e) > 0 for e in (elevation, elevation / 2))
    assert not (high & ~low).any()
    assert not cast_shadow(np.zeros((32, 32), np.float32), 167.0, azimuth, elevation).any()


def test_contrast_alone_hardly_tells_landforms_from_plains(
    planet: Planet, grid: Grid, labels: pd.DataFrame
) -> None:
    rng, centres = np.random.default_rng(0), grid.centres()

    def spread(tiles: np.ndarray) -> np.ndarray:
        drawn = (draw_tile(planet, *centres[n].tolist(), 16.0, 64) for n in rng.choice(tiles, 80, False))
        return np.array([picture.std() for picture, observed in drawn if observed > 0.99])

    bare = spread(np.flatnonzero(labels["plains"]))
    marked = spread(np.flatnonzero(labels.drop(columns="plains").any(axis=1)))
    assert (marked[:, None] > bare[None, :]).mean() < 0.85
    # Context camera tiles of Mars have medians of about 10 grey values.
    assert 5 < np.median(bare) < 13
    assert 8 < np.median(marked) < 17


# Source


def test_lowell_is_a_tile_source_that_travels(grid: Grid) -> None:
    source = pickle.loads(pickle.dumps(LowellSource(SEED)))  # noqa: S301 - our own bytes
    assert isinstance(source, TileSource)
    assert source == LowellSource(SEED)
    assert source.fingerprint() != LowellSource(SEED + 1).fingerprint()
    assert source.describe()["seed"] == SEED
    assert len(source.candidates(grid)) == len(grid)
    assert str(SEED) in source.name


def test_tiles_come_in_the_order_asked_and_the_same_every_time(grid: Grid) -> None:
    source = LowellSource(SEED)
    batch = source.read(grid, [500, 3, 9000], 32)
    again = source.read(grid, [9000, 500], 32)
    assert batch.tiles.tolist() == [500, 3, 9000]
    assert batch.pixels.shape == (3, 32, 32, 3)
    assert batch.pixels.dtype == np.uint8
    assert np.array_equal(batch.pixels[2], again.pixels[0])
    assert np.array_equal(batch.pixels[..., 0], batch.pixels[..., 2])
    assert set(batch.facts) == {"elevation_m"}
    assert np.isfinite(batch.facts["elevation_m"]).all()


def test_observed_is_the_share_of_pixels_with_data() -> None:
    coarse = Grid(BODY, 60.0)
    batch = LowellSource(SEED).read(coarse, np.arange(0, len(coarse), 5), 24)
    data = (batch.pixels[..., 0] > 0).mean(axis=(1, 2))
    assert np.allclose(batch.observed, data, atol=1e-6)
    assert batch.observed.min() < 1.0
    assert np.median(batch.observed) == 1.0


def test_grids_of_other_bodies_are_refused() -> None:
    with pytest.raises(SettingsError, match="lowell"):
        LowellSource(SEED).read(Grid(BODIES["mars"], 100.0), [0], 16)


@pytest.mark.parametrize("landform", list(LANDFORMS))
def test_every_landform_changes_the_ground_it_lies_on(planet: Planet, landform: str) -> None:
    feature = next(f for f in planet.features if f.landform == landform)
    where = line_points(feature)[len(line_points(feature)) // 2]
    surface = draw_surface(planet, float(where[0]), float(where[1]), 16.0, 64)
    assert np.isfinite(surface.elevation_m).all()
    assert np.isfinite(surface.albedo).all()
    assert surface.albedo.min() > 0
    assert surface.elevation_m.std() > 1.0
