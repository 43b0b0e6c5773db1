"""What several encodings share: the stretch of time, averages over pieces of it, ordered values, roots with a gradient."""

from functools import cache

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
    missing = length - x.shape[-1]
    x = x.nan_to_num(0, torch.inf, -torch.inf)
    return pad(x, (0, missing)) if missing > 0 else x


@cache
def bounds(count: int, pieces: int) -> np.ndarray:
    """Give the borders of pieces whose lengths differ by one sample at most, (pieces + 1,), as pyts sets them."""
    return np.linspace(0, count, pieces + 1).astype(np.int64)


@cache
def lengths(count: int, pieces: int) -> np.ndarray:
    """Count the samples of each such piece, (pieces,)."""
    return np.diff(bounds(count, pieces)).astype(np.float64)


def averages(x: Tensor, size: int) -> Tensor:
    """Average over pieces of time (piecewise aggregate approximation): (..., samples) to (..., size), size ≤ samples."""
    count = x.shape[-1]
    if size == count:
        return x
    first = x[..., :1].double()  # taken off before and put back after, so that a flat lead stays flat to the last bit
    sums = (x - first).cumsum_(dim=-1)  # (..., samples) in double precision, which tells two large sums apart
    ends = (
        torch.from_numpy(bounds(count, size) - 1).clamp(min=0).to(x.device)
    )  # the first sum, of nothing, is 0 as well
    pieces = sums.index_select(-1, ends).diff(dim=-1)  # (..., size)
    return (first + pieces / torch.from_numpy(lengths(count, size)).to(x.device)).to(x.dtype)


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
    values, share = ordered(x), torch.from_numpy(places - below).to(x)
    low, high = values[..., below], values[..., np.minimum(below + 1, last)]
    return torch.where(share < 0.5, low + (high - low) * share, high - (high - low) * (1 - share))


def ordered(x: Tensor) -> Tensor:
    """Sort the last axis, without a gradient; on a CPU by numpy, which is ten times as fast but cannot be exported."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return x.detach().sort(dim=-1).values
    return torch.from_numpy(np.sort(x.detach().numpy(), axis=-1))


def root(x: Tensor) -> Tensor:
    """Take the square root of what is above 0, and 0 of the rest, whose gradient is 0 too and not infinite."""
    return x.relu().sqrt()  # the gradient of relu is a choice, not a product: an infinite one behind it is left out
