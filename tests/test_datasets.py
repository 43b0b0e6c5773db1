"""What every dataset promises, held by the newest as by the oldest."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pqrst import catalog, params
from pqrst.arrays import Record, digest, read
from pqrst.windows import segment

SETTINGS = params.load(Path(__file__).resolve().parents[1] / "params.yaml")


@pytest.fixture(params=catalog.names("datasets"))
def name(request):
    """Go through the catalogue."""
    return request.param


@pytest.fixture
def raw(name, tmp_path):
    """Write six made-up recordings of half a minute."""
    folder = tmp_path / "raw"
    folder.mkdir()
    catalog.load("datasets", name).synthesize(folder, 6, np.random.default_rng(5), 0.5)
    return folder


def test_it_says_what_it_is(name):
    """Task, classes, settings with defaults, and a data sheet with licence and citation."""
    module = catalog.load("datasets", name)
    assert module.TASK in ("single", "multi")
    assert len(set(module.CLASSES)) == len(module.CLASSES) > 1
    assert module.Params() == module.Params()
    assert module.Params.__dataclass_params__.frozen
    assert dataclasses.is_dataclass(module.Params)
    assert "Licence" in module.__doc__
    assert "doi" in module.__doc__ or "arXiv" in module.__doc__


def test_made_up_recordings_are_byte_stable(name, raw, tmp_path):
    """The same seed writes the same files."""
    again = tmp_path / "again"
    again.mkdir()
    catalog.load("datasets", name).synthesize(again, 6, np.random.default_rng(5), 0.5)
    assert digest(raw) == digest(again)


def test_made_up_recordings_go_through_the_real_reader(name, raw, tmp_path):
    """They are read and cut as params.yaml says, and give finite rows of more than one class with their memberships."""
    module, given = catalog.load("datasets", name), SETTINGS.datasets[name]
    found = list(module.records(raw, module.Params()))
    assert all(isinstance(record, Record) for record in found)
    facts = {"dataset": name, "task": module.TASK, "classes": module.CLASSES, "provenance": {"synthetic": True}}
    segment(found, given.window, "stop", facts, tmp_path / "windows")
    bundle = read(tmp_path / "windows")
    assert np.isfinite(bundle.x).all()
    assert (bundle.class_counts() > 0).sum() > 1
    for split in given.splits.values():
        assert set(split.train) | set(split.test) <= set(bundle.rows[f"fold_{split.fold}"])
