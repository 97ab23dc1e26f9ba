"""What is done for many positions at once gives what is done for few: polygons, strata, cells, ground."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import BODIES
from retrieval.spatial import shapes as spatial_shapes
from retrieval.spatial.observed import Observed, whole_body
from retrieval.spatial.rings import normalised
from retrieval.spatial.strata import _Ground

BODY = BODIES["mars"]


@given(st.integers(0, 2**31))
def test_many_positions_lie_in_the_polygons_that_few_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = [
        shapely.box(west, south, west + wide, min(south + tall, 90.0))
        for west, south, wide, tall in zip(
            rng.choice([-180.0, -170.0, 0.0, 100.0, 160.0], 8),
            rng.choice([-90.0, -60.0, 0.0, 70.0], 8),
            rng.choice([10.0, 20.0, 80.0], 8),
            rng.choice([5.0, 30.0], 8),
            strict=True,
        )
    ]
    polygons = normalised([*boxes, shapely.Point(3.0, 4.0)], BODY)[0]
    lon = rng.choice([-180.0, -175.0, -170.0, 0.0, 3.3, 105.0, 170.0, 179.5], 200)
    lat = rng.choice([-90.0, -89.0, -60.0, -1.0, 0.0, 2.5, 75.0, 90.0], 200)
    points = np.stack([lon, lat], axis=-1)
    few = spatial_shapes.inside(points, polygons)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spatial_shapes, "MANY_POINTS", 1)
        np.testing.assert_array_equal(spatial_shapes.inside(points, polygons), few)
    assert (few >= 0).any()


@given(st.integers(0, 2**31), st.booleans())
def test_ground_is_drawn_from_the_cell_that_holds_it(seed: int, in_part: bool) -> None:
    rng = np.random.default_rng(seed)
    whole = whole_body(BODY, 700.0)
    share = rng.random(len(whole.cells)) ** 6 if in_part else np.ones(len(whole.cells))
    ground = _Ground(Observed(whole.grid, whole.cells, share, None, ""), rng.integers(-1, 3, len(share)))
    area = np.concatenate([rng.uniform(0.0, ground.area[-1], 500), ground.area])
    expected = np.clip(np.searchsorted(ground.area, area, side="right") - 1, 0, len(ground.cells) - 1)
    np.testing.assert_array_equal(ground.ladder.step_of(area), expected)
