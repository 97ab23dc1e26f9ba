"""What the verbs say on the terminal: progress and complaints on standard error, JSON on standard output."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

Progress = Callable[[str, int, int], None]

console = Console(stderr=True)


class Pace:
    """How fast work goes and how long it will take, since it was last begun: what was found done counts not.

    Parameters
    ----------
    done
        What was done before.
    clock
        Seconds.
    """

    def __init__(self, done: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._from = (clock(), done)

    def told(self, done: int, total: int) -> str:
        """``412/s, 3 min 20 s left``; empty until something was done."""
        begun, before = self._from
        taken = self._clock() - begun
        if taken <= 0 or done <= before:
            return ""
        rate = (done - before) / taken
        speed = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        return f"{speed}, {duration(math.ceil((total - done) / rate))} left" if done < total else speed


def duration(seconds: int) -> str:
    """``8 s``, ``3 min 20 s``, ``2 h 05 min``."""
    minutes, rest = divmod(seconds, 60)
    hours = minutes // 60
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


@contextmanager
def progress_bar(in_bytes: bool = False) -> Iterator[Progress]:
    """A bar on standard error that appears with the first report and counts each stage.

    ``in_bytes`` is for downloads: each file's megabytes and their speed.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts: list[ProgressColumn] = (
        [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
        if in_bytes
        else [MofNCompleteColumn(), TextColumn("{task.fields[pace]}")]
    )
    bar = Progress(TextColumn("{task.description}"), BarColumn(), *counts, console=console, transient=True)
    tasks: dict[str, Any] = {}
    paces: dict[str, Pace] = {}

    def report(stage: str, done: int, total: int) -> None:
        if not tasks:
            bar.start()  # not before: a bar without tasks leaves an empty line
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total, pace="")
            paces[stage] = Pace(done)
        bar.update(tasks[stage], completed=done, total=total, pace=paces[stage].told(done, total))

    try:
        yield report
    finally:
        if tasks:
            bar.stop()


@contextmanager
def training_progress() -> Iterator[Progress]:
    """One bar whose words change; where there is no terminal, a line at most every 30 seconds."""
    if not console.is_terminal:
        said = -math.inf

        def say(stage: str, done: int, total: int) -> None:
            nonlocal said
            if not stage.startswith("training") or time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{done / total:4.0%} {stage}", file=sys.stderr, flush=True)

        yield say
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(
        BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), console=console
    ) as bar:
        task = bar.add_task("starting", total=1)

        def show(stage: str, done: int, total: int) -> None:
            if stage.startswith("held-out"):
                console.print(stage, markup=False)
            bar.update(task, description=stage, completed=done, total=total)

        yield show


def print_json(value: Any) -> None:
    """One JSON value on standard output, in one line."""
    print(json.dumps(value, ensure_ascii=False, default=str, allow_nan=False))


def complain(message: str) -> None:
    """One line on standard error."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
