"""Twelve leads of a made-up heart: one dipole in the chest, seen by the electrodes of an ordinary ECG.

What the heart does comes from Dower's projection of Frank's axes (Dower, Machado, Osborne, J. Electrocardiol. 13 (1980)
91), what disturbs it from the electrodes, each with its own. Eight leads carry everything; the other four follow from
I and II by Einthoven's and Goldberger's definitions, noise included.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from scipy.interpolate import CubicSpline

from pqrst.made_up._rhythms import Events, events
from pqrst.made_up._waves import LATE, TIME, VECTOR, WIDTH, Heart, heart

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
FS = 500.0  # Hz
# mV on I, II and V1 to V6 for 1 mV towards the left, the feet and the back
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# I and II from the electrodes RA, LA and LL, and V1 to V6 from C1 to C6 against Wilson's central terminal
LIMBS, CENTRE = np.array([[-1, 1, 0], [-1, 0, 1]]), np.full((6, 3), -1 / 3)
ELECTRODES = np.block([[LIMBS, np.zeros((2, 6))], [CENTRE, np.eye(6)]])
# I, II, III, aVR, aVL and aVF from I and II, and all twelve from I, II and V1 to V6
FRONTAL = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
DERIVED = np.block([[FRONTAL, np.zeros((6, 6))], [np.zeros((6, 2)), np.eye(6)]])

NO_TROUBLE: Mapping[str, str] = MappingProxyType({})
HUM = 50  # Hz


@dataclass(frozen=True)
class Person:
    """A made-up person on the day of a recording; equal seeds are one body."""

    age: float  # years, nan where it was not noted
    sex: int  # 0 male, 1 female
    statements: Mapping[str, float]  # PTB-XL's code -> likelihood, from 0 to 100; 0 = not stated
    seed: int
    trouble: Mapping[str, str] = field(default_factory=lambda: NO_TROUBLE)  # PTB-XL's column -> the leads concerned


def signal(person: Person, rng: np.random.Generator, seconds: float = 10.0, fs: float = FS) -> np.ndarray:
    """Record a person's twelve leads in mV, float64 (12, samples)."""
    length = round(seconds * fs)
    body = np.random.default_rng(person.seed)
    own = heart(person.statements, body)
    found = events(person.statements, own.delay, seconds, rng)
    dipole = _beats(own, found, length, fs, rng) + _restless(found, length, fs, rng)  # (3, samples)
    near = np.concatenate([np.ones(2), body.lognormal(0, 0.10, 6)])  # how near each electrode of the chest lies
    seen = (DOWER * near[:, None] * (0.92 if person.sex else 1.04)) @ dipole
    return DERIVED @ (seen + ELECTRODES @ _noise(person, length, fs, rng))


def _beats(own: Heart, found: Events, length: int, fs: float, rng: np.random.Generator) -> np.ndarray:
    """Add up the waves of all events in mV, (3, samples)."""
    usual = np.median(found.intervals)
    memory = 0.7 * usual + 0.3 * found.intervals
    stretch = np.clip(np.sqrt(memory / 0.85), 0.62, 1.18)  # QT follows the square root of RR (Bazett), with some delay
    breath = rng.uniform(0.18, 0.30)
    drawn = np.zeros((3, length))
    for kind in np.unique(found.kinds):
        chosen = np.flatnonzero(found.kinds == kind)
        waves = np.tile(own.waves[str(kind)], (len(chosen), 1, 1))  # (events, waves, 6)
        waves[..., : WIDTH + 1] *= np.where(waves[..., LATE] > 0, stretch[chosen, None], 1)[..., None]
        swell = 1 + 0.04 * np.sin(2 * np.pi * breath * found.times[chosen])
        waves[..., VECTOR] *= swell[:, None, None] * rng.lognormal(0, 0.025, (*waves.shape[:2], 1))
        waves[..., TIME] += found.times[chosen, None]
        drawn += _drawn(waves.reshape(-1, waves.shape[-1]), length, fs)
    return drawn


def _drawn(waves: np.ndarray, length: int, fs: float) -> np.ndarray:
    """Draw waves at absolute times, each out to four widths of the widest, and add up where they overlap."""
    reach = math.ceil(4 * waves[:, WIDTH].max() * fs)
    places = np.rint(waves[:, TIME] * fs).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)  # (waves, samples)
    bells = np.exp(-0.5 * ((places / fs - waves[:, TIME, None]) / waves[:, WIDTH, None]) ** 2)
    inside = (places >= 0) & (places < length)
    heights = waves[:, VECTOR].T[:, :, None] * bells
    return np.stack([np.bincount(places[inside], height[inside], minlength=length) for height in heights])


def _restless(found: Events, length: int, fs: float, rng: np.random.Generator) -> np.ndarray:
    """Draw atria that flutter or fibrillate, in mV, (3, samples)."""
    times = np.arange(length) / fs
    if found.flutter:
        turn = 2 * np.pi * (found.flutter * times + rng.uniform())
        saw = sum(np.sin(k * turn) / k for k in range(1, 5))
        return np.outer(np.array([0.01, 0.10, 0.07]) * rng.uniform(0.8, 1.4), saw)
    if not found.fibrillates:
        return np.zeros((3, length))
    rates, slow, phases = rng.uniform(5.0, 7.5, 3), rng.uniform(0.2, 0.9, (2, 3)), rng.uniform(0, 2 * np.pi, (3, 3))
    bend = 1.6 * np.sin(2 * np.pi * np.outer(slow[0], times) + phases[0][:, None])
    waves = np.sin(2 * np.pi * np.outer(rates, times) + phases[1][:, None] + bend)
    swell = 1 + 0.5 * np.sin(2 * np.pi * np.outer(slow[1], times) + phases[2][:, None])
    ways = np.array([[-0.03, 0.02, -0.05], [0.01, 0.04, -0.03], [0.02, 0.02, 0.02]]) * rng.uniform(0.4, 1.2)
    return ways.T @ (waves * swell)


def _noise(person: Person, length: int, fs: float, rng: np.random.Generator) -> np.ndarray:
    """Give what disturbs each electrode in mV, (9, samples)."""
    times, seconds, count = np.arange(length) / fs, length / fs, len(ELECTRODES.T)
    drifts, static = "baseline_drift" in person.trouble, "static_noise" in person.trouble
    knots = np.arange(0, seconds + 8, 4)
    drift = CubicSpline(knots, rng.normal(0, rng.uniform(0.01, 0.05) * (6 if drifts else 1), (len(knots), count)))
    breath = np.outer(rng.normal(0, 0.012, count), np.sin(2 * np.pi * rng.uniform(0.18, 0.3) * times))
    hum = rng.uniform(0, 0.004, count) * (6 if static else 1)
    buzz = hum[:, None] * np.sin(2 * np.pi * HUM * times + rng.uniform(0, 6, (count, 1)))
    muscle = rng.uniform(0.003, 0.010) * (4 if static else 1) * np.ones((1, length))
    if "burst_noise" in person.trouble:
        middle, span = rng.uniform(0, seconds), rng.uniform(0.4, 1.2)
        muscle = muscle + rng.uniform(0.03, 0.10) * np.exp(-2 * ((times - middle) / span) ** 2)
    tremor = rng.normal(0, 1, (count, length + 1))
    noise = drift(times).T + breath + buzz + muscle * (tremor[:, 1:] + tremor[:, :-1]) / math.sqrt(2)
    return noise + _jolts(person, times, seconds, rng)


def _jolts(person: Person, times: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Jolt electrodes, now and then any one of them, and over and over the one that is badly fixed; (9, samples)."""
    bad, count = person.trouble.get("electrodes_problems"), len(ELECTRODES.T)
    moved = rng.integers(0, count, rng.poisson(0.008 * seconds))
    if bad:
        moved = np.concatenate([moved, np.full(rng.integers(4, 9), 3 + int(bad.removeprefix("V")) - 1)])
    noise = np.zeros((count, len(times)))
    for electrode in moved:
        after = np.maximum(times - rng.uniform(0, seconds), 0) / 0.3
        noise[electrode] += rng.normal(0, 0.5) * after * np.exp(1 - after)
    return noise
