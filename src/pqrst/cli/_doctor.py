"""`pqrst doctor`."""

import argparse
import json
import sys
from typing import Any

from pqrst.cli._arguments import add_root, command


def add(commands: Any) -> None:
    """Add the command."""
    doctor = command(
        commands,
        "doctor",
        "say what is installed, what data and which GPU are found, what `dvc repro` would run and how long that took",
        examples=["", "--json"],
        done="the demo could run",
        fault="it could not, and the last lines say why",
    )
    doctor.add_argument("--json", action="store_true", help="print all that was found as one JSON object")
    add_root(doctor)
    doctor.set_defaults(command=_doctor)


def _doctor(given: argparse.Namespace) -> int:
    from pqrst import doctor, listings  # noqa: PLC0415 (torch and the settings, which --help needs not)

    found = doctor.examine(given.root)
    if given.json:
        sys.stdout.write(json.dumps(doctor.as_told(found), indent=1, ensure_ascii=False) + "\n")
    else:
        listings.write_findings(sys.stdout, found)
    return 1 if found.faults else 0
