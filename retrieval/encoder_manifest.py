"""What an encoder is: a manifest, and the protocol of whatever turns tiles and texts into vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EncoderManifest:
    """What an index must know about the encoder that made it.

    Attributes
    ----------
    name
        What `load_encoder` takes to load it again.
    fingerprint
        SHA-256 over weights, tokenizer and preprocessing: equal fingerprints give equal vectors.
    architecture
        The towers, in words.
    bands
        ``("grey",)`` or ``("red", "green", "blue")``.
    image_size
        Side of the square that the image tower sees, pixels.
    mean, std
        Per band, of pixel values scaled to 0..1.
    dimension
        Length of a vector.
    logit_scale
        Factor from cosine similarity to logit that the model was trained with.
    context_length
        Tokens of a text beyond which it is cut.
    logit_bias
        Added to the scaled cosine: a model trained with the sigmoid loss then gives log odds. None for one
        trained with the softmax loss.
    words
        Words that the text tower was trained on, in lower case, if they are so few that others mean nothing
        to it; None for a tower of general language.
    landforms
        Names of what it was trained to find, if only those mean something to it; None if it does not say.
    """

    name: str
    fingerprint: str
    architecture: str
    bands: tuple[str, ...]
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dimension: int
    logit_scale: float
    context_length: int
    logit_bias: float | None = None
    words: tuple[str, ...] | None = None
    landforms: tuple[str, ...] | None = None


class Encoder(Protocol):
    """Whatever turns tiles and texts into unit vectors of one space."""

    @property
    def manifest(self) -> EncoderManifest:
        """What this encoder is."""

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode square RGB pictures, shape (n, s, s, 3), into unit rows, shape (n, dimension)."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts into unit rows, shape (n, dimension)."""
