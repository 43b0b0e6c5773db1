"""A trained run in its ONNX file, asked through onnxruntime: nothing here loads torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import seals
from pqrst.contracts import contract_of
from pqrst.errors import DataError
from pqrst.predictors import Predictor

KEY = "pqrst.contract"  # of the file's metadata
SUM = "pqrst.sha256"  # of the same: the file's own
MARK = b"\x0a\x0c" + SUM.encode() + b"\x12\x40"  # how the file, a protocol buffer, holds that key before 64 bytes
ENDING = ".onnx"
FEW_ROWS = 4  # at once: onnxruntime holds attention maps in memory, and beyond the cache it is ten times slower


@dataclass(frozen=True)
class OnnxPredictor(Predictor):
    """A trained network run by onnxruntime."""

    session: Any

    def part(self, rows: np.ndarray, side: np.ndarray | None) -> np.ndarray:
        given = {"rows": np.ascontiguousarray(rows, np.float32)} | ({} if side is None else {"side": side})
        starts = range(0, len(rows), FEW_ROWS)
        found = [self._few({name: x[at : at + FEW_ROWS] for name, x in given.items()}) for at in starts]
        return np.concatenate(found) if found else np.zeros((0, len(self.contract.classes)), np.float32)

    def _few(self, given: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(self.session.run(["logits"], given)[0])


def load(file: Path, threads: int = 1, pin: str = "") -> OnnxPredictor:
    """Load what `write` wrote."""
    import onnxruntime  # noqa: PLC0415 (half a second, and torch serves where it is not asked for)

    if not file.is_file():
        raise DataError(f"{file} is missing; write it with `pqrst export`")
    content = file.read_bytes()
    seals.pin(content, pin, file)
    seals.check_sealed(content, MARK, file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    try:  # from bytes: a graph that keeps its weights in other files finds none
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (onnxruntime's own classes have no common parent)
        raise DataError(f"{file} is no ONNX file that can be read ({_line(error)}); export the run anew") from None
    told = session.get_modelmeta().custom_metadata_map.get(KEY)
    if told is None:
        raise DataError(f"{file} holds no contract; write it with `pqrst export`")
    return OnnxPredictor(contract_of(_parsed(told, file), str(file)), session)


def _parsed(told: str, file: Path) -> Any:
    try:
        return json.loads(told)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the contract in {file} is not JSON ({_line(error)}); export the run anew") from None


def open_run(place: Path, device: str = "cpu", threads: int | None = None, pin: str = "") -> Predictor:
    """Open a trained run: its folder, or the ONNX file that was written of it; of the SHA-256 that is told, if one is."""
    if place.suffix == ENDING:
        return load(place, threads or 1, pin)
    from pqrst import artifact, inference  # noqa: PLC0415 (torch, which an ONNX file is asked without)

    if threads:
        inference.use_threads(threads)
    return artifact.load(place, device, pin)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
