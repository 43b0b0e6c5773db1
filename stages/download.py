"""A database's files, made up or fetched."""

from pathlib import Path

import _stage


def main(*, settings: Path, out: Path) -> None:
    """Bring one database's recordings."""
    from pqrst import resolved, sources
    from pqrst.console import log

    given = resolved.read(resolved.Download, settings)
    provenance = sources.obtain(given, out, _stage.scratch(), _stage.main_checkout())
    checked = "verified" if provenance["verified"] else "unverified: the source has no SHA256SUMS.txt"
    log.info("%s: %s files, source %s, %s", out.name, provenance["files"], provenance["source"], checked)


if __name__ == "__main__":
    _stage.run(main)
