"""Filters of whole recordings, applied before they are cut."""

from fractions import Fraction
from functools import lru_cache

import numpy as np


def settles(order: int) -> int:
    """Count the samples that a band-pass repeats, mirrored, beyond each end of a recording."""
    return 3 * (2 * order + 1)


def band_pass(signal: np.ndarray, fs: float, band: tuple[float, float], order: int) -> np.ndarray:
    """Run a Butterworth band-pass forward and backward over each lead, (leads, samples) to the same shape, float32.

    Nothing moves in time. `band` is in Hz, its upper edge below half the rate.
    """
    from scipy.signal import sosfiltfilt  # noqa: PLC0415 (costs a second, and most stages filter nothing)

    # float64: an edge of 0.5 Hz lies so near to zero that float32 would ring
    made = sosfiltfilt(_sections(fs, band, order), signal.astype(np.float64), axis=-1, padlen=settles(order))
    return np.asarray(made, np.float32)


@lru_cache(64)  # to design it takes longer than to filter ten seconds
def _sections(fs: float, band: tuple[float, float], order: int) -> np.ndarray:
    from scipy.signal import butter  # noqa: PLC0415 (likewise)

    return np.asarray(butter(order, band, btype="bandpass", fs=fs, output="sos"))


def resampled(signal: np.ndarray, have: float, want: float) -> np.ndarray:
    """Bring (leads, samples) from one rate to another, in Hz, by a polyphase filter; float32."""
    from scipy.signal import resample_poly  # noqa: PLC0415 (costs a second, and most recordings need none)

    ratio = Fraction(want / have).limit_denominator(1000)
    return np.asarray(resample_poly(signal.astype(np.float64), ratio.numerator, ratio.denominator, axis=1), np.float32)
