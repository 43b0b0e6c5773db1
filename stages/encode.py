"""The rows of a Bundle as images."""

from pathlib import Path

import _stage


def main(*, settings: Path, windows: Path, out: Path) -> None:
    """Encode one dataset by one encoding."""
    from pqrst import engines, images, resolved

    engine = engines.read(settings.parents[1] / engines.FILE)
    images.encode(windows, resolved.read(resolved.Encode, settings), out, engine)


if __name__ == "__main__":
    _stage.run(main)
