"""Focal loss: cross-entropy that fades where a row is predicted well, (1 − p)^γ · (−ln p) with p that of the true class.

γ = 0 is cross-entropy. The multi form is the sigmoid one, the mean over rows and classes, without the factor α.

Sources: Lin et al., ICCV 2017, arXiv:1708.02002. As a baseline of github.com/ScaleMind-C9308A/HeartResearch it is averaged
over rows and classes, hence divided by the number of classes: `divide_by_classes`.

>>> import torch
>>> loss = build("single", (10, 10), Params(gamma=2.0))
>>> round(loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item(), 6)
0.173287
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.errors import SettingsError
from pqrst.losses._weighting import average, fading
from pqrst.parsing import Between

TASKS = ("single", "multi")


@dataclass(frozen=True)
class Params:
    """The exponent γ, and whether the loss is divided by the number of classes, as published."""

    gamma: Annotated[float, Between(0)] = 2.0
    divide_by_classes: bool = False


class SingleFocal(nn.Module):
    """Take logits (B, C), class indices (B,) and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.p = p

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        u = F.cross_entropy(logits, target, reduction="none")  # (B,)
        losses = u * fading(u, self.p.gamma)
        return average(losses / (logits.shape[1] if self.p.divide_by_classes else 1), weight)


class MultiFocal(nn.Module):
    """Take logits (B, C), targets (B, C) of 0 and 1, and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.gamma = p.gamma

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        u = F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")  # (B, C)
        return average(u * fading(u, self.gamma), weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss for a task; the class counts play no part."""
    if task == "multi" and p.divide_by_classes:
        raise SettingsError(
            "losses.focal.divide_by_classes needs a single-label task: a multi-label mean is over classes"
        )
    return {"single": SingleFocal, "multi": MultiFocal}[task](p)
