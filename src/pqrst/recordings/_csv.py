"""Read a table of numbers: a column a lead, a line a sample, perhaps with names, units and a column of times."""

import csv
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np

from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.recordings._leads import (
    Lead,
    Limits,
    Source,
    Told,
    calibration,
    check_size,
    chosen,
    record_of,
    scale,
    shown,
    stream,
)

LONGEST_LINE = 1 << 14  # bytes
MISSING = ("", "-", "nan", "NaN", "NA")
SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "milliseconds": 1e-3,
    "hh:mm:ss.mmm": 1.0,
    "mm:ss.mmm": 1.0,
}
TIMES = dict.fromkeys(("time", "t", "elapsed", "elapsed time", "time_s"), 1.0) | {"time_ms": 1e-3} | SECONDS
COUNTERS = ("sample #", "sample", "samples", "sample number", "index", "#", "", "unnamed: 0")
CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d{1,2}(?:\.\d{1,9})?)", re.ASCII)
SAID = re.compile(r"\b(fs|units|gain|zero)\s*[=:]\s*([^\s,;]+)", re.IGNORECASE)
NAMED = re.compile(r"(.*\S)\s*[(\[]\s*([^)\]]*\S)\s*[)\]]")  # MLII (mV)
SAME_RATE = 0.01  # two statements of one rate differ by less; written times are rounded

Line = tuple[int, str]  # its number in the file, and its text


@dataclass(frozen=True)
class Head:
    """What stands above the numbers."""

    said: Mapping[str, str]
    names: tuple[str, ...]  # none where the file holds numbers only
    units: tuple[str, ...]
    separator: str
    width: int
    first: Line  # of the numbers


def read(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read a table with or without names; the line of a faulty cell is named."""
    with stream(source) as file:
        lines = _lines(record, file)
        head = _head(record, lines)
        table = _table(record, head, lines, limits)
    told, said_fs = _agreed(record, head, told)
    names = head.names or tuple(name.strip() for name in told.leads)
    if len(names) != head.width:
        raise RecordError(
            record,
            f"line {head.first[0]} holds {head.width} numbers, and names of {len(names)} leads are known; give leads",
        )
    times, others = _split(record, names, head, table)
    measured = _rate(record, times) if times is not None else None
    fs = _one_rate(record, said_fs, told.fs, measured)
    scaled = {number: calibration(record, told, head.units[number]) for number in others}
    leads = [Lead(names[number], scaled[number][2], fs) for number in others]
    kept = chosen(record, leads)
    columns = ((table[:, others[k]] - scaled[others[k]][0]) / scaled[others[k]][1] for k in kept)
    return record_of(record, [leads[k] for k in kept], columns)


def _lines(record: str, file: BinaryIO) -> Iterator[Line]:
    """Give the lines that hold something, each bounded in length; an empty one may stand at the end only."""
    empty = 0
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
        if len(line) > LONGEST_LINE:
            raise RecordError(record, f"line {number} is longer than {LONGEST_LINE} bytes; write one sample a line")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n ")
        except UnicodeDecodeError:
            raise RecordError(record, f"line {number} is not UTF-8 text; save the table as UTF-8") from None
        if not text:
            empty = empty or number
            continue
        if empty:
            raise RecordError(record, f"line {empty} is empty; write a missing sample as nan, or take the line out")
        yield number, text


def _head(record: str, lines: Iterator[Line]) -> Head:
    said: dict[str, str] = {}
    first = next(lines, None)
    while first and first[1].startswith("#"):
        said |= {key.lower(): value for key, value in SAID.findall(first[1])}
        first = next(lines, None)
    separator = next((sign for sign in ";\t" if first and sign in first[1]), ",")
    names, units = [], []
    if first and not _is_numbers(first[1], separator):
        names = _cells(first[1], separator)
        first = next(lines, None)
        below = _cells(first[1], separator) if first else []
        if not any(map(_is_number, below)) and set(below) - set(MISSING):  # what is missing is a sample, and no unit
            units = below
            first = next(lines, None)
    if first is None:
        raise RecordError(record, "it holds no numbers; give a table with a column a lead and a line a sample")
    if names and not names[-1] and len(names) > 1:  # a separator at the end of every line
        names = names[:-1]
    width = len(names) or len(_cells(first[1], separator))
    units = [units[number] if number < len(units) else "" for number in range(width)]
    for number, name in enumerate(names):
        apart = NAMED.fullmatch(name)
        if apart and not units[number] and (scale(apart[2]) or apart[2].lower() in SECONDS):
            names[number], units[number] = apart[1], apart[2]
    return Head(said, tuple(names), tuple(units), separator, width, first)


def _cells(line: str, separator: str) -> list[str]:
    cells = line.split(separator)
    if '"' in line:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    return [cell.strip().strip("'").strip() for cell in cells]


def _is_numbers(line: str, separator: str) -> bool:
    cells = _cells(line, separator)
    return any(cells) and all(_is_number(cell) or cell in MISSING for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return cell not in MISSING


def _number(cell: str) -> float:
    """Read a number, with a decimal point or comma, or a time of day in seconds."""
    if cell in MISSING:
        return np.nan
    clock = CLOCK.fullmatch(cell)
    if clock:
        return 3600 * float(clock[1] or 0) + 60 * float(clock[2]) + float(clock[3])
    value = float(cell.replace(",", "."))
    if "_" in cell or not np.isfinite(value):  # Python reads 1_000 and inf
        raise ValueError(cell)
    return value


def _table(record: str, head: Head, lines: Iterator[Line], limits: Limits) -> np.ndarray:
    """Read the numbers line by line, and give them as (samples, columns) in float64."""
    values, width, separator = array("d"), head.width, head.separator
    for number, line in chain([head.first], lines):
        check_size(record, limits, width, len(values) + width)
        try:
            row = [float(cell) for cell in line.split(separator)]
            plain = len(row) == width and "_" not in line and "n" not in line.lower()
        except ValueError:
            plain = False
        values.extend(row if plain else _row(record, number, _cells(line, separator), width))
    table = np.frombuffer(values).reshape(-1, width)
    endless = np.argwhere(np.isinf(table))  # what Python reads of 1e999
    if len(endless):
        row, place = endless[0]
        raise RecordError(
            record, f"line {head.first[0] + row}, cell {place + 1} holds an infinite number; mend it or leave it empty"
        )
    return table


def _row(record: str, number: int, cells: list[str], width: int) -> list[float]:
    """Read a line that is not plain numbers."""
    if len(cells) == width + 1 and not cells[-1]:
        cells = cells[:-1]
    if len(cells) != width:
        raise RecordError(record, f"line {number} has {len(cells)} cells where {width} belong; mend the line")
    row = []
    for place, cell in enumerate(cells, 1):
        try:
            row.append(_number(cell))
        except ValueError:
            raise RecordError(
                record,
                f"line {number}, cell {place} holds {shown(cell)!r}, which is no number; mend it or leave it empty",
            ) from None
    return row


def _agreed(record: str, head: Head, told: Told) -> tuple[Told, float | None]:
    """Add what the file's first line says to what the caller says; give the file's own rate apart."""
    numbers = {}
    for key in ("fs", "gain", "zero"):
        try:
            numbers[key] = _number(head.said[key]) if key in head.said else None
        except ValueError:
            raise RecordError(record, f"its first line says {key}={shown(head.said[key])}; write a number") from None
    units = head.said.get("units", "")
    if units and told.units and scale(units) != scale(told.units):
        raise RecordError(
            record, f"it says {shown(units)} and you say {shown(told.units)}; leave units out, or mend it"
        )
    gain = told.gain if numbers["gain"] is None else numbers["gain"]
    zero = told.zero if numbers["zero"] is None else numbers["zero"]
    return Told(told.fs, told.leads, units or told.units, gain, zero), numbers["fs"]


def _split(record: str, names: Sequence[str], head: Head, table: np.ndarray) -> tuple[np.ndarray | None, list[int]]:
    """Part the column of times, in seconds, and those that only count, from the rest."""
    times, others = None, []
    for number, name in enumerate(names):
        low = name.lower() if head.names else "lead"
        if low in TIMES:
            if times is not None:
                raise RecordError(record, f"it has two columns of times, {shown(name)!r} is one; leave one of them out")
            unit = SECONDS.get(head.units[number].lower()) if head.units[number] else TIMES[low]
            if unit is None:
                raise RecordError(record, f"its times are in {shown(head.units[number])!r}; give them in s or ms")
            times = table[:, number] * unit
        elif low in COUNTERS and (low or number == 0) and (np.diff(table[:, number]) == 1).all():
            continue
        else:
            others.append(number)
    if not others:
        raise RecordError(record, "it has times and no lead; give a column for each lead")
    return times, others


def _rate(record: str, times: np.ndarray) -> float | None:
    """Give the rate of evenly spaced times, which may be rounded as they were written."""
    if len(times) < 2:
        return None
    step = (times[-1] - times[0]) / (len(times) - 1)
    uneven = np.abs(np.diff(times) / step - 1) if step > 0 else np.full(1, np.inf)
    off = np.abs(times - times[0] - step * np.arange(len(times))) / step if step > 0 else uneven
    if not (uneven < 0.5).all() or not (off < 0.5).all():  # false for nan too
        raise RecordError(record, "its times are not evenly spaced; resample it to one rate, or leave the times out")
    rate = 1 / step
    doubt = rate * (2 * off.max() + 1e-6) / len(times)  # both ends may be rounded as much as the worst
    return float(round(rate)) if abs(rate - round(rate)) <= max(doubt, 1e-6 * rate) else float(rate)


def _one_rate(record: str, said: float | None, told: float | None, measured: float | None) -> float:
    """Give the one rate that the file's first line, the caller and the times agree on."""
    known = [rate for rate in (said, told, measured) if rate is not None]
    if not known:
        raise RecordError(record, "it does not say its rate; give fs in Hz, or a column of times")
    if not all(abs(rate - known[0]) <= SAME_RATE * abs(known[0]) for rate in known):  # true for nan too
        listed = " and ".join(f"{rate:g}" for rate in known)
        raise RecordError(record, f"its first line, its times and you do not say the same rate ({listed} Hz); mend one")
    return known[0]
