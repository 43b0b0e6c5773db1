"""What a person sees while work runs: log lines and progress."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, TypeVar

QUIET_SECONDS = 5.0

log = logging.getLogger("pqrst")

Item = TypeVar("Item")


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to what is standard error when the line is written, which a caller may have redirected since."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def setup(level: int = logging.INFO) -> None:
    """Send this project's log lines to standard error, once."""
    if not log.handlers:
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
        log.propagate = False
    log.setLevel(level)


@contextmanager
def progress(total: int | None, what: str, unit: str = "it") -> Iterator[Callable[[int], None]]:
    """Give a function that counts work done: a bar on a terminal, a line every few seconds elsewhere."""
    if sys.stderr.isatty():
        from tqdm import tqdm  # noqa: PLC0415 (costs as much as Python's own start, and only a terminal shows it)

        with tqdm(
            total=total,
            desc=what,
            unit=unit,
            unit_scale=unit == "B",
            leave=False,
            disable=not log.isEnabledFor(logging.INFO),
        ) as bar:
            yield lambda n: (bar.update(n), None)[1]
        return
    done, said = 0, time.monotonic()

    def count(n: int) -> None:
        nonlocal done, said
        done += n
        if time.monotonic() - said >= QUIET_SECONDS:
            said = time.monotonic()
            log.info("%s: %s of %s %s", what, done, "?" if total is None else total, unit)

    yield count


def track(items: Iterable[Item], total: int | None, what: str, unit: str = "it") -> Iterator[Item]:
    """Pass items through and show how many have passed."""
    with progress(total, what, unit) as count:
        for item in items:
            yield item
            count(1)
