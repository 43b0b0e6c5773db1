"""`pqrst repro`."""

import argparse
from typing import Any

from pqrst.cli._arguments import add_root, command


def add(commands: Any) -> None:
    """Add the command."""
    repro = command(
        commands,
        "repro",
        "run `dvc repro` with stages that hang on none of each other side by side",
        examples=["", "evaluate --jobs 4", "tables@images train@beats"],
        done="every stage is up to date",
        fault="a stage failed, or a target does not exist; what could run has run",
    )
    repro.add_argument("targets", nargs="*", metavar="STAGE", help="such as evaluate or tables@images (default: all)")
    repro.add_argument(
        "--jobs", type=int, default=2, help="stages at once, each with its share of the cores (default: 2)"
    )
    add_root(repro)
    repro.set_defaults(command=_repro)


def _repro(given: argparse.Namespace) -> None:
    from pqrst import parallel  # noqa: PLC0415 (what starts processes and reads graphs; --help needs none)

    parallel.repro(given.root, given.targets, given.jobs)
