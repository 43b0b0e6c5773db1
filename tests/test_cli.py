"""The command line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pqrst import __version__, cli, console, params, resolver
from pqrst.arrays import write_json

SETTINGS = params.load(Path(__file__).parents[1] / "params.yaml")


@pytest.fixture(autouse=True)
def own_log(monkeypatch):
    """Leave the project's log as it was, and let each test see its own lines."""
    monkeypatch.setattr(console.log, "handlers", [])
    monkeypatch.setattr(console.log, "propagate", True)
    level = console.log.level
    yield
    console.log.setLevel(level)


def test_a_module_is_the_command():
    """`python -m pqrst --version` prints the version."""
    done = subprocess.run([sys.executable, "-m", "pqrst", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pqrst {__version__}\n"


def test_an_unknown_run_is_one_line(tmp_path, capsys):
    """Recording a run that was never resolved says what to do."""
    assert cli.main(["record", "nothing", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("run", "values"), [("simple_cnn", [""]), ("coupled_alpha", ["0.1", "0.5", "1.0"])], ids=["plain", "over values"]
)
def test_a_run_is_recorded_with_each_of_its_values(tmp_path, capsys, run, values):
    """Keep one file a seed, in a folder a value where the run is made over several."""
    params.write(tmp_path / f"resolved/runs/{run}.yaml", resolver.resolved_files(SETTINGS)[f"runs/{run}.yaml"])
    for value in values:
        folder = tmp_path / "data/scores/heartbeat" / run / value / "seed-17"
        write_json(folder / "scores.json", {"seed": 17, "scores": {}, "provenance": {"synthetic": False}})
        np.save(folder / "predictions.npy", np.zeros(3, np.int16))
    assert cli.main(["record", run, "--root", str(tmp_path)]) == 0
    expected = [tmp_path / "metrics/paper" / run / value / "17.json" for value in values]
    assert sorted((tmp_path / "metrics").rglob("*.json")) == expected
    assert capsys.readouterr().err.splitlines() == [f"recorded {file}" for file in expected]


def test_no_command_is_a_usage_error():
    """The usage is shown and the status is 2."""
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
