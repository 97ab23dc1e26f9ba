from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from retrieval.encoder import load_encoder
from retrieval.encoder_folder import CONFIG_FILE, DEFAULT_ENCODER, MANIFEST_FILE, WEIGHTS_FILE
from retrieval.errors import EncoderError, SettingsError
from retrieval.training import run as running
from retrieval.training.assess import Assessment, assess
from retrieval.training.ema import MovingAverage
from retrieval.training.pairs import read_pairs
from retrieval.training.start import starting_model
from retrieval.training.train import TrainConfig, TrainReport, train
from tests.training_pairs import KEYS, WORDS, pictures, small_run, tiny_model, write_folder

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("training")
    write_folder(root / "one", 150, seed=1)
    write_folder(root / "two", 60, seed=2)
    write_folder(root / "other", 90, seed=3)
    tiny_model(root / "sigmoid", sigmoid=True)
    tiny_model(root / "softmax", sigmoid=False)
    return root


@pytest.fixture
def config(folders: Path, tmp_path: Path) -> TrainConfig:
    return small_run(folders, folders / "sigmoid", tmp_path / "weights")


@pytest.fixture(scope="module")
def whole(folders: Path) -> tuple[TrainConfig, TrainReport]:
    """A run that nothing disturbed."""
    config = small_run(folders, folders / "sigmoid", folders / "whole", command="areographer train one two")
    return config, train(config)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS_FILE)


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_a_run_learns_and_writes_weights_that_load(whole: tuple[TrainConfig, TrainReport]) -> None:
    config, report = whole
    assert report.macro_average_precision > 0.7  # guessing gives a third
    assert report.caption_rank > 0.5
    assert set(report.scores) == set(KEYS)
    assert report.steps == round(8 * 210 / 32)
    assert not report.stopped_early
    encoder = load_encoder(str(config.out))
    assert encoder.manifest.dimension == 16
    again = assess(encoder, read_pairs(config.heldout), words=WORDS, templates=config.templates)
    assert again.landforms["spots"].average_precision == pytest.approx(
        report.scores["spots"].average_precision, abs=1e-6
    )
    assert not config.scratch.exists()


def test_the_softmax_loss_learns_too(folders: Path, tmp_path: Path) -> None:
    told: list[str] = []
    config = small_run(folders, folders / "softmax", tmp_path / "softmax")
    report = train(config, lambda stage, done, total: told.append(stage))
    assert report.macro_average_precision > 0.7
    assert any("loss" in stage and "tiles/s" in stage and "min left" in stage for stage in told)
    assert load_encoder(str(config.out)).manifest.logit_bias is None


def test_the_log_odds_of_a_written_model_expect_what_there_is(whole: tuple[TrainConfig, TrainReport]) -> None:
    config, _ = whole
    recorded = json.loads((config.out / MANIFEST_FILE).read_text())
    raw = float(weights(config.out)["logit_bias"])
    assert load_encoder(str(config.out)).manifest.logit_bias == pytest.approx(
        raw + recorded["logit_shift"], abs=1e-3
    )
    again = assess(
        load_encoder(str(config.out)), read_pairs(config.heldout), words=WORDS, templates=config.templates
    )
    assert abs(again.logit_shift) < 0.2


def test_the_card_tells_data_settings_figures_and_limits(whole: tuple[TrainConfig, TrainReport]) -> None:
    config, report = whole
    card = (config.out / "README.md").read_text()
    for words in (
        "one (150), two (60)",
        "other (90)",
        "| seed | 0 |",
        "| processes | 1 |",
        "| command | `areographer train one two` |",
        "moving average, decay 0.999",
        "## Limits",
        "| spots |",
        "SHA-256",
        f"{report.macro_average_precision:.3f}",
    ):
        assert words in card, words


RUN_ELSEWHERE = """
import pickle, sys
from retrieval.training.train import train
with open(sys.argv[1], "rb") as file:
    config = pickle.load(file)
train(config)
"""


def test_a_run_killed_hard_resumes_to_the_same_weights(
    whole: tuple[TrainConfig, TrainReport], tmp_path: Path
) -> None:
    import pickle

    config, report = whole
    broken = replace(config, out=tmp_path / "broken")
    (tmp_path / "config.pickle").write_bytes(pickle.dumps(replace(broken, resume=True)))
    elsewhere = [sys.executable, "-c", RUN_ELSEWHERE, str(tmp_path / "config.pickle")]
    process = subprocess.Popen(elsewhere, cwd=ROOT)
    until = time.monotonic() + 60
    while not (broken.scratch / "checkpoint.pt").exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not broken.out.exists()
    with pytest.raises(SettingsError, match="unfinished run"):
        train(broken)
    with pytest.raises(SettingsError, match="other settings"):
        train(replace(broken, resume=True, learning_rate=1e-4))
    resumed = train(replace(broken, resume=True))
    assert resumed.history == report.history
    assert same(config.out, broken.out)


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
    monkeypatch.setattr(Assessment, "score", 0.5)
    report = train(replace(config, evaluations=10, patience=2))
    assert report.stopped_early
    assert report.best_step < report.steps < round(8 * 210 / 32)


def test_a_loss_that_is_not_finite_ends_a_run(config: TrainConfig) -> None:
    with pytest.raises(SettingsError, match="no longer finite"):
        train(replace(config, learning_rate=1e30, warmup_steps=0))


def test_a_fresh_areo_mini_trains(config: TrainConfig, tmp_path: Path) -> None:
    report = train(
        replace(
            config,
            architecture=DEFAULT_ENCODER,
            epochs=0.2,
            batch=8,
            captions=4,
            evaluations=1,
            learning_rate=None,
            text_learning_rate=None,
        )
    )
    manifest = load_encoder(str(report.out)).manifest
    assert manifest.bands == ("grey",)
    assert (manifest.image_size, manifest.dimension) == (96, 256)
    assert manifest.mean[0] == pytest.approx(120 / 255, abs=0.1)
    assert manifest.words is not None
    assert {"wind", "stripes", "orbit", "terrain"} <= set(manifest.words)
    assert "learning rate 0.003, of the text tower 0.0006" in (report.out / "README.md").read_text()
    assert sum(path.stat().st_size for path in report.out.iterdir()) < 25e6
    onward = replace(
        config, architecture=DEFAULT_ENCODER, pretrained=str(report.out), out=tmp_path / "onward"
    )
    start = starting_model(onward, read_pairs(config.heldout).images)
    assert start.origin == str(report.out)
    assert start.merges is not None
    assert start.manifest.mean == manifest.mean


def test_a_folder_is_fine_tuned_from_its_own_weights(
    whole: tuple[TrainConfig, TrainReport], tmp_path: Path
) -> None:
    config, _ = whole
    onward = replace(config, architecture=str(config.out), out=tmp_path / "onward", epochs=0.5, evaluations=1)
    assert train(onward).history[0][2] > 0.6
    assert "its own weights" in (onward.out / "README.md").read_text()


def test_an_architecture_starts_from_a_folder_of_weights(
    config: TrainConfig, folders: Path, tmp_path: Path
) -> None:
    images = np.zeros((2, 32, 32), dtype=np.uint8)
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(EncoderError, match="0 weights files"):
        starting_model(replace(config, architecture="RN50", pretrained=str(bare)), images)
    with pytest.raises(EncoderError, match=r"is no ViT-B-32: vision_cfg\.layers is 1, not 12"):
        starting_model(replace(config, architecture="ViT-B-32", pretrained=str(folders / "softmax")), images)
    with pytest.raises(EncoderError, match="no weights 'no-such-tag'"):
        starting_model(replace(config, architecture="ViT-B-32", pretrained="no-such-tag"), images)


def test_gradients_may_be_computed_again(folders: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "deeper", sigmoid=False, image_size=64, layers=2)
    short = small_run(folders, model, tmp_path / "kept", epochs=0.5, evaluations=1)
    kept = train(short)
    again = train(replace(short, out=tmp_path / "again", grad_checkpointing=True))
    assert again.history[0][1] == pytest.approx(kept.history[0][1], rel=1e-4)
    assert load_encoder(str(short.out)).manifest.bands == ("red", "green", "blue")  # grey tiles repeated


def test_pairs_without_any_label_train_and_are_judged_by_their_captions(
    folders: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    images, kind = pictures(120, seed=7, size=40)
    with (folder / "pairs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "caption", "split"])
        for n, (image, k) in enumerate(zip(images, kind, strict=True)):
            Image.fromarray(image).save(folder / f"{n}.png")
            table.writerow(
                [f"{n}.png", f"{WORDS[KEYS[k]][0]} number {n % 5}", "val" if n % 4 == 0 else "train"]
            )
    config = small_run(
        folders, folders / "softmax", tmp_path / "out", data=(folder,), heldout=(), epochs=20, evaluations=2
    )
    report = train(config)
    assert report.scores == {}
    assert report.history[-1][2] == pytest.approx(report.caption_rank, abs=0.05)
    assert report.caption_rank > 0.2  # of 30 tiles with 15 captions; guessing gives 0.15
    assert "mine (90)" in (config.out / "README.md").read_text()


def test_settings_that_cannot_be_are_refused(
    config: TrainConfig, whole: tuple[TrainConfig, TrainReport]
) -> None:
    with pytest.raises(SettingsError, match="exists"):
        train(whole[0])
    with pytest.raises(SettingsError, match="both trained on and held out"):
        replace(config, heldout=config.data)
    for name, value in {"epochs": 0, "minutes": math.nan, "processes": 0, "average_every": 0}.items():
        with pytest.raises(SettingsError, match=name):
            replace(config, **{name: value})
    for name, value in {"ema": 1.0, "scales": 0.5, "photometric": 2.0, "unknown_weight": -1.0}.items():
        with pytest.raises(SettingsError, match=f"{name} .* Allowed"):
            replace(config, **{name: value})
    with pytest.raises(SettingsError, match="no device 'tpu'"):
        replace(config, device="tpu")
    with pytest.raises(EncoderError, match="no encoder"):
        train(replace(config, architecture="no-such-model", out=config.out.with_name("other")))
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="torch sees 0"):
            train(replace(config, device="cuda"))


def test_a_moving_average_warms_up_and_follows() -> None:
    model = torch.nn.BatchNorm1d(3)
    average = MovingAverage(model, 0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    model.num_batches_tracked.fill_(7)
    average.update(model, 1)
    early = 5 - average.model.weight[0].item()
    assert early == pytest.approx(4 * 2 / 11)  # decay (1 + 1) / (10 + 1)
    for step in range(2, 60):
        average.update(model, step)
    assert average.model.weight[0].item() == pytest.approx(5, abs=1e-3)
    assert average.model.num_batches_tracked == 7
    plain = MovingAverage(torch.nn.BatchNorm1d(3), 0.0)
    plain.update(model, 1)
    assert plain.model.weight[0].item() == 5


def test_the_learning_rate_rises_and_falls(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    step = running.Run.step

    def noted(run: running.Run) -> float:
        seen.append(run.optimizers[0].param_groups[0]["lr"])
        return step(run)

    monkeypatch.setattr(running.Run, "step", noted)
    train(replace(config, epochs=3, evaluations=1))
    assert seen[0] == pytest.approx(1e-2 / 5)
    assert max(seen) == pytest.approx(1e-2, rel=0.2)
    assert seen[-1] < 1e-3
    assert CONFIG_FILE in {path.name for path in config.out.iterdir()}
