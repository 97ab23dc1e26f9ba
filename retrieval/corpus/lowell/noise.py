"""Seamless noise: periodic volumes sampled on the sphere, periodic textures sampled in a feature's plane.

A three-dimensional volume read at points of the sphere has no seam at 180 degrees and none at the poles.
All noise has zero mean and unit standard deviation; amplitudes belong to whoever draws with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Real = NDArray[np.floating[Any]]

_TABLE = 64


@dataclass(frozen=True)
class Noise:
    """Everything random that landforms and relief are drawn with, made once per planet.

    Attributes
    ----------
    fine, smooth
        Periodic volumes, shape (n, n, n): fractal down to single cells, and band-limited to wavelengths
        of at least 8 cells, so that linear interpolation leaves no creases.
    texture, billow
        Periodic textures, shape (n, n), n a power of two: fractal, and of one scale (about 16 cells).
    table
        Uniform random numbers 0..1 per cell of a periodic lattice, shape (4, 64, 64).
    """

    fine: F32
    smooth: F32
    texture: F32
    billow: F32
    table: F32


def make_noise(rng: np.random.Generator) -> Noise:
    """Noise of one planet (about a quarter of a second, 18 MB)."""
    return Noise(
        fine=_spectral(rng, (128, 128, 128), exponent=4.3, shortest=2.2, longest=128.0),
        smooth=_spectral(rng, (96, 96, 96), exponent=4.6, shortest=8.0, longest=64.0),
        texture=_spectral(rng, (256, 256), exponent=2.9, shortest=2.2, longest=128.0),
        billow=_spectral(rng, (256, 256), exponent=1.0, shortest=9.0, longest=28.0),
        table=rng.random((4, _TABLE, _TABLE), dtype=np.float32),
    )


def sample3(volume: F32, points: F32, cell: float, shift: float = 0.0) -> F32:
    """Trilinear value of a periodic volume at points (..., 3), in the unit of ``cell``; shape (...,)."""
    n = volume.shape[0]
    # A fixed rotation keeps the volume's axes off the planet's, so that repeats never line up with it.
    p = points.reshape(-1, 3) @ (_ROTATION / np.float32(cell)) + np.float32(shift)
    low = np.floor(p)
    f = p - low
    i = low.astype(np.int32) % n
    j = i + 1
    j[j == n] = 0
    fx, fy, fz = f[:, 0], f[:, 1], f[:, 2]
    flat = volume.reshape(-1)
    x0, x1 = i[:, 0] * (n * n), j[:, 0] * (n * n)
    y0, y1 = i[:, 1] * n, j[:, 1] * n
    z0, z1 = i[:, 2], j[:, 2]

    def along_z(base: NDArray[np.int32]) -> F32:
        a: F32 = flat.take(base + z0)
        a += fz * (flat.take(base + z1) - a)
        return a

    a = along_z(x0 + y0)
    a += fy * (along_z(x0 + y1) - a)
    b = along_z(x1 + y0)
    b += fy * (along_z(x1 + y1) - b)
    a += fx * (b - a)
    return a.reshape(points.shape[:-1])


def sample2(texture: F32, x: Real, y: Real, seed: int = 0) -> F32:
    """Bilinear value of a periodic texture at cell coordinates; ``seed`` moves the origin."""
    n = texture.shape[0]
    px = x + np.float32((seed * 37) % n)
    py = y + np.float32((seed * 101) % n)
    lx, ly = np.floor(px), np.floor(py)
    fx, fy = px - lx, py - ly
    # n is a power of two.
    i0, j0 = ly.astype(np.int32) & (n - 1), lx.astype(np.int32) & (n - 1)
    i1, j1 = ((i0 + 1) & (n - 1)) * n, (j0 + 1) & (n - 1)
    i0 *= n
    flat = texture.reshape(-1)
    a: F32 = flat.take(i0 + j0)
    a += fx * (flat.take(i0 + j1) - a)
    b = flat.take(i1 + j0)
    b += fx * (flat.take(i1 + j1) - b)
    a += fy * (b - a)
    return a


@dataclass(frozen=True)
class Cells:
    """Nearest points of a jittered lattice (Worley 1996), in lattice units.

    Attributes
    ----------
    near, second
        Distance to the nearest and the second nearest point.
    dx, dy
        Vector from the nearest point to the pixel.
    a, b
        Two uniform random numbers 0..1 that belong to the nearest point.
    """

    near: F32
    second: F32
    dx: F32
    dy: F32
    a: F32
    b: F32


def cells(noise: Noise, x: Real, y: Real, seed: int, jitter: float = 0.8) -> Cells:
    """Nearest jittered lattice points of pixels; ``x`` and ``y`` in lattice units."""
    ix, iy = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    best = np.full(x.shape, 9.0, dtype=np.float32)
    second = best.copy()
    dx, dy, index = best.copy(), best.copy(), np.zeros(x.shape, dtype=np.int32)
    table = noise.table.reshape(4, -1)
    ox, oy = (seed * 17) % _TABLE, (seed * 29) % _TABLE
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            cx, cy = ix + step_x, iy + step_y
            cell = ((cy + oy) & (_TABLE - 1)) * _TABLE + ((cx + ox) & (_TABLE - 1))
            ddx = x - cx - (0.5 + jitter * (table[0].take(cell) - 0.5))
            ddy = y - cy - (0.5 + jitter * (table[1].take(cell) - 0.5))
            d = ddx * ddx + ddy * ddy
            closer = d < best
            second = np.where(closer, best, np.minimum(second, d))
            best = np.where(closer, d, best)
            dx = np.where(closer, ddx, dx)
            dy = np.where(closer, ddy, dy)
            index = np.where(closer, cell, index)
    return Cells(np.sqrt(best), np.sqrt(second), dx, dy, table[2].take(index), table[3].take(index))


def harmonics(theta: F32, seed: int, orders: range, amplitude: float) -> F32:
    """Sum of cosines of an angle with random phases, about ``amplitude`` in size; closes on itself."""
    rng = np.random.default_rng(seed)
    total = np.zeros_like(theta)
    scale = amplitude * float(np.sqrt(2.0 / len(orders)))
    # Powers of exp(i theta) by multiplication: a third of the time that as many cosines take.
    step = np.empty(theta.shape, dtype=np.complex64)
    step.real, step.imag = np.cos(theta), np.sin(theta)
    wave = step ** orders[0]
    for n, _ in enumerate(orders):
        if n:
            wave *= step
        weight, phase = scale * float(rng.uniform(0.5, 1.3)), float(rng.uniform(0, 6.283))
        total += (weight * math.cos(phase)) * wave.real
        total -= (weight * math.sin(phase)) * wave.imag
    return total


def chances(noise: Noise, index: Real, seed: int) -> F32:
    """Uniform random numbers 0..1 that belong to whole numbers ``index``, shape of index."""
    row = noise.table.reshape(-1)
    return np.asarray(row.take((index.astype(np.int64) + seed * 37) % len(row)), dtype=np.float32)


def smoothstep(low: float | Real, high: float | Real, x: Real) -> F32:
    """0 below ``low``, 1 above ``high``, smooth between; falls instead if ``low > high``."""
    t = np.clip((x - low) * (1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def _spectral(
    rng: np.random.Generator, shape: tuple[int, ...], exponent: float, shortest: float, longest: float
) -> F32:
    # White noise filtered to a power law k^-exponent between two wavelengths (in cells).
    white = np.fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
    axes = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    k = np.sqrt(sum(a**2 for a in np.meshgrid(*axes, indexing="ij")))
    k[(0,) * len(shape)] = 1.0
    gain = np.where((k >= 1.0 / longest) & (k <= 1.0 / shortest), k ** (-exponent / 2.0), 0.0)
    gain[(0,) * len(shape)] = 0.0
    field = np.fft.irfftn(white * gain, s=shape, axes=tuple(range(len(shape))))
    return np.asarray(field / field.std(), dtype=np.float32)


def _rotation() -> F32:
    q, _ = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))
    return np.asarray(q, dtype=np.float32)


_ROTATION = _rotation()
