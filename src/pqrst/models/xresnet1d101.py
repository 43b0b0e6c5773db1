"""xresnet1d101: the residual network of 101 layers of the PTB-XL benchmark, over time, as wide in its last stage as in its first.

Layers: stem of three convolutions k5, 12→32 stride 2, 32→32, 32→64, and max-pool 3 stride 2; stages of 3, 4, 23 and 3 blocks,
the later three stages of stride 2 in their first block. A block is 1×1 →64, k5 →64 (with the stride), 1×1 →256, plus the
shortcut, ReLU; the shortcut is an average over 2 where the stride is 2, and a 1×1 convolution with batch norm where the
width changes, which is in the first block only. Batch norm after every convolution, ReLU after all but a block's last;
convolutions without bias. Then the benchmark's head: largest value and mean over time; batch norm, dropout .25, linear
512→128, ReLU; batch norm, dropout .5, linear 128→classes. Kaiming initialisation; a block's last batch norm starts as nought.

For windows of 2.5 s of PTB-XL at 100 Hz, 12 leads, of a record's windows the largest output of each label.
Published there (macro AUROC, fold 10): all 71 labels .925, diagnostic .937, sub .929, super .928, form .896, rhythm .957.

Sources: Strodthoff et al., IEEE J Biomed Health Inform 25(5), 2021, arXiv:2004.13701, and its code,
github.com/helme/ecg_ptbxl_benchmarking; He et al., CVPR 2019, arXiv:1812.01187. That code's training draws the weights anew
just before it begins, and sets every batch norm to one: `zero_last: false` is that.

>>> sum(w.numel() for w in build((12, 250), 71, Params()).parameters())
1880775
"""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Rate, Size, check_filled, check_odd, check_signal
from pqrst.models._heads import Head, initialise

ACCEPTS = "signal"
EXPANSION = 4  # a block's channels per channel of its middle convolution


@dataclass(frozen=True)
class Params:
    """Blocks of each stage, channels inside a block, kernel in samples, the first weights, and the head's width and dropout."""

    blocks: tuple[Size, ...] = (3, 4, 23, 3)
    width: Size = 64
    kernel: Size = 5
    zero_last: bool = True
    hidden: Size = 128
    dropout: Rate = 0.5

    def __post_init__(self) -> None:
        check_filled("blocks", self.blocks)
        check_odd(self.kernel)


class Block(nn.Module):
    """Add three convolutions to their own input: (B, c_in, 1, T) to (B, 4 width, 1, T / stride), rounded up."""

    def __init__(self, c_in: int, p: Params, stride: int = 1) -> None:
        super().__init__()
        c_out = EXPANSION * p.width
        self.residual = nn.Sequential(
            *_convolved(c_in, p.width, 1), nn.ReLU(), *_convolved(p.width, p.width, p.kernel, stride), nn.ReLU(),
            nn.Conv2d(p.width, c_out, 1, bias=False),
        )  # fmt: skip
        self.norm = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d((1, stride), ceil_mode=True))
        if c_in != c_out:
            self.shortcut.extend(_convolved(c_in, c_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.residual(x)) + self.shortcut(x))


def _convolved(c_in: int, c_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    padding = (0, kernel // 2)
    return [nn.Conv2d(c_in, c_out, (1, kernel), (1, stride), padding, bias=False), nn.BatchNorm2d(c_out)]


class XResNet1d(nn.Module):
    """Pass the stem and the stages, pool over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        channels = EXPANSION * p.width
        self.stem = _stem(leads, p)
        strides = [2 if stage and not place else 1 for stage, n in enumerate(p.blocks) for place in range(n)]
        blocks = [Block(channels if place else p.width, p, stride) for place, stride in enumerate(strides)]
        self.features = nn.Sequential(*blocks)
        self.head = Head(channels, p.hidden, n_classes, p.dropout)
        self.apply(initialise)
        for block in blocks if p.zero_last else []:
            nn.init.zeros_(block.norm.weight)  # each block starts as its shortcut

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.unsqueeze(2))  # (B, leads, T) -> (B, 64, 1, T / 4)
        return self.head(self.features(x))  # (B, 256, 1, T / 32) -> (B, classes)


def _stem(leads: int, p: Params) -> nn.Sequential:
    half = (p.width + 1) // 2
    stem = nn.Sequential()
    for place, (c_in, c_out) in enumerate(pairwise((leads, half, half, p.width))):
        stem.extend([*_convolved(c_in, c_out, 5, 1 if place else 2), nn.ReLU()])
    return stem.append(nn.MaxPool2d((1, 3), (1, 2), padding=(0, 1)))


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples) of any length."""
    check_signal("xresnet1d101", in_shape)
    return XResNet1d(in_shape[0], n_classes, p)
