"""Cut recordings into the rows of a Bundle: beat to beat, in windows of equal length, or whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst.arrays import Meta, Record, Writer
from pqrst.console import log, track
from pqrst.errors import DataError, RecordError
from pqrst.features import beat_features
from pqrst.filters import band_pass, settles
from pqrst.params import BandPass, Window


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
    first = list(record.leads).index("MLII") if "MLII" in record.leads else 0
    signal = np.roll(record.millivolts(), -first, axis=0)[:2]
    side, columns = beat_features(signal, marks.samples, marks.labels >= 0)
    return replace(rows, side=side[: len(chosen)], columns=columns)


def _from_0_to_1(samples: np.ndarray) -> np.ndarray:
    """Scale by minimum and maximum in float64; a flat stretch becomes zero."""
    values = samples.astype(np.float64)
    low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def equal(record: Record, w: Window) -> Rows:
    """Cut windows of equal length at equal steps; a window is of class 1 where marks of class 1 outnumber those of 0."""
    marks = _marks(record)
    if record.signal.shape[1] < w.samples:
        raise RecordError(
            record.record, f"it has {record.signal.shape[1]} samples, a window {w.samples}; set window.samples lower"
        )
    x, starts = stepped(_leads(record, w), w)
    first, last = np.searchsorted(marks.samples, starts), np.searchsorted(marks.samples, starts + w.samples)
    totals = [np.append(0, np.cumsum(marks.labels == label)) for label in (0, 1)]
    normal, abnormal = (total[last] - total[first] for total in totals)
    return Rows(x, (abnormal > normal).astype(np.int64), starts, {})


def whole(record: Record, w: Window) -> Rows:
    """Take the recording as one row, cut or padded with zeros on the right."""
    if w.side != "none":
        raise RecordError(record.record, "it has no marks to take the rhythm from; set window.side to none")
    if record.label is None:
        raise RecordError(
            record.record, "it has no label of its own, so it cannot be taken whole; set window.cut to beats or equal"
        )
    x, starts = padded(_leads(record, w), w)
    return Rows(x, np.array([record.label]), starts, {})


def stepped(signal: np.ndarray, w: Window) -> tuple[np.ndarray, np.ndarray]:
    """Cut (leads, T) into windows at equal steps, (rows, leads, samples), and give their starts."""
    starts = np.arange(0, signal.shape[1] - w.samples + 1, w.step)
    view = np.lib.stride_tricks.sliding_window_view(signal, w.samples, axis=1)
    return view[:, starts].swapaxes(0, 1), starts


def padded(signal: np.ndarray, w: Window) -> tuple[np.ndarray, np.ndarray]:
    """Take (leads, T) as one row, cut or padded with zeros on the right, and give its start."""
    x = np.zeros((1, len(signal), w.samples), np.float32)
    kept = signal[:, : w.samples]
    x[0, :, : kept.shape[1]] = kept
    return x, np.array([0])


CUTS: dict[str, Callable[[Record, Window], Rows]] = {"beats": beats, "around": around, "equal": equal, "whole": whole}


def _leads(record: Record, w: Window) -> np.ndarray:
    return record.signal[:1] if w.leads == "first" else record.signal


def _marks(record: Record) -> Any:
    if record.marks is None:
        raise RecordError(record.record, "it has no marks to cut at; set window.cut to whole")
    return record.marks


def filtered(record: Record, f: BandPass | None) -> Record:
    """Filter a whole recording, where that is wanted; it then is in mV."""
    if f is None:
        return record
    if record.fs <= 2 * f.high:
        raise RecordError(
            record.record, f"its {record.fs:g} Hz cannot hold a band up to {f.high:g} Hz; set filter.high lower"
        )
    if record.signal.shape[1] <= settles(f.order):
        raise RecordError(record.record, f"its {record.signal.shape[1]} samples are too few to filter; leave it out")
    return replace(
        record, signal=band_pass(record.millivolts(), record.fs, (f.low, f.high), f.order), gain=None, zero=None
    )


def segment(
    found: Iterable[Record | RecordError], window: Window, on_bad_record: str, facts: Mapping[str, Any], folder: Path
) -> Meta:
    """Cut every recording and write the Bundle; `facts` are the parts of its meta that the recordings do not tell."""
    skipped: list[dict[str, str]] = []
    writer: Writer | None = None
    meta: Meta | None = None
    borne: list[tuple[str, ...]] = []
    try:
        for record, rows in _cut(found, window, on_bad_record, skipped):
            own = _meta(record, rows, window, facts)
            if meta is not None and (own.gain, own.zero, own.fs) != (meta.gain, meta.zero, meta.fs):
                raise DataError(f"record {record.record}: its gain, zero or rate differs from the records before it")
            if writer is None or meta is None:
                meta = own
                writer = Writer(folder, rows.x.shape[1:], rows.x.dtype.name).__enter__()
            writer.add(rows.x, rows.y, _table(record, rows), rows.side)
            borne.append(record.leads[: rows.x.shape[1]])
        if writer is None or meta is None:
            raise DataError(
                f"{folder}: no recording could be read ({len(skipped)} skipped); download the dataset again"
            )
        names = tuple(dict(Counter(column).most_common()) for column in zip(*borne, strict=True))
        return writer.finish(replace(meta, skipped=tuple(skipped), lead_names=names))
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)


def _cut(
    found: Iterable[Record | RecordError], window: Window, on_bad_record: str, skipped: list[dict[str, str]]
) -> Iterator[tuple[Record, Rows]]:
    for record in track(found, None, "segment", "recordings"):
        try:
            if isinstance(record, RecordError):
                raise record
            prepared = filtered(record, window.filter)
            # a recording that comes with its label is a row already, such as a line of Kaggle's file
            yield prepared, CUTS[window.cut if record.marks is not None else "whole"](prepared, window)
        except RecordError as fault:
            if on_bad_record == "stop":
                raise
            log.warning("skipped: %s", fault)
            skipped.append({"record": fault.record, "fault": fault.fault})


def _meta(record: Record, rows: Rows, window: Window, facts: Mapping[str, Any]) -> Meta:
    cut = "whole" if record.marks is None else window.cut
    return Meta(
        fs=record.fs / window.every if cut in ("beats", "around") else record.fs,
        side=rows.columns,
        leads=record.leads[: rows.x.shape[1]] if window.leads == "all" else ("first",),
        units="from 0 to 1" if cut == "beats" else record.units if record.gain is None else "converter steps",
        axes=("row", "lead", "time"),
        gain=None if cut == "beats" or record.gain is None else record.gain[: rows.x.shape[1]],
        zero=None if cut == "beats" or record.zero is None else record.zero[: rows.x.shape[1]],
        settings={key: value for key, value in asdict(window).items() if value is not None},
        **facts,
    )


def _table(record: Record, rows: Rows) -> pd.DataFrame:
    table = pd.DataFrame({"record": record.record, "patient": record.patient, "start": rows.start})
    folds = {name: np.full(len(table), value) for name, value in record.folds.items()} | dict(rows.folds)
    for name in sorted(folds):
        table[f"fold_{name}"] = folds[name]
    table["quality"] = " ".join(record.quality)
    return table
