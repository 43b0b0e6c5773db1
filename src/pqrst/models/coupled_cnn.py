"""Coupled CNN: two pairs of convolutions, each pooled by two, and three dense layers over the flattened features.

Layers: [conv 1→64, conv 64→64, dropout 0.2, max-pool 2] [conv 64→128, conv 128→128, dropout 0.3, max-pool 2]; flatten
(128 × 46 for 187 samples); linear 256, linear 128, each with dropout 0.5; linear →classes. Kernel 5; batch norm and ReLU
after every layer but the last. PyTorch's default initialisation, as in the original.

Source: github.com/CharlieYao1996/ECG_Heartbeat_classification, after Xu and Liu, IEEE Access 2020, document 8952723.

>>> sum(w.numel() for w in build((1, 187), 5, Params()).parameters())
1686725
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.models._blocks import Dropout, Rate, Size, check_filled, check_odd, check_signal, convolution

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """The widths of the convolution pairs and of the dense layers, the kernel in samples, and the dropouts."""

    widths: tuple[Size, ...] = (64, 128)
    dropout: tuple[Rate, ...] = (0.2, 0.3)  # after each pair
    kernel: Size = 5
    dense_widths: tuple[Size, ...] = (256, 128)
    dense_dropout: Rate = 0.5

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)
        if len(self.dropout) != len(self.widths):
            raise ValueError(f"dropout must give one rate for each of the {len(self.widths)} widths")


class CoupledCNN(nn.Module):
    """Convolve in pairs, pool, flatten, classify."""

    def __init__(self, leads: int, samples: int, n_classes: int, p: Params) -> None:
        super().__init__()
        pairs = zip(pairwise((leads, *p.widths)), p.dropout, strict=True)
        self.features = nn.Sequential(*[convolution_pair(*ends, p.kernel, rate) for ends, rate in pairs])
        flat = p.widths[-1] * (samples >> len(p.widths))  # each pooling halves the length, rounding down
        sizes = (flat, *p.dense_widths)
        dense = [dense_layer(*ends, p.dense_dropout) for ends in pairwise(sizes)]
        self.head = nn.Sequential(*dense, nn.Linear(sizes[-1], n_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)  # (B, leads, T) -> (B, leads, 1, T)
        x = self.features(x)  # (B, 128, 1, T / 4)
        x = x.flatten(1)  # (B, 128 * T / 4)
        return self.head(x)  # (B, classes)


def convolution_pair(c_in: int, c_out: int, kernel: int, dropout: float) -> nn.Sequential:
    """Make two convolutions and a pooling: (B, c_in, 1, T) to (B, c_out, 1, T / 2)."""
    return nn.Sequential(
        convolution(c_in, c_out, kernel),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        convolution(c_out, c_out, kernel),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        Dropout(dropout),
        nn.MaxPool2d((1, 2)),
    )


def dense_layer(c_in: int, c_out: int, dropout: float) -> nn.Sequential:
    """Make one dense layer: (B, c_in) to (B, c_out)."""
    return nn.Sequential(nn.Linear(c_in, c_out), nn.BatchNorm1d(c_out), nn.ReLU(), Dropout(dropout))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("coupled_cnn", in_shape, shortest=2 ** len(p.widths))
    leads, samples = in_shape
    return CoupledCNN(leads, samples, n_classes, p)
