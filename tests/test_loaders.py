"""Rows on a device, the order of rows, batches, and the weights of classes and rows."""

import numpy as np
import pytest
import torch

from pqrst import arrays, loaders, ranks
from pqrst.arrays import Steps
from pqrst.errors import DataError, SettingsError
from pqrst.loaders import Streamed, batches, cropped, parts, resident, visiting_order
from pqrst.standardisation import Standardisation, fit_standardisation, standardise
from pqrst.treatment import beside

FULL_TRAIN = np.array([72471, 2223, 5788, 641, 6431])  # spec 4.1: N, S, V, F, Q of Kaggle's train file
PUBLISHED_WEIGHTS = {  # spec 4.3: α: the weight of each class
    1.0: (0.2416, 7.877, 3.025, 27.32, 2.723),
    0.5: (0.6208, 4.439, 2.013, 14.16, 1.861),
    0.1: (0.9242, 1.688, 1.203, 3.632, 1.172),
}
PUBLISHED_SHARES = {0.1: 0.714, 0.25: 0.5, 0.5: 0.333, 1.0: 0.2}  # spec 4.3: ratio: P(N)


def rows(seed=0, n=12, shape=(2, 5)):
    """Make up rows whose leads have different means and deviations."""
    scale = np.arange(1, shape[0] + 1).reshape(-1, *(1 for _ in shape[1:]))
    return np.random.default_rng(seed).normal(3.0 * scale, scale, (n, *shape)).astype(np.float32)


def test_resident_rows_are_the_chosen_ones_in_their_order(monkeypatch):
    """Bring rows 7, 0 and 3 to the device as float32, standardised, also in chunks of two."""
    x, fitted = rows(), Standardisation("row")
    monkeypatch.setattr(loaders, "CHUNK_ROWS", 2)
    out = resident(x.astype(np.float64), np.array([7, 0, 3]), fitted, torch.device("cpu"))
    assert out.dtype == torch.float32
    assert torch.equal(out, standardise(torch.from_numpy(x[[7, 0, 3]]), fitted))


STANDARDISATIONS = ("none", "row", "train", "train_all")
STEPS = Steps((200.0, 1000.0, 0.1), (7, 0, -3))


def on_disk(folder, dtype=np.int16, n=40, shape=(3, 50)):
    """Write rows to a file, and map it."""
    np.save(folder / "x.npy", (100 * rows(n=n, shape=shape)).astype(dtype))
    return np.load(folder / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("kind", STANDARDISATIONS)
@pytest.mark.parametrize("steps", [None, STEPS])
def test_streamed_rows_are_resident_rows_bit_for_bit(tmp_path, steps, kind, dtype):
    """Give the same numbers one by one, some at a time and all together, in whatever order they are asked for."""
    x, chosen = on_disk(tmp_path, dtype), np.array([30, 2, 17, 2, 39, 0, 5])
    s = fit_standardisation(kind, parts(x, np.arange(0, 40, 2), steps))
    here, there = (take(x, chosen, s, torch.device("cpu"), steps=steps) for take in (resident, Streamed))
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
        found = arrays.take(x, rows)
        assert (found.dtype, type(found)) == (dtype, np.ndarray)
        assert np.array_equal(found, np.asarray(x)[rows])
        assert np.array_equal(arrays.take(np.array(x), rows), found)


@pytest.mark.parametrize("shard", [3, 4, 100])
def test_rows_read_in_shards_are_the_same(tmp_path, shard):
    """Give the same numbers from shards as row by row, wherever asked for, also for a stretch of the rows."""
    x, chosen, s = on_disk(tmp_path), np.arange(1, 40, 2), Standardisation("row")
    one, other = (Streamed(x, chosen, s, torch.device("cpu"), STEPS, size) for size in (1, shard))
    for wanted in (torch.tensor([19, 0, 3, 19, 4]), torch.arange(20)):
        assert torch.equal(other[wanted], one[wanted])
    assert torch.equal(torch.cat(list(other.narrow(0, 5, 9).split(4))), one[torch.arange(5, 14)])


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_each_process_reads_the_shards_of_its_own_lanes(tmp_path, monkeypatch, processes):
    """Visit every row once in an order that no number of processes changes, and read the process's part of the shards."""
    x, rows, seen, reads = on_disk(tmp_path, n=1000, shape=(1, 2)), np.arange(1000), [], []
    monkeypatch.setattr(Streamed, "_read", lambda _, chosen: reads.append(chosen) or torch.zeros(len(chosen), 1, 2))
    order = visiting_order(1000, None, torch.Generator().manual_seed(1), 16, 32)
    for rank in range(processes):
        mine = Streamed(x, rows, Standardisation("none"), torch.device("cpu"), shard=16)
        reads.clear()
        for part in batches(order, 32):
            own = part[ranks.Ranks(rank, processes).share(len(part)).own if processes > 1 else slice(None)]
            mine[own]
            seen += own.tolist()
        assert (
            len(reads) <= (63 + loaders.LANES) / processes + 2
        )  # lanes begin amid a shard; the last batch is no lane's
    assert sorted(seen) == rows.tolist()


def test_the_order_by_shards_follows_its_seed_and_mixes():
    """Draw another order from another seed, and neighbours far apart."""
    one, same, other = (visiting_order(300, None, torch.Generator().manual_seed(seed), 10, 7) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert sorted(one.tolist()) == list(range(300))
    assert visiting_order(5, None, torch.Generator(), 10, 7).sort().values.tolist() == list(range(5))


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


def test_a_model_takes_its_own_columns_in_its_own_order():
    """Choose by name from what stands beside the rows."""
    side = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
    assert beside(side, ("a", "b", "c"), ("c", "a")).tolist() == [[3, 1], [6, 4]]


@pytest.mark.parametrize(
    ("side", "have", "missing"), [(None, (), "c, a"), (np.ones((2, 1)), ("a",), "c"), (None, ("a", "c"), "c, a")]
)
def test_missing_columns_are_one_line(side, have, missing):
    """Name the columns that are not there, and the setting that makes them."""
    with pytest.raises(SettingsError, match=rf"^the rows have no {missing} beside them; set window\.side of .*$"):
        beside(side, have, ("c", "a"))


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
