"""Seconds of what is run by turns, so that what the machine does besides disturbs all of it alike."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_STARTED = time.monotonic()


@dataclass
class Rounds:
    """Seconds of what was run by turns, by name."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Run it, keep how long it took, and give what it gave."""
        started = time.perf_counter()
        result = work()
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)
        return result

    def quantile(self, name: str, share: float) -> float:
        """Of the seconds of one; not a number where it never ran."""
        return float(np.quantile(self.seconds[name], share)) if name in self.seconds else math.nan

    def median(self, name: str) -> float:
        """The median of the seconds of one."""
        return self.quantile(name, 0.5)


def by_turns_for(works: dict[str, Callable[[], Any]], repeats: int, most_s: float) -> Rounds:
    """Run works by turns, once uncounted to warm up and then ``repeats`` times, or until the time is up.

    They are counted once at least.
    """
    rounds, started = Rounds(), time.perf_counter()
    for turn in range(repeats + 1):
        kept = rounds if turn else Rounds()
        for name, work in works.items():
            kept.time(name, work)
        if turn and time.perf_counter() - started > most_s:
            break
    return rounds


def say(text: str) -> None:
    """A line of progress on standard error, with the seconds since the start."""
    print(f"{time.monotonic() - _STARTED:7.0f} s  {text}", file=sys.stderr, flush=True)


class Drawing:
    """Progress of drawing tiles: a line now and then."""

    def __init__(self, every_s: float = 15.0) -> None:
        self._every, self._last = every_s, time.monotonic()

    def __call__(self, done: int, whole: int) -> None:
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            say(f"drawn {done:,} of {whole:,} tiles")
