"""Augmentations that leave a landform what it is.

A tile may be turned and mirrored, because landforms have no preferred side, unless its caption speaks of
directions. It may be brighter, flatter or noisier, because cameras and air are. Some tiles get the look of a
real camera: the low contrast of hazy orbital images (a standard deviation of about 9 grey levels in CTX
mosaics at 5 m/px, against 15 in the median tile of Lowell), blur, stripes of a push-broom sensor, and the
blocks of lossy compression. Unobserved pixels (0) stay unobserved.
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
_FLATTEST, _STRONGEST = 6.0, 40.0  # standard deviations of a camera's tiles, grey levels
_BLOCK = 8  # of JPEG


def speaks_of_direction(caption: str) -> bool:
    """Whether a caption could become false when its tile is turned or mirrored."""
    return _DIRECTION.search(caption) is not None


def augment(
    images: NDArray[np.uint8],
    may_turn: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    scales: float = 1.2,
    photometric: float = 0.5,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Vary a batch of tiles.

    Parameters
    ----------
    images
        Grey values, shape (n, s, s); 0 is unobserved.
    may_turn
        Which tiles may be turned and mirrored, shape (n,).
    rng
        Randomness.
    scales
        Tiles are shown up to so many times larger or smaller.
    photometric
        Share of tiles with the look of a real camera, each trait in about half of them.
    device
        Where to compute; None: the CPU.

    Returns
    -------
    Whole values 0..255, shape (n, 1, s, s), float32, on the device.
    """
    n, side = len(images), images.shape[-1]
    values = torch.from_numpy(np.array(images)).to(device).float()[:, None]
    generator = torch.Generator(device=values.device).manual_seed(int(rng.integers(2**62)))
    values = _tone(values, rng)
    matrices = torch.from_numpy(_affine(n, may_turn, scales, rng)).to(values.device)
    grid = torch.nn.functional.affine_grid(matrices, [n, 1, side, side], align_corners=False)
    values = torch.nn.functional.grid_sample(
        values, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    observed = values > 0.5
    for change in (_blur, _flatten, _compress):
        chosen = np.flatnonzero(rng.random(n) < photometric / 2)
        if len(chosen):
            rows = torch.from_numpy(chosen).to(values.device)
            values[rows] = change(values[rows], observed[rows], rng)
    _, spread = _moments(values, observed)
    # Up to a quarter of a tile's own contrast, and never less than what eight bits lose anyway.
    sigma = _column(rng.uniform(0, 0.25, n), values) * spread.clamp(min=2.0)
    noise = torch.randn(values.shape, generator=generator, device=values.device)
    striped = _column(rng.random(n) < photometric / 2, values) * _column(rng.uniform(0, 0.15, n), values)
    stripes = torch.randn((n, 1, 1, side), generator=generator, device=values.device)
    stripes = torch.where(_column(rng.random(n) < 0.5, values) > 0, stripes, stripes.transpose(2, 3))
    values = values + sigma * noise + striped * spread * stripes
    return torch.where(observed, values.round_().clamp_(1, 255), 0.0)


def _tone(values: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Gamma, contrast about the tile's mean, and brightness; unobserved pixels kept."""
    n, observed = len(values), values > 0
    bright = 255 * (values / 255) ** _column(np.exp(rng.uniform(-0.25, 0.25, n)), values)
    mean, _ = _moments(bright, observed)
    contrast = _column(np.exp(rng.uniform(-0.4, 0.3, n)), values)
    bright = mean + (bright - mean) * contrast + _column(rng.uniform(-32, 32, n), values)
    return torch.where(observed, bright.clamp_(1, 255), 0.0)


def _flatten(values: torch.Tensor, observed: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Another gain and offset: contrasts of real cameras, evenly in their logarithm, at any brightness."""
    n = len(values)
    wanted = _column(np.exp(rng.uniform(np.log(_FLATTEST), np.log(_STRONGEST), n)), values)
    mean, spread = _moments(values, observed)
    return _column(rng.uniform(70, 185, n), values) + (values - mean) * (wanted / spread.clamp(min=1.0))


def _blur(values: torch.Tensor, observed: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A Gaussian point spread of 0.4 to 1.2 pixels; gaps do not bleed into the picture."""
    n, _, side, _ = values.shape
    sigma = rng.uniform(0.4, 1.2, (n, 1))
    kernel = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
    taps = torch.from_numpy((kernel / kernel.sum(axis=1, keepdims=True)).astype(np.float32)).to(values.device)
    mean, _ = _moments(values, observed)
    filled = torch.where(observed, values, mean).view(1, n, side, side)
    across = torch.nn.functional.pad(filled, (2, 2, 2, 2), mode="replicate")
    across = torch.nn.functional.conv2d(across, taps.view(n, 1, 1, 5), groups=n)
    both = torch.nn.functional.conv2d(across, taps.view(n, 1, 5, 1), groups=n)
    return both.view(n, 1, side, side)


def _compress(values: torch.Tensor, observed: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Quantise cosine coefficients of 8 x 8 blocks, coarser for finer detail, as JPEG does (ITU-T T.81)."""
    n, _, side, _ = values.shape
    spare = -side % _BLOCK
    mean, spread = _moments(values, observed)
    filled = torch.nn.functional.pad(
        torch.where(observed, values, mean) - mean, (0, spare, 0, spare), mode="replicate"
    )
    count = (side + spare) // _BLOCK
    blocks = filled.view(n, count, _BLOCK, count, _BLOCK).transpose(2, 3)
    cosine = _cosine_matrix().to(values.device)
    coefficients = cosine @ blocks @ cosine.T
    order = torch.arange(_BLOCK, device=values.device)
    detail = 1 + (order[:, None] + order[None, :]) / 4
    # Steps go with the contrast: compression is set so that the picture still shows what it shows.
    step = _column(rng.uniform(0.05, 0.5, n), values) * spread.clamp(min=2.0)
    step = step[..., None] * detail
    restored = cosine.T @ ((coefficients / step).round() * step) @ cosine
    whole = restored.transpose(2, 3).reshape(n, 1, side + spare, side + spare)
    return whole[..., :side, :side] + mean


def _cosine_matrix() -> torch.Tensor:
    """The orthonormal discrete cosine transform (type II) of one block."""
    k, x = np.mgrid[:_BLOCK, :_BLOCK]
    matrix = np.cos(np.pi * (2 * x + 1) * k / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
    matrix[0] /= np.sqrt(2)
    return torch.from_numpy(matrix.astype(np.float32))


def _moments(values: torch.Tensor, observed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of observed pixels, shape (n, 1, 1, 1)."""
    count = observed.sum(dim=(1, 2, 3), keepdim=True).clamp_(min=1)
    mean = (values * observed).sum(dim=(1, 2, 3), keepdim=True) / count
    square = (values.square() * observed).sum(dim=(1, 2, 3), keepdim=True) / count
    return mean, (square - mean.square()).clamp_(min=0).sqrt_()


def _column(numbers: NDArray[np.generic], like: torch.Tensor) -> torch.Tensor:
    """One number per tile, shape (n, 1, 1, 1), float32, where the tiles are."""
    return torch.from_numpy(numbers.astype(np.float32)).to(like.device)[:, None, None, None]


def _affine(
    n: int, may_turn: NDArray[np.bool_], scales: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Matrices (n, 2, 3): quarter turns and mirrors where allowed; other scales and tilts for all."""
    quarter = np.where(may_turn, rng.integers(0, 4, n), 0) * (np.pi / 2)
    mirror = np.where(may_turn, rng.choice((-1.0, 1.0), n), 1.0)
    angle = quarter + np.deg2rad(np.where(may_turn, rng.uniform(-10, 10, n), 0.0))
    scale = np.exp(rng.uniform(-np.log(scales), np.log(scales), n))  # below 1 shows a part of the tile
    shift = rng.uniform(-0.08, 0.08, (n, 2))
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    matrices = np.empty((n, 2, 3), dtype=np.float32)
    matrices[:, 0] = np.stack([cosine * mirror, -sine, shift[:, 0]], axis=1)
    matrices[:, 1] = np.stack([sine * mirror, cosine, shift[:, 1]], axis=1)
    return matrices
