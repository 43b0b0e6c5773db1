"""One 12-lead recording in WFDB's format 16, from the bytes of its header and of its one signal file.

Nothing is guessed. Every lead must be there once, in one file, with a gain and a unit; the file must be as long as the header
says; first samples and checksums must be those of the samples. A first sample or a checksum that the header leaves out is not
asked for. A sample that is not there keeps the step that WFDB writes for it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pqrst.errors import DataError, RecordError
from pqrst.packs import Packs

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SPELT = {name.upper(): name for name in LEADS}
MISSING = -(2**15)  # what format 16 writes where there is no sample
FORMAT_BITS = 16
PER_MV = {"mv": 1.0, "uv": 1000.0, "µv": 1000.0}  # converter steps per mV in steps per unit

RATE = re.compile(r"(\d{1,7}(?:\.\d{1,9})?)(?:/.*)?", re.ASCII)
FORMAT = re.compile(r"16(?:x1)?(?:\+(\d{1,9}))?", re.ASCII)
GAIN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:\((-?\d{1,6})\))?(?:/(\S+))?")
WHOLE = re.compile(r"[+-]?\d{1,9}", re.ASCII)
LENGTH = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True)
class Lead:
    """One signal line of a header."""

    name: str
    offset: int  # bytes before the first sample
    gain: float  # converter steps per mV
    zero: int
    ends: tuple[int, int]  # the lowest and the highest step of the converter
    initial: int | None
    checksum: int | None


@dataclass(frozen=True)
class Recording:
    """Twelve leads in the standard order, in the converter's own integers; MISSING where no sample is there."""

    signal: np.ndarray  # (12, samples) int16
    fs: float  # Hz
    gain: tuple[float, ...]  # steps per mV
    zero: tuple[int, ...]
    ends: tuple[tuple[int, int], ...]  # the lowest and the highest step of the converter
    comments: tuple[str, ...]  # without their mark


def load(record: str, files: Packs, names: tuple[str, str], again: str, *, some: bool = False) -> Recording:
    """Read a recording from its header and its signal file, by their names; `again` is what to do about a fault."""
    content = []
    for name in names:
        try:
            content.append(files.read(name))
        except FileNotFoundError:
            raise RecordError(record, f"{name} is missing; {again}") from None
        except DataError as fault:
            raise RecordError(record, str(fault)) from None
    try:
        return read(record, names[1].rpartition("/")[2], content[0], content[1], some=some)
    except RecordError as fault:
        raise RecordError(record, f"{fault.fault}; {again}") from None


def read(record: str, file: str, header: bytes, content: bytes, *, some: bool = False) -> Recording:
    """Read a recording from its bytes.

    Args:
        record: its name in error messages.
        file: the name of its signal file.
        header: the bytes of its header.
        content: those of its signal file.
        some: whether leads may be absent; none of their samples is there then.
    """
    lines, comments = _lines(record, header)
    fs, length = _first(record, lines[0], file.rpartition(".")[0], len(lines) - 1)
    leads = [_lead(record, line, file) for line in lines[1:]]
    places = _places(record, leads, some)
    samples = _samples(record, leads, length, content)
    _verify(record, leads, samples)
    return _arranged(leads, places, samples, fs, comments)


def _lines(record: str, header: bytes) -> tuple[list[str], tuple[str, ...]]:
    try:
        lines = [line.strip() for line in header.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise RecordError(record, f"byte {error.start} of its header is no UTF-8 text") from None
    told = [line for line in lines if line and not line.startswith("#")]
    if not told:
        raise RecordError(record, "its header is empty")
    return told, tuple(line.lstrip("# \t") for line in lines if line.startswith("#"))


def _first(record: str, line: str, stem: str, described: int) -> tuple[float, int]:
    """Read NAME LEADS RATE SAMPLES; some of the Challenge's headers name the signal file instead of the record."""
    fields = line.split()
    name, count, rate, length = (fields + [""] * 4)[:4]
    matched = RATE.fullmatch(rate)
    if name not in (stem, f"{stem}.mat"):
        raise RecordError(record, f"its header is that of {name[:40]!r}, not of {stem!r}")
    if not LENGTH.fullmatch(count) or matched is None or not LENGTH.fullmatch(length):
        raise RecordError(record, f"its header begins with {line[:60]!r}: leads, rate or length cannot be read")
    fs, samples = float(matched[1]), int(length)
    if int(count) != described or not described or not fs or not samples:
        raise RecordError(
            record,
            f"its header declares {count} leads, {samples} samples at {fs:g} Hz, and describes {described} leads",
        )
    return fs, samples


def _lead(record: str, line: str, file: str) -> Lead:
    """Read FILE FORMAT[+OFFSET] GAIN[(BASELINE)][/UNIT] [BITS [ZERO [INITIAL [CHECKSUM [BLOCK]]]]] NAME."""
    fields = line.split()
    if not 4 <= len(fields) <= 9:
        raise RecordError(record, f"its header's line {line[:80]!r} has {len(fields)} fields where 4 to 9 belong")
    packed, scaled, numbers = FORMAT.fullmatch(fields[1]), GAIN.fullmatch(fields[2]), fields[3:-1]
    name, unit = SPELT.get(fields[-1].upper()), ((scaled and scaled[3]) or "mV").lower()
    faults = {
        f"the file is {fields[0][:40]!r}, not {file!r}": fields[0] != file,
        "the format is not 16": packed is None,
        "the gain is no number above zero": scaled is None or not float(scaled[1]),
        f"the unit is {unit!r}, not mV or uV": unit not in PER_MV,
        "a number cannot be read": not all(map(WHOLE.fullmatch, numbers)),
        f"{fields[-1][:20]!r} is none of the 12 leads": name is None,
    }
    told = [fault for fault, found in faults.items() if found]
    if told or packed is None or scaled is None or name is None:
        raise RecordError(record, f"its header's line {line[:80]!r} is not sound: {told[0]}")
    told_numbers: list[int | None] = [*map(int, numbers), *[None] * 5]
    bits, zero, initial, checksum = told_numbers[:4]
    baseline = int(scaled[2] or zero or 0)
    if abs(baseline) >= 2**15:
        raise RecordError(record, f"its header's line {line[:80]!r} is not sound: the zero {baseline} is out of range")
    gain, ends = float(scaled[1]) * PER_MV[unit], _ends(bits, zero)
    return Lead(name, int(packed[1] or 0), gain, baseline, ends, initial, checksum)


def _ends(bits: int | None, zero: int | None) -> tuple[int, int]:
    """Give the ends of a converter of so many bits around its zero; those of the format where a header does not say."""
    half = 2 ** (min(max(bits or FORMAT_BITS, 1), FORMAT_BITS) - 1)
    low, high = (zero or 0) - half, (zero or 0) + half - 1
    return (low, high) if MISSING < low < high < -MISSING else (MISSING + 1, -MISSING - 1)


def _places(record: str, leads: Sequence[Lead], some: bool) -> list[int | None]:
    """Find each standard lead among those of the header."""
    names = [lead.name for lead in leads]
    twice = sorted({name for name in names if names.count(name) > 1})
    absent = [name for name in LEADS if name not in names]
    if twice or (absent and not some):
        fault = f"{twice[0]} is there twice" if twice else f"{', '.join(absent)} is not there"
        raise RecordError(record, f"its header does not describe the 12 leads: {fault}")
    if len({lead.offset for lead in leads}) > 1:
        raise RecordError(record, "its header says two things of where the samples begin")
    return [names.index(name) if name in names else None for name in LEADS]


def _samples(record: str, leads: Sequence[Lead], length: int, content: bytes) -> np.ndarray:
    """Read the samples as int16 (leads of the header, samples)."""
    offset = leads[0].offset
    needed = offset + 2 * len(leads) * length
    if len(content) != needed:
        raise RecordError(record, f"its signal file holds {len(content)} bytes where its header declares {needed}")
    return np.frombuffer(content, "<i2", offset=offset).reshape(length, len(leads)).T.astype(np.int16)


def _verify(record: str, leads: Sequence[Lead], samples: np.ndarray) -> None:
    """Hold the samples against the header's first samples and checksums, where it has them."""
    sums = samples.sum(axis=1, dtype=np.int64) & 0xFFFF
    for lead, first, total in zip(leads, samples[:, 0], sums, strict=True):
        if lead.initial is not None and lead.initial != first:
            raise RecordError(record, f"lead {lead.name} begins with {first}, its header says {lead.initial}")
        if lead.checksum is not None and lead.checksum & 0xFFFF != total:
            raise RecordError(
                record, f"lead {lead.name} has checksum {total}, its header says {lead.checksum & 0xFFFF}"
            )


def _arranged(
    leads: Sequence[Lead], places: Sequence[int | None], samples: np.ndarray, fs: float, comments: tuple[str, ...]
) -> Recording:
    """Bring the leads into the standard order."""
    nowhere = Lead("", 0, leads[0].gain, 0, leads[0].ends, None, None)
    chosen = [nowhere if place is None else leads[place] for place in places]
    signal = np.full((len(LEADS), samples.shape[1]), MISSING, np.int16)
    for row, place in enumerate(places):
        if place is not None:
            signal[row] = samples[place]
    return Recording(
        signal=signal,
        fs=fs,
        gain=tuple(lead.gain for lead in chosen),
        zero=tuple(lead.zero for lead in chosen),
        ends=tuple(lead.ends for lead in chosen),
        comments=comments,
    )


def comments(record: str, header: bytes) -> tuple[str, ...]:
    """Read a header's comments alone."""
    return _lines(record, header)[1]
