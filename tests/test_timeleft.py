"""Progress of long steps: loops tell how much is done, and the dialogue says how long the rest takes."""

from __future__ import annotations

import contextvars
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.chat.timeleft import TimeLeft
from retrieval.errors import Cancelled
from retrieval.stop import counted, in_pieces, stopped_by, watched_by


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(0, 500), st.integers(-3, 600))
def test_pieces_make_up_the_whole(count: int, size: int) -> None:
    pieces = list(in_pieces(count, size))
    assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(range(count))
    assert all(piece.stop - piece.start <= max(1, size) for piece in pieces)


def test_who_watches_hears_of_the_outermost_loop_from_any_thread() -> None:
    heard: list[tuple[int, int]] = []

    def work() -> None:
        for _ in counted("ab"):
            list(in_pieces(10, 2))

    with watched_by(lambda done, count: heard.append((done, count))):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
        thread.start()
        thread.join()
        assert heard == [(0, 2), (1, 2), (2, 2)]
        work()
        assert heard[3:] == heard[:3]
    work()
    assert len(heard) == 6


def test_a_stopped_loop_is_over() -> None:
    heard: list[int] = []
    stop = threading.Event()

    def work() -> None:
        for number in counted(range(9)):
            if number == 2:
                stop.set()

    with watched_by(lambda done, count: heard.append(done)), stopped_by(stop):
        with pytest.raises(Cancelled):
            work()
        stop.clear()
        list(counted(range(1)))
    assert heard == [0, 1, 2, 0, 1]


def test_the_time_left_is_said_once_it_means_something() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    assert left.words == ""
    for second in range(101):
        clock.now = second / 10
        left.tell(second, 100)
        if second < 15:
            assert left.words == ""
    assert left.words == "99 %"
    left.tell(0, 100)  # another loop
    assert left.words == ""
    clock.now += 6.0
    left.tell(60, 100)
    assert left.words == "60 %, about 4 s left"


@pytest.mark.parametrize(
    ("gone", "done", "words"),
    [
        (2.0, 1, "10 %, about 20 s left"),
        (60.0, 1, "10 %, about 9 min left"),
        (9.5, 9, "90 %, about 1 s left"),
    ],
)
def test_the_time_left_is_rounded(gone: float, done: int, words: str) -> None:
    clock = Clock()
    left = TimeLeft(clock)
    left.tell(0, 10)
    clock.now = gone
    left.tell(done, 10)
    assert left.words == words


def test_an_estimate_does_not_jump() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    left.tell(0, 100)
    for second in range(1, 20):
        clock.now = float(second)
        left.tell(second, 100)
    assert left.words == "19 %, about 80 s left"
    clock.now = 40.0  # one slow piece
    left.tell(20, 100)
    assert left.words == "20 %, about 85 s left"
