"""Measure how seconds and memory of the stages grow with the rows: made-up beats, from a thousand to a million.

    python benchmarks/growth.py FOLDER [1000 10000 100000 1000000]

Prints a Markdown table and draws docs/growth.png. A beat is 187 samples of one lead; 2,000 of them make a recording, and each
recording is another person. Train learns one epoch of the smallest network over crops of 64 samples, as a network's memory goes
with the batch and not with the rows. Each stage is a process of its own. FOLDER needs 2 GB for a million rows.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np

import _stages
from _stages import Cost
from pqrst import params, segmentation, tables
from pqrst.arrays import Marks, Record
from pqrst.params import Split
from pqrst.published import Row, Table

mpl.use("Agg")
from matplotlib import pyplot as plt

ROOT = _stages.ROOT
CLASSES = ("N", "S", "V", "F", "Q")
BEATS, FEWEST, INTERVAL = 2000, 20, 300  # of a recording at most; recordings; samples of the recording
RUN = "simple_cnn"
SIZES = (1_000, 10_000, 100_000, 1_000_000)


def recordings(rows: int) -> Iterator[Record]:
    """Give noise with marks at equal distances: all recordings share it, so that making it up costs nothing."""
    rng = np.random.default_rng(0)
    beats = min(BEATS, rows // FEWEST)
    signal = rng.integers(900, 1200, (1, (beats + 1) * INTERVAL)).astype(np.int16)
    samples = np.arange(beats + 1) * INTERVAL
    for number in range(rows // beats):
        labels = np.append(rng.choice(len(CLASSES), beats, p=(0.8, 0.05, 0.1, 0.03, 0.02)), -1)
        name = f"r{number:05d}"
        yield Record(name, name, signal, 360.0, ("MLII",), (200.0,), (1024,), marks=Marks(samples, labels))


def prepare(folder: Path, rows: int) -> None:
    """Cut the recordings into beats."""
    facts = {"dataset": "growth", "task": "single", "classes": CLASSES, "provenance": {"synthetic": True}}
    window = params.load(ROOT / "params.yaml").datasets["heartbeat"].window
    segmentation.segment(recordings(rows), window, "stop", facts, folder / "x")


def split(folder: Path, _rows: int) -> None:
    """Draw the sides by patient."""
    _stages.split(folder, Split(by="group", test_share=0.2, validation=0.1))


def train(folder: Path, _rows: int) -> None:
    """Learn one epoch."""
    _stages.train(folder, _stages.small(RUN, 64))


def evaluate(folder: Path, _rows: int) -> None:
    """Answer and score the test rows."""
    _stages.evaluate(folder, folder / "scores" / RUN)


def table(folder: Path, _rows: int) -> None:
    """Build a table of one row, with its intervals, and its figure."""
    shown = {"f1_macro": "F1", "accuracy": "accuracy"}
    page = {"growth": Table("Growth", shown, (Row("network", run=RUN),), "f1_macro")}
    _, data = tables.build(page, folder / "scores", folder / "recorded")
    tables.draw(page, data, tables.courses(page, folder / "scores", folder / "recorded"), folder / "figures")


STAGES = (prepare, split, train, evaluate, table)


def draw(found: dict[str, dict[int, Cost]], file: Path) -> None:
    """Draw seconds and memory by rows, each on two logarithmic scales, with a line that grows as the rows do."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for name, costs in found.items():
        rows = list(costs)
        left.plot(rows, [costs[count].cpu for count in rows], marker="o", label=name)
        right.plot(rows, [costs[count].memory for count in rows], marker="o", label=name)
    rows = sorted({count for costs in found.values() for count in costs})
    for panel, start, what in ((left, 1e-3 * rows[0], "CPU seconds"), (right, 1e-4 * rows[0], "largest memory, GB")):
        panel.plot(rows, [start * count / rows[0] for count in rows], color="grey", linestyle=":", label="as the rows")
        panel.set(xscale="log", yscale="log", xlabel="rows", ylabel=what)
    left.legend(frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150, metadata={"Software": None})


def main(folder: Path, sizes: list[int]) -> None:
    """Measure every stage at every size, and draw what is known after each."""
    found: dict[str, dict[int, Cost]] = {stage.__name__: {} for stage in STAGES}
    print("| rows | stage | CPU seconds | seconds | largest memory, GB |\n|---|---|---|---|---|")
    for rows in sizes:
        for stage in STAGES:
            cost = _stages.measured(stage, folder / str(rows), rows)
            found[stage.__name__][rows] = cost
            told = f"{cost.cpu:.2f} | {cost.seconds:.1f} | {cost.memory:.3f}"
            print(f"| {rows:,} | {stage.__name__} | {told} |", flush=True)
            draw(found, ROOT / "docs" / "growth.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]] or list(SIZES))
