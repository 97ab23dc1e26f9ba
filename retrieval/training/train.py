"""Train or fine-tune an open_clip model on image-text pairs, within a budget of epochs or minutes.

`train` is one call for one process, for several on this machine, and for those that torchrun started: see
`processes`. What happens between two steps is in `run`, what a step minimises in `objective`.
"""

from __future__ import annotations

import ctypes
import shutil
from typing import Any

import numpy as np
import torch

from retrieval.encoder import OpenClipEncoder
from retrieval.errors import SettingsError
from retrieval.training.assess import Assessment, ModelInUse, assess, described, macro, names_of
from retrieval.training.card import model_card
from retrieval.training.data import Material, material_of, read_shared, write_shared
from retrieval.training.export import write_weights
from retrieval.training.groups import close_groups
from retrieval.training.pairs import Pairs, read_pairs
from retrieval.training.plan import TrainConfig, TrainReport
from retrieval.training.processes import Progress, Team, together
from retrieval.training.run import Run
from retrieval.training.start import Start, starting_model
from retrieval.training.texts import Texts

__all__ = ["Progress", "TrainConfig", "TrainReport", "train"]

_SHARED = "material.pt"  # in the folder of the run


def train(config: TrainConfig, progress: Progress | None = None) -> TrainReport:
    """Train a model and write its weights folder with a model card.

    Parameters
    ----------
    config
        The run.
    progress
        Told what is going on, how far, and out of how much; in the first process only.

    Returns
    -------
    How it went. Processes of torchrun all return, with their number as `TrainReport.process`.

    Raises
    ------
    SettingsError
        If pairs are missing or torn, the output exists, a process was killed, or the loss is no longer
        finite.
    EncoderError
        If the model to start from cannot be loaded.
    """
    if config.out.exists():
        raise SettingsError(f"{config.out} exists", next_step="choose another folder, or remove it first")
    if (config.scratch / "checkpoint.pt").exists() and not config.resume:
        raise SettingsError(
            f"{config.scratch} holds an unfinished run", next_step="resume it, or remove the folder"
        )
    return together(take_part, config, progress or _silent)


def take_part(config: TrainConfig, team: Team, tell: Progress) -> TrainReport:
    """The work of one process of a team; the first one also reads, judges and writes."""
    keep_freed_memory()
    config.scratch.mkdir(parents=True, exist_ok=True)
    heldout: Pairs | None = None
    if team.first:
        tell("reading pairs", 0, 1)
        pairs, heldout = _read(config)
        material = material_of(pairs)
        start = starting_model(config, material.images)
        texts = Texts(start.tokenizer, pairs, config.words, config.templates, config.groups)
        del pairs
        if team.size > 1:
            write_shared(config.scratch / _SHARED, material, texts)
    team.wait()
    if team.size > 1:
        material, restore = read_shared(config.scratch / _SHARED)
        if not team.first:
            start = starting_model(config, material.images)
        texts = restore(start.tokenizer)
    probe = None if heldout is None else _probe(config, heldout)

    def judge(model: Any) -> Assessment:
        assert probe is not None
        encoder = ModelInUse(model, start.tokenizer, described(model, start.manifest), team.device)
        return assess(encoder, probe, words=config.words, templates=config.templates)

    run = Run(config, team, material, texts, start, judge, tell)
    run.train()
    if heldout is None:
        return _report(run, Assessment({}, float("nan")))
    report = _write(run, start, material, texts, heldout)
    shutil.rmtree(config.scratch)
    return report


def _read(config: TrainConfig) -> tuple[Pairs, Pairs]:
    """Pairs to train on and to judge by.

    Folders named as held out are taken whole; else the validation split of the training folders is, which
    lies in other regions of the same bodies. The two may speak of different landforms: those that the
    held-out tiles know are judged.
    """
    pairs = close_groups(read_pairs(config.data, "train"), config.groups)
    size = pairs.images.shape[1]
    if config.heldout:
        heldout = read_pairs(config.heldout, "all", size_px=size)
    else:
        heldout = read_pairs(config.data, "val", size_px=size)
    return pairs, close_groups(heldout, config.groups)


def _probe(config: TrainConfig, heldout: Pairs) -> Pairs:
    """Held-out tiles to judge by while training."""
    rows = np.random.default_rng(config.seed).permutation(len(heldout))[: config.evaluation_tiles]
    return heldout.subset(np.sort(rows))


def _write(run: Run, start: Start, material: Material, texts: Texts, heldout: Pairs) -> TrainReport:
    """Write the best weights, judge them as written on all held-out tiles, and describe the run."""
    config = run.config
    run.model.load_state_dict(run.best)
    found: list[Assessment] = []

    def card(encoder: OpenClipEncoder) -> str:
        run.tell("final held-out figures", 0, 1)
        device = run.team.device
        written = ModelInUse(encoder.model.to(device), encoder.tokenizer, encoder.manifest, device)
        found.append(
            assess(
                written,
                heldout,
                words=config.words,
                templates=config.templates,
                background_prompts=config.background_prompts,
            )
        )
        return model_card(encoder, material, heldout, found[0], _described(run, start), config.weights)

    write_weights(config.out, run.model, start, card, _spoken(run, start, texts))
    return _report(run, found[0])


def _spoken(run: Run, start: Start, texts: Texts) -> dict[str, Any]:
    """What a search must know of the model's language and odds, for the manifest of its folder."""
    spoken: dict[str, Any] = {"logit_shift": round(run.state.best_shift, 4)} if run.objective.sigmoid else {}
    before = start.manifest
    seen = np.flatnonzero(run.material.labels.any(axis=0))
    names = [names_of(run.material.keys[column], run.config.words)[0] for column in seen]
    if start.merges is not None and start.origin == "random weights":
        spoken |= {"words": texts.words, "landforms": names}
    elif before.words is not None:
        spoken |= {
            "words": sorted({*before.words, *texts.words}),
            "landforms": sorted({*(before.landforms or ()), *names}),
        }
    return spoken


def _described(run: Run, start: Start) -> dict[str, str]:
    """Settings and figures of the run, for the card."""
    state, config, team = run.state, run.config, run.team
    clock = f", at most {config.minutes:g} minutes" if config.minutes else ""
    texts = "one caption each"
    if run.objective.sigmoid:
        texts = (
            f"in one step of {config.text_every} also {min(config.captions, config.batch)} captions, "
            f"{len(run.proxies)} names and {config.foreign} foreign texts"
        )
    many = "1"
    if team.size > 1:
        how = "gradients in every step" if run.every == 1 else f"weights and moments every {run.every} steps"
        many = f"{team.size}, averaging {how}"
    decayed = f"moving average, decay {config.ema:g} after a warm-up" if config.ema else "of single steps"
    return {
        "command": f"`{config.command}`" if config.command else "none: called from Python",
        "architecture": config.architecture,
        "started from": start.origin,
        "seed": str(config.seed),
        "loss": "sigmoid" if run.objective.sigmoid else "softmax",
        "budget": f"{config.epochs:g} epochs{clock}",
        "processes": many,
        "batch": f"{config.batch} tiles per process; {texts}",
        "AdamW": f"learning rate {config.rates[0]:g}, of the text tower {config.rates[1]:g}, cosine after "
        f"{config.warmup_steps} steps of warm-up; weight decay {config.weight_decay:g}",
        "weights": decayed,
        "augmentation": f"scales up to {config.scales:g} times, camera look on {config.photometric:.0%}",
        "truth": f"label smoothing {config.label_smoothing:g}, open pairs weigh {config.unknown_weight:g}",
        "steps": f"{state.step:,} (weights of step {state.best_step:,})",
        "tiles seen": f"{state.step * config.batch * team.size:,}, {run.rate():.0f} per second",
        "time": f"{state.seconds / 60:.1f} minutes, {state.judging / 60:.1f} of them judging, on "
        f"{team.device.type}, torch {torch.__version__}",
    }


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


def _silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def _report(run: Run, found: Assessment) -> TrainReport:
    state = run.state
    return TrainReport(
        out=run.config.out,
        steps=state.step,
        best_step=state.best_step,
        seconds=state.seconds,
        pairs_per_second=run.rate(),
        stopped_early=state.worse >= run.config.patience,
        scores=found.landforms,
        macro_average_precision=macro(found.landforms),
        caption_rank=found.caption_rank,
        history=tuple(state.history),
        process=run.team.rank,
    )
