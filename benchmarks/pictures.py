"""Pictures of beats and recordings: our encodings against pyts, warm and in a process of its own; and drawing within a training step.

The same rows go to both, within 1e-6 of the largest pixel. pyts gets all of them in one call, ours a chunk at a time, as
`images.encode` and a training step draw. A share of memory copy holds our time against that of copying as many pictures of the same size, chunk
by chunk, in the same rounds.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from resource import RUSAGE_CHILDREN, getrusage
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from _table import Row
from _turns import cpu_seconds
from pqrst import catalog, images, networks
from pqrst.training import prepare_process

FS = 360.0  # Hz
ROUNDS = 5
SHORT, LONG = (1000, 187), (300, 1000)  # rows, samples
BEATS, STEPS = 109_446, 30
FRESH_PEER = """
import numpy as np
from pyts.image import GramianAngularField
rows = np.random.default_rng(0).random((BEATS, 187), np.float32).astype(np.float64)
field = GramianAngularField(image_size=64)
first, *_ = [field.transform(part) for part in np.array_split(rows, 400)][:1]
print(np.abs(first).mean(axis=(1, 2)).tolist())
"""
FRESH = """
import numpy as np
import torch
from pqrst import images
from pqrst.encodings import gramian
torch.set_num_threads(1)
rows = torch.from_numpy(np.random.default_rng(0).random((BEATS, 1, 187), np.float32))
with torch.inference_mode():
    first, *_ = [gramian.encode(part, 360.0, gramian.Params()) for part in rows.tensor_split(400)][:1]
print(first[:, 0].abs().mean(dim=(1, 2)).tolist())
"""


class Subject(NamedTuple):
    """One encoding of rows, what pyts calls it, and the ratios that are asked for."""

    encoding: str
    shape: tuple[int, int]  # rows, samples
    settings: dict[str, Any]
    peer: str
    theirs: Callable[[np.ndarray], np.ndarray]
    floor: float | None
    goal: float | None


def measure() -> Iterator[Row]:
    """Hold each encoding against pyts, then a whole fresh process, then a training step against the drawing in it."""
    torch.set_num_threads(1)
    for subject in subjects():
        yield against_peer(subject)
    yield fresh_process()
    prepare_process(threads=1)  # keeps the heap, as training does and nobody who draws
    for batch in (64, 128):
        yield within_a_step(batch)


def subjects() -> Iterator[Subject]:
    """List what is drawn."""
    from pyts import __version__  # noqa: PLC0415 (compiles for 20 s, and main is told so)
    from pyts.approximation import PiecewiseAggregateApproximation  # noqa: PLC0415 (likewise)
    from pyts.image import GramianAngularField, MarkovTransitionField, RecurrencePlot  # noqa: PLC0415 (likewise)

    for shape, size in ((SHORT, 64), (LONG, 224)):
        field = GramianAngularField(image_size=size).transform
        yield Subject("gramian", shape, {"size": size}, f"pyts {__version__} GramianAngularField", field, 4, 8)
        field = MarkovTransitionField(image_size=size, n_bins=8).transform
        yield Subject("markov", shape, {"size": size}, f"pyts {__version__} MarkovTransitionField", field, 5, 12)
    plot, pieces = RecurrencePlot(), PiecewiseAggregateApproximation(None, 64, overlapping=False)
    yield Subject("recurrence", SHORT, {"size": 0}, f"pyts {__version__} RecurrencePlot", plot.transform, 15, 30)
    averaged = Subject(
        "recurrence", SHORT, {"size": 64}, f"pyts {__version__} averages, RecurrencePlot", plot.transform, None, None
    )
    yield averaged._replace(theirs=lambda x: plot.transform(pieces.transform(x)))


def against_peer(subject: Subject) -> Row:
    """Time one encoding in turns, after both have given the same numbers."""
    module = catalog.load("encodings", subject.encoding)
    p = module.Params(**subject.settings)
    count, samples = subject.shape
    rows = np.random.default_rng(0).standard_normal(subject.shape).cumsum(axis=1).astype(np.float32)
    shape = module.shape((1, samples), p)
    parts = torch.from_numpy(rows)[:, None].split(images.chunk(shape))  # (n, 1, samples) each
    doubled = rows.astype(np.float64)
    theirs, ours = subject.theirs(doubled), torch.cat(list(drawn(module, parts, p)))[:, 0].numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * max(1, np.abs(theirs).max()))
    source = torch.ones(len(parts[0]), *shape)
    target = torch.ones_like(source)
    found, copies = [], []
    for _ in range(ROUNDS):
        their = cpu_seconds(lambda: subject.theirs(doubled))
        found.append((their, cpu_seconds(lambda: [None for _ in drawn(module, parts, p)])))
        copies.append(cpu_seconds(lambda: [target.copy_(source) for _ in parts]))
    part = np.median([copy / our for copy, (_, our) in zip(copies, found, strict=True)])
    subject_text = f"{subject.encoding}, {count:,} rows, {samples} samples to {shape[1]} × {shape[2]}"
    return Row(subject_text, subject.peer, found, subject.floor, subject.goal, f"{part:.0%} of memory copy")


def drawn(module: Any, parts: tuple[torch.Tensor, ...], p: Any) -> Iterator[torch.Tensor]:
    """Draw a chunk at a time."""
    for part in parts:
        with torch.inference_mode():
            yield module.encode(part, FS, p)


def fresh_process() -> Row:
    """Draw all beats of the database in a process of its own, imports included, once."""
    (their, expected), (our, found) = (in_a_process(code.replace("BEATS", str(BEATS))) for code in (FRESH_PEER, FRESH))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    return Row(f"fresh process, {BEATS:,} beats, 187 samples to 64 × 64", "pyts, the same", [(their, our)], 10, 15)


def in_a_process(code: str) -> tuple[float, list[float]]:
    """Give the CPU seconds of a process, and the numbers that it printed."""
    before = getrusage(RUSAGE_CHILDREN)
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    after = getrusage(RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, [float(number) for number in told.strip(" []\n").split(",")]


def within_a_step(batch: int) -> Row:
    """Time training steps of the picture network on drawn Gramian fields, and the drawing in them."""
    plan = SimpleNamespace(
        model="picture_cnn",
        model_settings={},
        frontend="",
        frontend_settings={},
        encoding="gramian",
        encoding_settings={},
    )
    network = networks.build(plan, (2, 240), 4, FS).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    x, y = torch.randn(batch, 2, 240).cumsum(dim=-1), torch.randint(0, 4, (batch,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(network(x), y).backward()
        optimizer.step()

    def draw() -> None:
        with torch.no_grad():
            network.encode(x)

    step()
    found = [
        (cpu_seconds(lambda: [step() for _ in range(STEPS)]), cpu_seconds(lambda: [draw() for _ in range(STEPS)]))
        for _ in range(ROUNDS)
    ]
    part = np.median([drawing / whole for whole, drawing in found])
    subject = f"step of picture_cnn on {batch} pairs of Gramian fields, 64 × 64, against the drawing in it"
    return Row(subject, "the whole step", found, 100 / 3, 100, f"{part:.1%} of the step, no image bytes on disk")
