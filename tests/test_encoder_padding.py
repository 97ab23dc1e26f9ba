"""Texts are encoded without their padding, where the tower cannot see it."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from retrieval.encoder_open_clip import create_model, encoder_of_model, manifest_of

TEXTS = ["dunes", "", "a crater with a central peak", "x " * 200]
VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TOWERS = {
    "argmax": ({}, True),
    "end token": ({"pool_type": "eos", "eos_id": 49407}, True),
    "last": ({"pool_type": "last"}, False),
    "both ways": ({"no_causal_mask": True}, False),
    "class token": ({"embed_cls": True}, False),
}


@pytest.mark.parametrize("tower", TOWERS)
@pytest.mark.parametrize("custom", [False, True])
def test_the_vectors_are_those_of_the_padded_texts(
    tower: str, custom: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, cut = TOWERS[tower]
    if options.get("embed_cls") and not custom:
        pytest.skip("open_clip's plain CLIP has no class token")
    text = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2, **options}
    config = {"embed_dim": 16, "custom_text": custom, "vision_cfg": VISION, "text_cfg": text}
    (tmp_path / "padding-test.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [*open_clip.factory._MODEL_CONFIG_PATHS])
    open_clip.add_model_config(tmp_path / "padding-test.json")
    model, tokenizer = create_model("padding-test", untrained=True, seed=5)
    lengths: list[int] = []
    made = model.get_submodule("text" if custom else "")
    made.token_embedding.register_forward_hook(lambda _m, given, _o: lengths.append(given[0].shape[1]))
    encoder = encoder_of_model(model, tokenizer, manifest_of(model, "", "padding-test"))
    for texts in (TEXTS, TEXTS[:1], TEXTS[1:2], TEXTS[:3]):
        lengths.clear()
        found = encoder.encode_texts(texts)
        assert (max(lengths) < 24) == (cut and TEXTS[3] not in texts)
        with torch.inference_mode():
            padded = torch.nn.functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)
        np.testing.assert_allclose(found, padded.numpy(), atol=1e-6)
