"""Recordings cut into rows, on numbers worked out by hand."""

import numpy as np
import pytest

from pqrst.arrays import Marks, Record, read
from pqrst.errors import DataError, RecordError
from pqrst.params import Window
from pqrst.windows import beats, equal, segment, whole

BEATS = Window("beats", samples=5, every=2, tail=0.5, leads="first")
FACTS = {"dataset": "toy", "task": "single", "classes": ("a", "b"), "provenance": {"synthetic": True}}


def recording(samples, labels, signal=None, name="r1"):
    signal = np.arange(20, dtype=np.int16)[None] if signal is None else signal
    marks = Marks(np.array(samples), np.array(labels), {"cut": np.array(["train"] * len(samples))})
    return Record(name, "p1", signal, 360.0, ("MLII",), (200.0,), (1024,), marks=marks, folds={"patients": "DS1"})


def test_a_beat_reaches_into_the_interval_after_the_next_mark():
    """Marks at 2, 6, 10: the first beat ends at 6 + 0.5·4 = 8, exclusive; every second sample is 2, 4, 6."""
    rows = beats(recording([2, 6, 10], [0, -1, 1]), BEATS)
    assert rows.x.tolist() == [[[0.0, 0.5, 1.0, 0.0, 0.0]]]
    assert rows.start.tolist() == [2]
    assert rows.y.tolist() == [0]


def test_the_length_stands_for_the_mark_after_the_last():
    """Marks at 2, 6 in 20 samples: the first beat ends at 6 + 0.5·14 = 13 and is cut to five kept samples of 2…12."""
    rows = beats(recording([2, 6], [1, 0]), BEATS)
    assert rows.x[0, 0].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])  # scaled over all six kept samples
    assert rows.y.tolist() == [1]  # the last mark gives no beat


def test_a_flat_beat_is_zero_and_finite():
    """A stretch without any change is not divided by nothing."""
    rows = beats(recording([2, 6, 10], [0, 0, 0], np.full((1, 20), 7, np.int16)), BEATS)
    assert rows.x.tolist() == [[[0.0] * 5]] * 2


def test_two_marks_on_one_sample_give_a_finite_row():
    """Coinciding marks leave an empty or short window, which is padded."""
    rows = beats(recording([4, 4, 8], [0, 1, 0]), BEATS)
    assert np.isfinite(rows.x).all()
    assert len(rows.x) == 2


def test_memberships_of_marks_follow_their_beats():
    """Each beat keeps the membership of its own mark."""
    assert beats(recording([2, 6, 10], [0, -1, 1]), BEATS).folds["cut"].tolist() == ["train"]


def test_equal_windows_count_their_marks():
    """20 samples in windows of 8 at steps of 4: starts 0, 4, 8, 12; a tie is class 0."""
    rows = equal(recording([1, 2, 9, 10, 11], [0, 1, 1, 1, 0]), Window("equal", samples=8, step=4, leads="first"))
    assert rows.start.tolist() == [0, 4, 8, 12]
    assert rows.y.tolist() == [0, 1, 1, 0]  # 1:1, 1:2, 1:2, none
    assert rows.x[1, 0].tolist() == list(range(4, 12))


def test_a_whole_recording_is_cut_or_padded():
    """A row has the wanted length whatever the recording's."""
    record = Record("r", "", np.ones((2, 3)), 120.0, ("a", "b"), units="x", label=1)
    assert whole(record, Window("whole", samples=4)).x.tolist() == [[[1, 1, 1, 0], [1, 1, 1, 0]]]
    assert whole(record, Window("whole", samples=2)).x.shape == (1, 2, 2)
    with pytest.raises(RecordError, match="record r1: it has no label of its own"):
        whole(recording([1], [0]), Window("whole", samples=4))


def test_segment_writes_rows_and_what_they_are(tmp_path):
    """The Bundle says rate, units, leads, and each row's recording, patient and memberships."""
    meta = segment([recording([2, 6, 10], [0, 1, 1])], BEATS, "stop", FACTS, tmp_path / "toy")
    bundle = read(tmp_path / "toy")
    assert (meta.fs, meta.units, meta.leads, meta.gain) == (180.0, "from 0 to 1", ("first",), None)
    assert bundle.rows.to_dict("records")[1] == {
        "record": "r1", "patient": "p1", "start": 6, "fold_cut": "train", "fold_patients": "DS1", "quality": "",
    }  # fmt: skip


def test_a_bad_recording_stops_or_is_listed(tmp_path):
    """`stop` raises and leaves nothing; `skip` goes on and lists the recording and its fault."""
    found = [RecordError("r0", "it is broken"), recording([2, 6, 10], [0, 1, 1])]
    with pytest.raises(RecordError, match="record r0: it is broken"):
        segment(found, BEATS, "stop", FACTS, tmp_path / "toy")
    assert list(tmp_path.iterdir()) == []
    meta = segment(found, BEATS, "skip", FACTS, tmp_path / "toy")
    assert meta.skipped == ({"record": "r0", "fault": "it is broken"},)
    assert read(tmp_path / "toy").meta.skipped == ({"record": "r0", "fault": "it is broken"},)


def test_all_bad_is_no_bundle(tmp_path):
    """Where nothing can be read there is nothing to write."""
    with pytest.raises(DataError, match="no recording could be read \\(1 skipped\\)"):
        segment([RecordError("r0", "broken")], BEATS, "skip", FACTS, tmp_path / "toy")


def test_a_break_in_the_middle_leaves_nothing(tmp_path):
    """An exception after the first rows removes what was begun."""

    def broken():
        yield recording([2, 6, 10], [0, 1, 1])
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        segment(broken(), BEATS, "skip", FACTS, tmp_path / "toy")
    assert list(tmp_path.iterdir()) == []


def test_recordings_of_another_gain_are_refused(tmp_path):
    """Integers of two converters cannot stand in one array."""
    other = recording([2, 6, 10], [0, 1, 1], name="r2")
    other = Record(other.record, "", other.signal, 360.0, ("MLII",), (100.0,), (1024,), marks=other.marks)
    window = Window("equal", samples=8, step=4, leads="first")
    with pytest.raises(DataError, match="record r2: its gain"):
        segment([recording([2, 6], [0, 1]), other], window, "stop", FACTS, tmp_path / "toy")
