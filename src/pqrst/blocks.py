"""A list worked on in blocks by a crew of processes: results in the order of the list, a bounded number of blocks ahead."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

AHEAD = 2  # blocks under way for each of a crew: one in work, one that waits for it
BRIEF, LONG = 0.1, 0.5  # s that a block takes: after a briefer one blocks get twice as large, after a longer one half
MOST = 64  # items of a block
Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass
class Listing(Generic[Item, Done]):
    """A list as one process goes through it, and what is done to its items; no item travels between processes."""

    items: Callable[[], Iterator[Item]]
    work: Callable[[Item], Done]
    left: Iterator[Item] | None = None
    place: int = 0

    def block(self, begun: int, count: int) -> tuple[float, list[Done]]:
        """Work on some items from a place on, anew where it has passed; give the seconds that it took, and what came out."""
        started = time.perf_counter()
        if self.left is None or self.place > begun:
            self.left, self.place = self.items(), 0
        skipped, self.place = begun - self.place, begun + count
        done = [self.work(item) for item in islice(self.left, skipped, skipped + count)]
        return time.perf_counter() - started, done


class Crew(Protocol):
    """Processes that work on blocks of a list."""

    def size(self) -> int:
        """Say how many there are by now."""

    def begin(self, begun: int, count: int) -> Any:
        """Give a block to one of them."""

    def result(self, block: Any) -> tuple[float, list[Any]]:
        """Wait for a block that was begun, the earliest that was not yet waited for."""


def in_order(crew: Crew, here: Iterator[Any], place: int = 0) -> Iterator[Any]:
    """Give the work on what is left of a list, the first of it at a place."""
    under_way: deque[Any] = deque()
    size = 1
    while True:
        room = AHEAD * crew.size()
        while len(under_way) < room and (count := sum(1 for _ in islice(here, size))):
            under_way.append(crew.begin(place, count))
            place += count
        if not under_way:
            return
        seconds, done = crew.result(under_way.popleft())
        size = min(MOST, size * 2) if seconds < BRIEF else max(1, size // 2) if seconds > LONG else size
        yield from done
