"""Stages of the graph called one by one, each in a process of its own that tells its seconds and its memory."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from pqrst import arrays, fitting, params, resolver, scoring, sides
from pqrst.opened import open_parts
from pqrst.params import Split
from pqrst.resolved import RunSettings

ROOT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """What a stage took."""

    seconds: float  # by the clock
    cpu: float  # seconds of the processor, of this process
    others: float  # likewise, of the processes that it started and saw end
    memory: float  # GB, resident at most


def small(run: str, crop: int) -> RunSettings:
    """Give a run's own settings, with a small network over short crops, one epoch and one seed."""
    told = resolver.resolve(params.load(ROOT / "params.yaml"))
    network, given = next(iter(told["simple_cnn"])), next(iter(told[run]))
    train = replace(given.train, epochs=1, cycle_epochs=0, seeds=1, crop=crop, crop_step=0, device="cpu")
    return replace(given, model="simple_cnn", model_settings=network.model_settings, part="", seeds=(0,), train=train)


def split(folder: Path, told: Split) -> None:
    """Deal the rows out to the sides."""
    sides.write(arrays.read(folder / "x"), "random", told, folder / "split")


def train(folder: Path, given: RunSettings) -> None:
    """Learn one epoch, and fit temperature and thresholds."""
    parts = open_parts(folder / "x", folder / "split", [""])
    fitting.train([given], parts, fitting.Places(folder / "run", folder / "scratch"), silent)


@contextmanager
def silent(_member: str) -> Iterator[Callable[[dict[str, float]], None]]:
    """Log nothing."""
    yield lambda _row: None


def evaluate(folder: Path, scores: Path) -> None:
    """Answer the test rows and score them, with intervals."""
    parts = open_parts(folder / "x", folder / "split", [""])
    to = scoring.Places(scores, folder / "plots", folder / "metrics.json")
    scoring.evaluate(folder / "run", parts, params.load(ROOT / "params.yaml").scores, to)


def measured(stage: Callable[..., None], *given: Any, start: str = "spawn") -> Cost:
    """Run a stage in a process of its own; a forked one has loaded the libraries, and their memory counts as its own."""
    context = get_context(start)
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(stage, given, told))
    process.start()
    told.close()  # so that a stage that fails ends the waiting
    found: Cost = heard.recv()
    process.join()
    return found


def _run(stage: Callable[..., None], given: tuple[Any, ...], told: Connection) -> None:
    started, before = time.perf_counter(), time.process_time()
    stage(*given)
    spent, other = time.process_time() - before, resource.getrusage(resource.RUSAGE_CHILDREN)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    told.send(Cost(time.perf_counter() - started, spent, other.ru_utime + other.ru_stime, largest))
