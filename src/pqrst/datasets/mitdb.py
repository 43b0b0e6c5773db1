"""MIT-BIH Arrhythmia Database 1.0.0, in windows called normal or abnormal.

48 half-hour recordings of 47 subjects (201 and 202 are one), two leads at 360 Hz, 11 bits over 10 mV, beat annotations by
two cardiologists. 45 records have MLII first; 102 and 104 have V5 first and no MLII, 114 has V5 first and MLII second.
A beat counts as normal or abnormal as in the attention system's original: bundle-branch and paced beats are abnormal.

Licence: Open Data Commons Attribution 1.0. Cite: Moody GB, Mark RG, IEEE Eng in Med and Biol 20(3):45-50, 2001,
doi:10.13026/C2F305; Goldberger A, et al., Circulation 101(23):e215-e220, 2000.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pqrst.arrays import Reading, Record
from pqrst.datasets import _mitbih
from pqrst.errors import RecordError

TASK = "single"
CLASSES = ("Normal", "Abnormal")

SYMBOLS = dict.fromkeys("N.", 0) | dict.fromkeys("LRBAaJSVrFejnE/fQ?", 1)

__all__ = ["CLASSES", "TASK", "Params", "fetch", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Nothing of this database itself can be set; how it is cut stands under `window`."""


def fetch(base: str | None, dest: Path, scratch: Path, _p: Params) -> dict[str, Any]:
    """Fetch the database's core files."""
    return _mitbih.fetch(base, dest, scratch)


def records(raw: Path, _p: Params) -> Iterator[Record | RecordError]:
    """Give the 48 recordings in the order of RECORDS."""
    return _mitbih.read_all(raw, SYMBOLS)


def readings(raw: Path, _p: Params) -> Iterator[Reading]:
    """List the same recordings."""
    return _mitbih.readings(raw, SYMBOLS)
