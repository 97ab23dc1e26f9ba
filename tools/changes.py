"""What a changed threshold, distance or judgement did: layers held against earlier ones, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retrieval.errors import ToolInputError
from tools.layers import Layer, keys_of
from tools.results import Figures, plural
from tools.workspace import ToolResult, Workspace

MOST_PAIRS = 50
SAID = 4  # pairs that the summary tells in words; the table has all
DIGITS = 5  # of a probability that count, as in `Layer.hash`


@dataclass(frozen=True)
class _Pair:
    """A layer and the earlier one: how many rows both have, one has, and both have with another score."""

    now: Layer
    before: Layer
    kept: int
    rescored: int

    @property
    def gained(self) -> int:
        return len(self.now) - self.kept

    @property
    def lost(self) -> int:
        return len(self.before) - self.kept


def changes(ws: Workspace, layers: list[str], earlier: list[str]) -> ToolResult:
    """Compare layers with earlier ones, pair by pair: how many rows are new, gone, in both, and in both with
    another probability. For what a changed word, threshold, distance or judgement did. Makes no layer.

    Parameters
    ----------
    layers
        Ids of 1 to 50 layers as they are now, for example ["L5", "L6"].
    earlier
        Ids of as many layers to compare them with, in the same order, for example ["L2", "L3"].
    """
    if not 1 <= len(layers) <= MOST_PAIRS or len(layers) != len(earlier):
        raise ToolInputError(
            f"{plural(len(layers), 'layer')} and {len(earlier)} earlier ones were given",
            allowed=f"1 to {MOST_PAIRS}, and as many earlier ones",
            next_step="give for each layer the one it is compared with",
        )
    pairs = []
    for now, before in zip(layers, earlier, strict=True):
        ws.check_stop()
        pairs.append(_compare(ws.layers.get(now), ws.layers.get(before)))
    figures: Figures = {}
    for pair in pairs:
        name, was = pair.now.id, pair.before.id
        figures |= {f"count_{name}": len(pair.now), f"count_{was}": len(pair.before)}
        figures |= {f"kept_count_{name}": pair.kept, f"gained_count_{name}": pair.gained}
        figures |= {f"lost_count_{name}": pair.lost, f"rescored_count_{name}": pair.rescored}
    summary = " ".join(_words(pair) for pair in pairs[:SAID])
    if len(pairs) > SAID:
        summary += " The table has the others."
    table = tuple(
        {
            "layer": pair.now.id,
            "earlier": pair.before.id,
            "rows": len(pair.now),
            "earlier_rows": len(pair.before),
            "gained_rows": pair.gained,
            "lost_rows": pair.lost,
            "rescored_rows": pair.rescored,
        }
        for pair in pairs[: ws.settings.model_rows]
    )
    return ToolResult(summary, (), figures, table=table)


def _compare(now: Layer, before: Layer) -> _Pair:
    keys, old = keys_of(now), keys_of(before)
    at = old.get_indexer(keys)
    both = at >= 0
    chances = [layer.table["probability"].to_numpy(dtype=float).round(DIGITS) for layer in (now, before)]
    same = np.isclose(chances[0][both], chances[1][at[both]], rtol=0, atol=0, equal_nan=True)
    return _Pair(now, before, int(both.sum()), int((~same).sum()))


def _words(pair: _Pair) -> str:
    now, before = pair.now.id, pair.before.id
    if not pair.gained and not pair.lost:
        text = f"{now} has the same {plural(len(pair.now), 'row')} as {before}"
    else:
        text = (
            f"{now} has {plural(len(pair.now), 'row')}, {before} had {len(pair.before):,}: "
            f"{pair.gained:,} new, {pair.lost:,} gone"
        )
    return f"{text}, {pair.rescored:,} of the common ones with another probability."
