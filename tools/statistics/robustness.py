"""How far an answer holds: at stricter thresholds, and among all tests of a conversation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from retrieval.spatial.verdicts import SMALLEST_P
from tools.layers import Layer
from tools.results import Figures, plural, said, tidy
from tools.workspace import Workspace

ALPHA = 0.05
STEPS = (0.1, 0.2)  # above a layer's own threshold


def stricter(layer: Layer) -> list[tuple[float, Layer]]:
    """Stricter thresholds, each with the layer as it would have left it: 0.1 and 0.2 above its own.

    Empty for a layer that has no threshold or no probabilities; thresholds of 1 and more are left out.
    """
    own = layer.provenance.threshold
    probability = layer.table["probability"].to_numpy(dtype=float)
    if own is None or not np.isfinite(probability).any():
        return []
    levels = [round(own + step, 4) for step in STEPS if round(own + step, 4) < 1]
    return [(level, replace(layer, table=layer.table[probability >= level])) for level in levels]


def thresholds_words(levels: list[float], figures: Figures) -> str:
    """``a stricter threshold of 0.6``, ``stricter thresholds of 0.6 and 0.7``; the numbers go to figures."""
    for name, level in zip(("stricter_threshold", "strictest_threshold"), levels, strict=False):
        figures[name] = tidy(level)
    numbers = " and ".join(said(tidy(level)) for level in levels)
    return f"stricter thresholds of {numbers}" if len(levels) > 1 else f"a stricter threshold of {numbers}"


def at(name: str, level: float) -> str:
    """Name of a figure at another threshold: ``enrichment_at_0.60``."""
    return f"{name}_at_{level:.2f}"


def said_p_value(p_value: float, figures: Figures, name: str = "p_value") -> str:
    """``= 0.03``, or ``at most 0.0001``: smaller ones say more about the model than about the planet."""
    figures[name] = tidy(max(p_value, SMALLEST_P), 2)
    return f"{'at most' if p_value <= SMALLEST_P else '='} {said(figures[name])}"


def corrected(
    ws: Workspace, test: str, p_value: float, figures: Figures, prefix: str = ""
) -> tuple[str, float]:
    """Record a test; what its p value becomes among all those of the conversation.

    Parameters
    ----------
    test
        What was tested, arguments included.
    p_value
        Its p value; NaN if it could not tell.
    figures
        Gets ``tests_count`` and ``corrected_p`` (with the prefix) where they are said.

    Returns
    -------
    tuple
        A clause to put behind the p value, empty if there was no other test or the value is large anyway;
        the corrected p value.
    """
    count, after = ws.record_test(test, max(p_value, SMALLEST_P) if np.isfinite(p_value) else p_value)
    if count < 2 or not p_value <= ALPHA:
        return "", after
    figures[f"{prefix}tests_count"] = count
    figures[f"{prefix}corrected_p"] = tidy(after, 2)
    bound = "at most" if p_value <= SMALLEST_P else "="
    words = f"{bound} {said(figures[f'{prefix}corrected_p'])}"
    return f"; corrected for the {plural(count, 'test')} of this conversation (Holm) p {words}", after
