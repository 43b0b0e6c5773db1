"""Bundles written from recordings, on numbers worked out by hand."""

import json
import logging
import multiprocessing

import numpy as np
import pytest

import toys
from pqrst import workers
from pqrst.arrays import Marks, Record, read
from pqrst.datasets import mitdb
from pqrst.errors import DataError, RecordError
from pqrst.files import digest
from pqrst.params import BandPass, Window
from pqrst.resolved import Download, Segment
from pqrst.segmentation import of_database, segment
from pqrst.sources import PROVENANCE, obtain

BEATS = Window("beats", samples=5, every=2, tail=0.5, leads="first")
FACTS = {"dataset": "toy", "task": "single", "classes": ("a", "b"), "provenance": {"synthetic": True}}


def recording(samples, labels, signal=None, name="r1"):
    signal = np.arange(20, dtype=np.int16)[None] if signal is None else signal
    marks = Marks(np.array(samples), np.array(labels), {"cut": np.array(["train"] * len(samples))})
    return Record(name, "p1", signal, 360.0, ("MLII",), (200.0,), (1024,), marks=marks, folds={"patients": "DS1"})


def test_a_recording_without_beats_leaves_the_others_their_rows(tmp_path):
    """No row of the first recording, two of the second."""
    found = [recording([], []), recording([2, 6, 10], [0, 1, 1], name="r2")]
    segment(found, BEATS, "stop", FACTS, tmp_path / "toy")
    assert read(tmp_path / "toy").rows["record"].tolist() == ["r2", "r2"]


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
    told = r"record r2: its gain, zero or rate differs from the records before it; set window\.steps"
    with pytest.raises(DataError, match=told):
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


def test_a_database_is_cut_as_it_was_brought(tmp_path):
    """Read made-up recordings by their database, and tell its task, its classes and where they came from."""
    given = Download("mitdb", "synthetic", {}, 2, 0.2, 1)
    provenance = obtain(given, tmp_path / "raw", tmp_path / "scratch", tmp_path)
    window = Window("equal", samples=360, step=360, leads="first")
    meta = of_database(Segment("mine", "mitdb", {}, window, "stop", {}), tmp_path / "raw", tmp_path / "out")
    bundle = read(tmp_path / "out")
    assert (meta.dataset, meta.task, meta.classes) == ("mine", mitdb.TASK, mitdb.CLASSES)
    assert bundle.meta.provenance == provenance | {"database": "mitdb"}
    assert len(set(bundle.rows["record"])) == 2


@pytest.fixture
def many(tmp_path):
    """Write some hundred recordings, each with a label.

    Every fiftieth lacks its samples, some have a flat lead, and each hundredth is the one before it once more.
    """
    rng, steps = np.random.default_rng(3), np.zeros((12, 40), np.int16)
    for number in range(326):
        steps = steps if number % 100 == 99 else rng.integers(-900, 900, (12, 40), np.int16)
        steps[3, number % 20 :] = steps[3, 0] if number % 20 == 1 else steps[3, number % 20 :]
        told = ["#Age: 50", "#Sex: Male", f"#Dx: 426783006,{number % 3}"]
        toys.write_challenge(tmp_path / "raw" / "georgia", f"E{number:05d}", steps, told)
        if number % 50 == 10:
            (tmp_path / "raw" / "georgia" / f"E{number:05d}.mat").unlink()
    (tmp_path / "raw" / PROVENANCE).write_text('{"synthetic": true}')
    return tmp_path / "raw"


def by_workers(count, raw, folder, monkeypatch, on_bad_record="skip"):
    monkeypatch.setattr(workers, "available", lambda _threads: count)
    monkeypatch.setattr(workers, "ALONE", 0.0)
    window = Window("whole", samples=30, pieces=2, zscore=True, steps=1000)
    given = Segment("challenge", "challenge2021", {"sources": ["georgia"]}, window, on_bad_record, {})
    return of_database(given, raw, folder, folder.with_name(f"{folder.name}.json"))


@pytest.mark.parametrize("count", [2, 3])
def test_side_by_side_gives_the_same_bytes_and_the_same_words(tmp_path, many, monkeypatch, caplog, count):
    """Rows, their order, what is skipped or found and what is logged do not tell how many processes there were."""
    with caplog.at_level(logging.INFO, "pqrst"):
        meta = by_workers(1, many, tmp_path / "one", monkeypatch)
        alone = list(caplog.messages)
        caplog.clear()
        by_workers(count, many, tmp_path / "several", monkeypatch)
    assert digest(tmp_path / "one") == digest(tmp_path / "several")
    assert caplog.messages == alone
    counts = json.loads((tmp_path / "one.json").read_text())
    assert (counts["recordings"], counts["skipped"], counts["faulty"]) == (326, 7, 27)
    assert {kind: n for kind, n in counts["kinds"].items() if n} == {"unreadable": 7, "flat": 17, "duplicate": 3}
    assert (tmp_path / "several.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert [told["record"][-3:] for told in meta.skipped] == ["010", "060", "110", "160", "210", "260", "310"]
    assert "challenge: 319 mentions of 3 codes are not scored: 0, 1, 2 ..." in alone


def test_a_fault_that_a_worker_finds_stops_as_any_other(tmp_path, many, monkeypatch):
    """`stop` raises the first fault in the order of the list, and leaves nothing."""
    for number in range(10, 250, 50):
        (many / "georgia" / f"E{number:05d}.hea").unlink()
    with pytest.raises(RecordError, match=r"record georgia/E00260: georgia/E00260\.mat is missing"):
        by_workers(2, many, tmp_path / "rows", monkeypatch, "stop")
    assert list(tmp_path.iterdir()) == [many]
    assert not multiprocessing.active_children()
