"""Two ways of doing the same, each in a process of its own, which take turns: what one does to its process stays its own."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

Pass = Callable[[], object]


def pairs(rounds: int, theirs: Callable[[], float], ours: Callable[[], float]) -> list[tuple[float, float]]:
    """Time both sides, turn by turn, the one that starts changing from round to round."""
    found = []
    for number in range(rounds):
        if number % 2:
            own, other = ours(), theirs()
        else:
            other, own = theirs(), ours()
        found.append((other, own))
    return found


@contextmanager
def apart(make: Callable[..., Pass], *given: Any) -> Iterator[Callable[[], float]]:
    """Start a process that makes a pass and takes it once; give what takes it again and says the CPU seconds.

    Asking a process that has died raises EOFError: of an instruction, say, that the processor does not have.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, make, given), daemon=True)
    process.start()
    there.close()

    def ask() -> float:
        here.send(None)
        seconds: float = here.recv()
        return seconds

    try:
        ask()
        yield ask
    finally:
        process.terminate()
        process.join()


def _serve(there: Connection, make: Callable[..., Pass], given: tuple[Any, ...]) -> None:
    work = make(*given)
    while True:
        there.recv()
        there.send(cpu_seconds(work))


def cpu_seconds(work: Pass) -> float:
    """Give the CPU seconds that a pass takes, of all threads and of the processes that it starts and sees end."""
    before = _spent()
    work()
    return _spent() - before


def _spent() -> float:
    told = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in told)
