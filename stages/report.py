"""Everything that the pipeline found, on one page."""

from pathlib import Path

import _stage


def main(*, resolved: Path, scores: Path, metrics: Path, out: Path, plots: Path) -> None:
    """Build the page, and the one that `dvc plots` fills."""
    from pqrst import report
    from pqrst.files import write_text

    write_text(out, report.build(report.Places(resolved, scores, metrics)))
    write_text(plots, report.plots_page())


if __name__ == "__main__":
    _stage.run(main)
