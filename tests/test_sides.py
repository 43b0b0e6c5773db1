"""A split as a folder."""

import numpy as np
import pandas as pd
import pytest

from pqrst import sides
from pqrst.arrays import Bundle, Meta, digest
from pqrst.errors import DataError, LeakError
from pqrst.params import Split

META = Meta("toy", "single", ("a", "b"), 100.0, ("I",), "mV", ("row", "lead", "time"), {}, {"synthetic": True})
BEAT = Split("cut", ("train",), ("test",), "beat", 0.5, 1)


def bundle(patients="ppppqqqq", cut=("train",) * 6 + ("test",) * 2):
    rows = pd.DataFrame({"record": "r", "patient": list(patients), "start": range(8), "fold_cut": cut})
    return Bundle(META, np.zeros((8, 1, 4)), np.array([0, 0, 0, 0, 1, 1, 0, 1]), rows)


def test_what_is_written_is_read_back_the_same_each_time(tmp_path):
    """Sides, counts and the shared patients survive, and two writings are equal byte for byte."""
    told = sides.write(bundle(), "cut", BEAT, tmp_path / "one")
    sides.write(bundle(), "cut", BEAT, tmp_path / "two")
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    made = sides.read(tmp_path / "one")
    assert made.told["rows"] == {"train": 3, "validation": 3, "test": 2}
    assert made.rows("test").tolist() == [6, 7]
    assert "1 of 2 patients on both sides" in told


def test_a_leftover_of_a_killed_stage_does_no_harm(tmp_path):
    """Writing over a half-made and a finished folder gives the split and nothing else."""
    (tmp_path / "cut.partial").mkdir()
    (tmp_path / "cut.partial" / "junk").write_text("x")
    for _ in range(2):
        sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    assert sorted(p.name for p in (tmp_path / "cut").iterdir()) == ["sides.npy", "split.json"]


def test_a_split_by_patient_that_is_not_one_is_refused(tmp_path):
    """The gate closes before anything is written."""
    by_patient = Split("cut", ("train",), ("test",), "patient", 0.5, 1)
    with pytest.raises(LeakError, match=r"the first is q in (train|validation) and test"):
        sides.write(bundle(), "cut", by_patient, tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def test_unknown_patients_are_said_to_be_unknown(tmp_path):
    """Where rows have no patient, the overlap is not claimed to be none."""
    assert "patients unknown" in sides.write(_nobody(), "cut", BEAT, tmp_path / "cut")


def _nobody():
    given = bundle()
    given.rows["patient"] = ""
    return given


def test_a_missing_membership_is_one_line(tmp_path):
    """The message names the memberships there are."""
    with pytest.raises(DataError, match="no membership 'fold'; known: cut"):
        sides.write(bundle(), "mine", Split("fold", ("a",), ("b",), "beat", 0.5, 1), tmp_path / "x")
    with pytest.raises(DataError, match="holds no split"):
        sides.read(tmp_path / "x")


def test_shares_list_every_class_on_every_side(tmp_path):
    """Six lines for two classes and three sides."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    table = sides.shares(sides.read(tmp_path / "cut"), bundle())
    assert table["rows"].tolist() == [2, 1, 2, 1, 1, 1]
