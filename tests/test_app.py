"""The chat through its server's door: real Gradio events over HTTP, a scripted conversation behind them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import agent.loop
import app
from agent.chat.examples import EXAMPLES
from prompts import load_prompts
from retrieval.errors import SettingsError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS, GradioPage, serving, texts

pytestmark = [*GRADIO_WARNINGS]

QUESTION = "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("chat") / "home")


@pytest.fixture(scope="module")
def chat(settings: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Iterator[app.Chat]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "open_conversation", opener())
        made = app.build_app(settings, tiny_index, pattern_encoder, load_prompts(), "offline")
        with serving(made, settings):
            yield made


@pytest.fixture
def page(chat: app.Chat) -> Iterator[GradioPage]:
    with GradioPage(str(chat.local_url)) as opened:
        list(opened.fire("page", "load"))
        yield opened


def test_the_page_says_what_it_works_on_and_that_no_language_model_is_there(page: GradioPage) -> None:
    masthead = next(c for c in page.config["components"] if c["props"].get("elem_id") == "masthead")
    html = masthead["props"]["value"]
    assert "Areographer" in html
    assert "no language model" in html
    assert "<b>tiny</b>" in html
    assert "<b>Lowell</b>" in html


def test_the_server_gives_nothing_away_and_asks_nobody(chat: app.Chat, page: GradioPage) -> None:
    assert chat.analytics_enabled is False
    assert chat.share is False
    assert chat.run_history is False
    html = page.http.get("").text
    head = html[: html.index("window.gradio_config")]
    assert "fonts.googleapis" not in html
    assert 'src="https://' not in head


def test_steps_come_one_by_one_and_then_the_answer(page: GradioPage) -> None:
    views = list(page.fire("ask", "submit", {"text": QUESTION, "files": []}))
    assert texts(views[0])[0] == QUESTION
    assert views[0]["ask"]["value"]["text"] == ""  # emptied at once
    assert views[0]["ask"]["stop_btn"] is True
    last = views[-1]
    said = texts(last)
    assert said[0] == QUESTION
    assert said[1].startswith("4 steps")
    assert said[2].startswith(
        "Search for “pitted cones” | L1 · 40 rows | `search_words(text='pitted cones')`"
    )
    assert "Keep rows of L1 within 40 km of L2 | L3 · 12 rows" in said[4]
    assert "[L3](#L3)" in said[6]
    assert "4 of 4 numbers traced" in said[-1]
    metadata = [message["metadata"] for message in last["dialogue"][2:6]]
    assert {m["parent_id"] for m in metadata} == {last["dialogue"][1]["metadata"]["id"]}
    assert [m["status"] for m in metadata] == ["done"] * 4
    assert last["ask"]["submit_btn"] is True


def test_the_real_agent_answers_in_the_chat(page: GradioPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "open_conversation", agent.loop.open_conversation)
    last = page.ask(QUESTION)
    said = " ".join(texts(last))
    assert "Search for “pitted cones”" in said
    assert "Keep rows of L1 within 40 km of L2" in said
    assert "[![Map of the result](" in said
    assert last["channel"]["layers"]
    assert "<figure" in page.panel("evidence", last)
    assert last["dialogue"][-1]["options"]


def test_the_evidence_stands_beside_the_answer(page: GradioPage) -> None:
    last = page.ask(QUESTION)
    globe = last["channel"]
    assert globe["layers"] == ["L3", "L1"]
    tiles = page.panel("evidence", last)
    assert tiles.count("<figure") == 12
    assert 'aria-pressed="true" title="pitted cones near outflow channel"' in tiles
    assert page.panel("layers", last).count("<tr") == 1 + 3
    assert "transcript.zip" in page.panel("share", last)
    base = f"areographer/c/{globe['conversation']}"
    sent = page.http.get(f"{base}/layers?ids=L3,L1").json()
    assert [layer["count"] for layer in sent["layers"]] == [12, 40]
    assert "basemap" not in sent
    picture = next(text for text in texts(last) if text.startswith("[![Map"))
    address = picture.split("](")[1].rstrip(")")
    assert page.http.get(address).headers["content-type"] == "image/png"
    tile = tiles.split('<img src="')[1].split('"')[0]
    answer = page.http.get(tile)
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]


def test_a_panel_can_show_another_layer(page: GradioPage) -> None:
    last = page.ask(QUESTION)
    assert page.panel("evidence", last, layer="L2").count("<figure") == 24
    assert page.panel("evidence", last, shown="L2").count("<figure") == 24
    assert page.panel("evidence", last, layer="L99") == page.panel("evidence", last)


def test_examples_follow_ups_and_tiles_ask_too(page: GradioPage) -> None:
    example = page.last("dialogue", "example_select", detail={"index": 0, "value": {"text": EXAMPLES[1]}})
    assert texts(example)[0] == EXAMPLES[1]
    options = example["dialogue"][-1]["options"]
    follow_up = page.last("dialogue", "option_select", detail={"index": 0, "value": options[0]["value"]})
    assert options[0]["value"] in texts(follow_up)
    assert not any(
        message["options"] for message in follow_up["dialogue"][:-1]
    )  # only the last can be clicked
    more = page.last("channel", "question", detail={"text": "Show tiles like 60km-r03c08"})
    assert "Show tiles like 60km-r03c08" in texts(more)


def test_a_reload_brings_the_dialogue_back_with_its_steps(chat: app.Chat, page: GradioPage) -> None:
    before = page.ask(QUESTION)
    conversation = before["channel"]["conversation"]
    with GradioPage(str(chat.local_url), f"c={conversation}") as again:
        after = again.last("page", "load")
        assert after["dialogue"] == before["dialogue"]
        assert again.panel("evidence", after) == page.panel("evidence", before)
        # And after a restart of the server, from the store alone.
        chat.sessions._open.clear()
        assert texts(again.last("page", "load")) == texts(before)
        assert texts(again.ask("And south?"))[-1].startswith("<small>")


def test_a_page_that_outlived_its_server_goes_on_where_it_was(chat: app.Chat, page: GradioPage) -> None:
    conversation = page.ask(QUESTION)["channel"]["conversation"]
    with GradioPage(str(chat.local_url), f"c={conversation}") as orphan:
        # The new server knows nothing of this page but its address.
        after = orphan.ask("And south of the equator?")
    assert after["channel"]["conversation"] == conversation
    assert texts(after)[0] == QUESTION
    assert "And south of the equator?" in texts(after)


def test_a_wrong_address_opens_an_empty_page_that_says_why(chat: app.Chat) -> None:
    for name in ("0" * 32, "../../etc/passwd", "<script>"):
        with GradioPage(str(chat.local_url), f"c={name}") as wrong:
            shown = wrong.last("page", "load")
            assert "Ask a question to begin a new conversation" in texts(shown)[0]
            assert shown["channel"]["conversation"] == ""
            assert len(texts(wrong.ask(QUESTION))) > 5


def test_stop_ends_the_work_and_the_next_question_is_answered(page: GradioPage) -> None:
    pressed_at, last = 0.0, {}
    for last in page.fire("ask", "submit", {"text": "slow " + QUESTION, "files": []}):
        if not pressed_at and texts(last)[-1].startswith("Search for “outflow"):
            pressed_at = time.monotonic()
            page.press("ask", "stop")
    assert pressed_at
    assert time.monotonic() - pressed_at < 5
    assert "stopped; what was finished before is kept" in texts(last)[-1]
    assert "L1 · 40 rows" in " ".join(texts(last))
    assert last["ask"]["submit_btn"] is True
    assert "traced" in texts(page.ask(QUESTION))[-1]


def test_a_second_question_waits_for_the_first(page: GradioPage) -> None:
    notices, views, pressed = [], [], False
    for view in page.fire("ask", "submit", {"text": "slow " + QUESTION, "files": []}):
        (notices if "notice" in view else views).append(view)
        if notices:
            page.press("ask", "stop")
        elif not pressed and texts(view)[-1].startswith("Search for “outflow"):
            pressed = True
            page.press("dialogue", "option_select", detail={"index": 0, "value": "Another"})
    assert "still being answered" in notices[0]["notice"]
    assert "Another" not in texts(views[-1])
    assert "stopped" in texts(views[-1])[-1]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("refuse this", "The question is refused. Allowed: other questions. Next: ask another."),
        ("break this", "Something went wrong on our side"),
        ("none of this", "minerals cannot be told apart"),
    ],
)
def test_failures_are_messages_and_keep_what_came_before(page: GradioPage, question: str, said: str) -> None:
    page.ask(QUESTION)
    after = page.ask(question)
    assert said in " ".join(texts(after))
    assert texts(after)[0] == QUESTION
    assert question in texts(after)
    assert after["ask"]["submit_btn"] is True
    assert "traced" in texts(page.ask(QUESTION))[-1]


def test_an_answer_cannot_bring_html_or_fetch_pictures_from_afar(page: GradioPage) -> None:
    answer = " ".join(texts(page.ask("evil <img src=x onerror=alert(1)> ![a](http://example.com/b.png)")))
    assert "<script" not in answer
    assert "<img" not in answer
    assert "![a]" not in answer
    assert "![x]" not in answer
    assert "&lt;script&gt;" in answer or "&lt;script>" in answer


def test_a_picture_becomes_part_of_the_question(page: GradioPage, settings: Settings, tmp_path: Path) -> None:
    picture = tmp_path / "my dunes.jpg"
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(picture)
    shown = page.ask("", picture)
    question = texts(shown)[0]
    assert question.startswith("Show tiles like picture-")
    address = question.split("](")[1].rstrip(")")
    assert page.http.get(address).headers["content-type"] == "image/png"
    folder = settings.uploads / shown["channel"]["conversation"]
    assert [path.name for path in folder.iterdir()] == [address.rsplit("/", 1)[1]]
    # In words too, and twice the same picture is one file.
    assert texts(page.ask("Where is this north of 20 degrees?", picture))[-1].startswith("<small>")
    assert len(list(folder.iterdir())) == 1


def test_what_only_claims_to_be_a_picture_gets_a_clear_line(page: GradioPage, tmp_path: Path) -> None:
    page.ask(QUESTION)
    fake = tmp_path / "not a picture.png"
    fake.write_text("a,b\n1,2\n")
    said = " ".join(texts(page.ask("What is this?", fake)))
    assert "'not a picture.png' cannot be read as a picture" in said.replace("_", " ")
    assert "PNG, JPEG, TIFF, WebP, GIF or BMP" in said
    assert QUESTION in said


def test_an_empty_question_changes_nothing(page: GradioPage) -> None:
    page.ask(QUESTION)
    skipped = page.last("ask", "submit", {"text": "   ", "files": []})
    assert skipped["dialogue"]["__type__"] == "update"
    assert "value" not in skipped["dialogue"] | skipped["ask"] | skipped["channel"]
    assert len(page.ask("Another question")["dialogue"]) == 2 * len(page.ask(QUESTION)["dialogue"]) // 3


def test_a_new_conversation_leaves_the_old_one_as_it_was(chat: app.Chat, page: GradioPage) -> None:
    old = page.ask(QUESTION)["channel"]["conversation"]
    empty = page.last("new", "click")
    assert empty["dialogue"] == []
    assert empty["channel"]["conversation"] == ""
    assert "appear here" in page.panel("evidence", empty)
    new = page.ask("Another question")
    assert new["channel"]["conversation"] != old
    assert texts(new)[0] == "Another question"
    with GradioPage(str(chat.local_url), f"c={old}") as again:
        assert texts(again.last("page", "load"))[0] == QUESTION


def test_two_users_at_once_do_not_mix(chat: app.Chat) -> None:
    answers: dict[int, object] = {}

    def use(number: int) -> None:
        with GradioPage(str(chat.local_url)) as mine:
            list(mine.fire("page", "load"))
            for k in range(2):
                answers[number] = mine.ask(f"question {k} of user {number}")

    users = [threading.Thread(target=use, args=(n,)) for n in range(3)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len({answers[n]["channel"]["conversation"] for n in range(3)}) == 3  # type: ignore[index]
    for number in range(3):
        said = " ".join(texts(answers[number]))
        assert f"question 0 of user {number}" in said
        assert not any(f"of user {other}" in said for other in range(3) if other != number)
        assert len(answers[number]["channel"]["layers"]) == 2  # type: ignore[index]


def test_a_taken_port_and_an_unknown_model_are_refused_in_words(
    chat: app.Chat,
    tiny_index: TileIndex,
    pattern_encoder: PatternEncoder,
    home: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsError, match="there is no model 'gpt'"):
        app.build_app(home, tiny_index, pattern_encoder, load_prompts(), "gpt")
    second = app.build_app(home, tiny_index, pattern_encoder, load_prompts(), "offline")
    with pytest.raises(SettingsError, match=r"port \d+ of 127.0.0.1 cannot be used"):
        app.start(second, home, port=int(str(chat.local_url).rstrip("/").rsplit(":", 1)[1]))
    second.shut()
    monkeypatch.setattr(app, "open_conversation", agent.loop.open_conversation)
    with pytest.raises(SettingsError, match="needs a key"):
        app.build_app(home, tiny_index, pattern_encoder, load_prompts(), "openai:some-model")


def test_elsewhere_each_browser_lists_its_own_conversations(
    home: Settings,
    tiny_index: TileIndex,
    pattern_encoder: PatternEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app, "open_conversation", opener())
    chat = app.build_app(home, tiny_index, pattern_encoder, load_prompts(), "offline", local=False)
    with serving(chat, home) as address, GradioPage(address) as one, GradioPage(address) as two:
        for page in (one, two):
            empty = page.last("page", "load")
            assert "Ask a question to begin one" in page.panel("conversations", empty)
        mine = one.ask("Where are cones?")
        assert "Where are cones?" in one.panel("conversations", mine)
        assert "Where are cones?" not in two.panel("conversations", empty)
        # Who knows the address may go on with it; it stays in the list where it was begun.
        with GradioPage(address, f"c={mine['channel']['conversation']}") as guest:
            assert texts(guest.last("page", "load"))[0] == "Where are cones?"
            assert "Where are cones?" not in guest.panel("conversations", mine)
