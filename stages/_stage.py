"""The one door of a stage: flags, logging, and errors as one line."""

import argparse
import hashlib
import inspect
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
# A queued experiment runs in a copy of the checkout, where an editable install would import the code it was not queued with.
sys.path.insert(0, str(ROOT / "src"))

from pqrst import console, disk, processes  # noqa: E402
from pqrst.errors import PqrstError  # noqa: E402
from pqrst.files import write_json  # noqa: E402

EXPERIMENTS = Path(".dvc") / "tmp" / "exps"


def main_checkout() -> Path:
    """Give the checkout that a user works in, also from inside an experiment's copy of it."""
    head, inside, _ = str(ROOT).partition(f"/{EXPERIMENTS}/")
    return Path(head) if inside else ROOT


def scratch() -> Path:
    """Give the folder for partial downloads and checkpoints: DVC empties a stage's outputs before it runs."""
    return main_checkout() / "data" / "scratch"


def run(main: Callable[..., None]) -> None:
    """Call `main` with its arguments from the command line; a keyword argument is a flag."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name, parameter in inspect.signature(main).parameters.items():
        flag = f"--{name.replace('_', '-')}" if parameter.kind is parameter.KEYWORD_ONLY else name
        kind = {"nargs": "+"} if parameter.annotation == list[Path] else {}
        required = {"required": True} if flag.startswith("--") else {}
        parser.add_argument(flag, type=str if parameter.annotation is str else Path, **kind, **required)  # type: ignore[arg-type]
    console.setup()
    if "DVC_STAGE" in os.environ:
        processes.die_with_parent()  # else a killed `dvc repro` leaves its stage at work, under the outputs of the next one
    given = vars(parser.parse_args())
    out, began = given["out" if "out" in given else "markdown"], time.monotonic()
    try:
        with _alone(out):
            main(**given)
            _note(time.monotonic() - began)
    except PqrstError as error:
        _refuse(str(error))
    except OSError as error:
        if not disk.refuses(error):
            raise
        _refuse(disk.line(error.filename or out, error))


def _alone(out: Path) -> AbstractContextManager[None]:
    """Let no other process write an output meanwhile: a stage may outlive the `dvc repro` that started it."""
    if processes.several_nodes():  # one process of all of them writes
        return nullcontext()
    room = scratch() / "stages"
    room.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(out.absolute()).encode()).hexdigest()[:16]
    return processes.alone(room / f"{name}.lock", f"another process writes {out}")


def _note(seconds: float) -> None:
    """Keep what a stage of DVC's took, for `pqrst doctor`; that it cannot be kept fails no stage."""
    name = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    if name:
        with suppress(OSError):
            write_json(scratch() / "stages" / "seconds" / f"{name}.json", {"seconds": round(seconds, 2)})


def _refuse(line: str) -> NoReturn:
    console.log.error("%s: %s", Path(sys.argv[0]).stem, line)
    sys.exit(1)
