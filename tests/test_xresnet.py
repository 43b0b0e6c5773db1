"""xresnet1d101 and the benchmark's head: lengths, first weights, and the parts counted one by one."""

import pytest
import torch
from torch import nn

from pqrst.errors import SettingsError
from pqrst.models import xresnet1d101
from pqrst.models._heads import Head, max_and_mean
from pqrst.parsing import parse

TINY = xresnet1d101.Params(blocks=(1, 1, 2), width=8, hidden=16, dropout=0.0)


def sizes(modules):
    """Count the parameters of each module."""
    return [sum(w.numel() for w in module.parameters()) for module in modules]


def test_the_parts_have_the_published_sizes():
    """Count stem, blocks and head: only the first block has a convolved shortcut."""
    model = xresnet1d101.build((12, 250), 71, xresnet1d101.Params())
    assert sizes([model.stem, model.head]) == [17_536, 76_103]
    assert sizes(model.features) == [58_624] + [54_016] * 32


@pytest.mark.parametrize(("samples", "left"), [(250, 8), (1000, 32), (1024, 32), (187, 6), (1, 1)])
def test_time_is_halved_five_times(samples, left):
    """Leave a 32nd of the samples, rounded up at every step."""
    model = xresnet1d101.build((12, samples), 5, xresnet1d101.Params()).eval()
    with torch.no_grad():
        out = model.features(model.stem(torch.randn(1, 12, 1, samples)))
    assert out.shape == (1, 256, 1, left)


def test_a_block_starts_as_its_shortcut():
    """Average two samples and cut below zero, as the last batch norm starts at nought; the other start differs."""
    x = torch.tensor([[1.0, 3.0, -5.0, 1.0, 7.0]]).expand(1, 16, 1, 5)
    for zero, alike in ((True, True), (False, False)):
        p = xresnet1d101.Params(blocks=(1, 1), width=4, zero_last=zero)
        block = xresnet1d101.build((1, 64), 2, p).features[1].eval()
        expected = torch.tensor([2.0, 0.0, 7.0]).expand(1, 16, 1, 3)  # of the last window one sample is left
        assert torch.equal(block(x), expected) == alike


def test_first_weights_are_kaimings():
    """Draw deviations of √(2 / inputs) for convolutions and dense layers, and no biases."""
    torch.manual_seed(0)
    model = xresnet1d101.build((12, 250), 71, xresnet1d101.Params())
    block, dense = model.features[5].residual, model.head[2]
    assert block[3].weight.std().item() == pytest.approx((2 / (64 * 5)) ** 0.5, rel=0.02)
    assert dense.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert not dense.bias.any()
    assert not model.head[-1].bias.any()


def test_pooling_puts_the_largest_before_the_mean():
    """Pool (1, 2, 6) to 6 and 3, and (−1, 0, −5) to 0 and −2."""
    x = torch.tensor([[[[1.0, 2, 6]], [[-1.0, 0, -5]]]])
    assert max_and_mean(x).tolist() == [[6, 0, 3, -2]]


def test_the_head_is_the_published_one():
    """Stand batch norm and dropout before each dense layer, half the dropout before the first."""
    kinds = [nn.BatchNorm1d, nn.Dropout, nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout, nn.Linear]
    head = Head(128, 128, 71, 0.5)
    assert all(isinstance(layer, kind) for layer, kind in zip(head, kinds, strict=True))
    assert (head[1].p, head[5].p) == (0.25, 0.5)
    assert sum(w.numel() for w in head.parameters()) == 42_823


def test_it_learns_a_pulse():
    """Tell rows with a pulse from rows without one, after thirty steps from the published start."""
    torch.manual_seed(0)
    model, y = xresnet1d101.build((1, 64), 2, TINY), torch.arange(32) % 2
    x = 0.1 * torch.randn(32, 1, 64)
    x[y == 1, 0, 20:24] += 2
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert (model.eval()(x).argmax(dim=1) == y).float().mean() > 0.9


@pytest.mark.parametrize(
    ("given", "says"), [({"blocks": []}, "blocks must name at least one layer"), ({"kernel": 4}, "kernel must be odd")]
)
def test_a_layer_that_cannot_be_is_refused(given, says):
    """Name the setting."""
    with pytest.raises(SettingsError, match=says):
        parse(xresnet1d101.Params, given, "models.xresnet1d101")
