"""What classifiers of signals share: steps over numbers and samples, principal components, and a probability for every class.

A row is flat: first the numbers that stand beside it, one a column, then its samples, lead after lead. A number that is
missing becomes the median of its column in the train rows (0 where the column has none), a missing sample 0.
"""

import math
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

TRUSTED = (  # types that a file with these steps may hold
    "numpy.dtype",  # of the medians
    "pqrst.classifiers._signals.Codes",
    "pqrst.classifiers._signals.EveryClass",
    "pqrst.classifiers._signals.numbers",
)


class EveryClass(ClassifierMixin, BaseEstimator):
    """Fit steps whose last is a classifier, and give probabilities by class index, 0 for a class without a train row."""

    def __init__(self, steps: Pipeline, n_classes: int) -> None:
        self.steps = steps
        self.n_classes = n_classes

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn from rows (rows, columns + leads * T) and class indices; where there is one class, say that one."""
        self.classes_ = np.arange(self.n_classes)
        self.steps_ = (clone(self.steps) if len(np.unique(y)) > 1 else DummyClassifier()).fit(x, y)
        return self

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Give probabilities (rows, classes)."""
        found = np.zeros((len(x), self.n_classes))
        found[:, self.steps_.classes_] = self.steps_.predict_proba(x)
        return found


class Codes(TransformerMixin, BaseEstimator):
    """Give the principal components of features, as many as asked for or as rows and features allow."""

    def __init__(self, components: int, *, scaled: bool) -> None:
        self.components = components
        self.scaled = scaled

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Learn the components of train rows (rows, features), each feature brought to unit deviation where `scaled`."""
        self.scale_ = StandardScaler(with_std=self.scaled).fit(x)
        # of the covariance: exact, so that no random start decides
        pca = PCA(min(self.components, *x.shape), svd_solver="covariance_eigh")
        # it divides by the whole variance, which is 0 where all rows are alike
        with np.errstate(divide="ignore", invalid="ignore"):
            self.pca_ = pca.fit(self.scale_.transform(x))
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Give the codes (rows, components)."""
        centred = self.scale_.transform(x) - self.pca_.mean_
        # row by row: a product over many rows rounds otherwise than over one, and a tree may then turn the other way
        return np.stack([self.pca_.components_ @ row for row in centred])


def joined(columns: int, of_samples: dict[str, Any]) -> FeatureUnion:
    """Set the numbers beside a row next to what several steps make of its samples; each step gets whole rows."""
    # scikit-learn's ColumnTransformer would write every sample's place into the file, a megabyte for two thousand
    chosen = FunctionTransformer(numbers, kw_args={"columns": columns})
    median = SimpleImputer(strategy="median", keep_empty_features=True)
    beside = {"beside": Pipeline([("numbers", chosen), ("median", median)])} if columns else {}
    return FeatureUnion(list((beside | of_samples).items()))


def numbers(x: np.ndarray, columns: int) -> np.ndarray:
    """Take the numbers beside the rows."""
    return x[:, :columns]


def by_row(x: np.ndarray, shape: tuple[int, int], measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Measure the leads of each row, (leads, T), one row at a time: (rows, columns + leads * T) to (rows, features)."""
    samples = (row[-math.prod(shape) :] for row in x)
    return np.stack([measure(np.where(np.isfinite(row), row, 0).reshape(shape)) for row in samples]).astype(np.float32)
