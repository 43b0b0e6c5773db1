"""Targets of files that hold tensors or estimators: first weights, a run's own, checkpoints, scikit-learn's."""

import io
import json
import zipfile
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

import toys
from fuzzing.core import WEIGHTS, Target, joined, laid, room, split, vouched
from pqrst import artifact, estimators, ranks, training, weights
from pqrst.arrays import Bundle
from pqrst.features import beat_features
from pqrst.models import simple_cnn

SMALL = simple_cnn.Params(widths=(2,), kernel=3)
SHAPE = (1, 16)
NETWORK = replace(
    toys.CONTRACT, model="simple_cnn", model_settings=asdict(SMALL), input=replace(toys.META.form, shape=SHAPE)
)  # fmt: skip
COLUMNS = beat_features(np.zeros((2, 10)), np.array([5]), np.array([True]))[1]
SIDE = replace(toys.TWO_LEADS, gain=None, zero=None, side=COLUMNS)
FOREST = replace(
    toys.CONTRACT, classes=toys.TWO_LEADS.classes, kind="classifiers", model="beat_cascade", parameters=None, input=SIDE.form,
    side=COLUMNS, model_settings={"fits": 1, "iterations": 2, "every": 1, "least_rows": 2},
)  # fmt: skip


def network() -> nn.Module:
    torch.manual_seed(0)
    return simple_cnn.build(SHAPE, 2, SMALL)


def first(ending: str, data: bytes) -> bool:
    """Fill a network from a file; a refusal leaves it as it was, and what it takes is of its own shapes."""
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        weights.load(model, laid(**{f"w_{ending}": data}) / f"w.{ending}")
    except Exception:
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        raise
    assert {name: value.shape for name, value in model.state_dict().items()} == {n: v.shape for n, v in before.items()}
    return True


def run(data: bytes) -> bool:
    """Load a run of one network out of a contract and weights, and ask it."""
    told, held = split(data, 2)
    predictor = artifact.load(vouched(laid(contract_json=told, weights_safetensors=held)))
    if predictor.contract.input.shape == SHAPE:
        found = predictor.probabilities(np.zeros((1, *SHAPE), np.float32))
        assert found.shape == (1, len(predictor.contract.classes))
    return True


def checkpoint(data: bytes) -> bool:
    """Go on from a checkpoint, or begin anew."""
    learner = training._learner(lesson(), rows(), 1, ranks.ALONE)
    state = training._resume(laid(c_safetensors=data) / "c.safetensors", learner, training._copy(learner.model))
    assert isinstance(state.epoch, int) and isinstance(state.history, list)  # noqa: PT018
    return state.epoch > 0


def estimator(data: bytes) -> bool:
    """Load an estimator and ask it: its answers are probabilities."""
    found = estimators.load(data, FOREST, Path(estimators.ESTIMATOR)).estimator.predict_proba(
        np.zeros((2, len(COLUMNS)), np.float32)
    )
    assert found.shape == (2, 3)
    return True


def lesson() -> training.Lesson:
    class Loss(nn.Module):
        def forward(self, logits: torch.Tensor, target: torch.Tensor, _weight: torch.Tensor | None) -> torch.Tensor:
            return nn.functional.cross_entropy(logits, target)

    return training.Lesson(network, Loss(), toys.TRAIN)


def rows() -> training.Data:
    x, y = torch.zeros(4, *SHAPE), torch.tensor([0, 1, 0, 1])
    return training.Data((x,), y, (x,), y, 2)


@cache
def checkpoints() -> list[bytes]:
    file = room() / "made.safetensors"
    training.fit(lesson(), rows(), 1, file, lambda _: None)
    return [file.read_bytes()]


def tensors() -> bytes:
    return save({name: value.contiguous() for name, value in network().state_dict().items()})


def pickled(**how: bool) -> bytes:
    file = io.BytesIO()
    torch.save(network().state_dict(), file, **how)
    return file.getvalue()


@cache
def forests() -> list[bytes]:
    import pandas as pd

    table, side = pd.DataFrame({"record": ["r"] * 30}), np.random.default_rng(2).normal(0, 1, (30, len(COLUMNS)))
    given = Bundle(SIDE, np.zeros((30, *SIDE.shape)), np.arange(30) % 3, table, side.astype(np.float32))
    content = estimators.saved(estimators.fit(FOREST, given, np.arange(30)))[estimators.ESTIMATOR]
    plain = io.BytesIO()  # not compressed, so that changes reach what is in it
    with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(plain, "w") as archive:
        for name in packed.namelist():
            archive.writestr(name, packed.read(name))
    return [plain.getvalue()]


def runs() -> list[bytes]:
    return [joined(json.dumps(asdict(replace(NETWORK, files={WEIGHTS: ""}))).encode(), tensors())]


TARGETS = {
    "safetensors": Target(lambda data: first("safetensors", data), lambda: [tensors()], 4096, 80),
    "torch": Target(lambda data: first("pth", data), lambda: [pickled(), pickled(_use_new_zipfile_serialization=False)], 8192, 40),
    "run": Target(run, runs, 8192, 60),
    "checkpoint": Target(checkpoint, checkpoints, 16384, 30),
    "skops": Target(estimator, forests, 1 << 20, 0),
}  # fmt: skip
