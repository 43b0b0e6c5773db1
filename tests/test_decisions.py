"""From logits to probabilities and decisions, and the temperature that makes them honest."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import roc_curve

from pqrst import challenge, decisions, scores
from pqrst.decisions import by_recording, calibrate, decide, fit_thresholds, probabilities
from pqrst.errors import SettingsError

LN3 = math.log(3)


def test_one_class_a_row_takes_a_softmax():
    """Give e^z / Σ e^z: a quarter and three quarters for logits 0 and ln 3."""
    out = probabilities(np.array([[0, LN3]], np.float32), "single")
    assert out.tolist() == [pytest.approx([0.25, 0.75])]
    assert out.dtype == np.float32


def test_several_labels_a_row_take_a_sigmoid():
    """Give 1 / (1 + e^-z) of each label by itself."""
    out = probabilities(np.array([[LN3, -LN3, 0]], np.float32), "multi")
    assert out.tolist() == [pytest.approx([0.75, 0.25, 0.5])]


def test_a_temperature_divides_the_logits():
    """At temperature 2, ln 9 counts as ln 3."""
    assert probabilities(np.array([[0, 2 * LN3]]), "single", 2.0).tolist() == [pytest.approx([0.25, 0.75])]


@pytest.mark.parametrize("task", ["single", "multi"])
def test_large_logits_stay_finite(task):
    """Overflow nowhere, without a warning."""
    assert probabilities(np.array([[1e4, -1e4]], np.float32), task).tolist() == [[1, 0]]


def test_decisions():
    """Take the likeliest class, or every label from its threshold on, one half where it has none."""
    probability = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]], np.float32)
    assert decide(probability, "single").tolist() == [1, 0]
    assert decide(probability, "multi").tolist() == [[0, 1, 0], [1, 0, 0]]
    assert decide(probability, "multi", (0.2, 0.6, 0.3)).tolist() == [[1, 0, 1], [1, 0, 1]]


def drawn(factor, rows=20_000, classes=3):
    """Draw labels from the softmax of some logits, and give those logits exaggerated by a factor."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (rows, classes))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return (factor * logits).astype(np.float32), labels


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_calibration_finds_the_factor_that_logits_were_exaggerated_by(factor):
    """Logits three times too large need a temperature of three, and then say the truth."""
    logits, labels = drawn(factor)
    found = calibrate(logits, labels, np.arange(len(labels)), "single", "test")
    assert found.temperature == pytest.approx(factor, rel=0.03)
    assert (found.rows, found.fitted_on) == (len(labels), "test")
    assert scores.calibration_error(labels, probabilities(logits, "single", found.temperature)) < 0.01


def test_calibration_of_several_labels_finds_its_factor():
    """Labels drawn by the sigmoid of logits that are then doubled."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4))
    labels = (rng.random(logits.shape) < probabilities(logits, "multi")).astype(np.int8)
    found = calibrate(2 * logits, labels, np.arange(20_000), "multi", "validation")
    assert found.temperature == pytest.approx(2, rel=0.03)


def test_a_recording_has_the_mean_of_its_pieces():
    """Average 0.25 and 0.5 of recording 0, which do not follow one another, and leave a single row to the bit."""
    rows = np.array([[0.25, 1.0], [0.3, 0.1], [0.5, 0.0]], np.float32)
    found = by_recording(rows, np.array([0, 1, 0]))
    assert found.tolist() == [[0.375, 0.5], rows[1].tolist()]
    assert found.dtype == np.float32


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_temperature_is_fitted_to_whole_recordings(task):
    """Find the one of a fine ladder by which the means over pieces say what is true best; another than by piece."""
    rng = np.random.default_rng(0)
    which = np.repeat(np.arange(200), 3)[rng.permutation(600)]
    true = rng.normal(0, 2, (200, 3))
    logits = 3 * true[which] + rng.normal(0, 4, (600, 3))
    labels = true.argmax(axis=1) if task == "single" else (true > rng.logistic(size=(200, 3))).astype(int)

    def cross_entropy(temperature):
        said = by_recording(probabilities(logits, task, temperature), which).astype(float)
        if task == "single":
            return -np.log(said[np.arange(200), labels]).mean()
        return -np.log(np.where(labels, said, 1 - said)).mean()

    ladder = np.linspace(1, 10, 1000)
    best = ladder[np.argmin([cross_entropy(temperature) for temperature in ladder])]
    found = calibrate(logits, labels, which, task, "validation")
    by_piece = calibrate(logits, labels[which], np.arange(600), task, "validation")
    assert found.temperature == pytest.approx(best, abs=0.05)
    assert (found.rows, by_piece.rows) == (200, 600)
    assert abs(by_piece.temperature - best) > 0.1


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_temperature_never_changes_a_decision(seed, temperature):
    """The likeliest class stays the likeliest."""
    logits = np.random.default_rng(seed).normal(0, 3, (20, 5))
    cold, warm = probabilities(logits, "single"), probabilities(logits, "single", temperature)
    assert np.array_equal(decide(cold, "single"), decide(warm, "single"))


def test_rows_told_apart_without_a_mistake_have_a_temperature_above_zero():
    """The cross-entropy falls for ever; the search ends at its bound, and at the other one where every row is mistaken."""
    logits = np.array([[0.1, -0.1], [-0.1, 0.1]])
    assert calibrate(logits, *[np.array([0, 1])] * 2, "single", "validation").temperature == pytest.approx(
        0.05, rel=1e-3
    )
    mistaken = calibrate(logits, np.array([1, 0]), np.array([0, 1]), "single", "validation")
    assert mistaken.temperature == pytest.approx(20, rel=1e-3)


def test_a_temperature_has_six_digits():
    """Round to what a contract shows, and no further."""
    found = [str(calibrate(*drawn(f, 500), np.arange(500), "single", "test").temperature) for f in (0.5, 1.0, 3.0)]
    assert max(len(text.partition(".")[2]) for text in found) == 6


def test_what_was_never_fitted_says_so():
    """Divide by one, fitted on nothing."""
    assert decisions.Calibration() == decisions.Calibration(temperature=1.0, fitted_on="nothing", rows=0)


def test_the_logarithm_of_a_mean_by_hand():
    """Average 1/4 and 1/2 of recording 0, which do not follow one another, by class as well."""
    logs = np.log([[0.25, 1.0], [0.3, 0.1], [0.5, 0.5]])
    which = np.array([0, 1, 0])
    assert np.exp(decisions._log_mean(logs, which)) == pytest.approx(np.array([[0.375, 0.75], [0.3, 0.1]]))
    assert np.exp(decisions._log_mean(logs[:, 0], which)) == pytest.approx([0.375, 0.3])


def column(*values):
    return np.array(values)[:, None]


HALF_KNOWN = column(0.9, 0.6, 0.5, 0.3, 0.1).astype(np.float32), column(1, 0, 1, 1, 0)


@pytest.mark.parametrize(("by", "expected"), [("youden", 0.2), ("f1", 0.2)])
def test_a_threshold_by_hand(by, expected):
    """Claim four rows: 3 of 3 true ones found, 1 of 2 false ones not, F1 6/7; halfway between 0.3 and 0.1."""
    assert fit_thresholds(*HALF_KNOWN, by) == pytest.approx((expected,))


def test_thresholds_above_and_below_all_rows_by_hand():
    """Claim no row by Youden, halfway between 0.9 and 1, and both by F1, halfway between 0.1 and 0, where the order is reversed."""
    probability, labels = column(0.9, 0.1).astype(np.float32), column(0, 1)
    assert fit_thresholds(probability, labels, "youden") == pytest.approx((0.95,))
    assert fit_thresholds(probability, labels, "f1") == pytest.approx((0.05,))
    (above,) = fit_thresholds(column(1.0, 0.1).astype(np.float32), labels, "youden")
    assert 1 < above < 1.001


def test_youden_and_f1_are_not_the_same():
    """Claim one row of few true ones by F1 (2/3 against 4/7), and three of them by Youden (1 - 1/8 against 1/2)."""
    probability, labels = column(*np.linspace(0.9, 0.1, 10)).astype(np.float32), np.zeros((10, 1), int)
    labels[[0, 4]] = 1
    assert fit_thresholds(probability, labels, "f1")[0] == pytest.approx((probability[0, 0] + probability[1, 0]) / 2)
    assert fit_thresholds(probability, labels, "youden")[0] == pytest.approx(
        (probability[4, 0] + probability[5, 0]) / 2
    )


@pytest.mark.parametrize("by", ["youden", "f1"])
def test_the_highest_of_equally_good_thresholds_is_taken(by):
    """Claim one row of true false true: sensitivity and specificity sum to 3/2 by one row as by three of four."""
    probability, labels = column(0.8, 0.6, 0.4, 0.2).astype(np.float32), column(1, 0, 1, 0)
    expected = {"youden": 0.7, "f1": 0.3}[by]  # F1 2/3 by one row, 4/5 by three
    assert fit_thresholds(probability, labels, by)[0] == pytest.approx(expected)


@pytest.mark.parametrize("by", ["youden", "f1"])
@pytest.mark.parametrize("labels", [column(0, 0, 0), column(1, 1, 1)])
def test_a_label_with_rows_on_one_side_keeps_one_half(by, labels):
    """Choose nothing where there is nothing to choose from."""
    assert fit_thresholds(column(0.9, 0.5, 0.1).astype(np.float32), labels, by) == (0.5,)


def test_rows_of_equal_probability_are_claimed_together():
    """Put no threshold inside a tie."""
    probability, labels = column(0.7, 0.7, 0.7, 0.2).astype(np.float32), column(1, 0, 1, 0)
    assert fit_thresholds(probability, labels, "f1")[0] == pytest.approx(0.45)


def many(rows, classes, seed=0, digits=9):
    """Make up probabilities that know a little of several labels, some of which are rare."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.02, 0.4, classes)
    labels = (rng.random((rows, classes)) < rate).astype(np.int8)
    logits = rng.normal(0, 1, labels.shape) + 1.5 * labels + np.log(rate / (1 - rate))
    return (1 / (1 + np.exp(-logits))).round(digits).astype(np.float32), labels


@pytest.mark.parametrize("digits", [9, 2])
def test_youden_agrees_with_scikit_learn(digits):
    """Reach the largest difference of the two rates of a peer library's curve, with and without ties."""
    probability, labels = many(400, 5, digits=digits)
    for c, threshold in enumerate(fit_thresholds(probability, labels, "youden")):
        said, truth = probability[:, c] >= np.float32(threshold), labels[:, c] == 1
        wrong, found, _ = roc_curve(truth, probability[:, c])
        assert said[truth].mean() - said[~truth].mean() == pytest.approx((found - wrong).max())


@pytest.mark.parametrize("digits", [9, 2])
def test_no_other_threshold_has_a_higher_f1(digits):
    """Reach the best F1 of all thresholds tried one by one."""
    probability, labels = many(200, 4, digits=digits)
    chosen = decide(probability, "multi", fit_thresholds(probability, labels, "f1"))
    best = scores.f1(scores.counts_of_labels(labels, chosen))
    for threshold in np.unique(probability):
        tried = scores.f1(scores.counts_of_labels(labels, decide(probability, "multi", (float(threshold),) * 4)))
        assert (tried <= best + 1e-12).all()


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30), st.integers(0, 2**32 - 1))
def test_every_threshold_divides_the_rows_as_it_was_judged(values, seed):
    """Claim exactly as many rows as were counted, after a threshold became a float and was read back."""
    cuts = decisions._cuts(np.random.default_rng(seed).permutation(np.array(values, np.float32)))
    probability = np.array(values, np.float32)
    for claimed, threshold in zip(cuts.claimed, cuts.thresholds, strict=True):
        assert decide(probability[:, None], "multi", (float(str(float(threshold))),)).sum() == claimed


def test_thresholds_divide_neighbours_that_float32_can_hardly_tell_apart():
    """Stay above the lower of two numbers whose middle is none."""
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    probability = column(low, high, low, np.nextafter(high, np.float32(1)))
    labels = column(0, 1, 0, 1)
    chosen = fit_thresholds(probability, labels, "youden")
    assert decide(probability, "multi", chosen).ravel().tolist() == [0, 1, 0, 1]


def as_challenge(probability, labels, thresholds):
    return scores.challenge_2021(labels, decide(probability, "multi", tuple(thresholds)))


def test_thresholds_by_the_challenge_score_better_those_of_f1():
    """Score more than thresholds of a half and of F1 do, and the same the second time."""
    probability, labels = many(600, 26)
    by_f1, chosen = (fit_thresholds(probability, labels, by) for by in ("f1", "challenge"))
    assert as_challenge(probability, labels, chosen) > as_challenge(probability, labels, by_f1) + 0.02
    assert as_challenge(probability, labels, chosen) > as_challenge(probability, labels, [0.5] * 26)
    assert chosen == fit_thresholds(probability, labels, "challenge")


@pytest.mark.parametrize("several", [True, False])
def test_no_single_threshold_betters_those_by_the_challenge_score(several):
    """Try every threshold of every label beside the others that were chosen, of records with several labels and with one."""
    probability, labels = many(60, 26, seed=3)
    labels = labels if several else np.eye(26, dtype=np.int8)[labels.argmax(axis=1)]
    chosen = fit_thresholds(probability, labels, "challenge")
    best = as_challenge(probability, labels, chosen)
    for c in np.flatnonzero(labels.any(axis=0)):  # the others keep one half
        for threshold in (*np.unique(probability[:, c]), 1.5):
            tried = (*chosen[:c], float(threshold), *chosen[c + 1 :])
            assert as_challenge(probability, labels, tried) <= best + 1e-9
    assert labels.any(axis=0).sum() >= 15


@pytest.mark.parametrize(("others", "expected"), [(2, (0.25, 0.5)), (4, (0.95, 0.05))])
def test_a_climb_by_hand(others, expected):
    """Claim AF of one record at the price of as many of PVC as are likelier, or of none.

    Claimed for its own record AF earns 1; beside PVC, for one of PVC, (1 + 0.375) / 2 - 1. Two of those are worth it, four are not;
    PVC then earns 0.375 / 2 for the record of AF too, of which nothing else is claimed.
    """
    labels, probability = np.zeros((others + 1, 26), int), np.zeros((others + 1, 26), np.float32)
    fibrillation, early = challenge.CLASSES.index("AF"), challenge.CLASSES.index("PVC")
    labels[:others, early] = labels[others, fibrillation] = 1
    probability[:, early] = [0.9] * others + [0.1]
    probability[:, fibrillation] = [0.9] * others + [0.5]
    chosen = fit_thresholds(probability, labels, "challenge")
    assert (chosen[fibrillation], chosen[early]) == pytest.approx(expected)


def test_the_climb_leaves_a_label_without_validation_rows_alone():
    """Keep one half for labels that do not occur, though claims of them earn partial credit."""
    probability, labels = many(200, 26)
    labels[:, [3, 20]] = 0
    chosen = fit_thresholds(probability, labels, "challenge")
    assert (chosen[3], chosen[20]) == (0.5, 0.5)


def test_a_climb_where_nothing_can_be_earned_ends_where_it_began():
    """Keep the thresholds of F1 where sinus rhythm is the only label and every row has it or none."""
    probability, labels = many(50, 26)
    labels[:] = 0
    labels[:25, challenge.CLASSES.index("NSR")] = 1
    by_f1, chosen = (np.array(fit_thresholds(probability, labels, by)) for by in ("f1", "challenge"))
    other = np.arange(26) != challenge.CLASSES.index("NSR")
    assert (chosen[other] == 0.5).all()
    assert chosen.tolist() == by_f1.tolist()
    assert as_challenge(probability, labels, chosen) == as_challenge(probability, labels, by_f1) == 0


def test_the_challenge_has_26_labels():
    """Refuse another task in one line."""
    with pytest.raises(
        SettingsError, match=r"of its 26 labels, and this task has 5; set train\.thresholds to youden or f1$"
    ):
        fit_thresholds(*many(20, 5), "challenge")


def test_thresholds_are_numbers_that_a_contract_can_hold():
    """Give one float a label, from 0 to just above 1, equal to what float32 makes of it."""
    found = fit_thresholds(*many(300, 7), "youden")
    assert [type(threshold) for threshold in found] == [float] * 7
    assert all(0 <= threshold <= 1.001 and np.float32(threshold) == threshold for threshold in found)
