"""The containers that travel between stages."""

import errno
import json
import resource
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pqrst.arrays import Bundle, Record, Writer, or_fault, read, read_meta, write_array
from pqrst.errors import DataError, RecordError
from pqrst.files import digest, whole, write_text
from toys import META


def rows(*names):
    return pd.DataFrame({"record": names, "patient": [""] * len(names), "start": 0, "quality": ""})


def toy(task="single", labels=(0, 1, 1)):
    count = len(labels)
    return Bundle(replace(META, task=task), np.zeros((count, 1, 4)), np.array(labels), rows(*["r"] * count))


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
    assert (bundle.meta.rows, bundle.meta.shape) == (6, (1, 4))
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
    expected = pytest.raises(DataError, match=r"rows of shape \(2, 4\) where \(1, 4\) was promised$")
    with expected, Writer(tmp_path / "toy", (1, 4), "float32") as writer:
        writer.add(np.zeros((1, 2, 4)), np.array([0]), rows("r"))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_of_a_writing(tmp_path):
    """What closing a file writes fails once more on a full disk: the temporary folder goes all the same."""

    def fill():
        with Writer(tmp_path / "toy", (1, 4), "float32") as writer:
            writer.add(np.zeros((1, 1, 4)), np.array([0]), rows("r"))
            writer._arrays["x"].file.close()
            writer._arrays["x"].file = full
            full.write(b"x")
            writer.finish(META)

    with suppress(OSError), Path("/dev/full").open("wb") as full, pytest.raises(OSError, match="No space left"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_whole_or_not_there(tmp_path):
    """A fault leaves what stood there before, and nothing beside it."""
    with whole(tmp_path / "out") as partial:
        (partial / "old").write_text("old")

    def fail():
        with whole(tmp_path / "out") as partial:
            (partial / "new").write_text("new")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/old"]


def test_an_array_is_written_as_numpy_does_and_never_in_part(tmp_path):
    """The same bytes; and a small one that the disk does not take is told."""
    array = np.arange(12, dtype=np.int8)
    write_array(tmp_path / "ours.npy", array)
    np.save(tmp_path / "numpys.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (130, usual[1]))  # bytes: the header, and not all of the twelve behind it
    try:
        with pytest.raises(OSError, match="File too large"):
            write_array(tmp_path / "cut.npy", array)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_text_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    """Nor does what was written of it stay beside it."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="full"):
        write_text(tmp_path / "text", "words")
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_of_a_killed_writing_does_no_harm(tmp_path):
    """A temporary folder that a kill left behind is cleared."""
    (tmp_path / "toy.partial").mkdir()
    (tmp_path / "toy.partial" / "junk").write_text("x")
    assert sorted(p.name for p in write(tmp_path / "toy").iterdir()) == ["meta.json", "rows.csv", "x.npy", "y.npy"]


def test_a_writing_that_is_not_finished_leaves_nothing(tmp_path):
    """Without `finish` there is neither a folder nor its temporary twin."""
    with Writer(tmp_path / "toy", (1, 4), "float32") as writer:
        writer.add(np.zeros((1, 1, 4)), np.array([0]), rows("r"))
    assert list(tmp_path.iterdir()) == []


def test_a_new_writing_replaces_the_old(tmp_path):
    """What stood in the folder is gone once the new Bundle is whole."""
    (write(tmp_path / "toy", parts=2) / "junk").write_text("x")
    assert len(read(write(tmp_path / "toy")).x) == 6
    assert not (tmp_path / "toy" / "junk").exists()


def test_classes_are_counted_for_one_label_and_for_several():
    """Rows of each class; a class without rows counts 0, a row of two classes counts in both."""
    assert toy(labels=(0, 0)).class_counts().tolist() == [2, 0]
    several = toy("multi", ([1, 1], [0, 1], [0, 0]))
    assert several.class_counts().tolist() == [1, 2]
    assert several.class_counts(np.array([1, 2])).tolist() == [0, 1]


def test_the_table_of_rows_keeps_text_as_text(tmp_path):
    """Names and memberships made of digits, empty patients, 'NA' and quality words come back as they were."""
    table = rows("007", "NA").assign(fold_ten=["01", "10"], quality=["", "noise drift"])
    with Writer(tmp_path / "toy", (1, 4), "float32") as writer:
        writer.add(np.zeros((2, 1, 4)), np.array([0, 1]), table)
        writer.finish(META)
    found = read(tmp_path / "toy").rows
    assert found.to_dict("list") == table.to_dict("list")
    assert found["start"].dtype == np.int64


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
    with pytest.raises(DataError, match="schema 99, this version reads 2"):
        read(folder)
    (folder / "meta.json").write_text(json.dumps(meta))
    np.save(folder / "y.npy", np.zeros(2, np.int16))
    with pytest.raises(DataError, match="6 signals, 2 labels, 6 rows"):
        read(folder)


@pytest.mark.parametrize("name", ["x.npy", "y.npy", "rows.csv", "meta.json"])
@pytest.mark.parametrize("content", [None, b"", b"PK"])
def test_a_damaged_file_is_one_line(tmp_path, name, content):
    """A missing, an empty and a garbled file each say what to do."""
    file = write(tmp_path / "toy") / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DataError, match=r"build it.* with `dvc repro`$") as caught:
        read(tmp_path / "toy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 2}', '{"schema": 2, "more": 2}'])
def test_a_meta_of_other_fields_is_one_line(tmp_path, text):
    """JSON that is no Bundle's meta is refused as such."""
    (write(tmp_path / "toy") / "meta.json").write_text(text)
    with pytest.raises(DataError, match=r"build it anew with `dvc repro`$"):
        read_meta(tmp_path / "toy")


def test_signals_of_another_shape_than_meta_says_are_refused(tmp_path):
    """As many rows of another length are not the Bundle's rows."""
    np.save(write(tmp_path / "toy") / "x.npy", np.zeros((6, 1, 5), np.float32))
    with pytest.raises(DataError, match=r"build it anew"):
        read(tmp_path / "toy")


def test_a_digest_sees_every_byte(tmp_path):
    """One changed byte, or a renamed file, changes the digest."""
    folder = write(tmp_path / "toy")
    before = digest(folder)
    content = bytearray((folder / "x.npy").read_bytes())
    content[-1] ^= 1
    (folder / "x.npy").write_bytes(content)
    assert digest(folder) != before
    content[-1] ^= 1
    (folder / "x.npy").write_bytes(content)
    assert digest(folder) == before
    (folder / "x.npy").rename(folder / "z.npy")
    assert digest(folder) != before


def test_text_appears_whole(tmp_path):
    """Writing makes the folders it needs and leaves no temporary file."""
    write_text(tmp_path / "a" / "b.txt", "γ\n")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_text_that_cannot_be_written_leaves_the_old(tmp_path):
    """A failed writing changes nothing and leaves no temporary file."""
    write_text(tmp_path / "b.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "b.txt", "\ud800")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("b.txt", "old")]


def test_converter_steps_become_millivolts():
    """1024 is zero and 200 steps are a millivolt, as in MIT-BIH."""
    record = Record("r", "p", np.array([[1024, 1224, 924]], np.int16), 360.0, ("MLII",), (200.0,), (1024,))
    assert record.in_units().tolist() == [[0.0, 1.0, -0.5]]
    assert record.in_units().dtype == np.float32


def test_each_lead_has_its_own_gain_and_zero():
    """One lead at 100 steps a millivolt from 0, one at 200 from 1000; without a gain the signal is as it was."""
    signal = np.array([[100, 50], [1200, 900]])
    record = Record("r", "p", signal, 360.0, ("I", "II"), (100.0, 200.0), (0, 1000))
    assert record.in_units().tolist() == [[1.0, 0.5], [1.0, -0.5]]
    assert replace(record, gain=None, zero=None).in_units().tolist() == signal.tolist()


def test_a_recording_that_cannot_be_read_is_given_as_its_fault():
    """What was read comes back as it is, a fault as itself; any other error is none of a recording's."""
    sound, fault = Record("a", "", np.zeros((1, 4)), 100.0, ("I",)), RecordError("b", "it is damaged")

    def read(name, *, error):
        if error:
            raise error
        return sound if name == "a" else None

    assert or_fault(read, "a", error=None) is sound
    assert or_fault(read, "b", error=fault) is fault
    with pytest.raises(OSError, match="the disk"):
        or_fault(read, "b", error=OSError("the disk"))


@pytest.mark.parametrize("name", ["x.npy", "y.npy"])
@pytest.mark.parametrize(
    "head", ["{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}", "{'descr': (", "0x", "(" * 90]
)
def test_a_header_of_an_array_that_cannot_be_is_one_line(tmp_path, name, head):
    """More numbers than the file holds, and what Python's parser says of no text that is one."""
    file = write(tmp_path / "toy") / name
    file.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + head.encode().ljust(117) + b"\n")
    with pytest.raises(DataError, match=r"is not whole .*; build it anew with `dvc repro`$"):
        read(tmp_path / "toy")
