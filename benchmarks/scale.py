"""Measure what the model of docs/scale.md needs, each as a small number, and keep it in benchmarks/scale.json.

    python benchmarks/scale.py FOLDER [stages table networks starts ...]

A recording is twelve leads of 10 s at 500 Hz, made up as four collections of the Challenge 2021 have them. The model is fitted to the
sizes in FITTED and held against those in HELD. FOLDER needs 5 GB; all parts take a quarter of
an hour of CPU time. Without names every part of PARTS is measured anew; the others stay as they are. `scale_model.py` reads the file.
"""

import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import cycle, islice
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import torch

import _stages
import full_size
import scale_parts
import starting
import training_step
from _turns import apart
from pqrst import arrays, catalog, challenge, images, params, segmentation, sources, workers
from pqrst.arrays import taken
from pqrst.made_up import challenge2021
from pqrst.made_up._files import write_sums
from pqrst.params import component, quality_of
from pqrst.quality import Report
from pqrst.resolved import Download, Encode, Segment

FILE = Path(__file__).with_name("scale.json")
COLLECTIONS = ("georgia", "chapman_shaoxing", "ningbo", "ptb-xl")  # whose made-up recordings all have 10 s at 500 Hz
DATABASE, SETTINGS = "challenge2021", {"sources": COLLECTIONS}
FITTED, HELD = (500, 1000), (2000,)
DRAWN = 1000  # recordings at most that are drawn: a picture has more bytes than its recording as it is stored
LINES, LINES_HELD, SHORT = (20_000, 40_000), (160_000,), 64  # rows of few samples; samples of one
NETWORKS = {"resu_dense": (4096, 24)}  # samples, rows of a batch
LOOKED_AT, AGAIN, ROUNDS = 400, 3, 3  # recordings whose times are told one by one; written so many times over, so often
Found = dict[str, Any]


def make(folder: Path, records: int) -> None:
    """Make recordings up, each collection in turn."""
    cards = cycle(challenge2021.CARDS.split(", "))
    for number, card in zip(range(records), cards, strict=False):
        source, place = COLLECTIONS[number % len(COLLECTIONS)], number // len(COLLECTIONS)
        names, rng = (challenge2021._name(source, place),), np.random.default_rng(number)  # noqa: SLF001 (its style of files)
        challenge2021._write_pair(folder / source, names, (source, place), card, rng)  # noqa: SLF001


def mirror(every: Path, room: Path, records: int) -> None:
    """Lay the first recordings into a mirror of their own, under second names."""
    dest = room / "mirror" / DATABASE
    for source in COLLECTIONS:
        (dest / source).mkdir(parents=True)
        for file in islice(sorted((every / source).iterdir()), 2 * records // len(COLLECTIONS)):
            os.link(file, dest / source / file.name)
    write_sums(dest)


def download(room: Path) -> None:
    """Bring and pack the recordings of the mirror."""
    sources.obtain(Download(DATABASE, str(room / "mirror"), SETTINGS), room / "raw", room / "scratch", room)


def segment(room: Path, cores: int) -> None:
    """Examine and cut the recordings under the dataset's own settings."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))
    segmentation.of_database(_cut(), room / "raw", room / "x")


def _cut() -> Segment:
    settings = params.load(_stages.ROOT / "params.yaml")
    data = settings.datasets[DATABASE]
    return Segment(DATABASE, DATABASE, SETTINGS, data.window, "skip", {}, quality_of(settings, DATABASE))


def encode(room: Path) -> None:
    """Draw the rows as the published pictures, a byte a value."""
    module = catalog.load("encodings", "lead_rows")
    images.encode(
        arrays.read(room / "x"), Encode(DATABASE, "lead_rows", asdict(module.Params()), "uint8"), room / "images"
    )


def stages(folder: Path) -> list[Found]:
    """Take every stage through every size, each in a process of its own."""
    every = folder / "every"
    if not every.exists():
        make(every, max(HELD))
    found = []
    for records in (*FITTED, *HELD):
        room = folder / str(records)
        shutil.rmtree(room, ignore_errors=True)
        mirror(every, room, records)
        found += _turn(room, records)
        shutil.rmtree(room)
    return found


def _turn(room: Path, records: int) -> Iterator[Found]:
    size = full_size.Size(records, 5000, 26, "resu_dense")
    yield _told("download", records, room / "raw", download, room)
    yield _told("segment, 1 core", records, room / "x", segment, room, 1)
    yield _told("segment, 2 cores", records, room / "x", segment, room, 2)
    if records <= DRAWN:
        yield _told("encode", records, room / "images", encode, room)
    for stage, wrote in ((full_size.split, "split"), (full_size.train, "run"), (full_size.evaluate, "scores")):
        if stage is full_size.train:
            shutil.rmtree(room / "scratch", ignore_errors=True)  # else a training is taken from its last checkpoint
        yield _told(stage.__name__, records, room / wrote, stage, size, room)


def table(folder: Path) -> list[Found]:
    """Take what grows with the rows and not with their samples through many short rows."""
    found = []
    for lines in (*LINES, *LINES_HELD):
        room, size = folder / f"short-{lines}", full_size.Size(lines, SHORT, 26, "resu_dense")
        for stage, wrote in ((full_size.segment, "x"), (full_size.split, "split")):
            found.append(_told(stage.__name__, lines, room / wrote, stage, size, room))
        found.append(_told("open", lines, room / "x", partial(arrays.read, room / "x")))
        shutil.rmtree(room)
    return found


def _told(name: str, records: int, wrote: Path, stage: Callable[..., Any], *given: Any) -> Found:
    cost = _stages.measured(stage, *given, start="fork")
    held = sum(file.stat().st_size for file in wrote.rglob("*") if file.is_file())
    found = {"stage": name, "records": records, **cost._asdict(), "bytes": held}
    print(json.dumps(found), flush=True)
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in found.items()}


def recordings(folder: Path) -> Found:
    """Tell how long single recordings take to be read, examined and cut, and what of each travels to the writer."""
    room = folder / "looked-at"
    shutil.rmtree(room, ignore_errors=True)
    make(room / "every", LOOKED_AT)
    mirror(room / "every", room, LOOKED_AT)
    download(room)
    given, times, every = _cut(), [], []
    p = component(("datasets", DATABASE), SETTINGS, "settings")
    for one in catalog.load("datasets", DATABASE).readings(room / "raw", p):
        begun = time.process_time()
        every.append(segmentation._seen(taken(one), given.window, given.quality))  # noqa: SLF001 (what a worker does)
        times.append(round(time.process_time() - begun, 6))
    spent = [_written(every, given, room / "x") for _ in range(ROUNDS)]
    shutil.rmtree(room)
    travels = statistics.mean(len(ForkingPickler.dumps(one)) for one in every)
    return {"seconds": times[20:], "travels": travels, "alone": statistics.median(spent) / (AGAIN * LOOKED_AT)}


def _written(every: Sequence[segmentation.Seen], given: Segment, folder: Path) -> float:
    """Give the CPU seconds of the process that takes recordings, cut before, from two workers that only send them."""
    workers.FIRST, count = 0, AGAIN * len(every)
    sent = workers.in_order(
        lambda: iter(range(count)), lambda number: replace(every[number % len(every)], samples=str(number)), 2
    )
    facts = {"dataset": DATABASE, "task": "multi", "classes": challenge.CLASSES, "provenance": {"synthetic": True}}
    report, begun = Report(given.quality.policy), time.process_time()
    segmentation._written(segmentation._sound(sent, "skip", report), given.window, facts, folder, report)  # noqa: SLF001
    return time.process_time() - begun


def networks(_folder: Path) -> Found:
    """Take a pass of each network over one batch: CPU seconds of a row, on one thread; and what its gradients weigh."""
    return {name: _network(name, *told) for name, told in NETWORKS.items()}


def _network(name: str, samples: int, batch: int) -> Found:
    subject = training_step.Subject(name, (12, samples), 26, batch, batch, (0, 0), (0, 0))
    with apart(training_step.our_pass, subject, "fp32") as ask:
        seconds = ask() / batch  # a first pass came before
    numbers = sum(values.numel() for values in training_step.ours(subject).parameters())
    print(name, seconds, numbers, flush=True)
    return {"seconds": float(f"{seconds:.4g}"), "parameters": numbers, "batch": batch}


def starts(_folder: Path) -> Found:
    """Give the CPU seconds of each stage's imports, and of an interpreter alone."""
    stages = ("download", "segment", "encode", *starting.TIMES)
    commands = {name: starting.imports(name) for name in stages} | {"python": "pass"}
    return {name: starting.cpu([sys.executable, "-c", code]) for name, code in commands.items()}


PARTS: dict[str, Callable[[Path], Any]] = {
    "stages": stages,
    "table": table,
    "recordings": recordings,
    "networks": networks,
    "starts": starts,
    **scale_parts.PARTS,
}


def main(folder: Path, names: list[str]) -> None:
    """Measure some parts, and lay each beside what was measured before."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        print(name, flush=True)
        found = PARTS[name](folder)
        kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        kept |= {name: found, "measured with": f"Python {platform.python_version()}, torch {torch.__version__}"}
        FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(PARTS))
