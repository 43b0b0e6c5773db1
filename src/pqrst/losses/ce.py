"""Cross-entropy: over a softmax where a row has one class, over a sigmoid for each class where it may have several.

single: −ln softmax(z)_y, the mean over rows. multi: −[t ln σ(z) + (1 − t) ln(1 − σ(z))], the mean over rows and classes.
Label smoothing s gives the other classes s between them: t becomes t(1 − s) + s/C, in the multi form t(1 − s) + s/2.

Source: the textbook form, as torch.nn.functional computes it. The CPSC notebooks of github.com/ScaleMind-C9308A/HeartResearch
feed it probabilities by mistake, `double_softmax`: with nine classes it cannot then fall below 1.372.

>>> import torch
>>> loss = build("single", (10, 10), Params())
>>> round(loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0])).item(), 6)
0.693147
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
    """The share of each label that is spread over all classes, and whether probabilities are fed as logits again."""

    label_smoothing: Annotated[float, Between(0, 1)] = 0.0
    double_softmax: bool = False


class SoftmaxCrossEntropy(nn.Module):
    """Take logits (B, C), class indices (B,) and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.p = p

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        logits = fed_again(logits, self.p.double_softmax)
        losses = F.cross_entropy(logits, target, reduction="none", label_smoothing=self.p.label_smoothing)
        return average(losses, weight)


class BinaryCrossEntropy(nn.Module):
    """Take logits (B, C), targets (B, C) of 0 and 1, and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.smoothing = p.label_smoothing

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        target = target.to(logits.dtype) * (1 - self.smoothing) + self.smoothing / 2
        losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return average(losses, weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss for a task; the class counts play no part."""
    check_softmax("ce", task, p.double_softmax)
    form = {"single": SoftmaxCrossEntropy, "multi": BinaryCrossEntropy}[task]
    return form(p)
