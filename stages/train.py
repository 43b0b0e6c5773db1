"""A run's networks, one a seed, with DVCLive's log of the training."""

from functools import partial
from pathlib import Path
from typing import Any

import _stage


def main(*, settings: Path, data: str, split: Path, out: Path, log: Path) -> None:
    """Train one run."""
    from pqrst import processes, ranks, training
    from pqrst.resolved import read_run

    t = read_run(settings)[0].train
    work = partial(train, settings=settings, data=data, split=split, out=out, log=log)
    if t.processes > 1 or processes.several_nodes():
        ranks.launch(work, t.processes, gpus=training.device(t.device).type == "cuda")
    else:
        work(ranks.ALONE)


def train(group: Any, *, settings: Path, data: str, split: Path, out: Path, log: Path) -> None:
    """Train by this process, or as one of a group."""
    import _log
    from pqrst import fitting, workers
    from pqrst.opened import open_parts
    from pqrst.resolved import read_run

    variants = read_run(settings)
    places = fitting.Places(out, _stage.scratch())
    room = 1 if group.size > 1 else workers.available(variants[0].train.threads)
    parts = open_parts(data, split, [variant.part for variant in variants], places.scratch, group)
    fitting.train(variants, parts, places, lambda member: _log.logged(log / member), room, group=group)


if __name__ == "__main__":
    _stage.run(main)
