"""What `scale.py` measures of the machinery around the stages: pools, Dask, DVC, a host, digests."""

import hashlib
import importlib.util
import resource
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from _turns import cpu_seconds
from pqrst import downloads, workers

Found = dict[str, Any]
GIGABYTE = 10**9
PIECE = 64  # items of a block of a cluster, at most
PACE = (0.1, 0.0125)  # s that a worker and the writer sleep for an item
CREWS, SLEPT = (1, 2, 4, 8, 16), 384  # workers; items


def digests(folder: Path) -> Found:
    """Give the CPU seconds a GB of what reads every byte: SHA-256, MD5 (DVC's), writing, copying."""
    file, content = folder / "bytes", np.random.default_rng(0).bytes(2**28)
    share = GIGABYTE / len(content)
    ways = {
        "write": lambda: file.write_bytes(content),
        "sha256": lambda: hashlib.sha256(content).digest(),
        "md5": lambda: hashlib.md5(content, usedforsecurity=False).digest(),
        "copy": lambda: shutil.copyfile(file, folder / "copy"),
    }
    found = {name: share * statistics.median(cpu_seconds(way) for _ in range(3)) for name, way in ways.items()}
    file.unlink()
    (folder / "copy").unlink()
    return found


def pool(_folder: Path) -> Found:
    """Give the seconds that an item of a list costs the process that takes it, done by two forked workers."""
    spent = {count: cpu_seconds(partial(_drain, count)) for count in (5_000, 45_000)}
    return {"seconds an item, all processes": (spent[45_000] - spent[5_000]) / 40_000}


def _drain(count: int) -> None:
    for _ in workers.in_order(lambda: iter(range(count)), abs, 2):
        pass


def asleep(_folder: Path) -> list[Found]:
    """Let the pool of the product run over work that sleeps, for a writer that sleeps: as many workers as wanted on two cores.

    A sleeper on a busy machine wakes late, so how long each piece really took is told as well.
    """
    workers.FIRST, found = 0, []  # what one process does alone at first is left out
    for crew in CREWS:
        begun, taken, written = time.perf_counter(), [], 0.0
        for seconds in workers.in_order(lambda: iter([PACE[0]] * SLEPT), _slept, crew):
            taken.append(seconds)
            written += _slept(PACE[1])
        wall = time.perf_counter() - begun
        pieces = [sum(taken[start : start + workers.TOGETHER]) for start in range(0, SLEPT, workers.TOGETHER)]
        found.append(_crew(crew, wall, pieces, written / len(pieces)))
    return found


def _slept(seconds: float) -> float:
    """Sleep, and say how long it was."""
    begun = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - begun


def _crew(crew: int, wall: float, blocks: list[float], write: float) -> Found:
    told = {"workers": crew, "seconds": round(wall, 3), "write": round(write, 4)}
    print(told, flush=True)
    return told | {"blocks": [round(seconds, 4) for seconds in blocks]}


def dask(_folder: Path) -> Found:
    """Give what a task costs scheduler and client, in one process here, by tasks that do nothing."""
    if importlib.util.find_spec("distributed") is None:
        return {}
    with _cluster() as client:
        client.gather(client.map(abs, range(-100, 0)))
        spent = {count: _process_seconds(partial(_mapped, client, count)) for count in (500, 1000, 4000)}
        bulk = {count: _process_seconds(partial(_bulky, client, count)) for count in (10, 40)}
    travelled = 30 * PIECE * 120_000 / GIGABYTE
    return {
        "seconds": {str(count): value for count, value in spent.items()},
        "seconds a GB": (bulk[40] - bulk[10]) / travelled,
    }


@contextmanager
def _cluster() -> Iterator[Any]:
    """Start a scheduler in this process, and a worker of two threads in another."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 (an extra)

    with (
        LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _mapped(client: Any, count: int) -> None:
    for one in client.map(abs, range(-count, 0), pure=False):
        one.result()


def _bulky(client: Any, count: int) -> None:
    for one in client.map(np.zeros, [(PIECE, 12, 5000)] * count, dtype=np.int16, pure=False):
        one.result()


def _process_seconds(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def dvc(folder: Path) -> list[Found]:
    """Give the CPU seconds of `dvc repro` of one stage that writes one file of so many bytes, all else left out."""
    return [_reproduced(folder / "dvc", gigabytes) for gigabytes in (0.1, 0.4, 1.2)]


def _reproduced(room: Path, gigabytes: float) -> Found:
    """Let a stage move what is there into place, so that it costs nothing itself."""
    shutil.rmtree(room, ignore_errors=True)
    (room / "made").mkdir(parents=True)
    (room / "made" / "0").write_bytes(np.random.default_rng(0).bytes(int(gigabytes * GIGABYTE)))
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "config", "core.analytics", "false"]):
        subprocess.run(command, cwd=room, check=True)
    (room / "dvc.yaml").write_text("stages:\n  one:\n    cmd: mv made out\n    outs: [out]\n")
    found = {"gigabytes": gigabytes, "seconds": _children(["dvc", "repro", "-q"], room)}
    print(found, flush=True)
    shutil.rmtree(room)
    return found


def _children(command: list[str], folder: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class _Far(SimpleHTTPRequestHandler):
    """A host that takes its time before it answers."""

    protocol_version = "HTTP/1.1"
    wait = 0.5  # s: long beside what a busy machine adds

    def do_GET(self) -> None:
        time.sleep(self.wait)
        super().do_GET()

    def log_message(self, *_given: Any) -> None:
        pass


def host(folder: Path) -> list[Found]:
    """Fetch small files from a host that answers after a while, by the clock: what is waited for is not computed."""
    room = folder / "host"
    shutil.rmtree(room, ignore_errors=True)
    (room / "files").mkdir(parents=True)
    names = [f"{number:04d}" for number in range(120)]
    for name in names:
        (room / "files" / name).write_bytes(bytes(700))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Far, directory=str(room / "files")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source, found = downloads.Source(f"http://127.0.0.1:{server.server_address[1]}", "host"), []
    for count, links in ((60, 4), (120, 4), (120, 16)):
        begun = time.perf_counter()
        patience = downloads.Patience(workers=links)
        own = room / f"{count}-{links}"  # else what was fetched before is not fetched again
        downloads.fetch(source, names[:count], own / "dest", own / "scratch", sums={}, patience=patience)
        found.append({"files": count, "links": links, "wait": _Far.wait, "seconds": time.perf_counter() - begun})
        print(found[-1], flush=True)
    server.shutdown()
    shutil.rmtree(room)
    return found


PARTS: dict[str, Callable[[Path], Any]] = {
    "digests": digests,
    "pool": pool,
    "asleep": asleep,
    "dask": dask,
    "dvc": dvc,
    "host": host,
}
