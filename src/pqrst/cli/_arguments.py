"""What several commands have alike: the frame of a command's help, the run that answers, what files do not say themselves."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pqrst.errors import SettingsError

DISCLAIMER = "No medical device: nothing that is printed here may guide the care of a patient."
MODEL = Path("data/runs/attention")
RUNS, NAMES, SCORED, FOLDERS = "runs", "names", "scored", "folders"  # what a shell offers: see `_completion`


def command(
    commands: Any, name: str, told: str, *, examples: Sequence[str], done: str, fault: str, shorten: bool = True
) -> argparse.ArgumentParser:
    """Add a command whose help says in one sentence what it does, how it is called, and what its exit status means."""
    called = "\n".join(f"  pqrst {name} {example}".rstrip() for example in examples)
    status = f"  0  {done}\n  1  {fault}\n  2  the command line could not be understood"
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=told,
        description=f"{told[0].upper()}{told[1:]}.",
        epilog=f"examples:\n{called}\n\nexit status:\n{status}\n\n{DISCLAIMER}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=shorten,
    )
    return added


def completed(action: argparse.Action, by: str) -> None:
    """Say what a shell offers for an argument, where that is no choice of the parser's own."""
    action.pqrst_words = by  # type: ignore[attr-defined]


def add_root(parser: argparse.ArgumentParser) -> None:
    action = parser.add_argument(
        "--root", type=Path, default=Path(), metavar="FOLDER", help="the checkout (default: this folder)"
    )
    completed(action, FOLDERS)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the run that answers."""
    action = parser.add_argument(
        "--model",
        type=Path,
        default=MODEL,
        metavar="RUN",
        help=f"the folder of a trained run, or its .onnx file (default: {MODEL})",
    )
    completed(action, RUNS)
    parser.add_argument(
        "--sha256",
        default="",
        metavar="HEX",
        help="take the run only if this is the SHA-256 of its contract.json, or of its .onnx file",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where it runs (default: cpu)")


def add_told(parser: argparse.ArgumentParser) -> None:
    """Add what a caller can say of files that do not say it themselves."""
    parser.add_argument(
        "--lead",
        action="append",
        default=[],
        metavar="LEAD=NAME",
        help="take the recording's lead NAME for the run's LEAD",
    )
    parser.add_argument("--fs", type=float, help="Hz, of a file that does not say so")
    parser.add_argument("--leads", default="", help="names of a file's leads in their order, comma separated")
    parser.add_argument("--units", default="", help="mV, uV or V, of a file that does not say so")
    parser.add_argument("--gain", type=float, help="converter steps per mV, of raw counts")
    parser.add_argument("--zero", type=float, help="the converter step of 0 mV (default: 0)")
    parser.add_argument("--format", default="", help="of a .dat without header: 212 or 16")


def told(given: argparse.Namespace) -> Any:
    """Gather what the caller said of files."""
    from pqrst.recordings import Told  # noqa: PLC0415 (the reader of WFDB costs half a second, and --help needs none)

    names = tuple(name.strip() for name in given.leads.split(",") if name.strip())
    return Told(given.fs, names, given.units, given.gain, given.zero, given.format)


def renamed(given: Iterable[str]) -> dict[str, str]:
    """Read LEAD=NAME pairs."""
    pairs = [text.partition("=") for text in given]
    for lead, sign, name in pairs:
        if not (lead and sign and name):
            raise SettingsError(f"--lead {lead}{sign}{name}: give LEAD=NAME, such as --lead MLII=II")
    return {lead: name for lead, _, name in pairs}
