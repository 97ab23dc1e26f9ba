"""Relevance feedback: a search layer, corrected by the tiles that a user accepted and rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import Calibrated, calibrated, log_odds, sigmoid
from retrieval.errors import ToolInputError
from retrieval.feedback import correct, keep_count
from retrieval.query import Asked, ask
from tools.examples import tile_row
from tools.layers import Layer, shorten
from tools.ranking import best_first, store_tiles, summed_up, threshold_record
from tools.results import Figures, model_rows, said, tidy
from tools.workspace import ToolResult, Workspace, check_number, check_text

MOST_JUDGED = 200
_Rows = NDArray[np.int64]


def refine(
    ws: Workspace,
    layer: str,
    accept: list[str],
    reject: list[str],
    title: str | None = None,
    keep: int | None = None,
) -> ToolResult:
    """Search the whole index again after the user has looked at tiles of a layer found by words: tiles like
    the accepted ones rise, tiles like the rejected ones fall. Makes a new layer; verdicts of an earlier
    refinement are kept. As many tiles are kept as the search had, for verdicts on chosen tiles do not tell
    how many there are; verdicts on tiles drawn at random do.

    Parameters
    ----------
    layer
        Id of a layer made by search_words or refine, or of one made from such a layer.
    accept
        Ids of tiles that do show what was searched for, such as "16km-r012c034"; at most 200.
    reject
        Ids of tiles that do not; at most 200.
    title
        Short name of the new layer.
    keep
        How many tiles to keep, at least 1, where tiles drawn at random from the layer tell it. Leave it out
        to keep as many as before.
    """
    source = ws.layers.get(layer)
    name = f"{source.title}, refined" if title is None else check_text("title", title, 200)
    corrected = correct_search(ws, source, accept, reject, keep)
    asked, found, accepted, old = corrected.asked, corrected.found, corrected.accepted, corrected.before
    search = corrected.search
    kept = best_first(
        np.flatnonzero(found.probability >= found.threshold),
        found.probability.astype(np.float64),
        asked.scores,
    )
    new = store_tiles(
        ws,
        shorten(name, 80),
        kept,
        asked.scores[kept],
        corrected.probability[kept],
        tool="refine",
        arguments={
            "layer": source.id,
            "accept": list(accept),
            "reject": list(reject),
            "title": title,
            "keep": keep,
        },
        parents=(source.id,),
        query=asked.sought,
        templates=search.provenance.templates,
        score_rule="scores are those of the words; probabilities are corrected by judged and sure tiles",
        notes=(f"{int(accepted.sum())} tiles accepted and {int((~accepted).sum())} rejected by the user",),
        **threshold_record(found),
    )
    figures: Figures = {
        "count": len(kept),
        "searched": len(ws.index),
        "threshold": tidy(found.threshold, 3),
        "accepted": int(accepted.sum()),
        "rejected": int((~accepted).sum()),
        "added": int(np.setdiff1d(kept, old).size),
        "dropped": int(np.setdiff1d(old, kept).size),
    }
    if not len(kept):
        summary = f"{new.id} is empty: no tile reaches a probability of {said(figures['threshold'])}."
        return ToolResult(summary, (new.id,), figures)
    summary, figures = summed_up(ws, new, figures)
    summary += (
        f" With {said(figures['accepted'])} accepted and {said(figures['rejected'])} rejected, "
        f"{said(figures['added'])} were added to what the words alone find and "
        f"{said(figures['dropped'])} dropped."
    )
    return ToolResult(summary, (new.id,), figures, table=model_rows(ws, new))


@dataclass(frozen=True)
class Corrected:
    """A search by words, corrected by judged tiles.

    Attributes
    ----------
    search, asked
        The layer of the search that is corrected; what its words give on the whole index.
    probability, found
        The corrected probabilities of every row of the index, (n,); the same with their threshold.
    accepted
        The verdicts, (m,).
    before
        Rows that the search had kept.
    """

    search: Layer
    asked: Asked
    probability: NDArray[np.float64]
    found: Calibrated
    accepted: NDArray[np.bool_]
    before: _Rows


def correct_search(
    ws: Workspace, source: Layer, accept: Sequence[str], reject: Sequence[str], keep: int | None = None
) -> Corrected:
    """Probabilities of the whole index after verdicts on tiles of a layer and on those it was made from.

    Parameters
    ----------
    keep
        How many tiles shall reach 0.5; as many as the search had, or the last refinement that was told.

    Raises
    ------
    ToolInputError
        If the layer does not come from a search by words, or the verdicts contradict each other.
    """
    if keep is not None:
        keep = int(check_number("keep", keep, 1, len(ws.index), "tiles"))
    chain = _chain(ws, source)
    verdicts = _verdicts(ws, accept, reject, chain)
    search = chain[-1]
    text = str(search.provenance.arguments["text"])
    asked = ask(ws.index, ws.encoder, check_text("text", text), search.provenance.templates, ws.glossary)
    ws.check_stop()
    manifest = ws.encoder.manifest
    before = log_odds(asked.cosines, ws.index.background, manifest.logit_scale, manifest.logit_bias)
    rows = np.fromiter(verdicts, dtype=np.int64)
    accepted = np.fromiter(verdicts.values(), dtype=bool)
    direction = correct(before, rows, accepted, ws.index.vectors, np.random.default_rng(ws.seed))
    ws.check_stop()
    length = float(np.linalg.norm(direction))
    moved = before + length * ws.index.score(np.asarray(direction / max(length, 1e-12), dtype=np.float32))
    old = np.flatnonzero(asked.calibrated.probability >= float(search.provenance.threshold or 0.0))
    told = [made.provenance.arguments.get("keep") for made in chain]
    told = [keep, *told, len(old)]
    count = next(int(number) for number in told if number is not None)
    probability = sigmoid(keep_count(moved, max(count, int(accepted.sum()))))
    probability[rows] = accepted  # what the user has seen is known
    found = calibrated(
        probability,
        "the encoder's probability corrected by judged tiles and by those it was sure of; 0.5 keeps as many "
        + ("tiles as before" if count == len(old) else "tiles as those drawn at random let expect"),
    )
    return Corrected(search, asked, probability, found, accepted, old)


def _chain(ws: Workspace, layer: Layer) -> list[Layer]:
    """The layer and its first parents up to the search by words that it comes from."""
    chain = [layer]
    while chain[-1].provenance.tool != "search_words":
        parents = chain[-1].provenance.parents
        if not parents or len(chain) > 1000:
            raise ToolInputError(
                f"{layer.id} does not come from a search by words",
                allowed="a layer made by search_words or refine, or one made from such a layer",
                next_step="search with search_words first; for one found by example use search_example",
            )
        chain.append(ws.layers.get(parents[0]))
    return chain


def _verdicts(
    ws: Workspace, accept: Sequence[str], reject: Sequence[str], chain: Sequence[Layer]
) -> dict[int, bool]:
    """Row -> accepted, of this call and of the refinements before it; the later verdict counts."""
    if not accept and not reject:
        raise ToolInputError(
            "no tile was accepted or rejected",
            allowed=f"1 to {MOST_JUDGED} tile ids in each of accept and reject, or in one of them",
            next_step="look at tiles of the layer and name those that are right and those that are wrong",
        )
    verdicts: dict[int, bool] = {}
    for layer in reversed(chain):
        if layer.provenance.tool == "refine":
            verdicts |= _rows(ws, layer.provenance.arguments["accept"], True)
            verdicts |= _rows(ws, layer.provenance.arguments["reject"], False)
    right, wrong = _rows(ws, accept, True), _rows(ws, reject, False)
    both = sorted(right.keys() & wrong.keys())
    if both:
        raise ToolInputError(
            f"tile {ws.index.tiles.tile_id(both[0])} is both accepted and rejected",
            allowed="each tile once",
        )
    return verdicts | right | wrong


def _rows(ws: Workspace, tiles: Sequence[str], verdict: bool) -> dict[int, bool]:
    if len(tiles) > MOST_JUDGED:
        raise ToolInputError(f"{len(tiles):,} tiles were judged at once", allowed=f"at most {MOST_JUDGED}")
    return {tile_row(ws, tile): verdict for tile in tiles}
