"""Rhythm and shape of each beat of one recording as a row of numbers, for classifiers of patients they never met.

Almost all are ratios or shares, since an absolute level (a heart rate, a height in mV) names the patient. Labels play no part.
Intervals are in seconds and count as 3 s where longer. `a_over_b` is the natural logarithm of a / b; `like` is a
correlation; `past` is the median over the 20 beats before; `level` is the median of the 40 intervals before `before`. The
letter tells what a column needs: p, the beat's own 0.8 s and beats before it; f, beats to come too; r, the whole recording.
Before the first beats of a recording lies no past: the median of as many beats as are wanted stands for it, so there the
p columns look ahead.

before                    p  interval from the beat before
after                     f  interval to the next beat
before_over_previous      p  before / the interval one earlier
before_over_after         f  before / after
before_over_mean_10       p  before / mean of the 10 intervals before it
before_over_median_40     p  before / median of the 40 intervals before it
before_over_q80_60        p  before / 0.8 quantile of the 60 intervals before it
before_over_q75_all       r  before / 0.75 quantile of all intervals
before_over_q90_all       r  before / 0.9 quantile of all intervals
before_over_q75_usual     r  before / 0.75 quantile of the intervals between two beats of usual shape: no pause after a V
before_over_q90_usual     r  before / their 0.9 quantile
before_over_q95_usual     r  before / their 0.95 quantile
after_over_q90_all        r  after / 0.9 quantile of all intervals
disorder_30               p  how far apart the 30 intervals before it lie, / level: bigeminy small, fibrillation large
disorder_around           f  the same of the 20 intervals before it and the 20 after it, / their median
deviation_over_disorder   p  before − mean of the 10 before it, / level, / disorder_30
before_over_q10_30        p  before / 0.1 quantile of the 30 intervals before it: as early as the early ones
after_over_mean_10        f  after / mean of the 10 intervals before `before`
after_over_q75_all        r  after / 0.75 quantile of all intervals
previous_over_mean_10     p  the interval one earlier / mean of the 10 intervals before `before`
following_over_mean_10    f  the interval after `after` / mean of the 10 intervals before `before`
before_over_ahead_10      f  before / mean of the 10 intervals after `after`
mean_10_over_q75_all      r  mean of the 10 intervals before `before` / 0.75 quantile of all intervals
jitter_20                 p  median change from interval to interval over 20 beats, / level
spread_20                 p  0.8 quantile / 0.2 quantile of the 20 intervals before, as a logarithm

For each lead, 0 and 1; heights are above the window's median, size is the QRS from lowest to highest point:

width_0                   p  seconds in which the middle 90 % of the squared slope falls
width_0_less_past         p  width − its past
size_0_over_past          p  size / its past
up_0                      p  highest point of the QRS / size
net_0                     p  mean of the QRS / size
slope_0                   p  steepest step of 1/120 s in the QRS / size
t_0                       p  mean of the T wave's span / size
qrs_0_like_past           p  QRS like the median beat of the past
qrs_0_like_late           r  QRS like the recording's late beat, the median of those after long intervals: sinus beats
qrs_0_like_before         p  QRS like that of the beat before
p_0_highest               p  highest point of the P wave's span above the line through its ends / past of size
p_0_lowest                p  lowest point there / past of size
p_0_when                  p  where the P wave lies in its span, -1 at the start, 1 at the end
p_0_like_late             r  P wave like the late beat's
p_0_like_late_past        r  past of p_0_like_late: how steady the P wave was of late
p_0_off_late              r  root mean square of P wave − the late beat's, / past of size
p_0_share_of_late         r  how much of the late beat's P wave there is, 1 for all of it

Source of the intervals before, after and near: de Chazal, O'Dwyer, Reilly, IEEE Trans Biomed Eng 51(7), 2004.
"""

from typing import NamedTuple

import numpy as np

from pqrst.arrays import Record
from pqrst.errors import RecordError

Columns = dict[str, np.ndarray]  # name -> (beats,)

FS = 360  # Hz
STEP = 3  # samples between those of a window: 120 Hz
BEFORE, AFTER = int(0.32 * FS), int(0.48 * FS)  # samples of a window before and after the mark
MAINS = FS // 60  # samples of one period of 60 Hz mains; their mean removes it
PAST = 20  # beats
LEADS = 2

TYPICAL = 0.8  # s, the interval of a recording that has one beat only
LONG = 3.0  # s, a longer interval (a pause in the marks, flutter) counts as this
SHORT = 0.05  # s, the least that is divided by
SMALL = 0.02  # mV, the least size that is divided by
USUAL = 0.85  # a beat this like the late beat is of usual shape
ENOUGH = 20  # intervals between beats of usual shape; with fewer, all intervals serve

# s around the mark
QRS, WIDE_QRS, P_WAVE, T_WAVE = (-0.09, 0.11), (-0.15, 0.20), (-0.24, -0.06), (0.20, 0.42)
SHIFTS = range(-4, 5, 2)  # of 1/120 s: two QRS are compared up to 33 ms apart


def of_record(record: Record) -> tuple[np.ndarray, tuple[str, ...]]:
    """Describe every beat that a recording has marks of, by the lead MLII, or else the first, and the one after it."""
    marks = record.marks
    if marks is None:
        raise RecordError(record.record, "it has no marks to take the rhythm from; set window.side to none")
    if (record.fs, record.units) != (FS, "mV"):
        raise RecordError(
            record.record,
            f"beats are described in mV at {FS} Hz, and it is in {record.units} at {record.fs:g} Hz; "
            "set window.side to none, or leave window.zscore and window.rate out",
        )
    first = record.leads.index("MLII") if "MLII" in record.leads else 0
    signal = np.roll(record.in_units(), -first, axis=0)[:LEADS]
    return beat_features(signal, marks.samples, marks.labels >= 0)


def beat_features(signal: np.ndarray, marks: np.ndarray, is_beat: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Describe every beat by its rhythm and shape: float32 (beats, columns), and the names of the columns.

    `signal` (leads, samples) is in mV at 360 Hz, MLII first where there is one: the first two leads count, and a missing
    second is zero. `marks` are sample numbers in time order, `is_beat` says which of them are beats.
    """
    at = np.asarray(marks)[np.asarray(is_beat, dtype=bool)].astype(np.int64)
    if not len(at):
        x, names = beat_features(np.zeros((1, 1)), np.zeros(1), np.ones(1))
        return x[:0], names
    shapes = _shapes(signal, at)
    columns = _rhythm(at, shapes["qrs_0_like_late"] > USUAL) | shapes
    return np.stack(list(columns.values()), axis=1).astype(np.float32), tuple(columns)


def _past(values: np.ndarray, n: int) -> np.ndarray:
    """Give the n values before each beat, without its own: (beats, ...) to (beats, ..., n)."""
    first = np.median(values[:n], axis=0, keepdims=True) if len(values) > n else values[:1]
    padded = np.concatenate([np.repeat(first.astype(values.dtype), n, axis=0), values])
    return np.lib.stride_tricks.sliding_window_view(padded, n, axis=0)[:-1]


def _ahead(values: np.ndarray, n: int) -> np.ndarray:
    """Give the n values after each beat, without its own."""
    return _past(values[::-1], n)[::-1]


def _past_median(values: np.ndarray) -> np.ndarray:
    return np.median(_past(values, PAST), axis=-1)


class _Intervals(NamedTuple):
    """Intervals around each beat in seconds, (beats,)."""

    before: np.ndarray
    after: np.ndarray
    previous: np.ndarray  # the one earlier than before
    following: np.ndarray  # the one later than after
    mean_10: np.ndarray  # of those earlier than before
    level: np.ndarray  # the median of the 40 earlier than before


def _intervals(at: np.ndarray) -> _Intervals:
    between = np.diff(at) / FS
    typical = np.median(between) if len(between) else TYPICAL
    before, after = (np.minimum(np.append(*ends), LONG) for ends in ((typical, between), (between, typical)))
    previous, following = np.append(typical, before[:-1]), np.append(after[1:], typical)
    level = np.maximum(np.median(_past(before, 40), axis=1), SHORT)
    return _Intervals(before, after, previous, following, _past(before, 10).mean(axis=1), level)


def _log_ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(a, SHORT) / np.maximum(b, SHORT))


def _rhythm(at: np.ndarray, usual: np.ndarray) -> Columns:
    """Give the columns of rhythm; `usual` says which beats are of usual shape."""
    i = _intervals(at)
    return _against_past(i) | _against_all(i, usual) | _order(i) | _against_level(i) | _unrest(i)


def _against_past(i: _Intervals) -> Columns:
    return {
        "before": i.before,
        "after": i.after,
        "before_over_previous": _log_ratio(i.before, i.previous),
        "before_over_after": _log_ratio(i.before, i.after),
        "before_over_mean_10": _log_ratio(i.before, i.mean_10),
        "before_over_median_40": _log_ratio(i.before, i.level),
        "before_over_q80_60": _log_ratio(i.before, np.quantile(_past(i.before, 60), 0.8, axis=1)),
    }


def _against_all(i: _Intervals, usual: np.ndarray) -> Columns:
    own = usual & np.append(False, usual[:-1])
    chosen = i.before[own] if own.sum() > ENOUGH else i.before
    q75, q90 = np.quantile(i.before, [0.75, 0.9])
    usual_75, usual_90, usual_95 = np.quantile(chosen, [0.75, 0.9, 0.95])
    return {
        "before_over_q75_all": _log_ratio(i.before, q75),
        "before_over_q90_all": _log_ratio(i.before, q90),
        "before_over_q75_usual": _log_ratio(i.before, usual_75),
        "before_over_q90_usual": _log_ratio(i.before, usual_90),
        "before_over_q95_usual": _log_ratio(i.before, usual_95),
        "after_over_q90_all": _log_ratio(i.after, q90),
    }


def _apart(intervals: np.ndarray) -> np.ndarray:
    """Say how far intervals (beats, n) lie apart: the median distance from one to the fourth longer one."""
    ordered = np.sort(intervals, axis=1)
    return np.median(ordered[:, 4:] - ordered[:, :-4], axis=1)


def _order(i: _Intervals) -> Columns:
    past_30 = _past(i.before, 30)
    disorder = _apart(past_30) / i.level
    around = np.concatenate([_past(i.before, 20), _ahead(i.before, 20)], axis=1)
    return {
        "disorder_30": disorder,
        "disorder_around": _apart(around) / np.maximum(np.median(around, axis=1), SHORT),
        "deviation_over_disorder": (i.before - i.mean_10) / i.level / (disorder + 0.02),  # 0.02: no division by zero
        "before_over_q10_30": _log_ratio(i.before, np.quantile(past_30, 0.1, axis=1)),
    }


def _against_level(i: _Intervals) -> Columns:
    q75 = np.quantile(i.before, 0.75)
    return {
        "after_over_mean_10": _log_ratio(i.after, i.mean_10),
        "after_over_q75_all": _log_ratio(i.after, q75),
        "previous_over_mean_10": _log_ratio(i.previous, i.mean_10),
        "following_over_mean_10": _log_ratio(i.following, i.mean_10),
        "before_over_ahead_10": _log_ratio(i.before, _ahead(i.after, 10).mean(axis=1)),
        "mean_10_over_q75_all": _log_ratio(i.mean_10, q75),
    }


def _unrest(i: _Intervals) -> Columns:
    changes = np.abs(np.diff(i.before, prepend=i.before[:1]))
    low, high = np.quantile(_past(i.before, 20), [0.2, 0.8], axis=1)
    return {"jitter_20": _past_median(changes) / i.level, "spread_20": _log_ratio(high, low)}


def _shapes(signal: np.ndarray, at: np.ndarray) -> Columns:
    """Give the columns of shape of both leads."""
    late = _late(at)
    columns: Columns = {}
    for lead, windows in enumerate(_windows(signal, at)):
        columns |= _shape(windows, late, str(lead))
    return columns


def _windows(signal: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Cut 0.8 s around each beat, without mains and baseline: (leads, beats, 96) at 120 Hz, edges repeated."""
    found = np.nan_to_num(np.asarray(signal, dtype=np.float32))
    two = np.concatenate([found, np.zeros_like(found[:1])])[:LEADS]
    kernel = np.full(MAINS, 1 / MAINS, np.float32)
    smooth = np.stack([np.convolve(lead, kernel, "same") for lead in two])
    padded = np.pad(smooth, ((0, 0), (BEFORE, AFTER)), mode="edge")
    windows = padded[:, at[:, None] + np.arange(0, BEFORE + AFTER, STEP)]
    return windows - np.median(windows, axis=2, keepdims=True)


def _late(at: np.ndarray) -> np.ndarray:
    """Choose the beats after long intervals, but for the longest: sinus even where premature beats are the majority."""
    between = np.diff(at)
    before = np.append(np.median(between), between) if len(between) else np.zeros(1)
    low, high = np.quantile(before, [0.8, 0.98])
    late = (before >= low) & (before <= high)
    return late if late.any() else np.ones(len(at), dtype=bool)  # fewer than six beats may have none between the two


def _span(ends: tuple[float, float]) -> np.ndarray:
    """Say which samples of a window lie between two times."""
    seconds = (np.arange(0, BEFORE + AFTER, STEP) - BEFORE) / FS
    return (seconds >= ends[0]) & (seconds < ends[1])


def _shape(windows: np.ndarray, late: np.ndarray, lead: str) -> Columns:
    """Give the columns of one lead's windows (beats, 96)."""
    size = np.maximum(np.ptp(windows[:, _span(WIDE_QRS)], axis=1), SMALL)
    late_beat = np.median(windows[late], axis=0, keepdims=True)
    return _qrs(windows, size, lead) | _likeness(windows, late_beat, lead) | _p_wave(windows, late_beat, size, lead)


def _qrs(windows: np.ndarray, size: np.ndarray, lead: str) -> Columns:
    wide = windows[:, _span(WIDE_QRS)]
    slopes = np.abs(np.diff(windows, axis=1, append=windows[:, -1:]))[:, _span(WIDE_QRS)]
    width = _width(slopes)
    return {
        f"width_{lead}": width,
        f"width_{lead}_less_past": width - _past_median(width),
        f"size_{lead}_over_past": np.log(size / _past_median(size)),
        f"up_{lead}": wide.max(axis=1) / size,
        f"net_{lead}": windows[:, _span(QRS)].mean(axis=1) / size,
        f"slope_{lead}": slopes.max(axis=1) / size,
        f"t_{lead}": windows[:, _span(T_WAVE)].mean(axis=1) / size,
    }


def _width(slopes: np.ndarray) -> np.ndarray:
    """Give the seconds from 5 % to 95 % of the sum of squared slopes, 0 of a flat line."""
    power = slopes**2
    share = np.cumsum(power, axis=1) / np.maximum(power.sum(axis=1, keepdims=True), 1e-9)
    return ((share < 0.95).sum(axis=1) - (share < 0.05).sum(axis=1)) * STEP / FS


def _likeness(windows: np.ndarray, late_beat: np.ndarray, lead: str) -> Columns:
    return {
        f"qrs_{lead}_like_past": _like(windows, _past_median(windows)),
        f"qrs_{lead}_like_late": _like(windows, late_beat),
        f"qrs_{lead}_like_before": _like(windows, np.concatenate([windows[:1], windows[:-1]])),
    }


def _like(windows: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Give the largest correlation of each beat's QRS with a template's, over the shifts."""
    places = np.flatnonzero(_span(WIDE_QRS))
    return np.max([_correlation(windows[:, places + shift], template[:, places]) for shift in SHIFTS], axis=0)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return (a * b).sum(axis=1) / np.maximum(norm, 1e-6)  # 0 of a flat line


def _hump(windows: np.ndarray) -> np.ndarray:
    """Give the P wave's span above the straight line through its ends."""
    p = windows[:, _span(P_WAVE)]
    first, last = p[:, :1], p[:, -1:]
    return p - (first + (last - first) * np.linspace(0, 1, p.shape[1], dtype=np.float32))


def _p_wave(windows: np.ndarray, late_beat: np.ndarray, size: np.ndarray, lead: str) -> Columns:
    hump, late_hump, height = _hump(windows), _hump(late_beat), _past_median(size)
    like = _correlation(hump, late_hump)
    weight = np.maximum(np.abs(hump).sum(axis=1), 1e-3)
    return {
        f"p_{lead}_highest": hump.max(axis=1) / height,
        f"p_{lead}_lowest": hump.min(axis=1) / height,
        f"p_{lead}_when": (hump * np.linspace(-1, 1, hump.shape[1])).sum(axis=1) / weight,
        f"p_{lead}_like_late": like,
        f"p_{lead}_like_late_past": _past_median(like),
        f"p_{lead}_off_late": np.sqrt(((hump - late_hump) ** 2).mean(axis=1)) / height,
        f"p_{lead}_share_of_late": (hump * late_hump).sum(axis=1) / np.maximum((late_hump**2).sum(axis=1), 1e-4),
    }
