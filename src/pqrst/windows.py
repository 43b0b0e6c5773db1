"""Recordings cut into rows: beat to beat, in windows of equal length, or whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pqrst.arrays import Marks, Record
from pqrst.errors import RecordError
from pqrst.features import of_record
from pqrst.params import Window


@dataclass(frozen=True)
class Rows:
    """Rows cut from one recording."""

    x: np.ndarray  # (rows, leads, samples)
    y: np.ndarray  # (rows,) or (rows, classes)
    start: np.ndarray  # (rows,) sample number in the recording
    folds: Mapping[str, np.ndarray]  # name -> (rows,) text
    side: np.ndarray | None = None  # (rows, columns)
    columns: tuple[str, ...] = ()  # of side


def beats(record: Record, w: Window) -> Rows:
    """Cut each beat from its mark to a part of the interval after the next mark, as the Kaggle heartbeat set was cut.

    The rule, found by rebuilding that set bit for bit: the window of mark j ends at int(a[j+1] + tail·(a[j+2] − a[j+1])),
    where the recording's length stands for the mark after the last; the last mark itself gives no beat.
    """
    marks, signal, chosen = _marks(record), record.signal[0], _beats(record)
    at = np.append(marks.samples, record.signal.shape[1])
    ends = (at[chosen + 1] + w.tail * (at[chosen + 2] - at[chosen + 1])).astype(np.int64)
    x = np.zeros((len(chosen), 1, w.samples), np.float32)
    for row, (start, end) in enumerate(zip(at[chosen], ends, strict=True)):
        scaled = _from_0_to_1(signal[start : end : w.every])[: w.samples]
        x[row, 0, : len(scaled)] = scaled
    return _of_beats(record, w, x)


def around(record: Record, w: Window) -> Rows:
    """Cut the same beats with what comes before them: every n-th of the samples around each mark, edges repeated."""
    at, signal = _marks(record).samples[_beats(record)], _leads(record, w)
    offsets = np.arange(w.samples) * w.every - w.before
    places = np.clip(at[:, None] + offsets, 0, signal.shape[1] - 1)  # (beats, samples)
    return _of_beats(record, w, np.ascontiguousarray(signal[:, places].swapaxes(0, 1)))


def _beats(record: Record) -> np.ndarray:
    """Number the marks that make a row: each beat but a last mark."""
    return np.flatnonzero(_marks(record).labels[:-1] >= 0)


def _of_beats(record: Record, w: Window, x: np.ndarray) -> Rows:
    """Put labels, places and, where wanted, the rhythm and shape of each beat beside its window."""
    marks, chosen = _marks(record), _beats(record)
    folds = {name: values[chosen] for name, values in marks.folds.items()}
    rows = Rows(x, marks.labels[chosen], marks.samples[chosen], folds)
    if w.side == "none":
        return rows
    side, columns = of_record(record)
    return replace(rows, side=side[: len(chosen)], columns=columns)


def _from_0_to_1(samples: np.ndarray) -> np.ndarray:
    """Scale by minimum and maximum in float64; a flat stretch becomes zero."""
    values = samples.astype(np.float64)
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def equal(record: Record, w: Window) -> Rows:
    """Cut windows of equal length at equal steps; a window is of the class of most of its marks, of the lowest of equals."""
    marks = _marks(record)
    if record.signal.shape[1] < w.samples:
        raise RecordError(
            record.record, f"it has {record.signal.shape[1]} samples, a window {w.samples}; set window.samples lower"
        )
    x, starts = stepped(_leads(record, w), w)
    first, last = np.searchsorted(marks.samples, starts), np.searchsorted(marks.samples, starts + w.samples)
    classes = np.arange(marks.labels.max(initial=0) + 1)
    totals = np.pad(np.cumsum(marks.labels == classes[:, None], axis=1), ((0, 0), (1, 0)))  # (classes, marks + 1)
    return Rows(x, (totals[:, last] - totals[:, first]).argmax(axis=0), starts, {})


def whole(record: Record, w: Window) -> Rows:
    """Take the recording as one row, padded with zeros on the right, or as some pieces where it is longer."""
    if w.side == "beats":
        raise RecordError(record.record, "it has no marks to take the rhythm from; set window.side to none")
    if record.label is None:
        raise RecordError(
            record.record, "it has no label of its own, so it cannot be taken whole; set window.cut to beats or equal"
        )
    signal = _leads(record, w)
    x, starts = covering(signal, w, w.pieces)
    rows = Rows(x, np.array([record.label] * len(x)), starts, {})
    if w.side == "none":
        return rows
    numbers = np.array(list(record.numbers.values()), np.float32)
    return replace(rows, side=np.tile(numbers, (len(x), 1)), columns=tuple(record.numbers))


def stepped(signal: np.ndarray, w: Window) -> tuple[np.ndarray, np.ndarray]:
    """Cut (leads, T) into windows at equal steps, (rows, leads, samples), and give their starts."""
    starts = np.arange(0, signal.shape[1] - w.samples + 1, w.step)
    view = np.lib.stride_tricks.sliding_window_view(signal, w.samples, axis=1)
    return view[:, starts].swapaxes(0, 1), starts


def covering(signal: np.ndarray, w: Window, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Take (leads, T) as `most` rows at most, or as its beginning alone where that is wanted; give them and their starts."""
    return pieces(signal[:, : w.samples] if w.from_start else signal, w.samples, most)


def pieces(signal: np.ndarray, samples: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Take (leads, T) as one row padded with zeros on the right, or as evenly spread rows; give them and their starts.

    A longer recording gives as many rows as would cover it, `most` at most; a single one lies in its middle.
    """
    length = signal.shape[1]
    if length <= samples:
        return np.pad(signal, ((0, 0), (0, samples - length)))[None], np.array([0])
    count = min(most, -(-length // samples))
    spread = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    starts = np.rint((length - samples) * spread).astype(np.int64)
    return np.stack([signal[:, start : start + samples] for start in starts]), starts


CUTS: dict[str, Callable[[Record, Window], Rows]] = {"beats": beats, "around": around, "equal": equal, "whole": whole}


def cut_of(record: Record, w: Window) -> str:
    """Name a recording's cut: one that has a label in place of marks, such as a line of Kaggle's file, is a row already."""
    return w.cut if record.marks is not None else "whole"


def _leads(record: Record, w: Window) -> np.ndarray:
    return record.signal[:1] if w.leads == "first" else record.signal


def _marks(record: Record) -> Marks:
    if record.marks is None:
        raise RecordError(record.record, "it has no marks to cut at; set window.cut to whole")
    return record.marks
