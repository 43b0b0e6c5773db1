"""A Bundle at an address that fsspec reads: its small files are copied, rows of x.npy are read by ranges when they are asked for."""

import hashlib
import io
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import numpy as np

from pqrst import files
from pqrst.errors import DataError
from pqrst.transport import Patience, Result, Source, TemporaryError, persist, reason

LARGE = "x.npy"
GAP = 2**16  # bytes: a gap as long as this is read through, since another request takes as long
HEADER = 2**12  # bytes of an .npy file that hold its header
PATIENCE = Patience()


@dataclass(frozen=True)
class Distant:
    """The rows of an .npy file at an address; like an array it answers length, shape, and rows by number."""

    store: Any  # fsspec's file system
    path: str  # in it
    shown: str  # the address without what may be a secret
    begin: int  # the first byte of the rows
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Read rows by their numbers, in any order; those that lie close together by one request, the requests side by side."""
        wanted, back = np.unique(rows, return_inverse=True)
        size = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1 + GAP // size) + 1) if len(rows) else []
        spans = [(self.begin + int(run[0]) * size, self.begin + (int(run[-1]) + 1) * size) for run in runs]
        out = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        start = 0
        for run, found in zip(runs, _ranges(self.store, self.path, spans, self.shown), strict=True):
            out[start : start + len(run)] = np.frombuffer(found, self.dtype).reshape(-1, *self.shape[1:])[run - run[0]]
            start += len(run)
        return out[back]


def fetch(address: str, room: Path) -> tuple[Path, str]:
    """Copy all of a Bundle but x.npy into a folder under `room`, and give that with the Bundle's digest.

    x.npy is read once from end to end for its digest; copy and digest are kept until a file at the address changes.
    """
    store, root, shown = _store(address)
    there = _patiently(lambda: {PurePosixPath(path).name: str(store.info(path)) for path in store.find(root)}, shown)
    if LARGE not in there:
        raise DataError(f"{shown} holds no {LARGE}; give the address of a Bundle, a folder that `dvc repro` has built")
    kept = room / hashlib.sha256(json.dumps([address, sorted(there.items())]).encode()).hexdigest()[:16]
    if not kept.exists():
        with files.whole(kept) as new:
            (new / "bundle").mkdir()
            for name in sorted(set(there) - {LARGE}):
                (new / "bundle" / name).write_bytes(_patiently(partial(store.cat_file, f"{root}/{name}"), shown))
            (new / LARGE).write_text(_patiently(partial(_sum, store, f"{root}/{LARGE}"), shown))
    return kept / "bundle", files.digest(kept / "bundle", {LARGE: (kept / LARGE).read_text()})


def rows(address: str) -> Distant:
    """Open x.npy of a Bundle at an address: only its header is read."""
    store, root, shown = _store(address)
    path = f"{root}/{LARGE}"
    head = io.BytesIO(_patiently(lambda: store.cat_file(path, 0, HEADER), shown))
    try:
        shape, by_column, dtype = {(1, 0): np.lib.format.read_array_header_1_0}[np.lib.format.read_magic(head)](head)
    except (ValueError, KeyError):  # numpy's own text is about its own calls
        shape, by_column, dtype = (), True, np.dtype(object)
    if by_column or dtype.hasobject or not shape:
        raise DataError(f"{shown}/{LARGE} is no array of rows; build it anew with `dvc repro`, and upload it")
    return Distant(store, path, f"{shown}/{LARGE}", head.tell(), shape, dtype)


def _store(address: str) -> tuple[Any, str, str]:
    """Give the file system of an address, the place in it, and the address as it may be shown."""
    shown = Source(address, "mirror").shown()
    try:
        store, root = fsspec.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise DataError(f"{shown}: {reason(error)}; install what fsspec names, or correct the address") from None
    return store, root.rstrip("/"), shown


def _sum(store: Any, path: str) -> str:
    with store.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ranges(store: Any, path: str, spans: list[tuple[int, int]], shown: str) -> list[bytes]:
    starts, ends = [start for start, _ in spans], [end for _, end in spans]
    found: list[bytes] = _patiently(
        lambda: store.cat_ranges([path] * len(spans), starts, ends, on_error="raise"), shown
    )
    for (start, end), held in zip(spans, found, strict=True):
        if len(held) != end - start:
            raise DataError(f"{shown} ends before byte {end}; build it anew with `dvc repro` and upload it again")
    return found


def _patiently(act: Callable[[], Result], shown: str) -> Result:
    """Act until it succeeds, as a download does; every protocol has its own kinds of failure."""

    def once() -> Result:
        try:
            return act()
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise DataError(f"{shown}: {reason(error)}; check the address and the right to read it") from None
        except Exception as error:  # noqa: BLE001 (see above)
            raise TemporaryError(reason(error)) from None

    return persist(once, shown, PATIENCE, time.sleep, threading.Event())
