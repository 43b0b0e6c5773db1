"""Label-distribution-aware margin loss: cross-entropy of s(z − m_y at the true class), with wider margins for rarer classes.

m_c is proportional to n_c^(−1/4), the largest margin is `max_margin`. n_c is counted over the train rows; `counts: batch`
counts in each batch, with 1e-4 added, as the published baseline does. Without re-weighting late in training.

Sources: Cao et al., NeurIPS 2019, arXiv:1906.07413 (there max_margin 0.5, s 30); margin 0.05, s 20 and the batch form are
those of github.com/ScaleMind-C9308A/HeartResearch.

>>> import torch
>>> loss = build("single", (16, 1), Params(max_margin=0.5, scale=1.0))
>>> round(loss(torch.zeros(1, 2), torch.tensor([1])).item(), 6)
0.974077
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses._balance import Counted
from pqrst.losses._weighting import average
from pqrst.parsing import Between

TASKS = ("single",)
EPSILON = 1e-4


@dataclass(frozen=True)
class Params:
    """The widest margin, the scale s of the logits, and where the classes are counted."""

    max_margin: Annotated[float, Between(0)] = 0.05
    scale: Annotated[float, Between(0)] = 20.0
    counts: Counted = "train"


class LDAM(nn.Module):
    """Take logits (B, C), class indices (B,) and optional weights (B,) to a scalar."""

    by_class: Tensor

    def __init__(self, class_counts: Tensor, p: Params) -> None:
        super().__init__()
        self.p = p
        self.register_buffer("by_class", margins(class_counts, p.max_margin))

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        by_class = self.by_class
        if self.p.counts == "batch":
            by_class = margins(torch.bincount(target, minlength=logits.shape[1]) + EPSILON, self.p.max_margin)
        margin = F.one_hot(target, logits.shape[1]) * by_class.to(logits.dtype)  # (B, C)
        return average(F.cross_entropy(self.p.scale * (logits - margin), target, reduction="none"), weight)


def margins(class_counts: Tensor, widest: float) -> Tensor:
    """Give each class its margin, (classes,); a class without rows has none to apply one to."""
    wide = torch.where(class_counts > 0, class_counts.to(torch.float64) ** -0.25, 0)
    return wide * widest / wide.max()


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss from the counts of the train rows by class."""
    return LDAM(torch.as_tensor(np.asarray(class_counts)), p)
