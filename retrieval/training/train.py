"""Train or fine-tune an open_clip model on shards, within a budget of epochs or minutes.

Every step draws its randomness from (seed, step), so a run that was killed and resumed ends where an
undisturbed one would, unless it is limited by the clock.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import math
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip_train.scheduler import assign_learning_rate, cosine_lr

from retrieval.encoder import Encoder, OpenClipEncoder
from retrieval.encoder_torch import bfloat16_pays, prepare_images
from retrieval.errors import SettingsError
from retrieval.training.assess import LandformScore, assess, macro
from retrieval.training.augment import augment
from retrieval.training.card import model_card
from retrieval.training.export import write_weights
from retrieval.training.losses import TruthClipLoss, TruthSigLipLoss, pair_truth
from retrieval.training.pairs import Pairs, draw_weights, read_pairs
from retrieval.training.plan import TrainConfig, TrainReport
from retrieval.training.start import starting_model
from retrieval.training.texts import Texts

__all__ = ["Progress", "TrainConfig", "TrainReport", "train"]

Progress = Callable[[str, int, int], None]


def train(config: TrainConfig, progress: Progress | None = None) -> TrainReport:
    """Train a model and write its weights folder with a model card.

    Parameters
    ----------
    config
        The run.
    progress
        Told what is going on, how far, and out of how much.

    Raises
    ------
    SettingsError
        If shards are missing or torn, the output exists, or the loss is no longer finite.
    EncoderError
        If the model to start from cannot be loaded.
    """
    if config.out.exists():
        raise SettingsError(f"{config.out} exists", next_step="choose another folder, or remove it first")
    if config.scratch.exists() and not config.resume:
        raise SettingsError(
            f"{config.scratch} holds an unfinished run", next_step="resume it, or remove the folder"
        )
    tell = progress or _silent
    tell("reading shards", 0, 1)
    pairs, heldout = read_pairs(config.data), read_pairs(config.heldout)
    if heldout.keys != pairs.keys:
        raise SettingsError(
            "the held-out shards have other landforms", next_step="make all shards with one version"
        )
    config.scratch.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    run = _Run(config, pairs, heldout, tell)
    run.train()
    report = run.write()
    shutil.rmtree(config.scratch)
    return report


@dataclass
class _State:
    """What a checkpoint holds beside the weights."""

    step: int = 0
    seconds: float = 0.0
    evaluated: int = 0
    best_step: int = 0
    best_score: float = -1.0
    worse: int = 0
    losses: float = 0.0
    since: int = 0
    history: list[tuple[int, float, float]] = field(default_factory=list)


class _Run:
    """A model, its optimiser and where it stands."""

    def __init__(self, config: TrainConfig, pairs: Pairs, heldout: Pairs, tell: Progress) -> None:
        self.config, self.pairs, self.heldout, self.tell = config, pairs, heldout, tell
        self.start = starting_model(config, pairs)
        self.model: Any = self.start.model.to(memory_format=torch.channels_last)
        self.sigmoid = self.model.logit_bias is not None
        self.bfloat16 = bfloat16_pays()
        self.texts = Texts(self.start.tokenizer, pairs, config.words, config.templates, config.groups)
        self.draw = np.cumsum(draw_weights(pairs.labels))
        self.steps = max(1, round(config.epochs * len(pairs) / config.batch))
        # Trained like the rest and thrown away: see `step`. Of length 1, so that they can turn quickly.
        shape = (self.texts.names_count, self.start.manifest.dimension)
        proxies = torch.randn(shape, generator=torch.Generator().manual_seed(config.seed))
        self.proxies = torch.nn.Parameter(torch.nn.functional.normalize(proxies, dim=-1))
        self.kinship = torch.from_numpy(self.texts.kinship())
        # Two of them, because open_clip's schedule gives all groups of an optimiser the same rate.
        seen = set(self.model.visual.parameters())
        of_text = [
            p for k, p in self.model.named_parameters() if p not in seen and not k.startswith("logit_")
        ]
        others = [p for k, p in self.model.named_parameters() if p in seen or k.startswith("logit_")]
        self.rates = (config.learning_rate, config.learning_rate * config.text_learning_rate)
        self.optimizers = [
            _optimizer([*others, self.proxies], self.rates[0], config.weight_decay),
            _optimizer(of_text, self.rates[1], config.weight_decay),
        ]
        self.schedules = [
            cosine_lr(optimizer, rate, 0, self.steps)
            for optimizer, rate in zip(self.optimizers, self.rates, strict=True)
        ]
        probe = np.random.default_rng(config.seed).permutation(len(heldout))[: config.evaluation_tiles]
        self.probe = heldout.subset(np.sort(probe))
        self.state = _State()
        self.best: dict[str, torch.Tensor] = {}
        self.identity = _identity(config, pairs)
        self._resume()

    def train(self) -> None:
        """Step until the budget is spent or the held-out score stops rising."""
        state, config = self.state, self.config
        self.model.train()
        saved = began = time.monotonic()
        before = state.seconds
        while self.share_done() < 1 and state.worse < config.patience:
            self.set_learning_rate()
            loss = self.step()
            if not math.isfinite(loss):
                raise SettingsError(
                    f"the loss is no longer finite at step {state.step}",
                    next_step="lower the learning rate and start again",
                )
            state.step += 1
            state.losses += loss
            state.since += 1
            state.seconds = before + time.monotonic() - began
            self.tell(f"training, step {state.step}, loss {loss:.3f}", round(1000 * self.share_done()), 1000)
            due = self.share_done() * config.evaluations >= state.evaluated + 1
            if due:
                self.evaluate()
            if due or time.monotonic() - saved > 120:
                self.save()
                saved = time.monotonic()

    def set_learning_rate(self) -> None:
        """Follow open_clip's cosine over the budget, after a warm-up of steps."""
        warm = min(1.0, (self.state.step + 1) / max(1, self.config.warmup_steps))
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            rate = schedule(min(self.steps - 1, int(self.share_done() * self.steps)))
            assign_learning_rate(optimizer, rate * warm)

    def share_done(self) -> float:
        """Share of the budget of epochs or minutes that is spent, 0..1."""
        by_step = self.state.step / self.steps
        by_clock = self.state.seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(by_step, by_clock))

    def step(self) -> float:
        """One step of the optimiser; returns the loss.

        The text tower costs as much as the image tower, and there are far fewer texts to learn than tiles.
        So texts take part in every ``text_every``th step only; in all steps one free vector per landform
        and group, a proxy, stands for its names in the sigmoid loss.
        """
        config, state = self.config, self.state
        rng = np.random.default_rng((config.seed, state.step))
        torch.manual_seed(int(rng.integers(2**62)))  # dropout, where a model has it
        rows = np.searchsorted(self.draw, rng.random(config.batch) * self.draw[-1], side="right")
        rows = np.minimum(rows, len(self.pairs) - 1)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self.sigmoid_loss(rows, rng) if self.sigmoid else self.softmax_loss(rows, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))  # as open_clip does
        return float(loss.detach())

    def sigmoid_loss(self, rows: NDArray[np.int64], rng: np.random.Generator) -> torch.Tensor:
        """open_clip's sigmoid loss of tiles against proxies and, every so often, texts."""
        config, labels = self.config, self.pairs.labels[rows]
        with_texts = self.state.step % config.text_every == 0
        many = min(config.captions, len(rows)) if with_texts else 0
        captions, numbers, turnable = self.texts.captions(rows[:many], rng)
        tiles = self.encode_tiles(rows, np.append(turnable, np.ones(len(rows) - many, dtype=bool)), rng)
        shown = 2.0 * torch.from_numpy(self.texts.shown(labels)) - 1
        proxies = torch.nn.functional.normalize(self.proxies, dim=-1)
        scale, bias, loss = self.model.logit_scale.exp(), self.model.logit_bias, TruthSigLipLoss()
        value: torch.Tensor = loss(tiles, proxies, scale, bias, shown)
        if with_texts:
            names, foreign = self.texts.names(rng), self.texts.foreign(config.foreign, rng)
            texts = self.encode_texts(torch.cat([names, captions, foreign]))
            known = self.caption_truth(rows, numbers, many)
            truth = torch.cat([shown, known, -torch.ones(len(rows), len(foreign))], dim=1)
            value = value + loss(tiles, texts, scale, bias, truth)
            # What a name means is clearer from its proxy than from one batch of tiles.
            value = value + loss(proxies.detach(), texts[: len(names)], scale, bias, self.kinship)
        return value

    def softmax_loss(self, rows: NDArray[np.int64], rng: np.random.Generator) -> torch.Tensor:
        """open_clip's softmax loss, for models without a logit bias: one caption per tile."""
        captions, numbers, turnable = self.texts.captions(rows, rng)
        tiles, texts = self.encode_tiles(rows, turnable, rng), self.encode_texts(captions)
        truth = self.caption_truth(rows, numbers, len(rows))
        value: torch.Tensor = TruthClipLoss()(tiles, texts, self.model.logit_scale.exp(), truth)
        return value

    def caption_truth(self, rows: NDArray[np.int64], numbers: NDArray[np.int32], many: int) -> torch.Tensor:
        """Truth of the captions of the first tiles about all tiles, shape (n, many)."""
        labels = torch.from_numpy(self.pairs.labels[rows])
        own = torch.from_numpy(self.texts.numbers[rows])
        return pair_truth(labels, labels[:many], own, torch.from_numpy(numbers))

    def encode_tiles(
        self, rows: NDArray[np.int64], may_turn: NDArray[np.bool_], rng: np.random.Generator
    ) -> torch.Tensor:
        """Unit vectors of augmented tiles, with gradients, shape (n, dimension)."""
        images = prepare_images(augment(self.pairs.images[rows], may_turn, rng), self.start.manifest)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            vectors = self.model.encode_image(images)
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def encode_texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Unit vectors of tokens, with gradients, shape (m, dimension)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            vectors = self.model.encode_text(tokens)
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def evaluate(self) -> None:
        """Judge the present weights on the probe tiles and keep them if they are the best so far."""
        state = self.state
        scores = assess(self.encoder(), self.probe, words=self.config.words, templates=self.config.templates)
        score = macro(scores)
        state.evaluated = int(self.share_done() * self.config.evaluations)
        state.history.append((state.step, state.losses / max(1, state.since), score))
        state.losses, state.since = 0.0, 0
        state.worse += 1
        if score > state.best_score:
            state.best_step, state.best_score, state.worse = state.step, score, 0
            self.best = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.tell(f"held-out average precision {score:.3f}", round(1000 * self.share_done()), 1000)
        self.model.train()

    def encoder(self) -> OpenClipEncoder:
        """The present weights as an encoder."""
        scale = float(self.model.logit_scale.detach().exp())
        manifest = replace(self.start.manifest, logit_scale=scale)
        return OpenClipEncoder(self.model, self.start.tokenizer, manifest)

    def save(self) -> None:
        """Write the checkpoint beside and rename it: a kill leaves the last whole one."""
        path = self.config.scratch / "checkpoint.pt"
        content = {
            "identity": self.identity,
            "state": json.dumps(asdict(self.state)),
            "model": self.model.state_dict(),
            "proxies": self.proxies.detach(),
            "best": self.best,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        torch.save(content, path.with_suffix(".writing"))
        os.replace(path.with_suffix(".writing"), path)

    def _resume(self) -> None:
        path = self.config.scratch / "checkpoint.pt"
        if not path.is_file():
            return
        if not zipfile.is_zipfile(path):
            raise SettingsError(f"{path} is torn", next_step="remove its folder and start again")
        content = torch.load(path, weights_only=True)
        if content["identity"] != self.identity:
            raise SettingsError(
                f"{path} belongs to a run with other settings or data",
                next_step="use the settings it was started with, or remove its folder",
            )
        self.model.load_state_dict(content["model"])
        self.proxies.data.copy_(content["proxies"])
        for optimizer, kept in zip(self.optimizers, content["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.best = content["best"]
        self.state = _State(**json.loads(content["state"]))
        self.state.history = [(int(s), float(a), float(b)) for s, a, b in self.state.history]

    def write(self) -> TrainReport:
        """Write the best weights, judge them as written, and describe the run."""
        state, config = self.state, self.config
        self.model.load_state_dict(self.best)
        rate = state.step * config.batch / max(state.seconds, 1e-9)
        scores: dict[str, LandformScore] = {}

        def card(encoder: Encoder) -> str:
            self.tell("final held-out figures", 0, 1)
            scores.update(
                assess(
                    encoder,
                    self.heldout,
                    words=config.words,
                    templates=config.templates,
                    background_prompts=config.background_prompts,
                )
            )
            return model_card(encoder, self.pairs, self.heldout, scores, self.described(rate))

        write_weights(config.out, self.model, self.start, card)
        return TrainReport(
            out=config.out,
            steps=state.step,
            best_step=state.best_step,
            seconds=state.seconds,
            pairs_per_second=rate,
            stopped_early=state.worse >= config.patience,
            scores=scores,
            macro_average_precision=macro(scores),
            history=tuple(state.history),
        )

    def texts_of_a_step(self) -> str:
        """Which texts a step uses, for the card."""
        if not self.sigmoid:
            return "one caption each"
        many = min(self.config.captions, self.config.batch)
        return (
            f"in one step of {self.config.text_every} also {many} captions, {self.texts.names_count} names "
            f"and {self.config.foreign} foreign texts"
        )

    def described(self, rate: float) -> dict[str, str]:
        """Settings and figures of the run, for the card."""
        state, config = self.state, self.config
        clock = f", at most {config.minutes:g} minutes" if config.minutes else ""
        return {
            "architecture": config.architecture,
            "started from": self.start.origin,
            "seed": str(config.seed),
            "loss": "sigmoid" if self.sigmoid else "softmax",
            "budget": f"{config.epochs:g} epochs{clock}",
            "batch": f"{config.batch} tiles; {self.texts_of_a_step()}",
            "AdamW": f"learning rate {self.rates[0]:g}, of the text tower {self.rates[1]:g}, cosine; "
            f"weight decay {config.weight_decay:g}",
            "steps": f"{state.step:,} (weights of step {state.best_step:,})",
            "tiles seen": f"{state.step * config.batch:,}, {rate:.0f} per second",
            "time": f"{state.seconds / 60:.1f} minutes on {torch.get_num_threads()} threads",
        }


def _optimizer(parameters: list[torch.nn.Parameter], rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with open_clip's rule: no decay of norms, biases and scales."""
    groups = [
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6)


def keep_freed_memory() -> None:
    """Have the C library keep what is freed: without it every step asks the kernel for zeroed pages again.

    Measured on two shared cores: 5,100,000 page faults fell to 200,000, and a step took half the time.
    Does nothing where the C library is not glibc.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        top_pad, trim_threshold, mmap_max = -2, -1, -4  # from malloc.h
        library.mallopt(mmap_max, 0)
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(top_pad, 2**26)


def _identity(config: TrainConfig, pairs: Pairs) -> str:
    """Hash of what must not change between a run and its continuation."""
    ours = {key: value for key, value in asdict(config).items() if key not in ("resume", "minutes", "out")}
    text = json.dumps([ours, pairs.keys, pairs.sources], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
