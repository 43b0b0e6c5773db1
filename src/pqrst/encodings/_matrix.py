"""What several encodings share: the stretch of time, averages over pieces of it, ordered values, roots with a gradient."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from pqrst.errors import SettingsError


def samples(in_shape: tuple[int, int], start: int, length: int, path: str) -> int:
    """Count the samples that `cut` gives of a signal (leads, samples)."""
    if in_shape[1] <= start:
        raise SettingsError(f"{path}.start is {start}, but the signals end after {in_shape[1]} samples")
    return length or in_shape[1] - start


def side(size: int, found: int, path: str) -> int:
    """Count the pixels along one side of a picture that has no more of them than samples; `size` 0 is one a sample."""
    if size > found:
        raise SettingsError(f"{path}.size must be at most the {found} samples that are drawn, got {size}")
    return size or found


def floating(x: Tensor) -> Tensor:
    """Keep double precision, and bring all else to single."""
    return x if x.dtype == torch.float64 else x.to(torch.float32)


def cut(x: Tensor, start: int, length: int) -> Tensor:
    """Take a stretch of time, with zeros for what is missing within and after it; length 0 takes all that follows."""
    x = x[..., start : start + length] if length else x[..., start:]
    return pad(x.masked_fill(x.isnan(), 0), (0, max(length - x.shape[-1], 0)))


def bounds(count: int, pieces: int) -> np.ndarray:
    """Give the borders of pieces whose lengths differ by one sample at most, (pieces + 1,), as pyts sets them."""
    return np.linspace(0, count, pieces + 1).astype(np.int64)


def averages(x: Tensor, size: int) -> Tensor:
    """Average over pieces of time (piecewise aggregate approximation): (..., samples) to (..., size), size ≤ samples."""
    count = x.shape[-1]
    if size == count:
        return x
    borders = bounds(count, size)
    lengths = np.diff(borders)  # (size,)
    offsets = np.arange(lengths.max())  # (longest,)
    places = np.where(offsets < lengths[:, None], borders[:-1, None] + offsets, count)  # (size, longest)
    first = x[..., :1]  # taken off before and put back after, so that a flat lead stays flat to the last bit
    filled = pad(x - first, (0, 1))  # (..., samples + 1), the last one 0
    pieces = filled.index_select(-1, torch.from_numpy(places.ravel()).to(x.device)).unflatten(-1, places.shape)
    return first + pieces.sum(dim=-1) / torch.from_numpy(lengths).to(x)


def fit(x: Tensor, size: int) -> Tensor:
    """Bring the last axis to `size`: averages where there is more, straight lines between where there is less."""
    if x.shape[-1] >= size:
        return averages(x, size)
    lines = x.reshape(1, -1, x.shape[-1])
    return interpolate(lines, size=size, mode="linear", align_corners=False).reshape(*x.shape[:-1], size)


def resize(x: Tensor, size: int) -> Tensor:
    """Bring both sides of pictures to `size`: (..., rows, columns) to (..., size, size)."""
    return fit(fit(x, size).mT, size).mT


def percentiles(x: Tensor, percents: np.ndarray) -> Tensor:
    """Interpolate between the ordered values, rounding as numpy does: (..., values) to (..., percents)."""
    last = x.shape[-1] - 1
    places = last * (percents / 100)
    below = np.floor(places).astype(np.int64)
    ordered, share = x.sort(dim=-1).values, torch.from_numpy(places - below).to(x)
    low, high = ordered[..., below], ordered[..., np.minimum(below + 1, last)]
    return torch.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))


def root(x: Tensor) -> Tensor:
    """Take the square root of what is above 0, and 0 of the rest, whose gradient is 0 too and not infinite."""
    above = x > 0
    return torch.where(above, torch.where(above, x, 1).sqrt(), 0)
