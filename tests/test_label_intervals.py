"""Intervals of multi-label scores by patient: areas of a peer library, known coverage, and what is said of a weak interval."""

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from pqrst import challenge, label_intervals, scores
from pqrst.errors import SettingsError
from pqrst.label_intervals import interval, paired

PEERS = {
    "auroc_macro": (metrics.roc_auc_score, "macro"),
    "auroc_micro": (metrics.roc_auc_score, "micro"),
    "average_precision_macro": (metrics.average_precision_score, "macro"),
    "average_precision_micro": (metrics.average_precision_score, "micro"),
}
DECISIONS = [kind for kind in label_intervals.KINDS if kind not in PEERS]


def made_up(rows=200, classes=4, seed=0, digits=9, rates=(0.1, 0.2, 0.3, 0.4)):
    """Make up labels and probabilities that know a little of them; two rows a patient."""
    rng = np.random.default_rng(seed)
    labels = rng.random((rows, classes)) < np.resize(rates, classes)
    probability = (0.6 * rng.random(labels.shape) + 0.3 * labels).round(digits)
    return labels, probability, np.repeat(np.arange(-(-rows // 2)), 2)[:rows].astype(str)


def statistic(kind, labels, outputs, patients):
    """Give the score as a function of one weight a patient, sorted by name."""
    (found,) = label_intervals._statistics(kind, labels, outputs, label_intervals._people(patients))
    return lambda weights: found(np.asarray(weights, float)[:, None])[0]


@pytest.mark.parametrize("kind", PEERS)
@pytest.mark.parametrize("digits", [1, 2, 9], ids=["coarse ties", "ties", "no ties"])
def test_weighted_areas_agree_with_scikit_learn(kind, digits):
    """Give the area of weighted rows, whole and broken weights, that a peer library gives, to twelve digits."""
    area, average = PEERS[kind]
    for seed in range(25):
        rng = np.random.default_rng(seed)
        labels, probability, patients = made_up(40 + seed, seed=seed, digits=digits)
        people, row = np.unique(patients, return_inverse=True)
        for weights in (rng.integers(0, 4, len(people)), rng.random(len(people))):
            left = weights[row] > 0  # macro: over the labels that this leaves on both sides
            both = labels[left].any(axis=0) & ~labels[left].all(axis=0) | (average == "micro")
            given = labels[:, both], probability[:, both]
            expected = area(*given, average=average, sample_weight=weights[row])
            found = statistic(kind, labels, probability, patients)(weights)
            assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", DECISIONS)
def test_weighted_decisions_score_as_rows_that_are_repeated(kind):
    """Score a patient of weight three as three copies of the patient's rows, of any score of decisions."""
    rng = np.random.default_rng(3)
    labels, patients = rng.random((60, 26)) < 0.1, np.repeat(np.arange(20), 3).astype(str)
    decided = labels ^ (rng.random(labels.shape) < 0.05)
    weights = rng.integers(0, 4, 20)
    rows = np.repeat(np.arange(60), weights[np.unique(patients, return_inverse=True)[1]])
    expected = scores.score(kind, labels[rows], None, decided[rows], challenge.CLASSES)
    assert statistic(kind, labels, decided, patients)(weights) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", label_intervals.KINDS)
def test_the_point_is_the_score(kind):
    """Give the score of all rows as they are, a mean over two training seeds, inside its interval."""
    rng = np.random.default_rng(5)
    labels, probability = rng.random((200, 26)) < 0.25, rng.random((2, 200, 26))
    outputs = probability + 0.3 * labels if kind in PEERS else labels ^ (probability > 0.95)
    found = interval(kind, labels, outputs, np.repeat(np.arange(100), 2).astype(str), seed=1)
    each = [scores.score(kind, labels, one, one, challenge.CLASSES) for one in outputs]
    assert found.point == pytest.approx(np.mean(each), abs=1e-12)
    assert found.low < found.point < found.high
    assert (found.held, found.reason, found.rare, found.method) == (True, "", 0, "bca")


def test_a_label_counts_in_the_draws_that_have_it_on_both_sides():
    """Average over both labels where both are defined, over one where the other's only patient is missing, and over none."""
    labels = np.array([[1, 0], [0, 0], [0, 1]])
    probability = np.array([[0.9, 0.9], [0.5, 0.2], [0.1, 0.4]])
    weighted = statistic("auroc_macro", labels, probability, np.array(["a", "b", "c"]))
    assert weighted([1, 1, 1]) == pytest.approx((1 + 1 / 2) / 2)
    assert weighted([1, 2, 0]) == 1  # label 1 has no true row
    assert weighted([0, 1, 2]) == 1  # label 0 has no true row, and 0.4 is above 0.2
    assert np.isnan(weighted([0, 3, 0]))


def test_rows_without_a_patient_are_each_a_patient():
    """Take empty names apart from each other and from patients named by numbers."""
    people = label_intervals._people(np.array(["", "0", "", "1", "0", "2"]))
    assert people.sum(axis=1).tolist() == [1, 1, 2, 1, 1]
    assert people.shape == (5, 6)
    labels, probability, patients = made_up()
    alone = np.arange(len(labels)).astype(str)
    given = [
        interval("auroc_macro", labels, probability, p, seed=1) for p in (np.full(200, ""), np.char.zfill(alone, 3))
    ]
    assert given[0] == given[1]
    assert given[0] != interval("auroc_macro", labels, probability, patients, seed=1)


def wide(patients, rows, rates, rng):
    """Make up patients whose rows share labels and much of the score: areas of 0.714 to 0.871 that are known exactly."""
    size, apart = (patients, len(rates)), np.linspace(0.8, 1.6, len(rates))
    labels = np.repeat(rng.random(size) < rates, rows, axis=0)
    own = np.repeat(rng.normal(size=size), rows, axis=0) * 0.7**0.5
    scored = own + rng.normal(size=labels.shape) * 0.3**0.5 + apart * labels
    return labels, scored, np.repeat(np.arange(patients), rows).astype(str), stats.norm.cdf(apart / 2**0.5).mean()


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_interval_covers_a_known_area(method, monkeypatch):
    """Hold the true mean area in about 95 of 100 samples of 150 patients, where single rows as patients hold fewer."""
    monkeypatch.setattr(label_intervals, "REPLICATES", 600)
    rng, held, held_by_row = np.random.default_rng(0), 0, 0
    for n in range(100):
        labels, scored, patients, truth = wide(150, 3, np.array([0.15, 0.2, 0.3]), rng)
        for people, by_row in ((patients, False), (np.full(len(patients), ""), True)):
            found = interval("auroc_macro", labels, scored, people, seed=n, method=method)
            holds = found.low <= truth <= found.high
            held, held_by_row = held + (holds and not by_row), held_by_row + (holds and by_row)
    assert 0.88 <= held / 100 <= 0.99  # 0.95 with a standard error of 0.022
    assert held_by_row / 100 < held / 100 - 0.08


def test_bca_is_that_of_scipy():
    """Move the ends as a peer library does, given the same draws of patients and a skewed share."""
    rng = np.random.default_rng(2)
    labels = np.zeros((60, 1), bool)
    decided = rng.random((60, 1)) < 0.08
    wrong = decided.ravel().astype(float)  # accuracy is the mean of 1 - wrong over patients
    peer = stats.bootstrap(
        (1 - wrong,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(0), vectorized=True
    ).confidence_interval
    found = interval("accuracy", labels, decided, np.full(60, ""), seed=1)
    plain = interval("accuracy", labels, decided, np.full(60, ""), seed=1, method="percentile")
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=1 / 60 + 1e-9)  # one row more or less
    assert found.low < plain.low


def test_the_corrected_tails_by_hand():
    """Move by the bias alone where nothing is skew: 40 % of draws below the point put the tails at Φ(2·Φ⁻¹(0.4) ± 1.96)."""
    known = np.concatenate([np.full(4000, 0.0), np.full(6000, 1.0)])
    tails = label_intervals._corrected(np.array([0.025, 0.975]), 0.5, known, np.array([0.4, 0.5, 0.6]))
    bias = stats.norm.ppf(0.4)
    assert tails == pytest.approx(stats.norm.cdf([2 * bias - 1.959964, 2 * bias + 1.959964]), abs=1e-6)
    # influences -2, 1, 1 of the mean: acceleration Σ(away³) / 6(Σ away²)^1.5 = (8 - 2) / (6 · 6^1.5)
    skew = label_intervals._corrected(np.array([0.5]), 0.5, known, np.array([-2.0, 1.0, 1.0]))
    assert skew == pytest.approx(stats.norm.cdf(bias + bias / (1 - bias / 6**1.5)))


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("kind", ["auroc_macro", "f1_macro", "challenge_2021"])
def test_one_patient_says_nothing_of_others(kind, method):
    """Give an interval of no width, and say so."""
    rng = np.random.default_rng(0)
    labels, probability = rng.random((20, 26)) < 0.3, rng.random((20, 26))
    found = interval(
        kind, labels, probability if kind in PEERS else probability > 0.5, np.full(20, "7"), seed=1, method=method
    )
    assert found.low == found.high == pytest.approx(found.point)
    assert found.held
    assert found.reason == "all draws are alike: they say nothing of other patients"


def test_no_label_on_both_sides_has_no_interval():
    """Give no numbers, and say why."""
    found = interval("auroc_macro", np.zeros((9, 3), int), np.ones((9, 3)), np.full(9, ""), seed=1)
    assert np.isnan([found.low, found.high, found.point]).all()
    assert (found.held, found.reason) == (False, "no label has rows on both sides")


def test_draws_without_any_label_are_dropped_and_counted():
    """Leave out the draws, e^-1 of them, that miss the only patient with a label."""
    labels, probability = np.zeros((40, 1), int), np.linspace(0, 1, 40)[:, None]
    labels[30] = 1
    found = interval("auroc_macro", labels, probability, np.full(40, ""), seed=1)
    dropped = int(found.reason.split()[0])
    assert dropped == pytest.approx(2000 / np.e, abs=100)
    assert found.reason.startswith(f"{dropped} of 2,000 draws have no label with rows on both sides")
    assert found.rare == 1


def few_and_bad():
    """Make up a common label that is told perfectly, and a rare one of one patient that is told falsely."""
    labels, probability = np.zeros((100, 2), int), np.zeros((100, 2))
    labels[::2, 0] = labels[7, 1] = 1
    probability[:, 0] = labels[:, 0]
    probability[:, 1] = np.linspace(0, 1, 100)
    return labels, probability, np.full(100, "")


def test_a_biased_interval_says_so():
    """Name the bias and its reason where a rare label leaves the mean of many draws; the mean is then of the good label."""
    found = interval("auroc_macro", *few_and_bad(), seed=1, method="percentile")
    assert found.rare == 1
    assert "the draws are biased, their mean lies +0.1" in found.reason
    assert "1 rare labels are missing from some draws" in found.reason
    assert found.high == 1


def of_single_patients(rows, classes):
    """Make up labels of one patient each, and probabilities that know nothing of them."""
    labels = np.zeros((rows, classes), int)
    labels[np.arange(classes) % rows, np.arange(classes)] = 1
    return labels, np.random.default_rng(0).random(labels.shape), np.full(rows, "")


def test_an_interval_that_misses_its_point_is_flagged():
    """Flag average precision over labels of one patient each, whose draws are all better than the point, by both methods."""
    plain, other = (
        interval("average_precision_macro", *of_single_patients(60, 600), seed=1, method=method)
        for method in ("percentile", "bca")
    )
    assert plain.point < plain.low
    assert other.high < other.point  # reflected
    assert (plain.method, other.method) == ("percentile", "basic")
    for found in (plain, other):
        assert (found.held, found.rare) == (False, 600)
        assert "the draws are biased, their mean lies +0.03" in found.reason
    assert other.reason.startswith("the draws are biased too far for bca; they are reflected about the point instead; ")


def test_draws_too_far_off_for_bca_are_reflected():
    """Reflect draws about the point where the lower end of bca would lie below the worst of them."""
    found, plain = (
        interval("average_precision_macro", *of_single_patients(60, 60), seed=1, method=method)
        for method in ("bca", "percentile")
    )
    assert (found.method, found.held) == ("basic", True)
    assert (found.low, found.high) == pytest.approx((2 * found.point - plain.high, 2 * found.point - plain.low))


@pytest.mark.parametrize("patients", [9, 10])
def test_a_label_is_rare_below_ten_patients_on_a_side(patients):
    """Count patients, not their rows, on the thinner side of each label; a label of one side alone is no label here."""
    people = np.repeat(np.arange(40), 2)
    labels = np.stack([people < patients, people >= patients, people < 20, people < 0], axis=1)
    found = interval("auroc_macro", labels, np.random.default_rng(0).random(labels.shape), people.astype(str), seed=1)
    assert found.rare == (2 if patients < 10 else 0)


def test_draws_do_not_depend_on_how_many_are_made_at_once(monkeypatch):
    """Give the same numbers in chunks of any size, and the same again."""
    given = partial(interval, "auroc_macro", *made_up(), seed=4)
    whole = given()
    assert given() == whole
    for chunk in (2000, 30_000, 10**7):
        monkeypatch.setattr(label_intervals, "CHUNK", chunk)
        assert vars(given()) == pytest.approx(vars(whole))
    assert interval("auroc_macro", *made_up(), seed=5) != whole


def test_leaving_out_groups_of_very_many_patients_changes_little(monkeypatch):
    """Move the ends by less than a tenth of the width when twenty groups stand for a hundred patients."""
    labels, probability, patients = made_up()
    whole = interval("average_precision_macro", labels, probability, patients, seed=1)
    monkeypatch.setattr(label_intervals, "MOST_LEFT_OUT", 20)
    grouped = interval("average_precision_macro", labels, probability, patients, seed=1)
    width = whole.high - whole.low
    assert (grouped.low, grouped.high) == pytest.approx((whole.low, whole.high), abs=width / 10)
    assert grouped != whole


def test_seeds_widen_the_interval():
    """Redraw training seeds beside patients: seeds that differ leave more doubt than one of them."""
    labels, probability, patients = made_up()
    noise = np.random.default_rng(1).random((3, *labels.shape))
    seeds = np.stack([probability, 0.5 * probability + noise[1], 0.1 * probability + noise[2]])
    one, three = (interval("auroc_macro", labels, found, patients, seed=1) for found in (probability, seeds))
    assert three.high - three.low > 1.3 * (one.high - one.low)
    same = interval("auroc_macro", labels, np.stack([probability] * 3), patients, seed=1)
    assert vars(same) == pytest.approx(vars(one))


def test_pairing_finds_a_small_difference_that_every_patient_shows():
    """Find an area a little higher where the two intervals overlap widely, and give its interval."""
    labels, probability, patients = made_up(800)
    worse = probability + 0.15 * np.random.default_rng(1).random(labels.shape)
    found = paired("auroc_macro", labels, probability, worse, patients, seed=1)
    assert found.p < 0.01
    assert 0 < found.difference.low < found.difference.point < found.difference.high < 0.02
    better, other = (interval("auroc_macro", labels, p, patients, seed=1) for p in (probability, worse))
    assert better.low < other.high
    assert found.difference.point == pytest.approx(better.point - other.point)


def test_no_difference_is_rarely_found():
    """Stay at the level over systems that differ by chance alone."""
    found = []
    for n in range(60):
        rng = np.random.default_rng(n)
        labels = rng.random((120, 3)) < 0.3
        first, second = (rng.normal(size=labels.shape) + labels for _ in range(2))
        found.append(paired("auroc_macro", labels, first, second, np.full(120, ""), seed=n).p)
    assert np.mean(np.array(found) < 0.05) <= 0.13
    assert 0.3 < np.mean(found) < 0.7


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_equal_systems_do_not_differ(method):
    """Give no difference, no width and a p-value of one."""
    labels, probability, patients = made_up()
    found = paired("auroc_macro", labels, probability, probability, patients, seed=1, method=method)
    assert (found.p, found.difference.low, found.difference.high, found.difference.held) == (1, 0, 0, True)


def test_a_difference_counts_the_same_both_ways():
    """Turn the sign of the difference and keep the p-value when the systems change places."""
    labels, probability, patients = made_up()
    other = probability + 0.3 * np.random.default_rng(1).random(labels.shape)
    one, turned = (
        paired("auroc_macro", labels, *two, patients, seed=1) for two in ((probability, other), (other, probability))
    )
    assert one.p == turned.p
    assert (one.difference.low, one.difference.high) == pytest.approx((-turned.difference.high, -turned.difference.low))


def test_a_difference_within_the_noise_of_seeds_does_not_hold():
    """Find a difference of steady seeds, and not one of seeds that differ by more, each system with its own number."""
    labels, probability, patients = made_up(400)
    noise = np.random.default_rng(1).random((3, *labels.shape))
    good, bad = probability + 0.1 * noise[0], probability + 0.6 * noise[0]
    steady = paired("auroc_macro", labels, np.stack([good, good]), np.stack([bad] * 3), patients, seed=1)
    noisy = paired("auroc_macro", labels, np.stack([good, bad]), np.stack([bad, bad, good]), patients, seed=1)
    assert steady.p < 0.01
    assert noisy.p > 0.2
    assert 0 < noisy.difference.point < steady.difference.point


def test_two_systems_are_compared_by_the_challenge_score():
    """Take decisions of both, and a ratio of sums over the same patients."""
    rng = np.random.default_rng(0)
    labels = rng.random((150, 26)) < 0.1
    first, second = (labels ^ (rng.random(labels.shape) < wrong) for wrong in (0.02, 0.1))
    found = paired("challenge_2021", labels, first, second, np.full(150, ""), seed=1, method="bca")
    expected = scores.challenge_2021(labels, first) - scores.challenge_2021(labels, second)
    assert found.difference.point == pytest.approx(expected)
    assert 0 < found.difference.low < expected < found.difference.high
    assert found.p < 0.01


def test_an_unknown_kind_is_refused():
    """Name the scores that have an interval over patients."""
    with pytest.raises(SettingsError, match=r"^there is no interval of j_kappa over patients; known: auroc_macro, "):
        interval("j_kappa", *made_up(), seed=1)
