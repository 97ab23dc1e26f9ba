"""What stands around the model and its tools, in order, and the live state that the model is told."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelCallLimitMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolCallLimitMiddleware,
)
from langchain_core.language_models import BaseChatModel

from agent.correction import Corrected, Review
from agent.memory import Summariser
from agent.middleware import LiveState, OneAtATime, Stoppable, TokenLimit, ValidHistory
from agent.models import OFFLINE, is_broken_stream
from agent.toolbox import error_middleware
from agent.validation import Validated
from tools.workspace import Workspace

if TYPE_CHECKING:
    from retrieval.index import TileIndex

# Of the tokens a language model may see: above the first share old tool results are left out, layers stay
# named; above all of them what is older than the last share is summarised.
FORGET_SHARE = 0.6
KEEP_SHARE = 0.3
RECENT_RESULTS = 8
LISTED_LAYERS = 40


def middleware_stack(
    workspace: Workspace, chat: BaseChatModel, model: str, tokens: TokenLimit, review: Review
) -> list[AgentMiddleware[Any, Any, Any]]:
    """Outermost first. `ValidHistory` must come before the limit: its jump would skip the count otherwise."""
    settings = workspace.settings
    stack: list[AgentMiddleware[Any, Any, Any]] = [
        ValidHistory(),
        LiveState(lambda: describe_state(workspace)),
        ModelCallLimitMiddleware(run_limit=settings.max_model_calls, exit_behavior="error"),
        ToolCallLimitMiddleware(run_limit=settings.max_tool_calls, exit_behavior="continue"),
        OneAtATime(workspace),
    ]
    if model.strip() != OFFLINE:
        room = settings.context_tokens
        trim = ClearToolUsesEdit(trigger=int(room * FORGET_SHARE), keep=RECENT_RESULTS)
        summary = SummarizationMiddleware(
            chat,
            trigger=("tokens", room),
            keep=("tokens", int(room * KEEP_SHARE)),
            trim_tokens_to_summarize=None,
            summarizer=Summariser(chat, workspace.stop),
        )
        retry = ModelRetryMiddleware(
            max_retries=1, retry_on=is_broken_stream, on_failure="error", initial_delay=0.5
        )
        stack = [summary, *stack, Corrected(review), ContextEditingMiddleware(edits=[trim]), tokens, retry]
    return [*stack, Validated(workspace), Stoppable(workspace), error_middleware()]


def describe_state(workspace: Workspace) -> str:
    """What is true right now, in a few lines for the model: body, index, layers."""
    index, layers = workspace.index, list(workspace.layers)
    lines = [
        "# Now",
        f"Body: {workspace.body.name}. Index: {index.manifest.name}, {len(index)} tiles of "
        f"{index.grid.tile_km:g} km. Named places: {'yes' if workspace.gazetteer is not None else 'none'}.",
        f"Area: {describe_area(index)}. "
        f"Context rasters: {', '.join(raster.name for raster in workspace.context) or 'none'}.",
        "Layers of this conversation:" if layers else "Layers of this conversation: none yet.",
    ]
    if len(layers) > LISTED_LAYERS:
        lines.append(f"- (the first {len(layers) - LISTED_LAYERS} are not listed)")
    # Quoted, on one line: a title is what someone wrote, not a part of the prompt.
    lines += [
        f"- {item.id}: {json.dumps(item.title, ensure_ascii=False)} ({len(item)} {item.kind})"
        for item in layers[-LISTED_LAYERS:]
    ]
    return "\n".join(lines)


def describe_area(index: TileIndex) -> str:
    """Where the tiles of an index lie: bounds in degrees, and their share of the body."""
    if not len(index):
        return "no tiles"
    west, south, east, north = index.tiles.bounds
    share = index.tiles.area_km2 / (4.0 * math.pi * index.body.radius_km**2)
    return (
        f"tiles between latitudes {south:.1f} and {north:.1f}, longitudes {west:.1f} and {east:.1f}, "
        f"{100.0 * min(share, 1.0):.2g} % of the body"
    )
