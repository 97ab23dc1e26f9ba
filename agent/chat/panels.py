"""What the chat shows beside the dialogue, as HTML: the masthead, evidence tiles, layers and files.

The HTML itself stands in ``panels.html.j2`` (autoescaped), its looks in ``style.css``, and the little that
happens in the browser in ``page.js``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from agent.chat.dialogue import call_text
from retrieval.errors import InputError
from retrieval.index import TileIndex
from tools.layers import Layer
from tools.maps.globe import COLOURS, top_rows

Json = Any
TILES_SHOWN = 24


def masthead(index: TileIndex, model: str, offline: bool) -> str:
    """Name of the product and of everything an answer depends on."""
    manifest = index.manifest
    return _render(
        "masthead",
        index=manifest.name,
        body=index.body.name.capitalize(),
        tiles=len(index),
        encoder=manifest.encoder["name"],
        model=model,
        offline=offline,
    )


def welcome(index: TileIndex, offline: bool) -> str:
    """What an empty dialogue says."""
    return _render("welcome", body=index.body.name.capitalize(), tiles=len(index), offline=offline)


def tiles_panel(index: TileIndex, layers: Sequence[Layer], shown: str, tiles_base: str) -> str:
    """The most probable tiles of the layer ``shown``, and buttons for the other layers.

    Parameters
    ----------
    tiles_base
        Address of tile pictures: row number and ``.jpg`` are added.
    """
    listed = [{"id": layer.id, "title": layer.title, "count": len(layer)} for layer in layers]
    layer = next((layer for layer in layers if layer.id == shown), None)
    tiles = _tiles(index, layer, tiles_base) if layer is not None else []
    note = ""
    if layer is not None and not tiles:
        why = {"catalogue": "it is a catalogue"}.get(layer.kind, "see it on the globe")
        note = f"{layer.id} has no tiles to show: {why if len(layer) else 'it is empty'}."
    return _render("tiles_panel", layer=layer, layers=listed, tiles=tiles, note=note)


def layers_panel(layers: Sequence[Layer], on_map: Sequence[str]) -> str:
    """The table of layers, those on the map with their colour."""
    colours = {layer_id: COLOURS[i % len(COLOURS)] for i, layer_id in enumerate(on_map)}
    rows = []
    for layer in layers:
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
    return _render("layers_panel", rows=rows)


def files_panel(base: str, folder: Path | None) -> str:
    """Downloads of a conversation; ``base`` is empty before the first question."""
    listed = []
    if folder and folder.is_dir():
        made = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        listed = [{"name": path.name, "size": _size(path.stat().st_size)} for path in made]
    return _render("files_panel", base=base, files=listed)


@cache
def asset(name: str) -> str:
    """Text of a file of this package: ``style.css``, ``page.js``."""
    return files("agent.chat").joinpath(name).read_text(encoding="utf-8")


def _tiles(index: TileIndex, layer: Layer, tiles_base: str) -> list[dict[str, Json]]:
    tiles = []
    for row in top_rows(layer, TILES_SHOWN):
        record = layer.table.iloc[int(row)]
        try:
            number = index.row_of(str(record["row_id"]))
        except InputError:
            # Features and catalogue entries have ids of their own and no picture.
            continue
        tiles.append(
            {
                "id": str(record["row_id"]),
                "picture": f"{tiles_base}{number}.jpg",
                "lon": round(float(record["lon"]), 4),
                "lat": round(float(record["lat"]), 4),
                "where": _position(float(record["lat"]), float(record["lon"])),
                "scores": _scores(float(record["probability"]), float(record["score"])),
            }
        )
    return tiles


def _scores(probability: float, score: float) -> str:
    given = ((name, value) for name, value in (("p", probability), ("score", score)) if math.isfinite(value))
    return " · ".join(f"{name} {value:.2f}" for name, value in given)


def _position(lat: float, lon: float) -> str:
    return f"{abs(lat):.1f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.1f}° {'E' if lon >= 0 else 'W'}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


@cache
def _template() -> jinja2.environment.TemplateModule:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["urlencode"] = lambda text: quote(str(text), safe="")
    return environment.from_string(asset("panels.html.j2")).module


def _render(macro: str, **values: Json) -> str:
    return str(Markup(getattr(_template(), macro)(**values))).strip()
