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
from pqrst.filters import band_pass, resampled, settles
from pqrst.params import BandPass, Window

FLAT = 1e-8  # added to a deviation, so that a flat lead becomes zero


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
    """Take the recording as one row, padded with zeros on the right, or as some pieces where it is longer."""
    if w.side == "beats":
        raise RecordError(record.record, "it has no marks to take the rhythm from; set window.side to none")
    if record.label is None:
        raise RecordError(
            record.record, "it has no label of its own, so it cannot be taken whole; set window.cut to beats or equal"
        )
    signal = _leads(record, w)
    x, starts = pieces(signal[:, : w.samples] if w.from_start else signal, w.samples, w.pieces)
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


def _leads(record: Record, w: Window) -> np.ndarray:
    return record.signal[:1] if w.leads == "first" else record.signal


def _marks(record: Record) -> Any:
    if record.marks is None:
        raise RecordError(record.record, "it has no marks to cut at; set window.cut to whole")
    return record.marks


def prepared(record: Record, w: Window) -> Record:
    """Scale, filter and resample a whole recording, where that is wanted; what is altered is no longer in converter steps."""
    if w.zscore:
        record = _zscored(record)
    if w.filter is not None:
        record = _filtered(record, w.filter)
    if w.rate:
        record = at_rate(record, w.rate)
    return replace(record, signal=record.millivolts(), gain=None, zero=None) if w.steps else record


def _zscored(record: Record) -> Record:
    signal = record.millivolts().astype(np.float64)
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
        record, signal=band_pass(record.millivolts(), record.fs, (f.low, f.high), f.order), gain=None, zero=None
    )


def at_rate(record: Record, fs: float) -> Record:
    """Bring a recording to another rate; at the same rate its samples stay as they are."""
    if record.fs == fs:
        return record
    return replace(record, signal=resampled(record.millivolts(), record.fs, fs), fs=fs, gain=None, zero=None)


def in_steps(x: np.ndarray, gain: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Turn rows (n, leads, samples) into whole steps, `gain` a unit from `zero` on, by lead; float32.

    What lies beyond the 16 bits that hold them stays at their edge.
    """
    return np.clip(np.rint(x * gain[:, None] + zero[:, None]), -(2**15), 2**15 - 1).astype(np.float32)


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
            made = prepared(record, window)
            # a recording that comes with its label is a row already, such as a line of Kaggle's file
            yield _stored(made, CUTS[window.cut if record.marks is not None else "whole"](made, window), window)
        except RecordError as fault:
            if on_bad_record == "stop":
                raise
            log.warning("skipped: %s", fault)
            skipped.append({"record": fault.record, "fault": fault.fault})


def _stored(record: Record, rows: Rows, w: Window) -> tuple[Record, Rows]:
    """Round rows to int16 steps where that is wanted."""
    if not w.steps:
        return record, rows
    leads = rows.x.shape[1]
    whole_steps = in_steps(rows.x, np.full(leads, w.steps), np.zeros(leads))
    told = replace(record, gain=(float(w.steps),) * len(record.leads), zero=(0,) * len(record.leads))
    return told, replace(rows, x=whole_steps.astype(np.int16))


def _meta(record: Record, rows: Rows, window: Window, facts: Mapping[str, Any]) -> Meta:
    cut = "whole" if record.marks is None else window.cut
    return Meta(
        fs=record.fs / window.every if cut in ("beats", "around") else record.fs,
        side=rows.columns,
        leads=record.leads[: rows.x.shape[1]] if window.leads == "all" else ("first",),
        units="from 0 to 1" if cut == "beats" else record.units if record.gain is None else _steps_of(record),
        axes=("row", "lead", "time"),
        gain=None if cut == "beats" or record.gain is None else record.gain[: rows.x.shape[1]],
        zero=None if cut == "beats" or record.zero is None else record.zero[: rows.x.shape[1]],
        window=_told(window),
        **facts,
    )


def _told(window: Window) -> dict[str, Any]:
    """List the settings that differ from their defaults, and those that none can do without."""
    usual = asdict(Window(window.cut, window.samples))
    return {
        k: v for k, v in asdict(window).items() if k in ("cut", "samples", "step", "every", "leads") or v != usual[k]
    }


def _steps_of(record: Record) -> str:
    return "converter steps" if record.units == "mV" else f"steps of {record.units}"


def _table(record: Record, rows: Rows) -> pd.DataFrame:
    table = pd.DataFrame({"record": record.record, "patient": record.patient, "start": rows.start})
    folds = {name: np.full(len(table), value) for name, value in record.folds.items()} | dict(rows.folds)
    for name in sorted(folds):
        table[f"fold_{name}"] = folds[name]
    for name, said in record.about.items():
        table[f"about_{name}"] = said
    table["quality"] = " ".join(record.quality)
    return table
