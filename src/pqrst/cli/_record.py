"""`pqrst record`."""

import argparse
from typing import Any

from pqrst import console
from pqrst.cli._arguments import NAMES, add_root, command, completed


def add(commands: Any) -> None:
    """Add the command."""
    record = command(
        commands,
        "record",
        "keep the scores of a run on real recordings under metrics/paper",
        examples=["coupled_cnn"],
        done="every seed is kept",
        fault="the run has no scores, or they are of made-up recordings; nothing is kept",
    )
    run = record.add_argument("run", metavar="RUN", help="a run that `dvc repro` has evaluated with profile=paper")
    completed(run, NAMES)
    add_root(record)
    record.set_defaults(command=_record)


def _record(given: argparse.Namespace) -> None:
    from pqrst import ledger  # noqa: PLC0415 (pandas costs a third of a second, and --help needs none)
    from pqrst.resolved import read_run  # noqa: PLC0415

    settings = read_run(given.root / "resolved" / "runs" / f"{given.run}.yaml")[0]
    scores = given.root / "data" / "scores" / settings.family / given.run
    for file in ledger.record(scores, given.run, given.root / "metrics" / "paper"):
        console.log.info("recorded %s", file)
