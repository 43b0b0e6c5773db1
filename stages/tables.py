"""The tables of a family of runs, published beside ours."""

from pathlib import Path

import _stage


def main(*, settings: Path, scores: Path, recorded: Path, markdown: Path, csv: Path, plots: Path) -> None:
    """Build every table of one family, and its figures."""
    from pqrst import resolved, tables
    from pqrst.console import log
    from pqrst.files import write_text

    page = resolved.read_tables(settings)
    text, data = tables.build(page, scores, recorded)
    write_text(markdown, text)
    write_text(csv, data.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    tables.draw(page, data, tables.courses(page, scores, recorded), plots)
    log.info("%s", text)


if __name__ == "__main__":
    _stage.run(main)
