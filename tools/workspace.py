"""What a tool works on: the index, the encoder, catalogues, layers, seed and limits of one conversation."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.body import Body
from retrieval.errors import Cancelled, ToolInputError
from retrieval.settings import Settings
from tools.layers import LayerStore

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

Json = Any


@dataclass(frozen=True)
class ToolResult:
    """What every tool returns; the only thing a model and the evidence check see of its work.

    Attributes
    ----------
    summary
        One to four sentences with units, every number of which stands in ``figures``.
    layer_ids
        Layers that the call made.
    figures
        Every number it states: ``{"count": 41, "distance_km": 40.0}``; names end in their unit.
    pictures
        Files the call made, inside the workspace's folders.
    table
        At most `Settings.model_rows` rows, as plain records.
    """

    summary: str
    layer_ids: tuple[str, ...] = ()
    figures: Mapping[str, float | int] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    table: tuple[Mapping[str, Json], ...] = ()


@dataclass
class Workspace:
    """The things a tool may touch, made once per conversation.

    Attributes
    ----------
    settings, index, encoder, layers
        Limits; the opened index; the encoder that made it; where results go.
    templates
        Prompt templates with ``{}`` for the query, handed in by the entry point from `prompts`.
    gazetteer
        Catalogue table of named places on the body (see `retrieval.catalogue`), or None.
    readable
        Folders from which a tool may read a file that a user named.
    output
        The one folder in which tools may write files (pictures, exports).
    seed
        Seed of everything random.
    stop
        Set by the stop button; tools call `check_stop` between pieces of work.
    """

    settings: Settings
    index: TileIndex
    encoder: Encoder
    layers: LayerStore
    output: Path
    templates: Sequence[str] = ("{}",)
    gazetteer: Any = None
    readable: tuple[Path, ...] = ()
    seed: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> Body:
        """The body of the index."""
        return self.index.body

    def check_stop(self) -> None:
        """Raise `Cancelled` if the user pressed stop."""
        if self.stop.is_set():
            raise Cancelled("stopped by the user")

    def readable_file(self, name: str) -> Path:
        """Resolve a file name a user gave, inside the readable folders only.

        Raises
        ------
        ToolInputError
            If it is no file there, or climbs out of them.
        """
        for folder in self.readable:
            path = (folder / name).resolve()
            if path.is_relative_to(folder.resolve()) and path.is_file():
                return path
        raise ToolInputError(
            f"{name[:80]!r} is no file that may be read here",
            allowed="files in " + ", ".join(str(f) for f in self.readable) if self.readable else "none",
            next_step="upload it or copy it there",
        )
