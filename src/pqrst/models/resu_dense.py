"""ResU_Dense: four residual U-nets, each halving the time, two dense blocks, and self-attention over what is left.

| stage | what it is | out, from 12 × 4,096 | parameters |
|---|---|---|---|
| stem | conv k15 stride 2, batch norm, LeakyReLU | 256 × 2,048 | 46,592 |
| ResU, depth 6 | see `ResU` | 256 × 1,024 | 1,690,112 |
| ResU, depth 5 | | 256 × 512 | 1,579,264 |
| ResU, depth 4 | | 256 × 256 | 1,468,416 |
| ResU, depth 3 | | 256 × 128 | 1,357,568 |
| dense 1 | 16 layers, each adding 12 channels | 448 × 128 | 305,984 |
| transition 1 | batch norm, ReLU, 1×1; no pooling | 224 × 128 | 101,248 |
| dense 2 | 16 layers, each adding 12 channels | 416 × 128 | 280,384 |
| transition 2 | batch norm, ReLU, 1×1 | 256 × 128 | 107,328 |
| attention | dropout .5; 256 wide, 8 heads; no positions, residual or norm | 128 × 256 | 263,168 |
| head | maximum over time, linear | 26 | 6,682 |

No convolution has a bias. The map that it shows is (steps × steps) for each head; a step is 32 samples.

Source: github.com/seorim0/ResU_Dense; stem and head are those of the ISIBrno entry, see `isibrno`.

>>> sum(w.numel() for w in build((12, 4096), 26, Params()).parameters())
7206746
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.errors import SettingsError
from pqrst.models._attention import SelfAttention
from pqrst.models._blocks import Dropout, Rate, Size, check_filled, check_odd, check_signal

ACCEPTS = "signal"


@dataclass(frozen=True)
class Params:
    """Widths outside and inside the U-nets, their depths, the dense blocks' layers and growth, heads and dropout."""

    width: Size = 256
    inner: Size = 64
    kernel: Size = 9
    depths: tuple[Size, ...] = (6, 5, 4, 3)
    layers: tuple[Size, ...] = (16, 16)
    growth: Size = 12
    bottleneck: Size = 48
    heads: Size = 8
    dropout: Rate = 0.5

    def __post_init__(self) -> None:
        check_filled("depths", self.depths)
        check_filled("layers", self.layers)
        check_odd(self.kernel)
        if self.width % self.heads:
            raise SettingsError(f"width, {self.width}, must be a multiple of heads, {self.heads}")


class ResU(nn.Module):
    """Add to a convolved signal what a U-net of the given depth makes of it, and halve the time."""

    def __init__(self, depth: int, p: Params) -> None:
        super().__init__()
        inner, k = p.inner, p.kernel
        self.enter = convolved(p.width, p.width, k)
        self.encoders = nn.ModuleList(
            convolved(inner if place else p.width, inner, k, stride=2) for place in range(depth)
        )
        self.bottom = convolved(inner, inner, k)
        self.decoders = nn.ModuleList(
            doubled(2 * inner, inner if place else p.width, k) for place in reversed(range(depth))
        )
        self.leave = nn.Sequential(nn.AvgPool2d((1, 2)), nn.Conv2d(p.width, p.width, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        y, encoded = x, []
        for encode in self.encoders:
            samples = y.shape[3]
            shift = int(samples % 4 > 0)
            y = encode(F.pad(y, (1, 0)) if shift else y)  # (B, inner, 1, ⌈(T + shift) / 2⌉)
            encoded.append((y, slice(shift, shift + samples)))
        y = self.bottom(y)
        for decode, (partner, own) in zip(self.decoders, reversed(encoded), strict=True):
            # Differs: each output is cut to the time that its encoder was given, as most lengths do not fit in the
            # original. From 4,096 samples every length is divisible by 4, and nothing is cut.
            y = decode(torch.cat([y, partner], dim=1))[..., own]
        return self.leave(x + y)


class DenseLayer(nn.Module):
    """Add a few channels, made from all that came before."""

    def __init__(self, c_in: int, p: Params) -> None:
        super().__init__()
        self.added = nn.Sequential(
            *activated(c_in, p.bottleneck, kernel=1),
            *activated(p.bottleneck, p.growth, kernel=3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.added(x)], dim=1)


class ResUDense(nn.Module):
    """Halve the time five times, widen, attend, decide."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        self.stem = convolved(leads, p.width, 15, stride=2)
        self.resu = nn.Sequential(*[ResU(depth, p) for depth in p.depths])
        self.dense = nn.Sequential(*dense_blocks(p))
        self.dropout = Dropout(p.dropout)
        self.attention = SelfAttention(p.width, p.heads)
        self.head = nn.Linear(p.width, n_classes)

    def steps(self, x: Tensor) -> Tensor:
        """Convolve, (B, leads, T) to (B, steps, width)."""
        x = self.dense(self.resu(self.stem(x.unsqueeze(2))))  # (B, width, 1, steps)
        return self.dropout(x).squeeze(2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.attention(self.steps(x)).amax(dim=1))


def convolved(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Make a convolution with its batch norm and LeakyReLU: (B, c_in, 1, T) to (B, c_out, 1, ⌈T / stride⌉)."""
    conv = nn.Conv2d(c_in, c_out, (1, kernel), stride=(1, stride), padding=(0, kernel // 2), bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c_out), nn.LeakyReLU(0.01))


def doubled(c_in: int, c_out: int, kernel: int) -> nn.Sequential:
    """Make a transposed convolution with its batch norm and LeakyReLU: (B, c_in, 1, T) to (B, c_out, 1, 2T)."""
    conv = nn.ConvTranspose2d(
        c_in, c_out, (1, kernel), stride=(1, 2), padding=(0, kernel // 2), output_padding=(0, 1), bias=False
    )
    return nn.Sequential(conv, nn.BatchNorm2d(c_out), nn.LeakyReLU(0.01))


def activated(c_in: int, c_out: int, kernel: int) -> list[nn.Module]:
    """Make a batch norm, a ReLU and a convolution: (B, c_in, 1, T) to (B, c_out, 1, T)."""
    conv = nn.Conv2d(c_in, c_out, (1, kernel), padding=(0, kernel // 2), bias=False)
    return [nn.BatchNorm2d(c_in), nn.ReLU(), conv]


def dense_blocks(p: Params) -> list[nn.Module]:
    """Make dense blocks and transitions in turn; a transition halves the channels, the last one leaves the width."""
    blocks: list[nn.Module] = []
    channels = p.width
    for place, layers in enumerate(p.layers, start=1):
        grown = channels + layers * p.growth
        blocks.append(nn.Sequential(*[DenseLayer(c_in, p) for c_in in range(channels, grown, p.growth)]))
        channels = p.width if place == len(p.layers) else grown // 2
        blocks.append(nn.Sequential(*activated(grown, channels, kernel=1)))
    return blocks


def attention(model: nn.Module, x: Tensor) -> Tensor:
    """Give the maps of each row and head, (B, heads, steps, steps); a step is 2^(1 + U-nets) samples."""
    if not isinstance(model, ResUDense):
        raise TypeError(f"maps are those of a ResUDense, got {type(model).__name__}")
    return model.attention.maps(model.steps(x))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    check_signal("resu_dense", in_shape, 2 ** (1 + len(p.depths)))
    return ResUDense(in_shape[0], n_classes, p)
