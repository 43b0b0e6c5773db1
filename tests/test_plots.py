"""The figures of a run, and the tables that they show."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pqrst import evaluation, figures, plots
from pqrst.arrays import Bundle
from pqrst.opened import Opened
from pqrst.sides import Sides
from toys import BEATS

HISTORY = pd.DataFrame({"epoch": [1.0, 2.0], "train_loss": [1.0, 0.5], "validation_loss": [1.1, 0.6]})


def network(name="seed-9", history=HISTORY, several=False):
    """Make up what one network said of thirty rows."""
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 7 % 3
    probability = rng.dirichlet(np.ones(3), 30).astype(np.float32)
    decided = probability.argmax(axis=1)
    if several:
        labels, decided = np.eye(3, dtype=np.int64)[labels], (probability >= 0.4).astype(np.int8)
    found = evaluation.evaluate(labels, probability, decided, BEATS.classes, [])
    return plots.Network(name, labels, probability, found, history)


def opened():
    """Give six rows and their sides."""
    rows = pd.DataFrame({"record": "r", "patient": "p", "start": range(6)})
    bundle = Bundle(BEATS, np.zeros((6, 1, 4)), np.array([0, 1, 2, 0, 1, 0]), rows)
    return Opened(bundle, Sides(np.array([0, 0, 0, 1, 2, 2]), {"split": "kaggle"}), "", "")


def drawn(folder, networks, monkeypatch=None):
    """Draw, and give the names in the figure of learning where it is watched."""
    seen = []
    if monkeypatch:
        monkeypatch.setattr(plots.figures, "learning", lambda histories, *told: seen.append((list(histories), told[0])))
    plots.draw(plots.Page(folder, "tiny", synthetic=True), networks, opened())
    return seen


def test_figures_show_the_first_network(tmp_path):
    """Give the curves and the confusion matrix of the first, marked as made up, and the rows by class and side."""
    first = network()
    drawn(tmp_path, [first, network("seed-10")])
    expected = evaluation.roc(first.labels, first.probability, BEATS.classes)
    curve = pd.read_csv(tmp_path / "roc.csv", keep_default_na=False)
    assert curve["true_positive_rate"].to_numpy() == pytest.approx(expected["true_positive_rate"].to_numpy(), abs=1e-6)
    assert set(curve["recordings"]) == {"synthetic"}
    counts = pd.read_csv(tmp_path / "confusion.csv")["count"]
    assert counts.tolist() == [count for row in first.found.confusion for count in row]
    assert pd.read_csv(tmp_path / "shares.csv")["rows"].tolist() == [1, 1, 1, 1, 0, 0, 1, 1, 0]
    names = ("roc", "precision_recall", "confusion", "learning", "reliability", "shares")
    assert {file.name for file in tmp_path.glob("*.png")} == {f"{name}.png" for name in names}


def test_rows_are_shown_as_the_first_network_sees_them(tmp_path):
    """Draw what it saw, where it was told."""
    seen = [figures.Example("right: is N, said N (0.90)", np.eye(3), None)]
    drawn(tmp_path, [replace(network(), seen=seen), network("seed-10")])
    assert (tmp_path / "examples.png").exists()


def test_several_labels_have_their_own_figures(tmp_path):
    """Draw F1 and reliability in place of a confusion matrix, and no learning of what had no epochs."""
    one = network(several=True, history=pd.DataFrame())
    drawn(tmp_path, [one])
    assert {file.stem for file in tmp_path.glob("*.png")} == {"roc", "precision_recall", "f1", "reliability", "shares"}
    assert pd.read_csv(tmp_path / "labels.csv")["f1"].tolist() == pytest.approx(
        [label["f1"] for label in one.found.per_class], abs=1e-6
    )


@pytest.mark.parametrize(("values", "shown"), [(6, 12), (7, 7), (14, 12)])
def test_a_figure_of_learning_holds_few_lines(tmp_path, monkeypatch, values, shown):
    """Draw every seed of up to twelve networks, else the lowest seed of each value, of the first twelve."""
    names = [f"v{n:02d}/seed-{seed}" for n in range(values) for seed in (9, 10)]
    [(found, title)] = drawn(tmp_path, [network(name) for name in names], monkeypatch)
    assert found == (names if len(names) <= 12 else names[::2][:12])
    assert len(found) == shown
    assert title == ("tiny: loss" if shown == len(names) else f"tiny: loss, {shown} of {len(names)} networks")


def test_learning_is_drawn_of_what_had_epochs(tmp_path, monkeypatch):
    """Leave a forest beside a network out."""
    [(found, title)] = drawn(tmp_path, [network("a/seed-9", pd.DataFrame()), network("b/seed-9")], monkeypatch)
    assert (found, title) == (["b/seed-9"], "tiny: loss")
