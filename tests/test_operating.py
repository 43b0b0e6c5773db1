"""Operating points and reliability: tables by hand, a peer library's curves, and numbers that add up."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve
from torchmetrics.functional.classification import binary_calibration_error

from pqrst import operating

LABELS = np.array([[1, 0], [1, 0], [0, 0], [1, 0], [0, 0]])
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.2], [0.5, 0.3], [0.3, 0.4], [0.1, 0.5]], np.float32)


def at(sensitivity):
    """Give what each label's highest threshold of this sensitivity costs on the same rows."""
    return operating.points(
        LABELS, PROBABILITIES, operating.thresholds_at(LABELS, PROBABILITIES, sensitivity), ("A", "B")
    )


def made_up(rows=400, classes=3, digits=9):
    """Make up several labels a row, the last of them rare, and probabilities that know a little of them."""
    rng = np.random.default_rng(0)
    labels = (rng.random((rows, classes)) < [0.5, 0.2, 0.03]).astype(np.int8)
    return labels, (0.7 * rng.random(labels.shape) + 0.3 * labels).round(digits).astype(np.float32)


def test_operating_points_by_hand():
    """Find two of three true rows from 0.6 on without a mistake, and all three from 0.3 on with one of two false rows."""
    table = pd.concat([at(0.6), at(0.7)])
    of_a = table[table["class"] == "A"]
    assert of_a["threshold"].tolist() == pytest.approx([0.6, 0.3])
    assert of_a["sensitivity"].tolist() == pytest.approx([2 / 3, 1])
    assert of_a["specificity"].tolist() == pytest.approx([1, 1 / 2])
    assert of_a["precision"].tolist() == pytest.approx([1, 3 / 4])
    assert table["rows"].tolist() == [3, 0, 3, 0]
    assert table.columns.tolist() == ["class", "threshold", "sensitivity", "specificity", "precision", "rows"]
    assert operating.SENSITIVITIES == (0.8, 0.9, 0.95)  # that are told of every run


def test_one_true_row_has_an_operating_point():
    """Find it at any target, even at none at all."""
    labels, probability = np.array([[0], [1], [0]]), np.array([[0.9], [0.6], [0.1]], np.float32)
    for target in (0.0, 0.5, 1.0):
        thresholds = operating.thresholds_at(labels, probability, target)
        point = operating.points(labels, probability, thresholds, ("A",)).iloc[0]
        assert point[list(operating.POINT)].tolist() == pytest.approx([0.6, 1, 1 / 2, 1 / 2])
    assert operating.thresholds_at(np.ones((3, 1)), probability, 0.0) == pytest.approx([0.9])


def test_a_label_without_true_rows_has_no_operating_point():
    """Give no numbers, and no warning."""
    table = pd.concat([at(target) for target in operating.SENSITIVITIES])
    assert table[table["class"] == "B"][list(operating.POINT)].isna().all(axis=None)
    assert table["class"].tolist() == ["A", "B"] * 3


@pytest.mark.parametrize("sensitivity", [0.8, 0.9, 0.95, 1.0, 0.001])
@pytest.mark.parametrize("digits", [9, 1])
def test_no_higher_threshold_is_as_sensitive(sensitivity, digits):
    """Take the highest threshold of a peer library's curve that reaches the target, at the specificity of that curve."""
    labels, probability = made_up(digits=digits)
    found = operating.points(
        labels, probability, operating.thresholds_at(labels, probability, sensitivity), ("A", "B", "C")
    )
    for c in range(3):
        wrong, right, thresholds = roc_curve(labels[:, c], probability[:, c], drop_intermediate=False)
        first = np.flatnonzero(right >= sensitivity - 1e-12)[0]
        assert found["threshold"][c] == thresholds[first]
        assert found["sensitivity"][c] == pytest.approx(right[first])
        assert found["specificity"][c] == pytest.approx(1 - wrong[first])


def test_a_target_that_is_met_exactly_asks_for_no_row_more():
    """Need 19 of 20 true rows for 0.95, and 7 of 10 for 0.7, whatever binary fractions make of it."""
    for rows, target, needed in ((20, 0.95, 19), (10, 0.7, 7), (100, 0.29, 29)):
        probability = np.linspace(1, 0.1, rows)[:, None]
        threshold = operating.thresholds_at(np.ones((rows, 1), int), probability, target)
        assert (probability >= threshold).sum() == needed


def test_points_chosen_on_some_rows_are_measured_on_others():
    """Measure thresholds of one half of the rows on the other, where they need not reach the target."""
    labels, probability = made_up()
    chosen = operating.thresholds_at(labels[:200], probability[:200], 0.9)
    found = operating.points(labels[200:], probability[200:], chosen, ("A", "B", "C"))
    said = probability[200:] >= chosen
    truth = labels[200:] == 1
    expected = [(said & truth).sum(0) / truth.sum(0), (~said & ~truth).sum(0) / (~truth).sum(0)]
    assert found["sensitivity"].tolist() == pytest.approx(expected[0].tolist())
    assert found["specificity"].tolist() == pytest.approx(expected[1].tolist())
    assert found["threshold"].tolist() == chosen.tolist()


def test_a_threshold_that_claims_nothing_has_no_precision():
    """Give sensitivity 0, specificity 1 and no precision above every row."""
    found = operating.points(LABELS, PROBABILITIES, np.array([2.0, 2.0]), ("A", "B"))
    assert found["sensitivity"].fillna(-1).tolist() == [0, -1]
    assert found["specificity"].tolist() == [1, 1]
    assert found["precision"].isna().all()


def test_reliability_by_hand():
    """Put a probability on an edge into the bin below, and count two bins of a half each, first of all labels pooled."""
    labels, probability = np.array([[1, 0], [0, 0], [1, 1]]), np.array([[0.5, 0.2], [0.1, 0.0], [0.7, 1.0]])
    table = operating.reliability(labels, probability, ("A", "B"), bins=2)
    assert table.columns.tolist() == ["class", "bin", "confidence", "share", "rows"]
    assert table["class"].tolist() == ["all labels"] * 2 + ["A"] * 2 + ["B"] * 2
    assert table["bin"].tolist() == [0, 1] * 3
    assert table["rows"].tolist() == [4, 2, 2, 1, 2, 1]
    assert table.index.tolist() == [0, 1, 2, 3, 4, 5]
    assert table["confidence"].tolist() == pytest.approx([0.2, 0.85, 0.3, 0.7, 0.1, 1.0])
    assert table["share"].tolist() == pytest.approx([1 / 4, 1, 1 / 2, 1, 0, 1])


def test_bins_without_rows_are_left_out():
    """Give a line only where there is something to tell."""
    table = operating.reliability(np.array([[1]]), np.array([[0.99]]), ("A",))
    assert table["bin"].tolist() == [14, 14]


def test_confidences_at_and_beyond_both_ends_have_a_bin():
    """Put 0 into the first bin and what round-off leaves above 1 into the last."""
    assert operating._bin(np.array([0.0, 1 / 15, 0.07, 1.0, 1.0000001]), 15).tolist() == [0, 0, 1, 14, 14]


def test_reliability_of_one_class_a_row_by_hand():
    """Hold the confidence of what was answered against whether it was right, then each class against the rest."""
    probability = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    table = operating.reliability(np.array([0, 1, 1, 0]), probability, ("A", "B"), bins=2)
    assert table[table["class"] == operating.LIKELIEST].iloc[0, 1:].tolist() == pytest.approx([1, 0.75, 0.5, 4])
    of_a = table[table["class"] == "A"]
    assert of_a["share"].tolist() == [0.5, 0.5]
    assert of_a["rows"].tolist() == [2, 2]
    wrong = operating.calibration_error(np.array([0, 1, 1, 0]), probability)
    fine = operating.reliability(np.array([0, 1, 1, 0]), probability, ("A", "B"))
    first = fine[fine["class"] == operating.LIKELIEST]
    assert wrong == pytest.approx((abs(first["confidence"] - first["share"]) * first["rows"]).sum() / 4)


def test_reliability_agrees_with_scikit_learn():
    """Give the shares and mean confidences of a peer library's curve, label by label."""
    labels, probability = made_up()
    table = operating.reliability(labels, probability, ("A", "B", "C"))
    for c, name in enumerate("ABC"):
        share, confidence = calibration_curve(labels[:, c], probability[:, c], n_bins=15)
        part = table[table["class"] == name]
        assert part["share"].tolist() == pytest.approx(share.tolist())
        assert part["confidence"].tolist() == pytest.approx(confidence.tolist())


def test_the_calibration_error_is_that_of_the_reliability_table():
    """Weigh the distances of each label by rows, average over labels, and agree with a peer library."""
    import torch

    labels, probability = made_up()
    table = operating.reliability(labels, probability, ("A", "B", "C"))
    distance = (table["confidence"] - table["share"]).abs() * table["rows"] / len(labels)
    expected = distance[table["class"] != operating.POOLED].sum() / 3
    peer = [
        float(
            binary_calibration_error(torch.tensor(probability[:, c]), torch.tensor(labels[:, c]), n_bins=15, norm="l1")
        )
        for c in range(3)
    ]
    assert operating.calibration_error(labels, probability) == pytest.approx(expected)
    assert expected == pytest.approx(np.mean(peer), abs=1e-6)
