"""A weights folder that `load_encoder` and open_clip itself can read, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from retrieval.encoder import OpenClipEncoder, load_encoder
from retrieval.encoder_folder import MANIFEST_FILE, MERGES_FILE, WEIGHTS_FILE, file_sha256
from retrieval.training.start import Start, write_config

CARD_FILE = "README.md"


def write_weights(
    out: Path,
    model: torch.nn.Module,
    start: Start,
    card: Callable[[OpenClipEncoder], str],
    spoken: Mapping[str, Any] | None = None,
) -> OpenClipEncoder:
    """Write a weights folder beside, load it back, and rename it.

    Parameters
    ----------
    out
        The folder; must not exist.
    model
        The trained model; matrices and kernels are stored as float16.
    start
        What it was made from: tokenizer, configuration, and a manifest of bands, mean and std.
    card
        Makes the model card from the encoder as it was read back.
    spoken
        More for the manifest: ``words``, ``landforms`` and ``logit_shift``.

    Returns
    -------
    The encoder, loaded from ``out``.
    """
    staged = out.with_name(out.name + ".writing")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    tensors = {key: _half(tensor) for key, tensor in model.state_dict().items()}
    save_file(tensors, staged / WEIGHTS_FILE, metadata={"format": "pt"})
    (staged / WEIGHTS_FILE).chmod(0o644)  # safetensors keeps it to its owner, but a package is for all users
    write_config(staged, start.model_config, start.manifest.mean, start.manifest.std)
    if start.merges is not None:
        shutil.copyfile(start.merges, staged / MERGES_FILE)
    if hasattr(start.tokenizer, "save_pretrained"):
        start.tokenizer.save_pretrained(str(staged))
    listed = sorted(path.name for path in staged.iterdir() if path.is_file())
    recorded = asdict(start.manifest)
    for found_on_loading in ("name", "fingerprint", "logit_scale", "logit_bias", "words", "landforms"):
        del recorded[found_on_loading]
    recorded |= spoken or {}
    recorded["files"] = {name: file_sha256(staged / name) for name in listed}
    text = json.dumps(recorded, indent=2, sort_keys=True) + "\n"
    (staged / MANIFEST_FILE).write_text(text, encoding="utf-8")
    (staged / CARD_FILE).write_text(card(load_encoder(str(staged))), encoding="utf-8")
    os.replace(staged, out)
    return load_encoder(str(out))


def _half(tensor: torch.Tensor) -> torch.Tensor:
    """Matrices and kernels as float16; the few norms, biases and scales keep their range."""
    kept = tensor.detach().cpu().contiguous()
    return kept.half() if kept.is_floating_point() and kept.ndim > 1 else kept
