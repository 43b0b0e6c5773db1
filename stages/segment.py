"""Recordings cut into the rows of a Bundle."""

from pathlib import Path

import _stage


def main(*, settings: Path, raw: Path, out: Path, quality: Path) -> None:
    """Cut one database, and count the faults of its recordings."""
    from pqrst import resolved, segmentation
    from pqrst.console import log

    meta = segmentation.of_database(resolved.read(resolved.Segment, settings), raw, out, quality)
    log.info("%s: %s rows of shape %s, %s recordings skipped", out.name, meta.rows, meta.shape, len(meta.skipped))


if __name__ == "__main__":
    _stage.run(main)
