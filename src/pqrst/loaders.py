"""Rows of a Bundle as tensors on the device, standardised, and the order in which an epoch visits them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from pqrst import transforms
from pqrst.arrays import Meta
from pqrst.errors import DataError, SettingsError

EPSILON = 1e-8
CHUNK_ROWS, CHUNK_NUMBERS = 8192, 2**24  # at once: whichever is fewer
MASK_SAMPLES = 20
Kind = Literal["none", "row", "train", "train_all", "unit"]


@dataclass(frozen=True)
class Standardisation:
    """Numbers that bring a row to zero mean and unit deviation; `row` takes them from each row and lead itself.

    `train` has one pair for each lead, `train_all` one for all leads, both fitted on train rows; `unit` goes back from the
    converter's steps to their unit.
    """

    kind: Kind
    mean: tuple[float, ...] = ()  # by lead or channel, fitted on train rows
    deviation: tuple[float, ...] = ()


def fit_standardisation(kind: Kind, x: np.ndarray, train_rows: np.ndarray) -> Standardisation:
    """Fit on train rows only: x is (rows, leads, time) or (rows, channels, height, width); a missing number counts nowhere."""
    if kind not in ("train", "train_all"):
        return Standardisation(kind)
    axes = (0, *range(2, x.ndim))
    total, squares, count = np.zeros((3, x.shape[1]))
    for chosen in chunks(train_rows, x.shape[1:]):
        part = take(x, chosen).astype(np.float64)
        total, squares = total + np.nansum(part, axes), squares + np.nansum(part**2, axes)
        count += np.isfinite(part).sum(axes)
    if kind == "train_all":
        total, squares, count = (np.full(x.shape[1], values.sum()) for values in (total, squares, count))
    mean = total / np.maximum(count, 1)
    deviation = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
    return Standardisation(kind, tuple(mean.tolist()), tuple(deviation.tolist()))


def chunks(rows: np.ndarray, row_shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Cut row numbers into parts that are small enough to be turned to floating point beside what is kept."""
    size = max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // math.prod(row_shape)))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def to_unit(meta: Meta) -> Standardisation:
    """Give the numbers that turn a Bundle's converter steps into their unit; rows that are in it already stay."""
    if meta.gain is None or meta.zero is None:
        return Standardisation("none")
    return Standardisation("unit", tuple(map(float, meta.zero)), meta.gain)


def standardise(x: torch.Tensor, s: Standardisation) -> torch.Tensor:
    """Apply a standardisation to a batch, (B, leads, T) or (B, channels, height, width)."""
    if s.kind == "none":
        return x
    axes = tuple(range(2, x.ndim))
    if s.kind == "row":
        mean = x.mean(axes, keepdim=True)
        return (x - mean) / _divisor((x - mean).square().mean(axes, keepdim=True).sqrt())
    shape = (1, -1, *(1 for _ in axes))
    scaled = (x - x.new_tensor(s.mean).view(shape)) / _divisor(x.new_tensor(s.deviation).view(shape))
    return torch.nan_to_num(scaled) if x.ndim == 2 else scaled  # a missing number beside a row becomes the mean


def _divisor(deviation: torch.Tensor) -> torch.Tensor:
    # torch's ONNX exporter leaves out so small a sum; the bound, which changes nothing here, keeps a flat lead from 0 / 0 there
    return (deviation + EPSILON).clamp(min=EPSILON)


@dataclass(frozen=True)
class Augmentation:
    """Noise, masks and scaling laid over the train rows once, before they are standardised.

    The kinds are those of the heartbeat original, which augmented its validation rows as well. Whether its factor N(1, 0.1)
    was drawn for a row or for a value is not known; for a row it would vanish in the standardisation, so it is by value.
    """

    kind: str = "none"  # noise, then _scale and _mask (one stretch) or _mask2 (two) in its name; or transforms
    seed: int = 0
    published: bool = False  # transforms as their original made them, each lead by itself
    gain: tuple[float, ...] = (1.0,)  # steps of the rows in mV, which transforms are measured in, by lead
    zero: tuple[int, ...] = (0,)


def augment(x: np.ndarray, a: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Zero stretches of 20 values, add N(0, 0.01), multiply by N(1, 0.1): rows (n, ..., T) to the same shape."""
    if a.kind == "none":
        return x
    if a.kind == "transforms":
        gain, zero = np.array(a.gain, np.float32)[:, None], np.array(a.zero, np.float32)[:, None]
        return transforms.transform((x - zero) / gain, rng, published=a.published) * gain + zero
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
    start = 0
    for chosen in chunks(rows, x.shape[1:]):
        part = torch.from_numpy(augment(take(x, chosen), a, rng).astype(np.float32, copy=False))
        out[start : start + len(part)] = standardise(part.to(device), s)
        start += len(part)
    return out


def take(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copy rows out of an array; out of a memory-mapped one by reading, since mapped pages count as this process's memory."""
    if not isinstance(x, np.memmap):
        return x[rows]
    out = np.empty((len(rows), *x.shape[1:]), x.dtype)
    size = out[:1].nbytes
    with Path(str(x.filename)).open("rb", buffering=0) as file:
        for number, row in enumerate(rows):
            file.seek(x.offset + int(row) * size)
            if file.readinto(out[number].data) != size:
                raise DataError(f"{x.filename} ends before row {row}; build it anew with `dvc repro`")
    return out


@dataclass(frozen=True)
class Streamed:
    """Rows that stay on disk: each batch is read, standardised and brought to the device when it is asked for.

    It answers what is asked of a tensor of rows: length, device, rows by number, and batches in order.
    """

    x: np.ndarray  # memory-mapped
    rows: np.ndarray  # (n,) numbers of the rows in it
    standardisation: Standardisation
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.x.shape[1:])

    def __getitem__(self, part: torch.Tensor) -> torch.Tensor:
        """Read rows by their numbers among these, float32 (part, *row shape)."""
        found = take(self.x, self.rows[part.cpu().numpy()]).astype(np.float32, copy=False)
        return standardise(torch.from_numpy(found).to(self.device), self.standardisation)

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
