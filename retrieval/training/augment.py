"""Augmentations that leave a landform what it is.

A tile may be turned and mirrored, because landforms have no preferred side, unless its caption speaks of
directions. It may be brighter, flatter or noisier, because cameras and air are. Unobserved pixels (0)
stay unobserved.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from numpy.typing import NDArray

_DIRECTION = re.compile(
    r"(?i:\b(?:north|south|east|west)[a-z-]*|\b(?:left|right|top|bottom|upper|lower|clockwise|azimuth|trending|"
    r"striking|oriented|facing|lit from|degrees?)\b)|\b[NS]?[NS][EW]\b|\b[EW][NS][EW]\b|°"
)


def speaks_of_direction(caption: str) -> bool:
    """Whether a caption could become false when its tile is turned or mirrored."""
    return _DIRECTION.search(caption) is not None


def augment(images: NDArray[np.uint8], may_turn: NDArray[np.bool_], rng: np.random.Generator) -> torch.Tensor:
    """Vary a batch of tiles.

    Parameters
    ----------
    images
        Grey values, shape (n, s, s); 0 is unobserved.
    may_turn
        Which tiles may be turned and mirrored, shape (n,).
    rng
        Randomness.

    Returns
    -------
    Values 0..255, shape (n, 1, s, s), float32.
    """
    values = _photometric(torch.from_numpy(np.array(images)).float(), rng)
    warped = torch.nn.functional.grid_sample(
        values[:, None],
        torch.nn.functional.affine_grid(
            torch.from_numpy(_affine(len(images), may_turn, rng)),
            [len(images), 1, *images.shape[1:]],
            align_corners=False,
        ),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    sigma = torch.from_numpy(rng.uniform(0, 6, (len(images), 1, 1, 1)).astype(np.float32))
    noisy = warped + sigma * torch.randn(warped.shape, generator=generator)
    return torch.where(warped > 0.5, noisy.clamp_(1, 255), 0.0)


def _photometric(values: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Gamma, contrast about the tile's mean, and brightness; unobserved pixels kept."""
    shape = (len(values), 1, 1)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(low, high, shape).astype(np.float32))

    observed = values > 0
    bright = 255 * (values / 255) ** torch.exp(uniform(-0.25, 0.25))
    count = observed.sum(dim=(1, 2), keepdim=True).clamp_(min=1)
    mean = (bright * observed).sum(dim=(1, 2), keepdim=True) / count
    bright = mean + (bright - mean) * torch.exp(uniform(-0.4, 0.3)) + uniform(-22, 22)
    return torch.where(observed, bright.clamp_(1, 255), 0.0)


def _affine(n: int, may_turn: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float32]:
    """Matrices (n, 2, 3): quarter turns and mirrors where allowed; small crops and tilts for all."""
    quarter = np.where(may_turn, rng.integers(0, 4, n), 0) * (np.pi / 2)
    mirror = np.where(may_turn, rng.choice((-1.0, 1.0), n), 1.0)
    angle = quarter + np.deg2rad(np.where(may_turn, rng.uniform(-10, 10, n), 0.0))
    scale = rng.uniform(0.86, 1.04, n)  # below 1 shows a smaller part of the tile
    shift = rng.uniform(-0.08, 0.08, (n, 2))
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    matrices = np.empty((n, 2, 3), dtype=np.float32)
    matrices[:, 0] = np.stack([cosine * mirror, -sine, shift[:, 0]], axis=1)
    matrices[:, 1] = np.stack([sine * mirror, cosine, shift[:, 1]], axis=1)
    return matrices
