"""Sends an answer back to the model once, with what nothing supports in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import AgentState, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from agent.events import Step
from agent.evidence import Finding
from agent.middleware import ModelHandler
from agent.record import finished_step

MOST_NAMED = 12
SENT_BACK = (
    "A check of this answer against the tools' results found no support for these statements:\n{listed}\n"
    "Write the whole answer again. Correct each of them from the results, leave it out, or call the tool "
    "that gives it. Keep the rest, and do not mention this check."
)

Review = Callable[[str, str, Sequence[Step]], list[Finding]]


class Corrected(AgentMiddleware[AgentState[Any], Any, Any]):
    """Has an answer with unsupported statements written again, once for each question.

    Neither the first draft nor the request is kept with the conversation. The second draft counts unless more
    of it is unsupported; what still is gets marked by the loop.

    Parameters
    ----------
    review
        Given an answer, its question and the steps of the question, what nothing supports.
    """

    def __init__(self, review: Review) -> None:
        super().__init__()
        self._review = review
        self._done: str | None = None  # id of the question that was sent back

    def wrap_model_call(self, request: ModelRequest[Any], handler: ModelHandler) -> ModelResponse[Any]:
        """Call the model; call it again if it answers with what nothing supports."""
        response = handler(request)
        answer, question = _answer(response), _question(request.messages)
        if answer is None or question is None or question.id == self._done:
            return response
        steps = steps_since(question, request.messages)
        wrong = self._review(answer.text, question.text, steps)
        if not wrong:
            return response
        self._done = question.id
        again = handler(request.override(messages=[*request.messages, answer, _objection(wrong)]))
        second = _answer(again)
        worse = second is not None and (
            not second.text.strip() or len(self._review(second.text, question.text, steps)) > len(wrong)
        )
        return response if worse else again


def steps_since(question: AnyMessage, messages: Sequence[AnyMessage]) -> list[Step]:
    """The finished tool calls behind a question among the messages."""
    behind = list(messages[next(i for i, message in enumerate(messages) if message is question) :])
    calls = {
        call["id"]: call
        for message in behind
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }
    return [
        finished_step(message.tool_call_id, call["name"], call["args"], message).step
        for message in behind
        if isinstance(message, ToolMessage) and (call := calls.get(message.tool_call_id)) is not None
    ]


def _answer(response: ModelResponse[Any]) -> AIMessage | None:
    """The model's message, if it ends the question."""
    last = response.result[-1] if response.result else None
    if not isinstance(last, AIMessage) or last.tool_calls or last.invalid_tool_calls:
        return None
    return last


def _question(messages: Sequence[AnyMessage]) -> HumanMessage | None:
    return next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)


def _objection(wrong: Sequence[Finding]) -> HumanMessage:
    listed = "\n".join(f"- “{finding.text}”: {finding.why}." for finding in wrong[:MOST_NAMED])
    return HumanMessage(SENT_BACK.format(listed=listed))
