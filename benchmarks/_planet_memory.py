"""What a process holds in memory, and passes over memory: the least that a search of a file could cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from _planet_rounds import Rounds
from numpy.typing import NDArray

# What a search passes over or looks through in memory, by storage; the rest of the kinds have one file.
_LOOKED_THROUGH = {"ivf-sq8": ("vectors.npy",), "ivf-rabitq": ("signs.npy", "factors.npy")}


def memory_gb() -> dict[str, float]:
    """Resident memory of this process, GB: all of it, its own, of mapped files, and the most it had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return {
        name: int(values[name].split()[0]) * 1024 / 1e9 for name in ("VmRSS", "RssAnon", "RssFile", "VmHWM")
    }


def held_gb() -> float:
    """Memory that this process takes, GB: a page of a file counts once, however often it is mapped."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e9


def resident_gb(folder: Path) -> dict[str, float]:
    """How much of each file of a folder this process holds in memory, GB; small ones are left out."""
    found: dict[str, float] = {}
    name = ""
    for line in Path("/proc/self/smaps").read_text(encoding="ascii").splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            name = Path(words[5]).name if len(words) > 5 and Path(words[5]).parent == folder else ""
        elif words[0] == "Rss:" and name:
            found[name] = found.get(name, 0.0) + int(words[1]) * 1024 / 1e9
    return {name: size for name, size in found.items() if size > 0.001}


class OwnMemory:
    """The most memory of its own that this process holds meanwhile, looked up five times a second.

    The system tells only the peak of all resident pages, with those of mapped files, which it takes back
    when others want room.
    """

    def __init__(self) -> None:
        self.most_gb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> OwnMemory:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.most_gb = max(self.most_gb, memory_gb()["RssAnon"])
            if self._over.wait(0.2):
                return


def looked_through(folder: Path, kind: str) -> list[NDArray[np.uint8]]:
    """The bytes that a search of a kind looks through, mapped, file by file, short headers among them."""
    return [_bytes_of(folder / name) for name in _LOOKED_THROUGH.get(kind, ("vectors.faiss",))]


def bytes_for_all(folder: Path, kind: str) -> list[NDArray[np.uint8]] | None:
    """What ``sq8`` would pass over, a byte a dimension; None for a kind that does not look at less."""
    return [_bytes_of(folder / "vectors.npy")] if kind in _LOOKED_THROUGH else None


def memory_passes(files: Sequence[NDArray[np.uint8]]) -> dict[str, Callable[[], Any]]:
    """Ways of reading all bytes once, with next to no work on each."""
    words = [one.reshape(-1)[: one.size // 8 * 8].view(np.int64) for one in files]
    tensors = [torch.from_numpy(one) for one in words]

    def torch_sum() -> Any:
        # FAISS and encoders set the number of threads as they like.
        torch.set_num_threads(2)
        return [one.sum() for one in tensors]

    return {
        "numpy maximum, one thread": lambda: [one.max() for one in words],
        "numpy sum, one thread": lambda: [one.sum() for one in words],
        "torch sum, two threads": torch_sum,
    }


def fastest(passes: dict[str, Callable[[], Any]], repeats: int = 5) -> str:
    """Name of the fastest by the median of some repeats."""
    rounds = Rounds()
    for name, work in passes.items():
        for _ in range(repeats):
            rounds.time(name, work)
    return min(passes, key=rounds.median)


def _bytes_of(path: Path) -> NDArray[np.uint8]:
    # Torch takes only what it may write to.
    return np.memmap(path, dtype=np.uint8, mode="c")
