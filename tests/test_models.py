"""Every network of the catalogue: it builds, it gives logits, and it has exactly the published number of parameters."""

import pytest
import torch
from torch import nn

from pqrst import catalog
from pqrst.errors import SettingsError
from pqrst.models import attention_cnn, coupled_cnn, efficientnet_b0, residual_cnn, simple_cnn
from pqrst.models._blocks import Dropout, channel_means, convolution
from pqrst.parsing import parse
from toys import seeded

OPTIONAL = ("timm_image", "vit")  # they need libraries that are not always there: tests/test_image_models.py
NAMES = [name for name in catalog.names("models") if name not in OPTIONAL]
SHAPES = {"signal": [(1, 187), (2, 360), (12, 1000)], "image": [(3, 64, 64), (1, 64, 64), (3, 72, 48)]}
TWELVE = ("isibrno", "mvms")  # they know each of the twelve standard leads
LONG = ("cnn_lstm", "dnn1d")  # they do not pad, and read the steps that are left


def shapes(name):
    """List the shapes of input that a network is tried on."""
    accepted = SHAPES[catalog.load("models", name).ACCEPTS]
    if name in LONG:
        return [(leads, 2500) for leads, _ in accepted]
    return [(12, samples) for _, samples in accepted] if name in TWELVE else accepted


ON_SHAPES = [(name, shape) for name in NAMES for shape in shapes(name)]
SMALL = [(name, shapes(name)[0]) for name in NAMES]

COUNTS = {  # spec 6; (model, input, classes): trainable parameters
    ("simple_cnn", (1, 187), 5): 52_229,
    ("four_layer_cnn", (1, 187), 5): 217_925,
    ("residual_cnn", (1, 187), 5): 1_354_981,
    ("coupled_cnn", (1, 187), 5): 1_686_725,
    ("attention_cnn", (1, 3600), 2): 7_400_322,
    ("rhythm_cnn", (2, 240), 4): 13_364,
    ("signal_cnn", (2, 240), 4): 241_796,
    ("incepse", (12, 1000), 5): 1_157_765,
    ("incepse", (12, 1000), 71): 1_191_623,
    ("incepse_meta", (12, 1000), 52): 934_564,
    ("incepse_meta", (12, 1000), 71): 937_015,
    ("inception1d", (12, 250), 71): 516_167,
    ("xresnet1d101", (12, 250), 5): 1_872_261,
    ("xresnet1d101", (12, 250), 71): 1_880_775,
    ("s4", (12, 250), 71): 748_615,  # ours, none published
    ("resu_dense", (12, 4096), 26): 7_206_746,
    ("ribeiro", (12, 4096), 6): 6_421_910,
    ("ribeiro", (12, 4096), 26): 6_524_330,
    ("mvms", (12, 1000), 5): 2_244_747,
    ("mvms", (12, 1000), 26): 2_247_456,
    ("mvms", (12, 1000), 71): 2_253_261,
    ("isibrno", (12, 8192), 26): 6_547_794,
    ("resnet1d", (12, 2700), 9): 4_718_281,
    ("resnet1d", (12, 2700), 11): 4_719_307,
    ("resnet1d", (12, 2700), 31): 4_729_567,
    ("dnn1d", (12, 1400), 9): 8_248_137,  # ours; the original's form is pinned in test_baselines1d
    ("autoencoder1d", (12, 2700), 9): 181_269,
    ("ecgtransform", (12, 2500), 11): 5_294_640,
    ("cnn_lstm", (12, 2500), 11): 3_649_483,
    ("picture_cnn", (2, 64, 64), 4): 244_484,  # ours, none published
    ("efficientnet_b0", (3, 224, 224), 9): 4_019_077,
    ("efficientnet_b0", (3, 224, 224), 11): 4_021_639,
    ("efficientnet_b0", (3, 224, 224), 31): 4_047_259,
    ("efficientnet_b0", (3, 224, 224), 1000): 5_288_548,
}

DROPOUTS = {  # spec 4.2, 1.6, 1.9, 2.2, 2.5, 2.6, 5.2 and 5.4, in the order of the layers
    "simple_cnn": [],
    "four_layer_cnn": [0.3] * 3,
    "residual_cnn": [0.3] * 6,
    "coupled_cnn": [0.2, 0.3, 0.5, 0.5],
    "attention_cnn": [0.5],
    "efficientnet_b0": [0.2],
    "incepse": [0.05],
    "incepse_meta": [0.3, 0.2, 0.2, 0.3],
    "inception1d": [0.25, 0.5],
    "xresnet1d101": [0.25, 0.5],
    "resu_dense": [0.5],
    "ribeiro": [0.2] * 8,
    "mvms": [],
    "isibrno": [0.5],
    "resnet1d": [],
    "dnn1d": [0.2] * 24 + [0.5] * 3,
    "autoencoder1d": [0.2],
    "ecgtransform": [0.2] + [0.1] * 9,
    "cnn_lstm": [0.3] * 2,
}


def built(name, shape, n_classes=5, seed=0):
    """Build a network with its default settings."""
    torch.manual_seed(seed)
    module = catalog.load("models", name)
    return module.build(shape, n_classes, module.Params())


def batch(name, shape, rows=4):
    """Make up the arguments of a network's forward: rows of input, and of side columns where it wants them."""
    generator = torch.Generator().manual_seed(1)
    side = getattr(catalog.load("models", name), "SIDE", ())
    widths = [shape, (len(side),)] if side else [shape]
    return [torch.randn(rows, *width, generator=generator) for width in widths]


def logits(model, inputs):
    """Run a network and take its logits, also where it gives more."""
    output = model(*inputs)
    return getattr(output, "logits", output)


def settled(name, shape, seed=0):
    """Build a network whose batch norms have seen one batch, and whose layer norms have learned, in evaluation mode."""
    model = built(name, shape, seed=seed)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = None  # take the batch's own statistics whole
        if isinstance(layer, nn.LayerNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5)  # the mean of what was just normalised is nought
    with torch.no_grad():
        model(*batch(name, shape, rows=8))
    return model.eval()


def test_every_model_has_its_count_pinned():
    """List every network of the catalogue in the table of counts, and no other."""
    assert {name for name, _, _ in COUNTS} == set(NAMES)


@pytest.mark.parametrize(("name", "shape", "n_classes"), COUNTS)
def test_parameters_are_exactly_as_published(name, shape, n_classes):
    """Count the trainable parameters of a network with default settings."""
    weights = built(name, shape, n_classes).parameters()
    assert sum(w.numel() for w in weights if w.requires_grad) == COUNTS[name, shape, n_classes]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_accepts(name):
    """Declare signals or images."""
    assert catalog.load("models", name).ACCEPTS in SHAPES


@pytest.mark.parametrize(("name", "shape"), ON_SHAPES)
def test_any_shape_gives_finite_logits(name, shape):
    """Give one number a class for every row, in training mode and for another number of classes too."""
    out = logits(built(name, shape, n_classes=3), batch(name, shape))
    assert out.shape == (4, 3)
    assert out.isfinite().all()


def unreached(name, shape, seed):
    """Name the weights without a gradient, once those that start as nought, and so shut others off, have moved."""
    model = settled(name, shape, seed)
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.any():
                weight.fill_(0.1)
    inputs = batch(name, shape)
    out, penalty = model.with_penalty(*inputs) if hasattr(model, "with_penalty") else (logits(model, inputs), 0)
    ((out * torch.arange(1.0, 6.0)).sum() + penalty).backward()
    for key, weight in model.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
    return {key for key, weight in model.named_parameters() if not weight.grad.any()}


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_the_gradient_reaches_every_parameter(name, shape):
    """Leave no weight without a gradient from each of four starts: a squeeze of two or three ReLUs may start shut."""
    left = unreached(name, shape, 0)
    for seed in range(1, 4):
        left = left and left & unreached(name, shape, seed)
    assert left == set()


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_evaluation_is_deterministic_and_row_by_row(name, shape):
    """Answer the same twice, and the same for a row alone as for a row among others."""
    model, inputs = settled(name, shape), batch(name, shape)
    with torch.no_grad():
        out = logits(model, inputs)
        assert torch.equal(out, logits(model, inputs))
        alone = torch.cat([logits(model, [x[row : row + 1] for x in inputs]) for row in range(4)])
    assert (out[0] - out[1]).abs().max() > 1e-3  # rows that differ get answers that differ
    torch.testing.assert_close(alone, out, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_saved_weights_carry_the_whole_network(name, shape):
    """Give the same logits from a second network that took over the first one's state."""
    model, other, inputs = settled(name, shape), built(name, shape, seed=1).eval(), batch(name, shape)
    with torch.no_grad():
        assert not torch.equal(logits(other, inputs), logits(model, inputs))
        other.load_state_dict(model.state_dict())
        assert torch.equal(logits(other, inputs), logits(model, inputs))


@pytest.mark.parametrize(("name", "shape"), SMALL)
def test_the_order_in_memory_changes_no_answer(name, shape):
    """Give the same logits with channels last, as training runs."""
    model, inputs = settled(name, shape), batch(name, shape)
    with torch.no_grad():
        out = logits(model, inputs)
        model = model.to(memory_format=torch.channels_last)
        inputs = [x.to(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs]
        torch.testing.assert_close(logits(model, inputs), out, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_an_input_of_the_other_kind_is_refused(name):
    """Say in one line which shape is wanted when an image comes for a signal, or the other way round."""
    other = {"signal": (3, 64, 64), "image": (12, 1000)}[catalog.load("models", name).ACCEPTS]
    with pytest.raises(SettingsError, match=rf"^models\.{name} takes .* got the shape") as caught:
        built(name, other)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_stands_where_it_was_published(name):
    """Find the published dropout rates in the order of the layers."""
    model = built(name, shapes(name)[0])
    assert [layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)] == DROPOUTS[name]


@pytest.mark.parametrize("name", ["simple_cnn", "four_layer_cnn", "residual_cnn", "coupled_cnn"])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kernel": 4}, "kernel must be odd, got 4"),
        ({"kernel": 0}, "kernel must be at least 1"),
        ({"widths": []}, "widths must name at least one layer"),
        ({"widths": [32, 0]}, r"widths\[1\] must be at least 1"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(name, given, says):
    """Name the setting of an even kernel, an empty list of widths or a width of zero."""
    with pytest.raises(SettingsError, match=says):
        parse(catalog.load("models", name).Params, given, f"models.{name}")


def test_a_row_of_an_image_is_convolved_as_a_signal():
    """Draw the same first weights as Conv1d and give the same values."""
    torch.manual_seed(0)
    image = convolution(3, 4, 5)
    torch.manual_seed(0)
    signal = nn.Conv1d(3, 4, 5, padding=2)
    assert torch.equal(image.weight.squeeze(2), signal.weight)
    assert torch.equal(image.bias, signal.bias)
    x = torch.randn(2, 3, 20)
    torch.testing.assert_close(image(x.unsqueeze(2)).squeeze(2), signal(x))


def test_simple_cnn_by_hand():
    """Sum neighbours, cut below zero, average: (1, -2, 3) gives (-1, 2, 1), then (0, 2, 1), then 1."""
    model = simple_cnn.build((1, 3), 1, simple_cnn.Params(widths=(1,), kernel=3))
    for key, weight in model.named_parameters():
        nn.init.constant_(weight, 0.0 if key.endswith("bias") else 1.0)
    assert model(torch.tensor([[[1.0, -2.0, 3.0]]])).item() == 1


def test_residual_blocks_have_the_published_sizes():
    """Count the parameters of each of the five blocks."""
    blocks = built("residual_cnn", (1, 187)).features
    assert [sum(w.numel() for w in block.parameters()) for block in blocks] == [5536, 33216, 131968, 526080, 656896]


def test_a_residual_block_adds_its_input():
    """Leave only the shortcut, cut below zero, when the block's own part is nought."""
    block = residual_cnn.Block(4, 4, kernel=5, dropout=0.3)
    nn.init.zeros_(block.residual[4].weight)
    x = torch.randn(2, 4, 1, 9)
    assert torch.equal(block(x), x.relu())


def test_coupled_cnn_flattens_what_two_poolings_leave():
    """Take 128 × 46 features from 187 samples, and as many as fit from any other length."""
    assert built("coupled_cnn", (1, 187)).head[0][0].in_features == 5888
    assert built("coupled_cnn", (2, 4)).head[0][0].in_features == 128


def test_coupled_cnn_refuses_a_signal_that_pooling_would_empty():
    """Say how many samples are needed."""
    with pytest.raises(SettingsError, match=r"^models\.coupled_cnn needs at least 4 samples, got 3$"):
        built("coupled_cnn", (1, 3))


def test_coupled_cnn_wants_a_dropout_for_each_pair():
    """Refuse one rate for two widths."""
    with pytest.raises(ValueError, match="dropout must give one rate for each of the 2 widths"):
        coupled_cnn.Params(dropout=(0.2,))


def test_efficientnet_has_sixteen_blocks_that_are_skipped_ever_more_often():
    """Raise the rate of stochastic depth linearly from 0 to 0.1875, and add the input of nine blocks."""
    blocks = [layer for layer in built("efficientnet_b0", (3, 64, 64)).modules() if hasattr(layer, "residual")]
    assert [block.skip.rate for block in blocks] == pytest.approx([0.2 * place / 16 for place in range(16)])
    assert sum(block.residual for block in blocks) == 9


def test_stochastic_depth_drops_whole_rows_in_training_only():
    """Zero about a quarter of the rows, enlarge the others by 4/3, and leave all as they are in evaluation."""
    torch.manual_seed(0)
    layer, x = efficientnet_b0.StochasticDepth(0.25), torch.ones(4000, 2, 1, 1)
    out = layer(x).flatten(1)
    assert torch.equal(out[:, 0], out[:, 1])
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(x), x)


def test_efficientnet_names_its_weights_as_torchvision_does():
    """Keep names by which weights trained elsewhere can be taken over."""
    state = built("efficientnet_b0", (3, 64, 64)).state_dict()
    assert len(state) == 360
    assert state["features.0.0.weight"].shape == (32, 3, 3, 3)
    assert state["features.2.0.block.2.fc1.weight"].shape == (4, 96, 1, 1)
    assert state["features.7.0.block.3.0.weight"].shape == (320, 1152, 1, 1)
    assert state["classifier.1.weight"].shape == (5, 1280)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dropout_zeroes_its_share_and_keeps_the_mean(layout):
    """Zero 30 in 100 values whatever the order in memory, enlarge the others, and send gradients the same way."""
    torch.manual_seed(5)
    x = torch.ones(50, 33, 1, 187).contiguous(memory_format=layout).requires_grad_()
    out = Dropout(0.3).train()(x)
    out.sum().backward()
    assert sorted(out.unique().tolist()) == pytest.approx([0, 1 / 0.7])
    assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.005)
    assert out.mean().item() == pytest.approx(1, abs=0.005)
    assert torch.equal(x.grad, out.detach())
    zeros = (out == 0).float()
    assert zeros.mean(dim=(1, 2, 3)).std() < 0.02  # no row and no channel is favoured
    assert zeros.mean(dim=(0, 2, 3)).std() < 0.02


def test_means_are_those_of_torch_and_their_gradient_lies_as_the_channels_do():
    """Give the same bits forward and backward, in channels-last memory, so that what comes before walks one layout."""
    x = torch.randn(3, 5, 2, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(3, 5)
    (ours,) = torch.autograd.grad((channel_means(x) * weight).sum(), x)
    (plain,) = torch.autograd.grad((x.mean(dim=(2, 3)) * weight).sum(), x)
    assert torch.equal(channel_means(x), x.mean(dim=(2, 3)))
    assert torch.equal(ours, plain)
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_dropout_is_ruled_by_the_seed_and_absent_in_evaluation():
    """Repeat the same zeros from the same seed, and change nothing when a trained network is used."""
    x, layer = torch.randn(7, 13), Dropout(0.5).train()
    first, again, other = seeded(layer, x)
    assert torch.equal(again, first)
    assert not torch.equal(other, first)
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(1.0).train()(x), torch.zeros_like(x))


def test_attention_is_that_of_torch():
    """Our attention, its maps included, is torch's own multi-head attention with the same weights."""
    model, x = built("attention_cnn", (1, 360), 2).eval(), torch.randn(2, 1, 360)
    ours, peer = model.attention, nn.MultiheadAttention(64, 8, batch_first=True)
    weights = {"in_proj": ours.project, "out_proj.": ours.merge}
    with torch.no_grad():
        for name, value in peer.named_parameters():
            start = "in_proj" if name.startswith("in_proj") else "out_proj."
            value.copy_(getattr(weights[start], "bias" if name.endswith("bias") else "weight"))
        steps = model.steps(x)
        expected, maps = peer(steps, steps, steps, average_attn_weights=False)
    assert torch.allclose(ours(steps), expected, atol=1e-6)
    assert torch.allclose(attention_cnn.attention(model, x), maps, atol=1e-6)


def test_attention_maps_sum_to_one():
    """Each step of 4 samples shares one whole among all steps, in every head."""
    model, x = built("attention_cnn", (1, 3600), 2).eval(), torch.randn(1, 1, 3600)
    with torch.no_grad():
        maps = attention_cnn.attention(model, x)
    assert maps.shape == (1, 8, 900, 900)
    assert torch.allclose(maps.sum(dim=3), torch.ones(1, 8, 900), atol=1e-5)


def test_heads_must_divide_the_width():
    """64 channels cannot be shared by five heads."""
    with pytest.raises(SettingsError, match="the last width, 64, must be a multiple of heads, 5"):
        attention_cnn.Params(heads=5)


def test_maps_are_of_an_attention_network_only():
    """Another network has no maps to give."""
    with pytest.raises(TypeError, match="got SimpleCNN"):
        attention_cnn.attention(built("simple_cnn", (1, 187)), torch.zeros(1, 1, 187))
