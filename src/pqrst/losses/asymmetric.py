"""Asymmetric loss: labels that are absent fade where they are predicted well, and vanish below a margin; present ones hardly fade.

A present label: (1 − p)^γ⁺ · (−ln p). An absent one: p_m^γ⁻ · (−ln(1 − p_m)), with p_m = max(p − clip, 0). So the many absent
labels that are surely absent weigh nothing, and one that the network insists on, perhaps for it was forgotten, no longer pulls.
γ⁺ = γ⁻ = clip = 0 is binary cross-entropy; clip = 0 with both alike is focal loss. The mean over rows and classes.

Source: Ridnik et al., ICCV 2021, arXiv:2009.14119; the settings are those that its code starts from.
# Differs: the code sums over all cells, which would tie the learning rate to the number of classes; it bounds probabilities
by 1e-8, where logarithms of sigmoids need no bound; and it lets no gradient through the factors in front, the paper does.

>>> import torch
>>> loss = build("multi", (10, 10), Params(gamma_neg=2.0, clip=0.25))
>>> round(loss(torch.zeros(1, 2), torch.tensor([[1, 0]])).item(), 6)  # (ln 2 / 2 + ln(4/3) / 16) / 2
0.182277
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses._weighting import average, fading
from pqrst.parsing import Between

TASKS = ("multi",)


@dataclass(frozen=True)
class Params:
    """The exponents of absent and of present labels, and the probability below which an absent label counts nothing."""

    gamma_neg: Annotated[float, Between(0)] = 4.0
    gamma_pos: Annotated[float, Between(0)] = 1.0
    clip: Annotated[float, Between(0, 1)] = 0.05


class Asymmetric(nn.Module):
    """Take logits (B, C), targets (B, C) of 0 and 1, and optional weights (B,) to a scalar."""

    def __init__(self, p: Params) -> None:
        super().__init__()
        self.p = p

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        target = target.to(logits.dtype)
        present = F.softplus(-logits)  # −ln p, (B, C)
        margin = logits.new_tensor(self.p.clip).log()  # −inf where there is none
        absent = -torch.logaddexp(F.logsigmoid(-logits), margin).clamp(max=0)  # −ln(1 − p_m)
        present = present * fading(present, self.p.gamma_pos)
        absent = absent * fading(absent, self.p.gamma_neg)
        return average(target * present + (1 - target) * absent, weight)


def build(task: str, class_counts: Sequence[int] | np.ndarray, p: Params) -> nn.Module:  # noqa: ARG001 (all losses alike)
    """Build the loss; the class counts play no part."""
    return Asymmetric(p)
