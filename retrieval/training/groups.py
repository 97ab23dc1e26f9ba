"""Words for several landforms at once, and what knowing one of them says about the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrieval.training.pairs import Pairs

# Group -> landforms that show it. Captions of single landforms cannot teach its name; a key of the same name
# is the group itself, for pictures of which no more is known.
GROUPS: dict[str, tuple[str, ...]] = {
    "impact_crater": (
        "simple_crater",
        "degraded_crater",
        "central_peak_crater",
        "layered_ejecta_crater",
        "pedestal_crater",
    ),
    "dunes": ("transverse_dunes", "barchan_dunes", "dark_dune", "bright_dune"),
}
# What a kind looks like is no further kind: pairs that know all kinds know the group without it.
LOOKS = frozenset({"dark_dune", "bright_dune"})


def close_groups(pairs: Pairs, groups: Mapping[str, Sequence[str]], looks: frozenset[str] = LOOKS) -> Pairs:
    """Write down what follows from labels of landforms about their groups, and the other way round.

    A tile with one landform of a group shows the group; a tile known to have no kind of it does not; and a
    tile without the group has none of its landforms. A synthetic tile with a simple crater so counts as a
    crater, one without dunes has neither dark nor bright ones, and a real crop labelled a crater leaves its
    kind open. A landform outweighs the denial of its group.

    Parameters
    ----------
    pairs
        Tiles with labels; a group counts whether or not it is a key, and keys are neither added nor removed.
    groups
        Landforms per group.
    looks
        Landforms whose absence is not needed for that of a group.

    Returns
    -------
    The pairs with more labels known.
    """
    labels, known = pairs.labels.copy(), pairs.known.copy()
    column = {key: n for n, key in enumerate(pairs.keys)}
    for name, members in groups.items():
        own = [column[key] for key in members if key in column]
        kinds = [column[key] for key in members if key in column and key not in looks]
        shown = labels[:, own].any(axis=1)
        absent: NDArray[np.bool_] = np.zeros(len(pairs), dtype=bool)
        if kinds:
            absent = np.all(known[:, kinds], axis=1) & ~shown
        if name in column:
            group = column[name]
            absent = (absent & ~labels[:, group]) | (known[:, group] & ~labels[:, group] & ~shown)
            labels[:, group] |= shown
            known[:, group] |= shown | absent
        for member in own:
            known[:, member] |= absent
    return replace(pairs, labels=labels, known=known)
