"""params.yaml in, one complete settings file per stage and run out."""

import shutil
from pathlib import Path

import _stage


def main(*, settings: Path, out: Path) -> None:
    """Check every setting and write the resolved files."""
    from pqrst import params, reached, resolved, resolver

    files = resolver.resolved_files(params.load(settings))
    files |= {f"code/{stage}.yaml": code for stage, code in reached.code(_stage.ROOT).items()}
    shutil.rmtree(out, ignore_errors=True)
    for name, content in files.items():
        resolved.write(out / name, content)


if __name__ == "__main__":
    _stage.run(main)
