"""How far a score would move with other patients, other beats and other seeds: percentile bootstrap, paired between runs.

What is resampled are confusion matrices, one a seed and patient: (seeds, patients, classes, classes). Patients are drawn
with replacement as wholes, since beats of one patient resemble each other; seeds are drawn beside them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

REPLICATES = 2000
LEVEL = 0.95
Score = Callable[[np.ndarray], np.ndarray]  # of stacked confusion matrices


@dataclass(frozen=True)
class Difference:
    """What one run scores more than another on the same rows, its 95 % interval, and the two-sided p-value."""

    point: float
    low: float
    high: float
    p: float


def by_patient(counts: np.ndarray, score: Score, seed: int) -> tuple[float, float]:
    """Give the interval of the mean score over seeds under other patients and other seeds."""
    return _percentiles(_replicates(counts, score, np.random.default_rng(seed), np.random.default_rng(seed + 1)))


def by_beat(counts: np.ndarray, score: Score, seed: int) -> tuple[float, float]:
    """Give the interval under other beats of the same patients, as if beats were independent.

    The seeds predict the same beats, so the mean of their matrices is resampled and not each on its own.
    """
    matrix = counts.sum(axis=1).mean(axis=0)
    total, classes = round(matrix.sum()), len(matrix)
    drawn = np.random.default_rng(seed).multinomial(total, matrix.ravel() / matrix.sum(), REPLICATES)
    return _percentiles(score(drawn.reshape(-1, classes, classes)))


def p_value(first: np.ndarray, second: np.ndarray, score: Score, seed: int) -> float:
    """Test whether two runs differ, two-sided."""
    return paired(first, second, score, seed).p


def paired(first: np.ndarray, second: np.ndarray, score: Score, seed: int) -> Difference:
    """Hold a run against another: the same patients drawn for both, each run's seeds drawn by themselves."""
    one = _replicates(first, score, np.random.default_rng(seed), np.random.default_rng(seed + 1))
    other = _replicates(second, score, np.random.default_rng(seed), np.random.default_rng(seed + 2))
    drawn = one - other
    below, above = (~(drawn > 0)).sum(), (~(drawn < 0)).sum()  # nan, of a class not there, speaks for neither
    p = float(min(1.0, 2 * (min(below, above) + 1) / (len(drawn) + 1)))
    point = float(score(first.sum(axis=1)).mean() - score(second.sum(axis=1)).mean())
    known = drawn[~np.isnan(drawn)]
    low, high = _percentiles(known) if len(known) else (float("nan"), float("nan"))
    return Difference(point, low, high, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, by Holm's step-down rule."""
    order = np.argsort(p_values)
    steps = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(p) for p in corrected]


def _replicates(
    counts: np.ndarray, score: Score, patients: np.random.Generator, seeds: np.random.Generator
) -> np.ndarray:
    """Score resampled patients, averaged over resampled seeds, (replicates,)."""
    n_seeds, n_patients = counts.shape[:2]
    weights = patients.multinomial(n_patients, np.full(n_patients, 1 / n_patients), REPLICATES)
    values = score(np.einsum("bp,spij->bsij", weights, counts))  # (replicates, seeds)
    drawn = seeds.integers(n_seeds, size=values.shape)
    return np.take_along_axis(values, drawn, axis=1).mean(axis=1)


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)
