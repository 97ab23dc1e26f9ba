"""The chat as a person sees it: chromium on a real server, a scripted conversation behind it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import app
from agent.chat.examples import EXAMPLES
from retrieval.index import TileIndex
from tests.browsing import NEEDS_BROWSER, PATIENCE_MS, chatting, launched, sync_api
from tests.chat_double import opener
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]
QUESTION = "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?"


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "open_conversation", opener(pace_s=0.05))
        with chatting(tmp_path_factory.mktemp("browser"), tiny_index, pattern_encoder) as opened:
            yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def page(browser: sync_api.Browser, address: str) -> Iterator[sync_api.Page]:
    """An open page; whatever it asks of another machine, and whatever breaks in it, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE_MS)
    opened = context.new_page()
    elsewhere: list[str] = []
    broken: list[str] = []
    ours = (address, address.replace("http", "ws"), "data:", "blob:", "about:")
    opened.on("request", lambda request: request.url.startswith(ours) or elsewhere.append(request.url))
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.goto(address)
    opened.locator("#ask textarea").wait_for()
    yield opened
    context.close()
    assert elsewhere == []
    assert broken == []


def ask(page: sync_api.Page, question: str = QUESTION, answers: int = 1) -> None:
    page.locator("#ask textarea").fill(question)
    page.locator("#ask textarea").press("Enter")
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(answers, timeout=PATIENCE_MS)


def globe_text(page: sync_api.Page, expected: str) -> None:
    legend = page.frame_locator("#globe iframe").locator(".areo-legend")
    sync_api.expect(legend).to_contain_text(expected, timeout=PATIENCE_MS)


def test_the_empty_page_teaches_and_an_example_starts(page: sync_api.Page) -> None:
    assert page.get_by_role("heading", name="Areographer").is_visible()
    assert "no language model" in page.locator(".facts").inner_text()
    examples = page.locator("#dialogue .examples button")
    assert examples.count() == len(EXAMPLES)
    globe_text(page, "no layers yet")
    examples.first.hover()  # from now on its words stay, whatever is found out about the index meanwhile
    offered = examples.first.inner_text().strip()
    examples.first.click()
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(1, timeout=PATIENCE_MS)
    assert page.locator("#dialogue .user-row").inner_text().strip() == offered


def test_a_question_shows_its_steps_its_answer_and_its_evidence(page: sync_api.Page) -> None:
    page.locator("#ask textarea").fill(QUESTION)
    page.locator("#ask textarea").press("Enter")
    page.locator("#dialogue .thought-group").first.wait_for()
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(1, timeout=PATIENCE_MS)
    steps = page.locator("#dialogue .children .thought-group")
    assert steps.count() == 4
    assert "L3 · 12 rows" in steps.nth(2).inner_text()
    steps.nth(2).locator(".title").click()
    sync_api.expect(steps.nth(2)).to_contain_text("near(layer='L1', other='L2', distance_km=40.0)")
    drawn = page.locator("#dialogue img")
    sync_api.expect(drawn).to_have_js_property("naturalWidth", 900, timeout=PATIENCE_MS)
    sync_api.expect(page.locator("#evidence figure")).to_have_count(12)
    tile = page.locator("#evidence figure").first
    assert re.search(r"60km-r\d+c\d+\s+p 0\.\d\d · score 0\.\d\d", tile.inner_text())
    sync_api.expect(tile.locator("img")).not_to_have_js_property("naturalWidth", 0)
    globe_text(page, "L3 pitted cones near outflow channel")
    tile.locator(".look").click()
    assert "on" in (tile.get_attribute("class") or "").split()


def test_citations_and_the_table_bring_layers_forward(page: sync_api.Page) -> None:
    ask(page)
    globe_text(page, "L1 pitted cones")
    page.locator("#dialogue a", has_text="L1").first.click()
    lit = page.frame_locator("#globe iframe").locator("li.areo-lit")
    sync_api.expect(lit).to_contain_text("L1", timeout=PATIENCE_MS)
    page.get_by_role("tab", name="Layers").click()
    sync_api.expect(page.locator("table.layers tbody tr")).to_have_count(3)
    page.locator('table.layers button[data-layer="L2"]').first.click()
    globe_text(page, "L2 outflow channel")
    assert page.url.count("#") == 0


def test_follow_ups_and_tiles_can_be_clicked(page: sync_api.Page) -> None:
    ask(page)
    page.get_by_role("button", name="Which way do they point?").click()
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(2, timeout=PATIENCE_MS)
    page.locator("#evidence figure").first.hover()
    page.locator("#evidence [data-more]").first.click()
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(3, timeout=PATIENCE_MS)
    assert "Show tiles like 60km-" in page.locator("#dialogue .user-row").last.inner_text()


def test_a_reload_keeps_the_conversation_and_a_new_one_starts_empty(page: sync_api.Page) -> None:
    ask(page)
    assert re.search(r"\?c=[0-9a-f]{32}$", page.url)
    page.get_by_role("button", name="Which way do they point?").wait_for()
    # Finished steps fold themselves with an animation.
    sync_api.expect(page.locator("#dialogue .children .content")).to_have_count(0)
    before = page.locator("#dialogue").inner_text().split("\n")
    page.reload()
    page.get_by_role("button", name="Which way do they point?").wait_for()
    assert page.locator("#dialogue").inner_text().split("\n") == before
    globe_text(page, "L3 pitted cones")
    ask(page, "And another question", answers=2)
    page.get_by_role("button", name="New conversation").click()
    page.locator("#dialogue .examples button").first.wait_for()
    assert "c=" not in page.url
    globe_text(page, "no layers yet")


def test_stop_stops_and_what_was_typed_meanwhile_stays(page: sync_api.Page) -> None:
    page.locator("#ask textarea").fill("slow " + QUESTION)
    page.locator("#ask textarea").press("Enter")
    page.get_by_text("Search for “outflow channel”").wait_for()
    page.locator("#ask textarea").fill("my next question")
    page.locator("#ask .stop-button").click()
    page.get_by_text("what was finished before is kept").wait_for()
    page.locator("#ask .submit-button").wait_for()
    assert page.locator("#ask textarea").input_value() == "my next question"
    page.locator("#ask textarea").press("Enter")
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(1, timeout=PATIENCE_MS)


def test_the_transcript_can_be_downloaded(page: sync_api.Page, tmp_path: Path) -> None:
    ask(page)
    page.get_by_role("tab", name="Share").click()
    for name, button in (("zip", "Everything .zip"), ("html", "One page .html")):
        with page.expect_download(timeout=PATIENCE_MS) as caught:
            page.get_by_role("link", name=button).click()
        page.get_by_text("is ready").wait_for()
        saved = tmp_path / f"transcript.{name}"
        caught.value.save_as(saved)
        assert caught.value.suggested_filename.endswith(f".{name}")
    assert zipfile.is_zipfile(tmp_path / "transcript.zip")
    assert QUESTION in (tmp_path / "transcript.html").read_text(encoding="utf-8")
    assert page.get_by_role("link", name="map-L3.png").is_visible()


def test_a_picture_can_be_asked_about_and_another_file_cannot(page: sync_api.Page, tmp_path: Path) -> None:
    picture = tmp_path / "dunes.png"
    Image.fromarray(np.full((64, 64), 99, dtype=np.uint8)).save(picture)
    page.locator("#ask input[type=file]").set_input_files(picture)
    page.locator("#ask .thumbnail-item, #ask .thumbnails").first.wait_for()
    page.locator("#ask textarea").press("Enter")
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(1, timeout=PATIENCE_MS)
    sync_api.expect(page.locator("#dialogue .user-row img")).to_have_js_property("naturalWidth", 64)
    fake = tmp_path / "table.png"
    fake.write_text("a,b\n1,2\n")
    page.locator("#ask input[type=file]").set_input_files(fake)
    page.locator("#ask .thumbnail-item, #ask .thumbnails").first.wait_for()
    page.locator("#ask textarea").press("Enter")
    page.get_by_text("cannot be read as a picture").wait_for()
    assert page.get_by_text("numbers traced").count() == 1


def test_an_answer_that_means_harm_stays_text(page: sync_api.Page) -> None:
    ask(page, "evil question <img src=x onerror='window.broken=1'>")
    assert page.evaluate("window.broken") is None
    assert page.locator("#dialogue .bot-row script, #dialogue .user-row img").count() == 0


def test_the_map_can_be_given_more_room_or_less(page: sync_api.Page) -> None:
    line, globe = page.get_by_role("separator", name="Height of the map"), page.locator("#globe")

    def height() -> float:
        box = globe.bounding_box()
        assert box is not None
        return float(box["height"])

    usual = height()
    line.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert line.get_attribute("aria-valuenow") == "63"
    assert height() > usual + 60
    at = line.bounding_box()
    assert at is not None
    page.mouse.move(at["x"] + 100, at["y"] + 4)
    page.mouse.down()
    page.mouse.move(at["x"] + 100, at["y"] - 250, steps=5)
    page.mouse.up()
    assert height() < usual
    page.reload()
    page.wait_for_function(f"document.querySelector('#globe')?.offsetHeight < {usual}")
