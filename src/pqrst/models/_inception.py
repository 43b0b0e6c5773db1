"""What inception networks share: convolutions of several lengths side by side, and squeeze-and-excitation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.models._blocks import channel_means, check_filled, check_odd


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the averages of all channels say of it: (B, c, 1, T) to the same."""

    def __init__(self, channels: int, squeezed: int, bias: bool) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1, bias=bias)
        self.excite = nn.Conv2d(squeezed, channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.relu(self.squeeze(channel_means(x)[..., None, None]))  # (B, squeezed, 1, 1)
        return x * torch.sigmoid(self.excite(scale))


class Inception(nn.Module):
    """Convolve a narrowed input by each kernel, and the pooled input itself: (B, c, 1, T) to (B, channels, 1, T / stride)."""

    def __init__(self, narrow: nn.Module, branches: Sequence[nn.Module], pooled: nn.Module, stride: int = 1) -> None:
        super().__init__()
        self.narrow, self.branches = narrow, nn.ModuleList(branches)
        self.pooled = nn.Sequential(nn.MaxPool2d((1, 3), (1, stride), padding=(0, 1)), pooled)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.narrow(x)
        return torch.cat([*[branch(narrow) for branch in self.branches], self.pooled(x)], dim=1)


def bare(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution over time without bias: (B, c_in, 1, T) to (B, c_out, 1, T / stride), rounded up."""
    return nn.Conv2d(c_in, c_out, (1, kernel), (1, stride), padding=(0, kernel // 2), bias=False)


def check_kernels(kernels: Sequence[int]) -> None:
    """Refuse an empty list of kernels, or one that has no middle."""
    check_filled("kernels", kernels)
    for kernel in kernels:
        check_odd(kernel)
