"""Twelve leads as WFDB's format 16 keeps them: a converter's integers, and a header's lines."""

from collections.abc import Sequence

import numpy as np


def steps(millivolts: np.ndarray, gain: float, zero: int) -> np.ndarray:
    """Convert mV to little-endian int16 (leads, samples); the lowest code would mean that a sample is invalid."""
    return np.clip(np.rint(millivolts * gain) + zero, -(2**15) + 1, 2**15 - 1).astype("<i2")


def lead_lines(start: str, written: np.ndarray, leads: Sequence[str], lowest: int) -> list[str]:
    """Give a header's line for each lead, checksums counted from `lowest` on."""
    sums = (written.sum(axis=1, dtype=np.int64) - lowest) % 2**16 + lowest
    return [
        f"{start} 16 0 {first} {checksum} 0 {lead}"
        for first, checksum, lead in zip(written[:, 0], sums, leads, strict=True)
    ]
