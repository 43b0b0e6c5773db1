"""Everything that the pipeline found, on one page."""

from pathlib import Path

import _stage


def main(*, resolved: Path, scores: Path, metrics: Path, out: Path) -> None:
    """Build the page."""
    from pqrst import report
    from pqrst.files import write_text

    write_text(out, report.build(report.Places(resolved, scores, metrics)))


if __name__ == "__main__":
    _stage.run(main)
