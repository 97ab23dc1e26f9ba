"""A run in progress: model, optimisers, moving average, and where they stand.

Every step draws its randomness from (seed, step, rank). Processes *meet* after every step, or with averaging
every K steps after K of them: then all hold the same weights and moments, and the first process tells the
others whether the budget is spent. It judges and saves only at such meetings, so that one checkpoint holds
everything, and a run that was killed and resumed ends where an undisturbed one would, unless it is limited
by the clock.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from open_clip_train.scheduler import assign_learning_rate, cosine_lr

from retrieval.errors import SettingsError
from retrieval.training.assess import Assessment
from retrieval.training.data import Material, draw_shares
from retrieval.training.ema import MovingAverage
from retrieval.training.objective import Objective
from retrieval.training.plan import TrainConfig
from retrieval.training.processes import Progress, Team
from retrieval.training.start import Start
from retrieval.training.texts import Texts

Judge = Callable[[Any], Assessment]

_SAVE_EVERY_S = 120.0
_AVERAGE_MOVES = 10  # steps between two updates of the moving average: each costs a pass over all weights
_FREE_TO_CHANGE = ("resume", "minutes", "out", "command")


@dataclass
class State:
    """What a checkpoint holds beside the weights."""

    step: int = 0
    seconds: float = 0.0
    judging: float = 0.0
    evaluated: int = 0
    best_step: int = 0
    best_score: float = -1.0
    best_shift: float = 0.0
    worse: int = 0
    losses: float = 0.0
    since: int = 0
    history: list[tuple[int, float, float]] = field(default_factory=list)


class Run:
    """A model, its optimisers and where they stand, in one process of a team.

    Parameters
    ----------
    config, team
        What is asked for, and this process.
    material, texts, start
        What to learn from, and the model to begin with.
    judge
        Scores a model on held-out tiles; called by the first process only.
    tell
        Told what is going on.

    Attributes
    ----------
    best
        Weights of the best evaluation so far; only the first process has them.
    """

    def __init__(
        self,
        config: TrainConfig,
        team: Team,
        material: Material,
        texts: Texts,
        start: Start,
        judge: Judge,
        tell: Progress,
    ) -> None:
        self.config, self.team, self.material, self.tell, self.judge = config, team, material, tell, judge
        self.model: Any = start.model.to(team.device, memory_format=torch.channels_last)
        if config.grad_checkpointing:
            _checkpoint_gradients(self.model)
        # Trained like the rest and thrown away. Of length 1, so that they can turn quickly.
        shape = (texts.names_count, start.manifest.dimension)
        proxies = torch.randn(shape, generator=torch.Generator().manual_seed(config.seed))
        self.proxies = torch.nn.Parameter(torch.nn.functional.normalize(proxies, dim=-1).to(team.device))
        self.objective = Objective(config, team, material, texts, self.model, start.manifest, self.proxies)
        if config.pretrained and self.objective.sigmoid:
            self._begin_at_names(texts)
        self.draw = np.cumsum(draw_shares(material, config.weights))
        self.every = config.average_every if team.size > 1 else 1
        steps = config.epochs * len(material) / (config.batch * team.size)
        self.steps = self.every * max(1, round(steps / self.every))  # the last step is a meeting
        # Two of them, because open_clip's schedule gives all groups of an optimiser the same rate.
        seen = set(self.model.visual.parameters())
        of_text = [
            p for k, p in self.model.named_parameters() if p not in seen and not k.startswith("logit_")
        ]
        others = [p for k, p in self.model.named_parameters() if p in seen or k.startswith("logit_")]
        self.optimizers = [
            _optimizer([*others, self.proxies], config.rates[0], config.weight_decay),
            _optimizer(of_text, config.rates[1], config.weight_decay),
        ]
        self.schedules = [
            cosine_lr(optimizer, rate, 0, self.steps)
            for optimizer, rate in zip(self.optimizers, config.rates, strict=True)
        ]
        self.trained = [p for o in self.optimizers for group in o.param_groups for p in group["params"]]
        self.statistics = [b for b in self.model.buffers() if b.is_floating_point()]
        self.average = MovingAverage(self.model, config.ema) if team.first else None
        self.state = State()
        self.clock_share = 0.0
        self.best: dict[str, torch.Tensor] = {}
        self.identity = _identity(config, material)
        self._resume()
        self._began, self._before, self._saved = time.monotonic(), self.state.seconds, time.monotonic()

    def _begin_at_names(self, texts: Texts) -> None:
        """Put the proxies where a model that has been trained before has the names they stand for."""
        tokens = texts.names(np.random.default_rng(self.config.seed)).to(self.team.device)
        with torch.inference_mode():
            named = self.model.eval().encode_text(tokens)
        self.proxies.data.copy_(torch.nn.functional.normalize(named.float(), dim=-1))

    def train(self) -> None:
        """Step until the budget is spent or the held-out score stops rising."""
        self.model.train()
        finished = self.state.step > 0 and self._finished()  # resumed after its last evaluation
        while not self.team.agree([finished])[0] > 0:
            for _ in range(self.every):
                self._set_learning_rate()
                loss = self.step()
                if not math.isfinite(loss):
                    raise SettingsError(
                        f"the loss is no longer finite at step {self.state.step}",
                        next_step="lower the learning rate and start again",
                    )
                self.state.step += 1
                self.state.losses += loss
                self.state.since += 1
                self._report()
            finished = self._meet()

    def step(self) -> float:
        """One step of the optimisers; returns the loss of this process."""
        config, step = self.config, self.state.step
        rng = np.random.default_rng((config.seed, step, self.team.rank))
        torch.manual_seed(int(rng.integers(2**62)))  # dropout, where a model has it
        rows = np.searchsorted(self.draw, rng.random(config.batch) * self.draw[-1], side="right")
        rows = np.minimum(rows, len(self.material) - 1)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self.objective.loss(rows, step, rng)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.every == 1:
            # Statistics of normalisation travel along, so that all processes stay equal.
            self.team.average([*(p.grad for p in self.trained if p.grad is not None), *self.statistics])
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))  # as open_clip does
        return float(loss.detach())

    def share_done(self) -> float:
        """Share of the budget of epochs or minutes that is spent, 0..1."""
        return min(1.0, max(self.state.step / self.steps, self.clock_share))

    def _meet(self) -> bool:
        """Make all processes equal, judge and save if it is time to; returns whether the run is over."""
        state, config = self.state, self.config
        if self.every > 1:
            # torch's PeriodicModelAverager would leave out weights without a gradient in this very step,
            # the statistics of normalisation, and the moments, which would then differ in a checkpoint.
            self.team.average([*(p.data for p in self.trained), *self.statistics, *self._moments()])
        state.seconds = self._before + time.monotonic() - self._began
        clock = state.seconds / (60 * config.minutes) if config.minutes else 0.0
        self.clock_share = self.team.agree([clock])[0]
        due = self.share_done() * config.evaluations >= state.evaluated + 1
        if self.average is None:
            return False  # the first process says whether it is over
        if due or self.every > 1 or state.step % _AVERAGE_MOVES == 0:
            self.average.update(self.model, state.step)
        if due:
            self._evaluate(self.average.model)
        finished = self._finished()
        if due or time.monotonic() - self._saved > _SAVE_EVERY_S:
            self._save(self.average.model)
            self._saved = time.monotonic()
        return finished

    def _finished(self) -> bool:
        return self.share_done() >= 1 or self.state.worse >= self.config.patience

    def _set_learning_rate(self) -> None:
        """Follow open_clip's cosine over the budget, after a warm-up of steps."""
        warm = min(1.0, (self.state.step + 1) / max(1, self.config.warmup_steps))
        for optimizer, schedule in zip(self.optimizers, self.schedules, strict=True):
            rate = schedule(min(self.steps - 1, int(self.share_done() * self.steps)))
            assign_learning_rate(optimizer, rate * warm)

    def _moments(self) -> list[torch.Tensor]:
        """First and second moments of AdamW, in the same order in all processes."""
        kept = [optimizer.state.get(p, {}) for optimizer in self.optimizers for p in self.trained]
        return [moments[name] for moments in kept for name in ("exp_avg", "exp_avg_sq") if name in moments]

    def _report(self) -> None:
        state = self.state
        seconds = self._before + time.monotonic() - self._began
        clock = seconds / (60 * self.config.minutes) if self.config.minutes else 0.0
        done = min(1.0, max(state.step / self.steps, clock))
        left = seconds * (1 - done) / max(done, 1e-9) / 60
        self.tell(
            f"training, step {state.step:,}, loss {state.losses / state.since:.3f}, "
            f"{self.rate(seconds):,.0f} tiles/s, {left:.0f} min left",
            round(1000 * done),
            1000,
        )

    def rate(self, seconds: float | None = None) -> float:
        """Tiles per second of all processes together, evaluations left out."""
        state = self.state
        spent = (state.seconds if seconds is None else seconds) - state.judging
        return state.step * self.config.batch * self.team.size / max(spent, 1e-9)

    def _evaluate(self, model: Any) -> None:
        """Judge the averaged weights and keep them if they are the best so far."""
        state, began = self.state, time.monotonic()
        found = self.judge(model)
        score = found.score
        state.evaluated = int(self.share_done() * self.config.evaluations)
        state.history.append((state.step, state.losses / max(1, state.since), score))
        state.losses, state.since = 0.0, 0
        state.worse += 1
        if score > state.best_score:
            state.best_step, state.best_score, state.worse = state.step, score, 0
            state.best_shift = found.logit_shift
            self.best = {key: value.to("cpu", copy=True) for key, value in model.state_dict().items()}
        state.judging += time.monotonic() - began
        state.seconds = self._before + time.monotonic() - self._began
        self.tell(f"held-out score {score:.3f} at step {state.step:,}", round(1000 * self.share_done()), 1000)

    def _save(self, average: Any) -> None:
        """Write the checkpoint beside and rename it: a kill leaves the last whole one."""
        path = self.config.scratch / "checkpoint.pt"
        content = {
            "identity": self.identity,
            "state": json.dumps(asdict(self.state)),
            "clock_share": self.clock_share,
            "model": self.model.state_dict(),
            "proxies": self.proxies.detach(),
            "average": average.state_dict(),
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
        content = torch.load(path, weights_only=True, map_location=self.team.device)
        if content["identity"] != self.identity:
            raise SettingsError(
                f"{path} belongs to a run with other settings or data",
                next_step="use the settings it was started with, or remove its folder",
            )
        self.model.load_state_dict(content["model"])
        self.proxies.data.copy_(content["proxies"])
        for optimizer, kept in zip(self.optimizers, content["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.state = State(**json.loads(content["state"]))
        self.state.history = [(int(s), float(a), float(b)) for s, a, b in self.state.history]
        if self.average is not None:
            self.average.load(content["average"], self.state.step)
            self.best = {key: value.cpu() for key, value in content["best"].items()}


def _checkpoint_gradients(model: Any) -> None:
    try:
        model.set_grad_checkpointing(True)
    # Towers of timm refuse in several ways.
    except Exception as error:
        raise SettingsError(
            f"this model cannot checkpoint gradients ({' '.join(str(error).split())[:200]})",
            next_step="leave out --grad-checkpointing, or take a smaller --batch",
        ) from error


def _optimizer(parameters: list[torch.nn.Parameter], rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW with open_clip's rule: no decay of norms, biases and scales."""
    groups = [
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-6)


def _identity(config: TrainConfig, material: Material) -> str:
    """Hash of what must not change between a run and its continuation."""
    ours = {key: value for key, value in asdict(config).items() if key not in _FREE_TO_CHANGE}
    text = json.dumps([ours, material.keys, material.sources], default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
