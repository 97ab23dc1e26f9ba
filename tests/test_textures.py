"""Which way texture runs, under light from one side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from retrieval.spatial.directions import apart_deg
from retrieval.spatial.textures import ISOTROPIC, mean_tensor, structure_tensors, texture_axes


def grating(azimuth_deg: float, side: int = 96, period_px: float = 9.0) -> np.ndarray:
    """Stripes that run along an azimuth, clockwise from north; row 0 is the north."""
    x, y = np.meshgrid(np.arange(side), -np.arange(side))
    angle = np.radians(azimuth_deg)
    across = x * np.cos(angle) - y * np.sin(angle)
    return np.asarray(128 + 80 * np.sin(2 * np.pi * across / period_px)).astype(np.uint8)


def rough_ground(rng: np.random.Generator, ridges_deg: float | None = None) -> np.ndarray:
    """Rough ground lit from the east, with or without ridges along an azimuth."""
    height = gaussian_filter(rng.normal(size=(140, 140)), 3)[22:118, 22:118] * 12
    if ridges_deg is not None:
        height = height + 2.0 * (grating(ridges_deg, period_px=12.0) / 128.0 - 1.0)
    return np.clip(128 + 60 * np.gradient(height, axis=1), 1, 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    azimuth=st.floats(0, 180, exclude_max=True),
    period=st.floats(5, 16),
    side=st.sampled_from([64, 96]),
    light=st.sampled_from([(0.5, 0.5, 0.0), (0.7, 0.3, 0.1), (0.2, 0.8, -0.1)]),
)
def test_stripes_run_where_they_run_under_any_light(azimuth, period, side, light) -> None:
    found, coherence = texture_axes(structure_tensors(grating(azimuth, side, period)[None]), np.array(light))
    assert apart_deg(found, azimuth)[0] < 2.0
    assert coherence[0] > 0.85


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_a_turned_picture_has_a_turned_axis(seed) -> None:
    picture = rough_ground(np.random.default_rng(seed))
    (here, turned), (strong, as_strong) = texture_axes(
        structure_tensors(np.stack([picture, np.rot90(picture)]))
    )
    # rot90 turns anticlockwise: what ran along azimuth a runs along a - 90.
    assert apart_deg(turned, here - 90) < 0.1
    assert as_strong == pytest.approx(strong, abs=1e-3)


def test_tensors_have_a_trace_of_one_or_nothing() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    tensors = structure_tensors(np.stack([grating(20, 64), flat, np.zeros((64, 64), np.uint8)]))
    assert tensors[:, 0] + tensors[:, 1] == pytest.approx([1, 0, 0])
    assert texture_axes(tensors)[1][1:].tolist() == [0, 0]


def test_noise_has_no_direction() -> None:
    noise = np.random.default_rng(0).integers(1, 255, (20, 96, 96)).astype(np.uint8)
    assert np.median(texture_axes(structure_tensors(noise))[1]) < 0.1


def test_the_edge_of_a_gap_is_no_texture() -> None:
    picture = grating(30)
    picture[:, :48] = 0
    found, coherence = texture_axes(structure_tensors(picture[None]))
    assert apart_deg(found[0], 30) < 2.0
    assert coherence[0] > 0.9


def test_the_light_is_taken_out_of_rough_ground_and_ridges_stay() -> None:
    rng = np.random.default_rng(3)
    rough = structure_tensors(np.stack([rough_ground(rng) for _ in range(60)]))
    light = mean_tensor(rough)
    assert texture_axes(rough)[1].mean() > 2 * texture_axes(rough, light)[1].mean()
    for azimuth in (20, 45, 70, 135):
        ridges = structure_tensors(np.stack([rough_ground(rng, azimuth) for _ in range(8)]))
        off = apart_deg(texture_axes(ridges, light)[0], azimuth)
        assert np.median(off) < 6
        assert np.median(off) <= np.median(apart_deg(texture_axes(ridges)[0], azimuth))
    # Each picture may have a light of its own.
    same = texture_axes(rough[:5], np.repeat(light[None], 5, axis=0))
    assert np.array_equal(same, texture_axes(rough[:5], light))


def test_too_few_pictures_say_nothing_of_the_light() -> None:
    assert mean_tensor(structure_tensors(np.stack([grating(0)] * 5))).tolist() == ISOTROPIC.tolist()
    assert mean_tensor(np.zeros((0, 3))).tolist() == ISOTROPIC.tolist()
    assert mean_tensor(np.zeros((500, 3))).tolist() == ISOTROPIC.tolist()
