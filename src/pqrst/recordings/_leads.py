"""What the readers of all formats share: the caller's words, the bounds, and named leads that become a Record."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError

SCALES = {"nv": 1e-6, "uv": 1e-3, "mv": 1.0, "v": 1e3}  # mV in one of them
# units of what is recorded beside an ECG; a unit that stands in neither list is refused, not guessed
OTHER_UNITS = re.compile(
    r"mmhg|cmh2o|k?pa|bar|%|percent|b?pm|brpm|rpm|(1)?/min|hz|deg ?[cf]?|°?[cfk]|m?l|l/min|l/s|lpm|k?ohm|m?g|m/s2?|m?s|"
    r"nu|na|[mu]?a|db",
    re.IGNORECASE,
)
RAW_UNITS = {"adu", "counts", "count", "raw", "lsb"}
# biosignals in volts that are no ECG, and channels that mark events
NO_ECG = re.compile(
    r"(?<![a-z])(eeg|emg|eog|erg|resp\w*|pleth\w*|ppg|thor\w*|abdo\w*|flow|airflow|nasal|snore|gsr|eda|acc|temp|"
    r"marker|trigger|status|event)(?![a-z])",
    re.IGNORECASE,
)
ECG = re.compile(r"ecg|ekg", re.IGNORECASE)
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LONGEST_NAME = 80  # characters of a lead's name
SLOWEST, FASTEST = 1.0, 100_000.0  # Hz

Source = Path | bytes  # a file on disk, or one that came as bytes


@dataclass(frozen=True)
class Told:
    """What the caller says of a file that cannot say it itself."""

    fs: float | None = None  # Hz
    leads: tuple[str, ...] = ()
    units: str = ""  # mV, uV or V
    gain: float | None = None  # converter steps per mV; the samples are raw counts then
    zero: float | None = None  # the converter step of 0 mV
    format: str = ""  # of a .dat without header: 212 or 16


@dataclass(frozen=True)
class Limits:
    """Bounds of one recording, held against what its file declares before memory is taken."""

    leads: int = 128  # channels, ECG or not
    samples: int = 500_000_000  # of all channels: twelve at 480 Hz for a day
    bytes: int = 4_000_000_000


@dataclass(frozen=True)
class Lead:
    """What a file says of one channel."""

    name: str
    units: str
    fs: float  # Hz


def size(source: Source) -> int:
    return source.stat().st_size if isinstance(source, Path) else len(source)


def stream(source: Source) -> AbstractContextManager[BinaryIO]:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def shown(text: str) -> str:
    """Give a text from outside as it may stand in a line: short and printable."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:100])


def reason(error: Exception) -> str:
    """Name an error without its text, which may hold paths and addresses of this machine."""
    return shown(getattr(error, "strerror", None) or type(error).__name__)


def scale(units: str) -> float | None:
    """Give the mV in one unit, or nothing where the unit is no voltage."""
    return SCALES.get(re.sub("[µμ]", "u", units.strip()).lower())  # the micro sign, and the Greek letter


def check_size(record: str, limits: Limits, leads: int, samples: int) -> None:
    """Refuse what is too large; `samples` are those of all leads together."""
    if leads > limits.leads:
        raise RecordError(record, f"it has {leads} channels where at most {limits.leads} are read; leave some out")
    if samples > limits.samples:
        raise RecordError(
            record, f"it has {samples} samples where at most {limits.samples} are read; cut it into shorter recordings"
        )


def calibration(record: str, told: Told, units: str = "") -> tuple[float, float, str]:
    """Give the zero, the gain and the unit of a column that the file says is in `units`, if it says so."""
    if told.units and scale(told.units) is None:
        raise RecordError(record, f"{shown(told.units)!r} is no unit of a lead; give units as mV, uV or V")
    voltage = scale(units)
    if units and voltage is None and units.lower() not in RAW_UNITS:
        return 0.0, 1.0, units
    if told.gain is None:
        if not units and not told.units:
            raise RecordError(
                record, "it does not say in which unit its numbers are; give units, or gain of raw counts"
            )
        if voltage and told.units and voltage != scale(told.units):
            raise RecordError(record, f"it says {units} and you say {told.units}; leave units out, or mend the file")
        return 0.0, 1.0, units or told.units
    if voltage or scale(told.units or "mV") != 1.0:
        raise RecordError(record, f"gain is of raw counts and its numbers are in {units or told.units}; leave gain out")
    zero = told.zero or 0.0
    if not np.isfinite(told.gain) or told.gain == 0 or not np.isfinite(zero):
        raise RecordError(record, f"gain {told.gain:g} and zero {zero:g} cannot be; give converter steps per mV")
    return zero, told.gain, "mV"


def chosen(record: str, leads: Sequence[Lead]) -> list[int]:
    """Give the numbers of the channels that are leads of an ECG at one rate; the log names those left out."""
    kept = [number for number, lead in enumerate(leads) if _is_ecg(record, lead)]
    if not kept:
        found = ", ".join(f"{shown(lead.name)!r} in {shown(lead.units) or 'no unit'}" for lead in leads[:8])
        raise RecordError(record, f"it has no lead of an ECG in mV, uV or V, only {found}; give another recording")
    rates = Counter(leads[number].fs for number in kept).most_common(2)
    if len(rates) > 1 and rates[0][1] == rates[1][1]:
        found = ", ".join(f"{shown(leads[number].name)} {leads[number].fs:g} Hz" for number in kept[:8])
        raise RecordError(record, f"its leads have different rates ({found}); resample them to one")
    usual = rates[0][0]
    out = [lead for number, lead in enumerate(leads) if number not in kept or lead.fs != usual]
    if out:
        named = ", ".join(f"{shown(lead.name)} ({shown(lead.units) or 'no unit'}, {lead.fs:g} Hz)" for lead in out)
        log.info("record %s: left out %s: no lead of an ECG at %g Hz", record, named, usual)
    kept = [number for number in kept if leads[number].fs == usual]
    check_names(record, [leads[number].name for number in kept])
    if not SLOWEST <= usual <= FASTEST:  # false for nan too
        raise RecordError(record, f"{usual:g} Hz is no rate of an ECG; give one from {SLOWEST:g} to {FASTEST:g} Hz")
    return kept


def _is_ecg(record: str, lead: Lead) -> bool:
    if NO_ECG.search(lead.name) and not ECG.search(lead.name):
        return False
    if scale(lead.units) is None and lead.units and not OTHER_UNITS.fullmatch(lead.units.strip()):
        raise RecordError(
            record, f"{shown(lead.name)!r} is in {shown(lead.units)!r}, which is no known unit; give mV, uV or V"
        )
    return scale(lead.units) is not None


def check_names(record: str, names: Sequence[str]) -> None:
    """Refuse names that cannot be told apart, or not be shown."""
    for number, name in enumerate(names):
        if not name:
            raise RecordError(record, f"lead {number + 1} has no name; name it as the run's leads are called")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise RecordError(record, f"lead {number + 1} has an unreadable name, {shown(name)!r}; give it a short one")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise RecordError(record, f"{len(names)} leads and two of them are called {twice[0]!r}; give each its own name")


def record_of(record: str, leads: Sequence[Lead], columns: Iterable[np.ndarray]) -> Record:
    """Make a Record of leads that `chosen` has kept and their numbers, each in its lead's own unit."""
    signal = np.empty((0, 0), np.float32)
    for number, (lead, column) in enumerate(zip(leads, columns, strict=True)):
        if number == 0:
            signal = np.empty((len(leads), len(column)), np.float32)
        if len(column) != signal.shape[1]:
            raise RecordError(
                record,
                f"lead {lead.name} has {len(column)} samples where {leads[0].name} has {signal.shape[1]}; mend it",
            )
        with np.errstate(all="ignore"):
            signal[number] = column * (scale(lead.units) or 1.0)
        if np.isinf(signal[number]).any():
            raise RecordError(
                record, f"lead {lead.name} has infinite numbers, or ones too large for mV; mark them as missing"
            )
    if signal.shape[1] == 0:
        raise RecordError(record, "it holds no samples; give another recording")
    return Record(record, "", signal, leads[0].fs, tuple(lead.name for lead in leads))
