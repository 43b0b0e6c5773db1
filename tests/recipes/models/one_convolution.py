"""One convolution: the network by which its recipe is tested. Ours, nothing published.

Layers: conv leads→width ReLU, kernel 5; average over time; linear width→classes.

>>> sum(w.numel() for w in build((1, 187), 5, Params()).parameters())
149
"""

from dataclasses import dataclass

from torch import Tensor, nn

from pqrst.models._blocks import Size, check_signal

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """Channels of the convolution."""

    width: Size = 12


class OneConvolution(nn.Module):
    """Convolve, average over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        self.convolve = nn.Conv1d(leads, p.width, kernel_size=5, padding=2, bias=False)
        self.norm = nn.BatchNorm1d(p.width)
        self.head = nn.Linear(p.width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.convolve(x)).relu().mean(dim=2))  # (B, leads, T) -> (B, classes)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("one_convolution", in_shape)
    return OneConvolution(in_shape[0], n_classes, p)
