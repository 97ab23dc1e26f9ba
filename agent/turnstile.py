"""Answers take turns at the processor: a few at a time, the others wait in the order they came.

Twenty-five answers computed at once all end late; a few at a time end one after another, and half of the
people have theirs in half of the time. An answer that takes long gives way between its steps, so that short
ones need not wait for its end.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.errors import Cancelled

MOST_PLACES = 4  # Python computes on few cores at once, however many there are
SLICE_S = 2.0
_LOOK_S = 0.1


def places_here() -> int:
    """How many answers this machine computes at once without any of them gaining from another's end."""
    return max(1, min(MOST_PLACES, os.cpu_count() or 1))


class Turnstile:
    """Lets at most ``places`` answers be computed at once.

    Parameters
    ----------
    slice_s
        How long an answer may go on while others wait; then it stands behind them.
    """

    def __init__(self, places: int, slice_s: float = SLICE_S) -> None:
        self._free = places
        self._slice_s = slice_s
        self._queue: list[Turn] = []
        self._news = threading.Condition()

    @contextmanager
    def turn(self, stop: threading.Event) -> Iterator[Turn]:
        """A turn for one answer; wait for it with `Turn.wait`. The place is given back with the block.

        Parameters
        ----------
        stop
            Ends the waiting.
        """
        turn = Turn(self, stop)
        try:
            yield turn
        finally:
            self._leave(turn)

    def _enter(self, turn: Turn) -> None:
        with self._news:
            self._queue.append(turn)
            self._admit()

    def _leave(self, turn: Turn) -> None:
        with self._news:
            if turn in self._queue:
                self._queue.remove(turn)
            if turn.since is not None:
                turn.since = None
                self._free += 1
            self._admit()
            self._news.notify_all()

    def _admit(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            self._queue.pop(0).since = time.monotonic()

    def _before(self, turn: Turn) -> int:
        """How many wait before it; -1 once it is its turn."""
        return self._queue.index(turn) if turn in self._queue else -1


class Turn:
    """The place of one answer, or its wait for one.

    Attributes
    ----------
    since
        When it got its place; None while it has none.
    """

    def __init__(self, turnstile: Turnstile, stop: threading.Event) -> None:
        self.since: float | None = None
        self._turnstile = turnstile
        self._stop = stop

    def wait(self) -> Iterator[int]:
        """Wait for the place: yields how many wait before this one, now and whenever it changes.

        Nothing is yielded if there is a place at once.

        Raises
        ------
        Cancelled
            If the answer is stopped meanwhile.
        """
        gate = self._turnstile
        gate._enter(self)
        told = -1
        while True:
            with gate._news:
                before = gate._before(self)
                if before == told and before >= 0:
                    gate._news.wait(_LOOK_S)
                    before = gate._before(self)
            if self._stop.is_set():
                raise Cancelled("stopped by the user")
            if before < 0:
                return
            if before != told:
                told = before
                yield before

    def give_way(self) -> Iterator[int]:
        """Between two steps: go behind those who wait if this answer had its time; as `wait`."""
        gate = self._turnstile
        with gate._news:
            had = self.since is not None and time.monotonic() - self.since > gate._slice_s
            if not had or not gate._queue:
                return
        gate._leave(self)
        yield from self.wait()
