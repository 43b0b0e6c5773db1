"""The classifiers that take signals, on made-up waves, and the numbers that they make of a signal."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from sklearn.decomposition import PCA

from pqrst.classifiers import deep_feature, lead_ensemble
from pqrst.classifiers._signals import Codes, joined

MODULES = pytest.mark.parametrize("module", [deep_feature, lead_ensemble])
SMALL = {
    deep_feature: deep_feature.Params(kernels=60, trees=20),
    lead_ensemble: lead_ensemble.Params(frequencies=20, components=6, iterations=12, leaves=4, least_rows=2),
}
CLASSES = ("slow", "fast", "sharp", "tall")
COLUMNS = ("age", "rate")
SHAPE = (2, 120)
# two kernels on one lead, then their biases
PINNED = [
    2.387938, -0.294925, 0.066777, 1.539648, -0.952066, -0.63447, 0.14477, -0.372703, -1.235598, -0.24771, -0.401662,
    0, 0.222865, -0.314671, 0.671866, 1.370929, -0.440011, -0.005742, -0.013541, -1.239798, -0.251898, 0,
    0.991978, -0.045197,
]  # fmt: skip


def waves(rows=120, shape=SHAPE, classes=(0, 1, 2, 3), columns=COLUMNS):
    """Make up rows: waves of any phase that are slow, fast, sharp or tall, with noise, and beside them numbers by chance."""
    rng = np.random.default_rng(0)
    y = np.array(classes)[np.arange(rows) % len(classes)]
    turns = np.linspace(0, 1, shape[1], endpoint=False) * np.array([4, 9, 4, 4])[y][:, None, None]
    wave = np.sin(2 * np.pi * (turns + rng.random((rows, 1, 1)))).repeat(shape[0], axis=1)  # (rows, leads, T)
    wave = np.where(y[:, None, None] == 2, wave**9, wave) * np.where(y == 3, 3, 1)[:, None, None]
    wave += 0.1 * rng.standard_normal(wave.shape)
    beside = rng.standard_normal((rows, len(columns)))
    return np.column_stack([beside, wave.reshape(rows, -1)]).astype(np.float32), y


def fitted(module, rows=None, columns=COLUMNS, shape=SHAPE, seed=0):
    """Build a small classifier and fit it to rows, the made-up waves where none are given."""
    x, y = waves() if rows is None else rows
    return module.build(columns, CLASSES, seed, SMALL[module], shape).fit(x, y)


def assert_probabilities(p, rows):
    """Check that each row has finite probabilities of all classes, with 1 as their sum."""
    assert p.shape == (rows, len(CLASSES))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.fixture(scope="module")
def trained():
    """Give each classifier, fitted once to the made-up waves."""
    return {module: fitted(module) for module in SMALL}


@MODULES
def test_a_classifier_says_what_it_takes(module):
    """Take signals, need nothing beside them, and name types only as text."""
    assert (module.ACCEPTS, module.SIDE, module.TASKS) == ("signal", (), ("single",))
    assert all(isinstance(kind, str) for kind in module.TRUSTED)


@MODULES
def test_waves_are_told_apart(module, trained):
    """Tell slow, fast, sharp and tall waves of any phase from each other, in rows that it has not seen."""
    x, y = waves(300)
    unseen = slice(120, None)
    assert (trained[module].predict_proba(x[unseen]).argmax(axis=1) == y[unseen]).mean() > 0.9


@MODULES
def test_numbers_beside_the_signal_are_used(module):
    """Learn a class that only a number beside the row tells, though some of the numbers are missing."""
    x, y = waves(200, classes=(0, 1))
    rng = np.random.default_rng(1)
    signal, told = x[:, len(COLUMNS) :], (y - 0.5) * 8 + rng.standard_normal(200)
    signal[:] = rng.standard_normal(signal.shape)
    x[:, 1] = np.where(np.arange(200) % 10 == 7, np.nan, told)
    p = fitted(module, (x[:140], y[:140])).predict_proba(x[140:])
    known = np.isfinite(x[140:, 1])
    assert (p.argmax(axis=1) == y[140:])[known].mean() > 0.9


@MODULES
def test_probabilities_do_not_depend_on_the_other_rows(module, trained):
    """Give a row the same probabilities alone as among others: nothing is fitted anew to a batch."""
    x, _ = waves()
    p = trained[module].predict_proba(x)
    assert_probabilities(p, len(x))
    np.testing.assert_array_equal(trained[module].predict_proba(x[7:8]), p[7:8])


@MODULES
def test_the_seed_decides(module, trained):
    """Fit the same estimator again from its seed, and another from the next."""
    x, _ = waves()
    one, again, other = (e.predict_proba(x) for e in (trained[module], fitted(module), fitted(module, seed=1)))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@MODULES
def test_fitting_leaves_the_rows_alone(module):
    """Change neither the rows nor their labels, even where numbers and samples are missing."""
    x, y = waves()
    x[3, [0, 5]] = np.nan
    kept = x.copy(), y.copy()
    fitted(module, (x, y)).predict_proba(x)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(y, kept[1])


@MODULES
@pytest.mark.parametrize("columns", [COLUMNS, ()])
@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (1, 3), (2,)])
def test_a_file_of_trusted_types_gives_the_same_probabilities(module, columns, classes):
    """Write with skops, read back trusting only the types that the module names, and predict the same bits."""
    import skops.io

    x, y = waves(classes=classes, columns=columns)
    estimator = fitted(module, (x, y), columns)
    written = skops.io.dumps(estimator)
    assert set(skops.io.get_untrusted_types(data=written)) <= set(module.TRUSTED)
    again = skops.io.loads(written, trusted=list(module.TRUSTED))
    np.testing.assert_array_equal(again.predict_proba(x), estimator.predict_proba(x))


@MODULES
def test_a_file_does_not_grow_with_the_samples(module):
    """Keep the places of the samples out of the file; they would make up nine tenths of it."""
    import skops.io

    sizes = []
    for samples in (120, 1200):
        shape = (2, samples)
        sizes.append(len(skops.io.dumps(fitted(module, waves(40, shape), shape=shape))))
    assert sizes[1] < 1.2 * sizes[0]


@MODULES
def test_every_trusted_type_is_used(module, trained):
    """Trust no type that a file does not hold."""
    import skops.io

    assert set(module.TRUSTED) == set(skops.io.get_untrusted_types(data=skops.io.dumps(trained[module])))


@MODULES
@pytest.mark.parametrize("classes", [(0, 1, 2), (1, 2, 3), (0, 3), (2,)])
def test_a_class_without_a_train_row_has_no_probability(module, classes):
    """Fit where classes are missing, and never predict those."""
    p = fitted(module, waves(classes=classes)).predict_proba(waves()[0])
    assert_probabilities(p, 120)
    assert (p[:, [place for place in range(len(CLASSES)) if place not in classes]] == 0).all()
    assert (p.argmax(axis=1)[np.isin(waves()[1], classes)] == waves()[1][np.isin(waves()[1], classes)]).mean() > 0.9


@MODULES
def test_a_class_of_one_row_is_learnt(module):
    """Fit where a class has a single row, and give it some probability there."""
    x, y = waves(classes=(0, 1))
    y[11] = 3
    p = fitted(module, (x, y)).predict_proba(x)
    assert_probabilities(p, len(x))
    assert p[11, 3] > 0
    assert (p[:, 2] == 0).all()


@MODULES
def test_missing_samples_count_as_zero(module, trained):
    """Predict the same with missing and infinite samples as with zeros in their place."""
    x, _ = waves(8)
    x[:, 2:] *= np.arange(x.shape[1] - 2) % 7 != 0
    gaps = x.copy()
    gaps[:, 2:][:, ::7] = np.nan
    gaps[:4, 2] = np.inf
    np.testing.assert_array_equal(trained[module].predict_proba(gaps), trained[module].predict_proba(x))


@MODULES
def test_a_missing_number_counts_as_the_train_median(module, trained):
    """Predict the same without a number as with the median of its column."""
    x, _ = waves()
    filled, gaps = x[:9].copy(), x[:9].copy()
    gaps[:, 1], filled[:, 1] = np.nan, np.median(x[:, 1])
    np.testing.assert_array_equal(trained[module].predict_proba(gaps), trained[module].predict_proba(filled))


@MODULES
def test_empty_rows_and_columns_are_fitted(module):
    """Fit where a column has no number, a lead is flat in every row, and a row holds nothing at all."""
    x, y = waves()
    x[:, 0], x[:, 2 : 2 + SHAPE[1]], x[5] = np.nan, 0.1, np.nan
    p = fitted(module, (x, y)).predict_proba(x)
    assert_probabilities(p, len(x))


@MODULES
@pytest.mark.parametrize("value", [0.0, 0.1, np.nan])
def test_signals_that_are_all_flat_are_fitted(module, value):
    """Fit where all leads of all rows are the same number, and give the shares of the classes."""
    x, y = waves(columns=())
    estimator = fitted(module, (np.full_like(x, value), y), ())
    np.testing.assert_allclose(estimator.predict_proba(np.full_like(x[:3], value)), 0.25, atol=0.1)


@MODULES
@pytest.mark.parametrize("shape", [(1, 187), (1, 9), (12, 60)])
def test_signals_of_any_shape_are_taken(module, shape):
    """Take one lead or twelve, a beat, and even a few samples."""
    x, y = waves(40, shape)
    assert_probabilities(fitted(module, (x, y), shape=shape).predict_proba(x), 40)


@MODULES
def test_fewer_rows_than_components_are_fitted(module):
    """Fit five rows, from which fewer components follow than are asked for."""
    x, y = waves(5)
    assert_probabilities(fitted(module, (x, y)).predict_proba(x), 5)


def test_no_step_is_made_for_no_columns():
    """Leave the numbers out of the steps where nothing stands beside the rows."""
    assert [name for name, _ in joined(0, {"codes": "passthrough"}).transformer_list] == ["codes"]
    assert [name for name, _ in joined(1, {"codes": "passthrough"}).transformer_list] == ["beside", "codes"]


@pytest.mark.parametrize("scaled", [False, True])
def test_codes_are_principal_components(scaled):
    """Agree with scikit-learn's components by another way of finding them, up to their signs."""
    x = np.random.default_rng(0).standard_normal((30, 6)) * np.arange(1, 7)
    given = (x - x.mean(axis=0)) / (x.std(axis=0) if scaled else 1)
    expected = PCA(3, svd_solver="full").fit_transform(given)
    np.testing.assert_allclose(np.abs(Codes(3, scaled=scaled).fit(x).transform(x)), np.abs(expected))


def test_codes_of_a_row_are_the_same_bits_alone():
    """Round no code otherwise for the rows beside it."""
    x = np.random.default_rng(0).standard_normal((300, 1000)).astype(np.float32)
    codes = Codes(11, scaled=True).fit(x)
    np.testing.assert_array_equal(np.concatenate([codes.transform(row[None]) for row in x]), codes.transform(x))


@pytest.mark.parametrize(("rows", "features", "expected"), [(30, 6, 4), (3, 6, 3), (30, 2, 2)])
def test_codes_are_as_many_as_can_be(rows, features, expected):
    """Keep no more components than there are rows or features."""
    x = np.random.default_rng(0).standard_normal((rows, features))
    assert Codes(4, scaled=True).fit(x).transform(x).shape == (rows, expected)


def test_a_kernel_is_laid_over_a_signal_by_hand():
    """Take every second sample, zeros before and after: of 1 to 5, the one two later less the one two earlier."""
    found = deep_feature.convolve(np.array([[1.0, 2, 3, 4, 5]]), np.array([[[-1.0, 0, 1]]]), 2)
    np.testing.assert_array_equal(found, [[3, 4, 4, -2, -3]])


@pytest.mark.parametrize("dilation", [1, 4, 16])
def test_kernels_are_laid_as_torch_lays_them(dilation):
    """Agree with torch's dilated convolution over several leads."""
    rng = np.random.default_rng(0)
    signal, weights = rng.standard_normal((3, 50)), rng.standard_normal((5, 3, 11))
    peer = torch.nn.functional.conv1d(
        torch.from_numpy(signal)[None], torch.from_numpy(weights), padding=5 * dilation, dilation=dilation
    )
    np.testing.assert_allclose(deep_feature.convolve(signal, weights, dilation), peer[0].numpy(), atol=1e-12)


def test_responses_are_the_largest_and_the_share_above_zero():
    """Give the largest response of each kernel after its bias, then the share above zero, bank by bank."""
    plain = np.array([[[0.0, 1, 0]], [[0, -1, 0]]])
    banks = [deep_feature.Bank(1, plain, np.array([[0.0], [2.5]])), deep_feature.Bank(2, plain[:1], np.array([[-3.0]]))]
    found = deep_feature.responses(np.array([[1.0, 2, 3, 4]]), banks)
    np.testing.assert_allclose(found, [4, 1.5, 1, 0.5, 1, 0.25])


def test_kernels_are_drawn_as_described():
    """Draw all kernels, on some leads, 7, 9 or 11 taps long in the middle, centred, with dilations that fit the signal."""
    banks = deep_feature.draw((12, 2500), 400, 0)
    assert [bank.dilation for bank in banks] == [1, 2, 4, 8, 16, 32, 64, 128]  # 256 × 10 is longer than the signal
    weights, biases = (np.concatenate([getattr(bank, name) for bank in banks]) for name in ("weights", "biases"))
    assert (weights.shape, biases.shape) == ((400, 12, 11), (400, 1))
    seen = (weights != 0).any(axis=2)
    assert set(np.unique(seen.sum(axis=1))) == set(range(1, 13))
    assert set((weights[seen] != 0).sum(axis=1)) == {7, 9, 11}
    np.testing.assert_array_equal(weights != 0, weights[:, :, ::-1] != 0)
    np.testing.assert_allclose(weights.sum(axis=2), 0, atol=1e-5)
    assert -1 <= biases.min() < -0.9 < 0.9 < biases.max() <= 1


def test_kernels_stay_the_same_for_a_seed():
    """Make the kernels again that a file was learnt with: numbers of today's versions."""
    (bank,) = deep_feature.draw((1, 9), 2, 5)
    found = np.concatenate([bank.weights.ravel(), bank.biases.ravel()])
    np.testing.assert_allclose(found, PINNED, atol=1e-6)


def test_measures_of_a_small_signal_by_hand():
    """Measure 0, 0, 0, 4 and a flat lead."""
    # mean 1, squares 3 × 1 + 9 over 4 = 3, cubes (-3 + 27) / 4 = 6, fourth powers (3 + 81) / 4 = 21
    expected = [1, 0, math.sqrt(3), 4, 1, 6 / 3**1.5, 21 / 9 - 3, 0.1, 0.1, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(lead_ensemble.measures(np.array([[0, 0, 0, 4], [0.1] * 4])), expected, atol=1e-12)


def test_measures_are_those_of_scipy():
    """Agree with scipy and numpy on noise."""
    x = np.random.default_rng(0).gamma(2, size=(3, 500)).astype(np.float32)
    wide = x.astype(np.float64)
    expected = [
        wide.mean(1), np.median(wide, 1), wide.std(1), np.ptp(wide, 1), scipy.stats.iqr(wide, 1),
        scipy.stats.skew(wide, 1), scipy.stats.kurtosis(wide, 1),
    ]  # fmt: skip
    np.testing.assert_allclose(lead_ensemble.measures(x).reshape(3, 7), np.stack(expected, 1))


@pytest.mark.parametrize("value", [0.1, -3e7, 1e-30])
def test_a_flat_lead_has_no_shape(value):
    """Give a constant that no sum of it divides back to the deviation, skewness and kurtosis 0."""
    found = lead_ensemble.measures(np.full((1, 2500), value, np.float32))
    np.testing.assert_array_equal(found[2:], 0)
    np.testing.assert_allclose(found[:2], np.float32(value))


def test_a_wave_has_one_frequency():
    """Give a wave of amplitude 3 that fits five times into 100 samples one number: half of 3 × √100."""
    wave = 3 * np.sin(2 * np.pi * 5 * np.arange(100) / 100)
    expected = np.zeros((2, 8))
    expected[0, 4] = math.log(1 + 15)
    found = lead_ensemble.spectrum(np.stack([wave + 7, np.full(100, 7.0)]), 8)
    np.testing.assert_allclose(found.reshape(2, 8), expected, atol=1e-12)


def test_a_spectrum_does_not_know_when_the_recording_began():
    """Leave the spectrum of a signal the same when it is turned in time."""
    x = np.random.default_rng(0).standard_normal((2, 90))
    one, two = (lead_ensemble.spectrum(turned, 40) for turned in (x, np.roll(x, 17, axis=1)))
    np.testing.assert_allclose(one, two)
