"""What the map does beside showing: a threshold that someone moved is kept as a layer of its own.

The map itself lies in a frame (``globe.js``) and has no fragment; ``map.js`` is the page's side of it.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.chat.house import ROUTES, Action, House, Place, refusing
from agent.direct import Work
from agent.events import Step
from agent.judging import chain_of
from agent.labels import CLEARED, Labels
from retrieval.errors import ToolInputError
from tools.layers import Layer

Json = Any

REFINED = "a refined layer keeps as many tiles as its search: lower the search's threshold and refine that"


def render(place: Place) -> str:
    """Nothing: the map lies in a frame of its own."""
    return ""


def routes(house: House) -> list[Route]:
    """What was said of a tile of a layer: ``{"verdict": "accept" | "reject" | "none"}``."""

    def verdict(request: Request) -> Response:
        place = house.place(request)
        if place.session is None:
            raise ToolInputError("there is no conversation yet", next_step="ask a question first")
        layers = place.session.conversation.workspace.layers
        chain = chain_of(layers, layers.get(place.query.get("layer", "")))
        said = Labels(house.store).of(place.session.id, chain[-1].id).get(place.query.get("tile", ""))
        found = said.verdict if said else CLEARED
        return JSONResponse({"verdict": found}, headers={"Cache-Control": "no-store"})

    return [Route(f"/{ROUTES}/c/{{conversation}}/verdict", refusing(verdict))]


def keeping(layer: Layer) -> dict[str, str]:
    """Why a threshold higher or lower than a layer's own cannot be kept as a layer; empty where it can."""
    return {"higher": "", "lower": REFINED if layer.provenance.tool == "refine" else ""}


def threshold(place: Place, payload: Mapping[str, Json]) -> tuple[str, Work]:
    """Make a layer of what the map shows: ``{"layer": "L1", "min_probability": 0.62}``.

    A search by words is asked again with that threshold; any other layer is filtered by it.

    Raises
    ------
    ToolInputError
        If there is no such layer, it has no probabilities, or the threshold is none it can have.
    """
    if place.session is None:
        raise ToolInputError("there is no layer yet", next_step="ask a question first")
    layer = place.session.conversation.workspace.layers.get(str(payload.get("layer", "")))
    least = payload.get("min_probability")
    if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
        raise ToolInputError(f"a threshold of {str(least)[:40]}", allowed="a number from 0 to 1")
    probability = layer.table["probability"].to_numpy(dtype=float)
    if not len(layer) or not any(map(math.isfinite, probability)):
        raise ToolInputError(
            f"{layer.id} has no probabilities", allowed="layers made by search_words or refine, and from them"
        )
    lower = least < float(layer.provenance.threshold or 0.0)
    if lower and (why := keeping(layer)["lower"]):
        raise ToolInputError(f"{layer.id} cannot be kept at {least:g}: {why}", allowed="a higher threshold")
    question = f"Keep {layer.id} ({layer.title}) at a probability of at least {least:g}"
    return question, _kept(layer, float(least))


ACTIONS: dict[str, Action] = {"threshold": threshold}


def _kept(layer: Layer, least: float) -> Generator[tuple[str, dict[str, Json]], Step, str]:
    made = layer.provenance
    if made.tool == "search_words":
        text = str(made.arguments["text"])
        title = {"title": made.arguments["title"]} if made.arguments.get("title") else {}
        step = yield "search_words", {"text": text, "min_probability": least, **title}
    else:
        step = yield "filter_layer", {"layer": layer.id, "min_probability": least}
    if step.error:
        return f"{layer.id} could not be kept at that threshold. {step.error}"
    count = step.figures.get("count", 0)
    new = step.layer_ids[0]
    return f"{new} holds the {count:,} rows of {layer.title} that reach a probability of {least:g} [{new}]."
