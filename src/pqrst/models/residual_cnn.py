"""Residual CNN: five residual blocks of two convolutions each, without pooling, and an average over time.

Layers: blocks 1→32→64→128→256→256; a block is conv, batch norm, ReLU, conv, batch norm, dropout 0.3, plus the shortcut,
ReLU; kernel 5; the shortcut is a 1×1 convolution with bias and without batch norm where the width changes.
Then average over time; dropout 0.3; linear 256→classes. PyTorch's default initialisation, as in the original.

Source: github.com/CharlieYao1996/ECG_Heartbeat_classification.

>>> sum(w.numel() for w in build((1, 187), 5, Params()).parameters())
1354981
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.models._blocks import Dropout, Rate, Size, channel_means, check_filled, check_odd, check_signal, convolution

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """The width of each block, the kernel in samples, and the dropout in every block and in the head."""

    widths: tuple[Size, ...] = (32, 64, 128, 256, 256)
    kernel: Size = 5
    dropout: Rate = 0.3

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)


class Block(nn.Module):
    """Add two convolutions to their own input: (B, c_in, 1, T) to (B, c_out, 1, T)."""

    def __init__(self, c_in: int, c_out: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            convolution(c_in, c_out, kernel),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            convolution(c_out, c_out, kernel),
            nn.BatchNorm2d(c_out),
            Dropout(dropout),
        )
        self.shortcut = nn.Identity() if c_in == c_out else convolution(c_in, c_out, 1)
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.residual(x) + self.shortcut(x))


class ResidualCNN(nn.Module):
    """Pass the blocks, average over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        pairs = pairwise((leads, *p.widths))
        self.features = nn.Sequential(*[Block(c_in, c_out, p.kernel, p.dropout) for c_in, c_out in pairs])
        self.head = nn.Sequential(Dropout(p.dropout), nn.Linear(p.widths[-1], n_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)  # (B, leads, T) -> (B, leads, 1, T)
        x = self.features(x)  # (B, 256, 1, T)
        x = channel_means(x)  # (B, 256)
        return self.head(x)  # (B, classes)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("residual_cnn", in_shape)
    return ResidualCNN(in_shape[0], n_classes, p)
