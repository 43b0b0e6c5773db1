"""Classifiers of scikit-learn as parts of a trained run: fitted by a contract, kept in its folder, asked."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import toys
from pqrst import artifact, estimators
from pqrst.arrays import Bundle
from pqrst.errors import PqrstError
from pqrst.features import beat_features

SHAPE, CLASSES = toys.TWO_LEADS.shape, toys.TWO_LEADS.classes
COLUMNS = beat_features(np.zeros((2, 10)), np.array([5]), np.array([True]))[1]
META = replace(toys.TWO_LEADS, gain=None, zero=None, side=COLUMNS)
FOREST = replace(
    toys.CONTRACT, classes=CLASSES, kind="classifiers", model="beat_cascade", parameters=None, input=META.form, side=COLUMNS,
    model_settings={"fits": 1, "iterations": 3, "every": 1, "least_rows": 2},
)  # fmt: skip


def refused(folder):
    """Give the one line with which a folder is refused."""
    with pytest.raises(PqrstError) as caught:
        artifact.load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def beside_rows(n=60):
    """Make up the numbers beside so many rows."""
    return np.random.default_rng(2).normal(0, 1, (n, len(COLUMNS))).astype(np.float32)


@pytest.fixture(scope="module")
def estimator():
    """Fit a few trees to rows that chance has labelled."""
    rows = pd.DataFrame({"record": ["r"] * 60})
    bundle = Bundle(META, np.zeros((60, *SHAPE)), np.arange(60) % 3, rows, beside_rows())
    return estimators.fit(FOREST, bundle, np.arange(60))


@pytest.fixture
def saved_estimator(tmp_path, estimator):
    """Save a fitted estimator."""
    artifact.save(tmp_path / "seed-9", FOREST, estimators.saved(estimator), [])
    return tmp_path / "seed-9"


def test_a_saved_estimator_gives_logarithms_of_its_probabilities(saved_estimator, estimator):
    """Give logits whose softmax is what the estimator says, from numbers beside the rows alone."""
    assert sorted(path.name for path in saved_estimator.iterdir()) == [
        "card.md",
        "contract.json",
        "contract.sha256",
        "estimator.skops",
    ]
    found = artifact.load(saved_estimator).logits(np.zeros((60, *SHAPE)), beside_rows())
    assert np.exp(found) == pytest.approx(estimator.predict_proba(beside_rows()), abs=1e-6)


def test_columns_beside_the_rows_are_found_by_name(tmp_path, estimator):
    """Give the same logits where the rows carry their columns in another order."""
    turned = replace(FOREST, input=replace(FOREST.input, side=COLUMNS[::-1]))
    for name, contract in (("a", FOREST), ("b", turned)):
        artifact.save(tmp_path / name, contract, estimators.saved(estimator), [])
    x = np.zeros((60, *SHAPE))
    expected = artifact.load(tmp_path / "a").logits(x, beside_rows())
    assert np.array_equal(artifact.load(tmp_path / "b").logits(x, beside_rows()[:, ::-1]), expected)


def test_missing_numbers_beside_the_rows_are_refused(saved_estimator):
    """Say what to set."""
    with pytest.raises(PqrstError, match=r"beside them; set window\.side of their dataset, or another model$"):
        artifact.load(saved_estimator).logits(np.zeros((60, *SHAPE)))


def test_an_estimator_of_unknown_types_is_refused(saved_estimator):
    """Build no type that the classifier's module does not name, since a file could run code."""
    (saved_estimator / "estimator.skops").write_bytes(estimators.saved(FOREST)["estimator.skops"])
    toys.sealed(saved_estimator)
    assert refused(saved_estimator).startswith(f"{saved_estimator}/estimator.skops cannot be read (")


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_damaged_estimator_is_refused(saved_estimator, content):
    """Name the file that is damaged."""
    (saved_estimator / "estimator.skops").write_bytes(content)
    toys.sealed(saved_estimator)
    assert refused(saved_estimator).startswith(f"{saved_estimator}/estimator.skops cannot be read (")


def test_a_missing_estimator_is_refused(saved_estimator):
    """Name the file that is missing."""
    (saved_estimator / "estimator.skops").unlink()
    assert refused(saved_estimator) == f"{saved_estimator}/estimator.skops is missing; train the run anew"
