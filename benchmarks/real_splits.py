"""Which part of a real data set a picture belongs to: one rule for training pairs and for benchmarks.

Pictures of one observation look alike, so a whole observation goes to one part. The part follows from the
name of the observation alone: adding pictures or changing their order moves nothing.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Part = Literal["train", "val", "test"]

# The first seed with at least 35 % of the pictures of every class of `hirise-landmarks` in train, one in val
# and five in test: nearly all dark dunes lie in one observation. Chosen by counts, before any training.
SEED = 152
_PARTS: tuple[Part, ...] = ("train", "train", "val", "test")


def part_of(observation: str, seed: int = SEED) -> Part:
    """Half of all observations are for training, a quarter for validation, a quarter for the test.

    The first eight bytes of SHA-256 of ``"<seed> <observation>"``, modulo 4: 0 and 1 train, 2 val, 3 test.

    Parameters
    ----------
    observation
        What pictures share that must not be torn apart: an observation id, the name of a mosaic tile.
    seed
        Another seed is another split; published figures use `SEED`.
    """
    digest = hashlib.sha256(f"{seed} {observation}".encode()).digest()
    return _PARTS[int.from_bytes(digest[:8], "big") % len(_PARTS)]
