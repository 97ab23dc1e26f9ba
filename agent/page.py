"""Templates of the transcript: the page that opens without a network, and its plain-text companions.

Everything that people, files and models wrote is shown as text, never as markup of theirs: the templates
escape, answers are Markdown without HTML, links or pictures, and the page's policy runs only the scripts it
was written with.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from PIL import Image

from agent.direct import BY_HAND
from agent.events import Step, Turn
from agent.evidence import MARK
from agent.evidence_claims import CITATION, LAYER_ID
from agent.judging import Judging, chain_of
from agent.labels import Label
from agent.recipe import Recipe, describe_call
from retrieval.errors import InputError
from tools.layers import Layer, shorten
from tools.maps.globe import (
    COLOURS,
    content_policy,
    data_uri,
    globe_html,
    globe_payload,
    globe_scripts,
    globe_style,
    thumbnail_uri,
    top_rows,
)
from tools.results import plural
from tools.workspace import Workspace

Json = Any

THUMBNAILS = 12
CROWDED = 20_000  # rows of all layers: of more, a map that shows all of them shows none
JUDGED = 24  # tiles of a layer that are shown for having been judged
PICTURE_SIDE_PX = 1400
PICTURE_BYTES = 1_500_000  # of all pictures in the page; the bundle holds every one of them whole

_CITATION = re.compile(rf"({CITATION.pattern}|{re.escape(MARK)})")
_CITED = re.compile(
    rf"(\b(?i:of|in|to|from|with|and|than|on|by|for|near|drew|only)\b)?\s*({CITATION.pattern})"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z“\"(])")


def page_html(
    record: Mapping[str, Json],
    turns: Sequence[Turn],
    layers: Sequence[Layer],
    pictures: Mapping[str, Path],
    recipe: Recipe,
    workspace: Workspace,
) -> str:
    """The conversation as one page: dialogue, steps, globe, evidence, provenance, recipe.

    Parameters
    ----------
    record
        What ``transcript.json`` holds.
    pictures
        Name in `Step.pictures` -> file, for those that are there.
    """
    payload = globe_payload(workspace, layers, thumbnails=False) | {"off": switched_off(turns, layers)}
    scripts = (*globe_scripts(), _asset("transcript.js"))
    style = globe_style() + _asset("transcript.css")
    shown = _inline_pictures(turns, pictures)
    ids = [layer.id for layer in layers]
    return render(
        "transcript.html.j2",
        record=record,
        policy=content_policy(scripts, [style]),
        # Our own files, and a fragment that `globe_html` escaped.
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        globe=Markup(globe_html(payload, inline_assets=False, height_px=0)),
        turns=turns,
        answers=[answer_html(turn.answer, ids) for turn in turns],
        pictures=shown,
        layers=[_layer_view(layer, i, workspace, record["labels"]) for i, layer in enumerate(layers)],
        recipe=recipe,
        models=sorted({model_label(turn.model) for turn in turns}),
        lead=_lead(record, turns, layers),
    )


def switched_off(turns: Sequence[Turn], layers: Sequence[Layer]) -> list[str]:
    """Layers that the map shows only when they are switched on or cited; none where all have room.

    Those that are shown are the last question's that made any, as they were in the chat.
    """
    if sum(len(layer) for layer in layers) <= CROWDED:
        return []
    ids = {layer.id for layer in layers}
    made = [ids.intersection(name for step in turn.steps for name in step.layer_ids) for turn in turns]
    last = next((some for some in reversed(made) if some), ids)
    return [layer.id for layer in layers if layer.id not in last]


def answer_html(text: str, known: Sequence[str]) -> Markup:
    """An answer as safe HTML: paragraphs, lists, tables, emphasis, code; citations lead to their layer.

    Parameters
    ----------
    known
        Ids of the layers that may be cited; other brackets stay as they are.
    """
    parser = MarkdownIt("zero", {"html": False})
    parser.enable(["emphasis", "list", "newline", "backticks", "escape", "heading", "table"])
    parser.add_render_rule("text", _render_text)
    tokens = parser.parse(text)
    for token in tokens:
        token.attrs.pop("style", None)  # of aligned columns: the page's policy allows no style attributes
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h4"
    return Markup(parser.renderer.render(tokens, parser.options, {"known": set(known)}))


def found(turn: Turn, longest: int = 240) -> str:
    """What an answer says first, in one or two sentences of plain text; or why there is no answer."""
    if turn.status == "failed":
        return "This question was not answered."
    text = _CITED.sub(_cited_word, turn.answer.replace("**", ""))
    text = text.replace(MARK, "(not backed by any tool result)")
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and line[0] not in "#|-*>`"), "")
    sentences = _SENTENCE.split(first)
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) >= longest:
            break
        kept += f" {sentence}"
    return brief(kept, longest)


def _cited_word(citation: re.Match[str]) -> str:
    """A citation that the sentence needs as a word becomes one; any other is left out."""
    return f"{citation[1]} {', '.join(LAYER_ID.findall(citation[2]))}" if citation[1] else ""


def brief(text: str, longest: int) -> str:
    """A text in one line, cut at a word if it is too long."""
    return shorten(" ".join(str(text).split()), longest)


def render(template: str, **values: Json) -> str:
    """Fill one of this folder's templates."""
    return _environment().get_template(template).render(**values)


def model_label(model: str) -> str:
    """What to call the model that answered: ``language model NAME``, or that there was none."""
    if model == BY_HAND:
        return "hand (calls chosen in the chat, no model)"
    if model in ("", "offline"):
        return "offline planner (no language model)"
    return f"language model {model.partition(':')[2] or model}"


def _render_text(_: Any, tokens: Sequence[Any], at: int, options: Any, env: Mapping[str, Json]) -> str:
    parts = []
    for piece in _CITATION.split(tokens[at].content):
        ids = LAYER_ID.findall(piece) if piece.startswith("[") else []
        if piece == MARK:
            parts.append("<mark>not backed by any tool result</mark>")
        elif ids and set(ids) <= env["known"]:
            parts.extend(f'<a class="cite" href="#layer-{i}" data-layer="{i}">{i}</a>' for i in ids)
        else:
            parts.append(str(escape(piece)))
    return "".join(parts)


def _lead(record: Mapping[str, Json], turns: Sequence[Turn], layers: Sequence[Layer]) -> str:
    """What was asked of what, and how well it is backed, in one or two sentences."""
    checked = sum(turn.evidence.checked for turn in turns)
    backed = sum(max(0, turn.evidence.checked - len(turn.evidence.unsupported)) for turn in turns)
    index = record["index"]
    text = (
        f"{plural(len(turns), 'question')} about {record['body']['name'].capitalize()}, asked of "
        f"{plural(index['tiles'], 'image tile')} of {index['tile_km']:g} km; "
        f"{plural(len(layers), 'layer')} made."
    )
    if checked:
        text += f" {backed:,} of {plural(checked, 'number')} in the answers traced to tool results."
    if record["labels"]:
        text += f" {plural(len(record['labels']), 'tile')} judged by hand."
    return text


def _layer_view(
    layer: Layer, position: int, workspace: Workspace, labels: Sequence[Mapping[str, Json]]
) -> dict[str, Json]:
    judging = _judging(layer, workspace, labels)
    verdicts = {tile: label.verdict for tile, label in judging.labels.items()} if judging else {}
    tiles = []
    top = top_rows(layer, THUMBNAILS) if layer.kind != "catalogue" else np.empty(0, dtype=int)
    ids = layer.table["row_id"].astype(str).to_numpy()
    judged = np.flatnonzero(np.isin(ids, list(verdicts))) if layer.kind != "catalogue" else top
    more = [row for row in judged.tolist() if row not in set(top.tolist())][:JUDGED]
    for row in [*top.tolist(), *more]:
        values = layer.table.iloc[row]
        uri = thumbnail_uri(workspace.index, str(values["row_id"]))
        if uri:
            verdict = verdicts.get(str(values["row_id"]), "")
            tiles.append({"row": values.to_dict(), "uri": uri, "verdict": verdict})
    made = asdict(layer.provenance).items()
    return {
        "layer": layer,
        "colour": position % len(COLOURS),
        "tiles": tiles,
        "top": len(tiles) - len(more),
        "judged": _judged_words(judging) if judging and verdicts else None,
        "made": {name.replace("_", " "): value for name, value in made if value not in ("", None, (), {})},
    }


def _judging(layer: Layer, workspace: Workspace, labels: Sequence[Mapping[str, Json]]) -> Judging | None:
    """The layer with the verdicts on the search it began with, which hold for all layers made from it."""
    if layer.kind != "tiles" or not labels:
        return None
    try:
        chain = chain_of(workspace.layers, layer)
    except InputError:  # a parent is lost: its verdicts cannot be told from others
        return None
    own = {}
    for label in labels:
        search = str(label.get("search") or label["layer"])
        if search == chain[-1].id:
            tile, verdict = str(label["tile_id"]), label["verdict"]
            own[tile] = Label(
                tile, verdict, search, str(label["layer"]), str(label.get("view", "map")), str(label["time"])
            )
    return Judging(tuple(chain), own)


def _judged_words(judging: Judging) -> dict[str, Json]:
    found, words = judging.precision, ""
    if found is not None and found.exact:
        words = f"Precision {found.value:.0%}: every tile of the layer was judged."
    elif found is not None:
        words = (
            f"Precision {found.value:.0%}, 95 % interval {found.low:.0%} to {found.high:.0%}, "
            f"from {found.drawn} tiles drawn at random."
        )
    return {"accepted": judging.accepted, "rejected": judging.rejected, "words": words}


def _inline_pictures(turns: Sequence[Turn], pictures: Mapping[str, Path]) -> dict[str, str]:
    """Pictures as data URIs, latest questions first, until `PICTURE_BYTES` are used up."""
    shown: dict[str, str] = {}
    left = PICTURE_BYTES
    for name in (name for turn in reversed(turns) for step in turn.steps for name in step.pictures):
        if name not in pictures or name in shown:
            continue
        try:
            with Image.open(pictures[name]) as opened:
                picture = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # torn, or no picture: the page says that it is not shown
        picture.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX))
        content = io.BytesIO()
        picture.save(content, "WEBP", quality=82)
        if len(content.getvalue()) <= left:
            left -= len(content.getvalue())
            shown[name] = data_uri(content.getvalue(), "image/webp")
    return shown


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "brief": brief,
        "call": describe_call,
        "cell": lambda value: Markup(_markdown_text(" ".join(str(value).split())).replace("|", "\\|")),
        "code": lambda text: Markup(str(text).replace("`", "'").replace("\n", " ")),
        "day": lambda time: str(time)[:10],
        "found": found,
        "latitude": lambda lat: f"{abs(lat):.2f}° {'S' if lat < 0 else 'N'}",
        "longitude": lambda lon: f"{abs(lon):.2f}° {'W' if lon < 0 else 'E'}",
        "md": _markdown_text,
        "model": model_label,
        "pictured": _pictured,
        "pretty": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    }
    return environment


def _pictured(step: Step) -> str:
    """What a picture shows, for those who cannot see it: the tool's own words for it."""
    return f"Made by {step.tool}: {brief(step.summary, 300)}" if step.summary else f"Made by {step.tool}"


def _markdown_text(text: Json) -> Markup:
    # For readers of Markdown that render HTML and follow links: neither of these is to come from others.
    return Markup(str(text).replace("&", "&amp;").replace("<", "&lt;").replace("](", "]\\("))


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
