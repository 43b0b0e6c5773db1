"""Leads given as numbers of a unit: brought to mV, with gaps told, and refused where they cannot be an ECG's."""

import numpy as np
import pytest

from pqrst.datasets._floats12 import take
from pqrst.errors import RecordError

RAMP = np.arange(48, dtype=np.float64).reshape(12, 4)


def test_numbers_become_mv():
    """Of µV a thousand make one; float32 comes out of whatever goes in."""
    for samples in (RAMP, RAMP.astype(np.float16), RAMP.astype(np.int16)):
        found = take("a", samples, 1000, "again")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, RAMP / 1000, rtol=1e-6)


def test_samples_that_are_no_numbers_stay_so():
    """They do not count as far from the middle; what is too large for float32 is endless."""
    samples = RAMP.copy()
    samples[0, 1], samples[3], samples[7, 2], samples[8, 0] = np.nan, np.nan, -np.inf, 1e300
    found = take("a", samples, 1, "again")
    assert np.isnan(found).sum(axis=1).tolist() == [1, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]
    assert found[7].tolist() == [28, 29, -np.inf, 31]
    assert found[8, 0] == np.inf


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (RAMP.T, "its signal is 4 x 12 of float64, not numbers of 12 leads; again"),
        (RAMP[:, :0], "its signal is 12 x 0 of float64, not numbers of 12 leads; again"),
        (RAMP[0], "its signal is 4 of float64, not numbers of 12 leads; again"),
        (RAMP.astype(str), "not numbers of 12 leads; again"),
        (RAMP.astype(complex), "not numbers of 12 leads; again"),
    ],
)
def test_what_is_no_signal_of_twelve_leads_is_told(samples, told):
    """With its shape and type."""
    with pytest.raises(RecordError, match="record a: ") as caught:
        take("a", samples, 1, "again")
    assert str(caught.value).endswith(told)


def test_another_unit_is_told():
    """An ECG in µV, read as mV, lies hundreds of mV from its middle; a lead that was torn off does not matter."""
    ecg = np.random.default_rng(0).normal(0, 0.3, (12, 100))
    ecg[4] = 500
    np.testing.assert_allclose(take("a", ecg, 1, "again"), ecg, rtol=1e-6)
    with pytest.raises(
        RecordError, match=r"half its samples lie 1\d\d\.?\d* mV and more from the middle: its unit is another"
    ):
        take("a", 1000 * ecg, 1, "again")
