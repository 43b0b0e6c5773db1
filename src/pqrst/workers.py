"""Jobs and lists of work side by side in forked processes, one thread each."""

import logging
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from pqrst import blocks, disk, processes
from pqrst.blocks import Listing
from pqrst.console import log
from pqrst.errors import DataError, PqrstError, SettingsError

ALONE = 0.5  # s that one process works on a list before it calls others: what takes less is done before they have begun
DEATHS = 3  # of workers of one list that others make up for
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
    items: Callable[[], Iterator[Item]], work: Callable[[Item], Done], workers: int, *, at_once: bool = False
) -> Generator[Done, None, None]:
    """Give the work on each item, in their order; what is left after a moment, or all at once, is worked on side by side.

    Forked processes share what this one has opened, and each goes through `items()` by itself: to list them must be cheap.
    """
    here, until = items(), time.monotonic() + (0 if at_once else ALONE)
    place = 0
    while workers < 2 or time.monotonic() < until:
        done = [work(item) for item in islice(here, 1)]
        if not done:
            return
        yield from done
        place += 1
    crew = _Forks(Listing(items, work), workers)
    try:
        yield from blocks.in_order(crew, here, place)
    finally:
        crew.end()


@dataclass
class _Fork:
    """A forked worker, and the blocks that it has not given back."""

    process: multiprocessing.process.BaseProcess
    wire: Connection
    due: deque[tuple[int, int]] = field(default_factory=deque)


class _Forks:
    """A crew of forked processes; in place of one that the system ends another does its blocks."""

    def __init__(self, listing: Listing[Any, Any], most: int) -> None:
        self.listing, self.most, self.deaths = listing, most, 0
        self.crew: list[_Fork] = []

    def size(self) -> int:
        return self.most

    def begin(self, begun: int, count: int) -> _Fork:
        if len(self.crew) < self.most and all(one.due for one in self.crew):
            self.crew.append(self._hired())
        one = min(self.crew, key=lambda one: len(one.due))
        one.due.append((begun, count))
        with suppress(BrokenPipeError):  # of one that has died, which is seen when its result is waited for
            one.wire.send((begun, count))
        return one

    def result(self, block: _Fork) -> tuple[float, list[Any]]:
        while True:
            try:
                found = block.wire.recv()
                break
            except (EOFError, OSError):  # between two results, or amid one
                self._replace(block)
        block.due.popleft()
        if isinstance(found, Exception):
            raise found
        seconds, done = found
        return float(seconds), list(done)

    def end(self) -> None:
        for one in self.crew:
            one.process.terminate()
            one.process.join()

    def _hired(self) -> _Fork:
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(self.listing, there), daemon=True)
        process.start()
        there.close()  # so that the end of the worker is the end of what is heard
        return _Fork(process, here)

    def _replace(self, one: _Fork) -> None:
        one.process.join()
        self.deaths += 1
        status = one.process.exitcode or 0
        if self.deaths > DEATHS or status >= 0:  # one that failed by itself would fail again
            raise _lost(status)
        log.warning("the system ended a worker by signal %s; another does its work", -status)
        other = self._hired()
        one.process, one.wire = other.process, other.wire
        for place in one.due:
            one.wire.send(place)


def _serve(listing: Listing[Any, Any], wire: Connection) -> None:
    processes.die_with_parent()
    logging.disable()
    while True:
        try:
            wire.send(listing.block(*wire.recv()))
        except EOFError:
            return
        except (PqrstError, OSError) as error:
            wire.send(error)


def _lost(status: int) -> Exception:
    """Say how a worker ended that said nothing itself."""
    if status >= 0:
        return RuntimeError(f"a worker ended with status {status}")
    return DataError(f"the system ended a worker by signal {-status}; is there memory for so many? run again")
