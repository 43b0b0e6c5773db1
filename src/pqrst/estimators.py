"""Classifiers of scikit-learn: fitted to what stands beside rows and to the rows, kept as a file, and asked."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from torch import Tensor

from pqrst import catalog, loaders, trees
from pqrst.arrays import Bundle
from pqrst.contracts import Contract
from pqrst.errors import DataError
from pqrst.parsing import parse
from pqrst.predictors import Predictor
from pqrst.treatment import beside

ESTIMATOR = "estimator.skops"
SCHEMA = "schema.json"  # in it: what its objects are
STAMP = (1980, 1, 1, 0, 0, 0)  # the earliest time that an archive can name
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

    return {ESTIMATOR: _alike(skops.io.dumps(estimator))}


def _alike(content: bytes) -> bytes:
    """Write an archive of skops anew, so that equal estimators are equal bytes.

    It names objects, and the files of arrays, by where they lay in memory, and each file by the hour. Here they are counted.
    """
    numbers: dict[str, int] = {}
    with ZipFile(io.BytesIO(content)) as given, ZipFile(made := io.BytesIO(), "w") as out:
        schema = json.loads(given.read(SCHEMA))
        _count(schema, numbers)
        for name in given.namelist():
            if name != SCHEMA:
                out.writestr(ZipInfo(_counted(name, numbers), STAMP), given.read(name))
        out.writestr(ZipInfo(SCHEMA, STAMP), json.dumps(schema))
    return made.getvalue()


def _count(node: Any, numbers: dict[str, int]) -> None:
    """Give every object of a schema its place among those before it."""
    for inside in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _count(inside, numbers)
    if isinstance(node, dict) and "__loader__" in node:
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers) + 1)
        if isinstance(node.get("file"), str):
            node["file"] = _counted(node["file"], numbers)


def _counted(file: str, numbers: dict[str, int]) -> str:
    stem, _, ending = file.partition(".")
    return f"{numbers.setdefault(stem, len(numbers) + 1)}.{ending}"


def load(content: bytes, contract: Contract, file: Path) -> EstimatorPredictor:
    """Build an estimator from the content of its file; of types and trees that its own module names, so that a file cannot run code."""
    import skops.io  # noqa: PLC0415 (costs a second, and few runs need it)

    trusted = list(catalog.load("classifiers", contract.model).TRUSTED)
    try:
        found = EstimatorPredictor(contract, skops.io.loads(content, trusted=trusted))
        trees.check(found.estimator, trusted)
        _try(found)
    except Exception as error:  # noqa: BLE001 (the bytes of a stranger: what the libraries raise has no common parent)
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise DataError(f"{file} cannot be read ({reason}); train the run anew") from None
    return found


def _try(found: EstimatorPredictor) -> None:
    """Ask about one row, so that what does not fit together is told now and not by the first recording."""
    contract = found.contract
    side = np.zeros((1, len(contract.side)), np.float32)
    shape = found.part(np.zeros((1, *contract.input.shape), np.float32), side).shape
    if shape != (1, len(contract.classes)):
        raise DataError(f"it answers one row by {shape} numbers, {len(contract.classes)} classes are told")
