"""The evidence panel: tiles of one layer, to look at and to judge, and what the verdicts are good for."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.chat.gallery import VIEWS, Gallery, around, gallery_of
from agent.chat.house import ROUTES, Action, House, Place, guarded, refusing, tiles_base
from agent.chat.markup import fill
from agent.direct import Work
from agent.judging import Judging, chain_of
from agent.labels import CLEARED, Labels
from retrieval.errors import QuestionError
from retrieval.judged import LEAST_DRAWN, Precision
from tools.layers import Layer

Json = Any
MOST_AT_ONCE = 200


def render(place: Place) -> str:
    """A page of tiles of the layer in the query, or of the first on the map; buttons for other layers."""
    layers = list(place.session.conversation.workspace.layers) if place.session else []
    layer = _layer(layers, place)
    listed = [{"id": other.id, "title": other.title, "count": len(other)} for other in layers]
    if layer is None or not len(layer) or layer.kind != "tiles":
        note = f"{layer.id} has no tiles to show: {_why_none(layer)}." if layer is not None else ""
        return fill("panels/evidence.html.j2", layer=layer, layers=listed, note=note, gallery=None)
    judging = _judging(place, layer)
    gallery = gallery_of(place, judging)
    return fill(
        "panels/evidence.html.j2",
        layer=layer,
        layers=listed,
        note="",
        gallery=gallery,
        views=_views(gallery),
        told=told(judging),
        before=_before(place, judging),
        most=MOST_AT_ONCE,
    )


def routes(house: House) -> list[Route]:
    """Verdicts, their undoing and their export; the surroundings of a tile."""

    def judge(request: Request, payload: Mapping[str, Json]) -> Json:
        place = house.place(request)
        judging = _judging(place, _named(place, payload))
        tiles = payload.get("tiles")
        if not isinstance(tiles, dict) or not 1 <= len(tiles) <= MOST_AT_ONCE:
            raise QuestionError(
                "no verdicts were sent", allowed=f"1 to {MOST_AT_ONCE} tiles, each with its own"
            )
        for tile in tiles:
            house.index.row_of(str(tile))
        Labels(house.store).judge(
            _id(place), judging.search.id, tiles, judging.layer.id, str(payload.get("view", "map"))
        )
        return told(_judging(place, judging.layer))

    def undo(request: Request, payload: Mapping[str, Json]) -> Json:
        place = house.place(request)
        judging = _judging(place, _named(place, payload))
        undone = Labels(house.store).undo(_id(place), judging.search.id)
        now = _judging(place, judging.layer)
        verdicts = {tile: now.labels[tile].verdict if tile in now.labels else CLEARED for tile in undone}
        return {**told(now), "tiles": verdicts}

    def labels(request: Request) -> Response:
        place = house.place(request)
        records = Labels(house.store).export(_id(place))
        if request.path_params["kind"] == "json":
            return JSONResponse({"labels": records})
        if request.path_params["kind"] != "csv":
            raise QuestionError("verdicts come as .csv or .json")
        named = {"Content-Disposition": 'attachment; filename="verdicts.csv"'}
        return Response(labels_csv(records), media_type="text/csv; charset=utf-8", headers=named)

    def surroundings(request: Request) -> Response:
        return around(house, request.path_params["row"])

    one = f"/{ROUTES}/c/{{conversation}}"
    return [
        Route(f"{one}/judge", guarded(judge), methods=["POST"]),
        Route(f"{one}/unjudge", guarded(undo), methods=["POST"]),
        Route(f"{one}/verdicts.{{kind}}", refusing(labels)),
        Route(f"/{tiles_base(house.index)}around/{{row:int}}.jpg", surroundings),
    ]


def refine(place: Place, payload: Mapping[str, Json]) -> tuple[str, Work]:
    """The turn that refines a layer by the verdicts on it: ``{"layer": "L1"}``."""
    judging = _judging(place, _named(place, payload))

    def carry(new: str) -> None:
        # They were picked to be looked at, or drawn from another list: of the new one they are no sample.
        Labels(place.house.store).judge(
            _id(place), new, {tile: label.verdict for tile, label in judging.labels.items()}, new, "surest"
        )

    return judging.refinement(carry)


ACTIONS: dict[str, Action] = {"refine": refine}


def told(judging: Judging) -> dict[str, Json]:
    """What the page says of the verdicts: counts, precision, and whether a refinement is possible."""
    count = len(judging.labels)
    return {
        "layer": judging.layer.id,
        "search": judging.search.title,
        "accepted": judging.accepted,
        "rejected": judging.rejected,
        "summary": f"{judging.accepted} accepted, {judging.rejected} rejected"
        if count
        else "nothing judged yet",
        "precision": _short(judging),
        "estimated": judging.precision is not None,
        "rests_on": _at_length(judging),
        "refine": bool(count) and not judging.cannot_refine,
        "why": judging.cannot_refine,
    }


def labels_csv(records: list[dict[str, Json]]) -> str:
    """Verdicts as a table, one a row; texts that a spreadsheet would take for formulas are none."""
    names = ("tile_id", "verdict", "layer", "search", "view", "time")
    content = io.StringIO()
    table = csv.writer(content, lineterminator="\n")
    table.writerow(names)
    table.writerows([str(record[name]).lstrip("=+-@\t\r") for name in names] for record in records)
    return content.getvalue()


def _short(judging: Judging) -> str:
    """The precision in a few words, or what is missing for it."""
    if not judging.labels:
        return ""
    found = judging.precision
    if found is None:
        more = min(LEAST_DRAWN, len(judging.drawn)) - judging.drawn_judged
        return f"precision: judge {more} more at random" if more > 0 else "precision: judge those passed over"
    return f"precision {_interval(found)}"


def _at_length(judging: Judging) -> str:
    """What the precision rests on."""
    found = judging.precision
    if not judging.labels:
        return ""
    if found is None:
        return "Only tiles drawn at random speak for the others: those in the view Random."
    if found.exact:
        return f"Every tile of {judging.layer.id} was judged."
    known = f", and {found.known} others that count for themselves only" if found.known else ""
    skipped = f" Passed over: {found.skipped}, which makes it less certain." if found.skipped else ""
    return (
        f"{found.right} of {found.drawn} tiles drawn at random are right{known}. In brackets the interval of "
        f"95 %.{skipped}"
    )


def _before(place: Place, judging: Judging) -> Json:
    """The layer that this one refines, with its precision, to compare with and to go back to."""
    made = judging.layer.provenance
    if made.tool != "refine":
        return None
    layers = place.session.conversation.workspace.layers if place.session else None
    if layers is None or made.parents[0] not in layers.ids():
        return None
    before = _judging(place, layers.get(made.parents[0]))
    return {"id": before.layer.id, "precision": _interval(before.precision)}


def _interval(found: Precision | None) -> str:
    if found is None:
        return "precision not known"
    return f"{found.value:.0%}" + ("" if found.exact else f" ({found.low:.0%} to {found.high:.0%})")


def _views(gallery: Gallery) -> list[dict[str, Json]]:
    return [{"name": name, "on": name == gallery.view, **about} for name, about in VIEWS.items()]


def _judging(place: Place, layer: Layer) -> Judging:
    if place.session is None:
        raise QuestionError("there is no conversation yet", next_step="ask a question first")
    chain = chain_of(place.session.conversation.workspace.layers, layer)
    return Judging(tuple(chain), Labels(place.house.store).of(place.session.id, chain[-1].id))


def _named(place: Place, payload: Mapping[str, Json]) -> Layer:
    if place.session is None:
        raise QuestionError("there is no conversation yet", next_step="ask a question first")
    layer = place.session.conversation.workspace.layers.get(str(payload.get("layer", "")))
    if layer.kind != "tiles":
        raise QuestionError(
            f"{layer.id} has no tiles to judge: {_why_none(layer)}", allowed="layers that a search made"
        )
    return layer


def _id(place: Place) -> str:
    if place.session is None:
        raise QuestionError("there is no conversation yet", next_step="ask a question first")
    return place.session.id


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


def _why_none(layer: Layer) -> str:
    if not len(layer):
        return "it is empty"
    return {"catalogue": "it is a catalogue"}.get(layer.kind, "see it on the globe")
