"""Rows out of the steps that they are stored in, and to zero mean and unit deviation."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from pqrst.arrays import Steps
from pqrst.treatment import Kind, Standardisation

EPSILON = 1e-8
ROUNDING = 1e-6  # of a mean: what deviates less from it is flat


def fit_standardisation(kind: Kind, parts: Iterable[Tensor]) -> Standardisation:
    """Fit on parts of the train rows, (n, leads, time) or (n, channels, height, width); a missing number counts nowhere."""
    if kind not in ("train", "train_all"):
        return Standardisation(kind)
    total, squares, count = np.zeros((3, 1))  # by lead
    for part in parts:
        x, axes = part.numpy().astype(np.float64), (0, *range(2, part.ndim))
        total, squares = total + np.nansum(x, axes), squares + np.nansum(x**2, axes)
        count = count + np.isfinite(x).sum(axes)
    if kind == "train_all":
        total, squares, count = (np.full(len(total), values.sum()) for values in (total, squares, count))
    mean = total / np.maximum(count, 1)
    deviation = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
    return Standardisation(kind, tuple(mean.tolist()), tuple(deviation.tolist()))


def decoded(x: Tensor, steps: Steps | None) -> Tensor:
    """Bring a batch of stored rows, (B, leads, T) or (B, channels, height, width), into its unit."""
    if steps is None:
        return x
    zero, gain = (_by_lead(values, x) for values in (steps.zero, steps.gain))
    return (x - zero).div_(gain)  # in place: fresh memory takes longer than the division


def encoded(x: Tensor, steps: Steps | None) -> Tensor:
    """Bring a batch in its unit to the whole steps that it would be stored in."""
    return x if steps is None else torch.round(x * _by_lead(steps.gain, x) + _by_lead(steps.zero, x))


def standardise(x: Tensor, s: Standardisation) -> Tensor:
    """Apply a standardisation to a batch in its unit, or to the numbers beside it, (B, columns)."""
    if s.kind == "none":
        return x
    if s.kind == "row":
        axes = tuple(range(2, x.ndim))
        mean = x.mean(axes, keepdim=True)
        deviation = (x - mean).square().mean(axes, keepdim=True).sqrt()
        flat = deviation <= ROUNDING * mean.abs()  # the mean of equal numbers may be off by their last digit
        return (x - mean) / _divisor(deviation).masked_fill(flat, torch.inf)
    scaled = (x - _by_lead(s.mean, x)) / _divisor(_by_lead(s.deviation, x))
    return torch.nan_to_num(scaled) if x.ndim == 2 else scaled  # a missing number beside a row becomes the mean


def _by_lead(values: tuple[float, ...], x: Tensor) -> Tensor:
    """Lay one number a lead out so that it meets a batch's second axis."""
    return x.new_tensor(values).view(1, -1, *(1 for _ in range(2, x.ndim)))


def _divisor(deviation: Tensor) -> Tensor:
    # torch's ONNX exporter leaves out so small a sum; the bound, which changes nothing here, keeps a flat lead from 0 / 0 there
    return (deviation + EPSILON).clamp(min=EPSILON)
