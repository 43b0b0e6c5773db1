"""Four-layer CNN: four convolutions with batch norm and dropout, and an average over time.

Layers: conv 1→32, 32→64, 64→128, 128→256, all kernel 5, each with batch norm and ReLU; dropout 0.3 after the last two;
average over time; dropout 0.3; linear 256→classes. PyTorch's default initialisation, as in the original.

Source: github.com/CharlieYao1996/ECG_Heartbeat_classification, the version with an average before the last layer.

>>> sum(w.numel() for w in build((1, 187), 5, Params()).parameters())
217925
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.models._blocks import Dropout, Rate, Size, channel_means, check_filled, check_odd, check_signal, convolution

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """The width of each convolution, the kernel in samples, and the dropout after the last two and in the head."""

    widths: tuple[Size, ...] = (32, 64, 128, 256)
    kernel: Size = 5
    dropout: Rate = 0.3

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)


class FourLayerCNN(nn.Module):
    """Convolve, average over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place, (c_in, c_out) in enumerate(pairwise((leads, *p.widths))):
            layers += [convolution(c_in, c_out, p.kernel), nn.BatchNorm2d(c_out), nn.ReLU()]
            if place >= len(p.widths) - 2:
                layers.append(Dropout(p.dropout))
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(Dropout(p.dropout), nn.Linear(p.widths[-1], n_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)  # (B, leads, T) -> (B, leads, 1, T)
        x = self.features(x)  # (B, 256, 1, T)
        x = channel_means(x)  # (B, 256)
        return self.head(x)  # (B, classes)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("four_layer_cnn", in_shape)
    return FourLayerCNN(in_shape[0], n_classes, p)
