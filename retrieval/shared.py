"""Values that many threads want and one should compute: the ground of a map, the vector of a text."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_LOOK_S = 0.05


class Shared(Generic[K, V]):
    """The most recently used values, each computed once however many ask for it at the same time.

    Whoever gets a value shares it: it must not be changed.

    Parameters
    ----------
    capacity
        Values kept; the least recently used goes first.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, threading.Event] = {}

    def get(self, key: K, make: Callable[[], V], check_stop: Callable[[], None] | None = None) -> V:
        """The value of a key, made by ``make`` if it is not kept.

        What ``make`` raises goes to the one who called it; another who waits then makes it himself.

        Parameters
        ----------
        check_stop
            Called while another thread makes it; raises to wait no longer.
        """
        while True:
            with self._lock:
                if key in self._values:
                    self._values.move_to_end(key)
                    return self._values[key]
                made = self._making.get(key)
                if made is None:
                    mine = self._making[key] = threading.Event()
                    break
            while not made.wait(_LOOK_S):
                if check_stop:
                    check_stop()
        try:
            value = make()
            with self._lock:
                self._values[key] = value
                while len(self._values) > self._capacity:
                    self._values.popitem(last=False)
            return value
        finally:
            with self._lock:
                del self._making[key]
            mine.set()

    def __len__(self) -> int:
        return len(self._values)
