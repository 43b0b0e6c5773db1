"""What every loss does with its losses per row: average them, with or without weights."""

from torch import Tensor


def average(losses: Tensor, weight: Tensor | None) -> Tensor:
    """Average losses (B,) or (B, C); weights (B,) divide by their own sum, as torch's weighted cross-entropy does."""
    rows = losses.mean(dim=1) if losses.ndim == 2 else losses  # (B,)
    if weight is None:
        return rows.mean()
    weight = weight.to(rows.dtype)
    return (weight * rows).sum() / weight.sum()
