"""Random changes of recordings, noise, gain, tempo, pitch and place, so that training becomes blind to them.

A change takes rows (n, leads, T) and draws one strength for each row, for all its leads alike; `transform` lays all seven
over some of the rows, one after another. Lengths in samples are meant for 500 Hz. Decibels are of amplitude; a row that
becomes shorter is filled with zeros on the right, a longer one is cut there, and a shifted one goes on at its other end.

Kinds, order and ranges are those of the augmented baseline of github.com/ScaleMind-C9308A/HeartResearch (arXiv:2407.20249),
and their meanings those of the library that it used, github.com/iver56/audiomentations.
# Differs: there each lead is changed for itself, so the leads of a row no longer belong together.
# Differs: there tempo and pitch are changed by a phase vocoder with windows of 2,048 samples, four seconds. It takes a steady
rhythm for a tone and loses or doubles the beats of any other. Here the row is resampled: a tempo makes all of it faster, its
waves too; a pitch does the same, and the row begins again where it has become too short. `published=True` is as there.
"""

from collections.abc import Callable, Iterator

import numpy as np

from pqrst.filters import resampled

AMPLITUDE = (0.001, 0.01)  # standard deviation of the noise, in the rows' unit, there mV
SNR = (3.0, 12.0)  # dB
GAIN = (-10.0, 10.0)  # dB
FADE_GAIN = (-15.0, 15.0)  # dB
FADE_SAMPLES = (50, 200)
TEMPO = (0.8, 1.25)
SEMITONES = (-4.0, 4.0)
SHIFT = (-0.5, 0.5)  # of the row
WINDOW = 2048  # samples, of the vocoder
HOP = WINDOW // 4
HANN = np.hanning(WINDOW + 1)[:-1]

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def transform(x: np.ndarray, rng: np.random.Generator, p: float = 0.2, published: bool = False) -> np.ndarray:
    """Lay each change over each row with probability p: float32 (rows, leads, T) to the same, x itself as it was."""
    if published:
        return _changed(x.reshape(-1, 1, x.shape[2]), rng, p, stretch_as_music, shift_pitch_as_music).reshape(x.shape)
    return _changed(x, rng, p, stretch, shift_pitch)


def _changed(x: np.ndarray, rng: np.random.Generator, p: float, tempo: Change, pitch: Change) -> np.ndarray:
    out = x.astype(np.float32)
    for change in (add_noise, add_noise_by_snr, amplify, fade, tempo, pitch, shift):
        chosen = np.flatnonzero(rng.random(len(out)) < p)
        if len(chosen):
            out[chosen] = change(out[chosen], rng)
    return out


def add_noise(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of a drawn deviation."""
    return x + _drawn(rng, AMPLITUDE, x) * rng.standard_normal(x.shape, np.float32)


def add_noise_by_snr(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise so many decibels below the root mean square of each lead."""
    size = np.sqrt(np.square(x).mean(axis=2, keepdims=True))  # (n, leads, 1)
    return x + size * ratio(-_drawn(rng, SNR, x)) * rng.standard_normal(x.shape, np.float32)


def amplify(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make rows larger or smaller."""
    return x * ratio(_drawn(rng, GAIN, x))


def fade(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pass from one gain to another, evenly in decibels; the passage may begin before the row or end after it."""
    first, last = _drawn(rng, FADE_GAIN, x), _drawn(rng, FADE_GAIN, x)
    samples = rng.integers(FADE_SAMPLES[0], FADE_SAMPLES[1], size=(len(x), 1, 1), endpoint=True)
    start = rng.integers(2 - samples, max(x.shape[2] - 1, 1))
    done = np.clip((np.arange(x.shape[2]) - start) / (samples - 1), 0, 1).astype(np.float32)  # (n, 1, T)
    return x * ratio(first + (last - first) * done)


def stretch(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make rows faster, with zeros after them, or slower."""
    return np.stack([_fitted(resampled(row, rate, 1), x.shape[2]) for row, rate in _each(x, rng, TEMPO)])


def shift_pitch(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply every frequency by so many semitones; a row that ends too soon begins again."""
    return np.stack([_repeated(resampled(row, semitones(n), 1), x.shape[2]) for row, n in _each(x, rng, SEMITONES)])


def shift(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move rows in time by up to half their length, around their end."""
    moved = np.rint(_drawn(rng, SHIFT, x) * x.shape[2]).astype(np.int64)  # (n, 1, 1)
    return np.take_along_axis(x, (np.arange(x.shape[2]) - moved) % x.shape[2], axis=2)


def stretch_as_music(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make rows faster, with zeros after them, or slower, as if they were music: their frequencies stay."""
    return np.stack([_fitted(vocoded(row, rate), x.shape[2]) for row, rate in _each(x, rng, TEMPO)])


def shift_pitch_as_music(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiply every frequency by so many semitones, as if rows were music: their tempo stays."""
    factors = [(row, semitones(n)) for row, n in _each(x, rng, SEMITONES)]
    return np.stack([_fitted(resampled(vocoded(row, 1 / factor), factor, 1), x.shape[2]) for row, factor in factors])


def ratio(decibels: np.ndarray) -> np.ndarray:
    """Turn decibels into the ratio of two amplitudes."""
    return 10 ** (decibels / 20)


def semitones(count: float) -> float:
    """Turn semitones into the ratio of two frequencies."""
    return float(2 ** (count / 12))


def vocoded(row: np.ndarray, rate: float) -> np.ndarray:
    """Play (leads, T) at another tempo with its frequencies kept, (leads, T / rate), by a phase vocoder.

    Spectra of overlapping windows are read at other places in time, and each frequency turns on as fast as it did there.
    """
    spectra = _spectra(row)  # (leads, windows, bins)
    places = np.arange(0, spectra.shape[1], rate)
    left = places.astype(np.int64)
    spectra = np.pad(spectra, ((0, 0), (0, 1), (0, 0)))
    sizes, angles = np.abs(spectra), np.angle(spectra)
    even = 2 * np.pi * HOP / WINDOW * np.arange(spectra.shape[2])  # the turn of a bin's own frequency in one hop
    beyond = angles[:, left + 1] - angles[:, left] - even
    turns = even + beyond - 2 * np.pi * np.rint(beyond / (2 * np.pi))
    turned = angles[:, :1] + np.cumsum(turns, axis=1) - turns  # up to each window, its own turn left out
    part = (places - left)[:, None]
    mixed = (1 - part) * sizes[:, left] + part * sizes[:, left + 1]
    return _signal(mixed * np.exp(1j * turned), round(row.shape[1] / rate))


def _spectra(row: np.ndarray) -> np.ndarray:
    """Cut (leads, T) into windows, the first around the first sample, with zeros beyond both ends; give their spectra."""
    padded = np.pad(row, ((0, 0), (WINDOW // 2, WINDOW // 2)))
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, ::HOP] * HANN)


def _signal(spectra: np.ndarray, samples: int) -> np.ndarray:
    """Lay windows over each other again, (leads, windows, bins) to (leads, samples)."""
    windows = np.fft.irfft(spectra, WINDOW) * HANN
    total = np.zeros((len(windows), windows.shape[1] * HOP + WINDOW))
    weight = np.zeros(total.shape[1])
    for number in range(windows.shape[1]):
        place = slice(number * HOP, number * HOP + WINDOW)
        total[:, place] += windows[:, number]
        weight[place] += HANN**2
    seen = slice(WINDOW // 2, WINDOW // 2 + samples)
    return (total[:, seen] / weight[seen]).astype(np.float32)


def _fitted(row: np.ndarray, samples: int) -> np.ndarray:
    """Cut (leads, T) on the right, or fill it with zeros."""
    return np.pad(row[:, :samples], ((0, 0), (0, max(samples - row.shape[1], 0))))


def _repeated(row: np.ndarray, samples: int) -> np.ndarray:
    """Cut (leads, T) on the right, or let it begin again."""
    return row[:, np.arange(samples) % row.shape[1]]


def _each(x: np.ndarray, rng: np.random.Generator, limits: tuple[float, float]) -> Iterator[tuple[np.ndarray, float]]:
    """Pair each row with a number drawn for it."""
    return zip(x, rng.uniform(*limits, len(x)).tolist(), strict=True)


def _drawn(rng: np.random.Generator, limits: tuple[float, float], x: np.ndarray) -> np.ndarray:
    """Draw one number a row, (n, 1, 1) float32."""
    return rng.uniform(*limits, (len(x), 1, 1)).astype(np.float32)
