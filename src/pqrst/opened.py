"""What a run learns from: rows and their sides, opened together under the labels of the split."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import leaks, splits
from pqrst.arrays import Bundle, LabelTask, read
from pqrst.errors import DataError
from pqrst.files import digest
from pqrst.labels import of_classes, of_task
from pqrst.ranks import ALONE, Group
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


class Parts(dict[str, Opened]):
    """What a run learns from by part; another process is told where it lies, and opens it by itself."""

    def __init__(self, opened: Mapping[str, Opened], data: Path | str, split: Path) -> None:
        super().__init__(opened)
        self.data, self.split = data, split

    def __reduce__(self) -> tuple[Any, ...]:
        return open_parts, (self.data, self.split, list(self))


def open_parts(
    data: Path | str, split: Path, parts: Iterable[str], scratch: Path = Path(), group: Group = ALONE
) -> Parts:
    """Open what a run learns from for each part of its split, by name; the data are hashed once, by the first process."""
    bundle, rows = _bundle(str(data), scratch, group)
    sides = {part: read_sides(split / part) for part in parts}
    names = leaks.of_rows(bundle.rows)
    for part, one in sides.items():
        _check(one, bundle, names, f"{split / part} divides", f"{data} holds")
    return Parts({part: _opened(bundle, rows, one, split / part) for part, one in sides.items()}, data, split)


def _bundle(data: str, scratch: Path, group: Group) -> tuple[Bundle, str]:
    """Open the rows that lie in a folder or at an address, and give their digest."""
    if "://" not in data:
        return read(Path(data)), group.told(partial(digest, Path(data)))
    from pqrst import distant  # noqa: PLC0415 (fsspec, for those only whose rows lie elsewhere)

    folder, rows = group.told(partial(distant.fetch, data, scratch / "bundles"))
    return read(folder, distant.rows(data)), rows


def _check(sides: Sides, bundle: Bundle, names: str, divides: str, holds: str) -> None:
    """Refuse a split of other rows."""
    if len(sides.sides) != len(bundle.x):
        raise DataError(f"{divides} {len(sides.sides)} rows, {holds} {len(bundle.x)}; build both with `dvc repro`")
    if sides.told["of_rows"] != names:
        raise DataError(f"{divides} other rows than {holds}, or in another order; build both with `dvc repro`")


def _opened(bundle: Bundle, rows: str, sides: Sides, split: Path) -> Opened:
    empty = [side for side in dict.fromkeys(("train", sides.chooses, "test")) if not len(sides.rows(side))]
    if empty:
        raise DataError(f"{split} leaves no row for {' and '.join(empty)}; leave it out of the run, or split otherwise")
    task = sides.told["task_of"]
    bundle = of_task(of_classes(bundle, sides.told["classes"]), None if task is None else LabelTask(**task))
    unseen = splits.UNUSED if sides.chooses == "test" else splits.TEST
    seen = np.where(sides.sides == unseen, splits.UNUSED, sides.sides).tobytes()
    learned = hashlib.sha256(f"{rows}{bundle.meta.classes}{task or ''}".encode() + seen).hexdigest()
    return Opened(bundle, sides, hashlib.sha256((rows + digest(split)).encode()).hexdigest(), learned)
