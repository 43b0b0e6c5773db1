"""The items of a list worked on by a Dask cluster, in order, a bounded number of blocks ahead.

What travels out is settings, a path and the numbers of items; each worker lists the items by itself, in the same folder.
Whoever reaches a scheduler can run code on its workers: a cluster belongs into a network whose users trust each other.
"""

import hashlib
import os
import platform
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from pqrst import __version__, blocks
from pqrst.blocks import Listing
from pqrst.console import log
from pqrst.errors import DataError, PqrstError, SettingsError

REACH, JOIN = 30.0, 600.0  # s to wait for the scheduler, and for its first worker, which a queue may hold back
LIBRARIES = ("numpy", "scipy", "pandas", "wfdb", "torch", "scikit-learn")  # that compute or read what is stored
Item = TypeVar("Item")
Done = TypeVar("Done")


@dataclass(frozen=True)
class _Task:
    """What a worker must know of a list; the same for each of its blocks."""

    packed: bytes  # what lists the items, and what is done to them; unpacked once a list
    folder: str  # that paths are relative to
    code: str
    token: str  # of this list: another run, over files that may have changed, has another


_listings: dict[int, tuple[str, Listing[Any, Any]]] = {}  # by thread


def in_order(
    address: str, items: Callable[[], Iterator[Item]], work: Callable[[Item], Done]
) -> Generator[Done, None, None]:
    """Give the work on each item, in their order, done by the workers of the scheduler at an address."""
    with _connected(address) as client:
        from distributed.protocol.pickle import dumps  # noqa: PLC0415 (an extra, loaded by now)

        task = _Task(dumps((items, work)), str(Path.cwd()), identity(), uuid.uuid4().hex)
        try:
            yield from blocks.in_order(_Cluster(client, address, task), items())
        finally:
            if client.status == "running":
                with suppress(Exception):  # whatever a worker says now, the work is done, or its fault is told already
                    client.run(_forget, task.token)


@dataclass(frozen=True)
class _Cluster:
    """A crew of the workers of a scheduler; Dask gives the blocks of one that dies to others."""

    client: Any
    address: str
    task: _Task

    def size(self) -> int:
        return max(1, _threads(self.client, self.address))

    def begin(self, begun: int, count: int) -> Any:
        # a key of its own, else Dask would name it by the hash of all that it is given
        key = f"pqrst-{self.task.token}-{begun}-{count}"
        return self.client.submit(_share, self.task, begun, count, key=key, pure=False)

    def result(self, block: Any) -> tuple[float, list[Any]]:
        """Wait for a block; what went wrong on the way is one line."""
        from distributed import CancelledError, KilledWorker  # noqa: PLC0415 (loaded by now)

        try:
            seconds, done = block.result()
        except PqrstError:
            raise
        except KilledWorker:
            first, count = map(int, block.key.split("-")[2:])
            raise DataError(
                f"dask://{self.address}: workers died over items {first + 1} to {first + count} again and again; "
                "is there memory for them? run again with more"
            ) from None
        except (OSError, CancelledError):
            if self.client.status == "running":  # so the work itself has raised it
                raise
            raise _gone(self.address) from None
        except (ImportError, AttributeError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "deserializ" not in str(error):
                raise
            raise DataError(
                f"a worker of dask://{self.address} cannot load pqrst ({_reason(error.__cause__ or error)}); "
                "install there what is installed here"
            ) from error
        return float(seconds), list(done)


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


def _threads(client: Any, address: str) -> int:
    """Count the threads of all workers that there are by now."""
    try:
        return sum(client.nthreads().values())
    except OSError:
        raise _gone(address) from None


def _gone(address: str) -> DataError:
    return DataError(f"the scheduler at dask://{address} went away; start it and its workers, and run again")


def _share(task: _Task, begun: int, count: int) -> tuple[float, list[Any]]:
    """Work on a block of items, on a worker."""
    node = platform.node()
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
    seconds, done = _listing(task).block(begun, count)
    if len(done) < count:
        raise DataError(
            f"a worker on {node} lists other recordings in {task.folder} (it ends after {begun + len(done)}); "
            "let the workers share that folder"
        )
    return seconds, done


def _listing(task: _Task) -> Listing[Any, Any]:
    """Give the list as this thread went through it so far."""
    token, kept = _listings.get(threading.get_ident(), ("", None))
    if kept is None or token != task.token:
        from distributed.protocol.pickle import loads  # noqa: PLC0415 (loaded by now)

        kept = Listing(*loads(task.packed))
        _listings[threading.get_ident()] = task.token, kept
    return kept


def _forget(token: str) -> None:
    """Let go of a list that is done, and of the files that it holds open."""
    for thread in [thread for thread, (kept, _) in _listings.items() if kept == token]:
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
