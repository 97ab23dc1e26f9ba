"""Pictures and words to unit vectors, by an open_clip model behind a small protocol.

`load_encoder` takes the shipped ``areo-mini``, an open_clip name (``ViT-B-32:openai``), a hub id
(``hf-hub:ORG/NAME``) or a folder. Importing this module costs nothing: torch and open_clip come in when a
model is loaded.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder_folder import (
    ALLOWED,
    CONFIG_FILE,
    MANIFEST_FILE,
    MERGES_FILE,
    WEIGHTS_FOLDER,
    encoder_folder,
    read_folder,
)
from retrieval.encoder_torch import bfloat16_pays, prepare_images, unit_rows
from retrieval.errors import EncoderError

if TYPE_CHECKING:
    import torch

UNTRAINED = "untrained"
_PIXELS_AT_ONCE = 128 * 96 * 96  # enough to keep two cores busy, small enough for the cache


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
        model, tokenizer = _create(name, name)
        return _encoder_of(model, tokenizer, name, name.removeprefix("hf-hub:"))
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
    texts = [template.replace("{}", text) for template in templates] or [text]
    mean = encoder.encode_texts(texts).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


class OpenClipEncoder:
    """An open_clip model, its tokenizer and its manifest."""

    def __init__(self, model: torch.nn.Module, tokenizer: Any, manifest: EncoderManifest) -> None:
        import torch

        self.model: Any = model.eval().to(memory_format=torch.channels_last)
        self.tokenizer = tokenizer
        self._manifest = manifest
        self._bfloat16 = bfloat16_pays()

    @property
    def manifest(self) -> EncoderManifest:
        """What this encoder is."""
        return self._manifest

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encode square pictures.

        Parameters
        ----------
        pixels
            RGB, shape (n, s, s, 3); resized if ``s`` is not the model's image size. A grey model sees
            the Rec. 601 luma.

        Returns
        -------
        Unit rows, shape (n, dimension).
        """
        if pixels.ndim != 4 or pixels.shape[1] != pixels.shape[2] or pixels.shape[3] != 3:
            raise ValueError(f"pixels must have shape (n, s, s, 3), not {pixels.shape}")
        import torch

        rows = np.empty((len(pixels), self._manifest.dimension), dtype=np.float32)
        at_once = max(1, _PIXELS_AT_ONCE // self._manifest.image_size**2)
        with torch.inference_mode():
            for start in range(0, len(pixels), at_once):
                images = torch.tensor(pixels[start : start + at_once]).permute(0, 3, 1, 2)
                prepared = prepare_images(images, self._manifest)
                with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
                    vectors = self.model.encode_image(prepared)
                rows[start : start + at_once] = unit_rows(vectors).numpy()
        return rows

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts, cut at the context length, into unit rows, shape (n, dimension)."""
        import torch

        rows = np.empty((len(texts), self._manifest.dimension), dtype=np.float32)
        at_once = 256
        # Full precision: texts are few, and a query must not depend on the processor at hand.
        with torch.inference_mode():
            for start in range(0, len(texts), at_once):
                tokens = self.tokenizer(list(texts[start : start + at_once]))
                rows[start : start + at_once] = unit_rows(self.model.encode_text(tokens)).numpy()
        return rows


def create_model(
    name: str, pretrained: str = "", *, untrained: bool = False, seed: int = 0
) -> tuple[torch.nn.Module, Any]:
    """Create an open_clip model and its tokenizer, for training or for an encoder.

    Parameters
    ----------
    name
        An open_clip architecture, ``hf-hub:ORG/NAME`` or a folder.
    pretrained
        Tag or weights file; only for an architecture.
    untrained
        Leave the model at random initial weights, whatever weights there are.
    seed
        Of those random weights.

    Raises
    ------
    EncoderError
        If it cannot be created or the weights cannot be had.
    """
    folder = encoder_folder(name)
    if folder is not None:
        read_folder(folder)
        return _create(name, f"local-dir:{folder}", folder=folder, untrained=untrained, seed=seed)
    return _create(name, name, pretrained=pretrained, untrained=untrained, seed=seed)


def manifest_of(
    model: Any, name: str, architecture: str, bands: tuple[str, ...] = ("red", "green", "blue")
) -> EncoderManifest:
    """Describe a model by what open_clip recorded on it; the fingerprint is left empty."""
    preprocessing = model.visual.preprocess_cfg
    bias = getattr(model, "logit_bias", None)
    size = preprocessing["size"]
    return EncoderManifest(
        name=name,
        fingerprint="",
        architecture=architecture,
        bands=bands,
        image_size=int(size if isinstance(size, int) else size[0]),
        mean=tuple(float(value) for value in preprocessing["mean"])[: len(bands)],
        std=tuple(float(value) for value in preprocessing["std"])[: len(bands)],
        dimension=_dimension(model),
        logit_scale=float(model.logit_scale.detach().exp()),
        context_length=int(getattr(model, "context_length", 77)),
        logit_bias=None if bias is None else float(bias.detach()),
    )


def _encoder_of_folder(name: str, folder: Path, recorded: dict[str, Any]) -> OpenClipEncoder:
    label = name if folder.parent == WEIGHTS_FOLDER else str(folder)
    model, tokenizer = _create(label, f"local-dir:{folder}", folder=folder)
    bands = tuple(recorded.get("bands", ("red", "green", "blue")))
    found = manifest_of(model, label, str(recorded.get("architecture", folder.name)), bands)
    stated = {key: recorded[key] for key in ("image_size", "dimension", "context_length") if key in recorded}
    for key, value in stated.items():
        if getattr(found, key) != value:
            raise EncoderError(
                f"{folder / MANIFEST_FILE} says {key} {value}, the model has {getattr(found, key)}",
                next_step="use the manifest that belongs to these weights",
            )
    exact: dict[str, tuple[float, ...]] = {
        key: tuple(map(float, recorded[key])) for key in ("mean", "std") if key in recorded
    }
    known = bands in (("grey",), ("red", "green", "blue"))
    if not known or any(len(values) != len(bands) for values in exact.values()):
        raise EncoderError(
            f"{folder / MANIFEST_FILE} has bands {bands} that its mean and std do not fit",
            allowed="grey, or red, green, blue, each with a mean and a std",
        )
    spoken = {key: recorded.get(key) for key in ("words", "landforms")}
    shift = recorded.get("logit_shift") or 0.0
    lists = all(value is None or isinstance(value, list) for value in spoken.values())
    if not lists or not isinstance(shift, int | float):
        raise EncoderError(
            f"{folder / MANIFEST_FILE} has words, landforms or a logit_shift that are none",
            allowed="words and landforms as lists, logit_shift as a number, or none of them",
        )
    bias = found.logit_bias
    return _finish(
        model,
        tokenizer,
        replace(
            found,
            mean=exact.get("mean", found.mean),
            std=exact.get("std", found.std),
            logit_bias=None if bias is None else bias + float(shift),
            words=_texts(spoken["words"]),
            landforms=_texts(spoken["landforms"]),
        ),
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
    return _encoder_of(model, tokenizer, f"{architecture}:{tag}", architecture)


def _encoder_of(model: torch.nn.Module, tokenizer: Any, name: str, architecture: str) -> OpenClipEncoder:
    return _finish(model, tokenizer, manifest_of(model, name, architecture))


def _finish(model: torch.nn.Module, tokenizer: Any, manifest: EncoderManifest) -> OpenClipEncoder:
    if not (math.isfinite(manifest.logit_scale) and math.isfinite(manifest.logit_bias or 0.0)):
        raise EncoderError(f"the weights of {manifest.name} are not finite", next_step="train them again")
    return OpenClipEncoder(
        model, tokenizer, replace(manifest, fingerprint=_fingerprint(model, tokenizer, manifest))
    )


def _create(
    label: str,
    open_clip_name: str,
    *,
    pretrained: str = "",
    folder: Path | None = None,
    untrained: bool = False,
    seed: int = 0,
) -> tuple[torch.nn.Module, Any]:
    import open_clip
    import torch

    # The folder's own merges, if any: open_clip would look for them in the working directory.
    merges = folder / MERGES_FILE if folder else None
    options = {"bpe_path": str(merges)} if merges and merges.is_file() else {}
    quiet = logging.root.manager.disable
    logging.disable(logging.ERROR)  # open_clip says on the root logger what is raised here
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trained = not untrained
            model = open_clip.create_model(
                open_clip_name, pretrained or None, load_weights=trained, require_pretrained=trained
            )
        tokenizer = open_clip.get_tokenizer(open_clip_name, **options)
    # Torn configurations, torn weights and unreachable hubs surface as any exception of six libraries.
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise EncoderError(
            f"the encoder {label} cannot be loaded ({reason})", next_step=_advice(label, folder)
        ) from error
    finally:
        logging.disable(quiet)
    return model, tokenizer


def _advice(label: str, folder: Path | None) -> str:
    if folder is not None:
        return f"check that {CONFIG_FILE} and the weights in {folder} are whole and belong together"
    if label.startswith("hf-hub:"):
        return "check the name and the network, or download the model once and give its folder"
    return f"check the network, give {label.split(':')[0]}:FILE with downloaded weights, or use areo-mini"


def _dimension(model: torch.nn.Module) -> int:
    """Length of the model's vectors, measured on one text: towers name it differently."""
    import torch

    tokens = torch.zeros((1, int(getattr(model, "context_length", 77))), dtype=torch.long)
    with torch.inference_mode():
        return int(model.eval().encode_text(tokens).shape[-1])  # type: ignore[operator]


def _fingerprint(model: torch.nn.Module, tokenizer: Any, manifest: EncoderManifest) -> str:
    """Hash what decides the vectors: weights, preprocessing, and tokens of a probe text."""
    digest = hashlib.sha256()
    undecisive = ("name", "fingerprint", "logit_bias", "words", "landforms")  # the bias is a weight
    described = {key: value for key, value in asdict(manifest).items() if key not in undecisive}
    digest.update(json.dumps(described, sort_keys=True).encode())
    probe = tokenizer(["CTX image of barchan dunes at 47.5° N; café, 火星"])
    digest.update(probe.numpy().tobytes())
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(tensor.float().numpy()).tobytes())
    return digest.hexdigest()
