"""Picture CNN: a small network over pictures of about 64 × 64 pixels and any number of channels, for one processor core.

Layers: conv k7 stride 4 →32; conv k3 stride 2 →64; conv k3 stride 2 →128; conv k3 →128, each with batch norm and ReLU; each
channel's largest value and mean over the picture; dropout .2; linear 256→classes. A picture of 64 × 64 becomes maps of
16 × 16, 8 × 8 and 4 × 4; other sizes, the smallest too, pass likewise.

Ours; nothing was published. On one core a step costs by the values that it moves: hence the wide stride of the first layer,
and few wide layers rather than many narrow, residual or depthwise ones.

>>> sum(w.numel() for w in build((2, 64, 64), 4, Params()).parameters())
244484
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from pqrst.errors import SettingsError
from pqrst.models._blocks import Rate, Size, check_filled, check_odd
from pqrst.models._heads import max_and_mean

ACCEPTS = "image"


@dataclass(frozen=True)
class Params:
    """Channels of each size of map, the first kernel and its stride in pixels, layers more at the last size, and the dropout."""

    widths: tuple[Size, ...] = (32, 64, 128)
    stem_kernel: Size = 7
    stem_stride: Size = 4
    deep: int = 1
    dropout: Rate = 0.2

    def __post_init__(self) -> None:
        check_filled("widths", self.widths)
        check_odd(self.stem_kernel)
        if self.deep < 0:
            raise SettingsError(f"deep must be at least 0, got {self.deep}")


class PictureCNN(nn.Module):
    """Shrink the picture step by step, take what is largest and what is usual, classify."""

    def __init__(self, channels: int, n_classes: int, p: Params) -> None:
        super().__init__()
        last = p.widths[-1]
        self.features = nn.Sequential(convolution(channels, p.widths[0], p.stem_kernel, p.stem_stride))
        self.features.extend(convolution(c_in, c_out, 3, 2) for c_in, c_out in pairwise(p.widths))
        self.features.extend(convolution(last, last, 3, 1) for _ in range(p.deep))
        self.head = nn.Sequential(nn.Dropout(p.dropout), nn.Linear(2 * last, n_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (B, channels, h, w) -> (B, 128, h / 16, w / 16)
        return self.head(max_and_mean(x))  # (B, classes)


def convolution(c_in: int, c_out: int, kernel: int, stride: int) -> nn.Sequential:
    """Make a convolution with batch norm and ReLU: (B, c_in, h, w) to (B, c_out, h / stride, w / stride), rounded up."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for pictures (channels, height, width), of any size."""
    if len(in_shape) != 3:
        raise SettingsError(f"models.picture_cnn takes an image (channels, height, width), got the shape {in_shape}")
    return PictureCNN(in_shape[0], n_classes, p)
