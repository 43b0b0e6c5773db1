"""Recurrence plot: each pixel how far the signal at one time is from the signal at another, or whether it is near.

Steps, for each lead by itself: take at each time the point of `dimension` samples that lie `delay` apart; draw the
Euclidean distance between each two points, in the signal's unit. With a `threshold` a pixel is 1 where the distance lies
below it, else 0: a number in the signal's unit, `point` (the `percentage`-th percentile of all pixels of the picture), or
`distance` (`percentage` per cent of the largest). These steps of a picture have no gradient; with `none`, the default, it
has one. A flat lead is 0 everywhere, or 1 everywhere below a number.

With `size` 0 the numbers are those of pyts.image.RecurrencePlot (0.14.1), one pixel for each pair of points.
Differs: pyts has no size, and 5,000 samples would give 25 million pixels a lead. With a `size`, ours, a longer signal is
first brought by piecewise averages to as many samples as give `size` points, so that `delay` counts pieces; distances of
a shorter one are stretched to `size` by straight lines, before the threshold.

Source: J.-P. Eckmann, S. Oliffson Kamphorst, D. Ruelle, Recurrence plots of dynamical systems, Europhys. Lett. 4 (1987) 973.

>>> shape((12, 5000), Params())
(12, 64, 64)
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from pqrst.encodings._matrix import averages, cut, floating, percentiles, resize, root, samples
from pqrst.errors import SettingsError
from pqrst.parsing import Between


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), the picture's side (0: one pixel a point), points, threshold."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(0)] = 64
    dimension: Annotated[int, Between(1)] = 1
    delay: Annotated[int, Between(1)] = 1
    threshold: Literal["none", "point", "distance"] | Annotated[float, Between(0)] = "none"
    percentage: Annotated[float, Between(0, 100)] = 10.0

    def __post_init__(self) -> None:
        if self.threshold == 0:
            raise ValueError("threshold must be above 0: no distance is below it")


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    found, reach = samples(in_shape, p.start, p.length, "encodings.recurrence"), (p.dimension - 1) * p.delay
    if found <= reach:
        raise SettingsError(
            f"encodings.recurrence.dimension {p.dimension} with delay {p.delay} needs more than {reach} samples, got {found}"
        )
    pixels = p.size or found - reach
    return in_shape[0], pixels, pixels


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:  # noqa: ARG001 (all encodings alike; this one counts samples)
    """Draw signals (n, leads, T) as pictures (n, leads, size, size)."""
    _, pixels, _ = shape((signals.shape[1], signals.shape[2]), p)
    # near a threshold single precision would decide otherwise than pyts, which computes in double
    x = floating(signals) if p.threshold == "none" else signals.to(torch.float64)
    x = cut(x, p.start, p.length)  # (n, leads, length)
    wanted = pixels + (p.dimension - 1) * p.delay
    x = averages(x, min(wanted, x.shape[-1]))
    pictures = resize(distances(x, p.dimension, p.delay), pixels)
    return near(pictures, p.threshold, p.percentage).to(torch.float32)


def distances(x: Tensor, dimension: int, delay: int) -> Tensor:
    """Measure from each point to each: (..., samples) to (..., points, points)."""
    points = x.shape[-1] - (dimension - 1) * delay
    if dimension == 1:
        return _apart(x).abs_()
    squares = _apart(x[..., :points]).square()
    for first in range(delay, dimension * delay, delay):
        squares = squares + _apart(x[..., first : first + points]).square()
    return root(squares)


def _apart(x: Tensor) -> Tensor:
    return x[..., :, None] - x[..., None, :]


def near(pictures: Tensor, threshold: str | float, percentage: float) -> Tensor:
    """Tell what lies below the threshold, as 1 and 0: pictures (..., size, size) to the same."""
    if threshold == "none":
        return pictures
    pixels = pictures.flatten(start_dim=-2)  # (..., size²)
    if threshold == "point":
        limit = percentiles(pixels, np.array([percentage]))
    elif threshold == "distance":
        limit = percentage / 100 * pixels.amax(dim=-1, keepdim=True)
    else:
        limit = pixels.new_tensor([threshold])
    return pictures < limit[..., None]
