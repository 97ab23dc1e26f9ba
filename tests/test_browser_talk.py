"""Conversations, habits and barriers in a real browser: the list, branches, keys, two pages, a phone, axe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import app
from prompts import load_prompts
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.browsing import NEEDS_BROWSER, NO_GL, PATIENCE_MS, chatting, launched, sync_api
from tests.chat_double import opener
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS, free_port

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]
TABS = ("Evidence", "Layers", "Recipe", "Share")
Open = Callable[..., "sync_api.Page"]


@pytest.fixture(scope="module")
def address(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "open_conversation", opener(pace_s=0.02))
        with chatting(tmp_path_factory.mktemp("talk"), tiny_index, pattern_encoder) as opened:
            yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with launched(*NO_GL) as running:
        yield running


@pytest.fixture
def open_page(browser: sync_api.Browser, address: str) -> Iterator[Open]:
    """Opens pages, each in a browser of its own; what breaks in one fails the test."""
    contexts, broken = [], []

    def open_one(query: str = "", width: int = 1280, height: int = 800, at: str = "") -> sync_api.Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"]
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto((at or address) + query)
        page.locator("#ask textarea").wait_for()
        page.locator("#desk[data-view]").wait_for()
        return page

    yield open_one
    for context in contexts:
        context.close()
    # Gradio's own script does not catch that its server is away.
    assert [words for words in broken if words != "Failed to fetch"] == []


def ask(page: sync_api.Page, question: str, answers: int = 1) -> None:
    page.locator("#ask textarea").fill(question)
    page.locator("#ask textarea").press("Enter")
    told(page, answers)


def told(page: sync_api.Page, answers: int) -> None:
    sync_api.expect(page.get_by_text("numbers traced")).to_have_count(answers, timeout=PATIENCE_MS)


def questions(page: sync_api.Page, *expected: str) -> None:
    rows = page.locator("#dialogue .user-row")
    sync_api.expect(rows).to_have_text(
        [re.compile(re.escape(text)) for text in expected], timeout=PATIENCE_MS
    )


def offer(page: sync_api.Page, words: str, number: int = 0) -> None:
    page.locator("#ask .submit-button").wait_for()  # the answer is at its end: nothing is drawn anew
    page.locator("#dialogue").get_by_role("button", name=words, exact=True).nth(number).click()


def conversation(page: sync_api.Page) -> str:
    return str(page.evaluate("new URL(location.href).searchParams.get('c')"))


def test_conversations_are_found_renamed_left_and_deleted(open_page: Open) -> None:
    page = open_page()
    ask(page, "Where are the tall volcanoes?")
    first = conversation(page)
    page.get_by_role("button", name="New conversation").click()
    page.locator("#dialogue .examples").wait_for()
    assert conversation(page) == "None"
    ask(page, "How many dark dunes are there?")
    page.go_back()
    questions(page, "Where are the tall volcanoes?")
    page.go_forward()
    questions(page, "How many dark dunes are there?")
    page.get_by_role("searchbox").fill("VOLCANOES tall")
    lines = page.locator("#conversations li")
    sync_api.expect(lines).to_have_count(1)
    page.locator(f"#open-{first}").click()
    questions(page, "Where are the tall volcanoes?")
    lines.hover()
    page.locator(f"#rename-{first}").click()
    page.locator(".renaming").fill("High ground <b>")
    page.locator(".renaming").press("Enter")
    sync_api.expect(lines.locator(".words")).to_have_text("High ground <b>")
    lines.hover()
    page.locator(f"#delete-{first}").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for(state="detached")
    lines.hover()
    page.locator(f"#delete-{first}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.locator("#dialogue .examples").wait_for()
    page.get_by_text("No title, question or answer has").wait_for()
    assert conversation(page) == "None"


def test_a_question_is_copied_changed_branched_and_asked_again(open_page: Open) -> None:
    page = open_page()
    ask(page, "Where are cones?")
    ask(page, "And in the south?", answers=2)
    trunk = conversation(page)
    offer(page, "Copy")
    page.get_by_text("copied as Markdown").wait_for()
    assert str(page.evaluate("navigator.clipboard.readText()")).startswith(
        "> Where are cones?\n\nOf 40 tiles"
    )
    offer(page, "Edit", 1)
    page.get_by_text("Changing question 2").wait_for()
    page.locator("#ask textarea").fill("And in the west?")
    page.locator("#ask textarea").press("Enter")
    questions(page, "Where are cones?", "And in the west?")
    told(page, 2)
    branch = conversation(page)
    assert branch != trunk
    page.go_back()
    questions(page, "Where are cones?", "And in the south?")
    offer(page, "Branch here")
    questions(page, "Where are cones?")
    assert conversation(page) not in (trunk, branch)
    offer(page, "Ask again")
    told(page, 2)
    questions(page, "Where are cones?", "Where are cones?")
    page.goto(f"{page.url.split('?')[0]}?c={trunk}&layer=L2")
    legend = page.frame_locator("#globe iframe").locator(".areo-legend")
    sync_api.expect(legend).to_contain_text("L2 outflow channel", timeout=PATIENCE_MS)


def test_keys_do_what_the_help_says(open_page: Open) -> None:
    page = open_page()
    ask(page, "Where are cones?")
    page.locator("h1").click()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    page.locator("h1").click()  # Gradio takes the focus into the box whenever it likes
    page.keyboard.press("b")
    sync_api.expect(page.locator("#past")).to_be_hidden()
    page.keyboard.press("b")
    page.keyboard.press("3")
    sync_api.expect(page.get_by_role("tab", name="Recipe")).to_have_attribute("aria-selected", "true")
    page.locator("h1").click()
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.classList.contains('user-row')")
    page.keyboard.press("t")
    page.wait_for_function("document.body.classList.contains('dark')")
    page.reload()
    page.wait_for_function("document.body.classList.contains('dark')")
    told(page, 1)
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("n?slow question")  # letters are letters while something is typed
    assert page.locator("#ask textarea").input_value() == "n?slow question"
    page.keyboard.press("Enter")
    page.get_by_text("Search for “outflow channel”").nth(1).wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("what was finished before is kept").wait_for()
    page.locator("h1").click()
    page.keyboard.press("n")
    page.locator("#dialogue .examples").wait_for()


def test_two_pages_of_one_conversation_stay_together(open_page: Open) -> None:
    one = open_page()
    ask(one, "Where are cones?")
    two = open_page(f"?c={conversation(one)}")
    told(two, 1)
    one.locator("#ask textarea").fill("a slow question")
    one.locator("#ask textarea").press("Enter")
    # The other page hears of it, and can stop it.
    questions(two, "Where are cones?", "a slow question")
    two.locator("#ask .stop-button").click()
    for page in (one, two):
        page.get_by_text("what was finished before is kept").wait_for()
    # A deleted conversation is gone from both, in words.
    one.evaluate("areographerChat.post(`areographer/c/${areographerChat.state.conversation}/delete`)")
    two.locator("#dialogue").get_by_text("There is no conversation").wait_for()


def test_a_server_that_comes_back_finds_its_pages(
    open_page: Open,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_index: TileIndex,
    pattern_encoder: PatternEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "open_conversation", opener())
    settings, port = Settings(home=tmp_path_factory.mktemp("back") / "home"), free_port()

    def begin() -> app.Chat:
        chat = app.build_app(settings, tiny_index, pattern_encoder, load_prompts(), "offline")
        app.start(chat, settings, port=port)
        return chat

    chat = begin()
    page = open_page(at=f"http://127.0.0.1:{port}/")
    ask(page, "Where are cones?")
    chat.shut()
    page.get_by_role("alert").filter(has_text="does not answer").wait_for()
    questions(page, "Where are cones?")
    chat = begin()
    try:
        sync_api.expect(page.locator("#away")).to_be_hidden(timeout=PATIENCE_MS)
        ask(page, "And in the south?", answers=2)
        questions(page, "Where are cones?", "And in the south?")
    finally:
        chat.shut()


def test_on_a_phone_one_part_is_shown_and_nothing_hangs_over(open_page: Open) -> None:
    page = open_page(width=390, height=844)
    ask(page, "Where are cones?")
    views = page.get_by_role("navigation", name="Parts of the page")
    for words, shown in (("Talk", "#dialogue"), ("Map", "#globe"), ("Evidence", "#panels")):
        views.get_by_role("button", name=words).click()
        for part in ("#dialogue", "#globe", "#panels"):
            visible = sync_api.expect(page.locator(part))
            visible.to_be_visible() if part == shown else visible.to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Conversations", exact=True).click()
    page.get_by_role("button", name="New conversation").click()
    sync_api.expect(page.locator("#past")).to_be_hidden()
    page.locator("#dialogue .examples").wait_for()


def barriers(page: sync_api.Page) -> list[str]:
    """Serious faults that axe-core finds, with the first place of each."""
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:200]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def test_axe_finds_no_serious_barrier(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    page.locator("#dialogue .examples").wait_for()
    assert barriers(page) == []
    ask(page, "Where are cones?")
    for theme in ("light", "dark"):
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()
            sync_api.expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
            page.wait_for_timeout(300)  # colours change with a transition
            assert barriers(page) == [], (theme, tab)
        page.locator("[data-habit=theme]").click()
    page.set_viewport_size({"width": 390, "height": 844})
    for view in ("Talk", "Map", "Evidence"):
        page.get_by_role("navigation", name="Parts of the page").get_by_role("button", name=view).click()
        assert barriers(page) == [], view
    transcript = tmp_path / "transcript.html"
    base = page.url.split("?")[0]
    sent = page.request.get(f"{base}areographer/c/{conversation(page)}/transcript.html")
    transcript.write_bytes(sent.body())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(transcript.as_uri())
        assert barriers(page) == [], f"transcript, {scheme}"
