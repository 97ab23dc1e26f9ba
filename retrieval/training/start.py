"""Where a training run starts: a fresh areo-mini, or any model that the encoder can load."""

from __future__ import annotations

import gzip
import json
import math
import os
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
from numpy.typing import NDArray

from retrieval.encoder import UNTRAINED, EncoderManifest, create_model, load_encoder, manifest_of
from retrieval.encoder_folder import CONFIG_FILE, DEFAULT_ENCODER, MERGES_FILE, encoder_folder
from retrieval.errors import EncoderError
from retrieval.training.plan import TrainConfig

AREO_MINI_MERGES = 6000
AREO_MINI: dict[str, Any] = {
    "embed_dim": 256,
    "custom_text": True,
    "init_logit_scale": math.log(10),  # as Zhai et al. (2023) start the sigmoid loss
    "init_logit_bias": -4.0,  # theirs, -10, is for one true pair in thousands; here it is one in fifty
    "vision_cfg": {
        "timm_model_name": "regnety_002",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 96,
    },
    "text_cfg": {
        "context_length": 32,
        "vocab_size": 512 + AREO_MINI_MERGES + 2,  # bytes, bytes that end a word, merges, two specials
        "width": 256,
        "heads": 4,
        "layers": 4,
        "tokenizer_kwargs": {"bpe_path": MERGES_FILE},
    },
}


@dataclass(frozen=True)
class Start:
    """A model about to be trained.

    Attributes
    ----------
    model, tokenizer
        As open_clip made them.
    model_config
        open_clip's ``model_cfg``.
    manifest
        Without name and fingerprint, which belong to written weights.
    merges
        The tokenizer's own merges file, if it does not use open_clip's.
    origin
        Where the weights come from, in words.
    """

    model: Any
    tokenizer: Any
    model_config: dict[str, Any]
    manifest: EncoderManifest
    merges: Path | None
    origin: str


def starting_model(config: TrainConfig, images: NDArray[np.uint8]) -> Start:
    """Make or load the model that a run starts from.

    Parameters
    ----------
    config
        The run.
    images
        Training tiles, shape (n, s, s): a fresh model is normalised to them.

    Raises
    ------
    EncoderError
        If there is no such model, or its weights cannot be had.
    """
    if config.architecture == DEFAULT_ENCODER and not config.pretrained:
        return _fresh(config, images)
    name, origin = config.architecture, "its own weights"
    if name == DEFAULT_ENCODER:
        name, origin = config.pretrained, config.pretrained
    elif encoder_folder(name) is None and not name.startswith("hf-hub:"):
        origin = config.pretrained or "random weights"
        name = _named_weights(name, config.pretrained)
    encoder = load_encoder(name)
    folder = encoder_folder(name)
    merges = None
    if folder is None:
        model_config = open_clip.get_model_config(config.architecture)
    else:
        model_config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))["model_cfg"]
        merges = folder / MERGES_FILE if (folder / MERGES_FILE).is_file() else None
    return Start(encoder.model, encoder.tokenizer, model_config, encoder.manifest, merges, origin)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside and rename it: processes that start together may write the same one."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    os.replace(beside, path)


def _named_weights(architecture: str, pretrained: str) -> str:
    """What `load_encoder` takes for an architecture with weights from a tag, a file or a folder.

    A folder with a configuration is loaded by it, so that weights fine-tuned at another resolution fit; one
    without must hold a single weights file.
    """
    folder = Path(pretrained).expanduser()
    if not pretrained or not folder.is_dir():
        return f"{architecture}:{pretrained or UNTRAINED}"
    if not (folder / CONFIG_FILE).is_file():
        files = [path for path in sorted(folder.iterdir()) if path.suffix in (".safetensors", ".bin", ".pt")]
        if len(files) != 1:
            raise EncoderError(
                f"{folder} holds no {CONFIG_FILE} and {len(files)} weights files",
                allowed="a folder in open_clip's local layout, or one with a single weights file",
            )
        return f"{architecture}:{files[0]}"
    named = open_clip.get_model_config(architecture)
    if named is None:
        raise EncoderError(
            f"open_clip knows no architecture {architecture!r}", next_step=f"give --encoder {folder} instead"
        )
    found = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")).get("model_cfg", {})
    for part, key in (("vision_cfg", "layers"), ("vision_cfg", "width"), ("vision_cfg", "timm_model_name")):
        if found.get(part, {}).get(key) != named.get(part, {}).get(key):
            raise EncoderError(
                f"{folder} is no {architecture}: {part}.{key} is {found.get(part, {}).get(key)}, "
                f"not {named.get(part, {}).get(key)}",
                next_step=f"give --encoder {folder} alone to start from it as it is",
            )
    return str(folder.resolve())


def write_config(
    folder: Path, model_config: dict[str, Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    """Write open_clip's configuration file of a model."""
    config = {
        "model_cfg": model_config,
        "preprocess_cfg": {
            "mean": list(_three(mean)),
            "std": list(_three(std)),
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    write_whole(folder / CONFIG_FILE, (json.dumps(config, indent=2) + "\n").encode("utf-8"))


def write_merges(path: Path, count: int) -> int:
    """Write the first ``count`` merges of open_clip's tokenizer; return the size of its vocabulary.

    The vocabulary is 256 bytes, each also as the end of a word, the merges, and two special tokens.
    """
    from open_clip.tokenizer import default_bpe

    with gzip.open(default_bpe(), "rt", encoding="utf-8") as file:
        lines = [next(file).rstrip("\n") for _ in range(count + 1)]  # the first line is a header
    # No final newline, which would count as one more merge; no time stamp: the same bytes every time.
    write_whole(path, gzip.compress("\n".join(lines).encode("utf-8"), mtime=0))
    return 512 + count + 2


def _fresh(config: TrainConfig, images: NDArray[np.uint8]) -> Start:
    """An areo-mini with random weights, normalised to the training tiles."""
    folder = config.scratch / "model"
    folder.mkdir(parents=True, exist_ok=True)
    write_merges(folder / MERGES_FILE, AREO_MINI_MERGES)
    mean, std = _statistics(images)
    model_config = deepcopy(AREO_MINI)
    write_config(folder, model_config, (mean,), (std,))
    model, tokenizer = create_model(str(folder), untrained=True, seed=config.seed)
    text = model_config["text_cfg"]
    architecture = (
        f"{model_config['vision_cfg']['timm_model_name']} image tower, "
        f"text transformer of {text['layers']} layers, width {text['width']}"
    )
    manifest = manifest_of(model, "", architecture, bands=("grey",))
    return Start(model, tokenizer, model_config, manifest, folder / MERGES_FILE, "random weights")


def _statistics(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and standard deviation of observed pixels, scaled to 0..1, from some thousand tiles."""
    some = images[:: max(1, len(images) // 4000)]
    observed = some[some > 0]
    if len(observed) == 0 or observed.std() == 0:
        return 0.5, 0.25
    return round(float(observed.mean()) / 255, 4), round(float(observed.std()) / 255, 4)


def _three(values: tuple[float, ...]) -> tuple[float, ...]:
    return values if len(values) == 3 else values * 3
