"""The rows of a Bundle as images."""

from pathlib import Path

import _stage
from pqrst import arrays, images, resolved


def main(*, settings: Path, windows: Path, out: Path) -> None:
    """Encode one dataset by one encoding."""
    images.encode(arrays.read(windows), resolved.read(resolved.Encode, settings), out)


if __name__ == "__main__":
    _stage.run(main)
