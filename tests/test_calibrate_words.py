"""Words an encoder knows, glossary terms that a text describes, and what a query of unknown words gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts import load_prompts
from retrieval.encoder import load_encoder
from retrieval.encoder_folder import MANIFEST_FILE, WEIGHTS_FOLDER
from retrieval.errors import EncoderError
from retrieval.words import content_words, split_known, vocabulary

DESCRIPTIONS = load_prompts().descriptions


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("An image of Sand Dunes, seen from orbit", ("sand", "dune")),
        ("valleys and gullies; valleys", ("valley", "gully")),
        ("small grass boxes with echoes", ("small", "grass", "box", "echo")),
        ("the terrain", ()),
        ("12 km", ("km",)),
        ("ледник", ("ледник",)),
    ],
)
def test_content_words(text: str, words: tuple[str, ...]) -> None:
    assert content_words(text) == words


@given(st.text(max_size=60), st.lists(st.text(max_size=8), max_size=4))
def test_each_content_word_is_known_or_not(text: str, known: list[str]) -> None:
    familiar, unknown = split_known(text, known)
    assert sorted(familiar + unknown) == sorted(content_words(text))
    assert split_known(text, None) == (content_words(text), ())
    assert split_known(text, vocabulary([text]))[1] == ()


@pytest.fixture(scope="module")
def shipped():
    return load_encoder("areo-mini")


def test_the_shipped_encoder_knows_the_names_it_was_trained_on(shipped) -> None:
    words = shipped.manifest.words
    assert words is not None
    for name in ("pitted cones", "barchan dunes", "lobate debris apron", "scalloped depressions"):
        assert split_known(name, words)[1] == ()
    assert split_known("railway stations", words) == ((), ("railway", "station"))


def test_the_bias_of_the_shipped_encoder_is_the_models_with_the_shift_of_its_sampling(shipped) -> None:
    bias = float(shipped.model.logit_bias.detach())
    assert shipped.manifest.logit_bias is not None
    assert -1.0 < shipped.manifest.logit_bias - bias <= 0.0
    assert np.isfinite(shipped.manifest.logit_bias)


@pytest.mark.parametrize(
    ("name", "value"), [("words", "sand"), ("logit_shift", "small"), ("words", {"a": 1})]
)
def test_a_manifest_with_other_things_in_their_place_is_refused(
    tmp_path: Path, name: str, value: object
) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(WEIGHTS_FOLDER / "areo-mini", folder)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest | {name: value}))
    with pytest.raises(EncoderError, match="words, landforms or a logit_shift that are none"):
        load_encoder(str(folder))


def test_without_words_and_shift_every_word_is_known(tmp_path: Path, shipped) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(WEIGHTS_FOLDER / "areo-mini", folder)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    kept = {name: value for name, value in manifest.items() if name not in ("words", "logit_shift")}
    (folder / MANIFEST_FILE).write_text(json.dumps(kept))
    plain = load_encoder(str(folder))
    assert plain.manifest.words is None
    assert plain.manifest.logit_bias == pytest.approx(float(plain.model.logit_bias.detach()))
    assert plain.manifest.fingerprint == shipped.manifest.fingerprint  # an index made with one fits the other
