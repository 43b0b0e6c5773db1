"""What two networks or more share: a signal convolved as an image one row high, dropout, the check of the input's shape.

On a CPU, Conv2d with (1, k) kernels and tensors in torch.channels_last is 1.3 to 1.5 times as fast as Conv1d; the weights,
their number and their default initialisation are the same.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor, nn

from pqrst.errors import SettingsError
from pqrst.parsing import Between

Size = Annotated[int, Between(1)]
Rate = Annotated[float, Between(0, 1)]


def convolution(c_in: int, c_out: int, kernel: int) -> nn.Conv2d:
    """Make a convolution over time that keeps the length: (B, c_in, 1, T) to (B, c_out, 1, T)."""
    return nn.Conv2d(c_in, c_out, (1, kernel), padding=(0, kernel // 2))


def channel_means(x: Tensor) -> Tensor:
    """Average each channel over time or over a picture, (B, C, H, W) to (B, C).

    The numbers are those of `x.mean(dim=(2, 3))`. Its gradient would lie channel by channel in memory, and all that comes
    before it would walk two layouts at once: an eighth of a training step of the small networks.
    """
    return x.permute(0, 2, 3, 1).mean(dim=(1, 2))


class Dropout(nn.Dropout):
    """Zero each value with the given probability while training, and scale the others so that the mean stays.

    On a CPU torch draws one random number a value, a sixth of a training step; here one draw of 64 bits serves four
    values, so the probability is a multiple of 1/65536. The random numbers are torch's own: torch.manual_seed rules them.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or x.device.type != "cpu" or not 0 < self.p < 1:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        level = min(round(self.p * 2**16), 2**16 - 1) - 2**15  # of a uniform 16-bit integer
        kept = (words.view(torch.int16)[: x.numel()] >= level).to(x.dtype)
        # laid out in memory as x is, so that the product walks both from start to end
        return x * kept.div_(1 - self.p).as_strided(x.shape, torch.empty_like(x).stride())


def check_odd(kernel: int) -> None:
    """Refuse a kernel that has no middle, since it cannot keep the length."""
    if kernel % 2 == 0:
        raise ValueError(f"kernel must be odd, got {kernel}")


def check_filled(name: str, given: Sequence[object]) -> None:
    """Refuse an empty list of layers."""
    if not given:
        raise ValueError(f"{name} must name at least one layer")


def check_signal(model: str, in_shape: tuple[int, ...], shortest: int = 1) -> None:
    """Refuse an input that is no signal (leads, samples), or one too short for the network's pooling."""
    if len(in_shape) != 2:
        raise SettingsError(f"models.{model} takes a signal (leads, samples), got the shape {in_shape}")
    if in_shape[1] < shortest:
        raise SettingsError(f"models.{model} needs at least {shortest} samples, got {in_shape[1]}")
