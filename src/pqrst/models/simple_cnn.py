"""Simple CNN: the smallest of four beat classifiers, three convolutions and an average over time.

Layers: conv 1→32 ReLU, 32→64 ReLU, 64→128 ReLU, all kernel 5; average over time; linear 128→classes.
No batch norm, no dropout, no pooling. PyTorch's default initialisation, as in the original.

Source: github.com/CharlieYao1996/ECG_Heartbeat_classification, the version with an average before the last layer.

>>> sum(w.numel() for w in build((1, 187), 5, Params()).parameters())
52229
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.models._blocks import Size, channel_means, check_filled, check_odd, check_signal, convolution

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """The width of each convolution, and the kernel in samples."""

    widths: tuple[Size, ...] = (32, 64, 128)
    kernel: Size = 5

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)


class SimpleCNN(nn.Module):
    """Convolve, average over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in, c_out in pairwise((leads, *p.widths)):
            layers += [convolution(c_in, c_out, p.kernel), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(p.widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)  # (B, leads, T) -> (B, leads, 1, T)
        x = self.features(x)  # (B, 128, 1, T)
        x = channel_means(x)  # (B, 128)
        return self.head(x)  # (B, classes)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("simple_cnn", in_shape)
    return SimpleCNN(in_shape[0], n_classes, p)
