"""A run's networks, one a seed, with DVCLive's log of the training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dvclive import Live

import _stage
from pqrst import fitting, workers
from pqrst.arrays import write_json
from pqrst.opened import open_parts
from pqrst.resolved import read_run


def main(*, settings: Path, data: Path, split: Path, out: Path, log: Path) -> None:
    """Train one run."""

    @contextmanager
    def logger(member: str) -> Iterator[Callable[[dict[str, float]], None]]:
        times = []
        with Live(str(log / member), dvcyaml=None, save_dvc_exp=False, monitor_system=False) as live:

            def on_epoch(row: dict[str, float]) -> None:
                for name, value in row.items():
                    live.log_metric(name.replace("train_", "train/").replace("validation_", "validation/"), value)
                live.next_step()
                times.append(row["seconds"])

            yield on_epoch
        write_json(log / member / "timing.json", {"epochs": len(times), "seconds": sum(times)})

    variants = read_run(settings)
    places, room = fitting.Places(out, _stage.scratch()), workers.available(variants[0].train.threads)
    parts = open_parts(data, split, [variant.part for variant in variants])
    fitting.train(variants, parts, places, logger, room)


if __name__ == "__main__":
    _stage.run(main)
