from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.catalogue import apart
from retrieval.errors import Cancelled, ToolInputError
from retrieval.stop import stopped_by
from tests.workspaces import a_gazetteer, a_workspace, assert_keeps_its_word
from tools.places import find_in_gazetteer, find_place, load_catalogue

CSV = """id,name,landform,lon,lat,diameter_km,note
a,Alpha,pitted_cones,10.0,20.0,5.0,=1+1
b,Beta,pitted_cones,200.0,-20.0,15.0,
c,Gamma,graben,30.0,-45.0,,long
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "cones.csv").write_text(CSV)
    return folder


@pytest.fixture
def ws(home, tiny_index, pattern_encoder, folder):
    return a_workspace(home, tiny_index, pattern_encoder, gazetteer=a_gazetteer(tiny_index), readable=folder)


class TestPlaces:
    def test_a_place_is_found_with_its_size(self, ws) -> None:
        result = find_place(ws, "lacus  DORIS")
        assert result.figures == {"lon_deg": 30, "lat_deg": 20, "diameter_km": 200}
        assert "Lacus Doris" in result.summary
        assert result.layer_ids == ()
        assert_keeps_its_word(result)

    def test_negative_positions_and_unknown_sizes_are_said_right(self, ws) -> None:
        result = find_place(ws, "Tabor")
        assert result.figures == {"lon_deg": -179.5, "lat_deg": 5}
        assert "Tábor" in result.summary
        assert "diameter" not in result.summary
        assert_keeps_its_word(result)

    def test_part_of_a_name_is_enough_if_only_one_has_it(self, ws) -> None:
        assert find_in_gazetteer(ws, "doris").name == "Lacus Doris"

    def test_of_two_places_of_one_name_the_larger_is_meant(self, ws) -> None:
        assert find_in_gazetteer(ws, "Twin").lon == 50.0

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("Lacus", "2 places have it in their name.*Lacus Doris, Lacus Minor"),
            ("Lacus Dorys", "no place is called so.*Allowed: Lacus Doris"),
            ("qqqq", "no place is called so.*such as Lacus Doris"),
            ("", "place is empty"),
            ("x" * 101, "101 characters"),
            ("a.*", "no place is called so"),
        ],
    )
    def test_unknown_places_are_refused_with_what_comes_close(self, ws, name, message) -> None:
        with pytest.raises(ToolInputError, match=message):
            find_place(ws, name)

    def test_without_a_gazetteer_the_way_on_is_named(self, home, tiny_index, pattern_encoder) -> None:
        ws = a_workspace(home, tiny_index, pattern_encoder)
        with pytest.raises(ToolInputError, match=r"no gazetteer of lowell.*longitude and latitude"):
            find_place(ws, "Lacus Doris")


class TestCatalogues:
    def test_entries_become_a_layer(self, ws) -> None:
        result = load_catalogue(ws, "cones.csv")
        layer = ws.layers.get(result.layer_ids[0])
        assert layer.kind == "catalogue"
        assert layer.table["row_id"].tolist() == ["a", "b", "c"]
        assert layer.table["lon"].tolist() == [10.0, -160.0, 30.0]
        assert layer.table["probability"].isna().all()
        assert layer.table["name"].tolist() == ["Alpha", "Beta", "Gamma"]
        assert result.figures == {
            "count": 3,
            "median_diameter_km": 10,
            "min_lat_deg": -45,
            "max_lat_deg": 20,
            "min_file_lon_deg": 10,
            "max_file_lon_deg": 200,
        }
        assert "read as east-positive and planetocentric" in result.summary
        assert "completeness is not known" in layer.provenance.notes[0]
        assert_keeps_its_word(result)

    def test_one_landform_may_be_chosen(self, ws) -> None:
        result = load_catalogue(ws, "cones.csv", landform="graben")
        assert result.figures["count"] == 1
        assert ws.layers.get("L1").title == "graben of a catalogue"

    @pytest.mark.parametrize("landform", ["Pitted Cones", "pitted_cone"])
    def test_landforms_are_read_as_people_write_them(self, ws, landform) -> None:
        assert load_catalogue(ws, "cones.csv", landform=landform).figures["count"] == 2

    def test_a_file_that_does_not_say_takes_the_word_of_the_user(self, ws, folder) -> None:
        (folder / "plain.csv").write_text("lon,lat\n1,2\n3,99\n")
        result = load_catalogue(ws, "plain.csv", landform="yardangs")
        assert ws.layers.get("L1").table["landform"].tolist() == ["yardangs"]
        assert (result.figures["count"], result.figures["dropped"]) == (1, 1)
        assert_keeps_its_word(result)

    def test_the_user_may_say_what_the_positions_are(self, ws) -> None:
        result = load_catalogue(ws, "cones.csv", longitude="west", latitude="planetocentric")
        layer = ws.layers.get(result.layer_ids[0])
        assert layer.table["lon"].tolist() == [-10.0, 160.0, -30.0]
        assert "west-positive" in result.summary
        assert layer.provenance.arguments["longitude"] == "west"
        assert_keeps_its_word(result)

    def test_a_large_file_gives_the_layer_that_a_small_one_gives(self, ws, monkeypatch) -> None:
        here = ws.layers.get(load_catalogue(ws, "cones.csv").layer_ids[0])
        monkeypatch.setattr(apart, "HERE_BYTES", 0)
        beside = ws.layers.get(load_catalogue(ws, "cones.csv").layer_ids[0])
        assert beside.hash == here.hash
        assert list(beside.table.columns) == list(here.table.columns)
        assert beside.provenance.notes == here.provenance.notes

    def test_faults_of_a_large_file_are_told_as_those_of_a_small_one(self, ws, folder, monkeypatch) -> None:
        (folder / "bad.csv").write_text("a,b\n1,2\n")
        monkeypatch.setattr(apart, "HERE_BYTES", 0)
        with pytest.raises(ToolInputError, match=r"its columns are a, b\..*called lon.*rename"):
            load_catalogue(ws, "bad.csv")

    def test_stop_ends_the_reading_of_a_large_file(self, ws, monkeypatch) -> None:
        monkeypatch.setattr(apart, "HERE_BYTES", 0)
        ws.stop.set()
        with pytest.raises(Cancelled), stopped_by(ws.stop):
            load_catalogue(ws, "cones.csv")
        assert ws.layers.ids() == []

    def test_nothing_of_a_landform_is_refused(self, ws) -> None:
        with pytest.raises(ToolInputError, match=r"yardangs.*pitted_cones \(2\), graben \(1\)"):
            load_catalogue(ws, "cones.csv", landform="yardangs")

    @pytest.mark.parametrize("name", ["none.csv", "../cones.csv", ""])
    def test_files_elsewhere_are_refused(self, ws, name) -> None:
        with pytest.raises(ToolInputError, match=r"no file that may be read here.*cones\.csv"):
            load_catalogue(ws, name)

    @pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a,b\n1,2\n", b"id,lon,lat\nx,north,east\n"])
    def test_files_that_are_no_catalogue_are_refused_as_wrong_arguments(self, ws, folder, content) -> None:
        (folder / "bad.csv").write_bytes(content)
        with pytest.raises(ToolInputError):
            load_catalogue(ws, "bad.csv")
        assert ws.layers.ids() == []
