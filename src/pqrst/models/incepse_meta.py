"""IncepSE with metadata: inception blocks with squeeze-and-excitation over the signal, and eight facts of the recording beside it.

Layers: 1×1 convolution 12→128, batch norm, ReLU. A block narrows by a 1×1 convolution →32 and squeeze-and-excitation
(32→2→32), convolves that by kernels 10, 20 and 40 →32 each, and the input, max-pooled over 3, by kernel 3 →32; the four are
joined; batch norm; ReLU; plus the shortcut; ReLU. Six such blocks, then one of twice the widths, stride 2, dropout .3 and a
shortcut of a 1×1 convolution with batch norm; mean over time. The metadata: linear 8→64, ReLU, dropout .2, linear 64→32,
ReLU, dropout .2. Both together: linear 288→128, ReLU, dropout .3, linear 128→classes. All convolutions with bias.

For 10 s of PTB-XL at 100 Hz, 12 leads. Published of the 52 labels with a likelihood, all cells pooled, on the test fold:
AUROC .976, and with a threshold chosen there specificity .918 and sensitivity .924.

Source: github.com/TheFlyingEmp/ECG-Classification, a Keras network: hence padding, batch norm and first weights as Keras has
them. The sigmoid that ends the original stands outside.

>>> sum(w.numel() for w in build((12, 1000), 52, Params()).parameters())
934564
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import Dropout, Rate, Size, channel_means, check_filled, check_signal
from pqrst.models._inception import Inception, SqueezeExcitation

ACCEPTS = "signal"
SIDE = (
    "age", "male", "pacemaker", "baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats",
)  # fmt: skip
SQUEEZED = 16  # channels per channel of the squeeze


@dataclass(frozen=True)
class Params:
    """Blocks before the last, channels of each branch, kernels in samples, and the dropout of the last block, side and head."""

    blocks: Size = 6
    width: Size = 32
    kernels: tuple[Size, ...] = (10, 20, 40)
    dropout: Rate = 0.3
    side_dropout: Rate = 0.2
    head_dropout: Rate = 0.3

    def __post_init__(self) -> None:
        check_filled("kernels", self.kernels)


class Convolution(nn.Conv2d):
    """Convolve over time, padded as TensorFlow's "same": (B, c_in, 1, T) to (B, c_out, 1, T / stride), rounded up."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(c_in, c_out, (1, kernel), (1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, same(x.shape[3], self.kernel_size[1], self.stride[1])))


def same(samples: int, kernel: int, stride: int) -> tuple[int, int]:
    """Give the zeros before and after a signal such that ceil(samples / stride) are left; the odd one comes after."""
    missing = max(0, (-(-samples // stride) - 1) * stride + kernel - samples)
    return missing // 2, missing - missing // 2


class Block(nn.Module):
    """Add convolutions of several lengths to the input: (B, c_in, 1, T) to (B, channels, 1, T / stride)."""

    def __init__(self, c_in: int, width: int, p: Params, stride: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        channels = width * (len(p.kernels) + 1)
        narrow = nn.Sequential(
            nn.Conv2d(c_in, width, 1), SqueezeExcitation(width, max(1, width // SQUEEZED), bias=True)
        )
        branches = [Convolution(width, width, kernel, stride) for kernel in p.kernels]
        inception = Inception(narrow, branches, Convolution(c_in, width, 3, stride))
        self.residual = nn.Sequential(inception, _norm(channels), nn.ReLU())
        if dropout:
            self.residual.append(Dropout(dropout))
        self.shortcut = nn.Sequential()
        if (c_in, stride) != (channels, 1):
            self.shortcut.extend([Convolution(c_in, channels, 1, stride), _norm(channels)])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)  # Keras counts the momentum from the other end: .99


class IncepSEMeta(nn.Module):
    """Pass the blocks and average over time, look at the metadata, classify by both."""

    def __init__(self, leads: int, n_classes: int, p: Params) -> None:
        super().__init__()
        channels = p.width * (len(p.kernels) + 1)
        self.stem = nn.Sequential(nn.Conv2d(leads, channels, 1), _norm(channels), nn.ReLU())
        blocks = [Block(channels, p.width, p) for _ in range(p.blocks)]
        self.features = nn.Sequential(*blocks, Block(channels, 2 * p.width, p, stride=2, dropout=p.dropout))
        self.side = nn.Sequential(*_dense(len(SIDE), 64, p.side_dropout), *_dense(64, 32, p.side_dropout))
        self.head = nn.Sequential(*_dense(2 * channels + 32, 128, p.head_dropout), nn.Linear(128, n_classes))
        self.apply(_initialise)

    def forward(self, x: Tensor, side: Tensor) -> Tensor:
        x = self.features(self.stem(x.unsqueeze(2)))  # (B, leads, T) -> (B, 256, 1, T / 2)
        return self.head(torch.cat([channel_means(x), self.side(side)], dim=1))  # (B, 288) -> (B, classes)


def _dense(c_in: int, c_out: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(c_in, c_out), nn.ReLU(), Dropout(dropout)]


def _initialise(module: nn.Module) -> None:
    """Draw the first weights of one layer as Keras does unasked."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for signals (leads, samples) of any length with the columns SIDE beside them."""
    check_signal("incepse_meta", in_shape)
    return IncepSEMeta(in_shape[0], n_classes, p)
