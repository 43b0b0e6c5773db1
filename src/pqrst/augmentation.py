"""Random changes laid over rows once, in the rows' own unit and before they are standardised.

Noise, masks and scaling are those of the heartbeat original, which augmented its validation rows as well, and are meant for
rows from 0 to 1. Whether its factor N(1, 0.1) was drawn for a row or for a value is not known; for a row it would vanish in
the standardisation, so it is by value. The transforms are meant for rows in mV.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from pqrst.transforms import transform

MASK_SAMPLES = 20


def augment(x: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Change rows (n, ..., T), float32, as a key of CHANGES says; those given stay as they are."""
    return CHANGES[kind](x, rng)


def _unchanged(x: np.ndarray, _: np.random.Generator) -> np.ndarray:
    return x


def noisy(x: np.ndarray, rng: np.random.Generator, masks: int = 0, *, scaled: bool = False) -> np.ndarray:
    """Zero so many stretches, add N(0, 0.01), and where wanted multiply by N(1, 0.1)."""
    x = x.astype(np.float32)
    for _ in range(masks):
        start = rng.integers(max(1, x.shape[-1] - MASK_SAMPLES + 1), size=(*x.shape[:-1], 1))
        place = np.arange(x.shape[-1])
        x[(place >= start) & (place < start + MASK_SAMPLES)] = 0
    x += 0.01 * rng.standard_normal(x.shape, np.float32)
    return x * (1 + 0.1 * rng.standard_normal(x.shape, np.float32)) if scaled else x


CHANGES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "none": _unchanged,
    "noise": noisy,
    "noise_mask": partial(noisy, masks=1),
    "noise_mask2": partial(noisy, masks=2),
    "noise_scale": partial(noisy, scaled=True),
    "noise_scale_mask": partial(noisy, masks=1, scaled=True),
    "noise_scale_mask2": partial(noisy, masks=2, scaled=True),
    "transforms": transform,
    "transforms_published": partial(transform, published=True),
}
