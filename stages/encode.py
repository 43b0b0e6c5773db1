"""The rows of a Bundle as images."""

from pathlib import Path

import _stage


def main(*, settings: Path, windows: Path, out: Path) -> None:
    """Encode one dataset by one encoding."""
    from pqrst import arrays, images, resolved

    images.encode(arrays.read(windows), resolved.read(resolved.Encode, settings), out)


if __name__ == "__main__":
    _stage.run(main)
