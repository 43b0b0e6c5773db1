"""From logits to probabilities and decisions: the only place where a softmax or a sigmoid is taken."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

THRESHOLD = 0.5  # of each label of a multi-label task that has none of its own
COLDEST, HOTTEST = 0.05, 20.0  # temperatures; rows that are told apart without a mistake would ask for 0


@dataclass(frozen=True)
class Calibration:
    """The temperature that logits are divided by, so that of rows said to be right at 80 % four in five are.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """

    temperature: float = 1.0
    fitted_on: str = "nothing"
    rows: int = 0


def probabilities(logits: np.ndarray, task: str, temperature: float = 1.0) -> np.ndarray:
    """Turn logits into probabilities, float32 (rows, classes)."""
    warm = logits / temperature
    return (softmax(warm, axis=1) if task == "single" else expit(warm)).astype(np.float32)


def decide(probability: np.ndarray, task: str, thresholds: tuple[float, ...] = ()) -> np.ndarray:
    """Decide: the likeliest class (rows,), or each label above its threshold, 0/1 (rows, classes)."""
    if task == "single":
        return probability.argmax(axis=1)
    return (probability >= np.array(thresholds or THRESHOLD, np.float32)).astype(np.int8)


def calibrate(logits: np.ndarray, labels: np.ndarray, task: str) -> Calibration:
    """Find the temperature of the least cross-entropy on validation rows."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 (costs half a second, and only training fits)

    logits = logits.astype(np.float64)

    def cross_entropy(log_temperature: float) -> float:
        warm = logits / np.exp(log_temperature)
        if task == "single":
            return -float(log_softmax(warm, axis=1)[np.arange(len(labels)), labels].mean())
        return -float((labels * log_expit(warm) + (1 - labels) * log_expit(-warm)).mean())

    found = minimize_scalar(cross_entropy, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return Calibration(round(float(np.exp(found.x)), 6), "validation", len(labels))
