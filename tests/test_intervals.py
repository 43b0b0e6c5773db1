"""Intervals and tests by resampling patients: known widths, known differences, and the same numbers each time."""

from functools import partial

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


def test_the_interval_by_beat_covers_a_known_share():
    """Hold the true share of 0.9 in about 95 of 100 samples of 300 beats."""
    rng, held = np.random.default_rng(0), 0
    for n in range(300):
        low, high = intervals.by_beat(people([rng.binomial(300, 0.9)], 300), accuracy, n)
        held += low <= 0.9 <= high
    assert 0.91 <= held / 300 <= 0.98  # 0.95 with a standard error of 0.013


def test_the_interval_by_patient_covers_a_known_mean_where_that_by_beat_does_not():
    """Hold the mean of 0.8 over patients whose own shares differ in more than 9 of 10 samples; beats alone hold few."""
    rng, held, held_by_beat = np.random.default_rng(0), 0, 0
    for n in range(300):
        counts = people(rng.binomial(100, rng.beta(8, 2, PATIENTS)))
        low, high = intervals.by_patient(counts, accuracy, n)
        held += low <= 0.8 <= high
        low, high = intervals.by_beat(counts, accuracy, n)
        held_by_beat += low <= 0.8 <= high
    assert 0.90 <= held / 300 <= 0.98
    assert held_by_beat / 300 < 0.75


def test_beats_that_stand_in_whole_patients_widen_the_interval():
    """Give tenfold width where a patient's 100 beats are all right or all wrong, and equal width for one beat a patient."""
    whole, single = people([100] * 24 + [0] * 6), people([1] * 24 + [0] * 6, beats=1)
    width = {
        (kind.__name__, len(counts[0]), int(counts.max())): np.subtract(*kind(counts, accuracy, 1)[::-1])
        for kind in (intervals.by_patient, intervals.by_beat)
        for counts in (whole, single)
    }
    assert width["by_patient", 30, 100] == pytest.approx(10 * width["by_beat", 30, 100], rel=0.15)
    assert width["by_patient", 30, 1] == pytest.approx(width["by_beat", 30, 1], rel=0.15)


@pytest.mark.parametrize("kind", [intervals.by_patient, intervals.by_beat])
def test_equal_seeds_add_no_width(kind):
    """Give the interval of one seed when four seeds decided alike, since they are no four times as many beats."""
    right = spread()
    assert kind(people(right, seeds=4), accuracy, 1) == pytest.approx(kind(people(right), accuracy, 1), abs=1e-12)


def test_the_interval_by_beat_lies_around_the_mean_over_seeds():
    """Take seeds at 0.7 and 0.9 as one prediction of 0.8, as wide as that of a single seed at 0.8."""
    both = np.concatenate([people(np.full(PATIENTS, n)) for n in (70, 90)])
    assert intervals.by_beat(both, accuracy, 1) == intervals.by_beat(people(np.full(PATIENTS, 80)), accuracy, 1)


def test_one_patient_says_nothing_of_others():
    """Give no width where there is one patient to draw from."""
    assert intervals.by_patient(people([80]), accuracy, 1) == (0.8, 0.8)


def test_a_class_of_few_patients_leaves_an_interval():
    """Stay finite and between 0 and 1 where many draws lack a class."""
    counts = np.zeros((1, 5, 3, 3), int)
    counts[0, :, 0, 0], counts[0, 0, 2] = 50, (5, 0, 5)
    low, high = intervals.by_patient(counts, partial(scores.from_matrix, "f1_macro", classes="NSV"), 1)
    assert 0 < low < high <= 1


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
    """Give the same p-value when the runs change places, and about the same where each has seeds of its own."""
    first, second = people(spread(1)), people(spread(2))
    assert intervals.p_value(first, second, accuracy, 1) == intervals.p_value(second, first, accuracy, 1)
    first, second = (np.concatenate([people(spread(1) + shift) for shift in shifts]) for shifts in ((-1, 0), (-4, 0)))
    found = intervals.p_value(first, second, accuracy, 1)
    assert 0.05 < found < 0.95
    assert found == pytest.approx(intervals.p_value(second, first, accuracy, 1), abs=0.05)


def test_the_smallest_p_value_is_two_of_all_draws():
    """Give 2 / 2001 where no draw of 2000 speaks against the difference, and so never zero."""
    assert intervals.p_value(people([99] * 9), people([9] * 9), accuracy, 1) == pytest.approx(2 / 2001)


def test_a_difference_within_the_noise_of_seeds_does_not_hold():
    """Find a mean two beats higher when seeds agree, and not when they differ by twenty."""
    right = np.full(PATIENTS, 70)
    steady = [np.concatenate([people(right + n)] * 2) for n in (0, 2)]
    noisy = [np.concatenate([people(right + n - 10), people(right + n + 10)]) for n in (0, 2)]
    assert intervals.p_value(*steady, accuracy, 1) < 0.01
    assert intervals.p_value(*noisy, accuracy, 1) > 0.2


def test_runs_may_differ_in_their_number_of_seeds():
    """Hold three seeds against one."""
    better, worse = people(spread(), seeds=3), people(spread() - 10)
    assert intervals.p_value(better, worse, accuracy, 1) < 0.01


def test_a_score_that_is_no_number_shows_no_difference():
    """Give a p-value of 1 where a score needs a class that is not there."""
    score = partial(scores.from_matrix, "j_kappa", classes=("N", "A"))
    assert intervals.p_value(people(spread(1)), people(spread(2)), score, 1) == 1


def test_resampling_repeats_from_its_seed():
    """Give the same numbers twice."""
    counts = people(spread(), seeds=2)
    for function in (intervals.by_patient, intervals.by_beat):
        assert function(counts, accuracy, 7) == function(counts, accuracy, 7)
        assert function(counts, accuracy, 7) != function(counts, accuracy, 8)
        assert function(counts, accuracy, 7) == pytest.approx(function(counts, accuracy, 8), abs=0.01)
    first, again = (intervals.p_value(counts, people(spread(3)), accuracy, 7) for _ in range(2))
    assert first == again


def loop(counts, patients, seeds):
    """Score one drawing of patients and seeds after the other: the share of right beats, averaged over the drawn seeds."""
    n_seeds, n_patients = counts.shape[:2]
    patients, seeds = np.random.default_rng(patients), np.random.default_rng(seeds)
    weights = patients.multinomial(n_patients, np.full(n_patients, 1 / n_patients), 2000)
    drawn = seeds.integers(n_seeds, size=(2000, n_seeds))
    found = []
    for times, some in zip(weights, drawn, strict=True):
        matrices = [sum(n * matrix for n, matrix in zip(times, counts[seed], strict=True)) for seed in range(n_seeds)]
        found.append(np.mean([np.trace(matrices[seed]) / matrices[seed].sum() for seed in some]))
    return np.array(found)


def test_resampling_by_patient_is_that_of_a_loop():
    """Draw patients by the seed and networks by the next; of two runs the same patients, and networks by the next two."""
    one, other = (np.concatenate([people(spread(s)[:5]), people(spread(s + 1)[:5])]) for s in (0, 5))
    values = loop(one, 7, 8)
    assert intervals.by_patient(one, accuracy, 7) == pytest.approx(np.percentile(values, [2.5, 97.5]).tolist())
    difference = values - loop(other, 7, 9)
    fewer = min((difference <= 0).sum(), (difference >= 0).sum())
    assert intervals.p_value(one, other, accuracy, 7) == pytest.approx(min(1, 2 * (fewer + 1) / 2001))


@pytest.mark.parametrize(
    ("given", "corrected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.5], [0.5]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm_by_hand(given, corrected):
    """Multiply the smallest by their number, the next by one less, never falling and never above one."""
    assert intervals.holm(given) == pytest.approx(corrected)


def test_a_difference_has_the_interval_of_its_draws():
    """Find 10 of 100 beats in every draw where all patients differ so, and nothing where a class is never there."""
    first, second = people(np.full(PATIENTS, 90)), people(np.full(PATIENTS, 80))
    found = intervals.paired(first, second, accuracy, 1)
    assert (found.point, found.low, found.high, found.p) == pytest.approx((0.1, 0.1, 0.1, 2 / 2001))
    nothing = intervals.paired(first, second, lambda matrices: np.full(matrices.shape[:-2], np.nan), 1)
    assert np.isnan([nothing.point, nothing.low, nothing.high]).all()
    assert nothing.p == 1


def test_the_interval_of_a_difference_leaves_nought_out_where_the_test_finds_one():
    """Agree with the p-value at the level of 5 %, on differences that are and are not there."""
    for shift in (0, 1, 3, 6):
        right = spread(1)
        found = intervals.paired(
            people(right), people(np.clip(right - shift + spread(2) // 20 - 4, 0, 100)), accuracy, 1
        )
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)
