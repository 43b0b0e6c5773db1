"""ICWA: leads of unlike power brought nearer to one another, before the encoding draws them.

A network over-fits the strong leads, says the publication: each lead is to be rescaled towards a reference power, by a factor
that squeezes what contributes much and excites what contributes little. Its equations could not be reached, and no code of
that name exists. `mode` chooses one of three readings:

- none: the leads as they are. This is the code behind the published numbers, where joint scaling of all leads in the picture
  and the channel attention inside EfficientNet-B0's blocks are all there is.
- power, ours: with P_c the mean square of a lead and P that of all, w_c = (P / (P_c + 1e-8 P))^exponent. At 0 the leads stay,
  at ½ all powers come out equal. No parameters.
- se, ours: squeeze-and-excitation turned round. s_c = ln(1e-4 √P + √P_c), standardised over the leads; a = σ(W₂ ReLU(W₁ s));
  w = 2(1 − a), so that a lead which excitation calls important is scaled down. W₂ starts as nought: w is 1.

Each row is weighed by itself, without batch statistics. A gain common to all leads passes through unchanged, so that
the min–max of encodings.lead_rows cancels it. A missing sample (NaN) counts as 0, in the power and in what comes out.

Sources: arXiv:2407.20249, by its abstract; github.com/ScaleMind-C9308A/HeartResearch.

>>> sum(w.numel() for w in build(12, Params(mode="se")).parameters())
112
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.parsing import Between

EPSILON = 1e-8  # of the mean power: what a flat lead counts
SMALLEST = 1e-20  # power of the lowest reference, in the signal's unit squared: keeps an empty row finite


@dataclass(frozen=True)
class Params:
    """The reading, how far powers are equalised (power), and the hidden width of the excitation (se)."""

    mode: Literal["none", "power", "se"] = "none"
    exponent: Annotated[float, Between(0, 0.5)] = 0.5
    squeeze: Annotated[int, Between(1)] = 4


class EqualPower(nn.Module):
    """Weigh leads by their power towards the mean of all: (B, leads) to (B, leads)."""

    def __init__(self, exponent: float) -> None:
        super().__init__()
        self.exponent = exponent

    def forward(self, powers: Tensor) -> Tensor:
        mean = reference(powers)
        return (mean / (powers + EPSILON * mean)) ** self.exponent


class InvertedExcitation(nn.Module):
    """Weigh leads by what the powers of all say of each, the important ones less: (B, leads) to (B, leads)."""

    def __init__(self, n_leads: int, squeeze: int) -> None:
        super().__init__()
        self.narrow, self.widen = nn.Linear(n_leads, squeeze), nn.Linear(squeeze, n_leads)
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)

    def forward(self, powers: Tensor) -> Tensor:
        mean = reference(powers)
        level = torch.log(
            (EPSILON * mean).sqrt() + powers.clamp(min=SMALLEST * EPSILON).sqrt()
        )  # the root has no slope at 0
        level = F.layer_norm(level, level.shape[1:])
        important = torch.sigmoid(self.widen(F.relu(self.narrow(level))))
        return 2 * (1 - important)


class ICWA(nn.Module):
    """Scale each lead by a weight of its own: (B, leads, T) to the same."""

    def __init__(self, weigh: nn.Module | None) -> None:
        super().__init__()
        self.weigh = weigh

    def forward(self, x: Tensor) -> Tensor:
        x = torch.where(x.isnan(), 0, x)
        if self.weigh is None:
            return x
        powers = x.float().square().mean(dim=2)  # (B, leads)
        return x * self.weigh(powers).to(x.dtype).unsqueeze(2)


def reference(powers: Tensor) -> Tensor:
    """Give the mean power of the leads of each row, (B, 1)."""
    return powers.mean(dim=1, keepdim=True).clamp(min=SMALLEST)


def build(n_leads: int, p: Params) -> nn.Module:
    """Build the frontend for signals of so many leads."""
    if p.mode == "none":
        return ICWA(None)
    return ICWA(EqualPower(p.exponent) if p.mode == "power" else InvertedExcitation(n_leads, p.squeeze))
