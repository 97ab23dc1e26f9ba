"""Which kind of vectors an index is best kept as, and why in words.

The bounds are those of `docs/results/2026-11-21-index-kinds.md`: an exact kind is taken as long as a person
would not notice its pass over all codes; beyond that the lists read a small part of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from retrieval.manifest import Storage

HALF = 500_000  # tiles of 512 dimensions up to which 16-bit codes are passed over in some 20 ms
WHOLE = 4_000_000  # tiles of 512 dimensions up to which 8-bit codes are passed over in some 80 ms
MEMORY_SHARE = 0.5  # of the memory that codes may take: encoder, scores and tables want the rest


def choose(count: int, dimension: int, memory_bytes: int, recall: float) -> tuple[Storage, str]:
    """The kind for an index, and the reason.

    Parameters
    ----------
    count, dimension
        Number of vectors and their length.
    memory_bytes
        Memory of the machine that searches.
    recall
        Share of the best that a search is to find; from 0.999 on only exact kinds are taken.
    """
    work = count * dimension / 512
    room = MEMORY_SHARE * memory_bytes
    codes = f"{count:,} tiles x {dimension}"
    byte = count * dimension
    if work <= HALF and 2 * byte <= room:
        return "fp16", f"{codes}: few enough to score all at half precision, {_size(2 * byte)}"
    if byte <= room and (work <= WHOLE or recall >= 0.999):
        return "sq8", f"{codes}: all are scored, at one byte a dimension, {_size(byte)}"
    if recall >= 0.999:
        return "sq8", (
            f"{codes}: recall {recall:g} asks for all to be scored; {_size(byte)} is more than half of the "
            f"memory of {_size(memory_bytes)}, so searches read the disk"
        )
    if byte <= room:
        return "ivf-sq8", (
            f"{codes}: {_size(byte)} at one byte a dimension fits the memory of {_size(memory_bytes)}, and "
            f"lists spare a search most of it at recall {recall:g}"
        )
    bits = count * (dimension // 8 + 4)
    fits = "stay in" if bits <= room else "are more than half of"
    return "ivf-rabitq", (
        f"{codes}: {_size(byte)} at one byte a dimension stays on disk; {_size(bits)} at one bit a dimension "
        f"{fits} the memory of {_size(memory_bytes)}, at recall {recall:g}"
    )


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's if that is less."""
    try:
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        whole = 8 << 30  # where it cannot be told, that of a plain laptop
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return whole
    return min(whole, int(limit)) if limit.isdigit() else whole


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
