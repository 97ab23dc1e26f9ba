"""The loop: a question in, typed events out, everything worth keeping stored.

One loop serves every chat model, the offline planner included: LangChain's agent calls the model, runs the
tools it asks for, and goes on until the model answers in words. Around it stand the limits, the stop, the
repair of what a stop leaves behind (`agent.middleware`) and the evidence check (`agent.evidence`).
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from langchain.agents import create_agent
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from agent.conversations import ConversationStore, check_conversation_id, claimed
from agent.direct import Work, carry_out
from agent.events import Answered, Event, Evidence, Step, StepFinished, Turn, Waiting
from agent.evidence import Finding, check, findings, mark
from agent.memory import copy_results, first_questions, history
from agent.middleware import TokenLimit, TokenLimitExceeded
from agent.models import explain_failure, is_servers_fault, make_model
from agent.offline import OfflinePlanner
from agent.question import check_question
from agent.record import Record, ReplyTooLong, asks_back, declines, kept, only_stated
from agent.stack import middleware_stack
from agent.toolbox import wrap_tools
from agent.turnstile import Turnstile
from agent.validation import given_up
from prompts import Prompts
from retrieval.errors import Cancelled, InputError, QuestionError, SettingsError
from retrieval.library import open_context_rasters
from retrieval.settings import Settings
from tools import TOOLS
from tools.schema import ToolFunction
from tools.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

log = logging.getLogger(__name__)

Drive = Callable[[Record], Generator[Event, None, None]]

CUT_OFF = "This question was cut off before it was answered: the program ended."


def open_conversation(
    settings: Settings,
    store: ConversationStore,
    index: TileIndex,
    encoder: Encoder,
    prompts: Prompts,
    model: str,
    conversation_id: str | None = None,
    gazetteer: Any = None,
    readable: Sequence[Path] = (),
    tools: Sequence[ToolFunction] = TOOLS,
) -> Conversation:
    """Open a stored conversation, or start one.

    Parameters
    ----------
    model
        ``offline`` or ``openai:NAME``.
    conversation_id
        Of a stored conversation about the same index; a new one if None.
    gazetteer
        Named places of the body, if there are any.
    readable
        Folders from which tools may read files that the user names; that of uploads if none are given.
    tools
        What the model may call.

    Raises
    ------
    SettingsError
        If the model cannot be used, or there is no such conversation, or it is about another index.
    """
    places = () if gazetteer is None else tuple(gazetteer["name"])
    chat = make_model(
        model,
        settings,
        lambda: OfflinePlanner(
            glossary=prompts.glossary, places=places, body=index.body.name, tile_km=index.grid.tile_km
        ),
    )
    if conversation_id is None:
        conversation_id = store.create(index.manifest.name, model)
    about = store.info(check_conversation_id(conversation_id)).index
    if about != index.manifest.name:
        raise SettingsError(
            f"this conversation is about the index {about!r}, not {index.manifest.name!r}",
            next_step="open that index, or start a new conversation",
        )
    workspace = open_workspace(
        settings,
        index,
        encoder,
        settings.layers / conversation_id,
        prompts.templates,
        gazetteer=gazetteer,
        readable=tuple(readable) or None,
        glossary=prompts.descriptions,
        context=open_context_rasters(index, settings),
    )
    return Conversation(conversation_id, workspace, model, chat, prompts.system, store, tools)


class Conversation:
    """Questions and answers over one workspace.

    Attributes
    ----------
    id
        UUID in hexadecimal.
    workspace
        What the tools work on; setting ``workspace.stop`` from any thread ends the question in hand.
    model
        Name of the model: ``offline`` or ``openai:NAME``.
    turns
        Everything asked and answered so far, oldest first.
    turnstile
        Where conversations that are answered by one program wait for each other; None for none.
    """

    turnstile: Turnstile | None = None

    def __init__(
        self,
        conversation_id: str,
        workspace: Workspace,
        model: str,
        chat: BaseChatModel,
        system_prompt: str,
        store: ConversationStore,
        tools: Sequence[ToolFunction] = TOOLS,
    ) -> None:
        self.id = conversation_id
        self.workspace = workspace
        self.model = model
        self.turns: list[Turn] = store.turns(conversation_id)
        self._store = store
        self._tools = wrap_tools(tools, workspace)
        self._busy = threading.Lock()
        self._tokens = TokenLimit(workspace.settings.max_tokens)
        self._agent = create_agent(
            chat,
            self._tools,
            system_prompt=system_prompt,
            middleware=middleware_stack(workspace, chat, model, self._tokens, self._review),
            checkpointer=store.checkpointer(),
        )
        self._config = _thread(conversation_id)
        with claimed(workspace.layers.folder) as mine:
            if mine:
                self._catch_up()

    @property
    def tokens(self) -> int:
        """Tokens sent and received for the last question, as reported or estimated; 0 offline."""
        return self._tokens.spent

    def ask(self, question: str) -> Iterator[Event]:
        """Answer a question: steps and text as they come, `Answered` last, whatever happens.

        Closing the iterator early counts as a stop.

        Raises
        ------
        QuestionError
            If the question cannot be asked, or the previous one is still being answered; nothing is stored.
        """
        # Half a surrogate pair, which a broken paste may hold, cannot be stored or sent.
        clean = question.encode("utf-8", "replace").decode("utf-8")
        return self._answer(check_question(clean, self.workspace.settings.max_question_chars), self._run)

    def run(self, question: str, work: Work) -> Iterator[Event]:
        """A turn whose calls need no model: the same events, checks and records as those of `ask`.

        Parameters
        ----------
        question
            What stands in the dialogue as asked: ``Refine L1 with 5 accepted and 7 rejected tiles``.
        work
            The calls and the text of the answer.

        Raises
        ------
        QuestionError
            If the previous question is still being answered; nothing is stored.
        """

        def drive(record: Record) -> Generator[Event, None, None]:
            yield from carry_out(record, work, self._tools, self.workspace, self._note)

        return self._answer(check_question(question, self.workspace.settings.max_question_chars), drive)

    def _answer(self, question: str, drive: Drive) -> Iterator[Event]:
        if not self._busy.acquire(blocking=False):
            raise QuestionError(
                "the previous question is still being answered", next_step="wait for it, or press stop first"
            )
        try:
            with claimed(self.workspace.layers.folder) as mine:
                if not mine:
                    raise QuestionError(
                        "this conversation is being answered in another window or program",
                        next_step="wait for it, or start a new conversation",
                    )
                answered = yield from self._answer_alone(question, drive)
        finally:
            self._busy.release()
        yield answered

    def _answer_alone(self, question: str, drive: Drive) -> Generator[Event, None, Answered]:
        self._catch_up()
        record = Record(question, f"q{len(self.turns) + 1}")
        self._tokens.spent = 0
        self.workspace.stop.clear()
        try:
            try:
                yield from self._in_turn(record, drive)
            except Cancelled:
                record.end("stopped", self._stopped_text(record))
            yield from record.abandon("stopped before it gave a result")
        except (GeneratorExit, KeyboardInterrupt):
            list(record.abandon("stopped before it gave a result"))
            record.end("stopped", self._stopped_text(record))
            self._finish(record)
            raise
        return self._finish(record)

    def _in_turn(self, record: Record, drive: Drive) -> Iterator[Event]:
        """Drive the work when it is its turn."""
        if self.turnstile is None:
            yield from drive(record)
            return
        with self.turnstile.turn(self.workspace.stop) as turn, closing(drive(record)) as work:
            for before in turn.wait():
                self._note(record)
                yield Waiting(before)
            for event in work:
                yield event
                if isinstance(event, StepFinished):
                    yield from map(Waiting, turn.give_way())

    def _catch_up(self) -> None:
        """Take in what other programs have added, and what one left behind that was killed."""
        self.turns = self._store.turns(self.id)
        cut_off = self._store.in_hand(self.id)
        if cut_off is not None:
            self._store.append(self.id, cut_off)
            self.turns.append(cut_off)
        state = self._agent.get_state(self._config).values
        messages = state.get("messages", [])
        # Conversations of earlier versions did not count.
        known = state.get("asked", len(self.turns) if messages else 0)
        if known < len(self.turns):
            self._remember(self._config, history(self.turns[known:]), len(self.turns))

    def _remember(self, thread: RunnableConfig, messages: Sequence[AnyMessage], asked: int) -> None:
        self._agent.update_state(thread, {"messages": list(messages), "asked": asked}, as_node="model")

    def branch(self, keep: int) -> str:
        """Begin another conversation with the first turns of this one, and their layers; its id.

        To edit a question and run it again: branch before it, open the branch, ask.

        Parameters
        ----------
        keep
            How many turns to keep, 0 to all of them.

        Raises
        ------
        QuestionError
            If there are not so many turns.
        """
        turns = self._store.turns(self.id)
        if not 0 <= keep <= len(turns):
            raise QuestionError(
                f"this conversation has {len(turns)} turns, so {keep} cannot be kept",
                allowed=f"0 to {len(turns)}",
            )
        branch, layers, output = uuid.uuid4().hex, self.workspace.layers.folder, self.workspace.output
        copy_results(turns[:keep], (layers, layers.parent / branch), (output, output.parent / branch))
        if keep:
            messages = self._agent.get_state(self._config).values.get("messages", [])
            self._remember(_thread(branch), first_questions(messages, turns, keep), keep)
        self._store.branch(self.id, branch, turns[:keep])
        return branch

    def _run(self, record: Record) -> Generator[Event, None, None]:
        """Drive the agent; afterwards ``record`` has a text and a status."""
        stream = self._agent.stream(
            cast(Any, {"messages": [HumanMessage(record.question)], "asked": len(self.turns) + 1}),
            self._config,
            stream_mode=["updates", "messages"],
            version="v2",
            durability="exit",  # one checkpoint for each question: whole or not there
        )
        try:
            self._note(record)
            for part in stream:
                for event in record.take(part):
                    if isinstance(event, StepFinished):
                        self._note(record)
                    yield event
        except (GeneratorExit, KeyboardInterrupt):
            self._end(stream)
            raise
        except Cancelled:
            raise
        except ModelCallLimitExceededError:
            calls = self.workspace.settings.max_model_calls
            record.end("failed", self._limit_text(record, f"{calls} rounds"))
        except TokenLimitExceeded:
            tokens = self.workspace.settings.max_tokens
            record.end("failed", self._limit_text(record, f"{tokens} tokens"))
        except ReplyTooLong as error:
            self._end(stream)
            record.end("failed", f"The model wrote on and on: {error}.{kept(record.layer_ids)}")
        except Exception as error:
            # The chat must go on whatever a model or a library raises; the log keeps the reason. What a
            # server says is not logged whole: it may repeat the key.
            explanation = explain_failure(error, self.model, self.workspace.settings)
            log.error("%s", explanation, exc_info=None if is_servers_fault(error) else error)
            record.end("failed", explanation)
        else:
            record.conclude()

    def _end(self, stream: Iterator[Any]) -> None:
        """End whatever still runs in the agent's threads, before the lock is given back."""
        self.workspace.stop.set()
        with suppress(Cancelled):
            stream.close()  # type: ignore[attr-defined]  # typed as an iterator, made by a generator

    def _note(self, record: Record) -> None:
        """Keep what came so far, in case the program is killed."""
        turn = replace(
            record.turn(self.model, Evidence(citations=record.layer_ids), ()),
            answer=CUT_OFF + kept(record.layer_ids),
            status="stopped",
        )
        try:
            self._store.begin(self.id, turn)
        except InputError as error:
            log.error("question in hand not noted", exc_info=error)

    def _finish(self, record: Record) -> Answered:
        """Check, mark what no tool gave, store, and make the last event."""
        evidence = self._evidence(record)
        record.text = mark(record.text, evidence)
        if record.status == "answered":
            record.text += given_up(record.failures)
        turn = record.turn(self.model, evidence, self._suggestions(record))
        self.turns.append(turn)
        try:
            self._store.append(self.id, turn)
        except InputError as error:
            log.error("turn not stored", exc_info=error)
            record.text += f"\n\n(This answer could not be saved: {error})"
        return Answered(record.text, turn.status, turn.evidence, turn.suggestions, turn.seconds)

    def _evidence(self, record: Record) -> Evidence:
        if record.status in ("failed", "stopped"):
            # Our own words, which name layers and limits only.
            return Evidence(citations=record.layer_ids)
        steps = self._steps() + record.steps
        found = check(record.text, steps, record.question, **self._told())
        if record.status != "asked":
            return found
        stated = check(only_stated(record.text), steps, record.question, **self._told())
        return replace(stated, citations=found.citations)

    def _review(self, answer: str, question: str, steps: Sequence[Step]) -> list[Finding]:
        """What nothing supports in an answer that is not given yet."""
        stated = only_stated(answer) if asks_back(answer, steps) else answer
        return findings(stated, [*self._steps(), *steps], question, **self._told())

    def _steps(self) -> list[Step]:
        return [step for turn in self.turns for step in turn.steps]

    def _told(self) -> dict[str, Any]:
        """Numbers that the model was told beside the results."""
        index = self.workspace.index
        return {
            "known": {"searched": len(index), "tile_km": index.grid.tile_km},
            "counts": {layer.id: len(layer) for layer in self.workspace.layers},
        }

    def _suggestions(self, record: Record) -> tuple[str, ...]:
        if record.suggestions and record.status in ("answered", "asked", "declined"):
            return record.suggestions
        if record.status == "declined":
            return tuple(str(s.arguments["suggestion"]) for s in record.steps if declines(s))[-1:]
        ids = [layer_id for layer_id in record.layer_ids if len(self.workspace.layers.get(layer_id))]
        return suggest(ids[-1], {step.tool for step in record.steps}) if ids else ()

    def _stopped_text(self, record: Record) -> str:
        return "Stopped." + kept(record.layer_ids)

    def _limit_text(self, record: Record, limit: str) -> str:
        return (
            f"I gave up after {limit} without an answer.{kept(record.layer_ids)} "
            "Ask a narrower question, or go on from one of the layers."
        )


def suggest(layer_id: str, used: set[str]) -> tuple[str, ...]:
    """Follow-up questions about a layer, leaving out what was just done; any model understands them."""
    offers = {
        "draw_map": f"Draw a map of {layer_id}",
        "summarise": f"Summarise {layer_id}",
        "orientation": f"Which way are the features of {layer_id} oriented?",
        "export_layer": f"Export {layer_id} as GeoPackage",
    }
    return tuple(text for tool, text in offers.items() if tool not in used)[:3]


def _thread(conversation_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": conversation_id, "checkpoint_ns": ""}}
