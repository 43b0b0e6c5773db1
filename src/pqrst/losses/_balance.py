"""What class-balanced losses share: weights by the effective number of a class's rows, (1 − β^n) / (1 − β).

Source: Cui et al., CVPR 2019, arXiv:1901.05555.
"""

from typing import Annotated, Literal

import torch
from torch import Tensor

from pqrst.parsing import Between

Beta = Annotated[float, Between(0, 1)]
Counted = Literal["train", "batch"]
EPSILON = 1e-6  # as in github.com/ScaleMind-C9308A/HeartResearch


def train_weights(class_counts: Tensor, beta: float) -> Tensor:
    """Weigh classes by their rows in train, (classes,); a class without rows weighs nothing, the others 1 on average."""
    present = class_counts > 0
    effective = (
        class_counts if beta == 1 else (1 - beta**class_counts) / (1 - beta)
    )  # β = 1 is its limit, plain frequency
    weights = torch.where(present, 1 / effective.clamp(min=EPSILON), 0)
    return weights * present.sum() / weights.sum().clamp(min=EPSILON)


def batch_weights(target: Tensor, n_classes: int) -> Tensor:
    """Weigh classes by their rows in the batch, with β = (B − 1)/B, as the published code does, (classes,)."""
    beta = (len(target) - 1) / len(target)
    counts = torch.bincount(target, minlength=n_classes)
    return (1 - beta) / (1 - beta ** counts.to(torch.float64) + EPSILON)
