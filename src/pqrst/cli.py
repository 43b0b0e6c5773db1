"""The command line: `pqrst record RUN`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pqrst import __version__, console, ledger
from pqrst.errors import PqrstError
from pqrst.params import read_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake that a user can mend is one line and status 1."""
    console.setup()
    given = _parser().parse_args(arguments)
    try:
        given.command(given)
    except PqrstError as error:
        console.log.error("pqrst: %s", error)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pqrst", description="ECG databases, published classifiers, and their tables."
    )
    parser.add_argument("--version", action="version", version=f"pqrst {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    record = commands.add_parser("record", help="keep the scores of a run on real recordings under metrics/paper")
    record.add_argument("run", help="a run of params.yaml that `dvc repro` has evaluated with profile=paper")
    record.add_argument("--root", type=Path, default=Path(), help="the checkout (default: this folder)")
    record.set_defaults(command=_record)
    return parser


def _record(given: argparse.Namespace) -> None:
    settings = read_run(given.root / "resolved" / "runs" / f"{given.run}.yaml")[0]
    scores = given.root / "data" / "scores" / settings.family / given.run
    for file in ledger.record(scores, given.run, given.root / "metrics" / "paper"):
        console.log.info("recorded %s", file)


if __name__ == "__main__":
    sys.exit(main())
