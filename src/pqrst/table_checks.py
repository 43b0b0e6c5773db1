"""What tables name, held against the runs that fill them: scores, runs, arms and values that there are."""

from collections.abc import Mapping, Sequence

from pqrst import convergence, scores
from pqrst.errors import SettingsError
from pqrst.params import Settings, known
from pqrst.published import Row, Table, path_of

Made = Mapping[str, Sequence[str]]  # run -> the values that it is made over


def check(s: Settings, made: Made) -> None:
    """Check that every score exists, and that a table shows runs of its own family, and values that they are made over."""
    for place, score in enumerate(s.scores):
        known(score, dict.fromkeys(scores.names()), f"scores[{place}]")
    for family, page in s.tables.items():
        for name, table in page.items():
            path = f"{path_of(family)}: {name}"
            _check_columns(s, made, table, path)
            if table.baseline:
                known(table.baseline, {row.name: 0 for row in table.rows if row.run}, f"{path}.baseline")
            for place, row in enumerate(table.rows):
                _check_row(s, made, (family, table, row), f"{path}.rows[{place}]")


def _check_columns(s: Settings, made: Made, table: Table, path: str) -> None:
    """Check the scores that a table's columns name, and the values before them."""
    known(table.tested, table.scores, f"{path}.tested")
    values = {
        value.partition("/")[2] if s.runs[row.run].arms else value: 0
        for row in table.rows
        for value in made.get(row.run, ())
    }
    for column in table.scores:
        value, _, score = column.rpartition("/")
        if value:
            known(value, values, f"{path}.scores.{column}")
        if not scores.of_matrix(score) and not convergence.names_one(score):
            known(score, dict.fromkeys(s.scores), f"{path}.scores")


def _check_row(s: Settings, made: Made, which: tuple[str, Table, Row], path: str) -> None:
    """Check that a row's run exists, and has the arm or value that is shown where the columns name none."""
    family, table, row = which
    for score in row.misprinted:
        known(score, row.published, f"{path}.misprinted")
    if not row.run:
        return
    known(row.run, s.runs, f"{path}.run")
    run, values, bare = s.runs[row.run], made[row.run], any("/" not in column for column in table.scores)
    if run.family != family:
        raise SettingsError(f"{path}.run: {row.run} is of family {run.family}, the table shows {family}")
    if run.arms:
        known(row.value, run.arms, f"{path}.value")
        if run.over and bare:
            over = next(iter(run.over))
            raise SettingsError(
                f"{path}: run {row.run} is made over {over} too; name one before each score, as one/score"
            )
    elif row.value not in values and bare:
        raise SettingsError(f"{path}.value: run {row.run} has no {row.value!r}; known: {', '.join(values) or 'none'}")
