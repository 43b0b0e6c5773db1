"""Attention CNN: two convolutions over one lead, multi-head attention over their steps, and a dense head.

Layers: conv 1→32 k5, ReLU, max-pool 2; conv 32→64 k5, ReLU, max-pool 2; self-attention over the T/4 steps, 64 wide, 8 heads,
with no positions, residual, norm or dropout; flatten; linear →128, ReLU, dropout .5; linear →classes. Of the system
`attention`; nothing was published but its code. The map that it shows is (T/4 × T/4) for each head.

>>> sum(w.numel() for w in build((1, 3600), 2, Params()).parameters())
7400322
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.errors import SettingsError
from pqrst.models._attention import SelfAttention
from pqrst.models._blocks import Dropout, Rate, Size, check_filled, check_odd, check_signal, convolution

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """Widths of the convolutions, their kernel in samples, heads of the attention, and the head's width and dropout."""

    widths: tuple[Size, ...] = (32, 64)
    kernel: Size = 5
    heads: Size = 8
    hidden: Size = 128
    dropout: Rate = 0.5

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.kernel)
        if self.widths[-1] % self.heads:
            raise SettingsError(f"the last width, {self.widths[-1]}, must be a multiple of heads, {self.heads}")


class AttentionCNN(nn.Module):
    """Convolve, attend, decide."""

    def __init__(self, in_shape: tuple[int, ...], n_classes: int, p: Params) -> None:
        super().__init__()
        leads, samples = in_shape
        layers = [
            layer
            for c_in, c_out in pairwise((leads, *p.widths))
            for layer in (convolution(c_in, c_out, p.kernel), nn.ReLU(), nn.MaxPool2d((1, 2)))
        ]
        self.signal = nn.Sequential(*layers)
        self.attention = SelfAttention(p.widths[-1], p.heads)
        self.head = nn.Sequential(
            nn.Linear(samples // 2 ** len(p.widths) * p.widths[-1], p.hidden), nn.ReLU(), Dropout(p.dropout),
            nn.Linear(p.hidden, n_classes),
        )  # fmt: skip

    def steps(self, x: Tensor) -> Tensor:
        """Convolve, (B, leads, T) to (B, steps, width)."""
        return self.signal(x.unsqueeze(2)).squeeze(2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(self.steps(x)).flatten(1))


def attention(model: nn.Module, x: Tensor) -> Tensor:
    """Give the maps of each row and head, (B, heads, steps, steps); a step is 2^(convolutions) samples."""
    if not isinstance(model, AttentionCNN):
        raise TypeError(f"maps are those of an AttentionCNN, got {type(model).__name__}")
    return model.attention.maps(model.steps(x))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("attention_cnn", in_shape, 2 ** len(p.widths))
    return AttentionCNN(in_shape, n_classes, p)
