"""The evidence panel: tiles of one layer."""

from __future__ import annotations

import math
from typing import Any

from agent.chat.house import Place, tiles_base
from agent.chat.markup import fill
from retrieval.errors import InputError
from retrieval.index import TileIndex
from tools.layers import Layer
from tools.maps.globe import top_rows

Json = Any
TILES_SHOWN = 24


def render(place: Place) -> str:
    """The most probable tiles of the layer in the query, or of the first on the map; buttons for others."""
    layers = list(place.session.conversation.workspace.layers) if place.session else []
    layer = _layer(layers, place)
    listed = [{"id": other.id, "title": other.title, "count": len(other)} for other in layers]
    tiles = _tiles(place.house.index, layer) if layer is not None else []
    note = ""
    if layer is not None and not tiles:
        why = {"catalogue": "it is a catalogue"}.get(layer.kind, "see it on the globe")
        note = f"{layer.id} has no tiles to show: {why if len(layer) else 'it is empty'}."
    return fill("panels/evidence.html.j2", layer=layer, layers=listed, tiles=tiles, note=note)


def _layer(layers: list[Layer], place: Place) -> Layer | None:
    """The one that was chosen, else the first on the map that has tiles, else any on the map."""
    known = {layer.id: layer for layer in layers}
    chosen = known.get(place.query.get("layer", ""))
    if chosen is not None:
        return chosen
    shown = [known[name] for name in place.shown]
    return next(
        (layer for layer in shown if layer.kind == "tiles" and len(layer)), shown[0] if shown else None
    )


def _tiles(index: TileIndex, layer: Layer) -> list[dict[str, Json]]:
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
                "picture": f"{tiles_base(index)}{number}.jpg",
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
