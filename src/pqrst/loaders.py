"""Rows of a Bundle as tensors on the device, standardised, and the order in which an epoch visits them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

EPSILON = 1e-8
CHUNK_ROWS = 8192
Kind = Literal["none", "row", "train"]


@dataclass(frozen=True)
class Standardisation:
    """Numbers that bring a row to zero mean and unit deviation; `row` takes them from each row and lead itself."""

    kind: Kind
    mean: tuple[float, ...] = ()  # by lead or channel, fitted on train rows
    deviation: tuple[float, ...] = ()


def fit_standardisation(kind: Kind, x: np.ndarray, train_rows: np.ndarray) -> Standardisation:
    """Fit on train rows only: x is (rows, leads, time) or (rows, channels, height, width)."""
    if kind != "train":
        return Standardisation(kind)
    axes = (0, *range(2, x.ndim))
    total, squares, count = np.zeros(x.shape[1]), np.zeros(x.shape[1]), 0
    for start in range(0, len(train_rows), CHUNK_ROWS):
        part = x[train_rows[start : start + CHUNK_ROWS]].astype(np.float64)
        total, squares = total + part.sum(axes), squares + (part**2).sum(axes)
        count += part.size // x.shape[1]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Standardisation(kind, tuple(mean.tolist()), tuple(deviation.tolist()))


def standardise(x: torch.Tensor, s: Standardisation) -> torch.Tensor:
    """Apply a standardisation to a batch, (B, leads, T) or (B, channels, height, width)."""
    if s.kind == "none":
        return x
    axes = tuple(range(2, x.ndim))
    if s.kind == "row":
        mean = x.mean(axes, keepdim=True)
        return (x - mean) / ((x - mean).square().mean(axes, keepdim=True).sqrt() + EPSILON)
    shape = (1, -1, *(1 for _ in axes))
    return (x - x.new_tensor(s.mean).view(shape)) / (x.new_tensor(s.deviation).view(shape) + EPSILON)


def resident(x: np.ndarray, rows: np.ndarray, s: Standardisation, device: torch.device) -> torch.Tensor:
    """Bring the chosen rows to the device, standardised, as float32."""
    out = torch.empty((len(rows), *x.shape[1:]), dtype=torch.float32, device=device)
    for start in range(0, len(rows), CHUNK_ROWS):
        part = torch.from_numpy(x[rows[start : start + CHUNK_ROWS]].astype(np.float32))
        out[start : start + len(part)] = standardise(part.to(device), s)
    return out


def visiting_order(n: int, row_weights: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
    """Give one epoch's row numbers: a shuffle, or as many weighted draws with replacement."""
    if row_weights is None:
        return torch.randperm(n, generator=generator)
    return torch.multinomial(row_weights, n, replacement=True, generator=generator)


def batches(order: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Cut an order into batches; a last batch of one row is left out, since batch norm cannot take it."""
    for part in order.split(size):
        if len(part) > 1 or len(order) == 1:
            yield part


def sampling_weights(labels: torch.Tensor, class_counts: np.ndarray, ratio: float) -> torch.Tensor:
    """Weigh rows so that each minority class is drawn `ratio` times as often as the largest class."""
    most = class_counts.max()
    by_class = torch.tensor(
        [1.0 if n == most else int(ratio * most) / max(n, 1) for n in class_counts], dtype=torch.float64
    )
    return by_class[labels.cpu()]


def class_weights(class_counts: np.ndarray, alpha: float) -> np.ndarray:
    """Weigh classes by 1 + α(N/(C·n) − 1): none at α = 0, fully balanced at α = 1."""
    balanced = class_counts.sum() / (len(class_counts) * np.maximum(class_counts, 1))
    return 1 + alpha * (balanced - 1)
