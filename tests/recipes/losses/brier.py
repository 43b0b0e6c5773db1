"""Brier's score as a loss: Σ over the classes of (p − y)², softmax probability less truth. The loss by which its recipe is tested.

Source: Brier, Monthly Weather Review 78(1):1-3, 1950.

>>> import torch
>>> build("single", (10, 10), Params())(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item()
0.5
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses._weighting import average
from pqrst.parsing import Between

TASKS = ("single",)
BOUNDED = True


@dataclass(frozen=True)
class Params:
    """What the sum over the classes is multiplied by."""

    scale: Annotated[float, Between(0.001)] = 1.0


class Brier(nn.Module):
    """Take logits (B, C), class indices (B,) and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.scale = p.scale

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        truth = F.one_hot(target, logits.shape[1])
        return average(self.scale * (torch.softmax(logits, dim=1) - truth).square().sum(dim=1), weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss; the class counts play no part."""
    return Brier(p)
