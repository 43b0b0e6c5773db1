"""Recordings cut into rows, on numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pqrst.arrays import Marks, Record
from pqrst.errors import RecordError
from pqrst.params import Window
from pqrst.windows import CUTS, beats, covering, equal, pieces, whole

BEATS = Window("beats", samples=5, every=2, tail=0.5, leads="first")


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


def test_memberships_of_marks_follow_their_beats():
    """Each beat keeps the membership of its own mark."""
    assert beats(recording([2, 6, 10], [0, -1, 1]), BEATS).folds["cut"].tolist() == ["train"]


def test_equal_windows_count_their_marks():
    """20 samples in windows of 8 at steps of 4: starts 0, 4, 8, 12; a tie is class 0."""
    rows = equal(recording([1, 2, 9, 10, 11], [0, 1, 1, 1, 0]), Window("equal", samples=8, step=4, leads="first"))
    assert rows.start.tolist() == [0, 4, 8, 12]
    assert rows.y.tolist() == [0, 1, 1, 0]  # 1:1, 1:2, 1:2, none
    assert rows.x[1, 0].tolist() == list(range(4, 12))


def test_a_window_is_of_the_class_of_most_of_its_marks():
    """Count three classes and leave marks of none out: 2 has most, 1 and 2 tie, none counts."""
    marks = recording([0, 1, 2, 8, 9, 16, 17], [0, 2, 2, 2, 1, -1, -1])
    rows = equal(replace(marks, signal=np.zeros((1, 24), np.int16)), Window("equal", samples=8, step=8))
    assert rows.y.tolist() == [2, 1, 0]


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


@pytest.mark.parametrize(("from_start", "starts"), [(False, [0, 2, 5]), (True, [0])])
def test_a_recording_is_covered_or_begun(from_start, starts):
    """Cover nine samples by rows of four, or take the first four, however many rows there may be."""
    x, found = covering(np.arange(9.0)[None], Window("whole", 4, from_start=from_start), 7)
    assert found.tolist() == starts
    assert x[0].tolist() == [[0, 1, 2, 3]]
