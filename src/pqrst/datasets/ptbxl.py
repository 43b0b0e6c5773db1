"""PTB-XL 1.0.3: 21,799 12-lead recordings of 10 s from 18,869 patients, with 71 kinds of statements about them.

Reports by up to two cardiologists as SCP-ECG statements, each with a likelihood from 0 to 100, which is 0 where none was given, as with
nearly all statements of rhythm and many of form. A label is stored as 1 + likelihood, so that a task counts any mention, or
only what is above 0. Ten folds come with the data, no patient in two of them; 9 and 10 hold the best-checked labels. An age
above 89 stands as 300 in the table. The same recordings at 500 Hz are the source ptb-xl of the Challenge 2021.
`ptbxl_statements.csv` is the table of the 71 statements, in the order of PhysioNet's `scp_statements.csv`.

Licence: Creative Commons Attribution 4.0. Cite: Wagner P, Strodthoff N, Bousseljot R-D, et al., Sci Data 7:154, 2020,
doi:10.1038/s41597-020-0495-6; Goldberger A, et al., Circulation 101(23):e215-e220, 2000. The label tasks: Strodthoff N, Wagner P,
Schaeffter T, Samek W, IEEE J Biomed Health Inform 25(5):1519-1528, 2021.
"""

import ast
import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pqrst import downloads, packs
from pqrst.arrays import Declared, LabelTask, Reading, Record, taken
from pqrst.console import log
from pqrst.datasets import _label_tables, _wfdb12
from pqrst.datasets._person import person
from pqrst.datasets._ptbxl_files import HOST, TABLE
from pqrst.errors import RecordError
from pqrst.packs import AGAIN

DATABASE, PUBLISHED_STATEMENTS = "PTB-XL", "scp_statements.csv"
PARTIAL = "databases.ptbxl.partial"
ENDINGS = {100: "lr", 500: "hr"}  # Hz -> of the table's column, and of the files' names
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr")
# the official table has these columns as text; a reduced one says 0 or 1 under the name with _present
PACEMAKER, PACED = "pacemaker", "ja, pacemaker"  # no other text of that column counts
NOTES = (PACEMAKER, "baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats")
OTHERS = ("device", *NOTES, *(f"{name}_present" for name in NOTES))
SEXES = {"0": "male", "1": "female"}
LONGEST_CODES = 10_000  # characters
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
# statements that no report gives a likelihood above 0
WITHOUT_LIKELIHOOD = (
    *("SR", "SBRAD", "SARRH", "SVARR", "SVTAC", "TRIGU", "PRC(S)", "LVOLT", "HVOLT", "ABQRS"),
    *("TAB_", "NT_", "INVT", "LOWT", "STD_", "STE_", "QWAVE", "VCLVH", "LPR"),
)


def _statements() -> dict[str, dict[str, str]]:
    with Path(__file__).with_name("ptbxl_statements.csv").open(encoding="ascii", newline="") as file:
        return {line["code"]: line for line in csv.DictReader(file)}


def _task(column: str, order: tuple[str, ...] = ()) -> LabelTask:
    """Gather statements by what stands in a column of their table; those with nothing there are left out."""
    members: dict[str, tuple[str, ...]] = dict.fromkeys(order, ())
    for code, line in STATEMENTS.items():
        name = code if line[column] == "1" else line[column]
        if name:
            members[name] = (*members.get(name, ()), code)
    return LabelTask(members)


STATEMENTS: Mapping[str, Mapping[str, str]] = _statements()
DECLARED = Declared(gain=1000.0)  # its rate is a setting, and held to that
TASK = "multi"
CLASSES = tuple(STATEMENTS)
PLACES = {code: place for place, code in enumerate(CLASSES)}
LABEL_TASKS: Mapping[str, LabelTask] = {
    "all": LabelTask({code: (code,) for code in CLASSES}),
    "diagnostic": _task("diagnostic"),
    "sub": _task("diagnostic_subclass"),
    "super": _task("diagnostic_class", SUPERCLASSES),
    "form": _task("form"),
    "rhythm": _task("rhythm"),
    "likelihood": LabelTask({code: (code,) for code in CLASSES if code not in WITHOUT_LIKELIHOOD}, least=2),
}

__all__ = ["CLASSES", "LABEL_TASKS", "TASK", "Params", "fetch", "labels", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Which files are taken: the rate in Hz, and whether a source may hold only some of the recordings in its table."""

    rate: Literal[100, 500] = 100
    partial: bool = False


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch the tables, and the signals of one rate packed by the thousand, from the host or the mirror at `base`."""
    source = downloads.at(base, "ptbxl", HOST)
    content = downloads.read_text(source, TABLE).encode()
    table = _ordered(_label_tables.read(DATABASE, TABLE, content, COLUMNS, OTHERS))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for stem in table[f"filename_{ENDINGS[p.rate]}"]:
        groups[stem.rpartition("/")[0] or "records"] += [f"{stem}.hea", f"{stem}.dat"]
    optional = [PUBLISHED_STATEMENTS, *(name for names in groups.values() for name in names if p.partial)]
    plain = {TABLE: source, PUBLISHED_STATEMENTS: source}
    told = packs.fetch(
        source,
        groups,
        dest,
        scratch / "ptbxl",
        plain=plain,
        optional=optional,
        missing=_label_tables.where_missing(PARTIAL),
    )
    if "missing" in told:
        log.warning(
            "ptbxl: %s files that belong to the table's %s recordings are not there", told["missing"], len(table)
        )
    return told


def records(raw: Path, p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings in the order of their numbers; one that cannot be read is given as its fault."""
    return map(taken, readings(raw, p))


def readings(raw: Path, p: Params) -> Iterator[Reading]:
    """List the same recordings, each to be read before the next is asked for."""
    absent = 0
    with packs.open_all(raw) as files:
        table = _ordered(_label_tables.load(DATABASE, files, TABLE, COLUMNS, OTHERS))
        for row in _label_tables.rows(table):
            if p.partial and not _lies_in(files, row[f"filename_{ENDINGS[p.rate]}"]):
                absent += 1
                continue
            yield partial(_record, row, files, p)
        if absent:
            log.info("ptbxl: %s of %s recordings are not there at %s Hz", absent, len(table), p.rate)


def _lies_in(files: packs.Packs, stem: str) -> bool:
    return any(f"{stem}.{ending}" in files for ending in ("hea", "dat"))


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Hold the table to its notes, and bring its recordings into the order of their numbers."""
    missing = [name for name in NOTES if name not in table and f"{name}_present" not in table]
    numbers = [number for text in table["ecg_id"] if (number := _label_tables.whole(text)) is not None]
    if missing or len(set(numbers)) < len(table):
        fault = f"has no column {missing[0]!r}" if missing else "does not number its recordings, each once"
        raise RecordError(f"of {DATABASE}", f"{TABLE} {fault}; {AGAIN}")
    return table.assign(ecg_id=[f"{number:05d}" for number in numbers]).iloc[np.argsort(numbers)]


def _record(row: Mapping[str, str], files: packs.Packs, p: Params) -> Record:
    name, stem = row["ecg_id"], row[f"filename_{ENDINGS[p.rate]}"]
    for file in (f"{stem}.hea", f"{stem}.dat"):
        if file not in files:
            raise RecordError(name, f"{file} is missing; {AGAIN}, or set {PARTIAL} to true if the source has it not")
    found = _wfdb12.load(name, files, (f"{stem}.hea", f"{stem}.dat"), AGAIN)
    if found.fs != p.rate:
        raise RecordError(name, f"its header says {found.fs:g} Hz where {p.rate} Hz belong; {AGAIN}")
    fold, patient = _whole(row, "strat_fold", name), _whole(row, "patient_id", name)
    if not 1 <= fold <= 10:
        raise RecordError(name, f"{TABLE} says fold {fold} of it, not one from 1 to 10; {AGAIN}")
    told, numbers = _person(row, name)
    return Record(
        record=name,
        patient=str(patient),
        signal=found.signal,
        fs=found.fs,
        leads=_wfdb12.LEADS,
        gain=found.gain,
        zero=found.zero,
        label=labels(row["scp_codes"], name),
        folds={"official": str(fold)},
        about=told | ({"device": " ".join(row["device"].split())} if "device" in row else {}),
        numbers=numbers | _notes(row),
        missing=_wfdb12.MISSING,
        ends=found.ends,
        declared=DECLARED,
    )


def labels(codes: str, record: str = "of PTB-XL") -> tuple[int, ...]:
    """Turn the text of a dictionary of statements into a number for each of the 71: 1 + likelihood, 0 where absent."""
    try:
        found = ast.literal_eval(codes) if len(codes) <= LONGEST_CODES else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RecordError(record, f"its scp_codes {codes[:60]!r} are no statements; {AGAIN}")
    numbers = [0] * len(CLASSES)
    for code, likelihood in found.items():
        if code not in PLACES or not isinstance(likelihood, int | float) or not 0 <= likelihood <= 100:
            raise RecordError(
                record,
                f"its statement {code!r} with likelihood {likelihood!r} is none of the 71 from 0 to 100; {AGAIN}",
            )
        numbers[PLACES[code]] = 1 + (max(round(likelihood), 1) if likelihood else 0)  # what is above 0 stays so
    return tuple(numbers)


def _whole(row: Mapping[str, str], column: str, record: str) -> int:
    number = _label_tables.whole(row[column])
    if number is None:
        raise RecordError(record, f"{TABLE} says {row[column][:20]!r} as its {column}, no whole number; {AGAIN}")
    return number


def _person(row: Mapping[str, str], record: str) -> tuple[dict[str, str], dict[str, float]]:
    """Give what is told of a person and their numbers; an age that is there but cannot be is a fault."""
    told, numbers = person(row["age"], SEXES.get(row["sex"].removesuffix(".0"), ""))
    if row["age"] and (_label_tables.whole(row["age"]) is None or not told["age"]):
        fault = f"{TABLE} says that the person is {row['age'][:20]} years old, no whole number that can be"
        raise RecordError(record, f"{fault}; {AGAIN}")
    return told, numbers


def _notes(row: Mapping[str, str]) -> dict[str, float]:
    """Give 1 where the table notes a pacemaker, a fault of the signal or extra beats."""
    found = {}
    for name in NOTES:
        text = row.get(name, "").strip()
        noted = text == PACED if name == PACEMAKER else bool(text)
        found[name] = float(noted if name in row else row[f"{name}_present"] == "1")
    return found
