"""open_clip's losses, told which pairs of a batch are true, false or unknown.

In a batch of tiles many captions are true of more than their own tile: every dune field is a dune field.
The plain losses punish such pairs as negatives. Here a truth matrix says +1 (true), -1 (false) or
0 (unknown: no gradient).
"""

from __future__ import annotations

import torch
from open_clip.loss import ClipLoss, SigLipLoss


def pair_truth(
    tile_labels: torch.Tensor, text_labels: torch.Tensor, tile_texts: torch.Tensor, texts: torch.Tensor
) -> torch.Tensor:
    """Truth of captions about tiles, as far as it is known.

    A caption is true of every tile that has it among its own. If the tile it was written for shares a
    landform with another tile, it may be true of that one too: unknown. Otherwise it is false.

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

    Returns
    -------
    Shape (n, m), float: +1, 0 or -1.
    """
    shared = (tile_labels.float() @ text_labels.float().T) > 0
    own = (tile_texts[:, :, None] == texts).any(dim=1)
    return torch.where(own, 1.0, torch.where(shared, 0.0, -1.0))


class TruthSigLipLoss(SigLipLoss):  # type: ignore[misc]
    """The sigmoid loss (Zhai et al. 2023) with the truth of each of (n, m) pairs given."""

    def forward(
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        logit_bias: torch.Tensor,
        truth: torch.Tensor,
    ) -> torch.Tensor:
        """Mean over tiles of the summed log-sigmoid losses of their pairs."""
        self._truth = truth
        loss: torch.Tensor = self._loss(image_features, text_features, logit_scale, logit_bias)
        return loss

    def get_ground_truth(
        self, device: torch.device, dtype: torch.dtype, num_logits: int, negative_only: bool = False
    ) -> torch.Tensor:
        """The truth given to `forward`: a factor 0 makes a pair's loss a constant."""
        return self._truth.to(device=device, dtype=dtype)


class TruthClipLoss(ClipLoss):  # type: ignore[misc]
    """The softmax loss (Radford et al. 2021) in which only false pairs are negatives; n = m."""

    def forward(
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        truth: torch.Tensor,
    ) -> torch.Tensor:
        """Mean of the cross entropies of tiles over captions and captions over tiles."""
        # Of several true captions in a batch only the tile's own counts: it stands on the diagonal.
        self._unknown = (truth >= 0) & ~torch.eye(len(truth), dtype=torch.bool)
        loss: torch.Tensor = super().forward(image_features, text_features, logit_scale)
        return loss

    def get_logits(
        self,
        image_features: torch.Tensor,
        text_features: torch.Tensor,
        logit_scale: torch.Tensor,
        logit_bias: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """open_clip's logits with the unknown pairs taken out of the softmax."""
        per_image, per_text = super().get_logits(image_features, text_features, logit_scale, logit_bias)
        gone = float("-inf")
        return per_image.masked_fill(self._unknown, gone), per_text.masked_fill(self._unknown.T, gone)
