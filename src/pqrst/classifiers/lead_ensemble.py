"""Boosted trees over plain statistics of each lead and over codes of the whole signal.

Seven numbers a lead: mean, median, standard deviation, range, interquartile range, skewness and excess kurtosis, the last
two 0 for a flat lead. Where each row is standardised by itself, mean and deviation are the same for all rows and say
nothing: fit the standardisation on train rows instead.

Published for SPH (31 classes): accuracy about .813, with the codes of a variational auto-encoder and of a residual network
in place of ours. Source of the combination: github.com/ScaleMind-C9308A/HeartResearch; arXiv:2407.20249. How its trees are
boosted is not known to us: the settings below are ours.

>>> p = Params(components=4, iterations=5)
>>> x, y = np.random.default_rng(0).standard_normal((60, 1 + 2 * 100)), np.arange(60) % 2
>>> build(("age",), ("healthy", "sick"), 0, p, (2, 100)).fit(x, y).predict_proba(x).shape
(60, 2)
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from pqrst.classifiers import _signals
from pqrst.classifiers._signals import Codes, EveryClass
from pqrst.parsing import Between

ACCEPTS = "signal"
SIDE = ()
TASKS = ("single",)
TRUSTED = (  # types of this estimator that a file may hold
    *_signals.TRUSTED,
    "pqrst.classifiers.lead_ensemble.spectra",
    "pqrst.classifiers.lead_ensemble.statistics",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
Count = Annotated[int, Between(1)]


@dataclass(frozen=True)
class Params:
    """The spectrum that is coded, the codes kept of it, and the trees."""

    frequencies: Count = 128  # of the spectrum: 1, 2, ... whole waves in a row
    components: Count = 32
    learning_rate: Annotated[float, Between(0)] = 0.1
    iterations: Count = 100  # each one tree a class
    column_share: Annotated[float, Between(0.001, 1)] = (
        0.5  # of the columns, that a split chooses from; the seed draws it
    )
    leaves: Annotated[int, Between(2)] = 15
    least_rows: Count = 20  # of a leaf
    l2: Annotated[float, Between(0)] = 1.0


def measures(lead_matrix: np.ndarray) -> np.ndarray:
    """Give the seven statistics of each lead of a signal (leads, T): (leads * 7,)."""
    x = lead_matrix.astype(np.float64)
    low, lower_quarter, median, upper_quarter, high = np.percentile(x, (0, 25, 50, 75, 100), axis=1)
    varies, mean = high > low, x.mean(axis=1)
    centred = np.where(varies[:, None], x - mean[:, None], 0)  # exactly, which the mean of a constant need not be
    deviation = np.sqrt((centred**2).mean(axis=1))
    scaled = centred / np.where(varies, deviation, 1)[:, None]
    square = scaled * scaled  # a power would take ten times as long
    skewness, kurtosis = (square * scaled).mean(axis=1), np.where(varies, (square * square).mean(axis=1) - 3, 0)
    spread = [deviation, high - low, upper_quarter - lower_quarter]
    return np.stack([mean, median, *spread, skewness, kurtosis], axis=1).ravel()


def spectrum(lead_matrix: np.ndarray, frequencies: int) -> np.ndarray:
    """Give the lowest frequencies of each lead of a signal (leads, T), as ln(1 + amplitude): (leads * frequencies,)."""
    amplitude = np.abs(np.fft.rfft(lead_matrix, axis=1))[:, 1 : frequencies + 1] / np.sqrt(lead_matrix.shape[1])
    return np.log1p(amplitude).ravel()


def statistics(x: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Give the statistics of the samples: (rows, columns + leads * T) to (rows, leads * 7)."""
    return _signals.by_row(x, shape, measures)


def spectra(x: np.ndarray, shape: tuple[int, int], frequencies: int) -> np.ndarray:
    """Give the spectra of the samples: (rows, columns + leads * T) to (rows, leads * frequencies), fewer where T is short."""
    return _signals.by_row(x, shape, partial(spectrum, frequencies=frequencies))


def build(
    columns: tuple[str, ...], classes: tuple[str, ...], seed: int, p: Params, shape: tuple[int, int]
) -> EveryClass:
    """Build the estimator for signals (leads, T) with these columns beside them."""
    # Differs: principal components of the spectra in place of two networks' codes. A linear code of the samples
    # themselves depends on where in a beat the recording begins; that of a spectrum does not.
    given = {"shape": shape, "frequencies": p.frequencies}
    codes = Pipeline(
        [("spectra", FunctionTransformer(spectra, kw_args=given)), ("codes", Codes(p.components, scaled=False))]
    )
    hand = FunctionTransformer(statistics, kw_args={"shape": shape})
    trees = HistGradientBoostingClassifier(
        learning_rate=p.learning_rate, max_iter=p.iterations, max_leaf_nodes=p.leaves, min_samples_leaf=p.least_rows,
        l2_regularization=p.l2, max_features=p.column_share, early_stopping=False, random_state=seed,
    )  # fmt: skip
    join = _signals.joined(len(columns), {"statistics": hand, "codes": codes})
    return EveryClass(Pipeline([("join", join), ("trees", trees)]), len(classes))
