"""Questions to begin with that this index can answer: of landforms that its search really finds.

Finding out takes a few seconds, in the background, once for an index; until then the page offers questions
that hold for any body.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agent.grammar.steps import Plan
from agent.question import parse
from prompts import Prompts, Term
from retrieval.body import Body
from retrieval.index import TileIndex
from retrieval.query import ask
from retrieval.settings import Settings
from retrieval.spatial.sphere import SphereTree

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Json = Any
EXAMPLES = (
    "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?",
    "Which way do the yardangs run?",
    "Where are gullies between 30 and 55 degrees, away from lava flows?",
    "How many layered-ejecta craters are there, and how much of the ground do they cover?",
)
KNOWN_BODIES = ("mars", "lowell")
ANYWHERE = (
    "Where are impact craters, poleward of 30 degrees?",
    "Where are sand dunes within 40 km of impact craters?",
    "Which way do the ridges run?",
    "How many impact craters are there, and how much of the ground do they cover?",
)
HITS = 5  # fewer make a poor example
SHARE = 0.2  # of the tiles: more says little
NEAR_KM = 40.0

# Landforms by what is worth asking of them, the better known first.
NEAR = (
    ("pitted_cones", "outflow_channel"),
    ("gullies", "simple_crater"),
    ("landslide", "graben"),
    ("rootless_cones", "lava_flow"),
    ("dunes", "simple_crater"),
    ("wrinkle_ridges", "lava_flow"),
    ("pit_chain", "graben"),
)
LINES = ("yardangs", "wrinkle_ridges", "graben", "transverse_dunes", "eskers", "lava_tube")
POLEWARD = ("gullies", "polygons", "dunes", "lineated_valley_fill", "scalloped_depressions", "barchan_dunes")
COUNTED = ("layered_ejecta_crater", "central_peak_crater", "pedestal_crater", "landslide", "simple_crater")


def examples_of(body: Body) -> tuple[str, ...]:
    """Examples before anything is known of an index."""
    return EXAMPLES if body.name in KNOWN_BODIES else ANYWHERE


def remembered(settings: Settings, index: TileIndex) -> tuple[str, ...]:
    """The examples found out for an index at an earlier start; empty if none were."""
    try:
        kept = json.loads(_path(settings, index).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    fine = isinstance(kept, list) and all(isinstance(text, str) and 0 < len(text) < 200 for text in kept)
    return tuple(kept[:4]) if fine else ()


def find_out(settings: Settings, index: TileIndex, encoder: Encoder, prompts: Prompts) -> tuple[str, ...]:
    """Examples of landforms that the index holds, kept for the next start."""
    found = remembered(settings, index)
    if not found:
        found = tuple(_good(index, encoder, prompts))
        path = _path(settings, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{threading.get_ident()}.tmp")
        temporary.write_text(json.dumps(found), encoding="utf-8")
        temporary.replace(path)
    return found


def _good(index: TileIndex, encoder: Encoder, prompts: Prompts) -> Iterator[str]:
    terms = {term.key: term for term in prompts.glossary}
    holds = _Holds(index, encoder, prompts)
    offered = (_near(holds, terms), _line(holds, terms), _poleward(holds, terms), _counted(holds, terms))
    for text in offered:
        plan = text and parse(text, prompts.glossary, (), body=index.body.name, tile_km=index.grid.tile_km)
        if isinstance(plan, Plan):
            yield text


class _Holds:
    """What an index holds, asked for once each."""

    def __init__(self, index: TileIndex, encoder: Encoder, prompts: Prompts) -> None:
        self._index, self._encoder, self._prompts = index, encoder, prompts
        self._known: dict[str, NDArray[np.float64]] = {}
        self.body = index.body

    def __call__(self, term: Term) -> NDArray[np.float64]:
        """Positions of the tiles that show a landform, (n, 2); none if they are too few or too many."""
        if term.key not in self._known:
            index, prompts = self._index, self._prompts
            asked = ask(index, self._encoder, term.term, prompts.templates, prompts.descriptions)
            rows = np.sort(asked.hits().rows)
            if not HITS <= len(rows) <= SHARE * len(index):
                rows = rows[:0]
            self._known[term.key] = index.tiles.centres(rows)
        return self._known[term.key]


def _near(holds: _Holds, terms: Mapping[str, Term]) -> str:
    for one, other in NEAR:
        if one not in terms or other not in terms or not len(holds(terms[one])):
            continue
        around = holds(terms[other])
        if len(around):
            _, at = SphereTree(holds.body, around).nearest(holds(terms[one]), NEAR_KM)
            if np.count_nonzero(at >= 0) >= HITS:
                return f"Where are {terms[one].plural} within {NEAR_KM:.0f} km of {terms[other].plural}?"
    return ""


def _line(holds: _Holds, terms: Mapping[str, Term]) -> str:
    one = _first(holds, terms, LINES)
    return f"Which way do the {one.plural} run?" if one else ""


def _poleward(holds: _Holds, terms: Mapping[str, Term]) -> str:
    for key in POLEWARD:
        if key in terms and np.count_nonzero(np.abs(holds(terms[key])[:, 1]) >= 30.0) >= HITS:
            return f"Where are {terms[key].plural}, poleward of 30 degrees?"
    return ""


def _counted(holds: _Holds, terms: Mapping[str, Term]) -> str:
    one = _first(holds, terms, COUNTED)
    return f"How many {one.plural} are there, and how much of the ground do they cover?" if one else ""


def _first(holds: _Holds, terms: Mapping[str, Term], keys: Sequence[str]) -> Term | None:
    return next((terms[key] for key in keys if key in terms and len(holds(terms[key]))), None)


def _path(settings: Settings, index: TileIndex) -> Path:
    return settings.home / "cache" / f"examples-{index.manifest.fingerprint[:16]}.json"
