"""The version that every artefact carries: what this program can read, and one line for what it cannot."""

from collections.abc import Mapping
from typing import Any

from pqrst.errors import DataError


def check(given: Any, place: str, newest: int, oldest: int, mend: str, *, unmarked: int | None = None) -> int:
    """Give the schema of what was read from a place; refuse an older or newer one in one line that says how to mend it.

    `unmarked` is the schema of what carries none, where there were such files.
    """
    found = given.get("schema", unmarked) if isinstance(given, Mapping) else None
    reads = f"this version reads {newest}" if oldest == newest else f"this version reads {oldest} to {newest}"
    if type(found) is not int or found < 1:
        raise DataError(f"{place} has schema {found!r}, {reads}; {mend}")
    if found > newest:
        raise DataError(f"{place} has schema {found}, {reads}: a newer pqrst wrote it; take that version, or {mend}")
    if found < oldest:
        raise DataError(f"{place} has schema {found}, {reads}: an older pqrst wrote it; {mend}")
    return found
