"""Scores by name: a function here is a word that may stand under `scores` and `tables` in params.yaml.

Most need no more than the four counts of each class or the confusion matrix (true class by row). Counts and matrices may
be stacked, so that a thousand resampled ones are scored at once. `_macro` is the plain mean over the classes that occur, `_weighted` the mean weighted
by true rows, `_micro` pools the cells of all classes; `recall_of_S` and the like are of one class. A score that a task does not have is nan.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pqrst import challenge
from pqrst.label_scores import (
    auroc,
    auroc_labels,
    auroc_micro,
    average_area,
    average_precision,
    average_precision_micro,
    hamming_loss,
    recall_micro_picked_on_test,
    specificity_micro_picked_on_test,
)
from pqrst.operating import calibration_error

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


def cells(labels: np.ndarray, decided: np.ndarray) -> Counts:
    """Say of each cell of 0/1 labels and decisions (rows, classes) what it counts as."""
    truth, said = labels.astype(bool), decided.astype(bool)
    return Counts(truth & said, truth & ~said, ~truth & said, ~truth & ~said)


def counts_of_labels(labels: np.ndarray, decided: np.ndarray) -> Counts:
    """Count by class from 0/1 labels and decisions (rows, classes)."""
    truth, said = labels.astype(bool), decided.astype(bool)
    hit, true, claimed = (_total(each) for each in (truth & said, truth, said))
    return Counts(hit, true - hit, claimed - hit, len(truth) - true - claimed + hit)


def _total(cells: np.ndarray) -> np.ndarray:
    """Count the cells of each class that hold, (rows, classes) to (classes,): in bytes, as long as 255 rows fit in."""
    ones = cells.view(np.uint8)
    whole = len(ones) // 255 * 255
    parts = ones[:whole].reshape(-1, 255, ones.shape[1]).sum(axis=1, dtype=np.uint8)
    return np.asarray(parts.sum(axis=0, dtype=int) + ones[whole:].sum(axis=0, dtype=int))


def record_weights(labels: np.ndarray) -> np.ndarray:
    """Weigh each record by one over the number of its labels, and a record without labels by one, (rows,)."""
    return 1 / np.maximum(labels.astype(bool).sum(axis=1), 1)


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


def recall_micro(counts: Counts) -> np.ndarray:
    return share(counts.hit.sum(axis=-1), (counts.hit + counts.missed).sum(axis=-1))


def specificity_micro(counts: Counts) -> np.ndarray:
    return share(counts.rest.sum(axis=-1), (counts.rest + counts.wrong).sum(axis=-1))


def f1_macro(counts: Counts) -> np.ndarray:
    return _macro(f1(counts), counts)


def f1_weighted(counts: Counts) -> np.ndarray:
    return _weighted(f1(counts), counts)


def f2_macro(counts: Counts) -> np.ndarray:
    """Average F-beta, beta = 2: 5·hit / (5·hit + wrong + 4·missed).

    Of several labels a row, a record counts one over the number of its labels, as in the PTB-XL benchmark's ICBEB tables
    and the Challenge of 2020; one without labels counts whole. A class with neither labels nor claims is left out.
    """
    return _macro(share(5 * counts.hit, 5 * counts.hit + counts.wrong + 4 * counts.missed), counts)


def g2_macro(counts: Counts) -> np.ndarray:
    """Average G-beta, beta = 2: hit / (hit + wrong + 2·missed), with records weighted as for `f2_macro`."""
    return _macro(share(counts.hit, counts.hit + counts.wrong + 2 * counts.missed), counts)


def kappa_macro(counts: Counts) -> np.ndarray:
    """Average Cohen's κ of each class against the rest, over the classes that labels and claims do not both leave constant."""
    hit, missed, wrong, rest = counts
    spread = (hit + wrong) * (wrong + rest) + (hit + missed) * (missed + rest)
    return share(share(2 * (hit * rest - missed * wrong), spread).sum(axis=-1), (spread > 0).sum(axis=-1))


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


def challenge_2021(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Give the official score of PhysioNet/CinC 2021, of 0/1 labels and outputs in the order of `challenge.CLASSES`."""
    gained, possible = challenge_terms(labels, predictions).sum(axis=0)
    return float(share(gained, possible))


def challenge_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Give by record what its output, and what its own labels, earn above sinus rhythm alone, (rows, 2).

    An output earns the weights of all pairs of a label and a claim, over the number of classes in either; a record without
    labels earns nothing. The second column is never negative, and 0 where sinus rhythm is the only label.
    """
    truth, said = labels.astype(bool), predictions.astype(bool)
    normal = np.arange(truth.shape[1]) == challenge.CLASSES.index(challenge.NORMAL)
    worth = truth @ challenge.weights()  # (rows, classes) of a claim, before it is shared out
    observed, correct, inactive = (
        (worth * claims).sum(axis=1) / np.maximum((truth | claims).sum(axis=1), 1) for claims in (said, truth, normal)
    )
    return np.stack([observed - inactive, correct - inactive], axis=1)


def auroc_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average one class against the rest over the classes that have rows on both sides."""
    return average_area(auroc, one_hot(labels, probabilities.shape[1]), probabilities)


def average_precision_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average the area under the precision-recall curve over the classes that have rows on both sides."""
    return average_area(average_precision, one_hot(labels, probabilities.shape[1]), probabilities)


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Give labels as 0/1 by class, (rows, classes); multi-label ones are so already."""
    return labels if labels.ndim == 2 else np.eye(n_classes, dtype=np.int8)[labels]


def _by_name(*functions: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    return {function.__name__: function for function in functions}


BY_CLASS = _by_name(recall, precision, specificity, f1)
OF_COUNTS = _by_name(
    recall_macro, recall_weighted, precision_macro, precision_weighted, specificity_macro, specificity_weighted, f1_macro, f1_weighted,
    recall_micro, specificity_micro, f2_macro, g2_macro, kappa_macro,
)  # fmt: skip
WEIGHTED = ("f2_macro", "g2_macro")  # of counts to which a record adds one over the number of its labels
OF_MATRIX = _by_name(accuracy, kappa)
OF_CLASSES = _by_name(j_kappa)  # of a matrix and the names of its classes
OF_LABELS = _by_name(hamming_loss, challenge_2021)  # of several labels a row
OF_ROWS = _by_name(auroc_macro, average_precision_macro, calibration_error)
OF_CELLS = _by_name(  # of labels spread out by class
    auroc_labels, auroc_micro, average_precision_micro, recall_micro_picked_on_test, specificity_micro_picked_on_test
)


def names() -> list[str]:
    """List the scores that a settings file may name, but for those of one class, such as `recall_of_S`."""
    return sorted(OF_COUNTS | OF_MATRIX | OF_CLASSES | OF_LABELS | OF_ROWS | OF_CELLS)


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
    if name in OF_CELLS:
        return float(OF_CELLS[name](one_hot(labels, probabilities.shape[1]), probabilities))
    if labels.ndim == 2:
        return _of_labels(name, labels, decided, classes)
    matrix = confusion(labels, decided, len(classes))
    return float("nan") if name in OF_LABELS else float(from_matrix(name, matrix, classes))


def _of_labels(name: str, labels: np.ndarray, decided: np.ndarray, classes: Sequence[str]) -> float:
    """Compute one score of decisions on several labels a row."""
    if name in OF_COUNTS:
        if name not in WEIGHTED:
            return float(OF_COUNTS[name](counts_of_labels(labels, decided)))
        weights = record_weights(labels)
        return float(OF_COUNTS[name](Counts(*(weights @ cell for cell in cells(labels, decided)))))
    if name == "accuracy":
        return float((labels == decided).all(axis=1).mean())
    if name not in OF_LABELS or (name == "challenge_2021" and tuple(classes) != challenge.CLASSES):
        return float("nan")
    return float(OF_LABELS[name](labels, decided))
