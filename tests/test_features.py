"""The rhythm and shape of made-up beats: exact intervals, what each column may see, and recordings of hardly anything."""

import inspect
import re
from dataclasses import replace

import numpy as np
import pytest

from pqrst import features
from pqrst.arrays import Marks, Record
from pqrst.errors import RecordError
from pqrst.features import beat_features, of_record

FS, PERIOD, EARLY = 360, 288, 20  # a beat every 0.8 s, but beat 20 comes 0.4 s early
DOCUMENTED = dict(re.findall(r"^([a-z]\w+) +([pfr])  ", features.__doc__, flags=re.MULTILINE))
EITHER_WAY_UP = (
    "width",
    "size",
    "slope",
    "qrs",
    "like",
    "off",
    "share",
)  # words of the columns that a swapped lead keeps


def regular(beats, early=EARLY):
    """Place beats at equal intervals, one of them early by half an interval."""
    at = 500 + PERIOD * np.arange(beats)
    if early is not None:
        at[early] -= PERIOD // 2
    return at


def drawn(at, length=None, seed=0):
    """Draw P wave, QRS and T wave at each place in two leads, with a little noise, in mV."""
    t = np.arange(length or at[-1] + 1000)
    signal = 0.01 * np.random.default_rng(seed).standard_normal((2, len(t)))
    for place in at:
        for shift, width, height in ((-0.16, 0.025, 0.15), (-0.02, 0.01, -0.2), (0.0, 0.012, 1.2), (0.28, 0.05, 0.3)):
            signal += np.array([[height], [0.6 * height]]) * np.exp(-0.5 * ((t - place) / FS - shift) ** 2 / width**2)
    return signal


def table(signal, at):
    """Give the columns by name; every mark is a beat."""
    x, names = beat_features(signal, at, np.ones(len(at), bool))
    return dict(zip(names, x.T, strict=True))


@pytest.fixture(scope="module")
def drawn_beats():
    """Give forty drawn beats: the signal, the places, the columns."""
    at = regular(40)
    signal = drawn(at)
    return signal, at, table(signal, at)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("before", 0.4),
        ("after", 1.2),
        ("before_over_previous", np.log(0.5)),
        ("before_over_after", np.log(1 / 3)),
        ("before_over_mean_10", np.log(0.5)),
        ("before_over_median_40", np.log(0.5)),
        ("before_over_q80_60", np.log(0.5)),
        ("before_over_q75_all", np.log(0.5)),
        ("before_over_q90_all", np.log(0.5)),
        ("before_over_q75_usual", np.log(0.5)),
        ("before_over_q90_usual", np.log(0.5)),
        ("before_over_q95_usual", np.log(0.5)),
        ("after_over_q90_all", np.log(1.5)),
        ("disorder_30", 0),
        ("deviation_over_disorder", -0.4 / 0.8 / 0.02),
        ("before_over_q10_30", np.log(0.5)),
        ("after_over_mean_10", np.log(1.5)),
        ("after_over_q75_all", np.log(1.5)),
        ("previous_over_mean_10", 0),
        ("following_over_mean_10", 0),
        ("before_over_ahead_10", np.log(0.5)),
        ("mean_10_over_q75_all", 0),
        ("jitter_20", 0),
        ("spread_20", 0),
    ],
)
def test_an_early_beat_gets_its_intervals(column, expected):
    """Compute the rhythm of one early beat among regular ones by hand."""
    found = table(np.zeros((2, 10_000)), regular(30))
    assert found[column][EARLY] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_beat_after_an_early_one_is_late():
    """Count the early interval into the mean of the ten before the next beat."""
    found = table(np.zeros((2, 10_000)), regular(30))
    assert found["before"][EARLY + 1] == pytest.approx(1.2)
    assert found["before_over_mean_10"][EARLY + 1] == pytest.approx(np.log(1.2 / 0.76))


def test_intervals_that_alternate_are_in_order():
    """Find no disorder in bigeminy, and find it where intervals are drawn at random."""
    bigeminy = np.cumsum(np.tile([180, 400], 50))
    random = np.cumsum(np.random.default_rng(0).integers(150, 430, 100))
    flat = np.zeros((2, 30_000))
    assert table(flat, bigeminy)["disorder_30"][-1] == 0
    assert table(flat, random)["disorder_30"][-1] > 0.05


def test_an_early_beat_has_the_lowest_ratios(drawn_beats):
    """Rank the early beat lowest in every column that sets its interval against others."""
    columns = {name: values for name, values in drawn_beats[2].items() if name.startswith("before")}
    assert len(columns) == 13
    assert {name for name, values in columns.items() if values.argmin() != EARLY} == set()


def test_a_long_interval_counts_as_three_seconds():
    """Cap an interval where the marks pause."""
    at = np.append(regular(10, None), 20_000)
    assert table(np.zeros((2, 21_000)), at)["before"][-1] == 3


def test_a_broad_beat_stands_out():
    """Find the one broad beat by its width and by its QRS unlike the others."""
    at = regular(40, None)
    signal = drawn(at)
    t = np.arange(signal.shape[1])
    signal += 2 * np.exp(-0.5 * ((t - at[30]) / FS / 0.05) ** 2)
    found = table(signal, at)
    assert found["width_0_less_past"].argmax() == 30
    for column in ("qrs_0_like_past", "qrs_0_like_late", "qrs_1_like_late"):
        assert found[column].argmin() == 30


def test_a_missing_p_wave_is_unlike_the_others():
    """Tell the one beat without a P wave from the rest."""
    at = regular(40, None)
    signal = drawn(at)
    signal[:, at[30] - 90 : at[30] - 20] = 0
    found = table(signal, at)
    assert found["p_0_share_of_late"].argmin() == 30
    assert found["p_0_off_late"].argmax() == 30
    assert np.median(found["p_0_share_of_late"]) == pytest.approx(1, abs=0.1)


def test_a_lead_upside_down_keeps_the_columns_without_a_direction(drawn_beats):
    """Swap both electrodes: likenesses and widths stay, and heights turn round."""
    signal, at, found = drawn_beats
    turned = table(-signal, at)
    for name, values in found.items():
        if name in features._rhythm(at, np.ones(len(at), bool)) or set(name.split("_")) & set(EITHER_WAY_UP):
            np.testing.assert_allclose(turned[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
    for name in ("net_0", "t_1", "p_0_when"):
        np.testing.assert_allclose(turned[name], -found[name], rtol=1e-4, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(turned["p_0_lowest"], -found["p_0_highest"], rtol=1e-4, atol=1e-5)


def test_no_column_is_an_amplitude(drawn_beats):
    """Keep every column when the amplifier's gain doubles."""
    signal, at, found = drawn_beats
    for name, values in table(2 * signal, at).items():
        np.testing.assert_allclose(values, found[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_labels_are_not_seen(drawn_beats):
    """Take no labels, and let marks that are no beats change nothing."""
    signal, at, found = drawn_beats
    marks = np.sort(np.concatenate([at, at + 50]))
    x, _ = beat_features(signal, marks, np.tile([True, False], len(at)))
    assert list(inspect.signature(beat_features).parameters) == ["signal", "marks", "is_beat"]
    np.testing.assert_array_equal(x, np.stack(list(found.values()), axis=1))


def test_the_past_columns_do_not_see_the_future():
    """Change all that comes after beat 80: the columns marked p stay, and most of the others move."""
    at = regular(100)
    other = at.copy()
    other[81:] = at[80] + np.cumsum(np.tile([330, 400], 10))[: len(at) - 81]
    one, two = table(drawn(at, 40_000), at), table(drawn(other, 40_000), other)
    seen = slice(62, 80)  # beats whose past is full
    p = [name for name, letter in DOCUMENTED.items() if letter == "p"]
    for name in p:
        np.testing.assert_allclose(one[name][seen], two[name][seen], rtol=1e-4, atol=1e-5, err_msg=name)
    rest = [name for name in DOCUMENTED if name not in p]
    assert sum(not np.allclose(one[name][seen], two[name][seen], atol=1e-4) for name in rest) > len(rest) // 2


def test_every_column_is_explained():
    """List in the docstring each column of rhythm and each of lead 0, in their order."""
    _, names = beat_features(np.zeros((2, 10)), np.array([5]), np.array([True]))
    assert list(DOCUMENTED) == [name for name in names if "_1" not in re.sub(r"_1\d", "", name)]
    assert len(set(names)) == len(names) == 59
    assert all(re.fullmatch(r"[a-z]\w*", name) for name in names)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("beats", range(9))
def test_few_beats_have_all_columns(beats, flat):
    """Describe recordings of no beat, one, and a few, also where every lead is flat."""
    at = regular(beats, None)
    signal = np.ones((2, 5000)) if flat else drawn(at, 5000)
    x, names = beat_features(signal, at, np.ones(beats, bool))
    assert (x.shape, x.dtype) == ((beats, len(names)), np.float32)
    assert np.isfinite(x).all()


def test_a_recording_without_marks_has_columns():
    """Name the columns where there is nothing to describe."""
    x, names = beat_features(np.zeros((2, 0)), np.zeros(0, np.int64), np.zeros(0, bool))
    assert x.shape == (0, len(names))


@pytest.mark.parametrize("length", [1, 5, 40, 400])
def test_beats_may_stand_at_the_edges(length):
    """Describe beats on the first and the last sample, also of a recording shorter than a window."""
    signal = np.random.default_rng(0).standard_normal((2, length))
    x, _ = beat_features(signal, np.array([0, length // 2, length - 1]), np.ones(3, bool))
    assert np.isfinite(x).all()


def test_marks_on_one_sample_give_finite_columns():
    """Divide by no interval of zero."""
    at = regular(5, None)
    x, _ = beat_features(drawn(at), np.repeat(at, 30), np.ones(150, bool))
    assert np.isfinite(x).all()


def test_a_gap_in_the_signal_gives_finite_columns(drawn_beats):
    """Read samples that are not numbers as zero."""
    signal, at, _ = drawn_beats
    gap = signal.copy()
    gap[:, 2000:5000] = np.nan
    assert np.isfinite(np.stack(list(table(gap, at).values()))).all()


def test_a_missing_second_lead_is_flat(drawn_beats):
    """Describe one lead as two of which the second is zero, and ignore a third."""
    signal, at, found = drawn_beats
    zero = np.stack([signal[0], np.zeros_like(signal[0])])
    np.testing.assert_array_equal(beat_features(signal[:1], at, at > 0)[0], beat_features(zero, at, at > 0)[0])
    three = table(np.concatenate([signal, signal[:1]]), at)
    np.testing.assert_array_equal(np.stack(list(three.values())), np.stack(list(found.values())))


def recording(leads=("V5", "MLII", "V1"), fs=360.0, units="mV"):
    """Make up ten beats in three leads, in steps of a converter, with a mark between them that is no beat."""
    at = np.sort(np.append(np.arange(200, 3600, 350), 1000))
    signal = np.rint(np.random.default_rng(0).normal(0, 100, (3, 4000))).astype(np.int16)
    marks = Marks(at, np.where(at == 1000, -1, 0))
    return Record("r1", "p", signal, fs, leads, (200.0,) * 3, (1024,) * 3, units, marks=marks)


@pytest.mark.parametrize(("leads", "chosen"), [(("V5", "MLII", "V1"), [1, 2]), (("V5", "II", "V1"), [0, 1])])
def test_a_recording_is_described_by_mlii_and_the_next_lead(leads, chosen):
    """Take MLII wherever it stands, else the first lead, in mV, and describe beats alone."""
    record = recording(leads)
    found, names = of_record(record)
    signal = ((record.signal - 1024.0) / 200)[chosen].astype(np.float32)
    expected = beat_features(signal, record.marks.samples, record.marks.labels >= 0)
    assert names == expected[1]
    np.testing.assert_array_equal(found, expected[0])
    assert len(found) == len(record.marks.samples) - 1


@pytest.mark.parametrize(("fs", "units"), [(250.0, "mV"), (360.0, "standard deviations")])
def test_another_rate_or_unit_is_refused(fs, units):
    """Spans of time and heights are those of 360 Hz and mV."""
    with pytest.raises(
        RecordError, match=rf"record r1: beats are described in mV at 360 Hz, and it is in {units} at {fs:g} Hz; "
    ):
        of_record(recording(fs=fs, units=units))


def test_a_recording_without_marks_has_no_beats_to_describe():
    """Refuse in one line."""
    with pytest.raises(RecordError, match="record r1: it has no marks to take the rhythm from"):
        of_record(replace(recording(), marks=None))
