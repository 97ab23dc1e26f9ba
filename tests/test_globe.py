"""The payload, the fragment and the pictures of the globe; how they look is tested in a browser."""

import base64
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.body import Body, get_body
from retrieval.index import TileIndex
from tests.transcripts import HOSTILE
from tools.layers import Kind, Layer, Provenance, make_table
from tools.maps.globe import (
    COLOURS,
    globe_document,
    globe_html,
    globe_payload,
    globe_scripts,
    json_for_script,
    top_rows,
)
from tools.maps.globe_layers import (
    LAST_TOLERANCE_DEG,
    MARKS,
    MOST_CORNERS,
    layers_payload,
    pack_degrees,
    pack_numbers,
    pack_probability,
    pack_shapes,
    pack_texts,
)
from tools.maps.globe_pictures import (
    GAP_GREY,
    MERCATOR_LIMIT_DEG,
    mercator_gaps,
    polar_gaps,
    to_mercator,
    to_polar,
)

LOWELL = get_body("lowell")


def layer(
    lonlat: NDArray[np.float64],
    probability: NDArray[np.float64] | None = None,
    *,
    ids: list[str] | None = None,
    kind: Kind = "tiles",
    title: str = "pitted cones",
    body: Body = LOWELL,
    **columns: Any,
) -> Layer:
    names = ids or [f"row{i}" for i in range(len(lonlat))]
    table = make_table(body, names, lonlat, probability, probability, **columns)
    return Layer("L1", title, kind, table, Provenance("search_words", {}, body.name, threshold=0.5))


def spread(n: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))], axis=-1)


def tile_layer(index: TileIndex, rows: list[int]) -> Layer:
    tiles = index.tiles.rows(rows)
    probability = np.linspace(0.9, 0.5, len(rows))
    return layer(tiles[["lon", "lat"]].to_numpy(), probability, ids=tiles["tile_id"].tolist())


def unpack(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), dtype=f"<{kind}")


def degrees(text: str) -> NDArray[np.float64]:
    return np.asarray(unpack(text, "i4") / 1e5)


def probabilities(text: str | None) -> list[float]:
    steps = unpack(text, "u2") if text else np.zeros(0)
    return [float("nan") if step == 65535 else float(step) / 1e4 for step in steps]


def texts(coded: str) -> list[str]:
    """As ``globe_rows.js`` reads them."""
    read: list[str] = []
    for line in coded.split("\n"):
        read.append((read[-1] if read else "")[: int(line[0], 36)] + line[1:])
    return read


def test_payload_says_what_is_drawn(tiny_index: TileIndex) -> None:
    made = tile_layer(tiny_index, [3, 30, 300])
    payload = globe_payload(tiny_index, [made], thumbnails=True, basemap_px=256)
    (drawn,) = payload["layers"]
    assert texts(drawn["ids"]) == made.table["row_id"].tolist()
    assert probabilities(drawn["probability"]) == [0.9, 0.7, 0.5]
    assert np.allclose(degrees(drawn["lon"]), made.table["lon"], atol=1e-5)
    assert (drawn["count"], drawn["rows"], drawn["threshold"]) == (3, 3, 0.5)
    assert drawn["shapes"] is None
    assert payload["body"]["radius_km"] == 450.0
    assert set(payload["thumbnails"]) == set(made.table["row_id"])
    assert payload["basemap"].keys() >= {"mercator", "north", "south", "mercator_gaps"}
    assert payload["has_gaps"], "longitudes 100 to 130 were never observed"
    assert json.loads(json.dumps(payload, allow_nan=False)) == payload


places = st.floats(-180, 180), st.floats(-90, 90)
maybe = st.floats(0, 1) | st.just(float("nan"))


@given(st.lists(st.tuples(*places, maybe, st.floats(allow_nan=True, width=32)), max_size=30))
def test_numbers_come_back_as_exactly_as_promised(rows: list[tuple[float, float, float, float]]) -> None:
    lon, lat, probability, number = np.array(rows, dtype=float).reshape(-1, 4).T
    assert np.abs(degrees(pack_degrees(lon)) - lon).max(initial=0) <= 0.5001e-5
    assert np.abs(degrees(pack_degrees(lat)) - lat).max(initial=0) <= 0.5001e-5
    if np.isfinite(probability).any():
        found = np.array(probabilities(pack_probability(probability)))
        assert np.allclose(found, probability, atol=0.5001e-4, rtol=0, equal_nan=True)
    else:
        assert pack_probability(probability) is None
    packed = pack_numbers(number)
    expected = np.where(np.isfinite(number), number, np.nan)
    assert packed is None or np.array_equal(unpack(packed, "f4"), expected.astype(np.float32), equal_nan=True)
    assert (packed is None) == (not np.isfinite(number).any())


@given(
    st.lists(st.text(max_size=50) | st.sampled_from(["16km-r012c034", "16km-r012c035", HOSTILE]), min_size=1)
)
def test_texts_come_back_but_for_line_breaks(given_texts: list[str]) -> None:
    assert texts(pack_texts(given_texts)) == [text.replace("\n", " ") for text in given_texts]


def test_names_of_tiles_take_little(tiny_index: TileIndex) -> None:
    names = tiny_index.tiles.ids().tolist()
    assert len(pack_texts(names)) < 0.45 * len("\n".join(names))


def test_shapes_come_as_corners_and_parts() -> None:
    box = shapely.box(0, 0, 10, 10)
    shapes = np.array([
        shapely.Point(1, 2),
        shapely.LineString([(0, 0), (5, 5), (6, 5)]),
        shapely.MultiPolygon([box.difference(shapely.box(4, 4, 5, 5)), shapely.box(20, 0, 21, 1)]),
    ], dtype=object)  # fmt: skip
    packed = pack_shapes(shapes)
    assert packed is not None
    assert unpack(packed["row"], "u4").tolist() == [1, 2, 2, 2]
    assert unpack(packed["kind"], "u2").tolist() == [1, 2, 3, 2]
    assert unpack(packed["length"], "u4").tolist() == [3, 5, 5, 5]
    corners = degrees(packed["corners"]).reshape(-1, 2)
    assert corners[:3].tolist() == [[0, 0], [5, 5], [6, 5]]
    assert set(map(tuple, corners[8:13].tolist())) == {(4, 4), (5, 4), (5, 5), (4, 5)}
    assert packed["tolerance_deg"] == 0
    assert pack_shapes(shapes[:1]) is None


def test_shapes_with_too_many_corners_are_simplified_and_say_so() -> None:
    along = np.linspace(-170, 170, 2 * MOST_CORNERS)
    wavy = shapely.LineString(np.stack([along, 20 * np.sin(along / 20)], axis=-1))
    packed = pack_shapes(np.array([wavy], dtype=object))
    assert packed is not None
    kept = degrees(packed["corners"]).reshape(-1, 2)
    assert len(kept) <= MOST_CORNERS
    assert 0 < packed["tolerance_deg"] <= LAST_TOLERANCE_DEG
    assert shapely.hausdorff_distance(shapely.LineString(kept), wavy) <= packed["tolerance_deg"] + 1e-5


def test_thumbnails_only_when_asked_and_only_of_tiles(tiny_index: TileIndex) -> None:
    tiles, features = tile_layer(tiny_index, list(range(40))), layer(spread(5), kind="features")
    assert globe_payload(tiny_index, [tiles], thumbnails=False, basemap_px=256)["thumbnails"] == {}
    payload = globe_payload(tiny_index, [tiles, features], thumbnails=True, basemap_px=256)
    assert list(payload["thumbnails"]) == tiles.table["row_id"].tolist()[:12]


def test_unknown_numbers_are_left_out(tiny_index: TileIndex) -> None:
    odd = layer(
        np.array([[0.0, 1.0], [30.0, -10.0]]),
        kind="catalogue", diameter_km=[1.5, np.nan], name=["A", None], area_km2=pd.array([None, 7], "Int64"),
    )  # fmt: skip
    (drawn,) = globe_payload(tiny_index, [odd], thumbnails=True, basemap_px=256)["layers"]
    assert drawn["probability"] is drawn["score"] is None
    name, diameter, area = drawn["details"]
    assert (name["label"], texts(name["texts"])) == ("name", ["A", ""])
    assert (diameter["label"], diameter["unit"]) == ("diameter", "km")
    assert np.array_equal(unpack(diameter["numbers"], "f4"), [1.5, np.nan], equal_nan=True)
    assert np.array_equal(unpack(area["numbers"], "f4"), [np.nan, 7], equal_nan=True)


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), max_size=4), st.integers(0, 80))
def test_points_are_shared_out_fairly(counts: list[int], most: int) -> None:
    layers = [layer(spread(n), np.linspace(0, 1, n)) for n in counts]
    drawn = [item["rows"] for item in layers_payload(layers, most)]
    assert sum(drawn) == min(sum(counts), most) or most - sum(drawn) < len(counts)
    assert all(d <= n for d, n in zip(drawn, counts, strict=True))
    cut = [d for d, n in zip(drawn, counts, strict=True) if d < n]
    assert not cut or max(drawn) - min(cut) <= 1


def test_a_layer_with_too_many_rows_keeps_its_most_probable() -> None:
    probability = np.random.default_rng(1).permutation(np.linspace(0, 1, 100))
    (drawn,) = layers_payload([layer(spread(100), probability)], 10)
    assert sorted(probabilities(drawn["probability"])) == sorted(
        np.round(np.sort(probability)[-10:], 4).tolist()
    )
    assert drawn["count"] == 100
    (catalogue,) = layers_payload([layer(spread(100), kind="catalogue")], 3)
    assert texts(catalogue["ids"]) == ["row0", "row49", "row99"]


def test_top_rows_put_unknown_probabilities_last() -> None:
    made = layer(spread(4), np.array([np.nan, 0.2, 0.9, 0.2]))
    assert top_rows(made, 3).tolist() == [2, 1, 3]


def test_colours_are_told_apart() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == 7
    signs = {(item["colour"], item["mark"]) for item in layers_payload([layer(spread(1))] * 28, 100)}
    assert len(signs) == len(COLOURS) * len(MARKS) == 28


@pytest.mark.parametrize("lat", [-84.0, -60.0, -33.3, 0.0, 12.5, 45.0, 70.0, 84.0])
def test_mercator_puts_latitudes_where_they_belong(lat: float) -> None:
    height, size = 360, 512
    rows = np.linspace(250, 5, height)  # brighter to the north
    picture = to_mercator(np.repeat(rows[:, None], 2 * height, axis=1).astype(np.uint8), size)
    y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * size
    expected = np.interp(90 - lat, np.linspace(0.25, 179.75, height), rows)
    assert abs(float(picture[min(int(y), size - 1), 100]) - expected) < 2.0


def test_mercator_edges_claim_nothing() -> None:
    noise = np.random.default_rng(0).integers(1, 255, (128, 256)).astype(np.uint8)
    picture = to_mercator(noise, 256)
    assert picture.shape == (256, 256)
    assert np.ptp(picture[:8], axis=1).max() == 0
    assert np.ptp(picture[-8:], axis=1).max() == 0
    assert np.ptp(picture[128]) > 0
    assert pytest.approx(85.0511, abs=1e-3) == MERCATOR_LIMIT_DEG


@pytest.mark.parametrize(("pole", "lon", "where"), [
    (1, 0, "bottom"), (1, 90, "right"), (-1, 0, "top"), (-1, 90, "right"), (1, 180, "top"), (-1, -90, "left"),
])  # fmt: skip
def test_polar_maps_are_turned_as_published_ones(pole: int, lon: int, where: str) -> None:
    sheet = np.ones((180, 360), dtype=np.uint8)
    sheet[:, (np.arange(-10, 10) + lon + 180) % 360] = 255
    picture = to_polar(sheet, 101, pole)
    edges = {
        "top": picture[:30, 50], "bottom": picture[71:, 50],
        "left": picture[50, :30], "right": picture[50, 71:],
    }  # fmt: skip
    bright = {name: float(values.mean()) for name, values in edges.items()}
    assert max(bright, key=lambda name: bright[name]) == where
    assert picture[0, 0] == 0


def test_polar_map_has_only_its_own_hemisphere() -> None:
    sheet = np.full((180, 360), 10, dtype=np.uint8)
    sheet[:90] = 200
    assert to_polar(sheet, 51, 1)[25, 25] == 200
    assert to_polar(sheet, 51, -1)[25, 25] == 10


@pytest.mark.parametrize(("draw", "mask"), [
    (lambda sheet: to_mercator(sheet, 512), lambda sheet: mercator_gaps(sheet, 512)),
    (lambda sheet: to_polar(sheet, 260, 1), lambda sheet: polar_gaps(sheet, 260, 1)),
])  # fmt: skip
def test_what_was_not_observed_is_dark_and_masked_and_nothing_else(draw: Any, mask: Any) -> None:
    sheet = np.full((180, 360), 140, dtype=np.uint8)
    sheet[:, :180] = 0  # western longitudes: the left half of either picture
    picture, gaps = draw(sheet), mask(sheet)
    rows = slice(len(picture) // 4, -len(picture) // 4)
    for columns, grey, gap in ((slice(60, 100), GAP_GREY, True), (slice(-100, -60), 140, False)):
        assert set(np.unique(picture[rows, columns])) == {grey}
        assert set(np.unique(gaps[rows, columns])) == {gap}


@given(st.text() | st.just(HOSTILE))
def test_json_in_a_script_cannot_leave_it(text: str) -> None:
    written = json_for_script({"a": text})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {"a": text}


class Tags(HTMLParser):
    """Start tags of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_hostile_titles_stay_text(tiny_index: TileIndex) -> None:
    made = layer(spread(3), np.ones(3), ids=[HOSTILE] * 3, title=HOSTILE, name=[HOSTILE] * 3)
    payload = globe_payload(tiny_index, [made], thumbnails=True, basemap_px=256)
    tags = Tags(globe_html(payload, inline_assets=False)).tags
    assert [tag for tag, _ in tags] == ["section", "script", "noscript"]
    assert tags[1][1] == {"type": "application/json"}


def test_fragment_brings_its_assets_unless_told_not_to(tiny_index: TileIndex) -> None:
    payload = globe_payload(tiny_index, [], thumbnails=False, basemap_px=256)
    whole, bare = globe_html(payload, height_px=333), globe_html(payload, inline_assets=False)
    assert 'data-height="333"' in whole
    assert "maplibregl" in whole
    assert "maplibregl" not in bare


def test_document_allows_its_own_scripts_and_no_network(tiny_index: TileIndex) -> None:
    document = globe_document(globe_payload(tiny_index, [], thumbnails=False, basemap_px=256))
    tags = Tags(document).tags
    policy = next(attrs["content"] for tag, attrs in tags if tag == "meta" and "http-equiv" in attrs)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == len(globe_scripts()) + 1
    assert "http:" not in policy
    assert "https:" not in policy
    assert not [attrs for _, attrs in tags if "src" in attrs or "href" in attrs]
    assert "sourceMappingURL" not in document
