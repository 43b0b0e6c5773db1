"""Products: each pixel the signal at one time times the signal at another, in mV². The encoding by which its recipe is tested.

Steps, for each lead by itself: average over `size` pieces of time; multiply each by each. Ours, nothing published.

>>> shape((12, 5000), Params())
(12, 64, 64)
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from pqrst.encodings._matrix import averages, cut, floating, samples, side
from pqrst.parsing import Between


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), and the picture's side (0: one pixel a sample)."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(0)] = 64


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    pixels = side(p.size, samples(in_shape, p.start, p.length, "encodings.products"), "encodings.products")
    return in_shape[0], pixels, pixels


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:  # noqa: ARG001 (all encodings alike; this one counts samples)
    """Draw signals (n, leads, T) as pictures (n, leads, size, size)."""
    _, pixels, _ = shape((signals.shape[1], signals.shape[2]), p)
    x = averages(cut(floating(signals), p.start, p.length), pixels)  # (n, leads, size)
    return (x[..., :, None] * x[..., None, :]).to(torch.float32)
