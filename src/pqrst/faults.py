"""Faults of a recording's samples, found by functions of arrays; none alters what it is given.

Each threshold was set so that nothing is found but true faults in 258 real recordings (docs/log.md); what they found there
stands in the README.
"""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

LIMBS = ("I", "II", "III", "aVR", "aVL", "aVF")
# what is zero in every recording, by Einthoven and Goldberger: rows of factors of the six limb leads
LAWS = np.array(
    [
        [1, -1, 1, 0, 0, 0],  # I + III = II
        [0, 0, 0, 1, 1, 1],  # aVR + aVL + aVF = 0
        [1, 1, 0, 2, 0, 0],  # aVR = -(I + II) / 2
        [1, 0, -1, 0, -2, 0],  # aVL = (I - III) / 2
    ],
    np.float64,
)
LAWS /= np.sqrt(np.square(LAWS).sum(axis=1, keepdims=True))
WINDOW = 1.2  # s, in which a heart beats once at least, save one of fewer than 50 beats a minute
COARSE = 0.02  # s, of which the mean is taken to look for beats: a period of 50 Hz mains
ROUGH = 0.1  # s, over which slopes are summed: a QRS
SLOWEST, FASTEST = 2.0, 0.2  # s from beat to beat
STEEP = 0.04  # of a lead's range within two samples: no wave that turns by itself stops like this
SHORT = 3  # samples: an extreme held shorter is no clipping


def digest(signal: np.ndarray) -> str:
    """Name samples (leads, samples) so that the same ones are known again, whatever their type's width."""
    plain = signal.astype("<f4" if signal.dtype.kind == "f" else "<i2", copy=False)
    return hashlib.sha256(np.ascontiguousarray(plain).data).hexdigest()[:16]


def bridged(signal: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Draw a line over bad samples, (leads, samples), from the sound one before to the sound one after."""
    made = signal.copy()
    for lead in np.flatnonzero(bad.any(axis=1) & ~bad.all(axis=1)):
        sound = np.flatnonzero(~bad[lead])
        made[lead, bad[lead]] = np.interp(np.flatnonzero(bad[lead]), sound, signal[lead, sound])
    made[bad.all(axis=1)] = 0
    return made


def still(lead: np.ndarray, least: int) -> float:
    """Give the share of (samples,) that lie in stretches of one value, of `least` samples or of the whole."""
    changes = np.flatnonzero(lead[1:] != lead[:-1])
    lengths = np.diff(np.concatenate(([-1], changes, [len(lead) - 1])))
    return float(lengths[lengths >= min(least, len(lead))].sum() / len(lead))


def may_be_still(signal: np.ndarray, least: int) -> np.ndarray:
    """Say which leads of (leads, samples) are worth counting so, from a few samples.

    Where one value stands for `least` samples, four of those that lie a quarter as far apart are equal.
    """
    few = signal[:, :: max(1, least // 4)]
    if least < 4 or few.shape[1] < 4:
        return np.ones(len(signal), bool)
    return np.asarray(
        ((few[:, 3:] == few[:, 2:-1]) & (few[:, 2:-1] == few[:, 1:-2]) & (few[:, 1:-2] == few[:, :-3])).any(1)
    )


def clipped(lead: np.ndarray, low: float, high: float) -> tuple[int, float]:
    """Count how often (samples,) stands still at its lowest or at its highest value as if cut off; and the share of it.

    A wave that turns by itself stays there for a sample or two, or comes or leaves slowly, as does the line between two beats;
    what a recording repeats at its very ends is padding.
    """
    reach = float(high) - float(low)
    times, samples = 0, 0
    for extreme in (low, high) if reach else ():
        at = np.flatnonzero(lead == extreme)
        if len(at) < SHORT:
            continue
        breaks = np.flatnonzero(np.diff(at) > 1)
        starts, ends = at[np.concatenate(([0], breaks + 1))], at[np.concatenate((breaks, [len(at) - 1]))]
        inside = (starts > 0) & (ends < len(lead) - 1) & (ends - starts + 1 >= SHORT)
        starts, ends = starts[inside], ends[inside]
        before, after = lead[np.maximum(starts - 2, 0)], lead[np.minimum(ends + 2, len(lead) - 1)]
        jumps = [np.abs(beside.astype(float) - float(extreme)) for beside in (before, after)]
        cut = np.minimum(*jumps) >= max(STEEP * reach, 4 * _step(lead))
        times, samples = times + int(cut.sum()), samples + int((ends - starts + 1)[cut].sum())
    return times, samples / len(lead)


def _step(lead: np.ndarray) -> float:
    """Give the least change from a sample to the next, which is the step of whatever converted it."""
    changes = np.abs(np.diff(lead.astype(np.float64)))
    return float(changes[changes > 0].min(initial=np.inf))


def at_ends(lead: np.ndarray, ends: tuple[int, int]) -> float:
    """Give the share of (samples,) at the lowest or highest step of its converter."""
    return float(np.mean((lead == ends[0]) | (lead == ends[1])))


def swings(signal: np.ndarray, fs: float) -> np.ndarray:
    """Give how far each lead of (leads, samples) moves within each 1.2 s, (leads, windows): drift and offset hardly count."""
    n = min(max(1, round(WINDOW * fs)), signal.shape[1])
    whole = signal[:, : signal.shape[1] // n * n].reshape(len(signal), -1, n)
    last = signal[:, None, -n:]
    parts = [one.max(axis=2).astype(np.float64) - one.min(axis=2) for one in (whole, last)]
    return np.concatenate(parts, axis=1)


def coarse(signal: np.ndarray, fs: float) -> np.ndarray:
    """Give means over 20 ms, (leads, T), free of mains."""
    n = max(1, round(COARSE * fs))
    end = signal.shape[1] // n * n
    total = np.zeros((len(signal), end // n))
    for first in range(n):  # a third of the time of a mean along the last axis
        total += signal[:, first:end:n]
    return total / n


def bursts(means: np.ndarray) -> float:
    """Say how far bursts of slope stand above their median in the best lead of means over 20 ms, (leads, T).

    Some 2.5 times in noise, above 4 where there are QRS complexes.
    """
    slopes = means[:, 2:] - means[:, :-2]
    rough = round(ROUGH / COARSE)
    sums = np.cumsum(np.abs(slopes), axis=1)
    around = sums[:, rough:] - sums[:, :-rough]
    middle, high = np.percentile(around, (50, 98), axis=1)
    above = np.divide(high, middle, out=np.where(high > 0, np.inf, 0.0), where=middle > 0)
    return float(above.max(initial=0))


def recurrence(means: np.ndarray) -> float:
    """Give the highest correlation of the slopes of any lead with themselves 0.2 to 2 s later, of means over 20 ms, (leads, T).

    Some .2 in noise; high in a ventricular tachycardia, whose slopes make no bursts.
    """
    slopes = means[:, 2:] - means[:, :-2]
    slopes, n = slopes - slopes.mean(axis=1, keepdims=True), slopes.shape[1]
    spectra = np.fft.rfft(slopes, 2 * n, axis=1)
    alike = np.fft.irfft(np.abs(spectra) ** 2, axis=1)[:, :n]
    later = alike[:, round(FASTEST / COARSE) : round(SLOWEST / COARSE)].max(axis=1, initial=0)
    return float(np.divide(later, alike[:, 0], out=np.zeros(len(alike)), where=alike[:, 0] > 0).max(initial=0))


def products(limbs: np.ndarray) -> np.ndarray:
    """Give the six limb leads' products with each other, (6, samples) in LIMBS' order to (6, 6): enough to try every mistake."""
    moves = limbs - limbs.mean(axis=1, keepdims=True)
    return np.asarray(moves @ moves.T)


def broken(products: np.ndarray, change: np.ndarray | None = None) -> float:
    """Say how far limb leads, or what a change makes of them, break the laws: root mean squares, as a share of the leads'."""
    laws = LAWS if change is None else LAWS @ change
    size = np.trace(products) / len(LIMBS)
    return float(np.sqrt(max(0.0, np.trace(laws @ products @ laws.T) / len(LAWS) / size))) if size > 0 else 0.0


def mistake(products: np.ndarray) -> tuple[float, str, str]:
    """Give the single mistake that explains best how limb leads break the laws, `inverted` or `swapped`, with its leads.

    The number is how far they would break them without it.
    """
    return min((broken(products, change), kind, leads) for kind, leads, change in _mistakes())


def _mistakes() -> Iterator[tuple[str, str, np.ndarray]]:
    """Give every single lead turned upside down, and every two in each other's place."""
    for lead, name in enumerate(LIMBS):
        change = np.eye(6)
        change[lead, lead] = -1
        yield "inverted", name, change
        for other in range(lead):
            yield "swapped", f"{LIMBS[other]}+{name}", np.eye(6)[_exchanged(other, lead)]


def _exchanged(one: int, other: int) -> Sequence[int]:
    order = list(range(len(LIMBS)))
    order[one], order[other] = other, one
    return order


def arms_exchanged(means: np.ndarray) -> tuple[bool, float]:
    """Say whether lead I runs against V6 as it does when the arms' electrodes are exchanged; and their correlation.

    Given means over 20 ms of I, aVR and V6, (3, T). The laws hold then, so only polarity tells: I must point down, aVR and
    V6 up, I must run against V6 and aVR with it. Right-axis deviation turns V6 too, and is not taken for it.
    """
    slopes = means[:, 2:] - means[:, :-2]
    if not np.ptp(slopes, axis=1).all():
        return False, 0.0
    from_middle = means - np.median(means, axis=1, keepdims=True)
    lead_i, avr, v6 = np.percentile(from_middle, (99.5, 0.5), axis=1).sum(axis=0)  # above 0: its QRS points up
    alike = np.corrcoef(slopes)
    return bool(lead_i < 0 < min(avr, v6) and alike[0, 2] < -0.6 and alike[1, 2] > 0.2), float(alike[0, 2])
