"""Scores over the cells of several labels: by hand here, and against a peer library beside the other scores."""

import numpy as np
import pytest
from sklearn import metrics

from pqrst import label_scores, scores


def test_the_pooled_areas_by_hand():
    """Order four cells of two labels, whose probabilities are on one scale: three pairs of four are right."""
    labels, probability = np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.5], [0.1, 0.4]])
    assert label_scores.auroc_micro(labels, probability) == 0.75
    assert label_scores.average_precision_micro(labels, probability) == pytest.approx((1 + 2 / 3) / 2)
    assert scores.auroc_macro(labels, probability) == pytest.approx((1 + 0) / 2)
    assert np.isnan(label_scores.auroc_micro(np.zeros((2, 2), int), probability))


def test_areas_of_any_numbers_by_hand():
    """Order numbers below 0 and above 1, in any type, as numbers are ordered: two pairs of three are right, or a tie."""
    truth = np.array([[1], [0], [1], [1]])
    for numbers, area in (([-0.2, -0.5, 0.3, -0.9], 2 / 3), ([3.5, 2.5, 80, 0.5], 2 / 3), ([7, 5, 5, 2], 1.5 / 3)):
        for dtype in (np.float32, np.float64):
            given = np.array(numbers, dtype)[:, None]
            assert label_scores.areas(label_scores.auroc, truth, given) == [pytest.approx(area)]
    assert label_scores.areas(label_scores.auroc, truth, np.array([[7], [5], [5], [2]])) == [pytest.approx(0.5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_near_zero_are_told_apart(dtype):
    """Put two billionths above one, and 0 beside −0."""
    truth = np.array([[1], [0]])
    for numbers, area in (([2e-9, 1e-9], 1), ([1e-9, 2e-9], 0), ([0.0, -0.0], 0.5), ([-0.0, 0.0], 0.5)):
        assert label_scores.areas(label_scores.auroc, truth, np.array(numbers, dtype)[:, None]) == [area]


def test_a_threshold_picked_on_the_test_rows_by_hand():
    """Take the one threshold of all cells that suits them best: 3 of 3 found at 1 of 3 wrong, above 1 of 3 at none."""
    labels, probability = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[0.9, 0.1], [0.5, 0.4], [0.6, 0.2]])
    named = ("recall_micro_picked_on_test", "specificity_micro_picked_on_test")
    assert [scores.score(name, labels, probability, None, "AB") for name in named] == pytest.approx([1, 2 / 3])
    assert np.isnan(scores.score(named[0], 0 * labels, probability, None, "AB"))
    worst = np.array([[1], [0]]), np.array([[0.1], [0.9]])  # no threshold is better than none
    assert [scores.score(name, *worst, None, "A") for name in named] == [0, 1]


def test_pooled_and_macro_areas_leave_out_what_is_on_one_side():
    """Count and average over the labels with rows on both sides; give no number where there is none."""
    labels, probability = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]]), np.arange(9).reshape(3, 3) / 9
    assert label_scores.on_both_sides(labels).tolist() == [0]
    assert label_scores.auroc_labels(labels, probability) == 1
    assert label_scores.average_area(label_scores.auroc, labels, probability) == 0.5
    assert np.isnan(label_scores.average_area(label_scores.auroc, labels[:, 1:], probability[:, 1:]))


def test_the_picked_threshold_is_the_best_of_all():
    """Reach the largest sum of pooled recall and specificity of all thresholds tried one by one."""
    rng = np.random.default_rng(0)
    labels = rng.random((50, 4)) < 0.3
    probability = (0.7 * rng.random(labels.shape) + 0.3 * labels).round(2)
    tried = [
        metrics.recall_score(labels.ravel(), said.ravel()) + metrics.recall_score(~labels.ravel(), ~said.ravel())
        for said in (probability >= threshold for threshold in np.unique(probability))
    ]
    found = label_scores.recall_micro_picked_on_test(labels, probability)
    found += label_scores.specificity_micro_picked_on_test(labels, probability)
    assert found == pytest.approx(max(tried))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("digits", [1, 2, 16])
@pytest.mark.parametrize(("low", "wide"), [(0, 1), (-3, 7)])
def test_areas_are_those_of_scikit_learn(dtype, digits, low, wide):
    """Agree to 1e-12 with many ties, few and none, on numbers from 0 to 1 and on others, with both zeros as one number."""
    rng = np.random.default_rng(0)
    labels = (rng.random((700, 3)) < (0.01, 0.3, 0.6)).astype(int)
    guesses = (low + wide * rng.random(labels.shape)).round(digits).astype(dtype)
    guesses[:5], guesses[5:10] = 0.0, -0.0
    for area, peer in (
        (label_scores.auroc, metrics.roc_auc_score),
        (label_scores.average_precision, metrics.average_precision_score),
    ):
        expected = peer(labels, guesses, average=None)
        np.testing.assert_allclose(label_scores.areas(area, labels, guesses), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("digits", [1, 2, 9])
def test_claims_are_those_of_the_library(digits):
    """Count as scikit-learn does, with equals and without."""
    rng = np.random.default_rng(digits)
    probability, truth = np.round(rng.random(300), digits), rng.integers(0, 2, 300)
    false, true = label_scores.claims(truth, probability)
    wrong, found, _ = metrics.roc_curve(truth, probability, drop_intermediate=False)
    assert np.array_equal(false / false[-1], wrong[1:])
    assert np.array_equal(true / true[-1], found[1:])
