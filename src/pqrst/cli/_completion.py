"""`pqrst completion`: a script for a shell, written once by shtab, so that no key press starts Python."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from pqrst.cli._arguments import FOLDERS, NAMES, RUNS, SCORED, command

SHELLS = ("bash", "zsh", "fish")
LISTED = "find {} -mindepth 1 -maxdepth {} -type d 2>/dev/null"
COMMANDS = {  # what a shell runs for the words that it offers
    NAMES: r"sed -nE '/^runs:/,/^tables:/s/^  ([a-z0-9_]+):.*/\1/p' params.yaml 2>/dev/null",
    RUNS: LISTED.format("data/runs", 2),
    SCORED: LISTED.format("data/runs metrics/paper", 2),
}


def add(commands: Any) -> None:
    """Add the command."""
    completion = command(
        commands,
        "completion",
        "print what makes a shell complete pqrst's commands, options and runs",
        examples=[
            "bash > ~/.local/share/bash-completion/completions/pqrst",
            "zsh > ~/.zfunc/_pqrst",
            "fish > ~/.config/fish/completions/pqrst.fish",
        ],
        done="the script is printed",
        fault="never",
    )
    completion.add_argument("shell", choices=SHELLS, help="the shell that is to read it")
    completion.set_defaults(command=_completion)


def _completion(given: argparse.Namespace) -> None:
    import shtab  # noqa: PLC0415 (needed once, when the script is written)

    words = {key: shtab.cmd(line) for key, line in COMMANDS.items()} | {FOLDERS: shtab.DIRECTORY}
    for action in _actions(given.whole):
        offered = getattr(action, "pqrst_words", "")
        if offered:
            action.complete = words[offered]  # type: ignore[attr-defined]
        elif action.metavar in ("PATH", "FILE", "PEM"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(given.whole, given.shell) + "\n")


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Go through the arguments of all commands."""
    for action in parser._actions:  # noqa: SLF001 (argparse lets nobody else list them)
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for one in action.choices.values():
                yield from _actions(one)
