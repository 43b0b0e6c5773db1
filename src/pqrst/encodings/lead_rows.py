"""The lead matrix itself as a picture: each lead becomes some rows of it, time runs along its columns.

Steps: cut samples 500 to 2999 (5 s at 500 Hz), zero-padded on the right; scale the whole matrix to 0–255 by one minimum
and one maximum, so that the ratios between leads stay; stretch to 4 rows a lead (bilinear, corners aligned); shrink to
224 × 224 (bilinear, corners not aligned, without antialiasing: of every 11 samples most are skipped); repeat in three
channels; subtract ImageNet's mean and divide by its deviation. The last step belongs to pictures from 0 to 1, and the
original applies it to 0–255: values run from −2 to about 1,136. A missing sample (NaN) counts as 0.

Source: github.com/ScaleMind-C9308A/HeartResearch; arXiv:2407.20249. Its copies for other databases stretch to 36, 44 or
124 rows: `rows` sets that number directly.

>>> shape((12, 5000), Params())
(3, 224, 224)
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pqrst.encodings._matrix import cut, samples
from pqrst.parsing import Between

SMALLEST_SPAN = 1e-8  # in the signal's unit: keeps a constant matrix finite


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples, the size of the picture in pixels, and the scale of its values."""

    start: Annotated[int, Between(0)] = 500
    length: Annotated[int, Between(1)] = 2500
    rows_per_lead: Annotated[int, Between(1)] = 4
    rows: Annotated[int, Between(1)] | None = None  # in place of rows_per_lead × leads
    size: Annotated[int, Between(1)] = 224
    antialias: bool = False
    channels: Annotated[int, Between(1)] = 3
    scale: float = 255.0
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    deviation: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        for name in ("mean", "deviation"):
            if len(getattr(self, name)) != self.channels:
                raise ValueError(f"{name} must give one number for each of the {self.channels} channels")
        if 0 in self.deviation:
            raise ValueError("deviation must not be zero")


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    samples(in_shape, p.start, p.length, "encodings.lead_rows")
    return p.channels, p.size, p.size


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:  # noqa: ARG001 (all encodings alike; this one counts samples)
    """Draw signals (n, leads, T) as pictures (n, channels, size, size)."""
    shape((signals.shape[1], signals.shape[2]), p)
    x = cut(signals.to(torch.float32), p.start, p.length)  # (n, leads, length)
    x = spread(x).mul(p.scale).unsqueeze(1)  # (n, 1, leads, length)
    rows = p.rows or p.rows_per_lead * signals.shape[1]
    x = interpolate(x, size=(rows, p.length), mode="bilinear", align_corners=True)  # (n, 1, rows, length)
    x = interpolate(x, size=(p.size, p.size), mode="bilinear", align_corners=False, antialias=p.antialias)
    mean, deviation = (x.new_tensor(numbers).view(1, -1, 1, 1) for numbers in (p.mean, p.deviation))
    return (x - mean) / deviation  # (n, channels, size, size): repeated last, since equal channels resize alike


def spread(x: Tensor) -> Tensor:
    """Scale each matrix to run from 0 to 1, over all leads together: (n, leads, length) to the same."""
    low, high = x.amin(dim=(1, 2), keepdim=True), x.amax(dim=(1, 2), keepdim=True)
    return (x - low) / (high - low).clamp(min=SMALLEST_SPAN)
