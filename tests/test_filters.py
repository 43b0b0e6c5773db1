"""The band-pass, against waves whose answer is known and against scipy's other form."""

import numpy as np
import pytest
from scipy.signal import butter, filtfilt

from pqrst.errors import SettingsError
from pqrst.filters import band_pass
from pqrst.params import BandPass
from pqrst.parsing import parse

BAND = (0.5, 50.0), 5


def wave(frequency, fs=360, seconds=60):
    return np.sin(2 * np.pi * frequency * np.arange(seconds * fs) / fs)


@pytest.mark.parametrize(("frequency", "gain"), [(0.05, 0.0), (5.0, 1.0), (30.0, 1.0), (100.0, 0.0)])
def test_what_lies_in_the_band_passes_and_the_rest_does_not(frequency, gain):
    """Ten seconds from either end, a wave comes out whole and in place, or not at all."""
    out = band_pass(wave(frequency)[None], 360.0, *BAND)[0, 3600:-3600]
    assert np.abs(out - gain * wave(frequency)[3600:-3600]).max() < 0.01


def test_each_lead_is_filtered_by_itself():
    """Two leads come out as they do one by one, in float32."""
    leads = np.stack([wave(3.0), wave(7.0) + 1])
    out = band_pass(leads, 360.0, *BAND)
    assert out.dtype == np.float32
    assert np.array_equal(out[1:], band_pass(leads[1:], 360.0, *BAND))


def test_it_is_scipys_forward_backward_filter():
    """The form in second-order sections agrees with the polynomial one, which the original used."""
    noise = np.random.default_rng(1).standard_normal((1, 20_000))
    b, a = butter(5, (0.5, 50.0), btype="bandpass", fs=360.0)
    expected = filtfilt(b, a, noise)
    assert np.abs(band_pass(noise, 360.0, *BAND) - expected)[:, 3600:-3600].max() < 1e-4


@pytest.mark.parametrize(("low", "high", "order"), [(0.0, 50.0, 5), (50.0, 0.5, 5), (0.5, 50.0, 0), (0.5, 50.0, 11)])
def test_a_band_that_is_none_is_one_line(low, high, order):
    """Edges must rise from above zero, and the order is small."""
    with pytest.raises(SettingsError, match=r"a band-pass needs|filter.order must be between 1 and 10"):
        parse(BandPass, {"low": low, "high": high, "order": order}, "filter")
