"""Rows of an array as tensors on the device, decoded and standardised, and the order in which an epoch visits them."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch

from pqrst.arrays import Steps, take
from pqrst.augmentation import augment
from pqrst.standardisation import Standardisation, decoded, standardise

CHUNK_ROWS, CHUNK_NUMBERS = 8192, 2**24  # at once: whichever is fewer
LANES = 16  # shards that a batch takes rows from; as many processes can each read their own
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

    x: np.ndarray  # memory-mapped, or `Distant`
    rows: np.ndarray  # (n,) numbers of the rows in it
    standardisation: Standardisation
    device: torch.device
    steps: Steps | None = None
    shard: int = 1  # rows, one after another among these, that are read together
    held: OrderedDict[int, torch.Tensor] = field(default_factory=OrderedDict, compare=False, repr=False)  # shards

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.x.shape[1:])

    def __getitem__(self, part: torch.Tensor) -> torch.Tensor:
        """Read rows by their numbers among these, float32 (part, *row shape)."""
        if self.shard == 1:
            return self._read(self.rows[part.cpu().numpy()])
        found = torch.empty((len(part), *self.x.shape[1:]), device=self.device)
        which, place = part // self.shard, part % self.shard
        for number in which.unique().tolist():
            found[which == number] = self._shard(number)[place[which == number]]
        return found

    def _shard(self, number: int) -> torch.Tensor:
        """Give a shard, one of the few that are kept; the one not used for longest goes."""
        if number not in self.held:
            self.held[number] = self._read(self.rows[number * self.shard : (number + 1) * self.shard])
        self.held.move_to_end(number)
        if len(self.held) > 2 * LANES:  # a lane may leave one and enter the next within a batch
            self.held.popitem(last=False)
        return self.held[number]

    def _read(self, rows: np.ndarray) -> torch.Tensor:
        return standardise(read(self.x, rows, self.steps, self.device), self.standardisation)

    def narrow(self, dim: int, start: int, length: int) -> "Streamed":  # noqa: ARG002 (a tensor's own arguments; 0)
        """Give a stretch of the rows, which stays on disk too and is read in order."""
        return replace(self, rows=self.rows[start : start + length], shard=1)

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


def visiting_order(
    n: int, row_weights: torch.Tensor | None, generator: torch.Generator, shard: int = 1, batch: int = 1
) -> torch.Tensor:
    """Give one epoch's row numbers: a shuffle, one of shards and within them, or as many weighted draws with replacement."""
    if row_weights is not None:
        return torch.multinomial(row_weights, n, replacement=True, generator=generator)
    return torch.randperm(n, generator=generator) if shard == 1 else _by_shards(n, shard, batch, generator)


def _by_shards(n: int, shard: int, batch: int, generator: torch.Generator) -> torch.Tensor:
    """Shuffle shards and the rows of each, and let every batch take its rows from LANES of them at a time.

    A lane's rows have the same place in every batch, so that a process reads the shards of its own lanes only;
    yet the order does not hang on the number of processes.
    """
    starts = (torch.randperm(math.ceil(n / shard), generator=generator) * shard).tolist()
    rows = torch.cat([start + torch.randperm(min(shard, n - start), generator=generator) for start in starts])
    whole, cuts = n // batch, [lane * batch // LANES for lane in range(LANES + 1)]
    lanes = [rows[whole * begin : whole * end].view(whole, end - begin) for begin, end in pairwise(cuts)]
    return torch.cat([torch.cat(lanes, dim=1).flatten(), rows[whole * batch :]])


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
