"""Ribeiro's residual network, the usual baseline for 12-lead recordings, made for six diagnoses at 400 Hz.

Layers: conv 12→64 k16, batch norm, ReLU; four residual units, each a quarter of the time, 128, 196, 256 and 320 wide;
flatten (320 × 16 from 4,096 samples); linear →classes. A unit passes two signals on, which both start at the stem:
y ← [conv k16, batch norm, ReLU, dropout .2, conv k16 stride 4](x) + [max-pool 4, conv 1×1](y), x ← dropout .2(ReLU(batch
norm(y))). No convolution has a bias. "Same" padding as TensorFlow's: where a side gets one zero more, it is the right.
Weights are drawn as Keras's he_normal draws them. Batch norm has PyTorch's constants (Keras: eps 1e-3, momentum .01).

Source: Ribeiro et al., Nature Communications 11:1760, 2020; github.com/antonior92/automatic-ecg-diagnosis.

>>> sum(w.numel() for w in build((12, 4096), 26, Params()).parameters())
6524330
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Dropout, Rate, Size, check_filled, check_signal

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """Widths of the stem and of each unit, the kernel in samples, what a unit divides the time by, and the dropout."""

    widths: tuple[Size, ...] = (64, 128, 196, 256, 320)
    kernel: Size = 16
    stride: Size = 4
    dropout: Rate = 0.2

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)


class SameConvolution(nn.Conv2d):
    """Convolve without a bias, (B, c_in, 1, T) to (B, c_out, 1, ⌈T / stride⌉), with TensorFlow's "same" padding."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, (1, kernel), stride=(1, stride), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, same(x.shape[3], self.kernel_size[1], self.stride[1])))


class SameMaximum(nn.Module):
    """Take the maximum of each `size` samples, (B, c, 1, T) to (B, c, 1, ⌈T / size⌉), with the same padding."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[3] % self.size:
            x = F.pad(x, same(x.shape[3], self.size, self.size), value=-math.inf)
        return F.max_pool2d(x, (1, self.size))


class Unit(nn.Module):
    """Pass on (x, y): y plain, with the residual of x added, and x as the next unit convolves it."""

    def __init__(self, c_in: int, c_out: int, p: Params) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            SameConvolution(c_in, c_out, p.kernel), nn.BatchNorm2d(c_out), nn.ReLU(), Dropout(p.dropout),
            SameConvolution(c_out, c_out, p.kernel, p.stride),
        )  # fmt: skip
        widen = [] if c_in == c_out else [SameConvolution(c_in, c_out, 1)]
        self.shortcut = nn.Sequential(SameMaximum(p.stride), *widen)
        self.activate = nn.Sequential(nn.BatchNorm2d(c_out), nn.ReLU(), Dropout(p.dropout))

    def forward(self, both: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, y = both
        y = self.residual(x) + self.shortcut(y)
        return self.activate(y), y


class Ribeiro(nn.Module):
    """Convolve in residual units, flatten, decide."""

    def __init__(self, in_shape: tuple[int, ...], n_classes: int, p: Params) -> None:
        super().__init__()
        leads, samples = in_shape
        self.stem = nn.Sequential(SameConvolution(leads, p.widths[0], p.kernel), nn.BatchNorm2d(p.widths[0]), nn.ReLU())
        self.units = nn.Sequential(*[Unit(*ends, p) for ends in pairwise(p.widths)])
        left = -(-samples // p.stride ** (len(p.widths) - 1))  # rounded up, as "same" padding does each time
        self.head = nn.Linear(p.widths[-1] * left, n_classes)
        for layer in self.modules():
            if isinstance(layer, SameConvolution | nn.Linear):
                he_normal(layer.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.unsqueeze(2))  # (B, leads, T) -> (B, 64, 1, T)
        x, _ = self.units((x, x))  # (B, 320, 1, ⌈T / 256⌉)
        return self.head(x.flatten(1))


def same(samples: int, kernel: int, stride: int) -> tuple[int, int]:
    """Give the zeros to the left and right by which a convolution leaves ⌈samples / stride⌉, as TensorFlow counts them."""
    missing = max((-(-samples // stride) - 1) * stride + kernel - samples, 0)
    return missing // 2, missing - missing // 2


def he_normal(weight: Tensor) -> None:
    """Draw from a normal distribution cut at two deviations, which it leaves with the variance 2 / inputs."""
    inputs = weight[0].numel()
    uncut = math.sqrt(2 / inputs) / 0.87962566103423978  # the deviation of a standard normal so cut
    nn.init.trunc_normal_(weight, std=uncut, a=-2 * uncut, b=2 * uncut)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("ribeiro", in_shape)
    return Ribeiro(in_shape, n_classes, p)
