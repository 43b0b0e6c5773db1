"""Test rows as a run sees them."""

import numpy as np
import pandas as pd
import pytest
import torch

import toys
from pqrst import examples, networks, predictors
from pqrst.arrays import Bundle
from pqrst.models import simple_cnn
from pqrst.standardisation import Standardisation

CLASSES = ("N", "S", "V")


def test_the_surest_right_and_the_surest_wrong_answer():
    """Choose by the probability of what was said, among the right ones and among the wrong ones."""
    probability = np.array([[0.9, 0.1, 0], [0.95, 0.05, 0], [0.4, 0.6, 0], [0.8, 0.2, 0]])
    labels = np.array([0, 1, 1, 2])
    assert examples.chosen(labels, probability, probability.argmax(1)) == [0, 1]
    assert examples.chosen(np.array([0, 0, 1, 0]), probability, probability.argmax(1)) == [1]
    assert examples.chosen(np.array([2, 2, 2, 2]), probability, probability.argmax(1)) == [1]


def test_of_several_labels_all_must_be_right():
    """Count a row as right where every label is, and as sure by how far its probabilities lie from one half."""
    probability = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.9]])
    decided = (probability > 0.5).astype(int)
    assert examples.chosen(np.array([[1, 0], [1, 0], [1, 0]]), probability, decided) == [0, 2]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((0, [0.9, 0.1, 0.0], 0), "right: is N, said N (0.90)"),
        ((2, [0.2, 0.7, 0.1], 1), "wrong: is V, said S (0.70)"),
        (([1, 0, 0], [0.9, 0.1, 0.0], [1, 0, 0]), "right: is N, said N"),
        (([0, 0, 0], [0.9, 0.8, 0.7], [1, 1, 1]), "wrong: is none, said N, S, V"),
    ],
)
def test_an_answer_in_words(found, words):
    """Name what it is and what was said; of one class with its probability."""
    assert examples.words(tuple(map(np.array, found)), CLASSES) == words


def test_many_labels_are_counted():
    """Name the first three."""
    flags = np.ones(5, int)
    said = examples.words((flags, flags * 0.9, flags), "ABCDE")
    assert said == "right: is A, B, C and 2 more, said A, B, C and 2 more"


def saw(model, **contract):
    """Show rows 1 and 3 of five."""
    x = np.arange(20, dtype=np.float32).reshape(5, 1, 4) ** 2
    bundle = Bundle(toys.META, x, np.zeros(5), pd.DataFrame({"record": "r", "patient": "p", "start": range(5)}))
    given = toys.replace(toys.CONTRACT, standardise=Standardisation("row"), **contract)
    return examples.seen(predictors.NetworkPredictor(given, model), bundle, np.array([1, 3]), ["one", "three"]), x


def test_a_row_is_shown_as_standardised():
    """Show what the contract makes of the chosen rows, with their words."""
    found, x = saw(simple_cnn.build((1, 4), 2, simple_cnn.Params(widths=(2,), kernel=3)))
    expected = (x[3] - x[3].mean()) / x[3].std()
    assert [one.words for one in found] == ["one", "three"]
    assert found[1].row == pytest.approx(expected, abs=1e-3)
    assert found[1].picture is None


def test_a_picture_that_the_network_draws_is_shown():
    """Show the output of what stands before the model."""
    drawn = networks.Composed(
        torch.nn.Identity(), lambda x: x[:, :, None, :].repeat(1, 1, 3, 1), torch.nn.Linear(1, 1), 12
    )
    found, _ = saw(drawn)
    assert found[0].picture.shape == (1, 3, 4)
    assert found[0].picture[0, 2] == pytest.approx(found[0].row[0])
