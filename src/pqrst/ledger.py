"""Results of real runs, kept in git: no stage writes them, the tables read them."""

import base64
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from pqrst import scored
from pqrst.errors import DataError
from pqrst.files import write_json
from pqrst.parsing import Between, convert

# what tables take of a result -> its type, and whether it is always there
FIELDS: Mapping[str, tuple[Any, bool]] = {
    "seed": (int, False),
    "scores": (dict[str, float | None], True),
    "provenance": (dict[str, Any], True),
    "classes": (tuple[str, ...], False),
    "parameters": (int | None, False),
    "confusion": (tuple[tuple[Annotated[int, Between(0, 2**53)], ...], ...] | None, False),
    "by_patient": (dict[str, str] | None, False),
    "course": (dict[str, tuple[float, ...]] | None, False),
    "intervals": (dict[str, dict[str, Any] | None] | None, False),
}
WHOLE = re.compile(r"\d{1,15}", re.ASCII)


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
    return [_read(file) for file in sorted((ledger / run / value).glob("*.json"))]


def _read(file: Path) -> dict[str, Any]:
    """Read one result, and hold what tables take of it to its types: git merges and editors reach these files too."""
    given = scored.read(file, scored.OLDEST)
    for key, (kind, needed) in FIELDS.items():
        if key in given or needed:
            convert(kind, given.get(key), f"{file}: {key}")
    size, counts = len(given.get("classes", ())), [text.split() for text in (given.get("by_patient") or {}).values()]
    matrix = given.get("confusion") or []
    square = not matrix or [len(row) for row in matrix] == [size] * size
    if not square or any(len(cells) != size**2 or not all(map(WHOLE.fullmatch, cells)) for cells in counts):
        raise DataError(f"{file}: its counts are not those of {size} classes; take it from git again")
    return given


def pack(predicted: np.ndarray) -> str:
    """Write the predicted class of each row as text: a byte a row, by zlib, in base64."""
    return base64.b64encode(zlib.compress(predicted.astype(np.uint8).tobytes(), 9)).decode()
