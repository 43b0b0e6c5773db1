"""Read EDF and continuous EDF+."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edfio
import numpy as np

from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.recordings._leads import (
    Lead,
    Limits,
    Source,
    Told,
    check_size,
    chosen,
    record_of,
    scale,
    shown,
    size,
    stream,
)

FIXED = 256  # bytes of the header before the channels' own, and again of each channel
COUNTS = 216  # bytes of each channel's header that stand before its samples per data record


def read(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read the leads of an ECG; annotations and other signals are left out."""
    _check_size(record, source, limits)
    source = source.absolute() if isinstance(source, Path) else source  # edfio gives a leading ~ a meaning
    found = edfio.read_edf(source, lazy_load_data=True, header_encoding="latin-1")  # the micro sign of its units
    signals = found.signals
    if not signals:
        raise RecordError(record, "it holds annotations and no signal; give the file with the ECG")
    units = _units(signals, told)
    leads = [
        Lead(signal.label.strip(), unit, float(signal.sampling_frequency))
        for signal, unit in zip(signals, units, strict=True)
    ]
    kept = chosen(record, leads)
    return record_of(
        record, [leads[number] for number in kept], (_physical(record, signals[number]) for number in kept)
    )


def _check_size(record: str, source: Source, limits: Limits) -> None:
    """Hold the bytes that the header declares against those there are, before any sample is read."""
    with stream(source) as file:
        head = file.read(FIXED)
        if head[:1] == b"\xff":
            raise RecordError(record, "it is BDF, which is not read; convert it to EDF")
        if len(head) < FIXED or head[:8].strip() != b"0":
            raise RecordError(record, "it does not begin as an EDF file does; export it again as EDF")
        if head[192:236].startswith(b"EDF+D"):
            raise RecordError(record, "it is a discontinuous EDF+D; export its continuous parts as files of their own")
        records, count = _whole(record, head[236:244]), _whole(record, head[252:256])
        check_size(record, limits, count, 0)
        channels = file.read(FIXED * count)
    counts = [_whole(record, channels[start : start + 8]) for start in range(COUNTS * count, (COUNTS + 8) * count, 8)]
    check_size(record, limits, count, records * sum(counts))
    needed, held = FIXED * (count + 1) + 2 * records * sum(counts), size(source)
    if _whole(record, head[184:192]) != FIXED * (count + 1) or held != needed or not records:
        raise RecordError(
            record,
            f"it holds {held} bytes where its header declares {needed} in {records} data records; export it again",
        )


def _whole(record: str, field: bytes) -> int:
    text = field.strip()
    if not text.isdigit():
        raise RecordError(
            record, f"{shown(text.decode('latin-1'))!r} stands in its header where a number must; export it again"
        )
    return int(text)


def _units(signals: Sequence[Any], told: Told) -> list[str]:
    """Give the unit of each channel; the caller's where none is in volts and some say nothing."""
    units = [signal.physical_dimension.strip() for signal in signals]
    silent = not any(scale(unit) for unit in units)
    return [told.units if silent and not unit else unit for unit in units]


def _physical(record: str, signal: Any) -> np.ndarray:
    """Turn the converter's steps into the channel's unit, in float64."""
    low, high = signal.digital_range
    bottom, top = signal.physical_range
    if low == high or bottom == top or not np.isfinite([bottom, top]).all():
        raise RecordError(
            record, f"{shown(signal.label)!r} says {bottom:g} to {top:g} for steps {low} to {high}; export it again"
        )
    return (signal.digital.astype(np.float64) - low) * ((top - bottom) / (high - low)) + bottom
