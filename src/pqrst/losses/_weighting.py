"""What losses share: the average over rows, with or without weights, the fading of easy rows, a softmax too many."""

import torch
from torch import Tensor

from pqrst.errors import SettingsError


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


def fed_again(logits: Tensor, double_softmax: bool) -> Tensor:
    """Give what the loss takes for logits: they themselves or, as a network that ends in a softmax gives, probabilities.

    Source of the mistake: the CPSC notebooks of github.com/ScaleMind-C9308A/HeartResearch.
    """
    return torch.softmax(logits, dim=1) if double_softmax else logits


def check_softmax(loss: str, task: str, double_softmax: bool) -> None:
    """Refuse a second softmax where there is no first."""
    if task == "multi" and double_softmax:
        raise SettingsError(f"losses.{loss}.double_softmax needs a single-label task: a multi-label one has no softmax")
