"""An answer that nothing supports goes back to the model once: the real loop, over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from agent.conversations import ConversationStore
from agent.events import Answered
from agent.loop import Conversation
from agent.models import make_model
from retrieval.settings import Settings
from tests.openai_server import Call, OpenAIServer, Say, openai_server
from tests.toys import TOYS, ScriptedChat, toy_workspace

Ask = Callable[[OpenAIServer, str], Answered]
SEEK = Call([("seek", {"text": "cones"})])


@pytest.fixture
def ask(home: Settings) -> Iterator[Ask]:
    with ConversationStore(home.conversations) as store:
        conversations: dict[str, Conversation] = {}

        def answer(server: OpenAIServer, question: str) -> Answered:
            if server.url not in conversations:
                settings = replace(home, openai_base_url=server.url)
                chat = make_model("openai:m", settings, lambda: ScriptedChat(responses=[]))
                made = store.create("toy", "openai:m")
                workspace = toy_workspace(settings, made)
                conversations[server.url] = Conversation(
                    made, workspace, "openai:m", chat, "You are a test.", store, TOYS
                )
            *_, last = conversations[server.url].ask(question)
            assert isinstance(last, Answered)
            return last

        yield answer


def last_words(request: dict[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def test_what_is_unsupported_goes_back_once_and_the_second_draft_counts(ask: Ask) -> None:
    with openai_server(SEEK, Say("There are 9 cones [L1]."), Say("There are 5 cones [L1].")) as server:
        answered = ask(server, "Where are cones?")
        assert answered.text == "There are 5 cones [L1]."
        assert answered.evidence.unsupported == ()
        assert len(server.requests) == 3
        assert "“9”" in last_words(server.requests[2])
        assert server.requests[2]["messages"][-2]["content"] == "There are 9 cones [L1]."


def test_what_is_still_unsupported_is_marked_and_not_sent_again(ask: Ask) -> None:
    with openai_server(SEEK, Say("There are 9 cones [L1].")) as server:
        answered = ask(server, "Where are cones?")
        assert answered.text == "There are 9 (unsupported) cones [L1]."
        assert len(server.requests) == 3


def test_a_worse_second_draft_is_not_taken(ask: Ask) -> None:
    with openai_server(SEEK, Say("9 cones [L1]."), Say("9 cones, 12 more, 4711 in all [L7].")) as server:
        assert ask(server, "Where are cones?").text == "9 (unsupported) cones [L1]."


def test_a_supported_answer_is_not_sent_back(ask: Ask) -> None:
    with openai_server(SEEK, Say("5 cones [L1].")) as server:
        ask(server, "Where are cones?")
        assert len(server.requests) == 2


def test_the_model_may_measure_what_was_missing(ask: Ask) -> None:
    more = Call([("seek", {"text": "dunes", "limit": 9})])
    with openai_server(
        SEEK, Say("5 cones [L1], 9 dunes."), more, Say("5 cones [L1], 9 dunes [L2].")
    ) as server:
        answered = ask(server, "Where are cones and dunes?")
        assert answered.text == "5 cones [L1], 9 dunes [L2]."
        assert answered.evidence.citations == ("L1", "L2")


def test_the_objection_is_not_kept_and_every_question_has_its_own(ask: Ask) -> None:
    with openai_server(
        SEEK, Say("9 cones [L1]."), Say("5 cones [L1]."), Say("11 cones."), Say("5 cones.")
    ) as server:
        ask(server, "Where are cones?")
        assert ask(server, "How many were there?").text == "5 cones."
        said = [message["content"] for message in server.requests[3]["messages"] if message["role"] == "user"]
        assert said == ["Where are cones?", "How many were there?"]
        assert "“11”" in last_words(server.requests[4])
