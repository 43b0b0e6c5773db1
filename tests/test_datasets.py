"""What every dataset promises, held by the newest as by the oldest."""

import dataclasses
import re
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
def module(name):
    """Import the dataset."""
    return catalog.load("datasets", name)


@pytest.fixture
def raw(module, tmp_path):
    """Write six made-up recordings of a minute."""
    return made_up(module, tmp_path / "raw")


def made_up(module, folder):
    folder.mkdir()
    module.synthesize(folder, 6, np.random.default_rng(5), 1.0)
    return folder


def cut(name, module, raw, folder):
    facts = {"dataset": name, "task": module.TASK, "classes": module.CLASSES, "provenance": {"synthetic": True}}
    segment(module.records(raw, module.Params()), SETTINGS.datasets[name].window, "stop", facts, folder)
    return read(folder)


def test_it_says_what_it_is(module):
    """It has a task, classes, and the functions that its stages call."""
    assert module.TASK in ("single", "multi")
    assert len(set(module.CLASSES)) == len(module.CLASSES) > 1
    assert all(isinstance(name, str) and name for name in module.CLASSES)
    assert all(callable(getattr(module, function)) for function in ("fetch", "records", "synthesize"))


def test_its_settings_are_frozen_and_have_defaults(module):
    """Params is a frozen dataclass that can be made of nothing."""
    assert dataclasses.is_dataclass(module.Params)
    assert module.Params.__dataclass_params__.frozen
    assert module.Params() == module.Params()


def test_its_data_sheet_names_licence_and_citation(module):
    """The docstring says under what terms the data come, and whom to cite."""
    assert re.search(r"Licence[^:]*: \w+", module.__doc__)
    assert "Cite: " in module.__doc__
    assert re.search(r"doi:\S+|arXiv:\S+", module.__doc__)


def test_it_stands_in_the_settings(name):
    """params.yaml says how it is cut and split."""
    assert SETTINGS.datasets[name].splits


def test_made_up_recordings_are_byte_stable(module, raw, tmp_path):
    """The same seed writes the same files."""
    assert digest(made_up(module, tmp_path / "again")) == digest(raw)


def test_recordings_come_in_the_order_of_the_list(module, raw):
    """All six are recordings, no fault among them, in the order of RECORDS."""
    found = list(module.records(raw, module.Params()))
    assert all(isinstance(record, Record) for record in found)
    assert [record.record for record in found] == (raw / "RECORDS").read_text().split()


def test_every_recording_has_a_person(module, raw):
    """A patient of a made-up recording is known, and one of them has two recordings."""
    patients = [record.patient for record in module.records(raw, module.Params())]
    assert all(patients)
    assert len(set(patients)) == 5


def test_made_up_recordings_go_through_the_real_reader(name, module, raw, tmp_path):
    """Cut as params.yaml says, they give finite rows of at least two classes, in the declared type and shape."""
    bundle, window = cut(name, module, raw, tmp_path / "windows"), SETTINGS.datasets[name].window
    assert np.isfinite(bundle.x).all()
    assert bundle.x.shape[2] == window.samples
    altered = window.cut == "beats" or window.filter
    assert bundle.x.dtype == bundle.meta.dtype == ("float32" if altered else "int16")
    assert (bundle.class_counts() > 0).sum() >= 2
    assert set(np.unique(bundle.y)) <= set(range(len(module.CLASSES)))
    assert bundle.meta.classes == module.CLASSES
    assert bundle.meta.synthetic


def test_rows_keep_the_order_of_recordings(name, module, raw, tmp_path):
    """Row numbers are the identity: recordings follow one another as in RECORDS, rows by their start."""
    rows = cut(name, module, raw, tmp_path / "windows").rows
    assert rows["record"].drop_duplicates().tolist() == (raw / "RECORDS").read_text().split()
    assert all(group["start"].is_monotonic_increasing for _, group in rows.groupby("record"))


def test_cutting_twice_gives_the_same_bytes(name, module, raw, tmp_path):
    """Nothing in the Bundle depends on when or where it was made."""
    for folder in ("one", "two"):
        cut(name, module, raw, tmp_path / folder)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_every_split_of_the_settings_finds_its_parts(name, module, raw, tmp_path):
    """The rows know each membership that params.yaml divides them by."""
    rows = cut(name, module, raw, tmp_path / "windows").rows
    for split in SETTINGS.datasets[name].splits.values():
        known = set(rows[f"fold_{split.fold}"]) if split.fold else set()
        assert set(split.train) | set(split.test) <= known
