"""What probabilities are worth in use: how honest they are, and what a fixed sensitivity costs.

An operating point is a threshold on validation rows that is then measured on test rows, by label.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

CONFIDENCE_BINS = 15
SENSITIVITIES = (0.80, 0.90, 0.95)
POOLED = "all labels"  # the class of the lines that are over the cells of all of them
LIKELIEST = "likeliest class"  # that of the lines that are over what was answered, one class a row
POINT = ("threshold", "sensitivity", "specificity", "precision")
ROUND_OFF = 1e-9  # 0.95 of 20 rows are 19


def thresholds_at(labels: np.ndarray, probabilities: np.ndarray, sensitivity: float) -> np.ndarray:
    """Give by label the highest threshold that finds at least this share of its true rows; nan of a label without any.

    It is the probability of a row, so nothing lies between two rows, and rows are claimed from it on (≥).
    """
    return np.array([_threshold_at(p[y == 1], sensitivity) for p, y in zip(probabilities.T, labels.T, strict=True)])


def _threshold_at(of_true: np.ndarray, sensitivity: float) -> float:
    needed = max(1, int(np.ceil(sensitivity * len(of_true) - ROUND_OFF)))
    return float(np.sort(of_true)[-needed]) if len(of_true) else float("nan")


def points(
    labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """Measure thresholds on rows: class, threshold, sensitivity, specificity, precision, true rows; nan where it is 0 of 0."""
    said, truth = probabilities >= np.asarray(thresholds, probabilities.dtype), labels == 1  # nan claims nothing
    hit, wrong = (said & truth).sum(axis=0), (said & ~truth).sum(axis=0)
    true = truth.sum(axis=0)
    found = [thresholds, _share(hit, true), 1 - _share(wrong, len(truth) - true), _share(hit, hit + wrong)]
    known = np.where(np.isnan(thresholds), np.nan, 1)
    table = pd.DataFrame({name: values * known for name, values in zip(POINT, found, strict=True)})
    table.insert(0, "class", list(classes))
    return table.assign(rows=true)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Average, over fifteen bins of confidence, how far confidence lies from the share of right answers.

    Of one label a row: the likeliest class. Of several: each label by itself, then the mean over labels.
    """
    if labels.ndim == 1:
        return _distance(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)
    return float(np.mean([_distance(p, y == 1) for p, y in zip(probabilities.T, labels.T, strict=True)]))


def _distance(confidence: np.ndarray, right: np.ndarray) -> float:
    difference = np.bincount(_bin(confidence, CONFIDENCE_BINS), confidence - right, CONFIDENCE_BINS)  # summed over rows
    return float(np.abs(difference).sum() / len(right))


def reliability(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], bins: int = CONFIDENCE_BINS
) -> pd.DataFrame:
    """Hold confidence against the share of true rows: class, bin, confidence, share, rows, of the bins that have rows.

    Bins are of equal width, each with its upper edge. First come the lines of what was answered, or of all labels pooled.
    """
    if labels.ndim == 1:
        right, labels = probabilities.argmax(axis=1) == labels, labels[:, None] == np.arange(len(classes))
        parts = [_reliability(LIKELIEST, right, probabilities.max(axis=1), bins)]
    else:
        parts = [_reliability(POOLED, labels.ravel(), probabilities.ravel(), bins)]
    parts += [_reliability(name, labels[:, c], probabilities[:, c], bins) for c, name in enumerate(classes)]
    return pd.concat(parts, ignore_index=True)


def _reliability(name: str, labels: np.ndarray, confidence: np.ndarray, bins: int) -> pd.DataFrame:
    place = _bin(confidence, bins)
    rows = np.bincount(place, minlength=bins)
    filled = np.flatnonzero(rows)
    sums = {
        "confidence": np.bincount(place, confidence, bins),
        "share": np.bincount(place, labels == 1, bins),
    }
    means = {key: values[filled] / rows[filled] for key, values in sums.items()}
    return pd.DataFrame({"class": name, "bin": filled, **means, "rows": rows[filled]})


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
