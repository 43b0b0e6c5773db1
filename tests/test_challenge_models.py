"""The baselines of the Challenge 2021: padding, views and lead sets by hand."""

import math

import pytest
import torch
from torch import nn

from pqrst.errors import SettingsError
from pqrst.models import isibrno, mvms, ribeiro
from pqrst.models._leads import LEADS
from toys import seeded

SMALL_MVMS = mvms.Params(widths=(4, 8), quarter=2, squeezed=2)
SMALL_ISIBRNO = isibrno.Params(width=8, blocks=2, heads=2)


def size(module):
    return sum(weight.numel() for weight in module.parameters())


def constant(module, value):
    """Set every weight to one value and every bias to nought."""
    for name, weight in module.named_parameters():
        nn.init.constant_(weight, 0.0 if name.endswith("bias") else value)


@pytest.mark.parametrize(
    ("samples", "kernel", "stride", "expected"),
    [
        (4096, 16, 1, (7, 8)),
        (4096, 16, 4, (6, 6)),
        (4095, 16, 4, (6, 7)),
        (5, 4, 2, (1, 2)),
        (8, 4, 4, (0, 0)),
        (9, 4, 4, (1, 2)),
        (9, 1, 4, (0, 0)),
    ],
)
def test_zeros_are_counted_as_in_tensorflow(samples, kernel, stride, expected):
    """Leave ⌈T / stride⌉ samples, with the odd zero on the right."""
    assert ribeiro.same(samples, kernel, stride) == expected


def test_an_even_kernel_by_hand():
    """Sum (0 1 2 3) (2 3 4 5) (4 5 0 0) from 1 … 5 with a kernel of four ones and stride 2."""
    layer = ribeiro.SameConvolution(1, 1, kernel=4, stride=2)
    constant(layer, 1.0)
    assert layer(torch.arange(1.0, 6).reshape(1, 1, 1, 5)).flatten().tolist() == [6, 14, 9]
    assert ribeiro.SameMaximum(4)(-torch.arange(1.0, 6).reshape(1, 1, 1, 5)).flatten().tolist() == [-1, -4]


@pytest.mark.parametrize(("samples", "features"), [(4096, 5120), (4097, 5440), (4000, 5120), (187, 320), (1, 320)])
def test_ribeiro_flattens_what_its_units_leave(samples, features):
    """Round up at each quarter, as the padding does, whatever the length."""
    model = ribeiro.build((2, samples), 3, ribeiro.Params()).eval()
    assert model.head.in_features == features
    with torch.no_grad():
        assert model(torch.randn(1, 2, samples)).shape == (1, 3)


def test_units_have_the_published_widths_and_lengths():
    """Give (length, filters) 1024 × 128, 256 × 196, 64 × 256 and 16 × 320 from 4,096 samples."""
    model, shapes = ribeiro.build((12, 4096), 6, ribeiro.Params()).eval(), []
    for unit in model.units:
        unit.register_forward_hook(lambda _, __, out: shapes.append(tuple(out[1].shape)))
    with torch.no_grad():
        model(torch.randn(1, 12, 4096))
    assert shapes == [(1, 128, 1, 1024), (1, 196, 1, 256), (1, 256, 1, 64), (1, 320, 1, 16)]


def test_the_shortcut_passes_without_activation():
    """Hand the negative maximum of each four on, and its ReLU beside it, when the residual is nought."""
    unit = ribeiro.Unit(1, 1, ribeiro.Params(kernel=4)).eval()
    constant(unit.residual, 0.0)
    y = torch.tensor([-4.0, -1, -2, -3, 5, 6, 7, 8]).reshape(1, 1, 1, 8)
    active, plain = unit((y, y))
    assert plain.flatten().tolist() == [-1, 8]
    assert active.flatten().tolist() == pytest.approx([0, 8], rel=1e-4)


def test_weights_are_drawn_as_keras_draws_them():
    """Spread weights of 64 × 16 inputs by √(2 / 1024), and none beyond two deviations of the normal before its cut."""
    torch.manual_seed(0)
    weight = torch.empty(256, 64, 1, 16)
    ribeiro.he_normal(weight)
    expected = math.sqrt(2 / 1024)
    assert weight.std().item() == pytest.approx(expected, rel=0.01)
    assert weight.abs().max() <= 2 * expected / 0.8796
    assert weight.abs().max() > 2 * expected
    model = ribeiro.build((12, 256), 6, ribeiro.Params())
    assert not model.head.bias.any()
    assert model.head.weight.std().item() == pytest.approx(math.sqrt(2 / 320), rel=0.05)


@pytest.mark.parametrize("module", [mvms, isibrno])
@pytest.mark.parametrize("leads", [1, 2, 8, 13])
def test_another_number_of_leads_is_refused(module, leads):
    """Name the twelve leads, in one line."""
    name = module.__name__.rpartition(".")[2]
    with pytest.raises(SettingsError, match=rf"^models\.{name} needs the twelve leads I II .* V6, got {leads}$"):
        module.build((leads, 1000), 26, module.Params())


def test_mvms_needs_as_much_signal_as_its_first_kernel():
    """Refuse what the unpadded convolution would empty."""
    with pytest.raises(SettingsError, match=r"^models\.mvms needs at least 25 samples, got 24$"):
        mvms.build((12, 24), 26, mvms.Params())
    assert mvms.build((12, 25), 3, SMALL_MVMS).eval()(torch.randn(2, 12, 25)).isfinite().all()


def test_a_view_sees_its_own_leads_only():
    """Send gradients of each view to its leads and to no other, and show each lead to one view."""
    model, seen = mvms.build((12, 100), 3, SMALL_MVMS).eval(), []
    model.head = nn.Identity()
    for place, view in enumerate(model.views):
        nn.init.constant_(view.gate.bias, 5.0)
        for other, part in enumerate(model.views):
            part.requires_grad_(True)
            part.gate.weight.data.mul_(0)
            part.gate.bias.data.fill_(5.0 if other == place else -200.0)  # a gate that is shut passes nothing
        x = torch.randn(1, 12, 100, requires_grad=True)
        model(x).sum().backward()
        seen.append([LEADS[lead] for lead in range(12) if x.grad[0, lead].any()])
    assert seen == [["aVR"], ["I", "aVL"], ["V1", "V2"], ["V3", "V4"], ["V5", "V6"], ["II", "III", "aVF"]]


def test_noise_is_added_in_training_only():
    """Spread a flat signal by 0.1 while training, ruled by the seed, and leave it alone in evaluation."""
    layer, x = mvms.Noise(0.1), torch.zeros(4, 12, 1000)
    torch.manual_seed(1)
    first = layer(x)
    assert first.std().item() == pytest.approx(0.1, rel=0.02)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(mvms.Noise(0.0).train()(x), x)
    assert mvms.build((12, 100), 3, mvms.Params(noise=0.3)).noise.deviation == 0.3


def test_quarters_do_not_see_each_other():
    """Average three samples of the last quarter, zeros outside counted, and send each gradient to its own quarter."""
    torch.manual_seed(0)
    layer = mvms.Quarters(2, 15).eval()
    x = torch.randn(1, 8, 1, 6, requires_grad=True)
    out = layer(x)
    assert out.shape == (1, 8, 1, 3)
    a = x[0, 6, 0]
    torch.testing.assert_close(out[0, 6, 0], torch.stack([a[:2].sum(), a[1:4].sum(), a[3:].sum()]) / 3)
    for place in range(4):
        (gradient,) = torch.autograd.grad(out[:, 2 * place : 2 * place + 2].sum(), x, retain_graph=True)
        assert [bool(part.any()) for part in gradient.split(2, dim=1)] == [place == one for one in range(4)]


def test_coordinate_attention_by_hand():
    """Gate (0, 2) by its mean 1 and by each sample: σ of hard-swish, 2/3 of 1, and 0 and 5/3 of 0 and 2."""
    layer = mvms.CoordinateAttention(1, 1).eval()
    constant(layer, 1.0)
    out = layer(torch.tensor([0.0, 2.0]).reshape(1, 1, 1, 2)).flatten().tolist()

    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    assert out == pytest.approx([0, 2 * sigmoid(1 * 4 / 6) * sigmoid(2 * 5 / 6)], rel=1e-4)


def test_the_indicator_costs_a_weight_for_each_lead_and_class():
    """Count 6,547,482 parameters without it, 312 fewer."""
    assert size(isibrno.build((12, 8192), 26, isibrno.Params(indicator=False))) == 6_547_482


def sets():
    """List which of the twelve leads each set keeps, by the Challenge's own names."""
    return {
        tuple(lead in kept.split() for lead in LEADS)
        for kept in (
            " ".join(LEADS), "I II V1 V2 V3 V4 V5 V6", "I II III aVR aVL aVF", "I II III V2", "I II V2", "I II",
        )
    }  # fmt: skip


def test_lead_sets_are_drawn_evenly_and_the_rest_is_zeroed():
    """Keep in each row one of the six sets as it is, each about as often as the others."""
    torch.manual_seed(0)
    layer, x = isibrno.LeadDropping(), torch.randn(3000, 12, 5)
    out = layer(x)
    kept = isibrno.present(out)
    assert torch.equal(out[kept], x[kept])
    assert not out[~kept].any()
    drawn, counts = kept.unique(dim=0, return_counts=True)
    assert {tuple(row) for row in drawn.tolist()} == sets()
    assert counts.min() > 420
    assert counts.max() < 580


def test_the_seed_rules_the_leads_and_evaluation_keeps_them():
    """Repeat the same sets from the same seed, and change nothing when a trained network is used or dropping is off."""
    layer, x = isibrno.LeadDropping(), torch.randn(20, 12, 5)
    first, again, other = seeded(layer, x)
    assert torch.equal(again, first)
    assert not torch.equal(other, first)
    assert torch.equal(layer.eval()(x), x)
    off = isibrno.build((12, 100), 3, isibrno.Params(drop_leads=False)).train()
    assert torch.equal(off.leads(x), x)


def test_the_head_is_told_which_leads_are_there():
    """Hand on the leads kept while training, and in evaluation those that are not zero throughout."""
    torch.manual_seed(0)
    model, given = isibrno.build((12, 100), 3, SMALL_ISIBRNO), []
    model.head.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0][:, 8:]))
    x = torch.randn(64, 12, 100)
    with torch.no_grad():
        model(x)
        x[0, 3], x[1, :2] = 0, 0
        model.eval()(x[:3])
    assert {tuple(row) for row in given[0].bool().tolist()} == sets()
    assert (given[1] == 0).nonzero().tolist() == [[0, 3], [1, 0], [1, 1]]


@pytest.mark.parametrize("samples", [1, 2, 99, 187, 1001])
def test_isibrno_takes_any_length(samples):
    """Keep the last sample of an odd length in both ways of a block."""
    model = isibrno.build((12, samples), 3, SMALL_ISIBRNO).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 12, samples)).isfinite().all()


def test_a_block_adds_its_halved_input():
    """Average pairs, the odd one alone, when the residual is nought; nothing is cut below zero."""
    block = isibrno.Block(1, 9).eval()
    constant(block.residual, 0.0)
    constant(block.shortcut, 1.0)
    assert block(torch.tensor([1.0, -3, 2, 4, -5]).reshape(1, 1, 1, 5)).flatten().tolist() == [-1, 3, -5]


def test_isibrno_shows_its_maps():
    """Give 128 steps of 64 samples from 8,192, and refuse another network."""
    model = isibrno.build((12, 8192), 26, isibrno.Params(width=8, heads=2)).eval()
    with torch.no_grad():
        maps = isibrno.attention(model, torch.randn(1, 12, 8192))
    assert maps.shape == (1, 2, 128, 128)
    torch.testing.assert_close(maps.sum(dim=3), torch.ones(1, 2, 128))
    with pytest.raises(TypeError, match="got Linear"):
        isibrno.attention(nn.Linear(2, 2), torch.zeros(1, 12, 100))
    with pytest.raises(SettingsError, match="width, 256, must be a multiple of heads, 5"):
        isibrno.Params(heads=5)
