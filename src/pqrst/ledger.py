"""Results of real runs, kept in git: no stage writes them, the tables read them."""

import base64
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import scored
from pqrst.arrays import write_json
from pqrst.errors import DataError


def record(scores: Path, run: str, ledger: Path) -> list[Path]:
    """Copy every seed's result of a real run to ledger/<run>/[<value>/]<seed>.json; all seeds or none."""
    members = sorted(scores.rglob("seed-*/scores.json"))
    if not members:
        raise DataError(f"{scores} holds no scores; evaluate the run with `dvc repro evaluate@{run}`")
    results = [scored.read(member) for member in members]
    if any(result["provenance"].get("synthetic", True) for result in results):
        raise DataError(
            f"run {run} was scored on synthetic recordings, which are not recorded; run it with profile=paper"
        )
    written = []
    for member, result in zip(members, results, strict=True):
        packed = pack(np.load(member.parent / "predictions.npy"))
        written.append(ledger / run / member.parent.parent.relative_to(scores) / f"{result['seed']}.json")
        write_json(written[-1], result | {"predicted": packed})
    return written


def read(ledger: Path, run: str, value: str = "") -> list[dict[str, Any]]:
    """Give the recorded results of a run, or of one value that it is made over, one a seed."""
    return [scored.read(file, scored.OLDEST) for file in sorted((ledger / run / value).glob("*.json"))]


def pack(predicted: np.ndarray) -> str:
    """Write the predicted class of each row as text: a byte a row, by zlib, in base64."""
    return base64.b64encode(zlib.compress(predicted.astype(np.uint8).tobytes(), 9)).decode()
