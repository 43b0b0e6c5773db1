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
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pqrst import exported, seals
from pqrst.contracts import Contract
from pqrst.errors import DataError
from pqrst.exported import KEY, MARK, SUM
from pqrst.inference import pooled
from pqrst.predictors import NetworkPredictor, Predictor
from pqrst.standardisation import encoded, standardise

OPSET = 20
PARITY_ROWS = 16
ALIKE = 1e-4  # of probabilities: rounding, and no more
AMPLIFIED = 10  # times what rounding does to a network that it moves more: its answers to rows one by one tell


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


def write(predictor: Predictor, file: Path) -> float:
    """Write a network as ONNX, and give the farthest that its probabilities lie from torch's; a file that differs is not left."""
    if not isinstance(predictor, NetworkPredictor):
        raise DataError(f"run {predictor.contract.run} is no network, so it has no ONNX form; export another run")
    program = _program(predictor)
    program.model.metadata_props[KEY] = json.dumps(asdict(predictor.contract))
    program.model.metadata_props[SUM] = seals.BLANK.decode()
    partial = file.with_name(file.name + ".partial")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        program.save(partial)
        partial.write_bytes(seals.seal(partial.read_bytes(), MARK))
        difference = parity(predictor, exported.load(partial))
        if not difference <= max(ALIKE, AMPLIFIED * rounding(predictor)):
            raise DataError(
                f"run {predictor.contract.run}: its ONNX form differs by {difference:.1e}; serve its folder"
            )
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _program(predictor: NetworkPredictor) -> Any:
    contract = predictor.contract
    shapes = [contract.input.shape, *([(len(contract.side),)] if contract.side else [])]
    names = ["rows", "side"][: len(shapes)]
    inputs = tuple(torch.randn(2, *shape) for shape in shapes)
    count = torch.export.Dim("windows", min=1)
    wrapped = Exported(predictor.model.cpu().eval(), contract)
    try:
        with quiet():
            program = torch.onnx.export(
                wrapped, inputs, dynamo=True, opset_version=OPSET, input_names=names, output_names=["logits", "probabilities"],
                dynamic_shapes=tuple({0: count} for _ in shapes), verbose=False,
                optimize=False,  # torch's own pass takes 1e-8, the floor of a spectrogram, for nothing and leaves it out
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:100]
        raise DataError(f"run {contract.run} has no ONNX form ({reason}); serve its folder") from None
    if program is None:
        raise DataError(f"run {contract.run}: torch gave no ONNX program; name this as a fault of the project")
    return program


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's exporter from telling of its own parts that are to go, and of packages that it does not need."""
    told = logging.getLogger("torch.onnx")
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        told.setLevel(level)


def parity(one: Predictor, other: Predictor) -> float:
    """Give the largest difference of two predictors' probabilities over made-up windows."""
    rows, side = made_up(one.contract)
    return float(np.abs(one.probabilities(rows, side) - other.probabilities(rows, side)).max())


def rounding(predictor: Predictor) -> float:
    """Give how far a predictor's own probabilities move where it is asked window by window."""
    rows, side = made_up(predictor.contract)
    single = [slice(at, at + 1) for at in range(len(rows))]
    alone = [predictor.probabilities(rows[at], None if side is None else side[at]) for at in single]
    return float(np.abs(predictor.probabilities(rows, side) - np.concatenate(alone)).max())


def made_up(contract: Contract) -> tuple[np.ndarray, np.ndarray | None]:
    """Make windows as smooth as an ECG, and as large, and the numbers beside them where the run takes any."""
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(0, 0.05, (PARITY_ROWS, *contract.input.shape)), axis=-1).astype(np.float32)
    side = rng.normal(size=(PARITY_ROWS, len(contract.input.side))).astype(np.float32)
    return encoded(torch.from_numpy(smooth), contract.input.steps).numpy(), side if contract.side else None
