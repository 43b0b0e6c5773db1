"""What the networks of the PTB-XL benchmark share: their end, from a map over time to logits, and their first weights.

Source: Strodthoff et al., IEEE J Biomed Health Inform 25(5), 2021, arXiv:2004.13701; github.com/helme/ecg_ptbxl_benchmarking.
"""

import torch
from torch import Tensor, nn

from pqrst.models._blocks import Dropout, channel_means


class Head(nn.Sequential):
    """Pool, then two dense layers, each behind batch norm and dropout: (B, channels, 1, T) to (B, classes)."""

    def __init__(self, channels: int, hidden: int, n_classes: int, dropout: float) -> None:
        super().__init__(
            nn.BatchNorm1d(2 * channels), Dropout(dropout / 2), nn.Linear(2 * channels, hidden), nn.ReLU(),
            nn.BatchNorm1d(hidden), Dropout(dropout), nn.Linear(hidden, n_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(max_and_mean(x))


def max_and_mean(x: Tensor) -> Tensor:
    """Put each channel's largest value over time before the means of all: (B, c, 1, T) to (B, 2c)."""
    return torch.cat([x.amax(dim=(2, 3)), channel_means(x)], dim=1)


def initialise(module: nn.Module) -> None:
    """Draw the weights of one layer after Kaiming, with biases of nought."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
