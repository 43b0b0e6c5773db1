"""What tables show, as numbers: which result a cell is of, and whether a published one lies inside our spread."""

import pytest

from pqrst.published import Row, Table
from pqrst.results import Shown, compared_by, inside, synthetic, value_of


def result(accuracy):
    """Give what evaluation tells of one seed."""
    return {"scores": {"accuracy": accuracy}, "classes": ["N", "S"], "confusion": None, "by_patient": {}}


def shown(published, results):
    """Give a row with one published cell and these recorded results."""
    return Shown(Row("one", {"accuracy": published}, "one"), {}, {"": results})


@pytest.mark.parametrize(
    ("published", "lies"), [(0.9, True), (0.92, True), (0.929, False), (0.88, True), (0.87, False)]
)
def test_a_published_cell_lies_inside_two_deviations(published, lies):
    """Take 0.9 ± 2 · 0.0141 as the spread of seeds at 0.89 and 0.91."""
    results = [result(accuracy) for accuracy in (0.89, 0.91)]
    assert inside(shown(published, results), "accuracy") is lies


@pytest.mark.parametrize(("results", "published"), [([], 0.9), ([result(0.9)], None), ([result(0.9)], 0.9)])
def test_a_published_cell_is_not_judged_without_a_spread(results, published):
    """Say neither where nothing was recorded, nothing published, or one seed has no patients to draw an interval from."""
    assert inside(shown(published, results), "accuracy") is None


@pytest.mark.parametrize(
    ("value", "column", "named"),
    [("ce", "clean/accuracy", "ce/clean"), ("ce", "accuracy", "ce"), ("", "0.5/accuracy", "0.5"), ("", "accuracy", "")],
)
def test_a_cell_shows_a_rows_arm_and_a_columns_part(value, column, named):
    """Join what row and column name, and leave out what neither does."""
    assert value_of(Row("r", {}, "run", value), column) == named


@pytest.mark.parametrize(
    ("score", "kind"), [("clean/f1_macro", "recorded"), ("accuracy", "recorded"), ("all/auroc_macro", "ours")]
)
def test_what_a_matrix_is_enough_for_is_compared_as_recorded(score, kind):
    """Hold recorded results against each other where their matrices suffice, and this checkout's where rows are needed."""
    assert compared_by(Table("T", {score: "S"}, (), score)) == kind


def test_seeds_are_counted_by_the_value_that_has_fewest():
    """Leave out values without any; none where there is no result."""
    row = Shown(Row("one"), {"a": [result(1)] * 3, "b": [result(1)] * 2, "c": []}, {})
    assert (row.seeds("ours"), row.seeds("recorded")) == (2, 0)


@pytest.mark.parametrize(("told", "made_up"), [({}, True), ({"synthetic": True}, True), ({"synthetic": False}, False)])
def test_a_result_that_does_not_say_so_is_not_real(told, made_up):
    """Take it for made up."""
    assert synthetic([{"provenance": told}]) == made_up
