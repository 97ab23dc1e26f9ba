"""Stop ends a question at once whatever its tools do; what was finished is kept, the next question works."""

import threading
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage

from agent.conversations import ConversationStore
from agent.events import Answered, Event, StepFinished, StepStarted
from agent.loop import Conversation
from retrieval.errors import Cancelled
from retrieval.settings import Settings
from tests.toys import TOYS, ScriptedChat, toy_workspace
from tests.workspaces import a_layer, a_workspace
from tools import TOOLS
from tools.layers import Provenance, make_table
from tools.results import add_layer
from tools.workspace import ToolResult, Workspace


class Deaf:
    """A tool in one long piece of work: it hears no stop until the gate opens, then makes a layer."""

    def __init__(self) -> None:
        self.began, self.gate, self.ended = (threading.Event() for _ in range(3))
        self.heard: list[str] = []

    def tool(self) -> Callable[..., ToolResult]:
        def dig(ws: Workspace, text: str) -> ToolResult:
            """Dig for something, without ever looking up.

            Parameters
            ----------
            text
                What.
            """
            self.began.set()
            self.gate.wait(60)
            try:
                ws.check_stop()
                table = make_table(ws.body, ["r"], np.zeros((1, 2)))
                made = ws.layers.add(text, "tiles", table, Provenance("dig", {}, ws.body.name))
                return ToolResult(f"{made.id}.", (made.id,))
            except Cancelled:
                self.heard.append("stop")
                raise
            finally:
                self.ended.set()

        return dig


@pytest.fixture
def store(home: Settings) -> Iterator[ConversationStore]:
    with ConversationStore(home.conversations) as store:
        yield store


def call(tool: str, arguments: dict[str, Any], key: str = "a") -> dict[str, Any]:
    return {"name": tool, "args": arguments, "id": key}


def last(events: Iterator[Event]) -> Answered:
    *_, answered = events
    assert isinstance(answered, Answered)
    return answered


def test_a_tool_that_hears_nothing_is_left_behind_and_makes_no_layer(
    home: Settings, store: ConversationStore
) -> None:
    deaf, identity = Deaf(), store.create("toy", "offline")
    calls = [call("seek", {"text": "cones"}, "a"), call("dig", {"text": "gold"}, "b")]
    script = [AIMessage("", tool_calls=calls), AIMessage("Done."), AIMessage("Done too.")]
    workspace = toy_workspace(home, identity)
    tools = (*TOYS, deaf.tool())
    chat = ScriptedChat(responses=script)
    conversation = Conversation(identity, workspace, "offline", chat, "Test.", store, tools)
    button = threading.Thread(target=lambda: (deaf.began.wait(60), workspace.stop.set()))
    button.start()
    answered = last(conversation.ask("Cones and gold?"))
    button.join()
    # The question is over while the tool still works.
    assert not deaf.ended.is_set()
    assert answered.status == "stopped"
    assert answered.evidence.citations == ("L1",)
    assert [bool(step.error) for step in conversation.turns[0].steps] == [False, True]
    # The next question takes back the stop, though not for what was left behind.
    assert last(conversation.ask("And now?")).status == "answered"
    deaf.gate.set()
    assert deaf.ended.wait(60)
    assert deaf.heard == ["stop"]
    assert workspace.layers.ids() == ["L1"]
    assert [turn.status for turn in store.turns(identity)] == ["stopped", "answered"]


def test_closing_the_page_leaves_a_deaf_tool_behind_too(home: Settings, store: ConversationStore) -> None:
    deaf, identity = Deaf(), store.create("toy", "offline")
    script = [AIMessage("", tool_calls=[call("dig", {"text": "gold"})]), AIMessage("Done.")]
    chat, workspace = ScriptedChat(responses=script), toy_workspace(home, identity)
    conversation = Conversation(identity, workspace, "offline", chat, "Test.", store, [deaf.tool()])
    events = conversation.ask("Gold?")
    assert isinstance(next(events), StepStarted)
    events.close()  # type: ignore[attr-defined]  # a generator
    assert [turn.status for turn in conversation.turns] == ["stopped"]
    deaf.gate.set()
    assert last(conversation.ask("And now?")).status == "answered"
    assert workspace.layers.ids() == []


BIG = [
    ("merge_features", {"layer": "L1", "distance_km": 30.0}),
    ("near", {"layer": "L1", "other": "L2", "distance_km": 40.0}),
    ("associate", {"layer": "L1", "other": "L2", "distance_km": 40.0}),
    ("density", {"layer": "L1"}),
    ("draw_map", {"layers": ["L1", "L2"]}),
]


@pytest.mark.parametrize(("tool", "arguments"), BIG)
def test_real_tools_on_big_layers_stop_and_the_next_question_works(
    home: Settings,
    store: ConversationStore,
    tiny_index: Any,
    pattern_encoder: Any,
    tool: str,
    arguments: dict[str, Any],
) -> None:
    workspace = a_workspace(home, tiny_index, pattern_encoder)
    rng = np.random.default_rng(3)
    for title in ("many", "others"):
        lat = np.degrees(np.arcsin(rng.uniform(-1, 1, 8000)))
        a_layer(workspace, np.column_stack([rng.uniform(-180, 180, 8000), lat]), title)
    script = [
        AIMessage("", tool_calls=[call(tool, arguments)]),
        AIMessage("", tool_calls=[call("summarise", {"layer": "L2"}, "c")]),
        AIMessage("Done."),
    ]
    identity = store.create("tiny", "offline")
    chat, real = ScriptedChat(responses=script), next(each for each in TOOLS if each.__name__ == tool)

    @wraps(real)
    def stopped_as_it_begins(ws: Workspace, **given: Any) -> ToolResult:
        workspace.stop.set()
        return real(ws, **given)

    tools = [stopped_as_it_begins if each is real else each for each in TOOLS]
    conversation = Conversation(identity, workspace, "offline", chat, "Test.", store, tools)
    steps = [event for event in conversation.ask("Many?") if isinstance(event, StepFinished)]
    assert conversation.turns[0].status == "stopped"
    assert "stop" in steps[0].error
    assert workspace.layers.ids() == ["L1", "L2"]
    assert last(conversation.ask("And now?")).text == "Done."
    assert not conversation.turns[1].steps[0].error
    assert workspace.layers.ids() == ["L1", "L2"]


def test_no_layer_is_added_after_a_stop(home: Settings, tmp_path: Path) -> None:
    workspace = toy_workspace(home, "w")
    workspace.stop.set()
    table = make_table(workspace.body, ["r"], np.zeros((1, 2)))
    with pytest.raises(Cancelled):
        add_layer(workspace, "union", {}, title="x", table=table, parents=())
    assert workspace.layers.ids() == []
