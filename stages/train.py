"""A run's networks, one a seed, with DVCLive's log of the training."""

from pathlib import Path

import _stage


def main(*, settings: Path, data: Path, split: Path, out: Path, log: Path) -> None:
    """Train one run."""
    import _log
    from pqrst import fitting, workers
    from pqrst.opened import open_parts
    from pqrst.resolved import read_run

    variants = read_run(settings)
    places, room = fitting.Places(out, _stage.scratch()), workers.available(variants[0].train.threads)
    parts = open_parts(data, split, [variant.part for variant in variants])
    fitting.train(variants, parts, places, lambda member: _log.logged(log / member), room)


if __name__ == "__main__":
    _stage.run(main)
