"""The items of a list worked on by a Dask cluster, in order, a bounded number of blocks ahead.

What travels out is settings, a path and the numbers of items; each worker lists the items by itself, in the same folder.
Whoever reaches a scheduler can run code on its workers: a cluster belongs into a network whose users trust each other.
"""

import hashlib
import os
import platform
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from pqrst import __version__
from pqrst.console import log
from pqrst.errors import DataError, PqrstError, SettingsError

AHEAD = 2  # blocks under way for each thread of the cluster: one in work, one that waits for it
BRIEF, LONG = 0.25, 1.0  # s that a block takes: after a briefer one blocks get twice as large, after a longer one half
MOST = 64  # items of a block
REACH, JOIN = 30.0, 600.0  # s to wait for the scheduler, and for its first worker, which a queue may hold back
LIBRARIES = ("numpy", "scipy", "pandas", "wfdb")  # that compute or read what is stored
Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True)
class _Task(Generic[Item, Done]):
    """What a worker must know of a list; the same for each of its blocks."""

    items: Callable[[], Iterator[Item]]
    work: Callable[[Item], Done]
    folder: str  # that paths are relative to
    code: str
    token: str  # of this list: another run, over files that may have changed, has another


@dataclass
class _Listing:
    """How far a thread of a worker has gone through a list."""

    token: str
    items: Iterator[Any]
    place: int = 0


_listings: dict[int, _Listing] = {}  # by thread


def in_order(
    address: str, items: Callable[[], Iterator[Item]], work: Callable[[Item], Done]
) -> Generator[Done, None, None]:
    """Give the work on each item, in their order, done by the workers of the scheduler at an address."""
    task = _Task(items, work, str(Path.cwd()), identity(), uuid.uuid4().hex)
    with _connected(address) as client:
        try:
            yield from _taken(client, task, address)
        finally:
            if client.status == "running":
                with suppress(Exception):  # whatever a worker says now, the work is done, or its fault is told already
                    client.run(_forget, task.token)


def _taken(client: Any, task: _Task[Any, Done], address: str) -> Generator[Done, None, None]:
    here, begun, size = task.items(), 0, 1
    under_way: deque[tuple[int, int, Any]] = deque()
    while True:
        room = AHEAD * max(1, _threads(client, address))
        while len(under_way) < room and (count := sum(1 for _ in islice(here, size))):
            # a key of its own, else Dask would name it by the hash of all that it is given
            key = f"pqrst-{task.token}-{begun}"
            under_way.append((begun, count, client.submit(_share, task, begun, count, key=key, pure=False)))
            begun += count
        if not under_way:
            return
        first, count, block = under_way.popleft()
        seconds, done = _result(client, block, f"items {first + 1} to {first + count}", address)
        size = min(MOST, size * 2) if seconds < BRIEF else max(1, size // 2) if seconds > LONG else size
        yield from done


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Give a client of the scheduler, once it has a worker."""
    try:
        from distributed import Client  # noqa: PLC0415 (an extra, and half a second)
    except ImportError:
        raise SettingsError(
            f"engine: dask://{address} needs the extra dask: pip install 'pqrst[dask]', here and on the workers"
        ) from None
    try:
        client = Client(f"tcp://{address}", timeout=REACH, set_as_default=False, direct_to_workers=True)
    except (OSError, ValueError) as error:
        raise DataError(
            f"no scheduler answers at dask://{address} ({_reason(error)}); start `dask scheduler` there, or set engine to local"
        ) from None
    with client:
        if not _threads(client, address):
            log.info("dask://%s has no worker yet; waiting for one, %g s at most", address, JOIN)
            try:
                client.wait_for_workers(1, timeout=JOIN)
            except TimeoutError:
                raise DataError(
                    f"dask://{address} has no worker; start one by `dask worker {address} --nthreads 1`"
                ) from None
        yield client


def _result(client: Any, block: Any, which: str, address: str) -> tuple[float, list[Any]]:
    """Wait for a block; what went wrong on the way is one line."""
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415 (loaded by now)

    try:
        seconds, done = block.result()
    except PqrstError:
        raise
    except KilledWorker:
        raise DataError(
            f"dask://{address}: workers died over {which} again and again; is there memory for them? run again with more"
        ) from None
    except (OSError, CancelledError):
        if client.status == "running":  # so the work itself has raised it
            raise
        raise _gone(address) from None
    except (ImportError, AttributeError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "deserializ" not in str(error):
            raise
        raise DataError(
            f"a worker of dask://{address} cannot load pqrst ({_reason(error.__cause__ or error)}); install there what is installed here"
        ) from error
    return float(seconds), list(done)


def _threads(client: Any, address: str) -> int:
    """Count the threads of all workers that there are by now."""
    try:
        return sum(client.nthreads().values())
    except OSError:
        raise _gone(address) from None


def _gone(address: str) -> DataError:
    return DataError(f"the scheduler at dask://{address} went away; start it and its workers, and run again")


def _share(task: _Task[Any, Done], begun: int, count: int) -> tuple[float, list[Done]]:
    """Work on a block of items, on a worker; give the seconds that it took, and what came out."""
    started, node = time.perf_counter(), platform.node()
    if identity() != task.code:
        raise DataError(
            f"a worker on {node} runs {identity()}, this is {task.code}; install the same there and start the workers anew"
        )
    try:
        os.chdir(task.folder)  # paths are taken, and told in a fault, as they were given
    except OSError as error:
        raise DataError(
            f"a worker on {node} cannot enter {task.folder} ({error.strerror}); let the workers share that folder"
        ) from None
    done = [task.work(item) for item in _listed(task, begun, count, node)]
    if len(done) < count:
        raise DataError(_other(node, task.folder, f"it ends after {begun + len(done)}"))
    return time.perf_counter() - started, done


def _listed(task: _Task[Item, Any], begun: int, count: int, node: str) -> Iterator[Item]:
    """Go on in the list where this thread stands, or anew where it has passed the place."""
    kept = _listings.get(threading.get_ident())
    if kept is None or kept.token != task.token or kept.place > begun:
        kept = _listings[threading.get_ident()] = _Listing(task.token, task.items())
    skipped, kept.place = begun - kept.place, begun + count
    try:
        deque(islice(kept.items, skipped), maxlen=0)
        yield from islice(kept.items, count)
    except PqrstError as error:
        raise DataError(_other(node, task.folder, str(error))) from None


def _other(node: str, folder: str, said: str) -> str:
    return f"a worker on {node} lists other recordings in {folder} ({said}); let the workers share that folder"


def _forget(token: str) -> None:
    """Let go of a list that is done, and of the files that it holds open."""
    for thread in [thread for thread, kept in _listings.items() if kept.token == token]:
        del _listings[thread]


@cache
def identity() -> str:
    """Say in one line what computes here: versions, and the digest of this package's files."""
    package = Path(__file__).parent
    files = sorted(path for ending in ("py", "csv", "gz") for path in package.rglob(f"*.{ending}"))
    sums = "".join(f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    libraries = " ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return f"pqrst {__version__} ({hashlib.sha256(sums.encode()).hexdigest()[:12]}) with {libraries}"


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
