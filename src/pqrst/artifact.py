"""A trained run as a folder that explains itself: weights, and a contract that says how to use them on a new recording."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from pqrst import catalog
from pqrst.arrays import Meta, move_into_place, write_json
from pqrst.errors import DataError
from pqrst.inference import logits
from pqrst.loaders import Standardisation, standardise
from pqrst.parsing import convert, parse

SCHEMA = 1
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
    parameters: int
    input: dict[str, Any]  # shape of a row, axes, fs, leads, units, the settings that cut or encoded it
    standardise: Standardisation
    output: str
    split: str
    best_epoch: int
    provenance: dict[str, Any]  # of the data, with its digest
    settings_digest: str
    train: dict[str, Any] = field(default_factory=dict)  # the settings of the training, its loss among them
    epochs: int = 0  # that were run, of those that were allowed
    value: str = ""  # of the setting that the run is made over
    schema: int = SCHEMA


@dataclass(frozen=True)
class Predictor:
    """A trained network that prepares rows exactly as in training."""

    contract: Contract
    model: nn.Module

    def logits(self, rows: np.ndarray) -> np.ndarray:
        """Give logits (rows, classes) for rows of the shape that the contract names."""
        expected = tuple(self.contract.input["shape"])
        if rows.shape[1:] != expected:
            raise DataError(f"run {self.contract.run} takes rows of shape {expected}, got {rows.shape[1:]}")
        where = next(self.model.parameters()).device
        parts = np.array_split(np.arange(len(rows)), max(1, len(rows) // 4096))
        return np.concatenate([self._part(rows[part], where) for part in parts])

    def _part(self, rows: np.ndarray, where: torch.device) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(rows, np.float32)).to(where)
        return logits(self.model, standardise(x, self.contract.standardise)).cpu().numpy()


def input_of(meta: Meta) -> dict[str, Any]:
    """Say what a row of a Bundle is."""
    told = ("axes", "fs", "leads", "units", "gain", "zero", "settings")
    return {"shape": list(meta.shape[1:]), **{key: getattr(meta, key) for key in told}}


def member(seed: int, value: str = "") -> str:
    """Name the folder of one network of a run: its seed, below the value that the run is made over."""
    return f"{value}/seed-{seed}" if value else f"seed-{seed}"


def save(
    folder: Path, contract: Contract, weights: Mapping[str, torch.Tensor], history: Sequence[Mapping[str, float]]
) -> None:
    """Write one trained network; the folder appears whole or not at all."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(dict(weights), partial / "weights.safetensors")
    table = pd.DataFrame([{key: value for key, value in row.items() if key not in TIMES} for row in history])
    table.astype({"epoch": int}).to_csv(partial / "history.csv", index=False, lineterminator="\n")
    write_json(partial / "contract.json", asdict(contract))
    move_into_place(partial, folder)


def members(run: Path) -> list[Path]:
    """List the trained networks of a run, by value and seed, the lowest seed first."""
    found = []
    for path in run.rglob("contract.json"):
        seed = re.fullmatch(r"seed-(-?\d+)", path.parent.name)
        if seed:
            found.append((path.parent.parent, int(seed[1]), path.parent))
    return [folder for _, _, folder in sorted(found)]


def load(folder: Path, device: str = "cpu") -> Predictor:
    """Load a trained network; of a run with several seeds, the first."""
    if not (folder / "contract.json").exists():
        found = members(folder)
        if not found:
            raise DataError(f"{folder} holds no contract.json, so it is no trained run; train it with `dvc repro`")
        folder = found[0]
    contract = read_contract(folder)
    module = catalog.load("models", contract.model)
    settings = parse(module.Params, contract.model_settings, f"{folder}/contract.json: model_settings")
    model = module.build(tuple(contract.input["shape"]), len(contract.classes), settings)
    _fill(model, folder / "weights.safetensors", device)
    return Predictor(contract, model.to(device, memory_format=torch.channels_last).eval())


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
    """Read and check a contract."""
    file = folder / "contract.json"
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is not JSON ({error}); train the run anew") from None
    if not isinstance(given, dict) or given.get("schema") != SCHEMA:
        found = given.get("schema") if isinstance(given, dict) else None
        raise DataError(f"{file} has schema {found!r}, this version reads {SCHEMA}; train the run anew")
    contract = parse(Contract, given, str(file))
    convert(tuple[int, ...], contract.input.get("shape"), f"{file}.input.shape")
    return contract
