"""Tables that give each recording one label: read, held against what was published, cut into tenths as they stand."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import packs
from pqrst.console import log
from pqrst.downloads import Source
from pqrst.errors import DataError, RecordError
from pqrst.packs import AGAIN, Packs


def load(database: str, files: Packs, name: str, columns: Sequence[str], others: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table of recordings as text out of a database's files."""
    try:
        content = files.read(name)
    except (FileNotFoundError, DataError):
        raise RecordError(f"of {database}", f"{name} is missing or damaged; {AGAIN}") from None
    return read(database, name, content, columns, others)


def read(database: str, name: str, content: bytes, columns: Sequence[str], others: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table as text; its first column names each recording once. `others` are kept where they are there."""
    try:
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except ValueError:  # pandas' own parser errors are of this kind
        raise RecordError(f"of {database}", f"{name} is no table of recordings; {AGAIN}") from None
    if shifted(table):
        fault = "has rows of more cells than its first line has names; take the commas at their ends away"
        raise RecordError(f"of {database}", f"{name} {fault}, or {AGAIN}")
    return checked(database, name, table, columns, others)


def shifted(table: pd.DataFrame) -> bool:
    """Say whether rows have more cells than the line of names: pandas makes an index of the first, and every name moves on."""
    return not isinstance(table.index, pd.RangeIndex)


def checked(
    database: str, name: str, table: pd.DataFrame, columns: Sequence[str], others: Sequence[str] = ()
) -> pd.DataFrame:
    """Hold a table to its columns, free its cells of blanks around them, and keep those columns only."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise RecordError(f"of {database}", f"{name} has no column {missing[0]!r}; {AGAIN}")
    kept = [*columns, *(column for column in others if column in table)]
    table = table[kept].apply(lambda column: column.str.strip())
    if not len(table) or not table[columns[0]].all() or table[columns[0]].duplicated().any():
        raise RecordError(f"of {database}", f"{name} names no recording, or one of them twice; {AGAIN}")
    return table


def rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """Give each row by its columns' names."""
    return [dict(zip(table.columns, values, strict=True)) for values in table.itertuples(index=False, name=None)]


def whole(text: str) -> int | None:
    """Read a whole number, which a table may write with .0 behind it; nothing where it is none."""
    digits = text.removesuffix(".0")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else None


def tenths(rows: int) -> list[str]:
    """Give each of so many rows, as they stand, its tenth: the first k tenths are int(rows · k / 10) rows.

    >>> [tenths(10588).count(str(k)) for k in (1, 9, 10)]
    [1058, 1059, 1059]
    """
    ends = [rows * k // 10 for k in range(1, 11)]
    return [str(k) for k in np.searchsorted(ends, np.arange(rows), side="right") + 1]


def compare(database: str, what: str, found: Mapping[str, int], published: Mapping[str, int]) -> None:
    """Warn in one line where counts are not those that were published."""
    names = dict.fromkeys([*published, *found])
    differing = [
        f"{name or 'none'} {found.get(name, 0)} for {published.get(name, 0)}"
        for name in names
        if found.get(name, 0) != published.get(name, 0)
    ]
    if differing:
        log.warning("%s: %s differ from those published: %s", database, what, ", ".join(differing))


def there(database: str, table: pd.DataFrame, files: Packs, partial: bool) -> pd.DataFrame:
    """Leave out the rows whose `file` is not there, where a database may be partial, and say how many."""
    if not partial:
        return table
    kept = table[[file in files for file in table["file"]]]
    if len(kept) < len(table):
        log.info("%s: %s of %s recordings are not there", database, len(table) - len(kept), len(table))
    return kept


def need(name: str, file: str, files: Packs, setting: str) -> None:
    """Tell of a file that is not there."""
    if file not in files:
        raise RecordError(name, f"{file} is missing; {AGAIN}, or set {setting} to true if the source has it not")


def fetch(
    own: Source,
    table: str,
    stems: Sequence[str],
    ending: str,
    *,
    sums: Mapping[str, str],
    dest: Path,
    room: Path,
    setting: str,
    partial: bool,
) -> dict[str, Any]:
    """Fetch a database's own table and the recordings that it names, packed by the thousand; `partial` is what `setting` says."""
    groups = packs.by_thousand(stems, (ending,))
    optional = [f"{stem}.{ending}" for stem in stems if partial]
    return packs.fetch(
        own, groups, dest, room, plain={table: own}, sums=sums, optional=optional, missing=where_missing(setting)
    )


def where_missing(setting: str) -> str:
    """Say what to do where a source lacks a recording."""
    return f"complete the source, or set {setting} to true to take the recordings that are there"
