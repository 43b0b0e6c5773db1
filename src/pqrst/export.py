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


class OneByOne(NetworkPredictor):
    """The same network, whose rounding differs because it sees one row at a time."""

    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        """Give the logits of some rows."""
        sides = [None] * len(rows) if side is None else [side[at : at + 1] for at in range(len(rows))]
        return np.concatenate([super(OneByOne, self).part(rows[at : at + 1], sides[at]) for at in range(len(rows))])


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
        if not difference <= max(ALIKE, AMPLIFIED * parity(predictor, OneByOne(predictor.contract, predictor.model))):
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
        with _quiet():
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


def parity(one: Predictor, other: Predictor) -> float:
    """Give the largest difference of two predictors' probabilities over made-up windows."""
    rng = np.random.default_rng(0)
    shape = (PARITY_ROWS, *one.contract.input.shape)
    smooth = np.cumsum(rng.normal(0, 0.05, shape), axis=-1).astype(np.float32)  # as an ECG, and as large
    rows = encoded(torch.from_numpy(smooth), one.contract.input.steps).numpy()
    side = rng.normal(size=(PARITY_ROWS, len(one.contract.input.side))).astype(np.float32)
    found = [predictor.probabilities(rows, side if one.contract.side else None) for predictor in (one, other)]
    return float(np.abs(found[0] - found[1]).max())
