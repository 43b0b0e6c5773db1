"""Refusals: one line that a terminal and an answer can show, whatever stands in a file."""

import pickle

import pytest

from pqrst.errors import DataError, PqrstError, RecordError, line


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines", "two?lines"),
        ("\x1b[31mred", "?[31mred"),
        ("\ud800", "?"),
        ("µV ≥ 1", "µV ≥ 1"),
    ],
)
def test_what_cannot_be_shown_becomes_a_question_mark(said, shown):
    """Ends of lines, a terminal's commands and halves of letters, in every kind of refusal."""
    assert line(said) == shown
    assert str(DataError(said)) == shown
    fault = RecordError(said, said)
    assert (str(fault), fault.record, fault.fault) == (f"record {shown}: {shown}", shown, shown)


def test_a_line_keeps_its_beginning_and_its_end():
    """What a file holds in the middle is left out, the next step is not."""
    said = str(PqrstError("begin " + "x" * 10**6 + "; copy it again"))
    assert len(said) < 1000
    assert said.startswith("begin x")
    assert said.endswith("; copy it again")


def test_a_fault_travels_between_processes():
    """As readers side by side hand it over."""
    fault = pickle.loads(pickle.dumps(RecordError("100", "it is torn; copy it again")))  # noqa: S301
    assert (fault.record, fault.fault) == ("100", "it is torn; copy it again")
