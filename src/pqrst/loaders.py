"""Rows of a Bundle as tensors on the device, standardised, and the order in which an epoch visits them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from pqrst.errors import SettingsError

EPSILON = 1e-8
CHUNK_ROWS = 8192
MASK_SAMPLES = 20
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


@dataclass(frozen=True)
class Augmentation:
    """Noise, masks and scaling laid over the train rows once, before they are standardised.

    The kinds are those of the heartbeat original, which augmented its validation rows as well. Whether its factor N(1, 0.1)
    was drawn for a row or for a value is not known; for a row it would vanish in the standardisation, so it is by value.
    """

    kind: str = "none"  # noise, then _scale and _mask (one stretch) or _mask2 (two) in its name
    seed: int = 0


def augment(x: np.ndarray, a: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Zero stretches of 20 values, add N(0, 0.01), multiply by N(1, 0.1): rows (n, ..., T) to the same shape."""
    if a.kind == "none":
        return x
    x = x.astype(np.float32)
    masks = 2 if a.kind.endswith("_mask2") else 1 if a.kind.endswith("_mask") else 0
    for _ in range(masks):
        start = rng.integers(max(1, x.shape[-1] - MASK_SAMPLES + 1), size=(*x.shape[:-1], 1))
        place = np.arange(x.shape[-1])
        x[(place >= start) & (place < start + MASK_SAMPLES)] = 0
    x += 0.01 * rng.standard_normal(x.shape, np.float32)
    return x * (1 + 0.1 * rng.standard_normal(x.shape, np.float32)) if "_scale" in a.kind else x


def resident(
    x: np.ndarray, rows: np.ndarray, s: Standardisation, device: torch.device, a: Augmentation = Augmentation()
) -> torch.Tensor:
    """Bring the chosen rows to the device, augmented and standardised, as float32."""
    rng = np.random.default_rng(a.seed)
    out = torch.empty((len(rows), *x.shape[1:]), dtype=torch.float32, device=device)
    for start in range(0, len(rows), CHUNK_ROWS):
        part = torch.from_numpy(augment(x[rows[start : start + CHUNK_ROWS]], a, rng).astype(np.float32, copy=False))
        out[start : start + len(part)] = standardise(part.to(device), s)
    return out


def beside(side: np.ndarray | None, have: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Choose the columns that a model takes from the numbers beside the rows, (rows, columns)."""
    missing = [name for name in wanted if name not in have]
    if side is None or missing:
        raise SettingsError(
            f"the rows have no {', '.join(missing or wanted)} beside them; set window.side of their dataset, or another model"
        )
    return side[:, [list(have).index(name) for name in wanted]]


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
