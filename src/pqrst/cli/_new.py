"""`pqrst new`."""

import argparse
from typing import Any

from pqrst import console
from pqrst.cli._arguments import add_root, command

KINDS = ("dataset", "model", "loss", "encoding", "run")


def add(commands: Any) -> None:
    """Add the command."""
    new = command(
        commands,
        "new",
        "write the file and the settings of a new component, which pass their contract tests at once, or of a run that trains",
        examples=["model my_network", "dataset my_recordings", "run my_run --dataset my_recordings --model my_network"],
        done="the files are written; what to replace in them says so",
        fault="the name is taken or none, or the folder is no checkout; nothing is written",
    )
    new.add_argument(
        "kind", choices=KINDS, help="what is begun: a dataset, a model, a loss, an encoding, or a run with its table"
    )
    new.add_argument("name", metavar="NAME", help="its name: small letters, digits and _, a letter first")
    new.add_argument("--dataset", default="", metavar="NAME", help="what a run learns from, one of params.yaml")
    new.add_argument("--model", default="", metavar="NAME", help="what a run trains, one of params.yaml")
    add_root(new)
    new.set_defaults(command=_new)


def _new(given: argparse.Namespace) -> None:
    from pqrst import starters  # noqa: PLC0415 (PyYAML, which --help needs not)

    started = starters.start(given.kind, given.name, given.root, {"dataset": given.dataset, "model": given.model})
    for file in started.files:
        console.log.info("wrote %s", file)
    for step in started.then:
        console.log.info("then %s", step)
