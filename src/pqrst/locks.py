"""One process at a time."""

import fcntl  # POSIX only: a lock that the system drops when its process dies
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pqrst.console import log


@contextmanager
def alone(file: Path, told: str) -> Iterator[None]:
    """Hold a file's lock; say what is told where another process holds it, and wait for that one."""
    with file.open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s; waiting for it", told)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
