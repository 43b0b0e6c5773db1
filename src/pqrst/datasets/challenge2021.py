"""PhysioNet/CinC Challenge 2021, version 1.0.3: some 88,000 12-lead recordings out of eight sources, with its 26 classes.

cpsc_2018, cpsc_2018_extra, st_petersburg_incart (257 Hz, half an hour each), ptb (1000 Hz, up to two minutes), ptb-xl, georgia,
chapman_shaoxing and ningbo (500 Hz, most of 10 s). 30 SNOMED CT codes are scored, of which four pairs count as one class; a
recording may have several labels, or none of the scored ones.

People unknown: the headers name none. In st_petersburg_incart and ptb one person has several recordings, so such a source must
stand on one side of a split as a whole. For ptb-xl the patients come from PTB-XL's own table where the source holds it; it
lacks the 38 recordings that only PTB-XL's first version had. Some recordings are there twice: `about["signal"]` is the same for
both. A recording is called by its source and its own name, such as georgia/E00001.

Licence: Creative Commons Attribution 4.0. Cite: Reyna MA, Sadr N, Perez Alday EA, et al., CinC 48:1-4, 2021,
doi:10.13026/34va-7q14; Perez Alday EA, et al., Physiol Meas 41:124003, 2020; Goldberger A, et al., Circulation
101(23):e215-e220, 2000.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pqrst import challenge, downloads, packs
from pqrst.arrays import Reading, Record, taken
from pqrst.datasets import _challenge_files, _label_tables, _wfdb12
from pqrst.datasets._person import person
from pqrst.datasets._ptbxl_files import HOST as PTBXL_HOST
from pqrst.datasets._ptbxl_files import TABLE as PTBXL_TABLE
from pqrst.errors import DataError, RecordError
from pqrst.faults import digest
from pqrst.packs import AGAIN

HOST = _challenge_files.HOST
HINT = "complete the source, or leave what it lacks out of databases.challenge2021.sources"

Origin = Literal[
    "cpsc_2018", "cpsc_2018_extra", "st_petersburg_incart", "ptb", "ptb-xl", "georgia", "chapman_shaoxing", "ningbo"
]

TASK = "multi"
CLASSES = challenge.CLASSES
PLACES = {code: place for place, code in enumerate(challenge.CODES)}
PLACES |= {code: PLACES[kept] for code, kept in challenge.SAME_AS.items()}

__all__ = ["CLASSES", "TASK", "Params", "fetch", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Which of the eight sources are taken."""

    sources: tuple[Origin, ...] = (
        "cpsc_2018",
        "cpsc_2018_extra",
        "st_petersburg_incart",
        "ptb",
        "ptb-xl",
        "georgia",
        "chapman_shaoxing",
        "ningbo",
    )

    def __post_init__(self) -> None:
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError("sources must name one source or several, each once")


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch the recordings of the sources, packed by the thousand, and PTB-XL's table of patients where there is one."""
    source, sums = _challenge_files.source(base, HOST)
    groups = _challenge_files.groups(source, sums, p.sources, HINT)
    plain = {}
    table = downloads.at(base, "ptbxl", PTBXL_HOST)
    if "ptb-xl" in p.sources and downloads.exists(table, PTBXL_TABLE):
        plain[PTBXL_TABLE] = table
        sums |= {name: found for name, found in downloads.checksums(table).items() if name == PTBXL_TABLE}
    return packs.fetch(source, groups, dest, scratch / "challenge2021", plain=plain, sums=sums, missing=HINT)


def records(raw: Path, p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings source by source, by their names; one that cannot be read is given as its fault."""
    return map(taken, readings(raw, p))


def readings(raw: Path, p: Params) -> Iterator[Reading]:
    """List the same recordings, each to be read before the next is asked for."""
    turns = {str(source): turn for turn, source in enumerate(p.sources)}
    with packs.open_all(raw) as files:
        found = _challenge_files.headers(files, lambda stem: _called(stem) if stem.partition("/")[0] in turns else "")
        if not found:
            raise RecordError("of the Challenge 2021", f"none of {', '.join(p.sources)} lies in {raw}; {AGAIN}")
        patients = _patients(files)
        for name in sorted(found, key=lambda name: (turns[name.partition("/")[0]], name)):
            yield partial(_record, name, found[name], files, patients)


def _called(stem: str) -> str:
    """Call a recording by its source and its own name, whatever folders lie between."""
    return f"{stem.partition('/')[0]}/{stem.rpartition('/')[2]}"


def _patients(files: packs.Packs) -> dict[str, str]:
    """Give the patient of each recording of ptb-xl, whose name ends in its number in PTB-XL's table."""
    if PTBXL_TABLE not in files:
        return {}
    try:
        table = pd.read_csv(io.BytesIO(files.read(PTBXL_TABLE)), usecols=["ecg_id", "patient_id"], dtype=np.float64)
        pairs = [] if _label_tables.shifted(table) else table.to_numpy().astype(np.int64).tolist()
    except (ValueError, DataError):  # pandas' own parser errors are of the first kind
        pairs = []
    if not pairs:
        raise RecordError("of the Challenge 2021", f"{PTBXL_TABLE} is no table of patients; {AGAIN}") from None
    return {f"ptb-xl/HR{number:05d}": str(patient) for number, patient in pairs}


def _record(name: str, stems: Sequence[str], files: packs.Packs, patients: Mapping[str, str]) -> Record:
    source = name.partition("/")[0]
    found, told, quality = _challenge_files.load(name, _challenge_files.only(name, stems), files)
    codes = _challenge_files.codes(name, told)
    positive = {PLACES[code] for code in codes if code in PLACES}
    return Record(
        record=name,
        patient=patients.get(name, ""),
        signal=found.signal,
        fs=found.fs,
        leads=_wfdb12.LEADS,
        gain=found.gain,
        zero=found.zero,
        label=tuple(int(place in positive) for place in range(len(CLASSES))),
        folds={"source": source},
        about={
            **person(told.get("age", ""), told.get("sex", ""))[0],
            "source": source,
            "signal": digest(found.signal),
        },
        quality=quality,
        missing=_wfdb12.MISSING,
        ends=found.ends,
        declared=_challenge_files.DECLARED[source],
        unscored=tuple(sorted(codes - set(PLACES))),
    )
