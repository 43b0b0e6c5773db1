"""The command line: one file a command, and nothing loaded before a command is known that its help does not need."""

import argparse
import sys
from collections.abc import Sequence

from pqrst import __version__, console
from pqrst.cli import (
    _compare,
    _completion,
    _doctor,
    _explain,
    _export,
    _new,
    _predict,
    _publish,
    _record,
    _repro,
    _search,
    _serve,
)
from pqrst.cli._arguments import DISCLAIMER
from pqrst.errors import PqrstError

COMMANDS = (
    _new, _doctor, _repro, _search, _record, _compare, _predict, _explain, _export, _publish, _serve, _completion,
)  # fmt: skip
USAGE = """exit status of every command:
  0  done
  1  a mistake that you can mend, told in one line; or what the command's own help says
  2  the command line could not be understood

{}"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a mistake that a user can mend is one line and status 1."""
    console.setup()
    given = parser().parse_args(arguments)
    try:
        return int(given.command(given) or 0)
    except PqrstError as error:
        console.log.error("pqrst: %s", error)
        return 1
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        sys.stderr.close()
        return 0


def parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    whole = argparse.ArgumentParser(
        prog="pqrst",
        description="ECG databases, published classifiers, and their tables.",
        epilog=USAGE.format(DISCLAIMER),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"pqrst {__version__}", help="show the version and exit")
    commands = whole.add_subparsers(
        required=True, metavar="COMMAND", title="commands", help="`pqrst COMMAND --help` tells of each, with examples"
    )
    for command in COMMANDS:
        command.add(commands)
    whole.set_defaults(whole=whole)  # for the command that tells shells of all others
    return whole
