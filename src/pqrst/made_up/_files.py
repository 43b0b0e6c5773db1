"""What all made-up databases write beside their signals: that nobody was recorded, tables, and lists of checksums."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pqrst.files import file_digest, write_text

MADE_UP = "SYNTHETIC: made by pqrst out of random numbers; no person was recorded"
SUMS = "SHA256SUMS.txt"


def lines(of: Iterable[str]) -> str:
    """End each line."""
    return "".join(f"{line}\n" for line in of)


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any] | Mapping[str, str]]) -> None:
    """Write rows as CSV; what a row does not have stays empty."""
    write_text(path, pd.DataFrame(list(rows), columns=list(columns)).to_csv(index=False, lineterminator="\n"))


def write_sums(dest: Path, files: Sequence[str] = ()) -> None:
    """List the SHA-256 of the files, in this order; of none named those of all that lie there, in that of their names."""
    there = sorted(path.relative_to(dest).as_posix() for path in dest.rglob("*") if path.is_file())
    write_text(dest / SUMS, lines(f"{file_digest(dest / file)} {file}" for file in files or there))
