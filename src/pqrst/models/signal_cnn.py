"""Signal CNN: the picture CNN's layers over time alone, so that a picture can be held against the signal that it was drawn from.

Layers: conv k7 stride 2 →32; conv k9 stride 2 →64; conv k9 stride 2 →128; conv k9 →128, each with batch norm and ReLU; each
channel's largest value and mean over time; dropout .2; linear 256→classes. A kernel of 9 samples has as many weights as one
of 3 × 3 pixels.

Ours; nothing was published.

>>> sum(w.numel() for w in build((2, 240), 4, Params()).parameters())
241796
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.models._blocks import Rate, Size, check_filled, check_odd, check_signal
from pqrst.models._heads import max_and_mean

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """Channels at each length of the signal, the first kernel and the others in samples, and the dropout."""

    widths: tuple[Size, ...] = (32, 64, 128)
    stem_kernel: Size = 7
    kernel: Size = 9
    dropout: Rate = 0.2

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.stem_kernel)
        check_odd(self.kernel)


class SignalCNN(nn.Module):
    """Shorten the signal step by step, take what is largest and what is usual, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        last = p.widths[-1]
        self.features = nn.Sequential(
            _convolved(leads, p.widths[0], p.stem_kernel, 2),
            *(_convolved(c_in, c_out, p.kernel, 2) for c_in, c_out in pairwise(p.widths)),
            _convolved(last, last, p.kernel, 1),
        )
        self.head = nn.Sequential(nn.Dropout(p.dropout), nn.Linear(2 * last, n_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x.unsqueeze(2))  # (B, leads, T) -> (B, 128, 1, T / 8)
        return self.head(max_and_mean(x))  # (B, classes)


def _convolved(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
    """Make a convolution with batch norm and ReLU: (B, c_in, 1, T) to (B, c_out, 1, T / stride), rounded up."""
    convolution = nn.Conv2d(c_in, c_out, (1, kernel), (1, stride), padding=(0, kernel // 2), bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples), of any length."""
    check_signal("signal_cnn", in_shape)
    return SignalCNN(in_shape[0], n_classes, p)
