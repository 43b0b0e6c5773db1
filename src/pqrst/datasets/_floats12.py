"""Twelve leads that a database gives as numbers of a unit instead of a converter's integers."""

import numpy as np

from pqrst.datasets._wfdb12 import LEADS
from pqrst.errors import RecordError

MOST = 10.0  # mV; half the samples of no ECG lie further from the middle of their lead


def take(record: str, samples: np.ndarray, per_mv: float, again: str) -> np.ndarray:
    """Turn (12, samples) into mV, float32; a sample that is no finite number stays none.

    Args:
        record: its name in error messages.
        samples: numbers in a unit of which `per_mv` make a mV.
        per_mv: 1 for mV, 1000 for µV.
        again: what to do about a fault.
    """
    if samples.ndim != 2 or len(samples) != len(LEADS) or not samples.size or samples.dtype.kind not in "iuf":
        shape = " x ".join(map(str, samples.shape))
        raise RecordError(record, f"its signal is {shape} of {samples.dtype}, not numbers of 12 leads; {again}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes endless
        scaled = (samples.astype(np.float64) / per_mv).astype(np.float32)
    signal = np.where(np.isfinite(scaled), scaled, np.float32(0))
    away = float(np.median(np.abs(signal - np.median(signal, axis=1, keepdims=True))))
    if not away <= MOST:
        raise RecordError(
            record, f"half its samples lie {away:g} mV and more from the middle: its unit is another; {again}"
        )
    return scaled
