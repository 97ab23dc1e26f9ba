"""Where long work looks whether anybody still waits for it, and tells how much of it is done.

Geometry and statistics know nothing of conversations, so the stop of the call in hand, and who watches it,
travel with the context of its thread. Work that takes long looks at its stop between pieces, of a tenth of a
second or so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from retrieval.errors import Cancelled

T = TypeVar("T")


class _Watch:
    """Who is told of the loops of the call in hand; of loops within a loop only the outermost counts."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.tell = tell
        self.in_a_loop = False


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)
_in_hand: ContextVar[threading.Event | None] = ContextVar("stop_in_hand", default=None)


def check_stop() -> None:
    """Raise `Cancelled` if nobody waits any more for what this thread works on."""
    stop = _in_hand.get()
    if stop is not None and stop.is_set():
        raise Cancelled("stopped by the user")


def in_pieces(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` (at least one) that make up ``count``; the stop is looked at before each."""
    step = max(1, size)
    for number in counted(range(-(-count // step))):
        yield slice(number * step, min((number + 1) * step, count))


def counted(pieces: Sequence[T]) -> Iterator[T]:
    """The pieces of long work, the stop looked at before each; who watches is told how many are done."""
    watch = _watch.get()
    if watch is None or watch.in_a_loop:
        for piece in pieces:
            check_stop()
            yield piece
        return
    watch.in_a_loop = True
    try:
        for number, piece in enumerate(pieces):
            check_stop()
            watch.tell(number, len(pieces))
            yield piece
        watch.tell(len(pieces), len(pieces))
    finally:
        watch.in_a_loop = False


@contextmanager
def watched_by(tell: Callable[[int, int], None]) -> Iterator[None]:
    """Have ``tell(done, all)`` called by the loops of this block, from whichever thread each runs in.

    A call may have several loops one after another: a smaller number of pieces done is a new loop.
    """
    before = _watch.set(_Watch(tell))
    try:
        yield
    finally:
        _watch.reset(before)


def stop_in_hand() -> threading.Event | None:
    """The stop of the call that this thread works on, if it has one."""
    return _in_hand.get()


@contextmanager
def stopped_by(stop: threading.Event) -> Iterator[None]:
    """Let the work of this block end once ``stop`` is set."""
    before = _in_hand.set(stop)
    try:
        yield
    finally:
        _in_hand.reset(before)
