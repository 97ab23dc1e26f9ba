"""What a tool works on: the index, the encoder, catalogues, layers, seed and limits of one conversation.

Also the checks of arguments that every tool shares.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import Cancelled, ToolInputError
from retrieval.settings import Settings
from retrieval.spatial.verdicts import holm
from tools.layers import Layer, LayerStore, Provenance
from tools.results import said, tidy

if TYPE_CHECKING:
    from retrieval.corpus.context import ContextRaster
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
        Pictures the call made, inside the workspace's output folder.
    table
        At most `Settings.model_rows` rows, as plain records.
    files
        Other files the call made (exports), inside the workspace's output folder.
    """

    summary: str
    layer_ids: tuple[str, ...] = ()
    figures: Mapping[str, float | int] = field(default_factory=dict)
    pictures: tuple[Path, ...] = ()
    table: tuple[Mapping[str, Json], ...] = ()
    files: tuple[Path, ...] = ()


@dataclass
class Workspace:
    """The things a tool may touch, made once per conversation.

    Attributes
    ----------
    settings, index, encoder, layers
        Limits; the opened index; the encoder that made it; where results go.
    templates
        Prompt templates with ``{}`` for the query, handed in by the entry point from `prompts`.
    glossary
        Per term that can be searched for, its names and description; from `prompts` as well.
    gazetteer
        Catalogue table of named places on the body (see `retrieval.catalogue`), or None.
    context
        Rasters of the body that can be asked for values at positions: elevation, albedo.
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
    glossary: Mapping[str, str] = field(default_factory=dict)
    gazetteer: Any = None
    context: tuple[ContextRaster, ...] = ()
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

    def rows_at(self, lonlat: ArrayLike) -> NDArray[np.int64]:
        """Index row of the tile whose cell holds each point, shape (...,); -1 where the index has none."""
        return self.index.tiles.at(lonlat)

    def provenance(self, tool: str, arguments: Mapping[str, Json], **record: Any) -> Provenance:
        """A layer's provenance with everything that the workspace knows filled in.

        Arguments that are None were not given and are left out, so that the record replays as it ran.
        """
        return Provenance(
            tool=tool,
            arguments={name: value for name, value in arguments.items() if value is not None},
            body=self.body.name,
            index=self.index.manifest.fingerprint,
            encoder=self.encoder.manifest.fingerprint,
            seed=self.seed,
            versions=_versions(),
            **record,
        )

    def record_test(self, name: str, p_value: float) -> tuple[int, float]:
        """Record a test, and correct its p value for all tests of this conversation so far (Holm 1979).

        Parameters
        ----------
        name
            What was tested, arguments included: the same test again counts once, also of layers that were
            made again and came out the same.
        p_value
            Its p value; NaN for a test that could not tell, which does not count.

        Returns
        -------
        tuple
            How many tests there are, this one included; the corrected p value (NaN stays NaN).
        """
        name = re.sub(r"\bL\d+\b", lambda match: self.layers.first_like(match[0]), name)
        tests = self.layers.record_test(name, p_value)
        corrected = holm(list(tests.values()))
        known = int(np.isfinite(corrected).sum())
        return known, float(corrected[list(tests).index(name)])

    def readable_file(self, name: str) -> Path:
        """Resolve a file name a user gave: a file that lies in one of the readable folders itself.

        Folders in them are not entered: they may belong to other conversations.

        Raises
        ------
        ToolInputError
            If it is no file there, or climbs out of them.
        """
        for folder in self.readable:
            try:
                path = (folder / name).resolve()
                if path.parent == folder.resolve() and path.is_file():
                    return path
            except (OSError, ValueError):  # too long for the file system, or a null character
                break
        raise ToolInputError(
            f"{name[:80]!r} is no file that may be read here",
            allowed=", ".join(self.readable_names()) or "none: nothing was brought into this conversation",
            next_step="bring the file into the conversation, then use its name",
        )

    def readable_names(self, limit: int = 12) -> list[str]:
        """Names of files that may be read, for messages; at most ``limit``."""
        found: set[str] = set()
        for folder in self.readable:
            if folder.is_dir():
                found.update(p.name for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
        return sorted(found)[:limit]


def open_workspace(
    settings: Settings,
    index: TileIndex,
    encoder: Encoder,
    layers_folder: Path,
    templates: Sequence[str],
    gazetteer: Any = None,
    readable: Sequence[Path] | None = None,
    seed: int = 0,
    glossary: Mapping[str, str] | None = None,
    context: Sequence[ContextRaster] = (),
) -> Workspace:
    """Make the workspace of one conversation.

    Parameters
    ----------
    index, encoder
        As `retrieval.index.open_matching` returns them: the encoder must be the one that made the index.
    layers_folder
        Where this conversation's layers live; its name also names the folder of its exports.
    templates
        Prompt templates with ``{}`` for the query.
    gazetteer
        Catalogue table of named places, or None.
    readable
        Folders from which a tool may read; None means the folder of uploads.
    glossary
        Per term that can be searched for, its names and description.
    context
        Rasters that can be asked for values at positions.
    """
    output = settings.exports / layers_folder.name
    output.mkdir(parents=True, exist_ok=True)
    return Workspace(
        settings=settings,
        index=index,
        encoder=encoder,
        layers=LayerStore(layers_folder),
        output=output,
        templates=tuple(templates),
        glossary=dict(glossary or {}),
        gazetteer=gazetteer,
        context=tuple(context),
        readable=(settings.uploads,) if readable is None else tuple(readable),
        seed=seed,
    )


def check_number(
    name: str, value: float, low: float, high: float, unit: str, *, above: bool = False
) -> float:
    """A finite number between bounds (``above``: greater than ``low``), or `ToolInputError`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    inside = low < number <= high if above else low <= number <= high
    if not inside:  # NaN compares false
        first = f"greater than {low:g}" if above else f"at least {low:g}"
        raise ToolInputError(
            f"{name} is {str(value)[:40]}", allowed=f"{first} and at most {said(tidy(high))} {unit}".rstrip()
        )
    return number


def check_text(name: str, value: str, longest: int = 500) -> str:
    """Text without surrounding or repeated white space, or `ToolInputError` if empty or too long."""
    text = " ".join(str(value).split())
    if not any(character.isalnum() for character in text):
        raise ToolInputError(f"{name} is empty", allowed=f"1 to {longest} characters of words")
    if len(text) > longest:
        raise ToolInputError(
            f"{name} has {len(text):,} characters", allowed=f"at most {longest}", next_step="shorten it"
        )
    return text


def check_distance_km(ws: Workspace, distance_km: float, name: str = "distance_km") -> float:
    """A distance that is one on this body, km: more than 0, at most half the circumference; or
    `ToolInputError`.
    """
    return check_number(name, distance_km, 0, ws.body.half_circumference_km, "km", above=True)


def two_layers(
    ws: Workspace,
    layer: str,
    other: str,
    *,
    other_name: str = "other",
    why_not: str = "everything is near itself",
    next_step: str = "search for the second thing first",
) -> tuple[Layer, Layer]:
    """Two different layers by id, or `ToolInputError`, which says why they cannot be the same."""
    one, two = ws.layers.get(layer), ws.layers.get(other)
    if one.id == two.id:
        raise ToolInputError(
            f"layer and {other_name} are both {one.id}: {why_not}",
            allowed="two different layers of " + ", ".join(ws.layers.ids()),
            next_step=next_step,
        )
    return one, two


def check_layers(ws: Workspace, layers: Sequence[str], fewest: int, most: int) -> list[Layer]:
    """Distinct layers by id, or `ToolInputError` if one is unknown or their number is not allowed."""
    names = layers.split(",") if isinstance(layers, str) else layers
    chosen = {layer.id: layer for layer in (ws.layers.get(name) for name in names)}
    if not fewest <= len(chosen) <= most:
        raise ToolInputError(
            f"{len(chosen)} different layers were given",
            allowed=f"{fewest} to {most} of {', '.join(ws.layers.ids()) or 'none yet'}",
        )
    return list(chosen.values())


@cache
def _versions() -> dict[str, str]:
    found = {}
    for name in ("areographer", "faiss-cpu", "geopandas", "numpy", "open_clip_torch", "scipy", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was never installed
            continue
    return found
