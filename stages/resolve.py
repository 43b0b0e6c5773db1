"""params.yaml in, one complete settings file per stage and run out."""

from pathlib import Path

import _stage


def main(*, settings: Path, out: Path) -> None:
    """Check every setting and write the resolved files."""
    from pqrst import params, reached, resolved, resolver
    from pqrst.files import whole

    files = resolver.resolved_files(params.load(settings))
    files |= {f"code/{stage}.yaml": code for stage, code in reached.code(_stage.ROOT).items()}
    with whole(out) as partial:
        for name, content in files.items():
            resolved.write(partial / name, content)


if __name__ == "__main__":
    _stage.run(main)
