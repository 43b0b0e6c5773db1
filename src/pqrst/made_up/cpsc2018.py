"""A made-up CPSC 2018 in the challenge's own files: recordings of one label, and among them some of two or three."""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from pqrst.made_up._decks import dealt, mingled, person, spare
from pqrst.made_up._dipole import signal
from pqrst.made_up._files import MADE_UP, write_sums, write_table

MAT_TEXT = 116  # bytes of text that a MATLAB 5 file begins with

# number of the label -> what the heart is like, in PTB-XL's statements
CARDS = ("NORM SR", "AFIB", "1AVB SR", "CLBBB SR", "CRBBB SR", "PAC SR", "PVC SR", "STD_ SR", "STE_ SR")
SECOND = ((2, 5), (5, 6), (3, 5), (2, 8, 7), (5, 2))  # labels of recordings that have several
TOGETHER = ("AFIB CRBBB", "CRBBB PAC SR", "1AVB CRBBB SR", "AFIB STD_ PVC", "CRBBB AFIB")


def write(dest: Path, records: int, rng: np.random.Generator, _minutes: float) -> None:
    """Write recordings of one label, and among them some of two or three, with their table."""
    labels = [(number,) for number in dealt(range(1, 10), range(1, 10), records, rng)]
    cards = [CARDS[number - 1] for (number,) in labels]
    several = spare(records, SECOND)
    cases = mingled(list(zip(labels, cards, strict=True)), list(zip(several, spare(records, TOGETHER), strict=True)))
    rows = []
    for number, ((found, card), one) in enumerate(zip(cases, rng.spawn(len(cases)), strict=True), 1):
        who, name = person(card, one), f"A{number:04d}"
        age = math.nan if number == 2 else who.age
        millivolts = signal(who, one, one.uniform(6, 20)).round(3)
        _write_mat(dest / f"{name}.mat", {"sex": ("Male", "Female")[who.sex], "age": age, "data": millivolts})
        rows.append((name, *[*map(str, found), "", ""][:3]))
    write_table(dest / "REFERENCE.csv", ("Recording", "First_label", "Second_label", "Third_label"), rows)
    write_sums(dest)


def _write_mat(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a struct ECG as MATLAB 5, without the time of writing that scipy puts into the text at its beginning."""
    content = io.BytesIO()
    savemat(content, {"ECG": dict(fields)}, do_compression=True)  # type: ignore[arg-type]  # the stubs know no file objects
    path.write_bytes(
        f"MATLAB 5.0 MAT-file, {MADE_UP}".ljust(MAT_TEXT)[:MAT_TEXT].encode() + content.getvalue()[MAT_TEXT:]
    )
