"""Which way the texture of a picture runs: structure tensors, and the shading taken out of them.

Dunes, yardangs and graben show as stripes. The structure tensor of a picture (Bigun & Granlund 1987) says
in which direction its grey values change most, so across the stripes. Relief lit from one side changes
most towards the light whatever it is like; `mean_tensor` of many other pictures is what the light alone
does, and `texture_axes` takes that much out of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

Floats = NDArray[np.float64]

GRADIENT_SIGMA_PX = 1.5  # wide enough to see through JPEG noise, narrow enough for dunes of 5 px
FEWEST_PICTURES = 20  # that tell what the light does
ISOTROPIC: Floats = np.array([0.5, 0.5, 0.0])
ISOTROPIC.flags.writeable = False


def structure_tensors(pictures: ArrayLike) -> Floats:
    """Mean products of the brightness gradient (Bigun & Granlund 1987), in units of their own trace.

    Parameters
    ----------
    pictures
        Shape (n, s, s), grey, row 0 in the north, column 0 in the west; 0 is unobserved.

    Returns
    -------
    Shape (n, 3): east-east, north-north, east-north; zeros for a picture without texture.
    """
    grey = np.asarray(pictures, dtype=np.float32)
    side = grey.shape[1]
    sigma = (0.0, GRADIENT_SIGMA_PX, GRADIENT_SIGMA_PX)
    east = gaussian_filter(grey, sigma, order=(0, 0, 1))
    north = -gaussian_filter(grey, sigma, order=(0, 1, 0))
    # A round window: the corners of a square one would favour the diagonals. Edges of gaps are no texture.
    along = (np.arange(side) + 0.5) / side * 2.0 - 1.0
    distance = np.hypot(*np.meshgrid(along, along))
    window = np.where(distance < 0.95, np.cos(np.clip(distance, 0, 1) * np.pi / 2.0) ** 2, 0.0)
    unseen = gaussian_filter((grey == 0).astype(np.float32), sigma)
    weight = window * (unseen < 0.01)
    products = (east * east, north * north, east * north)
    tensors = np.stack([(weight * p).sum(axis=(1, 2), dtype=np.float64) for p in products], axis=-1)
    energy = tensors[:, 0] + tensors[:, 1]
    return np.where(energy[:, None] > 1e-6, tensors / np.maximum(energy, 1e-6)[:, None], 0.0)


def texture_axes(tensors: ArrayLike, shading: ArrayLike = ISOTROPIC) -> tuple[Floats, Floats]:
    """Direction in which texture runs, beside the shading that all pictures share.

    Relief without any direction, lit from one side, has gradients mostly towards the light. So each tensor
    is split into as much of the shared one as it can hold and a rest of rank one (the smaller
    generalised eigenvalue is the share of the first): the rest is what has a direction of its own. With
    an isotropic shared tensor this is the usual coherence, and parallel stripes keep their direction
    under any light.

    Parameters
    ----------
    tensors
        Shape (n, 3), as `structure_tensors` gives them.
    shading
        Shape (3,), trace 1, or one per tensor, (n, 3): the mean over pictures in general, see
        `mean_tensor`.

    Returns
    -------
    Azimuths, shape (n,), 0..180 degrees clockwise from north; coherences, shape (n,), 0 (no direction of
    its own) to 1 (one direction only).
    """
    ee, nn, en = np.moveaxis(np.asarray(tensors, dtype=float), -1, 0)
    shared_ee, shared_nn, shared_en = np.moveaxis(np.asarray(shading, dtype=float), -1, 0)
    # det(J - share B) = 0, a quadratic in the share.
    square = shared_ee * shared_nn - shared_en**2
    linear = ee * shared_nn + nn * shared_ee - 2.0 * en * shared_en
    constant = ee * nn - en**2
    share = (linear - np.sqrt(np.maximum(linear**2 - 4.0 * square * constant, 0.0))) / (2.0 * square)
    rest_ee, rest_nn, rest_en = ee - share * shared_ee, nn - share * shared_nn, en - share * shared_en
    # Azimuth of the gradient, clockwise from north; texture runs across it.
    gradient = 0.5 * np.arctan2(2.0 * rest_en, rest_nn - rest_ee)
    coherence = np.where(ee + nn > 0, np.clip(1.0 - share, 0.0, 1.0), 0.0)
    return (np.degrees(gradient) + 90.0) % 180.0, coherence


def mean_tensor(tensors: ArrayLike) -> Floats:
    """Mean of structure tensors, shape (3,), trace 1; isotropic where there are too few to tell."""
    some = np.asarray(tensors, dtype=float).reshape(-1, 3)
    seen = some[some[:, 0] + some[:, 1] > 0]
    if len(seen) < FEWEST_PICTURES:
        return ISOTROPIC.copy()
    # Never quite of rank one: a little of every direction keeps the split well defined.
    return np.asarray(0.99 * seen.mean(axis=0) + 0.01 * ISOTROPIC)
