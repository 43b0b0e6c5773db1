"""How soon a training gets somewhere: epochs in tables, courses in a figure, and the results that tell them."""

import doctest

import numpy as np
import pandas as pd
import pytest

from pqrst import convergence, figures, scored, tables
from pqrst.errors import DataError
from pqrst.files import write_json
from pqrst.published import Row, Table

PNG = b"\x89PNG\r\n\x1a\n"
TO = "epochs_to_accuracy_0.9"
SLOW, FAST, NEVER = [0.5, 0.7, 0.9], [0.91, 0.2, 0.95], [0.1, 0.2, 0.3]


def test_the_docstring_example_runs():
    """Run the example in the module's docstring."""
    failed, tried = doctest.testmod(convergence)
    assert (failed, tried) == (0, 1)


@pytest.mark.parametrize(
    ("score", "asks"),
    [
        ("epochs_to_accuracy_0.9", True), ("epochs_to_f1_macro_0.45", True), ("epochs_to_accuracy_0.", False),
        ("epochs_to_accuracy_1.0", False), ("epochs_to_accuracy_.9", False), ("epochs_to_loss_0.9", False),
        ("epochs_to_accuracy", False), ("accuracy", False), ("clean/epochs_to_accuracy_0.9", False),
        ("epochs_to_accuracy_0.9_", False),
    ],
)  # fmt: skip
def test_a_name_that_asks_for_an_epoch(score, asks):
    """Take two scores and values below one, and nothing else."""
    assert convergence.names_one(score) == asks


@pytest.mark.parametrize(
    ("score", "course", "epoch"),
    [
        (TO, {"accuracy": SLOW, "f1_macro": FAST}, 3),
        (TO, {"accuracy": FAST}, 1),
        (TO, {"accuracy": NEVER}, None),
        (TO, {"f1_macro": FAST}, None),
        (TO, {}, None),
        ("epochs_to_f1_macro_0.7", {"accuracy": FAST, "f1_macro": SLOW}, 2),
        ("epochs_to_accuracy_0.5", {"accuracy": [float("nan"), 0.5]}, 2),
    ],
)
def test_the_first_epoch_that_reaches_a_score(score, course, epoch):
    """Count from one, take a value that is reached to the digit, and know none where no epoch does."""
    assert convergence.epochs_to(score, course) == epoch


def test_what_a_name_follows():
    """Give the score in a name, and refuse one that asks for no epoch."""
    assert convergence.followed("epochs_to_f1_macro_0.45") == "f1_macro"
    with pytest.raises(ValueError, match="accuracy is not epochs_to_<accuracy or f1_macro>_<value below 1>"):
        convergence.followed("accuracy")


def result(accuracy, course, *, synthetic=False, **more):
    """Give what evaluation tells of one seed."""
    return {
        "scores": {"accuracy": accuracy}, "parameters": 7, "rows": 9, "split": "s", "leak": "none", "classes": ["a", "b"],
        "provenance": {"synthetic": synthetic}, "confusion": None, "by_patient": {}, "schema": scored.SCHEMA, "gate": "none",
        "course": {"accuracy": course, "f1_macro": NEVER} if course else {}, **more,
    }  # fmt: skip


def put(folder, run, value, results, *, recorded=False):
    """Write what evaluation, or recording, leaves of some seeds of a run's value."""
    for seed, one in enumerate(results):
        place = f"paper/{run}/{value}/{seed}.json" if recorded else f"scores/{run}/{value}/seed-{seed}/scores.json"
        write_json(folder / place, one)


def table(*rows, scores=("clean/accuracy", f"clean/{TO}")):
    return Table("Tiny", {name: name.replace("/", " ") for name in scores}, tuple(rows), scores[0])


def cells(folder, made):
    """Build one table, and give its lines as cells and its data."""
    text, data = tables.build({"t": made}, folder / "scores", folder / "paper")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return lines[2:], data, text


def test_rows_are_arms_and_columns_are_parts(tmp_path):
    """Read each cell from the folder of its arm and part, and tell its value in the data."""
    for n, (arm, part) in enumerate([("ce", "clean"), ("ce", "dirty"), ("iwl", "clean"), ("iwl", "dirty")]):
        put(tmp_path, "r", f"{arm}/{part}", [result(n / 10, SLOW)])
    made = table(Row("A", {}, "r", "ce"), Row("B", {}, "r", "iwl"), scores=("clean/accuracy", "dirty/accuracy"))
    lines, data, _ = cells(tmp_path, made)
    assert [line[3:] for line in lines] == [[".0000 (1)", ".1000 (1)"], [".2000 (1)", ".3000 (1)"]]
    assert data["value"].tolist() == ["ce/clean", "ce/dirty", "iwl/clean", "iwl/dirty"]
    assert data["ours_mean"].tolist() == [0.0, 0.1, 0.2, 0.3]


def test_an_arm_that_was_not_trained_says_so(tmp_path):
    """Give it one line without numbers, its published line where there is one, and blank cells of parts that are missing."""
    put(tmp_path, "r", "ce/clean", [result(0.5, SLOW)])
    rows = (Row("A", {}, "r", "ce"), Row("B", {}, "r", "iwl"), Row("C", {"clean/accuracy": 0.25}, "r", "focal"))
    lines, data, _ = cells(tmp_path, table(*rows, scores=("clean/accuracy", "dirty/accuracy")))
    assert lines == [
        ["A", "7", "ours", ".5000 (1)", ""],
        ["B", "", "not run", "", ""],
        ["C", "", "published", ".2500", ""],
    ]
    assert data["ours_seeds"].tolist() == [1, 0, 0, 0, 0, 0]
    assert not data["ours_synthetic"].any()


def test_a_run_without_any_arm_is_told_in_one_line(tmp_path):
    """Take scores of one of its arms to be enough, and none of them for a mistake."""
    put(tmp_path, "other", "ce/clean", [result(0.5, SLOW)])
    with pytest.raises(DataError, match=r"r holds no scores; evaluate the run with `dvc repro evaluate@r`$"):
        cells(tmp_path, table(Row("A", {}, "r", "ce")))


@pytest.mark.parametrize(
    ("courses", "cell", "seeds"),
    [
        ([SLOW], "3.0 (1 of 1)", 1),
        ([SLOW, FAST], "2.0 (2 of 2)", 2),
        ([SLOW, NEVER], "3.0 (1 of 2)", 1),
        ([NEVER, NEVER], "never", 0),
        ([[], []], "", 0),
        ([SLOW, []], "3.0 (1 of 1)", 1),
    ],
)
@pytest.mark.parametrize("recorded", [False, True])
def test_epochs_to_a_score(tmp_path, courses, cell, seeds, recorded):
    """Give the mean of those that got there and how many did; never; and nothing of what has no epochs."""
    results = [result(0.5, course) for course in courses]
    put(tmp_path, "r", "ce/clean", results)
    if recorded:
        put(tmp_path, "r", "ce/clean", results, recorded=True)
    lines, data, _ = cells(tmp_path, table(Row("A", {}, "r", "ce")))
    assert [line[4] for line in lines] == [cell] * (1 + recorded)
    assert data["ours_seeds"].tolist() == [len(courses), seeds]
    assert data["recorded_seeds"].tolist() == [len(courses) * recorded, seeds * recorded]


def test_a_table_of_epochs_has_no_claim_about_them(tmp_path):
    """Print neither an interval nor inside or outside beside an epoch."""
    matrix = {"confusion": [[40, 5], [5, 50]], "by_patient": {f"p{n}": "4 1 0 5" for n in range(10)}}
    put(tmp_path, "r", "ce/clean", [result(0.9, SLOW, **matrix)] * 2)
    put(tmp_path, "r", "ce/clean", [result(0.9, SLOW, **matrix)] * 2, recorded=True)
    lines, _, _ = cells(tmp_path, table(Row("A", {"clean/accuracy": 0.9}, "r", "ce")))
    told = {line[2]: line[4] for line in lines}
    assert told == {
        "published": "", "recorded, real": "3.0 (2 of 2)", "95 % by patient": "", "95 % by beat": "",
        "ours": "3.0 (2 of 2)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"pictures": True, "weights": ""}, "From random weights, not ImageNet's: A."),
        ({"pictures": True, "weights": "ab12"}, ""),
        ({"pictures": False, "weights": ""}, ""),
        ({}, ""),
    ],
)
def test_pictures_from_random_weights_are_named(tmp_path, more, note):
    """Name the rows whose network sees pictures and began from nothing."""
    put(tmp_path, "r", "ce/clean", [result(0.5, SLOW, **more)])
    put(tmp_path, "r", "iwl/clean", [result(0.5, SLOW)])
    _, _, text = cells(tmp_path, table(Row("A", {}, "r", "ce"), Row("B", {}, "r", "iwl")))
    said = [line for line in text.splitlines() if line.startswith("From random weights")]
    assert said == [note] * bool(note)


ROWS = (Row("A", {}, "r", "ce"), Row("B", {}, "r", "iwl"), Row("Elsewhere", {"clean/accuracy": 0.5}))


def found(folder, made):
    return tables.courses({"t": made}, folder / "scores", folder / "paper")


def test_courses_are_the_validation_scores_by_epoch(tmp_path):
    """Give one line an epoch and seed of the rows that have a run, of the column's part, and mark made-up recordings."""
    put(tmp_path, "r", "ce/clean", [result(0.5, SLOW, synthetic=True), result(0.5, FAST, synthetic=True)])
    put(tmp_path, "r", "ce/dirty", [result(0.5, NEVER)])
    put(tmp_path, "r", "iwl/clean", [result(0.5, [])])
    lines = found(tmp_path, table(*ROWS, scores=("clean/accuracy", f"clean/{TO}", "clean/epochs_to_f1_macro_0.2")))
    assert list(lines.columns) == ["table", "row", "heading", "synthetic", "epoch", "value"]
    assert lines["epoch"].tolist() == [1, 2, 3] * 2
    assert lines["value"].tolist() == [*SLOW, *FAST]
    assert set(lines["row"]) == {"A"}
    assert set(lines["heading"]) == {"accuracy on validation rows"}
    assert lines["synthetic"].all()


def test_the_first_column_that_asks_decides_what_is_drawn(tmp_path):
    """Follow F1 where its column stands first."""
    put(tmp_path, "r", "ce/clean", [result(0.5, SLOW)])
    lines = found(tmp_path, table(*ROWS[:1], scores=("clean/epochs_to_f1_macro_0.2", f"clean/{TO}")))
    assert lines["value"].tolist() == NEVER
    assert set(lines["heading"]) == {"f1_macro on validation rows"}


def test_recorded_courses_come_before_our_own(tmp_path):
    """Draw what was learned of real recordings, and our own where nothing is recorded."""
    for arm in ("ce", "iwl"):
        put(tmp_path, "r", f"{arm}/clean", [result(0.5, NEVER, synthetic=True)])
    put(tmp_path, "r", "ce/clean", [result(0.5, SLOW)], recorded=True)
    lines = found(tmp_path, table(*ROWS))
    assert lines.groupby("row")["value"].apply(list).to_dict() == {"A": SLOW, "B": NEVER}
    assert lines.groupby("row")["synthetic"].first().to_dict() == {"A": False, "B": True}


def test_a_table_that_asks_for_no_epoch_has_no_courses(tmp_path):
    """Give nothing to draw."""
    put(tmp_path, "r", "ce/clean", [result(0.5, SLOW)])
    assert len(found(tmp_path, table(ROWS[0], scores=("clean/accuracy",)))) == 0


def course(rows=3, seeds=2, epochs=5, *, synthetic=False):
    """Make up courses that rise, each row's later than the last one's."""
    lines = [
        {"table": "t", "row": f"row {row}", "heading": "accuracy", "synthetic": synthetic, "epoch": epoch,
         "value": 1 - 1 / (epoch + 0.3 * seed + 1) - row / 20}
        for row in range(rows) for seed in range(seeds) for epoch in range(1, epochs + 1)
    ]  # fmt: skip
    return pd.DataFrame(lines)


def drawn(file, lines):
    figures.convergence(lines, "Tiny", "accuracy on validation rows", file)
    return file.read_bytes()


def test_convergence_is_the_same_picture_each_time(tmp_path):
    """Write the same bytes twice, and others of other courses or of made-up recordings."""
    first = drawn(tmp_path / "plots" / "a.png", course())
    assert first.startswith(PNG)
    assert drawn(tmp_path / "b.png", course()) == first
    assert drawn(tmp_path / "c.png", course(epochs=6)) != first
    assert drawn(tmp_path / "d.png", course(synthetic=True)) != first


def lines_of(monkeypatch, tmp_path, lines):
    """Give the axes that a figure is drawn on."""
    kept, real = [], figures._axes

    def axes(*given):
        kept.append(real(*given))
        return kept[-1]

    monkeypatch.setattr(figures, "_axes", axes)
    drawn(tmp_path / "a.png", lines)
    return kept[0]


def test_a_line_is_the_mean_over_seeds_in_a_band_of_all(tmp_path, monkeypatch):
    """Draw one line a row, from epoch 1, and the band between the lowest and the highest seed."""
    lines = course(rows=2)
    figure, axes = lines_of(monkeypatch, tmp_path, lines)
    assert [line.get_label() for line in axes.lines] == ["row 0", "row 1"]
    values = lines[lines["row"] == "row 1"].pivot_table(
        index="epoch", columns=lines.groupby(["row", "epoch"]).cumcount(), values="value"
    )
    assert axes.lines[1].get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert axes.lines[1].get_ydata() == pytest.approx(values.mean(axis=1).to_numpy())
    band = axes.collections[1].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == pytest.approx((values.to_numpy().min(), values.to_numpy().max()))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["row 0", "row 1"]


def test_many_rows_are_told_apart(tmp_path, monkeypatch):
    """Give no two of twenty lines the same colour and dashes, and one epoch a dot."""
    _, axes = lines_of(monkeypatch, tmp_path, course(rows=20, epochs=1))
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 20
    assert {line.get_marker() for line in axes.lines} == {"o"}
    assert np.all(np.array([tick % 1 for tick in axes.get_xticks()]) == 0)
