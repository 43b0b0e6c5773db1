"""A page of tables: published, recorded and ours, as Markdown and as data."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pqrst import scored, tables
from pqrst.errors import DataError
from pqrst.files import write_json
from pqrst.published import Row, Table

TABLE = Table(
    title="Tiny, table 1",
    scores={"accuracy": "acc", "f1_macro": "F1 (M)"},
    rows=(
        Row("Tiny CNN", {"accuracy": 0.9872, "f1_macro": None}, "tiny", misprinted={"accuracy": 0.9782}),
        Row("Plain", {}, "plain", "0.5"),
        Row("Elsewhere", {"accuracy": 0.5}),
    ),
    tested="accuracy",
    note="A note.",
)
GOLDEN = """\
# Tiny, table 1

| row       | parameters | from           | acc                   | F1 (M)            |
|-----------|------------|----------------|-----------------------|-------------------|
| Tiny CNN  | 1,686,725  | published      | .9872 (printed .9782) |                   |
| Tiny CNN  | 1,686,725  | recorded, real | .9700 (1)             | .9000 (1)         |
| Tiny CNN  | 1,686,725  | ours           | .9500 ± .0141 (2)     | .8500 ± .0707 (2) |
| Plain     | 229        | ours           | 1.0000 (1)            | .5000 (1)         |
| Elsewhere |            | published      | .5000                 |                   |

A note.

Not yet run on real recordings: Plain.

"""


def result(accuracy, f1, parameters=1686725, *, synthetic=False, **more):
    """Give what evaluation tells of one seed."""
    return {
        "scores": {"accuracy": accuracy, "f1_macro": f1}, "parameters": parameters, "rows": 21892, "split": "kaggle",
        "leak": "47 of 47 patients on both sides", "provenance": {"synthetic": synthetic}, "classes": ["N", "S"],
        "confusion": None, "by_patient": {}, "gate": "no leak; fitted on train rows", "schema": scored.SCHEMA, **more,
    }  # fmt: skip


def write(folder, *, synthetic=False):
    """Write two seeds of one run, one of which is recorded too, and one seed of a value of another."""
    scores, recorded = folder / "scores", folder / "paper"
    for seed, accuracy, f1 in ((17, 0.94, 0.8), (18, 0.96, 0.9)):
        write_json(scores / "tiny" / f"seed-{seed}" / "scores.json", result(accuracy, f1, synthetic=synthetic))
    write_json(scores / "plain" / "0.5" / "seed-17" / "scores.json", result(1.0, 0.5, 229, synthetic=synthetic))
    write_json(recorded / "tiny" / "17.json", result(0.97, 0.9))
    return scores, recorded


def build(folder, table=TABLE, *, synthetic=False):
    return tables.build({"one": table}, *write(folder, synthetic=synthetic))


def body(text):
    """Give the lines of a Markdown table."""
    return [line for line in text.splitlines() if line.startswith("|")]


def test_the_markdown_of_a_small_table(tmp_path):
    """Print published, recorded and ours under each other, a misprint, a row that is only published, what is missing."""
    text, _ = build(tmp_path)
    assert text.startswith(GOLDEN)
    assert "\nMeasured on real: 21,892 test rows of split kaggle (47 of 47 patients on both sides).\n" in text
    assert text.endswith(tables.LEGEND)


def test_the_data_of_a_small_table(tmp_path):
    """Give one line a row and score, with mean, deviation and number of seeds, and blanks where nothing is known."""
    _, data = build(tmp_path)
    assert data[["table", "run", "value", "score"]].to_numpy().tolist()[:4] == [
        ["one", "tiny", "", "accuracy"], ["one", "tiny", "", "f1_macro"],
        ["one", "plain", "0.5", "accuracy"], ["one", "plain", "0.5", "f1_macro"],
    ]  # fmt: skip
    first, last = data.iloc[0], data.iloc[3]
    assert (first["published"], first["ours_seeds"], first["recorded_seeds"], last["ours_seeds"]) == (0.9872, 2, 1, 1)
    assert first["ours_mean"] == pytest.approx(0.95)
    assert first["ours_sd"] == pytest.approx(0.02 / 2**0.5)
    assert first["recorded_mean"] == pytest.approx(0.97)
    assert last[["published", "ours_sd", "recorded_mean", "recorded_sd", "p_corrected"]].isna().all()
    assert not data["ours_synthetic"].any()


def test_made_up_recordings_are_marked(tmp_path):
    """Say SYNTHETIC above the table, in every line of ours, and in the data; published and recorded lines stay clean."""
    text, data = build(tmp_path, synthetic=True)
    assert text.splitlines()[2].startswith("**SYNTHETIC**")
    assert [line.split("|")[3].strip() for line in body(text)[2:]] == [
        "published", "recorded, real", "ours (synthetic)", "ours (synthetic)", "published",
    ]  # fmt: skip
    assert data["ours_synthetic"].tolist() == [True] * 4 + [False] * 2


def test_a_result_without_a_mark_counts_as_made_up(tmp_path):
    """Take no result for real that does not say so."""
    scores, recorded = write(tmp_path)
    write_json(scores / "plain" / "0.5" / "seed-17" / "scores.json", result(1.0, 0.5) | {"provenance": {}})
    text, data = tables.build({"one": TABLE}, scores, recorded)
    assert "**SYNTHETIC**" in text
    assert data["ours_synthetic"].tolist() == [False, False, True, True, False, False]


def test_columns_line_up(tmp_path):
    """Set every bar of the table under the one above."""
    for synthetic in (False, True):
        lines = body(build(tmp_path, synthetic=synthetic)[0])
        places = {tuple(place for place, letter in enumerate(line) if letter == "|") for line in lines}
        assert len(places) == 1


def test_a_missing_run_is_told_in_one_line(tmp_path):
    """Name the folder and the command that fills it."""
    scores, recorded = write(tmp_path)
    shutil.rmtree(scores / "plain")
    with pytest.raises(DataError, match=r"plain holds no scores; evaluate the run with `dvc repro evaluate@plain`$"):
        tables.build({"one": TABLE}, scores, recorded)


PEOPLE = [f"p{n:02d}" for n in range(20)]
COMPARED = Table(
    title="Compared", scores={"accuracy": "acc", "recall_of_S": "Se S"},
    rows=(Row("base", {}, "base"), Row("better", {"accuracy": 0.9}, "better"), Row("alike", {"accuracy": 0.5}, "alike")),
    tested="accuracy", baseline="base",
)  # fmt: skip


def people(right):
    """Give each of twenty patients so many of 100 beats right, in two classes, and the whole matrix."""
    told = {name: f"{right + n % 5 - 50} {100 - right - n % 5} 0 50" for n, name in enumerate(PEOPLE)}
    total = [sum(int(text.split()[place]) for text in told.values()) for place in range(4)]
    return {"by_patient": told, "confusion": [total[:2], total[2:]]}


def compared(folder, seeds):
    """Record so many seeds of three runs: one stands five beats in a hundred above the others."""
    for run, right in (("base", 80), ("better", 85), ("alike", 80)):
        for seed in range(seeds):
            told = people(right)
            accuracy = sum(told["confusion"][place][place] for place in (0, 1)) / 2000
            write_json(folder / "paper" / run / f"{seed}.json", result(accuracy, 0.5, **told))
        write_json(folder / "scores" / run / "seed-0" / "scores.json", result(0.5, 0.5, synthetic=True))
    return tables.build({"compared": COMPARED}, folder / "scores", folder / "paper")


def test_only_a_difference_that_holds_is_bold(tmp_path):
    """Print bold the row that every patient sets above the baseline, and its p-value; leave the one alike plain."""
    text, data = compared(tmp_path, 2)
    assert "| **better** |" in text
    assert "**alike**" not in text
    found = data.drop_duplicates("row").set_index("row")["p_corrected"]
    assert found["better"] < 0.01
    assert found["alike"] == 1
    assert pd.isna(found["base"])


WHOLE = {name: Table(
    title=name.capitalize(), scores={"accuracy": "acc", "j_kappa": "jκ"}, rows=rows, tested="accuracy", baseline=baseline, note=note,
) for name, rows, baseline, note in (
    ("first", (Row("Right", {"accuracy": 1.0}, "right"), Row("Wrong", {"accuracy": 0.1}, "wrong", "0.5"), Row("Once", {}, "once")),
     "Right", ""),
    ("second", (Row("Elsewhere", {"accuracy": 0.25, "j_kappa": 0.5}),), "", "No run."),
)}  # fmt: skip
WHOLE_GOLDEN = """\
# First

| row       | parameters | from            | acc                | jκ | p        |
|-----------|------------|-----------------|--------------------|----|----------|
| Right     | 1,686,725  | published       | 1.0000 inside      |    |          |
| Right     | 1,686,725  | recorded, real  | 1.0000 ± .0000 (2) |    | baseline |
| Right     | 1,686,725  | 95 % by patient | 1.0000-1.0000      |    |          |
| Right     | 1,686,725  | 95 % by beat    | 1.0000-1.0000      |    |          |
| Right     | 1,686,725  | ours            | .7500 (1)          |    |          |
| **Wrong** | 1,686,725  | published       | .1000 outside      |    |          |
| **Wrong** | 1,686,725  | recorded, real  | .0000 ± .0000 (2)  |    | .002     |
| **Wrong** | 1,686,725  | 95 % by patient | .0000-.0000        |    |          |
| **Wrong** | 1,686,725  | 95 % by beat    | .0000-.0000        |    |          |
| **Wrong** | 1,686,725  | ours            | .7500 (1)          |    |          |
| Once      | 1,686,725  | recorded, real  | .0000 (1)          |    | .002     |
| Once      | 1,686,725  | 95 % by patient | .0000-.0000        |    |          |
| Once      | 1,686,725  | 95 % by beat    | .0000-.0000        |    |          |
| Once      | 1,686,725  | ours            | .7500 (1)          |    |          |

`p` is on acc.

Measured on real: 21,892 test rows of split kaggle (47 of 47 patients on both sides).

Leak gate, by the artefacts:

- real, kaggle: no leak; fitted on train rows

# Second

| row       | parameters | from      | acc   | jκ    |
|-----------|------------|-----------|-------|-------|
| Elsewhere |            | published | .2500 | .5000 |

No run.

"""


def whole(folder):
    """Record two seeds that are always right, two of one value that are always wrong, and one such seed."""
    for run, value, seeds, wrong in (("right", "", 2, 0), ("wrong", "0.5", 2, 1), ("once", "", 1, 1)):
        people = dict.fromkeys(("p1", "p2", "p3"), f"{9 - 9 * wrong} {9 * wrong} 0 0")
        for seed in range(seeds):
            told = result(1.0 - wrong, 0.5, by_patient=people)
            write_json(folder / "paper" / run / value / f"{seed}.json", told)
        write_json(folder / "scores" / run / value / "seed-0" / "scores.json", result(0.75, 0.5))
    return tables.build(WHOLE, folder / "scores", folder / "paper")


def test_the_markdown_of_a_page(tmp_path):
    """Print two tables and a legend: intervals, p after Holm, bold with two seeds only, no score of a class not there."""
    text, _ = whole(tmp_path)
    assert text == WHOLE_GOLDEN + tables.LEGEND


def gate_of(folder, table=TABLE, **more):
    """Give the lines about the leak gate, one result of ours and the recorded one changed."""
    scores, recorded = write(folder)
    write_json(scores / "tiny" / "seed-18" / "scores.json", result(0.96, 0.9, **more))
    old = {key: value for key, value in result(0.97, 0.9).items() if key not in ("gate", "schema")}
    write_json(recorded / "tiny" / "17.json", old)
    text = tables.build({"one": table}, scores, recorded)[0]
    found = text.partition("\nLeak gate, by the artefacts:\n\n")[2].partition("\n\n")[0]
    return found.splitlines()


def test_each_protocol_has_its_verdict_of_the_leak_gate(tmp_path):
    """Print what was seen once for all splits that it was seen of, and count what was recorded before."""
    seen, before = (
        "- real, kaggle: no leak; fitted on train rows",
        "- 1 recorded results were made before there was this gate",
    )
    assert gate_of(tmp_path) == [seen, before]
    assert gate_of(tmp_path, split="mine", part="a") == [seen.replace("kaggle", "kaggle; real, mine/a"), before]
    assert gate_of(tmp_path, gate="a leak", provenance={}) == [seen, "- made-up, kaggle: a leak", before]


def test_a_score_whose_thresholds_are_picked_on_test_rows_is_named(tmp_path):
    """Tell it as the exception that it is."""
    heading = replace(TABLE, scores={"accuracy": "acc", "recall_micro_picked_on_test": "sens."}, rows=TABLE.rows[:1])
    assert gate_of(tmp_path, heading)[1] == "- sens.: thresholds picked on the test rows, as published"


@pytest.mark.parametrize("lacking", ["gate", "schema"])
def test_a_result_of_ours_that_the_gate_never_saw_is_refused(tmp_path, lacking):
    """Show nothing that was not audited."""
    scores, recorded = write(tmp_path)
    told = {key: value for key, value in result(0.96, 0.9).items() if key != lacking}
    write_json(scores / "tiny" / "seed-18" / "scores.json", told)
    with pytest.raises(DataError, match=r"scores\.json .*; evaluate the run anew with `dvc repro`$"):
        tables.build({"one": TABLE}, scores, recorded)


def test_the_data_of_a_page(tmp_path):
    """Lay out every row and score of every table, with the recorded value of its row and the corrected p-value."""
    _, data = whole(tmp_path)
    assert data["table"].tolist() == ["first"] * 6 + ["second"] * 2
    wrong = data[(data["row"] == "Wrong") & (data["score"] == "accuracy")].iloc[0]
    assert (wrong["value"], wrong["recorded_seeds"], wrong["published_inside"]) == ("0.5", 2, False)
    assert wrong["p_corrected"] == pytest.approx(4 / 2001)
    assert (wrong["recorded_low_by_patient"], wrong["recorded_high_by_beat"]) == (0, 0)
    assert data[data["score"] == "j_kappa"]["recorded_low_by_patient"].isna().all()


def test_other_patients_are_not_held_against_the_baseline(tmp_path):
    """Give no p-value where a row was measured on other patients, or where they are unknown."""
    compared(tmp_path, 2)
    for seed in (0, 1):
        other = people(85)["by_patient"]
        other["p20"] = other.pop("p19")
        write_json(tmp_path / "paper" / "better" / f"{seed}.json", result(0.87, 0.5, by_patient=other))
        write_json(tmp_path / "paper" / "alike" / f"{seed}.json", result(0.82, 0.5))
    text, data = tables.build({"compared": COMPARED}, tmp_path / "scores", tmp_path / "paper")
    assert data["p_corrected"].isna().all()
    assert "**better**" not in text
    assert text.count("95 % by patient") == 2  # of the baseline and the better one; nothing is known of who is alike


@pytest.mark.parametrize("table", [replace(COMPARED, baseline=""), replace(COMPARED, tested="auroc_macro")])
def test_nothing_is_tested_without_a_baseline_or_a_matrix(tmp_path, table):
    """Leave p-values out where there is no baseline, or where a confusion matrix is not enough for the score."""
    compared(tmp_path, 2)
    text, data = tables.build({"compared": table}, tmp_path / "scores", tmp_path / "paper")
    assert data["p_corrected"].isna().all()
    assert "**better**" not in text
    assert (body(text)[0].split("|")[-2].strip() == "p") == bool(table.baseline)


def test_a_baseline_that_was_not_recorded_tests_nothing(tmp_path):
    """Name it among the rows not yet run, and give no p-value."""
    compared(tmp_path, 2)
    for seed in (0, 1):
        (tmp_path / "paper" / "base" / f"{seed}.json").unlink()
    text, data = tables.build({"compared": COMPARED}, tmp_path / "scores", tmp_path / "paper")
    assert "\n\nNot yet run on real recordings: base.\n\n" in text
    assert data["p_corrected"].isna().all()


@pytest.mark.parametrize(
    ("p", "text"),
    [(None, ""), (1.0, "1.000"), (0.0482, ".048"), (0.002, ".002"), (0.00099, "<.001"), (0.9996, "1.000")],
)
def test_p_values_are_printed_with_three_digits(p, text):
    """Print three digits without the leading zero, and what is smaller as such."""
    assert tables.significance(p) == text


def test_one_seed_is_never_bold(tmp_path):
    """Hold back where the noise of the seeds is not known."""
    text, data = compared(tmp_path, 1)
    assert "**better**" not in text
    assert data["p_corrected"].isna().all()


def test_recorded_rows_carry_intervals_and_published_cells_are_judged(tmp_path):
    """Show the intervals by patient and by beat, and whether a published cell lies inside our spread."""
    text, data = compared(tmp_path, 1)
    assert "95 % by patient" in text
    assert "95 % by beat" in text
    better = data[(data["row"] == "better") & (data["score"] == "accuracy")].iloc[0]
    assert better["recorded_low_by_beat"] < better["recorded_mean"] < better["recorded_high_by_beat"]
    assert ".5000 outside" in text
    inside = {(row, score): told for row, score, told in data[["row", "score", "published_inside"]].to_numpy()}
    assert inside["alike", "accuracy"] is False
    assert inside["base", "accuracy"] is None


def test_a_score_of_one_class_comes_from_the_matrix(tmp_path):
    """Compute what evaluation did not from the confusion matrix of each seed."""
    _, data = compared(tmp_path, 1)
    assert data[data["score"] == "recall_of_S"]["recorded_mean"].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("value", "text"), [(0.98724, ".9872"), (1.0, "1.0000"), (0.0, ".0000"), (-0.02, "-.0200"), (None, "")]
)
def test_numbers_are_printed_as_the_publications_do(value, text):
    """Print four digits without the leading zero, and nothing where nothing was published."""
    assert tables.number(value) == text


def test_building_twice_gives_the_same(tmp_path):
    """Give equal text and data."""
    (text, data), (again, same) = (compared(tmp_path, 2) for _ in range(2))
    assert text == again
    pd.testing.assert_frame_equal(data, same)


BY_PART = Table(
    title="By part", scores={"a/accuracy": "a", "b/accuracy": "b", "b/auroc_macro": "b AUROC"},
    rows=(Row("Ours", {"a/accuracy": 0.9, "b/auroc_macro": 0.8}, "ours"), Row("Half", {}, "half"), Row("Print", {"b/accuracy": 0.7})),
    tested="a/accuracy",
)  # fmt: skip
BY_PART_GOLDEN = """\
# By part

| row   | parameters | from            | a         | b         | b AUROC       |
|-------|------------|-----------------|-----------|-----------|---------------|
| Ours  | 229 to 231 | published       | .9000     |           | .8000 outside |
| Ours  | 229 to 231 | recorded, real  |           | .6500 (1) | .7000 (1)     |
| Ours  | 229 to 231 | 95 % by patient |           |           | .6000-.7500   |
| Ours  | 229 to 231 | ours            | .5000 (1) | .6000 (1) |               |
| Half  | 229        | ours            |           | .4000 (1) |               |
| Print |            | published       |           | .7000     |               |

Not yet run on real recordings: Half.

"""


def of_part(part, accuracy, parameters=229, **more):
    """Give what evaluation tells of one part of a multi-label run."""
    told = result(
        accuracy, 0.5, parameters, part=part, split="official", rows=100, leak="no patient on two sides", **more
    )
    return told | {"scores": told["scores"] | {"auroc_labels": 2.0} | more.get("scores", {})}


def by_part(folder, *, held=True):
    """Write one run over both parts, of which one is recorded with its interval, and one run over one of them."""
    scores, recorded = folder / "scores", folder / "paper"
    for run, part, accuracy, parameters in (("ours", "a", 0.5, 229), ("ours", "b", 0.6, 231), ("half", "b", 0.4, 229)):
        write_json(scores / run / part / "seed-0" / "scores.json", of_part(part, accuracy, parameters))
    area = {"auroc_macro": {"low": 0.6, "high": 0.75, "point": 0.7, "held": held}}
    told = of_part("b", 0.65, 230, intervals=area) | {
        "scores": {"accuracy": 0.65, "auroc_macro": 0.7, "auroc_labels": 2.0}
    }
    write_json(recorded / "ours" / "b" / "0.json", told)
    return tables.build({"parts": BY_PART}, scores, recorded)


def test_columns_may_be_of_several_values(tmp_path):
    """Show each part in its own column, leave blank what was not run, and take the interval as evaluation found it."""
    text, _ = by_part(tmp_path)
    assert text.startswith(BY_PART_GOLDEN)


def test_an_interval_that_does_not_hold_its_point_is_marked(tmp_path):
    """Print a mark behind it."""
    assert ".6000-.7500!  |" in by_part(tmp_path, held=False)[0]


def test_the_line_below_names_each_part_with_its_labels(tmp_path):
    """Say of every part on which rows and over how many labels it was measured, each once."""
    text, _ = by_part(tmp_path)
    line = next(line for line in text.splitlines() if line.startswith("Measured on"))
    assert line.count("split official/b, 2 of 2 labels (no patient on two sides)") == 1
    assert "100 test rows of split official/a, 2 of 2 labels" in line


def test_the_data_name_the_value_of_each_column(tmp_path):
    """Give value and score of every cell apart, with the blanks."""
    _, data = by_part(tmp_path)
    ours = data[data["run"] == "ours"]
    assert ours[["value", "score"]].to_numpy().tolist() == [["a", "accuracy"], ["b", "accuracy"], ["b", "auroc_macro"]]
    assert ours["published"].tolist()[::2] == [0.9, 0.8]
    assert ours["recorded_mean"].isna().tolist() == [True, False, False]
    area = ours.iloc[2]
    assert (area["recorded_low_by_patient"], area["recorded_high_by_patient"], area["published_inside"]) == (
        0.6,
        0.75,
        False,
    )
    assert pd.isna(area["recorded_low_by_beat"])
    half = data[data["run"] == "half"]
    assert half["ours_seeds"].tolist() == [0, 1, 0]


def test_the_tested_score_is_laid_out_by_subgroup(tmp_path):
    """Show each run's recorded or else own score of every sex that one of them knows, and blanks for the others."""
    by_part(tmp_path)
    known = [
        {"by": "sex", "group": "female", "rows": 1200, "accuracy": 0.25},
        {"by": "sex", "group": "male", "rows": 3, "accuracy": None},
    ]
    write_json(tmp_path / "paper" / "ours" / "a" / "0.json", of_part("a", 0.7, subgroups=known))
    write_json(tmp_path / "scores" / "half" / "a" / "seed-0" / "scores.json", of_part("a", 0.7, subgroups=known[:1]))
    text, _ = tables.build({"parts": BY_PART}, tmp_path / "scores", tmp_path / "paper")
    assert "\na by subgroup of the test rows, first seed:\n\n" in text
    assert text[text.index("| by ") :].startswith("""\
| by  | group  | rows  | Ours  | Half  |
|-----|--------|-------|-------|-------|
| sex | female | 1,200 | .2500 | .2500 |
| sex | male   | 3     |       |       |
""")


def test_a_run_of_none_of_the_columns_is_told_in_one_line(tmp_path):
    """Name the run's folder where no part of it was scored."""
    by_part(tmp_path)
    (tmp_path / "scores" / "half" / "b" / "seed-0" / "scores.json").unlink()
    with pytest.raises(DataError, match=r"half holds no scores; evaluate the run with `dvc repro evaluate@half`$"):
        tables.build({"parts": BY_PART}, tmp_path / "scores", tmp_path / "paper")


def test_each_table_has_its_figures(tmp_path, monkeypatch):
    """Draw the tested score's lines of each table, and how runs learned where a table tells it."""
    seen = []
    monkeypatch.setattr(tables.figures, "rows", lambda lines, *told: seen.append((lines["column"].tolist(), *told)))
    monkeypatch.setattr(tables.figures, "convergence", lambda course, *told: seen.append((len(course), *told)))
    lines = pd.DataFrame({"table": ["a", "a", "b"], "column": ["accuracy", "f1_macro", "accuracy"]})
    learned = pd.DataFrame({"table": ["b", "b"], "heading": ["accuracy", "accuracy"]})
    tables.draw({"a": TABLE, "b": replace(TABLE, title="B")}, lines, learned, tmp_path)
    assert seen == [
        (["accuracy"], "Tiny, table 1", "acc", tmp_path / "a.png"),
        (["accuracy"], "B", "acc", tmp_path / "b.png"),
        (2, "B", "accuracy", tmp_path / "b_by_epoch.png"),
    ]
    tables.draw({"a": TABLE}, lines[:2], pd.DataFrame(), tmp_path)
    assert len(seen) == 4


OF_LABELS = Table(
    title="Labels", scores={"auroc_macro": "AUROC"}, tested="auroc_macro", baseline="Base",
    rows=(Row("Base", {}, "base"), Row("Better", {"auroc_macro": 0.7}, "better")),
)  # fmt: skip


def of_labels(folder, *, synthetic=False, seeds=2):
    """Evaluate and record so many seeds of two runs over the same 200 rows of 100 patients; one knows the labels better."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=(200, 2)).astype(np.int8)
    for run, known in (("base", 0.1), ("better", 1.0)):
        for seed in range(seeds):
            place = folder / "scores" / run / f"seed-{seed}"
            write_json(place / "scores.json", of_part("", 0.5, synthetic=synthetic, scores={"auroc_macro": known}))
            write_json(folder / "paper" / run / f"{seed}.json", of_part("", 0.5, scores={"auroc_macro": known}))
            np.save(place / "probabilities.npy", (rng.random(labels.shape) + known * labels) / 2)
            np.save(place / "labels.npy", labels)
            pd.DataFrame({"patient": [f"p{row // 2}" for row in range(200)]}).to_csv(place / "rows.csv", index=False)
    return tables.build({"labels": OF_LABELS}, folder / "scores", folder / "paper")


def test_p_of_several_labels_stands_on_the_line_that_it_compares(tmp_path):
    """Print it, and bold, on the line of this checkout's results, from whose predictions it comes; not on what is recorded."""
    text, data = of_labels(tmp_path)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in body(text)[2:]]
    assert [(line[0], line[2], line[-1]) for line in lines] == [
        ("Base", "recorded, real", ""), ("Base", "ours", "baseline"),
        ("Better", "published", ""), ("Better", "recorded, real", ""), ("**Better**", "ours", "<.001"),
    ]  # fmt: skip
    assert data["p_corrected"].isna().tolist() == [True, False]


def test_p_of_several_labels_on_one_seed_is_not_bold(tmp_path):
    """Hold back where the noise of the seeds is not known."""
    text, data = of_labels(tmp_path, seeds=1)
    assert "**Better**" not in text
    assert data["p_corrected"].notna().sum() == 1


def test_made_up_results_of_several_labels_are_not_compared(tmp_path):
    """Print no p beside recorded results that it was not computed from."""
    text, data = of_labels(tmp_path, synthetic=True)
    assert "**Better**" not in text
    assert data["p_corrected"].isna().all()
    assert {line.split("|")[-2].strip() for line in body(text)[2:]} == {""}


@pytest.mark.parametrize(
    ("precisions", "said"),
    [
        (("fp32", "fp32"), "recorded, real"),
        (("bf16", "bf16"), "recorded, real, bf16"),
        (("fp32", "bf16"), "recorded, real, 1 of 2 in bf16"),
    ],
)
def test_what_was_computed_in_bfloat16_says_so(tmp_path, precisions, said):
    """Name the recorded trainings whose numbers are coarser than those of their baseline may be."""
    write_json(tmp_path / "scores" / "tiny" / "seed-17" / "scores.json", result(0.9, 0.8, synthetic=True))
    for seed, precision in enumerate(precisions):
        write_json(tmp_path / "paper" / "tiny" / f"{seed}.json", result(0.97, 0.9, train={"precision": precision}))
    table = Table("One", {"accuracy": "acc"}, (Row("Tiny", {}, "tiny"),), tested="accuracy")
    page = tables.build({"one": table}, tmp_path / "scores", tmp_path / "paper")[0]
    assert f"| {said} " in page
