"""Windows of requests that arrive together go through the network together, and a long recording lets short ones pass."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from pqrst.predictors import Predictor

ROWS = 32  # in one pass
SHARE = 8  # of them from one request while others wait


@dataclass
class _Job:
    rows: np.ndarray
    answer: asyncio.Future[np.ndarray]
    asked: int = 0  # rows that were handed to the network
    found: list[np.ndarray] = field(default_factory=list)


class Batcher:
    """One queue before one network: passes run in a thread, one after the other."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self._waiting: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        # a thread of its own: uploads that are read cannot keep the network waiting
        self._thread = ThreadPoolExecutor(1, "network")

    async def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Give the probabilities of a request's rows once their turn has come."""
        job = _Job(rows, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._arrived.set()
        return await job.answer

    async def run(self) -> None:
        """Serve until cancelled."""
        with self._thread:
            await self._serve()

    async def _serve(self) -> None:
        while True:
            await self._arrived.wait()
            taken = self._take()
            if not taken:
                self._arrived.clear()
                continue
            rows = np.concatenate([job.rows[start:end] for job, start, end in taken])
            try:
                found = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self.predictor.probabilities, rows
                )
            except Exception as error:  # noqa: BLE001 (whoever asked is told, and the queue goes on)
                self._fail([job for job, _, _ in taken], error)
                continue
            self._give(taken, found)

    def _take(self) -> list[tuple[_Job, int, int]]:
        """Take rows from each waiting request in turn; what was cancelled is dropped."""
        self._waiting = deque(job for job in self._waiting if not job.answer.done())
        share = ROWS if len(self._waiting) == 1 else SHARE
        taken, room = [], ROWS
        for job in list(self._waiting):
            count = min(share, room, len(job.rows) - job.asked)
            if count:
                taken.append((job, job.asked, job.asked + count))
                job.asked, room = job.asked + count, room - count
        self._waiting.rotate(-len(taken))  # who was served stands behind who was not
        return taken

    def _give(self, taken: list[tuple[_Job, int, int]], found: np.ndarray) -> None:
        place = 0
        for job, start, end in taken:
            job.found.append(found[place : place + end - start])
            place += end - start
            if end == len(job.rows) and not job.answer.done():
                job.answer.set_result(np.concatenate(job.found))

    def _fail(self, jobs: list[_Job], error: Exception) -> None:
        for job in jobs:
            if not job.answer.done():
                job.answer.set_exception(error)
