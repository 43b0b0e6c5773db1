"""Every classifier of the catalogue by its contract, and the beat cascade on rules made up for it."""

from dataclasses import replace

import numpy as np
import pytest

from pqrst import catalog
from pqrst.classifiers import beat_cascade
from pqrst.errors import SettingsError
from pqrst.features import beat_features

NAMES = [name for name in catalog.names("classifiers") if catalog.load("classifiers", name).ACCEPTS == "side"]
CLASSES, SHAPE = ("N", "S", "V", "F"), (2, 240)
COLUMNS = beat_features(np.zeros((2, 10)), np.array([5]), np.array([True]))[1]
SMALL = beat_cascade.Params(fits=1, every=1, iterations=15, least_rows=5, group_columns=0.9, early_columns=0.9)


def problem(rows=400, classes=(0, 1, 2, 3)):
    """Make up rows: S comes early by every ratio, V is wide, F is wide and unlike the beat before; the rest is chance."""
    rng = np.random.default_rng(0)
    y = rng.choice(classes, rows)
    x = 0.3 * rng.standard_normal((rows, len(COLUMNS)))
    for place, name in enumerate(COLUMNS):
        x[:, place] -= (y == 1) * name.startswith("before_over_")
        x[:, place] += (y >= 2) * name.startswith("width") - 1.0 * (y == 3) * name.endswith("like_before")
    return x.astype(np.float32), y


def settings(name):
    """Give settings under which a classifier is quick."""
    return SMALL if name == "beat_cascade" else catalog.load("classifiers", name).Params()


def fitted(name="beat_cascade", p=None, classes=CLASSES, rows=None, seed=0):
    """Build a classifier and fit it to the made-up rows."""
    x, y = rows or problem()
    return catalog.load("classifiers", name).build(COLUMNS, classes, seed, p or settings(name), SHAPE).fit(x, y)


@pytest.fixture(scope="module")
def cascade():
    """Give a small cascade, fitted once."""
    return fitted()


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_says_what_it_takes(name):
    """Name what the estimator takes, the tasks it solves, and the types that its file holds."""
    module = catalog.load("classifiers", name)
    assert module.ACCEPTS == "side"
    assert set(module.TASKS) <= {"single", "multi"}
    assert all(isinstance(kind, str) for kind in module.TRUSTED)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_are_a_row_of_ones_sum(name):
    """Give each row finite probabilities of all classes, with 1 as their sum, and not depending on the other rows."""
    x, _ = problem()
    estimator = fitted(name)
    p = estimator.predict_proba(x)
    assert p.shape == (len(x), len(CLASSES))
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(estimator.predict_proba(x[7:8]), p[7:8])


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(name):
    """Fit the same estimator twice from one seed, and another from the next."""
    x, _ = problem()
    one, again, other = (fitted(name, seed=seed).predict_proba(x) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("name", NAMES)
def test_fitting_leaves_the_rows_alone(name):
    """Change neither the rows nor their labels."""
    x, y = problem()
    fitted(name, rows=(x, y))
    for kept, made in zip((x, y), problem(), strict=True):
        np.testing.assert_array_equal(kept, made)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [(0, 1, 2, 3), (0, 1, 2), (0,), (2, 3)])
def test_a_file_of_trusted_types_gives_the_same_probabilities(name, classes):
    """Write with skops, read back trusting only the types that the module names, and predict the same bits."""
    import skops.io

    x, _ = problem()
    estimator, trusted = fitted(name, rows=problem(classes=classes)), catalog.load("classifiers", name).TRUSTED
    written = skops.io.dumps(estimator)
    assert set(skops.io.get_untrusted_types(data=written)) <= set(trusted)
    again = skops.io.loads(written, trusted=list(trusted))
    np.testing.assert_array_equal(again.predict_proba(x), estimator.predict_proba(x))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [(0, 1, 2), (1, 2, 3), (0, 2, 3), (0, 1), (0,), (2,), (2, 3)])
def test_a_class_without_a_train_row_has_no_probability(name, classes):
    """Fit where classes are missing, as in made-up recordings, and never predict those."""
    p = fitted(name, rows=problem(classes=classes)).predict_proba(problem()[0])
    missing = [place for place in range(len(CLASSES)) if place not in classes]
    assert (p[:, missing] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_the_cascade_learns_a_simple_rule(cascade):
    """Tell early beats and wide ones from the rest in rows that it has not seen."""
    x, y = problem(600)
    unseen = slice(400, None)
    assert (cascade.predict_proba(x[unseen]).argmax(axis=1) == y[unseen]).mean() > 0.9


def test_columns_are_found_by_name(cascade):
    """Use the same columns for S when they stand in another order, with one more among them."""
    x, y = problem()
    turned = beat_cascade.build(("more", *COLUMNS[::-1]), CLASSES, 0, SMALL, SHAPE)
    more = np.column_stack([np.zeros(len(x)), x[:, ::-1]])
    found, expected = turned.fit(more, y).predict_proba(more), cascade.predict_proba(x)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.98


@pytest.mark.parametrize("column", beat_cascade.RHYTHM | beat_cascade.P_WAVE)
def test_s_moves_one_way_only(cascade, column):
    """Let the share of S among N and S only rise, or only fall, as a column of the second step rises."""
    x, _ = problem()
    place, direction = COLUMNS.index(column), (beat_cascade.RHYTHM | beat_cascade.P_WAVE)[column]
    rows = np.repeat(x[:20], 15, axis=0)
    rows[:, place] = np.tile(np.linspace(-3, 3, 15), 20)
    p = cascade.predict_proba(rows)
    share = (p[:, 1] / p[:, :2].sum(axis=1)).reshape(20, 15)
    assert (direction * np.diff(share, axis=1) >= -1e-12).all()


@pytest.mark.parametrize("threshold", [0.2, 0.7])
def test_the_threshold_becomes_one_half(threshold):
    """Shift the odds of S against N by those of the threshold, so that it is where the two are equal."""
    x, _ = problem()
    plain, moved = (fitted(p=replace(SMALL, threshold=t)).predict_proba(x) for t in (0.5, threshold))
    odds = moved[:, 1] / moved[:, 0] / (plain[:, 1] / plain[:, 0])
    np.testing.assert_allclose(odds, (1 - threshold) / threshold)
    np.testing.assert_array_equal(moved[:, 2:], plain[:, 2:])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (COLUMNS[1:], None),
        ((), r"^classifiers\.beat_cascade needs before_over_q95_usual and 11 more columns beside the rows$"),
        (
            tuple(c for c in COLUMNS if c != "disorder_30"),
            r"^classifiers\.beat_cascade needs disorder_30 beside the rows$",
        ),
    ],
)
def test_a_missing_column_is_named(columns, message):
    """Name the first column that is missing, and miss none that the second step does not use."""
    if message is None:
        assert beat_cascade.build(columns, CLASSES, 0, SMALL, SHAPE).columns == columns
        return
    with pytest.raises(SettingsError, match=message):
        beat_cascade.build(columns, CLASSES, 0, SMALL, SHAPE)


@pytest.mark.parametrize("classes", [("N", "S"), ("S", "N", "V", "F"), ("N", "V", "F"), ("healthy", "sick")])
def test_other_classes_are_refused(classes):
    """Say which classes the cascade needs, and which there are."""
    with pytest.raises(
        SettingsError, match=r"^classifiers\.beat_cascade needs the classes N, S .*, got " + ", ".join(classes)
    ):
        beat_cascade.build(COLUMNS, classes, 0, SMALL, SHAPE)
