"""The recipe in a browser: an argument is changed, what would run is told, it runs, what differs is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.index import TileIndex
from tests.browsing import NEEDS_BROWSER, NO_GL, PATIENCE_MS, chatting, launched, sync_api
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]
QUESTION = "Where are pitted cones within 70 km of outflow channels?"


@pytest.fixture
def page(tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Iterator[sync_api.Page]:
    served = chatting(tmp_path, tiny_index, pattern_encoder)
    with served as address, launched(*NO_GL) as browser:
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(PATIENCE_MS)
        opened.errors = []  # type: ignore[attr-defined]
        opened.on("pageerror", lambda error: opened.errors.append(str(error)))  # type: ignore[attr-defined]
        opened.goto(address)
        yield opened


def test_a_distance_is_changed_and_run_again(page: sync_api.Page) -> None:
    page.locator("#ask textarea").fill(QUESTION)
    page.locator("#ask textarea").press("Enter")
    page.locator("#dialogue .options").wait_for()
    page.get_by_role("tab", name="Recipe").click()
    card = page.locator('[data-call="3"]')
    opener = card.get_by_role("button", name="Keep rows of L1 within 70 km of L2")
    opener.focus()
    page.keyboard.press("Enter")
    distance = card.get_by_label("distance km")
    assert distance.input_value() == "70"
    bar = page.locator("[data-bar]")
    assert not bar.is_visible()

    # What is wrong is said at the field, and nothing runs.
    distance.fill("far")
    card.get_by_text("valid number").first.wait_for()
    assert bar.get_by_role("button", name="Run again").is_disabled()
    assert distance.get_attribute("aria-invalid") == "true"

    distance.fill("130")
    bar.get_by_text("1 change: calls 3–").first.wait_for()
    assert card.locator("[data-was-line]:visible").inner_text().startswith("was 70")
    page.locator('[data-call="4"]').get_by_text("runs again, as it rests on a change").wait_for()

    # A change outlives a fresh panel.
    page.evaluate("areographerChat.refresh('recipe')")
    page.evaluate("areographerChat.go('recipe', {again: 1})")
    page.wait_for_timeout(300)
    assert card.get_by_label("distance km").input_value() == "130"

    bar.get_by_role("button", name="Run again").click()
    outcome = page.locator("[data-outcome]")
    outcome.wait_for()
    assert "distance_km 130 instead of 70 in call 3" in outcome.inner_text()
    outcome.get_by_role("row", name="distance_km 70 km 130 km", exact=True).wait_for()
    assert not bar.is_visible()
    assert "Run calls 3" in page.locator("#dialogue .user-row").last.inner_text()
    assert "numbers traced to tool results" in page.locator("#dialogue").inner_text()

    # Both runs on the map.
    outcome.get_by_role("button", name="Show both").first.click()
    page.wait_for_function("areographerChat.state.layers.length === 2")
    assert page.errors == []  # type: ignore[attr-defined]
