"""Inverted weight logarithmic loss: cross-entropy that weighs a row the more, the worse it is predicted.

With u = −ln softmax(z)_y, the loss is u(1 + u)^γ, the mean over rows; its derivative is (1 + u)^(γ−1) (1 + (1 + γ)u).
γ = 0 is cross-entropy. No class frequency enters: rare classes gain only because they are hard. Where focal loss shrinks
the easy rows, this one enlarges the hard ones, without bound.
The multi form is ours: u is the binary cross-entropy of each cell, and the mean runs over rows and classes.

Source: github.com/ScaleMind-C9308A/HeartResearch; arXiv:2407.20249. There γ is 0.3, and 2 for the SPH headline.

>>> import torch
>>> loss = build("single", (10, 10), Params(gamma=1.0))
>>> round(loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item(), 6)
1.1736
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses._weighting import average, check_softmax, fed_again
from pqrst.parsing import Between

TASKS = ("single", "multi")


@dataclass(frozen=True)
class Params:
    """The exponent γ, and whether probabilities are fed as logits again, as the CPSC notebooks did by mistake."""

    gamma: Annotated[float, Between(0)] = 0.3
    double_softmax: bool = False


class SingleIWL(nn.Module):
    """Take logits (B, C), class indices (B,) and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.gamma, self.double_softmax = p.gamma, p.double_softmax

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        u = F.cross_entropy(fed_again(logits, self.double_softmax), target, reduction="none")  # (B,)
        return average(u * (1 + u) ** self.gamma, weight)


class MultiIWL(nn.Module):
    """Take logits (B, C), targets (B, C) of 0 and 1, and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.gamma = p.gamma

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        u = F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")  # (B, C)
        return average(u * (1 + u) ** self.gamma, weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss for a task; the class counts play no part."""
    check_softmax("iwl", task, p.double_softmax)
    form = {"single": SingleIWL, "multi": MultiIWL}[task]
    return form(p)
