"""Files dropped on the chat's page, in a real browser, with real conversations behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.index import TileIndex
from tests.browsing import NEEDS_BROWSER, NO_GL, PATIENCE_MS, chatting, launched, sync_api
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS

pytestmark = [*NEEDS_BROWSER, *GRADIO_WARNINGS]
DROP = """([name, text, over]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([text], name));
    const drag = (type, on) => document.querySelector(on).dispatchEvent(
        new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
    drag("dragenter", over);
    drag("dragover", over);
    const shown = !document.querySelector("#bring-zone").hidden;
    drag("drop", "#bring-zone");
    return shown;
}"""
LIST = "id,lon,lat\n" + "".join(f"{number},{3 * number},{number - 30}\n" for number in range(60))


@pytest.fixture
def page(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[sync_api.Page]:
    """An open page; whatever it asks of another machine, or its own policy forbids it, fails the test."""
    elsewhere: list[str] = []
    served = chatting(tmp_path_factory.mktemp("bring"), tiny_index, pattern_encoder)
    with served as address, launched(*NO_GL) as browser:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(PATIENCE_MS)
        opened = context.new_page()
        ours = (address, "data:", "blob:", "about:")
        opened.on("request", lambda asked: asked.url.startswith(ours) or elsewhere.append(asked.url))
        opened.on(
            "console",
            lambda said: "Content Security Policy" in said.text and elsewhere.append(said.text),
        )
        opened.goto(address)
        opened.locator("#ask textarea").wait_for()
        yield opened
    assert elsewhere == []


def test_a_catalogue_that_is_dropped_becomes_a_layer_and_a_wrong_file_words(page: sync_api.Page) -> None:
    expect = sync_api.expect
    assert page.evaluate(DROP, ["my craters.csv", LIST, "#talk"]) is True
    dialogue = page.locator("#dialogue")
    expect(dialogue.get_by_text("Load the catalogue my_craters.csv").first).to_be_visible()
    expect(dialogue.get_by_text("holds 60 entries").last).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#bring-zone")).to_be_hidden()
    page.get_by_text("Load my_craters.csv with west-positive longitudes").click()
    expect(dialogue.get_by_text("read as west-positive").last).to_be_visible(timeout=PATIENCE_MS)

    page.evaluate(DROP, ["<b>notes</b>.docx", "PK", "#talk"])
    alert = page.get_by_role("alert").filter(has_text="neither a picture nor a catalogue")
    expect(alert).to_contain_text(".docx")
    expect(alert).to_contain_text("Allowed: pictures")
    page.get_by_label("Close this message").click()
    expect(alert).to_be_hidden()

    page.evaluate(DROP, ["list.csv", "colour,size\nred,3\n", "#talk"])
    expect(dialogue.get_by_text("its columns are colour, size").last).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("tab", name="Layers").click()
    expect(page.locator("#layers").get_by_role("button", name="Add a catalogue or a picture")).to_be_visible()
    expect(page.locator("#layers tbody tr")).to_have_count(2)


def test_a_question_uses_the_catalogue_that_came_with_it(page: sync_api.Page, tmp_path: Path) -> None:
    expect, dialogue = sync_api.expect, page.locator("#dialogue")
    (tmp_path / "my list.csv").write_text(LIST)
    for question, turn in (
        ("Where are dunes?", "does not say what it has to do with my_list.csv"),
        ("How far are dunes from these entries?", "How far are dunes from my_list.csv?"),
    ):
        with page.expect_file_chooser() as chosen:
            page.get_by_role("button", name="Upload a file").click()
        chosen.value.set_files(tmp_path / "my list.csv")  # the same again, the second time
        expect(page.locator("#ask .thumbnail-item, #ask .thumbnails button").first).to_be_visible()
        page.locator("#ask textarea").fill(question)
        page.locator("#ask textarea").press("Enter")
        expect(dialogue.get_by_text(turn).last).to_be_visible(timeout=PATIENCE_MS)
    expect(dialogue.get_by_text("numbers traced").last).to_be_visible(timeout=PATIENCE_MS)
