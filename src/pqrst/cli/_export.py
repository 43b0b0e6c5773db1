"""`pqrst export`."""

import argparse
from pathlib import Path
from typing import Any

from pqrst import console
from pqrst.cli._arguments import add_model, command


def add(commands: Any) -> None:
    """Add the command."""
    export = command(
        commands,
        "export",
        "write a trained network as one ONNX file that holds its contract",
        examples=["--onnx attention.onnx", "--model data/runs/incepse/all --onnx incepse.onnx"],
        done="the file is written, and answers like the run",
        fault="the run cannot be used or exported",
    )
    add_model(export)
    export.add_argument("--onnx", type=Path, required=True, metavar="FILE", help="the file to write")
    export.set_defaults(command=_export)


def _export(given: argparse.Namespace) -> None:
    from pqrst import artifact, export  # noqa: PLC0415 (torch costs two seconds, and --help needs none)

    predictor = artifact.load(given.model, pin=given.sha256)
    difference = export.write(predictor, given.onnx)
    console.log.info(
        "wrote %s; on %s made-up windows its probabilities differ from torch's by at most %.1e",
        given.onnx,
        export.PARITY_ROWS,
        difference,
    )
