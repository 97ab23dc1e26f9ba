"""A conversation that follows a script, for tests of the chat: real layers of a real index, no model."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from agent.conversations import ConversationStore
from agent.events import Answered, AnswerText, Event, Evidence, Step, StepFinished, StepStarted, Turn
from agent.memory import copy_results
from retrieval.encoder import Encoder
from retrieval.errors import QuestionError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools.layers import Provenance, make_table
from tools.workspace import Workspace, open_workspace

SUGGESTIONS = ("Which way do they point?", "How many lie south of the equator?")


class ScriptedConversation:
    """Answers like the real one: two searches, a combination, a map, a streamed answer.

    A question with "slow" waits in its second step until stopped (or ``gate`` is set); with "break" it
    raises what no one expects; with "refuse" it raises an `InputError`; with "evil" it answers with HTML and
    a picture from afar; with "none" it declines.
    """

    model = "offline"

    def __init__(self, conversation_id: str, workspace: Workspace, store: ConversationStore, pace_s: float):
        self.id = conversation_id
        self.workspace = workspace
        self.gate = threading.Event()
        self._store = store
        self._pace_s = pace_s

    @property
    def turns(self) -> list[Turn]:
        return self._store.turns(self.id)

    def branch(self, keep: int) -> str:
        """As `agent.loop.Conversation.branch`, but for the model's memory."""
        branch, turns = uuid.uuid4().hex, self.turns[:keep]
        layers, output = self.workspace.layers.folder, self.workspace.output
        copy_results(turns, (layers, layers.parent / branch), (output, output.parent / branch))
        self._store.branch(self.id, branch, turns)
        return branch

    def ask(self, question: str) -> Iterator[Event]:
        self.workspace.stop.clear()
        if "refuse" in question:
            raise QuestionError("the question is refused", allowed="other questions", next_step="ask another")
        steps: list[Step] = []
        for event in self._events(question):
            if isinstance(event, StepFinished):
                steps.append(event.step)
            if isinstance(event, Answered):
                self._store.append(
                    self.id,
                    Turn(
                        question,
                        tuple(steps),
                        event.text,
                        event.status,
                        event.evidence,
                        event.suggestions,
                        self.model,
                        "2026-01-01T00:00:00+00:00",
                        event.seconds,
                    ),
                )
            yield event

    def _events(self, question: str) -> Iterator[Event]:
        if "none" in question:
            text = "The index has no infrared, so minerals cannot be told apart."
            yield Answered(text, "declined", Evidence(), SUGGESTIONS, 0.1)
            return
        yield from self._step("1", "search_words", {"text": "pitted cones", "min_probability": None}, 40)
        if "break" in question:
            raise RuntimeError("a fault of ours")
        arguments = {"text": "outflow channel"}
        yield StepStarted("2", "search_words", arguments)
        time.sleep(self._pace_s)
        while "slow" in question and not self.gate.is_set():
            time.sleep(0.01)
            if self.workspace.stop.is_set():
                yield Answered("Stopped before the end.", "stopped", Evidence(), (), 0.5)
                return
        yield self._search("2", arguments, 30)
        layers = self.workspace.layers.ids()
        yield from self._step(
            "3", "near", {"layer": layers[-2], "other": layers[-1], "distance_km": 40.0}, 12
        )
        last = self.workspace.layers.ids()[-1]
        yield StepStarted("4", "draw_map", {"layers": [last]})
        time.sleep(self._pace_s)
        name = f"map-{last}.png"
        ramp = np.tile(np.linspace(40, 160, 900, dtype=np.uint8), (450, 1))
        Image.fromarray(ramp).save(self.workspace.output / name)
        yield StepFinished("4", "draw_map", {"layers": [last]}, f"Drew {last}.", (), {}, (name,), 0.1)
        text = (
            f"Of 40 tiles with pitted cones, 12 lie within 40 km of an outflow channel [{last}]. "
            f"Most of them are in the north. Without the distance rule there are 40 [{layers[-2]}]."
        )
        if "evil" in question:
            text += " <script>window.broken = 1</script><b onclick=1>x</b> ![x](http://example.com/spy.png)"
        for word in text.split(" "):
            yield AnswerText(word + " ")
            time.sleep(self._pace_s / 20)
        yield Answered(text, "answered", Evidence(4, (), (last, layers[-2])), SUGGESTIONS, 4 * self._pace_s)

    def _step(self, step_id: str, tool: str, arguments: dict[str, Any], count: int) -> Iterator[Event]:
        yield StepStarted(step_id, tool, arguments)
        time.sleep(self._pace_s)
        yield self._search(step_id, arguments, count, tool)

    def _search(
        self, step_id: str, arguments: dict[str, Any], count: int, tool: str = "search_words"
    ) -> StepFinished:
        index = self.workspace.index
        rng = np.random.default_rng(count)
        rows = rng.choice(len(index), count, replace=False)
        tiles = index.tiles.rows(rows)
        table = make_table(
            index.body,
            list(tiles["tile_id"]),
            tiles[["lon", "lat"]].to_numpy(),
            rng.uniform(0.2, 0.4, count),
            rng.uniform(0.5, 1.0, count),
        )
        title = str(arguments.get("text", "pitted cones near outflow channel"))
        made = Provenance(tool, arguments, index.body.name, threshold=0.5)
        layer = self.workspace.layers.add(title, "tiles", table, made)
        summary = f"{count} tiles show {title} with a probability of 0.5 or more."
        return StepFinished(
            step_id, tool, arguments, summary, (layer.id,), {"count": count}, (), self._pace_s
        )


def opener(pace_s: float = 0.0) -> Any:
    """A stand-in for `agent.loop.open_conversation` that opens scripted conversations."""

    def open_conversation(
        settings: Settings,
        store: ConversationStore,
        index: TileIndex,
        encoder: Encoder,
        prompts: Any,
        model: str,
        conversation_id: str | None = None,
        gazetteer: Any = None,
    ) -> ScriptedConversation:
        if conversation_id is None:
            conversation_id = store.create(index.manifest.name, model)
        store.info(conversation_id)
        workspace = open_workspace(
            settings, index, encoder, settings.layers / conversation_id, ("{}",), gazetteer
        )
        return ScriptedConversation(conversation_id, workspace, store, pace_s)

    return open_conversation
