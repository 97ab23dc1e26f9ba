"""The share panel: the transcript, and the files made so far."""

from __future__ import annotations

from agent.chat.house import Place
from agent.chat.markup import fill


def render(place: Place) -> str:
    """Downloads of the conversation, or what there will be."""
    folder = place.session.conversation.workspace.output if place.session else None
    listed = []
    if folder and folder.is_dir():
        made = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        listed = [{"name": path.name, "size": _size(path.stat().st_size)} for path in made]
    return fill("panels/share.html.j2", base=place.base if place.session else "", files=listed)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
