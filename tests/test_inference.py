"""A network applied to many rows: eval mode, no matter how many at once, in the precision asked for."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from pqrst import inference, loaders
from pqrst.inference import Crop
from pqrst.models import coupled_cnn
from pqrst.standardisation import Standardisation

CPU = torch.device("cpu")
BF16 = """
import torch
from pqrst import inference, loaders
from pqrst.standardisation import Standardisation
from pqrst.models import simple_cnn
torch.manual_seed(0)
model = simple_cnn.build((1, 32), 3, simple_cnn.Params(widths=(8,)))
x = torch.randn(6, 1, 32)
half, full = inference.logits(model, (x,), "bf16"), inference.logits(model, (x,))
assert half.dtype == torch.float32, half.dtype
assert next(model.parameters()).dtype == torch.float32
print(float((half - full).abs().max()))
"""


@pytest.fixture
def model():
    """Build a small network with batch norm and dropout, whose running means are not those of a fresh one."""
    torch.manual_seed(0)
    p = coupled_cnn.Params(widths=(4, 6), dense_widths=(8,))
    made = coupled_cnn.build((1, 32), 3, p)
    made(torch.randn(16, 1, 32))
    return made


def x(rows=23):
    return torch.randn(rows, 1, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [1, 5, 23, 100])
def test_the_batch_size_does_not_change_logits(model, monkeypatch, size):
    """Give the same logits for one, five or all rows at once."""
    whole = inference.logits(model, (x(),))
    monkeypatch.setattr(inference, "BATCH_ROWS", size)
    assert torch.allclose(inference.logits(model, (x(),)), whole, atol=1e-6)


def test_it_puts_the_network_into_evaluation_mode(model):
    """Leave dropout and batch statistics out, so that twice gives the same bits."""
    model.train()
    first = inference.logits(model, (x(),))
    assert not model.training
    assert torch.equal(first, inference.logits(model, (x(),)))


def test_it_changes_no_running_statistics_and_keeps_no_gradient(model):
    """Leave every buffer as it was, and give plain numbers."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    out = inference.logits(model, (x(),))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not out.requires_grad


def test_logits_come_in_the_order_of_the_rows(monkeypatch):
    """Concatenate batches as they were cut."""
    monkeypatch.setattr(inference, "BATCH_ROWS", 2)
    rows = torch.arange(5.0).view(5, 1)
    assert torch.equal(inference.logits(nn.Identity(), (rows,)), rows)


@pytest.mark.parametrize(
    ("samples", "step", "length", "starts"),
    [
        (0, 0, 10, []),
        (10, 2, 10, []),
        (12, 2, 10, []),
        (4, 0, 10, [3]),
        (4, 0, 9, [2]),
        (4, 3, 10, [0, 3, 6]),
        (4, 4, 10, [0, 4, 6]),  # the last ends with the row
        (4, 9, 10, [0, 6]),
        (250, 125, 1000, [0, 125, 250, 375, 500, 625, 750]),
        (4096, 904, 5000, [0, 904]),
    ],
)
def test_crops_start_at_their_steps_and_end_with_the_row(samples, step, length, starts):
    """Give where crops start by hand: none of a row that is no longer than one, one in the middle without a step."""
    assert Crop(samples, step).starts(length) == starts


@pytest.mark.parametrize(("samples", "row", "shape"), [(0, (2, 9), (2, 9)), (4, (2, 9), (2, 4)), (12, (2, 9), (2, 9))])
def test_a_network_is_built_for_what_it_sees(samples, row, shape):
    """Give the shape of a crop, or of the row where there is none or it is shorter."""
    assert Crop(samples).shape(row) == shape


class FirstAndLast(nn.Module):
    """Give a crop's first sample and its last, turned around, plus what stands beside."""

    def forward(self, x, side=None):
        out = torch.stack([x[:, 0, 0], -x[:, 0, -1]], 1)
        return out if side is None else out + side


RAMP = torch.tensor([[[0.0, 1.0, 2.0, 3.0, 4.0]], [[9.0, 0.0, 5.0, 0.0, 1.0]]])


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        (Crop(3, 1, "max"), [[2, -2], [9, 0]]),  # crops 0 1 2, 1 2 3, 2 3 4 and 9 0 5, 0 5 0, 5 0 1
        (Crop(3, 1, "mean"), [[1, -3], [14 / 3, -2]]),
        (Crop(3, 0, "max"), [[1, -3], [0, 0]]),
        (Crop(), [[0, -4], [9, -1]]),
    ],
)
def test_the_logits_of_a_rows_crops_are_pooled_element_by_element(crop, expected):
    """Take the largest, or the mean, of each logit over the crops."""
    assert torch.allclose(inference.pooled(FirstAndLast(), (RAMP,), crop), torch.tensor(expected, dtype=torch.float32))
    assert torch.allclose(
        inference.logits(FirstAndLast(), (RAMP,), crop=crop), torch.tensor(expected, dtype=torch.float32)
    )


def test_every_crop_of_a_row_sees_the_numbers_beside_it():
    """Hand the same side to each crop."""
    side = torch.tensor([[10.0, 20.0], [0.0, 0.0]])
    found = inference.pooled(FirstAndLast(), (RAMP, side), Crop(3, 1, "max"))
    assert found.tolist() == [[12, 18], [9, 0]]


class Counting(nn.Module):
    """Remember how many rows came at once, and give each row's first number."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return x[:, 0, :1]


@pytest.mark.parametrize(
    ("numbers", "crop", "batches"),
    [(100, Crop(), [5, 5, 2]), (50, Crop(5, 5), [10, 10, 10, 10, 2, 2, 2, 2]), (1, Crop(), [1] * 12)],
)
def test_long_rows_come_few_at_a_time(monkeypatch, numbers, crop, batches):
    """Hold a batch of what the network sees within its bound of numbers, but for a single row."""
    monkeypatch.setattr(inference, "BATCH_NUMBERS", numbers)
    network, x = Counting(), torch.arange(240.0).view(12, 1, 20)
    found = inference.logits(network, (x,), crop=crop)
    assert network.seen == batches
    assert len(found) == 12


def test_rows_on_disk_give_the_logits_of_rows_in_memory(tmp_path, monkeypatch):
    """Read them batch by batch."""
    monkeypatch.setattr(inference, "BATCH_ROWS", 4)
    np.save(tmp_path / "x.npy", np.arange(30, dtype=np.int16).reshape(6, 1, 5))
    mapped, chosen = np.load(tmp_path / "x.npy", mmap_mode="r"), np.array([5, 0, 1, 2, 3])
    s, crop = Standardisation("row"), Crop(3, 1, "mean")
    here, there = (take(mapped, chosen, s, CPU) for take in (loaders.resident, loaders.Streamed))
    assert torch.equal(*(inference.logits(FirstAndLast(), (x,), crop=crop) for x in (here, there)))


def test_full_precision_casts_nothing():
    """Switch no autocast on under fp32."""
    with inference.precision("fp32", CPU):
        assert not torch.is_autocast_enabled("cpu")


def test_half_precision_casts_to_bfloat16():
    """Switch autocast on for bfloat16 under bf16, and off again after."""
    with inference.precision("bf16", CPU):
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")


def test_half_precision_gives_almost_the_same_logits():
    """Compute in bfloat16 with float32 weights and float32 logits, in a process of its own: some processors die of it."""
    done = subprocess.run([sys.executable, "-c", BF16], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode < 0:
        pytest.skip(f"bfloat16 ends in {signal.Signals(-done.returncode).name} on this processor")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.05
