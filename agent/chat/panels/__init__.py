"""Panels: what stands beside the dialogue, each a fragment of HTML that the page fetches when it changes.

A panel has up to four files of its name: ``NAME.py`` with ``render(place) -> HTML`` (and ``routes``,
``ACTIONS`` where people do something in it), ``NAME.html.j2``, ``NAME.css`` and ``NAME.js``. Nothing else
knows what is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from types import ModuleType

from starlette.routing import Route

from agent.chat import bring
from agent.chat.house import Action, House, Place
from agent.chat.markup import FOLDER, asset
from agent.chat.panels import conversations, evidence, layers, recipe, share
from agent.chat.panels import map as map_panel
from retrieval.errors import QuestionError

_MODULES: dict[str, ModuleType] = {
    "conversations": conversations,
    "evidence": evidence,
    "layers": layers,
    "recipe": recipe,
    "share": share,
    "map": map_panel,
}

# Those in the tabs beside the dialogue, with their words; conversations have a column of their own.
TABS = {"evidence": "Evidence", "layers": "Layers", "recipe": "Recipe", "share": "Share"}


def render(name: str, place: Place) -> str:
    """HTML of a panel.

    Raises
    ------
    QuestionError
        If there is no such panel.
    """
    if name not in _MODULES:
        raise QuestionError(f"there is no panel {name[:40]!r}", allowed=", ".join(_MODULES))
    drawn: Callable[[Place], str] = _MODULES[name].render
    return drawn(place)


def routes(house: House) -> list[Route]:
    """What the panels post to."""
    modules = (*_MODULES.values(), bring)
    return list(chain.from_iterable(m.routes(house) for m in modules if hasattr(m, "routes")))


def action(kind: str) -> Action:
    """What a page may ask for that makes a turn.

    Raises
    ------
    QuestionError
        If there is no such action.
    """
    known: dict[str, Action] = {}
    for module in (*_MODULES.values(), bring):
        known |= getattr(module, "ACTIONS", {})
    if kind not in known:
        raise QuestionError(f"there is no action {kind[:40]!r}", allowed=", ".join(known) or "none yet")
    return known[kind]


def style() -> str:
    """Looks of all panels."""
    return "\n".join([*_assets("css"), asset("bring.css")])


def script() -> str:
    """What happens in the browser in all panels."""
    return "\n".join([*_assets("js"), asset("bring.js")])


def _assets(suffix: str) -> list[str]:
    names = [f"panels/{name}.{suffix}" for name in _MODULES]
    return [asset(name) for name in names if (FOLDER / name).is_file()]
