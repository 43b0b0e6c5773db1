"""A run's scores on the test rows."""

from pathlib import Path

import _stage


def main(*, trained: Path, data: Path, split: Path, scores: Path, out: Path, plots: Path, metrics: Path) -> None:
    """Score one run."""
    from pqrst import engines, resolved, scoring
    from pqrst.console import log
    from pqrst.opened import open_parts

    wanted = resolved.read(resolved.Scores, scores).scores
    parts = open_parts(data, split, scoring.parts_of(trained))
    places, engine = scoring.Places(out, plots, metrics), engines.read(scores.parent / engines.FILE)
    headline = scoring.evaluate(trained, parts, wanted, places, engine)
    log.info("%s: %s", trained.name, ", ".join(f"{name} {value:.4f}" for name, value in headline.items()))


if __name__ == "__main__":
    _stage.run(main)
