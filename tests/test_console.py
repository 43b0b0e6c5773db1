"""What a person sees: log lines once, and progress that suits the place."""

import contextlib
import io
import logging
import sys
from types import SimpleNamespace

import pytest

from pqrst import console


@pytest.fixture
def lines():
    """Collect the log's lines."""
    found = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())
    console.log.addHandler(handler)
    console.log.setLevel(logging.INFO)
    return found


@pytest.fixture
def clock(monkeypatch):
    """Give a clock that stands still until a test moves it."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def sit_at_terminal(monkeypatch):
    """Put a terminal in the place of standard error; inside a test, as pytest sets its own between the phases."""
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_lines_go_to_standard_error_once(capsys):
    """Setting up twice adds one handler, and a line appears once, as it was written."""
    console.setup()
    console.setup()
    console.log.info("hello")
    assert len(console.log.handlers) == 1
    assert not console.log.propagate
    assert tuple(capsys.readouterr()) == ("", "hello\n")


def test_lines_follow_standard_error():
    """A line goes to what is standard error when it is written, not when the log was set up."""
    console.setup()
    with contextlib.redirect_stderr(io.StringIO()) as later:
        console.log.info("hello")
    assert later.getvalue() == "hello\n"


def test_the_level_can_change_later(capsys):
    """A second setup still sets the level."""
    console.setup()
    console.setup(logging.WARNING)
    console.log.info("quiet")
    console.log.warning("loud")
    assert capsys.readouterr().err == "loud\n"


def test_a_line_every_few_seconds(clock, lines):
    """Where no terminal is, much work gives few lines, each with the count so far."""
    with console.progress(100, "cutting", "rows") as count:
        for _ in range(60):
            clock.now += 0.25
            count(1)
    assert lines == ["cutting: 20 of 100 rows", "cutting: 40 of 100 rows", "cutting: 60 of 100 rows"]


def test_short_work_says_nothing(clock, lines):
    """Work that ends within a few seconds gives no line."""
    with console.progress(3, "cutting") as count:
        clock.now += console.QUIET_SECONDS - 0.01
        count(3)
    assert lines == []


def test_an_unknown_total_is_shown_as_such(clock, lines):
    """The count is shown where nobody knows how much there is."""
    with console.progress(None, "3 files", "B") as count:
        clock.now += console.QUIET_SECONDS
        count(4096)
    assert lines == ["3 files: 4096 of ? B"]


def test_track_passes_items_through_and_counts_them(clock, lines):
    """Items come out as they went in, and one is counted once it is done with."""

    def slow():
        for item in "abc":
            clock.now += 3.0
            yield item

    assert list(console.track(slow(), 3, "reading", "records")) == ["a", "b", "c"]
    assert lines == ["reading: 2 of 3 records"]


def test_a_terminal_gets_a_bar(monkeypatch, lines):
    """A bar on a terminal shows what is done and leaves no line in the log."""
    terminal = sit_at_terminal(monkeypatch)
    with console.progress(4, "cutting", "rows") as count:
        assert count(4) is None
    assert "cutting" in terminal.getvalue()
    assert "/4 " in terminal.getvalue()
    assert lines == []


@pytest.mark.parametrize("at_terminal", [True, False])
def test_a_failure_passes_through(monkeypatch, at_terminal):
    """An error inside the work comes out unchanged, bar or not."""
    if at_terminal:
        sit_at_terminal(monkeypatch)
    with pytest.raises(ZeroDivisionError), console.progress(2, "cutting") as count:
        count(1 // 0)
