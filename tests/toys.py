"""Toy tools over a toy index, and a scripted chat model: for tests of the loop that need no science."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from retrieval.body import get_body
from retrieval.errors import ToolInputError
from retrieval.grid import Grid
from retrieval.settings import Settings
from retrieval.tiles import TileTable
from tools.layers import LayerStore, Provenance, make_table
from tools.workspace import ToolResult, Workspace


class ToyIndex:
    """As much of an index as the loop looks at."""

    body = get_body("lowell")
    grid = Grid(body, 60.0)
    manifest = SimpleNamespace(name="toy", source={})
    tiles = TileTable(
        grid, {"tile": np.sort(grid.locate([[-20.0, -10.0], [120.0, 30.5]])), "observed": np.ones(2)}
    )

    def __len__(self) -> int:
        return 700


def seek(ws: Workspace, text: str, limit: int = 5, min_probability: float | None = None) -> ToolResult:
    """Find tiles that look like a text.

    The best come first.

    Parameters
    ----------
    text
        What to look for.
    limit
        How many tiles, 1 to 50.
    min_probability
        Smallest probability, 0 to 1.

    Returns
    -------
    Something the model need not know.
    """
    if text == "trouble":
        raise ToolInputError("nothing looks like trouble", allowed="landforms", next_step="ask for cones")
    if text == "bug":
        raise ValueError("secret detail")
    if text == "slow":
        for _ in range(500):
            ws.check_stop()
            time.sleep(0.01)
    lonlat = np.zeros((limit, 2))
    chance = np.linspace(0.9, 0.6, limit)
    table = make_table(ws.body, [f"r{i}" for i in range(limit)], lonlat, chance, chance)
    layer = ws.layers.add(text, "tiles", table, Provenance("seek", {"text": text}, ws.body.name))
    picture = ws.output / "maps" / "map.png"
    rows = ({"row_id": "r0", "probability": np.float64(0.9), "score": float("nan")},)
    figures = {"count": np.int64(limit), "share": 0.25}
    return ToolResult(f"{layer.id}: {limit} tiles.", (layer.id,), figures, (picture,), rows)


def draw(ws: Workspace, layers: list[str], style: Literal["flat", "globe"] = "flat") -> ToolResult:
    """Draw layers.

    Parameters
    ----------
    layers
        Ids.
    style
        How.
    """
    made = [ws.layers.get(name).id for name in layers]
    return ToolResult(f"Drew {', '.join(made)}.", pictures=(ws.output / "map.png",))


def decline(ws: Workspace, reason: str, suggestion: str) -> ToolResult:
    """Say that the question cannot be answered.

    Parameters
    ----------
    reason, suggestion
        One sentence each.
    """
    return ToolResult(reason)


TOYS = (seek, draw, decline)


def toy_workspace(settings: Settings, name: str) -> Workspace:
    layers = LayerStore(settings.layers / name)
    index: Any = ToyIndex()
    return Workspace(settings, index, encoder=index, layers=layers, output=settings.exports / name)


class ScriptedChat(FakeMessagesListChatModel):
    """A model without streaming that takes tools and says the next line of its script."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self
