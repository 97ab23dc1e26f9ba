from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss, SigLipLoss

from retrieval.training.losses import TruthClipLoss, TruthSigLipLoss, pair_truth


def vectors(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, 4, generator=generator), dim=-1)


def test_truth_of_pairs() -> None:
    labels = torch.tensor([[True, False], [True, True], [False, True], [False, False]])
    own_texts = torch.tensor([[0, 1], [2, 2], [3, 0], [4, 5]])
    truth = pair_truth(labels, labels[:3], own_texts, torch.tensor([0, 2, 3]))
    assert truth.tolist() == [[1, 0, -1], [0, 1, 0], [1, 0, 1], [-1, -1, -1]]


def test_truth_of_pairs_whose_labels_are_open() -> None:
    labels = torch.tensor([[True, False], [False, True], [False, False], [False, False]])
    known = torch.tensor([[True, True], [True, True], [False, False], [True, False]])
    own = torch.arange(4)[:, None]
    truth = pair_truth(labels, labels, own, torch.arange(4), known, known, unknown_weight=0.25)
    expected = [
        [1, -1, -0.25, -1],  # the last one surely lacks the first landform
        [-1, 1, -0.25, -0.25],
        [-0.25, -0.25, 1, -0.25],
        [-1, -0.25, -0.25, 1],
    ]
    assert truth.tolist() == expected


@given(st.integers(0, 999), st.integers(1, 6), st.integers(0, 4), st.floats(0, 1))
def test_less_known_is_never_more_false(seed: int, n: int, k: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    labels, known = (torch.from_numpy(rng.random((n, k)) < 0.5) for _ in range(2))
    own = torch.arange(n)[:, None]
    sure = pair_truth(labels, labels, own, torch.arange(n))
    labels = labels & known
    less = pair_truth(labels, labels, own, torch.arange(n), known, known, weight)
    assert (less.diagonal() == 1).all()
    assert ((less >= sure) | (sure == 0)).all()
    assert ((less == -1) <= (sure == -1)).all() or weight == 1


def test_pairs_count_by_their_magnitude() -> None:
    tiles, texts = vectors(3, 0), vectors(3, 1)
    truth = torch.tensor([[1.0, 0, -1], [0.5, 1, -1], [-1, -0.25, 1]])
    scale, bias = torch.tensor(5.0), torch.tensor(-2.0)
    logits = scale * tiles @ texts.T + bias
    expected = -(truth.abs() * torch.nn.functional.logsigmoid(truth.sign() * logits)).sum() / 3
    assert TruthSigLipLoss()(tiles, texts, scale, bias, truth).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


@pytest.mark.parametrize("loss", ["sigmoid", "softmax"])
def test_unknown_pairs_have_no_gradient(loss: str) -> None:
    tiles, texts = vectors(3, 0), vectors(3, 1).requires_grad_()
    truth = torch.tensor([[1.0, -1, 0], [-1, 1, 0], [0, 0, 1]])
    scale, bias = torch.tensor(5.0), torch.tensor(-2.0)
    first = tiles[:2]  # with the third tile's own row left out, nothing is known of the third text
    if loss == "sigmoid":
        TruthSigLipLoss()(first, texts, scale, bias, truth[:2]).backward()
    else:
        TruthClipLoss()(tiles, texts, scale, truth).backward()
    assert texts.grad is not None
    assert torch.equal(texts.grad[2], torch.zeros(4))
    assert (texts.grad[:2].norm(dim=1) > 1e-3).all()


def test_full_truth_is_the_plain_loss() -> None:
    tiles, texts = vectors(5, 0), vectors(5, 1)
    truth = 2 * torch.eye(5) - 1
    scale, bias = torch.tensor(5.0), torch.tensor(-2.0)
    plain = ClipLoss()(tiles, texts, scale)
    torch.testing.assert_close(TruthClipLoss()(tiles, texts, scale, truth), plain)
    torch.testing.assert_close(
        TruthSigLipLoss()(tiles, texts, scale, bias, truth), SigLipLoss()(tiles, texts, scale, bias)
    )


def test_a_weight_in_the_softmax_counts_a_pair_in_part() -> None:
    tiles, texts = vectors(2, 0), vectors(2, 1)
    scale = torch.tensor(3.0)
    truth = torch.tensor([[1.0, -0.25], [-0.25, 1.0]])
    logits = torch.exp(scale * tiles @ texts.T)
    rows = logits.diagonal() / (logits.diagonal() + 0.25 * (logits.sum(1) - logits.diagonal()))
    columns = logits.diagonal() / (logits.diagonal() + 0.25 * (logits.sum(0) - logits.diagonal()))
    expected = -(rows.log().mean() + columns.log().mean()) / 2
    torch.testing.assert_close(TruthClipLoss()(tiles, texts, scale, truth), expected)


def test_smoothing_keeps_a_model_from_being_too_sure() -> None:
    logits = torch.tensor([4.0], requires_grad=True)
    unit = torch.ones(1, 1)
    smoothed = TruthSigLipLoss(smoothing=0.1)
    smoothed(unit, unit, torch.ones(()), logits - 1, unit).backward()
    expected = -(0.9 * torch.sigmoid(-torch.tensor(4.0)) - 0.1 * torch.sigmoid(torch.tensor(4.0)))
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(expected.item(), rel=1e-4)
    tiles, texts, truth = vectors(4, 0), vectors(4, 1), 2 * torch.eye(4) - 1
    scale = torch.tensor(10.0)
    reference = torch.nn.functional.cross_entropy(
        scale * tiles @ texts.T, torch.arange(4), label_smoothing=0.1
    ) + torch.nn.functional.cross_entropy(scale * texts @ tiles.T, torch.arange(4), label_smoothing=0.1)
    torch.testing.assert_close(TruthClipLoss(smoothing=0.1)(tiles, texts, scale, truth), reference / 2)
