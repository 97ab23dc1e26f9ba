"""Looking up where numbers stand among many ascending ones whose steps are of about one size.

The areas of a grid's cells, summed up, are such numbers: dividing by the mean step tells nearly where a
number stands. A search by halves reads twenty places of a table of a million cells for each number, this two
or three.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLIMBS = 4  # from where a number is expected to where it stands; those of uneven steps are searched for


class Ladder:
    """Ascending numbers, the first of them 0, (k + 1,): the bounds of k steps, of which some may be empty."""

    def __init__(self, bounds: Floats) -> None:
        self.bounds = bounds
        self.last = max(len(bounds) - 2, 0)
        self._step = float(bounds[-1]) / (self.last + 1) or 1.0
        begins = (np.arange(self.last + 3) - 0.5) * self._step
        self._begin = np.clip(np.searchsorted(bounds, begins, side="right") - 1, 0, self.last)

    def step_of(self, values: Floats) -> Ints:
        """The step that each number from 0 up stands on: the last that does not begin beyond it."""
        step = self._begin[np.minimum((values / self._step).astype(np.int64), len(self._begin) - 1)]
        for _ in range(CLIMBS):
            higher = (self.bounds[step + 1] <= values) & (step < self.last)
            if not higher.any():
                return np.asarray(step)
            step += higher
        found = np.searchsorted(self.bounds, values[higher], side="right") - 1
        step[higher] = np.minimum(found, self.last)
        return np.asarray(step)
