"""Faults of samples, on signals made by hand."""

import numpy as np
import pytest

from pqrst import faults

FS = 500.0
TIME = np.arange(5000) / FS
RNG = np.random.default_rng(4)
NOISE = RNG.normal(0, 0.1, (6, 5000))
# six limb leads from two that know nothing of each other
ONE, TWO = RNG.normal(size=(2, 400))
LIMBS = np.array([ONE, TWO, TWO - ONE, -(ONE + TWO) / 2, ONE - TWO / 2, TWO - ONE / 2])


def beats(bpm=60.0, width=0.02):
    """Give beats of 1 mV as bells of so many seconds."""
    return np.exp(-((((TIME * bpm / 60) % 1 - 0.5) * 60 / bpm / width) ** 2))


def test_a_digest_knows_samples_again_whatever_their_width():
    """Whole numbers of 16 and 64 bits are the same, one other sample is not; floats are by their 32 bits."""
    steps = np.arange(12).reshape(2, 6)
    assert faults.digest(steps.astype(np.int16)) == faults.digest(steps)
    assert faults.digest(steps) != faults.digest(steps + (steps == 3))
    assert faults.digest(steps / 3) == faults.digest((steps / 3).astype(np.float32))


def test_a_line_is_drawn_over_bad_samples():
    """From the sound one before to the one after; at an end the nearest stands, and an empty lead is 0."""
    signal = np.array([[0, 9, 9, 6, 9], [9, 9, 9, 9, 9], [1, 2, 3, 4, 5]], np.int16)
    made = faults.bridged(signal, signal == 9)
    assert made.tolist() == [[0, 2, 4, 6, 6], [0] * 5, [1, 2, 3, 4, 5]]
    assert made.dtype == np.int16


@pytest.mark.parametrize(
    ("lead", "least", "share"),
    [([5] * 8, 3, 1.0), ([5] * 8, 20, 1.0), ([1, 2, 2, 2, 3, 4, 4, 1], 3, 3 / 8), ([1, 2, 2, 2, 3, 4, 4, 1], 2, 5 / 8),
     ([1, 2, 3, 4, 5, 6, 7, 8], 2, 0.0), ([0, 0, 0, 1, 5, 5, 5, 5], 3, 7 / 8)],
)  # fmt: skip
def test_stretches_of_one_value_are_counted(lead, least, share):
    """All of a lead that never moves counts, however short it is; and where nothing is counted nothing is worth it."""
    signal = np.array([lead], np.int16)
    assert faults.still(signal[0], least) == share
    assert faults.may_be_still(signal, least)[0] or not share


def test_a_few_samples_tell_that_a_lead_moves():
    """Noise is not worth counting; a still second in it is, wherever it lies."""
    signal = (1000 * NOISE).astype(np.int16)
    for lead, start in enumerate((0, 1, 77, 2000, 3999, 4500)):
        signal[lead, start : start + 500] = 7
    assert faults.may_be_still(signal, 500).all()
    assert not faults.may_be_still((1000 * NOISE).astype(np.int16), 500).any()


def clipped(lead):
    return faults.clipped(lead, lead.min(), lead.max())


@pytest.mark.parametrize("top", [0.7, 0.9])
def test_beats_that_are_cut_off_are_counted(top):
    """Each of ten beats, above or below, whole numbers or not; beats that are whole are none."""
    ecg = beats() + 0.01 * NOISE[0]
    for lead in (np.minimum(ecg, top), -np.minimum(ecg, top), (1000 * np.minimum(ecg, top)).astype(np.int16)):
        assert clipped(lead)[0] == 10
    assert clipped(ecg) == (0, 0.0)
    assert clipped((1000 * ecg).astype(np.int16)) == (0, 0.0)


def test_waves_that_turn_by_themselves_are_not_cut_off():
    """A slow wave in coarse steps stays at its top for long, but leaves by one step; padding is none, nor a line without noise."""
    wave = np.rint(40 * np.sin(2 * np.pi * 2 * TIME)).astype(np.int16)
    assert clipped(wave) == (0, 0.0)
    padded = (1000 * NOISE[0]).astype(np.int16)
    padded[-60:] = 900
    assert clipped(padded) == (0, 0.0)
    assert clipped(np.full(100, 3, np.int16)) == (0, 0.0)
    assert clipped(np.rint(1000 * beats())) == (0, 0.0)
    spikes = np.rint(1000 * np.exp(-(TIME % 1) / 0.05))  # up at once from a line without noise, and slowly back to it
    assert clipped(spikes) == (0, 0.0)


def test_the_ends_of_a_converter_are_counted():
    """Both of them."""
    assert faults.at_ends(np.array([0, 0, 5, 2047, 2046], np.int16), (0, 2047)) == 0.6


def test_drift_and_offset_hardly_swing():
    """A beat of 1 mV upon 30 mV that rise by 10 mV in 10 s moves by some 2 mV in 1.2 s, not by 10; the end counts too."""
    found = faults.swings((beats() + TIME + 30)[None], FS)
    assert found.shape == (1, 9)
    assert found.max() < 2.3
    last = np.zeros((1, 5000), np.int16)
    last[0, -1] = 30000
    assert faults.swings(last, FS).max() == 30000


def test_means_over_20_ms_hold_no_mains():
    """50 Hz vanishes, a constant stays, at any rate; whole numbers of 16 bits do not run over."""
    assert np.abs(faults.coarse(np.sin(2 * np.pi * 50 * TIME)[None], FS)).max() < 1e-9
    assert (faults.coarse(np.full((2, 1000), 32000, np.int16), 1000.0) == 32000).all()
    assert faults.coarse(np.ones((1, 1000)), 100.0).shape == (1, 500)


def coarse(signal):
    return faults.coarse(np.atleast_2d(signal), FS)


def test_beats_stand_out_and_noise_does_not():
    """Whatever drift, mains or size there is; one lead with beats is enough."""
    drift, mains = np.sin(TIME / 2), 0.3 * np.sin(2 * np.pi * 50 * TIME)
    for noise in (NOISE, NOISE * 1e-6, NOISE + drift, NOISE + mains, NOISE.cumsum(axis=1)):
        assert faults.bursts(coarse(noise)) < 3.3
        assert faults.recurrence(coarse(noise)) < 0.35
    assert faults.bursts(coarse(np.vstack([NOISE, beats() + drift + mains]))) > 4
    assert faults.bursts(coarse(np.zeros(5000))) == faults.recurrence(coarse(np.zeros(5000))) == 0


def test_a_tachycardia_without_bursts_comes_again():
    """Bells as wide as their distance have no steep slopes."""
    tachycardia = coarse(beats(180, 0.12) + 0.1 * NOISE[0])
    assert faults.bursts(tachycardia) < 3.3
    assert faults.recurrence(tachycardia) > 0.8


def test_whole_limb_leads_keep_the_laws():
    """Offsets of their own do not matter."""
    products = faults.products(LIMBS + np.arange(6)[:, None])
    assert faults.broken(products) < 1e-6
    assert faults.broken(faults.products(np.zeros((6, 9)))) == 0


@pytest.mark.parametrize("lead", range(6))
def test_a_lead_upside_down_is_named(lead):
    """By the one change that makes the laws hold."""
    limbs = LIMBS * np.where(np.arange(6) == lead, -1, 1)[:, None]
    left, kind, name = faults.mistake(faults.products(limbs))
    assert (kind, name) == ("inverted", faults.LIMBS[lead])
    assert left < 1e-6
    assert faults.broken(faults.products(limbs)) > 0.3


@pytest.mark.parametrize(("one", "other"), [(a, b) for b in range(6) for a in range(b)])
def test_two_leads_in_each_others_place_are_named(one, other):
    """All fifteen pairs."""
    limbs = LIMBS.copy()
    limbs[[one, other]] = limbs[[other, one]]
    left, kind, names = faults.mistake(faults.products(limbs))
    assert (kind, names) == ("swapped", f"{faults.LIMBS[one]}+{faults.LIMBS[other]}")
    assert left < 1e-6


def test_electrodes_of_the_arms_are_known_by_polarity():
    """I down, aVR and V6 up, at the same time; an axis to the right turns V6 too, and one lead that stands still tells nothing."""
    up = coarse(beats() + 0.01 * NOISE[0])[0]
    assert faults.arms_exchanged(np.array([-up, up, up]))[0]
    for leads in ([up, -up, up], [-up, -up, up], [-up, up, -up], [up, up, up], [-up, up, 0 * up], [up, -up, -up]):
        assert not faults.arms_exchanged(np.array(leads))[0]
    alike = faults.arms_exchanged(np.array([-up, up, up]))[1]
    assert alike == pytest.approx(-1)
