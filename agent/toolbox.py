"""Plain tool functions -> LangChain tools, with the schema that `tools.schema` reads off them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from langchain.agents.middleware import ToolErrorMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.tools import StructuredTool

from retrieval.errors import Cancelled, InputError
from retrieval.stop import stop_in_hand
from tools.schema import Json, ToolFunction, ToolSchema, describe_result, fault_text, told, tool_schema
from tools.workspace import Workspace

log = logging.getLogger(__name__)


def wrap_tools(functions: Iterable[ToolFunction], workspace: Workspace) -> list[StructuredTool]:
    """Bind each function to a workspace and describe it to a model.

    A call answers with JSON ``{"summary", "figures", "layers", "table"}`` and the artifact that
    `describe_result` makes. Arguments are checked strictly: no unknown names, no text for a number.
    """
    return [_wrap(tool_schema(function), workspace) for function in functions]


def error_middleware() -> ToolErrorMiddleware[Any, Any]:
    """Tell the model what went wrong in a tool; a stop ends the run instead."""
    return ToolErrorMiddleware(_tell)


def _wrap(schema: ToolSchema, workspace: Workspace) -> StructuredTool:
    def call(**given: Json) -> tuple[str, dict[str, Json]]:
        started = time.perf_counter()
        # A call that was left behind when the user pressed stop stays stopped, whatever is asked next.
        own = replace(workspace, stop=stop_in_hand() or workspace.stop)
        result = schema.function(own, **given)
        artifact = describe_result(result, workspace, time.perf_counter() - started)
        return told(artifact), artifact

    return StructuredTool(
        name=schema.name,
        description=schema.description,
        args_schema=schema.arguments,
        func=call,
        response_format="content_and_artifact",
        handle_validation_error=lambda error: str(schema.refusal(error)),
    )


def explain(error: Exception, name: str, arguments: Mapping[str, Json]) -> str:
    """What went wrong in a tool, in words; a fault of ours is logged."""
    if isinstance(error, InputError):
        return str(error)
    log.error("tool %s failed on %s", name, arguments, exc_info=error)
    return fault_text(name, error)


def _tell(error: Exception, request: ToolCallRequest) -> str | None:
    if isinstance(error, Cancelled):
        return None
    return explain(error, request.tool_call["name"], request.tool_call["args"])
