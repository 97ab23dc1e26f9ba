"""Our figures of MarsRetrieval's geo-localization against a reading of its protocol, on the same files."""

import csv
from pathlib import Path

import numpy as np
import pytest

from retrieval.body import get_body
from retrieval.evaluate.geolocalization import published, strict
from tests.marsretrieval_reading import made_up, name_of, place_of, read_protocol

FIGURES = ("f1", "precision", "recall", "k", "auprc")


def arrays(predictions: Path, truth: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with predictions.open(newline="") as file:
        tiles = list(csv.DictReader(file))
    with truth.open(newline="") as file:
        points = [(float(row["lon"]), float(row["lat"])) for row in csv.DictReader(file)]
    scores = np.array([float(tile["similarity"]) for tile in tiles])
    return scores, np.array([place_of(tile["image_name"]) for tile in tiles]), np.array(points)


# Fewer tiles than depths, depths that do not end on the last tile, and more tiles than are kept.
@pytest.mark.parametrize(
    ("tiles", "points", "seed"), [(7, 3, 1), (99, 1, 2), (250, 40, 3), (2_345, 60, 4), (20_450, 25, 5)]
)
def test_published_figures_are_those_of_the_protocol_as_it_was_read(
    tmp_path: Path, tiles: int, points: int, seed: int
) -> None:
    files = made_up(tmp_path, tiles, points, seed)
    scores, corners, truth = arrays(*files)
    assert len(np.unique(scores)) == tiles
    expected = read_protocol(*files)
    found = published(scores, corners, truth)
    assert {name: found[name] for name in FIGURES} == pytest.approx(
        {name: expected[name] for name in FIGURES}, abs=1e-9, rel=0
    )
    if tiles > 1000:
        assert 0.05 < found["f1"] < 1.0
        hits = scores >= np.sort(scores)[-int(found["k"])]
        exact = strict(get_body("mars"), hits, corners + 0.1, truth, 12.0)
        assert 0 < exact["f1"] < found["f1"]


def test_tiles_are_named_after_their_corners() -> None:
    for corner in [(12.2, 4.0), (-12.2, -4.0), (0.0, 0.2), (-180.0, -87.8)]:
        assert place_of(name_of(*corner)) == corner
    with pytest.raises(ValueError, match="corner"):
        place_of("tile.png")
