"""The three readings of the equaliser of leads: nothing, equal powers, and squeeze-and-excitation turned round."""

import pytest
import torch

from pqrst.encodings import lead_rows
from pqrst.errors import SettingsError
from pqrst.frontends import icwa
from pqrst.parsing import parse

MODES = ("none", "power", "se")
FS = 500.0  # Hz


def signals(rows=3, leads=12, samples=300):
    """Make up signals in mV, each lead stronger than the one before."""
    x = torch.randn(rows, leads, samples, generator=torch.Generator().manual_seed(0))
    return x * torch.linspace(0.1, 2, leads).unsqueeze(1)


def frontend(mode, leads=12, **settings):
    """Build a frontend from one seed; in mode `se` with a last layer that has moved from nought."""
    torch.manual_seed(0)
    module = icwa.build(leads, icwa.Params(mode=mode, **settings))
    if mode == "se":
        torch.nn.init.normal_(module.weigh.widen.weight)
    return module


def powers(x):
    """Give the mean square of each lead."""
    return x.square().mean(dim=2)


def picture(x):
    """Draw the whole signal as a small picture of lead rows."""
    return lead_rows.encode(x, FS, lead_rows.Params(start=0, length=x.shape[2], size=32))


def test_settings_are_those_of_the_published_code():
    """Take the published code's reading unasked."""
    assert icwa.Params() == icwa.Params("none", 0.5, 4)


@pytest.mark.parametrize("given", [{"mode": "cme"}, {"exponent": 0.6}, {"exponent": -0.1}, {"squeeze": 0}])
def test_settings_out_of_range_are_refused(given):
    """Name the setting that lies outside its range."""
    with pytest.raises(SettingsError, match=rf"^frontends\.icwa\.{next(iter(given))} must be"):
        parse(icwa.Params, given, "frontends.icwa")


def test_two_leads_by_hand():
    """Weigh powers 1 and 4, mean 2.5, by √2.5 and √0.625 at ½, by 2.5^¼ and 0.625^¼ at ¼."""
    x = torch.tensor([[[1.0, -1.0], [2.0, 2.0]]])
    found = frontend("power", 2)(x)
    torch.testing.assert_close(found, x * torch.tensor([2.5, 0.625]).sqrt().view(1, 2, 1))
    torch.testing.assert_close(powers(found), torch.full((1, 2), 2.5))
    found = frontend("power", 2, exponent=0.25)(x)
    torch.testing.assert_close(found, x * torch.tensor([2.5, 0.625]).pow(0.25).view(1, 2, 1))


def test_all_powers_come_out_equal_at_one_half():
    """Give every lead the mean power of its row."""
    x = signals()
    expected = powers(x).mean(dim=1, keepdim=True).expand(3, 12)
    torch.testing.assert_close(powers(frontend("power")(x)), expected)


def test_a_smaller_exponent_equalises_less():
    """Leave the leads as they are at 0, and draw their powers nearer the further it rises."""
    x = signals()
    assert torch.equal(frontend("power", exponent=0.0)(x), x)
    spread = [powers(frontend("power", exponent=e)(x)).std(dim=1).max().item() for e in (0.0, 0.2, 0.4, 0.5)]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 100 * spread[-1]


def test_no_reading_is_no_change():
    """Hand the leads on to the bit, and learn nothing, in mode `none`."""
    x, module = signals(), frontend("none")
    assert torch.equal(module(x), x)
    assert list(module.parameters()) == list(frontend("power").parameters()) == []


@pytest.mark.parametrize(("leads", "squeeze", "count"), [(12, 4, 112), (1, 4, 13), (12, 2, 62)])
def test_the_excitation_has_so_many_parameters(leads, squeeze, count):
    """Count two layers with biases."""
    assert sum(w.numel() for w in frontend("se", leads, squeeze=squeeze).parameters()) == count


def test_the_excitation_begins_as_no_change():
    """Weigh every lead by exactly 1 before anything is learned."""
    x = signals()
    assert torch.equal(icwa.build(12, icwa.Params(mode="se"))(x), x)


def test_the_excitation_by_hand():
    """Standardise the logarithms of two powers to ±1, let one hidden unit see lead 2, and turn the gate round."""
    module = icwa.build(2, icwa.Params(mode="se", squeeze=1))
    with torch.no_grad():
        module.weigh.narrow.weight.copy_(torch.tensor([[0.0, 3.0]]))
        module.weigh.narrow.bias.zero_()
        module.weigh.widen.weight.copy_(torch.tensor([[-1.0], [2.0]]))
    x = torch.tensor([[[1.0, -1.0], [4.0, 4.0]]])
    important = torch.sigmoid(torch.tensor([-3.0, 6.0]))  # W₂ · 3
    expected = x * (2 * (1 - important)).view(1, 2, 1)
    torch.testing.assert_close(module(x), expected, atol=1e-3, rtol=1e-3)
    assert powers(module(x))[0, 0] > 1  # the weak lead is excited
    assert powers(module(x))[0, 1] < 16  # the strong one squeezed


def test_the_gradient_reaches_both_layers_through_the_picture():
    """Learn the excitation from what an encoding draws; its first layer once the second has moved from nought."""
    module = icwa.build(12, icwa.Params(mode="se"))
    picture(module(signals())).square().mean().backward()
    assert module.weigh.widen.weight.grad.any()
    module = frontend("se")
    x = signals().requires_grad_()
    picture(module(x)).square().mean().backward()
    for weight in (*module.parameters(), x):
        assert weight.grad.isfinite().all()
        assert weight.grad.any()


@pytest.mark.parametrize("mode", MODES)
def test_a_common_gain_is_lost_in_the_picture(mode):
    """Draw the same picture of a record that was amplified as a whole."""
    x, module = signals(), frontend(mode)
    torch.testing.assert_close(module(8 * x), 8 * module(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(picture(module(8 * x)), picture(module(x)), rtol=1e-4, atol=0.05)  # of −2 to 1,136


@pytest.mark.parametrize("mode", MODES)
def test_a_row_does_not_depend_on_its_neighbours(mode):
    """Weigh a row the same alone, among others, in training and in evaluation."""
    x, module = signals(), frontend(mode)
    whole = module(x)
    torch.testing.assert_close(module(x[:1]), whole[:1])
    other = x.clone()
    other[1:] *= 100
    torch.testing.assert_close(module.eval()(other)[0], whole[0])


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_sample_counts_as_nought(mode):
    """Give what a signal with zeros gives, in value and in gradient, where samples are missing."""
    x, module = signals(), frontend(mode)
    x[0, 3, 10:20] = x[1, 5] = torch.nan
    filled = x.nan_to_num(nan=0.0)
    assert torch.equal(module(x), module(filled))
    x.requires_grad_()
    module(x).square().sum().backward()
    assert x.grad.isfinite().all()
    assert not x.grad[0, 3, 10:20].any()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", [0.0, -3.0, 1e-12])
def test_a_flat_lead_stays_finite(mode, level):
    """Give something finite, with a finite gradient, where one lead or all of them are flat."""
    x, module = signals(), frontend(mode)
    x[0, 4], x[1] = level, level
    x.requires_grad_()
    out = module(x)
    picture(out).square().mean().backward()
    assert out.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in module.parameters())


@pytest.mark.parametrize("mode", MODES)
def test_one_lead_keeps_its_shape(mode):
    """Change a lone lead by no more than a factor, and by none where powers are equalised."""
    x = signals(leads=1)
    out = frontend(mode, 1)(x)
    assert out.shape == x.shape
    factor = (out * x).sum() / x.square().sum()
    torch.testing.assert_close(out, factor * x)
    if mode != "se":
        torch.testing.assert_close(out, x)


@pytest.mark.parametrize("mode", MODES)
def test_the_type_of_the_numbers_stays(mode):
    """Give half precision for half precision, although its squares would overflow."""
    x = 300 * signals()
    out = frontend(mode)(x.half())
    assert out.dtype == torch.float16
    torch.testing.assert_close(out.float(), frontend(mode)(x), rtol=0.01, atol=0.1)


@pytest.mark.parametrize("unit", [1.0, 1e-20])
def test_inverted_excitation_by_hand(unit):
    """Take logarithms of 1e-4 √P + √P_c, standardise them, and turn round what a network that changes nothing makes of them.

    Powers of 0, 1e6 and 4e6 have the levels -2.047, 6.908 and 7.601, standardised -1.411, 0.627 and 0.785, in any unit.
    """
    module = icwa.InvertedExcitation(3, 3)
    with torch.no_grad():
        for layer in (module.narrow, module.widen):
            layer.weight.copy_(torch.eye(3))
            layer.bias.zero_()
    found = module(unit * torch.tensor([[0.0, 1e6, 4e6]])).squeeze().tolist()
    assert found == pytest.approx([1, 0.69649, 0.62668], abs=2e-5)
