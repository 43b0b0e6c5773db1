"""params.yaml in, one complete settings file per stage and run out."""

import shutil
from pathlib import Path

import _stage
from pqrst import params, resolved, resolver


def main(*, settings: Path, out: Path) -> None:
    """Check every setting and write the resolved files."""
    files = resolver.resolved_files(params.load(settings))
    shutil.rmtree(out, ignore_errors=True)
    for name, content in files.items():
        resolved.write(out / name, content)


if __name__ == "__main__":
    _stage.run(main)
