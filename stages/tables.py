"""The tables of a family of runs, published beside ours."""

from pathlib import Path

import _stage
from pqrst import figures, tables
from pqrst.arrays import write_text
from pqrst.console import log
from pqrst.parsing import parse
from pqrst.published import Table
from pqrst.resolved import read_resolved


def main(*, settings: Path, scores: Path, recorded: Path, markdown: Path, csv: Path, plots: Path) -> None:
    """Build every table of one family."""
    page = {name: parse(Table, given, name) for name, given in read_resolved(settings).items()}
    text, data = tables.build(page, scores, recorded)
    write_text(markdown, text)
    write_text(csv, data.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    for name, lines in data.groupby("table", sort=False):
        table = page[str(name)]
        tested = lines[lines["column"] == table.tested]
        figures.rows(tested, table.title, table.scores[table.tested], plots / f"{name}.png")
    learned = tables.courses(page, scores, recorded)
    for name, course in learned.groupby("table", sort=False) if len(learned) else ():
        title, heading = page[str(name)].title, str(course["heading"].iloc[0])
        figures.convergence(course, title, heading, plots / f"{name}_by_epoch.png")
    log.info("%s", text)


if __name__ == "__main__":
    _stage.run(main)
