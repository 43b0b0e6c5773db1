"""Scores by name, against published confusion matrices, numbers by hand, and a peer library."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn import metrics
from torchmetrics.functional import classification

from pqrst import challenge, params, resolver, scores
from pqrst.errors import SettingsError

SHIPPED = Path(__file__).parents[1] / "params.yaml"
# spec 4.5: the test confusion matrices of table 1, true N S V F Q by row
MATRICES = {
    "simple": "17991 81 35 7 4 | 147 400 4 5 0 | 49 6 1377 14 2 | 13 0 22 127 0 | 20 1 4 0 1583",
    "four_layer": "18030 44 41 2 1 | 141 401 9 5 0 | 37 3 1395 12 1 | 14 0 14 133 1 | 18 2 5 0 1583",
    "residual": "18051 42 19 3 3 | 138 411 6 1 0 | 53 4 1363 27 1 | 14 1 11 136 0 | 14 2 3 0 1589",
    "coupled": "18051 44 14 4 5 | 99 446 11 0 0 | 36 1 1387 23 1 | 16 0 9 137 0 | 17 0 1 0 1590",
}
PUBLISHED = {  # spec 4.5: weighted recall, specificity, precision, F1; spec 7: the same, macro
    "simple": (0.9811, 0.9494, 0.9805, 0.9807, 0.8864, 0.9861, 0.9177, 0.9012),
    "four_layer": (0.9840, 0.9536, 0.9835, 0.9835, 0.8970, 0.9875, 0.9411, 0.9171),
    "residual": (0.9844, 0.9518, 0.9840, 0.9840, 0.9009, 0.9872, 0.9331, 0.9154),
    "coupled": (0.9872, 0.9630, 0.9869, 0.9869, 0.9182, 0.9900, 0.9412, 0.9290),
}
COLUMNS = [f"{word}_{mean}" for mean in ("weighted", "macro") for word in ("recall", "specificity", "precision", "f1")]
NAMES = scores.names()
OF_SEVERAL = ("hamming_loss", "challenge_2021")  # scores that only several labels a row have
PERFECT = {
    "calibration_error": 0.0,
    "auroc_labels": 3.0,
}  # of three classes guessed without a mistake; all others are 1


def expand(text):
    """Turn a confusion matrix into one true and one predicted class a row."""
    matrix = np.array([[int(n) for n in row.split()] for row in text.split("|")])
    true, said = np.indices(matrix.shape)
    return np.repeat(true.ravel(), matrix.ravel()), np.repeat(said.ravel(), matrix.ravel())


def of(name, labels, said):
    """Score rows whose classes are numbered without gaps."""
    classes = [str(c) for c in range(labels.shape[1] if labels.ndim == 2 else 1 + max(labels.max(), said.max()))]
    return scores.score(name, labels, None, said, classes)


def specificity(labels, said):
    """Give the specificity of each class."""
    counts = (
        scores.counts_of_labels(labels, said)
        if labels.ndim == 2
        else scores.counts_of(scores.confusion(labels, said, 1 + max(labels.max(), said.max())))
    )
    return scores.specificity(counts)


def made_up(n=400, classes=4):
    """Make up labels and probabilities that know a little of them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=n)
    probability = rng.dirichlet(np.ones(classes), n) + 0.3 * np.eye(classes)[labels]
    return labels, (probability / probability.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("network", MATRICES)
def test_the_published_matrices_give_the_published_rows(network):
    """Reproduce table 1 and the macro values behind it to four digits, over all 21,892 test rows."""
    labels, said = expand(MATRICES[network])
    assert len(labels) == 21892
    found = [round(scores.score(name, labels, None, said, "NSVFQ"), 4) for name in COLUMNS]
    assert found == list(PUBLISHED[network])


def test_weighted_recall_is_accuracy():
    """Count the same rows either way."""
    labels, said = expand(MATRICES["coupled"])
    assert of("recall_weighted", labels, said) == pytest.approx(of("accuracy", labels, said), rel=1e-12)


def test_specificity_by_hand():
    """Give 2/3, 1/2 and 1 for classes with one wrong claim of three, of two, and none, in rows 1 2 1."""
    labels, said = np.array([0, 1, 1, 2]), np.array([1, 1, 0, 2])
    # class 0: negatives 1 1 2, one called 0; class 1: negatives 0 2, one called 1; class 2: negatives 0 1 1, none called 2
    assert specificity(labels, said) == pytest.approx([2 / 3, 1 / 2, 1])
    assert of("specificity_macro", labels, said) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert of("specificity_weighted", labels, said) == pytest.approx((1 * 2 / 3 + 2 * 1 / 2 + 1 * 1) / 4)


def test_a_class_that_is_never_predicted_scores_nothing():
    """Count its recall, precision and F1 as zero, without a warning, and its specificity as one."""
    labels, said = np.array([0, 0, 0, 1]), np.zeros(4, int)
    assert of("recall_macro", labels, said) == 0.5
    assert of("precision_macro", labels, said) == pytest.approx(0.75 / 2)
    assert of("f1_macro", labels, said) == pytest.approx((6 / 7) / 2)
    assert specificity(labels, said).tolist() == [0, 1]


def test_a_perfect_guess_scores_one_everywhere():
    """Give one for every score that params.yaml may name, no calibration error, and the number of classes."""
    labels = np.array([0, 1, 2, 1])
    found = {name: scores.score(name, labels, np.eye(3)[labels], labels, "NSV") for name in NAMES}
    assert {name for name, value in found.items() if np.isnan(value)} == set(OF_SEVERAL)
    expected = {name: PERFECT.get(name, 1.0) for name in NAMES if name not in OF_SEVERAL}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("mean", ["macro", "weighted"])
@pytest.mark.parametrize("word", ["recall", "precision", "f1_score"])
def test_torchmetrics_agrees(word, mean):
    """Give what a peer library gives on made-up rows."""
    labels, probability = made_up()
    peer = getattr(classification, f"multiclass_{word}")
    expected = peer(torch.from_numpy(probability), torch.from_numpy(labels), num_classes=4, average=mean)
    name = f"{word.removesuffix('_score')}_{mean}"
    assert scores.score(name, labels, probability, probability.argmax(1), "NSVF") == pytest.approx(
        float(expected), abs=1e-6
    )


def test_torchmetrics_agrees_on_specificity():
    """Give the macro specificity that a peer library gives on made-up rows."""
    labels, probability = made_up()
    given = torch.from_numpy(probability), torch.from_numpy(labels)
    expected = classification.multiclass_specificity(*given, num_classes=4, average="macro")
    assert of("specificity_macro", labels, probability.argmax(1)) == pytest.approx(float(expected), abs=1e-6)


def test_torchmetrics_agrees_on_areas():
    """Give the areas under both curves that a peer library gives on made-up rows."""
    labels, probability = made_up()
    given = torch.from_numpy(probability), torch.from_numpy(labels)
    auroc = classification.multiclass_auroc(*given, num_classes=4)
    precision = classification.multiclass_average_precision(*given, num_classes=4)
    assert scores.auroc_macro(labels, probability) == pytest.approx(float(auroc), abs=1e-5)
    assert scores.average_precision_macro(labels, probability) == pytest.approx(float(precision), abs=1e-5)


def test_areas_are_averaged_over_classes_with_rows_on_both_sides():
    """Leave out a class without rows: of four pairs of classes 0 and 1, three are ordered rightly."""
    labels = np.array([0, 0, 1, 1])
    zero = np.array([0.9, 0.4, 0.5, 0.1])
    probability = np.stack([zero, 0.9 - zero, np.full(4, 0.1)], axis=1)
    assert scores.auroc_macro(labels, probability) == pytest.approx(0.75)
    # by rank of class 0: right, wrong, right, wrong; precision 1 and 2/3 at its two rows; class 1 likewise
    assert scores.average_precision_macro(labels, probability) == pytest.approx((1 + 2 / 3) / 2)


def test_areas_of_one_class_alone_are_no_number():
    """Give no area where no class has rows on both sides."""
    assert np.isnan(scores.auroc_macro(np.zeros(3, int), np.ones((3, 1))))


def test_several_labels_a_row_are_scored_by_class():
    """Take 0/1 labels as they are: recall of 1/2 and 1, specificity of 1 and 1/2."""
    labels = np.array([[1, 0], [1, 1], [0, 0]])
    said = np.array([[1, 0], [0, 1], [0, 1]])
    assert of("recall_macro", labels, said) == 0.75
    assert specificity(labels, said) == pytest.approx([1, 1 / 2])
    assert of("accuracy", labels, said) == pytest.approx(1 / 3)
    assert scores.auroc_macro(labels, said.astype(float)) == pytest.approx((0.75 + 0.75) / 2)


def test_labels_by_class_are_left_alone():
    """Spread class indices out, and leave 0/1 labels as they are."""
    assert scores.one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    both = np.array([[1, 1, 0]])
    assert scores.one_hot(both, 3) is both


def test_names_are_exactly_the_scores():
    """List the functions that give one number, and no helper."""
    assert scores.names() == NAMES


def test_every_score_of_the_shipped_settings_exists():
    """Name under `scores` in params.yaml only what can be computed."""
    assert set(yaml.safe_load(SHIPPED.read_text())["scores"]) <= set(scores.names())


def test_a_score_is_given_predictions_or_probabilities_by_its_argument():
    """Hand class indices to one, the whole array to the other."""
    labels, probability = np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])
    assert scores.score("accuracy", labels, probability, probability.argmax(1), "NS") == 0.5
    assert scores.score("auroc_macro", labels, probability, probability.argmax(1), "NS") == 1.0


HAND = np.array([[80, 4, 6, 0], [5, 10, 5, 0], [2, 2, 30, 1], [3, 0, 1, 1]])  # true N S V F by row
REAL_ROWS = expand("80 4 6 0 | 5 10 5 0 | 2 2 30 1 | 3 0 1 1")


def test_counts_by_hand():
    """Read the diagonal, the rest of its row, the rest of its column, and what remains of 150 rows."""
    found = scores.counts_of(HAND)
    assert found.hit.tolist() == [80, 10, 30, 1]
    assert found.missed.tolist() == [10, 10, 5, 4]
    assert found.wrong.tolist() == [10, 6, 12, 1]
    assert found.rest.tolist() == [50, 124, 103, 144]


def test_counts_of_labels_are_those_of_the_matrix():
    """Count the same from 0/1 by class as from the confusion matrix."""
    labels, said = (scores.one_hot(rows, 4) for rows in REAL_ROWS)
    for found, expected in zip(scores.counts_of_labels(labels, said), scores.counts_of(HAND), strict=True):
        assert found.tolist() == expected.tolist()


def test_the_confusion_is_that_of_scikit_learn():
    """Count true by row and decided by column, also where the last class neither occurs nor is decided."""
    labels, probability = made_up()
    for rows in (REAL_ROWS, (labels, probability.argmax(1))):
        expected = metrics.confusion_matrix(*rows, labels=range(5))
        assert scores.confusion(*rows, 5).tolist() == expected.tolist()


def test_the_published_matrices_are_scored_in_one_stack():
    """Reproduce every row of table 1 from the four matrices at once."""
    stack = np.stack([scores.confusion(*expand(text), 5) for text in MATRICES.values()])
    found = np.stack([scores.from_matrix(name, stack, "NSVFQ") for name in COLUMNS], axis=1)
    assert found.round(4).tolist() == [list(row) for row in PUBLISHED.values()]


def test_a_class_that_does_not_occur_is_no_part_of_a_mean():
    """Average 1/2 and 1 over two classes of four, as a peer library does; a class that is only decided counts as zero."""
    labels, said = np.array([0, 0, 2, 2]), np.array([0, 3, 2, 2])
    assert scores.score("recall_macro", labels, None, np.array([0, 2, 2, 2]), "NSVF") == 0.75
    assert scores.score("recall_macro", labels, None, said, "NSVF") == pytest.approx((1 / 2 + 0 + 1) / 3)
    for mean in ("macro", "weighted"):
        for word in ("recall", "precision", "f1"):
            expected = getattr(metrics, f"{word}_score")(labels, said, average=mean, zero_division=0)
            assert scores.score(f"{word}_{mean}", labels, None, said, "NSVF") == pytest.approx(expected)
    assert scores.score("kappa", labels, None, said, "NSVF") == pytest.approx(metrics.cohen_kappa_score(labels, said))


@pytest.mark.parametrize("name", [name for name in NAMES if scores.of_matrix(name)])
def test_no_rows_score_nothing(name):
    """Give 0 without a warning where a matrix is empty."""
    assert scores.from_matrix(name, np.zeros((2, 4, 4), int), "NSVF").tolist() == [0, 0]


@pytest.mark.parametrize(
    ("matrix", "kappa"),
    [([[20, 5], [10, 15]], 0.4), ([[0, 5], [5, 0]], -1), ([[4, 4], [4, 4]], 0), ([[3, 0], [0, 9]], 1)],
)
def test_kappa_by_hand(matrix, kappa):
    """Take agreement beyond chance: 0.7 where the margins alone give 0.5 is 0.4."""
    assert scores.kappa(np.array(matrix)) == pytest.approx(kappa, abs=1e-12)


@pytest.mark.parametrize("name", ["kappa", "j_kappa", "recall_of_S"])
def test_several_labels_a_row_have_no_score_of_one_matrix(name):
    """Give no number where there is no confusion matrix."""
    labels = np.array([[1, 0], [1, 1]])
    assert np.isnan(scores.score(name, labels, labels * 1.0, labels, "SV"))


def test_kappa_agrees_with_scikit_learn():
    """Take off the agreement of the margins as a peer library does, and give 0 where all is one class."""
    assert scores.kappa(HAND) == pytest.approx(metrics.cohen_kappa_score(*REAL_ROWS))
    assert scores.kappa(np.array([[9, 0], [0, 0]])) == 0
    assert scores.kappa(np.array([[1, 0], [0, 0]])) == 0


def test_j_kappa_by_hand():
    """Halve κ, and add an eighth of each of Se_S 10/20, P+_S 10/16, Se_V 30/35 and P+_V 30/42."""
    expected = metrics.cohen_kappa_score(*REAL_ROWS) / 2 + (10 / 20 + 10 / 16 + 30 / 35 + 30 / 42) / 8
    assert scores.from_matrix("j_kappa", HAND, "NSVF") == pytest.approx(expected)
    assert np.isnan(scores.from_matrix("j_kappa", HAND[:2, :2], ("Normal", "Abnormal")))
    # classes S and V alone: κ 3/4, Se 3/4 and 1, P+ 1 and 4/5
    assert scores.from_matrix("j_kappa", np.array([[3, 1], [0, 4]]), "SV") == pytest.approx(
        (3 + 3 / 4 + 1 + 1 + 4 / 5) / 8
    )


def test_scores_of_one_class_by_hand():
    """Read recall, precision, specificity and F1 of class V from the matrix, and none of a class that is not there."""
    found = [
        float(scores.from_matrix(f"{word}_of_V", HAND, "NSVF")) for word in ("recall", "precision", "specificity", "f1")
    ]
    assert found == pytest.approx([30 / 35, 30 / 42, 103 / 115, 60 / 77])
    assert np.isnan(scores.from_matrix("recall_of_Q", HAND, "NSVF"))


@pytest.mark.parametrize("name", [*(name for name in NAMES if scores.of_matrix(name)), "recall_of_S", "f1_of_F"])
def test_stacked_matrices_score_as_each_alone(name):
    """Score a stack of resampled matrices, one of them without class F, as one by one."""
    stack = np.stack([HAND, 3 * HAND.T, HAND * np.array([[1], [1], [1], [0]]) * np.array([1, 1, 1, 0])])
    alone = [float(scores.from_matrix(name, matrix, "NSVF")) for matrix in stack]
    assert scores.from_matrix(name, stack, "NSVF").tolist() == pytest.approx(alone)


@pytest.mark.parametrize(
    ("name", "said"),
    [("f1_macro", True), ("precision_of_Q", True), ("j_kappa", True), ("auroc_macro", False), ("recall_of", False)],
)
def test_it_says_which_scores_need_no_rows(name, said):
    """Know which scores a confusion matrix is enough for."""
    assert scores.of_matrix(name) == said


def test_an_unknown_score_is_refused_before_any_work():
    """Refuse it in one line that suggests the nearest name, when the settings are resolved."""
    shipped = params.load(SHIPPED)
    wrong = replace(shipped, scores=(*shipped.scores, "f1_macrow"))
    with pytest.raises(SettingsError, match=r"^scores\[\d+\]: there is no 'f1_macrow'; did you mean f1_macro\?$"):
        resolver.resolved_files(wrong)


def test_calibration_error_agrees_with_torchmetrics():
    """The mean distance over fifteen bins, of one label a row, and of the only label of several."""
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.ones(4), 2000)
    labels = rng.integers(4, size=2000)
    peer = classification.multiclass_calibration_error(
        torch.tensor(probability), torch.tensor(labels), 4, n_bins=15, norm="l1"
    )
    assert scores.calibration_error(labels, probability) == pytest.approx(float(peer), abs=1e-6)


def test_calibration_error_by_hand():
    """Said 0.9 twice and right once: |0.9 - 0.5| = 0.4; of two labels, the mean of both."""
    probability = np.array([[0.9, 0.1], [0.9, 0.1]])
    assert scores.calibration_error(np.array([0, 1]), probability) == pytest.approx(0.4)
    assert scores.calibration_error(np.array([[1, 0], [0, 0]]), probability) == pytest.approx((0.4 + 0.1) / 2)


SEVERAL = np.array(
    [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
)  # labels by row; the last label never occurs
CLAIMED = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]])


def by_label(n=500, classes=6, rate=0.2):
    """Make up several labels a row, probabilities that know a little of them, and decisions; one label never occurs."""
    rng = np.random.default_rng(1)
    labels = (rng.random((n, classes)) < rate).astype(np.int8)
    labels[:, -1] = 0
    probability = (0.5 * rng.random(labels.shape) + 0.3 * labels).round(2).astype(np.float32)  # rounded: with ties
    return labels, probability, (probability > 0.5).astype(np.int8)


def test_the_areas_over_labels_agree_with_scikit_learn():
    """Average over the five labels that occur, pool the cells of all six, and count the five."""
    labels, probability, _ = by_label()
    found = {name: scores.score(name, labels, probability, None, "ABCDEF") for name in NAMES if name.startswith("a")}
    five = labels[:, :5], probability[:, :5]
    assert found["auroc_labels"] == 5
    assert found["auroc_macro"] == pytest.approx(metrics.roc_auc_score(*five, average="macro"))
    assert found["auroc_micro"] == pytest.approx(metrics.roc_auc_score(labels, probability, average="micro"))
    assert found["average_precision_macro"] == pytest.approx(metrics.average_precision_score(*five, average="macro"))
    micro = metrics.average_precision_score(labels, probability, average="micro")
    assert found["average_precision_micro"] == pytest.approx(micro)


def test_f2_and_g2_by_hand():
    """Weigh the record with two labels by one half, as the Challenge of 2020 does, and any other by one.

    Label 0: hit ½ + 1. Label 1: missed ½, wrong 1. Label 2: hit 1, wrong 1 of the record without labels. Label 3: left out.
    """
    f2, g2 = (scores.score(name, SEVERAL, None, CLAIMED, "ABCD") for name in ("f2_macro", "g2_macro"))
    assert f2 == pytest.approx((1 + 0 + 5 / 6) / 3)
    assert g2 == pytest.approx((1 + 0 + 1 / 2) / 3)
    third = np.array([[1, 1, 1], [1, 0, 0]]), np.array([[0, 0, 0], [1, 0, 0]])  # hit 1 and missed 1/3; missed 1/3; 1/3
    assert scores.score("g2_macro", *third[:1], None, third[1], "ABC") == pytest.approx(1 / (1 + 2 / 3) / 3)
    one = scores.score("f2_macro", np.array([0, 0, 1]), None, np.array([0, 1, 1]), "AB")
    assert one == pytest.approx((5 / 9 + 5 / 6) / 2)  # one label a row: hit 1, missed 1; hit 1, wrong 1


def test_records_weigh_by_their_labels():
    """Share one among two labels, and give a record of one label or of none all of it."""
    assert scores.record_weights(np.array([[1, 1], [0, 1], [0, 0]])).tolist() == [0.5, 1, 1]


def test_f2_agrees_with_scikit_learn_given_the_same_weights():
    """Hold F-beta of weighted records against a peer library, over the labels that occur or are claimed."""
    labels, _, said = by_label()
    weight = 1 / np.maximum(labels.sum(axis=1), 1)
    five = labels[:, :5], said[:, :5]
    expected = metrics.fbeta_score(*five, beta=2, average="macro", sample_weight=weight)
    assert said[:, 5].sum() == 0
    assert scores.score("f2_macro", labels, None, said, "ABCDEF") == pytest.approx(expected)


def test_kappa_of_labels_agrees_with_scikit_learn():
    """Average Cohen's κ over the labels that have one: not over one that neither occurs nor is claimed."""
    labels, _, said = by_label()
    expected = np.mean([metrics.cohen_kappa_score(labels[:, c], said[:, c]) for c in range(5)])
    assert scores.score("kappa_macro", labels, None, said, "ABCDEF") == pytest.approx(expected)
    # label 0 is right everywhere; 1 has no hit of 1 true, 1 said: -1/3; 2 has one of 1 true, 2 said: 1/2
    assert scores.score("kappa_macro", SEVERAL, None, CLAIMED, "ABCD") == pytest.approx((1 - 1 / 3 + 1 / 2) / 3)
    # label 0 is right twice; 1 never occurs and is claimed once, which is no better than chance
    assert scores.score("kappa_macro", np.array([[1, 0], [0, 0]]), None, np.array([[1, 1], [0, 0]]), "AB") == 1 / 2


def test_wrong_cells_by_hand_and_by_scikit_learn():
    """Count three wrong cells of sixteen."""
    assert scores.score("hamming_loss", SEVERAL, None, CLAIMED, "ABCD") == 3 / 16
    labels, _, said = by_label()
    assert scores.hamming_loss(labels, said) == pytest.approx(metrics.hamming_loss(labels, said))


def test_the_pooled_recall_and_specificity_by_hand():
    """Find three of four true cells, and leave ten of twelve false ones alone."""
    assert scores.score("recall_micro", SEVERAL, None, CLAIMED, "ABCD") == 3 / 4
    assert scores.score("specificity_micro", SEVERAL, None, CLAIMED, "ABCD") == 10 / 12


def slow_challenge(labels, outputs):
    """Score outputs as the Challenge's rules say in words: one record, one label and one output after the other."""
    weights, normal = challenge.weights().tolist(), challenge.CODES.index("426783006")
    labels, outputs = ([{k for k in range(26) if row[k]} for row in rows] for rows in (labels, outputs))

    def total(answers):
        matrix = [[0.0] * 26 for _ in range(26)]
        for record, answer in zip(labels, answers, strict=True):
            classes = max(len(record | answer), 1)
            for true in record:
                for said in answer:
                    matrix[true][said] += 1 / classes
        return sum(weights[true][said] * matrix[true][said] for true in range(26) for said in range(26))

    correct, inactive = total(labels), total([{normal}] * len(labels))
    return 0.0 if correct == inactive else (total(outputs) - inactive) / (correct - inactive)


def challenge_case(rng):
    """Draw labels and outputs of 1 to 60 records, thin or dense, some of them empty."""
    shape = (int(rng.integers(1, 61)), 26)
    labels, outputs = (rng.random(shape) < rng.choice([0, 0.02, 0.1, rng.random() ** 3]) for _ in range(2))
    labels |= rng.random() < 0.02
    labels[rng.random(shape[0]) < rng.choice([0, 0.3, 0.9])] = False
    outputs[rng.random(shape[0]) < rng.choice([0, 0.3])] = False
    return labels, outputs


def test_the_challenge_score_is_the_slow_one():
    """Agree to nine digits with the rules written as loops on two thousand cases, negative and empty ones among them."""
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):
        labels, outputs = challenge_case(rng)
        found.append(scores.challenge_2021(labels, outputs))
        assert found[-1] == pytest.approx(slow_challenge(labels.tolist(), outputs.tolist()), rel=1e-9, abs=1e-9)
    assert min(found) < 0 < max(found)
    assert found.count(0) > 20


@pytest.mark.parametrize("classes", [("AF",), ("AF", "PVC"), ("NSR", "SA")])
def test_the_challenge_score_of_the_labels_themselves_is_one(classes):
    """Give 1 to the labels, 0 to sinus rhythm alone, and ignore outputs for records without a label."""
    labels = np.zeros((3, 26), bool)
    labels[:2, [challenge.CLASSES.index(name) for name in classes]] = True
    normal, anything = np.zeros_like(labels), labels.copy()
    normal[:, challenge.CLASSES.index("NSR")] = True
    anything[2] = True
    assert scores.challenge_2021(labels, labels) == 1
    assert scores.challenge_2021(labels, normal) == 0
    assert scores.challenge_2021(labels, anything) == 1


def test_the_challenge_score_by_hand():
    """Answer one record of AF by AF and PVC: half of 1 and of what PVC earns for AF, between those of NSR and AF."""
    labels, outputs = np.zeros((1, 26), np.int8), np.zeros((1, 26), np.int8)
    labels[0, 0] = outputs[0, 0] = outputs[0, challenge.CLASSES.index("PVC")] = 1
    # weights of the official table: AF for AF 1, PVC for AF 0.375, NSR for AF 0.25
    above, own = (1 + 0.375) / 2 - 0.25 / 2, 1 - 0.25 / 2  # what the output and the label earn above sinus rhythm
    assert scores.challenge_terms(labels, outputs).tolist() == [pytest.approx([above, own])]
    assert scores.challenge_2021(labels, outputs) == pytest.approx(above / own)
    assert scores.score("challenge_2021", labels, None, outputs, challenge.CLASSES) == pytest.approx(above / own)


@pytest.mark.parametrize("rows", [0, 5])
def test_the_challenge_score_is_nothing_where_sinus_rhythm_is_all_there_is(rows):
    """Give 0 where labels and sinus rhythm earn the same, whatever is answered."""
    labels = np.zeros((6, 26), bool)
    labels[:rows, challenge.CLASSES.index("NSR")] = True
    assert scores.challenge_2021(labels, np.ones_like(labels)) == 0


def test_the_challenge_score_is_of_its_own_classes():
    """Give the score by name where the classes are those of the Challenge in their order, and no number elsewhere."""
    labels = np.eye(26, dtype=np.int8)
    assert scores.score("challenge_2021", labels, None, labels, challenge.CLASSES) == 1
    assert np.isnan(scores.score("challenge_2021", labels, None, labels, challenge.CLASSES[::-1]))
    assert np.isnan(scores.score("challenge_2021", SEVERAL, None, CLAIMED, "ABCD"))


def test_fewer_rows_than_classes_have_areas():
    """Average over the two classes that occur in two rows, each above the other row."""
    labels, probability = np.array([0, 2]), np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    for name in ("auroc_macro", "average_precision_macro", "auroc_micro"):
        assert scores.score(name, labels, probability, probability.argmax(axis=1), "ABC") == 1
    assert scores.one_hot(labels, 3).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("rows", [1, 254, 255, 256, 1000, 70_000])
def test_labels_are_counted_beyond_a_byte(rows):
    """Count as many rows as there are, cell by cell."""
    rng = np.random.default_rng(rows)
    labels, said = (rng.random((rows, 3)) < (0, 0.5, 1) for _ in range(2))
    found = scores.counts_of_labels(labels.astype(np.int8), said)
    for counted, cell in zip(found, scores.cells(labels, said), strict=True):
        assert counted.tolist() == cell.sum(axis=0).tolist()
