"""Jobs side by side in forked processes: on few cores, several one-thread trainings beat one with several threads."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait

from pqrst.errors import PqrstError, SettingsError

PR_SET_PDEATHSIG = 1  # linux/prctl.h
Job = Callable[[], None]


def available(threads: int) -> int:
    """Say how many jobs of so many threads the processor has room for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def side_by_side(jobs: Sequence[Job], workers: int) -> None:
    """Run every job, at most `workers` at a time; after a failure start no other, end those that run, and raise it.

    With one worker the jobs run in this process. Forked processes share what this one has loaded; it must not have
    computed a gradient before, since torch's own threads do not survive a fork.
    """
    if min(workers, len(jobs)) < 2:
        for job in jobs:
            job()
        return
    context = multiprocessing.get_context("fork")
    turn, (heard, told) = context.Value("i", 0), context.Pipe(duplex=False)
    crew = [context.Process(target=_work, args=(jobs, turn, told)) for _ in range(min(workers, len(jobs)))]
    for one in crew:
        one.start()
    try:
        _watch(crew, heard)
    finally:
        for one in crew:
            one.terminate()
            one.join()


def _watch(crew: Sequence[multiprocessing.process.BaseProcess], heard: Connection) -> None:
    left = {one.sentinel: one for one in crew}
    while left:
        for sentinel in wait(list(left)):
            one = left.pop(sentinel)  # type: ignore[arg-type]
            one.join()
            if one.exitcode:
                fault = heard.recv() if heard.poll() else ""
                raise SettingsError(fault) if fault else RuntimeError(f"a worker ended with status {one.exitcode}")


def _work(jobs: Sequence[Job], turn: "multiprocessing.sharedctypes.Synchronized[int]", told: Connection) -> None:
    _die_with_parent()
    while True:
        with turn.get_lock():
            mine, turn.value = turn.value, turn.value + 1
        if mine >= len(jobs):
            return
        try:
            jobs[mine]()
        except PqrstError as error:
            told.send(str(error))
            raise SystemExit(1) from None


def _die_with_parent() -> None:
    """End this process when its parent is killed, so that no training goes on unseen; Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
