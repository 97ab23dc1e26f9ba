"""The list of conversations."""

from __future__ import annotations

from agent.chat.house import Place
from agent.chat.markup import fill

MOST_LISTED = 100


def render(place: Place) -> str:
    """Conversations about this index, the last used first."""
    house = place.house
    about = [info for info in house.store.list() if info.index == house.index.manifest.name][:MOST_LISTED]
    here = place.session.id if place.session else ""
    return fill("panels/conversations.html.j2", conversations=about, here=here)
