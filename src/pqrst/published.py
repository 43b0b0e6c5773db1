"""What was published: a file under tables/ for each family of runs, in it a line for each row of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pqrst.errors import SettingsError
from pqrst.parsing import named, nearest, parse, read, shown


@dataclass(frozen=True)
class Row:
    """One line of a table: a run, its name in print, and the published cells."""

    name: str
    published: dict[str, float] = field(
        default_factory=dict
    )  # by score; in its file a list, in the order of the scores
    run: str = ""  # none where a published line is shown and not rerun
    value: str = ""  # of a run over several values
    misprinted: dict[str, float] = field(default_factory=dict)  # what stands in print where `published` mends it


@dataclass(frozen=True)
class Table:
    """One table of results."""

    title: str
    scores: dict[str, str]  # score -> heading
    rows: tuple[Row, ...]
    tested: str  # the score by which rows are held against the baseline
    baseline: str = ""  # the name of a row; none: nothing is tested
    note: str = ""


def path_of(family: str) -> str:
    """Name the file of a family's tables, from where params.yaml lies."""
    return f"tables/{family}.yaml"


def load(root: Path, family: str) -> dict[str, Table]:
    """Read and check the tables of one family of runs."""
    file = root / path_of(family)
    if not file.is_file():
        beside = sorted(path_of(found.stem) for found in file.parent.glob("*.yaml"))
        raise SettingsError(f"tables: there is no file {path_of(family)}; {nearest(path_of(family), beside)}")
    given = read(file, path_of(family))
    return {
        named(name): parse(
            Table, _by_score(one, f"{path_of(family)}: {named(name)}"), f"{path_of(family)}: {named(name)}"
        )
        for name, one in given.items()
    }


def _by_score(table: Any, path: str) -> Any:
    """Name the published cells of each row by the scores of its table; what has another shape is left to the parser."""
    if not isinstance(table, Mapping):
        return table
    columns, rows = table.get("scores"), table.get("rows")
    if not isinstance(columns, Mapping) or not isinstance(rows, list):
        return table
    return {**table, "rows": [_named(row, list(columns), f"{path}.rows[{place}]") for place, row in enumerate(rows)]}


def _named(row: Any, columns: Sequence[str], path: str) -> Any:
    if not isinstance(row, Mapping) or "published" not in row:
        return row
    cells = row["published"]
    if not isinstance(cells, list) or len(cells) != len(columns):
        told = f"{len(cells)} cells" if isinstance(cells, list) else shown(cells)
        raise SettingsError(
            f"{path}.published must be a list of {len(columns)} cells, one a score ({', '.join(columns)}), got {told}"
        )
    return {**row, "published": {name: cell for name, cell in zip(columns, cells, strict=True) if cell is not None}}
