"""A moving average of weights: steadier than the last step, and as a rule a better retriever."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch


class MovingAverage:
    """Exponential moving average of a model's weights and statistics.

    The decay per step is min(``decay``, (1 + t) / (10 + t)) after t steps, as TensorFlow's
    ExponentialMovingAverage warms up: about the last ninth of a short run counts.

    Parameters
    ----------
    model
        Its present weights are the first average. The copy is judged and written.
    decay
        The highest decay per step; 0 always takes the present weights.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.model: Any = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._steps = 0

    def update(self, model: torch.nn.Module, steps: int) -> None:
        """Take in the weights of a model, as they are after so many steps."""
        passed, self._steps = steps - self._steps, steps
        decay = min(self.decay, (1 + steps) / (10 + steps)) ** passed if self.decay else 0.0
        mine, theirs = self.model.state_dict(), model.state_dict()
        moving = [key for key, value in mine.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([mine[key] for key in moving], [theirs[key] for key in moving], 1 - decay)
            for key in mine.keys() - set(moving):
                mine[key].copy_(theirs[key])

    def load(self, weights: Mapping[str, torch.Tensor], steps: int) -> None:
        """Continue from the average after so many steps."""
        self.model.load_state_dict(weights)
        self._steps = steps
