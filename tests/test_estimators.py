"""Classifiers of scikit-learn as parts of a trained run: fitted by a contract, kept in its folder, asked."""

import copy
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

import toys
from pqrst import artifact, estimators, seals, trees
from pqrst.arrays import Bundle
from pqrst.errors import DataError, PqrstError
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


SAVED = """
import hashlib, sys
sys.path.insert(0, "tests")
import numpy as np, pandas as pd
import test_estimators as t
from pqrst import estimators
from pqrst.arrays import Bundle
bundle = Bundle(t.META, np.zeros((60, *t.SHAPE)), np.arange(60) % 3, pd.DataFrame({"record": ["r"] * 60}), t.beside_rows())
[content] = estimators.saved(estimators.fit(t.FOREST, bundle, np.arange(60))).values()
print(hashlib.sha256(content).hexdigest())
"""


def test_equal_estimators_are_equal_bytes(estimator):
    """Save twice, save a copy, and fit and save in another process: nothing tells where in memory or when it was."""
    first = estimators.saved(estimator)["estimator.skops"]
    assert estimators.saved(estimator)["estimator.skops"] == first
    assert estimators.saved(copy.deepcopy(estimator))["estimator.skops"] == first
    told = {**os.environ, "PYTHONHASHSEED": "3", "PYTHONPATH": os.pathsep.join(sys.path)}
    here = Path(__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-c", SAVED], check=True, capture_output=True, text=True, env=told, cwd=here
    )
    assert found.stdout.strip() == seals.of(first)


def test_the_file_tells_no_hour_and_no_place(saved_estimator):
    """Its entries are counted, and of one date."""
    with zipfile.ZipFile(saved_estimator / "estimator.skops") as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    stems = [entry.filename.partition(".")[0] for entry in entries if entry.filename != "schema.json"]
    assert max(map(int, stems)) < 100_000


def boosted(estimator):
    """Give the nodes of one tree that has a split."""
    stages = estimator.groups_[0]._predictors
    return next(one.nodes for stage in stages for one in stage if len(one.nodes) > 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("left", 10_000),
        ("left", 0),
        ("right", 0),
        ("right", 2**31),
        ("feature_idx", 10_000),
        ("feature_idx", -1),
        ("is_categorical", 1),
    ],
)
def test_a_tree_that_leads_outside_is_refused(tmp_path, estimator, field, value):
    """Children that are not there or come round again, features that no row has: scikit-learn would follow them through memory."""
    changed = copy.deepcopy(estimator)
    boosted(changed)[field][0] = value
    artifact.save(tmp_path / "seed-9", FOREST, estimators.saved(changed), [])
    assert "estimator.skops cannot be read (one of its trees" in refused(tmp_path / "seed-9")


def forest():
    x = np.random.default_rng(0).normal(size=(60, 5))
    return RandomForestClassifier(3, random_state=0).fit(x, x[:, 0] > 0)


def retold(tree, field, value):
    """Change the first node of a tree of scikit-learn."""
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)


@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 10_000), ("left_child", 0), ("right_child", -5), ("feature", 5), ("feature", -2)],
)
def test_a_forest_that_leads_outside_is_refused(field, value):
    """The same of scikit-learn's other trees."""
    good = forest()
    trees.check(good, ())
    retold(good.estimators_[1].tree_, field, value)
    with pytest.raises(DataError, match="leads outside"):
        trees.check(good, ())


def test_a_forest_of_unlike_trees_is_refused():
    """A forest looks at the width of its first tree alone; the others would read beside the row."""
    unlike = forest()
    unlike.n_features_in_ = 4
    with pytest.raises(DataError, match="takes 5 features, the others 4"):
        trees.check(unlike, ())
    unlike = forest()
    unlike.estimators_[2].n_features_in_ = unlike.n_features_in_ = 4
    with pytest.raises(DataError, match="takes 5 features, the others 4"):
        trees.check(unlike, ())
    for one in unlike.estimators_:
        one.n_features_in_ = 4
    with pytest.raises(DataError, match="of 5 features where 4 are given"):
        trees.check(unlike, ())


def test_a_type_of_scikit_learn_that_no_classifier_has_is_refused(saved_estimator):
    """Skops trusts all of them; the older libraries behind some follow their own arrays blindly."""
    other = SVC().fit(np.eye(4), [0, 1, 0, 1])
    (saved_estimator / "estimator.skops").write_bytes(estimators.saved(other)["estimator.skops"])
    toys.sealed(saved_estimator)
    assert "it holds a sklearn.svm" in refused(saved_estimator)
    trees.check(other, ("sklearn.svm._classes.SVC",))


def test_an_estimator_of_another_width_is_refused(saved_estimator):
    """It is asked about one row when it is read."""
    toys.sealed(saved_estimator, classes=["N", "S", "V", "F"])
    assert "answers one row by (1, 3) numbers, 4 classes are told" in refused(saved_estimator)


def test_what_was_fitted_is_not_replaced_unseen(saved_estimator):
    """One bit of the file is refused before anything reads it."""
    file = saved_estimator / "estimator.skops"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "estimator.skops is not what was written" in refused(saved_estimator)
