"""The log of one training, whatever trains beside it."""

import importlib
import json
from pathlib import Path

import pytest

ROW = {"epoch": 1.0, "train_loss": 0.5, "validation_loss": 0.6, "seconds": 2.0}


@pytest.fixture
def logged(monkeypatch, tmp_path):
    """Import the logger as the stages do, in a checkout of its own."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "stages"))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return importlib.import_module("_log").logged


def test_epochs_are_logged_and_timed(logged, tmp_path):
    """Keep the last values under DVCLive's names, and the time of all epochs."""
    with logged(tmp_path / "log") as on_epoch:
        on_epoch(ROW)
        on_epoch(ROW | {"train_loss": 0.25})
    assert json.loads((tmp_path / "log/metrics.json").read_text())["train"] == {"loss": 0.25}
    assert json.loads((tmp_path / "log/timing.json").read_text()) == {"epochs": 2, "seconds": 4.0}


def test_a_training_that_ends_beside_another_is_not_lost(logged, tmp_path, monkeypatch):
    """Go on where the other has removed the signal file between a look at it and its removal."""

    def gone(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr("dvclive.vscode.os.remove", gone)
    with logged(tmp_path / "log") as on_epoch:
        on_epoch(ROW)
    assert json.loads((tmp_path / "log/timing.json").read_text())["epochs"] == 1


def test_a_file_that_a_training_misses_is_told(logged, tmp_path):
    """Hide no mistake of the training itself."""
    with pytest.raises(FileNotFoundError, match="weights"), logged(tmp_path / "log"):
        raise FileNotFoundError("weights")
