"""Zero-shot classification: every tile to the most probable of some classes, or to none of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import calibrated
from retrieval.errors import ToolInputError
from retrieval.hits import best_order
from retrieval.query import ask_many, score_together
from tools.layers import shorten
from tools.ranking import store_tiles, threshold_record
from tools.results import Figures, said, tidy
from tools.workspace import ToolResult, Workspace, check_text

MOST_CLASSES = 12
LONGEST_CLASS = 200
BLOCK = 65_536  # rows whose probabilities are held at a time


def classify(ws: Workspace, classes: list[str], layer: str | None = None) -> ToolResult:
    """Divide tiles among classes described in words: each tile goes to the most probable class, or to none
    of them. Makes one layer per class; use it when kinds exclude each other, else search for each.

    Parameters
    ----------
    classes
        What to tell apart, each in plain words such as "barchan dunes"; 1 to 12 different ones of at most
        200 characters. "None of these" is always a further class.
    layer
        Id of a layer of tiles to divide; all tiles of the index if not given.
    """
    names = _checked(classes)
    rows = _rows(ws, layer)
    asked = ask_many(ws.index, ws.encoder, names, ws.templates, ws.glossary)
    ws.check_stop()
    if layer is None or ws.encoder.manifest.logit_bias is None:
        score_together(asked)  # without a bias, what a score means depends on those of all rows
    winner, chance = _won(ws, [one.log_odds(None if layer is None else rows) for one in asked])
    none = len(names)
    least = 1.0 / (len(names) + 1)
    figures: Figures = {"searched": len(rows), "classes": len(names)}
    layers, parts = [], []
    for number, (name, one) in enumerate(zip(names, asked, strict=True)):
        own = np.flatnonzero(winner == number)
        probability = chance[own]
        scores = one.cosines_of(rows[own]).astype(np.float64)
        found = calibrated(probability, f"the most probable of {len(names)} classes and none of them", least)
        order = best_order(probability, scores)
        made = store_tiles(
            ws,
            shorten(name, 80),
            rows[own][order],
            scores[order],
            probability[order],
            tool="classify",
            arguments={"classes": list(classes), "layer": layer},
            parents=() if layer is None else (ws.layers.get(layer).id,),
            query=one.sought,
            templates=tuple(ws.templates),
            score_rule="probability beside the other classes and none of them",
            notes=one.notes,
            **threshold_record(found),
        )
        layers.append(made)
        figures[f"class_{number + 1}_count"] = len(own)
        parts.append(f"{made.id} {name!r}: {len(own):,}")
    figures["none_count"] = int((winner == none).sum())
    figures["none_share_percent"] = tidy(100.0 * figures["none_count"] / max(1, len(rows)), 3)
    remarks = "".join(f" Note: {note}." for one in asked for note in one.notes)
    summary = (
        f"Of {len(rows):,} tiles, by class: {'; '.join(parts)}. None of these: {figures['none_count']:,} "
        f"({said(figures['none_share_percent'])} %).{remarks}"
    )
    return ToolResult(summary, tuple(made.id for made in layers), figures)


def _won(ws: Workspace, log_odds: list[NDArray[np.float64]]) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """The most probable class of each row and its probability, (n,) each; one more class is none of them."""
    count = len(log_odds[0])
    winner, chance = np.empty(count, dtype=np.int8), np.empty(count)
    for start in range(0, count, BLOCK):
        ws.check_stop()
        block = slice(start, start + BLOCK)
        found = posterior(np.stack([odds[block] for odds in log_odds], axis=1))
        winner[block], chance[block] = found.argmax(axis=1), found.max(axis=1)
    return winner, chance


def posterior(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of classes that exclude each other, from the log odds of each against none of them.

    Parameters
    ----------
    log_odds
        Shape (n, k).

    Returns
    -------
    Shape (n, k + 1), rows summing to 1; the last column is none of them. With one class it is the sigmoid.
    """
    logits = np.concatenate([log_odds, np.zeros((len(log_odds), 1))], axis=1)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _checked(classes: list[str] | str) -> list[str]:
    if isinstance(classes, str) or not 1 <= len(classes) <= MOST_CLASSES:
        number = "one text" if isinstance(classes, str) else f"{len(classes):,} classes"
        raise ToolInputError(
            f"{number} given",
            allowed=f"a list of 1 to {MOST_CLASSES} classes",
            next_step='give them as ["barchan dunes", "yardangs"]',
        )
    names = [check_text("a class", name, LONGEST_CLASS) for name in classes]
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise ToolInputError(f"the class {name[:80]!r} is given twice", allowed="different classes")
        seen.add(name.lower())
    return names


def _rows(ws: Workspace, layer: str | None) -> NDArray[np.int64]:
    if layer is None:
        return np.arange(len(ws.index))
    source = ws.layers.get(layer)
    rows = ws.index.tiles.rows_of(source.table["row_id"].astype(str).tolist())
    if (rows < 0).any():
        raise ToolInputError(
            f"{source.id} is no layer of tiles of this index",
            allowed="a layer that a search made, or one filtered from it",
        )
    return np.sort(rows)
