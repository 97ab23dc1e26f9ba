"""Small pairs and tiny models to train on: stripes, spots and plains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from retrieval.corpus.shards import Pair, write_shards
from retrieval.encoder_folder import CONFIG_FILE, WEIGHTS_FILE
from retrieval.training.plan import TrainConfig

KEYS = ("stripes", "spots", "plains")
WORDS = {"stripes": ("wind stripes",), "spots": ("round spots",), "plains": ("flat plains",)}


def pictures(n: int, seed: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (n, size, size) of stripes, of spots and of nothing, and which of them each shows."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    y, x = np.mgrid[:size, :size]
    images = rng.normal(120, 6, (n, size, size))
    for image, k in zip(images, kind, strict=True):
        if k == 0:
            image += 60 * np.sin((x + y * rng.uniform(-1, 1)) / 1.5)
        if k == 1:
            centres = rng.uniform(0, size, (4, 2))
            image += 90 * sum(((x - a) ** 2 + (y - b) ** 2) < 14 for a, b in centres)
    return np.clip(images, 1, 255).astype(np.uint8), kind


def pairs_of(n: int, seed: int, size: int) -> Iterator[Pair]:
    images, kind = pictures(n, seed, size)
    for number, (image, k) in enumerate(zip(images, kind, strict=True)):
        name = WORDS[KEYS[k]][0]
        texts = (name, f"an image of {name}", f"{name} seen from orbit", f"{name} facing north")
        yield Pair(key=f"t{seed}-{number:04d}", image=image, captions=texts, landforms=(KEYS[k],))


def write_folder(folder: Path, n: int, seed: int, size: int = 32) -> Path:
    """A folder of shards."""
    return write_shards(
        folder, pairs_of(n, seed, size), keys=KEYS, body=None, tile_km=None, split=None, seed=seed, about={}
    )


def tiny_model(folder: Path, *, sigmoid: bool, image_size: int = 32, layers: int = 1) -> Path:
    """An encoder folder with random weights, with a logit bias (sigmoid loss) or without (softmax)."""
    vision = {"image_size": image_size, "layers": layers, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config: dict[str, Any] = {
        "embed_dim": 16,
        "custom_text": True,
        "init_logit_scale": 2.3,
        "vision_cfg": vision,
        "text_cfg": text,
    }
    if sigmoid:
        config["init_logit_bias"] = -2.0
    folder.mkdir(parents=True)
    preprocessing = {
        "mean": [0.47] * 3,
        "std": [0.2] * 3,
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    (folder / CONFIG_FILE).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocessing}))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(
            f"local-dir:{folder}", None, load_weights=False, require_pretrained=False
        )
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / WEIGHTS_FILE)
    return folder


def small_run(pairs: Path, model: Path, out: Path, **changes: Any) -> TrainConfig:
    """A run of some seconds that learns the three kinds."""
    settings: dict[str, Any] = {
        "data": (pairs / "one", pairs / "two"),
        "heldout": (pairs / "other",),
        "out": out,
        "architecture": str(model),
        "device": "cpu",
        "epochs": 8,
        "batch": 32,
        "captions": 12,
        "foreign": 2,
        "learning_rate": 1e-2,
        "text_learning_rate": 0.2,
        "warmup_steps": 5,
        "evaluations": 3,
        "photometric": 0.2,
        "words": WORDS,
        "templates": ("terrain with {}",),
        "background_prompts": ("flat plains", "an image"),
    }
    return TrainConfig(**(settings | changes))
