"""The containers that travel between stages."""

import json

import numpy as np
import pandas as pd
import pytest

from pqrst.arrays import Meta, Record, Writer, digest, read, read_meta, write_text
from pqrst.errors import DataError

META = Meta("toy", "single", ("a", "b"), 100.0, ("I",), "mV", ("row", "lead", "time"), {}, {"synthetic": True})


def rows(*names):
    return pd.DataFrame({"record": names, "patient": [""] * len(names), "start": 0, "quality": ""})


def write(folder, parts=3):
    with Writer(folder, (1, 4), "float32") as writer:
        for part in range(parts):
            x = np.full((2, 1, 4), part, np.float64)
            writer.add(x, np.array([0, 1]), rows("007", f"r{part}"))
        writer.finish(META)
    return folder


def test_what_is_written_is_read_back(tmp_path):
    """Rows added in chunks come back in order, memory-mapped, with names kept as text."""
    bundle = read(write(tmp_path / "toy"))
    assert bundle.meta.shape == (6, 1, 4)
    assert bundle.x[:, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert isinstance(bundle.x, np.memmap)
    assert bundle.rows["record"].tolist() == ["007", "r0", "007", "r1", "007", "r2"]
    assert bundle.rows["patient"].tolist() == [""] * 6
    assert bundle.class_counts().tolist() == [3, 3]
    assert bundle.class_counts(np.array([0, 2])).tolist() == [2, 0]


def test_writing_twice_gives_the_same_bytes(tmp_path):
    """Nothing in a Bundle depends on when or where it was written."""
    assert digest(write(tmp_path / "one")) == digest(write(tmp_path / "elsewhere" / "two"))


def test_many_rows_grow_the_header_in_place(tmp_path):
    """The count in the header is right after it has grown past its first digits."""
    assert len(read(write(tmp_path / "toy", parts=700)).x) == 1400


def test_an_interrupted_writing_leaves_nothing(tmp_path):
    """Neither the folder nor its temporary twin stays when the work breaks off."""
    with pytest.raises(DataError), Writer(tmp_path / "toy", (1, 4), "float32") as writer:
        writer.add(np.zeros((1, 2, 4)), np.array([0]), rows("r"))
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_of_a_killed_writing_does_no_harm(tmp_path):
    """A temporary folder that a kill left behind is cleared."""
    (tmp_path / "toy.partial").mkdir()
    (tmp_path / "toy.partial" / "junk").write_text("x")
    assert sorted(p.name for p in write(tmp_path / "toy").iterdir()) == ["meta.json", "rows.csv", "x.npy", "y.npy"]


def test_rows_of_another_shape_are_refused(tmp_path):
    """A row that does not have the promised shape stops the writing."""
    with (
        pytest.raises(DataError, match=r"rows of shape \(2, 4\) where \(1, 4\)"),
        Writer(tmp_path / "toy", (1, 4), "f4") as writer,
    ):
        writer.add(np.zeros((1, 2, 4)), np.array([0]), rows("r"))


def test_an_empty_bundle_is_refused(tmp_path):
    """A Bundle without rows is no Bundle."""
    with pytest.raises(DataError, match="no row was made"), Writer(tmp_path / "toy", (1, 4), "f4") as writer:
        writer.finish(META)


def test_a_folder_that_is_no_bundle_is_one_line(tmp_path):
    """A missing meta, another schema and arrays of unlike lengths each say what to do."""
    with pytest.raises(DataError, match=r"holds no meta\.json; build it"):
        read_meta(tmp_path)
    folder = write(tmp_path / "toy")
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"schema": 99}))
    with pytest.raises(DataError, match="schema 99, this version reads 1"):
        read(folder)
    (folder / "meta.json").write_text(json.dumps(meta))
    np.save(folder / "y.npy", np.zeros(2, np.int16))
    with pytest.raises(DataError, match="6 signals, 2 labels, 6 rows"):
        read(folder)


def test_a_digest_sees_every_byte(tmp_path):
    """One changed byte, or a renamed file, changes the digest."""
    folder = write(tmp_path / "toy")
    before = digest(folder)
    content = bytearray((folder / "x.npy").read_bytes())
    content[-1] ^= 1
    (folder / "x.npy").write_bytes(content)
    assert digest(folder) != before


def test_text_appears_whole(tmp_path):
    """Writing makes the folders it needs and leaves no temporary file."""
    write_text(tmp_path / "a" / "b.txt", "γ\n")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_converter_steps_become_millivolts():
    """1024 is zero and 200 steps are a millivolt, as in MIT-BIH."""
    record = Record("r", "p", np.array([[1024, 1224, 924]], np.int16), 360.0, ("MLII",), (200.0,), (1024,))
    assert record.millivolts().tolist() == [[0.0, 1.0, -0.5]]
