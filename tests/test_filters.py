from __future__ import annotations

import numpy as np
import pytest
import shapely

from retrieval.errors import ToolInputError
from tests.workspaces import (
    a_gazetteer,
    a_layer,
    a_workspace,
    assert_keeps_its_word,
    ids,
    shape_layer,
    tile_layer,
    tiles_like,
)
from tools.filters import filter_layer


@pytest.fixture
def ws(home, tiny_index, pattern_encoder):
    return a_workspace(home, tiny_index, pattern_encoder, gazetteer=a_gazetteer(tiny_index))


class TestFilter:
    @pytest.fixture
    def everything(self, ws, tiny_index):
        return tile_layer(ws, np.arange(len(tiny_index)), "tiles")

    @pytest.mark.parametrize(
        ("arguments", "title", "holds"),
        [
            ({"min_lat_deg": 30}, "tiles north of 30 degrees", lambda t: t["lat"] >= 30),
            ({"max_lat_deg": -30}, "tiles south of -30 degrees", lambda t: t["lat"] <= -30),
            (
                {"min_lat_deg": 20, "max_lat_deg": 50},
                "tiles between 20 and 50 degrees latitude",
                lambda t: (t["lat"] >= 20) & (t["lat"] <= 50),
            ),
            (
                {"west_lon_deg": 170, "east_lon_deg": -170},
                "tiles from 170 to -170 degrees longitude",
                lambda t: t["lon"].abs() >= 170,
            ),
            (
                {"west_lon_deg": 170, "east_lon_deg": 190},
                "tiles from 170 to 190 degrees longitude",
                lambda t: t["lon"].abs() >= 170,
            ),
            ({"min_elevation_m": 500}, "tiles above 500 m", lambda t: t["elevation_m"] >= 500),
            ({"max_elevation_m": -1234.5}, "tiles below -1,234 m", lambda t: t["elevation_m"] <= -1234.5),
            (
                {"min_probability": 0.8},
                "tiles with probability of at least 0.8",
                lambda t: t["probability"] >= 0.8,
            ),
        ],
    )
    def test_keeps_what_holds(self, ws, everything, arguments, title, holds) -> None:
        result = filter_layer(ws, everything.id, **arguments)
        made = ws.layers.get(result.layer_ids[0])
        expected = everything.table[holds(everything.table)]
        assert made.table["row_id"].tolist() == expected["row_id"].tolist()
        assert 0 < len(made) < len(everything)
        assert made.title == title
        assert made.provenance.arguments == {"layer": "L1", **arguments}
        assert_keeps_its_word(result)

    def test_conditions_hold_together(self, ws, everything) -> None:
        result = filter_layer(ws, "L1", min_lat_deg=0, west_lon_deg=-10, east_lon_deg=90, max_elevation_m=0)
        assert 0 < result.figures["count"] < 200
        assert "lie north of 0 degrees, from -10 to 90 degrees longitude, below 0 m" in result.summary
        assert_keeps_its_word(result)

    def test_a_place_is_as_large_as_it_is_or_as_it_is_said(self, ws, everything) -> None:
        own = filter_layer(ws, "L1", place="Lacus Doris")
        assert own.figures["within_km"] == 100
        wide = filter_layer(ws, "L1", place="Lacus Doris", within_km=300)
        assert wide.figures["count"] > own.figures["count"]
        apart = ws.body.distance_km(ws.layers.get("L3").lonlat, [30.0, 20.0])
        assert apart.max() <= 300
        assert "within 300 km of the centre of Lacus Doris" in wide.summary
        assert_keeps_its_word(wide)

    def test_catalogues_take_the_elevation_of_the_ground_under_them(self, ws) -> None:
        a_layer(ws, [[0, 60], [0, -60], [115, -15]])
        result = filter_layer(ws, "L1", max_elevation_m=0)
        assert ids(ws, result) == ["things-0"]
        assert result.figures["unknown_elevation"] == 1
        assert_keeps_its_word(result)

    def test_a_stricter_threshold_is_on_record(self, ws, everything) -> None:
        filter_layer(ws, "L1", min_probability=0.8)
        filter_layer(ws, "L2", min_lat_deg=0)
        record = ws.layers.get("L3").provenance
        assert record.threshold == 0.8
        assert record.counts_at["0.80"] == len(ws.layers.get("L3"))
        assert record.counts_at["0.90"] < record.counts_at["0.80"]

    def test_an_empty_layer_stays_empty(self, ws) -> None:
        tile_layer(ws, [])
        result = filter_layer(ws, "L1", min_lat_deg=0, min_elevation_m=0, min_probability=0.5)
        assert result.figures["count"] == 0
        assert_keeps_its_word(result)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "no condition was given"),
            ({"min_lat_deg": 91}, "min_lat_deg is 91.*at least -90 and at most 90 degrees"),
            ({"max_lat_deg": float("nan")}, "max_lat_deg is nan"),
            ({"min_lat_deg": 50, "max_lat_deg": 20}, "swap them"),
            ({"west_lon_deg": 10}, "only one longitude bound"),
            ({"west_lon_deg": 10, "east_lon_deg": 400}, "east_lon_deg is 400"),
            ({"min_elevation_m": 5, "max_elevation_m": 4}, "swap them"),
            ({"min_elevation_m": 1e9}, "min_elevation_m is"),
            ({"min_probability": 2}, "min_probability is 2"),
            ({"within_km": 5}, "needs a place"),
            ({"centre_lon_deg": 5}, "a longitude, a latitude and a distance"),
            ({"centre_lon_deg": 5, "centre_lat_deg": 91, "within_km": 3}, "centre_lat_deg is 91"),
            ({"inside": "L1"}, "has no polygons"),
            ({"inside": "L9"}, "no layer"),
            ({"where": []}, "no condition was given"),
            ({"where": ["elevation_m"]}, "is no condition"),
            ({"where": ["colour = red"]}, "have no 'colour'"),
            ({"where": ["elevation_m > high"]}, "is no condition"),
            ({"where": ["elevation_m between 5 and 2"]}, "swap them"),
            ({"where": ["row_id > 5"]}, "holds text"),
            ({"where": ["__import__('os').system('true')"]}, "is no condition"),
            ({"place": "Atlantis"}, "no place is called so"),
            ({"place": "Tábor"}, "the size of Tábor is not known.*give within_km"),
            ({"place": "Twin", "within_km": 0}, "within_km is 0"),
        ],
    )
    def test_wrong_bounds_are_refused(self, ws, arguments, message) -> None:
        tile_layer(ws, [0, 1])
        with pytest.raises(ToolInputError, match=message):
            filter_layer(ws, "L1", **arguments)
        assert ws.layers.ids() == ["L1"]

    def test_layers_without_probabilities_are_not_filtered_by_them(self, ws) -> None:
        a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match="has no probabilities"):
            filter_layer(ws, "L1", min_probability=0.5)

    def test_without_any_elevations_the_refusal_says_so(self, ws, monkeypatch) -> None:
        a_layer(ws, [[0, 0]])
        monkeypatch.setitem(vars(ws.index), "tiles", tiles_like(ws.index, facts=False))
        with pytest.raises(ToolInputError, match="neither layer L1 nor the index knows elevations"):
            filter_layer(ws, "L1", min_elevation_m=0)

    def test_a_cap_about_a_pole_holds_all_longitudes(self, ws, everything) -> None:
        result = filter_layer(ws, "L1", centre_lon_deg=77, centre_lat_deg=90, within_km=100)
        made = ws.layers.get("L2")
        edge = 90 - np.degrees(100 / ws.body.radius_km)
        assert (
            made.table["row_id"].tolist()
            == everything.table["row_id"][everything.table["lat"] >= edge].tolist()
        )
        assert_keeps_its_word(result)

    def test_inside_and_outside_polygons_share_all_rows(self, ws, everything) -> None:
        around_pole = shapely.box(-180, 60, 180, 90)
        seam = shapely.union(shapely.box(160, -20, 180, 20), shapely.box(-180, -20, -170, 20))
        shape_layer(ws, [around_pole, seam], "units")
        within, beyond = filter_layer(ws, "L1", inside="L2"), filter_layer(ws, "L1", outside="L2")
        lat, lon = everything.table["lat"], everything.table["lon"]
        expected = (lat >= 60) | ((lat.abs() <= 20) & ((lon >= 160) | (lon <= -170)))
        assert ids(ws, within) == everything.table["row_id"][expected].tolist()
        assert sorted(ids(ws, within) + ids(ws, beyond)) == sorted(everything.table["row_id"])
        assert ws.layers.get("L3").provenance.parents == ("L1", "L2")
        assert_keeps_its_word(within)

    def test_conditions_on_columns_and_quantities(self, ws, everything) -> None:
        result = filter_layer(ws, "L1", where=["elevation between -500 and 500", "latitude > 10"])
        table = everything.table
        expected = table[table["elevation_m"].between(-500, 500) & (table["lat"] > 10)]
        assert ids(ws, result) == expected["row_id"].tolist()
        assert "with elevation_m between -500 and 500, with lat above 10" in result.summary
        assert_keeps_its_word(result)

    def test_azimuths_run_through_north(self, ws) -> None:
        azimuth = np.array([350.0, 10.0, 90.0, np.nan])
        a_layer(ws, [[0, 0], [1, 0], [2, 0], [3, 0]], azimuth_deg=azimuth)
        result = filter_layer(ws, "L1", where=["azimuth between 315 and 45"])
        assert ids(ws, result) == ["things-0", "things-1"]
        assert "unknown for 1 row" in result.summary
        assert_keeps_its_word(result)
        assert ids(ws, filter_layer(ws, "L1", where=["azimuth_deg is unknown"])) == ["things-3"]

    def test_text_is_compared_as_text(self, ws) -> None:
        a_layer(ws, [[0, 0], [1, 0], [2, 0]], unit=["Hesperian volcanic", "Noachian", ""])
        assert ids(ws, filter_layer(ws, "L1", where=["unit contains hesperian"])) == ["things-0"]
        assert ids(ws, filter_layer(ws, "L1", where=["unit = noachian"])) == ["things-1"]
        assert ids(ws, filter_layer(ws, "L1", where=["unit != Noachian"])) == ["things-0"]
        assert ids(ws, filter_layer(ws, "L1", where=["unit is unknown"])) == ["things-2"]
