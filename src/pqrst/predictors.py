"""Trained runs that answer: rows as they are stored in, logits, probabilities and decisions out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pqrst import decisions
from pqrst.contracts import Contract
from pqrst.errors import DataError
from pqrst.treatment import beside

if TYPE_CHECKING:
    from torch import Tensor, nn

NUMBERS_AT_ONCE = 2**26  # of rows turned to float32 together: 256 MiB


@dataclass(frozen=True)
class Predictor(ABC):
    """A trained run that prepares rows exactly as in training."""

    contract: Contract

    def logits(self, rows: np.ndarray, side: np.ndarray | None = None) -> np.ndarray:
        """Give logits (rows, classes) for rows of the shape that the contract names, with the numbers beside them."""
        expected = self.contract.input.shape
        if rows.shape[1:] != expected:
            raise DataError(f"run {self.contract.run} takes rows of shape {expected}, got {rows.shape[1:]}")
        chosen = None
        if self.contract.side:
            chosen = beside(side, self.contract.input.side, self.contract.side).astype(np.float32)
        parts = np.array_split(np.arange(len(rows)), max(1, -(-rows.size // NUMBERS_AT_ONCE)))
        return np.concatenate([self.part(rows[part], None if chosen is None else chosen[part]) for part in parts])

    def probabilities(self, rows: np.ndarray, side: np.ndarray | None = None) -> np.ndarray:
        """Give calibrated probabilities, float32 (rows, classes)."""
        return decisions.probabilities(
            self.logits(rows, side), self.contract.task, self.contract.calibration.temperature
        )

    def decide(self, probability: np.ndarray) -> np.ndarray:
        """Decide by probabilities: class numbers, or 0/1 by label."""
        return decisions.decide(probability, self.contract.task, self.contract.thresholds)

    @abstractmethod
    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        """Give the logits of some thousand rows."""


@dataclass(frozen=True)
class NetworkPredictor(Predictor):
    """A trained network."""

    model: "nn.Module"

    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        from pqrst.inference import logits  # noqa: PLC0415 (torch, which an ONNX file is asked without)
        from pqrst.standardisation import standardise  # noqa: PLC0415

        inputs = [self.contract.prepared(self.tensor(rows))]
        if side is not None:
            inputs.append(standardise(self.tensor(side), self.contract.standardise_side))
        return logits(self.model, tuple(inputs), crop=self.contract.crop).cpu().numpy()

    def tensor(self, values: np.ndarray) -> "Tensor":
        """Bring numbers to where the network is, float32."""
        import torch  # noqa: PLC0415

        where = next(self.model.parameters()).device
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(where)
