"""A split as a folder."""

import numpy as np
import pandas as pd
import pytest

from pqrst import sides
from pqrst.arrays import Bundle, Meta, Writer, digest
from pqrst.errors import DataError, LeakError, SettingsError
from pqrst.params import Split

META = Meta("toy", "single", ("a", "b"), 100.0, ("I",), "mV", ("row", "lead", "time"), {}, {"synthetic": True})
FILES = ["cut", "cut/sides.npy", "cut/split.json"]
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
    """Nothing of a temporary folder that a kill left behind gets into the split."""
    (tmp_path / "cut.partial").mkdir()
    (tmp_path / "cut.partial" / "junk").write_text("x")
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == FILES


def test_a_split_is_written_over_an_old_one(tmp_path):
    """What stood in the folder goes."""
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "junk").write_text("x")
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == FILES


def test_a_split_by_patient_that_is_not_one_is_refused(tmp_path):
    """The gate closes before anything is written."""
    by_patient = Split("cut", ("train",), ("test",), "patient", 0.5, 1)
    with pytest.raises(LeakError, match=r"the first is q in (train|validation) and test"):
        sides.write(bundle(), "cut", by_patient, tmp_path / "cut")
    assert list(tmp_path.iterdir()) == []


def test_two_recordings_of_one_person_on_two_sides_are_refused(tmp_path):
    """201 trains, 202 tests, and both are the person 201."""
    people = ["201"] * 4 + ["100"] * 2 + ["201"] * 2
    by_patient = Split("cut", ("train",), ("test",), "patient", 0.5, 1)
    with pytest.raises(LeakError, match=r"the first is 201 in (train|validation) and test"):
        sides.write(bundle(people), "cut", by_patient, tmp_path / "cut")


def test_a_split_by_patient_that_is_one_says_so(tmp_path):
    """Three people in train, one in test: nobody is shared."""
    by_patient = Split("cut", ("train",), ("test",), "patient", 0.5, 1)
    told = sides.write(bundle("ppqqrrss"), "cut", by_patient, tmp_path / "cut")
    assert told.endswith("no patient on two sides")
    assert sides.read(tmp_path / "cut").told["overlap"] == {}


def test_a_split_by_patient_needs_patients(tmp_path):
    """Rows of nobody in particular cannot be promised apart."""
    by_patient = Split("cut", ("train",), ("test",), "patient", 0.5, 1)
    with pytest.raises(LeakError, match="2 rows have no patient; split by beat, or build from recordings"):
        sides.write(bundle(["p", "p", "q", "q", "r", "r", "", ""]), "cut", by_patient, tmp_path / "cut")


def test_the_leak_counts_patients_and_not_rows(tmp_path):
    """Two of three people stand in train and in test."""
    told = sides.write(bundle("pqrpqrpq"), "cut", BEAT, tmp_path / "cut")
    assert told.endswith("2 of 3 patients on both sides")


def test_the_folder_says_how_it_was_made(tmp_path):
    """Dataset, settings and kind of recordings stand in split.json."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    told = sides.read(tmp_path / "cut").told
    assert (told["dataset"], told["split"], told["by"], told["seed"]) == ("toy", "cut", "beat", 1)
    assert told["validation"] == 0.5
    assert told["synthetic"] is True


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


def test_an_unknown_part_is_one_line(tmp_path):
    """The message names the setting and the parts there are."""
    with pytest.raises(
        SettingsError, match=r"datasets\.toy\.splits\.mine names the part 'b', but the rows only know 'test', 'train'"
    ):
        sides.write(bundle(), "mine", Split("cut", ("train",), ("b",), "beat", 0.5, 1), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["sides.npy", "split.json"])
def test_half_a_split_is_one_line(tmp_path, name):
    """Either file alone is no split."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    (tmp_path / "cut" / name).unlink()
    with pytest.raises(DataError, match="holds no split; build it with `dvc repro`"):
        sides.read(tmp_path / "cut")


def save(folder, rows):
    with Writer(folder, (1, 4), "float32") as writer:
        writer.add(bundle().x[:rows], bundle().y[:rows], bundle().rows[:rows])
        writer.finish(META)
    return folder


def test_rows_and_sides_are_opened_together(tmp_path):
    """The digest covers both, so either's change shows."""
    sides.write(bundle(), "one", BEAT, tmp_path / "one")
    sides.write(bundle(), "two", BEAT, tmp_path / "two")
    data = save(tmp_path / "data", 8)
    opened = sides.open_data(data, tmp_path / "one")
    assert len(opened.bundle.x) == len(opened.sides.sides) == 8
    assert opened.digest != sides.open_data(data, tmp_path / "two").digest


def test_sides_of_other_rows_are_refused(tmp_path):
    """A split of eight rows does not divide seven."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    data = save(tmp_path / "data", 7)
    with pytest.raises(DataError, match=r"divides 8 rows, .* holds 7; build both with `dvc repro`"):
        sides.open_data(data, tmp_path / "cut")


def test_shares_list_every_class_on_every_side(tmp_path):
    """Six lines for two classes and three sides."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    table = sides.shares(sides.read(tmp_path / "cut"), bundle())
    assert table["rows"].tolist() == [2, 1, 2, 1, 1, 1]
