"""What is wrong with a recording, what is done about it, and how it is told."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from pqrst import params, segmentation
from pqrst.arrays import Declared, Marks, Record, read
from pqrst.datasets._wfdb12 import LEADS, MISSING
from pqrst.errors import DataError, RecordError, SettingsError
from pqrst.parsing import parse
from pqrst.quality import KINDS, Limits, Policy, Quality, Report, examine, mended, refusal

WINDOW = params.Window("whole", samples=4000)
FACTS = {"dataset": "toy", "task": "multi", "classes": ("a", "b"), "provenance": {"synthetic": True}}


def ecg(name="r1", seed=3, **more):
    """Give 10 s of twelve leads with beats and some noise, in steps of 1 µV that a converter of 16 bits made."""
    rng, time = np.random.default_rng(seed), np.arange(5000) / 500
    since = (time * 1.2) % 1 / 1.2
    qrs, t_wave = np.exp(-(((since - 0.2) / 0.02) ** 2)), 0.25 * np.exp(-(((since - 0.48) / 0.05) ** 2))
    one, two = 0.6 * qrs + 0.8 * t_wave, 1.1 * qrs + t_wave
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    chest = [k * qrs + t_wave + 0.01 * rng.normal(size=5000) for k in (-0.6, -0.9, 0.4, 1.2, 1.4, 1.1)]
    signal = np.rint(1000 * np.array([*limbs, *chest])).astype(np.int16)
    whole = Record(
        name, "", signal, 500.0, LEADS, (1000.0,) * 12, (0,) * 12, label=(1, 0), missing=MISSING,
        ends=((-32767, 32767),) * 12, declared=Declared(500.0, 1000.0),
    )  # fmt: skip
    return replace(whole, **more)


def changed(change, **more):
    """Give the same with a change to its samples, in place."""
    record = ecg(**more)
    change(record.signal)
    return record


def found(record, limits=None):
    return [(one.kind, one.lead) for one in examine(record, limits or Limits())]


def test_a_whole_recording_has_no_fault():
    """Nor has it in mV, as floats, at another rate."""
    assert found(ecg()) == []
    assert found(replace(ecg(), signal=ecg().in_units(), gain=None, zero=None, ends=None, missing=None)) == []
    assert found(replace(ecg(), fs=250.0, declared=Declared())) == []


def floats(change):
    record = ecg()
    signal = record.in_units()
    change(signal)
    return replace(record, signal=signal, gain=None, zero=None, ends=None)


def put(rows, columns, value):
    return lambda signal: signal.__setitem__((rows, columns), value)


def cut_off(signal):
    signal[7] = np.maximum(signal[7], -600)


def turned(lead):
    return lambda signal: np.negative(signal[lead], out=signal[lead])


def exchange(*pairs):
    def change(signal):
        for one, other in pairs:
            signal[[one, other]] = signal[[other, one]]

    return change


def arms(signal):
    turned(0)(signal)
    exchange((1, 2), (3, 4))(signal)


def noise(signal):
    signal[:] = np.random.default_rng(5).normal(0, 200, signal.shape)
    signal[2:6] = [
        signal[1] - signal[0],
        -(signal[0] + signal[1]) // 2,
        signal[0] - signal[1] // 2,
        signal[1] - signal[0] // 2,
    ]


def unlike(signal):
    signal[:3] += (300 * np.random.default_rng(6).normal(size=(3, 100)).repeat(50, axis=1)).astype(np.int16)


# what becomes of each fault that a file may have: what is found, in which lead, and how much of it
FAULTS = {
    "a sample that is no number": (floats(put(1, 7, np.nan)), [("not_finite", "II", 1 / 5000)]),
    "a lead that is endless": (floats(put(4, slice(None), np.inf)), [("not_finite", "aVL", 1)]),
    "the format's code": (changed(put(8, slice(100, 200), MISSING)), [("missing", "V3", 100 / 5000)]),
    "a lead that the header lacks": (changed(put(11, slice(None), MISSING)), [("missing", "V6", 1)]),
    "a lead that stands still": (changed(put(9, slice(None), 40)), [("flat", "V4", 1)]),
    "two seconds that stand still": (changed(put(9, slice(900, 1900), 40)), [("flat", "V4", 0.2)]),
    "a lead cut off": (changed(cut_off), [("clipped", "V2", None)]),
    "the converter's end": (changed(put(6, slice(50, 60), 32767)), [("saturated", "V1", 10 / 5000), ("out_of_range", "V1", None)]),
    "a lead of 11 mV": (changed(put(10, slice(1000, 1100), -11000)), [("out_of_range", "V5", None)]),
    "I upside down": (changed(turned(0)), [("inverted", "I", None)]),
    "aVR upside down": (changed(turned(3)), [("inverted", "aVR", None)]),
    "aVL and aVF exchanged": (changed(exchange((4, 5))), [("swapped", "aVL+aVF", None)]),
    "electrodes of the arms exchanged": (changed(arms), [("swapped", "I+II+III+aVR+aVL", None)]),
    "limb leads of different hearts": (changed(unlike), [("limb_leads", "", None)]),
    "gain 4880": (ecg(gain=(4880.0,) * 12), [("wrong_gain", "", 4880)]),
    "gain 200": (ecg(gain=(200.0,) * 12), [("wrong_gain", "", 200)]),
    "amplitudes as if by 4880": (changed(lambda signal: np.floor_divide(signal, 5, out=signal)), [("wrong_gain", "", None)]),
    "amplitudes as if by 200": (changed(lambda signal: np.multiply(signal, 6, out=signal)), [("wrong_gain", "", None)]),
    "another rate": (ecg(fs=257.0), [("wrong_rate", "", 257)]),
    "noise": (changed(noise), [("no_beat", "", 0)]),
    "marks of no beat": (ecg(marks=Marks(np.array([5]), np.array([-1]))), [("no_beat", "", 0)]),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_in_its_lead_and_nothing_else_is(name):
    """With how much of it there is."""
    record, expected = FAULTS[name]
    faults = examine(record, Limits())
    assert [(one.kind, one.lead) for one in faults] == [(kind, lead) for kind, lead, _ in expected]
    for one, (_, _, amount) in zip(faults, expected, strict=True):
        assert amount is None or one.amount == pytest.approx(amount)


def of(policy):
    return Quality(
        Policy(**dict.fromkeys(KINDS, policy) | ({"not_finite": "mask", "missing": "mask"} if policy == "keep" else {}))
    )


def cut(records, folder, quality, on_bad_record="stop", window=WINDOW):
    return segmentation.segment(records, window, on_bad_record, FACTS, folder, quality=quality)


def lines(folder):
    return [line.split(",") for line in (folder / "quality.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("on_bad_record", ["stop", "skip"])
def test_stop_is_one_line_that_says_where_and_what_next(name, on_bad_record, tmp_path):
    """Whatever is done about recordings that cannot be read."""
    record, (first, *_) = FAULTS[name]
    with pytest.raises(RecordError) as caught:
        cut([ecg("whole", seed=1), record], tmp_path / "x", of("stop"), on_bad_record)
    told = str(caught.value)
    assert told.startswith(f"record r1: lead {first[1]}: " if first[1] else "record r1: ")
    assert f"; set quality.policy.{first[0]} to " in told
    assert "\n" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FAULTS)
def test_skip_leaves_the_recording_out_and_lists_it(name, tmp_path):
    """Whatever is done about recordings that cannot be read; its line says what was found."""
    record, expected = FAULTS[name]
    meta = cut([record, ecg("whole", seed=1)], tmp_path / "x", of("skip"))
    assert read(tmp_path / "x").rows["record"].tolist() == ["whole"]
    assert [one["record"] for one in meta.skipped] == ["r1"]
    assert f"quality.policy.{expected[0][0]}" in meta.skipped[0]["fault"]
    assert [line[:3] + line[4:5] for line in lines(tmp_path / "x")] == [
        ["r1", lead, kind, "skip"] for kind, lead, _ in expected
    ]


@pytest.mark.parametrize(
    "name", [name for name, (_, told) in FAULTS.items() if told[0][0] not in ("not_finite", "missing")]
)
def test_keep_leaves_every_sample_and_tells(name, tmp_path):
    """The row is what it is, and its fault stands beside it."""
    record, expected = FAULTS[name]
    window = replace(WINDOW, steps=1000, rate=500.0)
    cut([replace(record, marks=None)], tmp_path / "x", Quality(), window=window)
    plain = replace(record, marks=None, declared=Declared())
    cut([plain], tmp_path / "y", Quality(), window=window)
    bundle = read(tmp_path / "x")
    assert np.array_equal(bundle.x, read(tmp_path / "y").x)
    if record.marks is None:
        assert bundle.rows["quality"][0] == " ".join(f"{kind}:{lead}" if lead else kind for kind, lead, _ in expected)
        assert {line[4] for line in lines(tmp_path / "x")} == {"keep"}


def test_samples_that_are_none_become_the_leads_zero():
    """The converter's zero where there is one; nothing else moves."""
    record = replace(changed(put(8, slice(100, 200), MISSING)), zero=(5,) * 12)
    made = mended(record, examine(record, Limits()), Policy())
    assert (made.signal[8, 100:200] == 5).all()
    assert made.quality == ("missing:V3",)
    untouched = np.ones((12, 5000), bool)
    untouched[8, 100:200] = False
    assert np.array_equal(made.signal[untouched], record.signal[untouched])
    assert made.signal.dtype == np.int16
    record = floats(put(1, slice(3, 5), (np.nan, -np.inf)))
    assert (mended(record, examine(record, Limits()), Policy()).signal[1, 3:5] == 0).all()


@pytest.mark.parametrize(
    ("name", "leads"),
    [("a lead that stands still", [9]), ("a lead cut off", [7]), ("aVL and aVF exchanged", [4, 5]),
     ("a lead of 11 mV", [10]), ("electrodes of the arms exchanged", [0, 1, 2, 3, 4])],
)  # fmt: skip
def test_a_masked_lead_is_zero_from_end_to_end(name, leads):
    """Every lead that is named, and no other."""
    record = replace(FAULTS[name][0], zero=(7,) * 12)
    kinds = dict.fromkeys(("flat", "clipped", "swapped", "out_of_range"), "mask")
    faults = examine(record, Limits())
    made = mended(record, faults, replace(Policy(), **kinds)).signal
    assert (made[leads] == 7).all()
    others = [lead for lead in range(12) if lead not in leads]
    assert np.array_equal(made[others], record.signal[others])


def test_stop_goes_before_skip():
    """Where one kind skips and another stops, it stops."""
    record = changed(lambda signal: (put(9, slice(None), 40)(signal), turned(0)(signal)))
    fault, done = refusal("r1", examine(record, Limits()), replace(Policy(), flat="skip", inverted="stop"))
    assert (done, "lead I:" in str(fault)) == ("stop", True)
    fault, done = refusal("r1", examine(record, Limits()), replace(Policy(), flat="skip"))
    assert str(fault) == (
        "record r1: lead V4: 1 of its samples lie in stretches of one value; set quality.policy.flat to keep to take it"
    )
    assert done == "skip"
    assert refusal("r1", examine(record, Limits()), Policy()) == (None, "")


def test_leads_that_are_not_used_are_not_examined(tmp_path):
    """A fault of the second lead keeps no recording out of rows of the first."""
    record = replace(changed(put(1, slice(None), 40)), ends=((-32767, 32767),) * 12)
    cut([record], tmp_path / "x", of("stop"), window=replace(WINDOW, leads="first"))
    assert lines(tmp_path / "x") == []


def test_what_is_not_in_mv_is_held_to_its_samples_alone():
    """A row from 0 to 1 has neither gain nor beats to judge."""
    row = Record("r", "", np.zeros((1, 187), np.float32), 120.0, ("first",), units="from 0 to 1", label=1)
    assert found(row) == []
    assert found(replace(row, signal=np.full((1, 187), np.nan, np.float32))) == [("not_finite", "first")]


@pytest.mark.parametrize("samples", [1, 3, 9, 40, 700])
def test_a_short_recording_is_judged_by_what_it_can_tell(samples):
    """Neither beats nor amplitudes of less than 2 s; a lead that never moves is flat all the same."""
    record = ecg()
    assert found(replace(record, signal=record.signal[:, 92 : 92 + samples])) == (
        [("flat", name) for name in LEADS] if samples == 1 else []
    )


def test_limits_are_settings():
    """Each of them moves what it says."""
    record = changed(put(9, slice(900, 1900), 40))
    assert found(record, Limits(flat_seconds=2.5)) == []
    assert ("wrong_gain", "") in found(ecg(), Limits(most_mv=0.5))
    assert ("wrong_gain", "") in found(ecg(), Limits(least_mv=3))
    assert ("out_of_range", "II") in found(ecg(), Limits(widest_mv=0.5))
    assert found(changed(cut_off), Limits(clipped_times=100)) == []
    assert ("inverted", "I") not in found(changed(turned(0)), Limits(limb_error=1.0))
    assert found(changed(noise), Limits(burst=1.0)) == []
    assert found(changed(noise), Limits(alike=0.0)) == []


def test_a_duplicate_is_told_and_kept_or_not(tmp_path):
    """The later one, whatever its name and labels; the first was kept."""
    records = [ecg("a"), ecg("b", seed=1), ecg("c", label=(0, 1))]
    cut(records, tmp_path / "kept", Quality())
    assert read(tmp_path / "kept").rows["quality"].tolist() == ["", "", "duplicate"]
    assert lines(tmp_path / "kept") == [["c", "", "duplicate", "1", "keep", "its samples are those of a"]]
    meta = cut(records, tmp_path / "left", Quality(Policy(duplicate="skip")))
    assert meta.skipped == (
        {"record": "c", "fault": "its samples are those of a; set quality.policy.duplicate to keep to take it"},
    )
    with pytest.raises(RecordError, match="record c: its samples are those of a; set quality"):
        cut(records, tmp_path / "none", Quality(Policy(duplicate="stop")))


def test_what_a_recording_left_out_was_is_no_duplicate(tmp_path):
    """Both are skipped for what is wrong with them; none of them was met among the rows."""
    flat = [changed(put(9, slice(None), 40), name=name) for name in ("a", "b")]
    meta = cut([*flat, ecg("c")], tmp_path / "x", Quality(Policy(flat="skip", duplicate="stop")))
    assert [one["record"] for one in meta.skipped] == ["a", "b"]


def test_the_report_counts_recordings_by_kind():
    """A recording with two flat leads counts once; one that cannot be read has a kind of its own."""
    report = Report(Policy())
    for record in (ecg("a"), changed(put([3, 9], slice(None), 40), name="b")):
        report.add(record.record, examine(record, Limits()), None, "")
    report.add("c", (), RecordError("c", "it is broken"), "")
    counts = report.counts()
    assert (counts["recordings"], counts["skipped"], counts["faulty"]) == (3, 1, 2)
    assert {kind: n for kind, n in counts["kinds"].items() if n} == {"unreadable": 1, "flat": 1}
    assert list(counts["kinds"]) == ["unreadable", *KINDS]
    assert report.summary() == "2 of 3 recordings have a fault: unreadable 1, flat 1"
    assert len(report.taken()) == 3
    assert report.taken() == []


def test_a_bundle_without_faults_says_so(tmp_path):
    """The table is there, and holds its header."""
    cut([ecg()], tmp_path / "x", Quality())
    assert (tmp_path / "x/quality.csv").read_text() == "record,lead,kind,amount,done,told\n"


def test_nothing_left_is_one_line(tmp_path):
    """Where every recording is skipped no Bundle is written."""
    with pytest.raises(DataError, match="no recording could be read \\(1 skipped\\)"):
        cut([changed(noise)], tmp_path / "x", Quality(Policy(no_beat="skip")))
    assert list(tmp_path.iterdir()) == []


def test_the_settings_that_ship_are_the_defaults():
    """And keep what was kept before there were any."""
    shipped = params.load(params_file())
    assert shipped.quality == Quality()
    assert {kind for kind, done in asdict(shipped.quality.policy).items() if done != "keep"} == {
        "not_finite",
        "missing",
    }
    assert all(params.quality_of(shipped, name) == Quality() for name in shipped.datasets)


def params_file():
    return Path(__file__).parents[1] / "params.yaml"


def test_a_dataset_may_differ():
    """In some kinds; a mistake there is named by its place."""
    shipped = params.load(params_file())
    other = replace(shipped.datasets["chapman"], quality={"not_finite": "skip"})
    assert params.quality_of(replace(shipped, datasets={"chapman": other}), "chapman").policy == Policy(
        not_finite="skip"
    )
    wrong = replace(other, quality={"flatt": "skip"})
    with pytest.raises(SettingsError, match=r"datasets\.chapman\.quality\.flatt is not a setting; did you mean flat\?"):
        params.quality_of(replace(shipped, datasets={"chapman": wrong}), "chapman")


@pytest.mark.parametrize(
    ("kind", "given"), [("not_finite", "keep"), ("missing", "keep"), ("no_beat", "mask"), ("flat", "drop")]
)
def test_a_policy_that_cannot_be_is_refused(kind, given):
    """What is no sample cannot be kept, a whole recording not be masked."""
    with pytest.raises(SettingsError, match=rf"quality\.policy\.{kind} must be one of .*, got '{given}'"):
        parse(Quality, {"policy": {kind: given}}, "quality")
