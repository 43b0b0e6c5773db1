"""Measure what the two twelve-lead databases take at their full size: seconds, and the most memory of each stage.

Random numbers stand for signals, in as many rows as there are recordings, so that nothing has to be downloaded:

    python benchmarks/full_size.py FOLDER [ptbxl challenge2021]

FOLDER needs 1 GB for PTB-XL and 11 GB for the Challenge. The network is the smallest of the catalogue and sees short crops, since
a network's memory goes with the batch and not with the rows; all else is what the stages do under the runs' own settings.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import _stages
from pqrst import arrays
from pqrst.params import Split

CHUNK = 500  # recordings


@dataclass(frozen=True)
class Size:
    """The rows of a database, and a run over them."""

    rows: int
    samples: int
    classes: int
    run: str


SIZES = {"ptbxl": Size(21_799, 1000, 71, "incepse"), "challenge2021": Size(88_253, 5000, 26, "resu_dense")}


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
            numbers = np.arange(start, start + count)
            noise[:count, 0, 0], noise[:count, 0, 1] = numbers % 1000, numbers // 1000  # no two rows are equal
            record = [f"r{number}" for number in numbers]
            rows = pd.DataFrame({"record": record, "patient": record, "start": 0, "fold_source": "one", "quality": ""})
            writer.add(noise[:count], (rng.random((count, size.classes)) < 0.05).astype(np.int16), rows)
        writer.finish(meta)


def split(_size: Size, folder: Path) -> None:
    """Draw the sides by label and group."""
    _stages.split(folder, Split("source", by="group", test_share=0.2, validation=0.1))


def train(size: Size, folder: Path) -> None:
    """Learn one epoch, and fit temperature and thresholds."""
    _stages.train(folder, _stages.small(size.run, 256))


def evaluate(_size: Size, folder: Path) -> None:
    """Answer the test rows and score them, with intervals."""
    _stages.evaluate(folder, folder / "scores")


STAGES = (segment, split, train, evaluate)


def main(folder: Path, names: list[str]) -> None:
    """Measure every stage of every database, and print a Markdown table."""
    print("| database | rows | stage | seconds | largest memory, GB |\n|---|---|---|---|---|")
    for name in names:
        for stage in STAGES:
            cost = _stages.measured(stage, SIZES[name], folder / name)
            print(
                f"| {name} | {SIZES[name].rows:,} | {stage.__name__} | {cost.seconds:.0f} | {cost.memory:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(SIZES))
