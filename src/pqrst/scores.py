"""Scores by name: each function is a word that may stand under `scores` in params.yaml.

A function whose second argument is `predictions` is given class indices, one whose second argument is `probabilities` the
whole (rows, classes) array. `_macro` is the plain mean over classes, `_weighted` the mean weighted by true rows.
"""

import inspect
from collections.abc import Callable

import numpy as np
from sklearn import metrics


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.accuracy_score(labels, predictions))


def recall_macro(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.recall_score(labels, predictions, average="macro", zero_division=0))


def recall_weighted(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.recall_score(labels, predictions, average="weighted", zero_division=0))


def precision_macro(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.precision_score(labels, predictions, average="macro", zero_division=0))


def precision_weighted(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.precision_score(labels, predictions, average="weighted", zero_division=0))


def f1_macro(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.f1_score(labels, predictions, average="macro", zero_division=0))


def f1_weighted(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(metrics.f1_score(labels, predictions, average="weighted", zero_division=0))


def specificity_macro(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(specificity(labels, predictions).mean())


def specificity_weighted(labels: np.ndarray, predictions: np.ndarray) -> float:
    support = metrics.multilabel_confusion_matrix(labels, predictions)[:, 1].sum(axis=1)
    return float(np.average(specificity(labels, predictions), weights=support))


def specificity(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Give TN / (TN + FP) of each class that occurs, (classes,)."""
    table = metrics.multilabel_confusion_matrix(labels, predictions)  # (classes, 2, 2): TN FP / FN TP
    negatives = table[:, 0].sum(axis=1)
    return np.divide(table[:, 0, 0], negatives, out=np.zeros(len(table)), where=negatives > 0)


def auroc_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average one class against the rest over the classes that have rows on both sides."""
    return _over_classes(metrics.roc_auc_score, labels, probabilities)


def average_precision_macro(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average the area under the precision-recall curve over the classes that have rows on both sides."""
    return _over_classes(metrics.average_precision_score, labels, probabilities)


def _over_classes(area: Callable[..., float], labels: np.ndarray, probabilities: np.ndarray) -> float:
    truth = one_hot(labels, probabilities.shape[1])
    defined = [c for c in range(truth.shape[1]) if 0 < truth[:, c].sum() < len(truth)]
    return float(np.mean([area(truth[:, c], probabilities[:, c]) for c in defined])) if defined else float("nan")


def one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Give labels as 0/1 by class, (rows, classes); multi-label ones are so already."""
    return labels if labels.ndim == 2 else np.eye(n_classes, dtype=np.int8)[labels]


def names() -> list[str]:
    """List the scores that a settings file may name."""
    return sorted(
        name for name, value in globals().items()
        if inspect.isfunction(value) and not name.startswith("_") and value.__annotations__.get("return") is float and name != "score"
    )  # fmt: skip


def score(name: str, labels: np.ndarray, probabilities: np.ndarray, predictions: np.ndarray) -> float:
    """Compute one score by its name."""
    function: Callable[..., float] = globals()[name]
    second = list(inspect.signature(function).parameters)[1]
    return function(labels, probabilities if second == "probabilities" else predictions)
