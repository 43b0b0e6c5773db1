"""Rows out of their storage, and to zero mean and unit deviation."""

import numpy as np
import pytest
import torch

from pqrst import loaders, standardisation
from pqrst.arrays import Steps
from pqrst.loaders import parts
from pqrst.standardisation import Standardisation, decoded, encoded, fit_standardisation, standardise


def rows(seed=0, n=12, shape=(2, 5)):
    """Make up rows whose leads have different means and deviations."""
    scale = np.arange(1, shape[0] + 1).reshape(-1, *(1 for _ in shape[1:]))
    return np.random.default_rng(seed).normal(3.0 * scale, scale, (n, *shape)).astype(np.float32)


def test_row_standardisation_of_two_four_six_eight():
    """Bring 2, 4, 6, 8 (mean 5, deviation √5) to ∓3/√5 and ∓1/√5."""
    out = standardise(torch.tensor([[[2.0, 4.0, 6.0, 8.0]]]), Standardisation("row"))
    assert out.flatten().tolist() == pytest.approx(np.array([-3, -1, 1, 3]) / 5**0.5, rel=1e-6)


def test_row_standardisation_takes_each_row_and_lead_by_itself():
    """Agree with numpy's mean and population deviation over time."""
    x = rows()
    expected = (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True)
    assert standardise(torch.from_numpy(x), Standardisation("row")).numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("samples", [6, 187, 240, 1000, 5000])
@pytest.mark.parametrize("level", [4.0, 0.325, -1.1, 0.005, 3.3, 100.7, 0.0])
def test_a_flat_row_becomes_zeros(level, samples):
    """Divide by no zero where a row has no deviation, and blow no last digit of its mean up to one."""
    assert standardise(torch.full((1, 1, samples), level), Standardisation("row")).tolist() == [[[0.0] * samples]]


def test_a_small_wave_far_from_zero_is_not_flat():
    """Keep a wave of .05 mV on an offset of 100 mV."""
    x = (100 + 0.05 * torch.sin(torch.arange(360.0) / 7)).view(1, 1, -1)
    assert standardise(x, Standardisation("row")).std().item() == pytest.approx(1, abs=0.01)


def test_no_standardisation_gives_the_rows_back():
    """Leave the numbers alone under `none`."""
    x = torch.from_numpy(rows())
    assert standardise(x, Standardisation("none")) is x


def test_train_standardisation_of_small_numbers():
    """Fit mean 2 and deviation 1 on rows (1, 3) and (3, 1) of lead one, mean 5 and deviation 5 on lead two."""
    x = np.array([[[1, 3], [0, 10]], [[3, 1], [10, 0]], [[90, 90], [90, 90]]], np.int16)
    fitted = fit_standardisation("train", parts(x, np.array([0, 1])))
    assert (fitted.mean, fitted.deviation) == ((2.0, 5.0), (1.0, 5.0))
    assert standardise(torch.tensor([[[4.0], [20.0]]]), fitted).flatten().tolist() == pytest.approx([2, 3])


@pytest.mark.parametrize("shape", [(2, 5), (3, 4, 4)])
def test_train_standardisation_agrees_with_numpy(shape):
    """Take mean and deviation over train rows and all axes but the lead or channel."""
    x, chosen = rows(shape=shape), np.array([0, 2, 3, 7])
    fitted = fit_standardisation("train", parts(x, chosen))
    axes = (0, *range(2, x.ndim))
    assert fitted.mean == pytest.approx(x[chosen].mean(axes), rel=1e-5)
    assert fitted.deviation == pytest.approx(x[chosen].std(axes), rel=1e-5)


def test_train_standardisation_does_not_depend_on_chunks(monkeypatch):
    """Give the same numbers whether rows are read at once or two at a time."""
    x, chosen = rows(), np.arange(11)
    whole = fit_standardisation("train", parts(x, chosen))
    monkeypatch.setattr(loaders, "CHUNK_ROWS", 2)
    assert fit_standardisation("train", parts(x, chosen)).mean == pytest.approx(whole.mean, rel=1e-12)


def test_other_rows_do_not_change_what_is_fitted():
    """Fit on train rows only: garbage in the others changes nothing, one changed train row does."""
    x, chosen = rows(), np.array([0, 1, 2, 3])
    fitted = fit_standardisation("train", parts(x, chosen))
    x[4:] = 1e6
    assert fit_standardisation("train", parts(x, chosen)) == fitted
    x[3] += 1
    assert fit_standardisation("train", parts(x, chosen)) != fitted


def test_one_mean_and_deviation_for_all_leads():
    """Fit mean 3.5 and deviation √15.25 on 1, 3, 3, 1 of lead one and 0, 10, 10, 0 of lead two, for both leads."""
    x = np.array([[[1, 3], [0, 10]], [[3, 1], [10, 0]], [[90, 90], [90, 90]]], np.int16)
    fitted = fit_standardisation("train_all", parts(x, np.array([0, 1])))
    assert fitted.mean == pytest.approx((3.5, 3.5))
    assert fitted.deviation == pytest.approx((15.25**0.5,) * 2)
    scaled = standardise(torch.tensor([[[3.5], [3.5 + 15.25**0.5]]]), fitted)
    assert scaled.flatten().tolist() == pytest.approx([0, 1])


def test_stored_steps_go_back_to_their_unit():
    """Bring 1224 steps of 200 from 1024 on to 1, and leave rows alone that are in their unit already."""
    steps = Steps((200.0, 1000.0), (1024, 0))
    x = torch.tensor([[[1224.0, 1024.0], [500.0, -32768.0]]])
    assert decoded(x, steps).tolist() == [[[1.0, 0.0], [0.5, -32.768001556396484]]]
    assert decoded(x, None) is x


def test_what_is_stored_comes_back_to_half_a_step():
    """Store 0.3 and -1 in whole steps, by lead, and read them again."""
    x, steps = torch.tensor([[[0.3, -1.0], [0.3, -1.0]]]), Steps((200.0, 4.0), (1024, 0))
    assert encoded(x, steps).tolist() == [[[1084.0, 824.0], [1.0, -4.0]]]
    assert decoded(encoded(x, steps), steps).flatten().tolist() == pytest.approx([0.3, -1.0, 0.25, -1.0])
    assert encoded(x, None) is x


def test_stored_pictures_go_back_to_their_unit():
    """Take one step and zero a channel."""
    x = torch.tensor([0.0, 255.0, 100.0, 255.0]).view(1, 2, 1, 2)
    assert decoded(x, Steps((255.0, 1.0), (0, 100))).flatten().tolist() == [0.0, 1.0, 0.0, 155.0]


def test_what_is_fitted_is_of_the_unit_that_rows_are_in():
    """Fit mean 1 and deviation 2 on the steps of -1 and 3, as on these numbers themselves."""
    x = np.array([[[1024 - 200, 1024 + 600]]], np.int16)
    fitted = fit_standardisation("train", parts(x, np.arange(1), Steps((200.0,), (1024,))))
    assert (fitted.mean, fitted.deviation) == ((1.0,), (2.0,))


def test_a_missing_number_beside_a_row_is_fitted_nowhere_and_becomes_the_mean():
    """Fit 2 and 1 on 1, 3 and a missing number; give 0 for the missing one, in columns, and nothing new in signals."""
    side = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0], [9.0, 9.0]], np.float32)
    fitted = fit_standardisation("train", parts(side, np.array([0, 1, 2])))
    assert (fitted.mean, fitted.deviation) == ((2.0, 5.0), (1.0, 0.0))
    assert standardise(torch.from_numpy(side[:3]), fitted).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    signal = standardise(torch.tensor([[[float("nan")], [5.0]]]), fitted)
    assert torch.isnan(signal[0, 0, 0])


def test_a_column_that_is_missing_everywhere_stays_finite():
    """Give zeros."""
    side = np.full((3, 1), np.nan, np.float32)
    fitted = fit_standardisation("train", parts(side, np.arange(3)))
    assert standardise(torch.from_numpy(side), fitted).tolist() == [[0.0]] * 3


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 300.0])
def test_the_bound_of_the_deviation_moves_no_ordinary_row(scale):
    """Give to the bit what the plain formula gives."""
    x = torch.from_numpy(scale * rows())
    away = x - x.mean(2, keepdim=True)
    plain = away / (away.square().mean(2, keepdim=True).sqrt() + standardisation.EPSILON)
    assert torch.equal(standardise(x, Standardisation("row")), plain)


@pytest.mark.parametrize("kind", ["none", "row"])
def test_nothing_is_fitted_but_for_train(kind):
    """Keep no numbers where each row is its own measure."""
    assert fit_standardisation(kind, parts(rows(), np.arange(3))) == Standardisation(kind)
