"""Measure what the two twelve-lead databases take at their full size: seconds, and the most memory of each stage.

Random numbers stand for signals, in as many rows as there are recordings, so that nothing has to be downloaded:

    python benchmarks/full_size.py FOLDER [ptbxl challenge2021]

FOLDER needs 1 GB for PTB-XL and 11 GB for the Challenge. The network is the smallest of the catalogue and sees short crops, since
a network's memory goes with the batch and not with the rows; all else is what the stages do under the runs' own settings.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd

from pqrst import arrays, fitting, params, resolver, scoring, sides
from pqrst.opened import open_parts
from pqrst.params import Split
from pqrst.resolved import RunSettings

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 500  # recordings


@dataclass(frozen=True)
class Size:
    """The rows of a database, and a run over them."""

    rows: int
    samples: int
    classes: int
    run: str


SIZES = {"ptbxl": Size(21_799, 1000, 71, "incepse"), "challenge2021": Size(88_253, 5000, 26, "resu_dense")}


def settings(size: Size) -> RunSettings:
    """Give the run's own settings, with a small network, one epoch and one seed."""
    told = resolver.resolve(params.load(ROOT / "params.yaml"))
    small = next(iter(told["simple_cnn"]))
    run = next(iter(told[size.run]))
    train = replace(run.train, epochs=1, cycle_epochs=0, seeds=1, crop=256, crop_step=0, device="cpu")
    return replace(run, model="simple_cnn", model_settings=small.model_settings, part="", seeds=(0,), train=train)


def segment(size: Size, folder: Path) -> None:
    """Write the rows, a chunk at a time."""
    rng = np.random.default_rng(0)
    names = tuple(f"label {number}" for number in range(size.classes))
    meta = arrays.Meta(
        dataset="full", task="multi", classes=names, fs=500.0, leads=tuple("abcdefghijkl"), units="steps", axes=("row", "lead", "time"), window={"cut": "whole", "samples": size.samples},
        provenance={"synthetic": True}, gain=(1000.0,) * 12, zero=(0,) * 12,
    )  # fmt: skip
    noise = rng.integers(-2000, 2000, (CHUNK, 12, size.samples), np.int16)
    with arrays.Writer(folder / "x", (12, size.samples), "int16") as writer:
        for start in range(0, size.rows, CHUNK):
            count = min(CHUNK, size.rows - start)
            record = [f"r{number}" for number in range(start, start + count)]
            rows = pd.DataFrame({"record": record, "patient": record, "start": 0, "fold_source": "one", "quality": ""})
            writer.add(noise[:count], (rng.random((count, size.classes)) < 0.05).astype(np.int16), rows)
        writer.finish(meta)


def split(_size: Size, folder: Path) -> None:
    """Draw the sides by label and group."""
    told = Split("source", by="group", test_share=0.2, validation=0.1)
    sides.write(arrays.read(folder / "x"), "random", told, folder / "split")


def train(size: Size, folder: Path) -> None:
    """Learn one epoch, and fit temperature and thresholds."""
    parts = open_parts(folder / "x", folder / "split", [""])
    fitting.train([settings(size)], parts, fitting.Places(folder / "run", folder / "scratch"), silent)


@contextmanager
def silent(_member: str) -> Iterator[Callable[[dict[str, float]], None]]:
    """Log nothing."""
    yield lambda _row: None


def evaluate(_size: Size, folder: Path) -> None:
    """Answer the test rows and score them, with intervals."""
    parts = open_parts(folder / "x", folder / "split", [""])
    to = scoring.Places(folder / "scores", folder / "plots", folder / "metrics.json")
    scoring.evaluate(folder / "run", parts, params.load(ROOT / "params.yaml").scores, to)


STAGES = (segment, split, train, evaluate)


def measured(stage: Callable[[Size, Path], None], size: Size, folder: Path) -> tuple[float, float]:
    """Run a stage in a process of its own; give its seconds and its largest resident memory in GB."""
    context = get_context("spawn")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(stage, size, folder, told))
    process.start()
    found = heard.recv()
    process.join()
    return found


def _run(stage: Callable[[Size, Path], None], size: Size, folder: Path, told: Connection) -> None:
    started = time.perf_counter()
    stage(size, folder)
    told.send((time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6))


def main(folder: Path, names: list[str]) -> None:
    """Measure every stage of every database, and print a Markdown table."""
    print("| database | rows | stage | seconds | largest memory, GB |\n|---|---|---|---|---|")
    for name in names:
        for stage in STAGES:
            seconds, memory = measured(stage, SIZES[name], folder / name)
            print(f"| {name} | {SIZES[name].rows:,} | {stage.__name__} | {seconds:.0f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(SIZES))
