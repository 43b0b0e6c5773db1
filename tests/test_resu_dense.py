"""ResU_Dense: the published sizes of every stage, any length of signal, and the published network where that one runs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.errors import SettingsError
from pqrst.models import resu_dense
from pqrst.models.resu_dense import Params, ResU, attention, build

SMALL = Params(width=8, inner=4, layers=(2, 2), growth=4, bottleneck=4, heads=2)
STAGES = {  # spec 5.2, at 12 × 4,096: (channels, steps), parameters
    "stem": ((256, 2048), 46_592),
    "resu.0": ((256, 1024), 1_690_112),
    "resu.1": ((256, 512), 1_579_264),
    "resu.2": ((256, 256), 1_468_416),
    "resu.3": ((256, 128), 1_357_568),
    "dense.0": ((448, 128), 305_984),
    "dense.1": ((224, 128), 101_248),
    "dense.2": ((416, 128), 280_384),
    "dense.3": ((256, 128), 107_328),
}


def ready(shape, n_classes=3, p=SMALL):
    """Build a network in evaluation mode whose batch norms do something."""
    torch.manual_seed(0)
    model = build(shape, n_classes, p).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    return model


def size(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.fixture(scope="module")
def full():
    """Build the network of the publication."""
    torch.manual_seed(0)
    return build((12, 4096), 26, Params()).eval()


@pytest.fixture(scope="module")
def shapes(full):
    """Run it once, and note the shape that every part gives."""
    found = {}
    hooks = [
        part.register_forward_hook(lambda _, __, out, name=name: found.update({name: tuple(out.shape)}))
        for name, part in full.named_modules()
    ]
    with torch.no_grad():
        full(torch.randn(1, 12, 4096))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_the_published_size_and_shape(full, shapes, stage):
    """Match the table's parameters and output, row by row."""
    (channels, steps), parameters = STAGES[stage]
    assert size(full.get_submodule(stage)) == parameters
    assert shapes[stage] == (1, channels, 1, steps)


def test_attention_and_head_have_the_published_sizes(full, shapes):
    """Attend over 128 steps of 256 channels, and decide between 26 labels."""
    assert (size(full.attention), size(full.head)) == (263_168, 6_682)
    assert (shapes["attention"], shapes[""]) == ((1, 128, 256), (1, 26))
    named = sum(parameters for _, parameters in STAGES.values())
    assert named + 263_168 + 6_682 == size(full) == 7_206_746


def uncut(block, x):
    """Compute a ResU block as published, with Conv1d and without cutting between decoders; most lengths fail."""
    (first, *_), steps = block.enter, (*block.encoders, block.bottom)
    assert first.bias is None

    def after(y, layers):
        norm = layers[1]
        y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-5)
        return F.leaky_relu(y, 0.01)

    z = after(F.conv1d(x, first.weight.squeeze(2), padding=4), block.enter)
    y, kept = z, []
    for layers in steps[:-1]:
        y = F.pad(y, (1, 0)) if y.shape[2] % 4 else y
        y = after(F.conv1d(y, layers[0].weight.squeeze(2), stride=2, padding=4), layers)
        kept.append(y)
    y = after(F.conv1d(y, steps[-1][0].weight.squeeze(2), padding=4), steps[-1])
    for layers in block.decoders:
        y = torch.cat([y, kept.pop()], dim=1)
        weight = layers[0].weight.squeeze(2)
        y = after(F.conv_transpose1d(y, weight, stride=2, padding=4, output_padding=1), layers)
    pooled = F.avg_pool1d(y[..., -z.shape[2] :] + z, 2)
    return F.conv1d(pooled, block.leave[1].weight.squeeze(2))


def published(model, samples):
    """Run stem and ResU blocks as published and as built here, on the same signal."""
    x = torch.randn(2, 12, samples)
    with torch.no_grad():
        stem = model.stem(x.unsqueeze(2))
        y = stem.squeeze(2)
        for block in model.resu:
            y = uncut(block, y)
        return y, model.resu(stem).squeeze(2)


@pytest.mark.parametrize("samples", [4096, 4095])
def test_nothing_is_cut_at_the_published_lengths(samples):
    """Give what the network without any cut gives."""
    theirs, ours = published(ready((12, samples)), samples)
    assert theirs.shape == (2, 8, 128)
    assert ours.std() > 0.01
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("samples", [4000, 4097, 5000, 2500])
def test_lengths_at_which_the_published_network_fails_give_logits(samples):
    """Answer where the network without a cut cannot join its halves."""
    model = ready((12, samples))
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        published(model, samples)
    with torch.no_grad():
        assert model(torch.randn(2, 12, samples)).isfinite().all()


def test_any_length_from_32_on_gives_logits():
    """Halve five times whatever the length, and refuse what would vanish."""
    model = ready((1, 32))
    with torch.no_grad():
        for samples in range(32, 161):
            assert model(torch.randn(1, 1, samples)).isfinite().all(), samples
    with pytest.raises(SettingsError, match=r"^models\.resu_dense needs at least 32 samples, got 31$"):
        build((12, 31), 26, Params())


def test_a_cut_keeps_the_time():
    """Bring each sample back to where it came from, with weights of 1 and kernels of one sample.

    1 … 6 get a zero before them, are halved to (0, 2, 4, 6), doubled by their partner, spread out and cut to
    (0, 4, 0, 8, 0, 12), added to 1 … 6 and halved.
    """
    block = ResU(1, Params(width=1, inner=1, kernel=1, heads=1)).eval()
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.ones_(layer.weight)
    with torch.no_grad():
        out = block(torch.arange(1.0, 7).reshape(1, 1, 1, 6)).flatten()
    assert out.tolist() == pytest.approx([3.5, 7.5, 11.5], abs=1e-3)


def test_the_maps_share_one_whole_among_all_steps():
    """Give a map of 128 × 128 for each head from 4,096 samples, and 156 × 156 from 5,000."""
    with torch.no_grad():
        for samples, steps in ((4096, 128), (5000, 156)):
            maps = attention(ready((12, samples)), torch.randn(2, 12, samples))
            assert maps.shape == (2, 2, steps, steps)
            torch.testing.assert_close(maps.sum(dim=3), torch.ones(2, 2, steps))


def test_maps_are_of_this_network_only():
    """Refuse to look for maps in another network."""
    with pytest.raises(TypeError, match="got Linear"):
        attention(nn.Linear(2, 2), torch.zeros(1, 12, 4096))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"heads": 5}, "width, 256, must be a multiple of heads, 5"),
        ({"kernel": 8}, "kernel must be odd, got 8"),
        ({"depths": ()}, "depths must name at least one layer"),
        ({"layers": ()}, "layers must name at least one layer"),
    ],
)
def test_a_network_that_cannot_be_is_refused(given, says):
    """Name the setting that does not fit."""
    with pytest.raises((SettingsError, ValueError), match=says):
        resu_dense.Params(**given)
