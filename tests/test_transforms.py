"""Random changes of recordings: each by its own meaning, within its range, drawn from the seed and from nothing else."""

import numpy as np
import pytest

from pqrst import transforms

CHANGES = (
    "add_noise",
    "add_noise_by_snr",
    "amplify",
    "fade",
    "stretch",
    "shift_pitch",
    "shift",
    "stretch_as_music",
    "shift_pitch_as_music",
)


def rng(seed=0):
    return np.random.default_rng(seed)


def made_up(rows=40, leads=3, samples=1000, seed=1):
    """Make up rows whose leads differ in size."""
    x = rng(seed).standard_normal((rows, leads, samples)).astype(np.float32)
    return x * np.array([1, 10, 0.1], np.float32)[:leads, None]


def waves(hertz, samples=2500, fs=500.0):
    """Give one row of one lead, a sine."""
    return np.sin(2 * np.pi * hertz * np.arange(samples) / fs)[None, None].astype(np.float32)


def frequency(lead, fs=500.0):
    """Find the strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(lead * np.hanning(len(lead)), 2**16))
    return np.argmax(spectrum) * fs / 2**16


def decibels(ratio):
    return 20 * np.log10(ratio)


def rms(x):
    return np.sqrt(np.square(x).mean(axis=-1))


class Fixed:
    """Stand for a generator whose uniform numbers are all one number."""

    def __init__(self, value):
        self.value = value

    def uniform(self, low, high, size):
        assert low <= self.value <= high
        return np.full(size, self.value)


def test_noise_has_a_deviation_within_its_range():
    """Draw deviations between .001 and .01, one for each row and alike in its leads, all over the range."""
    x = made_up(200)
    added = transforms.add_noise(x, rng()) - x
    found = added.astype(np.float64).std(axis=2)
    assert found[:, 2].min() == pytest.approx(0.001, rel=0.15)
    assert found[:, 2].max() == pytest.approx(0.01, rel=0.15)
    assert found[:, 0] == pytest.approx(found[:, 2], rel=0.2)
    assert added.mean() == pytest.approx(0, abs=1e-4)


def test_noise_lies_so_many_decibels_below_each_lead():
    """Measure 3 to 12 dB in every lead, however large it is, and the same in the leads of a row."""
    x = made_up(200)
    found = decibels(rms(x) / rms(transforms.add_noise_by_snr(x, rng()) - x))
    assert found.min() == pytest.approx(3, abs=0.5)
    assert found.max() == pytest.approx(12, abs=0.5)
    assert found[:, 0] == pytest.approx(found[:, 1], abs=0.8)
    assert found.std(axis=0).min() > 2


def test_a_flat_lead_gets_no_noise_by_its_own_size():
    """Leave zeros as they are."""
    assert not transforms.add_noise_by_snr(np.zeros((2, 1, 50), np.float32), rng()).any()


def test_gain_in_decibels():
    """Measure −10 to 10 dB, one number for all leads and samples of a row; 6.02 dB doubles."""
    x = made_up(300)
    found = decibels(transforms.amplify(x, rng()) / x)
    assert found.min() == pytest.approx(-10, abs=0.2)
    assert found.max() == pytest.approx(10, abs=0.2)
    assert np.ptp(found, axis=(1, 2)).max() < 1e-3
    assert np.allclose(transforms.amplify(x, Fixed(20 * np.log10(2))), 2 * x, rtol=1e-6)


def test_a_fade_passes_evenly_from_one_gain_to_another():
    """Find a constant gain, a straight passage in decibels of 50 to 200 samples, and another constant gain."""
    found = decibels(transforms.fade(np.ones((500, 2, 1000), np.float32), rng()))
    assert np.array_equal(found[:, 0], found[:, 1])
    assert found.min() == pytest.approx(-15, abs=0.3)
    assert found.max() == pytest.approx(15, abs=0.3)
    steps = np.diff(found[:, 0].astype(np.float64))
    moving = np.abs(steps) > 1e-4
    whole = moving & ~moving[:, [0]] & ~moving[:, [-1]]  # of rows that hold their whole passage
    lengths = whole.sum(axis=1)[whole.any(axis=1)]
    assert (lengths.min(), lengths.max()) == (pytest.approx(49, abs=3), pytest.approx(199, abs=3))
    for row in np.flatnonzero(whole.any(axis=1)):
        places = np.flatnonzero(whole[row])
        assert np.array_equal(places, np.arange(places[0], places[-1] + 1))
        assert steps[row, places] == pytest.approx(steps[row, places[0]], abs=2e-4)
    assert (~moving.any(axis=1)).sum() < 25  # few passages lie wholly outside, or between gains alike
    assert (moving[:, 0] | moving[:, -1]).sum() > 20  # some are under way where the row begins or ends


@pytest.mark.parametrize("samples", [1, 2, 30])
def test_a_row_shorter_than_a_passage_is_taken(samples):
    """Give finite numbers."""
    assert np.isfinite(transforms.fade(np.ones((50, 1, samples), np.float32), rng())).all()


@pytest.mark.parametrize(("rate", "last"), [(0.8, 2500), (1.0, 2500), (1.25, 2000)])
def test_a_faster_row_has_its_waves_faster_and_ends_in_zeros(rate, last):
    """Multiply 10 Hz by the rate, bring sample 1,000 to 1,000 / rate, and fill what is left on the right."""
    out = transforms.stretch(waves(10), Fixed(rate))
    assert out.shape == (1, 1, 2500)
    assert frequency(out[0, 0, :last]) == pytest.approx(10 * rate, rel=0.01)
    assert not out[..., last:].any()
    peak = np.exp(-0.5 * ((np.arange(2500) - 1000) / 10) ** 2)[None, None].astype(np.float32)
    moved = transforms.stretch(peak, Fixed(rate))[0, 0]
    assert np.argmax(moved) == pytest.approx(1000 / rate, abs=1)
    assert moved.max() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("count", "last"), [(-4.0, 2500), (0.0, 2500), (4.0, 1985)])
def test_a_pitch_multiplies_frequencies_and_fills_the_row(count, last):
    """Turn 10 Hz into 10 · 2^(n/12), and begin again where the row has become too short."""
    out = transforms.shift_pitch(waves(10), Fixed(count))[0, 0]
    assert out.shape == (2500,)
    assert frequency(out[:last]) == pytest.approx(10 * 2 ** (count / 12), rel=0.01)
    assert np.array_equal(out[last:], out[: 2500 - last])


def test_a_shift_moves_the_row_around_its_end():
    """Roll all leads of a row by the same number of samples, at most half the row, either way."""
    x = np.arange(100, dtype=np.float32)[None, None].repeat(400, 0).repeat(2, 1)
    out = transforms.shift(x, rng())
    moved = np.argmin(out, axis=2)  # where the first sample went
    assert np.array_equal(moved[:, 0], moved[:, 1])
    assert all(np.array_equal(out[row, 1], np.roll(x[row, 1], moved[row, 1])) for row in range(400))
    signed = np.where(moved[:, 0] > 50, moved[:, 0] - 100, moved[:, 0])
    assert (signed.min(), signed.max()) == (pytest.approx(-50, abs=2), pytest.approx(50, abs=2))
    assert transforms.shift(x, Fixed(0.25))[0, 0, 25] == 0


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_a_vocoder_changes_the_length_and_no_frequency(rate):
    """Keep 10 Hz over T / rate samples."""
    out = transforms.vocoded(waves(10)[0], rate)
    assert out.shape == (1, round(2500 / rate))
    assert frequency(out[0]) == pytest.approx(10, rel=0.01)
    assert rms(out[0, 300:-300]) == pytest.approx(rms(waves(10)[0, 0]), rel=0.1)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.8, [1.3406, -1.2795, 1.4454, -0.054, -0.8845, 0.5366, -1.2026, -2.0861]),
        (1.25, [1.2524, -1.2822, 1.4506, 0.3501, -0.6961, 0.6384, -0.4031, -2.5123]),
    ],
)
def test_a_vocoder_does_as_librosa_does(rate, expected):
    """Give what librosa 0.10.2 gave for samples 100, 400, … 2,200 of a tone, swelling, and one that rises."""
    n = np.arange(3000)
    row = (np.sin(n / 11) * (1 + n / 3000) + np.cos(n**2 / 90000)).astype(np.float32)[None]
    assert transforms.vocoded(row, rate)[0, 100:2400:300] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("samples", [80, 2048, 2500])
def test_a_vocoder_at_the_same_tempo_changes_nothing(samples):
    """Take windows apart and lay them together again."""
    row = made_up(1, 3, samples)[0]
    assert transforms.vocoded(row, 1.0) == pytest.approx(row, abs=1e-5)


def test_the_tempo_of_music_keeps_frequencies_and_its_pitch_keeps_the_length():
    """Keep 10 Hz and end in zeros after 2,000 of 2,500 samples; or make 10 Hz 12.6 Hz throughout."""
    faster, higher = (getattr(transforms, name) for name in ("stretch_as_music", "shift_pitch_as_music"))
    out = faster(waves(10), Fixed(1.25))[0, 0]
    assert frequency(out[:2000]) == pytest.approx(10, rel=0.01)
    assert not out[2000:].any()
    out = higher(waves(10), Fixed(4.0))[0, 0]
    assert frequency(out[:1250]) == pytest.approx(12.6, rel=0.01)
    assert frequency(out[1250:]) == pytest.approx(12.6, rel=0.01)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_keeps_the_shape_and_its_rows_apart(name):
    """Give as many rows, leads and samples, finite, leave the input alone, and draw for each row anew."""
    x = made_up(1, 2, 700).repeat(4, 0)
    before = x.copy()
    out = getattr(transforms, name)(x, rng())
    assert out.shape == x.shape
    assert np.isfinite(out).all()
    assert np.array_equal(x, before)
    assert not np.array_equal(out[0], out[1])
    assert not np.array_equal(out[0], x[0])


@pytest.mark.parametrize("published", [False, True])
def test_no_probability_no_change(published):
    """Give the rows themselves at p = 0, as a copy."""
    x = made_up(20)
    out = transforms.transform(x, rng(), 0, published)
    assert np.array_equal(out, x)
    assert not np.shares_memory(out, x)


@pytest.mark.parametrize("published", [False, True])
def test_the_seed_decides_all(published):
    """Repeat the same changes from the same seed, and make others from another; float32, and the input as it was."""
    x = made_up(12)
    before = x.copy()
    first, again, other = (transforms.transform(x, rng(seed), 0.5, published) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert first.shape == x.shape
    assert np.array_equal(x, before)
    assert np.isfinite(first).all()


def test_each_change_is_made_with_its_probability(monkeypatch):
    """Hand each of the seven changes about a fifth of the rows by default, and all of them at p = 1, in order."""
    given = []
    for name in CHANGES:
        monkeypatch.setattr(transforms, name, lambda x, _, name=name: given.append((name, len(x))) or x)
    transforms.transform(made_up(2000, 1, 4), rng())
    assert [name for name, _ in given] == list(CHANGES[:7])
    assert [rows for _, rows in given] == pytest.approx([400] * 7, abs=60)
    given.clear()
    transforms.transform(made_up(5, 3, 4), rng(), 1, published=True)
    first, last = CHANGES[:4], ("stretch_as_music", "shift_pitch_as_music", "shift")
    assert given == [(name, 15) for name in (*first, *last)]


def test_about_a_fifth_of_the_rows_stays_as_it_is():
    """Leave .8^7 of the rows untouched."""
    x = made_up(3000, 1, 60)
    same = (transforms.transform(x, rng()) == x).all(axis=(1, 2)).mean()
    assert same == pytest.approx(0.8**7, abs=0.03)


def test_leads_stay_together_unless_as_published(monkeypatch):
    """Change two equal leads alike but for noise; in the published form each by itself."""
    for name in ("add_noise", "add_noise_by_snr"):
        monkeypatch.setattr(transforms, name, lambda x, _: x)
    x = made_up(100, 1, 300).repeat(2, 1)
    ours, theirs = (transforms.transform(x, rng(), 0.2, published) for published in (False, True))
    assert np.array_equal(ours[:, 0], ours[:, 1])
    apart = (theirs[:, 0] != theirs[:, 1]).any(axis=1)
    assert apart.mean() == pytest.approx(1 - 0.8**10, abs=0.1)  # five changes, of either lead
