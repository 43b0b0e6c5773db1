"""Rows and their sides, opened together."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pqrst import sides
from pqrst.arrays import Bundle, LabelTask, Writer, read
from pqrst.errors import DataError
from pqrst.opened import Opened, open_parts
from pqrst.params import Split
from toys import BEAT, META, OFFICIAL, PATIENT, SHARED, TASKS, WITH_EXTRA, bundle, save_bundle, several


def save(folder, rows):
    given = bundle()
    return save_bundle(folder, replace(given, x=given.x[:rows], y=given.y[:rows], rows=given.rows[:rows]))


def test_rows_and_sides_are_opened_together(tmp_path):
    """The digest covers both, so either's change shows."""
    sides.write(bundle(), "one", BEAT, tmp_path / "one")
    sides.write(bundle(), "two", BEAT, tmp_path / "two")
    data = save(tmp_path / "data", 8)
    opened = open_parts(data, tmp_path / "one", [""])[""]
    assert len(opened.bundle.x) == len(opened.sides.sides) == 8
    assert opened.digest != open_parts(data, tmp_path / "two", [""])[""].digest


def test_parts_travel_as_where_they_lie(tmp_path):
    """Open the same again where they arrive; no row travels."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    given = open_parts(save(tmp_path / "data", 8), tmp_path / "cut", [""])
    again = copy.copy(given)  # as pickle would
    assert again[""] is not given[""]
    assert {name: one.digest for name, one in again.items()} == {"": given[""].digest}
    assert isinstance(again[""].bundle.x, np.memmap)
    (tmp_path / "data" / "x.npy").unlink()
    with pytest.raises(DataError, match="is not whole"):
        copy.copy(given)


def test_opened_rows_have_the_classes_of_their_split(tmp_path):
    """The split's folder says which classes there are, in which order."""
    sides.write(bundle(), "cut", replace(BEAT, classes=("b",)), tmp_path / "cut")
    opened = open_parts(save(tmp_path / "data", 8), tmp_path / "cut", [""])[""]
    assert opened.bundle.meta.classes == ("b",)
    assert opened.bundle.y.tolist() == [-1, -1, -1, -1, 0, 0, -1, 0]
    assert opened.bundle.class_counts(opened.sides.rows("test")).tolist() == [1]


def opened_by(folder, split, given):
    """Write rows and a split of them, and open both."""
    sides.write(given, "cut", split, folder / "cut")
    with Writer(folder / "data", (1, 4), "float32") as writer:
        writer.add(given.x, given.y, given.rows)
        writer.finish(META)
    return open_parts(folder / "data", folder / "cut", [""])[""]


def test_what_is_learned_from_does_not_depend_on_the_test_rows(tmp_path):
    """A split with the shared part in test and one without it can take the same network, and differ in their scores."""
    given = bundle("ppqqrrps", WITH_EXTRA)
    one, two = opened_by(tmp_path / "one", SHARED, given), opened_by(tmp_path / "two", PATIENT, given)
    assert (one.sides.rows("test").tolist(), two.sides.rows("test").tolist()) == ([6, 7], [7])
    assert one.learned == two.learned
    assert one.digest != two.digest


@pytest.mark.parametrize(
    ("split", "more"),
    [
        (replace(BEAT, seed=2), 0),
        (replace(BEAT, validation=0.25), 0),
        (replace(BEAT, classes=("b", "a")), 0),
        (BEAT, 1),
    ],
    ids=["other train rows", "fewer to choose by", "classes in another order", "other signals"],
)
def test_what_is_learned_from_follows_train_validation_classes_and_signals(tmp_path, split, more):
    """Nothing that a training sees may change under the same digest."""
    given, other = bundle(), bundle()
    other.x[0] += more
    assert opened_by(tmp_path / "one", BEAT, given).learned != opened_by(tmp_path / "two", split, other).learned


def test_sides_of_other_rows_are_refused(tmp_path):
    """A split of eight rows does not divide seven."""
    sides.write(bundle(), "cut", BEAT, tmp_path / "cut")
    data = save(tmp_path / "data", 7)
    with pytest.raises(DataError, match=r"divides 8 rows, .* holds 7; build both with `dvc repro`"):
        open_parts(data, tmp_path / "cut", [""])[""]


def test_a_split_that_leaves_a_side_empty_is_not_learned_from(tmp_path):
    """Name the side that has no row: of one train row of class b, none can be held out."""
    cut = ("train",) * 5 + ("test",) * 3
    sides.write(bundle(cut=cut), "cut", replace(BEAT, classes=("b",)), tmp_path / "cut")
    with pytest.raises(
        DataError, match=r"cut leaves no row for validation; leave it out of the run, or split otherwise$"
    ):
        open_parts(save(tmp_path / "data", 8), tmp_path / "cut", [""])[""]


RECORDS = pd.DataFrame({"record": ["x", "b", "a", "b", "c", "a"], "patient": "p"})


@pytest.mark.parametrize(
    ("cut", "which", "first"), [("whole", [0, 1, 0, 2, 1], [1, 2, 4]), ("equal", [0, 1, 2, 3, 4], [1, 2, 3, 4, 5])]
)
def test_pieces_are_numbered_by_their_recordings(cut, which, first):
    """Count pieces of b, a, b, c, a as three recordings in the order of their first rows; windows of a long one stand alone."""
    meta = replace(META, window={"cut": cut})
    opened = Opened(Bundle(meta, np.zeros((6, 1, 4)), np.zeros(6), RECORDS), None, "", "")
    found = opened.recordings(np.arange(1, 6))
    assert [values.tolist() for values in found] == [which, first]


def test_a_split_of_fewer_classes_renames_them_and_leaves_their_rows_out(tmp_path):
    """Keep class b only: its rows become class 0, the others are on no side, and who opens the data sees just that."""
    given = bundle("ppqqrrss")
    with Writer(tmp_path / "x", (1, 4), "float32") as writer:
        writer.add(given.x, given.y, given.rows)
        writer.finish(META)
    only = Split("cut", ("train",), ("test",), "beat", 0.5, 1, classes=("b",))
    sides.write(read(tmp_path / "x"), "cut", only, tmp_path / "cut")
    opened = open_parts(tmp_path / "x", tmp_path / "cut", [""])[""]
    assert opened.bundle.meta.classes == ("b",)
    assert opened.bundle.y.tolist() == [-1, -1, -1, -1, 0, 0, -1, 0]
    assert opened.sides.rows("test").tolist() == [7]
    assert (opened.sides.sides[:4] == -1).all()


def test_the_test_side_has_no_part_in_what_is_learned(tmp_path):
    """Name the same training for two splits that differ in their test rows only, and another where train differs."""
    given = bundle("ppqqrrss", ("train",) * 4 + ("test",) * 2 + ("more",) * 2)
    with Writer(tmp_path / "x", (1, 4), "float32") as writer:
        writer.add(given.x, given.y, given.rows)
        writer.finish(META)
    rows, names = read(tmp_path / "x"), {"a": ("test",), "b": ("test", "more"), "c": ("more",)}
    for name, test in names.items():
        sides.write(rows, name, Split("cut", ("train",), test, "beat", 0.5, 1), tmp_path / name)
    sides.write(rows, "d", Split("cut", ("train", "test"), ("more",), "beat", 0.5, 1), tmp_path / "d")
    found = {name: open_parts(tmp_path / "x", tmp_path / name, [""])[""] for name in "abcd"}
    assert len({found[name].learned for name in "abc"}) == 1
    assert len({found[name].digest for name in "abc"}) == 3
    assert found["d"].learned != found["a"].learned


def test_an_opened_part_has_the_classes_of_its_task_in_their_order(tmp_path):
    """Give 0/1 labels of each part's own task, and the data but once."""
    data = save_bundle(tmp_path / "x", several())
    for name, task in TASKS.items():
        sides.write(several(), f"official/{name}", replace(OFFICIAL, task=name), tmp_path / "split" / name, task)
    found = open_parts(data, tmp_path / "split", ["sure", "super", "sure"])
    assert list(found) == ["sure", "super"]
    assert found["super"].bundle.meta.classes == ("NORM", "MI")
    assert found["sure"].bundle.meta.classes == ("SR", "AMI")
    assert found["sure"].bundle.y.tolist() == [[0, 0], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]]
    assert found["super"].bundle.class_counts(found["super"].sides.rows("train")).tolist() == [1, 1]
    assert found["super"].learned != found["sure"].learned
    assert found["super"].digest == open_parts(data, tmp_path / "split" / "super", [""])[""].digest


def test_the_same_rows_under_another_task_are_learned_anew(tmp_path):
    """Two tasks with the same sides and names of classes, but other members, are not one training."""
    data = save_bundle(tmp_path / "x", several())
    for name, member in (("one", "IMI"), ("two", "AMI")):
        task = LabelTask({"NORM": ("NORM",), "MI": (member,)}, drop_empty=False)
        sides.write(several(), name, OFFICIAL, tmp_path / "split" / name, task)
    found = open_parts(data, tmp_path / "split", ["one", "two"])
    assert found["one"].learned != found["two"].learned


def test_a_split_without_parts_is_opened_under_no_name(tmp_path):
    """Open the folder itself."""
    data = save_bundle(tmp_path / "x", several())
    sides.write(several(), "official", OFFICIAL, tmp_path / "split")
    found = open_parts(data, tmp_path / "split", [""])
    assert found[""].digest == open_parts(data, tmp_path / "split", [""])[""].digest
