"""Scores of many labels, and their intervals, against scikit-learn."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import numpy as np
import sklearn
from sklearn.metrics import f1_score, roc_auc_score

from _table import Row
from _turns import cpu_seconds
from pqrst import label_intervals, label_scores, scores

ROWS, FEW_ROWS, LABELS = 22_000, 2_200, 71
ROUNDS = 5
DRAWS, LOOPS = 1_000, 20  # bootstraps of ours, and of the loop, whose time is scaled
PEER = f"scikit-learn {sklearn.__version__}"


def measure() -> Iterator[Row]:
    """Hold areas, F1 and bootstraps against the peer's, turn by turn."""
    truth, probability = made_up(ROWS)
    decided = (probability > 0.5).astype(np.int8)
    for digits, subject in ((3, "with ties"), (7, "nearly without ties")):
        given = probability.round(digits)
        yield row(
            f"AUROC by label, {ROWS:,} × {LABELS}, float32, {subject}",
            lambda given=given: roc_auc_score(truth, given, average=None),
            lambda given=given: np.array(label_scores.areas(label_scores.auroc, truth, given)),
            (8, 12),
        )
    yield row(
        f"F1 by label, {ROWS:,} × {LABELS}",
        lambda: f1_score(truth, decided, average=None),
        lambda: scores.f1(scores.counts_of_labels(truth, decided)),
        (20, 40),
    )
    yield bootstraps()


def made_up(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Make up labels, from rare ones to those of every third row, and probabilities that know a little of them."""
    rng = np.random.default_rng(0)
    truth = (rng.random((rows, LABELS)) < np.linspace(0.02, 0.33, LABELS)).astype(np.int8)
    return truth, (0.7 * rng.random(truth.shape) + 0.3 * truth * rng.random(truth.shape)).astype(np.float32)


def row(
    subject: str, theirs: Callable[[], np.ndarray], ours: Callable[[], np.ndarray], wanted: tuple[float, float]
) -> Row:
    """Time both, after they have given the same numbers."""
    np.testing.assert_allclose(ours(), theirs(), rtol=0, atol=1e-12)
    return Row(subject, PEER, [(cpu_seconds(theirs), cpu_seconds(ours)) for _ in range(ROUNDS)], *wanted)


def bootstraps() -> Row:
    """Time the interval of a macro area, from sorting to quantiles, against a loop over the same draws of rows."""
    truth, probability = made_up(FEW_ROWS)
    patients = np.array([f"{number:04d}" for number in range(FEW_ROWS)])  # in the order of the rows
    drawn = np.random.default_rng(0).integers(FEW_ROWS, size=(LOOPS, FEW_ROWS))

    def theirs() -> list[float]:
        return [float(roc_auc_score(truth[rows], probability[rows], average="macro")) for rows in drawn]

    def ours() -> object:
        return label_intervals.interval("auroc_macro", truth, probability, patients, seed=0, method="percentile")

    with patch.object(label_intervals, "REPLICATES", DRAWS):
        people = label_intervals._people(patients)  # noqa: SLF001 (the draws themselves are nobody's but the benchmark's)
        statistics = label_intervals._statistics("auroc_macro", truth, probability, people)  # noqa: SLF001 (likewise)
        found = label_intervals._replicates(statistics, FEW_ROWS, 0)[0, :LOOPS]  # noqa: SLF001 (likewise)
        np.testing.assert_allclose(found, theirs(), rtol=0, atol=1e-12)
        pairs = [(cpu_seconds(theirs) * DRAWS / LOOPS, cpu_seconds(ours)) for _ in range(ROUNDS)]
    subject = f"{DRAWS:,} bootstraps of macro AUROC, {FEW_ROWS:,} × {LABELS}"
    return Row(subject, f"{PEER}, {LOOPS} of a loop, scaled", pairs, 100, 200)
