"""Scores by name: a function here is a word that may stand under `scores` and `tables` in params.yaml.

Most need no more than the four counts of each class or the confusion matrix (true class by row). Counts and matrices may
be stacked, so that a thousand resampled ones are scored at once. `_macro` is the plain mean over the classes that occur, `_weighted` the mean weighted
by true rows; `recall_of_S` and the like are of one class.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

CONFIDENCE_BINS = 15
OF_CLASS = re.compile(r"(recall|precision|specificity|f1)_of_(.+)")  # a score of one class


class Counts(NamedTuple):
    """Rows of each class, (..., classes): found, missed, taken for it wrongly, and rightly not taken for it."""

    hit: np.ndarray
    missed: np.ndarray
    wrong: np.ndarray
    rest: np.ndarray


def confusion(labels: np.ndarray, decided: np.ndarray, n_classes: int) -> np.ndarray:
    """Count rows by true class (row) and decided class (column)."""
    return np.bincount(labels * n_classes + decided, minlength=n_classes**2).reshape(n_classes, n_classes)


def counts_of(matrix: np.ndarray) -> Counts:
    """Count by class from confusion matrices (..., classes, classes)."""
    hit = np.diagonal(matrix, axis1=-2, axis2=-1)
    missed, wrong = matrix.sum(axis=-1) - hit, matrix.sum(axis=-2) - hit
    return Counts(hit, missed, wrong, matrix.sum(axis=(-2, -1))[..., None] - hit - missed - wrong)


def counts_of_labels(labels: np.ndarray, decided: np.ndarray) -> Counts:
    """Count by class from 0/1 labels and decisions (rows, classes)."""
    truth, said = labels.astype(bool), decided.astype(bool)
    return Counts(*(pair.sum(axis=0) for pair in (truth & said, truth & ~said, ~truth & said, ~truth & ~said)))


def recall(c: Counts) -> np.ndarray:
    return share(c.hit, c.hit + c.missed)


def precision(c: Counts) -> np.ndarray:
    return share(c.hit, c.hit + c.wrong)


def specificity(c: Counts) -> np.ndarray:
    return share(c.rest, c.rest + c.wrong)


def f1(c: Counts) -> np.ndarray:
    return share(2 * c.hit, 2 * c.hit + c.missed + c.wrong)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, with 0 where there is nothing to divide by."""
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=np.asarray(whole) > 0)


def _macro(values: np.ndarray, c: Counts) -> np.ndarray:
    occurs = (c.hit + c.missed + c.wrong) > 0
    return share((values * occurs).sum(axis=-1), occurs.sum(axis=-1))


def _weighted(values: np.ndarray, c: Counts) -> np.ndarray:
    true = c.hit + c.missed
    return share((values * true).sum(axis=-1), true.sum(axis=-1))


def recall_macro(counts: Counts) -> np.ndarray:
    return _macro(recall(counts), counts)


def recall_weighted(counts: Counts) -> np.ndarray:
    return _weighted(recall(counts), counts)


def precision_macro(counts: Counts) -> np.ndarray:
    return _macro(precision(counts), counts)


def precision_weighted(counts: Counts) -> np.ndarray:
    return _weighted(precision(counts), counts)


def specificity_macro(counts: Counts) -> np.ndarray:
    return _macro(specificity(counts), counts)


def specificity_weighted(counts: Counts) -> np.ndarray:
    return _weighted(specificity(counts), counts)


def f1_macro(counts: Counts) -> np.ndarray:
    return _macro(f1(counts), counts)


def f1_weighted(counts: Counts) -> np.ndarray:
    return _weighted(f1(counts), counts)


def accuracy(matrix: np.ndarray) -> np.ndarray:
    return share(np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1)))


def kappa(matrix: np.ndarray) -> np.ndarray:
    """Cohen's κ, the agreement beyond that of the two margins."""
    n = np.maximum(matrix.sum(axis=(-2, -1)), 1)
    chance = (matrix.sum(axis=-1) * matrix.sum(axis=-2)).sum(axis=-1) / n**2
    return share(accuracy(matrix) - chance, 1 - chance)


def j_kappa(matrix: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Mean of κ and of the j index of classes S and V: ½κ + ⅛(Se_S + P⁺_S + Se_V + P⁺_V).

    Source: Mar et al., IEEE Trans Biomed Eng 58(8), 2011, and Mondéjar-Guerra et al., Biomed Signal Proces 47, 2019.
    """
    counts, places = counts_of(matrix), [list(classes).index(name) for name in ("S", "V")]
    j = recall(counts)[..., places].sum(axis=-1) + precision(counts)[..., places].sum(axis=-1)
    return np.asarray(kappa(matrix) / 2 + j / 8)


def auroc_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average one class against the rest over the classes that have rows on both sides."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 (costs a second, and tables need none)

    return _over_classes(roc_auc_score, labels, probabilities)


def average_precision_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average the area under the precision-recall curve over the classes that have rows on both sides."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 (costs a second, and tables need none)

    return _over_classes(average_precision_score, labels, probabilities)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average, over fifteen bins of confidence, how far confidence lies from the share of right answers.

    Of one label a row: the likeliest class. Of several: each label by itself, then the mean over labels.
    """
    if labels.ndim == 1:
        return _distance(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    return float(np.mean([_distance(p, y == 1) for p, y in zip(probabilities.T, labels.T, strict=True)]))


def _distance(confidence: np.ndarray, right: np.ndarray) -> float:
    place = np.clip(np.ceil(confidence * CONFIDENCE_BINS).astype(int) - 1, 0, CONFIDENCE_BINS - 1)
    difference = np.bincount(place, confidence - right, CONFIDENCE_BINS)  # (bins,) summed over rows
    return float(np.abs(difference).sum() / len(right))


def _over_classes(area: Callable[..., float], labels: np.ndarray, probabilities: np.ndarray) -> float:
    truth = one_hot(labels, probabilities.shape[1])
    defined = [c for c in range(truth.shape[1]) if 0 < truth[:, c].sum() < len(truth)]
    return float(np.mean([area(truth[:, c], probabilities[:, c]) for c in defined])) if defined else float("nan")


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Give labels as 0/1 by class, (rows, classes); multi-label ones are so already."""
    return labels if labels.ndim == 2 else np.eye(n_classes, dtype=np.int8)[labels]


def _by_name(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {function.__name__: function for function in functions}


BY_CLASS = _by_name(recall, precision, specificity, f1)
OF_COUNTS = _by_name(
    recall_macro, recall_weighted, precision_macro, precision_weighted, specificity_macro, specificity_weighted, f1_macro, f1_weighted,
)  # fmt: skip
OF_MATRIX = _by_name(accuracy, kappa)
OF_CLASSES = _by_name(j_kappa)  # of a matrix and the names of its classes
OF_ROWS = _by_name(auroc_macro, average_precision_macro, calibration_error)


def names() -> list[str]:
    """List the scores that a settings file may name, but for those of one class, such as `recall_of_S`."""
    return sorted(OF_COUNTS | OF_MATRIX | OF_CLASSES | OF_ROWS)


def of_matrix(name: str) -> bool:
    """Say whether a score can be computed from a confusion matrix alone."""
    one = OF_CLASS.fullmatch(name)
    return bool(one) or name in OF_COUNTS | OF_MATRIX | OF_CLASSES


def from_matrix(name: str, matrix: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Compute a score of confusion matrices (..., classes, classes); nan where it needs a class that is not there."""
    one = OF_CLASS.fullmatch(name)
    needed = {one[2]} if one else {"S", "V"} if name in OF_CLASSES else set()
    if not needed <= set(classes):
        return np.full(matrix.shape[:-2], np.nan)
    if one:
        return np.asarray(BY_CLASS[one[1]](counts_of(matrix))[..., list(classes).index(one[2])])
    if name in OF_CLASSES:
        return np.asarray(OF_CLASSES[name](matrix, classes))
    return np.asarray(OF_COUNTS[name](counts_of(matrix)) if name in OF_COUNTS else OF_MATRIX[name](matrix))


def score(
    name: str, labels: np.ndarray, probabilities: np.ndarray, decided: np.ndarray, classes: Sequence[str]
) -> float:
    """Compute one score of rows by its name; decided are class indices, or 0/1 by class on a multi-label task."""
    if name in OF_ROWS:
        return float(OF_ROWS[name](labels, probabilities))
    if labels.ndim == 1:
        return float(from_matrix(name, confusion(labels, decided, len(classes)), classes))
    if name in OF_COUNTS:
        return float(OF_COUNTS[name](counts_of_labels(labels, decided)))
    return float((labels == decided).all(axis=1).mean()) if name == "accuracy" else float("nan")
