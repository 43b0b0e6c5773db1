"""Recordings cut into rows, on numbers worked out by hand."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from pqrst.arrays import Marks, Record, read
from pqrst.errors import DataError, RecordError
from pqrst.params import BandPass, Window
from pqrst.windows import CUTS, beats, equal, segment, whole

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
    assert rows.start.tolist() == [4, 4]
    assert rows.x[0, 0].tolist() == [0.0] * 5  # ends at 4 + 0.5·4 = 6: sample 4 alone, which is flat
    assert rows.x[1, 0].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]  # ends at 8 + 0.5·12 = 14


def test_three_marks_on_one_sample_leave_an_empty_window():
    """The first of them reaches from 4 to 4: nothing but padding."""
    assert beats(recording([4, 4, 4, 8], [0, 0, 0, 0]), BEATS).x[0, 0].tolist() == [0.0] * 5


@pytest.mark.parametrize("marks", [[], [5]])
def test_fewer_than_two_marks_give_no_beat(marks):
    """A recording without an interval has no rows, and those after it keep theirs."""
    assert beats(recording(marks, [0] * len(marks)), BEATS).x.shape == (0, 1, 5)


def test_a_recording_without_beats_leaves_the_others_their_rows(tmp_path):
    """No row of the first recording, two of the second."""
    found = [recording([], []), recording([2, 6, 10], [0, 1, 1], name="r2")]
    segment(found, BEATS, "stop", FACTS, tmp_path / "toy")
    assert read(tmp_path / "toy").rows["record"].tolist() == ["r2", "r2"]


def test_memberships_of_marks_follow_their_beats():
    """Each beat keeps the membership of its own mark."""
    assert beats(recording([2, 6, 10], [0, -1, 1]), BEATS).folds["cut"].tolist() == ["train"]


def test_equal_windows_count_their_marks():
    """20 samples in windows of 8 at steps of 4: starts 0, 4, 8, 12; a tie is class 0."""
    rows = equal(recording([1, 2, 9, 10, 11], [0, 1, 1, 1, 0]), Window("equal", samples=8, step=4, leads="first"))
    assert rows.start.tolist() == [0, 4, 8, 12]
    assert rows.y.tolist() == [0, 1, 1, 0]  # 1:1, 1:2, 1:2, none
    assert rows.x[1, 0].tolist() == list(range(4, 12))


def test_the_last_partial_window_is_dropped():
    """20 samples in windows of 8 at steps of 5 start at 0, 5, 10, and not at 15."""
    assert equal(recording([1], [0]), Window("equal", samples=8, step=5)).start.tolist() == [0, 5, 10]


def test_a_mark_on_the_edge_belongs_to_the_window_that_starts_there():
    """Windows 0…7 and 8…15 without overlap: the mark at 8 is the second window's."""
    assert equal(recording([8], [1]), Window("equal", samples=8, step=8)).y.tolist() == [0, 1]


def test_a_recording_shorter_than_a_window_is_named():
    """20 samples hold no window of 21, and one of 20."""
    with pytest.raises(RecordError, match=r"record r1: it has 20 samples, a window 21; set window.samples lower"):
        equal(recording([1], [0]), Window("equal", samples=21))
    assert equal(recording([1], [0]), Window("equal", samples=20)).x.shape == (1, 1, 20)


@pytest.mark.parametrize(("cut", "leads", "count"), [("equal", "first", 1), ("equal", "all", 2), ("whole", "first", 1)])
def test_leads_are_the_first_or_all(cut, leads, count):
    """A row has as many leads as the setting says, whatever the cut."""
    record = replace(recording([1], [0], np.zeros((2, 20), np.int16)), label=0)
    assert CUTS[cut](record, Window(cut, samples=8, leads=leads)).x.shape[1] == count


def test_a_cut_at_marks_needs_marks():
    """A recording without marks is refused by name."""
    with pytest.raises(RecordError, match=r"record r1: it has no marks to cut at; set window.cut to whole"):
        beats(replace(recording([1], [0]), marks=None), BEATS)


def test_a_whole_recording_is_cut_or_padded():
    """A row has the wanted length whatever the recording's."""
    record = Record("r", "", np.ones((2, 3)), 120.0, ("a", "b"), units="x", label=1)
    assert whole(record, Window("whole", samples=4)).x.tolist() == [[[1, 1, 1, 0], [1, 1, 1, 0]]]
    assert whole(record, Window("whole", samples=2)).x.shape == (1, 2, 2)
    with pytest.raises(RecordError, match=r"record r1: it has no label of its own"):
        whole(recording([1], [0]), Window("whole", samples=4))


def test_segment_writes_rows_and_what_they_are(tmp_path):
    """The Bundle says rate, units, leads, and each row's recording, patient and memberships."""
    meta = segment([recording([2, 6, 10], [0, 1, 1])], BEATS, "stop", FACTS, tmp_path / "toy")
    bundle = read(tmp_path / "toy")
    assert (meta.fs, meta.units, meta.leads, meta.gain) == (180.0, "from 0 to 1", ("first",), None)
    assert bundle.rows.to_dict("records")[1] == {
        "record": "r1", "patient": "p1", "start": 6, "fold_cut": "train", "fold_patients": "DS1", "quality": "",
    }  # fmt: skip


def test_every_third_sample_of_360_hz_is_120_hz(tmp_path):
    """The rate is that of the kept samples."""
    window = Window("beats", samples=5, every=3, tail=0.2, leads="first")
    assert segment([recording([2, 6, 10], [0, 1, 1])], window, "stop", FACTS, tmp_path / "toy").fs == 120.0


def test_windows_of_converter_steps_say_gain_and_zero(tmp_path):
    """Integers stay integers, and the meta says how they become mV."""
    window = Window("equal", samples=8, step=4, leads="first")
    meta = segment([recording([2], [0])], window, "stop", FACTS, tmp_path / "toy")
    assert (meta.fs, meta.units, meta.gain, meta.zero) == (360.0, "converter steps", (200.0,), (1024,))
    assert (meta.dtype, meta.shape) == ("int16", (4, 1, 8))
    assert meta == read(tmp_path / "toy").meta


def test_a_recording_with_its_own_label_is_a_row(tmp_path):
    """Where a recording has no marks but a label, it is taken whole, in its own units."""
    record = Record("r", "", np.ones((1, 3), np.float32), 120.0, ("first",), units="from 0 to 1", label=1)
    meta = segment([record], BEATS, "stop", FACTS, tmp_path / "toy")
    assert (meta.fs, meta.units, meta.gain) == (120.0, "from 0 to 1", None)
    assert read(tmp_path / "toy").y.tolist() == [1]


def test_a_bad_recording_stops_or_is_listed(tmp_path, caplog):
    """`stop` raises and leaves nothing; `skip` goes on and lists the recording and its fault."""
    found = [RecordError("r0", "it is broken"), recording([2, 6, 10], [0, 1, 1])]
    with pytest.raises(RecordError, match="record r0: it is broken"):
        segment(found, BEATS, "stop", FACTS, tmp_path / "toy")
    assert list(tmp_path.iterdir()) == []
    with caplog.at_level(logging.WARNING, "pqrst"):
        meta = segment(found, BEATS, "skip", FACTS, tmp_path / "toy")
    assert caplog.messages == ["skipped: record r0: it is broken"]
    assert meta.skipped == ({"record": "r0", "fault": "it is broken"},)
    assert read(tmp_path / "toy").meta.skipped == ({"record": "r0", "fault": "it is broken"},)


def test_all_bad_is_no_bundle(tmp_path):
    """Where nothing can be read there is nothing to write."""
    with pytest.raises(DataError, match="no recording could be read \\(1 skipped\\)"):
        segment([RecordError("r0", "broken")], BEATS, "skip", FACTS, tmp_path / "toy")
    assert list(tmp_path.iterdir()) == []


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


def test_a_filtered_recording_is_in_millivolts_and_told(tmp_path):
    """A wave of 5 Hz on a drift keeps the wave alone; the Bundle says by what."""
    time = np.arange(3600) / 360
    signal = (1024 + 200 * (np.sin(2 * np.pi * 5 * time) + time)).astype(np.int16)[None]
    window = Window("equal", samples=360, step=360, leads="first", filter=BandPass(1.0, 50.0))
    meta = segment([recording([10, 400], [0, 1], signal)], window, "stop", FACTS, tmp_path / "toy")
    assert meta.units == "mV"
    assert meta.gain is None
    assert meta.settings["filter"] == {"low": 1.0, "high": 50.0, "order": 5}
    middle = read(tmp_path / "toy").x[5, 0]
    assert np.abs(middle - np.sin(2 * np.pi * 5 * time[:360])).max() < 0.05


def test_a_rate_too_low_for_the_band_is_one_line(tmp_path):
    """20 samples at 360 Hz hold no 200 Hz."""
    window = Window("equal", samples=8, step=4, filter=BandPass(1.0, 200.0))
    with pytest.raises(RecordError, match="its 360 Hz cannot hold a band up to 200 Hz"):
        segment([recording([1, 2], [0, 1])], window, "stop", FACTS, tmp_path / "toy")


def test_a_recording_too_short_for_its_filter_is_one_line(tmp_path):
    """A forward-backward filter needs some samples beyond its ends."""
    window = Window("equal", samples=8, step=4, filter=BandPass(1.0, 50.0))
    with pytest.raises(RecordError, match="20 samples are too few to filter"):
        segment([recording([1, 2], [0, 1])], window, "stop", FACTS, tmp_path / "toy")
