"""Read Kaggle's own two heartbeat files, where a user has laid them down or holds a Kaggle token."""

import base64
import errno
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from pqrst import downloads
from pqrst.arrays import Record
from pqrst.console import log
from pqrst.datasets import _mitbih
from pqrst.errors import DownloadError, RecordError
from pqrst.files import file_digest

HOST = "https://www.kaggle.com/api/v1/datasets/download/shayanfazeli/heartbeat"
TRAIN, TEST = "mitbih_train.csv", "mitbih_test.csv"
SHA256 = {
    TRAIN: "241f1e1b398e2ec60274c7b4c2f7c8d18d280a9858b10e8e8bce93afba20c147",
    TEST: "6c97b8a2fe4c5b2d6c8168e5e512a8ec00ac103ded2517385a7676672bdf7992",
}
USE_MITDB = "set databases.heartbeat.origin to mitdb"
LARGEST = 2**29  # bytes of an unpacked file; the larger of the two has 392 million
SAMPLES = 187
FS = 120.0  # Hz: every third sample of 360 Hz, whatever the data card says


def lies_in(base: str | None) -> bool:
    """Say whether the mirror at `base` holds both files."""
    return base is not None and all(
        downloads.exists(downloads.Source(f"{base}/heartbeat", "mirror"), n) for n in SHA256
    )


def fetch(base: str | None, dest: Path, scratch: Path) -> dict[str, Any]:
    """Take the two files from the mirror, or from Kaggle with the user's token; both are known by their SHA-256."""
    room = scratch / "heartbeat"
    if lies_in(base):
        return downloads.fetch(downloads.Source(f"{base}/heartbeat", "mirror"), list(SHA256), dest, room, sums=SHA256)
    source, arrived = downloads.Source(HOST, "host", {"Authorization": _token()}), room / "arrived"
    # the sums are of the plain files; Kaggle lists none, so it is not asked for a list either
    downloads.fetch(source, list(SHA256), arrived, room, sums={})
    for name, expected in SHA256.items():
        with downloads.written(arrived / name):
            _unpack(arrived / name)
        if file_digest(arrived / name) != expected:
            shutil.rmtree(room)  # else the next run would find the wrong file whole in scratch
            raise DownloadError(f"{HOST}/{name} is not the file known by SHA-256 {expected[:12]}…; {USE_MITDB}")
    plain = downloads.Source(str(arrived.resolve()), "host")
    provenance = downloads.fetch(plain, list(SHA256), dest, room, sums=SHA256)
    shutil.rmtree(arrived)
    return provenance


def _unpack(file: Path) -> None:
    """Replace a zip archive by the file in it: Kaggle sends a large file zipped or plain, as it pleases."""
    if not zipfile.is_zipfile(file):
        return
    plain = file.with_suffix(".plain")
    # an archive that cannot be read, or holds more than such a file, stays as it is, and its SHA-256 gives it away
    try:
        with zipfile.ZipFile(file) as archive, archive.open(file.name) as packed, plain.open("wb") as unpacked:
            _copy(packed, unpacked)
        plain.replace(file)
    except (zipfile.BadZipFile, LookupError, EOFError, ValueError, RuntimeError, zlib.error):
        log.warning("%s is a damaged archive", file.name)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a damaged archive sends the reader before its beginning
            raise
    finally:
        plain.unlink(missing_ok=True)


def _copy(packed: IO[bytes], unpacked: IO[bytes]) -> None:
    total = 0
    while part := packed.read(1 << 20):
        total += len(part)
        if total > LARGEST:
            raise ValueError("it unpacks to more than the file that is known")
        unpacked.write(part)


def _token() -> str:
    """Read the token where Kaggle's own client keeps it."""
    user, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    file = Path(os.environ.get("KAGGLE_CONFIG_DIR", Path.home() / ".kaggle")) / "kaggle.json"
    if not (user and key) and file.exists():
        try:
            content = json.loads(file.read_text())
            user, key = content["username"], content["key"]
        except (ValueError, TypeError, KeyError, OSError):
            raise DownloadError(
                f"{file} holds no Kaggle token; save it anew from your account, or {USE_MITDB}"
            ) from None
    if not (user and key):
        raise DownloadError(
            f"databases.heartbeat.origin is kaggle, but the source holds no heartbeat/{TRAIN} and there is no Kaggle token: "
            f"lay both files there, save a token as {file}, or {USE_MITDB}"
        )
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def rows(raw: Path, test_rows: pd.DataFrame) -> Iterator[Record | RecordError]:
    """Give each row of the two files as a recording; only the test file's rows have a known patient."""
    for name, fold in ((TRAIN, "train"), (TEST, "test")):
        try:
            table = _read(raw / name)
        except RecordError as fault:
            yield fault
            continue
        known = fold == "test" and len(table) == len(test_rows)
        for place, line in enumerate(table):
            yield _record(line, f"{name}:{place + 1}" if not known else test_rows["record"][place], fold, known)


def _record(line: np.ndarray, record: str, fold: str, known: bool) -> Record:
    patient = _mitbih.SAME_SUBJECT.get(record, record) if known else ""
    part = _mitbih.patient_set(patient, record in _mitbih.SAME_SUBJECT) if known else ""
    folds = {"kaggle": fold, "patients": part}
    signal = line[None, :SAMPLES].astype(np.float32)  # (1, 187)
    return Record(record, patient, signal, FS, ("first",), units="from 0 to 1", label=int(line[SAMPLES]), folds=folds)


def _read(file: Path) -> np.ndarray:
    """Read one file as float64 (rows, 188), or name its first bad row."""
    try:
        table = pd.read_csv(file, header=None, dtype=np.float64).to_numpy()
    except FileNotFoundError:
        raise RecordError(file.name, "it is missing; fetch it again") from None
    except ValueError:  # pandas' own parser errors are of this kind
        raise RecordError(file.name, _first_fault(file)) from None
    whole = table.shape[1] == SAMPLES + 1 and np.isfinite(table).all() and np.isin(table[:, -1], range(5)).all()
    if not whole:
        raise RecordError(file.name, _first_fault(file))
    return table


def _first_fault(file: Path) -> str:
    with file.open(errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            try:
                values = [float(value) for value in line.split(",")]
            except ValueError:
                return f"row {number} holds text where a number belongs; fetch the file again"
            if len(values) != SAMPLES + 1:
                return f"row {number} has {len(values)} values where {SAMPLES + 1} belong; fetch the file again"
            if not np.isfinite(values).all() or values[-1] not in range(5):
                return f"row {number} holds a value that is not finite or no class from 0 to 4; fetch the file again"
    return "it holds no row; fetch the file again"
