"""Scores of several classes at once, from their cells: 0/1 labels and probabilities or decisions, (rows, classes) both."""

from collections.abc import Callable

import numpy as np


def average_area(
    area: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, probabilities: np.ndarray
) -> float:
    """Average an area under a curve over the classes that have rows on both sides."""
    found = [area(*_steps(truth[:, c], probabilities[:, c])) for c in on_both_sides(truth)]
    return float(np.mean(found)) if found else float("nan")


def _steps(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the true and the false rows of each probability, from the likeliest down."""
    values, step = np.unique(-probability, return_inverse=True)
    count = np.bincount(step, minlength=len(values))
    true = np.bincount(step[truth.astype(bool)], minlength=len(values))
    return true, count - true


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
    order = np.argsort(-probability, kind="stable")
    last = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)  # of the rows that are equally likely
    true = np.cumsum(truth[order].astype(bool))[last]
    return last + 1 - true, true


def hamming_loss(truth: np.ndarray, decided: np.ndarray) -> float:
    """Give the share of cells that are decided wrongly, of several labels a row."""
    return float((truth.astype(bool) != decided.astype(bool)).mean())
