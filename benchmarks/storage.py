"""Storage: beats as a Bundle keeps them, against float32 `.npy` in size and a CSV like Kaggle's in time to load.

The beats are cut out of made-up recordings: two leads around each mark, in the converter's own integers; and one lead from mark to
mark, scaled from 0 to 1 as on Kaggle, in float32.
"""

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from _table import Row
from _turns import cpu_seconds, pairs
from pqrst import arrays, loaders, params, segmentation
from pqrst.datasets import heartbeat
from pqrst.made_up import mitdb as made_up

ROOT, ROUNDS = Path(__file__).resolve().parents[1], 5
RECORDINGS, MINUTES = 4, 30.0
STEPS, SCALED = "heartbeat_context", "heartbeat"  # datasets


def measure() -> Iterator[Row]:
    """Hold size and time to load against the peers, after both have given the same numbers."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made_up.write(folder, RECORDINGS, np.random.default_rng(0), MINUTES)
        bundle = write(folder, STEPS)
        yield size(folder, bundle)
        yield loading(folder, bundle, "in steps, to mV")
        yield loading(folder, write(folder, SCALED), "from 0 to 1")


def write(folder: Path, dataset: str) -> arrays.Bundle:
    """Cut the recordings' beats as params.yaml says."""
    facts = {
        "dataset": dataset,
        "task": heartbeat.TASK,
        "classes": heartbeat.CLASSES,
        "provenance": {"synthetic": True},
    }
    window = params.load(ROOT / "params.yaml").datasets[dataset].window
    segmentation.segment(heartbeat.records(folder, heartbeat.Params()), window, "stop", facts, folder / dataset)
    return arrays.read(folder / dataset)


def everything(bundle: arrays.Bundle) -> np.ndarray:
    """Load all rows as a training does, float32 (rows, leads, samples) in their unit."""
    return loaders.read(bundle.x, np.arange(len(bundle.x)), bundle.meta.steps).numpy()


def size(folder: Path, bundle: arrays.Bundle) -> Row:
    """Weigh rows in whole steps, out of which mV come and into which they turn back."""
    steps, in_mv = bundle.meta.steps, everything(bundle)
    assert steps is not None
    assert bundle.x.dtype == np.int16
    gain, zero = (np.array(told)[:, None] for told in (steps.gain, steps.zero))
    assert np.array_equal(np.rint(in_mv * gain + zero), bundle.x)
    np.save(folder / "float32.npy", in_mv)
    theirs, own = (path.stat().st_size / 1e6 for path in (folder / "float32.npy", folder / STEPS / "x.npy"))
    subject = f"size of {len(in_mv):,} beats of {' × '.join(map(str, in_mv.shape[1:]))} in steps, lossless"
    return Row(subject, "float32 .npy", [(theirs, own)], 2, 2, unit="MB")


def loading(folder: Path, bundle: arrays.Bundle, what: str) -> Row:
    """Time a CSV of the beats, one a line with its class behind it, against the Bundle's arrays."""
    file = folder / "lines.csv"
    lines = everything(bundle).reshape(len(bundle.x), -1)
    pd.DataFrame(lines).assign(label=bundle.y.astype(float)).to_csv(
        file, index=False, header=False, float_format="%.18e"
    )
    theirs, own = partial(of_csv, file), partial(of_bundle, folder / bundle.meta.dataset, bundle.meta.steps)
    for found, wanted in zip(own(), theirs(), strict=True):
        assert np.array_equal(found.reshape(wanted.shape), wanted)
    timed = pairs(ROUNDS, partial(cpu_seconds, theirs), partial(cpu_seconds, own))
    subject = f"load {lines.shape[0]:,} beats of {lines.shape[1]} numbers {what}, as float32, with their classes"
    kept = folder / bundle.meta.dataset / "x.npy"
    alone = [cpu_seconds(partial(np.load, kept)) / own for _, own in timed]
    share = f"{statistics.median(alone):.0%} of the time is np.load of the same file"
    return Row(subject, f"CSV as Kaggle's (pandas {version('pandas')})", timed, 100, 400, share)


def of_csv(file: Path) -> tuple[np.ndarray, np.ndarray]:
    table = pd.read_csv(file, header=None)
    return table.iloc[:, :-1].to_numpy(np.float32), table.iloc[:, -1].to_numpy(np.int16)


def of_bundle(folder: Path, steps: arrays.Steps | None) -> tuple[np.ndarray, np.ndarray]:
    """Load as a training does: by reading rows, then turned into their unit."""
    x = np.load(folder / "x.npy", mmap_mode="r")
    return loaders.read(x, np.arange(len(x)), steps).numpy(), np.load(folder / "y.npy")


if __name__ == "__main__":
    for one in measure():
        print(
            f"{one.subject}; {one.peer}: {one.ratio:.2f} ({min(one.ratios):.2f} to {max(one.ratios):.2f}) {one.share}"
        )
