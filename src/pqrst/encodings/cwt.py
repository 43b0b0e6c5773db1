"""Scalogram: how strongly a lead swings at each frequency at each time, by wavelets; time runs along, frequency up.

Steps, for each lead by itself: take its mean off; compare it, around each sample, with a Morlet wavelet of each of `size`
frequencies between `low` and `high`, spaced evenly in their logarithm (a continuous wavelet transform); the squared
amplitude in mV² of a signal in mV; bring each frequency to `size` columns, by averages where there are more samples and
straight lines where there are fewer; then the decimal logarithm, of the power and a `floor` that stands for silence. The
highest frequency is the first row. A flat lead is the logarithm of the floor everywhere.

The wavelet of frequency f is exp(−t²/2s²) exp(2πift) with s = omega/(2πf): `omega` radians fit into s. It is scaled so that
a wave a·sin(2πft) has the power a² at f, whatever f is.
Differs: the source scales each wavelet to the same energy, which lets low frequencies look the stronger, and widens the
signal with zeros to the next power of two only; here no end of a signal sees the other.
Frequencies, floor and resizing are ours. Near both ends, within about s√2 of them, the wavelet reaches into nothing.

Source: C. Torrence, G. P. Compo, A practical guide to wavelet analysis, Bull. Amer. Meteor. Soc. 79 (1998) 61; its omega is 6.

>>> shape((12, 5000), Params())
(12, 64, 64)
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import pad

from pqrst.encodings._matrix import cut, fit, floating, samples
from pqrst.errors import SettingsError
from pqrst.parsing import Between

NEGLIGIBLE = 1e-7  # of a wavelet's largest gain, about the resolution of single precision
ENOUGH = 16  # looks at the power in each column


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), the picture's side, the frequencies in Hz, wavelet and scale."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(1)] = 64
    low: float = 1.0  # Hz
    high: float = 40.0  # Hz
    omega: Annotated[float, Between(5)] = 6.0  # below 5 the wavelet's own mean is not negligible
    log: bool = True
    floor: Annotated[float, Between(0)] = 1e-6  # mV²

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ValueError(f"low and high must be 0 < low < high, got {self.low:g} and {self.high:g} Hz")
        if self.log and self.floor == 0:
            raise ValueError("floor must be above 0: silence has no logarithm")


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    samples(in_shape, p.start, p.length, "encodings.cwt")
    return in_shape[0], p.size, p.size


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:
    """Draw signals (n, leads, T) as pictures (n, leads, size, size)."""
    shape((signals.shape[1], signals.shape[2]), p)
    if p.high > fs / 2:
        raise SettingsError(f"encodings.cwt.high is {p.high:g} Hz, but {fs:g} Hz samples hold at most {fs / 2:g} Hz")
    x = cut(floating(signals), p.start, p.length)  # (n, leads, length)
    x = x - x.mean(dim=-1, keepdim=True)
    plan = [(f, step(f, fs, x.shape[-1], p.size)) for f in np.geomspace(p.high, p.low, p.size)]
    longest = plan[-1][1]  # that of the lowest frequency
    # room for zeros, so that no end of a signal sees the other, in a length that each step divides
    length = longest * next_fast_len(-(-(2 * x.shape[-1] - 1) // longest))
    spectrum = torch.fft.fft(x, n=length)  # (n, leads, length)
    # frequency by frequency: all at once would take `size` times the room of the signal
    rows = [fit(power(spectrum, gain(f, length, fs, p.omega), every, x.shape[-1]), p.size) for f, every in plan]
    pictures = torch.stack(rows, dim=2)  # (n, leads, size, size)
    return ((pictures + p.floor).log10() if p.log else pictures).to(torch.float32)


def step(frequency: float, fs: float, count: int, size: int) -> int:
    """Give the power of two, in samples, at which power at a frequency is looked at: it changes no faster than that."""
    return 2 ** int(np.log2(max(min(count / (ENOUGH * size), fs / (2 * frequency)), 1)))


def gain(frequency: float, length: int, fs: float, omega: float) -> np.ndarray:
    """Transform a wavelet to its spectrum (length,), which is real, since each half of it mirrors the other's conjugate."""
    times = np.fft.fftfreq(length, 1 / length) / fs  # (length,), s: 0 and on, then from the most negative back to 0
    spread = omega / (2 * np.pi * frequency)  # s
    area = np.sqrt(2 * np.pi) * spread * fs  # under the bell, in samples
    wave = 2 / area * np.exp(-0.5 * (times / spread) ** 2 + 2j * np.pi * frequency * times)
    return np.fft.fft(wave).real


def power(spectrum: Tensor, weight: np.ndarray, every: int, count: int) -> Tensor:
    """Square the amplitude at one frequency, at every so many samples: spectrum (n, leads, length) to (n, leads, times)."""
    kept = int(np.flatnonzero(np.abs(weight) > NEGLIGIBLE * np.abs(weight).max())[-1]) + 1
    band = spectrum[..., :kept] * torch.from_numpy(weight[:kept]).to(spectrum.real)
    times = spectrum.shape[-1] // every
    folded = pad(band, (0, -kept % times)).unflatten(-1, (-1, times)).sum(dim=-2)  # frequencies that look alike there
    wave = torch.fft.ifft(folded)[..., : -(-count // every)] / every
    return wave.real.square() + wave.imag.square()
