"""A trained run as a folder that explains itself: weights, and a contract that says how to use them on a new recording."""

import json
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import nn

from pqrst import catalog, decisions, networks
from pqrst.arrays import Form, move_into_place, write_json, write_text
from pqrst.cards import card
from pqrst.decisions import Calibration
from pqrst.errors import DataError
from pqrst.inference import Crop, logits
from pqrst.loaders import beside
from pqrst.parsing import parse
from pqrst.standardisation import Standardisation, decoded, standardise

SCHEMA = 5
WEIGHTS, ESTIMATOR, HISTORY = "weights.safetensors", "estimator.skops", "history.csv"
NUMBERS_AT_ONCE = 2**26  # of rows turned to float32 together: 256 MiB
SMALLEST = 1e-12  # probability whose logarithm is still taken
TIMES = ("seconds", "samples_per_second", "gpu_memory_gb", "gpu_utilisation")  # differ from one repetition to the next


@dataclass(frozen=True)
class Contract:
    """All that is needed to use the weights on a recording that was never seen."""

    run: str
    system: str
    seed: int
    task: str
    classes: tuple[str, ...]
    model: str
    model_settings: dict[str, Any]
    parameters: int | None  # none of an estimator
    input: Form
    standardise: Standardisation
    output: str
    split: str
    best_epoch: int
    provenance: dict[str, Any]  # of the data, with its digest
    settings_digest: str
    train: dict[str, Any] = field(default_factory=dict)  # the settings of the training, its loss among them
    epochs: int = 0  # that were run, of those that were allowed
    value: str = ""  # of the setting that the run is made over
    kind: str = "models"  # or classifiers
    side: tuple[str, ...] = ()  # the numbers beside a row that the model takes
    standardise_side: Standardisation = field(default_factory=lambda: Standardisation("none"))
    leak: str = ""  # whom train and test share
    calibration: Calibration = field(default_factory=Calibration)
    thresholds: tuple[float, ...] = ()  # of each label of a multi-label task; none: 0.5
    thresholds_by: str = ""  # what they were chosen for, on validation rows
    part: str = ""  # of the split
    crop: Crop = field(default_factory=Crop)
    frontend: str = ""  # what the network computes of a row first, and how it draws it as an image; part of the network
    frontend_settings: dict[str, Any] = field(default_factory=dict)
    encoding: str = ""
    encoding_settings: dict[str, Any] = field(default_factory=dict)
    weights: str = ""  # SHA-256 of the file that the first weights came from; none: they were drawn at random
    place: int = 0  # of its value among those that the run is made over
    schema: int = SCHEMA

    @property
    def pictures(self) -> bool:
        """Say whether the model sees images, whoever draws them."""
        return bool(self.encoding or self.input.encoding)

    def prepared(self, rows: torch.Tensor) -> torch.Tensor:
        """Bring a batch of rows, as they are stored, into what was trained on."""
        return standardise(decoded(rows, self.input.steps), self.standardise)


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

    model: nn.Module

    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        where = next(self.model.parameters()).device
        inputs = [self.contract.prepared(torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to(where))]
        if side is not None:
            inputs.append(standardise(torch.from_numpy(side).to(where), self.contract.standardise_side))
        return logits(self.model, tuple(inputs), crop=self.contract.crop).cpu().numpy()


@dataclass(frozen=True)
class EstimatorPredictor(Predictor):
    """A fitted scikit-learn estimator; its logits are logarithms of its probabilities."""

    estimator: Any

    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        given = np.zeros((len(rows), 0), np.float32) if side is None else side
        if catalog.load("classifiers", self.contract.model).ACCEPTS == "signal":
            seen = self.contract.prepared(torch.from_numpy(np.ascontiguousarray(rows, np.float32)))
            given = beside_rows(given, seen.numpy())
        return np.log(np.maximum(self.estimator.predict_proba(given), SMALLEST)).astype(np.float32)


def beside_rows(side: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Lay rows out flat behind the numbers beside them, as an estimator over signals takes them: (rows, columns + leads · T)."""
    return np.concatenate([side, rows.reshape(len(rows), -1)], axis=1).astype(np.float32)


def member(seed: int, value: str = "") -> str:
    """Name the folder of one network of a run: its seed, below the value that the run is made over."""
    return f"{value}/seed-{seed}" if value else f"seed-{seed}"


def save(folder: Path, contract: Contract, fitted: Mapping[str, bytes], history: Sequence[Mapping[str, float]]) -> None:
    """Write one trained run, its weights or estimator by file name; the folder appears whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, content in fitted.items():
        (partial / name).write_bytes(content)
    if history:
        table = pd.DataFrame([{key: value for key, value in row.items() if key not in TIMES} for row in history])
        table.astype({"epoch": int}).to_csv(partial / HISTORY, index=False, lineterminator="\n")
    write_json(partial / "contract.json", asdict(contract))
    write_text(partial / "card.md", card(asdict(contract), history))
    move_into_place(partial, folder)


def of_network(weights: Mapping[str, torch.Tensor]) -> dict[str, bytes]:
    return {WEIGHTS: save_tensors(dict(weights))}


def of_estimator(estimator: Any) -> dict[str, bytes]:
    import skops.io  # noqa: PLC0415 (costs a second, and few runs need it)

    return {ESTIMATOR: skops.io.dumps(estimator)}


def members(run: Path) -> list[Path]:
    """List the trained networks of a run, by value and seed, the lowest seed first."""
    found = []
    for path in run.rglob("contract.json"):
        seed = re.fullmatch(r"seed-(-?\d+)", path.parent.name)
        if seed:
            found.append((path.parent.parent, int(seed[1]), path.parent))
    return [folder for _, _, folder in sorted(found)]


def load(folder: Path, device: str = "cpu") -> Predictor:
    """Load a trained network; of a run with several seeds, the first; of several values, none."""
    if not (folder / "contract.json").exists():
        found = members(folder)
        if not found:
            raise DataError(f"{folder} holds no contract.json, so it is no trained run; train it with `dvc repro`")
        values = dict.fromkeys(one.parent for one in found)
        if len(values) > 1:
            raise DataError(f"{folder} holds networks of {len(values)} values; name one, such as {next(iter(values))}")
        folder = found[0]
    contract = read_contract(folder)
    if contract.kind == "classifiers":
        return EstimatorPredictor(contract, _estimator(folder / ESTIMATOR, contract))
    shape, fs = contract.crop.shape(contract.input.shape), contract.input.fs
    model = networks.build(contract, shape, len(contract.classes), fs, f"{folder}/contract.json: ")
    _fill(model, folder / WEIGHTS, device)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return NetworkPredictor(contract, model.eval())


def _estimator(file: Path, contract: Contract) -> Any:
    """Read an estimator; only the types that its own module names are built, so that a file cannot run code."""
    import skops.io  # noqa: PLC0415 (costs a second, and few runs need it)
    from skops.io.exceptions import UntrustedTypesFoundException  # noqa: PLC0415

    try:
        return skops.io.loads(file.read_bytes(), trusted=list(catalog.load("classifiers", contract.model).TRUSTED))
    except FileNotFoundError:
        raise DataError(f"{file} is missing; train the run anew") from None
    except (UntrustedTypesFoundException, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{file} cannot be read ({reason}); train the run anew") from None


def _fill(model: nn.Module, file: Path, device: str) -> None:
    """Give a network the weights of a file."""
    try:
        model.load_state_dict(load_file(file, device=device))
    except FileNotFoundError:
        raise DataError(f"{file} is missing; train the run anew") from None
    except SafetensorError as error:
        raise DataError(f"{file} is damaged ({error}); train the run anew") from None
    except RuntimeError:  # torch lists every name and shape that differs, on many lines
        raise DataError(f"{file} does not fit the network that contract.json names; train the run anew") from None


def read_contract(folder: Path) -> Contract:
    """Read and check the contract of a run's folder."""
    file = folder / "contract.json"
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}); train the run anew") from None
    return contract_of(given, str(file))


def contract_of(given: Any, place: str) -> Contract:
    """Check a contract that was read from a place."""
    if not isinstance(given, dict) or given.get("schema") != SCHEMA:
        found = given.get("schema") if isinstance(given, dict) else None
        raise DataError(f"{place} has schema {found!r}, this version reads {SCHEMA}; train the run anew")
    return parse(Contract, given, place)
