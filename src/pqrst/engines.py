"""Where the items of a list are worked on: in this process, on all cores, or by a Dask cluster. What comes out is the same.

So no output hangs on the engine: `resolve` writes it to a file of its own, which stages read and DVC compares with nothing.
"""

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TypeVar

from pqrst import clusters, parsing, workers
from pqrst.errors import SettingsError

SERIAL, LOCAL, DASK = "serial", "local", "dask://"
FILE = "engine.yaml"  # under resolved/
Item = TypeVar("Item")
Done = TypeVar("Done")


def checked(engine: str) -> str:
    """Give an engine as it is, or refuse one that there is not."""
    if engine in (SERIAL, LOCAL) or re.fullmatch(rf"{DASK}[^\s/:@]+:\d+", engine):
        return engine
    raise SettingsError(f"engine: there is no {parsing.shown(engine)}; use serial, local, or dask://<host>:<port>")


def read(file: Path) -> str:
    """Read the engine that was resolved."""
    if not file.exists():
        raise SettingsError(f"{file} is missing; run `dvc repro resolve`")
    return checked(str(parsing.read(file, str(file)).get("engine", "")))


def in_order(
    engine: str,
    items: Callable[[], Iterator[Item]],
    work: Callable[[Item], Done],
    *,
    threads: int = 1,
    at_once: bool = False,
) -> Generator[Done, None, None]:
    """Give the work on each item, in their order.

    An item is worked on before the next is asked for.

    Args:
        engine: one of the three.
        items: lists them; every process does so by itself. For a cluster it is pickled, and so is the work: partials of
            functions of modules.
        work: on one of them.
        threads: that the work takes, so that this machine is shared.
        at_once: whether nothing is worked on here before processes are forked, as what torch computes by several threads must not be.
    """
    if engine == SERIAL:
        yield from map(work, items())
    elif engine == LOCAL:
        yield from workers.in_order(items, work, workers.available(threads), at_once=at_once)
    else:
        yield from clusters.in_order(checked(engine).removeprefix(DASK), items, work)
