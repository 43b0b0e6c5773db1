"""`pqrst predict`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from pqrst import console, listings
from pqrst.cli._arguments import add_model, add_told, command, renamed, told
from pqrst.errors import RecordError


def add(commands: Any) -> None:
    """Add the command."""
    predict = command(
        commands,
        "predict",
        "ask a trained run about recordings: WFDB, EDF, DICOM, XML, HDF5, MAT, CSV, NPY, or folders of them",
        examples=[
            "../mirror/mitdb/100 --windows",
            "../mirror/challenge2021/georgia --model data/runs/resu_dense/random --json",
            "lead.npy --fs 250 --leads II --units uV --lead MLII=II",
        ],
        done="every recording was answered",
        fault="the run cannot be used, or some recordings could not be answered: each is a line, the rest is answered",
    )
    predict.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a recording, or a folder of recordings")
    add_model(predict)
    add_told(predict)
    shape = predict.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_const", const="json", dest="shape", help="one JSON object a recording")
    shape.add_argument("--csv", action="store_const", const="csv", dest="shape", help="one line a window and recording")
    predict.add_argument("--windows", action="store_true", help="show every window in the table too")
    predict.set_defaults(command=_predict, shape="table")


def _predict(given: argparse.Namespace) -> int:
    """Answer recording by recording; one that cannot be read is a line of its own, and the rest is done."""
    from pqrst import exported, prediction, recordings  # noqa: PLC0415 (they cost half a second, and --help needs none)

    about, swapped = told(given), renamed(given.lead)
    found = [path for given_path in given.paths for path in recordings.find(given_path)]
    predictor = exported.open_run(given.model, given.device, pin=given.sha256)
    prediction.window_of(predictor.contract)
    show, failed = listings.SHAPES[given.shape](sys.stdout, predictor.contract.classes, given.windows), 0
    for path in console.track(found, len(found), "predict", "recordings") if len(found) > 1 else found:
        try:
            answer = prediction.answer(predictor, recordings.read(path, about), swapped)
        except RecordError as fault:
            failed += 1
            console.log.error("%s: %s", path, fault.fault)
            continue
        show(str(path), prediction.told(answer, predictor.contract))
    if predictor.contract.provenance.get("synthetic", True):
        console.log.warning(
            "run %s learned made-up recordings: its answers say nothing about hearts", predictor.contract.run
        )
    if failed:
        console.log.error("%s of %s recordings could not be answered", failed, len(found))
    return 1 if failed else 0
