"""What a process of its own costs that opens an index and asks it: warm, and from the disk."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _planet_measure import BARS_FILE, a_workspace
from _planet_memory import memory_gb, resident_gb
from _planet_rounds import say
from _planet_vectors import LiftedEncoder

import tools.search
from prompts import Prompts
from retrieval.encoder import encode_query
from retrieval.index import TileIndex
from retrieval.manifest import files_of, read_manifest

Figures = dict[str, Any]

_DROP_ALL = Path("/proc/sys/vm/drop_caches")
_READ_BYTES = 8 << 20  # read at a time where the disk's rate is measured
_RATE_BYTES = 4 << 30  # of a file are read for it, at most
_LEFT = 0.01  # share of an index that may still be in memory where it is called cold
_SCATTERED = 2_000  # pages read one by one


def fresh_process(folder: Path, script: Path, repeats: int = 5) -> Figures:
    """What a process of its own says that only opens the index and asks it five texts; medians."""
    say("fresh processes, files in memory")
    return _medians([_child(script, "--only-ask", str(folder)) for _ in range(repeats)])


def cold_process(folder: Path, script: Path, repeats: int = 3) -> dict[str, Figures]:
    """Opening and first answers where no file of the index is in memory, and what the disk gives meanwhile.

    Each repeat is a process of its own that asks another text; figures are medians. No other process may have
    the files mapped: the system keeps such pages.

    Returns
    -------
    ``cold``: the index's files were dropped from memory. ``cold_everything``, where this process may do so:
    everything was, libraries and compiled code with them, as after a start of the machine.
    """
    found = {}
    for name, flags in (("cold", ()), ("cold_everything", ("--everything",))):
        if flags and not os.access(_DROP_ALL, os.W_OK):
            continue
        runs = []
        for number in range(repeats):
            say(f"{name}, {number + 1} of {repeats}")
            rates = disk_rates(folder)
            run = _child(script, "--only-ask", str(folder), "--cold", "--text", str(number), *flags)
            at_rate = run["first_ask_read_gb"] / rates["disk_gb_per_s"]
            runs.append({**run, **rates, "first_ask_read_at_disk_rate_s": at_rate})
        figures = _medians(runs)
        figures |= {"first_ask_most_s": max(run["first_ask_s"] for run in runs), "repeats": repeats}
        if figures["left_in_memory"] > _LEFT:
            say(f"{figures['left_in_memory']:.1%} of the index could not be dropped: something has it mapped")
        found[name] = figures
    return found


def ask_only(folder: Path, encoder: LiftedEncoder, prompts: Prompts, texts: Sequence[str]) -> Figures:
    """Open an index, ask it a few texts, and say what that took of time and memory."""
    before = memory_gb()
    started = time.perf_counter()
    index = TileIndex.open(folder)
    opened = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as home:
        ws = a_workspace(Path(home), index, encoder, prompts)
        bars = json.loads((folder / BARS_FILE).read_text(encoding="utf-8"))
        started = time.perf_counter()
        tools.search.search_words(ws, texts[0], bars[0])
        first = time.perf_counter() - started
        for text, bar in zip(texts[1:5], bars[1:5], strict=True):
            tools.search.search_words(ws, text, bar)
    after = memory_gb()
    return {
        "open_s": opened,
        "first_ask_s": first,
        "rss_gb": after["VmRSS"],
        "rss_own_gb": after["RssAnon"],
        "rss_mapped_gb": after["RssFile"],
        "rss_peak_gb": after["VmHWM"],
        "rss_before_opening_gb": before["VmRSS"],
        **{f"resident_{name}_gb": size for name, size in resident_gb(folder).items()},
    }


def ask_cold(
    folder: Path,
    encoder: LiftedEncoder,
    prompts: Prompts,
    texts: Sequence[str],
    number: int,
    everything: bool,
) -> Figures:
    """Open an index of which nothing is in memory, ask it two texts, and say how long that took.

    The encoder is there and has encoded a text. With ``everything`` what is not loaded yet, such as compiled
    code, comes from the disk as the index does.
    """
    encode_query(encoder, texts[0], prompts.templates)
    bars = json.loads((folder / BARS_FILE).read_text(encoding="utf-8"))
    names = files_of(read_manifest(folder).format, read_manifest(folder).storage)
    forget([folder / name for name in names], everything=everything)
    sizes = [(folder / name).stat().st_size for name in names]
    held = sum(size * share_in_memory(folder / name) for size, name in zip(sizes, names, strict=True))
    figures: Figures = {"left_in_memory": held / sum(sizes)}
    read, started = _read_gb(), time.perf_counter()
    index = TileIndex.open(folder)
    figures |= {"open_s": time.perf_counter() - started, "open_read_gb": _read_gb() - read}
    with tempfile.TemporaryDirectory() as home:
        ws = a_workspace(Path(home), index, encoder, prompts)
        for name, at in (("first", number), ("second", number + 3)):
            text, bar = texts[at % len(texts)], bars[at % len(texts)]
            read, started = _read_gb(), time.perf_counter()
            tools.search.search_words(ws, text, bar)
            figures[f"{name}_ask_s"] = time.perf_counter() - started
            figures[f"{name}_ask_read_gb"] = _read_gb() - read
    return figures


def disk_rates(folder: Path) -> Figures:
    """What the disk gives of the largest file of a folder that is not in memory: in order, and scattered."""
    path = max((one for one in folder.iterdir() if one.is_file()), key=lambda one: one.stat().st_size)
    size = path.stat().st_size
    forget([path])
    buffer = bytearray(_READ_BYTES)
    done, started = 0, time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while done < min(size, _RATE_BYTES) and (got := file.readinto(buffer)):
            done += got
    rate = done / (time.perf_counter() - started)
    forget([path])
    places = np.random.default_rng(0).integers(0, max(1, size // mmap.PAGESIZE), _SCATTERED)
    opened = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_RANDOM)
        started = time.perf_counter()
        for place in places.tolist():
            os.pread(opened, mmap.PAGESIZE, place * mmap.PAGESIZE)
        scattered = len(places) / (time.perf_counter() - started)
    finally:
        os.close(opened)
    return {"disk_gb_per_s": rate / 1e9, "disk_pages_per_s": scattered}


def forget(paths: Sequence[Path], *, everything: bool = False) -> None:
    """Let the system drop files from memory, and with ``everything`` all that it can drop.

    Pages that a process has mapped stay.
    """
    for path in paths:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)  # what is not on the disk yet cannot be dropped
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(opened)
    if everything:
        _DROP_ALL.write_text("1\n", encoding="ascii")


def share_in_memory(path: Path) -> float:
    """Share of the pages of a file that the system holds in memory, 0 to 1."""
    size = path.stat().st_size
    if not size:
        return 0.0
    pages = np.zeros(-(-size // mmap.PAGESIZE), dtype=np.uint8)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = np.frombuffer(mapped, dtype=np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        at, into = ctypes.c_void_p(view.ctypes.data), ctypes.c_void_p(pages.ctypes.data)
        failed = libc.mincore(at, ctypes.c_size_t(size), into)
        del view  # the map cannot be closed while it is looked at
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    return float((pages & 1).mean())


def _read_gb() -> float:
    """What this process has had read from the disk, GB."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"]) / 1e9


def _child(script: Path, *arguments: str) -> Figures:
    done = subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:  # what libraries say at their end is of no interest else
        raise RuntimeError(f"a process of its own ended with status {done.returncode}:\n{done.stderr}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def _medians(runs: Sequence[Figures]) -> Figures:
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: float(np.median([run.get(name, 0.0) for run in runs])) for name in names}
