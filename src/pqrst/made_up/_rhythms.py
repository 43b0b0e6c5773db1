"""When a made-up heart beats: the events of PTB-XL's rhythm statements on the time axis."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

# beats/min of the sinus node
RATES = {"STACH": (102, 145), "SBRAD": (41, 57), "BRADY": (38, 54), "SARRH": (55, 82), "": (61, 94)}


@dataclass(frozen=True)
class Events:
    """What happens in one recording, by kind: N V S are ventricular, P p s r atrial, as in a heart's waves."""

    times: np.ndarray  # (events,) s
    kinds: np.ndarray  # (events,) text
    intervals: np.ndarray  # (events,) s, between the ventricular beats around it
    fibrillates: bool = False
    flutter: float = 0  # Hz, of the atria


def events(statements: Collection[str], delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Lay out the beats of a recording; `delay` is the time from a P wave to its QRS."""
    special = {
        "PACE": _paced,
        "AFLT": _flutter,
        "AFIB": _fibrillation,
        "PSVT": _paroxysm,
        "SVTAC": _tachycardia,
        "3AVB": _apart,
        "2AVB": _dropping,
    }
    rhythm = next((make for code, make in special.items() if code in statements), _sinus)
    return rhythm(statements, delay, seconds, rng)


def _gather(trains: list[tuple[np.ndarray, np.ndarray | str]], beats: np.ndarray, **atria: float) -> Events:
    """Join trains of events of one kind or several; `beats` are the times of all ventricular ones."""
    times = np.concatenate([times for times, _ in trains])
    kinds = np.concatenate([np.broadcast_to(np.asarray(kinds, "U1"), times.shape) for times, kinds in trains])
    middles, gaps = (beats[1:] + beats[:-1]) / 2, np.diff(beats)
    intervals = gaps[np.clip(np.searchsorted(middles, times), 1, len(gaps)) - 1]
    return Events(times, kinds, intervals, bool(atria.get("fibrillates")), atria.get("flutter", 0))


def _walk(intervals: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give beat times in s; the first lies before the recording."""
    return -rng.uniform(0, 1) * intervals[0] - intervals[1] + np.cumsum(intervals)


def _sinus_intervals(statements: Collection[str], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Draw intervals that breathe, enough for the recording and any early beats."""
    name = next((code for code in RATES if code in statements), "")
    interval = 60 / rng.uniform(*RATES[name])
    sway = rng.uniform(0.15, 0.26) if name == "SARRH" else rng.uniform(0.008, 0.040) * min(1.0, interval)
    count = math.ceil(1.6 * seconds / interval) + 6
    breath = rng.uniform(0.18, 0.30) * interval * np.arange(count) + rng.uniform()
    return interval * (1 + sway * np.sin(2 * np.pi * breath) + rng.normal(0, 0.006, count))


def _early(statements: Collection[str], count: int, rng: np.random.Generator) -> np.ndarray:
    """Say which beats are ventricular (V) or atrial (A) ectopic ones, and which are not (N)."""
    kinds = np.full(count, "N")
    premature = [kind for code, kind in (("PVC", "V"), ("PAC", "A")) if code in statements]
    if "BIGU" in statements or "TRIGU" in statements:
        step = 2 if "BIGU" in statements else 3
        kinds[rng.integers(1, step + 1) :: step] = (premature or ["V"])[0]
        return kinds
    if "PRC(S)" in statements:
        premature.append(str(rng.choice(["V", "A"])))
    for kind in premature:
        places = np.cumsum(rng.integers(3, 7, count))
        kinds[places[places < count]] = kind
    if "SVARR" in statements:
        kinds[np.flatnonzero(rng.random(count) < 0.35)] = "A"
    return kinds


def _with_early(intervals: np.ndarray, kinds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bring ectopic beats forward, and let a full pause follow a ventricular one, a short one an atrial one."""
    ventricular, atrial = kinds == "V", kinds == "A"
    share = np.where(ventricular, rng.uniform(0.56, 0.70, len(kinds)), rng.uniform(0.60, 0.78, len(kinds)))
    changed = np.where(ventricular | atrial, intervals * share, intervals)
    after = np.where(ventricular, 2 - share, np.where(atrial, rng.uniform(1.05, 1.18, len(kinds)), 1))[:-1]
    changed[1:] *= np.where(kinds[1:] == "V", 1, after)
    return changed


def _sinus(statements: Collection[str], delay: float, seconds: float, rng: np.random.Generator) -> Events:
    intervals = _sinus_intervals(statements, seconds, rng)
    kinds = _early(statements, len(intervals), rng)
    beats = _walk(_with_early(intervals, kinds, rng), rng)
    atrial = [(beats[kinds == kind] - share * delay, to) for kind, share, to in (("N", 1.0, "P"), ("A", 0.9, "p"))]
    return _gather([(beats, np.where(kinds == "A", "N", kinds)), *atrial], beats)


def _fibrillation(statements: Collection[str], _delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Let the ventricles follow without order."""
    mean = rng.uniform(0.48, 0.95)
    intervals = np.maximum(mean * rng.lognormal(0, rng.uniform(0.18, 0.28), math.ceil(2 * seconds / mean) + 6), 0.30)
    kinds = _early(set(statements) - {"PAC"}, len(intervals), rng)
    beats = _walk(np.where(kinds == "V", 0.6 * mean, intervals), rng)
    return _gather([(beats, kinds)], beats, fibrillates=True)


def _flutter(statements: Collection[str], _delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Let every second, third or fourth turn of the atria through."""
    rate = rng.uniform(4.5, 5.4)  # Hz
    usual = rng.choice([2, 3, 4], p=[0.35, 0.15, 0.5])
    count = math.ceil(seconds * rate / 2) + 6
    turns = np.where(rng.random(count) < rng.choice([0, 0.25]), rng.choice([2, 3, 4], count), usual)
    beats = _walk(turns / rate, rng)
    kinds = _early(set(statements) & {"PVC"}, count, rng)
    return _gather([(beats, kinds)], beats, flutter=rate)


def _tachycardia(_statements: Collection[str], _delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Beat fast and evenly, the atria from below just after."""
    intervals = _fast(math.ceil(seconds / 0.28) + 6, rng)
    beats = _walk(intervals, rng)
    return _gather([(beats, "N"), (beats + 0.085, "r")], beats)


def _fast(count: int, rng: np.random.Generator) -> np.ndarray:
    return 60 / rng.uniform(155, 205) * (1 + rng.normal(0, 0.004, count))


def _paroxysm(statements: Collection[str], delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Let a fast run begin or end within the recording."""
    slow, fast = _sinus_intervals(statements, seconds, rng), _fast(math.ceil(seconds / 0.28) + 6, rng)
    turn = rng.uniform(0.3, 0.6) * seconds
    if rng.random() < 0.5:
        before, after, first = slow[: round(turn / slow[0]) + 1], fast, "N"
    else:
        pause = [rng.uniform(1.0, 1.4)]
        before, after, first = fast[: round(turn / fast[0]) + 1], np.concatenate([pause, slow]), "R"
    beats = _walk(np.concatenate([before, after]), rng)
    own = (np.arange(len(beats)) < len(before)) == (first == "N")
    return _gather([(beats, "N"), (beats[own] - delay, "P"), (beats[~own] + 0.085, "r")], beats)


def _paced(statements: Collection[str], _delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Pace the ventricles evenly; the atria lead, are paced too, or fibrillate."""
    interval = 60 / rng.uniform(60, 82)
    beats = _walk(np.full(math.ceil(seconds / interval) + 6, interval), rng)
    kind = "" if "AFIB" in statements else str(rng.choice(["P", "s", ""], p=[0.45, 0.35, 0.20]))
    if not kind:
        return _gather([(beats, "S")], beats, fibrillates=True)
    return _gather([(beats, "S"), (beats - 0.080 - rng.uniform(0.12, 0.17), kind)], beats)


def _apart(_statements: Collection[str], _delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Let atria and ventricles go their own ways."""
    interval, atrial = 60 / rng.uniform(32, 46), 60 / rng.uniform(68, 98)
    beats = _walk(interval * (1 + rng.normal(0, 0.008, math.ceil(seconds / interval) + 5)), rng)
    own = _walk(atrial * (1 + rng.normal(0, 0.012, math.ceil(seconds / atrial) + 5)), rng)
    return _gather([(beats, "N"), (own, "P")], beats)


def _dropping(_statements: Collection[str], delay: float, seconds: float, rng: np.random.Generator) -> Events:
    """Let each P wave wait longer than the last, until one is not followed (Wenckebach)."""
    atria = _walk(_sinus_intervals((), seconds, rng), rng)
    cycle = rng.integers(3, 6)
    place = (np.arange(len(atria)) + rng.integers(cycle)) % cycle
    waits = delay + np.array([0, 0.075, 0.115, 0.140, 0])[place]
    beats = (atria + waits)[place < cycle - 1]
    return _gather([(atria, "P"), (beats, "N")], beats)
