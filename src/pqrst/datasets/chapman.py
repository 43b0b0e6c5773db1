"""Chapman-Shaoxing: 12-lead recordings of 10 s at 500 Hz from 10,646 people, each with one of eleven rhythms.

AF is atrial flutter here and AFIB fibrillation; SA is sinus irregularity, ST sinus tachycardia, SAAWR a rhythm that
wanders from the sinus node to the atria. Two releases are read. The first, on figshare, has a folder ECGDataDenoised of
CSV files with 5,000 rows and 12 columns in µV, as PhysioNet's page of the later release says, and a table Diagnostics
with rhythm, age, sex and measures of the machine; save it as Diagnostics.csv, or install openpyxl and leave it as
.xlsx. The second, of raw signals, is the collection chapman_shaoxing of the Challenge 2021: its rhythm is the one of
`CODES` that a header lists, and a recording with none or two of them is left out. It has 10,247 recordings, those of SA
missing, under other names, in another order, and with no measures; `sources` may add ningbo, the same authors' 34,905
from another hospital.

HeartResearch used 10,588 of the first release's files, counted in `USED`; which 58 it had not is not known, so a whole
copy differs from it, and says so. Five of its files have samples that are no numbers; `quality.policy.not_finite` in
params.yaml says what becomes of them. A list of 18 names to leave out stood in its code and was not used. It took them
in the order in which a folder lists its files; here they are sorted by name. Membership `tenths`: the kept recordings in that order, in ten runs of one length.

One recording a person.

Licence: Creative Commons Attribution 4.0. Cite: Zheng J, Zhang J, Danioko S, et al., Sci Data 7:48, 2020,
doi:10.1038/s41597-020-0386-x; for the second release also what challenge2021 says.
"""

import importlib.util
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from pqrst import downloads, packs
from pqrst.arrays import Reading, Record, taken
from pqrst.console import log
from pqrst.datasets import _challenge_files, _floats12, _label_tables, _record_lists, _wfdb12
from pqrst.datasets._person import person
from pqrst.errors import DataError, DownloadError, RecordError
from pqrst.packs import AGAIN

HOST = _challenge_files.HOST
DATABASE, FOLDER = "Chapman-Shaoxing", "ECGDataDenoised"
TABLE, SHEET = "Diagnostics.csv", "Diagnostics.xlsx"
PARTIAL, SOURCES = "databases.chapman.partial", "databases.chapman.sources"
HINT = f"complete the source, or leave what it lacks out of {SOURCES}"
FS, SAMPLES, PER_MV = 500.0, 5000, 1000.0  # Hz, samples, µV a mV
NAME, LAST = re.compile(r"JS(\d{5})", re.ASCII), 10646  # JS10647 and above are of Ningbo

TASK = "single"
CLASSES = ("AF", "AFIB", "AT", "AVNRT", "AVRT", "SA", "SAAWR", "SB", "SR", "ST", "SVT")
PLACES = {name: place for place, name in enumerate(CLASSES)}
# SNOMED CT codes as in the tables of the Challenge 2021
CODES: Mapping[str, str] = {
    "164890007": "AF",
    "164889003": "AFIB",
    "713422000": "AT",
    "251166008": "AVNRT",
    "233897008": "AVRT",
    "427393009": "SA",
    "17366009": "SAAWR",
    "426177001": "SB",
    "426783006": "SR",
    "427084000": "ST",
    "426761007": "SVT",
}
# recordings of each rhythm: by the Challenge's table of counts, by the first release's own table, and as HeartResearch had
CHALLENGE: Mapping[str, int] = dict(zip(CLASSES, (445, 1780, 121, 16, 8, 0, 7, 3889, 1826, 1568, 587), strict=True))
LISTED: Mapping[str, int] = {**CHALLENGE, "SA": 399}
USED: Mapping[str, int] = dict(zip(CLASSES, (438, 1780, 121, 16, 8, 397, 7, 3888, 1825, 1564, 544), strict=True))
# column of the table -> what it is called beside a row; in 1/min, ms, degrees and samples
MEASURES: Mapping[str, str] = {
    "VentricularRate": "ventricular_rate",
    "AtrialRate": "atrial_rate",
    "QRSDuration": "qrs",
    "QTInterval": "qt",
    "QTCorrected": "qt_corrected",
    "RAxis": "r_axis",
    "TAxis": "t_axis",
    "QRSCount": "qrs_count",
    "QOnset": "q_onset",
    "QOffset": "q_offset",
    "TOffset": "t_offset",
}
COLUMNS = ("FileName", "Rhythm", "PatientAge", "Gender", *MEASURES)

__all__ = ["CLASSES", "TASK", "Params", "fetch", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Whether a source may hold some recordings only, and the Challenge's collections to take."""

    partial: bool = False
    sources: tuple[Literal["chapman_shaoxing", "ningbo"], ...] = ("chapman_shaoxing",)

    def __post_init__(self) -> None:
        if not self.sources or len(set(self.sources)) < len(self.sources):
            raise ValueError("sources must name one source or both, each once")


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch the CSV files where the mirror at `base` has their table, else the collections out of the Challenge 2021."""
    own, room = downloads.Source(f"{base}/chapman", "mirror"), scratch / "chapman"
    tables = [name for name in (TABLE, SHEET) if base and downloads.exists(own, name)]
    if tables:
        return _fetch_own(own, tables[0], dest, room, p)
    place, sums = _challenge_files.source(base, HOST)
    groups = _challenge_files.groups(place, sums, p.sources, HINT)
    return packs.fetch(place, groups, dest, room, sums=sums, missing=HINT)


def _fetch_own(own: downloads.Source, table: str, dest: Path, room: Path, p: Params) -> dict[str, Any]:
    sums = downloads.checksums(own)
    names = list(_record_lists.paths(own, FOLDER, ".csv", sums))
    if table == TABLE:
        names = list(_label_tables.read(DATABASE, TABLE, downloads.read_text(own, TABLE).encode(), COLUMNS)["FileName"])
    stems = sorted(f"{FOLDER}/{name}" for name in names)
    if not stems:
        raise DownloadError(
            f"{own.shown(FOLDER)}: holds no recording that can be listed; add {TABLE} or {downloads.SUMS}"
        )
    return _label_tables.fetch(
        own, table, stems, "csv", sums=sums, dest=dest, room=room, setting=PARTIAL, partial=p.partial
    )


def records(raw: Path, p: Params) -> Iterator[Record | RecordError]:
    """Give the recordings by their names; one that cannot be read is given as its fault."""
    return map(taken, readings(raw, p))


def readings(raw: Path, p: Params) -> Iterator[Reading | RecordError]:
    """List the same recordings, each to be read before the next is asked for."""
    with packs.open_all(raw) as files:
        own = TABLE in files or SHEET in files
        table, faults = _from_table(files, p) if own else _from_headers(files, p)
        yield from faults
        kept = _label_tables.there(DATABASE, one_rhythm(table), files, p.partial)
        _tell(table, kept, own)
        for row, tenth in zip(_label_tables.rows(kept), _label_tables.tenths(len(kept)), strict=True):
            yield partial(_of_csv if own else _of_header, row, tenth, files)


def one_rhythm(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows with one of the eleven rhythms, sorted by name."""
    return table[table["Rhythm"].isin(CLASSES)].sort_values("FileName", kind="stable")


def _tell(table: pd.DataFrame, kept: pd.DataFrame, own: bool) -> None:
    """Say how many recordings are left out, and hold a whole release's rhythms against the published ones."""
    if len(kept) < len(table):
        log.info("chapman: %s of %s recordings are there and have one rhythm", len(kept), len(table))
    if own and len(table) == sum(LISTED.values()):
        _label_tables.compare(DATABASE, f"rhythms in {TABLE}", Counter(table["Rhythm"]), LISTED)
        if len(kept) >= sum(USED.values()):
            _label_tables.compare(DATABASE, f"rhythms of {len(kept)} files", Counter(kept["Rhythm"]), USED)
    shaoxing = table[[_collection(name) == "chapman_shaoxing" for name in table["FileName"]]]
    if not own and len(shaoxing) == sum(CHALLENGE.values()):
        _label_tables.compare(DATABASE, "rhythms in the Challenge's headers", Counter(shaoxing["Rhythm"]), CHALLENGE)


def _collection(name: str) -> str:
    """Say which of the Challenge's collections a recording is of, by its number."""
    matched = NAME.fullmatch(name)
    return "" if matched is None else "chapman_shaoxing" if int(matched[1]) <= LAST else "ningbo"


def _from_table(files: packs.Packs, p: Params) -> tuple[pd.DataFrame, list[RecordError]]:
    """Read the release's own table; a rhythm that is none of the eleven is a fault."""
    if p.sources != ("chapman_shaoxing",):
        raise RecordError(
            f"of {DATABASE}", f"ningbo is in the Challenge's release only; set {SOURCES} to chapman_shaoxing"
        )
    table = _label_tables.load(DATABASE, files, TABLE, COLUMNS) if TABLE in files else _sheet(files)
    wrong = table[~table["Rhythm"].isin(CLASSES)]
    faults = [
        RecordError(name, f"its rhythm {rhythm[:20]!r} is none of the eleven; {AGAIN}")
        for name, rhythm in zip(wrong["FileName"], wrong["Rhythm"], strict=True)
    ]
    table = table.drop(wrong.index)
    return table.assign(file=[f"{FOLDER}/{name}.csv" for name in table["FileName"]]), faults


def _sheet(files: packs.Packs) -> pd.DataFrame:
    """Read the table out of Excel's format, for which pandas needs openpyxl."""
    if importlib.util.find_spec("openpyxl") is None:
        raise RecordError(
            f"of {DATABASE}", f"{SHEET} needs openpyxl; install it, or save the table as {TABLE} beside it"
        )
    try:
        table = pd.read_excel(io.BytesIO(files.read(SHEET)), dtype=str, keep_default_na=False)
    except Exception:  # noqa: BLE001 (openpyxl raises what zip, XML and its own checks raise)
        raise RecordError(f"of {DATABASE}", f"{SHEET} is no table; {AGAIN}") from None
    return _label_tables.checked(DATABASE, SHEET, table, COLUMNS)


def _from_headers(files: packs.Packs, p: Params) -> tuple[pd.DataFrame, list[RecordError]]:
    """Make a table of name and rhythm from the Challenge's headers, and give what cannot be read."""
    found, faults = _challenge_files.labelled(files, lambda name: _collection(name) in p.sources)
    if not found and not faults:
        raise RecordError(f"of {DATABASE}", f"neither {TABLE} nor a header of it lies in {files.folder}; {AGAIN}")
    rows = []
    for name, stem, codes in found:
        rhythms = [CODES[code] for code in codes & set(CODES)]
        rows.append((name, rhythms[0] if len(rhythms) == 1 else "", f"{stem}.hea"))
    return pd.DataFrame(rows, columns=["FileName", "Rhythm", "file"], dtype=str), faults


def _of_csv(row: Mapping[str, str], tenth: str, files: packs.Packs) -> Record:
    """Read 5,000 rows of 12 columns in µV, with the names of the leads above them or without."""
    name = row["FileName"]
    _label_tables.need(name, row["file"], files, PARTIAL)
    try:
        content = files.read(row["file"])
        named = [cell.strip().strip('"').upper() for cell in content[:200].decode("ascii").split("\n")[0].split(",")]
        header = 0 if named == [lead.upper() for lead in _wfdb12.LEADS] else None
        table = pd.read_csv(io.BytesIO(content), header=header, dtype=np.float64)
    except DataError as fault:
        raise RecordError(name, str(fault)) from None
    except ValueError:  # pandas' own parser errors are of this kind, and those of text
        raise RecordError(name, f"{row['file']} is no table of numbers; {AGAIN}") from None
    samples = table.to_numpy().T
    if samples.shape != (len(_wfdb12.LEADS), SAMPLES) or _label_tables.shifted(table):
        rows, columns = len(table), table.shape[1] + _label_tables.shifted(table)
        raise RecordError(name, f"{row['file']} has {rows} rows of {columns}, not {SAMPLES} of 12; {AGAIN}")
    signal = _floats12.take(name, samples, PER_MV, AGAIN)
    measures = {called: _number(row[column]) for column, called in MEASURES.items()}
    who = (row["PatientAge"], row["Gender"])
    return _record(row, tenth, who, measures, signal=signal)


def _number(text: str) -> float:
    """Read a measure; one that is not there is no number."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _of_header(row: Mapping[str, str], tenth: str, files: packs.Packs) -> Record:
    """Read a recording out of the Challenge's files."""
    found, said, quality = _challenge_files.load(row["FileName"], row["file"].removesuffix(".hea"), files, FS)
    who, none = (said.get("age", ""), said.get("sex", "")), dict.fromkeys(MEASURES.values(), math.nan)
    return _record(row, tenth, who, none, quality=quality, **_challenge_files.steps(found))


def _record(
    row: Mapping[str, str], tenth: str, who: tuple[str, str], measures: Mapping[str, float], **more: Any
) -> Record:
    about, numbers = person(*who)
    return Record(
        record=row["FileName"],
        patient=row["FileName"],
        fs=FS,
        leads=_wfdb12.LEADS,
        label=PLACES[row["Rhythm"]],
        folds={"tenths": tenth},
        about=about,
        numbers={**numbers, **measures},
        **more,
    )
