"""How fast a build goes and how long it will take, as the terminal says it."""

import pytest
from rich.console import Console

import terminal
from terminal import Pace, duration, progress_bar


def test_what_an_earlier_run_had_done_does_not_count_as_speed() -> None:
    now = [100.0]
    pace = Pace(5000, lambda: now[0])
    assert pace.told(5000, 9000) == ""
    now[0] += 10
    assert pace.told(7000, 9000) == "200/s, 10 s left"
    now[0] += 10
    assert pace.told(9000, 9000) == "200/s"
    slow = Pace(0, lambda: now[0])
    now[0] += 8
    assert slow.told(4, 1000) == "0.5/s, 33 min 12 s left"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_the_bar_shows_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Console(force_terminal=True, width=120, record=True, stderr=True)
    monkeypatch.setattr(terminal, "console", wide)
    with progress_bar() as progress:
        progress("tiles", 0, 1000)
        progress("tiles", 250, 1000)
    text = wide.export_text()
    assert "250/1000" in text
    assert "/s, " in text
    assert " left" in text
