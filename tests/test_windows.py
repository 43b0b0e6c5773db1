"""Recordings cut into rows, on numbers worked out by hand."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from pqrst.arrays import Marks, Record, read
from pqrst.errors import DataError, RecordError
from pqrst.params import BandPass, Window
from pqrst.windows import CUTS, at_rate, beats, equal, in_steps, pieces, prepared, segment, whole

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
    assert whole(record, Window("whole", samples=3)).x.tolist() == [[[1, 1, 1], [1, 1, 1]]]
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
    assert (meta.dtype, meta.rows, meta.shape) == ("int16", 4, (1, 8))
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
    assert meta.window["filter"] == {"low": 1.0, "high": 50.0, "order": 5}
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


@pytest.mark.parametrize(
    ("length", "most", "starts"),
    [
        (3, 1, [0]),  # padded
        (4, 3, [0]),  # just one
        (9, 1, [2]),  # (9 - 4) / 2 = 2.5, rounded to the even 2
        (10, 1, [3]),
        (8, 4, [0, 4]),  # two cover it
        (9, 4, [0, 2, 5]),  # three cover it: 0, 2.5 and 5
        (9, 2, [0, 5]),
        (100, 4, [0, 32, 64, 96]),
    ],
)
def test_pieces_are_as_many_as_cover_a_recording_and_evenly_spread(length, most, starts):
    """Cut (2, length) into rows of four samples, at most so many, from its start to its end, or one in its middle."""
    signal = np.arange(2 * length).reshape(2, length)
    x, found = pieces(signal, 4, most)
    assert found.tolist() == starts
    assert x.shape == (len(starts), 2, 4)
    for row, start in zip(x, starts, strict=True):
        kept = signal[:, start : start + 4]
        assert np.array_equal(row[:, : kept.shape[1]], kept)
        assert not row[:, kept.shape[1] :].any()


@pytest.mark.parametrize("length", [4, 5, 8, 9, 13, 40])
def test_pieces_without_a_bound_leave_no_sample_out(length):
    """Cover every sample where as many rows may be cut as are needed."""
    _, starts = pieces(np.zeros((1, length)), 4, 99)
    assert {place for start in starts for place in range(start, start + 4)} == set(range(length))


TWELVE = {"dataset": "toy", "task": "multi", "classes": ("a", "b"), "provenance": {"synthetic": True}}


def labelled(signal, fs=100.0, name="r1", **more):
    """Give a recording with labels of its own, as of a twelve-lead database."""
    signal = np.asarray(signal)
    told = {"label": (1, 0), "folds": {"official": "3"}, "about": {"age": "61", "sex": "female"}}
    told |= {"numbers": {"age": 61.0, "male": np.nan}}
    return Record(name, "p1", signal, fs, ("I", "II")[: len(signal)], **(told | more))


def segmented(record, window, folder):
    segment([record], window, "stop", TWELVE, folder)
    return read(folder)


def test_every_piece_has_the_labels_and_all_that_is_known_of_its_recording(tmp_path):
    """Cut nine samples into three rows of four, each with the labels, the memberships and the columns about the person."""
    bundle = segmented(labelled(np.arange(9.0)[None]), Window("whole", 4, pieces=4), tmp_path / "toy")
    assert bundle.y.tolist() == [[1, 0]] * 3
    assert bundle.x[:, 0, 0].tolist() == [0, 2, 5]
    assert bundle.rows.astype(str).to_dict("records")[1] == {
        "record": "r1", "patient": "p1", "start": "2", "fold_official": "3", "about_age": "61", "about_sex": "female",
        "quality": "",
    }  # fmt: skip
    assert bundle.meta.window == {"cut": "whole", "samples": 4, "step": 1, "every": 1, "leads": "all", "pieces": 4}


def test_numbers_of_a_recording_stand_beside_each_of_its_rows(tmp_path):
    """Repeat age and sex for each piece, a missing one as no number, under their names."""
    bundle = segmented(labelled(np.arange(9.0)[None]), Window("whole", 4, pieces=2, side="record"), tmp_path / "toy")
    assert bundle.meta.side == ("age", "male")
    assert np.array_equal(bundle.side, np.array([[61, np.nan]] * 2, np.float32), equal_nan=True)


def test_the_rhythm_of_marks_is_not_beside_a_recording_without_any(tmp_path):
    """Refuse in one line."""
    with pytest.raises(
        RecordError, match=r"record r1: it has no marks to take the rhythm from; set window\.side to none"
    ):
        segmented(labelled(np.arange(9.0)[None]), Window("whole", 4, side="beats"), tmp_path / "toy")


def test_each_lead_is_scaled_by_its_whole_recording_before_it_is_cut():
    """Bring 1, 3 (mean 2, deviation 1) to -1, 1, converter steps 10, 10, 10, 50 (20, √300) to -1/√3 and √3, flat to 0."""
    record = Record("r", "", np.array([[1.0, 3.0, 1.0, 3.0]]), 100.0, ("I",), label=0)
    found = prepared(record, Window("whole", 2, zscore=True))
    assert found.signal.tolist() == pytest.approx(np.array([[-1.0, 1.0, -1.0, 1.0]]), abs=1e-6)
    assert (found.units, found.gain, found.signal.dtype) == ("standard deviations", None, np.float32)
    steps = Record("r", "", np.array([[10, 10, 10, 50], [7] * 4], np.int16), 100.0, ("I", "II"), (20.0, 20.0), (3, 3))
    scaled = prepared(steps, Window("whole", 2, zscore=True)).signal
    assert scaled[0] == pytest.approx(np.array([-1, -1, -1, 3]) / 3**0.5, abs=1e-6)
    assert scaled[1] == pytest.approx(0, abs=1e-6)


def test_nothing_is_prepared_unless_it_is_asked_for():
    """Leave converter steps as they are."""
    record = recording([1], [0])
    assert prepared(record, Window("equal", 8)) is record


def test_scaling_comes_before_the_filter_and_the_filter_before_the_rate():
    """Give what the three give one after the other, and at the new rate."""
    rng = np.random.default_rng(0)
    record = Record("r", "", rng.normal(2, 3, (1, 500)).astype(np.float32), 100.0, ("I",))
    band = BandPass(1.0, 40.0, 4)
    found = prepared(record, Window("whole", 2, zscore=True, filter=band, rate=50.0))
    by_hand = prepared(record, Window("whole", 2, zscore=True))
    by_hand = prepared(replace(by_hand, gain=None, zero=None), Window("whole", 2, filter=band))
    by_hand = at_rate(by_hand, 50.0)
    assert (found.fs, found.signal.shape) == (50.0, (1, 250))
    assert np.array_equal(found.signal, by_hand.signal)


def test_a_recording_at_the_wanted_rate_keeps_its_samples():
    """Resample nothing at the same rate, and millivolts at another."""
    record = recording([1], [0])
    assert at_rate(record, 360.0) is record
    other = at_rate(record, 180.0)
    assert (other.fs, other.signal.shape, other.gain, other.zero) == (180.0, (1, 10), None, None)


def test_the_rate_of_the_rows_is_the_wanted_one(tmp_path):
    """Bring a wave of 2 Hz from 257 to 100 Hz, and say so."""
    time = np.arange(2570) / 257
    bundle = segmented(
        labelled(np.sin(2 * np.pi * 2 * time)[None], fs=257.0), Window("whole", 1000, rate=100.0), tmp_path / "toy"
    )
    assert (bundle.meta.fs, bundle.meta.window["rate"]) == (100.0, 100.0)
    expected = np.sin(2 * np.pi * 2 * np.arange(1000) / 100)
    assert np.abs(bundle.x[0, 0] - expected)[20:-20].max() < 0.01


def test_rows_are_stored_as_whole_steps(tmp_path):
    """Round 0.0124 and -0.0126 to 12 and -13 thousandths, hold ±40 at the edge of int16, and tell gain, zero and unit."""
    bundle = segmented(labelled([[0.0124, -0.0126, 40.0, -40.0]]), Window("whole", 4, steps=1000), tmp_path / "toy")
    assert bundle.x.tolist() == [[[12, -13, 32767, -32768]]]
    assert (bundle.x.dtype, bundle.meta.dtype) == (np.int16, "int16")
    assert (bundle.meta.gain, bundle.meta.zero, bundle.meta.units) == ((1000.0,), (0,), "converter steps")


def test_steps_of_what_was_scaled_are_no_converter_steps(tmp_path):
    """Name the unit that the steps are of."""
    bundle = segmented(labelled([[1.0, 3.0]]), Window("whole", 2, zscore=True, steps=1000), tmp_path / "toy")
    assert bundle.x.tolist() == [[[-1000, 1000]]]
    assert bundle.meta.units == "steps of standard deviations"


def test_recordings_of_several_converters_stand_in_one_array_of_steps(tmp_path):
    """Bring 200 and 400 steps a mV to 1000."""
    found = [
        labelled(np.array([[200, 400]], np.int16), gain=(200.0,), zero=(0,)),
        labelled(np.array([[410, 810]], np.int16), gain=(400.0,), zero=(10,), name="r2"),
    ]
    segment(found, Window("whole", 2, steps=1000), "stop", TWELVE, tmp_path / "toy")
    assert read(tmp_path / "toy").x.tolist() == [[[1000, 2000]], [[1000, 2000]]]


def test_steps_stop_at_sixteen_bits():
    """Give whole numbers by each lead's gain and zero, none beyond the edge."""
    x = np.array([[[0.5, 100.0], [-0.26, -100.0]]], np.float32)
    found = in_steps(x, np.array([1000.0, 10.0]), np.array([0.0, 1.0]))
    assert found.tolist() == [[[500, 32767], [-2, -999]]]
    assert found.dtype == np.float32
