"""The layers panel: every result of the conversation and how it was made."""

from __future__ import annotations

from agent.chat.dialogue import call_text
from agent.chat.house import Place
from agent.chat.markup import fill
from tools.maps.globe import COLOURS


def render(place: Place) -> str:
    """The table of layers, those on the map with their colour."""
    colours = {layer_id: COLOURS[i % len(COLOURS)] for i, layer_id in enumerate(place.shown)}
    rows = []
    for layer in place.session.conversation.workspace.layers if place.session else ():
        made = layer.provenance
        threshold = "" if made.threshold is None else f"p ≥ {made.threshold:.2f}"
        rows.append(
            {
                "id": layer.id,
                "title": layer.title,
                "kind": layer.kind,
                "count": len(layer),
                "threshold": threshold,
                "tool": made.tool,
                "how": call_text("", made.arguments)[1:-1],
                "colour": colours.get(layer.id, ""),
            }
        )
    return fill("panels/layers.html.j2", rows=rows)
