"""An encoder whose description is known before it is loaded: a page need not wait for torch.

What an encoder is follows from its files. A start that loads it writes that down beside the other things that
can be made anew; the next one reads it, goes on, and loads the encoder when it is first needed or when there
is time.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder, load_encoder
from retrieval.encoder_folder import encoder_folder, read_folder
from retrieval.encoder_manifest import EncoderManifest
from retrieval.errors import EncoderError

_SEQUENCES = ("bands", "mean", "std", "words", "landforms")


class EncoderSoon:
    """An encoder by its manifest; loaded on first use, or by `load`.

    Parameters
    ----------
    name
        As `load_encoder` takes it.
    """

    def __init__(self, name: str, manifest: EncoderManifest) -> None:
        self._name = name
        self._manifest = manifest
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()

    @property
    def manifest(self) -> EncoderManifest:
        """What the encoder is."""
        return self._manifest

    def load(self) -> Encoder:
        """Load it, if that is not done yet; whoever comes meanwhile waits.

        Raises
        ------
        EncoderError
            If it cannot be loaded, or is another than it was.
        """
        with self._loading:
            if self._encoder is None:
                found = load_encoder(self._name)
                if found.manifest.fingerprint != self._manifest.fingerprint:
                    raise EncoderError(
                        f"the encoder {self._name} was changed while it was in use",
                        next_step="start the program again",
                    )
                self._encoder = found
            return self._encoder

    def encode_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Encoder.encode_images`."""
        return self.load().encode_images(pixels)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As `Encoder.encode_texts`."""
        return self.load().encode_texts(texts)


def open_encoder(name: str, cache: Path) -> Encoder:
    """An encoder: at once by what an earlier start wrote down of it, else loaded now and written down.

    Parameters
    ----------
    name
        As `load_encoder` takes it. Only folders, the shipped encoder among them, can be known beforehand.
    cache
        Folder for things that can be made anew.

    Raises
    ------
    EncoderError
        As `load_encoder`.
    """
    folder = encoder_folder(name.strip())
    if folder is None:
        return load_encoder(name)
    read_folder(folder)
    path = cache / f"encoder-{_state(name.strip(), folder)}.json"
    known = _read(path)
    if known is not None:
        return EncoderSoon(name, known)
    encoder = load_encoder(name)
    _write(path, encoder.manifest)
    return encoder


def _state(name: str, folder: Path) -> str:
    """Changes with anything that decides what an encoder is: its files, and the libraries that read them."""
    digest = hashlib.sha256(repr((name, version("open_clip_torch"), version("torch"))).encode())
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:24]


def _read(path: Path) -> EncoderManifest | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        lists = {key: tuple(values[key]) for key in _SEQUENCES if values[key] is not None}
        return EncoderManifest(**{**values, **lists})
    except (OSError, ValueError, TypeError, KeyError):  # missing or torn: found out again
        return None


def _write(path: Path, manifest: EncoderManifest) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(asdict(manifest)), encoding="utf-8")
    temporary.replace(path)
