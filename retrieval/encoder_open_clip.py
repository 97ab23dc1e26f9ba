"""An open_clip model as an encoder: made from a name or a folder, described, fingerprinted, run on the CPU.

Importing this module costs nothing: torch and open_clip come in when a model is created.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder_folder import CONFIG_FILE, MERGES_FILE, encoder_folder, read_folder
from retrieval.encoder_manifest import EncoderManifest
from retrieval.encoder_torch import at_most_threads, bfloat16_pays, prepare_images, unit_rows
from retrieval.errors import EncoderError

if TYPE_CHECKING:
    import torch

RGB = ("red", "green", "blue")
_PIXELS_AT_ONCE = 128 * 96 * 96  # enough to keep two cores busy, small enough for the cache
# Up to here one thread is at least as fast as two, which wait for each other in each of a hundred steps:
# 20 ms for a query in six templates against 28, and against 100 to 500 where another process has work to do.
_FEW_TOKENS = 256


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
        # What the first layer would round to anyway: half the memory to write, the same vectors.
        dtype = torch.bfloat16 if self._bfloat16 else torch.float32
        with torch.inference_mode():
            for start in range(0, len(pixels), at_once):
                images = torch.tensor(pixels[start : start + at_once]).permute(0, 3, 1, 2)
                prepared = prepare_images(images, self._manifest, dtype)
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
                tower, tokens = _without_padding(self.model, tokens)
                with at_most_threads(1) if tokens.numel() <= _FEW_TOKENS else nullcontext():
                    rows[start : start + at_once] = unit_rows(tower(tokens)).numpy()
        return rows


def _without_padding(model: Any, tokens: torch.Tensor) -> tuple[Callable[[Any], torch.Tensor], torch.Tensor]:
    """What encodes tokens (n, c), and the tokens, cut behind the end of the longest text where it may be.

    A tower that looks back only, and is read at the end of each text, never sees what follows; open_clip
    computes it all the same, up to the context length: two thirds of the work for names of landforms.
    """
    tower = getattr(model, "text", model)
    mask = getattr(tower, "attn_mask", None)
    pool = getattr(tower, "text_pool_type", getattr(tower, "pool_type", ""))
    if mask is None or pool not in ("argmax", "eos") or getattr(tower, "cls_emb", None) is not None:
        return model.encode_text, tokens
    end: Any = getattr(tower, "text_eos_id", getattr(tower, "eos_id", None))
    ends = tokens.eq(end).int().argmax(dim=-1) if pool == "eos" else tokens.argmax(dim=-1)
    length = int(ends.max()) + 1
    # A shallow copy: the same weights, but its own mask and positions, so that other threads keep theirs.
    cut = copy.copy(tower)
    cut._buffers = {**tower._buffers, "attn_mask": mask[:length, :length]}
    cut._parameters = {**tower._parameters, "positional_embedding": tower.positional_embedding[:length]}
    return (cut if tower is not model else cut.encode_text), tokens[:, :length]


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
        return open_clip_model(name, f"local-dir:{folder}", folder=folder, untrained=untrained, seed=seed)
    return open_clip_model(name, name, pretrained=pretrained, untrained=untrained, seed=seed)


def manifest_of(model: Any, name: str, architecture: str, bands: tuple[str, ...] = RGB) -> EncoderManifest:
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


def encoder_of_model(model: torch.nn.Module, tokenizer: Any, manifest: EncoderManifest) -> OpenClipEncoder:
    """Put a model and what is known of it together, with the fingerprint.

    Raises
    ------
    EncoderError
        If the weights are not finite.
    """
    if not (math.isfinite(manifest.logit_scale) and math.isfinite(manifest.logit_bias or 0.0)):
        raise EncoderError(f"the weights of {manifest.name} are not finite", next_step="train them again")
    return OpenClipEncoder(
        model, tokenizer, replace(manifest, fingerprint=_fingerprint(model, tokenizer, manifest))
    )


def open_clip_model(
    label: str,
    open_clip_name: str,
    *,
    pretrained: str = "",
    folder: Path | None = None,
    untrained: bool = False,
    seed: int = 0,
) -> tuple[torch.nn.Module, Any]:
    """Create a model and its tokenizer by open_clip's own name for it; ``label`` is what errors call it.

    ``folder`` is where a ``local-dir:`` name points; the others are those of `create_model`.

    Raises
    ------
    EncoderError
        If open_clip fails, for whatever reason.
    """
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
