"""Which rows train, choose and test, with the leak gate."""

from pathlib import Path

import _stage
from pqrst import arrays, sides
from pqrst.console import log
from pqrst.params import Split, parts_of
from pqrst.parsing import parse
from pqrst.resolved import read_resolved


def main(*, settings: Path, windows: Path, out: Path) -> None:
    """Split one dataset in each of its ways."""
    bundle, resolved = arrays.read(windows), read_resolved(settings)
    tasks = {name: arrays.LabelTask(**task) for name, task in resolved["tasks"].items()}
    for name, given in resolved["splits"].items():
        for part, split in parts_of(parse(Split, given, f"splits.{name}"), f"splits.{name}").items():
            called = f"{name}/{part}" if part else name
            told = sides.write(bundle, called, split, out / name / part, tasks.get(split.task))
            log.info("split %s of %s: %s", called, bundle.meta.dataset, told)


if __name__ == "__main__":
    _stage.run(main)
