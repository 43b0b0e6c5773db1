"""What every dataset promises, held by the newest as by the oldest."""

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from pqrst import catalog, params, sides
from pqrst.arrays import LabelTask, Record, read
from pqrst.files import digest
from pqrst.segmentation import segment

MIRRORED = {"heartbeat": "mitdb"}  # a mirror's folder, where it is not called as the database
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
    """Write a few made-up recordings of a minute at most."""
    return made_up(module, tmp_path / "raw")


@pytest.fixture
def records(module, raw):
    """Read them all."""
    return list(module.records(raw, module.Params()))


@pytest.fixture
def cuts(name, module, raw, tmp_path):
    """Cut them in each way that params.yaml names for the database: window and Bundle by name."""
    found = {key: data.window for key, data in SETTINGS.datasets.items() if data.database == name}
    return {key: (window, cut(key, window, module, raw, tmp_path / key)) for key, window in found.items()}


def made_up(module, folder):
    """Write six recordings, or sixteen where each is one row or few, so that every published part occurs."""
    folder.mkdir()
    name = module.__name__.rpartition(".")[2]
    records = 6 if name in ("heartbeat", "mitdb") else 16
    catalog.load("made_up", name).write(folder, records, np.random.default_rng(5), 1.0)
    return folder


def cut(name, window, module, raw, folder):
    facts = {"dataset": name, "task": module.TASK, "classes": module.CLASSES, "provenance": {"synthetic": True}}
    segment(module.records(raw, module.Params()), window, "stop", facts, folder)
    return read(folder)


def source_of(name):
    """Give the folder in a recording's name."""
    return name.rpartition("/")[0]


def by_number(name):
    """Order 2 before 10, whether or not noughts are before it."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name) if part]


def test_it_says_what_it_is(module):
    """It has a task, classes, and the functions that its stages call."""
    assert module.TASK in ("single", "multi")
    assert len(set(module.CLASSES)) == len(module.CLASSES) > 1
    assert all(isinstance(name, str) and name for name in module.CLASSES)
    assert all(callable(getattr(module, function)) for function in ("fetch", "records"))


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
    """params.yaml cuts and splits it in one way at least."""
    found = [data for data in SETTINGS.datasets.values() if data.database == name]
    assert found
    assert all(data.splits for data in found)


def test_its_label_tasks_are_made_of_its_labels(module):
    """Each task of a database that has several names known labels, each class of it some, and drops none of its own."""
    for task in getattr(module, "LABEL_TASKS", {}).values():
        assert isinstance(task, LabelTask)
        assert len(task.classes) > 1
        assert all(task.members.values())
        assert {label for members in task.members.values() for label in members} <= set(module.CLASSES)
        assert task.of(np.zeros((1, len(module.CLASSES)), int), module.CLASSES).tolist() == [[0] * len(task.classes)]


def test_every_recording_is_read(records):
    """All that was made up are recordings, no fault among them, each under its own name."""
    assert all(isinstance(record, Record) for record in records)
    names = [record.record for record in records]
    assert len(set(names)) == len(names) > 5


def test_a_mirror_gives_the_same_recordings(name, module, raw, records, tmp_path):
    """Fetched out of a folder that holds the files as the host does, they are read as those are."""
    mirror, dest = tmp_path / "mirror", tmp_path / "fetched"
    shutil.copytree(raw, mirror / MIRRORED.get(name, name))
    told = module.fetch(str(mirror), dest, tmp_path / "scratch", module.Params())
    assert (told["source"], told["verified"]) == ("mirror", True)
    found = list(module.records(dest, module.Params()))
    assert len(found) == len(records)
    for one, other in zip(found, records, strict=True):
        assert (one.record, one.patient, one.label, one.gain) == (other.record, other.patient, other.label, other.gain)
        assert np.array_equal(one.signal, other.signal, equal_nan=one.signal.dtype.kind == "f")


def test_recordings_come_in_one_order(module, raw, records):
    """Name them as RECORDS does, path or not, or by their numbers, source by source; never as files happen to lie."""
    names = [record.record for record in records]
    assert [record.record for record in module.records(raw, module.Params())] == names
    listed = (raw / "RECORDS").read_text().split() if (raw / "RECORDS").exists() else []
    if len(listed) == len(names):  # else it lists folders, or what the reader leaves out
        assert [Path(name).name for name in names] == [Path(line).name for line in listed]
    else:
        turns = {source: turn for turn, source in enumerate(dict.fromkeys(map(source_of, names)))}
        assert names == sorted(names, key=lambda name: (turns[source_of(name)], by_number(name)))


def test_people_recur_where_they_are_known(module, records):
    """Made-up people are known unless the database itself names none, and one of them has two recordings."""
    patients = [record.patient for record in records]
    if module.__doc__.count("People unknown"):
        assert "" in patients
    elif module.__doc__.count("One recording a person"):
        assert len(set(patients)) == len(patients)
    else:
        assert all(patients)
        assert len(set(patients)) < len(patients)


def test_labels_have_the_form_of_the_task(module, records):
    """A recording has marks, or one class, or a number for each label; of several labels some have none and some have two."""
    if module.TASK == "single":
        assert all(record.marks is not None or record.label in range(len(module.CLASSES)) for record in records)
        return
    labels = np.array([record.label for record in records])
    assert labels.shape == (len(records), len(module.CLASSES))
    assert labels.min() == 0
    assert (labels > 0).sum(axis=1).max() >= 2


def test_what_is_known_beside_a_signal_has_the_same_names_throughout(records):
    """Every recording has the memberships, the facts and the numbers that the first one has."""
    for told in ("folds", "about", "numbers"):
        assert len({tuple(getattr(record, told)) for record in records}) == 1


def stored_as(window, record):
    """Say what rows of a window are stored as: the converter's own steps unless something computed on them."""
    computed = window.cut == "beats" or window.filter or window.zscore or window.rate not in (0, record.fs)
    return "int16" if window.steps or not (computed or record.gain is None) else "float32"


def test_made_up_recordings_go_through_the_real_reader(module, records, cuts):
    """Cut as params.yaml says, they give finite rows of at least two classes, in the declared type, shape and rate."""
    for window, bundle in cuts.values():
        assert np.isfinite(bundle.x).all()
        assert bundle.x.shape[2] == window.samples
        assert bundle.x.dtype == bundle.meta.dtype == stored_as(window, records[0])
        assert not window.rate or bundle.meta.fs == window.rate
        assert (bundle.class_counts() > 0).sum() >= 2
        assert set(np.unique(bundle.y)) <= set(range(len(module.CLASSES) if module.TASK == "single" else 102))
        assert bundle.meta.classes == module.CLASSES
        assert bundle.meta.synthetic
        assert (bundle.side is None) == (window.side == "none")


def test_rows_keep_the_order_of_recordings(records, cuts):
    """Row numbers are the identity: recordings follow one another as they are read, rows by their start."""
    for _, bundle in cuts.values():
        assert bundle.rows["record"].drop_duplicates().tolist() == [record.record for record in records]
        assert all(group["start"].is_monotonic_increasing for _, group in bundle.rows.groupby("record"))


def test_cutting_twice_gives_the_same_bytes(module, raw, cuts, tmp_path):
    """Nothing in the Bundle depends on when or where it was made."""
    for key, (window, _) in cuts.items():
        cut(key, window, module, raw, tmp_path / "again" / key)
        assert digest(tmp_path / "again" / key) == digest(tmp_path / key)


def test_every_split_of_the_settings_divides_the_rows(module, cuts, tmp_path):
    """Each part of each split is written, and the rows know each membership that it divides them by."""
    tasks = getattr(module, "LABEL_TASKS", {})
    for key, (_, bundle) in cuts.items():
        for split, given in SETTINGS.datasets[key].splits.items():
            for part, one in params.parts_of(given, split).items():
                known = set(bundle.rows[f"fold_{one.fold}"]) if one.fold else set()
                assert {*one.train, *one.held, *one.test, *one.whole} <= known
                sides.write(bundle, part or split, one, tmp_path / "cut" / split / part, tasks.get(one.task))
                made = sides.read(tmp_path / "cut" / split / part)
                assert made.told["rows"]["train"] > 0
                assert one.by != "group" or made.told["groups_shared"] == 0
