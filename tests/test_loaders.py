"""Standardisation, augmentation, the order of rows, batches, and the weights of classes and rows."""

from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch

from pqrst import loaders, params
from pqrst.arrays import Meta
from pqrst.errors import DataError, SettingsError
from pqrst.loaders import (
    Augmentation,
    Standardisation,
    Streamed,
    augment,
    batches,
    cropped,
    fit_standardisation,
    resident,
    standardise,
    to_unit,
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


def test_one_mean_and_deviation_for_all_leads():
    """Fit mean 3.5 and deviation √15.25 on 1, 3, 3, 1 of lead one and 0, 10, 10, 0 of lead two, for both leads."""
    x = np.array([[[1, 3], [0, 10]], [[3, 1], [10, 0]], [[90, 90], [90, 90]]], np.int16)
    fitted = fit_standardisation("train_all", x, np.array([0, 1]))
    assert fitted.mean == pytest.approx((3.5, 3.5))
    assert fitted.deviation == pytest.approx((15.25**0.5,) * 2)
    scaled = standardise(torch.tensor([[[3.5], [3.5 + 15.25**0.5]]]), fitted)
    assert scaled.flatten().tolist() == pytest.approx([0, 1])


def test_converter_steps_go_back_to_their_unit():
    """Bring 1224 steps of 200 from 1024 on to 1, and leave rows alone that are in their unit already."""
    told = {
        "dataset": "d",
        "task": "single",
        "classes": ("a", "b"),
        "fs": 100.0,
        "leads": ("I", "II"),
        "units": "converter steps",
        "axes": ("row", "lead", "time"),
        "window": {},
        "provenance": {},
    }
    steps = to_unit(Meta(**told, gain=(200.0, 1000.0), zero=(1024, 0)))
    assert steps == Standardisation("unit", (1024.0, 0.0), (200.0, 1000.0))
    x = torch.tensor([[[1224.0, 1024.0], [500.0, -32768.0]]])
    assert standardise(x, steps).tolist() == [[[1.0, 0.0], [0.5, -32.768001556396484]]]
    assert to_unit(Meta(**told)) == Standardisation("none")


def test_a_missing_number_beside_a_row_is_fitted_nowhere_and_becomes_the_mean():
    """Fit 2 and 1 on 1, 3 and a missing number; give 0 for the missing one, in columns, and nothing new in signals."""
    side = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0], [9.0, 9.0]], np.float32)
    fitted = fit_standardisation("train", side, np.array([0, 1, 2]))
    assert (fitted.mean, fitted.deviation) == ((2.0, 5.0), (1.0, 0.0))
    assert standardise(torch.from_numpy(side[:3]), fitted).tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    signal = standardise(torch.tensor([[[float("nan")], [5.0]]]), fitted)
    assert torch.isnan(signal[0, 0, 0])


def test_a_column_that_is_missing_everywhere_stays_finite():
    """Give zeros."""
    side = np.full((3, 1), np.nan, np.float32)
    fitted = fit_standardisation("train", side, np.arange(3))
    assert standardise(torch.from_numpy(side), fitted).tolist() == [[0.0]] * 3


@pytest.mark.parametrize("scale", [1e-3, 0.1, 1.0, 300.0])
def test_the_bound_of_the_deviation_moves_no_ordinary_row(scale):
    """Give to the bit what the plain formula gives."""
    x = torch.from_numpy(scale * rows())
    away = x - x.mean(2, keepdim=True)
    plain = away / (away.square().mean(2, keepdim=True).sqrt() + loaders.EPSILON)
    assert torch.equal(standardise(x, Standardisation("row")), plain)


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


STANDARDISATIONS = ("none", "row", "train", "train_all", "unit")


def on_disk(folder, dtype=np.int16, n=40, shape=(3, 50)):
    """Write rows to a file, and map it."""
    np.save(folder / "x.npy", (100 * rows(n=n, shape=shape)).astype(dtype))
    return np.load(folder / "x.npy", mmap_mode="r")


def fitted_to(kind, x):
    if kind == "unit":
        return Standardisation("unit", (7.0, 0.0, -3.0), (200.0, 1000.0, 0.1))
    return fit_standardisation(kind, x, np.arange(0, 40, 2))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("kind", STANDARDISATIONS)
def test_streamed_rows_are_resident_rows_bit_for_bit(tmp_path, kind, dtype):
    """Give the same numbers one by one, some at a time and all together, in whatever order they are asked for."""
    x, chosen = on_disk(tmp_path, dtype), np.array([30, 2, 17, 2, 39, 0, 5])
    s = fitted_to(kind, x)
    here, there = (take(x, chosen, s, torch.device("cpu")) for take in (resident, Streamed))
    assert torch.equal(there[torch.arange(7)], here)
    assert torch.equal(there[torch.tensor([4, 4, 0])], here[[4, 4, 0]])
    assert torch.equal(torch.cat(list(there.split(3))), here)
    assert torch.equal(torch.cat([there[torch.tensor([place])] for place in range(7)]), here)


def test_rows_are_cut_into_parts_that_are_small_enough(monkeypatch):
    """Hold four rows of 10 numbers within 40, at most three rows of fewer, and one row that is longer than that."""
    monkeypatch.setattr(loaders, "CHUNK_NUMBERS", 40)
    rows = np.array([9, 3, 5, 7, 1, 0])
    assert [part.tolist() for part in loaders.chunks(rows, (2, 5))] == [[9, 3, 5, 7], [1, 0]]
    assert [len(part) for part in loaders.chunks(rows, (50,))] == [1] * 6
    monkeypatch.setattr(loaders, "CHUNK_ROWS", 3)
    assert [len(part) for part in loaders.chunks(rows, (2,))] == [3, 3]
    assert list(loaders.chunks(rows[:0], (2,))) == []


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_rows_are_taken_out_of_a_file_as_out_of_an_array(tmp_path, dtype):
    """Copy the same rows in their order and type, also some twice or none."""
    x = on_disk(tmp_path, dtype)
    for rows in (np.array([39, 0, 7, 0]), np.array([], int)):
        found = loaders.take(x, rows)
        assert (found.dtype, type(found)) == (dtype, np.ndarray)
        assert np.array_equal(found, np.asarray(x)[rows])
        assert np.array_equal(loaders.take(np.array(x), rows), found)


def test_streamed_rows_answer_as_a_tensor_does(tmp_path):
    """Know their length, shape and device, and come in batches of the size that is asked for."""
    found = Streamed(on_disk(tmp_path), np.arange(7), Standardisation("row"), torch.device("cpu"))
    assert (len(found), found.shape, found.device) == (7, (7, 3, 50), torch.device("cpu"))
    assert [tuple(part.shape) for part in found.split(3)] == [(3, 3, 50), (3, 3, 50), (1, 3, 50)]
    assert found[torch.tensor([1])].dtype == torch.float32


def test_a_file_that_ends_too_soon_is_one_line(tmp_path):
    """Name the file, the row that is not there, and what to do."""
    x = on_disk(tmp_path)
    found = Streamed(x, np.array([3, 39]), Standardisation("row"), torch.device("cpu"))
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-10])
    assert torch.isfinite(found[torch.tensor([0])]).all()
    with pytest.raises(DataError, match=r"x\.npy ends before row 39; build it anew with `dvc repro`$") as caught:
        found[torch.tensor([0, 1])]
    assert "\n" not in str(caught.value)


def test_a_crop_is_a_stretch_of_its_row_the_same_in_every_lead():
    """Cut 4 of 10 samples out of each row at any of seven places, in the order of time."""
    x = torch.arange(10.0).expand(500, 2, 10) + torch.tensor([0.0, 100.0])[:, None]
    torch.manual_seed(3)
    out = cropped(x, 4)
    starts = out[:, 0, 0]
    assert out.shape == (500, 2, 4)
    assert torch.equal(out[:, 0], starts[:, None] + torch.arange(4.0))
    assert torch.equal(out[:, 1], out[:, 0] + 100)
    assert set(starts.tolist()) == set(range(7))


def test_crops_follow_torchs_seed():
    """Repeat the same places from the same seed, and take others from another."""
    x, found = torch.arange(100.0).expand(20, 1, 100), []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        found.append(cropped(x, 10))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("samples", [0, 10, 11])
def test_a_row_that_is_no_longer_than_a_crop_stays_whole(samples):
    """Cut nothing where nothing is asked for or nothing would be left, and draw no number."""
    x = torch.arange(20.0).view(2, 1, 10)
    state = torch.get_rng_state()
    assert cropped(x, samples) is x
    assert torch.equal(torch.get_rng_state(), state)


def level(n=40, samples=187):
    """Give rows of two leads that are LEVEL throughout."""
    return np.full((n, 2, samples), LEVEL, np.float32)


def test_every_kind_of_augmentation_has_a_setting():
    """Offer what the heartbeat original tried, the changes of HeartResearch, and nothing at all."""
    assert set(KINDS) == {"none", "transforms"} | {
        f"noise{scale}{mask}" for scale in ("", "_scale") for mask in ("", "_mask", "_mask2")
    }


def test_no_augmentation_gives_the_rows_back():
    """Leave the numbers alone under `none`."""
    x = rows()
    assert augment(x, Augmentation("none"), np.random.default_rng(0)) is x


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("noise")])
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


@pytest.mark.parametrize("published", [False, True])
def test_transforms_change_rows_in_mv_whatever_they_are_stored_in(published):
    """Alter converter steps as the same rows in mV would be altered."""
    mv = np.random.default_rng(1).normal(0, 0.5, (12, 2, 600)).astype(np.float32)
    gain, zero = (200.0, 1000.0), (1024, -7)
    steps = mv * np.array(gain, np.float32)[:, None] + np.array(zero, np.float32)[:, None]
    plain = augment(mv, Augmentation("transforms", published=published), np.random.default_rng(0))
    told = Augmentation("transforms", published=published, gain=gain, zero=zero)
    stored = augment(steps, told, np.random.default_rng(0))
    back = (stored - np.array(zero, np.float32)[:, None]) / np.array(gain, np.float32)[:, None]
    assert not np.array_equal(plain, mv)
    assert np.abs(back - plain).max() < 1e-3


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
