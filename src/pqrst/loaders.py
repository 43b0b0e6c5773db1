"""Rows of an array as tensors on the device, decoded and standardised, and the order in which an epoch visits them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from pqrst.arrays import Steps, take
from pqrst.augmentation import augment
from pqrst.standardisation import Standardisation, decoded, standardise

CHUNK_ROWS, CHUNK_NUMBERS = 8192, 2**24  # at once: whichever is fewer
CPU = torch.device("cpu")


def chunks(rows: np.ndarray, row_shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Cut row numbers into parts that are small enough to be turned to floating point beside what is kept."""
    size = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // math.prod(row_shape)))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def read(x: np.ndarray, rows: np.ndarray, steps: Steps | None = None, device: torch.device = CPU) -> torch.Tensor:
    """Take rows out of an array and the steps that it stores, float32 on the device: the one way to what training sees."""
    found = torch.from_numpy(take(x, rows).astype(np.float32, copy=False))
    return decoded(found.to(device), steps)


def parts(x: np.ndarray, rows: np.ndarray, steps: Steps | None = None) -> Iterator[torch.Tensor]:
    """Read rows in their order, some at a time."""
    return (read(x, chosen, steps) for chosen in chunks(rows, x.shape[1:]))


def resident(
    x: np.ndarray, rows: np.ndarray, s: Standardisation, device: torch.device,
    *, steps: Steps | None = None, change: str = "none", seed: int = 0,
) -> torch.Tensor:  # fmt: skip
    """Bring the chosen rows to the device: decoded, augmented, then standardised."""
    rng = np.random.default_rng(seed)
    out = torch.empty((len(rows), *x.shape[1:]), dtype=torch.float32, device=device)
    start = 0
    for part in parts(x, rows, steps):
        changed = torch.from_numpy(augment(part.numpy(), change, rng))
        out[start : start + len(part)] = standardise(changed.to(device), s)
        start += len(part)
    return out


@dataclass(frozen=True)
class Streamed:
    """Rows that stay on disk: each batch is read, decoded and standardised when it is asked for.

    It answers what is asked of a tensor of rows: length, device, rows by number, and batches in order.
    """

    x: np.ndarray  # memory-mapped
    rows: np.ndarray  # (n,) numbers of the rows in it
    standardisation: Standardisation
    device: torch.device
    steps: Steps | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.x.shape[1:])

    def __getitem__(self, part: torch.Tensor) -> torch.Tensor:
        """Read rows by their numbers among these, float32 (part, *row shape)."""
        chosen = self.rows[part.cpu().numpy()]
        return standardise(read(self.x, chosen, self.steps, self.device), self.standardisation)

    def narrow(self, dim: int, start: int, length: int) -> "Streamed":  # noqa: ARG002 (a tensor's own arguments; 0)
        """Give a stretch of the rows, which stays on disk too."""
        return replace(self, rows=self.rows[start : start + length])

    def split(self, size: int) -> Iterator[torch.Tensor]:
        """Give all rows in order, so many at a time."""
        for start in range(0, len(self), size):
            yield self[torch.arange(start, min(start + size, len(self)))]


def cropped(x: torch.Tensor, samples: int) -> torch.Tensor:
    """Cut a random stretch out of each row, (B, leads, T) to (B, leads, samples); torch's own generator draws."""
    if not 0 < samples < x.shape[2]:
        return x
    starts = torch.randint(x.shape[2] - samples + 1, (len(x),), device="cpu").to(x.device)
    places = starts[:, None] + torch.arange(samples, device=x.device)  # (B, samples)
    return x.gather(2, places[:, None, :].expand(-1, x.shape[1], -1))


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
