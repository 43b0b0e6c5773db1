"""Gramian angular field: each sample an angle, each pixel the cosine of a sum of two or the sine of a difference.

Steps, for each lead by itself: piecewise averages down to `size` values; scale them to run from `low` to `high`; take
each as the cosine of an angle φ between 0 and π; draw cos(φᵢ + φⱼ) (summation) or sin(φᵢ − φⱼ) (difference). The
summation field is symmetric and its diagonal holds the signal, as 2x² − 1; the difference field changes its sign when
mirrored. Scaling takes each lead's own amplitude away. A flat lead is drawn as all samples at `low`.

The numbers are those of pyts.image.GramianAngularField without overlap (0.14.1). There `image_size` is all samples by
default; ours is 64, and 0 stands for all.

Sources: Z. Wang, T. Oates, Encoding time series as images for visual inspection and classification using tiled
convolutional neural networks, AAAI workshops 2015; arXiv:1506.00327.

>>> shape((12, 5000), Params())
(12, 64, 64)
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from pqrst.encodings._matrix import averages, cut, root, samples, side
from pqrst.parsing import Between

FLAT = 10 * torch.finfo(torch.float64).eps  # a span below this counts as none, as scikit-learn's scaler has it


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), the picture's side (0: one pixel a sample), field and range."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(0)] = 64
    method: Literal["summation", "difference"] = "summation"
    low: Annotated[float, Between(-1, 1)] = -1.0
    high: Annotated[float, Between(-1, 1)] = 1.0

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low must lie below high, got {self.low:g} and {self.high:g}")


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    pixels = side(p.size, samples(in_shape, p.start, p.length, "encodings.gramian"), "encodings.gramian")
    return in_shape[0], pixels, pixels


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:  # noqa: ARG001 (all encodings alike; this one counts samples)
    """Draw signals (n, leads, T) as pictures (n, leads, size, size)."""
    _, pixels, _ = shape((signals.shape[1], signals.shape[2]), p)
    # in single precision the sine near its ends would lose half the digits
    x = averages(cut(signals, p.start, p.length).double(), pixels)  # (n, leads, size)
    cosine, sine = (part.to(torch.float32) for part in angles(x, p.low, p.high))
    rows = (cosine, -sine) if p.method == "summation" else (sine, -cosine)
    # a product of matrices (size, 2) and (2, size), which goes over the pixels once
    return torch.stack(rows, dim=-2).mT @ torch.stack((cosine, sine), dim=-2)


def angles(x: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Scale the last axis to run from `low` to `high`, and give these cosines with their sines."""
    smallest, largest = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
    span = largest - smallest
    share = (x - smallest) / torch.where(span < FLAT, 1, span)  # 0 to 1
    cosine = share.mul_(high - low).add_(low)
    return cosine, root(1 - cosine.square())
