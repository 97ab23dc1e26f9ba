"""Search the index by words or by example; every hit carries its score and, for words, a probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrieval.encoder import encode_query
from retrieval.errors import ToolInputError
from retrieval.feedback import unit
from retrieval.grid import MAX_TILES
from retrieval.query import ask
from tools.examples import Example, example_of
from tools.layers import shorten
from tools.ranking import extent_figures, store_tiles, summed_up, told
from tools.results import Figures, model_rows, said, tidy
from tools.things import counted
from tools.workspace import ToolResult, Workspace, check_number, check_text

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

LONGEST_TEXT = 500
MOST_RANKED = 1000
MOST_EXAMPLES = 50
_WORDS_SHARE = 0.7  # of words beside examples, as MarsRetrieval weighs them (arXiv 2602.13961)


def search_words(
    ws: Workspace, text: str, min_probability: float | None = None, title: str | None = None
) -> ToolResult:
    """Search the image index for tiles that show what the words describe. Makes a layer of the tiles whose
    probability reaches a threshold, most probable first.

    Parameters
    ----------
    text
        What the ground should look like, one kind of landform at a time, such as "pitted cones";
        1 to 500 characters. Places, latitudes and relations to other things belong to other tools.
    min_probability
        Smallest probability to keep, 0 to 1. Leave it out to let the encoder choose the threshold.
    title
        Short name of the layer; the text if not given.
    """
    query = check_text("text", text, LONGEST_TEXT)
    given = None if min_probability is None else check_number("min_probability", min_probability, 0, 1, "")
    name = shorten(query if title is None else check_text("title", title, 200), 80)
    asked = ask(ws.index, ws.encoder, query, ws.templates, ws.glossary)
    ws.check_stop()
    hits = asked.hits(given)
    bank = () if ws.index.manifest.background_prompts else ("the index has no background prompts",)
    layer = store_tiles(
        ws,
        name.rstrip("?.! "),
        hits.rows,
        hits.scores,
        hits.probability,
        tool="search_words",
        arguments={"text": text, "min_probability": min_probability, "title": title},
        query=asked.sought,
        templates=tuple(ws.templates),
        notes=(*asked.notes, *bank, *told(ws)),
        **hits.record,
    )
    figures: Figures = {
        "count": len(hits.rows),
        "searched": len(ws.index),
        "threshold": tidy(hits.threshold, 3),
        "best_score": tidy(hits.best_score, 3),
        "best_probability": tidy(hits.best_probability, 3),
    }
    remarks = "".join(f" Note: {note}." for note in asked.notes)
    if not len(hits.rows):
        summary = (
            f"{layer.id} is empty: nothing on this index reaches a probability of "
            f"{said(figures['threshold'])} for these words. The best of {len(ws.index):,} tiles has "
            f"score {said(figures['best_score'])} and probability {said(figures['best_probability'])}."
        )
        return ToolResult(summary + remarks, (layer.id,), figures)
    summary, figures = summed_up(ws, layer, figures)
    return ToolResult(summary + remarks, (layer.id,), figures, table=model_rows(ws, layer))


def search_example(
    ws: Workspace,
    example: str,
    limit: int = 50,
    tiles: list[str] | None = None,
    not_like: list[str] | None = None,
    text: str | None = None,
) -> ToolResult:
    """Search the image index for the tiles that look most like one or several examples: tiles, places or
    pictures that the user brought. Makes a layer ranked by similarity; similarities are not probabilities.

    Parameters
    ----------
    example
        Id of a tile such as "16km-r012c034", or longitude and latitude in degrees such as "137.4,-4.6", or
        the name of a picture file that the user brought into the conversation.
    limit
        How many tiles to keep, 1 to 1000.
    tiles
        More examples of the same kind, each given as one is; at most 50.
    not_like
        Examples of what the tiles should not look like; at most 50.
    text
        Words that the tiles should fit as well, such as "dunes"; 1 to 500 characters.
    """
    most = int(check_number("limit", limit, 1, MOST_RANKED, "tiles"))
    words = None if text is None else check_text("text", text, LONGEST_TEXT)
    liked = _examples(ws, "tiles", [example, *(tiles or ())])
    disliked = _examples(ws, "not_like", not_like or ())
    both = {one.name for one in liked} & {one.name for one in disliked}
    if both:
        raise ToolInputError(
            f"{sorted(both)[0]} is given as an example and as a counterexample",
            allowed="each example on one side only",
        )
    vector = _mixed(ws, liked, disliked, words)
    ws.check_stop()
    own = [one.row for one in (*liked, *disliked) if one.row is not None]
    rows, cosines = ws.index.search(vector, most + len(own))
    keep = np.flatnonzero(~np.isin(rows, own))[:most]
    rows, scores = rows[keep], cosines[keep].astype(np.float64)
    arguments: dict[str, Any] = {"example": example, "limit": most}
    arguments |= {"tiles": tiles, "not_like": not_like, "text": text}
    layer = store_tiles(
        ws,
        _title(liked, words),
        rows,
        scores,
        None,
        tool="search_example",
        arguments=arguments,
        query=_record(liked, disliked, words),
        templates=tuple(ws.templates) if words else (),
        notes=(
            "ranked by similarity to examples; the limit, not the likeness, sets how many there are",
            *told(ws),
        ),
    )
    figures: Figures = {"count": len(rows), "searched": len(ws.index), "limit": most}
    if not len(rows):
        return ToolResult(f"{layer.id} is empty: the index has no other tile.", (layer.id,), figures)
    figures |= {
        "best_score": tidy(float(scores[0]), 3),
        "worst_score": tidy(float(scores[-1]), 3),
        **extent_figures(ws, layer),
    }
    summary = (
        f"{layer.id}: the {counted(layer, figures)} most like the example{'s' if len(liked) > 1 else ''}, of "
        f"{len(ws.index):,} searched. Their similarity falls from {said(figures['best_score'])} to "
        f"{said(figures['worst_score'])}; it is not a probability."
    )
    return ToolResult(summary, (layer.id,), figures, table=model_rows(ws, layer))


def rank_words(
    index: TileIndex,
    encoder: Encoder,
    text: str,
    templates: Sequence[str],
    limit: int,
    glossary: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """The best tiles for words, without a workspace: no threshold, no layer, no record.

    Returns
    -------
    At most ``limit`` records of ``tile_id``, ``lon``, ``lat``, ``score`` and ``probability``, best first.

    Raises
    ------
    ToolInputError
        If the text is empty or too long, or the limit below 1.
    """
    most = int(check_number("limit", limit, 1, MAX_TILES, "tiles"))
    asked = ask(index, encoder, check_text("text", text, LONGEST_TEXT), templates, glossary)
    rows, scores, probability = asked.best(most)
    hits = index.tiles.rows(rows)[["tile_id", "lon", "lat"]]
    hits = pd.DataFrame(hits).assign(score=scores, probability=probability)
    return [
        {str(name): round(value, 6) if isinstance(value, float) else value for name, value in hit.items()}
        for hit in hits.to_dict("records")
    ]


def _examples(ws: Workspace, argument: str, names: Sequence[str]) -> list[Example]:
    if len(names) > MOST_EXAMPLES:
        raise ToolInputError(f"{argument} has {len(names):,} examples", allowed=f"at most {MOST_EXAMPLES}")
    found: dict[str, Example] = {}
    for name in names:
        one = example_of(ws, check_text("example", name, LONGEST_TEXT))
        found.setdefault(one.name, one)
    return list(found.values())


def _mixed(
    ws: Workspace, liked: Sequence[Example], disliked: Sequence[Example], words: str | None
) -> NDArray[np.float32]:
    # Twice the mean of the examples less the mean of the counterexamples (Rocchio; geovibes).
    vector = np.mean([one.vector for one in liked], axis=0)
    if disliked:
        vector = 2.0 * vector - np.mean([one.vector for one in disliked], axis=0)
    if words is not None:
        query = encode_query(ws.encoder, words, ws.templates)
        vector = (1.0 - _WORDS_SHARE) * unit(vector) + _WORDS_SHARE * query
    return unit(vector)


def _title(liked: Sequence[Example], words: str | None) -> str:
    name = liked[0].name if len(liked) == 1 else f"{len(liked)} examples"
    return shorten(f"tiles like {name}" + (f", {words}" if words else ""), 80)


def _record(liked: Sequence[Example], disliked: Sequence[Example], words: str | None) -> str:
    parts = [", ".join(one.record for one in liked)]
    if disliked:
        parts.append("not " + ", ".join(one.record for one in disliked))
    if words:
        parts.append(f"words {words}")
    return "; ".join(parts)
