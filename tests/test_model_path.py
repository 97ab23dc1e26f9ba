"""What a language model's server may do, over HTTP; branches, windows and deletion of such conversations."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.conversations import ConversationStore, claimed, delete_conversation
from agent.events import Answered, Event, StepFinished
from agent.loop import Conversation
from agent.models import make_model
from retrieval.errors import QuestionError, SettingsError
from retrieval.settings import Settings
from tests.openai_server import (
    Babble,
    Call,
    CutOff,
    Drop,
    Fail,
    OpenAIServer,
    Refuse,
    Say,
    openai_server,
    what_is_wrong,
)
from tests.toys import TOYS, ScriptedChat, ToyIndex, toy_workspace
from tools.workspace import Workspace

Ask = Callable[..., Conversation]
SEEK = Call([("seek", {"text": "cones"})])


@pytest.fixture
def store(home: Settings) -> Iterator[ConversationStore]:
    with ConversationStore(home.conversations) as store:
        yield store


@pytest.fixture
def talk(home: Settings, store: ConversationStore) -> Ask:
    """Start a conversation with a scripted server, or go on with one."""

    def start(server: OpenAIServer, conversation_id: str | None = None, **limits: Any) -> Conversation:
        settings = replace(home, openai_base_url=server.url, **limits)
        chat = make_model("openai:m", settings, lambda: ScriptedChat(responses=[]))
        conversation_id = conversation_id or store.create("toy", "openai:m")
        workspace: Workspace = toy_workspace(settings, conversation_id)
        return Conversation(conversation_id, workspace, "openai:m", chat, "You are a test.", store, TOYS)

    return start


def ask(conversation: Conversation, question: str = "Where are cones?") -> Answered:
    *_, answered = conversation.ask(question)
    assert isinstance(answered, Answered)
    return answered


def errors_told(server: OpenAIServer) -> list[str]:
    messages = server.requests[-1]["messages"]
    return [m["content"] for m in messages if m["role"] == "tool" and not m["content"].startswith("{")]


def test_a_refusal_of_the_model_is_a_declined_question(talk: Ask) -> None:
    with openai_server(Refuse("I cannot help with that.")) as server:
        answered = ask(talk(server))
    assert answered.status == "declined"
    assert answered.text == "The model refused to answer: I cannot help with that."


@pytest.mark.parametrize(
    ("reply", "status", "text"),
    [
        (CutOff("There are 5 cones"), "answered", "not complete: the server's limit on the length"),
        (CutOff("There are", "content_filter"), "answered", "content filter withheld the rest"),
        (CutOff("", "content_filter"), "failed", "no answer: the server's content filter"),
    ],
)
def test_an_answer_that_the_server_cuts_off_says_so(talk: Ask, reply: CutOff, status: str, text: str) -> None:
    with openai_server(reply) as server:
        answered = ask(talk(server), "Where are 5 cones?")
    assert answered.status == status
    assert text in answered.text


@pytest.mark.parametrize("tool", ["", "seek"])
def test_a_reply_that_never_ends_is_ended(talk: Ask, tool: str) -> None:
    with openai_server(SEEK, Babble("cones and cones and " * 20, tool)) as server:
        conversation = talk(server)
        answered = ask(conversation)
        assert answered.status == "failed"
        assert "wrote on and on" in answered.text
        assert "[L1]" in answered.text
        server.replies[:] = [Say("Done.")]
        assert ask(conversation, "And now?").text == "Done."
        assert what_is_wrong(server.requests[-1]["messages"]) == ""


def test_a_connection_that_drops_in_the_middle_of_a_call_is_taken_up_again(talk: Ask) -> None:
    with openai_server(Drop("Let me"), SEEK, Drop("There"), Say("5 tiles [L1].")) as server:
        conversation = talk(server)
        assert ask(conversation).text == "5 tiles [L1]."
    assert [step.error for step in conversation.turns[0].steps] == [""]


def test_a_limit_on_tokens_ends_a_question_and_not_the_conversation(talk: Ask) -> None:
    with openai_server(SEEK) as server:
        conversation = talk(server, max_tokens=1500, max_model_calls=50)
        answered = ask(conversation)
        assert answered.status == "failed"
        assert "gave up after 1500 tokens" in answered.text
        assert 1500 <= conversation.tokens < 4000
        assert len(server.requests) < 10
        server.replies[:] = [Say("Done.")]
        assert ask(conversation, "And now?").status == "answered"
        assert 0 < conversation.tokens < 1500


def test_a_long_conversation_is_summarised_and_goes_on(talk: Ask, store: ConversationStore) -> None:
    def reply(request: dict[str, Any]) -> Say:
        first = request["messages"][0]["content"]
        return Say("S: 5 cones [L1]." if first.startswith("Summarise") else "As said. " + "Words. " * 100)

    with openai_server(reply) as server:
        conversation = talk(server, context_tokens=1000)
        for number in range(8):
            assert ask(conversation, f"Question {number}?").status == "answered"
        summaries = [r for r in server.requests if r["messages"][0]["content"].startswith("Summarise")]
        sent = server.requests[-1]["messages"]
        assert 1 <= len(summaries) < 8
        assert "Question 0?" in summaries[0]["messages"][1]["content"]
        assert "S: 5 cones [L1]." in sent[1]["content"]
        assert sent[-1]["content"] == "Question 7?"
        assert not any(m["content"] == "Question 0?" for m in sent)
        # People still see everything, and nothing of the summary.
        assert [turn.question for turn in conversation.turns] == [f"Question {n}?" for n in range(8)]
        assert not any("S: 5" in turn.answer for turn in conversation.turns)
        again = talk(server, conversation.id, context_tokens=1000)
        assert ask(again, "Question 8?").status == "answered"
        assert sum(m["content"] == "Question 7?" for m in server.requests[-1]["messages"]) == 1


def test_a_summary_that_fails_leaves_the_questions(talk: Ask) -> None:
    def reply(request: dict[str, Any]) -> Say | Fail:
        first = request["messages"][0]["content"]
        return Fail(400, "no") if first.startswith("Summarise") else Say("Words. " * 200)

    with openai_server(reply) as server:
        conversation = talk(server, context_tokens=800)
        assert all(ask(conversation, f"Question {n}?").status == "answered" for n in range(5))
        assert "The user asked: Question 0?" in server.requests[-1]["messages"][1]["content"]


def test_a_second_failure_is_told_to_the_user(talk: Ask) -> None:
    wrong = Call([("draw", {"layers": ["L7"]})])
    with openai_server(SEEK, wrong, wrong, Say("I could not draw it [L1].")) as server:
        conversation = talk(server)
        answered = ask(conversation)
        told = errors_told(server)
    assert "there is no layer 'L7'. Allowed: L1." in told[0]
    assert "second try" not in told[0]
    assert (
        told[1] == told[0] + " That was the second try: do not call it so again, say in the answer what "
        "was not done and why."
    )
    assert answered.text.endswith("(Not done: draw failed twice (there is no layer 'L7').)")


def test_a_failure_that_is_put_right_is_not_told(talk: Ask) -> None:
    wrong, right = Call([("draw", {"layers": ["L7"]})]), Call([("draw", {"layers": ["L1"]})])
    with openai_server(SEEK, wrong, right, wrong, Say("Drawn [L1].")) as server:
        answered = ask(talk(server))
        assert not any("second try" in error for error in errors_told(server))
    assert answered.text == "Drawn [L1]."


def test_calls_beside_each_other_that_fail_are_one_try(talk: Ask) -> None:
    wrong = Call([("draw", {"layers": ["L7"]}), ("draw", {"layers": ["L8"]})])
    with openai_server(wrong, Say("Nothing to draw.")) as server:
        assert ask(talk(server)).text == "Nothing to draw."
        assert not any("second try" in error for error in errors_told(server))


def test_a_wrong_call_runs_nothing_and_those_beside_it_run(talk: Ask) -> None:
    wrong: dict[str, Any] = {"layers": ["L2"]}
    calls = Call([("seek", {"text": "a"}), ("draw", wrong), ("seek", {"text": "b"})])
    with openai_server(calls, Say("Done.")) as server:
        conversation = talk(server)
        ask(conversation)
    # In the order named: L2 is not there yet when it is to be drawn.
    assert [bool(step.error) for step in conversation.turns[0].steps] == [False, True, False]
    assert conversation.workspace.layers.ids() == ["L1", "L2"]


def test_strict_calls_require_every_argument_and_nulls_are_left_out(talk: Ask) -> None:
    given = {"text": "cones", "limit": None, "min_probability": None}
    with openai_server(Call([("seek", given)]), Say("Done [L1].")) as server:
        conversation = talk(server, strict_tools="always")
        assert ask(conversation).status == "answered"
    assert conversation.turns[0].steps[0].arguments == {"text": "cones"}
    tools = {tool["function"]["name"]: tool["function"] for tool in server.requests[0]["tools"]}
    for tool in tools.values():
        parameters = tool["parameters"]
        assert tool["strict"] is True
        assert parameters["additionalProperties"] is False
        assert parameters["required"] == list(parameters["properties"])
        assert "default" not in str(parameters)
    properties = tools["seek"]["parameters"]["properties"]
    assert {"type": "null"} not in properties["text"].get("anyOf", ())
    assert properties["limit"]["anyOf"].count({"type": "null"}) == 1
    assert properties["min_probability"]["anyOf"].count({"type": "null"}) == 1


def test_a_server_that_refuses_strict_schemas_is_asked_without(talk: Ask) -> None:
    refusal = Fail(400, "Invalid schema for function 'seek': strict is not supported")
    with openai_server(refusal, SEEK, Say("Done [L1].")) as server:
        assert ask(talk(server, strict_tools="always")).status == "answered"
    assert ["strict" in request["tools"][0]["function"] for request in server.requests] == [
        True,
        False,
        False,
    ]


def test_strict_schemas_are_asked_of_the_providers_own_server_only(talk: Ask, home: Settings) -> None:
    with openai_server(Say("Hello.")) as server:
        ask(talk(server))
        assert "strict" not in server.requests[0]["tools"][0]["function"]
        with pytest.raises(SettingsError, match="always, never, auto"):
            talk(server, strict_tools="sometimes")
    own = make_model("openai:m", replace(home, openai_api_key="k"), lambda: ScriptedChat(responses=[]))
    assert own.strict_tools  # type: ignore[attr-defined]


def test_the_key_is_nowhere_on_disk(talk: Ask, home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-very-secret-key"
    script = (SEEK, Fail(401, f"Incorrect API key: {key}"), Say("5 tiles."), Fail(422, f"{key} is poor"))
    with openai_server(*script) as server:
        conversation = talk(server, openai_api_key=key)
        texts = [ask(conversation).text, ask(conversation, "Again?").text, ask(conversation, "Why?").text]
        assert server.keys
        assert set(server.keys) == {f"Bearer {key}"}
    assert key not in " ".join(texts) + caplog.text + repr(conversation.turns)
    files = [path for path in home.home.rglob("*") if path.is_file()]
    assert any(path.name == "conversations.sqlite" for path in files)
    assert not [path for path in files if key.encode() in path.read_bytes()]


def test_the_state_says_where_there_are_tiles(talk: Ask) -> None:
    with openai_server(Say("Done.")) as server:
        ask(talk(server))
        prompt = server.requests[0]["messages"][0]["content"]
    west, south, east, north = ToyIndex.tiles.bounds
    assert f"between latitudes {south:.1f} and {north:.1f}, longitudes {west:.1f} and {east:.1f}, " in prompt
    assert "0.28 % of the body" in prompt


# --- branches, windows, deletion ---------------------------------------------------------------------------


def test_a_branch_goes_on_from_an_earlier_question(talk: Ask, store: ConversationStore) -> None:
    with openai_server(SEEK, Say("5 [L1]."), Call([("seek", {"text": "dunes"})]), Say("5 [L2].")) as server:
        conversation = talk(server)
        ask(conversation, "Cones?")
        ask(conversation, "Dunes?")
        branch = talk(server, conversation.branch(1))
        assert branch.turns == conversation.turns[:1]
        assert branch.workspace.layers.ids() == ["L1"]
        assert branch.workspace.layers.get("L1").hash == conversation.workspace.layers.get("L1").hash
        server.replies[:] = [Call([("seek", {"text": "ridges"})]), Say("Ridges [L2].")]
        ask(branch, "Ridges?")
        sent = server.requests[-1]["messages"]
    assert [m["content"] for m in sent if m["role"] == "user"] == ["Cones?", "Ridges?"]
    assert what_is_wrong(sent) == ""
    assert [layer.title for layer in branch.workspace.layers] == ["cones", "ridges"]
    assert [layer.title for layer in conversation.workspace.layers] == ["cones", "dunes"]
    assert [turn.question for turn in store.turns(conversation.id)] == ["Cones?", "Dunes?"]
    assert len({info.id for info in store.list()}) == 2


@pytest.mark.parametrize("keep", [0, 2])
def test_a_branch_may_keep_nothing_or_all(talk: Ask, keep: int) -> None:
    with openai_server(SEEK, Say("5 [L1]."), Say("Again 5 [L1].")) as server:
        conversation = talk(server)
        ask(conversation, "Cones?")
        ask(conversation, "Sure?")
        branch = talk(server, conversation.branch(keep))
        server.replies[:] = [Say("Done.")]
        assert ask(branch, "Other?").text == "Done."
        sent = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "user"]
        with pytest.raises(QuestionError, match="has 2 turns, so 3"):
            conversation.branch(3)
    assert sent == [*["Cones?", "Sure?"][:keep], "Other?"]


def test_a_branch_of_a_summarised_conversation_remembers_the_turns(talk: Ask) -> None:
    def reply(request: dict[str, Any]) -> Say:
        first = request["messages"][0]["content"]
        return Say("S." if first.startswith("Summarise") else "Words. " * 150)

    with openai_server(SEEK, Say("5 tiles [L1]."), reply) as server:
        conversation = talk(server, context_tokens=1000)
        for number in range(6):
            ask(conversation, f"Question {number}?")
        branch = talk(server, conversation.branch(1), context_tokens=10_000)
        ask(branch, "Other?")
        sent = server.requests[-1]["messages"]
    assert [m["content"] for m in sent if m["role"] == "user"] == ["Question 0?", "Other?"]
    assert "L1: 5 tiles." in sent[3]["content"]


def test_two_windows_do_not_answer_at_once_and_see_each_others_turns(talk: Ask) -> None:
    with openai_server(SEEK, Say("5 [L1]."), Say("Done.")) as server:
        one = talk(server)
        two = talk(server, one.id)
        events: Iterator[Event] = one.ask("Cones?")
        while not isinstance(next(events), StepFinished):
            pass
        with pytest.raises(QuestionError, match="another window"):
            next(two.ask("Dunes?"))
        list(events)
        assert ask(two, "Dunes?").text == "Done."
        assert [turn.question for turn in two.turns] == ["Cones?", "Dunes?"]
        assert ask(one, "Ridges?").text == "Done."
        assert [turn.question for turn in one.turns] == ["Cones?", "Dunes?", "Ridges?"]
        asked = [m["content"] for m in server.requests[-1]["messages"] if m["role"] == "user"]
    assert asked == ["Cones?", "Dunes?", "Ridges?"]


def test_what_is_deleted_is_nowhere_on_disk(talk: Ask, home: Settings, store: ConversationStore) -> None:
    with openai_server(SEEK, Say("Seen at Zanzibar.")) as server:
        gone, stays = talk(server), talk(server)
        for number in range(4):
            ask(gone, f"Quetzalcoatl {number}?")
            ask(stays, f"Popocatepetl {number}?")
        (home.uploads / gone.id).mkdir(parents=True)
        (home.uploads / gone.id / "cones.csv").write_text("Quetzalcoatl")
        transcripts = home.exports / "transcripts"
        transcripts.mkdir(parents=True)
        (transcripts / f"areographer-{gone.id}.html").write_text("Quetzalcoatl")
        delete_conversation(home, store, gone.id)
        files = {path: path.read_bytes() for path in home.home.rglob("*") if path.is_file()}
        assert not [path for path, data in files.items() if b"Quetzalcoatl" in data]
        assert not [path for path in home.home.rglob("*") if gone.id in path.name]
        assert any(b"Popocatepetl" in data for data in files.values())
        assert ask(stays, "Still there?").status == "answered"
    assert [info.id for info in store.list()] == [stays.id]


def test_a_claim_ends_with_its_block_and_its_program(tmp_path: Path) -> None:
    with claimed(tmp_path) as mine, claimed(tmp_path) as twice:
        assert (mine, twice) == (True, False)
    child = os.fork()
    if not child:  # claims, and is gone without letting go
        claimed(tmp_path).__enter__()
        os._exit(0)
    os.waitpid(child, 0)
    with claimed(tmp_path) as mine:
        assert mine
