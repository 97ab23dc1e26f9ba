"""How a vector becomes a code of an exact kind and back, and the dot products of codes with queries.

One arithmetic wherever the codes come from: a row has the same score to the last bit whether it lies in a
file (`retrieval.vectors.flat`) or came over a network (`retrieval.vectors.milvus`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.manifest import Storage
from retrieval.vectors import Floats
from retrieval.vectors.threads import in_threads

Codes = NDArray[Any]
DTYPES: dict[str, Any] = {"fp32": np.float32, "fp16": np.uint16, "sq8": np.uint8}
_SHARE = 65_536  # rows of fp32 that one thread takes at a time


@dataclass(frozen=True, eq=False)
class Codec:
    """The codes of one kind.

    Attributes
    ----------
    kind
        ``fp32``, ``fp16`` or ``sq8``.
    low, step
        Of ``sq8``, (d,) each: a byte c stands for low + (c + 0.5) * step.
    """

    kind: Storage
    low: Floats | None = None
    step: Floats | None = None

    def dots(self, codes: Codes, queries: Floats) -> Floats:
        """Cosines of queries (q, d) with codes (n, d), (q, n)."""
        # Only here: what needs no score opens an index without waiting for compiled code (half a second).
        if self.low is not None and self.step is not None:
            from retrieval.vectors.whole import ByteQueries

            return ByteQueries(queries, self.low, self.step).cosines(codes)
        if self.kind == "fp16":
            from retrieval.vectors.halves import half_dots

            return half_dots(codes, queries)
        found = np.empty((len(queries), len(codes)), dtype=np.float32)

        def share(start: int) -> None:
            part = slice(start, start + _SHARE)
            np.matmul(queries, codes[part].T, out=found[:, part])

        in_threads(share, range(0, len(codes), _SHARE))
        # Rounded codes may exceed the unit length by a hair.
        return np.clip(found, -1.0, 1.0, out=found)

    def decode(self, codes: Codes) -> Floats:
        """What codes (n, d) stand for; near unit length."""
        if self.low is not None and self.step is not None:
            return np.asarray(self.low + (codes.astype(np.float32) + np.float32(0.5)) * self.step)
        if self.kind == "fp16":
            return codes.view(np.float16).astype(np.float32)
        return np.asarray(codes, dtype=np.float32)

    def encode(self, values: Floats) -> Codes:
        """The codes of values that `decode` gave, to the last bit."""
        if self.low is not None and self.step is not None:
            # Values lie in the middle of their steps, so rounding errors cannot carry them over an edge.
            steps = (values - self.low) / np.where(self.step > 0, self.step, np.float32(1))
            return np.clip(np.floor(steps), 0, 255).astype(np.uint8)
        if self.kind == "fp16":
            return np.ascontiguousarray(values, dtype=np.float16).view(np.uint16)
        return np.ascontiguousarray(values, dtype=np.float32)
