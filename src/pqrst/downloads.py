"""Named files out of a host, a mirror or a folder: resumed, verified, and in place as a whole or not at all."""

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pqrst import disk, processes
from pqrst.console import progress
from pqrst.errors import DownloadError
from pqrst.files import file_digest, whole
from pqrst.transport import Link, Patience, Sleep, Source, TemporaryError, at, connect, persist

SUMS = "SHA256SUMS.txt"
USUAL = Patience()

__all__ = [
    "Patience",
    "Source",
    "alone",
    "at",
    "check",
    "checksums",
    "exists",
    "fetch",
    "here",
    "provenance",
    "read_text",
    "written",
]


@dataclass
class _Transfer:
    """What the threads of one fetch share."""

    source: Source
    room: Path  # in scratch, of this source alone
    sums: Mapping[str, str]
    optional: Collection[str]
    patience: Patience
    sleep: Sleep
    count: Callable[[int], None]
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, names: Sequence[str]) -> None:
        """Bring every file into `whole`; the first failure ends the others."""
        links = [connect(self.source, self.patience) for _ in range(min(self.patience.workers, len(names)) or 1)]
        line = iter(names)  # a list's iterator hands each name out once, whichever thread asks
        with ThreadPoolExecutor(len(links)) as pool:
            try:
                for worker in as_completed([pool.submit(self._work, link, line) for link in links]):
                    worker.result()
            finally:
                self.stop.set()
                for link in links:
                    link.cut()

    def _work(self, link: Link, names: Iterator[str]) -> None:
        with closing(link), suppress(CancelledError):
            for name in names:
                if self.stop.is_set():
                    return
                with written(self.room / name):
                    self._complete(link, name)

    def _complete(self, link: Link, name: str) -> None:
        whole, part, wanted = self.room / "whole" / name, self.room / "parts" / f"{name}.part", self.sums.get(name)
        if whole.is_file() and (wanted is None or wanted == file_digest(whole)):
            return
        for folder in (whole.parent, part.parent):
            folder.mkdir(parents=True, exist_ok=True)
        shown = self.source.shown(name)
        for _ in range(2):  # the part may stem from another edition of the file: once more from zero
            try:
                persist(lambda: self._grow(link, name, part), shown, self.patience, self.sleep, self.stop)
            except FileNotFoundError:
                if name in self.optional:
                    return
                raise DownloadError(f"{shown}: not found; check the source's address and version") from None
            if wanted is None or wanted == file_digest(part):
                part.replace(whole)
                part.with_suffix(".tag").unlink()
                return
            part.unlink()
        raise DownloadError(f"{shown}: wrong SHA-256, twice; it or {SUMS} is damaged there: use another source")

    def _grow(self, link: Link, name: str, part: Path) -> None:
        start, label = part.stat().st_size if part.exists() else 0, part.with_suffix(".tag")
        tag = label.read_text(encoding="utf-8") if label.exists() else ""
        # without tag and checksum nothing would tell that the rest belongs to another edition of the file
        body = link.open(name, start if tag or name in self.sums else 0, tag)
        if not body.framed and name not in self.sums:
            raise DownloadError(f"{self.source.shown(name)}: neither size nor checksum is known; add a {SUMS} there")
        size = body.first
        try:
            with written(part, body.size and body.size - size), part.open("ab") as file:
                file.truncate(size)
                label.write_text(body.tag, encoding="utf-8")
                for data in body.chunks:
                    file.write(data)
                    size += len(data)
                    self._tell(len(data))
        except TemporaryError as error:
            error.gained = size - start  # nothing, where a host begins anew each time
            raise
        if body.size not in (None, size):
            raise TemporaryError(f"{size} bytes came of {body.size}")

    def _tell(self, n: int) -> None:
        with self.lock:
            self.count(n)
        if self.stop.is_set():
            raise CancelledError


def exists(source: Source, name: str, patience: Patience = USUAL, sleep: Sleep = time.sleep) -> bool:
    """Tell whether the source has the file."""
    with closing(connect(source, patience)) as link:
        try:
            persist(lambda: link.open(name), source.shown(name), patience, sleep, threading.Event())
        except FileNotFoundError:
            return False
        return True


def read_text(source: Source, name: str, patience: Patience = USUAL, sleep: Sleep = time.sleep) -> str:
    """Read a small file."""
    try:
        return _read(source, name, patience, sleep)
    except FileNotFoundError:
        raise DownloadError(f"{source.shown(name)}: not found; check the source's address and version") from None


def here(source: Source) -> Path | None:
    """Give the folder that a source is on this machine; nothing where it is elsewhere."""
    return connect(source, USUAL).folder


def checksums(source: Source, patience: Patience = USUAL, sleep: Sleep = time.sleep) -> dict[str, str]:
    """Read the source's list of SHA-256 sums, name -> sum; empty where it has none."""
    found = {}
    with suppress(FileNotFoundError):
        for number, line in enumerate(_read(source, SUMS, patience, sleep).splitlines(), 1):
            match = re.fullmatch(r"([0-9a-fA-F]{64})[ \t]+\*?(?:\./)?(.+?)\s*", line)
            if match:
                found[match[2]] = match[1].lower()
            elif line.strip():
                raise DownloadError(
                    f"{source.shown(SUMS)}: line {number} is no checksum with a name; check the address"
                )
    return found


def fetch(
    source: Source,
    names: Collection[str],
    dest: Path,
    scratch: Path,
    *,
    sums: Mapping[str, str] | None = None,
    optional: Collection[str] = (),
    patience: Patience = USUAL,
    sleep: Sleep = time.sleep,
) -> dict[str, Any]:
    """Bring files into `dest`, whole or not at all, and give their provenance; a failed one goes on from scratch.

    Args:
        source: where they come from.
        names: paths below the source.
        dest: the folder; what stood there before goes first.
        scratch: a folder that outlives a failed stage.
        sums: name -> SHA-256; read from the source where not given.
        optional: names that may be missing there.
        patience: how long to try.
        sleep: waits between tries.
    """
    names, link = list(dict.fromkeys(names)), connect(source, patience)
    check(source, names, dest)
    room = scratch / hashlib.sha256(source.shown().encode()).hexdigest()[:12]
    with written(dest):
        shutil.rmtree(dest, ignore_errors=True)
        room.mkdir(parents=True, exist_ok=True)
    sums = checksums(source, patience, sleep) if sums is None else sums
    with alone(room), progress(None, f"{len(names)} files", "B") as count:
        copied = count
        if link.folder is None:
            _Transfer(source, room, sums, optional, patience, sleep, count).run(names)
            link = connect(Source(f"{(room / 'whole').resolve()}", source.kind), patience)
            copied = lambda _: None  # noqa: E731 (these bytes were counted when they came)
        found = _assemble(link, names, dest, sums=sums, optional=optional, count=copied)
    return provenance(source.kind, found, sums)


def provenance(kind: str, found: Mapping[str, str], sums: Mapping[str, str]) -> dict[str, Any]:
    """Say what came, in words that are the same wherever and whenever it came."""
    listing = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    return {
        "source": kind,
        "synthetic": kind == "synthetic",
        "verified": bool(found) and all(name in sums for name in found if name != SUMS),  # no list holds its own sum
        "files": len(found),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }


def check(source: Source, names: Collection[str], dest: Path) -> None:
    """Refuse a name that leads out of its source, and a download over its own source."""
    link = connect(source, USUAL)
    for name in names:
        path = PurePosixPath(name)
        bad = path.is_absolute() or not path.name or ".." in path.parts or re.search(r"[\\:\x00-\x1f]", name)
        if bad or path.as_posix() != name:
            raise DownloadError(f"{source.shown()}: {name!r} is no name below it; check its list of records")
    _need_folder(link)
    if link.folder and dest.resolve() in (root := link.folder.resolve(), *root.parents):
        raise DownloadError(f"{source.url}: the download would replace it at {dest}; choose another folder")


def _need_folder(link: Link) -> None:
    if link.folder and not link.folder.is_dir():
        raise DownloadError(f"{link.source.url}: no such folder; a relative source counts from the main checkout")


def _assemble(
    link: Link,
    names: Collection[str],
    dest: Path,
    *,
    sums: Mapping[str, str],
    optional: Collection[str],
    count: Callable[[int], None],
) -> dict[str, str]:
    """Copy files beside `dest`, verify them on the way, and move the folder into place."""
    found = {}
    with written(dest), whole(dest) as partial:
        for name in names:
            with suppress(FileNotFoundError):
                found[name] = _copy(link, name, partial / name, count)
            shown = link.source.shown(name)
            if name not in found and name not in optional:
                raise DownloadError(f"{shown}: not found; check the source's folder and version")
            if name in found and sums.get(name, found[name]) != found[name]:
                raise DownloadError(f"{shown}: wrong SHA-256; it or {SUMS} is damaged there: use another source")
    return found


def _copy(link: Link, name: str, target: Path, count: Callable[[int], None]) -> str:
    body, digest = link.open(name), hashlib.sha256()
    with written(target, body.size):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for data in body.chunks:
                digest.update(data)
                file.write(data)
                count(len(data))
    return digest.hexdigest()


def _read(source: Source, name: str, patience: Patience, sleep: Sleep) -> str:
    with closing(connect(source, patience)) as link:
        _need_folder(link)
        act = lambda: b"".join(link.open(name).chunks)  # noqa: E731
        content = persist(act, source.shown(name), patience, sleep, threading.Event())
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise DownloadError(f"{source.shown(name)}: not a text file; check the source's address") from None


@contextmanager
def alone(room: Path) -> Iterator[None]:
    """Keep other processes out of a room in scratch, so that they never mix their bytes."""
    with written(room), processes.alone(room.with_suffix(".lock"), f"another process downloads into {room}"):
        yield


@contextmanager
def written(path: Path, needed: int | None = None) -> Iterator[None]:
    """Tell in one line why something could not be written."""
    try:
        yield
    except OSError as error:
        raise DownloadError(disk.line(path, error, needed)) from None
