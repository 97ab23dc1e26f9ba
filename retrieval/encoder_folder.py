"""Encoder folders on disk: where they are, what they hold, and whether they are whole.

A folder is in open_clip's local layout: a configuration and weights. ``areographer.json`` may add bands,
normalisation and SHA-256 sums; ``bpe.txt.gz`` the tokenizer's own merges.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from retrieval.errors import EncoderError

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
DEFAULT_ENCODER = "areo-mini"
CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
MANIFEST_FILE = "areographer.json"
MERGES_FILE = "bpe.txt.gz"

ALLOWED = (
    "areo-mini, an open_clip MODEL or MODEL:PRETRAINED, hf-hub:ORG/NAME, "
    f"or a folder with {CONFIG_FILE} and its weights"
)
_AGAIN = "copy or train the weights again"


def encoder_folder(name: str) -> Path | None:
    """The folder that an encoder name stands for, or None if it is an open_clip name or a hub id."""
    if not name:
        raise EncoderError("the encoder has no name", allowed=ALLOWED)
    if name.startswith("hf-hub:"):
        return None
    shipped = WEIGHTS_FOLDER / name
    if name == DEFAULT_ENCODER or (Path(name).name == name and shipped.is_dir()):
        return shipped
    path = Path(name.removeprefix("local-dir:")).expanduser()
    if path.is_dir():
        return path.resolve()
    if name.startswith(("local-dir:", "/", ".", "~")):
        raise EncoderError(f"there is no encoder folder {path}", allowed=ALLOWED)
    return None


def read_folder(folder: Path) -> dict[str, Any]:
    """Read ``areographer.json``, if there is one, and verify the files it lists.

    Raises
    ------
    EncoderError
        If the folder has no configuration, or a file is missing or torn.
    """
    if not (folder / CONFIG_FILE).is_file():
        raise EncoderError(
            f"{folder} holds no {CONFIG_FILE}", next_step="point to a folder in open_clip's local layout"
        )
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return {}
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        files = dict(recorded.get("files", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise EncoderError(f"{path} is torn ({error})", next_step=_AGAIN) from error
    for file, digest in files.items():
        if Path(file).name != file or not (folder / file).is_file():
            raise EncoderError(f"{folder} lacks {file}", next_step=_AGAIN)
        if file_sha256(folder / file) != digest:
            raise EncoderError(
                f"{folder / file} is torn: its SHA-256 is not the one in {MANIFEST_FILE}",
                next_step=_AGAIN,
            )
    return dict(recorded)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
