"""CPSC 2018: 6,877 12-lead recordings of 6 to 60 s at 500 Hz, of which 6,400 have one label out of nine.

The China Physiological Signal Challenge. A recording with a second label is left out, as HeartResearch does it. Two
releases are read: the challenge's own (REFERENCE.csv beside MATLAB files with the struct ECG) and the collection
cpsc_2018 of the Challenge 2021, whose headers list SNOMED CT codes in an order that tells nothing of which label came
first; there a recording is kept where it has exactly one of the nine codes in `CODES`, which should leave the same
6,400: a whole copy is held against the published counts. The first release is taken to be in mV, which is our reading
of it; the second holds steps of 1 µV.

Membership `tenths`: the kept recordings in the order of the table, which is that of their names, in ten runs of one
length. In a partial copy they are those of what is there.

People unknown: neither release names any.

Licence of the Challenge's copy: Creative Commons Attribution 4.0. Cite: Liu F, Liu C, Zhao L, et al., J Med Imaging
Health Inform 8(7):1368-1373, 2018, doi:10.1166/jmihi.2018.2442; for the second release also what challenge2021 says.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import downloads, mat5, packs
from pqrst.arrays import Reading, Record, taken
from pqrst.console import log
from pqrst.datasets import _challenge_files, _floats12, _label_tables, _record_lists, _wfdb12
from pqrst.datasets._person import person
from pqrst.errors import DataError, RecordError
from pqrst.packs import AGAIN

HOST = _challenge_files.HOST
DATABASE, COLLECTION, REFERENCE = "CPSC 2018", "cpsc_2018", "REFERENCE.csv"
PARTIAL = "databases.cpsc2018.partial"
HINT = "complete the source, or give another"
FS = 500.0  # Hz
NAME = re.compile(r"A\d{4}", re.ASCII)
COLUMNS = ("Recording", "First_label", "Second_label", "Third_label")

TASK = "single"
CLASSES = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
# SNOMED CT code -> number of the class, as the Challenge 2021 translated the labels; its table counts them under CPSC
CODES: Mapping[str, int] = {
    "426783006": 1,  # sinus rhythm, of which the Challenge counts as many as there are normal ones
    "164889003": 2,
    "270492004": 3,
    "164909002": 4,
    "59118001": 5,
    "284470004": 6,
    "164884008": 7,  # ventricular ectopics, and not the Challenge's own codes of a PVC
    "429622005": 8,
    "164931005": 9,
}
PUBLISHED_ROWS = 6877
PUBLISHED: Mapping[str, int] = dict(zip(CLASSES, (918, 976, 686, 179, 1533, 532, 607, 784, 185), strict=True))

__all__ = ["CLASSES", "TASK", "Params", "fetch", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Whether a source may hold only some of the recordings in its table."""

    partial: bool = False


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch the challenge's own files where the mirror at `base` has them, else those of the Challenge 2021."""
    room, own = scratch / "cpsc2018", downloads.Source(f"{base}/cpsc2018", "mirror")
    if base is None or not downloads.exists(own, REFERENCE):
        place, sums = _challenge_files.source(base, HOST)
        groups = _challenge_files.groups(place, sums, [COLLECTION], HINT)
        return packs.fetch(place, groups, dest, room, sums=sums, missing=HINT)
    sums = downloads.checksums(own)
    table = _reference(downloads.read_text(own, REFERENCE).encode())
    found = _record_lists.paths(own, "", ".mat", sums)
    # TrainingSet1 and its like, where the files lie as they were packed, else all beside the table
    stems = [found.get(name, f"{name}.mat").removesuffix(".mat") for name in table["Recording"]]
    return _label_tables.fetch(
        own, REFERENCE, stems, "mat", sums=sums, dest=dest, room=room, setting=PARTIAL, partial=p.partial
    )


def records(raw: Path, p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings of one label in the order of the table; one that cannot be read is given as its fault."""
    return map(taken, readings(raw, p))


def readings(raw: Path, p: Params) -> Iterator[Reading | RecordError]:
    """List the same recordings, each to be read before the next is asked for."""
    with packs.open_all(raw) as files:
        own = REFERENCE in files
        table, faults = _from_table(files) if own else _from_headers(files)
        yield from faults
        kept = one_label(table)
        _tell(table, kept)
        kept = _label_tables.there(DATABASE, kept, files, p.partial)
        for row, tenth in zip(_label_tables.rows(kept), _label_tables.tenths(len(kept)), strict=True):
            yield partial(_of_struct if own else _of_header, row, tenth, files)


def one_label(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows with a first label and no second."""
    return table[(table["First_label"] != "") & (table["Second_label"] == "")]


def _tell(table: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Say how many recordings are left out, and hold a whole table's labels against the published ones."""
    log.info("cpsc2018: %s of %s recordings have one label", len(kept), len(table))
    if len(table) == PUBLISHED_ROWS:
        found = Counter(CLASSES[int(label) - 1] for label in kept["First_label"])
        _label_tables.compare(DATABASE, "recordings of one label", found, PUBLISHED)


def _reference(content: bytes) -> pd.DataFrame:
    """Read REFERENCE.csv: labels as whole numbers from 1 to 9, as text, the first of them always there."""
    table = _label_tables.read(DATABASE, REFERENCE, content, COLUMNS)
    for column in COLUMNS[1:]:
        numbers = [_label_tables.whole(text) for text in table[column]]
        wrong = [
            f"{name} has {text!r} as its {column}"
            for name, text, number in zip(table["Recording"], table[column], numbers, strict=True)
            if number not in range(1, 10) and (text or column == "First_label")
        ]
        if wrong:
            raise RecordError(f"of {DATABASE}", f"{REFERENCE}: {wrong[0][:60]}, no label from 1 to 9; {AGAIN}")
        table[column] = ["" if number is None else str(number) for number in numbers]
    return table


def _from_table(files: packs.Packs) -> tuple[pd.DataFrame, list[RecordError]]:
    """Give the challenge's own table with the path of each recording's file."""
    try:
        table = _reference(files.read(REFERENCE))
    except DataError:
        raise RecordError(f"of {DATABASE}", f"{REFERENCE} is damaged; {AGAIN}") from None
    found = {name.rpartition("/")[2]: name for name in reversed(files.names())}
    return table.assign(file=[found.get(f"{name}.mat", f"{name}.mat") for name in table["Recording"]]), []


def _from_headers(files: packs.Packs) -> tuple[pd.DataFrame, list[RecordError]]:
    """Make the same table from the Challenge's headers, labels in the order of their numbers; give what cannot be read."""
    found, faults = _challenge_files.labelled(files, lambda name: NAME.fullmatch(name) is not None)
    if not found and not faults:
        raise RecordError(f"of {DATABASE}", f"neither {REFERENCE} nor a header of it lies in {files.folder}; {AGAIN}")
    rows = []
    for name, stem, codes in found:
        labels = sorted(str(CODES[code]) for code in codes & set(CODES))
        rows.append((name, *[*labels, "", "", ""][:3], f"{stem}.hea"))
    return pd.DataFrame(rows, columns=[*COLUMNS, "file"], dtype=str), faults


def _of_struct(row: Mapping[str, str], tenth: str, files: packs.Packs) -> Record:
    """Read the struct ECG (sex, age, data) out of a MATLAB 5 file."""
    name = row["Recording"]
    _label_tables.need(name, row["file"], files, PARTIAL)
    try:
        ecg = mat5.struct(files.read(row["file"]), "ECG")
        samples, age, sex = np.asarray(ecg["data"]), _cell(ecg["age"]), _cell(ecg["sex"])
    except DataError as fault:
        raise RecordError(name, str(fault)) from None
    except (ValueError, KeyError):
        raise RecordError(name, f"{row['file']} is no MATLAB 5 file with sex, age and data in ECG; {AGAIN}") from None
    return _record(row, tenth, (age, sex), signal=_floats12.take(name, samples, 1, AGAIN))


def _cell(value: np.ndarray | str) -> str:
    """Give text as it is, and of an array its first number as text."""
    return value if isinstance(value, str) else str(value.flat[0]) if value.size else ""


def _of_header(row: Mapping[str, str], tenth: str, files: packs.Packs) -> Record:
    """Read a recording out of the Challenge's files."""
    found, said, quality = _challenge_files.load(row["Recording"], row["file"].removesuffix(".hea"), files, FS)
    who = (said.get("age", ""), said.get("sex", ""))
    return _record(row, tenth, who, quality=quality, **_challenge_files.steps(found))


def _record(row: Mapping[str, str], tenth: str, who: tuple[str, str], **more: Any) -> Record:
    about, numbers = person(*who)
    return Record(
        record=row["Recording"],
        patient="",
        fs=FS,
        leads=_wfdb12.LEADS,
        label=int(row["First_label"]) - 1,
        folds={"tenths": tenth},
        about=about,
        numbers=numbers,
        **more,
    )
