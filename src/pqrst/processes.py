"""Processes that must not meet, and must not outlive each other."""

import contextlib
import ctypes
import fcntl  # POSIX only: a lock that the system drops when its process dies
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from pqrst.console import log
from pqrst.errors import PqrstError

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextlib.contextmanager
def alone(file: Path, told: str) -> Iterator[None]:
    """Hold a file's lock; say what is told where another process holds it, and wait for that one."""
    with file.open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s; waiting for it", told)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def sole(file: Path, told: str) -> Iterator[None]:
    """Hold a file's lock, or refuse where another process holds it."""
    with file.open("wb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PqrstError(told) from None
        yield


def several_nodes() -> bool:
    """Say whether torchrun's environment names other nodes, which write the same output together."""
    return os.environ.get("PET_NNODES", "1") != "1"


def die_with_parent() -> None:
    """End this process when its parent is killed, so that no training goes on unseen; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
