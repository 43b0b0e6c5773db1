"""What training begins with and learns from besides rows and labels: weights of a file, a second loss, changed rows."""

import logging
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from pqrst import artifact, augmentation, catalog, estimators, fitting, loaders, networks, sides, training
from pqrst.arrays import Writer, read
from pqrst.errors import DataError
from pqrst.files import file_digest
from pqrst.models import simple_cnn
from pqrst.opened import open_parts
from pqrst.standardisation import Standardisation, fit_standardisation
from toys import BEATS, KAGGLE, RUN, TRAIN

pytestmark = pytest.mark.usefixtures("own_process")

SAMPLES = 32
DRAWN = {"start": 0, "length": SAMPLES, "size": 16, "channels": 1, "mean": [0.0], "deviation": [1.0], "scale": 1.0}
PICTURES = replace(
    RUN, model="picture_cnn", model_settings={"widths": [4], "stem_kernel": 3, "deep": 0}, encoding="lead_rows",
    encoding_settings=DRAWN, frontend="icwa", frontend_settings={"mode": "se"},
)  # fmt: skip
SMALL = {
    "deep_feature": {"kernels": 40, "components": 8, "trees": 10},
    "lead_ensemble": {"frequencies": 8, "components": 4, "iterations": 5, "leaves": 4, "least_rows": 2},
}


def write(folder, side=()):
    """Write 90 beats of two leads, in converter steps, and their split: class c swings c times as fast."""
    rng, y = np.random.default_rng(0), np.arange(90) % 7 % 3
    waves = np.sin(2 * np.pi * np.linspace(0, 1, SAMPLES) * (2.0 + 3 * y)[:, None] + 6 * rng.random((90, 1)))
    x = np.rint(200 * (waves[:, None] + rng.normal(0, 0.2, (90, 2, SAMPLES))) + 50).astype(np.int16)
    told = pd.DataFrame({"record": "r", "patient": "p", "start": range(90), "quality": ""})
    told["fold_kaggle"] = np.where(np.arange(90) < 63, "train", "test")
    meta = replace(BEATS, leads=("I", "II"), units="converter steps", gain=(200.0, 200.0), zero=(50, 50), side=side)
    with Writer(folder / "x", (2, SAMPLES), "int16") as writer:
        writer.add(x, y, told, rng.normal(60, 10, (90, len(side))).astype(np.float32) if side else None)
        writer.finish(meta)
    sides.write(read(folder / "x"), "kaggle", KAGGLE, folder / "split")
    return open_parts(folder / "x", folder / "split", [""])[""]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data"))


@contextmanager
def silent(_):
    yield lambda _: None


def fit(folder, opened, run):
    """Train into a folder, and give that of the one network."""
    fitting.train([run], {"": opened}, fitting.Places(folder / "out", folder / "scratch"), silent)
    return folder / "out" / "seed-9"


def prepared(opened, run):
    """Give what training would be given, without training."""
    seen = loaders.parts(opened.bundle.x, opened.sides.rows("train"), opened.bundle.meta.steps)
    fitted = fit_standardisation(run.train.standardise, seen)
    return fitting.Prepared(run, opened, fitted, fitting.Beside((), np.zeros((0, 0)), Standardisation("none")), "d")


@pytest.mark.parametrize("side", [(), ("age", "rate")])
@pytest.mark.parametrize("name", list(SMALL))
def test_a_classifier_over_signals_is_fitted_saved_and_used(tmp_path, name, side):
    """Fit one to standardised signals and what stands beside them, load it, and tell classes of unseen rows by it."""
    opened = write(tmp_path, side)
    run = replace(RUN, kind="classifiers", model=name, model_settings=SMALL[name])
    folder = fit(tmp_path, opened, run)
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.md",
        "contract.json",
        "contract.sha256",
        "estimator.skops",
    ]
    predictor, rows = artifact.load(folder), opened.sides.rows("test")
    contract = predictor.contract
    assert (contract.kind, contract.side, contract.standardise.kind) == ("classifiers", side, "train")
    assert (contract.standardise_side.kind, contract.parameters, contract.weights) == ("none", None, "")
    x, beside = np.array(opened.bundle.x[rows]), opened.bundle.side[rows] if side else None
    probability = np.exp(predictor.logits(x, beside))
    assert probability.sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-5)
    assert (probability.argmax(axis=1) == opened.bundle.y[rows]).mean() > 0.7
    own = predictor.estimator.predict_proba(by_hand(opened, rows, beside))
    assert probability == pytest.approx(np.maximum(own, estimators.SMALLEST), rel=1e-4)


def by_hand(opened, rows, beside):
    """Lay out what a classifier was fitted to: numbers, then the row standardised by the train rows' mean and deviation."""
    train = np.array(opened.bundle.x[opened.sides.rows("train")], np.float64)
    mean, deviation = (f(train, axis=(0, 2), keepdims=True)[0] for f in (np.mean, np.std))
    flat = ((np.array(opened.bundle.x[rows]) - mean) / deviation).reshape(len(rows), -1)
    return (flat if beside is None else np.column_stack([beside, flat])).astype(np.float32)


def test_a_classifier_is_the_same_each_time(tmp_path, opened):
    """Tell the same probabilities to the bit from the same seed, and others from another."""
    run = replace(RUN, kind="classifiers", model="deep_feature", model_settings=SMALL["deep_feature"])
    folders = [fit(tmp_path / "a", opened, run), fit(tmp_path / "b", opened, run)]
    fit(tmp_path / "c", opened, replace(run, seeds=(8,)))
    rows = np.array(opened.bundle.x)
    one, two, other = (artifact.load(folder).logits(rows) for folder in (*folders, tmp_path / "c" / "out"))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def weights_of(file, model, number):
    """Save a network whose every number is the same."""
    save_file({name: torch.full_like(value, number) for name, value in model.state_dict().items()}, file)
    return str(file)


def with_weights(run, file):
    """Name a file as the resolver does."""
    return replace(run, weights=str(file), code={"weights": file_digest(file)})


def test_training_starts_from_the_weights_of_a_file(tmp_path, opened, caplog):
    """Take every tensor of the file whatever the seed, say so, and name the file's content in the contract."""
    file = tmp_path / "first.safetensors"
    weights_of(file, simple_cnn.build((2, SAMPLES), 3, simple_cnn.Params(widths=(4,), kernel=3)), 0.125)
    run = with_weights(RUN, file)
    with caplog.at_level(logging.INFO):
        first = fitting._first(prepared(opened, run))
    assert all((value == 0.125).all() for value in first.state_dict().values())
    assert "run tiny: 4 of 4 tensors from" in caplog.text
    still = replace(run, train=replace(TRAIN, lr=1e-12))
    folder = fit(tmp_path, opened, still)
    for value in load_file(folder / "weights.safetensors").values():
        assert value.numpy() == pytest.approx(np.full(value.shape, 0.125), abs=1e-6)
    assert artifact.read_contract(folder).weights == file_digest(file)


def test_without_a_file_weights_are_drawn(tmp_path, opened):
    """Name no content, and begin from numbers that differ."""
    first = fitting._first(prepared(opened, RUN))
    assert all(value.unique().numel() > 1 for value in first.state_dict().values())
    assert artifact.read_contract(fit(tmp_path, opened, RUN)).weights == ""


def test_weights_behind_an_encoding_are_the_models(tmp_path, opened):
    """Fill the model alone: the frontend before it stays as it was drawn."""
    module = catalog.load("models", "picture_cnn")
    inner = module.build((1, 16, 16), 3, module.Params(widths=(4,), stem_kernel=3, deep=0))
    file = tmp_path / "first.safetensors"
    weights_of(file, inner, 1.0)
    first = fitting._first(prepared(opened, with_weights(PICTURES, file)))
    assert isinstance(first, networks.Composed)
    assert all((value == 1).all() for value in first.model.state_dict().values())
    assert any((value != 1).any() for value in first.frontend.state_dict().values())


def test_weights_of_another_network_are_one_line(tmp_path, opened):
    """Stop before an epoch is trained."""
    file = tmp_path / "first.safetensors"
    weights_of(file, simple_cnn.build((2, SAMPLES), 3, simple_cnn.Params(widths=(5,), kernel=3)), 1.0)
    with pytest.raises(DataError, match=r"first\.safetensors does not fit the network: "):
        fit(tmp_path, opened, with_weights(RUN, file))


def test_the_content_of_a_file_names_a_training_and_its_place_does_not(tmp_path):
    """Share checkpoints between copies of a file, and not with other content or none."""
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    one, copy, other = (fitting.settings_digest(with_weights(RUN, tmp_path / name)) for name in "abc")
    assert one == copy
    assert len({one, other, fitting.settings_digest(RUN)}) == 3


@pytest.mark.parametrize(
    "more",
    [
        {"encoding": "lead_rows", "encoding_settings": DRAWN},
        {"frontend": "icwa", "frontend_settings": {"mode": "se"}},
        {"train": replace(TRAIN, augment_side="validation")},
    ],
)
def test_what_stands_before_a_model_names_its_training(more):
    """Name another checkpoint where frontend, encoding or the side that is changed differ, also in their settings alone."""
    names = {fitting.settings_digest(RUN), fitting.settings_digest(replace(RUN, **more))}
    for key in ("encoding_settings", "frontend_settings"):
        if key in more:
            names.add(fitting.settings_digest(replace(RUN, **more | {key: {**more[key], "another": 1}})))
    assert len(names) == 1 + len(more)


def test_a_network_over_pictures_is_trained_saved_and_used(tmp_path, opened):
    """Train behind a learned frontend and an encoding, load the folder, and predict unseen signals by it."""
    folder = fit(tmp_path, opened, PICTURES)
    predictor, rows = artifact.load(folder), opened.sides.rows("test")
    contract = predictor.contract
    assert (contract.frontend, contract.frontend_settings) == ("icwa", {"mode": "se"})
    assert (contract.encoding, contract.encoding_settings) == ("lead_rows", DRAWN)
    built = networks.build(contract, (2, SAMPLES), 3, 120.0)
    built.load_state_dict(load_file(folder / "weights.safetensors"))
    steps = opened.bundle.meta.steps
    x = loaders.resident(opened.bundle.x, rows, contract.standardise, torch.device("cpu"), steps=steps)
    with torch.inference_mode():
        expected = built.eval()(x).numpy()
    assert predictor.logits(np.array(opened.bundle.x[rows])) == pytest.approx(expected, abs=1e-4)
    assert contract.parameters == sum(p.numel() for p in built.parameters() if p.requires_grad)


def changed(opened, kind, side):
    """Say of the rows of both sides whether a setting changes them."""
    where = torch.device("cpu")
    plain, other = (
        fitting._data(prepared(opened, replace(RUN, train=replace(TRAIN, **more))), where, 9)
        for more in ({}, {"augment": kind, "augment_side": side})
    )
    for data in (plain, other):
        assert data.train_x[0].shape[1:] == data.validation_x[0].shape[1:] == (2, SAMPLES)
    return [
        not one.equal(two) for one, two in ((plain.train_x[0], other.train_x[0]), (plain.validation_x[0], other.validation_x[0]))
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["noise", "noise_scale_mask2", "transforms", "transforms_published"])
def test_one_side_alone_is_changed(opened, kind):
    """Change train rows, or validation rows as one original did by mistake, and never both."""
    assert changed(opened, kind, "train") == [True, False]
    assert changed(opened, kind, "validation") == [False, True]
    assert changed(opened, "none", "validation") == [False, False]


def test_rows_are_changed_in_their_unit(opened, monkeypatch):
    """Hand millivolts to the changes, and standardise what they give back."""
    given = []

    def double(x, _):
        given.append(x)
        return 2 * x

    monkeypatch.setitem(augmentation.CHANGES, "transforms", double)
    for side in ("train", "validation"):
        run = replace(RUN, train=replace(TRAIN, augment="transforms", augment_side=side, standardise="none"))
        data = fitting._data(prepared(opened, run), torch.device("cpu"), 9)
        x, rows = given.pop(), opened.sides.rows(side)
        millivolts = (np.array(opened.bundle.x[rows], np.float32) - 50) / 200
        assert x == pytest.approx(millivolts, abs=1e-5)
        kept = (data.train_x if side == "train" else data.validation_x)[0].numpy()
        assert kept == pytest.approx(2 * millivolts, abs=1e-4)
        assert given == []


class Penalty(torch.nn.Module):
    """Give logits of one weight, and a penalty of another."""

    def __init__(self):
        super().__init__()
        self.of_loss, self.of_penalty = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))

    def forward(self, x):
        return x.mean(dim=(1, 2))[:, None] * self.of_loss

    def with_penalty(self, x):
        return self(x), 10 * self.of_penalty.square().sum()


def test_a_penalty_is_added_to_the_loss(tmp_path):
    """Teach by it what the loss does not reach, and count it in the train loss but not in the validation loss."""
    x, y = torch.randn(16, 1, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3
    data = training.Data((x,), y, (x,), y, 3, None, None)
    model = Penalty()
    lesson = training.Lesson(lambda: model, catalog_loss(), replace(TRAIN, lr=0.1))
    fitted = training.fit(lesson, data, 1, tmp_path / "1.safetensors", lambda _: None)
    row = fitted.history[0]
    with torch.no_grad():
        plain = torch.nn.functional.cross_entropy(Penalty()(x), y).item()
    assert row["train_loss"] == pytest.approx(plain + 10 * 3, rel=1e-4)
    assert row["validation_loss"] < 2
    assert (fitted.weights["of_penalty"] < 0.95).all()


def catalog_loss():
    module = catalog.load("losses", "ce")
    return module.build("single", np.array([6, 5, 5]), module.Params())


def test_an_autoencoder_learns_to_decode(tmp_path, opened):
    """Move every weight of the decoder, which only the penalty reaches, and save it with the network."""
    run = replace(RUN, model="autoencoder1d", model_settings={"dropout": 0.0})
    slow = replace(run, train=replace(TRAIN, lr=1e-12))
    trained, still = (
        load_file(fit(tmp_path / str(one.train.lr), opened, one) / "weights.safetensors") for one in (run, slow)
    )
    decoder = [name for name in trained if name.startswith("decoder.") and name.endswith("weight")]
    assert len(decoder) == 7
    assert not any(torch.allclose(trained[name], still[name], atol=1e-5) for name in decoder)
