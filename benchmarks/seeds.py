"""Several seeds of a small network: side by side, a thread each, as `fitting` trains them, against one after another with all threads.

By the clock, so on a machine that does nothing else.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch

import training_step
from _stages import measured
from _table import Row
from _turns import pairs
from pqrst import training, workers

SUBJECT = training_step.SUBJECTS[0]  # simple_cnn, batch 64
PASSES, ROUNDS = 4, 5


def measure() -> Iterator[Row]:
    """Time as many seeds as there are cores, turn by turn."""
    cores = workers.available(1)
    found = pairs(ROUNDS, partial(seconds, in_turn, cores), partial(seconds, together, cores))
    subject = f"{cores} seeds of {SUBJECT.network} at once, wall time"
    yield Row(subject, f"one after another with {cores} threads", found, 1.3, 2)


def seconds(way: Callable[[int], None], cores: int) -> float:
    """Give the seconds by the clock that a fresh process takes once torch is loaded."""
    return measured(way, cores).seconds


def together(cores: int) -> None:
    training.prepare_process(threads=1)
    workers.side_by_side([partial(learn, seed) for seed in range(cores)], cores)


def in_turn(cores: int) -> None:
    training.prepare_process(threads=cores)
    for seed in range(cores):
        learn(seed)


def learn(seed: int) -> None:
    """Take some passes over the rows."""
    torch.manual_seed(seed)
    work = training_step.learner_pass(SUBJECT, "fp32")
    for _ in range(PASSES):
        work()
