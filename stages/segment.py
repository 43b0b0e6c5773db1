"""Recordings cut into the rows of a Bundle."""

from pathlib import Path

import _stage


def main(*, settings: Path, raw: Path, out: Path, quality: Path) -> None:
    """Cut one database, and count the faults of its recordings."""
    from pqrst import engines, resolved, segmentation
    from pqrst.console import log

    engine = engines.read(settings.parents[1] / engines.FILE)
    meta = segmentation.of_database(resolved.read(resolved.Segment, settings), raw, out, quality, engine)
    log.info("%s: %s rows of shape %s, %s recordings skipped", out.name, meta.rows, meta.shape, len(meta.skipped))


if __name__ == "__main__":
    _stage.run(main)
