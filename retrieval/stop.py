"""Where long work looks whether anybody still waits for it.

Geometry and statistics know nothing of conversations, so the stop of the call in hand travels with the
context of its thread. Work that takes long looks at it between pieces, of a tenth of a second or so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from retrieval.errors import Cancelled

_in_hand: ContextVar[threading.Event | None] = ContextVar("stop_in_hand", default=None)


def check_stop() -> None:
    """Raise `Cancelled` if nobody waits any more for what this thread works on."""
    stop = _in_hand.get()
    if stop is not None and stop.is_set():
        raise Cancelled("stopped by the user")


def in_pieces(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` (at least one) that make up ``count``; the stop is looked at before each."""
    step = max(1, size)
    for start in range(0, count, step):
        check_stop()
        yield slice(start, min(start + step, count))


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
