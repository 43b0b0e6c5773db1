"""The one-dimensional baselines: the stretch they see, their defects as settings, reconstruction, lengths by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (torch's own name for it)

from pqrst.errors import SettingsError
from pqrst.models import autoencoder1d, cnn_lstm, dnn1d, ecgtransform, resnet1d
from pqrst.models._stretch import stretch
from pqrst.parsing import parse

MODULES = (autoencoder1d, cnn_lstm, dnn1d, ecgtransform, resnet1d)
SMALL_DNN = {"widths": (4, 8), "kernels": (3, 5), "states": 6}


def size(module):
    return sum(weight.numel() for weight in module.parameters())


def without_batch(model):
    """Put a network in training mode, but for what mixes rows or is random by its own nature."""
    for layer in model.train().modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout):
            layer.eval()
    return model


def influence(model, x):
    """Give the gradient of each row's answer by each row's signal: (answers, signals)."""
    x = x.clone().requires_grad_()
    out = model(x)
    return torch.stack([torch.autograd.grad(row.sum(), x, retain_graph=True)[0].abs().sum((1, 2)) for row in out])


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 0, slice(0, 100)),
        (30, 0, slice(30, 100)),
        (30, 20, slice(30, 50)),
        (0, 100, slice(0, 100)),
        (-40, 0, slice(60, 100)),
        (-40, 10, slice(60, 70)),
        (-140, 0, slice(0, 100)),
    ],
)
def test_a_stretch_by_hand(start, length, expected):
    """Count from the start, or from the end of a row of 100; one that is shorter is taken whole."""
    assert stretch("m", (2, 100), start, length) == expected


@pytest.mark.parametrize(
    ("start", "length", "shortest", "says"),
    [
        (100, 0, 1, "start 100 and length 0 reach beyond a row of 100 samples; set them lower"),
        (30, 71, 1, "start 30 and length 71 reach beyond a row of 100 samples; set them lower"),
        (-20, 21, 1, "start -20 and length 21 reach beyond a row of 100 samples; set them lower"),
        (30, 20, 21, "needs at least 21 samples, got 20"),
    ],
)
def test_a_stretch_that_a_row_does_not_hold_is_refused(start, length, shortest, says):
    """Name both settings and the row's length, or what the network needs."""
    with pytest.raises(SettingsError, match=says):
        stretch("m", (2, 100), start, length, shortest)


@pytest.mark.parametrize("module", MODULES)
def test_only_the_stretch_is_seen(module):
    """Answer as a network that is given the stretch alone, and send no gradient to the rest of the row."""
    p, x = module.Params(start=100, length=2000), torch.randn(2, 2, 2500)
    torch.manual_seed(0)
    model = module.build((2, 2500), 3, p).eval()
    torch.manual_seed(0)
    alone = module.build((2, 2000), 3, module.Params(start=0)).eval()
    x.requires_grad_()
    out = model(x)
    torch.testing.assert_close(out, alone(x[..., 100:2100]))
    out.sum().backward()
    assert not x.grad[..., :100].any()
    assert not x.grad[..., 2100:].any()


@pytest.mark.parametrize(("module", "least"), [(cnn_lstm, 1726), (dnn1d, 484), (resnet1d, 35), (autoencoder1d, 2)])
def test_the_shortest_row_is_taken_and_a_shorter_one_refused(module, least):
    """Give finite logits from the least number of samples, and say it for one fewer."""
    model = module.build((1, least), 3, module.Params()).eval()
    assert model(torch.randn(2, 1, least)).isfinite().all()
    name = module.__name__.rpartition(".")[2]
    with pytest.raises(SettingsError, match=rf"^models\.{name} needs at least {least} samples, got {least - 1}$"):
        module.build((1, least - 1), 3, module.Params())


def test_the_shortest_row_of_other_layers():
    """Count backward: two units of k9 need 9 and 37 samples, a stem of k16 15 more; two stages need 3, 7 and 19."""
    assert dnn1d.shortest(dnn1d.Params(widths=(8, 8, 8), kernels=(3, 9))) == 37 + 15
    assert resnet1d.shortest(resnet1d.Params(widths=(8, 8))) == 19
    for module, p in (
        (dnn1d, dnn1d.Params(widths=(8, 8, 8), kernels=(3, 9))),
        (resnet1d, resnet1d.Params(widths=(8, 8))),
    ):
        least = module.shortest(p)
        assert module.build((1, least), 3, p).eval()(torch.randn(2, 1, least)).isfinite().all()
        with pytest.raises(SettingsError, match=f"needs at least {least} samples"):
            module.build((1, least - 1), 3, p)


@pytest.mark.parametrize(
    ("module", "samples"), [(autoencoder1d, 64), (cnn_lstm, 1950), (dnn1d, 500), (ecgtransform, 64), (resnet1d, 64)]
)
def test_a_step_down_the_gradient_lowers_the_loss(module, samples):
    """Lower the loss by the gradient's size times the step's, to first order, in float64."""
    torch.manual_seed(0)
    model = module.build((2, samples), 2, module.Params()).double().eval()
    x, y, step = torch.randn(4, 2, samples, dtype=torch.float64), torch.tensor([0, 1, 0, 1]), 1e-7
    before = F.cross_entropy(model(x), y)
    before.backward()
    learned = [weight for weight in model.parameters() if weight.grad is not None]
    norm = torch.stack([weight.grad.norm() for weight in learned]).norm()
    with torch.no_grad():
        for weight in learned:
            weight.sub_(step * weight.grad / norm)
        after = F.cross_entropy(model(x), y)
    assert ((before - after) / step).item() == pytest.approx(norm.item(), rel=1e-2)


def test_resnet_keeps_the_published_lengths():
    """Leave 673, 671, 669 and 667 steps after the stages from 2,700 samples."""
    model, shapes = resnet1d.build((12, 2700), 9, resnet1d.Params()).eval(), []
    for stage in (model.features[place] for place in (0, 3, 6, 9)):
        stage.register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape)))
    with torch.no_grad():
        model(torch.randn(1, 12, 2700))
    assert shapes == [(1, 64, 1, 673), (1, 128, 1, 671), (1, 256, 1, 669), (1, 512, 1, 667)]


def test_a_residual_block_adds_its_input_and_leaks():
    """Leave the input, its negative values times the slope, when the block's own part is nought."""
    for slope, expected in ((0.0, [0.0, 2.0]), (0.2, [-0.2, 2.0])):
        block = resnet1d.Block(1, slope).eval()
        nn.init.zeros_(block.residual[4].weight)
        assert block(torch.tensor([-1.0, 2.0]).reshape(1, 1, 1, 2)).flatten().tolist() == pytest.approx(expected)


def test_every_activation_has_the_slope():
    """Set all of the sixteen activations of the eight blocks."""
    model = resnet1d.build((12, 100), 9, resnet1d.Params(slope=0.2))
    assert [m.negative_slope for m in model.modules() if isinstance(m, nn.LeakyReLU)] == [0.2] * 16


@pytest.mark.parametrize(("samples", "made"), [(2700, 2700), (2500, 2508), (187, 188), (33, 28)])
def test_the_decoder_gives_about_the_length(samples, made):
    """Double the code's steps four times, with 16 n − 4 samples from n steps."""
    model = autoencoder1d.build((3, samples), 2, autoencoder1d.Params()).eval()
    assert model.decoder(model.code(torch.randn(2, 3, samples))).shape == (2, 3, 1, made)


@pytest.mark.parametrize("samples", [2700, 187, 33])
def test_the_penalty_is_the_mean_squared_error(samples):
    """Hold the reconstruction against each lead from 0 to 1, over the samples that both have."""
    torch.manual_seed(1)
    model, x = autoencoder1d.build((3, samples), 2, autoencoder1d.Params()).eval(), 5 * torch.randn(2, 3, samples)
    out, penalty = model.with_penalty(x)
    assert torch.equal(out, model(x))
    low, high = x.amin(2, keepdim=True), x.amax(2, keepdim=True)
    made = model.decoder(model.code(x)).squeeze(2)
    both = min(samples, made.shape[2])
    expected = ((made[..., :both] - ((x - low) / (high - low))[..., :both]) ** 2).mean()
    assert penalty.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_target_by_hand():
    """Bring (1, 3, 2) to (0, 1, .5), each lead by itself, and a flat lead to 0."""
    x = torch.tensor([[[1.0, 3.0, 2.0], [-8.0, 0.0, -2.0], [4.0, 4.0, 4.0]]])
    assert autoencoder1d.from_0_to_1(x).tolist() == [[[0, 1, 0.5], [0, 1, 0.75], [0, 0, 0]]]


def test_the_penalty_teaches_the_decoder_and_the_encoder_alone():
    """Send the penalty's gradient to all but the head, and not to the signal as a target."""
    model = autoencoder1d.build((2, 64), 3, autoencoder1d.Params())
    _, penalty = model.with_penalty(torch.randn(4, 2, 64))
    penalty.backward()
    taught = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
    assert taught == {"encoder", "decoder"}


def test_learning_to_reconstruct_lowers_the_penalty():
    """Come nearer to the signal after some steps by the penalty alone."""
    torch.manual_seed(0)
    model = autoencoder1d.build((1, 160), 2, autoencoder1d.Params())
    x = torch.sin(torch.linspace(0, 20, 160) + torch.arange(8.0)[:, None]).unsqueeze(1)
    optimizer, penalties = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for _ in range(30):
        _, penalty = model.with_penalty(x)
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
        penalties.append(penalty.item())
    assert penalties[-1] < 0.5 * penalties[0]


def test_the_original_dnn_has_its_published_count():
    """Count what the original registers, its unused attention and norm included."""
    assert size(dnn1d.build((12, 1400), 9, dnn1d.Params(published=True))) == 6_589_105
    assert size(dnn1d.build((12, 3000), 9, dnn1d.Params(published=True))) == 6_589_105  # of the last 1,400 samples


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_rows_of_the_corrected_dnn_do_not_influence_each_other(mode):
    """Let each row's answer hang on its own signal only, while the LSTMs evaluate and while they learn."""
    torch.manual_seed(0)
    model = without_batch(dnn1d.build((2, 600), 3, dnn1d.Params(start=0, **SMALL_DNN)))
    if mode == "eval":
        model.eval()
    found = influence(model, torch.randn(4, 2, 600))
    assert (found.diagonal() > 0).all()
    assert not (found - found.diagonal().diag()).any()


def test_rows_of_the_original_dnn_hang_on_those_before_them():
    """Show the original's defect: an LSTM that reads the batch as a sequence, in evaluation too."""
    torch.manual_seed(0)
    model = dnn1d.build((2, 600), 3, dnn1d.Params(start=0, published=True, **SMALL_DNN)).eval()
    found = influence(model, torch.randn(4, 2, 600))
    assert (found.tril() > 0).sum() == 10
    assert not found.triu(1).any()


def test_the_original_dnn_ends_in_a_sigmoid_and_wastes_its_attention():
    """Give numbers between 0 and 1, and no gradient to what is unused."""
    model = dnn1d.build((2, 600), 3, dnn1d.Params(start=0, published=True, **SMALL_DNN))
    out = model(torch.randn(4, 2, 600))
    assert ((out > 0) & (out < 1)).all()
    out.sum().backward()
    idle = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert idle == {name for name, _ in model.named_parameters() if name.startswith("end.unused")} != set()


def test_the_corrected_dnn_uses_the_order_of_its_steps():
    """Answer differently when the steps before the LSTM are read backward."""
    torch.manual_seed(0)
    end = dnn1d.WithinRows(8, dnn1d.Params(**SMALL_DNN)).eval()
    x = torch.randn(2, 8, 5)
    assert (end(x) - end(x.flip(2))).abs().max() > 1e-4


def test_dnn_branches_have_the_published_lengths():
    """Leave 346, 86, 21 and 5 steps in each branch from the last 1,400 samples."""
    model, shapes = dnn1d.build((12, 1500), 9, dnn1d.Params()).eval(), []
    for branch in model.branches:
        for unit in branch:
            unit.register_forward_hook(lambda _, __, out: shapes.append((out[0].shape[1], out[0].shape[3])))
    with torch.no_grad():
        model(torch.randn(1, 12, 1500))
    assert shapes == [(128, 346), (192, 86), (256, 21), (320, 5)] * 3


@pytest.mark.parametrize("samples", range(20, 37))
def test_a_unit_takes_any_length(samples):
    """Give ⌊(T − 1) / 4⌋ steps of both signals, also where the pooling leaves one more."""
    unit = dnn1d.Unit(1, 2, 5, dropout=0.2).eval()
    x = torch.randn(1, 1, 1, samples)
    assert [part.shape[3] for part in unit((x, x))] == [(samples - 1) // 4] * 2


def test_the_dnn_refuses_kernels_that_cannot_be():
    """Name an even kernel and one below 3, whose padding would be negative."""
    for given, says in (({"kernels": [4]}, "kernel must be odd, got 4"), ({"kernels": [3, 1]}, "at least 3, got 1")):
        with pytest.raises(SettingsError, match=says):
            parse(dnn1d.Params, given, "models.dnn1d")


def test_the_lstm_of_the_tower_reads_five_steps():
    """Leave 5 steps of 256 channels from 2,500 samples, and decide by the state after the last."""
    model, seen = cnn_lstm.build((12, 2500), 11, cnn_lstm.Params()).eval(), []
    model.lstm.register_forward_hook(lambda _, given, out: seen.extend([given[0].shape, out[0]]))
    out = model(torch.randn(2, 12, 2500))
    assert seen[0] == (2, 5, 256)
    torch.testing.assert_close(out, model.head(seen[1][:, -1]))


def test_a_template_layer_makes_the_other_count_of_ecgtransform():
    """Add one more layer of the same size, as the original registers it: 5,294,640 + 1,692,023."""
    model = ecgtransform.build((12, 2500), 11, ecgtransform.Params())
    assert len(model.encoder) == 3
    assert size(model) + size(model.encoder[0]) == 6_986_663


@pytest.mark.parametrize(
    ("samples", "steps", "zeros"),
    [(2500, 315, 0), (2700, 340, 0), (3000, 377, 3), (360, 47, 3), (187, 25, 0), (1, 2, 3)],
)
def test_the_transformer_reads_channels_of_steps(samples, steps, zeros):
    """Halve the time three times, one sample more at each, and fill up to a multiple of the heads."""
    model, seen = ecgtransform.build((2, samples), 3, ecgtransform.Params(layers=1)).eval(), []
    model.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(torch.randn(2, 2, samples))
    assert [x.shape for x in seen] == [(2, 128, steps + zeros)] * 2
    assert torch.equal(seen[1], seen[0].flip(2))
    assert not seen[0][..., steps:].any()


def test_the_transformer_is_that_of_torch():
    """Do as torch's own stack of three layers does with the same weights."""
    model = ecgtransform.build((2, 187), 3, ecgtransform.Params()).eval()
    layer = nn.TransformerEncoderLayer(25, 5, batch_first=True)
    peer = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False).eval()
    peer.layers.load_state_dict(model.encoder.state_dict())
    x = torch.randn(2, 128, 25)
    torch.testing.assert_close(model.encoder(x), peer(x))


def test_ecgtransform_begins_alike_for_all_rows_and_learns_from_the_second_step_on():
    """Give equal answers before the first step, since the time is averaged where it was normalised, and others after it."""
    torch.manual_seed(0)
    model, x = ecgtransform.build((2, 187), 2, ecgtransform.Params()).eval(), torch.randn(4, 2, 187)
    optimizer, spread = torch.optim.Adam(model.parameters(), lr=1e-3), []
    for _ in range(3):
        out = model(x)
        spread.append((out - out[0]).abs().max().item())
        optimizer.zero_grad()
        F.cross_entropy(out, torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
    assert spread[0] < 1e-6
    assert spread[2] > 1e-4
