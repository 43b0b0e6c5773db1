"""The model of docs/scale.md: hours, cores, storage and money, by what `scale.py` measured, and how far it was off.

    python benchmarks/scale_model.py [core-hour=0.04 terabyte-month=20 ...]

Prints the page's tables and draws docs/scale.png. What is assumed and not measured stands in Assumed, and each can be set.
"""

import heapq
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
SIZES, WORKERS = (10**5, 10**6, 10**8), (1, 10, 100, 1000)
FITTED, FITTED_LINES = 1000, 40_000  # the largest sizes that lines are fitted to
PIECE, AHEAD = 64, 2  # recordings of a block of a cluster at most; blocks under way for each worker
GIGABYTE, HOUR = 1e9, 3600.0
ONE = "one process"  # that takes what the workers made, in order
# s a recording, by full_size.py over the Challenge's (docs/reproduction.md): up to 1,000 it is lost in the start of the stage
EVALUATED = 322 / 88_253
HELD_BACK = 0.28  # of the rows: a fifth to test, a tenth of the rest to choose


@dataclass(frozen=True)
class Assumed:
    """What the reader sets."""

    core_hour: float = 0.04  # price
    terabyte_month: float = 20.0  # price
    bandwidth: float = 0.05  # GB/s from the host
    wait: float = 0.05  # s until a host answers
    links: float = 4.0  # to the host at once, as `transport.Patience` has them
    network: float = 1.25  # GB/s into one machine
    memory: float = 64.0  # GB of the machine that runs the stages
    epochs: float = 1.0


class Line(NamedTuple):
    """Seconds or bytes that grow with a count."""

    start: float
    each: float

    def at(self, count: float) -> float:
        return self.start + count * self.each


@dataclass(frozen=True)
class Step:
    """A stage: what its workers share, and what goes through one place for every recording."""

    name: str
    shared: float = 0.0  # s a recording
    limits: Mapping[str, float] = field(default_factory=dict)  # by place, s a recording
    start: float = 0.0  # s
    most: float = math.inf  # workers that can be busy at once

    def seconds(self, records: float, workers: int) -> float:
        """Give the seconds by the clock. One worker alone also does what else the one process does."""
        return self.start + records * self._pace(workers)[1]

    def bound(self, workers: int) -> str:
        """Name what the stage waits for."""
        return self._pace(workers)[0]

    def _pace(self, workers: int) -> tuple[str, float]:
        paces = dict(self.limits)
        if workers == 1:
            paces["workers"] = self.shared + paces.pop(ONE, 0.0)
        else:
            paces["workers"] = self.shared / min(workers, self.most)
        slowest = max(paces, key=lambda one: paces[one])
        if slowest == "workers" and workers == 1 and not self.shared:
            return ONE, paces[slowest]
        if slowest == "workers" and workers > self.most:
            return "rows of a batch", paces[slowest]
        return slowest, paces[slowest]


def fitted(points: Sequence[tuple[float, float]]) -> Line:
    """Lay the line of least squares through points."""
    slope, start = statistics.linear_regression(*zip(*points, strict=True))
    return Line(start, slope)


def simulated(times: Sequence[float], workers: int, hand_out: float, write: float, ahead: float = AHEAD) -> float:
    """Follow blocks through scheduler, workers and the writer that takes them in order; give the seconds of all.

    Args:
        times: s that each block takes a worker.
        workers: how many there are.
        hand_out: s of the scheduler for a block, one after the other.
        write: s of the writer for a block.
        ahead: blocks under way for each worker; the next is handed out once one is written.
    """
    free, written, scheduler, writer = [0.0] * workers, [0.0] * len(times), 0.0, 0.0
    for number, seconds in enumerate(times):
        before = number - ahead * workers
        scheduler = max(scheduler, written[int(before)] if before >= 0 else 0.0) + hand_out
        done = max(heapq.heappop(free), scheduler) + seconds
        heapq.heappush(free, done)
        writer = max(writer, done) + write
        written[number] = writer
    return writer


def points(lines: Sequence[Mapping[str, Any]], stage: str, what: str, above: int = 0) -> list[tuple[float, float]]:
    """Give what a stage took by its recordings."""
    return [(one["records"], one[what]) for one in lines if one["stage"] == stage and one["records"] > above]


def line(found: Mapping[str, Any], part: str, stage: str, what: str = "cpu", above: int = 0) -> Line:
    """Fit what a stage took to the small sizes."""
    most = FITTED if part == "stages" else FITTED_LINES
    return fitted([one for one in points(found[part], stage, what, above) if one[0] <= most])


def dvc_line(found: Mapping[str, Any]) -> Line:
    """Give what DVC takes by the GB of a stage's output."""
    return fitted([(one["gigabytes"], one["seconds"]) for one in found["dvc"] if one["gigabytes"] < 1])


def dask_line(found: Mapping[str, Any]) -> Line:
    """Give what scheduler and client take by the task."""
    return fitted(
        [(float(count), value) for count, value in found["dask"]["seconds"].items() if float(count) <= FITTED]
    )


def bytes_each(found: Mapping[str, Any]) -> dict[str, float]:
    """Give the bytes of a recording as they were brought, cut and drawn."""
    kinds = {"raw": "download", "rows": "segment, 1 core", "pictures": "encode"}
    return {name: line(found, "stages", stage, "bytes").each for name, stage in kinds.items()}


def steps(found: Mapping[str, Any], a: Assumed, network: str = "resu_dense") -> list[Step]:
    """Make the stages out of what was measured."""
    held, sha = bytes_each(found), found["digests"]["sha256"] / GIGABYTE
    single = {name: line(found, "stages", name).each for name in ("download", "encode", "split")}
    alone = found["recordings"]["alone"]
    learner, task = found["networks"][network], dask_line(found).each
    row, by_gigabyte = learner["seconds"], dvc_line(found)
    opened = sha * held["rows"] + line(found, "table", "open").each
    message = 8 * learner["parameters"] / learner["batch"] / GIGABYTE  # float32 there and back, shared by the batch
    start = {name: found["starts"][name] + by_gigabyte.start for name in found["starts"]}
    fetched = {"host": held["raw"] / GIGABYTE / a.bandwidth, "answers": 2 * a.wait / a.links, ONE: single["download"]}
    cut = {ONE: alone, "scheduler": task / PIECE, "network": found["recordings"]["travels"] / GIGABYTE / a.network}
    learned = {ONE: opened, "network": a.epochs * (1 - HELD_BACK) * message / a.network}
    return [
        Step("download", 0.0, fetched, start["download"]),
        Step("segment", line(found, "stages", "segment, 2 cores", "others", 256).each, cut, start["segment"]),
        Step("encode", 0.0, {ONE: single["encode"]}, start["encode"]),
        Step("split", 0.0, {ONE: single["split"]}, start["split"]),
        Step("train", a.epochs * (1 - HELD_BACK) * row, learned, start["train"], learner["batch"]),
        Step("evaluate", 0.0, {ONE: EVALUATED + HELD_BACK * row / 3}, start["evaluate"]),
        Step("dvc", 0.0, {ONE: sum(held.values()) / GIGABYTE * by_gigabyte.each}),
    ]


def memory_each(found: Mapping[str, Any]) -> dict[str, float]:
    """Give the bytes of memory of a row in the processes that hold all rows' names, sides or answers."""
    return {stage: GIGABYTE * line(found, "table", stage, "memory").each for stage in ("open", "split")}


def shown(seconds: float) -> str:
    """Give seconds as hours, or as years where they are many."""
    hours = seconds / HOUR
    return f"{hours / 8766:,.1f} y" if hours > 8766 else f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def rented(step: Step, records: float, workers: int) -> float:
    """Give the core-seconds that are paid for: all workers while a stage can use any, else one core."""
    return step.seconds(records, workers) * (workers if step.shared else 1)


def figures(found: Mapping[str, Any], a: Assumed) -> str:
    """Tabulate hours and price by size and workers, and name what each stage waits for."""
    made = steps(found, a)
    lines = [f"| recordings | workers | {' | '.join(one.name for one in made)} | all | core-hours | price |"]
    lines.append("|" + "---|" * (len(made) + 5))
    for records in SIZES:
        for workers in WORKERS:
            taken = [one.seconds(records, workers) for one in made]
            paid = sum(rented(one, records, workers) for one in made) / HOUR
            told = " | ".join(map(shown, [*taken, sum(taken)]))
            lines.append(f"| {records:,} | {workers:,} | {told} | {paid:,.0f} | {a.core_hour * paid:,.0f} |")
    waits = [f"- {one.name}: " + ", ".join(f"{workers}: {one.bound(workers)}" for workers in WORKERS) for one in made]
    return "\n".join([*lines, "\nWhat each waits for, by workers:", *waits])


def rooms(found: Mapping[str, Any], a: Assumed) -> str:
    """Tabulate what is stored and what is held in memory by size."""
    held, memory = bytes_each(found), memory_each(found)
    lines = [
        f"| recordings | {', TB | '.join(held)}, TB | with DVC's cache, TB | a month | {', GB | '.join(memory)}, GB |"
    ]
    lines.append("|" + "---|" * (len(held) + len(memory) + 3))
    for records in SIZES:
        terabytes = [records * value / 1e12 for value in held.values()]
        kept, taken = 2 * sum(terabytes), [records * value / GIGABYTE for value in memory.values()]
        told = " | ".join(f"{value:,.3g}" for value in (*terabytes, kept, a.terabyte_month * kept, *taken))
        lines.append(f"| {records:,} | {told} |")
    most = min(a.memory * GIGABYTE / value for value in memory.values())
    return "\n".join([*lines, f"{a.memory:g} GB are full at {most:,.0f} rows"])


def compared(what: str, said: float, seen: float, unit: str = "s") -> str:
    return f"| {what} | {said:.4g} {unit} | {seen:.4g} {unit} | {said / seen - 1:+.0%} |"


def checks(found: Mapping[str, Any]) -> list[str]:
    """Hold what the lines say of sizes that they were not fitted to against what was measured."""
    told = []
    for stage in ("download", "segment, 1 core", "segment, 2 cores", "split", "train"):
        for what in ("cpu", "others") if stage == "segment, 2 cores" else ("cpu",):
            above = 256 if stage == "segment, 2 cores" else 0
            fit = line(found, "stages", stage, what, above)
            held = [one for one in points(found["stages"], stage, what) if one[0] > FITTED]
            told += [compared(f"{stage}, {what}, {count:,}", fit.at(count), seen) for count, seen in held]
    for stage, what, unit in (
        ("segment", "cpu", "s"),
        ("split", "cpu", "s"),
        ("open", "memory", "GB"),
        ("split", "memory", "GB"),
    ):
        fit = line(found, "table", stage, what)
        held = [one for one in points(found["table"], stage, what) if one[0] > FITTED_LINES]
        told += [
            compared(f"{stage} of short rows, {what}, {count:,}", fit.at(count), seen, unit) for count, seen in held
        ]
    one, parts = line(found, "stages", "segment, 1 core").each, found["recordings"]["alone"]
    parts += line(found, "stages", "segment, 2 cores", "others", 256).each
    told.append(compared("segment, a recording: two cores for one", 1e3 * one, 1e3 * parts, "ms"))
    for one in found["dvc"]:
        if one["gigabytes"] > 1:
            told.append(
                compared(f"dvc repro, {one['gigabytes']} GB", dvc_line(found).at(one["gigabytes"]), one["seconds"])
            )
    seen = found["dask"]["seconds"]["4000"]
    return [*told, compared("dask, 4,000 tasks", dask_line(found).at(4000), seen)]


def crews(found: Mapping[str, Any]) -> list[str]:
    """Hold formula and simulation against the pool and Dask, whose workers slept, and against a host that was slow."""
    told = ["| what | workers | formula | simulated | measured | formula's error | simulation's |\n" + "|---" * 7 + "|"]
    for one in found["asleep"]:
        crew, write, pieces = one["workers"], one["write"], one["blocks"]
        said = Step("", statistics.fmean(pieces), {ONE: write}).seconds(len(pieces), crew)
        told.append(_crew("pool", one, said, said if crew == 1 else simulated(pieces, crew, 0.0, write, math.inf)))
    for one in found["host"]:
        said = one["files"] * one["wait"] / one["links"]
        told.append(_crew("host", one | {"workers": one["links"]}, said, said))
    return told


def _crew(what: str, one: Mapping[str, Any], said: float, followed: float) -> str:
    seen = one["seconds"]
    return (
        f"| {what} | {one['workers']} | {said:.2f} s | {followed:.2f} s | {seen:.2f} s "
        f"| {said / seen - 1:+.0%} | {followed / seen - 1:+.0%} |"
    )


def blocks(found: Mapping[str, Any], records: int, shared: float) -> list[float]:
    """Draw the times of blocks out of those of single recordings, in turn, brought to the mean that many workers showed."""
    seen = found["recordings"]["seconds"]
    scale = shared / statistics.fmean(seen)
    sums = [
        scale * sum(seen[(start + place) % len(seen)] for place in range(PIECE))
        for start in range(0, len(seen) * PIECE, PIECE)
    ]
    return [sums[number % len(sums)] for number in range(records // PIECE)]


def followed(found: Mapping[str, Any], records: int, workers: int) -> tuple[float, float]:
    """Give the seconds of cutting by the formula and by simulation, starts left out."""
    one = next(step for step in steps(found, Assumed()) if step.name == "segment")
    write = max(one.limits[ONE], one.limits["network"])
    taken = blocks(found, records, one.shared)
    return one.seconds(records, workers) - one.start, simulated(
        taken, workers, PIECE * one.limits["scheduler"], PIECE * write
    )


def draw(found: Mapping[str, Any], file: Path) -> None:
    """Draw the hours of the stages by workers, and those of cutting by formula and by simulation."""
    from matplotlib.figure import Figure  # noqa: PLC0415 (a test of the arithmetic needs none)

    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    crew = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]
    for one in steps(found, Assumed()):
        hours = [one.seconds(10**6, workers) / HOUR for workers in crew]
        left.plot(crew, hours, marker="o", markersize=3, label=one.name)
    left.set(xscale="log", yscale="log", xlabel="workers", ylabel="hours", title="every stage, 1,000,000 recordings")
    left.set_ylim(top=2000)  # room for the names
    left.legend(frameon=False, fontsize=8, ncols=3, loc="upper right")
    for records, colour in ((10**5, "#2b6cb0"), (10**6, "#c1440e")):
        said = [followed(found, records, workers) for workers in crew]
        right.plot(crew, [one[0] / HOUR for one in said], color=colour, label=f"{records:,} recordings, formula")
        right.plot(crew[1:], [one[1] / HOUR for one in said[1:]], "o", color=colour, markersize=4, label="simulated")
    right.set(xscale="log", yscale="log", xlabel="workers", ylabel="hours", title="segment")
    right.legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=130, metadata={"Software": None})


def main(words: Sequence[str]) -> None:
    """Print every table and draw the figure."""
    given = {name.replace("-", "_"): float(value) for name, _, value in (word.partition("=") for word in words)}
    if strange := set(given) - {one.name for one in fields(Assumed)}:
        sys.exit(
            f"there is no {', '.join(sorted(strange))} to set; there are {', '.join(one.name for one in fields(Assumed))}"
        )
    found, assumed = json.loads((HERE / "scale.json").read_text(encoding="utf-8")), Assumed(**given)
    for one in steps(found, assumed):
        each = ", ".join(f"{name} {1e3 * value:.3g}" for name, value in one.limits.items())
        print(f"{one.name}: start {one.start:.1f} s; ms a recording: shared {1e3 * one.shared:.3g}, {each}")
    print({name: round(value) for name, value in (bytes_each(found) | memory_each(found)).items()}, "bytes a recording")
    print(figures(found, assumed), rooms(found, assumed), *checks(found), *crews(found), sep="\n")
    for records in SIZES[:2]:
        for workers in WORKERS[1:]:
            said, seen = followed(found, records, workers)
            print(compared(f"segment, {records:,}, {workers} workers: formula, simulated", said, seen))
    draw(found, HERE.parent / "docs" / "scale.png")


if __name__ == "__main__":
    main(sys.argv[1:])
