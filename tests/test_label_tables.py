"""Tables of one label a recording: tenths to the unit, tables that are none, counts that are not those published."""

import doctest
import logging

import numpy as np
import pandas as pd
import pytest

from pqrst.datasets import _label_tables
from pqrst.datasets._label_tables import compare, read, tenths, whole
from pqrst.errors import RecordError


def sizes(rows):
    """Count the first eight tenths, the ninth and the tenth."""
    found = tenths(rows)
    return [sum(found.count(str(k)) for k in range(1, 9)), found.count("9"), found.count("10")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (6400, [5120, 640, 640]),  # CPSC 2018, and 5,760 in nine tenths
        (10588, [8470, 1059, 1059]),  # Chapman-Shaoxing, and 9,529
        (20835, [16668, 2083, 2084]),  # SPH: 18,751 and 2,084
        (20792, [16633, 2079, 2080]),
    ],
)
def test_tenths_have_the_published_sizes(rows, expected):
    """Train of 8:1 is the first eight, that of 9:1 the first nine."""
    assert sizes(rows) == expected
    assert sizes(rows)[0] == int(rows * 0.8)
    assert sum(sizes(rows)[:2]) == int(rows * 0.9)


def test_tenths_follow_the_order_of_the_rows():
    """Of eleven rows the last tenth has two, of six some have none, of none all."""
    assert tenths(11) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "10"]
    assert tenths(6) == ["2", "4", "5", "7", "9", "10"]
    assert tenths(0) == []


@pytest.mark.parametrize("rows", [10, 17, 99, 1234])
def test_tenths_are_runs_of_one_length(rows):
    """They rise, and none is longer than another by more than one."""
    found = [int(tenth) for tenth in tenths(rows)]
    assert found == sorted(found)
    counts = np.bincount(found, minlength=11)[1:]
    assert counts.max() - counts.min() <= 1


def test_the_example_runs():
    """The docstring's numbers are those of the function."""
    failed, tried = doctest.testmod(_label_tables)
    assert (failed, tried) == (0, 1)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("7.0", 7),
        ("0", 0),
        ("", None),
        ("7.5", None),
        ("-1", None),
        ("nan", None),
        ("²", None),
        ("1" * 10, None),
    ],
)
def test_whole_numbers_may_end_in_a_point_and_a_nought(text, number):
    """As a column with gaps is written by some; nothing else is a whole number."""
    assert whole(text) == number


def test_cells_are_freed_of_blanks():
    """And of a mark that some programs put before the first column."""
    table = read("X", "t.csv", "\ufeffid,code\n a , 1\nb,2 \n".encode(), ("id", "code"))
    assert table.to_numpy().tolist() == [["a", "1"], ["b", "2"]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no table"),
        (b"\xff\xfe\x00", "is no table"),
        (b'"unclosed', "is no table"),
        (b"id\na\n", "has no column 'code'"),
        (b"id,code\n", "names no recording"),
        (b"id,code\na,1\na,2\n", "one of them twice"),
        (b"id,code\n,1\n", "names no recording"),
        (
            b"id,code\na,1,\nb,2,\n",
            "has rows of more cells than its first line has names; take the commas at their ends away",
        ),
        (b"id,code\na,1,9\nb,2,8\n", "has rows of more cells than its first line has names"),
    ],
)
def test_a_table_that_is_none_is_told(content, words):
    """In one line that says what to do."""
    with pytest.raises(RecordError) as caught:
        read("X", "t.csv", content, ("id", "code"))
    assert str(caught.value).startswith("record of X: t.csv ")
    assert words in str(caught.value)
    assert str(caught.value).endswith("download the database again")


def test_other_columns_are_left_out():
    """Of the table only what is asked for is kept, in that order."""
    table = read("X", "t.csv", b"more,code,id\n1,2,3\n", ("id", "code"))
    pd.testing.assert_frame_equal(table, pd.DataFrame({"id": ["3"], "code": ["2"]}, dtype=str))


def test_counts_that_differ_are_told_in_one_line(caplog):
    """Those that agree are not; what nobody published is."""
    with caplog.at_level(logging.WARNING, "pqrst"):
        compare("X", "rows", {"a": 1, "b": 2}, {"a": 1, "b": 2})
        assert not caplog.messages
        compare("X", "rows", {"a": 1, "b": 2, "c": 4, "": 5}, {"a": 1, "b": 3, "d": 6})
    assert caplog.messages == ["X: rows differ from those published: b 2 for 3, d 0 for 6, c 4 for 0, none 5 for 0"]
