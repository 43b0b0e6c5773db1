"""Spectrogram and scalogram: waves of known strength, and the same numbers reached by other ways."""

import numpy as np
import pytest
import torch
from scipy.signal import spectrogram as scipy_spectrogram

from pqrst.encodings import _matrix, cwt, stft
from pqrst.errors import SettingsError
from pqrst.parsing import parse

RANDOM = np.random.default_rng(0)
FREQUENCIES = np.geomspace(40, 1, 64)  # Hz, of the rows of a scalogram, from the top


def draw(module, x, fs, **settings):
    """Draw leads (leads, T) as one row."""
    return module.encode(torch.as_tensor(x).unsqueeze(0), fs, module.Params(**settings))[0].numpy()


def wave(frequency, height, fs, samples):
    """Give one lead of a sine (1, samples)."""
    return height * np.sin(2 * np.pi * frequency * np.arange(samples) / fs)[None]


@pytest.mark.parametrize("fs", [100.0, 360.0, 500.0])
@pytest.mark.parametrize(("window", "step"), [(0.25, 0.02), (0.13, 0.05), (0.2, 0.0)])
def test_the_density_is_that_of_scipy(fs, window, step):
    """Agree on windows of even and odd length, step by step or sample by sample."""
    x = RANDOM.normal(size=(2, 187))
    found = stft.density(torch.as_tensor(x), fs, stft.Params(window=window, step=step, limit=0))
    length = round(window * fs)
    overlap = length - max(round(step * fs), 1)
    _, _, expected = scipy_spectrogram(x, fs, window="hann", nperseg=length, noverlap=overlap)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)


def test_the_picture_is_the_density_upside_down():
    """Draw nine windows of sixteen samples, nine frequencies each, pixel for pixel, and their logarithm."""
    x = RANDOM.normal(size=(2, 56))  # 16 + 8 · 5
    _, _, expected = scipy_spectrogram(x, 100.0, window="hann", nperseg=16, noverlap=11)
    settings = {"size": 9, "window": 0.16, "step": 0.05, "limit": 0}
    np.testing.assert_allclose(draw(stft, x, 100.0, log=False, **settings), expected[:, ::-1], rtol=1e-6)
    logarithm = np.log10(expected[:, ::-1] + 1e-8)
    np.testing.assert_allclose(draw(stft, x, 100.0, **settings), logarithm, rtol=1e-6, atol=1e-6)
    single = draw(stft, x.astype(np.float32), 100.0, **settings)
    np.testing.assert_allclose(single, logarithm, atol=1e-3)


@pytest.mark.parametrize(("limit", "kept"), [(0, 9), (100, 9), (50, 9), (49, 8), (12.5, 3), (1, 1)])
def test_frequencies_above_the_limit_are_left_out(limit, kept):
    """Keep 0, 6.25, 12.5 Hz and so on, up to the limit itself."""
    found = stft.density(torch.zeros(1, 56), 100.0, stft.Params(window=0.16, limit=limit))
    assert found.shape[1] == kept


def test_the_limit_itself_is_kept_whatever_its_rounding():
    """Keep each frequency of windows of 5 to 50 samples when it is the limit."""
    for length in range(5, 51):
        for place in range(1, length // 2 + 1):
            assert stft._kept(length, 360.0, place * 360.0 / length) == place + 1


def test_a_window_longer_than_the_signal_is_shortened():
    """Draw 20 samples with a window of 25 as with one of 20: one column, stretched."""
    x = RANDOM.normal(size=(1, 20))
    found = draw(stft, x, 100.0, window=0.25)
    assert np.array_equal(found, draw(stft, x, 100.0, window=0.2))
    assert np.ptp(found, axis=-1).max() == 0


@pytest.mark.parametrize("module", [stft, cwt])
def test_a_wave_shows_at_its_frequency_and_time(module):
    """See 8 Hz early and 32 Hz late, each in its half of the picture and in its place between bottom and top."""
    x = np.concatenate([wave(8, 1, 200, 400), wave(32, 1, 200, 400)], axis=1)
    found = draw(module, x, 200.0, log=False)[0]
    rows = found[:, [16, 48]].argmax(axis=0)
    if module is cwt:
        assert FREQUENCIES[rows] == pytest.approx([8, 32], rel=0.03)
    else:
        assert rows == pytest.approx(64 * (1 - (np.array([8, 32]) + 2) / 44), abs=2)  # rows of 4 Hz, from −2 to 42


@pytest.mark.parametrize(("fs", "samples"), [(500.0, 5000), (100.0, 1000)])
@pytest.mark.parametrize("place", [10, 40])
def test_power_in_a_scalogram_is_the_squared_height(fs, samples, place):
    """Read 2² off the middle of a wave of 2 mV, whatever its frequency."""
    found = draw(cwt, wave(FREQUENCIES[place], 2, fs, samples), fs, log=False)[0]
    assert found[place, 20:44] == pytest.approx(4, rel=0.01)
    assert found[:, 32].argmax() == place


def by_convolution(x, frequency, fs, omega):
    """Square the amplitude at one frequency, around every sample, wavelet by wavelet: (T,) to (T,)."""
    last = len(x) - 1
    times = np.arange(-last, last + 1) / fs
    spread = omega / (2 * np.pi * frequency)
    wavelet = np.exp(-(times**2) / (2 * spread**2)) * np.exp(2j * np.pi * frequency * times)
    scaled = wavelet * 2 / (spread * fs * np.sqrt(2 * np.pi))
    return np.abs(np.convolve(x - x.mean(), scaled)[last : 2 * last + 1]) ** 2


@pytest.mark.parametrize("omega", [5.0, 6.0, 10.0])
@pytest.mark.parametrize(("fs", "samples"), [(125.0, 187), (360.0, 240), (100.0, 1000)])
def test_the_scalogram_is_that_of_direct_convolution(fs, samples, omega):
    """Agree with a slow transform in the time domain, in which nothing wraps around, in double and single precision."""
    x = RANDOM.normal(size=samples)
    slow = np.stack([by_convolution(x, f, fs, omega) for f in FREQUENCIES])
    expected = _matrix.fit(torch.from_numpy(slow), 64).numpy()
    for given in (x, x.astype(np.float32)):
        found = draw(cwt, given[None], fs, log=False, omega=omega)[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.max())
    logarithm = draw(cwt, x[None], fs, omega=omega)[0]
    np.testing.assert_allclose(logarithm, np.log10(expected + 1e-6), atol=1e-4)


def test_power_is_looked_at_now_and_then_in_a_long_signal():
    """Look at every fourth sample where a column holds 78, at the very numbers that stand there."""
    x = RANDOM.normal(size=5000)
    found = draw(cwt, x[None], 500.0, log=False)[0]
    for place in (0, 20, 63):
        every = cwt.step(FREQUENCIES[place], 500.0, 5000, 64)
        assert every == 4
        slow = by_convolution(x, FREQUENCIES[place], 500.0, 6.0)
        looked = _matrix.fit(torch.from_numpy(slow[::every].copy()), 64).numpy()
        np.testing.assert_allclose(found[place], looked, rtol=0, atol=1e-6 * looked.max())
        np.testing.assert_allclose(found[place], _matrix.fit(torch.from_numpy(slow), 64).numpy(), atol=0.1 * slow.max())


@pytest.mark.parametrize("omega", [5.0, 6.0])
def test_each_frequency_is_looked_at_as_often_as_it_changes(omega):
    """Look at each of four frequencies at steps of its own, at the very numbers that stand there."""
    x = RANDOM.normal(size=2051)
    found = draw(cwt, x[None], 100.0, size=4, log=False, omega=omega)[0]
    for row, frequency, every in zip(found, np.geomspace(40, 1, 4), (1, 4, 8, 32), strict=True):
        looked = by_convolution(x, frequency, 100.0, omega)[::every].copy()
        np.testing.assert_allclose(row, _matrix.fit(torch.from_numpy(looked), 4).numpy(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("frequency", "every"), [(1, 16), (10, 16), (20, 8), (30, 8), (200, 1)])
def test_no_power_changes_between_two_looks(frequency, every):
    """Look at least twice in a period, and at least sixteen times in a column."""
    assert cwt.step(frequency, 500.0, 20_000, 64) == every
    assert cwt.step(frequency, 500.0, 240, 64) == 1


def test_the_shortest_window_has_two_samples():
    """Keep 0 and half the rate of two samples, at every second sample; without a limit, all frequencies of a window."""
    p = stft.Params(window=0.001, step=0.02, limit=0.0)
    assert stft.density(torch.zeros(1, 10), 100.0, p).shape == (1, 2, 5)
    assert [stft._kept(length, 100.0, 0.0) for length in (2, 24, 25)] == [2, 13, 13]


def test_how_often_power_is_looked_at_by_hand():
    """Look sixteen times a column, and at least twice a swing, at every power of two that allows it."""
    assert [cwt.step(0.1, 500.0, count, 64) for count in (1023, 2047, 2048, 4095, 4096)] == [1, 1, 2, 2, 4]
    assert [cwt.step(f, 500.0, 10**6, 64) for f in (250.0, 126.0, 125.0, 62.5)] == [1, 1, 2, 4]


@pytest.mark.parametrize("module", [stft, cwt])
def test_silence_is_the_logarithm_of_the_floor(module):
    """Draw a flat lead, at whatever level, as nothing."""
    for level in (0.0, 0.1, -3.0):
        found = draw(module, np.full((1, 500), level, np.float32), 250.0, floor=1e-4)
        assert found == pytest.approx(-4, abs=1e-5)


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize("module", [stft, cwt])
def test_gradients_are_those_of_the_formulas(module, log):
    """Agree with differences."""
    x = torch.as_tensor(RANDOM.normal(size=(1, 1, 40))).requires_grad_()
    p = module.Params(size=5, log=log, floor=1e-2)
    torch.autograd.gradcheck(lambda x: module.encode(x, 100.0, p).double(), x, eps=1e-3, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(
    ("module", "given", "says"),
    [
        (stft, {"window": 0}, "window must be above 0"),
        (stft, {"floor": 0}, "floor must be above 0: silence has no logarithm"),
        (cwt, {"floor": 0}, "floor must be above 0: silence has no logarithm"),
        (cwt, {"low": 40, "high": 40}, "low and high must be 0 < low < high, got 40 and 40 Hz"),
        (cwt, {"low": 0}, "low and high must be 0 < low < high, got 0 and 40 Hz"),
    ],
)
def test_settings_that_do_not_fit_are_refused(module, given, says):
    """Name the setting, in one line."""
    with pytest.raises(SettingsError, match=f"^encodings.x: {says}$"):
        parse(module.Params, given, "encodings.x")


def test_frequencies_that_the_samples_do_not_hold_are_refused():
    """Say how high they may be."""
    with pytest.raises(SettingsError, match=r"^encodings\.cwt\.high is 40 Hz, but 60 Hz samples .* at most 30 Hz$"):
        draw(cwt, np.zeros((1, 100)), 60.0)
    assert np.isfinite(draw(cwt, np.zeros((1, 100)), 80.0)).all()  # half the rate itself
