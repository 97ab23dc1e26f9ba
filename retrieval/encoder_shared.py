"""An encoder that many people ask: texts asked for again, of whomever, are not encoded again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder_manifest import Encoder, EncoderManifest
from retrieval.shared import Shared

KEPT = 256
LONGEST = 128  # texts at once; more are no question of a person


class SharedEncoder:
    """Another encoder, whose vectors of the last few hundred questions are kept.

    Texts are kept together as they were asked together: alone they may differ in the last bit.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._kept: Shared[tuple[str, ...], NDArray[np.float32]] = Shared(KEPT)

    @property
    def manifest(self) -> EncoderManifest:
        """What the encoder is."""
        return self._encoder.manifest

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As the encoder does."""
        return self._encoder.encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the encoder does, or did. Shared: read only."""
        if len(texts) > LONGEST:
            return self._encoder.encode_texts(texts)
        return self._kept.get(tuple(texts), lambda: self._encoded(texts))

    def _encoded(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = self._encoder.encode_texts(texts)
        vectors.flags.writeable = False
        return vectors
