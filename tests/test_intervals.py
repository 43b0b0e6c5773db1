"""Intervals and tests by resampling patients: known widths, known differences, and the same numbers each time."""

import numpy as np
import pytest

from pqrst import intervals, scores

PATIENTS = 30


def accuracy(matrices):
    return scores.accuracy(matrices)


def people(right, beats=100, seeds=1):
    """Give matrices of two classes in which each patient has so many beats right, (seeds, patients, 2, 2)."""
    right = np.asarray(right)
    one = np.stack([np.stack([right, beats - right], -1), np.zeros((len(right), 2), int)], -2)
    return np.repeat(one[None], seeds, axis=0)


def spread(seed=0):
    """Make up how many of 100 beats are right in each patient, 80 on average."""
    return np.random.default_rng(seed).integers(60, 101, size=PATIENTS)


def test_equal_patients_leave_no_doubt():
    """Give an interval of no width where every patient is alike, and no difference between equal runs."""
    counts = people(np.full(PATIENTS, 80))
    assert intervals.by_patient(counts, accuracy, 1) == (0.8, 0.8)
    assert intervals.p_value(counts, counts, accuracy, 1) == 1


def test_the_interval_by_patient_is_that_of_a_mean():
    """Come near the mean ± 1.96 standard errors of the patients' shares."""
    right = spread()
    low, high = intervals.by_patient(people(right), accuracy, 1)
    error = right.std() / 100 / PATIENTS**0.5
    assert (low, high) == pytest.approx(
        (right.mean() / 100 - 1.96 * error, right.mean() / 100 + 1.96 * error), abs=0.004
    )


def test_the_interval_by_beat_is_binomial():
    """Come near ± 1.96 √(pq/n) whatever the patients, and be narrower than the one by patient."""
    right = spread()
    p, n = right.mean() / 100, 100 * PATIENTS
    low, high = intervals.by_beat(people(right), accuracy, 1)
    assert high - low == pytest.approx(2 * 1.96 * (p * (1 - p) / n) ** 0.5, rel=0.08)
    assert high - low < np.subtract(*intervals.by_patient(people(right), accuracy, 1)[::-1])


def test_seeds_widen_the_interval():
    """Redraw seeds beside patients: seeds that differ leave doubt even where patients are alike."""
    counts = np.concatenate([people(np.full(PATIENTS, n)) for n in (70, 80, 90)])
    low, high = intervals.by_patient(counts, accuracy, 1)
    assert low == pytest.approx(0.7, abs=0.02)
    assert high == pytest.approx(0.9, abs=0.02)


def test_a_small_difference_that_every_patient_shows_holds():
    """Find two beats in a hundred by pairing patients, where the intervals of both runs overlap widely."""
    right = spread()
    better, worse = people(right), people(right - 2)
    assert intervals.by_patient(better, accuracy, 1)[0] < intervals.by_patient(worse, accuracy, 1)[1]
    assert intervals.p_value(better, worse, accuracy, 1) < 0.01


def test_no_difference_is_rarely_found():
    """Stay at the level over runs that differ by chance alone."""
    found = []
    for n in range(40):
        rng = np.random.default_rng(n)
        first, second = (people(rng.integers(60, 101, size=PATIENTS)) for _ in range(2))
        found.append(intervals.p_value(first, second, accuracy, n))
    assert np.mean(np.array(found) < 0.05) <= 0.15
    assert 0.3 < np.mean(found) < 0.7


def test_a_difference_counts_the_same_both_ways():
    """Give about the same p-value when the runs change places."""
    first, second = people(spread(1)), people(spread(2))
    assert intervals.p_value(first, second, accuracy, 1) == pytest.approx(
        intervals.p_value(second, first, accuracy, 1), abs=0.02
    )


def test_resampling_repeats_from_its_seed():
    """Give the same numbers twice."""
    counts = people(spread(), seeds=2)
    for function in (intervals.by_patient, intervals.by_beat):
        assert function(counts, accuracy, 7) == function(counts, accuracy, 7)
    assert intervals.p_value(counts, people(spread(3)), accuracy, 7) == intervals.p_value(
        counts, people(spread(3)), accuracy, 7
    )


@pytest.mark.parametrize(
    ("given", "corrected"),
    [([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]), ([0.5], [0.5]), ([0.9, 0.8], [1.0, 1.0]), ([], [])],
)
def test_holm_by_hand(given, corrected):
    """Multiply the smallest by their number, the next by one less, never falling and never above one."""
    assert intervals.holm(given) == pytest.approx(corrected)
