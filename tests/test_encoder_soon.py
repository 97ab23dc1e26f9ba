"""An encoder known before it is loaded: the same as ever, loaded when needed, found out again if changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval import encoder_soon
from retrieval.encoder import load_encoder
from retrieval.encoder_folder import MANIFEST_FILE, WEIGHTS_FOLDER
from retrieval.encoder_soon import EncoderSoon, open_encoder
from retrieval.errors import EncoderError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS_FOLDER / "areo-mini", tmp_path / "encoder"))


def test_the_second_start_knows_the_encoder_and_loads_it_when_it_is_needed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_encoder(str(folder), tmp_path / "cache")
    assert not isinstance(first, EncoderSoon)
    loaded: list[str] = []

    def counting(name: str) -> object:
        loaded.append(name)
        return load_encoder(name)

    monkeypatch.setattr(encoder_soon, "load_encoder", counting)
    second = open_encoder(str(folder), tmp_path / "cache")
    assert second.manifest == first.manifest
    assert not loaded
    for _ in range(2):
        np.testing.assert_array_equal(second.encode_texts(["cones"]), first.encode_texts(["cones"]))
    assert loaded == [str(folder)]


def test_a_torn_note_or_another_file_is_found_out_again(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    open_encoder(str(folder), cache)
    (note,) = cache.iterdir()
    note.write_text("{", encoding="utf-8")
    assert not isinstance(open_encoder(str(folder), cache), EncoderSoon)
    about = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    (folder / MANIFEST_FILE).write_text(json.dumps({**about, "note": "other"}), encoding="utf-8")
    assert not isinstance(open_encoder(str(folder), cache), EncoderSoon)


def test_an_encoder_that_changes_after_the_start_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = open_encoder(str(folder), tmp_path / "cache").manifest
    soon = EncoderSoon(str(folder), type(manifest)(**{**vars(manifest), "fingerprint": "0"}))
    with pytest.raises(EncoderError, match="was changed while it was in use"):
        soon.encode_texts(["cones"])
