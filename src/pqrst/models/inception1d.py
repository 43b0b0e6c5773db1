"""inception1d: InceptionTime as the PTB-XL benchmark trains it, one network of six modules.

Layers: a module narrows by a 1×1 convolution →32, convolves that by kernels 39, 19 and 9 →32 each, and the input, max-pooled
over 3, by a 1×1 convolution →32; the four are joined; batch norm; ReLU. After every third module the input of three modules
before is added through a 1×1 convolution and batch norm; ReLU. Convolutions without bias. Then the benchmark's head: largest
value and mean over time; batch norm, dropout .25, linear 256→128, ReLU; batch norm, dropout .5, linear 128→classes.
Kaiming initialisation.

For windows of 2.5 s of PTB-XL at 100 Hz, 12 leads, of a record's windows the largest output of each label.
Published there (macro AUROC, fold 10): all 71 labels .925, diagnostic .931, sub .930, super .921, form .899, rhythm .953.

Sources: Strodthoff et al., IEEE J Biomed Health Inform 25(5), 2021, arXiv:2004.13701, and its code,
github.com/helme/ecg_ptbxl_benchmarking; Ismail Fawaz et al., Data Min Knowl Disc 34, 2020, arXiv:1909.04939.

>>> sum(w.numel() for w in build((12, 250), 71, Params()).parameters())
516167
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Rate, Size, check_signal
from pqrst.models._heads import Head, initialise
from pqrst.models._inception import Inception, bare, check_kernels

ACCEPTS = "signal"
SPAN = 3  # modules that one shortcut passes by


@dataclass(frozen=True)
class Params:
    """Shortcuts, channels of each branch and of the narrowed input, kernels in samples, and the head's width and dropout."""

    groups: Size = 2
    width: Size = 32
    bottleneck: Size = 32
    kernels: tuple[Size, ...] = (39, 19, 9)
    hidden: Size = 128
    dropout: Rate = 0.5

    def __post_init__(self) -> None:
        check_kernels(self.kernels)


class Group(nn.Module):
    """Add three modules to their own input: (B, c_in, 1, T) to (B, channels, 1, T)."""

    def __init__(self, c_in: int, p: Params) -> None:
        super().__init__()
        self.channels = p.width * (len(p.kernels) + 1)
        given = [c_in] + [self.channels] * (SPAN - 1)
        self.modules_in_line = nn.Sequential(*[_module(c, self.channels, p) for c in given])
        self.shortcut = nn.Sequential(bare(c_in, self.channels, 1), nn.BatchNorm2d(self.channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.modules_in_line(x) + self.shortcut(x))


def _module(c_in: int, channels: int, p: Params) -> nn.Sequential:
    branches = [bare(p.bottleneck, p.width, kernel) for kernel in p.kernels]
    inception = Inception(bare(c_in, p.bottleneck, 1), branches, bare(c_in, p.width, 1))
    return nn.Sequential(inception, nn.BatchNorm2d(channels), nn.ReLU())


class Inception1d(nn.Module):
    """Pass the groups, pool over time, classify."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        groups = [Group(leads, p)]
        groups += [Group(groups[0].channels, p) for _ in range(p.groups - 1)]
        self.features = nn.Sequential(*groups)
        self.head = Head(groups[0].channels, p.hidden, n_classes, p.dropout)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x.unsqueeze(2)))  # (B, leads, T) -> (B, 128, 1, T) -> (B, classes)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples) of any length."""
    check_signal("inception1d", in_shape)
    return Inception1d(in_shape[0], n_classes, p)
