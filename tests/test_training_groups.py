"""Groups of landforms, weights of folders, and held-out tiles that know other landforms."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from retrieval.errors import SettingsError
from retrieval.training.data import draw_shares, material_of
from retrieval.training.folders import weighted_folders
from retrieval.training.groups import GROUPS, close_groups
from retrieval.training.pairs import Pairs
from retrieval.training.plan import TrainConfig
from retrieval.training.train import train
from tests.training_pairs import KEYS as TRAINED
from tests.training_pairs import WORDS, pictures, small_run, tiny_model, write_folder

CRATERS = GROUPS["impact_crater"]
KEYS = (*CRATERS, "impact_crater", "transverse_dunes", "barchan_dunes", "dark_dune", "bright_dune", "dunes")


def labelled(shown: set[str], absent: set[str], keys: tuple[str, ...] = KEYS) -> Pairs:
    """One tile."""
    labels = np.array([[key in shown for key in keys]])
    known = labels | np.array([[key in absent for key in keys]])
    return Pairs(np.zeros((1, 8, 8), np.uint8), (("a",),), labels, keys, (("x", 1),), known)


def told(pairs: Pairs) -> tuple[set[str], set[str]]:
    """What a tile shows and what it does not."""
    shown = {key for key, label in zip(pairs.keys, pairs.labels[0], strict=True) if label}
    return shown, {key for key, known in zip(pairs.keys, pairs.known[0], strict=True) if known} - shown


def test_a_synthetic_crater_is_a_crater_and_a_real_one_leaves_its_kind_open() -> None:
    kinds = {*CRATERS, "transverse_dunes", "barchan_dunes"}
    drawn = close_groups(labelled({"simple_crater"}, kinds - {"simple_crater"}), GROUPS)
    assert told(drawn) == ({"simple_crater", "impact_crater"}, set(KEYS) - {"simple_crater", "impact_crater"})
    real = close_groups(labelled({"impact_crater"}, {"dark_dune", "bright_dune"}), GROUPS)
    assert told(real) == (
        {"impact_crater"},
        {"dark_dune", "bright_dune"},
    )  # ripples of another kind may be there
    other = close_groups(labelled(set(), {"impact_crater"}), GROUPS)
    assert told(other) == (set(), {*CRATERS, "impact_crater"})


def test_synthetic_tiles_without_dunes_have_no_dark_ones_though_nobody_labels_dunes() -> None:
    keys = ("transverse_dunes", "barchan_dunes", "dark_dune")
    assert told(close_groups(labelled(set(), set(keys[:2]), keys), GROUPS)) == (set(), set(keys))
    assert told(close_groups(labelled({keys[0]}, {keys[1]}, keys), GROUPS)) == ({keys[0]}, {keys[1]})


@given(arrays(bool, (20, len(KEYS))), arrays(bool, (20, len(KEYS))))
def test_closing_forgets_nothing_and_closes_once(labels: np.ndarray, known: np.ndarray) -> None:
    images, labels, known = np.zeros((20, 8, 8), np.uint8), labels & known, known
    pairs = Pairs(images, (("a",),) * 20, labels, KEYS, (("x", 20),), known)
    once = close_groups(pairs, GROUPS)
    assert (once.labels >= labels).all()
    assert (once.known >= known).all()
    assert (once.known >= once.labels).all()
    twice = close_groups(once, GROUPS)
    assert (twice.labels == once.labels).all()
    assert (twice.known == once.known).all()


@given(st.floats(0.1, 50), st.floats(0.1, 50))
def test_a_weight_multiplies_the_share_of_its_tiles(one: float, other: float) -> None:
    pairs = Pairs(
        np.zeros((5, 8, 8), np.uint8),
        (("a",),) * 5,
        np.eye(5, 2, dtype=bool),
        ("a", "b"),
        (("x", 2), ("y", 3)),
        np.ones((5, 2), bool),
    )
    plain, drawn = draw_shares(material_of(pairs)), draw_shares(material_of(pairs), (one, other))
    factor = drawn / plain
    assert drawn.sum() == pytest.approx(1)
    np.testing.assert_allclose(factor / factor[0], np.array([1, 1, *[other / one] * 3]))


def test_weights_of_folders_are_read_or_refused(tmp_path: Path) -> None:
    odd = tmp_path / "a=2"
    odd.mkdir()
    assert weighted_folders(["b", "c=3", "d=0.5", str(odd), f"{odd}=4"]) == (
        (Path("b"), Path("c"), Path("d"), odd, odd),
        (1, 3, 0.5, 1, 4),
    )
    for text in ("b=0", "b=-1", "b=x", "b=", "b=nan", "b=inf"):
        with pytest.raises(SettingsError, match="no weight of a folder"):
            weighted_folders([text])
    with pytest.raises(SettingsError, match="1 weights for 2 folders"):
        TrainConfig((Path("b"), Path("c")), (), tmp_path / "out", (1.0,))
    with pytest.raises(SettingsError, match="weight 0"):
        TrainConfig((Path("b"),), (), tmp_path / "out", (0.0,))


def test_held_out_tiles_may_know_other_landforms(tmp_path: Path) -> None:
    """Those they both show and deny are judged, and the card states the weights."""
    write_folder(tmp_path / "one", 60, seed=1)
    held = tmp_path / "held"
    held.mkdir()
    images, kind = pictures(40, seed=5, size=32)
    with (held / "pairs.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "caption", "landforms", "absent"])
        for n, (image, k) in enumerate(zip(images, kind, strict=True)):
            Image.fromarray(image).save(held / f"{n}.png")
            shown, absent = ("stripes;all", "none") if k == 0 else ("all", "stripes;none")
            table.writerow([f"{n}.png", WORDS[TRAINED[k]][0], shown, absent])
    model = tiny_model(tmp_path / "model", sigmoid=True)
    run = small_run(tmp_path, model, tmp_path / "out", data=(tmp_path / "one",), heldout=(held,), epochs=2)
    report = train(replace(run, weights=(3.0,)))
    assert set(report.scores) == {"stripes"}  # all show "all", none shows "none"
    assert "one (60, drawn 3 times as often)" in (run.out / "README.md").read_text()
