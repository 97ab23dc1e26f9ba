"""Tool calls checked against what is true right now, before they run; one more try, then the user is told.

The schema says what an argument may be; only the conversation says whether L7 exists, whether a place lies on
this body, whether a distance fits on it and whether a column is there. All of it is asked before any work is
done, and the answer names what would have been right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import AgentState, ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.types import Command
from pydantic import BaseModel, ValidationError

from agent.middleware import STOPPED_CALL, ToolHandler
from retrieval.errors import InputError, ToolInputError
from tools.conditions import named, read_condition
from tools.context import quantity
from tools.layers import Layer
from tools.places import find_in_gazetteer
from tools.statistics.density import CELL_NAMES
from tools.workspace import Workspace, check_number

LAYERS = ("layer", "other", "inside", "outside", "catalogue", "layers", "earlier")
DISTANCES = ("distance_km", "within_km", "scale_km")
SECOND_TRY = " That was the second try: do not call it so again, say in the answer what was not done and why."
GIVEN_UP = "given_up"


def check_state(ws: Workspace, tool: str, arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a call, of the right types already, against the state of a conversation.

    Raises
    ------
    InputError
        If something that an argument names does not exist, or cannot be on this body; the message says what
        there is.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    found = {name: [ws.layers.get(one) for one in _listed(given[name])] for name in LAYERS if name in given}
    for name in DISTANCES:
        if name in given:
            check_number(name, given[name], 0, ws.body.half_circumference_km, "km", above=True)
    place = given.get("name") if tool == "find_place" else given.get("place")
    if place is not None:
        find_in_gazetteer(ws, place)
    if tool == "load_catalogue" and "file" in given:
        ws.readable_file(given["file"])
    layers = found.get("layer") or found.get("layers") or []
    for check in _NAMES.get(tool, ()):
        check(ws, layers, given)


class Validated(AgentMiddleware[AgentState[Any], Any, Any]):
    """Answers a call that cannot be right instead of running it, and counts the tries of each tool."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def wrap_tool_call(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage | Command[Any]:
        """Run the call if it may be right; a second failure in a row is to be told to the user."""
        call = request.tool_call
        wrong = self._wrong(request)
        if wrong is None:
            message = handler(request)
        else:
            message = ToolMessage(str(wrong), tool_call_id=call["id"], name=call["name"], status="error")
        if not isinstance(message, ToolMessage) or message.status != "error" or message.text == STOPPED_CALL:
            return message
        if not tried_before(request.state["messages"], call["name"]):
            return message
        return message.model_copy(
            update={
                "content": message.text + SECOND_TRY,
                "additional_kwargs": {**message.additional_kwargs, GIVEN_UP: message.text},
            }
        )

    def _wrong(self, request: ToolCallRequest) -> InputError | None:
        if request.tool is None:  # a tool that does not exist; the loop says so
            return None
        arguments = request.tool_call["args"]
        try:
            schema = request.tool.args_schema
            if isinstance(schema, type) and issubclass(schema, BaseModel):
                schema.model_validate(arguments)
            check_state(self._workspace, request.tool_call["name"], arguments)
        except ValidationError:  # the tool itself says what its schema allows
            return None
        except InputError as error:
            return error
        return None


def tried_before(messages: Sequence[AnyMessage], tool: str) -> bool:
    """Whether the last message but this one that called the tool for this question got nothing but errors."""
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return False
        if isinstance(message, ToolMessage) and message.name == tool:
            return message.status == "error"
        if isinstance(message, AIMessage) and any(bad["name"] == tool for bad in message.invalid_tool_calls):
            return True
    return False


def given_up(failures: Mapping[str, str]) -> str:
    """What an answer must add on tools that failed twice and never worked after; empty if none did.

    Parameters
    ----------
    failures
        Why each failed, by its name.
    """
    if not failures:
        return ""
    said = "; ".join(
        f"{tool} failed twice ({text.partition(' Allowed: ')[0].partition(' Next: ')[0].rstrip('.')})"
        for tool, text in failures.items()
    )
    return f"\n\n(Not done: {said}.)"


def _listed(value: str | Sequence[str]) -> Iterator[str]:
    for text in [value] if isinstance(value, str) else value:
        yield from text.split(",")


def _conditions(ws: Workspace, layers: Sequence[Layer], given: Mapping[str, Any]) -> None:
    for condition in given.get("where", ()):
        named(ws, layers[0], read_condition(condition).name)


def _column_or_quantity(ws: Workspace, layers: Sequence[Layer], given: Mapping[str, Any]) -> None:
    named(ws, layers[0], given["by"])


def _quantity_or_cells(ws: Workspace, layers: Sequence[Layer], given: Mapping[str, Any]) -> None:
    if "by" in given and given["by"].strip().lower() not in CELL_NAMES:
        quantity(ws, given["by"])


def _quantities(ws: Workspace, layers: Sequence[Layer], given: Mapping[str, Any]) -> None:
    for name in given["values"]:
        quantity(ws, name)


def _column(ws: Workspace, layers: Sequence[Layer], given: Mapping[str, Any]) -> None:
    name = given.get("colour_by")
    columns = [str(column) for column in layers[-1].table.columns if column != "geometry"]
    if name is not None and name not in columns:
        raise ToolInputError(f"{layers[-1].id} has no column {name[:60]!r}", allowed=", ".join(columns[:20]))


# Whether what an argument names is a column or a quantity, by tool.
_NAMES: dict[str, tuple[Callable[[Workspace, Sequence[Layer], Mapping[str, Any]], None], ...]] = {
    "filter_layer": (_conditions,),
    "compare": (_column_or_quantity,),
    "density": (_quantity_or_cells,),
    "sample_context": (_quantities,),
    "draw_map": (_column,),
}
