"""The tasks of MarsRetrieval: against plain ways of computing them, on small data, and with bad data."""

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import cli
from retrieval.body import get_body
from retrieval.errors import SettingsError
from retrieval.evaluate.geolocalization import match, published, strict
from retrieval.evaluate.marsretrieval import evaluate_marsretrieval, read_tasks
from retrieval.index import TileIndex
from tests.fakes import PatternEncoder, PatternSource

LOWELL = get_body("lowell")
PLACES = st.lists(st.tuples(st.floats(-180, 179.9), st.floats(-90, 90)), min_size=1, max_size=6)


def plain_published(scores: list[float], tiles: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """Best F1 and area, one depth at a time, by the words of the protocol; fewer than 200 tiles."""
    order = sorted(range(len(scores)), key=lambda row: -scores[row])
    curve = []
    for depth in range(1, len(order) + 1):
        top = tiles[order[:depth]]
        away = np.hypot(*np.moveaxis(top[:, None] - points[None], -1, 0))
        curve.append(((away.min(axis=1) <= 0.5).mean(), (away.min(axis=0) <= 0.5).mean()))
    best = max(2 * p * r / (p + r) if p + r else 0.0 for p, r in curve)
    area = sum((r2 - r1) * (p1 + p2) / 2 for (p1, r1), (p2, r2) in itertools.pairwise(curve))
    return best, area


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 10_000))
def test_published_figures_are_those_of_the_protocol(tiles: int, points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places, targets = rng.uniform(0, 2, (tiles, 2)), rng.uniform(0, 2, (points, 2))
    scores = rng.integers(0, 5, tiles).astype(float)
    found = published(scores, places, targets)
    best, area = plain_published(scores.tolist(), places, targets)
    assert found["f1"] == pytest.approx(best)
    assert found["auprc"] == pytest.approx(area)


def test_published_figures_are_planar_and_cut_off() -> None:
    tiles = np.array([[179.9, 0.0], [10.0, 80.0], [0.0, 0.0]])
    points = np.array([[-179.9, 0.0], [10.6, 80.0]])
    # 0.2 degrees apart over the antimeridian, and 0.1 great-circle degrees apart: neither is seen.
    assert published([3, 2, 1], tiles, points)["f1"] == 0.0
    assert len(match(LOWELL, tiles, points, 5.0)) == 2
    near = np.array([[0.0, 0.5]])
    assert published([3, 2, 1], tiles, near) == {
        "f1": pytest.approx(0.5),
        "precision": pytest.approx(1 / 3),
        "recall": 1.0,
        "k": 3,
        "auprc": pytest.approx((0 + 1 / 3) / 2),
    }
    assert published([3, 2, 1], tiles, near, depth=2)["f1"] == 0.0
    assert published([1.0], tiles[:1], np.zeros((0, 2)))["f1"] == 0.0


def most_pairs(near: np.ndarray) -> int:
    """Maximum matching by trying everything."""
    if not near.size:
        return 0
    without = most_pairs(near[1:])
    return max([without] + [1 + most_pairs(np.delete(near[1:], j, axis=1)) for j in np.flatnonzero(near[0])])


def least_total(away: np.ndarray, pairs: int) -> float:
    """Least sum of distances of that many pairs by trying everything; infinite distances are none."""
    if not pairs:
        return 0.0
    if not away.size:
        return float("inf")
    taken = [
        away[0, j] + least_total(np.delete(away[1:], j, axis=1), pairs - 1)
        for j in np.flatnonzero(np.isfinite(away[0]))
    ]
    return min([least_total(away[1:], pairs), *taken])


@given(PLACES, PLACES, st.floats(10, 1400), st.integers(0, 1000))
def test_matching_is_one_to_one_the_greatest_and_the_nearest(
    tiles: list[tuple[float, float]], points: list[tuple[float, float]], reach_km: float, seed: int
) -> None:
    away = LOWELL.distance_km(np.array(tiles)[:, None], np.array(points)[None])
    if (np.abs(away - reach_km) < 1e-6).any():
        return
    pairs = match(LOWELL, tiles, points, reach_km)
    assert len(set(pairs.tile)) == len(set(pairs.point)) == len(pairs) == most_pairs(away <= reach_km)
    assert pairs.distance_km == pytest.approx(away[pairs.tile, pairs.point])
    near = np.where(away <= reach_km, away, np.inf)
    assert pairs.distance_km.sum() == pytest.approx(least_total(near, len(pairs)), abs=1e-4)
    # Features: the nearest of their tiles stands for them.
    labels = np.random.default_rng(seed).integers(0, 3, len(tiles))
    joined = np.stack([near[labels == label].min(axis=0) for label in np.unique(labels)])
    found = match(LOWELL, tiles, points, reach_km, labels)
    assert len(set(labels[found.tile])) == len(found) == most_pairs(np.isfinite(joined))


def test_one_point_makes_one_tile_right() -> None:
    around = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5], [90.0, 0.0]])
    hits = np.array([True, True, True, False])
    points = [[0.1, 0.1], [90.0, 0.1]]
    nearest = LOWELL.distance_km(around[0], points[0])
    found = strict(LOWELL, hits, around, points, 20.0)
    expected = {"recall": 0.5, "matched": 1, "points": 2, "mean_km": pytest.approx(float(nearest))}
    assert found == {"precision": pytest.approx(1 / 3), "f1": pytest.approx(2 / 5), "hits": 3, **expected}
    # The three touch: as one feature they are right, and nothing is wrong.
    joined = strict(LOWELL, hits, around, points, 20.0, [4, 4, 4])["features"]
    assert joined == {"precision": 1.0, "f1": pytest.approx(2 / 3), "hits": 1, **expected}
    assert len(match(LOWELL, np.zeros((0, 2)), [[0, 0]], 5.0)) == 0
    assert strict(LOWELL, np.zeros(4, dtype=bool), around, points, 20.0, [])["features"]["mean_km"] is None


@pytest.fixture
def data(tmp_path: Path, pattern_source: PatternSource, tiny_index: TileIndex) -> Path:
    """Each layout, drawn with the picture code: pairs/, classes/ and catalogues/."""
    labels = pattern_source.labels(tiny_index.grid)
    rng = np.random.default_rng(0)
    rows = ["file,caption"]
    (tmp_path / "pairs").mkdir()
    (tmp_path / "catalogues").mkdir()
    for key in ("pitted_cones", "gullies", "lava_flow"):
        tiles = np.flatnonzero(labels[key] & (labels.sum(axis=1) == 1))[:4]
        folder = tmp_path / "classes" / key
        folder.mkdir(parents=True)
        for tile, pixels in zip(tiles, pattern_source.read(tiny_index.grid, tiles, 32).pixels, strict=True):
            Image.fromarray(pixels).save(folder / f"{tile}.png")
        Image.open(folder / f"{tiles[0]}.png").save(tmp_path / "pairs" / f"{key}.png")
        rows.append(f'{key}.png,"an image of {key.replace("_", " ")}"')
        centres = tiny_index.grid.centres(np.flatnonzero(labels[key]))
        lines = [
            f"{lon + x:.4f},{lat:.4f}"
            for (lon, lat), x in zip(centres, rng.uniform(0, 0.4, len(centres)), strict=True)
        ]
        (tmp_path / "catalogues" / f"{key}.csv").write_text("\n".join(["lon,lat", *lines]))
    (tmp_path / "pairs" / "pairs.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_all_three_tasks_on_a_code_that_can_be_read(
    data: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    tasks = read_tasks([data / "pairs", data / "classes", data / "catalogues", tiny_index.folder])
    assert tasks.index == tiny_index.folder
    report = evaluate_marsretrieval(tasks, pattern_encoder, ["{}"], tiny_index, resamples=20)
    assert report["paired"]["pairs"]["image_to_text"]["r_1"] == 1.0
    assert report["paired"]["pairs"]["pairs"] == 3
    classes = report["landforms"]["classes"]
    assert classes["map"] == classes["hit_10"] == 1.0
    assert classes["random"]["map"] < 0.9
    where = report["geolocalization"]
    assert where["macro_f1_strict"] > 0.9
    assert where["macro_f1_strict_random"] < 0.3
    cones = where["classes"]["pitted_cones"]
    assert cones["strict"]["reach_km"] == 60.0
    assert cones["strict"]["tilewise"]["ap"] > 0.3
    assert 0 < cones["strict"]["mean_km"] < 60.0
    assert 0 < cones["strict"]["features"]["hits"] < cones["strict"]["hits"]
    assert cones["random"]["strict"]["features"]["f1"] < cones["strict"]["features"]["f1"]
    assert cones["entries"] >= cones["strict"]["points"]
    assert cones["published"]["f1"] > cones["random"]["published"]["f1"]
    assert "NaN" not in json.dumps(report)
    with pytest.raises(SettingsError, match="index"):
        evaluate_marsretrieval(tasks, pattern_encoder, ["{}"])


def spoil_class(data: Path) -> Path:
    (data / "classes" / "empty").mkdir()
    return data / "classes"


def double_class(data: Path) -> Path:
    (data / "classes" / "Pitted-Cones").mkdir()
    Image.new("L", (20, 20), 9).save(data / "classes" / "Pitted-Cones" / "a.png")
    return data / "classes"


def lose_picture(data: Path) -> Path:
    (data / "pairs" / "gullies.png").unlink()
    return data / "pairs"


def lose_caption(data: Path) -> Path:
    (data / "pairs" / "pairs.csv").write_text("file,caption\ngullies.png,\n")
    return data / "pairs"


def empty_folder(data: Path) -> Path:
    (data / "void").mkdir()
    return data / "void"


def tear_picture(data: Path) -> Path:
    (data / "classes" / "gullies" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    return data / "classes"


BAD: list[tuple[Callable[[Path], Path], str]] = [
    (spoil_class, "empty"),
    (double_class, "twice"),
    (lose_picture, "gullies.png"),
    (lose_caption, "no caption"),
    (empty_folder, "void"),
    (tear_picture, "torn.png"),
    (lambda data: data / "missing", "missing"),
    (lambda data: data / "catalogues", "--index"),
]


@pytest.mark.parametrize(("spoil", "said"), BAD, ids=[said for _, said in BAD])
def test_bad_data_are_refused_in_one_line(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    spoil: Callable[[Path], Path],
    said: str,
) -> None:
    monkeypatch.setenv("AREOGRAPHER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["areographer", "evaluate", "marsretrieval", str(spoil(data))])
    assert cli.run() == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert said in lines[0]


def test_the_verb_prints_the_figures_of_the_shipped_encoder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AREOGRAPHER_HOME", str(tmp_path / "home"))
    argv = ["areographer", "evaluate", "marsretrieval", str(data / "pairs"), str(data / "classes")]
    monkeypatch.setattr(sys, "argv", [*argv, "--json"])
    assert cli.run() == 0
    report = json.loads(capfd.readouterr().out)
    assert report["encoder"] == "areo-mini"
    assert set(report["landforms"]["classes"]["classes"]) == {"pitted_cones", "gullies", "lava_flow"}
    monkeypatch.setattr(sys, "argv", argv)
    assert cli.run() == 0
    assert "median rank" in capfd.readouterr().out
