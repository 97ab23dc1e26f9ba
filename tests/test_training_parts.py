from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.training.assess import f1_score, fit_shift, precision_recall
from retrieval.training.augment import augment, speaks_of_direction
from retrieval.training.data import draw_shares, material_of, read_shared, write_shared
from retrieval.training.pairs import Pairs, read_pairs
from retrieval.training.texts import Texts
from tests.training_pairs import KEYS, WORDS, write_folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    return read_pairs([write_folder(tmp_path_factory.mktemp("pairs") / "one", 60, seed=1)])


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("gullies facing north", True),
        ("ridges trending NE-SW", True),
        ("a fan in the upper left", True),
        ("dunes at 30°", True),
        ("wrinkle ridges on plains", False),
        ("a newly formed crater with a crest", False),
    ],
)
def test_directions_in_captions_are_noticed(caption: str, expected: bool) -> None:
    assert speaks_of_direction(caption) is expected


def gradient_tiles(n: int) -> NDArray[np.uint8]:
    """Dark on the left, bright on the right, a gap in the lower half."""
    tiles = np.repeat(np.linspace(40, 220, 32, dtype=np.uint8)[None, None], 32, axis=1).repeat(n, axis=0)
    tiles[:, 24:] = 0
    return tiles


def test_a_tile_that_must_not_turn_keeps_its_sides() -> None:
    out = augment(gradient_tiles(40), np.zeros(40, dtype=bool), np.random.default_rng(0)).numpy()[:, 0]
    assert (out[:, :16, 24:].mean(axis=(1, 2)) > out[:, :16, :8].mean(axis=(1, 2))).all()
    assert (out[:, 30:, 12:20] == 0).mean() > 0.9
    assert (out[:, 4:16] >= 1).all()


def test_a_tile_that_may_turn_does() -> None:
    out = augment(gradient_tiles(40), np.ones(40, dtype=bool), np.random.default_rng(0)).numpy()[:, 0]
    right = out[:, :, 20:].mean(axis=(1, 2)) > out[:, :, :12].mean(axis=(1, 2))
    assert 5 < right.sum() < 35
    assert out.min() >= 0
    assert out.max() <= 255


def test_augmentation_is_seeded() -> None:
    tiles, turn = gradient_tiles(3), np.ones(3, dtype=bool)
    one, same, other = (augment(tiles, turn, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_real_cameras_flatten_tiles_but_keep_gaps_and_whole_numbers() -> None:
    tiles, still = gradient_tiles(200), np.zeros(200, dtype=bool)
    plain = augment(tiles, still, np.random.default_rng(0), photometric=0.0).numpy()[:, 0]
    real = augment(tiles, still, np.random.default_rng(0), photometric=1.0).numpy()[:, 0]
    np.testing.assert_array_equal(real, np.round(real))
    assert (real[:, 30:, 12:20] == 0).mean() > 0.9
    flat = [(picture[:, 4:16].std(axis=(1, 2)) < 15).mean() for picture in (plain, real)]
    assert flat[0] == 0
    assert 0.1 < flat[1] < 0.6  # half of the tiles, evenly from 6 to 40 in the logarithm


def test_scales_show_more_or_less_of_a_tile() -> None:
    tiles = np.zeros((60, 32, 32), dtype=np.uint8) + 100
    tiles[:, 12:20, 12:20] = 200
    areas = []
    for scales in (1.0, 2.0):
        out = augment(tiles, np.zeros(60, bool), np.random.default_rng(1), scales=scales, photometric=0)
        areas.append((out[:, 0] > out[:, 0].mean(dim=(1, 2), keepdim=True) + 10).float().mean(dim=(1, 2)))
    assert areas[1].std() > 3 * areas[0].std()


@given(st.integers(8, 40), st.integers(1, 4), st.integers(0, 99))
def test_any_size_of_tile_is_augmented(side: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiles = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
    out = augment(tiles, rng.random(n) < 0.5, rng, photometric=1.0, scales=1.5)
    assert out.shape == (n, 1, side, side)
    assert bool(torch.isfinite(out).all())
    assert 0 <= out.min() <= out.max() <= 255


def texts_of(pairs: Pairs) -> Texts:
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    groups = {"marks": ("stripes", "spots"), "none": ("x",)}
    return Texts(tokenizer, pairs, WORDS, ("terrain with {}",), groups)


def test_texts_of_a_step(pairs: Pairs) -> None:
    texts, rng, rows = texts_of(pairs), np.random.default_rng(0), np.arange(20)
    tokens, numbers, turnable = texts.captions(rows, rng)
    assert tokens.shape == (20, 77)
    assert (texts.numbers[rows] == numbers[:, None]).any(axis=1).all()
    assert 0 < turnable.sum() < 20  # one caption in four faces north
    assert len(texts.names(rng)) == texts.names_count == 4  # three landforms and one group of known ones
    assert {"stripes", "orbit", "terrain"} <= set(texts.words)
    foreign = texts.foreign(5, rng)
    assert foreign.shape == (5, 77)
    assert "stripes" not in open_clip.get_tokenizer("ViT-B-32").decode(foreign.flatten().tolist())


def test_names_are_true_false_or_unknown(pairs: Pairs) -> None:
    texts = texts_of(pairs)
    labels = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 0]], dtype=bool)
    known = np.array([[1, 0, 1], [1, 1, 1], [1, 0, 0]], dtype=bool)
    truth = texts.truth(labels, known)
    assert truth.tolist() == [[1, 0, -1, 1], [-1, -1, 1, -1], [-1, 0, 0, 0]]  # the last: stripes or spots


def test_pairs_without_landforms_have_no_names(pairs: Pairs) -> None:
    none = np.zeros((len(pairs), 0), dtype=bool)
    texts = texts_of(replace(pairs, keys=(), labels=none, known=none))
    assert texts.names_count == 0
    assert texts.names(np.random.default_rng(0)).shape == (0, 77)
    assert texts.truth(none, none).shape == (len(pairs), 0)
    assert texts.kinship().shape == (0, 0)


def test_a_tokenizer_without_a_word_list_gives_no_foreign_texts(pairs: Pairs) -> None:
    plain = open_clip.get_tokenizer("ViT-B-32")
    texts = Texts(lambda batch: plain(batch), pairs, WORDS, ())
    assert texts.foreign(5, np.random.default_rng(0)).shape == (0, 77)


def test_what_processes_share_is_the_same_in_a_file(pairs: Pairs, tmp_path: Path) -> None:
    material, texts = material_of(pairs), texts_of(pairs)
    write_shared(tmp_path / "material.pt", material, texts)
    again, restore = read_shared(tmp_path / "material.pt")
    for name in ("images", "labels", "known"):
        np.testing.assert_array_equal(getattr(again, name), getattr(material, name))
    assert (again.keys, again.sources) == (material.keys, material.sources) == (KEYS, (("one", 60),))
    restored = restore(open_clip.get_tokenizer("ViT-B-32"))
    for draw in (
        Texts.names,
        lambda t, rng: t.captions(np.arange(9), rng)[0],
        lambda t, rng: t.foreign(3, rng),
    ):
        one, other = (draw(t, np.random.default_rng(3)) for t in (texts, restored))
        assert torch.equal(one, other)


def test_tiles_of_unknown_landforms_are_drawn_like_the_mean(pairs: Pairs) -> None:
    known = pairs.known.copy()
    labels = pairs.labels.copy()
    known[:5], labels[:5] = False, False
    shares = draw_shares(material_of(replace(pairs, known=known, labels=labels)))
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares[:5], shares[5:].mean())


@given(st.integers(0, 99), st.floats(-5, 5))
def test_a_shift_makes_as_many_expected_as_there_are(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 2, 300)
    truth = rng.random(300) < 1 / (1 + np.exp(-odds - shift))
    found = fit_shift(odds, truth)
    if 0 < truth.sum() < 300:
        assert (1 / (1 + np.exp(-odds - found))).sum() == pytest.approx(truth.sum(), abs=0.1)
    else:
        assert found == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_precision_and_recall_at_every_threshold(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    positive = np.array([truth for _, truth in pairs])
    precision, recall = precision_recall(scores, positive)
    for threshold, p, r in zip(sorted(set(scores), reverse=True), precision, recall, strict=True):
        chosen = scores >= threshold
        assert p == pytest.approx((chosen & positive).sum() / chosen.sum())
        assert r == pytest.approx((chosen & positive).sum() / max(1, positive.sum()))
        if p + r > 0:
            assert f1_score(chosen, positive) == pytest.approx(2 * p * r / (p + r))
