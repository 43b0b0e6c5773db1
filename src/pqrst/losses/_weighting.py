"""What losses do with their losses per row: average them, with or without weights, and fade the easy ones."""

import torch
from torch import Tensor


def average(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Average losses (B,) or (B, C); weights (B,) divide by their own sum, as torch's weighted cross-entropy does."""
    rows = losses.mean(dim=1) if losses.ndim == 2 else losses  # (B,)
    if weight is None:
        return rows.mean()
    weight = weight.to(rows.dtype)
    return (weight * rows).sum() / weight.sum()


def fading(u: Tensor, gamma: float) -> Tensor:
    """Give focal loss's factor (1 − p)^γ from u = −ln p.

    expm1 is exact where p is near 1; the floor keeps the gradient of a small power finite where u is 0.
    """
    return (-torch.expm1(-u)).clamp(min=torch.finfo(u.dtype).eps) ** gamma
