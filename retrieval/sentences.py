"""Word pieces of English texts as vectors that know their context: the shipped sentence encoder.

The encoder is all-MiniLM-L6-v2 (six BERT layers of width 384; Reimers and Gurevych 2019, Wang et al. 2020)
with its matrices rounded to 8 bits; `weights/minilm/README.md` says where it is from. It runs in NumPy: a few
short texts need no more, and whoever reads words only need not wait for torch.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from retrieval.encoder_folder import WEIGHTS_FOLDER
from retrieval.errors import EncoderError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Floats = NDArray[np.float32]

LONGEST = 256  # word pieces of a text; what follows is not read
_FOLDER = WEIGHTS_FOLDER / "minilm"
_LAYERS, _HEADS = 6, 12
_EPSILON = 1e-12  # of layer normalisation, as in training


def word_pieces(texts: Sequence[str]) -> list[Floats]:
    """Vectors of the word pieces of every text, each piece in the context of its text.

    Parameters
    ----------
    texts
        English; case does not matter.

    Returns
    -------
    Per text, unit rows of shape (pieces, 384); no rows for a text without words.

    Raises
    ------
    EncoderError
        If the shipped weights are missing or torn.
    """
    weights, tokenizer = _shipped()
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    alike = defaultdict(list)  # texts of one length run together and need no padding
    for text, ids in enumerate(tokens):
        alike[len(ids)].append(text)
    vectors: list[Floats] = [np.empty((0, 384), np.float32)] * len(tokens)
    for members in alike.values():
        states = _states(weights, np.array([tokens[text] for text in members]))
        inner = states[:, 1:-1]  # without the marks of beginning and end
        inner /= np.maximum(np.linalg.norm(inner, axis=-1, keepdims=True), _EPSILON)
        for text, rows in zip(members, inner, strict=True):
            vectors[text] = rows
    return vectors


@lru_cache(maxsize=1)
def weights_hash() -> str:
    """SHA-256 of the shipped weights and of their tokenizer, as far as they are there."""
    files = [_FOLDER / "weights.safetensors", _FOLDER / "tokenizer.json"]
    return " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file())


def _states(weights: Mapping[str, Floats], tokens: NDArray[np.int64]) -> Floats:
    """Last hidden states (texts, pieces, 384) of BERT (Devlin et al. 2019) for tokens (texts, pieces)."""
    embedded = (
        weights["embeddings.word_embeddings.weight"][tokens]
        + weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    states = _normalised(weights, "embeddings.LayerNorm", embedded)
    for number in range(_LAYERS):
        layer = f"encoder.layer.{number}"
        attended = _linear(weights, f"{layer}.attention.output.dense", _attention(weights, layer, states))
        states = _normalised(weights, f"{layer}.attention.output.LayerNorm", states + attended)
        wide = _linear(weights, f"{layer}.intermediate.dense", states)
        wide *= (1 + erf(wide / np.float32(np.sqrt(2)))) / 2  # GELU
        thought = _linear(weights, f"{layer}.output.dense", wide)
        states = _normalised(weights, f"{layer}.output.LayerNorm", states + thought)
    return states


def _attention(weights: Mapping[str, Floats], layer: str, states: Floats) -> Floats:
    texts, pieces, width = states.shape

    def heads(name: str) -> Floats:
        values = _linear(weights, f"{layer}.attention.self.{name}", states)
        return values.reshape(texts, pieces, _HEADS, width // _HEADS).transpose(0, 2, 1, 3)

    query, key, value = heads("query"), heads("key"), heads("value")
    logits = query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(width // _HEADS))
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    attended: Floats = (shares @ value).transpose(0, 2, 1, 3).reshape(texts, pieces, width)
    return attended


def _linear(weights: Mapping[str, Floats], name: str, states: Floats) -> Floats:
    flat = states.reshape(-1, states.shape[-1])  # one product: NumPy would multiply text by text
    out = flat @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return out.reshape(*states.shape[:-1], -1)


def _normalised(weights: Mapping[str, Floats], name: str, states: Floats) -> Floats:
    centred = states - states.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _EPSILON)
    out: Floats = centred / deviation * weights[f"{name}.weight"] + weights[f"{name}.bias"]
    return out


@lru_cache(maxsize=1)
def _shipped() -> tuple[dict[str, Floats], Tokenizer]:
    """Weights in full precision and the tokenizer; read when a text first needs them."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        packed = load_file(_FOLDER / "weights.safetensors")
        pieces = (_FOLDER / "tokenizer.json").read_text(encoding="utf-8")
        json.loads(pieces)  # of a torn file, the tokenizer raises nothing narrower than Exception
    except (OSError, ValueError, SafetensorError) as error:
        raise EncoderError(
            f"the sentence encoder in {_FOLDER} is missing or torn ({error})",
            next_step="install Areographer again",
        ) from error
    tokenizer = Tokenizer.from_str(pieces)
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    names = [name for name in packed if not name.endswith(".scale")]
    return {name: packed[name] * packed.get(f"{name}.scale", np.float32(1)) for name in names}, tokenizer
