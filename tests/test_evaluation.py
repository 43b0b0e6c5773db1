"""From probabilities to detail by class and curves."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from pqrst import challenge, evaluation, label_intervals, scores

CLASSES = ("N", "S", "V")
LABELS, SAID = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])


def made_up(n=3000):
    """Make up labels and probabilities without ties."""
    rng = np.random.default_rng(0)
    labels, probability = rng.integers(3, size=n), rng.dirichlet(np.ones(3), n)
    return labels, (0.7 * probability + 0.3 * np.eye(3)[labels]).astype(np.float32)


def test_detail_by_class_by_hand():
    """Count class N: two hits, one missed, one wrong, one rest; V never occurs and scores zero but in specificity."""
    normal, ectopic, absent = evaluation.per_class(LABELS, SAID, CLASSES)
    assert normal == pytest.approx({"class": "N", "recall": 2 / 3, "specificity": 1 / 2, "precision": 2 / 3, "f1": 2 / 3,
                                    "rows": 3})  # fmt: skip
    assert ectopic == pytest.approx({"class": "S", "recall": 1 / 2, "specificity": 2 / 3, "precision": 1 / 2, "f1": 1 / 2,
                                     "rows": 2})  # fmt: skip
    assert absent == {"class": "V", "recall": 0.0, "specificity": 1.0, "precision": 0.0, "f1": 0.0, "rows": 0}


def test_detail_by_class_agrees_with_the_scores():
    """Average to the macro scores on made-up rows."""
    labels, probability = made_up()
    detail = evaluation.per_class(labels, probability.argmax(1), CLASSES)
    for word in ("recall", "specificity", "precision", "f1"):
        expected = scores.score(f"{word}_macro", labels, probability, probability.argmax(1), CLASSES)
        assert np.mean([row[word] for row in detail]) == pytest.approx(expected, rel=1e-9)


def test_confusion_counts_true_by_row_and_keeps_empty_classes():
    """Count one N called S in row N, column S, and give a class without rows its zeros."""
    assert scores.confusion(LABELS, SAID, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_each_group_has_its_own_matrix():
    """Split the rows by group, so that the matrices of all groups add up to the whole."""
    groups = np.array(["a", "b", "a", "b", "b"])
    found = evaluation.by_group(LABELS, SAID, groups, 3)
    assert list(found) == ["a", "b"]
    assert sum(found.values()).tolist() == scores.confusion(LABELS, SAID, 3).tolist()
    assert found["a"].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]  # two N, one of them called S


def test_detail_of_several_labels_by_hand():
    """Count each label by itself: AF found once of two and never wrongly, MI found always and once wrongly."""
    labels, said = np.array([[1, 0], [1, 1], [0, 0]]), np.array([[1, 0], [0, 1], [0, 1]])
    af, mi = evaluation.per_class(labels, said, ("AF", "MI"))
    assert af == pytest.approx(
        {"class": "AF", "recall": 1 / 2, "specificity": 1.0, "precision": 1.0, "f1": 2 / 3, "rows": 2}
    )
    assert mi == pytest.approx({"class": "MI", "recall": 1.0, "specificity": 1 / 2, "precision": 1 / 2, "f1": 2 / 3,
                                "rows": 1})  # fmt: skip


def test_confusion_as_one_line_a_cell():
    """Lay out actual, predicted, count, row after row."""
    table = evaluation.confusion_table([[2, 1], [0, 4]], ("N", "S"))
    assert table.columns.tolist() == ["actual", "predicted", "count"]
    assert table.to_numpy().tolist() == [["N", "N", 2], ["N", "S", 1], ["S", "N", 0], ["S", "S", 4]]


def test_an_evaluation_holds_what_was_wanted_and_the_headline():
    """Compute each wanted score and the four of the headline, each once."""
    labels, probability = made_up(60)
    found = evaluation.evaluate(labels, probability, probability.argmax(1), CLASSES, ["recall_macro", "accuracy"])
    assert list(found.scores) == ["recall_macro", "accuracy", "f1_weighted", "f1_macro", "auroc_macro"]
    assert np.sum(found.confusion) == 60
    assert [row["class"] for row in found.per_class] == list(CLASSES)


def test_an_evaluation_knows_the_names_of_its_classes():
    """Score one class by its name, and nothing where that is none of the classes."""
    found = evaluation.evaluate(LABELS, np.eye(3)[SAID], SAID, CLASSES, ["recall_of_S", "recall_of_F", "kappa"])
    assert (found.scores["recall_of_S"], found.scores["kappa"]) == pytest.approx((1 / 2, (3 / 5 - 13 / 25) / (12 / 25)))
    assert np.isnan(found.scores["recall_of_F"])


def test_an_evaluation_of_several_labels_has_no_confusion():
    """Give scores and detail by class, and no matrix."""
    truth = np.array([[1, 0], [1, 1], [0, 1], [0, 0]])
    found = evaluation.evaluate(truth, truth * 0.8 + 0.1, truth, ("AF", "MI"), ["f1_macro"])
    assert found.confusion is None
    assert found.scores == dict.fromkeys(("f1_macro", "accuracy", "f1_weighted", "auroc_macro"), 1.0)
    assert [row["rows"] for row in found.per_class] == [2, 2]


def test_a_roc_curve_by_hand():
    """Pass (0, 0), (0, ½), (½, ½), (½, 1), (1, 1) for rows ordered right, wrong, right, wrong."""
    probability = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    table = evaluation.roc(np.array([0, 0, 1, 1]), probability, ("N", "S"))
    normal = table[table["class"] == "N"]
    assert normal.iloc[:, 1:].to_numpy().tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]


def test_roc_curves_are_thinned_from_corner_to_corner():
    """Keep 200 points a class at most, from (0, 0) to (1, 1), never falling."""
    table = evaluation.roc(*made_up(), CLASSES)
    assert table.columns.tolist() == ["class", "false_positive_rate", "true_positive_rate"]
    for _, part in table.groupby("class"):
        values = part.iloc[:, 1:].to_numpy()
        assert 100 < len(values) <= evaluation.CURVE_POINTS
        assert values[0].tolist() == [0, 0]
        assert values[-1].tolist() == [1, 1]
        assert (np.diff(values, axis=0) >= 0).all()


def test_precision_recall_curves_are_thinned_from_all_to_none():
    """Start at recall one with the class's share as precision, and end at recall zero with precision one."""
    labels, probability = made_up()
    table = evaluation.precision_recall(labels, probability, CLASSES)
    assert table.columns.tolist() == ["class", "recall", "precision"]
    for place, (_, part) in enumerate(table.groupby("class")):
        values = part.iloc[:, 1:].to_numpy()
        assert 100 < len(values) <= evaluation.CURVE_POINTS
        assert values[0] == pytest.approx([1, (labels == place).mean()])
        assert values[-1].tolist() == [0, 1]
        assert (np.diff(values[:, 0]) <= 0).all()


@pytest.mark.parametrize(("curve", "whole"), [(evaluation.roc, metrics.roc_curve),
                                              (evaluation.precision_recall, metrics.precision_recall_curve)])  # fmt: skip
def test_thinning_keeps_the_curve_of_a_rare_class(curve, whole):
    """Lie within 0.02 of every point of the whole curve, for 30 rows of 6000 as well."""
    labels, rng = (np.arange(6000) < 30).astype(int), np.random.default_rng(0)
    rare = np.clip(rng.normal(0.2 + 0.4 * labels, 0.1), 0, 1)
    thin = curve(labels, np.stack([1 - rare, rare], axis=1), ("N", "F")).query("`class` == 'F'").iloc[:, 1:].to_numpy()
    full = np.stack(whole(labels, rare)[:2], axis=1)
    full = full if curve is evaluation.roc else full[:, ::-1]
    gaps = np.abs(full[:, None] - thin[None]).sum(axis=2).min(axis=1)
    assert len(thin) <= evaluation.CURVE_POINTS
    assert gaps.max() < 0.02


@pytest.mark.parametrize("curve", [evaluation.roc, evaluation.precision_recall])
def test_a_class_without_rows_has_no_curve(curve):
    """Leave out what cannot be drawn, and give an empty table where nothing can."""
    probability = np.full((5, 3), 1 / 3)
    assert set(curve(LABELS, probability, CLASSES)["class"]) == {"N", "S"}
    assert curve(np.zeros(5, int), probability, CLASSES).empty


@pytest.mark.parametrize(
    ("age", "group"),
    [("0", "00 to 19"), ("19.9", "00 to 19"), ("20", "20 to 39"), ("61", "60 to 79"), ("80", "80 and more"),
     (">89", "80 and more"), ("", ""), ("old", ""), ("nan", "")],
)  # fmt: skip
def test_ages_are_grouped_by_twenty_years(age, group):
    """Name the twenty years, the old ones together, and nothing where no age is known."""
    assert evaluation._decade(age) == group


SEX = pd.DataFrame(
    {
        "record": list("abcde"),
        "about_sex": ["male", "male", "female", "female", ""],
        "about_age": ["61", "70", "5", ">89", ""],
    }
)
TWO = np.array([[1, 0], [0, 1], [1, 0], [1, 1], [0, 0]])
SURE = np.array([[0.9, 0.2], [0.4, 0.7], [0.8, 0.6], [0.3, 0.9], [0.1, 0.1]], np.float32)


def test_subgroups_are_scored_apart():
    """Two men told apart without a mistake; two women of whom label one has no row without it; one of unknown sex."""
    found = evaluation.subgroups(TWO, SURE, (SURE >= 0.5).astype(int), SEX, ("AF", "MI"))
    by_sex = {one["group"]: one for one in found if one["by"] == "sex"}
    assert [(name, by_sex[name]["rows"]) for name in by_sex] == [("unknown", 1), ("female", 2), ("male", 2)]
    assert by_sex["male"] | {"by": "sex"} == {
        "by": "sex", "group": "male", "rows": 2, "auroc_macro": 1.0, "auroc_labels": 2.0, "f1_macro": 1.0, "challenge_2021": None,
    }  # fmt: skip
    assert (by_sex["female"]["auroc_labels"], by_sex["female"]["auroc_macro"]) == (1.0, 1.0)  # MI: 0.9 above 0.6
    assert by_sex["female"]["f1_macro"] == pytest.approx(2 / 3)  # AF found once of twice, MI found and once wrongly
    assert by_sex["unknown"]["auroc_macro"] is None
    ages = {one["group"]: one["rows"] for one in found if one["by"] == "age"}
    assert ages == {"unknown": 1, "00 to 19": 1, "60 to 79": 2, "80 and more": 1}


def test_there_are_no_subgroups_where_nothing_is_known():
    """Leave out what the database does not tell."""
    assert evaluation.subgroups(TWO, SURE, TWO, SEX[["record"]], ("AF", "MI")) == []


def several(rows=150, classes=4, seed=0):
    """Make up probabilities that know a little of several labels."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, classes)) < 0.3).astype(int)
    return labels, np.clip(0.3 * labels + 0.7 * rng.random((rows, classes)), 0, 1).astype(np.float32)


def test_intervals_hold_the_scores_that_they_are_of():
    """Lie around each main score of several labels, the Challenge's where the classes are its own, drawn by patient."""
    labels, probability = several()
    decided, people = (probability >= 0.5).astype(int), np.arange(150).astype(str)
    found = evaluation.intervals(labels, probability, decided, people, ("a", "b", "c", "d"))
    assert set(found) == set(evaluation.INTERVALS) - {"challenge_2021"}
    for name, told in found.items():
        assert told["point"] == pytest.approx(scores.score(name, labels, probability, decided, tuple("abcd")), rel=1e-6)
        assert told["low"] < told["point"] < told["high"]
    by_hand = label_intervals.interval("f1_macro", labels, decided, people, seed=evaluation.BOOTSTRAP_SEED)
    assert (found["f1_macro"]["low"], found["f1_macro"]["high"]) == (by_hand.low, by_hand.high)


def test_patients_with_many_rows_widen_an_interval():
    """Draw people and not rows: the same rows of ten people say less."""
    labels, probability = several()
    alone, together = (
        evaluation.intervals(labels, probability, labels, people.astype(str), tuple("abcd"))["auroc_macro"]
        for people in (np.arange(150), np.sort(np.arange(150) % 10))
    )
    assert alone["point"] == together["point"]
    assert (alone["low"], alone["high"]) != (together["low"], together["high"])


def test_what_is_not_defined_has_no_interval():
    """Leave out areas where every row has every label, and keep the rest."""
    labels = np.ones((20, 2), int)
    found = evaluation.intervals(labels, np.full((20, 2), 0.9), labels, np.arange(20).astype(str), ("a", "b"))
    assert "auroc_macro" not in found
    assert found["accuracy"]["point"] == 1


def test_the_challenges_score_has_its_interval_over_its_own_classes():
    """Draw it from the terms of each record."""
    labels, probability = several(60, len(challenge.CLASSES))
    found = evaluation.intervals(labels, probability, labels, np.arange(60).astype(str), challenge.CLASSES)
    assert found["challenge_2021"]["point"] == pytest.approx(1.0)
