"""The interactive map in a real browser with the network cut off: many points, lines and polygons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from playwright.sync_api import Browser, Playwright, sync_playwright

from retrieval.body import Body, get_body
from retrieval.index import TileIndex
from retrieval.spatial.shapes import normalised, representative
from tests.browsing import CHROMIUM, NEEDS_BROWSER, NO_GL, QUIET, SOFTWARE_GL
from tests.test_browser_transcript import Opened, colour_pixels, open_page
from tests.transcripts import HOSTILE
from tools.candidates import LEAST_LEVEL, Candidates
from tools.layers import Layer, Provenance, make_table
from tools.maps.globe import COLOURS, globe_document, globe_payload
from tools.maps.globe_layers import count_levels

pytestmark = [*NEEDS_BROWSER, pytest.mark.slow]

LOWELL = get_body("lowell")
MANY = 100_000


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *SOFTWARE_GL])
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def without_webgl(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *NO_GL])
    yield browser
    browser.close()


def write(folder: Path, index: TileIndex, layers: list[Layer]) -> Path:
    page = folder / "map.html"
    payload = globe_payload(index, layers, thumbnails=False, basemap_px=512)
    page.write_text(globe_document(payload), encoding="utf-8")
    return page


def made(layer_id: str, title: str, shapes: list[Any], **columns: Any) -> Layer:
    right, _ = normalised(shapes, LOWELL)
    table = make_table(LOWELL, columns.pop("ids"), representative(right, LOWELL), shapes=right, **columns)
    return Layer(layer_id, title, "catalogue", table, Provenance("load_catalogue", {}, "lowell"))


def crowd(body: Body) -> Layer:
    rng = np.random.default_rng(0)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, MANY)))
    lonlat = np.stack([rng.uniform(-180, 180, MANY), lat], axis=-1)
    names = [f"crater-{i:06d}" for i in range(MANY)]
    probability, diameter = rng.uniform(0.5, 1, MANY), rng.uniform(1, 9, MANY)
    table = make_table(body, names, lonlat, probability, probability, diameter_km=diameter)
    return Layer("L1", "craters", "tiles", table, Provenance("made", {}, body.name))


def spot(opened: Opened, lon: float, lat: float) -> tuple[float, float]:
    x, y = opened.ask(f"globe.view.place({lon}, {lat})")
    return float(x), float(y)


def hover(opened: Opened, lon: float, lat: float) -> str:
    """What the map says of a place when the pointer rests there."""
    box = opened.page.locator(".areo-stage").bounding_box()
    assert box is not None
    x, y = spot(opened, lon, lat)
    opened.page.mouse.move(box["x"] + x, box["y"] + y)
    opened.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    tip = opened.page.locator(".areo-tip")
    return tip.inner_text() if tip.is_visible() else ""


def look(opened: Opened, lon: float, lat: float, degrees: float) -> None:
    opened.ask(f"(globe.view.fit({{lon: {lon}, lat: {lat}, radius: {degrees}}}, false), 1)")
    if opened.ask("globe.view.kind") == "webgl":
        opened.settle()


@pytest.mark.parametrize("view", ["webgl", "canvas"])
def test_a_hundred_thousand_points_are_drawn(
    view: str, chromium: Browser, without_webgl: Browser, tmp_path: Path, tiny_index: TileIndex
) -> None:
    layer = crowd(tiny_index.body)
    page = write(tmp_path, tiny_index, [layer])
    opened = open_page(chromium if view == "webgl" else without_webgl, page, view=view)
    opened.page.wait_for_selector(f".areo-globe[data-drawn='{MANY}']")
    whole = opened.picture()
    assert colour_pixels(whole, COLOURS[0], reach=90) > 0.06 * whole.shape[0] * whole.shape[1]

    # Close by, a mark has the layer's colour where its row lies, and tells that row's own values.
    row = layer.table[layer.table["probability"] > 0.99].iloc[7]
    look(opened, row["lon"], row["lat"], 1.5)
    x, y = (round(value) for value in spot(opened, row["lon"], row["lat"]))
    assert colour_pixels(opened.picture()[y - 2 : y + 3, x - 2 : x + 3], COLOURS[0]) > 12
    said = hover(opened, row["lon"], row["lat"])
    assert said.startswith(f"{row['row_id']} · craters · p {row['probability']:.2f} · ")
    assert float(said.split(" · ")[3].removesuffix(" km")) == pytest.approx(row["diameter_km"], rel=1e-5)
    assert (opened.requests, opened.complaints) == ([opened.url], [])
    opened.page.context.close()


UNITS = [
    shapely.box(10, 0, 40, 25).difference(shapely.box(20, 8, 30, 18)),
    shapely.box(165, -40, 195, -20),
    shapely.Polygon([(lon, 72.0) for lon in range(-180, 181, 5)]),
]
RIDGES = [shapely.LineString([(172, 10), (190, 14), (200, 5)]), shapely.LineString([(-60, -10), (-30, 20)])]


@pytest.mark.parametrize("view", ["globe", "mercator", "canvas"])
def test_lines_and_polygons_are_drawn_and_told(
    view: str, chromium: Browser, without_webgl: Browser, tmp_path: Path, tiny_index: TileIndex
) -> None:
    units = made("L1", "units", UNITS, ids=["U1", "U2", "U3"], name=["Frame", HOSTILE, "Cap"])
    ridges = made("L2", "ridges", RIDGES, ids=["R1", "R2"], length_km=[120.5, 80.0])
    kind = "canvas" if view == "canvas" else "webgl"
    page = write(tmp_path, tiny_index, [units, ridges])
    opened = open_page(chromium if kind == "webgl" else without_webgl, page, view=kind)
    if view == "mercator":
        opened.ask("(globe.project('mercator'), 1)")

    look(opened, 25, 13, 30)
    assert hover(opened, 15, 12) == "U1 · units · Frame"
    assert hover(opened, 25, 13) == "", "the hole is no part of it"
    opened.page.mouse.move(1, 1)
    picture = opened.picture()

    def tinted(lon: float, lat: float) -> float:
        """How much more red than blue the ground is there; the basemap is grey with a breath of warmth."""
        x, y = (round(value) for value in spot(opened, lon, lat))
        patch = picture[y - 6 : y + 7, x - 6 : x + 7].reshape(-1, 3).mean(axis=0)
        return float(patch[0] - patch[2]) / float(patch.mean())

    assert tinted(15, 12) > tinted(25, 13) + 0.2

    look(opened, 181, 12, 25)
    assert hover(opened, -179, 12.44).startswith("R1 · ridges · 120.5 km")
    look(opened, -45, 5, 25)
    assert hover(opened, -45, 5).startswith("R2 · ridges · 80 km")
    x, y = (round(value) for value in spot(opened, -45, 5))
    assert colour_pixels(opened.picture()[y - 5 : y + 6, x - 5 : x + 6], COLOURS[1], reach=70) >= 5
    look(opened, 180, -30, 25)
    for lon in (175, -175):
        assert hover(opened, lon, -30).startswith("U2 · units · <script>alert")

    # The cap is in the northern panel, and only there.
    north, south = (opened.picture(f".areo-poles figure:nth-child({k}) canvas") for k in (1, 2))
    assert colour_pixels(north, COLOURS[0]) > 40 > 5 > colour_pixels(south, COLOURS[0])
    assert "3 rows" in opened.page.locator("li[data-layer=L1]").inner_text()
    assert (opened.requests, opened.complaints) == ([opened.url], [])
    opened.page.context.close()


def searched(index: TileIndex, count: int = 400) -> tuple[Layer, Candidates]:
    """A layer of rows with p from 0.5 and the rows below that just missed it, one at each pole."""
    rng = np.random.default_rng(3)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, 2 * count)))
    lat[[0, 1]] = 89.999, -89.999
    lonlat = np.stack([rng.uniform(-180, 180, 2 * count), lat], axis=-1)
    p = np.concatenate([np.linspace(0.999, 0.5, count), np.linspace(0.499, 0.05, count)])
    names = [f"row-{i:04d}" for i in range(2 * count)]
    table = make_table(index.body, names, lonlat, p, p)
    made = Provenance("search_words", {}, index.body.name, threshold=0.5)
    own, missed = table.iloc[:count].reset_index(drop=True), table.iloc[count:].reset_index(drop=True)
    return Layer("L1", "hits", "tiles", own, made), Candidates(missed, count_levels(p), LEAST_LEVEL)


def test_a_threshold_moves_by_keys_and_stays_while_layers_come(
    chromium: Browser, tmp_path: Path, tiny_index: TileIndex
) -> None:
    layer, near = searched(tiny_index)
    ridges = made("L2", "ridges", RIDGES, ids=["R1", "R2"])
    options: dict[str, Any] = {"thumbnails": False, "basemap_px": 512, "candidates": {"L1": near}}
    page = tmp_path / "map.html"
    page.write_text(globe_document(globe_payload(tiny_index, [layer], **options)), encoding="utf-8")
    later = globe_payload(tiny_index, [layer, ridges], **options)["layers"]
    opened = open_page(chromium, page)
    opened.page.wait_for_selector(".areo-globe[data-drawn='400']")
    item = opened.page.locator("li[data-layer=L1]")
    assert "400 rows at" in item.inner_text()
    slider = opened.page.get_by_role("slider", name="Threshold of L1")
    slider.focus()
    for _ in range(10):
        slider.press("ArrowRight")
    expected = near.counts[60]
    assert slider.get_attribute("aria-valuetext") == f"{expected} rows at p ≥ 0.60"
    opened.wait(f"globe.view.marks.drawn === {expected}")
    slider.press("Home")
    opened.wait(f"globe.view.marks.drawn === {near.counts[5]}")
    assert near.counts[5] > 700, "rows that missed the layer are drawn too"

    # Another layer: the map turns only for who has not moved it; switch, slider, view and canvas stay.
    look(opened, 40, 20, 12)
    opened.ask("(globe.state.moved = true, globe.view.map.getCanvas().id = 'same', 1)")
    before = opened.ask("globe.view.map.getCenter()")
    for box in ("not observed", "graticule"):
        opened.page.get_by_label(box).uncheck()
    item.get_by_role("checkbox").uncheck()
    opened.page.evaluate(
        "(layers) => document.querySelector('.areo-globe').areographer.update({layers})", later
    )
    opened.page.locator("li[data-layer=L2]").wait_for()
    assert opened.ask("globe.view.map.getCenter()") == before
    assert opened.ask("globe.view.map.getCanvas().id") == "same"
    assert not item.get_by_role("checkbox").is_checked()
    assert not opened.page.get_by_label("graticule").is_checked()
    assert f"{near.counts[5]} rows at" in item.inner_text()
    opened.wait("globe.view.marks.drawn === 0")
    opened.page.get_by_role("button", name="Reset").click()
    assert "400 rows at" in item.inner_text()
    opened.page.evaluate(
        "(layers) => document.querySelector('.areo-globe').areographer.update({layers, turn: true})", later
    )
    opened.wait(f"globe.view.map.getCenter().lng !== {before['lng']}")
    # Other layers under the same ids, of another conversation, begin anew.
    opened.page.evaluate(
        "(layers) => document.querySelector('.areo-globe').areographer.update({layers, key: 'other'})", later
    )
    assert item.get_by_role("checkbox").is_checked()
    assert (opened.requests, opened.complaints) == ([opened.url], [])
    opened.page.context.close()


@pytest.mark.parametrize(("name", "pole"), [("North pole", 1), ("South pole", -1)])
def test_a_pole_fills_the_map(
    name: str, pole: int, chromium: Browser, tmp_path: Path, tiny_index: TileIndex
) -> None:
    layer, _ = searched(tiny_index)
    opened = open_page(chromium, write(tmp_path, tiny_index, [layer]))
    opened.page.get_by_role("button", name=name).click()
    canvas = opened.page.locator(".areo-polar")
    here = int((pole * layer.table["lat"] >= 0).sum())
    opened.wait("Number(root.querySelector('.areo-polar').dataset.points) > 0")
    assert canvas.bounding_box()["width"] > 900  # type: ignore[index]
    row = layer.table.iloc[0 if pole > 0 else 1]
    said = hover(opened, row["lon"], row["lat"])
    assert said.startswith(f"{row['row_id']} · hits · p")
    x, y = (round(value) for value in spot(opened, row["lon"], row["lat"]))
    assert colour_pixels(opened.picture()[y - 3 : y + 4, x - 3 : x + 4], COLOURS[0]) > 10

    # By keys: out to the whole hemisphere, in again, aside, and what lies in the middle.
    canvas.focus()
    for _ in range(8):
        canvas.press("-")
    opened.wait(f"Number(root.querySelector('.areo-polar').dataset.points) === {here}")
    for _ in range(12):
        canvas.press("+")
    opened.frame()
    canvas.press("Enter")
    assert row["row_id"] in opened.page.locator(".areo-card").inner_text()
    opened.page.keyboard.press("Escape")
    where = opened.ask("globe.view.where().x")
    canvas.press("ArrowRight")
    assert opened.ask("globe.view.where().x") > where
    # A place of the other hemisphere brings the globe back.
    opened.ask(f"(globe.fly(10, {-40 * pole}), 1)")
    assert opened.ask("globe.view.kind") == "webgl"
    assert (opened.requests, opened.complaints) == ([opened.url], [])
    opened.page.context.close()
