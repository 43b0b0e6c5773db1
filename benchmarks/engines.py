"""Measure what each engine costs a recording, and hold that all give the same bytes; prints a Markdown table.

    python benchmarks/engines.py DATASET SOURCE FOLDER [rounds]

DATASET is a name under `datasets`; SOURCE a mirror that holds its database's folder, or a number of recordings to make up.
FOLDER takes what is written. The scheduler and each of two workers of one thread are processes of their own, on this machine.
"""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import psutil

import _stages
from pqrst import catalog, engines, params, segmentation, sources
from pqrst.arrays import taken
from pqrst.files import digest
from pqrst.params import component, quality_of
from pqrst.resolved import Download, Segment

WORKERS = 2
IDLE = 10.0  # s in which what Dask takes without work is measured
HEAD = "| engine | wall s | CPU s, this process | CPU s, workers | CPU s, scheduler |\n|---|---|---|---|---|"
KILLED_AT = 0.4  # of the time that the engine took before; the worker's nanny starts another in its place


def main() -> None:
    """Take turns between the engines."""
    name, source, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    given = wanted(name)
    raw = brought(given, source, folder)
    print(f"{name}: {travelling(given, raw)}", flush=True)
    with cluster() as (address, scheduler, crew):
        sums, before, wall = set(), (spent(crew), spent([scheduler])), 0.0
        time.sleep(IDLE)
        told = [(spent(crew) - before[0]) / IDLE / WORKERS, (spent([scheduler]) - before[1]) / IDLE]
        print("CPU s each second without work: a worker {:.3f}, the scheduler {:.3f}".format(*told), flush=True)
        print(HEAD, flush=True)
        for _ in range(rounds):
            for turn in ("serial", "local", f"dask://{address}", f"dask://{address} a worker killed"):
                engine, _, killed = turn.partition(" ")
                crew_before, scheduler_before = spent(crew), spent([scheduler])
                before, begun = psutil.Process().cpu_times(), time.perf_counter()
                if killed:
                    threading.Timer(KILLED_AT * wall, crew[0].children()[0].kill).start()
                segmentation.of_database(given, raw, folder / "out", folder / "counts.json", engine)
                wall, after = time.perf_counter() - begun, psutil.Process().cpu_times()
                own = after.user + after.system - before.user - before.system
                forked = after.children_user + after.children_system - before.children_user - before.children_system
                theirs = spent(crew) - crew_before if engine.startswith(engines.DASK) else forked
                told = f"{wall:.2f} | {own:.2f} | {theirs:.2f} | {spent([scheduler]) - scheduler_before:.2f}"
                print(f"| {' '.join(filter(None, (engine.partition(':')[0], killed)))} | {told} |", flush=True)
                sums.add(str(digest(folder / "out")))
    assert len(sums) == 1, "the engines give different bytes"
    print("all Bundles are the same bytes")


def wanted(name: str) -> Segment:
    """Give the settings of a dataset as params.yaml has them, its own folder's code left out."""
    settings = params.load(_stages.ROOT / "params.yaml")
    data = settings.datasets[name]
    own = asdict(component(("datasets", data.database), settings.databases[data.database], name))
    return Segment(name, data.database, own, data.window, "skip", {}, quality_of(settings, name))


def brought(given: Segment, source: str, folder: Path) -> Path:
    """Make recordings up, or bring them from a mirror, unless they are there."""
    raw = folder / "raw"
    if not raw.exists():
        made = Download(given.database, "synthetic", given.settings, int(source), 0.5, 1) if source.isdigit() else None
        obtained = made or Download(given.database, source, given.settings)
        sources.obtain(obtained, raw, folder / "scratch", folder)
    return raw


def travelling(given: Segment, raw: Path) -> str:
    """Say what is read, and what of a recording travels back, by what one process makes of each."""
    p = component(("datasets", given.database), given.settings, "settings")
    dataset = catalog.load("datasets", given.database)
    begun = time.process_time()
    listed = sum(1 for _ in dataset.readings(raw, p))
    listing, sizes = time.process_time() - begun, []
    begun, pickling = time.process_time(), 0.0
    for one in dataset.readings(raw, p):
        seen = segmentation._seen(taken(one), given.window, given.quality)  # noqa: SLF001 (what a worker does)
        packed = time.process_time()
        sizes.append(len(ForkingPickler.dumps(seen)))
        pickling += time.process_time() - packed
    work = time.process_time() - begun - pickling
    held = sum(file.stat().st_size for file in raw.rglob("*") if file.is_file())
    return (
        f"{listed} recordings; a recording has {held / listed / 1e3:.4g} kB on disk and sends {sum(sizes) / listed / 1e3:.4g} kB; "
        f"CPU ms: listing {1e3 * listing / listed:.3g}, with reading, examining and cutting {1e3 * work / listed:.3g}, "
        f"pickling {1e3 * pickling / listed:.3g}"
    )


@contextmanager
def cluster() -> Iterator[tuple[str, psutil.Process, list[psutil.Process]]]:
    """Start a scheduler and its workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    dask, quiet = [sys.executable, "-m", "dask"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    at = ["--host", "127.0.0.1", "--port", address.partition(":")[2], "--dashboard-address", ":0"]
    one = ["worker", address, "--nthreads", "1", "--no-dashboard"]
    started = [subprocess.Popen([*dask, "scheduler", *at], **quiet)]
    started += [subprocess.Popen([*dask, *one], **quiet) for _ in range(WORKERS)]
    try:
        list(engines.in_order(f"dask://{address}", _waiting, _slowly))  # until both have loaded what they need
        yield address, psutil.Process(started[0].pid), [psutil.Process(one.pid) for one in started[1:]]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _waiting() -> Iterator[int]:
    return iter(range(30))


def _slowly(_number: int) -> None:
    time.sleep(0.3)


def spent(processes: list[psutil.Process]) -> float:
    """Give the CPU seconds of processes and of those that they have started, also of those that have ended."""
    every = [each for one in processes for each in (one, *one.children(recursive=True))]
    return sum(sum(each.cpu_times()[:4]) for each in every)  # user, system, and both of children that were waited for


if __name__ == "__main__":
    main()
