"""EfficientNet-B0: an image network of sixteen inverted residual blocks with squeeze-and-excitation.

Layers: conv 3→32 stride 2; blocks by stage (see STAGES), each a 1×1 expansion, a depthwise convolution,
squeeze-and-excitation and a 1×1 projection; conv 320→1280; average over the image; dropout 0.2; linear 1280→classes.
Batch norm and SiLU after every convolution, no SiLU after a projection. The rate at which a block's own part is skipped
(stochastic depth) rises linearly with depth, from 0 to 0.2·15/16.

The weights start random: no pretrained ones are here, and the published results need them (trained from scratch on a few
thousand images the network is clearly worse). The names of the weights are torchvision's, so that weights saved from
there load with `load_state_dict`.

Source: Tan and Le, ICML 2019, arXiv:1905.11946, with torchvision's initialisation and batch norm (eps 1e-5).

>>> sum(w.numel() for w in build((3, 224, 224), 9, Params()).parameters())
4019077
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from torch import Tensor, nn

from pqrst.errors import SettingsError
from pqrst.models._blocks import channel_means
from pqrst.parsing import Between

ACCEPTS = "image"


class Stage(NamedTuple):
    """One row of table 1 of the paper; the stride is that of the first block."""

    expansion: int
    kernel: int
    stride: int
    c_in: int
    c_out: int
    repeats: int


STAGES = (
    Stage(1, 3, 1, 32, 16, 1),
    Stage(6, 3, 2, 16, 24, 2),
    Stage(6, 5, 2, 24, 40, 2),
    Stage(6, 3, 2, 40, 80, 3),
    Stage(6, 5, 1, 80, 112, 3),
    Stage(6, 5, 2, 112, 192, 4),
    Stage(6, 3, 1, 192, 320, 1),
)
BLOCKS = sum(stage.repeats for stage in STAGES)
SQUEEZE = 4  # a block's input channels per channel of its squeeze


@dataclass(frozen=True)
class Params:
    """The dropout before the last layer, and the stochastic depth that the rates of the blocks rise towards."""

    dropout: Annotated[float, Between(0, 1)] = 0.2
    stochastic_depth: Annotated[float, Between(0, 1)] = 0.2


class StochasticDepth(nn.Module):
    """Zero whole rows of a batch at random, and enlarge the others so that the mean stays."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty(len(x), 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(1 - self.rate)
        return x * kept / (1 - self.rate)


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the averages of all channels say of it: (B, c, h, w) to the same."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = channel_means(x)[..., None, None]  # (B, c, 1, 1)
        scale = nn.functional.silu(self.fc1(scale))
        return x * torch.sigmoid(self.fc2(scale))


class InvertedResidual(nn.Module):
    """Widen, convolve each channel alone, weigh the channels, narrow: (B, c_in, h, w) to (B, c_out, h/s, w/s)."""

    def __init__(self, stage: Stage, first: bool, skip_rate: float) -> None:
        super().__init__()
        c_in, stride = (stage.c_in, stage.stride) if first else (stage.c_out, 1)
        wide = c_in * stage.expansion
        layers: list[nn.Module] = [convolution(c_in, wide, 1)] if stage.expansion > 1 else []
        layers.append(convolution(wide, wide, stage.kernel, stride, groups=wide))
        layers.append(SqueezeExcitation(wide, c_in // SQUEEZE))
        layers.append(convolution(wide, stage.c_out, 1)[:2])  # without SiLU
        self.block = nn.Sequential(*layers)
        self.skip = StochasticDepth(skip_rate)
        self.residual = stride == 1 and c_in == stage.c_out

    def forward(self, x: Tensor) -> Tensor:
        return x + self.skip(self.block(x)) if self.residual else self.block(x)


class EfficientNetB0(nn.Module):
    """Convolve through the stages, average over the image, classify."""

    def __init__(self, channels: int, n_classes: int, p: Params) -> None:
        super().__init__()
        rates = iter(p.stochastic_depth * block / BLOCKS for block in range(BLOCKS))
        stages = [blocks(stage, rates) for stage in STAGES]
        self.features = nn.Sequential(convolution(channels, 32, 3, stride=2), *stages, convolution(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(p.dropout), nn.Linear(1280, n_classes))
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (B, channels, h, w) -> (B, 1280, h / 32, w / 32)
        x = channel_means(x)  # (B, 1280)
        return self.classifier(x)  # (B, classes)


def convolution(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Make a convolution with batch norm and SiLU: (B, c_in, h, w) to (B, c_out, h / stride, w / stride)."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
        nn.SiLU(inplace=True),
    )


def blocks(stage: Stage, rates: Iterator[float]) -> nn.Sequential:
    """Make the blocks of one stage: the first changes the width and the size, the others keep them."""
    return nn.Sequential(*[InvertedResidual(stage, place == 0, next(rates)) for place in range(stage.repeats)])


def initialise(module: nn.Module) -> None:
    """Draw the first weights as torchvision does."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        bound = module.out_features**-0.5
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)


def build(in_shape: tuple[int, ...], n_classes: int, p: Params) -> nn.Module:
    """Build the network for images (channels, height, width), of any size."""
    if len(in_shape) != 3:
        raise SettingsError(
            f"models.efficientnet_b0 takes an image (channels, height, width), got the shape {in_shape}"
        )
    return EfficientNetB0(in_shape[0], n_classes, p)
