"""Strips: one lead of 5 s at 100 Hz in mV, slow or fast. Of nobody: the database by which its recipe is tested.

`labels.csv` names each recording, its person and its class; `<recording>.csv` holds a sample a line.

Licence: none, since there is no such database. Cite: what a real one names here, as doi:10.13026/C2F305.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import downloads, packs
from pqrst.arrays import Record, or_fault
from pqrst.datasets import _label_tables
from pqrst.errors import RecordError

HOST = "https://example.org/strips/1.0.0"
DATABASE, TABLE, COLUMNS = "Strips", "labels.csv", ("recording", "person", "class")
FS = 100.0  # Hz

TASK = "single"
CLASSES = ("slow", "fast")


@dataclass(frozen=True)
class Params:
    """Nothing of this database itself can be set."""


def fetch(base: str | None, dest: Path, scratch: Path, _p: Params) -> dict[str, Any]:
    """Fetch the table and the recordings that it names, from the host or the mirror at `base`."""
    source = downloads.at(base, "strips", HOST)
    table = _label_tables.read(DATABASE, TABLE, downloads.read_text(source, TABLE).encode(), COLUMNS)
    return downloads.fetch(source, [TABLE, *(f"{name}.csv" for name in table["recording"])], dest, scratch / "strips")


def records(raw: Path, _p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings in the order of the table."""
    with packs.open_all(raw) as files:
        for row in _label_tables.rows(_label_tables.load(DATABASE, files, TABLE, COLUMNS)):
            yield or_fault(_record, row, files)


def _record(row: Mapping[str, str], files: packs.Packs) -> Record:
    try:
        samples = np.array(files.read(f"{row['recording']}.csv").split(), np.float32)  # mV
    except (FileNotFoundError, ValueError):
        raise RecordError(row["recording"], f"its samples are missing or no numbers; {packs.AGAIN}") from None
    label = CLASSES.index(row["class"])
    return Record(row["recording"], row["person"], samples[None], FS, ("I",), label=label)
