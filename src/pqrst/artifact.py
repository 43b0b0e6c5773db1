"""A trained run as a folder that explains itself: weights, and a contract that says how to use them on a new recording."""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as save_tensors
from torch import nn

from pqrst import estimators, networks
from pqrst.arrays import move_into_place, write_json, write_text
from pqrst.cards import card
from pqrst.contracts import Contract, contract_of
from pqrst.errors import DataError
from pqrst.predictors import NetworkPredictor, Predictor

WEIGHTS, HISTORY = "weights.safetensors", "history.csv"
TIMES = ("seconds", "samples_per_second", "gpu_memory_gb", "gpu_utilisation")  # differ from one repetition to the next


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
        return estimators.load(folder, contract)
    shape, fs = contract.crop.shape(contract.input.shape), contract.input.fs
    try:
        model = networks.build(contract, shape, len(contract.classes), fs, f"{folder}/contract.json: ")
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:  # shapes that fit no layer
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{folder}/contract.json describes no network ({reason}); train the run anew") from None
    _fill(model, folder / WEIGHTS, device)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return NetworkPredictor(contract, model.eval())


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
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{file} is not JSON ({error}); train the run anew") from None
    return contract_of(given, str(file))
