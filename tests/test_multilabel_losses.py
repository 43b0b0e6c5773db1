"""The losses for rows with several labels: by hand, and against what they become at the ends of their settings."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.losses import _positives, asymmetric, ce, focal, weighted_ce

LN3 = math.log(3)  # σ(ln 3) = 0.75
COUNTS = np.array([6, 3, 2])


def problem(dtype=torch.float32):
    """Make up logits and labels of eight rows and three classes."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(8, 3, generator=generator, dtype=dtype)
    return logits.requires_grad_(), torch.randint(0, 2, (8, 3), generator=generator)


def asymmetric_loss(**given):
    """Build the asymmetric loss."""
    return asymmetric.build("multi", COUNTS, asymmetric.Params(**given))


def test_asymmetric_by_hand():
    """A present label at p = 3/4 gives 1/4 ln(4/3); an absent one, less a margin of 1/4, (1/2)⁴ ln 2."""
    loss, logits = asymmetric_loss(clip=0.25), torch.tensor([[LN3, LN3]])
    assert loss(logits, torch.tensor([[1, 1]])).item() == pytest.approx(math.log(4 / 3) / 4, rel=1e-6)
    assert loss(logits, torch.tensor([[0, 0]])).item() == pytest.approx(math.log(2) / 16, rel=1e-6)
    assert loss(logits, torch.tensor([[1, 0]])).item() == pytest.approx(
        (math.log(4 / 3) / 4 + math.log(2) / 16) / 2, rel=1e-6
    )


def test_an_absent_label_below_the_margin_counts_nothing():
    """Give no loss and no gradient at p = 1/4 − 0.01 where the margin is 1/4, and some at p = 1/4 + 0.01."""
    loss = asymmetric_loss(clip=0.25)
    for p, counts in ((0.24, False), (0.26, True)):
        logits = torch.tensor([[math.log(p / (1 - p))]], requires_grad=True)
        value = loss(logits, torch.tensor([[0]]))
        value.backward()
        assert (value.item() > 0, logits.grad.item() > 0) == (counts, counts)


def test_asymmetric_without_settings_is_cross_entropy():
    """Equal binary cross-entropy where nothing fades and nothing is cut."""
    logits, target = problem()
    weight = torch.linspace(0.1, 2, 8)
    plain = asymmetric_loss(gamma_neg=0.0, gamma_pos=0.0, clip=0.0)
    torch.testing.assert_close(plain(logits, target), F.binary_cross_entropy_with_logits(logits, target.float()))
    weighted = ce.build("multi", COUNTS, ce.Params())(logits, target, weight)
    torch.testing.assert_close(plain(logits, target, weight), weighted)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_asymmetric_with_equal_exponents_is_focal_loss(gamma):
    """Equal focal loss where present and absent labels fade alike and nothing is cut."""
    logits, target = problem()
    expected = focal.build("multi", COUNTS, focal.Params(gamma=gamma))(logits, target)
    found = asymmetric_loss(gamma_neg=gamma, gamma_pos=gamma, clip=0.0)(logits, target)
    torch.testing.assert_close(found, expected)


def test_asymmetric_has_the_derivative_of_its_formula():
    """Agree with differences, in double precision."""
    logits, target = problem(torch.float64)
    loss = asymmetric_loss()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), (logits,))


@pytest.mark.parametrize("size", [30.0, 1e4])
def test_asymmetric_stays_finite_far_out(size):
    """Pull with full force on a present label that is denied, and never to infinity on an absent one that is insisted on."""
    logits = torch.tensor([[-size, size]], requires_grad=True)
    for given in ({}, {"clip": 0.0}, {"clip": 1.0}):
        logits.grad = None
        value = asymmetric_loss(**given)(logits, torch.tensor([[1, 0]]))
        value.backward()
        assert value.isfinite()
        assert logits.grad.isfinite().all()
        assert logits.grad[0, 0].item() == pytest.approx(-0.5)  # of two cells


def test_weighted_cross_entropy_by_hand():
    """Weigh positives by 7/3, 1 and 9: 3, 5 and 1 positives of 10 rows."""
    loss = weighted_ce.build("multi", (3, 5, 1), weighted_ce.Params(), rows=10)
    expected = torch.tensor([7 / 3, 1, 9])
    for place in range(3):
        target = F.one_hot(torch.tensor([place]), 3)
        found = loss(torch.zeros(1, 3), target).item()
        assert found == pytest.approx(math.log(2) * (expected[place].item() + 2) / 3, rel=1e-6)


def test_weighted_cross_entropy_is_torchs():
    """Equal torch with the same weights of positives."""
    logits, target = problem()
    loss = weighted_ce.build("multi", COUNTS, weighted_ce.Params(), rows=8)
    weights = torch.tensor([2 / 6, 5 / 3, 6 / 2])
    expected = F.binary_cross_entropy_with_logits(logits, target.float(), pos_weight=weights)
    torch.testing.assert_close(loss(logits, target), expected)


def test_power_tempers_the_weights():
    """Take the root of 9 at power 1/2, and cross-entropy at 0."""
    weights = _positives.positive_weights((1, 5), 10) ** 0.5
    assert weights.tolist() == pytest.approx([3, 1])
    logits, target = problem()
    plain = weighted_ce.build("multi", COUNTS, weighted_ce.Params(power=0.0), rows=8)
    torch.testing.assert_close(plain(logits, target), ce.build("multi", COUNTS, ce.Params())(logits, target))


def test_a_label_without_positives_weighs_one():
    """Leave a label that train lacks as it is, and count one label a row where the rows are not told."""
    assert _positives.positive_weights((0, 5), 10).tolist() == [1, 1]
    assert _positives.positive_weights((2, 6), None).tolist() == pytest.approx([3, 1 / 3])
    assert _positives.positive_weights((1, 3), 4).tolist() == [3, 1 / 3]  # in double precision
