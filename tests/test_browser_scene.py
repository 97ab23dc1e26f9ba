"""The whole scene in one browser: ask, look, judge, refine, ask on, change the recipe, send, open on a plane.

The chat is the real one: the offline planner, the tools, a small index of Lowell. Pictures of each stage are
left in the folder that ``AREOGRAPHER_SCREENSHOTS`` names, or in the test's own.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.index import TileIndex
from tests.browsing import NEEDS_BROWSER, PATIENCE_MS, chatting, launched, sync_api
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]

QUESTION = "Where are pitted cones within 400 km of outflow channels?"
FOLLOW_UP = "How many of them lie north of the equator?"
ACCEPTED, REJECTED = 5, 7


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[str]:
    with chatting(tmp_path_factory.mktemp("scene"), tiny_index, pattern_encoder) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with launched() as running:
        yield running


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("AREOGRAPHER_SCREENSHOTS") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Stage:
    """A page with what went wrong in it: requests to elsewhere, errors, pictures of how far it came."""

    def __init__(self, context: sync_api.BrowserContext, ours: tuple[str, ...], pictures: Path) -> None:
        context.set_default_timeout(PATIENCE_MS)
        self.page = context.new_page()
        self.faults: list[str] = []
        self._pictures = pictures
        self._ours = ours
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.faults.append(f"broke: {error}"))
        self.page.on("console", self._complained)

    def shows(self, where: Any, words: str | re.Pattern[str]) -> None:
        sync_api.expect(where).to_contain_text(words, timeout=PATIENCE_MS)

    def picture(self, name: str) -> None:
        self.page.screenshot(path=self._pictures / f"{name}.png")

    def answered(self, questions: int) -> None:
        """Wait until so many questions stand in the dialogue and none is being answered."""
        asked = self.page.locator("#dialogue .user-row")
        sync_api.expect(asked).to_have_count(questions, timeout=PATIENCE_MS)
        self.page.wait_for_function(
            "questions => !areographerChat.state.working && "
            "areographerChat.state.version.startsWith(questions + '.')",
            arg=questions,
            timeout=PATIENCE_MS,
        )

    def tab(self, name: str) -> Any:
        self.page.get_by_role("tab", name=name, exact=True).click()
        return self.page.locator(f"#{name.lower()}")

    def _asked(self, request: sync_api.Request) -> None:
        if not request.url.startswith(self._ours):
            self.faults.append(f"asked for {request.url}")

    def _complained(self, message: sync_api.ConsoleMessage) -> None:
        # Of all that browsers remark, only what the page forbids itself is a fault for certain.
        if "Content Security Policy" in message.text and message.type == "error":
            self.faults.append(message.text)


def test_a_scientist_asks_judges_refines_changes_and_sends(
    browser: sync_api.Browser, address: str, pictures: Path, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    ours = (address, address.replace("http", "ws"), "data:", "blob:", "about:")
    stage = Stage(context, ours, pictures)
    _ask(stage, address)
    _judge_and_refine(stage)
    _ask_on(stage)
    _change_the_recipe(stage)
    page, archive = _send(stage, tmp_path)
    assert stage.faults == []
    context.close()
    _read_on_a_plane(browser, page, pictures)
    with zipfile.ZipFile(archive) as held:
        names = [Path(name).name for name in held.namelist()]
    assert {"recipe.json", "layers.gpkg"} <= set(names), names


def _ask(stage: Stage, address: str) -> None:
    page = stage.page
    page.goto(address)
    box = page.locator("#ask textarea")
    box.wait_for()
    legend = page.frame_locator("#globe iframe").locator(".areo-legend")
    stage.shows(legend, "no layers yet")
    stage.shows(page.locator("#conversations"), "Every conversation is kept")
    stage.picture("1-empty")
    box.fill(QUESTION)
    box.press("Enter")
    page.locator("#dialogue .thought-group").first.wait_for()
    stage.answered(1)
    stage.shows(page.locator("#dialogue"), "traced to tool results")
    stage.shows(page.locator("#conversations"), "pitted cones")
    assert re.search(r"[?&]c=[0-9a-f]{32}", page.url)
    stage.shows(legend, "L3")
    stage.picture("2-answered")
    # A citation brings its layer forward on the map, and its tiles among the evidence.
    page.locator("#dialogue a", has_text="L3").first.click()
    lit = page.frame_locator("#globe iframe").locator("li.areo-lit")
    stage.shows(lit, "L3")
    stage.shows(page.locator("#evidence .chip.on"), "L3")


def _judge_and_refine(stage: Stage) -> None:
    page, evidence = stage.page, stage.tab("Evidence")
    evidence.locator(".chip", has_text="L1").first.click()
    evidence.locator(".judging[data-of=L1]").wait_for()
    evidence.get_by_role("button", name="Random").click()
    evidence.locator(".judging[data-view=random]").wait_for()
    tiles = evidence.locator("[data-tile]")
    sync_api.expect(tiles.nth(ACCEPTED + REJECTED - 1)).to_be_attached()
    for number in range(ACCEPTED):
        tiles.nth(number).locator("[data-judge=accept]").click()
    # The others by key: the next tile has the focus after each.
    tiles.nth(ACCEPTED).locator(".look").focus()
    for _ in range(REJECTED):
        page.keyboard.press("r")
    stage.shows(evidence.locator("[data-summary]"), f"{ACCEPTED} accepted, {REJECTED} rejected")
    stage.shows(evidence.locator("[data-precision]"), re.compile(r"precision 42% \(\d+% to \d+%\)"))
    stage.picture("3-judged")
    evidence.locator("[data-refine]").click()
    stage.answered(2)
    stage.shows(page.locator("#dialogue .user-row").last, "efine L1")
    stage.shows(page.locator("#dialogue"), "L4")
    stage.shows(page.frame_locator("#globe iframe").locator(".areo-legend"), "L4")
    stage.shows(evidence, "Refined from")
    stage.picture("4-refined")


def _ask_on(stage: Stage) -> None:
    box = stage.page.locator("#ask textarea")
    box.fill(FOLLOW_UP)
    box.press("Enter")
    stage.answered(3)
    stage.shows(stage.page.locator("#dialogue"), FOLLOW_UP)
    stage.picture("5-followed-up")


def _change_the_recipe(stage: Stage) -> None:
    recipe = stage.tab("Recipe")
    near = recipe.locator("[data-call]").filter(has_text="within 400 km").first
    near.locator(".unfold").click()
    distance = near.locator("input[name=distance_km]")
    sync_api.expect(distance).to_have_value(re.compile(r"^400(\.0)?$"))
    distance.fill("600")
    near.get_by_role("button", name="Run this again").click()
    stage.answered(4)
    outcome = recipe.locator("[data-outcome]")
    stage.shows(outcome, "What changed")
    stage.shows(outcome, "600")
    stage.picture("6-run-again")


def _send(stage: Stage, folder: Path) -> tuple[Path, Path]:
    share, kept = stage.tab("Share"), []
    for name in ("page", "archive"):
        with stage.page.expect_download(timeout=PATIENCE_MS) as begun:
            share.locator(f"[data-share={name}]").click()
        path = folder / begun.value.suggested_filename
        begun.value.save_as(path)
        kept.append(path)
        stage.shows(share.locator("[data-share-state]"), "is ready")
    stage.picture("7-shared")
    page, archive = kept
    assert page.suffix == ".html"
    assert archive.suffix == ".zip"
    assert page.stat().st_size < 8_000_000
    return page, archive


def _read_on_a_plane(browser: sync_api.Browser, path: Path, pictures: Path) -> None:
    """The page alone, in a browser of its own that has no network and may ask for nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    stage = Stage(context, (path.as_uri(), "data:", "blob:", "about:"), pictures)
    page = stage.page
    page.goto(path.as_uri())
    for words in (QUESTION, FOLLOW_UP, "L4", "600"):
        stage.shows(page.locator("body"), words)
    page.locator(".areo-globe[data-view=webgl]").first.wait_for()
    page.wait_for_function("() => document.querySelector('.areo-globe').areographer.view.map.loaded()")
    stage.shows(page.locator(".areo-legend").first, "L")
    page.get_by_role("link", name="L3", exact=True).first.click()
    stage.picture("8-on-a-plane")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    stage.picture("9-on-a-phone")
    assert stage.faults == []
    context.close()
