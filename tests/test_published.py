"""The files of published tables: a line a row, and every mistake in one line that names the file."""

from pathlib import Path

import pytest
import yaml

from pqrst import params, published
from pqrst.errors import SettingsError

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "tables").glob("*.yaml"))
SHIPPED = {file.stem: file.read_text() for file in FILES}
TEXT = """\
nets:
  title: Nets
  scores: {accuracy: Acc, f1_macro: F1}
  tested: accuracy
  rows:
  - {name: One, run: one, published: [0.9, ~]}
  - {name: Two, published: [0.8, 0.7], misprinted: {f1_macro: 0.6}}
  - {name: Three, run: three, value: '0.5'}
"""


def load(folder, text):
    """Read the tables of a family from this text."""
    (folder / "tables").mkdir()
    (folder / "tables" / "few.yaml").write_text(text)
    return published.load(folder, "few")


def test_cells_stand_in_the_order_of_the_scores(tmp_path):
    """Name each cell by its score, and leave out what is not printed."""
    one, two, three = load(tmp_path, TEXT)["nets"].rows
    assert (one.published, two.published, three.published) == (
        {"accuracy": 0.9},
        {"accuracy": 0.8, "f1_macro": 0.7},
        {},
    )
    assert (two.run, two.misprinted, three.value) == ("", {"f1_macro": 0.6}, "0.5")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("run: one", "rum: one", "nets.rows[0].rum is not a setting; did you mean run?"),
        ("  tested: accuracy\n", "", "nets.tested is missing; it must be text"),
        ("title: Nets", "titel: Nets", "nets.titel is not a setting; did you mean title?"),
        (", ~]", "]", "nets.rows[0].published must be a list of 2 cells, one a score (accuracy, f1_macro), got 1 cells"),
        (", 0.7]", ", 0.7, 1]", "nets.rows[1].published must be a list of 2 cells, one a score (accuracy, f1_macro), got 3 "),
        ("[0.9, ~]", "0.9", "nets.rows[0].published must be a list of 2 cells, one a score (accuracy, f1_macro), got 0.9"),
        ("[0.8, 0.7]", "[0.8, high]", "nets.rows[1].published.f1_macro must be float, got 'high'"),
        ("name: Two,", "name: none, Adam,", "nets.rows[1].Adam is not a setting; "),
        ("name: One, ", "", "nets.rows[0].name is missing; it must be text"),
        ("  - {name: Three, run: three, value: '0.5'}", "  - three", "nets.rows[2] must be a mapping of settings, got 'three'"),
        ("{accuracy: Acc, f1_macro: F1}", "[accuracy]", "nets.scores must be a mapping, got ['accuracy']"),
        (TEXT, "nets: 1", "nets must be a mapping of settings, got 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_file(tmp_path, before, after, message):
    """Say in which file, table and row, and what would do."""
    assert before in TEXT
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, TEXT.replace(before, after, 1))
    assert str(caught.value).startswith(f"tables/few.yaml: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("nets: [", "tables/few.yaml is not YAML: "), ("", "tables/few.yaml must be a mapping of settings, got None")],
)
def test_a_file_that_holds_no_tables_is_one_line(tmp_path, text, message):
    """Name the file, and what it holds in their place."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_family_without_a_file_is_one_line(tmp_path):
    """Name the file that there is not, and the nearest."""
    load(tmp_path, TEXT)
    with pytest.raises(
        SettingsError, match=r"^tables: there is no file tables/fev\.yaml; did you mean tables/few\.yaml\?$"
    ):
        published.load(tmp_path, "fev")


def test_every_file_is_named_in_params_yaml():
    """Ship no table that is never printed."""
    assert set(params.load(ROOT / "params.yaml").tables) == set(SHIPPED)


@pytest.mark.parametrize("family", SHIPPED)
def test_every_row_is_one_line(family):
    """Write each row as a flow mapping of one line, so that a table in the file reads as in print."""
    rows = [row for table in yaml.safe_load(SHIPPED[family]).values() for row in table["rows"]]
    lines = [yaml.safe_load(line) for line in SHIPPED[family].splitlines() if line.startswith("  - ")]
    assert [row for (row,) in lines] == rows
