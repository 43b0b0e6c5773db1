"""ResNet-1D: eight residual blocks over twelve leads, which hardly shorten the time, and an average over it.

Layers: conv 12→64 k7 stride 2, without padding, norm or activation; max-pool 3 stride 2; four stages of two blocks, 64, 128,
256 and 512 wide. A block is conv k3, batch norm, ReLU, conv k3, batch norm, plus its input, ReLU. Between stages a conv k3
to the next width without padding, and batch norm, with no activation. Average over time; linear 512→classes. Weights after
Kaiming, but of the convolutions between stages, which PyTorch draws.

Published on the samples 300 to 2,999 of CPSC2018 at 500 Hz (`start: 300`, `length: 2700`), and 500 to 2,999 of SPH. Its
variant for augmented signals has LeakyReLU in place of ReLU (`slope: 0.2`); see `transforms`.
# Differs: the biases of what is drawn after Kaiming start as nought; there PyTorch draws them.

Source: github.com/ScaleMind-C9308A/HeartResearch, baseline of arXiv:2407.20249.

>>> sum(w.numel() for w in build((12, 2700), 9, Params()).parameters())
4718281
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.models._blocks import Rate, Size, channel_means, check_filled, convolution
from pqrst.models._heads import initialise
from pqrst.models._stretch import Length, stretch

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """The stretch that is seen, the width of each stage, and the slope of the activation below zero."""

    start: int = 0
    length: Length = 0
    widths: tuple[Size, ...] = (64, 128, 256, 512)
    slope: Rate = 0.0

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)


class Block(nn.Module):
    """Add two convolutions to their own input: (B, width, 1, T) to the same."""

    def __init__(self, width: int, slope: float) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            convolution(width, width, 3), nn.BatchNorm2d(width), nn.LeakyReLU(slope),
            convolution(width, width, 3), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.activation = nn.LeakyReLU(slope)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.residual(x))


class ResNet1d(nn.Module):
    """Convolve in residual blocks, average over time, decide."""

    def __init__(self, leads: int, n_classes: int, p: Params, seen: slice) -> None:
        super().__init__()
        self.seen = seen
        self.stem = nn.Sequential(nn.Conv2d(leads, p.widths[0], (1, 7), (1, 2)), nn.MaxPool2d((1, 3), (1, 2)))
        stages = [nn.Sequential(Block(width, p.slope), Block(width, p.slope)) for width in p.widths]
        self.features = nn.Sequential(stages[0])
        for (c_in, c_out), stage in zip(pairwise(p.widths), stages[1:], strict=True):
            self.features.extend([nn.Conv2d(c_in, c_out, (1, 3)), nn.BatchNorm2d(c_out), stage])
        self.head = nn.Linear(p.widths[-1], n_classes)
        for part in (self.stem, *stages, self.head):
            part.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x[..., self.seen].unsqueeze(2))  # (B, leads, T) -> (B, 64, 1, T / 4)
        return self.head(channel_means(self.features(x)))  # (B, 512) -> (B, classes)


def shortest(p: Params) -> int:
    """Count the samples from which one is left after the convolutions without padding."""
    pooled = 2 * (len(p.widths) - 1) + 1
    return 2 * (2 * (pooled - 1) + 3 - 1) + 7


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    seen = stretch("resnet1d", in_shape, p.start, p.length, shortest(p))
    return ResNet1d(in_shape[0], n_classes, p, seen)
