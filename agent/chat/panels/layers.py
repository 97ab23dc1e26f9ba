"""The layers panel: every result of the conversation, how it was made, and its files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.chat.dialogue import call_text, step_title
from agent.chat.house import ROUTES, House, Place, refusing
from agent.chat.markup import fill
from agent.events import Step, Turn
from tools.export import Format, layer_name, write_layer
from tools.layers import Layer
from tools.maps.globe import COLOURS

Json = Any
FORMATS = {"gpkg": "GeoPackage", "geojson": "GeoJSON", "csv": "CSV"}
_MEDIA = {"gpkg": "application/geopackage+sqlite3", "geojson": "application/geo+json", "csv": "text/csv"}


def render(place: Place) -> str:
    """The table of layers, those on the map with their colour."""
    colours = {layer_id: COLOURS[i % len(COLOURS)] for i, layer_id in enumerate(place.shown)}
    rows: list[dict[str, Json]] = []
    if place.session is not None:
        conversation = place.session.conversation
        tests = _tests(conversation.turns)
        rows = [
            _row(layer, colours.get(layer.id, ""), tests.get(layer.id, []))
            for layer in conversation.workspace.layers
        ]
    return fill("panels/layers.html.j2", rows=rows, base=place.base, formats=FORMATS)


def routes(house: House) -> list[Route]:
    """A layer as a file."""

    def download(request: Request) -> Response:
        place = house.place(request)
        if place.session is None:
            return Response("There is no conversation yet.", 404, media_type="text/plain")
        workspace = place.session.conversation.workspace
        layer, kind = workspace.layers.get(request.path_params["layer"]), request.path_params["kind"]
        # Made anew and kept nowhere: what people export for the record is a turn of the dialogue.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"layer.{kind}"
            write_layer(path, layer, workspace.body, cast(Format, kind))
            content = path.read_bytes()
        name = f"areographer_{workspace.body.name}_{layer_name(layer)}.{kind}"
        return Response(
            content,
            media_type=_MEDIA.get(kind, "application/octet-stream"),
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )

    return [Route(f"/{ROUTES}/c/{{conversation}}/layer/{{layer}}.{{kind}}", refusing(download))]


def _row(layer: Layer, colour: str, tests: list[str]) -> dict[str, Json]:
    made = layer.provenance
    return {
        "id": layer.id,
        "title": layer.title,
        "kind": layer.kind,
        "count": len(layer),
        "threshold": "" if made.threshold is None else f"p ≥ {made.threshold:.2f}",
        "why": made.threshold_method,
        "counts": [{"at": level, "count": count} for level, count in made.counts_at.items()],
        "words": unescape(step_title(made.tool, made.arguments)),
        "tool": made.tool,
        "how": call_text("", made.arguments)[1:-1],
        "parents": made.parents,
        "notes": [*made.notes, *([made.score_rule] if made.score_rule else [])],
        "tests": tests,
        "colour": colour,
    }


def _tests(turns: Sequence[Turn]) -> dict[str, list[str]]:
    """What was tested against chance, by layer, in words."""
    found: dict[str, list[str]] = {}
    for step in (step for turn in turns for step in turn.steps if not step.error):
        if "p_value" not in step.figures:
            continue
        words = f"{unescape(step_title(step.tool, step.arguments))}: p = {step.figures['p_value']:.2g}"
        for layer_id in _named(step):
            found.setdefault(layer_id, []).append(words)
    return found


def _named(step: Step) -> list[str]:
    given = (str(step.arguments.get(name, "")) for name in ("layer", "other"))
    return [name for name in given if name]
