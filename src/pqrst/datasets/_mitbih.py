"""Read the MIT-BIH Arrhythmia Database as it lies on PhysioNet: 48 records of 47 subjects, two leads, 360 Hz."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from wfdb.io.header import HeaderSyntaxError

from pqrst import annotations as annotations_of
from pqrst import downloads
from pqrst.arrays import Declared, Marks, Reading, Record, taken
from pqrst.errors import RecordError

HOST = "https://physionet.org/files/mitdb/1.0.0"
FS, GAIN = 360.0, 200.0  # Hz; steps per mV
MISSING = -(2**11)  # what format 212 writes where there is no sample
# what the wfdb package raises on bytes that are no header, signal or annotations
UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    MemoryError,
    HeaderSyntaxError,
)
# Record 102's annotations were corrected in 2018; the Kaggle beats were cut before that.
OLD_102 = "102-0"

# de Chazal, O'Dwyer, Reilly, IEEE Trans Biomed Eng 51(7), 2004: records by patient, the paced four left out
DS1 = [
    "101",
    "106",
    "108",
    "109",
    "112",
    "114",
    "115",
    "116",
    "118",
    "119",
    "122",
    "124",
    "201",
    "203",
    "205",
    "207",
    "208",
    "209",
    "215",
    "220",
    "223",
    "230",
]
# 202 stands in DS2 there although it is the person of 201, who stands in DS1: here it is a part of its own
DS2 = [
    "100",
    "103",
    "105",
    "111",
    "113",
    "117",
    "121",
    "123",
    "200",
    "202",
    "210",
    "212",
    "213",
    "214",
    "219",
    "221",
    "222",
    "228",
    "231",
    "232",
    "233",
    "234",
]
PACED = ["102", "104", "107", "217"]
SAME_SUBJECT = {"202": "201"}  # two records of one person (PhysioNet's record notes)
SHARED = "DS2 of DS1's person"


def fetch(base: str | None, dest: Path, scratch: Path) -> dict[str, Any]:
    """Fetch every record's header, signal and annotations from the host, or from the mirror at `base`."""
    source = downloads.at(base, "mitdb", HOST)
    sums = downloads.checksums(source)
    records = downloads.read_text(source, "RECORDS").split()
    names = ["RECORDS", *(f"{record}.{ending}" for record in records for ending in ("hea", "dat", "atr"))]
    old = f"{OLD_102}.atr"
    return downloads.fetch(source, [*names, old], dest, scratch / "mitdb", sums=sums, optional=[old])


def read_all(raw: Path, classes: Mapping[str, int], old_102: bool = False) -> Iterator[Record | RecordError]:
    """Give each recording in the order of RECORDS; one that cannot be read is given as its fault."""
    return map(taken, readings(raw, classes, old_102))


def readings(raw: Path, classes: Mapping[str, int], old_102: bool = False) -> Iterator[Reading]:
    """List the same recordings, each to be read by itself; whose it is stands in its header."""
    met: dict[str, tuple[Reading, ...]] = {}
    for name in _names(raw):
        one = partial(read, raw, name, classes, OLD_102 if old_102 and name == "102" else name)
        person = _person(raw, name)
        yield partial(_of_person, one, name in SAME_SUBJECT, met.get(person, ()))
        met[person] = (*met.get(person, ()), one)


def _person(raw: Path, name: str) -> str:
    """Say whose recording it is, or of a header that cannot be read nothing."""
    try:
        return _subject(name, _header(raw, name).comments)
    except RecordError:
        return ""


def _of_person(one: Reading, again: bool, before: Sequence[Reading]) -> Record:
    """Read a recording into its part of the division by patient: those before it of its person count where they can be read."""
    found = one()
    again = again or any(isinstance(taken(other), Record) for other in before)
    return replace(found, folds={"patients": patient_set(found.patient, again)})


def _names(raw: Path) -> list[str]:
    try:
        names = (raw / "RECORDS").read_text(encoding="ascii").split()
    except FileNotFoundError:
        raise RecordError("of MIT-BIH", "RECORDS is missing; download the database again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError("of MIT-BIH", f"RECORDS cannot be read ({_line(error)}); download it again") from None
    if not names:
        raise RecordError("of MIT-BIH", "RECORDS names no recording; download it again")
    return names


def read(raw: Path, name: str, classes: Mapping[str, int], annotations: str) -> Record:
    """Read one recording in the converter's own integers, its header's checksums verified."""
    header, signal = steps(raw, name)
    marks = _marks(raw, name, annotations, classes, signal.shape[1])
    return Record(
        record=name,
        patient=_subject(name, header.comments),
        signal=signal,
        fs=float(header.fs),
        leads=tuple(header.sig_name),
        gain=tuple(map(float, header.adc_gain)),
        zero=tuple(map(int, header.baseline)),
        marks=marks,
        missing=MISSING,
        ends=_ends(header),
        declared=Declared(FS, GAIN),
    )


def _ends(header: Any) -> tuple[tuple[int, int], ...] | None:
    """Give the lowest and the highest step of a converter of so many bits around its zero, where the header says both."""
    told = list(zip(header.adc_res, header.adc_zero, strict=True))
    if not all(bits and zero is not None for bits, zero in told):
        return None
    return tuple((zero - 2 ** (bits - 1), zero + 2 ** (bits - 1) - 1) for bits, zero in told)


def steps(raw: Path, name: str) -> tuple[Any, np.ndarray]:
    """Read a recording's header and its samples, int16 (leads, samples), as the header promises them."""
    header = _header(raw, name)
    return header, _signal(raw, name, header)


def _header(raw: Path, name: str) -> Any:
    try:
        header = wfdb.rdheader(str(raw / name))
    except FileNotFoundError:
        raise RecordError(name, f"{name}.hea is missing; download it again") from None
    except UNREADABLE as error:
        raise RecordError(name, f"{name}.hea cannot be read ({_line(error)}); download it again") from None
    if not _is_mitbih(header, name):
        raise RecordError(
            name, f"{name}.hea declares no MIT-BIH recording, format 212 at {FS:g} Hz in {name}.dat; download it again"
        )
    return header


def _is_mitbih(header: Any, name: str) -> bool:
    """Hold a header against what every recording of this database has in common; it names files and sizes to come."""
    if not isinstance(header, wfdb.Record):  # a header of several segments
        return False
    plain = (header.samps_per_frame or [], header.skew or [], header.byte_offset or [])
    return (
        header.n_sig == 2
        and bool(header.sig_len)
        and header.fs == FS
        and header.fmt == ["212"] * 2
        and header.file_name == [f"{name}.dat"] * 2
        and all(gain and np.isfinite(gain) and gain > 0 for gain in header.adc_gain)
        and header.units == ["mV"] * 2
        and all(zero is not None for zero in header.baseline)
        and all(lead for lead in header.sig_name)
        and all(
            value in (None, ordinary) for values, ordinary in zip(plain, (1, 0, 0), strict=True) for value in values
        )
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__


def _signal(raw: Path, name: str, header: Any) -> np.ndarray:
    """Read the samples as int16 (leads, samples); the wfdb package itself compares no checksum on reading."""
    file = raw / f"{name}.dat"
    needed = -(-3 * header.n_sig * header.sig_len // 2)  # format 212 packs two samples into three bytes
    held = file.stat().st_size if file.exists() else 0
    if held < needed:
        raise RecordError(name, f"{file.name} holds {held} bytes where its header declares {needed}; download it again")
    try:
        found = wfdb.rdrecord(str(raw / name), physical=False, return_res=16, smooth_frames=False)
        signal = np.stack(found.e_d_signal)  # (leads, samples), as they come: wfdb would set them side by side
    except UNREADABLE as error:
        raise RecordError(name, f"{file.name} cannot be read ({_line(error)}); download it again") from None
    sums = signal.sum(axis=1, dtype=np.int64) & 0xFFFF
    for lead, (total, declared) in enumerate(zip(sums, header.checksum, strict=True)):
        if declared is not None and int(total) != declared & 0xFFFF:
            raise RecordError(
                name,
                f"lead {lead} of {file.name} has checksum {total}, its header says {declared & 0xFFFF}; download it again",
            )
    return signal


def _marks(raw: Path, name: str, annotations: str, classes: Mapping[str, int], length: int) -> Marks:
    file = raw / f"{annotations}.atr"
    if not file.exists():
        raise RecordError(name, _missing(annotations))
    try:
        found = annotations_of.read(file.read_bytes())
        symbols = found.symbols()
    except ValueError as error:
        raise RecordError(name, f"{annotations}.atr {error}; download it again") from None
    except OSError as error:
        raise RecordError(name, f"{annotations}.atr cannot be read ({_line(error)}); check its rights") from None
    samples = found.samples
    if len(samples) == 0 or samples.min() < 0 or samples.max() >= length or (np.diff(samples) < 0).any():
        raise RecordError(
            name, f"{annotations}.atr has marks out of order or outside the {length} samples; download it again"
        )
    return Marks(samples, np.array([classes.get(symbol, -1) for symbol in symbols], np.int64))


def _missing(annotations: str) -> str:
    if annotations != OLD_102:
        return f"{annotations}.atr is missing; download it again"
    return (
        f"{OLD_102}.atr is missing: the Kaggle beats were cut with record 102's annotations from before PhysioNet's correction "
        f"of 2018. Lay {OLD_102}.atr, which PhysioNet still holds beside 102.atr, into the source's mitdb folder and download again"
    )


def _subject(name: str, comments: Collection[str]) -> str:
    for comment in comments:
        if comment.startswith("subject:"):
            return comment.removeprefix("subject:").strip()
    return SAME_SUBJECT.get(name, name)


def patient_set(patient: str, again: bool = False) -> str:
    """Name the part of the usual division by patient; made-up subjects alternate between its two sides.

    `again` marks a further record of a person who was met before.
    """
    if again:
        return SHARED
    if patient in PACED:
        return "paced"
    if patient in DS1 or patient in DS2:
        return "DS1" if patient in DS1 else "DS2"
    number = "".join(filter(str.isdigit, patient))
    return "DS1" if number and int(number) % 2 else "DS2"
