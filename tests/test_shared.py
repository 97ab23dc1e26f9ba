"""Shared values: computed once for all who ask, kept up to a number, and made anew after a failure."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.encoder_shared import SharedEncoder
from retrieval.errors import Cancelled
from retrieval.shared import Shared
from tests.fakes import PatternEncoder


def test_many_who_ask_at_once_get_one_value() -> None:
    shared: Shared[str, object] = Shared(4)
    begun, gate, made = threading.Event(), threading.Event(), []

    def make() -> object:
        begun.set()
        gate.wait(10)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(shared.get, "ground", make) for _ in range(8)]
        begun.wait(10)
        gate.set()
        assert {id(one.result(10)) for one in asked} == {id(made[0])}
    assert len(made) == 1


def test_the_least_recently_used_goes_first() -> None:
    shared: Shared[int, int] = Shared(2)
    for key in (1, 2, 1, 3):
        shared.get(key, lambda key=key: 10 * key)
    assert len(shared) == 2
    assert shared.get(1, lambda: -1) == 10
    assert shared.get(2, lambda: -1) == -1


def test_after_a_failure_the_next_one_makes_it() -> None:
    shared: Shared[str, int] = Shared(2)

    def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        shared.get("a", fail)
    assert shared.get("a", lambda: 7) == 7


def test_who_waits_for_another_can_be_stopped() -> None:
    shared: Shared[str, int] = Shared(2)
    begun, gate = threading.Event(), threading.Event()

    def make() -> int:
        begun.set()
        gate.wait(10)
        return 1

    def stop() -> None:
        raise Cancelled("stopped by the user")

    maker = threading.Thread(target=shared.get, args=("a", make))
    maker.start()
    begun.wait(10)
    with pytest.raises(Cancelled):
        shared.get("a", lambda: 2, stop)
    gate.set()
    maker.join(10)
    assert shared.get("a", lambda: 2) == 1


def test_an_encoder_encodes_what_is_asked_again_once(pattern_encoder: PatternEncoder) -> None:
    asked: list[list[str]] = []

    class Counting(PatternEncoder):
        def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            asked.append(list(texts))
            return super().encode_texts(texts)

    encoder = SharedEncoder(Counting())
    first, again = encoder.encode_texts(["cones", "dunes"]), encoder.encode_texts(("cones", "dunes"))
    np.testing.assert_array_equal(first, pattern_encoder.encode_texts(["cones", "dunes"]))
    np.testing.assert_array_equal(first, again)
    encoder.encode_texts(["cones"])
    assert asked == [["cones", "dunes"], ["cones"]]
    assert encoder.manifest == pattern_encoder.manifest
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0.0
