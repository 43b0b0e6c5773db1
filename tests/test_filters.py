"""The band-pass, against waves whose answer is known and against scipy's other form."""

import numpy as np
import pytest
from scipy.signal import butter, filtfilt

from pqrst import filters
from pqrst.errors import SettingsError
from pqrst.filters import band_pass, resampled
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


@pytest.mark.parametrize(("have", "want"), [(500, 100), (257, 500), (1000, 500)])
def test_a_wave_is_the_same_wave_at_another_rate(have, want):
    """Give 60 s of 3 Hz at the other rate, but for the ends, in float32."""
    out = resampled(wave(3.0, have)[None], have, want)
    assert out.shape == (1, 60 * want)
    assert out.dtype == np.float32
    assert np.abs(out[0] - np.sin(2 * np.pi * 3 * np.arange(out.shape[1]) / want))[want:-want].max() < 0.01


def test_what_the_lower_rate_cannot_hold_is_gone():
    """Leave nothing of 80 Hz at 100 Hz, where it would stand as 20 Hz."""
    assert np.abs(resampled(wave(80.0, 500)[None], 500, 100)[0, 100:-100]).max() < 0.01


def test_a_rate_is_the_ratio_of_two_whole_numbers():
    """Halve four samples, and double them, each lead by itself."""
    x = np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    assert resampled(x, 2, 1).shape == (2, 2)
    assert resampled(x, 1, 2).shape == (2, 8)
    assert not resampled(x, 1, 2)[1].any()


@pytest.mark.parametrize(("low", "high", "order"), [(0.0, 50.0, 5), (50.0, 0.5, 5), (0.5, 50.0, 0), (0.5, 50.0, 11)])
def test_a_band_that_is_none_is_one_line(low, high, order):
    """Edges must rise from above zero, and the order is small."""
    with pytest.raises(SettingsError, match=r"a band-pass needs|filter.order must be between 1 and 10"):
        parse(BandPass, {"low": low, "high": high, "order": order}, "filter")


def test_no_more_designs_are_kept_than_are_used():
    """A server that meets a new rate with every request does not grow."""
    for place in range(200):
        band_pass(np.zeros((1, 100)), 200.0 + place / 7, (1.0, 40.0), 2)
    assert filters._sections.cache_info().currsize <= 64
