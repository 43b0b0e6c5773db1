"""From logits to probabilities and decisions, and the temperature that makes them honest."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from pqrst import scores
from pqrst.decisions import calibrate, decide, probabilities

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
    found = calibrate(logits, labels, "single")
    assert found.temperature == pytest.approx(factor, rel=0.03)
    assert found.rows == len(labels)
    assert scores.calibration_error(labels, probabilities(logits, "single", found.temperature)) < 0.01


def test_calibration_of_several_labels_finds_its_factor():
    """Labels drawn by the sigmoid of logits that are then doubled."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 4))
    labels = (rng.random(logits.shape) < probabilities(logits, "multi")).astype(np.int8)
    assert calibrate(2 * logits, labels, "multi").temperature == pytest.approx(2, rel=0.03)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_temperature_never_changes_a_decision(seed, temperature):
    """The likeliest class stays the likeliest."""
    logits = np.random.default_rng(seed).normal(0, 3, (20, 5))
    cold, warm = probabilities(logits, "single"), probabilities(logits, "single", temperature)
    assert np.array_equal(decide(cold, "single"), decide(warm, "single"))


def test_rows_told_apart_without_a_mistake_have_a_temperature_above_zero():
    """The cross-entropy falls for ever; the search ends at its bound."""
    logits = np.array([[5.0, -5.0], [-5.0, 5.0]])
    assert 0.04 < calibrate(logits, np.array([0, 1]), "single").temperature < 0.5
