"""Trained runs that answer: rows as they are stored in, logits out, however many there are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pqrst import predictors
from pqrst.errors import DataError
from pqrst.inference import logits
from pqrst.loaders import parts
from pqrst.predictors import NetworkPredictor
from pqrst.standardisation import decoded, fit_standardisation, standardise
from toys import COUPLED, TWO_LEADS, coupled, few_rows


def predictor(**more):
    return NetworkPredictor(replace(COUPLED, **more), coupled())


def test_rows_beyond_one_part_are_predicted_in_their_order(monkeypatch):
    """Cut 9000 rows into parts, and give for each row what it gets by itself."""
    monkeypatch.setattr(predictors, "NUMBERS_AT_ONCE", 4096 * 32)
    many, one = np.resize(few_rows(), (9000, *TWO_LEADS.shape)), predictor()
    assert one.logits(many)[[0, 4500, 8999]] == pytest.approx(one.logits(many[[0, 4500, 8999]]), abs=1e-6)


def test_long_rows_are_turned_to_floats_a_few_at_a_time(monkeypatch):
    """Hand over parts of so many numbers at most, and change no answer."""
    one, x = predictor(), np.random.default_rng(2).normal(0, 1, (11, *TWO_LEADS.shape)).astype(np.float32)
    whole, seen = one.logits(x), []
    monkeypatch.setattr(predictors, "NUMBERS_AT_ONCE", 3 * 32)
    real = NetworkPredictor.part
    monkeypatch.setattr(NetworkPredictor, "part", lambda self, x, side: seen.append(len(x)) or real(self, x, side))
    assert one.logits(x) == pytest.approx(whole, abs=1e-6)
    assert seen == [3, 3, 3, 2]


def test_whole_numbers_are_predicted_like_floats():
    """Take the converter's integers as they are stored."""
    one, whole = predictor(), (few_rows() * 100).astype(np.int16)
    assert np.array_equal(one.logits(whole), one.logits(whole.astype(np.float32)))


def test_train_standardisation_is_replayed():
    """Bring rows into their unit and apply the numbers that were fitted on train rows, not those of the new rows."""
    fitted = fit_standardisation("train", parts(few_rows(), np.arange(6), TWO_LEADS.steps))
    one = predictor(standardise=fitted)
    scaled = standardise(decoded(torch.from_numpy(few_rows(3)), TWO_LEADS.steps), fitted)
    assert np.array_equal(one.logits(few_rows(3)), logits(coupled(), (scaled,)).numpy())
    assert not np.array_equal(one.logits(few_rows(3)), predictor().logits(few_rows(3)))


def test_rows_of_another_shape_are_refused():
    """Say which shape is taken and which was given."""
    with pytest.raises(DataError, match=r"^run tiny takes rows of shape \(2, 16\), got \(2, 15\)$"):
        predictor().logits(np.zeros((4, 2, 15), np.float32))
