"""Scores of several classes at once, from their cells: 0/1 labels and probabilities or decisions, (rows, classes) both."""

from collections.abc import Callable

import numpy as np

Area = Callable[[np.ndarray, np.ndarray], float]  # of the true and the false rows of each probability


def average_area(area: Area, truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Average an area under a curve over the classes that have rows on both sides."""
    found = areas(area, truth, probabilities)
    return float(np.mean(found)) if found else float("nan")


def areas(area: Area, truth: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """Give an area under a curve of each class that has rows on both sides."""
    true, probability = (np.ascontiguousarray(table.T) for table in (truth.astype(bool), probabilities))  # by class
    return [area(*_steps(true[c], probability[c])) for c in on_both_sides(truth)]


def _steps(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the true and the false rows of each probability, from the likeliest down."""
    keys = _order(probability)
    keys = keys * 2 + truth.astype(keys.dtype)  # sorting these is many times as fast as sorting rows by probability
    keys.sort()
    first = np.flatnonzero(np.append(True, keys[1:] ^ keys[:-1] > 1))  # row of each probability
    true = np.add.reduceat(keys & 1, first, dtype=np.int64)[::-1]
    return true, np.diff(first, append=len(keys))[::-1] - true


def _order(probability: np.ndarray) -> np.ndarray:
    """Give whole numbers that lie as the probabilities do, and have their highest bit free."""
    if probability.dtype.kind == "f" and probability.min() >= 0 and probability.max() < 2:
        return (probability + 0).view(f"u{probability.itemsize}")  # bits of floats below 2; -0 becomes 0, its equal
    return np.unique(probability, return_inverse=True)[1]


def auroc(true: np.ndarray, false: np.ndarray) -> float:
    """Give the share of pairs of a true and a false row in which the true one is likelier, a tie counting half."""
    above = np.cumsum(false) - false / 2
    return float(1 - (true * above).sum() / (true.sum() * false.sum()))


def average_precision(true: np.ndarray, false: np.ndarray) -> float:
    """Give the precision down to each true row, averaged."""
    return float((true * np.cumsum(true) / np.cumsum(true + false)).sum() / true.sum())


def on_both_sides(truth: np.ndarray) -> np.ndarray:
    """List the classes that have both true and false rows."""
    true = truth.sum(axis=0)
    return np.flatnonzero((true > 0) & (true < len(truth)))


def auroc_labels(truth: np.ndarray, probabilities: np.ndarray) -> float:  # noqa: ARG001 (called as the others are)
    """Count the classes that have rows on both sides: those that the macro areas are over."""
    return float(len(on_both_sides(truth)))


def auroc_micro(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Give the area under the ROC curve of the cells of all classes pooled."""
    return average_area(auroc, truth.reshape(-1, 1), probabilities.reshape(-1, 1))


def average_precision_micro(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Give the area under the precision-recall curve of the cells of all classes pooled."""
    return average_area(average_precision, truth.reshape(-1, 1), probabilities.reshape(-1, 1))


def recall_micro_picked_on_test(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Give the recall of all cells pooled at the one threshold that suits these very rows best.

    Such a threshold is chosen knowing the answers: as published, and no estimate of anything.
    """
    return _picked(truth, probabilities)[0]


def specificity_micro_picked_on_test(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Give the specificity that goes with `recall_micro_picked_on_test`."""
    return _picked(truth, probabilities)[1]


def _picked(truth: np.ndarray, probabilities: np.ndarray) -> tuple[float, float]:
    """Give recall and specificity at the largest sum of the two, at the highest threshold of equals."""
    if not len(on_both_sides(truth.reshape(-1, 1))):
        return float("nan"), float("nan")
    false, true = claims(truth.ravel(), probabilities.ravel())
    wrong, found = (np.append(0, counts) / counts[-1] for counts in (false, true))
    best = np.argmax(found - wrong)
    return float(found[best]), float(1 - wrong[best])


def claims(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the false and the true rows of one label that are claimed at each threshold, the highest first."""
    true, false = _steps(truth, probability)
    return np.cumsum(false), np.cumsum(true)


def hamming_loss(truth: np.ndarray, decided: np.ndarray) -> float:
    """Give the share of cells that are decided wrongly, of several labels a row."""
    return float((truth.astype(bool) != decided.astype(bool)).mean())
