"""How much of a long step is done, and how long the rest will take, in words that do not jump about."""

from __future__ import annotations

import time
from collections.abc import Callable

# Before this the pace is not known well enough to promise anything.
MEANINGFUL_S = 1.5
MEANINGFUL_SHARE = 0.04
SMOOTHING = 0.25


class TimeLeft:
    """The pieces of one step as they are done; a step may have several loops one after another.

    Parameters
    ----------
    clock
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._done = self._count = 0
        self._whole_s: float | None = None

    def tell(self, done: int, count: int) -> None:
        """Note that ``done`` of ``count`` pieces are done; fewer than before begin another loop."""
        if count != self._count or done < self._done:
            self._begun, self._whole_s = self._clock(), None
        self._done, self._count = done, count
        if done:
            whole_s = (self._clock() - self._begun) * count / done
            before = whole_s if self._whole_s is None else self._whole_s
            self._whole_s = before + SMOOTHING * (whole_s - before)

    @property
    def words(self) -> str:
        """``62 %, about 4 s left``; empty while there is nothing to say."""
        gone = self._clock() - self._begun
        if self._whole_s is None or gone < MEANINGFUL_S or self._done < MEANINGFUL_SHARE * self._count:
            return ""
        left = self._whole_s - gone
        share = f"{min(99, round(100 * self._done / self._count))} %"
        return f"{share}, about {_about(left)} left" if left >= 1.0 else share


def _about(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.0f} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{seconds / 60:.0f} min"
