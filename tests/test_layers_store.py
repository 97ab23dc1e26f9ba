from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import ToolInputError
from tools.layers import COLUMNS, LayerStore, Provenance, make_table, shorten

MARS = get_body("mars")
LONLAT = np.array([[-179.9, 12.5], [179.9, -89.0], [0.0, 0.0]])


def some_table(n: int = 3):
    chance = np.array([0.9, 0.8, 0.7])[:n]
    return make_table(
        MARS, [f"t{i}" for i in range(n)], LONLAT[:n], chance, chance, elevation_m=[1.0, 2.0, 3.0][:n]
    )


def provenance(**values):
    return Provenance(tool="search_words", arguments={"text": "cones"}, body="mars", **values)


def test_table_begins_with_the_columns_everybody_relies_on() -> None:
    table = some_table()
    assert tuple(table.columns[: len(COLUMNS)]) == COLUMNS
    assert table.crs == MARS.crs
    assert make_table(MARS, ["a"], [[1.0, 2.0]])["probability"].isna().all()


@pytest.mark.parametrize("body", ["mars", "moon", "mercury", "earth", "lowell"])
def test_a_layer_read_back_by_another_store_is_the_same(tmp_path: Path, body: str) -> None:
    about = get_body(body)
    table = make_table(about, ["a", "b"], LONLAT[:2], [0.5, 0.4], [0.9, 0.8])
    record = Provenance(
        tool="near",
        arguments={"distance_km": 40.0},
        body=body,
        parents=("L1", "L2"),
        templates=("{}", "a {}"),
        threshold=0.5,
        counts_at={"0.50": 2},
        notes=("a note",),
        seed=3,
    )
    made = LayerStore(tmp_path).add("cones", "tiles", table, record)
    found = LayerStore(tmp_path).get("L1")
    assert found.provenance == made.provenance
    assert (found.id, found.title, found.kind, len(found)) == ("L1", "cones", "tiles", 2)
    assert found.hash == made.hash
    assert found.table.crs == about.crs
    np.testing.assert_array_equal(found.lonlat, LONLAT[:2])


def test_ids_count_up_and_survive_a_restart(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    for _ in range(11):
        store.add("x", "tiles", some_table(), provenance())
    again = LayerStore(tmp_path)
    assert again.ids() == [f"L{i}" for i in range(1, 12)]
    assert again.add("y", "tiles", some_table(), provenance()).id == "L12"
    assert [layer.id for layer in again][-1] == "L12"
    assert len(again) == 12


@pytest.mark.parametrize("name", ["L1", "l1", " L1 ", "[L1]"])
def test_layers_are_found_as_people_and_models_write_them(tmp_path: Path, name: str) -> None:
    store = LayerStore(tmp_path)
    store.add("x", "tiles", some_table(), provenance())
    assert store.get(name).id == "L1"


@pytest.mark.parametrize("name", ["L9", "", "../L1", "cones", "L1.json", "L" * 500, None])
def test_unknown_layers_are_refused_naming_those_there_are(tmp_path: Path, name: str) -> None:
    store = LayerStore(tmp_path)
    store.add("x", "tiles", some_table(), provenance())
    with pytest.raises(ToolInputError, match="Allowed: L1"):
        store.get(name)


def test_an_empty_store_says_that_a_search_comes_first(tmp_path: Path) -> None:
    with pytest.raises(ToolInputError, match=r"none yet.*search first"):
        LayerStore(tmp_path).get("L1")


def test_the_hash_sees_ids_positions_and_scores_and_nothing_else(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    base = store.add("x", "tiles", some_table(), provenance()).hash
    assert store.add("other title", "tiles", some_table().assign(extra=1), provenance(seed=9)).hash == base
    for column, value in (("row_id", "z"), ("lon", 1.0), ("lat", 1.0), ("score", 0.1), ("probability", 0.1)):
        changed = some_table()
        changed.loc[0, column] = value
        assert store.add("x", "tiles", changed, provenance()).hash != base, column


def test_a_brief_holds_no_more_than_it_may(tmp_path: Path) -> None:
    layer = LayerStore(tmp_path).add("cones", "tiles", some_table(), provenance(threshold=0.7))
    assert layer.brief() == {
        "id": "L1",
        "title": "cones",
        "kind": "tiles",
        "count": 3,
        "threshold": 0.7,
        "lat_range_deg": [-89.0, 12.5],
        "probability_q10_q50_q90": [0.72, 0.8, 0.88],
    }
    rows = layer.brief(rows=2)["rows"]
    assert len(rows) == 2
    assert "geometry" not in rows[0]
    assert json.dumps(layer.brief(rows=2))


def test_an_empty_layer_has_a_brief_a_hash_and_a_file(tmp_path: Path) -> None:
    layer = LayerStore(tmp_path).add("nothing", "tiles", some_table(0), provenance())
    again = LayerStore(tmp_path).get("L1")
    assert again.brief()["count"] == 0
    assert again.hash == layer.hash


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_damaged_layer_is_refused_in_words(tmp_path: Path, ending: str) -> None:
    LayerStore(tmp_path).add("x", "tiles", some_table(), provenance())
    (tmp_path / f"L1.{ending}").write_bytes(b"{")
    with pytest.raises(ToolInputError, match=r"damaged.*make the layer again"):
        LayerStore(tmp_path).get("L1")


def test_a_layer_that_could_not_be_written_never_existed(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    with pytest.raises(TypeError):
        store.add("x", "tiles", some_table(), provenance(counts_at={"0.5": object()}))
    assert store.ids() == []
    assert not list(tmp_path.glob("*.tmp"))
    assert store.add("x", "tiles", some_table(), provenance()).id == "L1"


@given(st.text(st.characters(codec="utf-8"), max_size=300), st.integers(10, 120))
def test_shortened_titles_fit(title: str, longest: int) -> None:
    short = shorten(title, longest)
    assert len(short) <= longest
    assert short == title or short.endswith("…")


def test_titles_end_at_a_word() -> None:
    assert shorten("pitted cones within 40 km of outflow channels", 30) == "pitted cones within 40 km of…"
