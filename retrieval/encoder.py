"""Pictures and words to unit vectors, by an open_clip model behind a small protocol.

`load_encoder` takes the shipped ``areo-mini``, an open_clip name (``ViT-B-32:openai``), a hub id
(``hf-hub:ORG/NAME``) or a folder. Importing this module costs nothing: torch and open_clip come in when a
model is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder_folder import ALLOWED, MANIFEST_FILE, WEIGHTS_FOLDER, encoder_folder, read_folder
from retrieval.encoder_manifest import Encoder, EncoderManifest
from retrieval.encoder_open_clip import (
    RGB,
    OpenClipEncoder,
    create_model,
    encoder_of_model,
    manifest_of,
    open_clip_model,
)
from retrieval.errors import EncoderError

__all__ = [
    "UNTRAINED",
    "Encoder",
    "EncoderManifest",
    "OpenClipEncoder",
    "create_model",
    "encode_queries",
    "encode_query",
    "load_encoder",
    "manifest_of",
]

UNTRAINED = "untrained"


def load_encoder(name: str) -> OpenClipEncoder:
    """Load an encoder.

    Parameters
    ----------
    name
        ``areo-mini``; ``MODEL`` (the first published weights of an open_clip architecture),
        ``MODEL:PRETRAINED`` (a tag or a weights file) or ``MODEL:untrained`` (seeded random weights, for
        trials without a network); ``hf-hub:ORG/NAME``; or a folder in open_clip's local layout,
        optionally with an ``areographer.json``.

    Raises
    ------
    EncoderError
        If the name means nothing, or the weights are missing, torn, of another architecture or
        out of reach.
    """
    name = name.strip()
    folder = encoder_folder(name)
    if folder is not None:
        return _encoder_of_folder(name, folder, read_folder(folder))
    if name.startswith("hf-hub:"):
        model, tokenizer = create_model(name)
        return encoder_of_model(model, tokenizer, manifest_of(model, name, name.removeprefix("hf-hub:")))
    return _encoder_of_builtin(name)


def encode_query(encoder: Encoder, text: str, templates: Sequence[str] = ()) -> NDArray[np.float32]:
    """Encode a query as the unit mean over templates.

    Parameters
    ----------
    encoder
        The encoder.
    text
        What is looked for, such as ``"barchan dunes"``.
    templates
        Sentences with ``{}`` where the text goes; none means the text alone.

    Returns
    -------
    Unit vector, shape (dimension,).
    """
    return np.asarray(encode_queries(encoder, [text], templates)[0])


def encode_queries(
    encoder: Encoder, texts: Sequence[str], templates: Sequence[str] = ()
) -> NDArray[np.float32]:
    """Several queries as `encode_query` encodes each, in one batch; unit vectors, shape (q, dimension)."""
    sentences = [template.replace("{}", text) for text in texts for template in (templates or ("{}",))]
    if not sentences:
        return np.zeros((0, encoder.manifest.dimension), dtype=np.float32)
    encoded = encoder.encode_texts(sentences)
    means = encoded.reshape(len(texts), -1, encoded.shape[1]).mean(axis=1)
    lengths = [max(float(np.linalg.norm(mean)), 1e-12) for mean in means]
    return np.asarray([mean / length for mean, length in zip(means, lengths, strict=True)], dtype=np.float32)


def _encoder_of_folder(name: str, folder: Path, recorded: dict[str, Any]) -> OpenClipEncoder:
    label = name if folder.parent == WEIGHTS_FOLDER else str(folder)
    model, tokenizer = open_clip_model(label, f"local-dir:{folder}", folder=folder)
    bands = tuple(recorded.get("bands", RGB))
    found = manifest_of(model, label, str(recorded.get("architecture", folder.name)), bands)
    return encoder_of_model(model, tokenizer, _as_recorded(found, recorded, folder / MANIFEST_FILE))


def _as_recorded(found: EncoderManifest, recorded: dict[str, Any], file: Path) -> EncoderManifest:
    """What a model was found to be, with what only its file knows; refused where the two disagree."""
    for key in ("image_size", "dimension", "context_length"):
        if key in recorded and getattr(found, key) != recorded[key]:
            raise EncoderError(
                f"{file} says {key} {recorded[key]}, the model has {getattr(found, key)}",
                next_step="use the manifest that belongs to these weights",
            )
    exact: dict[str, tuple[float, ...]] = {
        key: tuple(map(float, recorded[key])) for key in ("mean", "std") if key in recorded
    }
    known = found.bands in (("grey",), RGB)
    if not known or any(len(values) != len(found.bands) for values in exact.values()):
        raise EncoderError(
            f"{file} has bands {found.bands} that its mean and std do not fit",
            allowed="grey, or red, green, blue, each with a mean and a std",
        )
    spoken = {key: recorded.get(key) for key in ("words", "landforms")}
    shift = recorded.get("logit_shift") or 0.0
    lists = all(value is None or isinstance(value, list) for value in spoken.values())
    if not lists or not isinstance(shift, int | float):
        raise EncoderError(
            f"{file} has words, landforms or a logit_shift that are none",
            allowed="words and landforms as lists, logit_shift as a number, or none of them",
        )
    bias = found.logit_bias
    return replace(
        found,
        mean=exact.get("mean", found.mean),
        std=exact.get("std", found.std),
        logit_bias=None if bias is None else bias + float(shift),
        words=_texts(spoken["words"]),
        landforms=_texts(spoken["landforms"]),
    )


def _texts(values: list[Any] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(map(str, values))


def _encoder_of_builtin(name: str) -> OpenClipEncoder:
    import open_clip

    architecture, _, tag = name.partition(":")
    if architecture not in open_clip.list_models():
        raise EncoderError(f"there is no encoder {name!r}", allowed=ALLOWED)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tag and not tags:
        raise EncoderError(
            f"open_clip knows no published weights for {architecture}",
            next_step=f"give {architecture}:FILE, or {architecture}:{UNTRAINED} for a trial",
        )
    tag = tag or tags[0]
    untrained = tag == UNTRAINED
    if not (untrained or tag in tags or Path(tag).is_file()):
        raise EncoderError(
            f"{architecture} has no weights {tag!r}", allowed=", ".join([*tags, UNTRAINED, "a weights file"])
        )
    model, tokenizer = create_model(architecture, "" if untrained else tag, untrained=untrained)
    return encoder_of_model(model, tokenizer, manifest_of(model, f"{architecture}:{tag}", architecture))
