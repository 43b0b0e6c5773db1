"""Classifiers of scikit-learn: fitted to what stands beside rows and to the rows, kept as a file, and asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from pqrst import catalog, loaders
from pqrst.arrays import Bundle
from pqrst.contracts import Contract
from pqrst.errors import DataError
from pqrst.parsing import parse
from pqrst.predictors import Predictor
from pqrst.treatment import beside

ESTIMATOR = "estimator.skops"
SMALLEST = 1e-12  # probability whose logarithm is still taken


@dataclass(frozen=True)
class EstimatorPredictor(Predictor):
    """A fitted estimator; its logits are logarithms of its probabilities."""

    estimator: Any

    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        numbers = np.zeros((len(rows), 0), np.float32) if side is None else side
        given = _given(self.contract, numbers, lambda: self.contract.prepared(_tensor(rows)))
        return np.log(np.maximum(self.estimator.predict_proba(given), SMALLEST)).astype(np.float32)


def fit(contract: Contract, bundle: Bundle, rows: np.ndarray) -> Any:
    """Fit the estimator that a contract names to some rows of a Bundle."""
    module = catalog.load("classifiers", contract.model)
    p = parse(module.Params, contract.model_settings, f"classifiers.{contract.model}")
    estimator = module.build(contract.side, contract.classes, contract.seed, p, contract.input.shape)
    numbers = np.zeros((len(rows), 0), np.float32)
    if contract.side:
        numbers = beside(bundle.side, bundle.meta.side, contract.side)[rows]
    here, steps = torch.device("cpu"), bundle.meta.steps
    given = _given(contract, numbers, lambda: loaders.resident(bundle.x, rows, contract.standardise, here, steps=steps))
    return estimator.fit(given, bundle.y[rows].astype(np.int64))


def _tensor(rows: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows, np.float32))


def _given(contract: Contract, side: np.ndarray, prepared: Callable[[], Tensor]) -> np.ndarray:
    """Give what an estimator takes: the numbers beside rows, and behind them the rows where it works on signals."""
    if catalog.load("classifiers", contract.model).ACCEPTS == "side":
        return side
    return beside_rows(side, prepared().numpy())


def beside_rows(side: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Lay rows out flat behind the numbers beside them: (rows, columns + leads · T)."""
    return np.concatenate([side, rows.reshape(len(rows), -1)], axis=1).astype(np.float32)


def saved(estimator: Any) -> dict[str, bytes]:
    """Give an estimator as the content of its file, by the file's name."""
    import skops.io  # noqa: PLC0415 (costs a second, and few runs need it)

    return {ESTIMATOR: skops.io.dumps(estimator)}


def load(folder: Path, contract: Contract) -> EstimatorPredictor:
    """Read an estimator; only the types that its own module names are built, so that a file cannot run code."""
    import skops.io  # noqa: PLC0415 (costs a second, and few runs need it)
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    file, trusted = folder / ESTIMATOR, list(catalog.load("classifiers", contract.model).TRUSTED)
    try:
        return EstimatorPredictor(contract, skops.io.loads(file.read_bytes(), trusted=trusted))
    except FileNotFoundError:
        raise DataError(f"{file} is missing; train the run anew") from None
    except (UntrustedTypesFoundException, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{file} cannot be read ({reason}); train the run anew") from None
