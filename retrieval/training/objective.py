"""What a training step minimises: tiles against names, captions and words about something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.encoder import EncoderManifest
from retrieval.encoder_torch import bfloat16_pays, prepare_images
from retrieval.training.augment import augment
from retrieval.training.data import Material
from retrieval.training.losses import TruthClipLoss, TruthSigLipLoss, pair_truth
from retrieval.training.plan import TrainConfig
from retrieval.training.processes import Team
from retrieval.training.texts import Texts


@dataclass(frozen=True)
class Objective:
    """The loss of a batch of tiles under a model.

    Attributes
    ----------
    config, team
        The run, and this process in it.
    material, texts
        What there is to learn from.
    model, manifest
        The model in training, and how to prepare pictures for it.
    proxies
        One free unit vector per landform and group, shape (names_count, dimension).
    """

    config: TrainConfig
    team: Team
    material: Material
    texts: Texts
    model: Any
    manifest: EncoderManifest
    proxies: torch.Tensor

    @property
    def sigmoid(self) -> bool:
        """Whether the model has a logit bias, which the sigmoid loss needs; else softmax."""
        return getattr(self.model, "logit_bias", None) is not None

    def loss(self, rows: NDArray[np.int64], step: int, rng: np.random.Generator) -> torch.Tensor:
        """The loss of the tiles of some rows, with gradients.

        The text tower costs as much as the image tower, and there are far fewer texts to learn than tiles.
        So with the sigmoid loss texts take part in every ``text_every``th step only; in all steps one free
        vector per landform and group, a proxy, stands for its names.
        """
        return self._sigmoid_loss(rows, step, rng) if self.sigmoid else self._softmax_loss(rows, rng)

    def _sigmoid_loss(self, rows: NDArray[np.int64], step: int, rng: np.random.Generator) -> torch.Tensor:
        """open_clip's sigmoid loss of tiles against proxies and, every so often, texts."""
        config, device = self.config, self.team.device
        labels, known = self.material.labels[rows], self.material.known[rows]
        with_texts = step % config.text_every == 0
        many = min(config.captions, len(rows)) if with_texts else 0
        captions, numbers, turnable = self.texts.captions(rows[:many], rng)
        tiles = self._tiles(rows, np.append(turnable, np.ones(len(rows) - many, dtype=bool)), rng)
        named = torch.from_numpy(self.texts.truth(labels, known)).to(device)
        proxies = torch.nn.functional.normalize(self.proxies, dim=-1)
        loss = TruthSigLipLoss(config.label_smoothing)
        scale, bias = self.model.logit_scale.exp(), self.model.logit_bias
        value: torch.Tensor = loss(tiles, proxies, scale, bias, named)
        if with_texts:
            names, foreign = self.texts.names(rng), self.texts.foreign(config.foreign, rng)
            texts = self._texts(torch.cat([names, captions, foreign]))
            of_captions = self._caption_truth(rows, rows[:many], numbers)
            truth = torch.cat(
                [named, of_captions, -torch.ones(len(rows), len(foreign), device=device)], dim=1
            )
            value = value + loss(tiles, texts, scale, bias, truth)
            # What a name means is clearer from its proxy than from one batch of tiles.
            kinship = torch.from_numpy(self.texts.kinship()).to(device)
            value = value + loss(proxies.detach(), texts[: len(names)], scale, bias, kinship)
        return value

    def _softmax_loss(self, rows: NDArray[np.int64], rng: np.random.Generator) -> torch.Tensor:
        """open_clip's softmax loss, for models without a logit bias: one caption per tile.

        If processes step together their batches are one: each tile meets the captions of all.
        """
        captions, numbers, turnable = self.texts.captions(rows, rng)
        tiles, texts = self._tiles(rows, turnable, rng), self._texts(captions)
        scale, smoothing = self.model.logit_scale.exp(), self.config.label_smoothing
        if self.team.size == 1 or self.config.average_every > 1:
            truth = self._caption_truth(rows, rows, numbers)
            alone: torch.Tensor = TruthClipLoss(smoothing=smoothing)(tiles, texts, scale, truth)
            return alone
        drawn = torch.stack([torch.from_numpy(rows), torch.from_numpy(numbers.astype(np.int64))])
        everyone = self.team.gather(drawn).numpy()
        all_rows, all_numbers = everyone[:, 0].ravel(), everyone[:, 1].ravel()
        truth = self._caption_truth(rows, all_rows, all_numbers)
        of_texts = self._caption_truth(all_rows, rows, numbers).T
        loss = TruthClipLoss(self.team.rank, self.team.size, smoothing)
        together: torch.Tensor = loss(tiles, texts, scale, truth, of_texts)
        return together

    def _caption_truth(
        self, rows: NDArray[np.int64], of_rows: NDArray[np.int64], numbers: NDArray[np.integer]
    ) -> torch.Tensor:
        """Truth about the tiles of some rows of the captions drawn for others, shape (n, m)."""
        labels, known = self.material.labels, self.material.known
        weight = self.config.unknown_weight if self.material.labelled else 1.0
        return pair_truth(
            torch.from_numpy(labels[rows]),
            torch.from_numpy(labels[of_rows]),
            torch.from_numpy(self.texts.numbers[rows]),
            torch.from_numpy(np.asarray(numbers)),
            torch.from_numpy(known[rows]),
            torch.from_numpy(known[of_rows]),
            weight,
        ).to(self.team.device)

    def _tiles(
        self, rows: NDArray[np.int64], may_turn: NDArray[np.bool_], rng: np.random.Generator
    ) -> torch.Tensor:
        """Unit vectors of augmented tiles, with gradients, shape (n, dimension)."""
        device, config = self.team.device, self.config
        varied = augment(
            self.material.images[rows],
            may_turn,
            rng,
            scales=config.scales,
            photometric=config.photometric,
            device=device,
        )
        images = prepare_images(varied, self.manifest)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_on(device)):
            vectors = self.model.encode_image(images)
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def _texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Unit vectors of tokens, with gradients, shape (m, dimension)."""
        device = self.team.device
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_on(device)):
            vectors = self.model.encode_text(tokens.to(device))
        return torch.nn.functional.normalize(vectors.float(), dim=-1)


def bfloat16_on(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 faster than float32."""
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else bfloat16_pays()
