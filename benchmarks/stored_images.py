"""Pictures stored ahead of the training, in full or in fewer bits, against pictures drawn in each batch.

Two seconds of two leads at 64 × 64, and ten seconds of twelve leads at 224 × 224, all made up:

    python benchmarks/stored_images.py FOLDER [ROUNDS]

Ways take turns, each in processes of its own; times are CPU seconds of one thread, an epoch is the second of two with validation
and checkpoint. Pictures stored in float32 must teach what drawn ones teach, to the bit. FOLDER needs 1 GB.
"""

import hashlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from pqrst import arrays, artifact, engines, fitting, images, params, resolver, scores, sides
from pqrst.made_up._dipole import LEADS, Person, signal
from pqrst.opened import Opened, open_parts
from pqrst.params import Split
from pqrst.resolved import Encode, RunSettings

ROOT = Path(__file__).resolve().parents[1]
CLASSES = ("NORM", "CLBBB", "CRBBB", "PVC")
SECONDS = 10  # of a made-up recording
SPLIT = Split(by="group", test_share=0.3, validation=0.1)
DRAWN, FULL = "drawn", "float32"
WAYS = (DRAWN, FULL, "float16", "uint8")
HEADINGS = "rows, encoding, way, prepare (s), epoch (s), epoch of drawn / its own, pays after epochs, disk (MB)"
HEADINGS += ", memory to prepare (MB), to train (MB), accuracy, F1 (M), farthest probability"


class Case(NamedTuple):
    """Rows cut out of made-up recordings, and their pictures."""

    name: str
    recordings: int
    leads: tuple[int, ...]
    samples: int
    fs: float  # Hz
    size: int  # pixels a side
    lead_rows: dict[str, Any]
    batch: int


SMALL = {"start": 0, "length": 240, "channels": 1, "mean": [0.0], "deviation": [1.0], "scale": 1.0}
CASES = Case("beats", 1200, (1, 6), 240, 120, 64, SMALL, 64), Case("twelve", 200, (*range(12),), 3000, 300, 224, {}, 16)


class Way(NamedTuple):
    """One encoding, drawn in the batch or stored as a type of number."""

    case: Case
    encoding: str
    dtype: str
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / ("rows" if self.dtype == DRAWN else "pictures")

    @property
    def settings(self) -> dict[str, Any]:
        return {"size": self.case.size, **(self.case.lead_rows if self.encoding == "lead_rows" else {})}


class Learned(NamedTuple):
    """What the course of a training, its weights and its answers are to the bit, and its answers to the test rows."""

    bits: str
    probabilities: np.ndarray  # (test rows, classes)
    accuracy: float
    f1: float


class Turn(NamedTuple):
    """What one preparation and one training took: CPU seconds, MB on disk, and MB of memory at most; what was learned."""

    prepare: float
    epoch: float
    disk: float
    to_prepare: float
    to_train: float
    learned: Learned


def write_rows(case: Case, folder: Path) -> None:
    """Make recordings up, cut each into rows in mV, and deal the recordings out to the sides."""
    rng, starts = np.random.default_rng(0), np.arange(0, round(SECONDS * case.fs), case.samples)
    leads, axes = tuple(LEADS[place] for place in case.leads), ("row", "lead", "time")
    meta = arrays.Meta(
        dataset=case.name,
        task="single",
        classes=CLASSES,
        fs=case.fs,
        leads=leads,
        units="mV",
        axes=axes,
        window={},
        provenance={"synthetic": True},
    )
    with arrays.Writer(folder / "rows", (len(case.leads), case.samples), "float32") as writer:
        for number in range(case.recordings):
            label = int(rng.choice(len(CLASSES), p=(0.55, 0.15, 0.15, 0.15)))
            person = Person(60.0, number % 2, {CLASSES[label]: 100.0}, number)
            whole = signal(person, rng, SECONDS, case.fs)[list(case.leads)]  # (leads, samples of the recording)
            cut = whole.reshape(len(case.leads), -1, case.samples).swapaxes(0, 1)
            told = {"record": f"r{number}", "patient": f"r{number}", "start": starts, "quality": ""}
            writer.add(cut, np.full(len(starts), label), pd.DataFrame(told))
        writer.finish(meta)
    sides.write(arrays.read(folder / "rows"), "random", SPLIT, folder / "split")


def encode(way: Way) -> float:
    """Store the pictures, where they are stored; give the CPU seconds."""
    started = time.process_time()
    if way.dtype != DRAWN:
        given = Encode(way.folder.name, way.encoding, way.settings, way.dtype)
        images.encode(way.folder / "rows", given, way.data, engines.SERIAL)
    return time.process_time() - started


def train(way: Way, run: RunSettings) -> tuple[float, Learned]:
    """Learn two epochs as a run does, and answer the test rows; give the CPU seconds of the second."""
    ends: list[float] = []
    noted = nullcontext(lambda _row: ends.append(time.process_time()))
    for name in ("run", "scratch"):  # a training that finds its checkpoint would not train
        shutil.rmtree(way.folder / name, ignore_errors=True)
    parts = open_parts(way.data, way.folder / "split", [""])
    fitting.train([run], parts, fitting.Places(way.folder / "run", way.folder / "scratch"), lambda _member: noted)
    return ends[1] - ends[0], learned(way.folder / "run", parts[""])


def learned(folder: Path, opened: Opened) -> Learned:
    """Read a trained run back and score it on the test rows."""
    (member,), rows = artifact.members(folder), opened.sides.rows("test")
    predictor = artifact.load(member)
    found = predictor.probabilities(opened.bundle.x[rows])
    weights = {name.removeprefix("model."): w.numpy() for name, w in load_file(member / artifact.WEIGHTS).items()}
    bits = found.tobytes() + b"".join(weights[name].tobytes() for name in sorted(weights))
    digest = hashlib.sha256((member / artifact.HISTORY).read_bytes() + bits).hexdigest()
    told = opened.bundle.y[rows].astype(int), found, predictor.decide(found), CLASSES
    return Learned(digest, found, scores.score("accuracy", *told), scores.score("f1_macro", *told))


def settings(way: Way, run: RunSettings) -> RunSettings:
    """Give a run the drawing inside its network or, where pictures are stored, none."""
    t = replace(run.train, epochs=2, seeds=1, batch_size=way.case.batch, threads=1, device="cpu")
    name, chosen = (way.encoding, way.settings) if way.dtype == DRAWN else ("", {})
    bare = replace(run, model="picture_cnn", model_settings={}, frontend="", frontend_settings={}, seeds=(17,), train=t)
    return replace(bare, encoding=name, encoding_settings=chosen)


def turn(way: Way, run: RunSettings) -> Turn:
    """Prepare and train one way, in a process each."""
    prepare, to_prepare = apart(encode, way)
    (epoch, found), to_train = apart(train, way, settings(way, run))
    disk = sum(file.stat().st_size for file in way.data.iterdir()) / 1e6
    return Turn(prepare, epoch, disk, to_prepare, to_train, found)


def apart(work: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """Run work in a forked process; give its answer and its largest resident memory in MB, libraries included."""
    context = get_context("fork")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=lambda: told.send((work(*given), getrusage(RUSAGE_SELF).ru_maxrss / 1e3)))
    process.start()
    told.close()  # so that a process that fails ends the waiting
    found: tuple[Any, float] = heard.recv()
    process.join()
    return found


def line(case: Case, encoding: str, dtype: str, turns: dict[str, list[Turn]]) -> tuple[str, ...]:
    """Lay out one way: medians over the rounds, and the paired ratios with their range."""
    drawn, found, learned = turns[DRAWN], turns[dtype], turns[dtype][0].learned
    ratios = [one.epoch / other.epoch for one, other in zip(drawn, found, strict=True)]
    prepare, epoch = statistics.median(one.prepare for one in found), statistics.median(one.epoch for one in found)
    pays = f"{prepare / epoch / (statistics.median(ratios) - 1):.1f}" if min(ratios) > 1 else ""
    away = np.abs(learned.probabilities - drawn[0].learned.probabilities).max()
    return (
        case.name, encoding, dtype, f"{prepare:.2f}", f"{epoch:.2f}", in_full(ratios), pays, f"{found[0].disk:.1f}",
        f"{max(one.to_prepare for one in found):.0f}", f"{max(one.to_train for one in found):.0f}",
        f"{learned.accuracy:.4f}", f"{learned.f1:.4f}", f"{away:.1g}",
    )  # fmt: skip


def in_full(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main(folder: Path, rounds: int) -> None:
    """Measure every encoding of every case, and print Markdown tables."""
    torch.set_num_threads(1)
    run = next(iter(resolver.resolve(params.load(ROOT / "params.yaml"))["beats"]))
    print(
        f"A process that does nothing: {apart(int)[1]:.0f} MB.\n\n| {HEADINGS.replace(',', ' |')} |\n{'|---' * len(HEADINGS.split(','))}|"
    )
    for case in CASES:
        apart(write_rows, case, folder / case.name)
        for encoding in ("lead_rows", "gramian", "stft", "cwt"):
            turns: dict[str, list[Turn]] = {dtype: [] for dtype in WAYS}
            for dtype in WAYS * rounds:
                turns[dtype].append(turn(Way(case, encoding, dtype, folder / case.name), run))
            assert len({one.learned.bits for one in turns[DRAWN] + turns[FULL]}) == 1
            for dtype in WAYS:
                print("| " + " | ".join(line(case, encoding, dtype, turns)) + " |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3)
