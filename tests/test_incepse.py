"""IncepSE in both forms and inception1d: parts counted one by one, padding as Keras pads, and blocks by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst import catalog
from pqrst.errors import SettingsError
from pqrst.models import incepse, incepse_meta, inception1d
from pqrst.models._inception import Inception, SqueezeExcitation, bare
from pqrst.parsing import parse

LENGTHS = (1, 2, 7, 250, 1000, 1001, 1024)


def sizes(modules):
    """Count the parameters of each module."""
    return [sum(w.numel() for w in module.parameters()) for module in modules]


def ones(module):
    """Set every weight to one and every bias to nought."""
    for key, weight in module.named_parameters():
        nn.init.constant_(weight, 0.0 if key.endswith("bias") else 1.0)
    return module


def test_incepse_has_the_inferred_sizes():
    """Count each block, with and without squeeze-and-excitation (192 parameters, and 768 in the last)."""
    model = incepse.build((12, 1000), 71, incepse.Params())
    assert sizes(model.features) == [75_232] + [134_624] * 5 + [406_848]
    plain = incepse.build((12, 1000), 71, incepse.Params(squeeze=False))
    assert sizes(plain.features) == [75_040] + [134_432] * 5 + [406_080]
    assert sum(sizes([plain])) == 1_189_703


def test_incepse_meta_has_the_published_sizes():
    """Count stem and blocks, and the numbers that batch norms keep."""
    model = incepse_meta.build((12, 1000), 52, incepse_meta.Params())
    assert sizes([model.stem]) == [1_920]
    assert sizes(model.features) == [88_642] * 6 + [354_436]
    statistics = [v for name, v in model.named_buffers() if name.endswith(("running_mean", "running_var"))]
    assert sum(v.numel() for v in statistics) == 2_816


def test_inception1d_has_the_published_sizes():
    """Count the backbone, and its shortcuts."""
    model = inception1d.build((12, 250), 71, inception1d.Params())
    assert sizes([model.features]) == [473_344]
    assert sizes(group.shortcut for group in model.features) == [1_792, 16_640]


@pytest.mark.parametrize(("name", "halved"), [("incepse", True), ("incepse_meta", True), ("inception1d", False)])
@pytest.mark.parametrize("samples", LENGTHS)
def test_any_length_passes(name, halved, samples):
    """Keep the time, or halve it once and round up."""
    module = catalog.load("models", name)
    model = module.build((3, samples), 5, module.Params(width=4)).eval()
    start = model.stem if name == "incepse_meta" else nn.Identity()
    with torch.no_grad():
        out = model.features(start(torch.randn(2, 3, 1, samples)))
    assert out.shape[3] == (-(-samples // 2) if halved else samples)


def test_squeeze_and_excitation_by_hand():
    """Scale by σ(ReLU(1 + 3)), the sum of both channels' means; and by σ(0) = 1/2 where that sum is below zero."""
    gate = ones(SqueezeExcitation(2, 1, bias=False))
    x = torch.tensor([[[[0.0, 2]], [[3.0, 3]]]])
    torch.testing.assert_close(gate(x), x * torch.sigmoid(torch.tensor(4.0)))
    torch.testing.assert_close(gate(-x), -x / 2)


def test_an_inception_by_hand():
    """Join the branches in their order and the pooled input after them: k1 keeps, k3 sums neighbours, the pool takes the largest."""
    block = ones(Inception(nn.Identity(), [bare(1, 1, 1), bare(1, 1, 3)], bare(1, 1, 1)))
    out = block(torch.tensor([[[[1.0, -2, 3, 0]]]]))
    assert out.squeeze().tolist() == [[1, -2, 3, 0], [-1, 2, 1, 3], [1, 3, 3, 3]]


@pytest.mark.parametrize(
    ("samples", "kernel", "stride", "expected"),
    [
        (1000, 10, 1, (4, 5)), (1000, 20, 1, (9, 10)), (1000, 40, 1, (19, 20)), (1000, 3, 1, (1, 1)),
        (1000, 3, 2, (0, 1)), (1001, 3, 2, (1, 1)), (1000, 10, 2, (4, 4)), (1001, 10, 2, (4, 5)), (1000, 40, 2, (19, 19)),
        (1000, 1, 2, (0, 0)), (1, 40, 2, (19, 20)),
    ],
)  # fmt: skip
def test_padding_is_tensorflows(samples, kernel, stride, expected):
    """Follow TensorFlow's rule, (⌈T/s⌉ − 1)s + k − T zeros in all, the odd one after the signal."""
    assert incepse_meta.same(samples, kernel, stride) == expected


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch tells that it copies
@pytest.mark.parametrize("kernel", [3, 10, 40])
def test_padding_without_stride_is_torchs_same(kernel):
    """Equal torch's own "same", which puts the odd zero after the signal too."""
    layer, x = incepse_meta.Convolution(2, 3, kernel), torch.randn(1, 2, 1, 50)
    expected = F.conv1d(x.squeeze(2), layer.weight.squeeze(2), layer.bias, padding="same")
    torch.testing.assert_close(layer(x).squeeze(2), expected)


def test_batch_norm_and_first_weights_are_keras():
    """Keep .99 of the statistics at each step, add .001 to variances, and draw weights after Glorot."""
    torch.manual_seed(0)
    model = incepse_meta.build((12, 1000), 52, incepse_meta.Params())
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(layer.eps, layer.momentum) for layer in norms} == {(0.001, 0.01)}
    bound = (6 / (288 + 128)) ** 0.5
    dense = model.head[0]
    assert dense.weight.abs().max().item() == pytest.approx(bound, rel=0.01)
    assert dense.weight.abs().max() <= bound
    assert not dense.bias.any()


def test_metadata_decide_beside_the_signal():
    """Change the answer with the signal alone and with each of the eight facts alone."""
    torch.manual_seed(0)
    model = incepse_meta.build((12, 100), 5, incepse_meta.Params(width=4)).eval()
    x, side = torch.randn(1, 12, 100), torch.zeros(1, 8)
    with torch.no_grad():
        out = model(x, side)
        assert not torch.equal(model(2 * x, side), out)
        for column in range(len(incepse_meta.SIDE)):
            assert not torch.equal(model(x, 5 * F.one_hot(torch.tensor([column]), 8).float()), out)


def test_an_inception1d_shortcut_passes_three_modules():
    """Leave only the shortcut, cut below zero, when the last of three modules gives nothing."""
    torch.manual_seed(0)
    group = inception1d.Group(4, inception1d.Params(width=2, bottleneck=2, kernels=(3, 3))).eval()
    assert len(group.modules_in_line) == 3
    nn.init.zeros_(group.modules_in_line[2][1].weight)
    x = torch.randn(2, 4, 1, 9)
    assert torch.equal(group(x), group.shortcut(x).relu())


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("incepse", {"kernels": [39, 20]}, "kernel must be odd, got 20"),
        ("inception1d", {"kernels": []}, "kernels must name at least one layer"),
        ("incepse_meta", {"kernels": []}, "kernels must name at least one layer"),
        ("incepse", {"dropout": 1.5}, "dropout must be between 0 and 1"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(name, given, says):
    """Name the setting."""
    with pytest.raises(SettingsError, match=says):
        parse(catalog.load("models", name).Params, given, f"models.{name}")
