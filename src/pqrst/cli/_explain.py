"""`pqrst explain`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pqrst import console, listings
from pqrst.cli._arguments import FOLDERS, add_model, add_told, command, completed, renamed, told


def add(commands: Any) -> None:
    """Add the command."""
    explain = command(
        commands,
        "explain",
        "draw why a run decided so, or check what its explanations are worth",
        examples=["../mirror/mitdb/208 --window 3 --marks atr --out pictures", "../mirror/mitdb/100 --check"],
        done="every picture is written, or the check is printed",
        fault="the run, a recording or a window of it cannot be used",
    )
    explain.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a recording, or a folder of recordings")
    add_model(explain)
    add_told(explain)
    explain.add_argument("--window", type=int, default=0, help="number of the window that is drawn (default: 0)")
    explain.add_argument(
        "--marks", default="", metavar="ENDING", help="draw the beats of the annotations beside it: atr"
    )
    out = explain.add_argument(
        "--out", type=Path, default=Path(), metavar="FOLDER", help="folder of the pictures (default: this folder)"
    )
    completed(out, FOLDERS)
    explain.add_argument(
        "--check", action="store_true", help="measure what the windows lose without the explained time"
    )
    explain.add_argument(
        "--windows", type=int, default=8, help="windows of each recording that --check takes (default: 8)"
    )
    explain.set_defaults(command=_explain)


def _explain(given: argparse.Namespace) -> None:
    """Draw one window of each recording, or judge the explanations over windows of all."""
    from pqrst import artifact, prediction, recordings, views  # noqa: PLC0415 (torch costs two seconds, and --help needs none)

    predictor, swapped = artifact.load(given.model, given.device, given.sha256), renamed(given.lead)
    rows = {}
    for path in [found for place in given.paths for found in recordings.find(place)]:
        record = recordings.read(path, told(given))
        prepared = prediction.prepare(record, predictor.contract, swapped)
        rows[record.record] = prepared.rows
        if not given.check:
            beats = recordings.read_marks(path, given.marks) if given.marks else []
            for file in views.draw(predictor, views.Shown(prepared, given.window, beats, record.fs), given.out):
                console.log.info("wrote %s", file)
    if given.check:
        found = views.check(predictor, rows, views.methods(predictor), given.windows)
        listings.write_removals(sys.stdout, found)
