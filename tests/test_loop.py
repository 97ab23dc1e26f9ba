"""The real loop with toy tools: over HTTP with a scripted server, and with scripted chat models."""

import gc
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from agent.conversations import ConversationStore
from agent.events import Answered, AnswerText, Event, StepFinished, StepStarted
from agent.loop import Conversation, open_conversation, suggest
from agent.models import make_model
from agent.record import Record, only_stated
from agent.stack import describe_state
from prompts import load_prompts
from retrieval.errors import QuestionError, SettingsError
from retrieval.settings import Settings
from tests.openai_server import Call, Drop, Fail, Hang, OpenAIServer, Say, openai_server, what_is_wrong
from tests.toys import TOYS, ScriptedChat, ToyIndex, seek, toy_workspace

Ask = Callable[..., Conversation]


@pytest.fixture
def store(home: Settings) -> Iterator[ConversationStore]:
    with ConversationStore(home.conversations) as store:
        yield store


@pytest.fixture
def talk(home: Settings, store: ConversationStore) -> Ask:
    """Start a conversation with a scripted server or model, or go on with one."""

    def start(
        other: OpenAIServer | ScriptedChat,
        conversation_id: str | None = None,
        store: ConversationStore = store,
        **limits: Any,
    ) -> Conversation:
        if isinstance(other, OpenAIServer):
            settings, name = replace(home, openai_base_url=other.url, **limits), "openai:m"
            chat = make_model(name, settings, lambda: ScriptedChat(responses=[]))
        else:
            settings, name, chat = replace(home, **limits), "offline", other
        conversation_id = conversation_id or store.create("toy", name)
        workspace = toy_workspace(settings, conversation_id)
        return Conversation(conversation_id, workspace, name, chat, "You are a test.", store, TOYS)

    return start


def kinds(events: Sequence[Event]) -> list[str]:
    """Names of the events, pieces of one text as one."""
    names = [type(event).__name__ for event in events]
    return [name for i, name in enumerate(names) if name != "AnswerText" or names[i - 1 : i] != [name]]


def last(events: Sequence[Event]) -> Answered:
    assert isinstance(events[-1], Answered)
    assert sum(isinstance(event, Answered) for event in events) == 1
    return events[-1]


def test_a_question_is_answered_step_by_step(talk: Ask, store: ConversationStore) -> None:
    script = (
        Call([("seek", {"text": "cones", "limit": 7})], text="Let me look."),
        Say("There are 7 cones [L1]."),
    )
    with openai_server(*script) as server:
        conversation = talk(server)
        events = list(conversation.ask(" Where are cones? "))
    steps = ["Planned", "StepStarted", "StepFinished"]
    assert kinds(events) == ["AnswerText", *steps, "AnswerText", "Answered"]
    answered = last(events)
    assert (answered.text, answered.status) == ("There are 7 cones [L1].", "answered")
    assert (answered.evidence.checked, answered.evidence.unsupported) == (1, ())
    assert answered.evidence.citations == ("L1",)
    assert "Draw a map of L1" in answered.suggestions
    texts = [event for event in events if isinstance(event, AnswerText)]
    fresh = [event.restart for event in texts].index(True)
    assert "".join(event.text for event in texts[:fresh]) == "Let me look."
    assert "".join(event.text for event in texts[fresh:]) == answered.text
    (started,) = [event for event in events if isinstance(event, StepStarted)]
    (finished,) = conversation.turns[0].steps
    assert started.arguments == {"text": "cones", "limit": 7}
    assert started.step_id == finished.step_id
    assert (finished.summary, finished.layer_ids) == ("L1: 7 tiles.", ("L1",))
    assert finished.figures == {"count": 7, "share": 0.25}
    assert finished.pictures == ("maps/map.png",)
    assert finished.seconds > 0
    (turn,) = conversation.turns
    assert (turn.question, turn.answer, turn.model) == ("Where are cones?", answered.text, "openai:m")
    assert store.turns(conversation.id) == [turn]


def test_a_step_starts_before_its_tool_runs(talk: Ask) -> None:
    with openai_server(Call([("seek", {"text": "cones"})]), Say("Done.")) as server:
        conversation = talk(server)
        for event in conversation.ask("Where are cones?"):
            if isinstance(event, StepStarted):
                assert len(conversation.workspace.layers) == 0
            if isinstance(event, StepFinished):
                assert len(conversation.workspace.layers) == 1
    assert len(conversation.turns[0].steps) == 1


def test_the_model_sees_tools_state_and_results(talk: Ask) -> None:
    with openai_server(Call([("seek", {"text": "cones"})]), Say("Done.")) as server:
        list(talk(server).ask("Where are cones?"))
        first, second = server.requests
    assert first["messages"][0]["content"].startswith("You are a test.")
    assert "Body: lowell. Index: toy, 700 tiles of 60 km" in first["messages"][0]["content"]
    assert "none yet" in first["messages"][0]["content"]
    assert '- L1: "cones" (5 tiles)' in second["messages"][0]["content"]
    tool = first["tools"][0]["function"]
    assert tool["description"] == "Find tiles that look like a text. The best come first."
    limit = tool["parameters"]["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 50, 5)
    assert limit["description"] == "How many tiles, 1 to 50."
    assert tool["parameters"]["required"] == ["text"]
    result = json.loads(second["messages"][-1]["content"])
    assert result["summary"] == "L1: 5 tiles."
    assert result["figures"] == {"count": 5, "share": 0.25}
    assert result["layers"][0]["title"] == "cones"
    assert result["table"] == [{"row_id": "r0", "probability": 0.9, "score": None}]


def test_tools_of_one_message_run_in_the_order_named(talk: Ask) -> None:
    names = [f"t{number}" for number in range(6)]
    with openai_server(Call([("seek", {"text": name}) for name in names]), Say("Done.")) as server:
        conversation = talk(server)
        list(conversation.ask("Where is everything?"))
    assert [layer.title for layer in conversation.workspace.layers] == names
    assert [step.layer_ids for step in conversation.turns[0].steps] == [(f"L{n}",) for n in range(1, 7)]


def test_a_conversation_goes_on_after_a_restart(talk: Ask) -> None:
    with openai_server(Call([("seek", {"text": "cones"})]), Say("5 cones [L1].")) as server:
        first = talk(server)
        list(first.ask("Where are cones?"))
        server.replies[:] = [Say("As said, 5 of them [L1].")]
        again = talk(server, first.id)
        assert [turn.question for turn in again.turns] == ["Where are cones?"]
        answered = last(list(again.ask("How many were there?")))
        sent = [message["role"] for message in server.requests[-1]["messages"]]
    assert sent == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert answered.evidence.unsupported == ()
    assert again.turns[1].steps == ()


def test_numbers_that_no_tool_gave_are_marked(talk: Ask) -> None:
    with openai_server(Call([("seek", {"text": "cones"})]), Say("5 cones and 9 others [L1] [L4].")) as server:
        answered = last(list(talk(server).ask("Where are cones?")))
    assert answered.text == "5 cones and 9 (unsupported) others [L1] [L4] (unsupported)."
    assert answered.evidence.unsupported == ("9", "[L4]")


def test_a_declined_question_offers_another(talk: Ask) -> None:
    arguments = {"reason": "Pictures tell no ages.", "suggestion": "Where are cones?"}
    with openai_server(Call([("decline", arguments)]), Say("Ages cannot be seen.")) as server:
        answered = last(list(talk(server).ask("How old are the cones?")))
    assert answered.status == "declined"
    assert answered.suggestions == ("Where are cones?",)


def test_a_question_back_is_no_answer(talk: Ask, store: ConversationStore) -> None:
    said = "Which 2 do you mean: dunes near Ares Mons, or 7 cones?"
    with openai_server(Say(said), Say("Why? Nothing was found.")) as server:
        conversation = talk(server)
        answers = [last(list(conversation.ask(text))) for text in ("Compare them", "The cones")]
    assert [one.status for one in answers] == ["asked", "answered"]
    assert answers[0].text == said
    assert answers[0].evidence.unsupported == ()
    assert [turn.status for turn in store.turns(conversation.id)] == ["asked", "answered"]
    assert only_stated("7.5 km. Is it 3.5 km? 8") == "7.5 km." + " " * len(" Is it 3.5 km?") + " 8"


def test_a_model_without_streaming_works_too(talk: Ask) -> None:
    call = {"name": "seek", "args": {"text": "cones"}, "id": "a"}
    script = [AIMessage("", tool_calls=[call]), AIMessage("5 tiles [L1].")]
    events = list(talk(ScriptedChat(responses=script)).ask("Where are cones?"))
    assert kinds(events) == ["StepStarted", "StepFinished", "AnswerText", "Answered"]
    assert last(events).text == "5 tiles [L1]."


def test_a_model_may_suggest_what_to_ask_next(talk: Ask) -> None:
    reply = AIMessage("Done.", additional_kwargs={"suggestions": ["And dunes?"]})
    assert last(list(talk(ScriptedChat(responses=[reply])).ask("Cones?"))).suggestions == ("And dunes?",)


def test_any_thread_may_draw_the_next_event(talk: Ask) -> None:
    with openai_server(Call([("seek", {"text": "a"})], text="Hm."), Say("5 tiles.")) as server:
        stream, events = talk(server).ask("Where are cones?"), []

        def draw_one() -> None:
            events.append(Context().run(next, stream, None))

        while not events or events[-1] is not None:
            thread = threading.Thread(target=draw_one)
            thread.start()
            thread.join()
    assert last(events[:-1]).status == "answered"


def test_the_loop_itself_takes_little_time(talk: Ask) -> None:
    call = {"name": "draw", "args": {"layers": []}, "id": "a"}
    script = [AIMessage("", tool_calls=[call]), AIMessage("Done.")]
    conversation = talk(ScriptedChat(responses=script * 4))
    spent = []
    for _ in range(4):
        started = time.process_time()  # of all threads; other programs on the machine do not count
        list(conversation.ask("Where are cones?"))
        spent.append(time.process_time() - started)
    assert min(spent) < 0.3


@pytest.mark.parametrize("question", ["", "  \n", "?!", "x" * 4001])
def test_a_question_that_cannot_be_asked_leaves_nothing(
    talk: Ask, store: ConversationStore, question: str
) -> None:
    conversation = talk(ScriptedChat(responses=[AIMessage("Done.")]))
    with pytest.raises(QuestionError):
        conversation.ask(question)
    assert conversation.turns == []
    assert store.turns(conversation.id) == []


def test_odd_characters_do_no_harm(talk: Ask, store: ConversationStore) -> None:
    conversation = talk(ScriptedChat(responses=[AIMessage("Done.")]))
    assert last(list(conversation.ask("cones \ud800 \x00 \u202e?"))).status == "answered"
    assert len(store.turns(conversation.id)) == 1


def test_two_questions_at_once_are_refused(talk: Ask) -> None:
    conversation = talk(ScriptedChat(responses=[AIMessage("Done.")]))
    first = conversation.ask("Where are cones?")
    next(first)
    with pytest.raises(QuestionError, match="still being answered"):
        next(conversation.ask("And dunes?"))
    assert last(list(first)).status == "answered"
    assert last(list(conversation.ask("And dunes?"))).status == "answered"


# --- tools that fail ---------------------------------------------------------------------------------------

FAILURES = [
    ("seek", {"text": "cones", "limit": "many"}, 'limit: input should be a valid integer, not "many"'),
    ("seek", {"text": "cones", "limit": "7"}, "limit: input should be a valid integer"),
    ("seek", {"text": "cones", "limit": 51}, "limit: input should be less than or equal to 50, not 51"),
    (
        "seek",
        {"text": "cones", "colour": "red"},
        "no argument 'colour'. Allowed: text (string), limit",
    ),
    ("seek", {}, "text is missing"),
    ("seek", {"text": "trouble"}, "nothing looks like trouble. Allowed: landforms. Next: ask for cones."),
    ("seek", {"text": "bug"}, "seek failed by a fault of the program (ValueError)"),
    ("draw", {"layers": ["L9"]}, "there is no layer 'L9'"),
    ("draw", {"layers": [], "style": "oil"}, "style (flat | globe, optional)"),
    ("destroy", {}, "destroy is not a valid tool"),
]


@pytest.mark.parametrize(("tool", "arguments", "text"), FAILURES)
def test_the_model_is_told_what_was_wrong(
    talk: Ask, tool: str, arguments: dict[str, Any], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with openai_server(Call([(tool, arguments)]), Say("It failed.")) as server:
        conversation = talk(server)
        assert last(list(conversation.ask("Where are cones?"))).status == "answered"
        told = server.requests[1]["messages"][-1]["content"]
    (step,) = conversation.turns[0].steps
    assert text in step.error
    assert told == step.error
    assert (step.summary, step.figures, step.layer_ids) == ("", {}, ())
    assert "Traceback" not in told
    assert "secret detail" not in told
    if "fault" in text:
        assert "secret detail" in caplog.text


def test_a_call_that_is_no_json_is_asked_for_again(talk: Ask) -> None:
    script = (Call([("seek", "text: cones")]), Call([("seek", {"text": "cones"})]), Say("5 tiles [L1]."))
    with openai_server(*script) as server:
        conversation = talk(server)
        assert last(list(conversation.ask("Where are cones?"))).status == "answered"
    bad, good = conversation.turns[0].steps
    assert "not valid JSON" in bad.error
    assert good.error == ""


@pytest.mark.parametrize("call_id", ["", "same"])
def test_careless_ids_of_calls_do_no_harm(talk: Ask, call_id: str) -> None:
    calls = [("seek", {"text": name}) for name in "abc"]
    with openai_server(Call(calls, call_id=call_id), Say("15 tiles.")) as server:
        conversation = talk(server)
        assert last(list(conversation.ask("Where is everything?"))).status == "answered"
        answers = [m for m in server.requests[-1]["messages"] if m["role"] == "tool"]
    assert [step.layer_ids for step in conversation.turns[0].steps] == [("L1",), ("L2",), ("L3",)]
    assert len({answer["tool_call_id"] for answer in answers}) == 3


def test_calls_that_are_never_json_end(talk: Ask) -> None:
    with openai_server(Call([("seek", "text: cones")])) as server:
        answered = last(list(talk(server, max_model_calls=3).ask("Where are cones?")))
        assert len(server.requests) == 3
    assert answered.status == "failed"


def test_a_busy_server_is_asked_again(talk: Ask) -> None:
    with openai_server(Fail(429), Fail(503), Say("Done.")) as server:
        assert last(list(talk(server).ask("Where are cones?"))).text == "Done."
        assert len(server.requests) == 3


def test_an_answer_that_breaks_off_is_asked_for_again(talk: Ask) -> None:
    with openai_server(Drop("There are"), Say("Done.")) as server:
        events = list(talk(server).ask("Where are cones?"))
    texts = [event for event in events if isinstance(event, AnswerText)]
    assert [event.restart for event in texts].count(True) == 1
    assert last(events).text == "Done."


MODEL_FAILURES = [
    (Fail(401, "Incorrect key sk-secret"), "refused the key"),
    (Fail(403, "no"), "refused the key"),
    (Fail(404, "no such model"), "does not know this model: m at 127.0.0.1"),
    (Fail(429), "over its limit"),
    (Fail(400, "context_length_exceeded"), "grown too long"),
    (Fail(422, "sk-secret has no credit"), "status 422: ... has no credit"),
    (Fail(500, "oh dear"), "failed with status 500: oh dear"),
    (Drop("There are"), "broke while it was answering"),
    (Say(""), "gave no answer"),
]


@pytest.mark.parametrize(("reply", "text"), MODEL_FAILURES)
def test_a_failing_model_is_explained_and_the_next_question_works(
    talk: Ask, reply: Fail | Drop | Say, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with openai_server(reply) as server:
        conversation = talk(server, openai_api_key="sk-secret")
        failed = last(list(conversation.ask("Where are cones?")))
        server.replies[:] = [Say("Done.")]
        assert last(list(conversation.ask("And now?"))).text == "Done."
    assert failed.status == "failed"
    assert text in failed.text
    assert "sk-secret" not in failed.text + caplog.text
    assert [turn.status for turn in conversation.turns] == ["failed", "answered"]


def test_a_server_that_is_not_there_is_explained(talk: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.models.SERVER_RETRIES", 0)
    with openai_server(Say("")) as server:
        pass
    answered = last(list(talk(server).ask("Where are cones?")))
    assert answered.status == "failed"
    assert "cannot be reached" in answered.text


def test_a_broken_model_of_ours_does_not_break_the_chat(talk: Ask) -> None:
    class Broken(ScriptedChat):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise KeyError("secret detail")

    answered = last(list(talk(Broken(responses=[])).ask("Where are cones?")))
    assert answered.status == "failed"
    assert "fault of the program (KeyError)" in answered.text


def test_a_model_that_never_ends_is_ended_politely(talk: Ask) -> None:
    with openai_server(Call([("seek", {"text": "cones"})])) as server:
        conversation = talk(server, max_model_calls=3)
        answered = last(list(conversation.ask("Where are cones?")))
        assert len(server.requests) == 3
        server.replies[:] = [Say("Done.")]
        assert last(list(conversation.ask("And now?"))).text == "Done."
    assert answered.status == "failed"
    assert "gave up after 3 rounds" in answered.text
    assert "[L1], [L2], [L3]" in answered.text
    assert answered.evidence.citations == ("L1", "L2", "L3")


def test_too_many_tools_are_refused_one_by_one(talk: Ask) -> None:
    calls = [("seek", {"text": str(number)}) for number in range(4)]
    with openai_server(Call(calls), Say("Done.")) as server:
        conversation = talk(server, max_tool_calls=2)
        assert last(list(conversation.ask("Where is everything?"))).status == "answered"
    errors = [step.error for step in conversation.turns[0].steps]
    assert sum("limit exceeded" in error for error in errors) == 2
    assert len(conversation.workspace.layers) == 2


def press_stop(conversation: Conversation, events: Iterator[Event], when: type[Event]) -> list[Event]:
    """Draw all events, pressing stop a moment after the first one of a kind."""
    drawn: list[Event] = []
    button = threading.Timer(0.1, conversation.workspace.stop.set)
    for event in events:
        if isinstance(event, when) and not any(isinstance(earlier, when) for earlier in drawn):
            button.start()
        drawn.append(event)
    button.join()
    return drawn


def test_stop_ends_a_tool_and_keeps_what_was_finished(talk: Ask) -> None:
    calls = [("seek", {"text": "cones"}), ("seek", {"text": "slow"}), ("seek", {"text": "dunes"})]
    with openai_server(Call(calls), Say("Done.")) as server:
        conversation = talk(server)
        started = time.perf_counter()
        events = press_stop(conversation, conversation.ask("Where is everything?"), StepFinished)
        assert time.perf_counter() - started < 4
        assert last(events).status == "stopped"
        assert last(events).evidence.citations == ("L1",)
        assert last(list(conversation.ask("And now?"))).text == "Done."
        answers = [m for m in server.requests[-1]["messages"] if m["role"] == "tool"]
    assert [layer.title for layer in conversation.workspace.layers] == ["cones"]
    by_text = {step.arguments["text"]: step.error for step in conversation.turns[0].steps}
    assert by_text["cones"] == ""
    assert "stop" in by_text["slow"]
    assert "stop" in by_text["dunes"]
    # What the first tool found is still in the model's memory; only the others are errors.
    assert "L1: 5 tiles." in answers[0]["content"]
    assert all("pressed stop" in answer["content"] for answer in answers[1:])


def test_stop_ends_a_model_that_hangs(talk: Ask) -> None:
    release = threading.Event()
    script = (Call([("seek", {"text": "cones"})]), Hang(release, "There are"), Say("Done."))
    with openai_server(*script) as server:
        conversation = talk(server)
        started = time.perf_counter()
        events = press_stop(conversation, conversation.ask("Where are cones?"), AnswerText)
        assert time.perf_counter() - started < 4
        assert last(events).status == "stopped"
        assert "[L1]" in last(events).text
        assert last(list(conversation.ask("And now?"))).text == "Done."
        release.set()
    assert [turn.status for turn in conversation.turns] == ["stopped", "answered"]
    gc.collect()


def test_a_program_killed_in_the_middle_keeps_the_steps_that_ended(
    talk: Ask, home: Settings, tmp_path: Path
) -> None:
    with openai_server(Say("First."), Call([("seek", {"text": "a"})]), Say("Never seen.")) as server:
        conversation = talk(server)
        list(conversation.ask("One?"))
        events = conversation.ask("Two?")
        while not isinstance(next(events), StepFinished):
            pass
        for path in home.home.glob("conversations.sqlite*"):  # the file as a kill would leave it
            shutil.copy(path, tmp_path)
        list(events)
        server.replies[:] = [Say("Third.")]
        with ConversationStore(tmp_path / "conversations.sqlite") as left:
            assert [turn.question for turn in left.turns(conversation.id)] == ["One?"]
            again = talk(server, conversation.id, store=left)
            assert last(list(again.ask("Three?"))).text == "Third."
            assert left.turns(conversation.id) == again.turns
        sent = [(m["role"], m["content"]) for m in server.requests[-1]["messages"][1:]]
    assert [turn.status for turn in again.turns] == ["answered", "stopped", "answered"]
    (step,) = again.turns[1].steps
    assert (step.tool, step.layer_ids) == ("seek", ("L1",))
    assert "cut off" in again.turns[1].answer
    assert "[L1]" in again.turns[1].answer
    assert [role for role, _ in sent] == [*("user", "assistant") * 2, "tool", "assistant", "user"]
    assert "L1: 5 tiles." in sent[4][1]


@pytest.mark.parametrize("drawn", range(1, 6))
def test_closing_the_iterator_early_counts_as_stop(talk: Ask, store: ConversationStore, drawn: int) -> None:
    script = (Call([("seek", {"text": "a"}), ("seek", {"text": "slow"})], text="Hm."), Say("There are five."))
    with openai_server(*script) as server:
        conversation = talk(server)
        events = conversation.ask("Where are cones?")
        for _ in range(drawn):
            next(events)
        events.close()  # type: ignore[attr-defined]
        assert conversation.turns[0].status == "stopped"
        assert store.turns(conversation.id) == conversation.turns
        server.replies[:] = [Say("Done.")]
        assert last(list(talk(server, conversation.id).ask("And now?"))).text == "Done."
        assert what_is_wrong(server.requests[-1]["messages"]) == ""


def test_leaving_after_the_last_event_is_no_stop(talk: Ask) -> None:
    conversation = talk(ScriptedChat(responses=[AIMessage("Done.")]))
    for event in conversation.ask("Where are cones?"):
        if isinstance(event, Answered):
            break
    assert [turn.status for turn in conversation.turns] == ["answered"]
    assert last(list(conversation.ask("And now?"))).status == "answered"


def test_an_answer_that_cannot_be_stored_is_shown_and_says_so(
    talk: Ask, store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise SettingsError("the disk is full", next_step="free some space")

    conversation = talk(ScriptedChat(responses=[AIMessage("Done.")]))
    monkeypatch.setattr(store, "append", full)
    answered = last(list(conversation.ask("Where are cones?")))
    assert answered.status == "answered"
    assert answered.text.startswith("Done.")
    assert "could not be saved: the disk is full. Next: free some space." in answered.text


def test_opening_by_the_front_door(home: Settings, store: ConversationStore) -> None:
    index: Any = ToyIndex()
    conversation = open_conversation(home, store, index, index, load_prompts(), "offline")
    assert conversation.workspace.layers.folder == home.layers / conversation.id
    assert conversation.workspace.output == home.exports / conversation.id
    again = open_conversation(home, store, index, index, load_prompts(), "offline", conversation.id)
    assert again.turns == []
    index.manifest = SimpleNamespace(name="other")
    with pytest.raises(SettingsError, match="about the index 'toy', not 'other'"):
        open_conversation(home, store, index, index, load_prompts(), "offline", conversation.id)


@pytest.mark.parametrize("name", ["../x", "0" * 32])
def test_only_stored_conversations_can_be_opened(home: Settings, store: ConversationStore, name: str) -> None:
    index: Any = ToyIndex()
    with pytest.raises(SettingsError, match="conversation"):
        open_conversation(home, store, index, index, load_prompts(), "offline", name)
    assert not (home.layers / name).exists()


def test_a_model_that_cannot_be_used_starts_no_conversation(home: Settings, store: ConversationStore) -> None:
    index: Any = ToyIndex()
    with pytest.raises(SettingsError, match="OPENAI_API_KEY"):
        open_conversation(home, store, index, index, load_prompts(), "openai:m")
    assert store.list(with_empty=True) == []


def test_the_state_lists_the_latest_layers(home: Settings) -> None:
    workspace = toy_workspace(home, "w")
    for number in range(45):
        seek(workspace, f"t{number}", limit=1)
    text = describe_state(workspace)
    assert '- L45: "t44" (1 tiles)' in text
    assert "L5:" not in text
    assert "(the first 5 are not listed)" in text


def test_suggestions_leave_out_what_was_done() -> None:
    assert suggest("L3", {"draw_map", "summarise"}) == (
        "Which way are the features of L3 oriented?",
        "Export L3 as GeoPackage",
    )


def test_steps_stand_in_the_order_named_whichever_ends_first() -> None:
    record = Record("Where?", "q1")
    calls = [{"name": "seek", "args": {"text": name}, "id": name, "type": "tool_call"} for name in "abc"]
    parts = [{"model": {"messages": [AIMessage("", tool_calls=calls)]}}]
    parts += [{"tools": {"messages": [ToolMessage("{}", tool_call_id=name)]}} for name in "cab"]
    for part in parts:
        list(record.take({"type": "updates", "data": part}))
    assert [step.arguments["text"] for step in record.steps] == ["a", "b", "c"]
