"""A run's scores on the test rows."""

from pathlib import Path

import _stage

from pqrst import runs
from pqrst.console import log
from pqrst.params import read_resolved


def main(*, trained: Path, data: Path, split: Path, scores: Path, out: Path, plots: Path, metrics: Path) -> None:
    """Score one run."""
    wanted = read_resolved(scores)["scores"]
    headline = runs.evaluate(trained, runs.open_data(data, split), wanted, out, plots, metrics)
    log.info("%s: %s", trained.name, ", ".join(f"{name} {value:.4f}" for name, value in headline.items()))


if __name__ == "__main__":
    _stage.run(main)
