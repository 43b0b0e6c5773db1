"""From probabilities to scores, per-class detail and curves."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from pqrst import label_intervals, label_scores, scores

HEADLINE = ("accuracy", "f1_weighted", "f1_macro", "auroc_macro")
CURVE_POINTS = 200
INTERVALS = (
    "auroc_macro", "average_precision_macro", "auroc_micro", "average_precision_micro", "f1_macro", "accuracy", "challenge_2021",
)  # fmt: skip
SUBGROUPS = ("about_sex", "about_age", "about_device", "about_source")
SUBGROUP_SCORES = ("auroc_macro", "auroc_labels", "f1_macro", "challenge_2021")
BOOTSTRAP_SEED = 20_210_401


@dataclass(frozen=True)
class Evaluation:
    """What one trained network scored on the test rows."""

    scores: dict[str, float]
    per_class: list[dict[str, Any]]
    confusion: list[list[int]] | None  # true class by row, predicted by column; none for a multi-label task


def evaluate(
    labels: np.ndarray, probability: np.ndarray, decided: np.ndarray, classes: Sequence[str], wanted: Sequence[str]
) -> Evaluation:
    """Compute the wanted scores, per-class detail and the confusion matrix."""
    found = {
        name: scores.score(name, labels, probability, decided, classes) for name in dict.fromkeys((*wanted, *HEADLINE))
    }
    matrix = scores.confusion(labels, decided, len(classes)) if labels.ndim == 1 else None
    return Evaluation(found, per_class(labels, decided, classes), None if matrix is None else matrix.tolist())


def per_class(labels: np.ndarray, decided: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Give recall, specificity, precision, F1 and the number of true rows of each class."""
    truth, said = (scores.one_hot(values, len(classes)) for values in (labels, decided))
    counts = scores.counts_of_labels(truth, said)
    found = {name: function(counts).tolist() for name, function in scores.BY_CLASS.items()}
    found["rows"] = (counts.hit + counts.missed).tolist()
    return [
        {"class": name, **{key: values[place] for key, values in found.items()}} for place, name in enumerate(classes)
    ]


def intervals(
    labels: np.ndarray, probability: np.ndarray, decided: np.ndarray, patients: np.ndarray, classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Give the 95 % intervals by patient of a multi-label task's main scores, and what speaks against each."""
    found = {}
    for name in INTERVALS:
        if np.isfinite(scores.score(name, labels, probability, decided, classes)):
            outputs = probability if name in label_intervals.AREAS else decided
            found[name] = asdict(label_intervals.interval(name, labels, outputs, patients, seed=BOOTSTRAP_SEED))
    return found


def subgroups(
    labels: np.ndarray, probability: np.ndarray, decided: np.ndarray, about: pd.DataFrame, classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Score the rows of each sex, age, device and source apart, where the database knows them."""
    found = []
    for column in (name for name in SUBGROUPS if name in about):
        values = about[column].astype(str)
        groups = values.map(_decade) if column == "about_age" else values
        for group in sorted(set(groups)):
            rows = (groups == group).to_numpy()
            told = {"by": column.rpartition("_")[2], "group": group or "unknown", "rows": int(rows.sum())}
            parts = (labels[rows], probability[rows], decided[rows])
            measured = {name: scores.score(name, *parts, classes) for name in SUBGROUP_SCORES}
            found.append(told | {name: None if np.isnan(value) else value for name, value in measured.items()})
    return found


def _decade(age: str) -> str:
    """Name the twenty years that an age lies in."""
    try:
        start = int(float(age.removeprefix(">"))) // 20 * 20
    except ValueError:
        return ""
    return "80 and more" if start >= 80 else f"{start:02d} to {start + 19}"


def by_group(labels: np.ndarray, decided: np.ndarray, groups: np.ndarray, n_classes: int) -> dict[str, np.ndarray]:
    """Give a confusion matrix for each group of rows, such as the rows of one patient."""
    return {
        str(group): scores.confusion(labels[groups == group], decided[groups == group], n_classes)
        for group in np.unique(groups)
    }


def roc(labels: np.ndarray, probability: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Give each class's ROC curve against the rest, thinned: class, false_positive_rate, true_positive_rate."""
    axes = ("false_positive_rate", "true_positive_rate")
    return _curves(labels, probability, classes, axes, _roc)


def _roc(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the corners of one ROC curve, from (0, 0) on."""
    false, true = label_scores.claims(truth, probability)
    corner = np.concatenate([[True], (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0), [True]])[-len(true) :]
    return tuple(np.append(0, counts[corner]) / counts[-1] for counts in (false, true))


def precision_recall(labels: np.ndarray, probability: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Give each class's precision-recall curve, thinned: class, recall, precision."""
    return _curves(labels, probability, classes, ("recall", "precision"), _precision_recall)


def _precision_recall(truth: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give recall and precision at each threshold, the lowest first; claiming nothing counts as precise."""
    false, true = label_scores.claims(truth, probability)
    return np.append((true / true[-1])[::-1], 0.0), np.append((true / (true + false))[::-1], 1.0)


def _curves(
    labels: np.ndarray, probability: np.ndarray, classes: Sequence[str], axes: tuple[str, str], curve: Any
) -> pd.DataFrame:
    truth, parts = scores.one_hot(labels, len(classes)), []
    for place, name in enumerate(classes):
        if 0 < truth[:, place].sum() < len(truth):
            first, second = curve(truth[:, place], probability[:, place])
            kept = _thinned(first, second)
            parts.append(pd.DataFrame({"class": name, axes[0]: first[kept], axes[1]: second[kept]}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["class", *axes])


def _thinned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Choose points in even steps along a curve, first and last among them: thresholds would crowd where nothing moves."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(first)) + np.abs(np.diff(second)))])
    chosen = np.searchsorted(way, np.linspace(0, way[-1], CURVE_POINTS - 1))
    return np.unique(np.append(np.minimum(chosen, len(way) - 1), len(way) - 1))


def confusion_table(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> pd.DataFrame:
    """Lay a confusion matrix out as one line a cell: actual, predicted, count."""
    cells = [(classes[i], classes[j], int(n)) for i, row in enumerate(matrix) for j, n in enumerate(row)]
    return pd.DataFrame(cells, columns=["actual", "predicted", "count"])
