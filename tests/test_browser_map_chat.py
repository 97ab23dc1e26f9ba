"""The map in the chat's page: sharper ground, a threshold that is kept, a tile that is judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from retrieval.index import TileIndex
from tests.browsing import NEEDS_BROWSER, PATIENCE_MS, chatting, launched, sync_api
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]
HANDLE = "const globe = document.querySelector('.areo-globe').areographer;"
ROW = 3


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[str]:
    with chatting(tmp_path_factory.mktemp("map"), tiny_index, pattern_encoder) as opened:
        yield opened


@pytest.fixture
def page(address: str) -> Iterator[sync_api.Page]:
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
        page.set_default_timeout(PATIENCE_MS)
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(address)
        yield page
        assert broken == []


def test_what_is_done_on_the_map_reaches_the_conversation(page: sync_api.Page) -> None:
    page.locator("#ask textarea").fill("Where are craters?")
    page.locator("#ask textarea").press("Enter")
    globe = page.frame_locator("#globe iframe")
    globe.locator("li[data-layer=L1]").wait_for()

    def ask(script: str) -> Any:
        return page.frames[1].evaluate(f"() => {{ {HANDLE} return {script}; }}")

    # Zoomed in, the page fetches sharper ground for the frame, and the map says that it is the sharpest.
    place = ask(
        f"{{lon: globe.state.payload.layers[0].lon[{ROW}], lat: globe.state.payload.layers[0].lat[{ROW}]}}"
    )
    with page.expect_response(lambda answer: "/basemap/" in answer.url) as ground:
        ask(f"(globe.view.fit({{...{place}, radius: 3}}, false), globe.view.map.setZoom(5), 1)")
    assert ground.value.status in (200, 204)
    sync_api.expect(globe.locator(".areo-scale")).to_contain_text("the sharpest there is")

    # A tile's card: judged here, it is judged in the evidence.
    x, y = ask(f"globe.view.place({place['lon']}, {place['lat']})")
    box = page.locator("#globe iframe").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x, box["y"] + y)
    card = globe.locator(".areo-card")
    card.wait_for()
    assert card.locator("img").count() == 1
    tile = str(card.locator(".areo-id").inner_text())
    card.get_by_role("button", name="Reject").click()
    sync_api.expect(page.locator("#evidence")).to_contain_text("1 rejected")
    sync_api.expect(card.get_by_role("button", name="Reject")).to_have_attribute("aria-pressed", "true")

    # A threshold that was moved becomes a layer with as many rows as the slider said.
    slider = globe.get_by_role("slider", name="Threshold of L1")
    slider.press("Home")
    said = str(slider.get_attribute("aria-valuetext")).split()[0]
    globe.get_by_role("button", name="Keep this threshold").click()
    second = globe.locator("li[data-layer=L2]")
    sync_api.expect(second).to_contain_text(f"{said} rows at", timeout=PATIENCE_MS)
    sync_api.expect(page.locator("#dialogue")).to_contain_text(f"L2 holds the {said} rows")
    assert tile
