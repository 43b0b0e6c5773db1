"""Twelve leads that a database gives as numbers of a unit instead of a converter's integers."""

from dataclasses import dataclass

import numpy as np

from pqrst.datasets import _wfdb12
from pqrst.datasets._wfdb12 import LEADS
from pqrst.errors import RecordError

MOST = 10.0  # mV; half the samples of no ECG lie further from the middle of their lead


@dataclass(frozen=True)
class Floats:
    """Twelve leads in the standard order, in mV."""

    signal: np.ndarray  # (12, samples) float32
    quality: tuple[str, ...]


def take(record: str, samples: np.ndarray, per_mv: float, again: str) -> Floats:
    """Turn (12, samples) into mV; a sample that is no finite number becomes 0, and is told.

    Args:
        record: its name in error messages.
        samples: numbers in a unit of which `per_mv` make a mV.
        per_mv: 1 for mV, 1000 for µV.
        again: what to do about a fault.
    """
    if samples.ndim != 2 or len(samples) != len(LEADS) or not samples.size or samples.dtype.kind not in "iuf":
        shape = " x ".join(map(str, samples.shape))
        raise RecordError(record, f"its signal is {shape} of {samples.dtype}, not numbers of 12 leads; {again}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes endless, and is told
        scaled = (samples.astype(np.float64) / per_mv).astype(np.float32)
    sound = np.isfinite(scaled)
    signal = np.where(sound, scaled, np.float32(0))
    away = float(np.median(np.abs(signal - np.median(signal, axis=1, keepdims=True))))
    if not away <= MOST:
        raise RecordError(
            record, f"half its samples lie {away:g} mV and more from the middle: its unit is another; {again}"
        )
    absent = [name for name, lead in zip(LEADS, sound, strict=True) if not lead.any()]
    gaps = [name for name, lead in zip(LEADS, sound, strict=True) if lead.any() and not lead.all()]
    return Floats(signal, _wfdb12.flags(signal, absent, gaps))
