"""A trained run as a folder that explains itself: weights, and a contract that says how to use them on a new recording."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from pqrst import estimators, networks, seals
from pqrst.cards import card
from pqrst.contracts import SEALED, Contract, contract_of
from pqrst.errors import DataError
from pqrst.files import whole, write_json, write_text
from pqrst.predictors import NetworkPredictor, Predictor

WEIGHTS, HISTORY = "weights.safetensors", "history.csv"
CONTRACT, SUM = "contract.json", "contract.sha256"
TIMES = ("seconds", "samples_per_second", "gpu_memory_gb", "gpu_utilisation")  # differ from one repetition to the next


def member(seed: int, value: str = "") -> str:
    """Name the folder of one network of a run: its seed, below the value that the run is made over."""
    return f"{value}/seed-{seed}" if value else f"seed-{seed}"


def save(folder: Path, contract: Contract, fitted: Mapping[str, bytes], history: Sequence[Mapping[str, float]]) -> None:
    """Write one trained run, its weights or estimator by file name; the folder appears whole or not at all."""
    contract = replace(contract, files={name: seals.of(content) for name, content in sorted(fitted.items())})
    with whole(folder) as partial:
        for name, content in fitted.items():
            (partial / name).write_bytes(content)
        if history:
            table = pd.DataFrame([{key: value for key, value in row.items() if key not in TIMES} for row in history])
            table.astype({"epoch": int}).to_csv(partial / HISTORY, index=False, lineterminator="\n")
        write_json(partial / CONTRACT, asdict(contract))
        write_text(partial / SUM, seals.line((partial / CONTRACT).read_bytes(), CONTRACT))
        write_text(partial / "card.md", card(asdict(contract), history))


def of_network(weights: Mapping[str, torch.Tensor]) -> dict[str, bytes]:
    return {WEIGHTS: save_tensors(dict(weights))}


def members(run: Path) -> list[Path]:
    """List the trained networks of a run, by value and seed, the lowest seed first."""
    found = []
    for path in run.rglob(CONTRACT):
        seed = re.fullmatch(r"seed-(-?\d+)", path.parent.name)
        if seed:
            found.append((path.parent.parent, int(seed[1]), path.parent))
    return [folder for _, _, folder in sorted(found)]


def load(folder: Path, device: str = "cpu", pin: str = "") -> Predictor:
    """Load a trained network; of a run with several seeds, the first; of several values, none.

    Args:
        folder: of the network, or of its run.
        device: where it is to run.
        pin: the SHA-256 that its contract must have; any where none is told.
    """
    if not (folder / CONTRACT).exists():
        found = members(folder)
        if not found:
            raise DataError(f"{folder} holds no contract.json, so it is no trained run; train it with `dvc repro`")
        values = dict.fromkeys(one.parent for one in found)
        if len(values) > 1:
            raise DataError(f"{folder} holds networks of {len(values)} values; name one, such as {next(iter(values))}")
        folder = found[0]
    contract = read_contract(folder, pin)
    if contract.kind == "classifiers":
        file = folder / estimators.ESTIMATOR
        return estimators.load(_learned(file, contract), contract, file)
    shape, fs = contract.crop.shape(contract.input.shape), contract.input.fs
    try:
        model = networks.build(contract, shape, len(contract.classes), fs, f"{folder}/contract.json: ")
    except (RuntimeError, ValueError, TypeError, LookupError, ArithmeticError) as error:  # shapes that fit no layer
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{folder}/contract.json describes no network ({reason}); train the run anew") from None
    _fill(model, _learned(folder / WEIGHTS, contract), folder / WEIGHTS)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return NetworkPredictor(contract, model.eval())


def _learned(file: Path, contract: Contract) -> bytes:
    """Read what was learned, if it is what the contract says was written."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{file} is missing; train the run anew") from None
    if contract.schema >= SEALED:
        seals.check(content, contract.files.get(file.name, "nothing"), file, CONTRACT)
    return content


def _fill(model: nn.Module, content: bytes, file: Path) -> None:
    """Give a network the weights of a file."""
    try:
        model.load_state_dict(load_tensors(content))
    except SafetensorError as error:
        raise DataError(f"{file} is damaged ({error}); train the run anew") from None
    except RuntimeError:  # torch lists every name and shape that differs, on many lines
        raise DataError(f"{file} does not fit the network that contract.json names; train the run anew") from None


def read_contract(folder: Path, pin: str = "") -> Contract:
    """Read and check the contract of a run's folder, if it is the one that was written and the one that is asked for."""
    file, expected = folder / CONTRACT, seals.told(folder / SUM)
    content = file.read_bytes()
    seals.pin(content, pin, file)
    if expected is not None:
        seals.check(content, expected, file, SUM)
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is not JSON ({error}); train the run anew") from None
    contract = contract_of(given, str(file))
    if contract.schema < SEALED and pin:
        raise DataError(
            f"{file} does not say which weights are its own, so no sum can vouch for them; train the run anew"
        )
    if contract.schema >= SEALED and expected is None:
        raise DataError(f"{folder / SUM} is missing; {seals.ANEW}")
    return contract
