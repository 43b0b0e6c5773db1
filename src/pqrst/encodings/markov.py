"""Markov transition field: each pixel how likely a signal goes on, in one step, from the bin of one time to that of another.

Steps, for each lead by itself: sort the samples into `bins` by their height; count the steps from each bin to each, and
divide by all steps out of that bin; give the pair of times (i, j) the chance of a step from the bin of i to the bin of
j; average over rectangles down to `size`. The field of all pairs is never made: with the share of each piece of time
that each bin holds, P (size, bins), and the chances W, the picture is P W Pᵀ.
`strategy` sets the borders of the bins: quantile, the same number of samples in each; uniform, the same width; normal,
quantiles of the standard normal distribution, which fits leads of mean 0 and deviation 1. A flat lead falls into one bin:
all its pixels are 1.

The numbers are those of pyts.image.MarkovTransitionField without overlap (0.14.1). There `image_size` is all samples by
default; ours is 64, and 0 stands for all. Borders are found in double precision, as there. Counts have no gradient: a
learned front end before this encoding learns nothing.

Sources: Z. Wang, T. Oates, Encoding time series as images for visual inspection and classification using tiled
convolutional neural networks, AAAI workshops 2015; arXiv:1506.00327.

>>> shape((12, 5000), Params())
(12, 64, 64)
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from pqrst.encodings._matrix import cut, lengths, percentiles, samples, side
from pqrst.parsing import Between

EQUAL = 1e-8  # in the signal's unit: quantiles no farther apart are one, as in pyts


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), the picture's side (0: one pixel a sample), and the bins."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(0)] = 64
    bins: Annotated[int, Between(2, 256)] = 8  # a byte counts them
    strategy: Literal["quantile", "uniform", "normal"] = "quantile"


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    pixels = side(p.size, samples(in_shape, p.start, p.length, "encodings.markov"), "encodings.markov")
    return in_shape[0], pixels, pixels


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:  # noqa: ARG001 (all encodings alike; this one counts samples)
    """Draw signals (n, leads, T) as pictures (n, leads, size, size)."""
    _, pixels, _ = shape((signals.shape[1], signals.shape[2]), p)
    x = cut(signals.detach().to(torch.float64), p.start, p.length)  # (n, leads, length)
    found = binned(x, p.bins, p.strategy)
    shares = held(found, pixels, p.bins)
    return shares @ (chances(found, p.bins) @ shares.mT)


def binned(x: Tensor, bins: int, strategy: str) -> Tensor:
    """Give the bin of each sample: (..., samples) to the same, whole numbers from 0."""
    found = torch.zeros(x.shape, dtype=torch.uint8, device=x.device)
    for border in borders(x, bins, strategy).unbind(dim=-1):
        found += x > border[..., None]  # a sample on the border stays below it
    return found.to(torch.int64)


def borders(x: Tensor, bins: int, strategy: str) -> Tensor:
    """Set the borders between the bins: (..., samples) to (..., bins − 1); one that coincides with the next is infinite."""
    if strategy == "normal":
        return torch.from_numpy(ndtri(np.linspace(0, 1, bins + 1)[1:-1])).to(x).expand(*x.shape[:-1], -1)
    if strategy == "uniform":
        low, high = x.amin(dim=-1, keepdim=True), x.amax(dim=-1, keepdim=True)
        return low + torch.arange(1, bins, device=x.device) * ((high - low) / bins)
    found = percentiles(x, np.linspace(0, 100, bins + 1)[1:-1])
    doubled = (found[..., 1:] - found[..., :-1]).abs() <= EQUAL
    return torch.cat([found[..., :-1].masked_fill(doubled, torch.inf), found[..., -1:]], dim=-1)


def chances(found: Tensor, bins: int) -> Tensor:
    """Count the steps between bins and divide by those out of each: (..., samples) to (..., from, to)."""
    steps = tally(found[..., :-1] * bins + found[..., 1:], bins * bins).unflatten(-1, (bins, bins))
    return steps / steps.sum(dim=-1, keepdim=True).clamp(min=1)


def held(found: Tensor, size: int, bins: int) -> Tensor:
    """Give the share of each piece of time that each bin holds: (..., samples) to (..., size, bins)."""
    counts = lengths(found.shape[-1], size)
    pieces = torch.from_numpy(np.repeat(np.arange(0, size * bins, bins), counts.astype(int))).to(found)  # (samples,)
    times = tally(pieces + found, size * bins).unflatten(-1, (size, bins))
    return times / torch.from_numpy(counts).to(times)[:, None]


def tally(x: Tensor, count: int) -> Tensor:
    """Count how often each whole number below `count` occurs: (..., samples) to (..., count)."""
    empty = torch.zeros(*x.shape[:-1], count, dtype=torch.float32, device=x.device)
    return empty.scatter_add_(-1, x, empty.new_ones(1).expand(x.shape))
