"""The globe and the transcript in a real browser, with the network cut off."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from agent.transcript import write_bundle
from retrieval.index import TileIndex
from tests.browsing import CHROMIUM, NEEDS_BROWSER, NO_GL, QUIET, SOFTWARE_GL
from tests.fakes import PatternEncoder
from tests.transcripts import hostile_turn, make_workspace, spatial_turn
from tools.maps.globe import globe_document, globe_payload, json_for_script
from tools.workspace import Workspace

PATIENCE_MS = 180_000  # drawing without a GPU, perhaps beside other tests

pytestmark = [*NEEDS_BROWSER, pytest.mark.slow]


@dataclass
class Opened:
    """A page and everything it did that a page must not do."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def ask(self, script: str) -> Any:
        """Evaluate with ``globe`` (the handle) and ``root`` (the section) at hand."""
        return self.page.evaluate(
            "() => { const root = document.querySelector('.areo-globe'), globe = root.areographer; "
            f"return ({script}); }}"
        )

    def wait(self, script: str) -> None:
        self.page.wait_for_function(
            "() => { const root = document.querySelector('.areo-globe'), globe = root.areographer; "
            f"return ({script}); }}",
        )

    def settle(self) -> None:
        """Wait until the map stands still and is drawn."""
        self.wait("!globe.view.map.isMoving() && globe.view.map.loaded()")
        self.frame()

    def frame(self) -> None:
        """Wait for what was to be drawn with the next frame."""
        done = "requestAnimationFrame(() => requestAnimationFrame(done))"
        self.page.evaluate(f"() => new Promise((done) => {done})")

    def picture(self, selector: str = ".areo-globe") -> np.ndarray:
        shot = self.page.locator(selector).first.screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def open_page(browser: Browser, path: Path, view: str = "webgl", width: int = 1040) -> Opened:
    context = browser.new_context(viewport={"width": width, "height": 600}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    opened = Opened(page, path.as_uri())

    def refuse(route: Any) -> None:
        route.continue_() if route.request.url == opened.url else route.abort()

    context.route("**/*", refuse)
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("console", lambda line: opened.complaints.append(line.text) if line.type == "error" else None)
    page.goto(opened.url)
    page.wait_for_selector(f'.areo-globe[data-view="{view}"]')
    return opened


def colour_pixels(picture: np.ndarray, colour: str, reach: int = 40) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(picture - wanted).max(axis=-1) < reach).sum())


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("home"), tiny_index, pattern_encoder)


@pytest.fixture(scope="module")
def transcript(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Path:
    turns = [spatial_turn(workspace), hostile_turn(workspace)]
    return write_bundle("talk", turns, workspace, tmp_path_factory.mktemp("out")).html


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
def read(chromium: Browser, transcript: Path) -> Iterator[Opened]:
    """The transcript, opened once for all tests that leave it as they found it."""
    opened = open_page(chromium, transcript)
    yield opened
    opened.page.context.close()


LISTEN = "(window.told = [], root.addEventListener('areographer:tile', (e) => window.told.push(e.detail)), 1)"


@pytest.fixture(autouse=True)
def back_to_the_start(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "read" in request.fixturenames:
        opened: Opened = request.getfixturevalue("read")
        shown = "['L1', 'L2', 'L3', 'L4', 'L5']"
        opened.ask(f"(globe.clear(), globe.light(null), globe.show({shown}), globe.project('globe'), 1)")
        opened.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = false; })")


def test_opens_offline_without_a_complaint(read: Opened) -> None:
    read.settle()
    assert read.requests == [read.url]
    assert read.complaints == []
    assert read.ask("globe.state.errors") == []
    assert read.page.title().endswith("Areographer")


def test_the_planet_and_its_layers_are_really_drawn(read: Opened) -> None:
    read.ask("(globe.show(['L1']), 1)")
    read.settle()
    with_layer = colour_pixels(read.picture(), "#E69F00")
    read.ask("(globe.show([]), 1)")
    read.settle()
    bare = read.picture()
    assert with_layer > colour_pixels(bare, "#E69F00") + 30
    middle = bare[
        bare.shape[0] // 2 - 60 : bare.shape[0] // 2 + 60, bare.shape[1] // 2 - 60 : bare.shape[1] // 2 + 60
    ]
    assert middle.std() > 8, "the basemap should be seen, not one flat colour"


def test_hostile_words_do_nothing(read: Opened) -> None:
    read.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    assert read.page.locator("img[src='x'], a[href^='javascript'], iframe, object, embed").count() == 0
    assert "alert('ran')" in read.page.locator(".question").last.inner_text()
    assert "{{7*7}}" in read.page.locator(".areo-legend").inner_text()
    assert read.complaints == []


def test_a_citation_lights_its_layer_and_again_brings_all_back(read: Opened) -> None:
    cite = read.page.locator(".answer a.cite[data-layer=L2]").first
    cite.click()
    assert read.ask("root.dataset.lit") == "L2"
    assert read.page.locator("#layer-L2").get_attribute("open") is not None
    assert "on" in str(cite.get_attribute("class"))
    read.settle()
    lit = read.picture()
    assert colour_pixels(lit, "#56B4E9") > colour_pixels(lit, "#E69F00")
    cite.click()
    assert read.ask("root.dataset.lit") == ""


def test_checkboxes_turn_layers_off_and_on(read: Opened) -> None:
    read.page.locator(".areo-legend summary").click()
    box = read.page.locator("li[data-layer=L1] input")
    box.uncheck()
    read.settle()
    shown = "globe.view.marks.drawn - globe.state.payload.layers.slice(1).reduce((n, l) => n + l.points, 0)"
    read.wait(f"{shown} === 0")
    box.check()
    read.settle()
    read.wait(f"{shown} === globe.state.payload.layers[0].points")
    assert read.ask("globe.state.payload.layers[0].points") > 0
    legend = str(read.page.locator("li[data-layer=L1]").text_content())
    count = read.ask("globe.state.payload.layers[0].count")
    assert f"{count} rows" in legend
    assert "p ≥" in legend


# Turns the map to a tile of the first layer that has a thumbnail; says where on the page it then is.
GO_TO_TILE = """(() => {
  root.scrollIntoView({block: 'center'});
  const map = globe.view.map, layer = globe.state.payload.layers[0], box = root.getBoundingClientRect();
  const pictured = (id) => id in globe.state.payload.thumbnails;
  const i = layer.row_id.findIndex((id, k) => pictured(id) && Math.abs(layer.lat[k]) < 60);
  map.jumpTo({center: [layer.lon[i], layer.lat[i]], zoom: 3});
  const at = map.project([layer.lon[i], layer.lat[i]]);
  return {id: layer.row_id[i], x: box.x + at.x, y: box.y + at.y};
})()"""


def test_a_click_shows_the_tile_and_tells_the_page(read: Opened) -> None:
    read.ask(LISTEN)
    spot = read.ask(GO_TO_TILE)
    read.settle()
    read.page.mouse.click(spot["x"], spot["y"])
    card = read.page.locator(".areo-corner .areo-card")
    card.wait_for()
    (told,) = read.page.evaluate("window.told")
    assert told["tile_id"] == spot["id"] == card.locator(".areo-id").inner_text()
    assert told["layer"] in ("L1", "L2", "L3", "L5")
    shown = read.page.locator(f"button img[data-tile='{spot['id']}']").first
    assert card.locator("img").get_attribute("src") == shown.get_attribute("src")
    assert "score" in card.inner_text()
    assert read.ask("globe.state.selected.ring.length") > 4
    read.page.keyboard.press("Escape")
    assert card.count() == 0


@pytest.mark.parametrize("projection", ["globe", "mercator"])
def test_the_scale_bar_is_true_for_this_body(read: Opened, projection: str) -> None:
    read.ask(f"(globe.project('{projection}'), globe.view.map.jumpTo({{center: [40, 50], zoom: 2}}), 1)")
    read.settle()
    km, bar_px, map_px = read.ask(
        "(() => { const bar = root.querySelector('.areo-scale'), map = globe.view.map, c = map.getCenter();"
        " const radius = globe.state.payload.body.radius_km;"
        " const east = areographer.destination(c.lng, c.lat, Math.PI / 2, 2 / radius);"
        " const a = map.project(c), b = map.project(east);"
        " return [Number(bar.dataset.km), parseFloat(bar.querySelector('i').style.width),"
        "         Math.hypot(a.x - b.x, a.y - b.y) / 2]; })()"
    )
    assert bar_px / km == pytest.approx(map_px, rel=0.01)
    assert 40 < bar_px <= 110


def test_four_views_and_back(read: Opened) -> None:
    def shows(name: str) -> bool:
        return read.page.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"

    assert shows("Globe")
    read.page.get_by_role("button", name="Flat map").click()
    read.settle()
    assert read.ask("globe.view.map.getProjection().type") == "mercator"
    assert shows("Flat map")
    assert not shows("Globe")
    for name, pole in (("North pole", 1), ("South pole", -1)):
        read.page.get_by_role("button", name=name).click()
        read.frame()
        assert read.ask("globe.view.pole") == pole
        canvas = read.page.locator(f".areo-polar[aria-label*='{name.lower()}']")
        assert canvas.is_visible()
        assert not read.page.locator(".areo-poles").is_visible()
    read.page.get_by_role("button", name="Globe").click()
    read.settle()
    assert read.ask("globe.view.map.getProjection().type") == "globe"
    assert read.page.locator(".areo-polar:visible").count() == 0


def test_poles_have_panels_of_their_own(read: Opened) -> None:
    panels = read.page.locator(".areo-pole")
    assert panels.count() == 2
    read.ask(LISTEN)
    read.ask("(globe.show(['L4']), 1)")
    read.frame()
    assert [panels.nth(i).get_attribute("data-points") for i in (0, 1)] == ["1", "1"]
    # C2 at 150 W, 88.5 S: in the south longitude 0 is up and east is clockwise.
    middle = panels.nth(1).bounding_box()["width"] / 2  # smaller where the globe is narrow
    radius = (middle - 1) / np.tan(np.radians(10)) * np.tan(np.radians(0.75))
    x = middle + radius * np.sin(np.radians(-150))
    y = middle - radius * np.cos(np.radians(-150))
    panels.nth(1).click(position={"x": x, "y": y})
    assert read.page.evaluate("window.told.at(-1).tile_id") == "C2"
    assert "Second" in read.page.locator(".areo-corner .areo-card").inner_text()
    assert "2 beyond 85°" in str(read.page.locator("li[data-layer=L4]").text_content())


def test_evidence_tiles_turn_the_globe(read: Opened) -> None:
    read.page.evaluate("document.getElementById('layer-L1').open = true")
    tile = read.page.locator("#layer-L1 button[data-fly]").first
    lon, lat = map(float, str(tile.get_attribute("data-fly")).split(","))
    tile.click()
    read.settle()
    centre = read.ask("globe.view.map.getCenter()")
    assert centre["lng"] == pytest.approx(lon, abs=0.1)
    assert centre["lat"] == pytest.approx(max(-80, min(80, lat)), abs=0.1)


def test_the_page_is_light_or_dark_as_the_reader_wants_it(read: Opened) -> None:
    shown = {}
    for scheme in ("light", "dark"):
        read.page.emulate_media(color_scheme=scheme)
        colours = read.page.evaluate(
            "['backgroundColor', 'color'].map((name) => getComputedStyle(document.body)[name])"
        )
        shown[scheme] = [sum(map(int, colour[4:-1].split(","))) for colour in colours]
    assert shown["light"][0] > 600 > 200 > shown["light"][1]
    assert shown["dark"][0] < 200 < 600 < shown["dark"][1]


def test_on_paper_everything_is_open_and_folded_again_afterwards(read: Opened) -> None:
    folded = "document.querySelectorAll('details:not([open])').length"
    before = read.page.evaluate(folded)
    assert before > 10
    read.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert read.page.evaluate(folded) == 0
    read.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert read.page.evaluate(folded) == before


def test_nothing_sticks_out_on_a_phone(chromium: Browser, transcript: Path) -> None:
    opened = open_page(chromium, transcript, width=390)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    opened.page.context.close()


def test_works_in_a_sandboxed_frame(chromium: Browser, workspace: Workspace, transcript: Path) -> None:
    layers = [workspace.layers.get(name) for name in ("L1", "L2")]
    document = globe_document(globe_payload(workspace, layers, thumbnails=True))
    host = transcript.with_name("host.html")
    host.write_text(
        "<!doctype html><title>host</title>"
        "<iframe sandbox='allow-scripts' width=800 height=560></iframe><script>"
        "window.told = []; addEventListener('message', (e) => told.push(e.data));"
        f"document.querySelector('iframe').srcdoc = {json_for_script(document)};</script>",
        encoding="utf-8",
    )
    page = chromium.new_page(viewport={"width": 820, "height": 600}, reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(host.as_uri())
    inner = page.frames[1]
    inner.wait_for_selector('.areo-globe[data-view="webgl"]')
    page.evaluate("frames[0].postMessage({type: 'areographer:light', layer: 'L2'}, '*')")
    inner.wait_for_selector(".areo-globe[data-lit=L2]")
    page.evaluate("frames[0].postMessage({type: 'areographer:fly', lon: 12, lat: 34}, '*')")
    handle = "const root = document.querySelector('.areo-globe'), globe = root.areographer;"
    inner.wait_for_function(
        f"() => {{ {handle} return Math.abs(globe.view.map.getCenter().lat - 34) < 0.1; }}",
    )
    spot = inner.evaluate(f"() => {{ {handle} return {GO_TO_TILE}; }}")
    inner.wait_for_function(f"() => {{ {handle} return globe.view.map.loaded(); }}")
    frame = page.locator("iframe").bounding_box()
    assert frame is not None
    page.mouse.click(frame["x"] + spot["x"], frame["y"] + spot["y"])
    page.wait_for_function(
        f"() => told.some((m) => m.type === 'areographer:tile' && m.tile_id === '{spot['id']}')",
    )
    # Other layers on the same planet, without loading anything again.
    inner.evaluate("() => { document.querySelector('.areo-globe').areographer.update({layers: []}); }")
    inner.wait_for_selector(".areo-none")
    assert inner.locator(".areo-stage").count() == 1
    assert complaints == []
    page.close()


def test_without_webgl_a_flat_map_shows_the_same(playwright: Playwright, transcript: Path) -> None:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *NO_GL])
    opened = open_page(browser, transcript, view="canvas")
    assert "no WebGL" in opened.page.locator(".areo-note").inner_text()
    opened.page.get_by_role("button", name="Show the whole planet").click()
    opened.ask("(globe.show(['L1']), 1)")
    picture = opened.picture(".areo-canvas")
    assert colour_pixels(picture, "#E69F00") > 50
    assert picture.std() > 10
    drawn = int(str(opened.page.locator(".areo-canvas").get_attribute("data-points")))
    assert drawn == opened.ask("globe.state.payload.layers[0].lon.length")

    box = opened.page.locator(".areo-canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    scale = "Number(root.querySelector('.areo-scale').dataset.km)"
    before = opened.ask(scale)
    opened.page.mouse.move(x, y)
    opened.page.mouse.wheel(0, -900)
    opened.wait(f"{scale} < {before}")
    start = opened.ask("globe.view.where().lon")
    opened.page.mouse.down()
    opened.page.mouse.move(x - 80, y, steps=4)
    opened.page.mouse.up()
    assert opened.ask("globe.view.where().lon") != start

    tile = opened.page.locator("#layer-L1 button[data-fly]").first
    tile.click()
    opened.page.locator(".areo-canvas").scroll_into_view_if_needed()
    box = opened.page.locator(".areo-canvas").bounding_box()
    assert box is not None
    lon, lat = map(float, str(tile.get_attribute("data-fly")).split(","))
    at = opened.ask(f"globe.view.place({lon}, {lat})")
    opened.page.mouse.click(box["x"] + at[0], box["y"] + at[1])
    card = opened.page.locator(".areo-corner .areo-card")
    assert card.locator(".areo-id").inner_text() == tile.locator("img").get_attribute("data-tile")
    assert (opened.requests, opened.complaints) == ([opened.url], [])
    browser.close()
