"""Dialogue: questions, steps and answers as messages, with nobody's HTML in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.chat.dialogue import answer_markdown, call_text, messages, plain, step_title
from agent.chat.sessions import Progress
from agent.chat.timeleft import TimeLeft
from agent.events import Answered, Evidence, Step, StepStarted

STEP = Step(
    "1",
    "near",
    {"layer": "L1", "other": "L2", "distance_km": 40.0},
    "Kept 12.",
    ("L3",),
    {"count": 12},
    (),
    0.31,
)
DONE = Answered("12 lie close [L3].", "answered", Evidence(2, (), ("L3",)), ("And south?",), 1.26)


def shown(progress: Progress, latest: bool = True) -> list[dict[str, object]]:
    return messages(progress, 2, "areographer/c/abc", latest)


def test_a_question_in_hand_shows_a_spinner_before_any_step() -> None:
    question, group = shown(Progress("Where?"))
    assert question == {"role": "user", "content": "Where?"}
    assert group["metadata"] == {"id": "q2", "title": "Reading the question", "status": "pending"}


def test_a_running_step_is_pending_and_nested() -> None:
    *_, group, done, running = shown(
        Progress("Where?", [STEP, StepStarted("2", "draw_map", {"layers": ["L3"]})])
    )
    assert group["metadata"]["title"] == "Working, step 2"  # type: ignore[index]
    assert done["metadata"] == {  # type: ignore[comparison-overlap]
        "id": "q2-0",
        "parent_id": "q2",
        "title": "Keep rows of L1 within 40 km of L2",
        "status": "done",
        "duration": 0.31,
        "log": "L3 · 12 rows",
    }
    assert "`near(layer='L1', other='L2', distance_km=40.0)`" in str(done["content"])
    assert "Kept 12." in str(done["content"])
    assert running["metadata"]["status"] == "pending"  # type: ignore[index]
    assert running["metadata"]["title"] == "Draw a map of L3"  # type: ignore[index]


def test_steps_of_the_last_answer_stay_open_and_older_ones_fold() -> None:
    progress = Progress("Where?", [STEP], DONE.text, DONE)
    assert "status" not in shown(progress)[1]["metadata"]  # type: ignore[operator]
    assert shown(progress, latest=False)[1]["metadata"]["status"] == "done"  # type: ignore[index]
    assert "options" not in shown(progress, latest=False)[-1]
    assert shown(progress)[-1]["options"] == [{"value": "And south?", "label": "And south?"}]


def test_a_failed_and_an_unfinished_step_say_so() -> None:
    failed = replace(STEP, error="there is no layer 'L9'.", summary="", layer_ids=())
    stopped = Answered("Stopped.", "stopped", Evidence(), (), 0.5)
    found = shown(
        Progress("Where?", [failed, StepStarted("2", "union", {"layers": ["L1", "L2"]})], "Stopped.", stopped)
    )
    assert found[2]["metadata"]["log"] == "could not be done"  # type: ignore[index]
    assert "there is no layer 'L9'." in str(found[2]["content"])
    assert found[3]["metadata"]["log"] == "not finished"  # type: ignore[index]
    assert "stopped; what was finished before is kept · 0.5 s" in str(found[-1]["content"])


def test_stopping_shows_until_the_step_in_hand_ends() -> None:
    progress = Progress("Where?", [STEP], stopping=True)
    assert shown(progress)[1]["metadata"]["title"] == "Stopping after the step in hand"  # type: ignore[index]


def test_an_answer_without_steps_has_no_group() -> None:
    declined = Answered("There is no infrared.", "declined", Evidence(), (), 0.1)
    found = shown(Progress("Minerals?", [], declined.text, declined))
    assert [message["role"] for message in found] == ["user", "assistant", "assistant"]
    assert "declined · 0.1 s" in str(found[-1]["content"])


def test_nothing_is_said_where_nothing_is_known() -> None:
    refused = Progress("q")
    refused.take(Answered("Bad.", "answered", Evidence(), ("Try this?",), 0.0))
    found = shown(refused)
    assert [message["content"] for message in found[-2:]] == [
        "Bad.",
        "[Copy](#do-copy-2) [Edit](#do-edit-2) [Branch here](#do-branch-2) [Ask again](#do-again-2)",
    ]
    assert found[-1]["options"] == [{"value": "Try this?", "label": "Try this?"}]


def test_an_endless_question_is_cut_where_it_is_shown() -> None:
    question = shown(Progress("gullies " * 700))[0]
    assert len(str(question["content"])) == 1201


def test_numbers_that_no_tool_gave_are_named() -> None:
    doubtful = replace(DONE, evidence=Evidence(3, ("99", "![x](http://a.b/c.png)"), ()))
    print_ = str(shown(Progress("q", [STEP], DONE.text, doubtful))[-1]["content"])
    assert "**Not backed by any tool result:** 99" in print_
    assert "1 of 3 numbers traced" in print_
    assert "![x]" not in print_


def test_pictures_of_steps_and_of_the_question_are_shown() -> None:
    drawn = replace(STEP, tool="draw_map", arguments={"layers": ["L3"]}, pictures=("map L3.png",))
    name = "picture-0123456789ab.png"
    found = shown(Progress(f"Like {name}? And {name}", [drawn], DONE.text, DONE))
    assert str(found[0]["content"]).count("![Uploaded picture](areographer/c/abc/upload/") == 1
    pictures = [
        str(m["content"]) for m in found if "areographer/c/abc/file/map%20L3.png" in str(m["content"])
    ]
    assert len(pictures) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "title"),
    [
        ("search_words", {"text": "pitted cones", "min_probability": None}, "Search for “pitted cones”"),
        ("union", {"layers": ["L1", "L2"]}, "Join L1, L2"),
        ("near", {"layer": "L1"}, "near L1"),
        ("classify_region", {"place": "x" * 90}, "classify region " + "x" * 59 + "…"),
        ("refresh", {}, "refresh"),
        ("search_words", {"text": "<b>![a](b)"}, "Search for “&lt;b>!\\[a]\\(b)”"),
    ],
)
def test_step_titles(tool: str, arguments: dict[str, object], title: str) -> None:
    assert step_title(tool, arguments) == title


def test_a_call_is_shown_without_what_was_not_given() -> None:
    assert (
        call_text("near", {"layer": "L1", "distance_km": 40, "place": None})
        == "near(layer='L1', distance_km=40)"
    )


def test_citations_become_links_once() -> None:
    assert answer_markdown("See [L3], [L12](#L12) and L4.") == "See [L3](#L3), [L12](#L12) and L4."
    assert answer_markdown("Nearer [L1, L2].") == "Nearer [L1](#L1) [L2](#L2)."


@given(st.text(alphabet=st.sampled_from("<>![]()&abc \n`*"), max_size=60))
def test_no_text_brings_html_or_a_picture(text: str) -> None:
    made = plain(text)
    assert "<" not in made
    assert "![" not in made


def test_the_step_in_hand_says_how_long_it_takes() -> None:
    class Left(TimeLeft):
        words = "62 %, about 4 s left"

    steps = [STEP, StepStarted("2", "associate", {}), StepStarted("3", "draw_map", {})]
    found = [message["metadata"] for message in shown(Progress("Where?", steps, left=Left()))[3:]]
    assert found[0]["log"] == "62 %, about 4 s left"  # type: ignore[index]
    assert "log" not in found[1]  # type: ignore[operator]


def test_what_can_be_done_with_a_question_depends_on_it() -> None:
    progress = Progress("Where?", [STEP], DONE.text, DONE)
    assert "#do-again-2" in str(shown(progress)[-1]["content"])
    assert "#do-again" not in str(shown(progress, latest=False)[-1]["content"])
    progress.by_hand = True
    assert str(shown(progress)[-1]["content"]).endswith("[Copy](#do-copy-2) [Branch here](#do-branch-2)")
    assert "#do-" not in str(shown(Progress("Where?", [STEP])))
