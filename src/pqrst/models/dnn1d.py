"""1-D DNN: residual convolutions at three scales, then LSTMs and attention over the few steps that are left.

Layers: conv 12→64 k16 without padding, LeakyReLU .3, batch norm; three branches, k3, k5 and k7, each of four units that
quarter the time, 64→128→192→256→320. A unit passes two signals on, which both start at the stem: y ← [conv k, LeakyReLU .01,
batch norm, dropout .2, conv k stride 4](x) + [max-pool 4, conv 1×1](y), x ← dropout .2(batch norm(LeakyReLU .01(y))). The
branches together are 960 channels of 5 steps from 1,400 samples. Then LSTM; 1×1 →256, ReLU, batch norm, dropout .5; LSTM;
1×1 →128, batch norm, dropout .5; self-attention of one head; LeakyReLU .3, batch norm, dropout .5; mean over the steps;
linear 128→64→32→classes with LeakyReLU .3 between.

Published on the last 1,400 samples of each recording of CPSC2018 at 500 Hz; `start: -1400` takes those of the row.
# Differs: the original's LSTM reads along the batch, so a row's answer depends on its neighbours', and each of its 5 features
is one step; its attention, over channels, is thrown away; a sigmoid stands before the loss. Here two LSTMs read the steps
of each row, the attention is over steps and used, and logits go out. The widths of the LSTMs are ours, 960→256 and 256→256,
and so is the count below; `published: true` is the original with its three defects, 6,589,105 parameters at 9 classes.
# Differs: where a unit is given a number of samples that 4 divides, its two signals differ by one; the longer is cut.

Source: github.com/ScaleMind-C9308A/HeartResearch, baseline of arXiv:2407.20249.

>>> sum(w.numel() for w in build((12, 1400), 9, Params(published=True)).parameters())
6589105
>>> sum(w.numel() for w in build((12, 1400), 9, Params()).parameters())
8248137
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from pqrst.models._attention import SelfAttention
from pqrst.models._blocks import Dropout, Rate, Size, check_filled
from pqrst.models._inception import check_kernels
from pqrst.models._stretch import Length, stretch

ACCEPTS = "signal"
STEM_KERNEL = 16
NARROW = (256, 128)  # channels after the first and the second LSTM
HEAD = (64, 32)
SLOPE = 0.3  # of the activations outside the units, below zero


@dataclass(frozen=True)
class Params:
    """The stretch that is seen, widths and kernels of the branches, states of the LSTMs, dropout; the original's form."""

    start: int = -1400
    length: Length = 0
    widths: tuple[Size, ...] = (64, 128, 192, 256, 320)
    kernels: tuple[Size, ...] = (3, 5, 7)
    states: Size = 256
    dropout: Rate = 0.2
    end_dropout: Rate = 0.5
    published: bool = False

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_kernels(self.kernels)
        if min(self.kernels) < 3:
            raise ValueError(f"kernels must be at least 3, got {min(self.kernels)}")


class Unit(nn.Module):
    """Pass on (x, y): y plain, with the residual of x added, and x as the next unit convolves it; a quarter of the time."""

    def __init__(self, c_in: int, c_out: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, c_out, (1, kernel)), nn.LeakyReLU(), nn.BatchNorm2d(c_out), Dropout(dropout),
            nn.Conv2d(c_out, c_out, (1, kernel), (1, 4), (0, kernel - 3)),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.MaxPool2d((1, 4)), nn.Conv2d(c_in, c_out, 1))
        self.activate = nn.Sequential(nn.LeakyReLU(), nn.BatchNorm2d(c_out), Dropout(dropout))

    def forward(self, both: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, y = both
        x = self.residual(x)  # (B, c_out, 1, ⌊(T − 1) / 4⌋)
        y = x + self.shortcut(y)[..., : x.shape[3]]
        return self.activate(y), y


class WithinRows(nn.Module):
    """Read the steps of each row in their order, attend over them, and average: (B, channels, steps) to (B, 128)."""

    def __init__(self, channels: int, p: Params) -> None:
        super().__init__()
        self.first = nn.LSTM(channels, p.states, batch_first=True)
        self.narrow = _narrowed(p.states, NARROW[0], p.end_dropout, nn.ReLU())
        self.second = nn.LSTM(NARROW[0], p.states, batch_first=True)
        self.narrower = _narrowed(p.states, NARROW[1], p.end_dropout)
        self.attention = SelfAttention(NARROW[1], heads=1)
        self.activate = nn.Sequential(nn.LeakyReLU(SLOPE), nn.BatchNorm1d(NARROW[1]), Dropout(p.end_dropout))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.first(x.transpose(1, 2))  # (B, steps, states)
        states, _ = self.second(self.narrow(states.transpose(1, 2)).transpose(1, 2))
        x = self.narrower(states.transpose(1, 2)).transpose(1, 2)  # (B, steps, 128)
        return self.activate(self.attention(x).transpose(1, 2)).mean(dim=2)


class AcrossRows(nn.Module):
    """Read the rows of a batch as if they were a sequence, twice by the same LSTM, and average: the original's mistake."""

    def __init__(self, channels: int, steps: int, p: Params) -> None:
        super().__init__()
        self.lstm = nn.LSTM(steps, steps)
        self.narrow = _narrowed(channels, NARROW[0], p.end_dropout, nn.ReLU())
        self.narrower = _narrowed(NARROW[0], NARROW[1], p.end_dropout)
        self.unused = nn.ModuleList([SelfAttention(steps, heads=1), nn.BatchNorm1d(NARROW[1])])  # counted, as published

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)  # (B, channels, steps), read from the batch's first row to its last
        states, _ = self.lstm(self.narrow(states))
        return self.narrower(states).mean(dim=2)


class DNN1d(nn.Module):
    """Convolve at three scales, read the steps, decide."""

    def __init__(self, leads: int, n_classes: int, p: Params, seen: slice) -> None:
        super().__init__()
        self.seen, self.published = seen, p.published
        self.stem = nn.Sequential(
            nn.Conv2d(leads, p.widths[0], (1, STEM_KERNEL)), nn.LeakyReLU(SLOPE), nn.BatchNorm2d(p.widths[0])
        )
        self.branches = nn.ModuleList(
            nn.Sequential(*[Unit(*ends, kernel, p.dropout) for ends in pairwise(p.widths)]) for kernel in p.kernels
        )
        channels = len(p.kernels) * p.widths[-1]
        steps = _steps(seen.stop - seen.start, len(p.widths) - 1)
        self.end = AcrossRows(channels, steps, p) if p.published else WithinRows(channels, p)
        widths = (NARROW[1], *HEAD, n_classes)
        layers = [layer for ends in pairwise(widths) for layer in (nn.Linear(*ends), nn.LeakyReLU(SLOPE))]
        self.head = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x[..., self.seen].unsqueeze(2))  # (B, leads, T) -> (B, 64, 1, T − 15)
        x = torch.cat([branch((x, x))[0] for branch in self.branches], dim=1).squeeze(2)  # (B, 960, steps)
        out = self.head(self.end(x))
        return torch.sigmoid(out) if self.published else out


def _narrowed(c_in: int, c_out: int, dropout: float, *activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(c_in, c_out, 1), *activation, nn.BatchNorm1d(c_out), Dropout(dropout))


def _steps(samples: int, units: int) -> int:
    """Count the steps that a row leaves after the stem and the units."""
    left = samples - STEM_KERNEL + 1
    for _ in range(units):
        left = (left - 1) // 4
    return left


def shortest(p: Params) -> int:
    """Count the samples from which one step is left."""
    needed = 1
    for _ in p.widths[1:]:
        needed = max(4 * needed + 1, *p.kernels)
    return needed + STEM_KERNEL - 1


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    seen = stretch("dnn1d", in_shape, p.start, p.length, shortest(p))
    return DNN1d(in_shape[0], n_classes, p, seen)
