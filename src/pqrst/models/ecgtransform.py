"""ecgTransForm: convolutions of three lengths, and a transformer whose words are channels and whose features are the time.

Layers, 12 leads by 2,500 samples: convs 12→32 k5, k9 and k11, averaged; batch norm, ReLU, max-pool 2, dropout .2; conv
32→64 k8, batch norm, ReLU, max-pool 2; conv 64→128 likewise; three residual blocks of 1×1 conv, batch norm, ReLU, 1×1 conv,
batch norm, squeeze-and-excitation by 4, plus the input, ReLU. A transformer encoder of three layers (norm last, 5 heads, 2,048
inside, dropout .1) reads the 128 channels of 315 steps each, and again with the time reversed; both outputs are added and
averaged over the steps; linear 128→classes. Convolutions of k > 1 have no bias; a k8 pads 4 and a pooling 1 on both sides.

The size of the transformer hangs on the length of the row. Since the time is averaged just after it was normalised, a
network begins with the same answer for every row, and learns from its second step on.

Published on the samples 500 to 2,999 of Chapman's recordings at 500 Hz (`start: 500`, `length: 2500`). A count of 6,986,663
takes in a template layer that the original registers and never uses; it is not built.
# Differs: where heads does not divide the steps, zeros follow them; at 2,500 samples 5 divides 315, and none do.
# Differs: the three layers are drawn one by one; in the original they begin alike.

Sources: github.com/emadeldeen24/ECGTransForm; Biomedical Signal Processing and Control 89, 2024; as a baseline of
arXiv:2407.20249 in github.com/ScaleMind-C9308A/HeartResearch.

>>> sum(w.numel() for w in build((12, 2500), 11, Params()).parameters())
5294640
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Dropout, Rate, Size, check_filled
from pqrst.models._inception import SqueezeExcitation, bare, check_kernels
from pqrst.models._stretch import Length, stretch

ACCEPTS = "signal"
REDUCTION = 4  # channels for each squeezed one


@dataclass(frozen=True)
class Params:
    """The stretch that is seen; kernels and widths of the convolutions; residual blocks; the transformer; dropout of both."""

    start: int = 0
    length: Length = 0
    kernels: tuple[Size, ...] = (5, 9, 11)
    widths: tuple[Size, ...] = (32, 64, 128)
    blocks: Size = 3
    layers: Size = 3
    heads: Size = 5
    hidden: Size = 2048
    dropout: Rate = 0.2
    encoder_dropout: Rate = 0.1

    def __post_init__(self) -> None:
        check_kernels(self.kernels)
        check_filled("widths", self.widths)


class Block(nn.Module):
    """Recalibrate the channels and add the input: (B, width, 1, T) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 1), nn.BatchNorm2d(width),
            SqueezeExcitation(width, max(1, width // REDUCTION), bias=False),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.residual(x))


class EcgTransForm(nn.Module):
    """Convolve, recalibrate, attend both ways, average over time, decide."""

    def __init__(self, leads: int, n_classes: int, p: Params, seen: slice) -> None:
        super().__init__()
        self.seen = seen
        self.branches = nn.ModuleList(bare(leads, p.widths[0], kernel) for kernel in p.kernels)
        self.stem = nn.Sequential(*_pooled(p.widths[0]), Dropout(p.dropout))
        wider = [layer for c_in, c_out in pairwise(p.widths) for layer in (bare(c_in, c_out, 8), *_pooled(c_out))]
        self.features = nn.Sequential(*wider, *[Block(p.widths[-1]) for _ in range(p.blocks)])
        steps = _steps(seen.stop - seen.start, len(p.widths))
        self.filled = -(-steps // p.heads) * p.heads - steps  # zeros, so that the heads divide the steps
        width = steps + self.filled
        self.encoder = nn.Sequential(
            *[
                nn.TransformerEncoderLayer(width, p.heads, p.hidden, p.encoder_dropout, batch_first=True)
                for _ in range(p.layers)
            ]
        )
        self.head = nn.Linear(p.widths[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x[..., self.seen].unsqueeze(2)  # (B, leads, 1, T)
        x = torch.stack([branch(x) for branch in self.branches]).mean(dim=0)
        x = self.features(self.stem(x)).squeeze(2)  # (B, 128, T / 8)
        x = F.pad(x, (0, self.filled))
        return self.head((self.encoder(x) + self.encoder(x.flip(2))).mean(dim=2))


def _pooled(width: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d((1, 2), padding=(0, 1))]


def _steps(samples: int, poolings: int) -> int:
    """Count what the convolutions leave of a row; each k8 after the first pooling adds one sample."""
    for place in range(poolings):
        samples = (samples + (place > 0)) // 2 + 1
    return samples


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples)."""
    seen = stretch("ecgtransform", in_shape, p.start, p.length)
    return EcgTransForm(in_shape[0], n_classes, p, seen)
