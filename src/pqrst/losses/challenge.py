"""The loss of the Challenge 2021's winner: weighted cross-entropy, less a soft challenge score, and a push to 0 or 1.

J = BCE(z; positives of a class weighted by its negatives per positive in train) − M + mean of 4p(1 − p), with p = σ(z). With
the labels L (B, 26), p (B, 26) and the Challenge's weights W, M = Σ W ⊙ (Lᵀ(p / N)) / B, N = a row's Σ(L + p − L ⊙ p): the
answers and labels of a row, each counted once. Where p is 0 or 1 that is the Challenge's own score of a row before it is
rescaled. Every term is a mean over rows, so the batch size plays no part; the loss of a good network is below zero.

Source: Nejedly et al., Computing in Cardiology 2021, by github.com/ThomasK1991/Benchmark_ISIBrno.

>>> import torch
>>> loss = build("multi", [10] * 26, Params(), rows=20)
>>> certain = 100 * (2 * torch.eye(26) - 1)  # one label a row, and the right one
>>> round(loss(certain, torch.eye(26)).item(), 6)
-1.0
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst import challenge
from pqrst.errors import SettingsError
from pqrst.losses._positives import positive_weights
from pqrst.losses._weighting import average
from pqrst.parsing import Between

TASKS = ("multi",)


@dataclass(frozen=True)
class Params:
    """How much the soft score and the push to 0 or 1 count beside the cross-entropy."""

    score: Annotated[float, Between(0)] = 1.0
    push: Annotated[float, Between(0)] = 1.0


class ChallengeLoss(nn.Module):
    """Take logits (B, 26), targets (B, 26) of 0 and 1, and optional weights (B,) to a scalar."""

    pos_weight: Tensor
    credit: Tensor

    def __init__(self, pos_weight: Tensor, p: Params) -> None:
        super().__init__()
        self.score, self.push = p.score, p.push
        self.register_buffer("pos_weight", pos_weight.float())  # (26,)
        self.register_buffer("credit", torch.tensor(challenge.weights(), dtype=torch.float32))  # (26, 26)

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        labels = target.to(logits.dtype)
        # Differs: the original takes p from a calibration head over the detached logits; here the logits decide
        p = torch.sigmoid(logits)
        pos_weight = self.pos_weight.to(logits.dtype)
        cells = F.binary_cross_entropy_with_logits(logits, labels, pos_weight=pos_weight, reduction="none")  # (B, 26)
        cells = cells + self.push * 4 * p * (1 - p)
        return average(cells.mean(dim=1) - self.score * self.earned(p, labels), weight)

    def earned(self, p: Tensor, labels: Tensor) -> Tensor:
        """Give the soft challenge score of each row, (B,); one without labels earns nothing."""
        classes = (labels + p - labels * p).sum(dim=1).clamp(min=1)  # at least 1 wherever there is a label
        return (labels @ self.credit.to(p.dtype) * p).sum(dim=1) / classes


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params, rows: int | None = None) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss from the counts of the train rows by class, and their number; without it, as if each had one label."""
    if len(class_counts) != len(challenge.CLASSES):
        raise SettingsError(
            f"losses.challenge needs the {len(challenge.CLASSES)} classes of the Challenge 2021, got {len(class_counts)}"
        )
    return ChallengeLoss(positive_weights(class_counts, rows), p)
