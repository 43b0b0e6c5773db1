"""Weighted cross-entropy of several labels: a present label counts as many times as it is absent for once present in train.

−[w t ln σ(z) + (1 − t) ln(1 − σ(z))] with w = (negatives / positives)^power of the label's train rows, the mean over rows and
classes. With power 1 its presence and its absence weigh alike over train, so a rare label's probability comes out far too
high; power 0 is plain cross-entropy. A label without a positive has w = 1.

Source: the textbook form, as torch.nn.functional computes it.

>>> import torch
>>> loss = build("multi", (10, 20), Params(), rows=40)  # w is 3 and 1
>>> round(loss(torch.zeros(1, 2), torch.tensor([[1, 1]])).item(), 6)  # 2 ln 2
1.386294
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses._positives import positive_weights
from pqrst.losses._weighting import average
from pqrst.parsing import Between

TASKS = ("multi",)


@dataclass(frozen=True)
class Params:
    """How far rarity counts: 0 not at all, 1 in full."""

    power: Annotated[float, Between(0, 1)] = 1.0


class WeightedCrossEntropy(nn.Module):
    """Take logits (B, C), targets (B, C) of 0 and 1, and optional weights (B,) to a scalar."""

    positive: Tensor

    def __init__(self, positive: Tensor) -> None:
        super().__init__()
        self.register_buffer("positive", positive)

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        target, positive = target.to(logits.dtype), self.positive.to(logits.dtype)
        losses = F.binary_cross_entropy_with_logits(logits, target, pos_weight=positive, reduction="none")
        return average(losses, weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params, rows: int | None = None) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss from the positives of the train rows by label and the number of rows; without it, as if each had one label."""
    return WeightedCrossEntropy(positive_weights(class_counts, rows) ** p.power)
