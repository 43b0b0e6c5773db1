"""Jobs and lists of work side by side in forked processes, one thread each."""

import logging
import multiprocessing
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from pqrst import disk, processes
from pqrst.errors import DataError, PqrstError, SettingsError

FIRST = 256  # items of a list that one process works on alone: fewer are done before others have begun
TOGETHER = 16  # items whose results travel in one piece
Job = Callable[[], None]
Item = TypeVar("Item")
Done = TypeVar("Done")


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
                raise heard.recv() if heard.poll() else _lost(one.exitcode)


def _work(jobs: Sequence[Job], turn: "multiprocessing.sharedctypes.Synchronized[int]", told: Connection) -> None:
    processes.die_with_parent()
    while True:
        with turn.get_lock():
            mine, turn.value = turn.value, turn.value + 1
        if mine >= len(jobs):
            return
        try:
            jobs[mine]()
        except PqrstError as error:
            told.send(SettingsError(str(error)))
            raise SystemExit(1) from None
        except OSError as error:
            if not disk.refuses(error):
                raise
            told.send(error)
            raise SystemExit(1) from None


def in_order(
    items: Callable[[], Iterator[Item]], work: Callable[[Item], Done], workers: int
) -> Generator[Done, None, None]:
    """Give the work on each item, in their order; in a long list the items behind the first are worked on side by side.

    Each process goes through `items()` by itself, so that no item travels: to list them must be cheap. This one says what
    there is to say meanwhile. A worker is two pieces ahead of what is taken at most.
    """
    here = items()
    yield from map(work, here if workers < 2 else islice(here, FIRST))
    crew: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []
    done: list[Done] = []
    try:
        for number, _ in enumerate(here):
            crew = crew or [_hire(items, work, place, workers) for place in range(workers)]
            if number % TOGETHER == 0:
                done = _next(*crew[number // TOGETHER % workers])
            yield done[number % TOGETHER]
    finally:
        for one, _ in crew:
            one.terminate()
            one.join()


def _hire(
    items: Callable[[], Iterator[Item]], work: Callable[[Item], Any], place: int, workers: int
) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    context = multiprocessing.get_context("fork")
    heard, told = context.Pipe(duplex=False)
    one = context.Process(target=_share, args=(items, work, place, workers, told), daemon=True)
    one.start()
    told.close()  # so that the end of the worker is the end of what is heard
    return one, heard


def _share(
    items: Callable[[], Iterator[Item]], work: Callable[[Item], Any], place: int, workers: int, told: Connection
) -> None:
    processes.die_with_parent()
    logging.disable()
    try:
        done = []
        for number, item in enumerate(islice(items(), FIRST, None)):
            if number // TOGETHER % workers == place:
                done.append(work(item))
            if len(done) == TOGETHER:
                told.send(done)
                done = []
        told.send(done)
    except (PqrstError, OSError) as error:
        told.send(error)


def _lost(status: int) -> Exception:
    """Say how a worker ended that said nothing itself."""
    if status >= 0:
        return RuntimeError(f"a worker ended with status {status}")
    return DataError(f"the system ended a worker by signal {-status}; is there memory for so many? run again")


def _next(one: multiprocessing.process.BaseProcess, heard: Connection) -> list[Any]:
    try:
        found = heard.recv()
    except EOFError:
        one.join()
        raise _lost(one.exitcode or 0) from None
    if isinstance(found, Exception):
        raise found
    return list(found)
