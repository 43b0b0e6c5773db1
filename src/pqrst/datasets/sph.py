"""SPH: 25,770 12-lead recordings of 10 to 60 s at 500 Hz from 24,666 people, of which 20,835 have one of 31 codes.

Of Shandong Provincial Hospital. A recording has one AHA code or several, some with modifiers, such as 60+310. As
HeartResearch has it, rows of several codes (a semicolon) are left out, then those with a modifier, then the three codes
that are left with one recording, 84, 165 and 148: 22,046, 20,838 and 20,835 recordings, the last of 31 classes. A class
is called by its code, in the order of the numbers. The second variant leaves out the nine codes in `RARE` as well,
20,792 recordings of 22 classes: a split takes the others as its `classes`.

Membership `tenths`: the kept recordings in the order of the table, in ten runs of one length; `tenths_22` the same of
the second variant, empty for those that it leaves out. The table stands by patients, so that of a contiguous cut one
patient may stand on both sides. In a partial copy both are those of what is there.

Files: metadata.csv (ECG_ID, AHA_Code, Patient_ID, Age, Sex, N, Date) and records/ECG_ID.h5 with a 12 x N array `ecg`,
which is taken to be in mV: our reading of it. Figshare hands the records out as one archive, so there is nothing here
that fetches them by themselves.

Licence: Creative Commons Attribution 4.0. Cite: Liu H, Chen D, Chen D, et al., Sci Data 9:272, 2022,
doi:10.1038/s41597-022-01403-5; the data: doi:10.6084/m9.figshare.c.5779802.
"""

import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from pqrst import downloads, packs
from pqrst.arrays import Reading, Record, taken
from pqrst.console import log
from pqrst.datasets import _floats12, _label_tables, _record_lists, _wfdb12
from pqrst.datasets._person import person
from pqrst.errors import DataError, DownloadError, RecordError
from pqrst.packs import AGAIN

DATABASE, TABLE, FOLDER, KEY = "SPH", "metadata.csv", "records", "ecg"
PARTIAL = "databases.sph.partial"
FS, LONGEST = 500.0, 60 * 60 * 500  # Hz; samples, of an hour
LARGEST_CHUNK = 2**16  # samples of each lead
COLUMNS = ("ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N")
SINGLETONS = ("84", "165", "148")

TASK = "single"
# AHA code -> recordings, as published
PUBLISHED: Mapping[str, int] = {
    "1": 13903, "21": 385, "22": 1312, "23": 878, "30": 86, "31": 2, "36": 29, "50": 169, "51": 6, "54": 8, "60": 175, "80": 9,
    "82": 16, "83": 5, "88": 4, "101": 56, "102": 4, "104": 46, "105": 838, "106": 390, "108": 21, "120": 102, "121": 83,
    "125": 165, "140": 3, "142": 23, "145": 468, "146": 505, "147": 1115, "152": 2, "155": 27,
}  # fmt: skip
PUBLISHED_STEPS: Mapping[str, int] = {"all": 25770, "one code": 22046, "no modifier": 20838, "31 classes": 20835}
CLASSES = tuple(PUBLISHED)
PLACES = {code: place for place, code in enumerate(CLASSES)}
RARE = ("80", "54", "51", "83", "102", "88", "140", "31", "152")  # what the second variant leaves out

__all__ = ["CLASSES", "TASK", "Params", "fetch", "readings", "records"]


@dataclass(frozen=True)
class Params:
    """Whether a source may hold only some of the recordings in its table."""

    partial: bool = False


def fetch(base: str | None, dest: Path, scratch: Path, p: Params) -> dict[str, Any]:
    """Fetch the table and the recordings, packed by the thousand, from the mirror at `base`."""
    if base is None:
        raise DownloadError(
            "SPH has no address here; download metadata.csv and records from doi:10.6084/m9.figshare.c.5779802, unpack them "
            "as FOLDER/sph/metadata.csv and FOLDER/sph/records/*.h5, and set profiles.<profile>.source to FOLDER"
        )
    source = downloads.Source(f"{base}/sph", "mirror")
    sums = downloads.checksums(source)
    table = _label_tables.read(DATABASE, TABLE, downloads.read_text(source, TABLE).encode(), COLUMNS)
    found = _record_lists.paths(source, "", ".h5", sums)
    stems = [found.get(name, f"{FOLDER}/{name}.h5").removesuffix(".h5") for name in table["ECG_ID"]]
    return _label_tables.fetch(
        source, TABLE, stems, "h5", sums=sums, dest=dest, room=scratch / "sph", setting=PARTIAL, partial=p.partial
    )


def records(raw: Path, p: Params) -> Iterator[Record | RecordError]:
    """Give the kept recordings in the order of the table; one that cannot be read is given as its fault."""
    return map(taken, readings(raw, p))


def readings(raw: Path, p: Params) -> Iterator[Reading]:
    """List the same recordings, each to be read before the next is asked for."""
    with packs.open_all(raw) as files:
        table = _label_tables.load(DATABASE, files, TABLE, COLUMNS)
        _tell(table)
        found = {name.rpartition("/")[2]: name for name in reversed(files.names())}
        chosen = kept(table)
        chosen = chosen.assign(file=[found.get(f"{name}.h5", f"{FOLDER}/{name}.h5") for name in chosen["ECG_ID"]])
        chosen = _label_tables.there(DATABASE, chosen, files, p.partial)
        for row, folds in zip(_label_tables.rows(chosen), memberships(chosen), strict=True):
            yield partial(_record, row, folds, files)


def one_code(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows of several codes."""
    return table[~table["AHA_Code"].str.contains(";", regex=False)]


def unmodified(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the rows whose code has a modifier."""
    return table[~table["AHA_Code"].str.contains("+", regex=False)]


def repeated(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the codes that stand alone in the published table."""
    return table[~table["AHA_Code"].isin(SINGLETONS)]


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Apply the three rules one after another."""
    return repeated(unmodified(one_code(table)))


def memberships(table: pd.DataFrame) -> list[dict[str, str]]:
    """Give each kept row its tenth among all of them, and among those of the 22 classes."""
    frequent = [code not in RARE for code in table["AHA_Code"]]
    among = iter(_label_tables.tenths(sum(frequent)))
    return [
        {"tenths": tenth, "tenths_22": next(among) if inside else ""}
        for tenth, inside in zip(_label_tables.tenths(len(table)), frequent, strict=True)
    ]


def _tell(table: pd.DataFrame) -> None:
    """Say how many recordings are left out, and hold a whole table, rule by rule, against the published numbers."""
    steps = {"all": table, "one code": one_code(table)}
    steps["no modifier"] = unmodified(steps["one code"])
    steps["31 classes"] = repeated(steps["no modifier"])
    log.info("sph: %s", ", ".join(f"{len(rows)} {what}" for what, rows in steps.items()))
    if len(table) == PUBLISHED_STEPS["all"]:
        _label_tables.compare(
            DATABASE, "recordings after each rule", {what: len(rows) for what, rows in steps.items()}, PUBLISHED_STEPS
        )
        _label_tables.compare(DATABASE, "recordings by code", Counter(steps["31 classes"]["AHA_Code"]), PUBLISHED)


def _record(row: Mapping[str, str], folds: Mapping[str, str], files: packs.Packs) -> Record:
    name, code = row["ECG_ID"], row["AHA_Code"]
    if code not in PLACES:
        raise RecordError(name, f"{TABLE} says code {code[:20]!r} of it, none of the {len(CLASSES)}; {AGAIN}")
    if not row["Patient_ID"]:
        raise RecordError(name, f"{TABLE} names no patient of it; {AGAIN}")
    _label_tables.need(name, row["file"], files, PARTIAL)
    signal = _floats12.take(name, _samples(row, files), 1, AGAIN)
    about, numbers = person(row["Age"], row["Sex"])
    return Record(
        record=name,
        patient=row["Patient_ID"],
        signal=signal,
        fs=FS,
        leads=_wfdb12.LEADS,
        label=PLACES[code],
        folds=folds,
        about=about,
        numbers=numbers,
    )


def _samples(row: Mapping[str, str], files: packs.Packs) -> np.ndarray:
    """Read the array of an HDF5 file, (12, N); its shape is held to the table before a sample is read."""
    name, length = row["ECG_ID"], _label_tables.whole(row["N"])
    if length is None or not 0 < length <= LONGEST:
        raise RecordError(name, f"{TABLE} says {row['N'][:20]!r} samples of it; {AGAIN}")
    try:
        with h5py.File(io.BytesIO(files.read(row["file"])), "r") as file:
            shape, samples = _array(file, length) if _is_inside(file) else ("kept in another file", None)
    except DataError as fault:
        raise RecordError(name, str(fault)) from None
    except Exception:  # noqa: BLE001 (on bytes that are no such file h5py raises whatever comes of them)
        raise RecordError(name, f"{row['file']} is no HDF5 file with an array {KEY}; {AGAIN}") from None
    if samples is None:
        raise RecordError(name, f"its array {KEY} is {shape}, not numbers of 12 x {length} as {TABLE} says; {AGAIN}")
    return samples


def _array(file: h5py.File, length: int) -> tuple[tuple[int, ...], np.ndarray | None]:
    """Give the shape of a file's array, and its samples where they are those of 12 leads in no more memory than they need."""
    kept = file[KEY]
    chunk = math.prod(kept.chunks or (0,))  # is unpacked as a whole
    small = kept.dtype.kind in "iuf" and chunk <= len(_wfdb12.LEADS) * max(length, LARGEST_CHUNK)
    return kept.shape, np.asarray(kept[()]) if small and kept.shape == (len(_wfdb12.LEADS), length) else None


def _is_inside(file: h5py.File) -> bool:
    """Say whether the array lies in the file itself: HDF5 may fetch it, or its bytes, from any other that it names."""
    link = file.get(KEY, getlink=True)
    return (
        not isinstance(link, h5py.ExternalLink | h5py.SoftLink) and not file[KEY].is_virtual and not file[KEY].external
    )
