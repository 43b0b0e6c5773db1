"""`pqrst publish`."""

import argparse
from pathlib import Path
from typing import Any

from pqrst import console
from pqrst.cli._arguments import FOLDERS, add_model, command, completed


def add(commands: Any) -> None:
    """Add the command."""
    publish = command(
        commands,
        "publish",
        "write a trained network as a folder for others: card, weights, ONNX, torch's program, examples that need no pqrst",
        examples=["--to ../ecg-attention", "--model data/runs/incepse/all --to ../incepse"],
        done="the folder is written, and both programs answer like the run",
        fault="the run cannot be used or published, or the folder holds something else; nothing is written",
    )
    add_model(publish)
    to = publish.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where the folder is written")
    completed(to, FOLDERS)
    publish.set_defaults(command=_publish)


def _publish(given: argparse.Namespace) -> None:
    from pqrst import publish  # noqa: PLC0415 (torch costs two seconds, and --help needs none)

    console.log.info("wrote %s", publish.write(given.model, given.to, given.sha256))
