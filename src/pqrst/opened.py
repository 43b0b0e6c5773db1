"""What a run learns from: rows and their sides, opened together under the labels of the split."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pqrst import splits
from pqrst.arrays import Bundle, LabelTask, digest, read
from pqrst.errors import DataError
from pqrst.labels import of_classes, of_task
from pqrst.sides import Sides
from pqrst.sides import read as read_sides


@dataclass(frozen=True)
class Opened:
    """The rows of a run and their sides."""

    bundle: Bundle
    sides: Sides
    digest: str  # of both, so that a result says which data it came from
    learned: str  # the same without the test side: runs that differ only in what they are tested on share a training

    def recordings(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number the recordings that rows are pieces of: the recording of each row, and the first row of each recording.

        Recordings are in the order of their first rows. A row that is no piece, such as a beat, is a recording by itself.
        """
        if self.bundle.meta.window.get("cut") != "whole":
            return np.arange(len(rows)), rows
        names = self.bundle.rows["record"].to_numpy(str)[rows]
        _, first, which = np.unique(names, return_index=True, return_inverse=True)
        order = np.argsort(first)
        return np.argsort(order)[which], rows[first[order]]


def open_parts(data: Path, split: Path, parts: Iterable[str]) -> dict[str, Opened]:
    """Open what a run learns from for each part of its split, by name; the data are read and hashed once."""
    bundle, rows = read(data), digest(data)
    return {part: _opened(bundle, rows, data, split / part) for part in dict.fromkeys(parts)}


def _opened(bundle: Bundle, rows: str, data: Path, split: Path) -> Opened:
    sides = read_sides(split)
    if len(sides.sides) != len(bundle.x):
        raise DataError(
            f"{split} divides {len(sides.sides)} rows, {data} holds {len(bundle.x)}; build both with `dvc repro`"
        )
    empty = [side for side in dict.fromkeys(("train", sides.chooses, "test")) if not len(sides.rows(side))]
    if empty:
        raise DataError(f"{split} leaves no row for {' and '.join(empty)}; leave it out of the run, or split otherwise")
    task = sides.told["task_of"]
    bundle = of_task(of_classes(bundle, sides.told["classes"]), None if task is None else LabelTask(**task))
    unseen = splits.UNUSED if sides.chooses == "test" else splits.TEST
    seen = np.where(sides.sides == unseen, splits.UNUSED, sides.sides).tobytes()
    learned = hashlib.sha256(f"{rows}{bundle.meta.classes}{task or ''}".encode() + seen).hexdigest()
    return Opened(bundle, sides, hashlib.sha256((rows + digest(split)).encode()).hexdigest(), learned)
