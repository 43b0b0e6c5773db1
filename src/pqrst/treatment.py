"""What is done to rows on their way into a network, in numbers: told by a contract, and read without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pqrst.errors import SettingsError

Kind = Literal["none", "row", "train", "train_all"]


@dataclass(frozen=True)
class Standardisation:
    """Numbers that bring a row to zero mean and unit deviation; `row` takes them from each row and lead itself.

    `train` has one pair for each lead, `train_all` one for all leads, both fitted on train rows.
    """

    kind: Kind
    mean: tuple[float, ...] = ()  # by lead or channel, fitted on train rows
    deviation: tuple[float, ...] = ()


@dataclass(frozen=True)
class Crop:
    """The stretches of a row that a network sees one by one, and how their logits become the row's."""

    samples: int = 0  # 0: the whole row
    step: int = 0  # between the starts of two; 0: one from the middle
    pool: str = "max"  # or mean, element by element

    def starts(self, length: int) -> list[int]:
        """Give where the crops of a row start; the last ends with the row."""
        rest = length - self.samples
        if not self.samples or rest <= 0:
            return []
        if not self.step:
            return [rest // 2]
        return sorted({*range(0, rest + 1, self.step), rest})

    def shape(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape of what the network sees of a row (leads, T)."""
        return (*row[:-1], min(self.samples, row[-1])) if self.samples else row


def beside(side: np.ndarray | None, have: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Choose the columns that a model takes from the numbers beside the rows, (rows, columns)."""
    missing = [name for name in wanted if name not in have]
    if side is None or missing:
        raise SettingsError(
            f"the rows have no {', '.join(missing or wanted)} beside them; set window.side of their dataset, or another model"
        )
    return side[:, [list(have).index(name) for name in wanted]]
