"""The pictures of a run: stable bytes, and labels that stay inside and apart."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from pqrst import figures

NOTE = "synthetic recordings"
FIVE = ("N", "S", "V", "F", "Q")
NINE = tuple(f"diagnosis {n}" for n in range(9))
MANY = tuple(f"class {n}" for n in range(26))
PNG = b"\x89PNG\r\n\x1a\n"


def curve(classes):
    """Make a table of straight curves, one a class."""
    parts = [pd.DataFrame({"class": name, "recall": [1.0, 0.0], "precision": [0.2, 1.0]}) for name in classes]
    return pd.concat(parts)


def history(epochs):
    e = np.arange(1, epochs + 1)
    return pd.DataFrame({"epoch": e, "train_loss": 1 / e, "validation_loss": 1.2 / e})


def rows(classes):
    """Count 18,000 rows of the first class and fewer of each next, none of the last, on three sides."""
    cells = [
        (name, side, 18000 // (n + 1) * share * (n + 1 < len(classes)))
        for side, share in (("train", 4), ("validation", 1), ("test", 1))
        for n, name in enumerate(classes)
    ]
    return pd.DataFrame(cells, columns=["class", "side", "rows"])


def believed(classes):
    """Make the lines of a reliability table: three bins of all labels, and of each class."""
    bins = {"bin": [0, 7, 14], "confidence": [0.01, 0.5, 0.98], "share": [0.0, 0.3, 0.9], "rows": [12000, 40, 19]}
    return pd.concat([pd.DataFrame({"class": name, **bins}) for name in ("all labels", *classes)], ignore_index=True)


def f1_by_class(classes):
    """Make a table of F1 from 0 to 1, and rows from 0 to 18,000."""
    share = np.linspace(0, 1, len(classes))
    return pd.DataFrame({"class": classes, "f1": share, "rows": (18000 * share).astype(int)})


DRAWINGS = {
    "confusion": lambda file, c: figures.confusion(18051 * np.eye(len(c), dtype=int), c, "run: test rows", file, NOTE),
    "curves": lambda file, c: figures.curves(curve(c), "run: precision recall, seed-17", file, NOTE),
    "learning": lambda file, _: figures.learning({"seed-17": history(9), "seed-18": history(7)}, "run: loss", file, NOTE),
    "reliability": lambda file, c: figures.reliability(believed(c), "run: reliability, seed-17", file, NOTE),
    "bars": lambda file, c: figures.bars(f1_by_class(c), "run: F1 of each label, seed-17", file, NOTE),
    "shares": lambda file, c: figures.shares(rows(c), "heartbeat, split kaggle: rows by class", file, NOTE),
}  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """Keep every figure that is saved."""
    real, kept = figures._save, []

    def save(figure, file, note):
        kept.append(figure)
        real(figure, file, note)

    monkeypatch.setattr(figures, "_save", save)
    return kept


def ticks(axis):
    """Give the labels of those ticks that are drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def boxes(figure, texts):
    """Give the places of texts in pixels, as drawn."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    return [text.get_window_extent(renderer) for text in texts if text.get_text() and text.get_visible()]


@pytest.mark.parametrize("kind", DRAWINGS)
def test_equal_input_gives_equal_bytes(tmp_path, kind):
    """Write the same PNG file twice, into a folder that did not exist."""
    files = [tmp_path / name / f"{kind}.png" for name in ("a", "b")]
    for file in files:
        DRAWINGS[kind](file, FIVE)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(PNG)


@pytest.mark.parametrize("kind", DRAWINGS)
def test_made_up_recordings_are_marked_in_the_picture(tmp_path, drawn, kind):
    """Print the note in a corner of the figure."""
    DRAWINGS[kind](tmp_path / "figure.png", FIVE)
    title = drawn[0].get_suptitle()
    assert [text.get_text() for text in drawn[0].texts if text.get_text() != title] == [NOTE]


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("confusion", FIVE), ("confusion", NINE), ("curves", MANY), ("shares", FIVE), ("shares", MANY),
     ("reliability", MANY), ("bars", FIVE), ("bars", MANY)],
)  # fmt: skip
def test_no_word_leaves_the_picture(tmp_path, drawn, kind, classes):
    """Keep every title, name, label and legend inside the figure, for five classes and for twenty-six."""
    DRAWINGS[kind](tmp_path / "figure.png", classes)
    figure = drawn[0]
    words = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        words += [axes.title, axes.xaxis.label, axes.yaxis.label, *ticks(axes.xaxis), *ticks(axes.yaxis), *axes.texts]
    for box in boxes(figure, words):
        assert box.x0 >= figure.bbox.x0
        assert box.y0 >= figure.bbox.y0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


@pytest.mark.parametrize(("kind", "classes"), [("confusion", FIVE), ("confusion", NINE), ("shares", MANY)])
def test_class_names_do_not_run_into_each_other(tmp_path, drawn, kind, classes):
    """Turn names below the axis where they would overlap."""
    DRAWINGS[kind](tmp_path / "figure.png", classes)
    figure, (axes,) = drawn[0], drawn[0].axes
    places = boxes(figure, ticks(axes.xaxis))
    assert len(places) == len(classes)
    assert all(left.x1 < right.x0 for left, right in pairwise(places))


@pytest.mark.parametrize("classes", [FIVE, MANY], ids=len)
def test_the_numbers_over_bars_stay_apart(tmp_path, drawn, classes):
    """Print the count of every class and side, none over another."""
    DRAWINGS["shares"](tmp_path / "figure.png", classes)
    places = boxes(drawn[0], drawn[0].axes[0].texts)
    assert len(places) == 3 * len(classes)
    assert not any(a.overlaps(b) for n, a in enumerate(places) for b in places[:n])


def test_confusion_prints_every_count(tmp_path, drawn):
    """Print counts with a comma between thousands, white on dark cells."""
    figures.confusion(np.array([[18051, 44], [99, 446]]), ("N", "S"), "run", tmp_path / "figure.png")
    texts = drawn[0].axes[0].texts
    assert [text.get_text() for text in texts] == ["18,051", "44", "99", "446"]
    assert [text.get_color() == "white" for text in texts] == [True, False, False, True]


def test_a_class_without_rows_is_drawn_without_a_warning(tmp_path):
    """Divide by no zero in an empty row of the confusion matrix."""
    figures.confusion(np.array([[5, 0], [0, 0]]), ("N", "S"), "run", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").exists()


def test_curves_of_many_classes_can_be_told_apart(tmp_path, drawn):
    """Give each of 26 classes its own pair of colour and dashes."""
    DRAWINGS["curves"](tmp_path / "figure.png", MANY)
    assert len({(line.get_color(), line.get_linestyle()) for line in drawn[0].axes[0].lines}) == 26


def test_no_curves_at_all_are_an_empty_picture(tmp_path):
    """Draw axes alone where no class has rows on both sides."""
    figures.curves(pd.DataFrame(columns=["class", "recall", "precision"]), "run", tmp_path / "figure.png")
    assert (tmp_path / "figure.png").exists()


def test_one_epoch_is_a_dot(tmp_path, drawn):
    """Mark a training of a single epoch, which makes no line."""
    figures.learning({"seed-17": history(1)}, "run: loss", tmp_path / "figure.png")
    (train,), (validation,) = (axes.lines for axes in drawn[0].axes)
    assert (train.get_marker(), validation.get_marker()) == ("o", "o")
    assert [label.get_text() for label in drawn[0].axes[0].get_xticklabels() if label.get_text()].count("1") == 1


def test_every_network_has_a_look_of_its_own_beside_the_curves(tmp_path, drawn):
    """Twelve networks, more than there are colours, differ in colour or dashes, and their names lie outside the axes."""
    figures.learning({f"arm-{place}": history(3) for place in range(12)}, "run: loss", tmp_path / "figure.png")
    figure = drawn[0]
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 12
    assert [axes.get_legend() for axes in figure.axes] == [None, None]
    assert len(figure.legends[0].get_texts()) == 12


def test_a_tables_figure_shows_every_row_and_says_what_is_made_up(tmp_path):
    """Draw published, recorded and made-up values of each row, also where some are missing, to the same bytes twice."""
    table = pd.DataFrame({
        "row": ["Simple CNN", "Coupled CNN", "Published only"], "published": [0.9, None, 0.8], "recorded_mean": [0.91, 0.85, None],
        "recorded_low_by_patient": [0.88, 0.8, None], "recorded_high_by_patient": [0.93, 0.9, None],
        "ours_mean": [0.4, None, None], "ours_synthetic": [True, False, False],
    })  # fmt: skip
    for name in ("one.png", "two.png"):
        figures.rows(table, "Patients never seen", "j-kappa", tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("classes", [FIVE, MANY], ids=len)
def test_bars_tell_every_class_its_rows_and_its_f1(tmp_path, drawn, classes):
    """Stand in the table's order from above, no name over another, no number over the next, and no bar past the axis."""
    DRAWINGS["bars"](tmp_path / "figure.png", classes)
    figure, (axes,) = drawn[0], drawn[0].axes
    names = ticks(axes.yaxis)
    assert [name.get_text() for name in names][:: len(classes) - 1] == [f"{classes[0]} (0)", f"{classes[-1]} (18,000)"]
    assert [text.get_text() for text in axes.texts][:: len(classes) - 1] == ["0.00", "1.00"]
    for texts in (names, axes.texts):
        assert all(above.y0 >= below.y1 for above, below in pairwise(boxes(figure, texts)))


def test_reliability_leaves_out_bins_of_few_rows_but_for_all_labels(tmp_path, drawn):
    """Draw the diagonal, each label where a bin has twenty rows, and all labels over them in every bin."""
    DRAWINGS["reliability"](tmp_path / "figure.png", FIVE)
    above, below = drawn[0].axes
    assert [len(line.get_xdata()) for line in above.lines] == [2, *([2] * len(FIVE)), 3]
    assert [text.get_text() for text in above.get_legend().get_texts()] == [
        "as said",
        "each label, bins of 20 rows or more",
        "all labels",
    ]
    assert [bar.get_height() for bar in below.patches] == [12000, 40, 19]
