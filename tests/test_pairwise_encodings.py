"""Gramian angular field, Markov transition field and recurrence plot: by hand, and against pyts."""

import importlib

import numpy as np
import pytest
import torch

from pqrst.encodings import gramian, markov, recurrence
from pqrst.errors import SettingsError
from pqrst.parsing import parse

FS = 360.0  # Hz
MODULES = {"gramian": gramian, "markov": markov, "recurrence": recurrence}
RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=(3, 187))
SIGNALS = {
    "noise": NOISE,
    "walk": NOISE.cumsum(axis=1),
    "converter": np.round(NOISE * 20) / 200,  # steps of 5 µV, so that many samples are equal
    "clipped": NOISE.clip(-0.3, 0.3),
    "flat": np.full((2, 187), 0.1),
}


@pytest.fixture(scope="module")
def peer():
    """Give pyts.image, not compiled: that would take a minute, and changes none of its numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("numba.config.DISABLE_JIT", 1)
        yield importlib.import_module("pyts.image")


def draw(module, x, **settings):
    """Draw leads (leads, T) as one row."""
    return module.encode(torch.as_tensor(x).unsqueeze(0), FS, module.Params(**settings))[0].numpy()


def test_gramian_fields_by_hand():
    """Take 0, 1, 2 as the cosines −1, 0, 1: the angles π, π/2 and 0."""
    x = [[0.0, 1.0, 2.0]]
    assert draw(gramian, x, size=0)[0].tolist() == [[1, 0, -1], [0, -1, 0], [-1, 0, 1]]
    assert draw(gramian, x, size=0, method="difference")[0].tolist() == [[0, 1, 0], [-1, 0, 1], [0, -1, 0]]
    halves = draw(gramian, [[0.0, 0.0, 1.0, 3.0]], size=2, low=0)  # the cosines 0 and 1: a right angle, and none
    assert halves[0].tolist() == [[-1, 0], [0, 1]]


@pytest.mark.parametrize("x", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("size", [1, 17, 64, 187])
@pytest.mark.parametrize("method", ["summation", "difference"])
@pytest.mark.parametrize("ends", [(-1.0, 1.0), (0.0, 1.0), (-0.5, 0.7)])
def test_gramian_fields_are_those_of_pyts(peer, x, size, method, ends):
    """Agree to 1e-6, whether the signal came in double precision or in single."""
    x = x.astype(np.float32)
    expected = peer.GramianAngularField(size, sample_range=ends, method=method).transform(x.astype(np.float64))
    settings = {"size": size, "method": method, "low": ends[0], "high": ends[1]}
    for given in (x, x.astype(np.float64)):
        np.testing.assert_allclose(draw(gramian, given, **settings), expected, rtol=0, atol=1e-6)


def test_the_gradient_of_a_gramian_field_is_that_of_its_formula():
    """Agree with differences, where the smallest and the largest value stay the same two."""
    x = torch.tensor([[[0.3, -1.2, 0.4, 2.0, 1.1]]], dtype=torch.float64, requires_grad=True)
    for low in (-1.0, -0.5):
        torch.autograd.gradcheck(lambda x, low=low: gramian.angles(x, low, 0.9), x)


def test_a_markov_field_by_hand():
    """Put 0 to 7 into bins of two: each stays or goes on at even odds, and the last stays."""
    x = np.arange(8.0)[None]
    for strategy in ("quantile", "uniform"):
        assert draw(markov, x, size=2, bins=4, strategy=strategy)[0].tolist() == [[0.375, 0.125], [0, 0.5]]
    assert draw(markov, [[0.0, 1.0, 0.0]], size=0, bins=2)[0].tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_bins_by_hand():
    """Keep a sample on a border below it, and give values that are equal one bin, however many quantiles they hold."""
    x = torch.tensor([[0.0, 1, 2, 3, 4], [5, 5, 5, 5, 9]], dtype=torch.float64)
    assert markov.binned(x, 4, "uniform").tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 0, 3]]
    assert markov.binned(x, 4, "quantile").tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 0, 1]]
    twice = torch.tensor([0.0, 1, 2, 5, 5, 5, 5, 9], dtype=torch.float64)  # borders at 1.75, 5 and 5
    assert markov.binned(twice, 4, "quantile").tolist() == [0, 0, 1, 1, 1, 1, 1, 2]
    leads = torch.tensor([-1.0, -0.6, 0.6, 1.0]).expand(2, 3, 4)  # quartiles at -0.674, 0 and 0.674
    assert markov.binned(leads, 4, "normal").tolist() == [[[0, 1, 2, 3]] * 3] * 2
    assert markov.binned(x - 2, 2, "normal").tolist() == [[0, 0, 0, 1, 1], [1, 1, 1, 1, 1]]


@pytest.mark.filterwarnings("ignore:Some quantiles are equal:UserWarning")
@pytest.mark.parametrize("x", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("size", [1, 17, 64, 187])
@pytest.mark.parametrize("strategy", ["quantile", "uniform", "normal"])
@pytest.mark.parametrize("bins", [2, 8])
def test_markov_fields_are_those_of_pyts(peer, x, size, strategy, bins):
    """Agree to 1e-6, whether the signal came in double precision or in single."""
    x = x.astype(np.float32)
    expected = peer.MarkovTransitionField(size, n_bins=bins, strategy=strategy).transform(x.astype(np.float64))
    for given in (x, x.astype(np.float64)):
        found = draw(markov, given, size=size, bins=bins, strategy=strategy)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_markov_field_has_no_gradient():
    """Say so, rather than give one that is wrong."""
    x = torch.randn(1, 1, 187, requires_grad=True)
    assert not markov.encode(x, FS, markov.Params()).requires_grad


def test_recurrence_plots_by_hand():
    """Measure between 0, 1, 3 along a line, and between the points (0, 1) and (1, 3) of a plane."""
    x = [[0.0, 1.0, 3.0]]
    assert draw(recurrence, x, size=0)[0].tolist() == [[0, 1, 3], [1, 0, 2], [3, 2, 0]]
    assert draw(recurrence, x, size=0, dimension=2)[0] == pytest.approx(np.sqrt([[0, 5], [5, 0]]))
    assert draw(recurrence, x, size=0, threshold=2.0)[0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert draw(recurrence, x, size=0, threshold="distance", percentage=50)[0].tolist() == [
        [1, 1, 0],
        [1, 1, 0],
        [0, 0, 1],
    ]
    point = draw(recurrence, x, size=0, threshold="point", percentage=50)  # the fifth of 0 0 0 1 1 2 2 3 3: 1
    assert point[0].tolist() == np.eye(3).tolist()


@pytest.mark.parametrize("x", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize(("dimension", "delay"), [(1, 1), (2, 1), (3, 7)])
@pytest.mark.parametrize("threshold", [None, "point", "distance", 0.3])
def test_recurrence_plots_are_those_of_pyts(peer, x, dimension, delay, threshold):
    """Agree in each pixel of distances to 1e-6, and in each pixel below a threshold, also in single precision."""
    x = x[:, :100].astype(np.float32)
    expected = peer.RecurrencePlot(dimension, delay, threshold, 12.5).transform(x.astype(np.float64))
    settings = {"size": 0, "dimension": dimension, "delay": delay, "threshold": threshold or "none", "percentage": 12.5}
    for given in (x, x.astype(np.float64)):
        np.testing.assert_allclose(draw(recurrence, given, **settings), expected, rtol=1e-6, atol=1e-6)


def test_a_long_signal_is_averaged_before_distances_are_measured():
    """Bring 5,000 samples to 64 points of three samples, 2 apart, without a picture of 5,000 × 5,000."""
    x = RANDOM.normal(size=(1, 5000))
    pieces = x[:, : 68 * 73].reshape(1, 68, 73).mean(axis=-1)
    settings = {"dimension": 3, "delay": 2}
    found = draw(recurrence, x, length=68 * 73, **settings)
    np.testing.assert_allclose(found, draw(recurrence, pieces, size=0, **settings), atol=1e-6)
    assert found.shape == (1, 64, 64)


def test_distances_of_a_short_signal_are_stretched():
    """Put straight lines between the distances of two points, and compare with the threshold after that."""
    corner = [[0, 1, 3, 4], [1, 1.5, 2.5, 3], [3, 2.5, 1.5, 1], [4, 3, 1, 0]]
    assert draw(recurrence, [[0.0, 4.0]], size=4)[0].tolist() == corner
    assert draw(recurrence, [[0.0, 4.0]], size=4, threshold=2.0)[0].tolist() == (np.array(corner) < 2).tolist()


def test_the_gradient_of_a_recurrence_plot_is_that_of_its_formula():
    """Agree with differences, but on the diagonal, where the distance is 0 and has none."""
    x = torch.tensor([[[0.3, -1.2, 0.4, 2.0, 1.1]]], dtype=torch.float64, requires_grad=True)
    apart = 1 - torch.eye(4, dtype=torch.float64)
    torch.autograd.gradcheck(lambda x: recurrence.distances(x, 2, 1) * apart, x)
    torch.autograd.gradcheck(lambda x: recurrence.distances(x[..., :4], 1, 1) * apart, x)


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("gramian", {"low": 0.5, "high": 0.5}, "encodings.gramian: low must lie below high, got 0.5 and 0.5"),
        ("gramian", {"low": -2}, "encodings.gramian.low must be between -1 and 1, got -2"),
        ("markov", {"bins": 1}, "encodings.markov.bins must be between 2 and 256, got 1"),
        (
            "markov",
            {"strategy": "even"},
            "encodings.markov.strategy must be one of quantile, uniform, normal, got 'even'",
        ),
        (
            "recurrence",
            {"threshold": "points"},
            "encodings.recurrence.threshold must be one of none, point, distance or ",
        ),
        ("recurrence", {"threshold": 0}, "encodings.recurrence: threshold must be above 0"),
        ("recurrence", {"percentage": 101}, "encodings.recurrence.percentage must be between 0 and 100, got 101"),
    ],
)
def test_settings_that_do_not_fit_are_refused(name, given, says):
    """Name the setting, in one line."""
    with pytest.raises(SettingsError) as caught:
        parse(MODULES[name].Params, given, f"encodings.{name}")
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("name", ["gramian", "markov"])
def test_a_picture_of_more_pixels_than_samples_is_refused(name):
    """Ask for a smaller one, since there is nothing between two samples to draw."""
    with pytest.raises(SettingsError, match=rf"^encodings\.{name}\.size must be at most the 40 samples .*, got 64$"):
        draw(MODULES[name], np.zeros((1, 40)))


def test_points_longer_than_the_signal_are_refused():
    """Say how many samples they need."""
    with pytest.raises(
        SettingsError, match=r"^encodings\.recurrence\.dimension 5 with delay 10 .* 40 samples, got 40$"
    ):
        draw(recurrence, np.zeros((1, 40)), dimension=5, delay=10)
