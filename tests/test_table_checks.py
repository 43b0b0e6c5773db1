"""Tables held against the runs that fill them: what is refused, and in which words."""

from dataclasses import replace
from pathlib import Path

import pytest

from pqrst import params, resolver, table_checks
from pqrst.errors import SettingsError
from pqrst.params import Run
from pqrst.published import Row, Table

SETTINGS = params.load(Path(__file__).parents[1] / "params.yaml")
MADE = {name: [one.value for one in found] for name, found in resolver.resolve(SETTINGS).items()}


def refusal(settings):
    """Give the line with which settings are refused."""
    with pytest.raises(SettingsError) as caught:
        resolver.resolved_files(settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


TABLE = SETTINGS.tables["heartbeat"]["networks"]
ROW = TABLE.rows[0]
NO_TABLES = [
    (
        {"scores": {"f1_makro": "F1"}, "tested": "f1_makro"},
        "tables/heartbeat.yaml: networks.scores: there is no 'f1_makro'; did you mean f1_macro?",
    ),
    ({"tested": "accuracy"}, "tables/heartbeat.yaml: networks.tested: there is no 'accuracy'; "),
    (
        {"baseline": "Simpel CNN"},
        "tables/heartbeat.yaml: networks.baseline: there is no 'Simpel CNN'; did you mean Simple CNN?",
    ),
    (
        {"rows": (*TABLE.rows, replace(ROW, name="in print", run="")), "baseline": "in print"},
        "tables/heartbeat.yaml: networks.baseline: there is no 'in print'; ",
    ),
    (
        {"rows": (replace(ROW, misprinted={"f1_makro": 0.9}),)},
        "tables/heartbeat.yaml: networks.rows[0].misprinted: there is no 'f1_makro'; did you mean f1_macro?",
    ),
    (
        {"rows": (replace(ROW, run="simple"),), "baseline": ""},
        "tables/heartbeat.yaml: networks.rows[0].run: there is no 'simple'; ",
    ),
    (
        {"rows": (replace(ROW, run="heartbeat_rows"),), "baseline": ""},
        "tables/heartbeat.yaml: networks.rows[0].run: heartbeat_rows is of family images, the table shows heartbeat",
    ),
    (
        {"rows": (replace(ROW, run="coupled_ratio", value="0.3"),), "baseline": ""},
        "tables/heartbeat.yaml: networks.rows[0].value: run coupled_ratio has no '0.3'; known: 0.1, 0.25, 0.5, 1.0",
    ),
    (
        {"rows": (replace(ROW, run="coupled_ratio"),), "baseline": ""},
        "tables/heartbeat.yaml: networks.rows[0].value: run coupled_ratio has no ''; known: 0.1, 0.25, 0.5, 1.0",
    ),
    (
        {"rows": (replace(ROW, value="0.1"),)},
        "tables/heartbeat.yaml: networks.rows[0].value: run simple_cnn has no '0.1'; known: none",
    ),
]


PART_TABLE = SETTINGS.tables["ptbxl"]["tasks"]
NO_COLUMNS = [
    ({"scores": {"al/auroc_macro": "M"}, "tested": "al/auroc_macro"},
     "tables/ptbxl.yaml: tasks.scores.al/auroc_macro: there is no 'al'; did you mean all?"),
    ({"scores": {"all/auroc_makro": "M"}, "tested": "all/auroc_makro"},
     "tables/ptbxl.yaml: tasks.scores: there is no 'auroc_makro'; did you mean auroc_macro?"),
    ({"tested": "auroc_macro"}, "tables/ptbxl.yaml: tasks.tested: there is no 'auroc_macro'; "),
    ({"scores": PART_TABLE.scores | {"f1_macro": "F1"}},
     "tables/ptbxl.yaml: tasks.rows[0].value: run incepse has no ''; known: all, diagnostic, sub, super, form, rhythm"),
    ({"rows": (*PART_TABLE.rows, replace(PART_TABLE.rows[0], name="x", published={"rhythm/auroc_macro": 1.0}, misprinted={"rythm/auroc_macro": 0.9}))},
     "tables/ptbxl.yaml: tasks.rows[9].misprinted: there is no 'rythm/auroc_macro'; did you mean rhythm/auroc_macro?"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "message"), NO_COLUMNS, ids=[message for _, message in NO_COLUMNS])
def test_a_column_of_a_value_that_is_none_is_refused(more, message):
    """Refuse a value or a score before or behind the slash that is not there."""
    tables = SETTINGS.tables | {"ptbxl": {"tasks": replace(PART_TABLE, **more)}}
    assert refusal(replace(SETTINGS, tables=tables)).startswith(message)


def test_a_row_needs_no_value_where_every_column_names_one():
    """Fill such a table from runs over parts, whose own value is none of theirs."""
    assert {row.value for row in PART_TABLE.rows} == {""}
    assert all("/" in column for column in PART_TABLE.scores)
    table_checks.check(replace(SETTINGS, tables=SETTINGS.tables | {"ptbxl": {"tasks": PART_TABLE}}), MADE)


@pytest.mark.parametrize(("more", "message"), NO_TABLES, ids=[message for _, message in NO_TABLES])
def test_a_table_that_cannot_be_filled_is_refused(more, message):
    """Refuse a score, a baseline, a run or a value that is not there, and a run of another family."""
    tables = SETTINGS.tables | {"heartbeat": {"networks": replace(TABLE, **more)}}
    assert refusal(replace(SETTINGS, tables=tables)).startswith(message)


def table(run, scores, *rows):
    """Give one table over a run: its scores, and rows by value."""
    made = tuple(Row(value, {}, "r", value) for value in rows)
    s = replace(SETTINGS, runs={"r": run})
    return replace(s, tables={run.family: {"t": Table("T", dict.fromkeys(scores, "x"), made, scores[0])}})


CORPUS = Run("icwa", "images", "cpsc2018", "windows/cpsc2018", "published", "efficientnet_b0", drawing="lead_rows")
ARMS = replace(CORPUS, arms={"ce": {}, "iwl": {"loss": "iwl"}}, over={"part": ("8-1", "clean")}, brief=("ce",))


def test_a_table_shows_arms_by_row_and_parts_by_column():
    """Take a row's arm and a column's part, an arm that the profile does not train, and the epochs to a score."""
    s = table(ARMS, ("clean/accuracy", "8-1/f1_macro", "clean/epochs_to_accuracy_0.9"), "ce", "iwl")
    assert "tables/images.yaml" in resolver.resolved_files(s)
    assert list(resolver.resolved_files(s)["runs/r.yaml"]["over"]) == ["ce/8-1", "ce/clean"]
    untrained = table(ARMS, ("clean/accuracy",), "iwl")
    assert "tables/images.yaml" in resolver.resolved_files(untrained)


@pytest.mark.parametrize(
    ("scores", "row", "message"),
    [
        (("clean/accuracy",), "cee", "value: there is no 'cee'; did you mean ce?"),
        (("clean/accuracy",), "", "value: there is no ''; known: ce, iwl"),
        (("clean/accuracy",), "ce/clean", "value: there is no 'ce/clean'; known: ce, iwl"),
        (("accuracy",), "ce", "rows[0]: run r is made over part too; name one before each score, as one/score"),
        (("cleen/accuracy",), "ce", "scores.cleen/accuracy: there is no 'cleen'; did you mean clean?"),
        (("clean/epochs_to_accuracy_2",), "ce", ": there is no 'epochs_to_accuracy_2'; "),
        (("clean/epochs_to_loss_0.5",), "ce", ": there is no 'epochs_to_loss_0.5'; "),
    ],
)
def test_a_table_of_what_is_no_arm_is_one_line(scores, row, message):
    """Name the arm, part or score that there is not."""
    said = refusal(table(ARMS, scores, row))
    assert message in said
    assert said.startswith("tables/images.yaml: t.")
