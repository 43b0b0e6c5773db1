"""A trained network as a folder for others: model card, weights, ONNX, torch's own program, and examples that need no pqrst.

The folder is still a run's folder, so `pqrst predict --model` takes it as it is. What its files say comes from the contract
and from the scores of the network; nothing is claimed that was not measured.
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pqrst import artifact, comparison, export, handout, scored, seals
from pqrst.errors import DataError
from pqrst.files import whole, write_text
from pqrst.predictors import NetworkPredictor

ONNX, PROGRAM, CARD, ROWS, SIDE = "model.onnx", "model.pt2", "README.md", "example.npy", "example_side.npy"
KEPT = (artifact.WEIGHTS, artifact.HISTORY, artifact.CONTRACT, artifact.SUM)
EXAMPLE_ROWS = 4


def write(run: Path, to: Path, pin: str = "") -> Path:
    """Write one trained network of a run into a folder, which appears whole or not at all; give its card."""
    predictor = artifact.load(run, pin=pin)
    if not isinstance(predictor, NetworkPredictor):
        raise DataError(f"run {predictor.contract.run} is no network, so it has no ONNX form; publish another run")
    if to.exists() and any(to.iterdir()) and not (to / artifact.CONTRACT).exists():
        raise DataError(f"{to} holds other files, which would go; give a folder that is empty or not there")
    folder = run if (run / artifact.CONTRACT).exists() else artifact.members(run)[0]
    with whole(to) as partial:
        for name in KEPT:
            if (folder / name).exists():
                shutil.copyfile(folder / name, partial / name)
        export.write(predictor, partial / ONNX)
        _write_program(predictor, partial / PROGRAM)
        _write_examples(predictor, partial)
        history = pd.read_csv(partial / artifact.HISTORY) if (partial / artifact.HISTORY).exists() else pd.DataFrame()
        about: Any = history.to_dict("records")
        write_text(partial / CARD, handout.card(asdict(predictor.contract), about, _scores(folder)))
        write_text(partial / "SHA256SUMS", _sums(partial))
    return to / CARD


def _scores(folder: Path) -> dict[str, Any] | None:
    """Read what evaluation told of a network, where its checkout has it."""
    kept = comparison.scores_of(folder)
    return scored.read(kept / "scores.json") if kept else None


def _write_program(predictor: NetworkPredictor, file: Path) -> None:
    """Write torch's own program of the network, and see that it gives the same probabilities when it is read again."""
    contract = predictor.contract
    rows, side = export.made_up(contract)
    inputs = tuple(torch.from_numpy(part) for part in (rows, side) if part is not None)
    count = torch.export.Dim("windows", min=1)
    wrapped = export.Exported(predictor.model.cpu().eval(), contract)
    shapes = tuple({0: count} for _ in inputs)
    with export.quiet(), torch.no_grad():
        torch.export.save(torch.export.export(wrapped, inputs, dynamic_shapes=shapes, strict=False), file)
        _, again = torch.export.load(file).module()(*inputs)
    difference = float(np.abs(again.numpy() - predictor.probabilities(rows, side)).max())
    if not difference <= max(export.ALIKE, export.AMPLIFIED * export.rounding(predictor)):
        raise DataError(f"run {contract.run}: torch's program of it differs by {difference:.1e}; publish another run")


def _write_examples(predictor: NetworkPredictor, folder: Path) -> None:
    """Write two scripts of a few lines, and rows for them that are made up."""
    rows, side = export.made_up(predictor.contract)
    np.save(folder / ROWS, rows[:EXAMPLE_ROWS].astype(np.float32))
    if side is not None:
        np.save(folder / SIDE, side[:EXAMPLE_ROWS])
    names = [ROWS, *([SIDE] if side is not None else [])]
    shape = " x ".join(map(str, predictor.contract.input.shape))
    for name, template in (("example_onnxruntime.py", OF_ONNX), ("example_torch.py", OF_TORCH)):
        given = {"rows": ROWS, "shape": shape, "named": _named(names), "placed": _placed(names)}
        write_text(folder / name, template.format(**given))


def _named(files: list[str]) -> str:
    """Give the inputs of an ONNX session as Python."""
    return ", ".join(f'"{name}": np.load("{file}")' for name, file in zip(("rows", "side"), files, strict=False))


def _placed(files: list[str]) -> str:
    """Give the arguments of torch's program as Python."""
    return ", ".join(f'torch.from_numpy(np.load("{file}"))' for file in files)


def _sums(folder: Path) -> str:
    """List the files of a folder as sha256sum does."""
    return "".join(seals.line(file.read_bytes(), file.name) for file in sorted(folder.iterdir()))


OF_ONNX = '''\
"""Ask the network through onnxruntime. {rows} holds made-up rows, each {shape}; README.md says how a recording becomes such rows."""

import json

import numpy as np
import onnxruntime

classes = json.load(open("contract.json"))["classes"]
session = onnxruntime.InferenceSession("model.onnx")
logits, probabilities = session.run(None, {{{named}}})
for row in probabilities.tolist():
    print({{name: round(p, 4) for name, p in zip(classes, row)}})
'''
OF_TORCH = '''\
"""Ask the network through torch alone. {rows} holds made-up rows, each {shape}; README.md says how a recording becomes such rows."""

import json

import numpy as np
import torch

classes = json.load(open("contract.json"))["classes"]
network = torch.export.load("model.pt2").module()
logits, probabilities = network({placed})
for row in probabilities.tolist():
    print({{name: round(p, 4) for name, p in zip(classes, row)}})
'''
