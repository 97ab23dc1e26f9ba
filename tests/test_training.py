from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.encoder import load_encoder
from retrieval.encoder_folder import DEFAULT_ENCODER
from retrieval.errors import EncoderError, SettingsError
from retrieval.training import train as training
from retrieval.training.assess import assess, f1_score, precision_recall
from retrieval.training.augment import augment, speaks_of_direction
from retrieval.training.losses import TruthClipLoss, TruthSigLipLoss, pair_truth
from retrieval.training.pairs import draw_weights, read_pairs
from retrieval.training.start import starting_model
from retrieval.training.texts import Texts
from retrieval.training.train import TrainConfig, TrainReport, train

KEYS = ("stripes", "spots", "plains")
WORDS = {"stripes": ("wind stripes",), "spots": ("round spots",), "plains": ("flat plains",)}


def write_shard(folder: Path, n: int, seed: int, size: int = 32) -> Path:
    """Pictures of stripes, of spots and of nothing, with captions."""
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
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.clip(images, 1, 255).astype(np.uint8))
    np.save(folder / "labels.npy", np.eye(3, dtype=bool)[kind])
    lines = []
    for k in kind:
        name = WORDS[KEYS[k]][0]
        texts = [name, f"an image of {name}", f"{name} seen from orbit", f"{name} facing north"]
        lines.append(json.dumps({"captions": texts}))
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "manifest.json").write_text(json.dumps({"keys": KEYS}))
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shards")
    write_shard(root / "one", 150, seed=1)
    write_shard(root / "two", 60, seed=2)
    write_shard(root / "other", 90, seed=3)
    return root


@pytest.fixture(scope="module", autouse=True)
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two tiny architectures in open_clip's list: one with a logit bias (sigmoid), one without."""
    folder = tmp_path_factory.mktemp("models")
    config = {
        "embed_dim": 16,
        "custom_text": True,
        "init_logit_scale": 2.3,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    (folder / "tiny-softmax.json").write_text(json.dumps(config))
    (folder / "tiny-sigmoid.json").write_text(json.dumps(config | {"init_logit_bias": -2.0}))
    open_clip.add_model_config(folder)


@pytest.fixture
def config(shards: Path, tmp_path: Path) -> TrainConfig:
    return TrainConfig(
        data=(shards / "one", shards / "two"),
        heldout=(shards / "other",),
        out=tmp_path / "weights",
        architecture="tiny-sigmoid",
        epochs=10,
        batch=32,
        captions=12,
        foreign=2,
        learning_rate=1e-2,
        warmup_steps=5,
        evaluations=3,
        words=WORDS,
        templates=("terrain with {}",),
        background_prompts=("flat plains", "an image"),
    )


@pytest.fixture
def report(config: TrainConfig) -> TrainReport:
    return train(config)


@pytest.mark.parametrize("architecture", ["tiny-sigmoid", "tiny-softmax"])
def test_a_run_learns_and_writes_weights_that_load(config: TrainConfig, architecture: str) -> None:
    told: list[str] = []
    config = replace(config, architecture=architecture, captions=32)
    report = train(config, lambda stage, done, total: told.append(stage))
    assert report.macro_average_precision > 0.7  # guessing gives a third
    assert set(report.scores) == set(KEYS)
    assert report.steps == round(10 * 210 / 32)
    assert not report.stopped_early
    assert any("loss" in stage for stage in told)
    encoder = load_encoder(str(config.out))
    assert encoder.manifest.dimension == 16
    again = assess(encoder, read_pairs(config.heldout), words=WORDS, templates=config.templates)
    assert again["spots"].average_precision == pytest.approx(
        report.scores["spots"].average_precision, abs=1e-6
    )
    assert not config.scratch.exists()


def test_the_card_tells_data_seed_figures_and_limits(report: TrainReport) -> None:
    card = (report.out / "README.md").read_text()
    for words in ("one (150), two (60)", "other (90)", "| seed | 0 |", "## Limits", "| spots |", "SHA-256"):
        assert words in card
    assert f"{report.macro_average_precision:.3f}" in card


def test_a_killed_run_resumes_to_the_same_weights(
    config: TrainConfig, report: TrainReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = replace(config, out=tmp_path / "broken")
    step = training._Run.step

    def killed(run: training._Run) -> float:
        if run.state.step == 40:
            raise KeyboardInterrupt
        return step(run)

    with monkeypatch.context() as patch:
        patch.setattr(training._Run, "step", killed)
        with pytest.raises(KeyboardInterrupt):
            train(broken)
    assert not broken.out.exists()
    with pytest.raises(SettingsError, match="unfinished run"):
        train(broken)
    with pytest.raises(SettingsError, match="other settings"):
        train(replace(broken, resume=True, learning_rate=1e-4))
    resumed = train(replace(broken, resume=True))
    assert resumed.history == report.history
    fingerprints = {load_encoder(str(folder)).manifest.fingerprint for folder in (config.out, broken.out)}
    assert len(fingerprints) == 1


def test_a_torn_checkpoint_is_refused(config: TrainConfig) -> None:
    config.scratch.mkdir(parents=True)
    (config.scratch / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(SettingsError, match="torn"):
        train(replace(config, resume=True))


def test_another_seed_gives_another_model(config: TrainConfig, tmp_path: Path) -> None:
    short = replace(config, epochs=0.5, evaluations=1)
    other = replace(short, seed=1, out=tmp_path / "other")
    assert train(short).history != train(other).history


def test_minutes_end_a_run(config: TrainConfig) -> None:
    report = train(replace(config, epochs=1e6, minutes=0.02))
    assert 0 < report.steps < 1000
    assert report.seconds >= 0.02 * 60


def test_a_score_that_stops_rising_ends_a_run(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "macro", lambda scores, field="average_precision": 0.5)
    report = train(replace(config, evaluations=10, patience=2))
    assert report.stopped_early
    assert report.best_step < report.steps < round(10 * 210 / 32)


def test_a_loss_that_is_not_finite_ends_a_run(config: TrainConfig) -> None:
    with pytest.raises(SettingsError, match="no longer finite"):
        train(replace(config, learning_rate=1e30, warmup_steps=0))


def test_a_fresh_areo_mini_trains(config: TrainConfig, tmp_path: Path) -> None:
    report = train(
        replace(config, architecture=DEFAULT_ENCODER, epochs=0.2, batch=8, captions=4, evaluations=1)
    )
    manifest = load_encoder(str(report.out)).manifest
    assert manifest.bands == ("grey",)
    assert (manifest.image_size, manifest.dimension) == (96, 256)
    assert manifest.mean[0] == pytest.approx(120 / 255, abs=0.1)
    assert sum(path.stat().st_size for path in report.out.iterdir()) < 25e6
    onward = replace(
        config, architecture=DEFAULT_ENCODER, pretrained=str(report.out), out=tmp_path / "onward"
    )
    start = starting_model(onward, read_pairs(config.heldout))
    assert start.origin == str(report.out)
    assert start.merges is not None
    assert start.manifest.mean == manifest.mean


def test_a_folder_is_fine_tuned_from_its_own_weights(
    config: TrainConfig, report: TrainReport, tmp_path: Path
) -> None:
    onward = replace(config, architecture=str(report.out), out=tmp_path / "onward", epochs=0.5, evaluations=1)
    assert train(onward).history[0][2] > 0.6
    assert "its own weights" in (onward.out / "README.md").read_text()


def test_settings_that_cannot_be_are_refused(config: TrainConfig, report: TrainReport) -> None:
    with pytest.raises(SettingsError, match="exists"):
        train(config)
    with pytest.raises(SettingsError, match="both trained on and held out"):
        replace(config, heldout=config.data)
    with pytest.raises(SettingsError, match="epochs"):
        replace(config, epochs=0)
    with pytest.raises(SettingsError, match="minutes"):
        replace(config, minutes=float("nan"))
    with pytest.raises(EncoderError, match="no encoder"):
        train(replace(config, architecture="no-such-model", out=config.out.with_name("other")))


def test_shards_that_cannot_be_read_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no shards"):
        read_pairs([])
    unfinished = write_shard(tmp_path / "unfinished", 5, seed=4)
    (unfinished / "manifest.json").unlink()
    with pytest.raises(SettingsError, match=r"manifest\.json missing"):
        read_pairs([unfinished])
    torn = write_shard(tmp_path / "torn", 5, seed=4)
    (torn / "captions.jsonl").write_text('{"captions": ["a"')
    with pytest.raises(SettingsError, match="is torn"):
        read_pairs([torn])
    short = write_shard(tmp_path / "short", 5, seed=4)
    (short / "captions.jsonl").write_text('{"captions": ["a"]}\n' * 4)
    with pytest.raises(SettingsError, match="4 captions"):
        read_pairs([short])
    with pytest.raises(SettingsError, match="another tile size"):
        read_pairs([shards / "one", write_shard(tmp_path / "large", 5, seed=4, size=40)])


def test_heldout_shards_must_have_the_same_landforms(config: TrainConfig, tmp_path: Path) -> None:
    other = write_shard(tmp_path / "renamed", 5, seed=4)
    (other / "manifest.json").write_text(json.dumps({"keys": ["a", "b", "c"]}))
    with pytest.raises(SettingsError, match="other landforms"):
        train(replace(config, heldout=(other,)))


def test_unobserved_tiles_are_left_out(tmp_path: Path) -> None:
    folder = write_shard(tmp_path / "gaps", 6, seed=5)
    images = np.load(folder / "images.npy")
    images[2, :20] = 0
    np.save(folder / "images.npy", images)
    pairs = read_pairs([folder])
    assert len(pairs) == 5
    assert pairs.sources == (("gaps", 5),)
    np.testing.assert_array_equal(pairs.images, np.delete(images, 2, axis=0))


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 99))
def test_rare_landforms_are_drawn_more_often(k: int, n: int, seed: int) -> None:
    labels = np.random.default_rng(seed).random((n, k)) < 0.4
    weights = draw_weights(labels)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    if labels.any():
        rarest = labels[:, labels.mean(axis=0) > 0].mean(axis=0).argmin()
        rows = labels[:, labels.mean(axis=0) > 0][:, rarest]
        assert weights[rows].min() >= weights.max() * 0.999


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("gullies facing north", True),
        ("ridges trending NE-SW", True),
        ("a fan in the upper left", True),
        ("dunes at 30°", True),
        ("wrinkle ridges on plains", False),
        ("a newly formed crater with a crest", False),
    ],
)
def test_directions_in_captions_are_noticed(caption: str, expected: bool) -> None:
    assert speaks_of_direction(caption) is expected


def gradient_tiles(n: int) -> NDArray[np.uint8]:
    """Dark on the left, bright on the right, a gap in the lower half."""
    tiles = np.repeat(np.linspace(40, 220, 32, dtype=np.uint8)[None, None], 32, axis=1).repeat(n, axis=0)
    tiles[:, 24:] = 0
    return tiles


def test_a_tile_that_must_not_turn_keeps_its_sides() -> None:
    out = augment(gradient_tiles(40), np.zeros(40, dtype=bool), np.random.default_rng(0)).numpy()[:, 0]
    assert (out[:, :16, 24:].mean(axis=(1, 2)) > out[:, :16, :8].mean(axis=(1, 2))).all()
    assert (out[:, 30:, 12:20] == 0).mean() > 0.9
    assert (out[:, 4:16] >= 1).all()


def test_a_tile_that_may_turn_does() -> None:
    out = augment(gradient_tiles(40), np.ones(40, dtype=bool), np.random.default_rng(0)).numpy()[:, 0]
    right = out[:, :, 20:].mean(axis=(1, 2)) > out[:, :, :12].mean(axis=(1, 2))
    assert 5 < right.sum() < 35
    assert out.min() >= 0
    assert out.max() <= 255


def test_augmentation_is_seeded() -> None:
    tiles, turn = gradient_tiles(3), np.ones(3, dtype=bool)
    one, same, other = (augment(tiles, turn, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_truth_of_pairs() -> None:
    labels = torch.tensor([[True, False], [True, True], [False, True], [False, False]])
    own_texts = torch.tensor([[0, 1], [2, 2], [3, 0], [4, 5]])
    truth = pair_truth(labels, labels[:3], own_texts, torch.tensor([0, 2, 3]))
    expected = [[1, 0, -1], [0, 1, 0], [1, 0, 1], [-1, -1, -1]]
    assert truth.tolist() == expected


def test_unknown_pairs_have_no_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    tiles, texts = (torch.randn(3, 4, generator=generator) for _ in range(2))
    truth = torch.tensor([[1.0, 0, -1], [0, 1, -1], [-1, -1, 1]])
    scale, bias = torch.tensor(5.0), torch.tensor(-2.0)
    sigmoid = TruthSigLipLoss()
    known = -torch.nn.functional.logsigmoid(truth * (scale * tiles @ texts.T + bias))[truth != 0].sum() / 3
    constant = 2 * np.log(2) / 3  # two unknown pairs
    assert sigmoid(tiles, texts, scale, bias, truth).item() == pytest.approx(
        known.item() + constant, rel=1e-5
    )
    softmax = TruthClipLoss()
    logits = (scale * tiles @ texts.T).masked_fill((truth >= 0) & ~torch.eye(3, dtype=torch.bool), -torch.inf)
    target = torch.arange(3)
    both = torch.nn.functional.cross_entropy(logits, target) + torch.nn.functional.cross_entropy(
        logits.T, target
    )
    assert softmax(tiles, texts, scale, truth).item() == pytest.approx(both.item() / 2, rel=1e-5)


def test_texts_of_a_step(shards: Path) -> None:
    pairs = read_pairs([shards / "one"])
    tokenizer = open_clip.get_tokenizer("tiny-sigmoid")
    texts = Texts(
        tokenizer, pairs, WORDS, ("terrain with {}",), {"marks": ("stripes", "spots"), "none": ("x",)}
    )
    rng = np.random.default_rng(0)
    rows = np.arange(20)
    tokens, numbers, turnable = texts.captions(rows, rng)
    assert tokens.shape == (20, 12)
    assert (texts.numbers[rows] == numbers[:, None]).any(axis=1).all()
    assert 0 < turnable.sum() < 20  # one caption in four faces north
    assert len(texts.names(rng)) == texts.names_count == 4  # three landforms and one group of known ones
    np.testing.assert_array_equal(texts.shown(pairs.labels)[:, 3], pairs.labels[:, :2].any(axis=1))
    foreign = texts.foreign(5, rng)
    assert foreign.shape == (5, 12)
    assert "stripes" not in tokenizer.decode(foreign.flatten().tolist())


def test_a_tokenizer_without_a_word_list_gives_no_foreign_texts(shards: Path) -> None:
    pairs = read_pairs([shards / "two"])
    plain = open_clip.get_tokenizer("tiny-sigmoid")
    texts = Texts(lambda batch: plain(batch), pairs, WORDS, ())
    assert texts.foreign(5, np.random.default_rng(0)).shape == (0, 12)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_precision_and_recall_at_every_threshold(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    positive = np.array([truth for _, truth in pairs])
    precision, recall = precision_recall(scores, positive)
    for threshold, p, r in zip(sorted(set(scores), reverse=True), precision, recall, strict=True):
        chosen = scores >= threshold
        assert p == pytest.approx((chosen & positive).sum() / chosen.sum())
        assert r == pytest.approx((chosen & positive).sum() / max(1, positive.sum()))
        if p + r > 0:
            assert f1_score(chosen, positive) == pytest.approx(2 * p * r / (p + r))
