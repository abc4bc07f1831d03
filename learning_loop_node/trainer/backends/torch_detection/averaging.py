"""The mean of a model's weights over the last steps, which is better than the weights of any of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

SPAN = 0.03
"""Over which part of all steps weights are averaged."""

LONGEST_SPAN = 5000
"""In steps."""

RISE = 0.3
"""How fast the span grows at the beginning, when weights change a lot, as a part of its final length."""


class Average:
    """`model` has the averaged weights, and predicts with them."""

    def __init__(self, model: nn.Module, step_count: int) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._span = min(max(SPAN * step_count, 2.0), LONGEST_SPAN)
        self._step = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After each step."""
        self._step += 1
        keep = (1 - 1 / self._span) * (1 - math.exp(-self._step / (self._span / RISE)))
        for mean, value in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.mul_(keep).add_(value, alpha=1 - keep)
            else:
                mean.copy_(value)

    def load(self, weights: Mapping[str, Tensor], step: int) -> None:
        """Go on where a training was interrupted."""
        self.model.load_state_dict(weights)
        self._step = step
