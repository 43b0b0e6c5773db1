"""A network behind a frontend and an encoding that are computed with it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import toys
from pqrst import artifact, catalog, export, exported, images, inference, networks, predictors
from pqrst.arrays import Bundle, read
from pqrst.errors import SettingsError
from pqrst.parsing import parse
from pqrst.resolved import Encode
from pqrst.standardisation import decoded

SHAPE, CLASSES, FS = (2, 60), ("a", "b", "c"), 120.0
DRAWN = {"start": 0, "length": 60, "size": 16, "channels": 1, "mean": [0.0], "deviation": [1.0], "scale": 1.0}
INPUT = replace(toys.META.form, shape=SHAPE, fs=FS, leads=("I", "II"))
CONTRACT = replace(
    toys.CONTRACT, classes=CLASSES, model="efficientnet_b0", input=INPUT, encoding="lead_rows", encoding_settings=DRAWN
)


def signals(n=5):
    return torch.from_numpy(np.random.default_rng(3).normal(2, 3, (n, *SHAPE)).astype(np.float32))


def built(**changes):
    """Build a network that has seen one batch: with the statistics that it starts from, its answers are all alike."""
    torch.manual_seed(0)
    network = networks.build(replace(CONTRACT, **changes), SHAPE, len(CLASSES), FS)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(signals(16))
        for module in network.modules():
            if isinstance(module, torch.nn.Linear) and module.out_features == len(CLASSES):
                module.weight /= 30  # answers that are sure of nothing can differ
    return network.eval()


def test_a_model_alone_is_itself():
    """Wrap nothing where neither frontend nor encoding is named: the names of the weights stay."""
    module = catalog.load("models", "simple_cnn")
    settings = {"widths": [4], "kernel": 3}
    alone = built(model="simple_cnn", model_settings=settings, encoding="", encoding_settings={})
    expected = module.build(SHAPE, len(CLASSES), parse(module.Params, settings, "p"))
    assert list(alone.state_dict()) == list(expected.state_dict())


def test_the_parts_are_computed_in_turn():
    """Frontend, encoding, model: the same as by hand."""
    network = built(frontend="icwa", frontend_settings={"mode": "power"})
    encoding = catalog.load("encodings", "lead_rows")
    x = signals()
    power = x.square().mean(dim=2)
    weighed = x * (power.mean(dim=1, keepdim=True) / power).sqrt().unsqueeze(2)
    seen = encoding.encode(weighed, FS, parse(encoding.Params, DRAWN, "p"))
    with torch.inference_mode():
        assert torch.allclose(network.prepared(x), seen, atol=1e-6)
        assert torch.allclose(network(x), network.model(seen), atol=1e-5)
        assert network(x).std(dim=0).min() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_stored_pictures_are_those_drawn_in_the_batch(tmp_path, dtype):
    """To the bit as float32; as halves and bytes by no more than their steps."""
    steps = np.random.default_rng(0).integers(-2000, 2000, (7, *SHAPE)).astype(np.int16)
    rows = pd.DataFrame({"record": [f"r{i}" for i in range(7)], "patient": "", "start": 0, "quality": ""})
    meta = replace(
        toys.META, classes=CLASSES, fs=FS, leads=("I", "II"), units="converter steps", window={"cut": "around"},
        gain=(200.0, 180.0), zero=(3, -8),
    )  # fmt: skip
    windows = Bundle(meta, steps, np.arange(7) % 3, rows)
    images.encode(
        toys.save_bundle(tmp_path / "windows", windows), Encode("toy", "lead_rows", DRAWN, dtype), tmp_path / "stored"
    )
    stored = read(tmp_path / "stored")
    told = decoded(torch.from_numpy(np.array(stored.x, np.float32)), stored.meta.steps)
    drawn = built().prepared(decoded(torch.from_numpy(steps.astype(np.float32)), meta.steps))
    assert stored.x.dtype == dtype
    largest = {"float32": 0.0, "float16": 2.0**-12, "uint8": 1 / 255}[dtype]
    assert (told - drawn).abs().max().item() <= largest
    if dtype == "float32":
        assert torch.equal(told, drawn.contiguous())


def test_a_learned_frontend_learns_through_the_picture():
    """Give the excitation a gradient, which only comes through encoding and model."""
    network = built(frontend="icwa", frontend_settings={"mode": "se"}).train()
    torch.nn.functional.cross_entropy(network(signals()), torch.tensor([0, 1, 2, 0, 1])).backward()
    assert network.frontend.weigh.widen.weight.grad.abs().sum() > 0


def test_a_frontend_stands_before_a_network_on_signals():
    """Weigh the leads before a network without an encoding."""
    network = built(
        model="simple_cnn", model_settings={"widths": [4], "kernel": 3}, encoding="", encoding_settings={},
        frontend="icwa", frontend_settings={"mode": "power"},
    )  # fmt: skip
    x = signals()
    loud = x * torch.tensor([1.0, 50.0])[:, None]
    with torch.inference_mode():
        assert network(x).shape == (5, 3)
        powers = network.prepared(loud).square().mean(dim=2)
    assert torch.allclose(powers[:, 0], powers[:, 1], rtol=1e-4)


def test_a_saved_network_draws_its_pictures_again(tmp_path):
    """Save, load and ask with nothing but the folder: the same logits."""
    network = built(frontend="icwa", frontend_settings={"mode": "se"})
    contract = replace(CONTRACT, frontend="icwa", frontend_settings={"mode": "se"})
    artifact.save(tmp_path / "seed-1", contract, artifact.of_network(network.state_dict()), [])
    x = signals()
    with torch.inference_mode():
        assert np.allclose(
            artifact.load(tmp_path / "seed-1").logits(x.numpy()), network(x).numpy(), rtol=1e-3, atol=1e-3
        )
    card = (tmp_path / "seed-1" / "card.md").read_text()
    assert "first through icwa (mode se)" in card
    assert "drawn as an image by lead_rows (start 0, length 60, size 16" in card


def test_an_exported_network_draws_its_pictures_itself(tmp_path):
    """One ONNX file from signal to probabilities, frontend and encoding inside."""
    network = built(frontend="icwa", frontend_settings={"mode": "power"})
    contract = replace(CONTRACT, frontend="icwa", frontend_settings={"mode": "power"})
    predictor = predictors.NetworkPredictor(contract, network)
    export.write(predictor, tmp_path / "a.onnx")
    x = signals().numpy()
    assert np.abs(exported.load(tmp_path / "a.onnx").probabilities(x) - predictor.probabilities(x)).max() < 1e-4
    assert predictor.probabilities(x).std(axis=0).min() > 0.001


def test_pictures_larger_than_rows_come_in_smaller_batches():
    """Bound a batch by what the model sees, not by the signal that it is drawn from."""
    seen = []
    network = built(encoding_settings={**DRAWN, "size": 224, "channels": 3, "mean": [0.0] * 3, "deviation": [1.0] * 3})
    assert networks.numbers(network, SHAPE) == 3 * 224 * 224
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    inference.logits(network, (signals(20),))
    assert max(seen) == inference.BATCH_NUMBERS // (3 * 224 * 224) < 20
    assert sum(seen) == 20


class WithPenalty(torch.nn.Module):
    """Give the mean as logits and as a penalty."""

    def forward(self, x):
        return self.with_penalty(x)[0]

    def with_penalty(self, x):
        return x.mean(dim=(2, 3)), x.square().mean()


def test_a_second_loss_is_of_the_picture():
    """Hand a model's penalty through, of what the model saw."""
    composed = networks.Penalised(torch.nn.Identity(), lambda x: x[:, None] * 2, WithPenalty(), 1)
    logits, penalty = composed.with_penalty(torch.ones(3, 2, 4))
    assert logits.tolist() == [[2.0]] * 3
    assert penalty.item() == 4.0
    assert not hasattr(built(), "with_penalty")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding_settings": {**DRAWN, "size": 0}}, "here: encodings.lead_rows"),
        ({"encoding": "lead_row"}, "there is no encoding 'lead_row'; did you mean lead_rows?"),
        ({"frontend": "icwa", "frontend_settings": {"mode": "so"}}, "here: frontends.icwa.mode"),
        ({"encoding_settings": {**DRAWN, "start": 60}}, "encodings.lead_rows.start is 60, but the signals end"),
    ],
)
def test_a_mistake_is_one_line(changes, message):
    """Name the part and the place."""
    with pytest.raises(SettingsError) as caught:
        networks.build(replace(CONTRACT, **changes), SHAPE, 3, FS, "here: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
