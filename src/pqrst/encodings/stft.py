"""Spectrogram: how much power each frequency has in each short window of a lead; time runs along, frequency up.

Steps, for each lead by itself: windows of `window` seconds, each `step` seconds after the last, none reaching over an
end; take each window's mean off, weigh it by Hann's curve, transform; the power spectral density in mV²/Hz of a signal in
mV, one-sided, without the frequencies above `limit`; the decimal logarithm of it and of a `floor` that stands for silence;
bring that to `size` × `size`, by averages where there is more and straight lines where there is less. The highest frequency
is the first row. A flat lead is the logarithm of the floor everywhere. The first column stands for the middle of the first
window, the last for that of the last.

Until it is resized this is scipy.signal.spectrogram with a Hann window and its other defaults. Window, step, limit, floor
and resizing are ours: a QRS complex is about as long as a third of a window, and a converter with steps of 5 µV at 500 Hz
makes noise of about the floor. A window longer than the signal is shortened to it.

>>> shape((12, 5000), Params())
(12, 64, 64)
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from pqrst.encodings._matrix import cut, floating, resize, samples
from pqrst.parsing import Between


@dataclass(frozen=True)
class Params:
    """The stretch of time in samples (length 0: to the end), the picture's side, window and step in s, limit in Hz, scale."""

    start: Annotated[int, Between(0)] = 0
    length: Annotated[int, Between(0)] = 0
    size: Annotated[int, Between(1)] = 64
    window: Annotated[float, Between(0)] = 0.25  # s
    step: Annotated[float, Between(0)] = 0.02  # s; less than a sample is one sample
    limit: Annotated[float, Between(0)] = 40.0  # Hz; 0 = half the sampling rate
    log: bool = True
    floor: Annotated[float, Between(0)] = 1e-8  # mV²/Hz

    def __post_init__(self) -> None:
        if self.window == 0:
            raise ValueError("window must be above 0")
        if self.log and self.floor == 0:
            raise ValueError("floor must be above 0: silence has no logarithm")


def shape(in_shape: tuple[int, int], p: Params) -> tuple[int, int, int]:
    """Give the shape of the picture of a signal (leads, samples)."""
    samples(in_shape, p.start, p.length, "encodings.stft")
    return in_shape[0], p.size, p.size


def encode(signals: Tensor, fs: float, p: Params) -> Tensor:
    """Draw signals (n, leads, T) as pictures (n, leads, size, size)."""
    shape((signals.shape[1], signals.shape[2]), p)
    x = cut(floating(signals), p.start, p.length)  # (n, leads, length)
    # lead by lead: overlapping windows take many times the room of the signal
    return torch.stack([picture(lead, fs, p) for lead in x.unbind(dim=1)], dim=1).to(torch.float32)


def picture(x: Tensor, fs: float, p: Params) -> Tensor:
    """Draw one lead (n, samples) as (n, size, size)."""
    power = density(x, fs, p).flip(-2)  # (n, frequencies, windows)
    return resize((power + p.floor).log10() if p.log else power, p.size)


def density(x: Tensor, fs: float, p: Params) -> Tensor:
    """Estimate the power spectral density over time: (..., samples) to (..., frequencies, windows)."""
    length = min(max(round(p.window * fs), 2), x.shape[-1])
    windows = x.unfold(-1, length, max(round(p.step * fs), 1))  # (..., windows, length)
    weight = torch.hann_window(length, dtype=x.dtype, device=x.device)
    windows = windows - windows.mean(dim=-1, keepdim=True)
    spectrum = torch.fft.rfft(windows * weight)[..., : _kept(length, fs, p.limit)]
    power = (spectrum.real.square() + spectrum.imag.square()) / (fs * weight.square().sum())
    # a frequency and its negative, but 0 and half the sampling rate
    sides = [1 if place == 0 or 2 * place == length else 2 for place in range(power.shape[-1])]
    return (power * torch.tensor(sides).to(power)).mT


def _kept(length: int, fs: float, limit: float) -> int:
    """Count the frequencies from 0 to the limit."""
    every = length // 2 + 1
    below = int(limit * length / fs + 1e-9) + 1  # the limit itself included, however it is rounded
    return min(every, below) if limit else every
