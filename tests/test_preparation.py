"""Recordings made ready to be cut, on numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pqrst.arrays import Marks, Record
from pqrst.errors import RecordError
from pqrst.params import BandPass, Window
from pqrst.preparation import at_rate, in_steps, prepared


def recording():
    signal = np.arange(20, dtype=np.int16)[None]
    return Record("r1", "p1", signal, 360.0, ("MLII",), (200.0,), (1024,), marks=Marks(np.array([1]), np.array([0])))


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
    record = recording()
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
    record = recording()
    assert at_rate(record, 360.0) is record
    other = at_rate(record, 180.0)
    assert (other.fs, other.signal.shape, other.gain, other.zero) == (180.0, (1, 10), None, None)


def test_steps_stop_at_sixteen_bits():
    """Give whole numbers by each lead's gain and zero, none beyond the edge."""
    x = np.array([[[0.5, 100.0], [-0.26, -100.0]]], np.float32)
    found = in_steps(x, np.array([1000.0, 10.0]), np.array([0.0, 1.0]))
    assert found.tolist() == [[[500, 32767], [-2, -999]]]
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("have", "samples", "want"), [(1.0, 3_000_000, 360.0), (100_000.0, 10, 40.0), (1.0, 10, 2000.0)]
)
def test_rates_too_far_apart_are_refused(have, samples, want):
    """Hours at 1 Hz would be gigabytes at 360 Hz, and no ratio of whole numbers below a thousand is 1 to 2,500."""
    record = Record("r", "", np.zeros((1, samples), np.float32), have, ("I",))
    with pytest.raises(RecordError, match=r"its 1(00000)? Hz are too far from \d+ Hz; give another recording"):
        at_rate(record, want)


def test_a_short_recording_may_grow():
    """A second at 1 Hz less is no danger."""
    record = Record("r", "", np.zeros((1, 9), np.float32), 10.0, ("I",))
    assert at_rate(record, 1000.0).signal.shape == (1, 900)
