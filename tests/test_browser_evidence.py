"""Judging tiles in a real browser: by key, at once, kept; refined before one's eyes; citations lead here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.index import TileIndex
from tests.browsing import NEEDS_BROWSER, NO_GL, PATIENCE_MS, chatting, launched, sync_api
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[sync_api.Page]:
    """A page on the real program with a small index, whose faults fail the test."""
    broken: list[str] = []
    served = chatting(tmp_path_factory.mktemp("evidence"), tiny_index, pattern_encoder)
    with served as address, launched(*NO_GL) as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE_MS)
        opened = context.new_page()
        opened.on("pageerror", lambda error: broken.append(str(error)))
        opened.goto(address)
        opened.locator("#ask textarea").fill("Where are craters?")
        opened.locator("#ask textarea").press("Enter")
        opened.get_by_text("traced to tool results").first.wait_for(state="attached")
        opened.locator("[data-of]").wait_for()
        yield opened
    assert broken == []


def expect_text(page: sync_api.Page, place: str, text: str) -> None:
    sync_api.expect(page.locator(place)).to_contain_text(text, timeout=PATIENCE_MS)


def test_judging_by_key_refining_and_going_back(page: sync_api.Page) -> None:
    page.locator(".views button", has_text="Random").click()
    page.locator('[data-view="random"]').wait_for()
    first = page.locator("[data-tile]").first.get_attribute("data-tile")
    page.locator(".look").first.focus()
    for key in "arararraarrr":
        page.keyboard.press(key)
    # Verdicts show at once, and the focus went on: the thirteenth tile has it.
    expect_text(page, "[data-summary]", "5 accepted, 7 rejected")
    focused = "document.activeElement.closest('[data-tile]')?.dataset.tile"
    assert page.evaluate(focused) == page.locator("[data-tile]").nth(12).get_attribute("data-tile")
    expect_text(page, "[data-precision]", "precision 42% (")
    page.keyboard.press("u")
    expect_text(page, "[data-summary]", "5 accepted, 6 rejected")
    page.keyboard.press("r")  # the focus is where the verdict was taken back
    expect_text(page, "[data-summary]", "5 accepted, 7 rejected")
    # One tile is in the order of tabs, and arrows move within the page.
    assert page.locator('.look[tabindex="0"]').count() == 1
    page.keyboard.press("Home")
    assert page.evaluate(focused) == first
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) != first

    page.locator("[data-refine]").click()
    page.locator('.judging[data-of="L2"]').wait_for()
    expect_text(page, "#dialogue", "Refine L1: 5 accepted, 7 rejected")
    expect_text(page, "#evidence .panel", "Refined from L1, 42%")
    assert page.evaluate("areographerChat.state.layers") == ["L2"]
    page.locator("#evidence .link").click()
    page.locator('.judging[data-of="L1"]').wait_for()
    page.reload()
    page.locator("[data-of]").wait_for()
    expect_text(page, "[data-summary]", "5 accepted, 7 rejected")


def test_a_citation_shows_its_layer_on_the_map_and_its_tiles(page: sync_api.Page) -> None:
    answers = page.get_by_text("traced to tool results")
    before = answers.count()
    page.locator("#ask textarea").fill("Where are dunes?")
    page.locator("#ask textarea").press("Enter")
    sync_api.expect(answers).to_have_count(before + 1, timeout=PATIENCE_MS)
    page.locator("#panels [role=tab]", has_text="Layers").click()
    page.locator('#layers [data-toggle="L1"]').wait_for()
    page.locator("#dialogue a", has_text="L1").first.click()
    page.locator('#evidence .judging[data-of="L1"]').wait_for()
    assert page.evaluate("areographerChat.state.layers") == ["L1"]
    # Beside it another one, by a tick in the table.
    page.locator("#panels [role=tab]", has_text="Layers").click()
    other = page.locator("#layers [data-toggle]").last
    name = other.get_attribute("data-toggle")
    other.check()
    page.wait_for_function(f"areographerChat.state.layers.join() === 'L1,{name}'")
    sync_api.expect(page.locator("#layers tr.on")).to_have_count(2)


def test_a_closer_look_judges_too_and_gives_the_focus_back(page: sync_api.Page) -> None:
    page.locator("#panels [role=tab]", has_text="Evidence").click()
    page.locator(".views button", has_text="Surest").click()
    page.locator('[data-view="surest"]').wait_for()
    tile = page.locator("[data-tile]:not([data-verdict='accept']):not([data-verdict='reject'])").first
    name = tile.get_attribute("data-tile")
    tile.locator(".look").focus()
    page.keyboard.press("l")
    page.locator("#closer[open]").wait_for()
    expect_text(page, "#closer h3", name or "")
    page.locator("#closer [data-judge=reject]").click()
    sync_api.expect(page.locator(f'[data-tile="{name}"]')).to_have_attribute("data-verdict", "reject")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('[data-tile]')?.dataset.tile") == name
    if os.environ.get("AREOGRAPHER_SCREENSHOTS"):
        page.screenshot(path=Path(os.environ["AREOGRAPHER_SCREENSHOTS"]) / "evidence.png")


def test_what_the_server_refuses_is_put_back_and_said(page: sync_api.Page) -> None:
    page.route("**/judge", lambda route: route.abort())
    tile = page.locator('[data-tile][data-verdict=""]').first
    name = tile.get_attribute("data-tile")
    before = page.locator("[data-summary]").inner_text()
    tile.locator("[data-judge=accept]").click()
    expect_text(page, "[data-trouble]", "could not be kept")
    sync_api.expect(page.locator(f'[data-tile="{name}"]')).to_have_attribute("data-verdict", "")
    assert page.locator("[data-summary]").inner_text() == before
    page.unroute("**/judge")
