"""The head of the page, and what an empty dialogue says."""

from __future__ import annotations

from agent.chat.markup import fill
from retrieval.index import TileIndex


def masthead(index: TileIndex, model: str, offline: bool) -> str:
    """Name of the product and of everything an answer depends on."""
    manifest = index.manifest
    return fill(
        "masthead.html.j2",
        index=manifest.name,
        body=index.body.name.capitalize(),
        tiles=len(index),
        encoder=manifest.encoder["name"],
        model=model,
        offline=offline,
    )


def welcome(index: TileIndex, offline: bool) -> str:
    """What an empty dialogue says."""
    return fill("welcome.html.j2", body=index.body.name.capitalize(), tiles=len(index), offline=offline)
