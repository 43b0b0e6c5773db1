"""What stands on two sides of a split: found in the rows, refused where no protocol declares it, and told."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pqrst import arrays, leaks, segmentation, sides
from pqrst.arrays import Bundle, Writer
from pqrst.datasets import challenge2021, mitdb, ptbxl
from pqrst.errors import DataError, LeakError
from pqrst.opened import open_parts
from pqrst.params import Split, Window
from toys import BEAT, META, PATIENT, save_bundle, several

ROWS, LENGTH = 24, 8
GROUP = Split(by="group", test_share=0.3, validation=0.3, seed=1)
RECORDING = Split("cut", ("train",), ("test",), "recording", test_chooses=True)


def made(**columns):
    """Give 24 rows of eight samples, one of each recording and person; the last six test."""
    told = {
        "record": [f"r{n}" for n in range(ROWS)], "patient": [f"p{n}" for n in range(ROWS)], "start": 0,
        "fold_cut": ["train"] * 18 + ["test"] * 6,
    }  # fmt: skip
    x = np.random.default_rng(0).normal(size=(ROWS, 1, LENGTH)).astype(np.float32)
    window = {"cut": "whole", "samples": LENGTH}
    return Bundle(
        replace(META, window=window, shape=(1, LENGTH)), x, np.arange(ROWS) // 2 % 2, pd.DataFrame(told | columns)
    )


def twin(given, one=0, other=23):
    """Give one row the samples of another."""
    given.x[other] = given.x[one]
    return given


def write(given, split, folder):
    sides.write(given, "cut", split, folder / "cut")
    return sides.read(folder / "cut")


def test_an_equal_signal_on_two_sides_is_refused(tmp_path):
    """Close the gate where a test row holds the samples of a train row, of whichever person."""
    with pytest.raises(
        LeakError, match=r"^split cut: 2 rows show equal signals of another side, the first are row \d+ of r0 in \w+ and "
        r"row 23 of r23 in test; split by group; where that is as published, set doubles$",
    ):  # fmt: skip
        write(twin(made()), PATIENT, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_equal_signals_that_are_declared_pass_and_are_told(tmp_path):
    """Let as many rows pass as the split declares, and no more."""
    found = write(twin(made()), replace(PATIENT, doubles=2), tmp_path)
    assert found.told["gate"]["signals"] == [2, 24]
    assert "(by: patient, doubles: 2): 2 of 24 rows whose signal is another's" in found.gate
    with pytest.raises(LeakError, match="4 rows show equal signals"):
        write(twin(twin(made()), 1, 22), replace(PATIENT, doubles=3), tmp_path)


def test_a_split_by_recording_tells_of_equal_signals_and_refuses_a_divided_recording(tmp_path):
    """Follow a published cut by position, but for a recording whose rows it divides."""
    assert write(twin(made()), RECORDING, tmp_path).told["gate"]["signals"] == [2, 24]
    divided = made(record=[f"r{n % 23}" for n in range(ROWS)])
    with pytest.raises(
        LeakError, match="2 rows show recordings of another side, the first are row 0 of r0 in train and"
    ):
        write(divided, replace(RECORDING, doubles=9), tmp_path / "two")


def test_a_split_by_group_keeps_equal_signals_on_one_side(tmp_path):
    """Hold rows of equal samples together without being told of them, whatever the seed."""
    given = several(np.tile([[1, 0, 0, 1], [0, 1, 0, 0]], (12, 1)), patient="", fold_source="a")
    given = replace(given, x=np.random.default_rng(0).normal(size=(24, 1, LENGTH)))
    for one in range(0, 24, 2):
        twin(given, one, one + 1)
    for seed in range(6):
        found = write(given, replace(GROUP, seed=seed), tmp_path / str(seed))
        assert (found.sides[::2] == found.sides[1::2]).all()
        assert found.gate == (
            "no recording, equal signal or overlapping window on two sides; the subjects of 24 rows are not known"
        )


@pytest.mark.parametrize("kind", ["subjects", "recordings", "signals"])
def test_the_gate_refuses_each_kind_where_a_split_by_group_went_wrong(kind):
    """Close whatever divided the group."""
    given = made()
    if kind == "signals":
        twin(given)
    else:
        given.rows.loc[23, {"subjects": "patient", "recordings": "record"}[kind]] = {
            "subjects": "p0",
            "recordings": "r0",
        }[kind]
    divided = np.array([0] * 18 + [2] * 6)
    with pytest.raises(LeakError, match=f"^split cut: 2 rows show {leaks.NONE[kind]}s of another side"):
        leaks.gate(divided, leaks.identity(given), "cut", by="group", doubles=0, passed=np.zeros(ROWS, bool))


def test_flat_rows_are_no_twins():
    """Take rows without a signal for nobody's."""
    given = made()
    given.x[[0, 1, 23]] = 0.0
    assert (leaks.identity(given).signals[[0, 1, 23]] == "").all()
    divided = np.array([0] * 18 + [2] * 6)
    assert leaks.counts(divided, leaks.identity(given))["signals"] == [0, 24]


@pytest.mark.parametrize(("start", "shared"), [(7, 2), (8, 0), (-7, 2), (-8, 0)])
def test_windows_overlap_by_a_sample_or_not_at_all(start, shared):
    """Count two windows of one recording that share a sample, and none that only touch."""
    given = made(record="r", patient="p", start=[100 * n for n in range(23)] + [100 * 5 + start])
    divided = np.array([0] * 18 + [2] * 6)
    assert leaks.counts(divided, leaks.identity(given))["windows"] == [shared, 24]
    apart = given.rows.assign(record=[f"r{n}" for n in range(ROWS)])
    assert leaks.counts(divided, leaks.identity(replace(given, rows=apart)))["windows"] == [0, 24]


def test_a_window_within_a_long_one_overlaps_it():
    """Look at the farthest end of all that begins before, not at the last to begin."""
    rows = leaks.Identity(*(np.array(["r"] * 3) for _ in range(3)), np.array([0, 10, 50]), np.array([100, 12, 60]))
    assert leaks.overlapping(np.array([0, 0, 2]), rows).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("window", "begins", "ends"),
    [
        ({"cut": "equal"}, 40, 48),
        ({"cut": "around", "every": 3, "before": 10}, 30, 54),
        ({"cut": "beats", "every": 3}, 40, 55),
    ],
)
def test_a_row_reaches_as_far_as_its_cut_says(window, begins, ends):
    """Count samples of the recording; a beat of five samples, three zeros behind it, ends with its fifth."""
    given = made(start=40)
    given.x[:, 0, 5:] = 0.0 if window["cut"] == "beats" else 1.0
    found = leaks.identity(replace(given, meta=replace(META, window=window)))
    assert (found.begins.tolist(), found.ends.tolist()) == ([begins] * ROWS, [ends] * ROWS)


def test_rows_are_told_apart_a_part_at_a_time(tmp_path, monkeypatch):
    """Read the same digests out of a file in parts as out of memory at once."""
    given = twin(made())
    at_once = leaks.identity(given)
    with Writer(tmp_path / "x", (1, LENGTH), "float32") as writer:
        writer.add(given.x, given.y, given.rows)
        writer.finish(given.meta)
    monkeypatch.setattr(leaks, "CHUNK_BYTES", 5 * LENGTH * 4)
    stored = leaks.identity(arrays.read(tmp_path / "x"))
    for name in ("patients", "records", "signals", "begins", "ends"):
        assert np.array_equal(getattr(at_once, name), getattr(stored, name))
    assert len(set(stored.signals)) == ROWS - 1


def test_a_leaky_protocol_passes_and_is_told_with_its_counts(tmp_path):
    """Count whom and what a split by beat leaves on both sides."""
    given = made(record="r", patient="p", start=[4 * n for n in range(ROWS)])
    found = write(given, replace(BEAT, fold="cut"), tmp_path)
    assert found.told["gate"]["subjects"] == [1, 1]
    assert found.gate.startswith("on two sides, as its protocol says (by: beat): 1 of 1 subjects, 1 of 1 recordings, ")
    assert found.gate.endswith("rows that overlap; no equal signal on two sides")


def test_exchanged_sides_are_named(tmp_path):
    """Say `mixed` where the sides were exchanged after the gate."""
    given = made(
        record=[f"r{n // 4}" for n in range(ROWS)], patient=[f"p{n // 4}" for n in range(ROWS)], start=range(0, 240, 10)
    )
    given.rows["fold_cut"] = ["train"] * 16 + ["test"] * 8
    assert "(by: patient, mixed): 6 of 6 subjects" in write(given, replace(PATIENT, mixed=True), tmp_path).gate


def test_other_sides_than_those_that_were_judged_are_refused(tmp_path):
    """Read no sides but those that passed the gate."""
    write(made(), PATIENT, tmp_path)
    judged = np.load(tmp_path / "cut" / "sides.npy")
    np.save(tmp_path / "cut" / "sides.npy", judged[::-1])
    with pytest.raises(
        DataError, match=r"sides\.npy is not what split\.json tells of; build it anew with `dvc repro`$"
    ):
        sides.read(tmp_path / "cut")


def test_other_rows_than_those_that_were_judged_are_refused(tmp_path):
    """Open no rows but those that were divided, in their order."""
    given = made()
    write(given, PATIENT, tmp_path)
    turned = replace(given, x=given.x[:, :, :4], rows=given.rows.iloc[::-1])
    save_bundle(tmp_path / "x", turned)
    with pytest.raises(
        DataError, match=r"divides other rows than .* holds, or in another order; build both with `dvc repro`$"
    ):
        open_parts(tmp_path / "x", tmp_path / "cut", [""])


def test_a_mark_names_rows_and_not_their_order():
    """Tell sets of rows apart by count and digest."""
    assert leaks.mark(np.array([3, 1, 2])) == leaks.mark(np.array([1, 2, 3]))
    assert leaks.mark(np.array([1, 2, 3])) != leaks.mark(np.array([1, 2, 4]))
    assert leaks.mark(np.arange(3)).startswith("3 ")


WHOLE = Window("whole", 5000, pieces=4, rate=500.0, zscore=True, steps=1000)


def cut(folder, found, window, task="multi", classes=challenge2021.CLASSES):
    """Write a Bundle of recordings as the pipeline does, and open it."""
    facts = {"dataset": "real", "task": task, "classes": classes, "provenance": {"synthetic": False}}
    segmentation.segment(found, window, "stop", facts, folder)
    return arrays.read(folder)


@pytest.mark.real
def test_the_real_signal_that_is_there_twice_is_refused_on_two_sides(recordings, tmp_path):
    """Put E07509 and E07510 apart, and see the gate close; divide by group without the reader's word, and see them together."""
    found = challenge2021.records(recordings / "challenge2021", challenge2021.Params(("georgia",)))
    given = cut(tmp_path / "x", found, WHOLE)
    names, rows = given.rows["record"].to_numpy(str), leaks.identity(given)
    twins = np.flatnonzero(np.isin(names, ["georgia/E07509", "georgia/E07510"]))
    apart = np.where(np.arange(len(names)) == twins[1], 2, 0)
    assert leaks.counts(apart, rows)["signals"] == [2, len(names)]
    with pytest.raises(LeakError, match=r"row .* of georgia/E07509 in train and row .* of georgia/E07510 in test"):
        leaks.gate(apart, rows, "cut", by="group", doubles=0, passed=np.zeros(len(names), bool))
    unsaid = replace(given, rows=given.rows.drop(columns="about_signal"))
    for seed in range(4):
        made = write(unsaid, replace(GROUP, test_share=0.5, seed=seed), tmp_path / str(seed))
        assert len(set(made.sides[twins])) == 1


@pytest.mark.real
def test_real_recordings_of_ptbxl_are_found_in_the_challenge(recordings, tmp_path):
    """See all 31 of PTB-XL, at 500 Hz, among the Challenge's; at 100 Hz one is stored, of other samples, and is not seen."""
    theirs = list(challenge2021.records(recordings / "challenge2021", challenge2021.Params(("ptb-xl",))))
    for rate, seen in ((500, 62), (100, 0)):
        own = ptbxl.records(recordings / "ptbxl", ptbxl.Params(rate, partial=True))
        alike = [replace(one, folds={}, about={}, numbers={}, label=theirs[0].label) for one in [*theirs, *own]]
        given = cut(tmp_path / str(rate), alike, WHOLE)
        apart = np.where(np.arange(len(given.x)) < len(theirs), 0, 2)
        assert leaks.counts(apart, leaks.identity(given))["signals"][0] == seen


@pytest.mark.real
def test_the_real_person_of_two_recordings_is_refused_on_two_sides(recordings, tmp_path):
    """Let 201 train and 202 test."""
    window = Window("equal", 3600, step=1800, leads="first")
    given = cut(
        tmp_path / "x", mitdb.records(recordings / "mitdb", mitdb.Params()), window, "single", ("Normal", "Abnormal")
    )
    apart, rows = np.where(given.rows["record"] == "202", 2, 0), leaks.identity(given)
    assert leaks.counts(apart, rows) == {
        "subjects": [1, len(set(rows.patients))], "recordings": [0, len(set(rows.records))], "signals": [0, len(apart)],
        "windows": [0, len(apart)],
    }  # fmt: skip
    with pytest.raises(
        LeakError, match=r"subjects of another side, the first are row .* of 201 in train and row .* of 202 in test"
    ):
        leaks.gate(apart, rows, "cut", by="group", doubles=0, passed=np.zeros(len(apart), bool))
