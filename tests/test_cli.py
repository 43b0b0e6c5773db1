"""The command line."""

import subprocess
import sys

import pytest

from pqrst import __version__, cli


def test_a_module_is_the_command():
    """`python -m pqrst --version` prints the version."""
    done = subprocess.run([sys.executable, "-m", "pqrst", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pqrst {__version__}\n"


def test_an_unknown_run_is_one_line(tmp_path, capsys):
    """Recording a run that was never resolved says what to do."""
    assert cli.main(["record", "nothing", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_no_command_is_a_usage_error():
    """The usage is shown and the status is 2."""
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
