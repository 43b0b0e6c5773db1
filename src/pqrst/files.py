"""Files and folders that appear whole or not at all, as the same bytes for the same content; and their digests."""

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any


def digest(folder: Path, elsewhere: Mapping[str, str] = MappingProxyType({})) -> str:
    """Give the SHA-256 over the names and bytes of a folder's files, and of those that lie elsewhere by their own digests."""
    here = {path.relative_to(folder): file_digest(path) for path in folder.rglob("*") if path.is_file()}
    found = here | {Path(name): sum_ for name, sum_ in elsewhere.items()}
    total = hashlib.sha256()
    for name in sorted(found):
        total.update(f"{name.as_posix()}\0{found[name]}\n".encode())
    return total.hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is the same bytes for the same content, null where a number is none, and appears whole or not at all."""
    write_text(path, json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(text.encode())  # encoded first: what cannot be written leaves nothing
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, beside the one that it becomes once it is whole; after a fault it goes."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        partial.mkdir(parents=True)
        yield partial
        move_into_place(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def move_into_place(partial: Path, folder: Path) -> None:
    """Let a finished folder take its name; what stood there before goes."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial.replace(folder)
