from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file

from retrieval.encoder_folder import WEIGHTS_FILE
from retrieval.errors import SettingsError
from retrieval.training.losses import TruthClipLoss
from retrieval.training.processes import Team
from retrieval.training.train import TrainConfig, train
from tests.training_pairs import small_run, tiny_model, write_folder


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
    # Judged often: the first time comes long before the end, which a kill then cannot miss.
    return small_run(
        folders,
        folders / "sigmoid",
        tmp_path / "weights",
        processes=2,
        average_every=4,
        batch=16,
        evaluations=12,
        patience=12,
    )


def same(one: Path, other: Path) -> bool:
    a, b = load_file(one / WEIGHTS_FILE), load_file(other / WEIGHTS_FILE)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_two_processes_average_weights_learn_and_resume_after_a_kill(
    config: TrainConfig, tmp_path: Path
) -> None:
    # Longer, and judged more often: on a busy machine the news of the first look comes late.
    config = replace(config, epochs=16, evaluations=24, patience=24)
    report = train(config)
    assert report.macro_average_precision > 0.7
    assert report.steps == 104  # of 105, so that the last step is a meeting
    card = (config.out / "README.md").read_text()
    assert "2, averaging weights and moments every 4 steps" in card

    broken = replace(config, out=tmp_path / "broken")

    def kill_one(stage: str, done: int, total: int) -> None:
        if stage.startswith("held-out") and not killed:
            killed.append(done)
            os.kill(mp.active_children()[-1].pid or 0, signal.SIGKILL)

    killed: list[int] = []
    with pytest.raises(SettingsError, match=r"training process . was ended by SIGKILL"):
        train(broken, kill_one)
    assert not mp.active_children()
    assert not broken.out.exists()
    resumed = train(replace(broken, resume=True))
    assert resumed.history == report.history
    assert same(config.out, broken.out)


def test_a_failure_in_any_process_is_one_error(config: TrainConfig) -> None:
    told: list[str] = []
    with pytest.raises(SettingsError, match="no longer finite"):
        train(replace(config, learning_rate=1e30, warmup_steps=0), lambda stage, *_: told.append(stage))
    assert told
    assert not mp.active_children()


def _gradients(rank: int, folder: Path, rows: int) -> None:
    """Gradients of the shared softmax loss of half a batch, averaged, to a file."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    team = Team(rank, 2, torch.device("cpu"))
    tiles, texts, truth = (torch.load(folder / f"{name}.pt") for name in ("tiles", "texts", "truth"))
    mine = slice(rank * rows, (rank + 1) * rows)
    own_tiles, own_texts = tiles[mine].requires_grad_(), texts[mine].requires_grad_()
    scale = torch.tensor(3.0, requires_grad=True)
    loss = TruthClipLoss(rank, 2)(own_tiles, own_texts, scale, truth[mine], truth.T[mine])
    loss.backward()
    assert scale.grad is not None
    team.average([scale.grad])
    gathered = team.gather(torch.tensor([rank]))
    assert gathered.ravel().tolist() == [0, 1]
    assert team.agree([rank + 0.5]) == [0.5]
    assert team.share({"rank": rank}) == {"rank": 0}
    torch.save([own_tiles.grad, own_texts.grad, scale.grad], folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_gradients_of_one_large_batch(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    tiles, texts = (torch.nn.functional.normalize(torch.randn(8, 4, generator=generator)) for _ in range(2))
    truth = torch.randint(-1, 1, (8, 8), generator=generator).float()
    truth.fill_diagonal_(1.0)
    for name, tensor in {"tiles": tiles, "texts": texts, "truth": truth}.items():
        torch.save(tensor, tmp_path / f"{name}.pt")
    mp.spawn(_gradients, (tmp_path, 4), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    tiles.requires_grad_()
    texts.requires_grad_()
    scale = torch.tensor(3.0, requires_grad=True)
    TruthClipLoss()(tiles, texts, scale, truth).backward()
    for whole, ours in ((tiles.grad, 0), (texts.grad, 1)):
        assert whole is not None
        torch.testing.assert_close(torch.cat([half[ours] for half in halves]) / 2, whole)
    for half in halves:
        torch.testing.assert_close(half[2], scale.grad)


def test_processes_that_average_gradients_stay_equal(folders: Path, tmp_path: Path) -> None:
    config = small_run(
        folders, folders / "softmax", tmp_path / "out", processes=2, batch=8, epochs=1, evaluations=2
    )
    report = train(config)
    assert report.steps == 13
    assert "2, averaging gradients in every step" in (config.out / "README.md").read_text()


def test_one_process_needs_no_group() -> None:
    team = Team(0, 1, torch.device("cpu"))
    tensor = torch.ones(3)
    team.average([tensor])
    assert tensor.tolist() == [1, 1, 1]
    assert team.agree([2.0]) == [2.0]
    assert not dist.is_initialized()
