"""The Kaggle heartbeat set, rebuilt bit for bit from the MIT-BIH recordings, so that every beat has its patient back.

109,446 beats of five classes (N 90,589, S 2,779, V 7,236, F 803, Q 8,039), each 187 samples from 0 to 1, zero-padded.
They are MIT-BIH's first channel with every third sample kept, hence at 120 Hz, not at the 125 Hz that the data card states.
`heartbeat_test_rows.csv.gz` says which beats are Kaggle's test file, in its order; all others are its train file. Kaggle's
cut is by beat, so all 47 subjects stand on both of its sides.

Licence of the recordings: Open Data Commons Attribution 1.0. Cite: Moody GB, Mark RG, IEEE Eng in Med and Biol
20(3):45-50, 2001, doi:10.13026/C2F305; Kachuee M, Fazeli S, Sarrafzadeh M, ICHI 2018, arXiv:1805.00794.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pqrst.arrays import Marks, Reading, Record, taken
from pqrst.datasets import _kaggle, _mitbih
from pqrst.errors import RecordError

TASK = "single"
CLASSES = ("N", "S", "V", "F", "Q")  # the AAMI classes

SYMBOLS = (
    dict.fromkeys("NLRej", 0) | dict.fromkeys("AaJS", 1) | dict.fromkeys("VE", 2) | {"F": 3} | dict.fromkeys("/fQ", 4)
)
TEST_ROWS = Path(__file__).with_name("heartbeat_test_rows.csv.gz")

__all__ = ["CLASSES", "TASK", "Params", "fetch", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Where the beats come from: `auto` takes Kaggle's files where the source holds them, the recordings elsewhere."""

    origin: Literal["auto", "mitdb", "kaggle"] = "auto"


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch Kaggle's two files, or the recordings from which they were cut."""
    if p.origin == "kaggle" or (p.origin == "auto" and _kaggle.lies_in(base)):
        return _kaggle.fetch(base, dest, scratch)
    return _mitbih.fetch(base, dest, scratch)


def records(raw: Path, _p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings with every beat's place in Kaggle's cut, or Kaggle's rows one by one."""
    if (raw / _kaggle.TRAIN).exists():
        yield from _kaggle.rows(raw, test_rows())
        return
    yield from map(taken, _of_recordings(raw))


def readings(raw: Path, _p: Params) -> Iterator[Reading] | None:
    """List the same recordings; nothing where Kaggle's rows lie there, which to list is to read."""
    return None if (raw / _kaggle.TRAIN).exists() else _of_recordings(raw)


def _of_recordings(raw: Path) -> Iterator[Reading]:
    return (partial(_placed, one) for one in _mitbih.readings(raw, SYMBOLS, old_102=True))


def _placed(reading: Reading) -> Record:
    found = reading()
    return replace(found, marks=_with_folds(found))


@cache
def test_rows() -> pd.DataFrame:
    """Read Kaggle's test set as (record, sample), in the order of its file."""
    return pd.read_csv(TEST_ROWS, dtype={"record": str, "sample": np.int64})


def _with_folds(record: Record) -> Marks:
    marks = record.marks
    assert marks is not None  # noqa: S101 (_mitbih always reads them)
    table = test_rows()
    published = table.loc[table["record"] == record.record, "sample"].to_numpy()
    test = np.isin(marks.samples, published) if len(published) else _every_fifth(marks.labels)
    folds = {"kaggle": np.where(test & (marks.labels >= 0), "test", "train")}
    return replace(marks, folds=folds)


def _every_fifth(labels: np.ndarray) -> np.ndarray:
    """Choose each fifth beat of each class: made-up recordings have no published test set."""
    places = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return places % 5 == 4
