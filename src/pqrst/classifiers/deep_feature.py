"""A random forest over principal components of convolutional features and over the numbers that stand beside the signal.

Published for Chapman (11 rhythms): accuracy .7403, macro F1 .4115, with 11 components and 100 trees. Every column beside
the rows is taken: heart rates, intervals and the like, age and sex.

Source of the combination: github.com/ScaleMind-C9308A/HeartResearch; arXiv:2407.20249. Which convolution made its features
is not known to us. Ours is a bank of random kernels that are never trained, each giving its largest response and the share
of its responses above zero, after ROCKET: Dempster, Petitjean and Webb, Data Mining and Knowledge Discovery 34, 2020.

>>> p = Params(kernels=50, trees=10)
>>> x, y = np.random.default_rng(0).standard_normal((20, 1 + 2 * 100)), np.arange(20) % 2
>>> build(("age",), ("healthy", "sick"), 0, p, (2, 100)).fit(x, y).predict_proba(x).shape
(20, 2)
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_random_state

from pqrst.classifiers import _signals
from pqrst.classifiers._signals import Codes, EveryClass
from pqrst.parsing import Between

ACCEPTS = "signal"
SIDE = ()
TASKS = ("single",)
TRUSTED = (  # types of this estimator that a file may hold
    *_signals.TRUSTED,
    "pqrst.classifiers.deep_feature.features",
    "sklearn.tree._tree.Tree",
)
TAPS = (7, 9, 11)  # of a kernel, as in ROCKET
Count = Annotated[int, Between(1)]


@dataclass(frozen=True)
class Params:
    """The bank of kernels, the components kept of its features, and the forest."""

    kernels: Count = 500
    components: Count = 11
    trees: Count = 100
    least_rows: Count = 1  # of a leaf


@dataclass(frozen=True)
class Bank:
    """Kernels that take every `dilation`-th sample; a kernel is zero on the leads that it does not see."""

    dilation: int
    weights: np.ndarray  # (kernels, leads, taps)
    biases: np.ndarray  # (kernels, 1)


def draw(shape: tuple[int, int], kernels: int, seed: int) -> list[Bank]:
    """Draw the kernels for signals (leads, T), those of one dilation together."""
    # scikit-learn's generator is numpy's old one, whose numbers no later version may change: a file holds the seed alone
    rng = check_random_state(seed)
    most = int(np.log2(max(1, (shape[1] - 1) // (TAPS[-1] - 1))))
    # Differs: ROCKET has kernels of one lead, dilations of any whole number and half of the kernels unpadded; these see
    # some of the leads, all are padded, and the dilations are powers of two, so that one matrix product serves many
    dilations = 2 ** rng.randint(most + 1, size=kernels)
    weights = np.stack([_kernel(shape[0], rng) for _ in range(kernels)]).astype(np.float32)
    biases = rng.uniform(-1, 1, (kernels, 1)).astype(np.float32)
    return [Bank(int(d), weights[dilations == d], biases[dilations == d]) for d in np.unique(dilations)]


def _kernel(leads: int, rng: np.random.RandomState) -> np.ndarray:
    """Draw a kernel (leads, taps) on some of the leads, few rather than many; on each its weights sum to zero."""
    taps, seen = rng.choice(TAPS), int(2 ** rng.uniform(0, np.log2(leads + 1)))
    weights, margin = np.zeros((leads, TAPS[-1])), (TAPS[-1] - taps) // 2
    drawn = rng.standard_normal((seen, taps))
    weights[rng.choice(leads, seen, replace=False), margin : margin + taps] = drawn - drawn.mean(axis=1, keepdims=True)
    return weights


def convolve(lead_matrix: np.ndarray, weights: np.ndarray, dilation: int) -> np.ndarray:
    """Lay kernels (kernels, leads, taps) over a signal (leads, T), padded with zeros on both sides: (kernels, T)."""
    reach, samples = dilation * (weights.shape[2] // 2), lead_matrix.shape[1]
    padded = np.pad(lead_matrix, ((0, 0), (reach, reach)))
    taps = np.lib.stride_tricks.sliding_window_view(padded, samples, axis=1)[:, ::dilation]  # (leads, taps, T)
    return weights.reshape(len(weights), -1) @ taps.reshape(-1, samples)


def responses(lead_matrix: np.ndarray, banks: list[Bank]) -> np.ndarray:
    """Give each kernel's largest response to a signal (leads, T), and the share of its responses above zero."""
    found = []
    for bank in banks:
        response = convolve(lead_matrix, bank.weights, bank.dilation) + bank.biases  # (kernels, T)
        found += [response.max(axis=1), np.count_nonzero(response > 0, axis=1) / response.shape[1]]
    return np.concatenate(found)


def features(x: np.ndarray, shape: tuple[int, int], kernels: int, seed: int) -> np.ndarray:
    """Give the features of the samples: (rows, columns + leads * T) to (rows, 2 * kernels)."""
    return _signals.by_row(x, shape, partial(responses, banks=draw(shape, kernels, seed)))


def build(
    columns: tuple[str, ...], classes: tuple[str, ...], seed: int, p: Params, shape: tuple[int, int]
) -> EveryClass:
    """Build the estimator for signals (leads, T) with these columns beside them."""
    given = {"shape": shape, "kernels": p.kernels, "seed": seed}
    # Differs: random kernels in place of a convolution that is not known; and the components are found once, on train
    # rows, where the original finds them anew in each batch, so that they mean something else each time
    codes = Pipeline(
        [("convolve", FunctionTransformer(features, kw_args=given)), ("codes", Codes(p.components, scaled=True))]
    )
    forest = RandomForestClassifier(p.trees, min_samples_leaf=p.least_rows, random_state=seed)
    return EveryClass(
        Pipeline([("join", _signals.joined(len(columns), {"codes": codes})), ("forest", forest)]), len(classes)
    )
