"""Long work in geometry and statistics ends at its next look once nobody waits for it."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from retrieval.body import get_body
from retrieval.errors import Cancelled
from retrieval.evaluate.geolocalization import match
from retrieval.spatial.association import associate
from retrieval.spatial.compare import compare
from retrieval.spatial.features import link_points
from retrieval.spatial.nulls import NULLS, make_shifts
from retrieval.spatial.observed import whole_body
from retrieval.spatial.sphere import SphereTree
from retrieval.stop import check_stop, stop_in_hand, stopped_by

MARS = get_body("mars")
RNG = np.random.default_rng(4)
POINTS = np.column_stack([RNG.uniform(-180, 180, 400), RNG.uniform(-60, 60, 400)])
GROUND = whole_body(MARS, 200.0)


def classes(lonlat: Any) -> Any:
    return (np.asarray(lonlat)[..., 1] > 0).astype(np.int64)


LONG: dict[str, Callable[[], Any]] = {
    "associate": lambda: associate(MARS, POINTS[:200], POINTS[200:], GROUND, 300.0, shifts=199),
    "compare": lambda: compare(POINTS[:200, 1], POINTS[200:, 1], range(200), range(200)),
    "k nearest": lambda: SphereTree(MARS, POINTS).k_nearest(POINTS, 3),
    "pairs": lambda: SphereTree(MARS, POINTS).pairs(POINTS, 500.0),
    "link points": lambda: link_points(MARS, POINTS, 500.0),
    "match": lambda: match(MARS, POINTS[:200], POINTS[200:], 500.0),
} | {
    f"shifts by {null}": lambda null=null: make_shifts(
        null, MARS, POINTS, GROUND, 19, np.random.default_rng(0), 100.0, strata=classes
    )
    for null in NULLS
    if null != "labels"
}


@pytest.mark.parametrize("name", LONG)
def test_long_work_ends_when_nobody_waits_for_it(name: str) -> None:
    LONG[name]()  # it works
    stop = threading.Event()
    stop.set()
    with stopped_by(stop), pytest.raises(Cancelled):
        LONG[name]()


def test_a_stop_belongs_to_its_block_and_its_thread() -> None:
    stop = threading.Event()
    stop.set()
    heard: list[object] = []
    with stopped_by(stop):
        assert stop_in_hand() is stop
        thread = threading.Thread(target=lambda: heard.append(stop_in_hand()))
        thread.start()
        thread.join()
    assert heard == [None]
    check_stop()
