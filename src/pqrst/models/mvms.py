"""MVMS-net: six networks, each looking at the heart from one side through its own leads, and their weighted sum.

The views are aVR; I and aVL; V1 and V2; V3 and V4; V5 and V6; II, III and aVF. The leads must be I II III aVR aVL aVF
V1 … V6. A view: conv →64 k25 without padding, batch norm, Mish; two blocks 128 wide, each halving the time; average over
time; times a sigmoid gate of its own (linear 128→1). The sum of six; linear →classes.

A block: conv 1×1 →208 = 4 × 52, Mish, batch norm; three quarters each through their own conv k15 stride 2, batch norm,
Mish, and the fourth through average-pool 3 stride 2; conv 1×1 →128, batch norm; coordinate attention; + [conv 1×1 stride
2 with bias, batch norm]; Mish. Other convolutions than that and the attention's have no bias. The quarters do not see each
other, as the published code runs; the cascade that Res2Net describes is switched off in it.

Source: github.com/ysxGitHub/MVMS-net.

>>> sum(w.numel() for w in build((12, 1000), 71, Params()).parameters())
2253261
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from pqrst.models._blocks import Size, channel_means, check_filled, check_odd, check_signal
from pqrst.models._leads import LEADS, check_leads
from pqrst.parsing import Between

ACCEPTS = "signal"
VIEWS = (("aVR",), ("I", "aVL"), ("V1", "V2"), ("V3", "V4"), ("V5", "V6"), ("II", "III", "aVF"))
QUARTERS = 4


@dataclass(frozen=True)
class Params:
    """Widths of a view's stem and blocks, of a block's quarters and of its attention, kernels in samples, and noise."""

    widths: tuple[Size, ...] = (64, 128, 128)
    quarter: Size = 52
    squeezed: Size = 8
    stem_kernel: Size = 25
    kernel: Size = 15
    noise: Annotated[float, Between(0)] = 0.1  # standard deviation, in the unit of the input

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)


class Noise(nn.Module):
    """Add Gaussian noise in training; the random numbers are torch's own."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        # Differs: the original adds it in evaluation too, so that it never gives the same answer twice
        return x + self.deviation * torch.randn_like(x) if self.training and self.deviation else x


class CoordinateAttention(nn.Module):
    """Multiply by a gate for each channel, from its mean, and a gate for each channel and sample, from the samples."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.Conv2d(width, squeezed, 1), nn.BatchNorm2d(squeezed), nn.Hardswish())
        self.by_channel = nn.Conv2d(squeezed, width, 1)
        self.by_time = nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        both = self.squeeze(torch.cat([x.mean(dim=3, keepdim=True), x], dim=3))  # (B, squeezed, 1, 1 + T)
        mean, samples = both[..., :1], both[..., 1:]
        return x * self.by_channel(mean).sigmoid() * self.by_time(samples).sigmoid()


class Quarters(nn.Module):
    """Convolve three quarters of the channels apart, average the fourth, and halve the time."""

    def __init__(self, quarter: int, kernel: int) -> None:
        super().__init__()
        self.quarter = quarter
        self.convolved = nn.ModuleList(
            nn.Sequential(unbiased(quarter, quarter, kernel, stride=2), nn.BatchNorm2d(quarter), nn.Mish())
            for _ in range(QUARTERS - 1)
        )
        self.pooled = nn.AvgPool2d((1, 3), stride=(1, 2), padding=(0, 1))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = x.split(self.quarter, dim=1)
        done = [convolve(part) for convolve, part in zip(self.convolved, parts, strict=True)]
        return torch.cat([*done, self.pooled(last)], dim=1)


class Block(nn.Module):
    """Convolve in quarters, gate, add the input, and halve the time."""

    def __init__(self, c_in: int, c_out: int, p: Params) -> None:
        super().__init__()
        wide = QUARTERS * p.quarter
        self.residual = nn.Sequential(
            unbiased(c_in, wide, 1), nn.Mish(), nn.BatchNorm2d(wide), Quarters(p.quarter, p.kernel),
            unbiased(wide, c_out, 1), nn.BatchNorm2d(c_out), CoordinateAttention(c_out, p.squeezed),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=(1, 2)), nn.BatchNorm2d(c_out))
        self.activate = nn.Mish()

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.residual(x) + self.shortcut(x))


class View(nn.Module):
    """See some leads, (B, leads, 1, T) to gated features (B, width)."""

    def __init__(self, leads: int, p: Params) -> None:
        super().__init__()
        stem = nn.Conv2d(leads, p.widths[0], (1, p.stem_kernel), bias=False)
        self.signal = nn.Sequential(
            stem, nn.BatchNorm2d(p.widths[0]), nn.Mish(), *[Block(*ends, p) for ends in pairwise(p.widths)]
        )
        self.gate = nn.Linear(p.widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        features = channel_means(self.signal(x))
        return features * self.gate(features).sigmoid()


class MVMS(nn.Module):
    """Look from six sides, add what is seen, decide."""

    def __init__(self, n_classes: int, p: Params) -> None:
        super().__init__()
        self.noise = Noise(p.noise)
        self.places = [[LEADS.index(lead) for lead in view] for view in VIEWS]
        self.views = nn.ModuleList(View(len(view), p) for view in VIEWS)
        self.head = nn.Linear(p.widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.noise(x).unsqueeze(2)  # (B, leads, T) -> (B, leads, 1, T)
        seen = [view(x[:, leads]) for view, leads in zip(self.views, self.places, strict=True)]
        return self.head(torch.stack(seen).sum(dim=0))


def unbiased(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution without a bias: (B, c_in, 1, T) to (B, c_out, 1, ⌈T / stride⌉)."""
    return nn.Conv2d(c_in, c_out, (1, kernel), stride=(1, stride), padding=(0, kernel // 2), bias=False)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals of the twelve standard leads (12, samples)."""
    check_signal("mvms", in_shape, p.stem_kernel)
    check_leads("mvms", in_shape)
    return MVMS(n_classes, p)
