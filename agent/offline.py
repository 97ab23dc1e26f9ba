"""The offline planner: a chat model without a model.

It enters by the same door as any language model, so one loop serves both: asked with the messages of a
conversation, it answers with tool calls, and once their results are among the messages, with prose. It keeps
no state: what to do next is derived from the messages alone, so the same messages always give the same reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent.grammar.followups.context import KnownLayer, PlanContext, Turn, remembered
from agent.grammar.progress import Outcome, follow
from agent.grammar.query import Query, QuestionBack, Refusal
from agent.grammar.steps import Plan
from agent.prose import compose
from agent.prose_plan import plan_sentence
from agent.prose_words import is_backed, numbers_in
from agent.question import parse
from prompts import Term

MODEL_NAME = "offline"
REMEMBERED_QUESTIONS = 6
_LIMITS_OF_PLACE = {"min_lat_deg", "max_lat_deg", "west_lon_deg", "east_lon_deg", "place", "centre_lon_deg"}
_PIECE = re.compile(r"\S+\s*|\s+")


class OfflinePlanner(BaseChatModel):
    """Answers questions about landforms by a grammar instead of a language model.

    Attributes
    ----------
    glossary
        The landforms it knows by name.
    places
        Names of places on the body.
    body
        Name of the body that the index shows.
    tile_km
        Width of a tile, km.
    """

    glossary: tuple[Term, ...]
    places: tuple[str, ...] = ()
    body: str = "mars"
    tile_km: float = 16.0

    @property
    def _llm_type(self) -> str:
        return "offline-planner"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": MODEL_NAME, "body": self.body, "tile_km": self.tile_km}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same planner, told which tools there are; it never calls another."""
        return self.bind(tool_names=sorted(map(_name_of, tools)))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = self._reply(messages, kwargs.get("tool_names"))
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = self._reply(messages, kwargs.get("tool_names"))
        for piece in _PIECE.findall(reply.text):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        for position, call in enumerate(reply.tool_calls):
            part = tool_call_chunk(
                name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=position
            )
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                additional_kwargs=reply.additional_kwargs,
                response_metadata=reply.response_metadata,
                chunk_position="last",
            )
        )

    def _reply(self, messages: Sequence[BaseMessage], tools: Sequence[str] | None) -> AIMessage:
        turns = _turns(messages)
        question, answers = turns[-1] if turns else ("", [])
        context, pending = self._before(turns[:-1])
        understood = self._parse(question, context, pending)
        outcomes = _outcomes(answers)
        turn = f"q{len(turns)}"
        if isinstance(understood, Refusal):
            return _declining(understood, question, turn, outcomes, tools)
        if isinstance(understood, QuestionBack):
            return _message(understood.text, suggestions=understood.suggestions)
        progress = follow(understood, outcomes, context, tools)
        if progress.ready:
            # The plan is said before its first call, so that it can be read while it runs.
            said = "" if outcomes else plan_sentence(understood, {term.key: term for term in self.glossary})
            return _message(
                said,
                calls=[
                    (step.tool, step.arguments(progress.found), f"{turn}-{step.name}")
                    for step in progress.ready
                ],
            )
        answer = compose(understood, progress, self.body, self.glossary)
        return _message(answer.text, suggestions=answer.suggestions)

    def _parse(
        self, question: str, context: PlanContext, pending: QuestionBack | None
    ) -> Plan | QuestionBack | Refusal:
        return parse(
            question,
            self.glossary,
            self.places,
            context,
            body=self.body,
            tile_km=self.tile_km,
            pending=pending,
        )

    def _before(
        self, turns: Sequence[tuple[str, list[BaseMessage]]]
    ) -> tuple[PlanContext, QuestionBack | None]:
        """What the questions before have left behind, of older ones only the layers; what was asked back."""
        context, pending = PlanContext(), None
        for place, (question, messages) in enumerate(turns):
            query: Query | None = None
            results: tuple[str, ...] | None = None
            asked = None
            if place >= len(turns) - REMEMBERED_QUESTIONS:
                understood, outcomes = self._parse(question, context, pending), _outcomes(messages)
                if isinstance(understood, Plan):
                    query = remembered(understood.query, context)
                    if understood.results and outcomes.keys() & {step.name for step in understood.steps}:
                        progress = follow(understood, outcomes, context)
                        results = tuple(dict.fromkeys(map(progress.layer, understood.results)))
                elif isinstance(understood, QuestionBack) and _has_asked(messages):
                    asked = understood
            context, pending = _after(context, query, results, messages), asked
        return context, pending


def _has_asked(messages: Sequence[BaseMessage]) -> bool:
    """Whether a turn ended in a question and called no tool."""
    said = [message for message in messages if isinstance(message, AIMessage)]
    called = any(isinstance(message, ToolMessage) for message in messages)
    return bool(said) and "?" in said[-1].text and not called


def _declining(
    refusal: Refusal, question: str, turn: str, outcomes: dict[str, Outcome], tools: Sequence[str] | None
) -> AIMessage:
    if not outcomes and (tools is None or "decline" in tools):
        reason = refusal.reason + (f". What can be asked: {refusal.allowed}" if refusal.allowed else "")
        arguments = {"reason": f"{reason[0].upper()}{reason[1:]}."[:1000], "suggestion": refusal.suggestion}
        return _message(calls=[("decline", arguments, f"{turn}-decline")])
    return _message(_refuse(refusal, question), suggestions=(refusal.suggestion,))


def _refuse(refusal: Refusal, question: str) -> str:
    """One sentence: why not, and what can be asked instead unless that states numbers of its own."""
    said = refusal.reason
    if refusal.allowed and is_backed(refusal.allowed, numbers_in(question)):
        said += f"; {'I can tell' if refusal.allowed.startswith('where') else 'try'} {refusal.allowed}"
    return f"{said[0].upper()}{said[1:]}."


def _message(
    text: str = "", calls: Sequence[tuple[str, dict[str, Any], str]] = (), suggestions: Sequence[str] = ()
) -> AIMessage:
    return AIMessage(
        content=text,
        tool_calls=[tool_call(name=name, args=arguments, id=key) for name, arguments, key in calls],
        additional_kwargs={"suggestions": list(suggestions)} if suggestions else {},
        response_metadata={"model_name": MODEL_NAME},
    )


def _turns(messages: Sequence[BaseMessage]) -> list[tuple[str, list[BaseMessage]]]:
    """Each question with the messages that followed it."""
    turns: list[tuple[str, list[BaseMessage]]] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            turns.append((message.text, []))
        elif turns:
            turns[-1][1].append(message)
    return turns


def _outcomes(messages: Sequence[BaseMessage]) -> dict[str, Outcome]:
    """What tools said, by the name of the step that asked."""
    return {
        message.tool_call_id.partition("-")[2]: read_outcome(message)
        for message in messages
        if isinstance(message, ToolMessage)
    }


def read_outcome(message: ToolMessage) -> Outcome:
    """A tool's message: JSON, or the reason of a failure in words."""
    text = message.text
    if message.status == "error":
        return Outcome(error=text or "it failed without a reason")
    try:
        said = json.loads(text)
    except ValueError:
        return Outcome(summary=text)
    if not isinstance(said, dict):
        return Outcome(summary=text)
    figures = said.get("figures") or {}
    return Outcome(
        summary=str(said.get("summary", "")),
        figures={name: value for name, value in figures.items() if isinstance(value, int | float)},
        layers=[layer for layer in said.get("layers") or () if isinstance(layer, dict) and "id" in layer],
        table=[row for row in said.get("table") or () if isinstance(row, dict)],
    )


def _after(
    context: PlanContext,
    query: Query | None,
    answered_by: tuple[str, ...] | None,
    messages: Sequence[BaseMessage],
) -> PlanContext:
    """The context once a question has been answered, by whatever model.

    ``answered_by`` are the layers that the planner answered with, empty if one held nothing; None if another
    model answered, whose result must be guessed from its calls.
    """
    calls = {
        call["id"]: (call["name"], call["args"])
        for message in messages
        if isinstance(message, AIMessage)
        for call in message.tool_calls
    }
    layers = {layer.id: layer for layer in context.layers}
    parents: dict[str, list[str]] = {}
    last, described, shown = "", "", ""
    for message in messages:
        if not isinstance(message, ToolMessage) or message.status == "error":
            continue
        tool, arguments = calls.get(message.tool_call_id, ("", {}))
        outcome = read_outcome(message)
        for brief in outcome.layers:
            last = str(brief["id"])
            layers[last] = _known(brief, tool, arguments, outcome)
            if tool == "union":
                parents[last] = [str(layer) for layer in arguments.get("layers") or ()]
            elif tool == "filter_layer" and _LIMITS_OF_PLACE & set(arguments):
                parents[last] = [str(arguments.get("layer", ""))]
        if tool == "summarise":
            described = described or str(arguments.get("layer", ""))
        elif tool in ("draw_map", "export_layer", "orientation"):
            shown = shown or str(arguments.get("layer") or next(iter(arguments.get("layers") or []), ""))
    result = (described or last or shown) if answered_by is None else answered_by[0]
    if not layers.keys() & {result} and answered_by != ("",):  # nothing was answered: the old result stands
        return context.model_copy(update={"layers": tuple(layers.values())})
    query, base = query or context.query, _base(result, parents)
    turns = (*context.turns, Turn(query=query, result=result, base=base)) if query else context.turns
    return PlanContext(
        layers=tuple(layers.values()),
        result=result,
        results=tuple(layer for layer in answered_by or (result,) if layer),
        base=base,
        query=query,
        turns=turns,
    )


def _known(brief: Mapping[str, Any], tool: str, arguments: Mapping[str, Any], outcome: Outcome) -> KnownLayer:
    """A layer that a tool made, and how."""
    given = [arguments.get(name) for name in ("layer", "other", "catalogue")]
    named = [str(one) for one in (*given, *(arguments.get("layers") or ())) if one]
    return KnownLayer(
        id=str(brief["id"]),
        title=str(brief.get("title", brief["id"])),
        kind=str(brief.get("kind", "")),
        count=brief.get("count"),
        tool=tool,
        parents=tuple(named),
        said=outcome.summary,
        threshold=outcome.figures.get("threshold"),
    )


def _base(layer: str, parents: dict[str, list[str]]) -> str:
    """The layer before limits were put on it: up through filters, and unions of filters of one layer."""
    above = parents.get(layer)
    if not above:
        return layer
    origins = {_base(parent, parents) for parent in above}
    if len(origins) > 1 or (len(above) > 1 and origins <= set(above)):
        return layer
    return origins.pop()


def _name_of(tool: dict[str, Any] | type | Callable[..., Any] | BaseTool) -> str:
    # The schema of a tool takes long to write out, and the planner wants none.
    if isinstance(tool, BaseTool):
        return tool.name
    return str(convert_to_openai_tool(tool)["function"]["name"])
