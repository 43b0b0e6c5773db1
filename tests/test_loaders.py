"""Standardisation, augmentation, the order of rows, batches, and the weights of classes and rows."""

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from pqrst import loaders, params
from pqrst.errors import SettingsError
from pqrst.loaders import (
    Augmentation,
    Standardisation,
    augment,
    batches,
    fit_standardisation,
    resident,
    standardise,
    visiting_order,
)

FULL_TRAIN = np.array([72471, 2223, 5788, 641, 6431])  # spec 4.1: N, S, V, F, Q of Kaggle's train file
PUBLISHED_WEIGHTS = {  # spec 4.3: α: the weight of each class
    1.0: (0.2416, 7.877, 3.025, 27.32, 2.723),
    0.5: (0.6208, 4.439, 2.013, 14.16, 1.861),
    0.1: (0.9242, 1.688, 1.203, 3.632, 1.172),
}
KINDS = get_args(get_type_hints(params.Train)["augment"])
LEVEL = 5.0  # of rows to augment, far from the zeros of a mask
PUBLISHED_SHARES = {0.1: 0.714, 0.25: 0.5, 0.5: 0.333, 1.0: 0.2}  # spec 4.3: ratio: P(N)


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


def test_a_flat_row_becomes_zeros():
    """Divide by no zero where a row has no deviation."""
    assert standardise(torch.full((1, 1, 6), 4.0), Standardisation("row")).tolist() == [[[0.0] * 6]]


def test_no_standardisation_gives_the_rows_back():
    """Leave the numbers alone under `none`."""
    x = torch.from_numpy(rows())
    assert standardise(x, Standardisation("none")) is x


def test_train_standardisation_of_small_numbers():
    """Fit mean 2 and deviation 1 on rows (1, 3) and (3, 1) of lead one, mean 5 and deviation 5 on lead two."""
    x = np.array([[[1, 3], [0, 10]], [[3, 1], [10, 0]], [[90, 90], [90, 90]]], np.int16)
    fitted = fit_standardisation("train", x, np.array([0, 1]))
    assert (fitted.mean, fitted.deviation) == ((2.0, 5.0), (1.0, 5.0))
    assert standardise(torch.tensor([[[4.0], [20.0]]]), fitted).flatten().tolist() == pytest.approx([2, 3])


@pytest.mark.parametrize("shape", [(2, 5), (3, 4, 4)])
def test_train_standardisation_agrees_with_numpy(shape):
    """Take mean and deviation over train rows and all axes but the lead or channel."""
    x, chosen = rows(shape=shape), np.array([0, 2, 3, 7])
    fitted = fit_standardisation("train", x, chosen)
    axes = (0, *range(2, x.ndim))
    assert fitted.mean == pytest.approx(x[chosen].mean(axes), rel=1e-5)
    assert fitted.deviation == pytest.approx(x[chosen].std(axes), rel=1e-5)


def test_train_standardisation_does_not_depend_on_chunks(monkeypatch):
    """Give the same numbers whether rows are read at once or two at a time."""
    x, chosen = rows(), np.arange(11)
    whole = fit_standardisation("train", x, chosen)
    monkeypatch.setattr(loaders, "CHUNK_ROWS", 2)
    assert fit_standardisation("train", x, chosen).mean == pytest.approx(whole.mean, rel=1e-12)


def test_other_rows_do_not_change_what_is_fitted():
    """Fit on train rows only: garbage in the others changes nothing, one changed train row does."""
    x, chosen = rows(), np.array([0, 1, 2, 3])
    fitted = fit_standardisation("train", x, chosen)
    x[4:] = 1e6
    assert fit_standardisation("train", x, chosen) == fitted
    x[3] += 1
    assert fit_standardisation("train", x, chosen) != fitted


@pytest.mark.parametrize("kind", ["none", "row"])
def test_nothing_is_fitted_but_for_train(kind):
    """Keep no numbers where each row is its own measure."""
    assert fit_standardisation(kind, rows(), np.arange(3)) == Standardisation(kind)


def test_resident_rows_are_the_chosen_ones_in_their_order(monkeypatch):
    """Bring rows 7, 0 and 3 to the device as float32, standardised, also in chunks of two."""
    x, fitted = rows(), Standardisation("row")
    monkeypatch.setattr(loaders, "CHUNK_ROWS", 2)
    out = resident(x.astype(np.float64), np.array([7, 0, 3]), fitted, torch.device("cpu"))
    assert out.dtype == torch.float32
    assert torch.equal(out, standardise(torch.from_numpy(x[[7, 0, 3]]), fitted))


def level(n=40, samples=187):
    """Give rows of two leads that are LEVEL throughout."""
    return np.full((n, 2, samples), LEVEL, np.float32)


def test_every_kind_of_augmentation_has_a_setting():
    """Offer what the heartbeat original tried, and nothing at all."""
    assert set(KINDS) == {"none"} | {
        f"noise{scale}{mask}" for scale in ("", "_scale") for mask in ("", "_mask", "_mask2")
    }


def test_no_augmentation_gives_the_rows_back():
    """Leave the numbers alone under `none`."""
    x = rows()
    assert augment(x, Augmentation("none"), np.random.default_rng(0)) is x


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_augmented_rows_have_their_noise_their_scale_and_their_masks(kind):
    """Measure 0.01 of noise, a tenth of scale, and stretches of 20 zeros: none, one, or two that may overlap."""
    x = level()
    out = augment(x, Augmentation(kind), np.random.default_rng(0))
    masked = np.abs(out) < LEVEL / 4
    counts = masked.sum(-1)
    assert (out.shape, out.dtype) == (x.shape, np.float32)
    assert (counts >= (20 if "mask" in kind else 0)).all()
    assert (counts <= (40 if "mask2" in kind else 20 if "mask" in kind else 0)).all()
    assert (counts.max() > 20) == ("mask2" in kind)
    expected = np.hypot(0.01, 0.1 * LEVEL) if "scale" in kind else 0.01
    assert out[~masked].mean() == pytest.approx(LEVEL, rel=0.01)
    assert out[~masked].std() == pytest.approx(expected, rel=0.05)
    assert (x == LEVEL).all()


def test_a_mask_is_one_stretch_anywhere_in_each_row_and_lead():
    """Begin at any of the three places where 20 of 22 samples fit, for each lead by itself."""
    masked = augment(level(samples=22), Augmentation("noise_mask"), np.random.default_rng(0)) < LEVEL / 2
    starts = masked.argmax(-1)
    assert all(masked[i, j, starts[i, j] : starts[i, j] + 20].all() for i, j in np.ndindex(starts.shape))
    assert set(starts.ravel().tolist()) == {0, 1, 2}
    assert (starts[:, 0] != starts[:, 1]).any()


def test_a_row_shorter_than_a_mask_is_masked_whole():
    """Leave only noise of ten samples."""
    assert (augment(level(samples=10), Augmentation("noise_mask"), np.random.default_rng(0)) < 0.1).all()


def test_rows_are_augmented_before_they_are_standardised():
    """Bring integer rows to the device as their augmented copies, each to its own mean and deviation."""
    x, a, fitted = (100 * rows()).astype(np.int16), Augmentation("noise_scale_mask", 3), Standardisation("row")
    chosen = np.array([7, 0, 3])
    out = resident(x, chosen, fitted, torch.device("cpu"), a)
    augmented = augment(x[chosen], a, np.random.default_rng(3))
    assert torch.equal(out, standardise(torch.from_numpy(augmented), fitted))


def test_augmentation_follows_its_seed():
    """Repeat the same copies from the same seed, and make others from another."""
    first, again, other = (
        resident(rows(), np.arange(12), Standardisation("row"), torch.device("cpu"), Augmentation("noise", seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rows_stay_as_they_are_unless_augmentation_is_asked_for():
    """Validation and test rows come without."""
    x = rows()
    assert torch.equal(resident(x, np.arange(12), Standardisation("none"), torch.device("cpu")), torch.from_numpy(x))


def test_a_model_takes_its_own_columns_in_its_own_order():
    """Choose by name from what stands beside the rows."""
    side = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    assert loaders.beside(side, ("a", "b", "c"), ("c", "a")).tolist() == [[3, 1], [6, 4]]


@pytest.mark.parametrize(
    ("side", "have", "missing"), [(None, (), "c, a"), (np.ones((2, 1)), ("a",), "c"), (None, ("a", "c"), "c, a")]
)
def test_missing_columns_are_one_line(side, have, missing):
    """Name the columns that are not there, and the setting that makes them."""
    with pytest.raises(SettingsError, match=rf"^the rows have no {missing} beside them; set window\.side of .*$"):
        loaders.beside(side, have, ("c", "a"))


@pytest.mark.parametrize(("alpha", "published"), PUBLISHED_WEIGHTS.items())
def test_class_weights_are_the_published_ones(alpha, published):
    """Reproduce the printed weights of spec 4.3 to four significant digits."""
    printed = [float(f"{value:.4g}") for value in loaders.class_weights(FULL_TRAIN, alpha)]
    assert printed == list(published)


def test_class_weights_of_small_counts():
    """Weigh counts 6 and 2 by 8/12 and 2 at α = 1, by their means with 1 at α = 0.5, and not at all at α = 0."""
    assert loaders.class_weights(np.array([6, 2]), 1.0) == pytest.approx([2 / 3, 2])
    assert loaders.class_weights(np.array([6, 2]), 0.5) == pytest.approx([5 / 6, 1.5])
    assert loaders.class_weights(np.array([6, 2]), 0.0).tolist() == [1, 1]


def test_a_class_without_rows_has_a_finite_weight():
    """Divide by no zero where a class has no train row."""
    assert np.isfinite(loaders.class_weights(np.array([6, 0]), 1.0)).all()


def test_sampling_weights_of_small_counts():
    """Weigh a row of N by 1 and one of S by int(0.5 · 6)/2 = 1.5."""
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
    assert loaders.sampling_weights(labels, np.array([6, 2]), 0.5).tolist() == [1.0] * 6 + [1.5] * 2


@pytest.mark.parametrize(("ratio", "share"), PUBLISHED_SHARES.items())
def test_sampling_weights_sum_to_the_published_share(ratio, share):
    """Give N the probability 1/(1 + 4 · ratio), to the three printed digits."""
    labels = torch.from_numpy(np.repeat(np.arange(5), FULL_TRAIN))
    weights = loaders.sampling_weights(labels, FULL_TRAIN, ratio)
    assert round(float(weights[labels == 0].sum() / weights.sum()), 3) == share
    assert share == round(1 / (1 + 4 * ratio), 3)


@pytest.mark.parametrize("ratio", PUBLISHED_SHARES)
def test_drawing_gives_each_class_its_share(ratio):
    """Draw each minority class `ratio` times as often as N, with replacement."""
    labels = torch.from_numpy(np.repeat(np.arange(5), FULL_TRAIN))
    weights = loaders.sampling_weights(labels, FULL_TRAIN, ratio)
    order = visiting_order(len(labels), weights, torch.Generator().manual_seed(1))
    drawn = torch.bincount(labels[order], minlength=5) / len(labels)
    expected = torch.tensor([1, *[ratio] * 4]) / (1 + 4 * ratio)
    assert torch.allclose(drawn, expected, atol=0.01)
    assert len(order) == len(labels) > len(order.unique())


def test_a_shuffle_visits_every_row_once():
    """Give each row number once where no row weighs more than another."""
    order = visiting_order(50, None, torch.Generator().manual_seed(3))
    assert sorted(order.tolist()) == list(range(50)) != order.tolist()


@pytest.mark.parametrize("weights", [None, torch.arange(1.0, 51.0)])
def test_the_order_follows_its_seed(weights):
    """Repeat an order from the same seed, and give another from another."""
    first, again, other = (visiting_order(50, weights, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("n", "size", "lengths"), [(7, 3, [3, 3]), (8, 3, [3, 3, 2]), (6, 3, [3, 3]), (2, 3, [2]), (1, 3, [1])]
)
def test_batches_leave_out_a_last_batch_of_one_row(n, size, lengths):
    """Cut an order into batches in turn; a lone last row is left out unless it is the only one."""
    parts = list(batches(torch.arange(n), size))
    assert [len(part) for part in parts] == lengths
    assert torch.cat(parts).tolist() == list(range(sum(lengths)))
