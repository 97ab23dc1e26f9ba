"""Zero-shot classification: every tile to the most probable of some classes, or to none of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import calibrated, log_odds
from retrieval.errors import SettingsError, ToolInputError
from retrieval.query import Asked, ask
from tools.layers import shorten
from tools.ranking import best_first, store_tiles, threshold_record
from tools.results import Figures, said, tidy
from tools.workspace import ToolResult, Workspace, check_text

MOST_CLASSES = 12
LONGEST_CLASS = 200
_IMPOSSIBLE = -60.0  # log odds of a class whose words the encoder does not know


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
    asked: list[Asked] = []
    for name in names:
        asked.append(ask(ws.index, ws.encoder, name, ws.templates, ws.glossary))
        ws.check_stop()
    chance = posterior(np.stack([_log_odds(ws, one)[rows] for one in asked], axis=1))
    winner = chance.argmax(axis=1)
    none = len(names)
    least = 1.0 / (len(names) + 1)
    figures: Figures = {"searched": len(rows), "classes": len(names)}
    layers, parts = [], []
    for number, (name, one) in enumerate(zip(names, asked, strict=True)):
        own = np.flatnonzero(winner == number)
        full = np.zeros(len(ws.index))
        full[rows[own]] = chance[own, number]
        found = calibrated(full, f"the most probable of {len(names)} classes and none of them", least)
        order = best_first(rows[own], full, one.scores)
        made = store_tiles(
            ws,
            shorten(name, 80),
            order,
            one.scores[order],
            full[order],
            tool="classify",
            arguments={"classes": list(classes), "layer": layer},
            parents=() if layer is None else (ws.layers.get(layer).id,),
            query=one.sought,
            templates=tuple(ws.templates),
            score_rule="probability beside the other classes and none of them",
            notes=one.notes,
            **threshold_record(found, None),
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


def _log_odds(ws: Workspace, asked: Asked) -> NDArray[np.float64]:
    if not asked.understood:
        return np.full(len(asked.scores), _IMPOSSIBLE)
    manifest = ws.encoder.manifest
    return log_odds(asked.scores, ws.index.background, manifest.logit_scale, manifest.logit_bias)


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
    try:
        rows = [ws.index.row_of(tile) for tile in source.table["row_id"].astype(str)]
    except SettingsError as error:
        raise ToolInputError(
            f"{source.id} is no layer of tiles of this index",
            allowed="a layer that a search made, or one filtered from it",
        ) from error
    return np.array(sorted(rows), dtype=np.int64)
