"""What the encodings share: pieces of time, their averages, ordered values, and roots that have a gradient everywhere."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pqrst.encodings import _matrix
from pqrst.errors import SettingsError

NOISE = torch.randn(3, 2, 187, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_averages_by_hand():
    """Cut five samples into two and three, as the borders 0, 2.5, 5 rounded down have it."""
    x = torch.tensor([1.0, 3.0, 4.0, 5.0, 9.0])
    assert _matrix.bounds(5, 2).tolist() == [0, 2, 5]
    assert _matrix.averages(x, 2).tolist() == [2, 6]
    assert torch.equal(_matrix.averages(x, 5), x)


@pytest.mark.parametrize("size", [1, 2, 17, 64, 93, 94, 186, 187])
def test_averages_are_those_of_the_pieces(size):
    """Agree with a plain loop over pieces, each sample in one of them."""
    borders = _matrix.bounds(187, size)
    assert (borders[0], borders[-1]) == (0, 187)
    assert set(np.diff(borders)) <= {187 // size, -(-187 // size)}
    loop = [NOISE[..., one:two].mean(dim=-1) for one, two in pairwise(borders)]
    torch.testing.assert_close(_matrix.averages(NOISE, size), torch.stack(loop, dim=-1))


def test_averages_of_a_flat_lead_are_its_level():
    """Leave a level that no binary number equals as it is, to the last bit, in pieces of 46 and 47."""
    level = torch.full((1, 3000), 0.1)
    assert torch.equal(_matrix.averages(level, 64), level[:, :64])


def test_averages_of_a_long_signal_far_from_zero_keep_their_digits():
    """Round once where single precision is given, however large the sums that the pieces are differences of."""
    x = (1000 + NOISE.repeat(1, 1, 200)).float()
    exact = _matrix.averages(x.double(), 224)
    assert torch.equal(_matrix.averages(x, 224), exact.float())
    loop = [x.double()[..., one:two].mean(dim=-1) for one, two in pairwise(_matrix.bounds(x.shape[-1], 224))]
    torch.testing.assert_close(exact, torch.stack(loop, dim=-1), rtol=1e-13, atol=0)


def test_the_gradient_of_averages_is_that_of_the_pieces():
    """Share it equally among the samples of a piece."""
    x = torch.zeros(1, 5, dtype=torch.float64, requires_grad=True)
    (_matrix.averages(x, 2) * torch.tensor([6.0, 12.0])).sum().backward()
    assert x.grad.tolist() == [[3, 3, 4, 4, 4]]


def test_fitting_stretches_as_well():
    """Put straight lines between two values, a quarter and three quarters of the way."""
    assert _matrix.fit(torch.tensor([0.0, 4.0]), 4).tolist() == [0, 1, 3, 4]
    picture = torch.tensor([[0.0, 4.0], [4.0, 8.0]])
    assert _matrix.resize(picture, 4)[:, 0].tolist() == [0, 1, 3, 4]
    assert torch.equal(_matrix.resize(picture, 2), picture)


def test_a_stretch_of_time_by_hand():
    """Count what is left of ten samples, and refuse a start that leaves none."""
    assert [_matrix.samples((1, 10), start, length, "x") for start, length in ((0, 0), (4, 0), (9, 0), (4, 3))] == [
        10,
        6,
        1,
        3,
    ]
    with pytest.raises(SettingsError, match=r"^x\.start is 10, but the signals end after 10 samples$"):
        _matrix.samples((1, 10), 10, 0, "x")


def test_what_is_missing_is_nought():
    """Put zeros behind a signal that is one or two samples short and for a sample that is missing, and keep what is infinite."""
    x = torch.tensor([1.0, 2.0, 3.0])
    assert _matrix.cut(x, 1, 3).tolist() == [2, 3, 0]
    assert _matrix.cut(x, 1, 4).tolist() == [2, 3, 0, 0]
    assert _matrix.cut(x, 1, 1).tolist() == [2]
    assert _matrix.cut(x, 1, 0).tolist() == [2, 3]
    assert _matrix.cut(torch.tensor([torch.nan, torch.inf, -torch.inf]), 0, 0).tolist() == [0, np.inf, -np.inf]


@pytest.mark.parametrize("exported", [True, False])
def test_values_are_sorted_by_numpy_or_in_a_graph(monkeypatch, exported):
    """Sort the last axis either way, and let no gradient through."""
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: exported)
    found = _matrix.ordered(torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]], requires_grad=True))
    assert found.tolist() == [[1, 2, 3], [0, 4, 5]]
    assert not found.requires_grad


@pytest.mark.parametrize("count", [1, 2, 3, 10, 187])
def test_percentiles_are_numpys(count):
    """Agree with numpy to the last bit, at the ends, at values and between them."""
    percents = np.array([0, 0.1, 10, 12.5, 25, 100 / 3, 37.5, 50, 75, 87.5, 99.9, 100])
    x = NOISE[..., :count]
    assert np.array_equal(
        _matrix.percentiles(x, percents), np.moveaxis(np.percentile(x.numpy(), percents, axis=-1), 0, -1)
    )


def test_a_root_has_a_gradient_everywhere():
    """Give 0 and no gradient at and below 0, where others give an infinite one or none."""
    x = torch.tensor([4.0, 0.0, -1.0], requires_grad=True)
    found = _matrix.root(x)
    found.sum().backward()
    assert found.tolist() == [2, 0, 0]
    assert x.grad.tolist() == [0.25, 0, 0]


def test_a_picture_larger_than_its_signal_is_refused():
    """Say how large it may be."""
    assert _matrix.side(0, 187, "encodings.gramian") == 187
    with pytest.raises(SettingsError, match=r"^encodings\.gramian\.size must be at most the 187 samples .*, got 224$"):
        _matrix.side(224, 187, "encodings.gramian")
