"""A trained network as one ONNX file that takes windows as its run stored them and gives probabilities.

Unit, standardisation and calibration lie inside the graph. What comes before the windows (leads, rate, filter, cutting) is told by
the contract, which travels in the file's metadata; `exported.load` gives a Predictor that replays it, as from a run's own folder.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pqrst.contracts import Contract
from pqrst.errors import DataError
from pqrst.exported import KEY
from pqrst.inference import pooled
from pqrst.predictors import NetworkPredictor, Predictor
from pqrst.standardisation import encoded, standardise

OPSET = 20
PARITY_ROWS = 16


class Exported(nn.Module):
    """A network between rows as they are stored and its calibrated probabilities."""

    def __init__(self, model: nn.Module, contract: Contract) -> None:
        super().__init__()
        self.model, self.contract = model, contract

    def forward(self, rows: Tensor, side: Tensor | None = None) -> tuple[Tensor, Tensor]:
        inputs = [self.contract.prepared(rows)]
        if side is not None:
            inputs.append(standardise(side, self.contract.standardise_side))
        logits = pooled(self.model, tuple(inputs), self.contract.crop)
        warm = logits / self.contract.calibration.temperature
        return logits, torch.softmax(warm, dim=1) if self.contract.task == "single" else torch.sigmoid(warm)


def write(predictor: Predictor, file: Path) -> None:
    """Write a network as ONNX; the file appears whole or not at all."""
    if not isinstance(predictor, NetworkPredictor):
        raise DataError(f"run {predictor.contract.run} is no network, so it has no ONNX form; export another run")
    contract = predictor.contract
    shapes = [contract.input.shape, *([(len(contract.side),)] if contract.side else [])]
    names = ["rows", "side"][: len(shapes)]
    inputs = tuple(torch.randn(2, *shape) for shape in shapes)
    count = torch.export.Dim("windows", min=1)
    wrapped = Exported(predictor.model.cpu().eval(), contract)
    with _quiet():
        program = torch.onnx.export(
            wrapped, inputs, dynamo=True, opset_version=OPSET, input_names=names, output_names=["logits", "probabilities"],
            dynamic_shapes=tuple({0: count} for _ in shapes), verbose=False,
        )  # fmt: skip
    if program is None:
        raise DataError(f"run {contract.run}: torch gave no ONNX program; name this as a fault of the project")
    program.model.metadata_props[KEY] = json.dumps(asdict(contract))
    partial = file.with_name(file.name + ".partial")
    file.parent.mkdir(parents=True, exist_ok=True)
    program.save(partial)
    partial.replace(file)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling of its own parts that are to go, and of packages that it does not need."""
    told = logging.getLogger("torch.onnx")
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(level)


def parity(one: Predictor, other: Predictor) -> tuple[float, int]:
    """Give the largest difference of two predictors' probabilities over made-up windows, and how many there were."""
    rng = np.random.default_rng(0)
    shape = (PARITY_ROWS, *one.contract.input.shape)
    smooth = np.cumsum(rng.normal(0, 0.05, shape), axis=-1).astype(np.float32)  # as an ECG, and as large
    rows = encoded(torch.from_numpy(smooth), one.contract.input.steps).numpy()
    side = rng.normal(size=(PARITY_ROWS, len(one.contract.input.side))).astype(np.float32)
    found = [predictor.probabilities(rows, side if one.contract.side else None) for predictor in (one, other)]
    return float(np.abs(found[0] - found[1]).max()), PARITY_ROWS
