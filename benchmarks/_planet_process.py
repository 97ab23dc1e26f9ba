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
_SCATTERED = 2_000  # pages read one by one


def fresh_process(folder: Path, script: Path, repeats: int = 5) -> Figures:
    """What a process of its own says that only opens the index and asks it five texts; medians."""
    say("fresh processes, files in memory")
    return _medians([_child(script, "--only-ask", str(folder)) for _ in range(repeats)])


def cold_process(folder: Path, script: Path, repeats: int = 3) -> Figures:
    """Opening and first answers where no file of the index is in memory, and what the disk gives.

    Each repeat is a process of its own that asks another text.
    """
    runs = []
    for number in range(repeats):
        say(f"from the disk, {number + 1} of {repeats}")
        rates = disk_rates(folder)
        runs.append(_child(script, "--only-ask", str(folder), "--cold", "--text", str(number)) | rates)
    found = _medians(runs)
    sequential = found["disk_gb_per_s"]
    return {
        **found,
        "first_ask_most_s": max(run["first_ask_s"] for run in runs),
        "first_ask_read_at_disk_rate_s": found["first_ask_read_gb"] / sequential,
        "dropped_with": "posix_fadvise" + (" and drop_caches" if _may_drop_all() else ""),
        "repeats": repeats,
    }


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
    folder: Path, encoder: LiftedEncoder, prompts: Prompts, texts: Sequence[str], number: int
) -> Figures:
    """Open an index of which nothing is in memory, ask it two texts, and say how long that took.

    The encoder is there and has encoded a text; compiled code comes from the disk as the index does.
    """
    encode_query(encoder, texts[0], prompts.templates)
    bars = json.loads((folder / BARS_FILE).read_text(encoding="utf-8"))
    names = files_of(read_manifest(folder).format, read_manifest(folder).storage)
    forget([folder / name for name in names])
    left = max(share_in_memory(folder / name) for name in names)
    figures: Figures = {"most_of_a_file_left_in_memory": left}
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


def forget(paths: Sequence[Path]) -> None:
    """Let the system drop files from memory, and with them all it may drop where this process is allowed to.

    Pages that a process has mapped stay.
    """
    for path in paths:
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)  # what is not on the disk yet cannot be dropped
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(opened)
    if _may_drop_all():
        _DROP_ALL.write_text("1\n", encoding="ascii")


def share_in_memory(path: Path) -> float:
    """Share of the pages of a file that the system holds in memory, 0 to 1."""
    size = path.stat().st_size
    if not size:
        return 0.0
    pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = np.frombuffer(mapped, dtype=np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        failed = libc.mincore(ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size), pages)
        del view  # the map cannot be closed while it is looked at
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    return float((np.frombuffer(pages, dtype=np.uint8) & 1).mean())


def _may_drop_all() -> bool:
    return os.access(_DROP_ALL, os.W_OK)


def _read_gb() -> float:
    """What this process has had read from the disk, GB."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(": ") for line in lines)["read_bytes"]) / 1e9


def _child(script: Path, *arguments: str) -> Figures:
    done = subprocess.run(
        [sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def _medians(runs: Sequence[Figures]) -> Figures:
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: float(np.median([run.get(name, 0.0) for run in runs])) for name in names}
