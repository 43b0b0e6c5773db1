"""DVCLive's log of one training, whatever trains beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dvclive import Live

import _stage  # noqa: F401 - before pqrst: it makes this checkout's package the one that is imported
from pqrst.files import write_json


@contextmanager
def logged(folder: Path) -> Iterator[Callable[[dict[str, float]], None]]:
    """Give what to call after each epoch of one training, whose log is kept in a folder."""
    times: list[float] = []
    live = Live(str(folder), dvcyaml=None, save_dvc_exp=False, monitor_system=False)

    def on_epoch(row: dict[str, float]) -> None:
        for name, value in row.items():
            live.log_metric(name.replace("train_", "train/").replace("validation_", "validation/"), value)
        live.next_step()
        times.append(row["seconds"])

    try:
        yield on_epoch
    finally:
        # the last thing that `end` does is to remove one signal file, which trainings that end side by side share
        with suppress(FileNotFoundError):
            live.end()
    write_json(folder / "timing.json", {"epochs": len(times), "seconds": sum(times)})
