"""What a training run is asked for, and what it reports."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from retrieval.encoder_folder import DEFAULT_ENCODER
from retrieval.errors import SettingsError
from retrieval.training.assess import LandformScore

# Words for several landforms at once, which captions of single landforms cannot teach.
GROUPS: dict[str, tuple[str, ...]] = {
    "impact_crater": (
        "simple_crater",
        "degraded_crater",
        "central_peak_crater",
        "layered_ejecta_crater",
        "pedestal_crater",
    ),
    "dunes": ("transverse_dunes", "barchan_dunes"),
}


@dataclass(frozen=True)
class TrainConfig:
    """What to train on, from what, for how long.

    Attributes
    ----------
    data, heldout
        Shard folders to train on and to judge by; none may be in both.
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
        Tag or weights file of an open_clip architecture; for ``areo-mini`` a weights folder of the
        same kind to start from. Empty: a hub model or folder starts from its own weights,
        anything else from random ones.
    resume
        Continue the unfinished run in ``<out>.training``, if there is one.
    batch
        Tiles per step.
    text_every
        Steps between two with texts.
    captions, foreign
        Captions, and texts that are true of no tile, in a step with texts. The softmax loss of models
        without a logit bias uses one caption per tile in every step.
    learning_rate, weight_decay, warmup_steps
        Of AdamW; the learning rate rises over the first steps.
    text_learning_rate
        Of the text tower, as a share of the learning rate: a transformer takes less than a convolutional net.
    evaluations, patience
        Held-out evaluations over the run, and how many without gain end it.
    evaluation_tiles
        Held-out tiles used while training; the final figures use all.
    words, templates, background_prompts
        Names per landform key, sentences with ``{}`` around them, and texts of nothing in particular.
    groups
        Landform keys per name of a group; names of groups may be in ``words`` too.
    """

    data: tuple[Path, ...]
    heldout: tuple[Path, ...]
    out: Path
    epochs: float = 20.0
    minutes: float | None = None
    seed: int = 0
    architecture: str = DEFAULT_ENCODER
    pretrained: str = ""
    resume: bool = False
    batch: int = 64
    text_every: int = 3
    captions: int = 24
    foreign: int = 6
    learning_rate: float = 3e-3
    text_learning_rate: float = 0.2
    weight_decay: float = 0.05
    warmup_steps: int = 100
    evaluations: int = 10
    patience: int = 4
    evaluation_tiles: int = 4000
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    templates: tuple[str, ...] = ()
    background_prompts: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(GROUPS))

    def __post_init__(self) -> None:
        positive = {
            "epochs": self.epochs,
            "minutes": 1.0 if self.minutes is None else self.minutes,
            "batch": self.batch - 1,
            "captions": self.captions,
            "text_every": self.text_every,
            "learning_rate": self.learning_rate,
            "text_learning_rate": self.text_learning_rate,
            "evaluations": self.evaluations,
            "patience": self.patience,
        }
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} of a training run is too small", allowed="more than 0")
        both = {path.resolve() for path in self.data} & {path.resolve() for path in self.heldout}
        if both:
            raise SettingsError(
                f"{min(both)} is both trained on and held out", next_step="hold out another planet or region"
            )

    @property
    def scratch(self) -> Path:
        """Folder of the unfinished run."""
        return self.out.with_name(self.out.name + ".training")


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
        Training time without reading and final figures; tiles per second of it.
    stopped_early
        Whether the held-out score stopped rising before the budget was spent.
    scores
        Final held-out scores per landform, of the weights as written.
    macro_average_precision
        Their mean average precision.
    history
        Per evaluation: step, mean loss since the last, held-out macro average precision.
    """

    out: Path
    steps: int
    best_step: int
    seconds: float
    pairs_per_second: float
    stopped_early: bool
    scores: dict[str, LandformScore]
    macro_average_precision: float
    history: tuple[tuple[int, float, float], ...]
