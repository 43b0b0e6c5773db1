"""A whole recording made ready to be cut: scaled, filtered, brought to another rate; and rows as whole steps."""

from dataclasses import replace

import numpy as np

from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.filters import band_pass, resampled, settles
from pqrst.params import BandPass, Window

# between two rates; numbers that resampling may make of one, of a recording that is not short; and numbers that it may make of any
MOST_RATIO, MOST_GROWTH, SURELY = 1000.0, 8, 2**24
FLAT = 1e-8  # added to a deviation, so that a flat lead becomes zero


def used(record: Record, w: Window) -> Record:
    """Leave out the leads of which nothing is made: of what is not used no fault counts."""
    if w.leads != "first" or w.side != "none":  # numbers beside a row tell of every lead
        return record
    gain, zero, ends = record.gain and record.gain[:1], record.zero and record.zero[:1], record.ends and record.ends[:1]
    return replace(record, signal=record.signal[:1], leads=record.leads[:1], gain=gain, zero=zero, ends=ends)


def prepared(record: Record, w: Window) -> Record:
    """Scale, filter and resample a whole recording, where that is wanted; what is altered is no longer in converter steps."""
    if w.zscore:
        record = _zscored(record)
    if w.filter is not None:
        record = _filtered(record, w.filter)
    if w.rate:
        record = at_rate(record, w.rate)
    return replace(record, signal=record.in_units(), gain=None, zero=None) if w.steps else record


def _zscored(record: Record) -> Record:
    signal = record.in_units().astype(np.float64)
    mean, deviation = signal.mean(axis=1, keepdims=True), signal.std(axis=1, keepdims=True)
    scaled = ((signal - mean) / (deviation + FLAT)).astype(np.float32)
    return replace(record, signal=scaled, gain=None, zero=None, units="standard deviations")


def _filtered(record: Record, f: BandPass) -> Record:
    if record.fs <= 2 * f.high:
        raise RecordError(
            record.record, f"its {record.fs:g} Hz cannot hold a band up to {f.high:g} Hz; set filter.high lower"
        )
    if record.signal.shape[1] <= settles(f.order):
        raise RecordError(record.record, f"its {record.signal.shape[1]} samples are too few to filter; leave it out")
    return replace(
        record, signal=band_pass(record.in_units(), record.fs, (f.low, f.high), f.order), gain=None, zero=None
    )


def at_rate(record: Record, fs: float) -> Record:
    """Bring a recording to another rate; at the same rate its samples stay as they are."""
    if record.fs == fs:
        return record
    most = max(MOST_GROWTH * record.signal.size, SURELY)
    if not fs / MOST_RATIO <= record.fs <= fs * MOST_RATIO or record.signal.size * (fs / record.fs) > most:
        raise RecordError(record.record, f"its {record.fs:g} Hz are too far from {fs:g} Hz; give another recording")
    return replace(record, signal=resampled(record.in_units(), record.fs, fs), fs=fs, gain=None, zero=None)


def in_steps(x: np.ndarray, gain: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Turn rows (n, leads, samples) into whole steps, `gain` a unit from `zero` on, by lead; float32.

    What lies beyond the 16 bits that hold them stays at their edge.
    """
    return np.clip(np.rint(x * gain[:, None] + zero[:, None]), -(2**15), 2**15 - 1).astype(np.float32)
