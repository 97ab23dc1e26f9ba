"""One question in progress: the agent's stream becomes events, and what came is remembered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage

from agent.events import AnswerText, Event, Evidence, Planned, Status, Step, StepFinished, StepStarted, Turn
from agent.validation import GIVEN_UP
from retrieval.errors import InputError

# Longer than any answer, and than the arguments of any call: a model that writes more is not going to end.
MAX_REPLY_CHARS = 60_000
MAX_PLAN_CHARS = 600


class ReplyTooLong(Exception):
    """One reply of a model has more characters than any sensible one."""


class Record:
    """What came so far.

    Attributes
    ----------
    steps
        Finished calls, in the order they were named, whichever ended first.
    text, status, suggestions
        The answer, how the question ended, and what the model says may be asked next.
    plan
        What the model said before its first call.
    failures
        Why tools failed that failed twice and never worked after, by name.
    by
        What stands in place of the model's name if no model chose the calls.

    Parameters
    ----------
    prefix
        Begins the ids of its steps, so that they are unique in the conversation.
    """

    def __init__(self, question: str, prefix: str) -> None:
        self.question = question
        self.steps: list[Step] = []
        self.text = self.plan = self.by = ""
        self.status: Status = "failed"
        self.suggestions: tuple[str, ...] = ()
        self.failures: dict[str, str] = {}
        self._prefix = prefix
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._clock = time.perf_counter()
        self._begun = 0
        self._open: dict[str, StepStarted] = {}
        self._writing = ""  # id of the message whose text was shown last
        self._written = 0  # characters of the reply that is being written
        self._refusal = self._remark = ""

    @property
    def layer_ids(self) -> tuple[str, ...]:
        """Layers made so far, in order."""
        return tuple(dict.fromkeys(layer_id for step in self.steps for layer_id in step.layer_ids))

    def take(self, part: Mapping[str, Any]) -> Iterator[Event]:
        """Events of one part of the agent's stream.

        Raises
        ------
        ReplyTooLong
            If the model does not end.
        """
        if part["type"] == "messages":
            message, about = part["data"]
            if isinstance(message, AIMessageChunk):
                self._measure(message)
            if isinstance(message, AIMessage) and about.get("langgraph_node") == "model" and message.text:
                restart = self._writing not in ("", message.id)
                self._writing = message.id or "?"
                yield AnswerText(message.text, restart)
            return
        for node, update in part["data"].items():
            messages = (update or {}).get("messages", [])
            if node == "model" and messages and isinstance(messages[-1], AIMessage):
                yield from self._take_reply(messages[-1])
            for message in messages:
                if isinstance(message, ToolMessage) and message.tool_call_id in self._open:
                    yield self.close(message)

    def start(self, call_id: str, tool: str, arguments: dict[str, Any]) -> StepStarted:
        """A call was named."""
        self._begun += 1
        started = StepStarted(f"{self._prefix}s{self._begun}", tool, dict(arguments))
        self._open[call_id] = started
        return started

    def close(self, message: ToolMessage) -> StepFinished:
        """A call ended."""
        started = self._open.pop(message.tool_call_id)
        finished = finished_step(started.step_id, started.tool, started.arguments, message)
        if GIVEN_UP in message.additional_kwargs:
            self.failures[started.tool] = message.additional_kwargs[GIVEN_UP]
        elif message.status != "error":
            self.failures.pop(started.tool, None)
        # In the order named: of steps that end almost together the loop may tell the later one first.
        self.steps.append(finished.step)
        self.steps.sort(key=lambda step: int(step.step_id.rpartition("s")[2]))
        return finished

    def conclude(self) -> None:
        """The agent ended by itself: the last reply is the answer."""
        if not self.text.strip() and self._refusal:
            self.end("declined", f"The model refused to answer: {self._refusal}")
        elif not self.text.strip() and self._remark:
            self.end("failed", f"The model gave no answer: {self._remark}.{kept(self.layer_ids)}")
        elif not self.text.strip():
            self.end("failed", "The model gave no answer." + kept(self.layer_ids))
        else:
            self.status = "declined" if any(map(declines, self.steps)) else "answered"
            if asks_back(self.text, self.steps):
                self.status = "asked"
            if self._remark:
                self.text += f"\n\n(This answer is not complete: {self._remark}.)"

    def end(self, status: Status, text: str) -> None:
        """The question ended in another way."""
        self.status, self.text = status, text

    def abandon(self, why: str) -> Iterator[StepFinished]:
        """Close the steps that never ended."""
        for call_id in list(self._open):
            yield self.close(ToolMessage(why, tool_call_id=call_id, status="error"))

    def turn(self, model: str, evidence: Evidence, suggestions: tuple[str, ...]) -> Turn:
        """The record that is kept."""
        seconds = time.perf_counter() - self._clock
        return Turn(
            self.question,
            tuple(self.steps),
            self.text,
            self.status,
            evidence,
            suggestions,
            self.by or model,
            self._started,
            round(seconds, 3),
            self.plan,
        )

    def _take_reply(self, message: AIMessage) -> Iterator[Event]:
        self.text, self._written = message.text, 0
        self._refusal = str(message.additional_kwargs.get("refusal") or "")
        self._remark = _ENDS.get(message.response_metadata.get("finish_reason", ""), "")
        # The offline planner knows which questions it can answer next.
        self.suggestions = tuple(map(str, message.additional_kwargs.get("suggestions", ())))
        if message.tool_calls and message.text.strip() and not self._begun:
            self.plan = " ".join(message.text.split())[:MAX_PLAN_CHARS]
            yield Planned(self.plan)
        for call in message.tool_calls:
            yield self.start(str(call["id"]), call["name"], call["args"])
        for bad in message.invalid_tool_calls:
            call_id = str(bad["id"])
            yield self.start(call_id, bad["name"] or "unknown", {})
            why = "the model's arguments were not valid JSON"
            yield self.close(ToolMessage(why, tool_call_id=call_id, status="error"))

    def _measure(self, piece: AIMessageChunk) -> None:
        calls = (chunk.get("args") or "" for chunk in piece.tool_call_chunks)
        self._written += len(piece.text) + sum(map(len, calls))
        if self._written > MAX_REPLY_CHARS:
            raise ReplyTooLong(f"its reply was ended at {MAX_REPLY_CHARS} characters")


_QUESTION = re.compile(r"(?:[^.!?\n]|\.(?=\S))*\?")
_ENDS = {
    "length": "the server's limit on the length of a reply was reached",
    "content_filter": "the server's content filter withheld the rest",
}


def finished_step(step_id: str, tool: str, arguments: dict[str, Any], message: ToolMessage) -> StepFinished:
    """A call with what its tool message says of it."""
    result: Mapping[str, Any] = message.artifact or {}
    return StepFinished(
        step_id=step_id,
        tool=tool,
        arguments=arguments,
        summary=result.get("summary", ""),
        layer_ids=tuple(result.get("layer_ids", ())),
        figures=result.get("figures", {}),
        pictures=tuple(result.get("pictures", ())),
        seconds=round(result.get("seconds", 0.0), 4),
        error=message.text if message.status == "error" else "",
        layers=tuple(result.get("layers", ())),
        table=tuple(result.get("table", ())),
        files=tuple(result.get("files", ())),
    )


def declines(step: Step) -> bool:
    """Whether this call said that the question cannot be answered."""
    return step.tool == "decline" and not step.error


def asks_back(text: str, steps: Sequence[Step]) -> bool:
    """Whether a reply asks instead of answering: no tool was called, and it ends in a question."""
    return not steps and text.rstrip(' \n*_)”"').endswith("?")


def only_stated(text: str) -> str:
    """A text with its questions, which claim nothing, blanked out; the rest stays in its place."""
    return _QUESTION.sub(lambda match: " " * len(match[0]), text)


def as_sentence(error: InputError) -> str:
    """An error's words, as they stand in a dialogue."""
    text = str(error)
    return text[:1].upper() + text[1:]


def kept(layer_ids: Sequence[str]) -> str:
    """A sentence that names the layers that remain, with a space before it; empty if there are none."""
    return f" What was found before is kept: {', '.join(f'[{i}]' for i in layer_ids)}." if layer_ids else ""
