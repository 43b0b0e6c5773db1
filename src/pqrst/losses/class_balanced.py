"""Class-balanced cross-entropy: each row weighed by the inverse effective number of its class's rows.

w_c = (1 − β) / (1 − β^n_c), n_c counted over the train rows, the weights 1 on average over classes; the mean of w_y · (−ln p_y)
over rows. With `counts: batch` it is the published baseline: n_c counted in each batch of B rows, β = (B − 1)/B, 1e-6 below
the line, no normalisation.

Sources: Cui et al., CVPR 2019, arXiv:1901.05555; the batch form is that of github.com/ScaleMind-C9308A/HeartResearch.

>>> import torch
>>> loss = build("single", (30, 10), Params(beta=1.0))
>>> round(loss(torch.zeros(2, 2), torch.tensor([0, 1])).item(), 6)
0.693147
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses._balance import Beta, Counted, batch_weights, train_weights
from pqrst.losses._weighting import average

TASKS = ("single",)


@dataclass(frozen=True)
class Params:
    """How far frequency counts (0 not at all, 1 in full), and where it is counted; in a batch β follows from its size."""

    beta: Beta = 0.9999
    counts: Counted = "train"


class ClassBalanced(nn.Module):
    """Take logits (B, C), class indices (B,) and optional weights (B,) to a scalar."""

    by_class: Tensor

    def __init__(self, class_counts: Tensor, p: Params) -> None:
        super().__init__()
        self.in_batch = p.counts == "batch"
        self.register_buffer("by_class", train_weights(class_counts, p.beta))

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        by_class = batch_weights(target, logits.shape[1]) if self.in_batch else self.by_class
        u = F.cross_entropy(logits, target, reduction="none")  # (B,)
        return average(u * by_class[target].to(u.dtype), weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss from the counts of the train rows by class."""
    return ClassBalanced(torch.as_tensor(np.asarray(class_counts), dtype=torch.float64), p)
