"""Made-up recordings of two leads in MIT-BIH's own files.

A beat is a sum of Gaussian waves, as in McSharry et al., "A dynamical model for generating synthetic electrocardiogram
signals", IEEE Trans. Biomed. Eng. 50 (2003) 289, here on the time axis. Each wave is a vector in the body that both leads
project, as in Sameni et al., "Multichannel ECG and noise modeling", EURASIP J. Adv. Signal Process. (2007) 043407. `_dipole` draws beats likewise for
twelve leads; the two are kept apart, since joining them would change every made-up number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import wfdb
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from pqrst.files import write_text
from pqrst.made_up._files import MADE_UP, lines, write_sums

FS = 360  # Hz
LEADS = ("MLII", "V1")
GAIN, ZERO, BITS = 200, 1024, 11  # converter steps per mV, step of 0 mV, resolution

# Waves: time after the QRS [s], width [s], and amplitude [mV] towards the left, the feet and the back
OFFSET, WIDTH, VECTOR = 0, 1, slice(2, 5)
PROJECTION = np.array([[0.50, 0.87, 0.00], [-0.40, 0.05, -0.90]]).T  # (axes, leads)
P_WAVE = [(-0.165, 0.020, 0.07, 0.11, -0.03)]
T_WAVE = [(0.235, 0.050, 0.12, 0.14, -0.08), (0.290, 0.030, 0.12, 0.14, -0.08)]
NARROW = [(-0.028, 0.008, -0.12, -0.08, -0.18), (0.0, 0.011, 0.70, 0.85, 0.50), (0.027, 0.010, -0.12, -0.14, 0.22)]
TERMINAL = [(0.055, 0.017, -0.50, -0.10, -0.55)]  # late activation of the right ventricle
NORMAL = [*P_WAVE, *NARROW, (0.110, 0.040, 0.02, 0.02, 0.0), *T_WAVE]
CONDUCTED = {
    "N": NORMAL,
    "R": [*P_WAVE, *NARROW, *TERMINAL, (0.270, 0.045, 0.20, 0.22, 0.25)],
    "L": [
        *P_WAVE,
        *[(-0.030, 0.017, 0.40, 0.25, 0.40), (0.012, 0.021, 0.85, 0.55, 0.65)],
        (0.290, 0.055, -0.30, -0.12, -0.35),
    ],
}
VENTRICULAR = [
    *[(-0.02, 0.028, 0.55, 0.95, 0.25), (0.03, 0.032, 0.40, 0.80, -0.25), (0.105, 0.035, -0.30, -0.40, 0.20)],
    (0.290, 0.060, -0.32, -0.50, 0.10),
]
PACED = [
    *[(-0.02, 0.024, 0.35, -0.75, 0.55), (0.035, 0.034, 0.20, -0.90, 0.65)],
    (0.300, 0.060, -0.10, 0.42, -0.35),
]
SPIKE = [(-0.085, 0.0016, 0.35, -1.20, 0.50)]
RETROGRADE = [(0.105, 0.018, -0.03, -0.13, 0.0)]  # the atria, activated from below
EARLY = [(0.095, 0.035, -0.13, -0.22, 0.03)]  # ST sinks where a beat meets a heart that has not recovered

# Interval before a beat, as a share of the rhythm's own; a beat that is not here comes on time
COUPLING = {"A": (0.60, 0.82), "a": (0.55, 0.72), "J": (0.60, 0.80), "V": (0.55, 0.76), "F": (0.88, 0.97)}
COUPLING |= {"E": (1.30, 1.55), "e": (1.20, 1.40), "j": (1.25, 1.50), "Q": (0.80, 1.10)}


@dataclass(frozen=True)
class Habit:
    """What happens to a type of subject: the main symbol, the share of each run of odd beats, the share paced."""

    main: str
    shares: Mapping[str, float]
    paced: float = 0.0


# Two neighbours share a habit, so each half of the records, odd or even, meets every class
HABITS = (
    Habit("N", {"A": 0.06, "V": 0.05, "VV": 0.006, "F": 0.06, "Q": 0.004}, paced=0.20),
    Habit("N", {"V": 0.10, "VV": 0.012, "F": 0.06, "A": 0.03, "J": 0.02, "e": 0.008, "E": 0.005, "j": 0.005}),
    Habit("R", {"A": 0.09, "a": 0.04, "J": 0.03, "V": 0.05, "e": 0.01, "j": 0.008}),
    Habit("L", {"A": 0.05, "V": 0.06, "F": 0.04, "j": 0.008}, paced=0.30),
)
PACED_SHARES = {"f": 0.12, "V": 0.04}


@dataclass(frozen=True)
class Subject:
    """A made-up person: what stays the same from one recording to the next."""

    name: str
    age: int
    sex: str
    habit: Habit
    interval: float  # s, mean of the own rhythm
    pacing: float  # s, interval of the pacemaker
    breath: float  # Hz
    variability: np.ndarray  # shares of the interval: breathing, blood pressure, chance
    shapes: Mapping[str, np.ndarray]  # symbol -> (variants, waves, 5)
    noise: Mapping[str, float]  # mV


@dataclass(frozen=True)
class Beats:
    samples: np.ndarray  # (beats,) int64, of the main peak in the first lead
    symbols: np.ndarray  # (beats,) text
    paced: np.ndarray  # (beats,) bool, whether the pacemaker leads


def write(dest: Path, records: int, rng: np.random.Generator, minutes: float) -> None:
    """Write recordings of made-up subjects; of four or more, the last two are of one subject, as 201 and 202 are."""
    dest.mkdir(parents=True, exist_ok=True)
    seeds = rng.integers(2**63, size=(records, 2))
    names = [f"s{number:02d}" for number in range(1, records + 1)]
    for number, name in enumerate(names):
        person = min(number, records - 2) if records > 3 else number
        subject = _subject(person, np.random.default_rng(seeds[person, 0]))
        _write_record(dest, name, subject, round(minutes * 60 * FS), np.random.default_rng(seeds[number, 1]))
    write_text(dest / "RECORDS", lines(names))
    write_text(dest / "ANNOTATORS", lines(["atr\tSYNTHETIC beat, rhythm and signal quality annotations"]))
    write_sums(dest, ["ANNOTATORS", "RECORDS", *(f"{name}.{end}" for name in names for end in ("atr", "dat", "hea"))])


def _subject(number: int, rng: np.random.Generator) -> Subject:
    habit = HABITS[number // 2 % len(HABITS)]
    return Subject(
        name=f"p{number + 1:02d}",
        age=int(rng.integers(28, 89)),
        sex=str(rng.choice(["F", "M"])),
        habit=habit,
        interval=rng.uniform(0.64, 1.04),
        pacing=rng.uniform(0.80, 0.98),
        breath=rng.uniform(0.18, 0.32),
        variability=rng.uniform([0.01, 0.01, 0.005], [0.05, 0.04, 0.015]),
        shapes=_shapes(habit.main, rng),
        noise={
            "breath": rng.uniform(0.02, 0.10),
            "drift": rng.uniform(0.05, 0.20),
            "hum": rng.uniform(0.002, 0.025),
            "muscle": rng.uniform(0.008, 0.035),
            "burst": rng.uniform(0.04, 0.15),
            "electrode": rng.uniform(0.3, 0.8),
        },
    )


def _shapes(main: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw one subject's waves for every symbol."""
    body = Rotation.from_rotvec(rng.normal(0, 0.25, 3)).as_matrix()
    own = _individual(CONDUCTED[main], body, rng)
    own[own[:, OFFSET] > 0.15, VECTOR] *= rng.choice([1.0, 0.35, -0.6], p=[0.75, 0.15, 0.10])  # flat or negative T
    ectopic = own.copy()
    ectopic[0, VECTOR] *= rng.uniform(-0.9, 0.3)
    ectopic[0, OFFSET] *= rng.uniform(0.65, 1.1)
    aberrant = np.concatenate([ectopic, 0.8 * _individual(TERMINAL, body, rng) + [[0.01, 0.004, 0, 0, 0]]])
    nodal = np.concatenate([own[1:], _individual(RETROGRADE, body, rng)])
    early = _individual(EARLY, body, rng)
    foci = [_focus(rng) for _ in range(3)]
    pace, spike = _individual(PACED, body, rng), _individual(SPIKE, body, rng)
    spike[:, WIDTH] = SPIKE[0][WIDTH]
    variants = {main: [own], "e": [ectopic], "j": [nodal]}
    variants |= {
        symbol: [np.concatenate([waves, early])] for symbol, waves in (("A", ectopic), ("a", aberrant), ("J", nodal))
    }
    variants |= {"V": foci[:2], "E": foci[2:], "Q": [_blend(_focus(rng), own, share) for share in (0.3, 0.6)]}
    variants |= {"F": [_blend(foci[0], own, share) for share in (0.4, 0.5, 0.65)]}
    variants |= {"f": [np.concatenate([spike, _blend(pace, own, share)]) for share in (0.4, 0.6)]}
    variants |= {"/": [np.concatenate([spike, pace])]}
    return {symbol: np.stack(found) for symbol, found in variants.items()}


def _individual(waves: Sequence[tuple[float, ...]], body: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make a table of waves one person's: turn the heart, and vary each wave's size, width and time."""
    varied = np.array(waves)
    varied[:, VECTOR] = varied[:, VECTOR] @ body * rng.lognormal(0, 0.17, (len(varied), 1)) * rng.lognormal(0, 0.20)
    varied[:, WIDTH] *= rng.lognormal(0, 0.10, len(varied))
    varied[:, OFFSET] *= rng.lognormal(0, 0.06, len(varied))
    return varied


def _focus(rng: np.random.Generator) -> np.ndarray:
    """Draw a source of ventricular beats: upright or inverted, anywhere near the vertical."""
    body = Rotation.from_rotvec(rng.normal(0, 0.45, 3)).as_matrix()
    waves = _individual(VENTRICULAR, body, rng)
    waves[:, VECTOR] *= rng.choice([-1.0, 1.0])
    return waves


def _blend(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Let two activations of the heart meet halfway."""
    scale = np.array([1, 1, share, share, share])
    return np.concatenate([one * scale, other * (scale + (1 - 2 * share) * (scale == share))])


def _write_record(dest: Path, name: str, subject: Subject, length: int, rng: np.random.Generator) -> None:
    beats = _beats(subject, length, rng)
    noise, noisy = _noise(subject, length, rng)
    heart = _heart(beats, subject, length, rng)
    beats = replace(beats, samples=_peaks(abs(heart[:, 0]), beats.samples))
    steps = np.rint((heart + noise) * GAIN) + ZERO
    digital = np.clip(steps, 0, 2**BITS - 1).astype(np.int64)  # (samples, leads)
    two = len(LEADS)
    record = wfdb.Record(
        record_name=name, n_sig=two, fs=FS, sig_name=list(LEADS), units=["mV"] * two, fmt=["212"] * two,
        adc_gain=[GAIN] * two, baseline=[ZERO] * two, adc_res=[BITS] * two, adc_zero=[ZERO] * two, d_signal=digital,
        comments=[MADE_UP,
                  f"subject: {subject.name}", f"age: {subject.age}", f"sex: {subject.sex}"],
    )  # fmt: skip
    record.set_d_features()
    record.set_defaults()
    record.wrsamp(write_dir=str(dest))
    samples, symbols, notes = _marks(beats, noisy)
    wfdb.wrann(name, "atr", samples, symbols, aux_note=notes, write_dir=str(dest))


def _marks(beats: Beats, noisy: np.ndarray) -> tuple[np.ndarray, list[str], list[str]]:
    """Add rhythm and noise marks to the beats, between them as in MIT-BIH."""
    marks = [(int(sample), str(symbol), "") for sample, symbol in zip(beats.samples, beats.symbols, strict=True)]
    marks.append((18, "+", "(N\0"))
    gaps = np.diff(beats.samples)
    for change in np.flatnonzero(np.diff(beats.paced)):
        rhythm = "(P\0" if beats.paced[change + 1] else "(N\0"
        marks.append((int(beats.samples[change] + gaps[change] // 2), "+", rhythm))
    worse = np.unique(np.searchsorted(beats.samples, noisy)) - 1  # the beats before
    marks += [(int(beats.samples[beat] + gaps[beat] // 3), "~", "") for beat in worse if 0 <= beat < len(gaps)]
    samples, symbols, notes = zip(*sorted(marks), strict=True)
    return np.array(samples), list(symbols), list(notes)


def _beats(subject: Subject, length: int, rng: np.random.Generator) -> Beats:
    expected = math.ceil(1.1 * length / FS / subject.interval) + 2
    order = _order(subject.habit, expected, rng)
    times = _times(order, subject, length / FS, rng)
    symbols, paced = zip(*order[: len(times)], strict=True)
    return Beats(np.rint(times * FS).astype(np.int64), np.array(symbols), np.array(paced))


def _order(habit: Habit, count: int, rng: np.random.Generator) -> list[tuple[str, bool]]:
    """Lay out the beats of a recording, the own rhythm and the pacemaker's in turns of about forty beats."""
    own = _deck(habit.main, habit.shares, round(count * (1 - habit.paced)), rng)
    paced = _deck("/", PACED_SHARES, round(count * habit.paced), rng) if habit.paced else []
    turns = max(2, count // 80)
    order = [(habit.main, False)]
    for turn in range(turns):
        for deck, flag in ((own, False), (paced, True)):
            order += [(symbol, flag) for symbol in deck[turn * len(deck) // turns : (turn + 1) * len(deck) // turns]]
    return order


def _deck(main: str, shares: Mapping[str, float], count: int, rng: np.random.Generator) -> list[str]:
    """Shuffle odd beats, each followed by a main one, among main ones; a deck keeps the class counts from luck."""
    runs = [run + main for run, share in shares.items() for _ in range(max(1, round(share * count)))]
    runs += [main] * max(0, count - sum(map(len, runs)))
    return list("".join(runs[place] for place in rng.permutation(len(runs))))


def _times(order: list[tuple[str, bool]], subject: Subject, duration: float, rng: np.random.Generator) -> np.ndarray:
    """Walk from beat to beat up to the end of the recording; give the times in seconds."""
    times, chance, pause = [rng.uniform(0.35, 0.8)], 0.0, 1.0
    breathing, pressure, spread = subject.variability
    for symbol, paced in order[1:]:
        chance = 0.8 * chance + rng.normal(0, spread)
        slow = pressure * math.sin(2 * math.pi * 0.1 * times[-1])  # Mayer waves, 0.1 Hz
        sway = breathing * math.sin(2 * math.pi * subject.breath * times[-1]) + slow + chance
        base = subject.pacing if paced else subject.interval * (1 + sway)
        factor = rng.uniform(*COUPLING[symbol]) if symbol in COUPLING else pause
        times.append(times[-1] + base * factor)
        pause = 1.0
        if symbol in "AaJ":
            pause = rng.uniform(1.08, 1.26)  # incomplete: the sinus node is reset
        elif symbol == "V" and not paced:
            pause = 2 - factor  # full: the sinus node keeps its time
    return np.array([time for time in times if time < duration - 0.1])


def _heart(beats: Beats, subject: Subject, length: int, rng: np.random.Generator) -> np.ndarray:
    """Sum all waves of all beats in mV, (samples, leads)."""
    previous = np.diff(beats.samples, prepend=beats.samples[0] - round(subject.interval * FS)) / FS
    stretch = np.clip(np.sqrt(previous / 0.85), 0.80, 1.15)  # QT follows the square root of RR (Bazett)
    total = np.zeros((length, len(LEADS)))
    for symbol in np.unique(beats.symbols):
        chosen = np.flatnonzero(beats.symbols == symbol)
        shapes = subject.shapes[symbol]
        waves = shapes[rng.integers(len(shapes), size=len(chosen))]  # (beats, waves, 5)
        late, early = waves[..., OFFSET] > 0.15, waves[..., OFFSET] < -0.12
        waves[..., : VECTOR.start] *= np.where(late, stretch[chosen, None], 1)[..., None]
        waves[..., OFFSET] += early * rng.normal(0, 0.006, early.shape)
        breath = np.sin(2 * np.pi * subject.breath * beats.samples[chosen] / FS)[:, None, None]
        waves[..., VECTOR] *= (1 + 0.05 * breath) * rng.lognormal(0, 0.06, (*early.shape, 1))
        waves[..., OFFSET] += beats.samples[chosen, None] / FS
        total += _drawn(waves.reshape(-1, waves.shape[-1]), length)
    return total


def _peaks(height: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Move each mark to the highest peak of its QRS; the reach ends after a pacemaker's spike and before the ST."""
    places = samples[:, None] + np.arange(-16, 27)  # -45 to 75 ms
    highest = np.argmax(height[np.clip(places, 0, len(height) - 1)], axis=1)
    return places[np.arange(len(samples)), highest]


def _drawn(waves: np.ndarray, length: int) -> np.ndarray:
    """Draw waves at absolute times, each out to four widths of the widest, and add up where they overlap."""
    reach = math.ceil(4 * waves[:, WIDTH].max() * FS)
    places = np.rint(waves[:, OFFSET] * FS).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)  # (waves, samples)
    bells = np.exp(-0.5 * ((places / FS - waves[:, OFFSET, None]) / waves[:, WIDTH, None]) ** 2)
    inside = (places >= 0) & (places < length)
    heights = waves[:, VECTOR] @ PROJECTION  # (waves, leads)
    drawn = [np.bincount(places[inside], (bells * h[:, None])[inside], minlength=length) for h in heights.T]
    return np.stack(drawn, axis=1)


def _noise(subject: Subject, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Give what is not the heart in mV, (samples, leads), and the samples where it gets worse or better."""
    level, leads, times = subject.noise, len(LEADS), np.arange(length)[:, None] / FS
    knots = np.arange(0, length / FS + 8, 4)
    drift = CubicSpline(knots, rng.normal(0, level["drift"], (len(knots), leads)))(times[:, 0])
    breath = level["breath"] * np.sin(2 * np.pi * subject.breath * times + rng.uniform(0, 6, leads))
    swell = 1 + 0.3 * np.sin(2 * np.pi * 0.05 * times)
    hum = level["hum"] * swell * np.sin(2 * np.pi * 60 * times + rng.uniform(0, 6, leads))
    middles = rng.uniform(0, length / FS, rng.poisson(0.8 * length / FS / 60))
    spans = rng.uniform(0.8, 2.5, len(middles))  # s, from the middle of a burst to its end
    bursts = np.exp(-2 * ((times - middles) / spans) ** 2).max(axis=1, initial=0, keepdims=True)
    muscle = rng.normal(0, 1, (length, leads)) * (level["muscle"] + level["burst"] * bursts)
    noise = drift + breath + hum + muscle
    for jolt in rng.uniform(0, length / FS, rng.poisson(0.2 * length / FS / 60)):
        after = np.maximum(times - jolt, 0)
        noise += rng.normal(0, level["electrode"], leads) * after * np.exp(1 - after / 0.3) / 0.3
    return noise, np.concatenate([middles - spans, middles + spans]) * FS
