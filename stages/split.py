"""Which rows train, choose and test, with the leak gate."""

from pathlib import Path

import _stage


def main(*, settings: Path, windows: Path, out: Path) -> None:
    """Split one dataset in each of its ways."""
    from pqrst import arrays, resolved, sides
    from pqrst.console import log

    given = resolved.read(resolved.Splits, settings)
    for name, told in sides.write_all(arrays.read(windows), given.splits, given.tasks, out).items():
        log.info("split %s of %s: %s", name, given.dataset, told)


if __name__ == "__main__":
    _stage.run(main)
