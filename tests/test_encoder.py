from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from retrieval.encoder import (
    OpenClipEncoder,
    create_model,
    encode_query,
    load_encoder,
    manifest_of,
)
from retrieval.encoder_folder import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE
from retrieval.encoder_torch import at_most_threads, prepare_images
from retrieval.errors import EncoderError
from retrieval.training.export import write_weights
from retrieval.training.start import Start, write_config, write_merges

TINY = {
    "embed_dim": 16,
    "custom_text": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 512 + 200 + 2,
        "width": 32,
        "heads": 2,
        "layers": 1,
        "tokenizer_kwargs": {"bpe_path": "bpe.txt.gz"},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole weights folder of a tiny grey model."""
    root = tmp_path_factory.mktemp("weights")
    plan = root / "plan"
    plan.mkdir()
    write_merges(plan / "bpe.txt.gz", 200)
    write_config(plan, TINY, (0.4,), (0.2,))
    model, tokenizer = create_model(str(plan), untrained=True, seed=3)
    manifest = manifest_of(model, "", "tiny", bands=("grey",))
    start = Start(model, tokenizer, TINY, manifest, plan / "bpe.txt.gz", "random weights")
    write_weights(root / "tiny", model, start, lambda encoder: f"# {encoder.manifest.architecture}\n")
    return root / "tiny"


@pytest.fixture(scope="module")
def encoder(folder: Path) -> OpenClipEncoder:
    return load_encoder(str(folder))


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A copy of the weights folder that a test may break."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def tiny_builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a tiny architecture that open_clip knows for the length of a test."""
    config = json.loads(json.dumps(TINY))
    del config["text_cfg"]["tokenizer_kwargs"]
    config["text_cfg"]["vocab_size"] = 49408
    (tmp_path / "areo-tiny-test.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [*open_clip.factory._MODEL_CONFIG_PATHS])
    open_clip.add_model_config(tmp_path / "areo-tiny-test.json")
    return "areo-tiny-test"


def tiles(n: int, size: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_images_and_texts_become_unit_rows(encoder: OpenClipEncoder) -> None:
    images, texts = encoder.encode_images(tiles(5)), encoder.encode_texts(["dunes", "", "x " * 200])
    assert images.shape == (5, 16)
    assert texts.shape == (3, 16)
    assert images.dtype == texts.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(np.vstack([images, texts]), axis=1), 1, atol=1e-5)


def test_nothing_gives_no_rows(encoder: OpenClipEncoder) -> None:
    assert encoder.encode_images(tiles(0)).shape == (0, 16)
    assert encoder.encode_texts([]).shape == (0, 16)


def test_a_tile_has_the_same_vector_in_every_batch(
    encoder: OpenClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = tiles(7)
    together = encoder.encode_images(pixels)
    monkeypatch.setattr("retrieval.encoder_open_clip._PIXELS_AT_ONCE", 2 * 32 * 32)
    np.testing.assert_allclose(encoder.encode_images(pixels), together, atol=2e-2)


def test_a_grey_model_sees_the_luma_of_colours(encoder: OpenClipEncoder) -> None:
    pixels = np.zeros((1, 3, 32, 32), dtype=np.float32)
    pixels[0, 1] = 100  # green only
    seen = prepare_images(torch.from_numpy(pixels), encoder.manifest)
    expected = (0.587 * 100 / 255 - 0.4) / 0.2
    torch.testing.assert_close(seen, torch.full((1, 3, 32, 32), expected))


@settings(max_examples=8, deadline=None)
@given(size=st.integers(8, 80))
def test_any_size_is_resized(encoder: OpenClipEncoder, size: int) -> None:
    flat = np.full((1, size, size, 3), 90, dtype=np.uint8)
    same = np.full((1, 32, 32, 3), 90, dtype=np.uint8)
    np.testing.assert_allclose(encoder.encode_images(flat), encoder.encode_images(same), atol=1e-2)


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 32, 16, 3), (1, 32, 32), (1, 32, 32, 4)])
def test_other_shapes_are_refused(encoder: OpenClipEncoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        encoder.encode_images(np.zeros(shape, dtype=np.uint8))


def test_a_query_is_the_unit_mean_over_templates(encoder: OpenClipEncoder) -> None:
    templates = ["{}", "terrain with {}", "no braces {here} but {}"]
    mean = encoder.encode_texts(["{x}", "terrain with {x}", "no braces {here} but {x}"]).mean(axis=0)
    np.testing.assert_allclose(
        encode_query(encoder, "{x}", templates), mean / np.linalg.norm(mean), atol=1e-5
    )
    np.testing.assert_allclose(encode_query(encoder, "dunes"), encoder.encode_texts(["dunes"])[0], atol=1e-5)


def test_manifest_of_a_folder(encoder: OpenClipEncoder, folder: Path) -> None:
    manifest = encoder.manifest
    assert manifest.name == str(folder)
    assert (manifest.bands, manifest.mean, manifest.std) == (("grey",), (0.4,), (0.2,))
    assert (manifest.image_size, manifest.dimension, manifest.context_length) == (32, 16, 16)
    assert manifest.logit_scale == pytest.approx(1 / 0.07, rel=1e-3)
    assert len(manifest.fingerprint) == 64


def test_open_clip_itself_reads_the_folder(
    folder: Path, encoder: OpenClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # the merges are named relative to the folder
    model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["barchan dunes"])
    with torch.inference_mode():
        theirs = model.encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(theirs, encoder.encode_texts(["barchan dunes"]), atol=1e-5)


def test_the_fingerprint_follows_the_weights_not_the_place(encoder: OpenClipEncoder, copy: Path) -> None:
    assert load_encoder(str(copy)).manifest.fingerprint == encoder.manifest.fingerprint
    tensors = load_file(copy / WEIGHTS_FILE)
    tensors["logit_scale"] += 0.1
    save_file(tensors, copy / WEIGHTS_FILE)
    (copy / MANIFEST_FILE).unlink()
    assert load_encoder(str(copy)).manifest.fingerprint != encoder.manifest.fingerprint


def test_a_folder_without_manifest_is_a_colour_model(copy: Path) -> None:
    (copy / MANIFEST_FILE).unlink()
    manifest = load_encoder(str(copy)).manifest
    assert manifest.bands == ("red", "green", "blue")
    assert manifest.mean == (0.4, 0.4, 0.4)
    assert manifest.architecture == "copy"


def test_torn_weights_are_noticed(copy: Path) -> None:
    data = bytearray((copy / WEIGHTS_FILE).read_bytes())
    data[-3] ^= 0xFF
    (copy / WEIGHTS_FILE).write_bytes(bytes(data))
    with pytest.raises(EncoderError, match="torn: its SHA-256"):
        load_encoder(str(copy))


def test_a_half_copied_file_is_noticed_without_a_manifest(copy: Path) -> None:
    (copy / MANIFEST_FILE).unlink()
    (copy / WEIGHTS_FILE).write_bytes((copy / WEIGHTS_FILE).read_bytes()[:2000])
    with pytest.raises(EncoderError, match=r"cannot be loaded.*belong together"):
        load_encoder(str(copy))


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(EncoderError, match=name):
        load_encoder(str(copy))


def test_weights_are_required_even_where_open_clip_would_go_on(copy: Path) -> None:
    (copy / MANIFEST_FILE).unlink()
    (copy / WEIGHTS_FILE).unlink()
    with pytest.raises(EncoderError, match="could not be loaded"):
        load_encoder(str(copy))


def test_weights_of_another_architecture_are_refused(copy: Path) -> None:
    (copy / MANIFEST_FILE).unlink()
    config = json.loads((copy / CONFIG_FILE).read_text())
    config["model_cfg"]["vision_cfg"]["width"] = 64
    (copy / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="belong together"):
        load_encoder(str(copy))


def test_weights_that_are_not_finite_are_refused(copy: Path) -> None:
    (copy / MANIFEST_FILE).unlink()
    tensors = load_file(copy / WEIGHTS_FILE)
    tensors["logit_scale"] = torch.tensor(float("nan"))
    save_file(tensors, copy / WEIGHTS_FILE)
    with pytest.raises(EncoderError, match="not finite"):
        load_encoder(str(copy))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dimension": 32}, "dimension 32, the model has 16"),
        ({"image_size": 64}, "image_size 64, the model has 32"),
        ({"bands": ["infrared"]}, "bands"),
        ({"mean": [0.1, 0.2, 0.3]}, "do not fit"),
        ({"files": {"../secret": "0"}}, "lacks"),
        ({"files": 3}, "torn"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy: Path, change: dict[str, object], says: str) -> None:
    recorded = json.loads((copy / MANIFEST_FILE).read_text())
    (copy / MANIFEST_FILE).write_text(json.dumps(recorded | change))
    with pytest.raises(EncoderError, match=says):
        load_encoder(str(copy))


@pytest.mark.parametrize("name", ["", "no-such-model", "no-such:tag", "./nowhere", "local-dir:/nowhere"])
def test_names_that_mean_nothing_say_what_is_allowed(name: str) -> None:
    with pytest.raises(EncoderError, match="hf-hub:ORG/NAME"):
        load_encoder(name)


def test_an_unknown_tag_lists_the_known_ones() -> None:
    with pytest.raises(EncoderError, match="laion2b"):
        load_encoder("ViT-B-32:no-such-tag")


def test_an_unreachable_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match="check the name and the network"):
        load_encoder("hf-hub:nobody/nothing")


def test_a_builtin_without_weights_must_be_asked_for_openly(tiny_builtin: str) -> None:
    with pytest.raises(EncoderError, match=f"{tiny_builtin}:untrained"):
        load_encoder(tiny_builtin)
    one, other = load_encoder(f"{tiny_builtin}:untrained"), load_encoder(f"{tiny_builtin}:untrained")
    assert one.manifest.name == f"{tiny_builtin}:untrained"
    assert one.manifest.bands == ("red", "green", "blue")
    np.testing.assert_array_equal(one.encode_images(tiles(2)), other.encode_images(tiles(2)))


def test_a_builtin_takes_a_weights_file(tiny_builtin: str, tmp_path: Path) -> None:
    model, _ = create_model(tiny_builtin, untrained=True, seed=9)
    save_file(model.state_dict(), tmp_path / "own.safetensors")
    loaded = load_encoder(f"{tiny_builtin}:{tmp_path / 'own.safetensors'}")
    untrained = load_encoder(f"{tiny_builtin}:untrained")
    assert loaded.manifest.fingerprint != untrained.manifest.fingerprint


def test_a_colour_model_sees_colours(tiny_builtin: str) -> None:
    encoder = load_encoder(f"{tiny_builtin}:untrained")
    red, blue = np.zeros((2, 1, 32, 32, 3), dtype=np.uint8)
    red[..., 0] = blue[..., 2] = 200
    assert np.abs(encoder.encode_images(red) - encoder.encode_images(blue)).max() > 1e-3


def test_threads_are_held_and_given_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with at_most_threads(64):
            assert torch.get_num_threads() == 2
        with at_most_threads(1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(EncoderError), at_most_threads(1):
            raise EncoderError("torn")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_holding_threads_loads_no_torch() -> None:
    code = (
        "import sys; from retrieval.encoder_torch import at_most_threads\n"
        "with at_most_threads(1): print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "False"


def test_the_protocol_costs_no_torch() -> None:
    code = "import sys, retrieval.encoder; print({'torch', 'open_clip'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def areo_mini() -> OpenClipEncoder:
    return load_encoder("areo-mini")


def test_the_shipped_encoder(areo_mini: OpenClipEncoder) -> None:
    manifest = areo_mini.manifest
    assert manifest.name == "areo-mini"
    assert manifest.bands == ("grey",)
    assert (manifest.image_size, manifest.dimension, manifest.context_length) == (96, 256, 32)


def test_the_shipped_encoder_tells_simple_pictures_apart(areo_mini: OpenClipEncoder) -> None:
    y, x = np.mgrid[:96, :96]
    noise = np.random.default_rng(0).normal(0, 3, (96, 96))
    pictures = {
        "transverse dunes": 120 + 35 * np.sin((x + 5 * np.sin(y / 11)) / 1.6) + noise,
        "smooth plains": 120 + noise,
        "fresh simple crater": _crater(x, y) + noise,
    }
    pixels = np.stack([np.clip(picture, 1, 255).astype(np.uint8) for picture in pictures.values()])
    images = areo_mini.encode_images(np.repeat(pixels[..., None], 3, axis=3))
    texts = areo_mini.encode_texts(list(pictures))
    assert (images @ texts.T).argmax(axis=0).tolist() == [0, 1, 2]


def _crater(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """A bowl with a raised rim, lit from the left: brightness follows the slope."""
    radius = np.hypot(x - 48, y - 48) / 16
    height = np.where(radius < 1, radius**2 - 1, 0) + 0.3 * np.exp(-(((radius - 1.05) / 0.25) ** 2))
    return np.asarray(125 - 420 * np.gradient(height, axis=1))
