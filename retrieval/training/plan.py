"""What a training run is asked for, and what it reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.encoder_folder import DEFAULT_ENCODER
from retrieval.errors import SettingsError
from retrieval.training.assess import LandformScore
from retrieval.training.groups import GROUPS

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class TrainConfig:
    """What to train on, from what, for how long.

    Attributes
    ----------
    data, heldout
        Folders of pairs to train on and to judge by; none may be in both. Without ``heldout`` the run is
        judged on the validation split of ``data``, which lies in other regions.
    weights
        How many times as often as otherwise the tiles of each folder of ``data`` are drawn; empty: once.
    out
        Weights folder to make; must not exist. An unfinished run lives in ``<out>.training``.
    epochs
        Draws of as many tiles as there are.
    minutes
        Wall-clock budget; the learning rate follows whichever of the two ends first.
    seed
        Of the initial weights and of every draw.
    architecture
        ``areo-mini`` for a fresh model of that kind, or anything that `create_model` takes.
    pretrained
        Tag, weights file or weights folder of an open_clip architecture; for ``areo-mini`` a weights
        folder of the same kind to start from. Empty: a hub model or folder starts from its own weights,
        anything else from random ones.
    resume
        Continue the unfinished run in ``<out>.training``, if there is one.
    processes
        Processes that train together, on the cores or the GPUs of this machine. Under torchrun its own
        number counts.
    average_every
        1: gradients are averaged in every step. K > 1: every process steps on its own, and weights and
        moments are averaged every K steps (local SGD, Stich 2019), which costs K times less traffic.
    device
        ``auto``, ``cpu`` or ``cuda``.
    grad_checkpointing
        Compute activations again instead of keeping them: less memory, a third more time.
    batch
        Tiles per step and process.
    text_every
        Steps between two with texts.
    captions, foreign
        Captions, and texts that are true of no tile, in a step with texts. The softmax loss of models
        without a logit bias uses one caption per tile in every step.
    learning_rate, weight_decay, warmup_steps
        Of AdamW; the learning rate rises over the first steps. None is 3e-3 for areo-mini and 2e-5 for
        any other model, which has been trained before.
    text_learning_rate
        Of the text tower, as a share of the learning rate. None is 0.2 for areo-mini, whose text
        transformer takes less than its convolutional net, and 1 for any other.
    ema
        Decay per step of the moving average of weights that is judged and written; 0 takes the weights
        themselves. It starts low and rises, so that a short run forgets where it began.
    scales
        Tiles are shown up to so many times larger or smaller than they are.
    photometric
        Share of tiles that get the look of a real camera: low contrast, blur, stripes, compression.
    label_smoothing
        Probability that a known label is wrong.
    unknown_weight
        How much a caption counts as false of another tile if labels leave that open, 0..1. Where no
        label is known at all it is 1, which is the plain loss.
    evaluations, patience
        Held-out evaluations over the run, and how many without gain end it.
    evaluation_tiles
        Held-out tiles used while training; the final figures use all.
    words, templates, background_prompts
        Names per landform key, sentences with ``{}`` around them, and texts of nothing in particular.
    groups
        Landform keys per name of a group; names of groups may be in ``words`` too.
    command
        The command line that asked for the run, for its card.
    """

    data: tuple[Path, ...]
    heldout: tuple[Path, ...]
    out: Path
    weights: tuple[float, ...] = ()
    epochs: float = 20.0
    minutes: float | None = None
    seed: int = 0
    architecture: str = DEFAULT_ENCODER
    pretrained: str = ""
    resume: bool = False
    processes: int = 1
    average_every: int = 1
    device: str = "auto"
    grad_checkpointing: bool = False
    batch: int = 64
    text_every: int = 3
    captions: int = 24
    foreign: int = 6
    learning_rate: float | None = None
    text_learning_rate: float | None = None
    ema: float = 0.999
    scales: float = 1.2
    photometric: float = 0.5
    label_smoothing: float = 0.0
    unknown_weight: float = 0.1
    weight_decay: float = 0.05
    warmup_steps: int = 100
    evaluations: int = 10
    patience: int = 4
    evaluation_tiles: int = 4000
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: tuple[str, ...] = ()
    background_prompts: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(GROUPS))
    command: str = ""

    def __post_init__(self) -> None:
        positive = {
            "epochs": self.epochs,
            "minutes": self.minutes,
            "processes": self.processes,
            "average_every": self.average_every,
            "batch": self.batch - 1,
            "captions": self.captions,
            "text_every": self.text_every,
            "learning_rate": self.learning_rate,
            "text_learning_rate": self.text_learning_rate,
            "evaluations": self.evaluations,
            "evaluation_tiles": self.evaluation_tiles,
            "patience": self.patience,
        }
        for name, value in positive.items():
            if value is not None and not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} of a training run is too small", allowed="more than 0")
        ranges = {
            "ema": (self.ema, 0.0, 0.99999),
            "scales": (self.scales, 1.0, 4.0),
            "photometric": (self.photometric, 0.0, 1.0),
            "label_smoothing": (self.label_smoothing, 0.0, 0.4),
            "unknown_weight": (self.unknown_weight, 0.0, 1.0),
        }
        for name, (value, low, high) in ranges.items():
            if not low <= value <= high:
                raise SettingsError(f"{name} of a training run is {value:g}", allowed=f"{low:g} to {high:g}")
        if self.device not in DEVICES:
            raise SettingsError(f"there is no device {self.device!r}", allowed=", ".join(DEVICES))
        if self.weights and len(self.weights) != len(self.data):
            raise SettingsError(
                f"{len(self.weights)} weights for {len(self.data)} folders of pairs",
                allowed="one for each folder, or none",
            )
        for path, weight in zip(self.data, self.weights, strict=False):
            if not (math.isfinite(weight) and weight > 0):
                raise SettingsError(f"{path} has the weight {weight:g}", allowed="more than 0")
        both = {path.resolve() for path in self.data} & {path.resolve() for path in self.heldout}
        if both:
            raise SettingsError(
                f"{min(both)} is both trained on and held out", next_step="hold out another planet or region"
            )

    @property
    def scratch(self) -> Path:
        """Folder of the unfinished run."""
        return self.out.with_name(self.out.name + ".training")

    @property
    def rates(self) -> tuple[float, float]:
        """Learning rates of the image tower and of the text tower."""
        mini = self.architecture == DEFAULT_ENCODER
        rate = (3e-3 if mini else 2e-5) if self.learning_rate is None else self.learning_rate
        share = (0.2 if mini else 1.0) if self.text_learning_rate is None else self.text_learning_rate
        return rate, rate * share


@dataclass(frozen=True)
class TrainReport:
    """How a run went.

    Attributes
    ----------
    out
        The weights folder.
    steps, best_step
        Steps made; the step whose weights were kept.
    seconds, pairs_per_second
        Training time without reading and final figures; tiles per second of it, those of all processes
        together and evaluations left out.
    stopped_early
        Whether the held-out score stopped rising before the budget was spent.
    scores
        Final held-out scores per landform, of the weights as written.
    macro_average_precision
        Their mean average precision.
    caption_rank
        Mean reciprocal rank of a held-out tile among all, searched by its own first caption.
    history
        Per evaluation: step, mean loss since the last, held-out score (see `assess.score`).
    process
        Number of the process that reports. Only 0 should speak to people.
    """

    out: Path
    steps: int
    best_step: int
    seconds: float
    pairs_per_second: float
    stopped_early: bool
    scores: dict[str, LandformScore]
    macro_average_precision: float
    caption_rank: float
    history: tuple[tuple[int, float, float], ...]
    process: int = 0
