"""Facts of tiles: from the truth of a planet, from catalogues, from terrain models and pictures."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.corpus.facts import (
    OCTANTS,
    Member,
    TileFacts,
    catalogue_facts,
    latitude_band,
    lowell_facts,
    record_of,
)
from retrieval.corpus.lowell import GRID_TILE_KM, LANDFORMS, cached_planet
from retrieval.corpus.measures import picture_values, terrain_of_dem, terrain_of_planet
from retrieval.corpus.raster import open_rasters
from retrieval.errors import RasterError
from retrieval.grid import Grid

MARS = get_body("mars")
NAN = float("nan")


def member(east: float, north: float) -> Member:
    return Member("simple_crater", 3.0, NAN, NAN, 0.9, east, north, True)


def catalogue(*rows: tuple[str, float, float, float]) -> gpd.GeoDataFrame:
    """Landform, lon, lat, diameter in km."""
    table = pd.DataFrame(rows, columns=["landform", "lon", "lat", "diameter_km"])
    table["length_km"] = table["azimuth_deg"] = np.nan
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table["lon"], table["lat"]), crs=MARS.crs)


@given(octant=st.integers(0, 7), far=st.floats(0.2, 0.5), turn=st.floats(-20, 20))
def test_a_side_is_the_nearest_octant(octant: int, far: float, turn: float) -> None:
    bearing = np.radians(45.0 * octant + turn)
    assert member(far * np.sin(bearing), far * np.cos(bearing)).side == OCTANTS[octant]
    assert member(0.02, 0.03).side == "centre"


@pytest.mark.parametrize(
    ("lat", "band"), [(0, "equatorial"), (-20, "low"), (45, "middle"), (-70, "high"), (90, "high")]
)
def test_latitude_bands(lat: float, band: str) -> None:
    assert latitude_band(lat) == band


def test_a_planets_truth_becomes_facts() -> None:
    planet = cached_planet(5)
    grid = Grid(planet.body, GRID_TILE_KM)
    centres = grid.centres(np.arange(0, len(grid), 40))
    labels = planet.labels_at(centres, GRID_TILE_KM)
    facts = lowell_facts(planet, centres, GRID_TILE_KM, labels)
    assert len(facts) == len(centres)
    sizes = 0
    for one, (_, row) in zip(facts, labels.iterrows(), strict=True):
        assert set(one.landforms) == set(labels.columns[row.to_numpy(dtype=bool)])
        touching = {m.landform for m in one.members}
        # What is shown touches the tile; what is absent does not; nothing else is claimed.
        assert set(one.landforms) - {"plains"} <= touching
        assert not one.absent & touching
        assert one.absent <= set(LANDFORMS)
        assert not set(one.nearest_km) & touching
        for m in one.members:
            assert not m.whole or max(abs(m.east), abs(m.north)) <= 0.5
        for key, size in one.size_km.items():
            sizes += 1
            assert size == max(m.diameter_km for m in one.members if m.landform == key and m.whole)
    assert sizes > 5


def test_whole_features_lie_where_the_catalogue_says() -> None:
    planet = cached_planet(5)
    feature = next(f for f in planet.features if f.landform == "central_peak_crater" and abs(f.lat) < 60)
    # The tile's centre lies 4 km south-west of the crater, so the crater lies in its north-east.
    centre = planet.body.offsets_to_lonlat([feature.lon, feature.lat], -3.0, -3.0)
    (facts,) = lowell_facts(planet, [centre], GRID_TILE_KM)
    found = next(m for m in facts.whole("central_peak_crater") if m.diameter_km == feature.diameter_km)
    assert found.side == "north-east"
    assert found.east == pytest.approx(3.0 / GRID_TILE_KM, abs=0.03)


def test_a_catalogue_says_what_is_shown_touched_and_absent() -> None:
    centre = [179.99, 10.0]  # the tile crosses the antimeridian
    lon, lat = MARS.offsets_to_lonlat(centre, 3.0, 0.0)
    edge_lon, edge_lat = MARS.offsets_to_lonlat(centre, 0.0, 6.5)
    far_lon, far_lat = MARS.offsets_to_lonlat(centre, 0.0, -60.0)
    table = catalogue(
        ("impact_crater", lon, lat, 2.0),
        ("alluvial_fan", edge_lon, edge_lat, 4.0),
        ("pit_chain", far_lon, far_lat, 5.0),
        ("pitted_cones", lon, lat, 0.05),
    )
    (facts,) = catalogue_facts([table], MARS, [centre], 12.0)
    assert facts.landforms == ("impact_crater",)
    assert facts.whole("impact_crater")[0].side == "east"
    assert facts.absent == {"pit_chain"}
    assert facts.nearest_km["pit_chain"] == pytest.approx(60.0, rel=1e-3)
    # Too small to be seen, or only at the edge: neither shown nor absent.
    assert {m.landform for m in facts.members} == {"impact_crater", "alluvial_fan", "pitted_cones"}


def test_without_a_catalogue_nothing_is_known_of_landforms() -> None:
    (facts,) = catalogue_facts([], MARS, [[10.0, 20.0]], 12.0)
    assert facts.landforms == ()
    assert facts.absent == frozenset()
    assert facts.near_scarp is None


@given(
    azimuth=st.floats(0, 180, exclude_max=True),
    wavelength=st.floats(6, 16),
    level=st.integers(60, 160),
)
def test_the_grain_of_stripes_is_their_direction(azimuth: float, wavelength: float, level: int) -> None:
    y, x = np.mgrid[0:64, 0:64].astype(float)
    east, north = x, -y
    across = east * np.cos(np.radians(azimuth)) - north * np.sin(np.radians(azimuth))
    stripes = (level + 50 * np.sin(2 * np.pi * across / wavelength)).astype(np.uint8)
    (values,) = picture_values(stripes[None])
    assert abs((values["grain_azimuth_deg"] - azimuth + 90) % 180 - 90) < 6
    assert values["grain_strength"] > 0.7
    assert values["nodata_share"] == 0.0


def test_gaps_are_counted_and_their_edges_are_no_grain() -> None:
    noise = np.random.default_rng(0).integers(80, 120, (1, 64, 64), dtype=np.uint8)
    holed = noise.copy()
    holed[:, :, 20:36] = 0
    (values,) = picture_values(np.repeat(holed[..., None], 3, axis=-1))
    assert values["nodata_share"] == pytest.approx(0.25)
    assert values["grain_strength"] < 0.2
    assert values["mean_dn"] == pytest.approx(100, abs=2)
    (empty,) = picture_values(np.zeros((1, 16, 16), dtype=np.uint8))
    assert empty["nodata_share"] == 1.0
    assert empty["contrast_dn"] == 0.0


def slope_dem(path: Path, degrees: float) -> Path:
    """A Mars DEM of 4 x 4 degrees that rises to the north at a constant slope."""
    step = 1 / 64
    metres = np.radians(step) * MARS.radius_m * np.tan(np.radians(degrees))
    rows = -np.arange(256)[:, None] * metres * np.ones((1, 256))
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 1, "dtype": "float32"}
    with rasterio.open(
        path, "w", crs=MARS.crs.to_wkt(), transform=rasterio.Affine(step, 0, 10, 0, -step, 4), **profile
    ) as out:
        out.write(rows.astype(np.float32), 1)
    return path


def test_a_terrain_model_is_measured_at_three_scales(tmp_path: Path) -> None:
    dem = open_rasters([slope_dem(tmp_path / "dem.tif", 5.0)], MARS, kind="dem")
    values, outside = terrain_of_dem(dem, [[12.0, 2.0], [40.0, 40.0]], 12.0)
    assert outside == {}
    for name in ("", "_x3"):
        assert values[f"slope_deg{name}"] == pytest.approx(5.0, abs=0.1)
        assert values[f"slope_p90_deg{name}"] == pytest.approx(5.0, abs=0.1)
    assert values["relief_m"] == pytest.approx(12_000 * np.tan(np.radians(5.0)) * 31 / 32, rel=0.02)
    assert values["elevation_m"] == pytest.approx(values["elevation_m_x3"], rel=0.02)


def test_a_picture_is_no_terrain_model(tmp_path: Path) -> None:
    source = open_rasters([slope_dem(tmp_path / "dem.tif", 1.0)], MARS, kind="image")
    with pytest.raises(RasterError, match="no elevation model"):
        terrain_of_dem(source, [[12.0, 2.0]], 12.0)


def test_a_planets_relief_is_measured() -> None:
    planet = cached_planet(5)
    (values,) = terrain_of_planet(planet, [[0.0, 0.0]], GRID_TILE_KM)
    assert values["relief_m_x9"] > values["relief_m"] > 0
    assert values["elevation_m"] == pytest.approx(
        float(planet.elevation_m([0.0, 0.0])), abs=values["relief_m"]
    )


def test_the_record_has_units_and_sources() -> None:
    facts = TileFacts(
        ("simple_crater",),
        {"simple_crater": 3.0},
        lat=-20.0,
        lon=5.0,
        members=(member(0.3, 0.3),),
        values={"slope_deg_x3": 2.0, "elevation_m": NAN, "contrast_dn": 9.0},
        sources={"landforms": "list.csv", "terrain": "dem.tif"},
    )
    rows = {fact.name: fact for fact in record_of(facts)}
    assert rows["simple_crater.diameter_km"].unit == "km"
    assert rows["simple_crater.side"].value == "north-east"
    assert rows["simple_crater.count"].source == "list.csv"
    assert rows["slope_deg_x3"].unit == "deg"
    assert rows["slope_deg_x3"].source == "dem.tif"
    assert rows["hemisphere"].value == "south"
    assert "elevation_m" not in rows
