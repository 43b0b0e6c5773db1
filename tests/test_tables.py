"""A table of results: published, recorded and ours, as Markdown and as data."""

import pandas as pd
import pytest

from pqrst import tables
from pqrst.arrays import write_json
from pqrst.errors import DataError
from pqrst.params import Row, Table

TABLE = Table(
    title="Tiny, table 1",
    family="tests",
    scores={"accuracy": "acc", "f1_macro": "F1 (M)"},
    rows=(Row("tiny", "Tiny CNN", {"accuracy": 0.9872, "f1_macro": None}), Row("plain", "Plain", {})),
    note="A note.",
)
GOLDEN = """\
# Tiny, table 1

| model    | parameters | from           | seeds | acc           | F1 (M)        |
|----------|------------|----------------|-------|---------------|---------------|
| Tiny CNN | 1,686,725  | published      |       | .9872         |               |
| Tiny CNN | 1,686,725  | recorded, real | 1     | .9700         | .9000         |
| Tiny CNN | 1,686,725  | ours           | 2     | .9500 ± .0141 | .8500 ± .0707 |
| Plain    | 229        | ours           | 1     | 1.0000        | .5000         |

A note.

Measured on 21,892 test rows of split kaggle (47 of 47 patients on both sides).
"""


def result(accuracy, f1, parameters=1686725, *, synthetic=False):
    """Give what evaluation tells of one seed."""
    return {
        "scores": {"accuracy": accuracy, "f1_macro": f1}, "parameters": parameters, "rows": 21892, "split": "kaggle",
        "leak": "47 of 47 patients on both sides", "provenance": {"synthetic": synthetic},
    }  # fmt: skip


def write(folder, *, synthetic=False):
    """Write two seeds of one run, one of which is recorded too, and one seed of another."""
    scores, recorded = folder / "scores", folder / "paper"
    for seed, accuracy, f1 in ((17, 0.94, 0.8), (18, 0.96, 0.9)):
        write_json(scores / "tiny" / f"seed-{seed}" / "scores.json", result(accuracy, f1, synthetic=synthetic))
    write_json(scores / "plain" / "seed-17" / "scores.json", result(1.0, 0.5, 229, synthetic=synthetic))
    write_json(recorded / "tiny" / "17.json", result(0.97, 0.9))
    return scores, recorded


def body(text):
    """Give the lines of a Markdown table."""
    return [line for line in text.splitlines() if line.startswith("|")]


def test_the_markdown_of_a_small_table(tmp_path):
    """Print published, recorded and ours under each other, a spread only where there are two seeds."""
    text, _ = tables.build(TABLE, *write(tmp_path))
    assert text == GOLDEN


def test_the_data_of_a_small_table(tmp_path):
    """Give one line a run and score, with mean, deviation and number of seeds, and blanks where nothing is known."""
    _, data = tables.build(TABLE, *write(tmp_path))
    assert data[["run", "score"]].to_numpy().tolist() == [
        ["tiny", "accuracy"], ["tiny", "f1_macro"], ["plain", "accuracy"], ["plain", "f1_macro"],
    ]  # fmt: skip
    first, last = data.iloc[0], data.iloc[3]
    assert (first["published"], first["ours_seeds"], first["recorded_seeds"], last["ours_seeds"]) == (0.9872, 2, 1, 1)
    assert first["ours_mean"] == pytest.approx(0.95)
    assert first["ours_sd"] == pytest.approx(0.02 / 2**0.5)
    assert first["recorded_mean"] == pytest.approx(0.97)
    assert last[["published", "ours_sd", "recorded_mean", "recorded_sd"]].isna().all()
    assert not data["ours_synthetic"].any()


def test_made_up_recordings_are_marked(tmp_path):
    """Say SYNTHETIC above the table, in every line of ours, and in the data; published and recorded lines stay clean."""
    text, data = tables.build(TABLE, *write(tmp_path, synthetic=True))
    assert text.splitlines()[2].startswith("**SYNTHETIC**")
    assert [line.split("|")[3].strip() for line in body(text)[2:]] == [
        "published", "recorded, real", "ours (synthetic)", "ours (synthetic)",
    ]  # fmt: skip
    assert data["ours_synthetic"].all()


def test_a_result_without_a_mark_counts_as_made_up(tmp_path):
    """Take no result for real that does not say so."""
    scores, recorded = write(tmp_path)
    write_json(scores / "plain" / "seed-17" / "scores.json", result(1.0, 0.5) | {"provenance": {}})
    text, data = tables.build(TABLE, scores, recorded)
    assert "**SYNTHETIC**" in text
    assert data["ours_synthetic"].tolist() == [False, False, True, True]


def test_columns_line_up(tmp_path):
    """Set every bar of the table under the one above."""
    for synthetic in (False, True):
        lines = body(tables.build(TABLE, *write(tmp_path, synthetic=synthetic))[0])
        places = {tuple(place for place, letter in enumerate(line) if letter == "|") for line in lines}
        assert len(places) == 1


def test_a_missing_run_is_told_in_one_line(tmp_path):
    """Name the folder and the command that fills it."""
    scores, recorded = write(tmp_path)
    (scores / "plain" / "seed-17" / "scores.json").unlink()
    with pytest.raises(DataError, match=r"plain holds no scores; evaluate the run with `dvc repro evaluate@plain`$"):
        tables.build(TABLE, scores, recorded)


def test_runs_of_different_splits_say_so(tmp_path):
    """Name each protocol once."""
    scores, recorded = write(tmp_path)
    other = result(1.0, 0.5) | {"split": "patients", "rows": 894, "leak": "no patient on two sides"}
    write_json(scores / "plain" / "seed-17" / "scores.json", other)
    last = tables.build(TABLE, scores, recorded)[0].splitlines()[-1]
    assert last == (
        "Measured on 21,892 test rows of split kaggle (47 of 47 patients on both sides); "
        "894 test rows of split patients (no patient on two sides)."
    )


@pytest.mark.parametrize(("value", "text"), [(0.98724, ".9872"), (1.0, "1.0000"), (0.0, ".0000"), (None, "")])
def test_numbers_are_printed_as_the_publications_do(value, text):
    """Print four digits without the leading zero, and nothing where nothing was published."""
    assert tables._number(value) == text


def test_building_twice_gives_the_same(tmp_path):
    """Give equal text and data."""
    (text, data), (again, same) = (tables.build(TABLE, *write(tmp_path)) for _ in range(2))
    assert text == again
    pd.testing.assert_frame_equal(data, same)
