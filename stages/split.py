"""Which rows train, choose and test, with the leak gate."""

from pathlib import Path

import _stage
from pqrst import arrays, sides
from pqrst.console import log
from pqrst.params import Split, read_resolved
from pqrst.parsing import parse


def main(*, settings: Path, windows: Path, out: Path) -> None:
    """Split one dataset in each of its ways."""
    bundle = arrays.read(windows)
    for name, given in read_resolved(settings)["splits"].items():
        told = sides.write(bundle, name, parse(Split, given, f"splits.{name}"), out / name)
        log.info("split %s of %s: %s", name, bundle.meta.dataset, told)


if __name__ == "__main__":
    _stage.run(main)
