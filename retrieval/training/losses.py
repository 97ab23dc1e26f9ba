"""open_clip's losses, told which pairs of a batch are true, false or unknown.

In a batch of tiles many captions are true of more than their own tile: every dune field is a dune field.
The plain losses punish such pairs as negatives. Here a truth matrix says what is known: its sign says true
or false, its magnitude (0..1) how much the pair counts. 0 is unknown: no gradient.
"""

from __future__ import annotations

import warnings

import torch
from open_clip.loss import ClipLoss, SigLipLoss


def pair_truth(
    tile_labels: torch.Tensor,
    text_labels: torch.Tensor,
    tile_texts: torch.Tensor,
    texts: torch.Tensor,
    tile_known: torch.Tensor | None = None,
    text_known: torch.Tensor | None = None,
    unknown_weight: float = 0.0,
) -> torch.Tensor:
    """Truth of captions about tiles, as far as it is known.

    A caption is true of every tile that has it among its own. If the tile it was written for shares a
    landform with another tile, it may be true of that one too: unknown. If the two could share one, for
    all that labels say, it counts as false a little. Otherwise it is false.

    Parameters
    ----------
    tile_labels
        Landforms of the tiles, shape (n, k), bool.
    text_labels
        Landforms of the tiles that the captions were written for, shape (m, k), bool.
    tile_texts
        Numbers of all captions of the tiles, shape (n, c).
    texts
        Numbers of the captions, shape (m,).
    tile_known, text_known
        Where the labels are known, shapes (n, k) and (m, k), bool; None: everywhere.
    unknown_weight
        How much a pair that labels leave open counts as false, 0..1.

    Returns
    -------
    Shape (n, m), float, -1..1.
    """
    own = (tile_texts[:, :, None] == texts).any(dim=1)
    shared = (tile_labels.float() @ text_labels.float().T) > 0
    possible = shared
    if tile_known is not None and text_known is not None:
        tile_possible, text_possible = tile_labels | ~tile_known, text_labels | ~text_known
        possible = (tile_possible.float() @ text_possible.float().T) > 0
    other = torch.where(shared, 0.0, torch.where(possible, -unknown_weight, -1.0))
    return torch.where(own, 1.0, other)


class TruthSigLipLoss(SigLipLoss):  # type: ignore[misc]
    """The sigmoid loss (Zhai et al. 2023) with the truth of each of (n, m) pairs given.

    Parameters
    ----------
    smoothing
        Probability that a truth is wrong.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__()
        self._smoothing = smoothing

    def forward(
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        logit_bias: torch.Tensor,
        truth: torch.Tensor,
    ) -> torch.Tensor:
        """Mean over tiles of the summed, weighed log-sigmoid losses of their pairs."""
        logits = truth.sign() * self.get_logits(image_features, text_features, logit_scale, logit_bias)
        value = torch.nn.functional.logsigmoid(logits)
        if self._smoothing:
            value = value - self._smoothing * logits  # log s(-x) = log s(x) - x
        return -(truth.abs() * value).sum() / len(image_features)


class TruthClipLoss(ClipLoss):  # type: ignore[misc]
    """The softmax loss (Radford et al. 2021) in which pairs are negatives as far as they are false.

    With several processes each takes its own tiles against the captions of all, and its own captions
    against the tiles of all: the mean over processes is the loss of the whole batch.

    Parameters
    ----------
    rank, size
        Number of this process, and of how many, that share one batch.
    smoothing
        Probability that a tile's own caption is not the right one.
    """

    def __init__(self, rank: int = 0, size: int = 1, smoothing: float = 0.0) -> None:
        super().__init__(local_loss=True, gather_with_grad=True, rank=rank, world_size=size)
        self._smoothing = smoothing

    def forward(
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        truth: torch.Tensor,
        truth_of_texts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean of the cross entropies of tiles over captions and captions over tiles.

        Parameters
        ----------
        image_features, text_features
            Unit vectors of this process, shape (n, d).
        logit_scale
            Factor from cosine to logit.
        truth
            Of the captions of all processes about these tiles, shape (n, n * size).
        truth_of_texts
            Of these captions about the tiles of all processes, shape (n, n * size); with one process it
            need not be given.
        """
        # Of several true captions in a batch only the tile's own counts: it stands on the diagonal.
        target = torch.arange(len(truth), device=truth.device) + len(truth) * self.rank
        with warnings.catch_warnings():
            # open_clip gathers by a function of torch that is to be replaced.
            warnings.filterwarnings("ignore", "torch.distributed.nn.functional", FutureWarning)
            per_tile, per_text = self.get_logits(image_features, text_features, logit_scale)
        total = torch.zeros((), device=per_tile.device)
        of_texts = truth.T if truth_of_texts is None else truth_of_texts
        for logits, known in ((per_tile, truth), (per_text, of_texts)):
            weight = (-known).clamp(0, 1).scatter(1, target[:, None], 1.0)
            # A weight inside the softmax is its logarithm on the logit: 0 takes the pair out.
            weighed = logits.masked_fill(weight == 0, float("-inf")) + weight.clamp(min=1e-6).log()
            likelihood = torch.nn.functional.log_softmax(weighed, dim=1)
            right = likelihood.gather(1, target[:, None])[:, 0]
            if self._smoothing:
                kept = weight > 0
                mean = likelihood.masked_fill(~kept, 0.0).sum(dim=1) / kept.sum(dim=1)
                right = (1 - self._smoothing) * right + self._smoothing * mean
            total = total - right.mean() / 2
        return total
