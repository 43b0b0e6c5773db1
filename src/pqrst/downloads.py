"""Named files out of a host, a mirror or a folder: resumed, verified, and in place as a whole or not at all."""

import base64
import errno
import fcntl  # POSIX only: a lock that the system drops when its process dies
import hashlib
import re
import shutil
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, InvalidURL
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pqrst.arrays import file_digest, move_into_place
from pqrst.console import log, progress
from pqrst.errors import DownloadError

SUMS = "SHA256SUMS.txt"
BACKOFF_CAP_S = 60.0
RETRY_AFTER_CAP_S = 600.0
REDIRECTS = 5

Result = TypeVar("Result")
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Source:
    """Where files come from; a name is joined to the url with a slash."""

    url: str  # https://host/files/mitdb/1.0.0, a folder, or any address that fsspec knows
    kind: str  # host | mirror | synthetic
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold a secret: never shown

    def shown(self, name: str = "") -> str:
        """Give a file's address without what may be a secret."""
        return f"{_hide(self.url).rstrip('/')}/{name}".rstrip("/") or "/"


@dataclass(frozen=True)
class Patience:
    """How long and how often to try, and how much at once."""

    retries: int = 6
    backoff_s: float = 1.0  # doubles with each failure
    stall_s: float = 30.0  # without one byte
    workers: int = 4
    chunk: int = 4 * 2**20  # bytes


@dataclass(frozen=True)
class _Body:
    """The bytes of one file as a source hands them out."""

    first: int  # the byte of the file at which the chunks start: 0 where a host ignores the wish for a range
    size: int | None  # of the whole file; None where the host does not announce it
    tag: str  # changes when the file changes; empty where the host gives none
    chunks: Iterator[bytes]
    framed: bool = True  # a broken connection can be told from the end


class _TemporaryError(Exception):
    """A failure that may pass; `gained` new bytes came before it."""

    def __init__(self, what: str, after_s: float = 0.0) -> None:
        super().__init__(what)
        self.after_s, self.gained = after_s, 0


class _Web:
    """A connection to an HTTP host, kept open from file to file; each thread has its own."""

    def __init__(self, source: Source, patience: Patience) -> None:
        self.source, self.patience = source, patience
        self.connection: HTTPConnection | None = None
        self.response: HTTPResponse | None = None
        self.socket: socket.socket | None = None
        self.origin: tuple[Any, ...] = ()

    def open(self, name: str, start: int = 0, tag: str = "") -> _Body:
        """Ask for a file from byte `start` on, provided that it is still the file with this tag."""
        wish = {"Range": f"bytes={start}-"} | ({"If-Range": tag} if tag else {}) if start else {}
        with self._told():
            response = self._follow(name, wish)
        span = re.match(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$", response.headers.get("Content-Range", ""))
        now = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        now = "" if now.startswith("W/") else now  # RFC 9110, 13.1.5: no weak tag in If-Range
        if response.status == 200:
            framed = response.chunked or response.length is not None
            return _Body(0, response.length, now, self._chunks(response), framed)
        if response.status == 206 and start and span and span[1] == str(start) and tag in ("", now):
            return _Body(start, int(span[2]) + 1, now, self._chunks(response))
        self.close()
        if response.status in (206, 416) and start:
            whole = response.status == 416 and span and span[3] == str(start)
            return _Body(start, start, now, iter(())) if whole else self.open(name)
        raise _refusal(response, self.source.shown(name))

    def _follow(self, name: str, wish: Mapping[str, str]) -> HTTPResponse:
        home = urlsplit(self.source.url)
        secrets = {**self.source.headers, **_login(home, "Authorization")}
        url = home._replace(path=f"{home.path.rstrip('/')}/{quote(name)}", fragment="").geturl()
        for _ in range(REDIRECTS):
            parts = urlsplit(url)
            # a secret stays with the host that it is meant for
            response = self._ask(parts, {**(secrets if _origin(parts) == _origin(home) else {}), **wish})
            if response.status not in (301, 302, 303, 307, 308):
                return response
            response.read()
            url = urljoin(url, response.headers.get("Location", ""))
            if not url.startswith(("http://", "https://")):
                break
        raise DownloadError(f"{self.source.shown(name)}: redirected without end, to {_hide(url)}; check the address")

    def _ask(self, parts: SplitResult, headers: Mapping[str, str]) -> HTTPResponse:
        kept = self.connection if self.origin == _origin(parts) else None
        if kept is None:
            self.close()
        self.connection = connection = kept or _connect(parts, self.patience.stall_s)
        self.origin = _origin(parts)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers={"User-Agent": "pqrst", **headers})
            self.socket = connection.sock
            self.response = connection.getresponse()
        except ConnectionError:
            self.close()
            if kept is None:
                raise
            return self._ask(parts, headers)  # the host had given up the kept connection
        return self.response

    def _chunks(self, response: HTTPResponse) -> Iterator[bytes]:
        try:
            with self._told():
                while data := response.read1(self.patience.chunk):
                    yield data
                if response.length:
                    raise _TemporaryError(f"the connection closed {response.length} bytes too early")
                response.read()  # lets the connection be used again
        finally:
            if not response.isclosed():
                self.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            if isinstance(error, ssl.SSLCertVerificationError):
                hint = "check the address or the proxy"
                raise DownloadError(f"{self.source.shown()}: {_reason(error)}; {hint}") from None
            if isinstance(error, TimeoutError):
                raise _TemporaryError(f"no byte for {self.patience.stall_s:g} s") from None
            if isinstance(error, OSError | HTTPException) and not isinstance(error, InvalidURL):
                raise _TemporaryError(_reason(error)) from None
            # its own text repeats the header or the address, secrets and all
            raise DownloadError(f"{self.source.shown()}: HTTP forbids the address or a header; check both") from None

    def cut(self) -> None:
        """Wake the thread that waits for bytes; called from another one."""
        if self.socket is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close what is open; the next file opens it anew."""
        for part in (self.response, self.connection):
            if part is not None:
                part.close()
        self.connection = self.response = self.socket = None


class _Store:
    """A folder, or any store that fsspec reads."""

    def __init__(self, source: Source, patience: Patience) -> None:
        self.source, self.patience = source, patience
        try:
            self.files, root = fsspec.url_to_fs(source.url)
        except (ImportError, ValueError) as error:
            hint = "give an https address or a folder"
            raise DownloadError(f"{source.shown()}: {_reason(error)}; {hint}") from None
        self.root, self.local = root.rstrip("/"), isinstance(self.files, LocalFileSystem)

    def open(self, name: str, start: int = 0, tag: str = "") -> _Body:
        """Open a file from byte `start` on, provided that it is still the file with this tag."""
        path = f"{self.root}/{name}"
        with self._told(name):
            info = self.files.info(path)
            if info["type"] == "directory":
                raise FileNotFoundError(path)
        now = hashlib.sha256(str(info).encode()).hexdigest()
        start = start if tag == now and start <= (info["size"] or 0) else 0
        return _Body(start, info["size"], now, self._chunks(name, start))

    def _chunks(self, name: str, start: int) -> Iterator[bytes]:
        with self._told(name), self.files.open(f"{self.root}/{name}", "rb") as file:
            file.seek(start)
            while data := file.read(self.patience.chunk):
                yield data

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(name) from None
        except Exception as error:  # noqa: BLE001 - every protocol has its own kinds
            if self.local or isinstance(error, PermissionError):
                hint = "check the right to read it, and the disk"
                raise DownloadError(f"{self.source.shown(name)}: {_reason(error)}; {hint}") from None
            raise _TemporaryError(_reason(error)) from None

    def cut(self) -> None:
        """Leave the waiting to the protocol: its own limits end it."""

    def close(self) -> None:
        """Leave the store open: fsspec shares it."""


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
        reaches = [_reach(self.source, self.patience) for _ in range(min(self.patience.workers, len(names)) or 1)]
        line = iter(names)  # a list's iterator hands each name out once, whichever thread asks
        with ThreadPoolExecutor(len(reaches)) as pool:
            try:
                for worker in as_completed([pool.submit(self._work, reach, line) for reach in reaches]):
                    worker.result()
            finally:
                self.stop.set()
                for reach in reaches:
                    reach.cut()

    def _work(self, reach: _Web | _Store, names: Iterator[str]) -> None:
        with closing(reach), suppress(CancelledError):
            for name in names:
                if self.stop.is_set():
                    return
                with _written(self.room / name):
                    self._complete(reach, name)

    def _complete(self, reach: _Web | _Store, name: str) -> None:
        whole, part, wanted = self.room / "whole" / name, self.room / "parts" / f"{name}.part", self.sums.get(name)
        if whole.is_file() and (wanted is None or wanted == file_digest(whole)):
            return
        for folder in (whole.parent, part.parent):
            folder.mkdir(parents=True, exist_ok=True)
        shown = self.source.shown(name)
        for _ in range(2):  # the part may stem from another edition of the file: once more from zero
            try:
                _persist(lambda: self._grow(reach, name, part), shown, self.patience, self.sleep, self.stop)
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

    def _grow(self, reach: _Web | _Store, name: str, part: Path) -> None:
        start, label = part.stat().st_size if part.exists() else 0, part.with_suffix(".tag")
        tag = label.read_text() if label.exists() else ""
        # without tag and checksum nothing would tell that the rest belongs to another edition of the file
        body = reach.open(name, start if tag or name in self.sums else 0, tag)
        if not body.framed and name not in self.sums:
            raise DownloadError(f"{self.source.shown(name)}: neither size nor checksum is known; add a {SUMS} there")
        size = body.first
        try:
            with _written(part, body.size and body.size - size), part.open("ab") as file:
                file.truncate(size)
                label.write_text(body.tag)
                for data in body.chunks:
                    file.write(data)
                    size += len(data)
                    self._tell(len(data))
        except _TemporaryError as error:
            error.gained = size - start  # nothing, where a host begins anew each time
            raise
        if body.size not in (None, size):
            raise _TemporaryError(f"{size} bytes came of {body.size}")

    def _tell(self, n: int) -> None:
        with self.lock:
            self.count(n)
        if self.stop.is_set():
            raise CancelledError


def exists(source: Source, name: str, patience: Patience = Patience(), sleep: Sleep = time.sleep) -> bool:
    """Tell whether the source has the file."""
    with closing(_reach(source, patience)) as reach:
        try:
            _persist(lambda: reach.open(name), source.shown(name), patience, sleep, threading.Event())
        except FileNotFoundError:
            return False
        return True


def read_text(source: Source, name: str, patience: Patience = Patience(), sleep: Sleep = time.sleep) -> str:
    """Read a small file."""
    try:
        return _read(source, name, patience, sleep)
    except FileNotFoundError:
        raise DownloadError(f"{source.shown(name)}: not found; check the source's address and version") from None


def checksums(source: Source, patience: Patience = Patience(), sleep: Sleep = time.sleep) -> dict[str, str]:
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
    patience: Patience = Patience(),
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
    names, store = list(dict.fromkeys(names)), _reach(source, patience)
    _check(source, store, names, dest)
    room = scratch / hashlib.sha256(source.shown().encode()).hexdigest()[:12]
    with _written(dest):
        shutil.rmtree(dest, ignore_errors=True)
        room.mkdir(parents=True, exist_ok=True)
    sums = checksums(source, patience, sleep) if sums is None else sums
    with _alone(room), progress(None, f"{len(names)} files", "B") as count:
        if isinstance(store, _Store) and store.local:
            found = _assemble(store, names, dest, sums, optional, count)
        else:
            _Transfer(source, room, sums, optional, patience, sleep, count).run(names)
            store = _Store(Source(f"{(room / 'whole').resolve()}", source.kind), patience)
            found = _assemble(store, names, dest, sums, optional, lambda _: None)
    return _provenance(source.kind, found, sums)


def _provenance(kind: str, found: Mapping[str, str], sums: Mapping[str, str]) -> dict[str, Any]:
    """Say what came, in words that are the same wherever and whenever it came."""
    listing = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    return {
        "source": kind,
        "synthetic": kind == "synthetic",
        "verified": bool(found) and all(name in sums for name in found if name != SUMS),  # no list holds its own sum
        "files": len(found),
        "sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }


def _check(source: Source, store: _Web | _Store, names: Collection[str], dest: Path) -> None:
    for name in names:
        path = PurePosixPath(name)
        bad = path.is_absolute() or not path.name or ".." in path.parts or re.search(r"[\\\x00-\x1f]", name)
        if bad or path.as_posix() != name:
            raise DownloadError(f"{source.shown()}: {name!r} is no name below it; check its list of records")
    _need_folder(store)
    if isinstance(store, _Store) and store.local:
        root = Path(store.root or "/").resolve()
        if dest.resolve() in (root, *root.parents):
            raise DownloadError(f"{source.url}: the download would replace it at {dest}; choose another folder")


def _need_folder(reach: _Web | _Store) -> None:
    if isinstance(reach, _Store) and reach.local and not Path(reach.root or "/").is_dir():
        raise DownloadError(f"{reach.source.url}: no such folder; a relative source counts from the main checkout")


def _assemble(  # noqa: PLR0917 - the one caller names them in this order
    store: _Store,
    names: Collection[str],
    dest: Path,
    sums: Mapping[str, str],
    optional: Collection[str],
    count: Callable[[int], None],
) -> dict[str, str]:
    """Copy files beside `dest`, verify them on the way, and move the folder into place."""
    partial, found = dest.with_name(dest.name + ".partial"), {}
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _written(dest):
            partial.mkdir(parents=True)
            for name in names:
                with suppress(FileNotFoundError):
                    found[name] = _copy(store, name, partial / name, count)
                shown = store.source.shown(name)
                if name not in found and name not in optional:
                    raise DownloadError(f"{shown}: not found; check the source's folder and version")
                if name in found and sums.get(name, found[name]) != found[name]:
                    raise DownloadError(f"{shown}: wrong SHA-256; it or {SUMS} is damaged there: use another source")
            move_into_place(partial, dest)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def _copy(store: _Store, name: str, target: Path, count: Callable[[int], None]) -> str:
    body, digest = store.open(name), hashlib.sha256()
    with _written(target, body.size):
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for data in body.chunks:
                digest.update(data)
                file.write(data)
                count(len(data))
    return digest.hexdigest()


def _read(source: Source, name: str, patience: Patience, sleep: Sleep) -> str:
    with closing(_reach(source, patience)) as reach:
        _need_folder(reach)
        act = lambda: b"".join(reach.open(name).chunks)  # noqa: E731
        content = _persist(act, source.shown(name), patience, sleep, threading.Event())
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise DownloadError(f"{source.shown(name)}: not a text file; check the source's address") from None


def _persist(act: Callable[[], Result], shown: str, patience: Patience, sleep: Sleep, stop: threading.Event) -> Result:
    """Act until it succeeds, with longer and longer waits between failures that may pass."""
    failures = 0
    while not stop.is_set():
        try:
            return act()
        except _TemporaryError as error:
            failures = 1 if error.gained >= patience.chunk else failures + 1
            if failures > patience.retries and not stop.is_set():
                hint = "check network and address, or try again later: what has arrived is kept"
                raise DownloadError(f"{shown}: {error}, tried {failures} times; {hint}") from None
            spread = 1 + zlib.crc32(f"{shown} {failures}".encode()) / 2**34  # up to a quarter, so that threads part
            wait_s = max(min(patience.backoff_s * 2.0 ** (failures - 1), BACKOFF_CAP_S) * spread, error.after_s)
            log.info("%s: %s; trying again in %.0f s", shown, error, wait_s)
        while wait_s > 0 and not stop.is_set():
            sleep(min(wait_s, 1.0))
            wait_s -= 1.0
    raise CancelledError


def _refusal(response: HTTPResponse, shown: str) -> Exception:
    status = response.status
    if status in (404, 410):
        return FileNotFoundError(shown)
    if status in (401, 403):
        return DownloadError(f"{shown}: HTTP {status}; accept the licence there and give your authorization")
    if status in (408, 425, 429) or status >= 500:
        asked = response.headers.get("Retry-After", "")  # a date instead of seconds is left to the back-off
        return _TemporaryError(f"HTTP {status}", min(float(asked), RETRY_AFTER_CAP_S) if asked.isdigit() else 0.0)
    return DownloadError(f"{shown}: HTTP {status} was not expected; check the source's address")


def _connect(parts: SplitResult, stall_s: float) -> HTTPConnection:
    """Prepare a connection, through the proxy that the environment names for the host."""
    kind, host = HTTPSConnection if parts.scheme == "https" else HTTPConnection, parts.hostname or ""
    given = getproxies().get(parts.scheme, "")
    proxy = urlsplit(given if "//" in given else f"//{given}")
    if not proxy.hostname or proxy_bypass(host):
        return kind(host, parts.port, timeout=stall_s)
    connection = kind(proxy.hostname, proxy.port, timeout=stall_s)
    connection.set_tunnel(host, parts.port, _login(proxy, "Proxy-Authorization"))
    return connection


def _login(parts: SplitResult, header: str) -> dict[str, str]:
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {header: f"Basic {base64.b64encode(pair.encode()).decode()}"} if parts.username else {}


def _origin(parts: SplitResult) -> tuple[Any, ...]:
    return parts.scheme, parts.hostname, parts.port


def _reach(source: Source, patience: Patience) -> _Web | _Store:
    return (_Web if source.url.startswith(("http://", "https://")) else _Store)(source, patience)


def _hide(text: str) -> str:
    """Take out the login and the query of an address."""
    return re.sub(r"(?<=\w)\?\S*", "", re.sub(r"//[^/\s]*@", "//", text))


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _hide(text.strip().partition("\n")[0]) or type(error).__name__


@contextmanager
def _alone(room: Path) -> Iterator[None]:
    """Keep other processes out of a room in scratch, so that they never mix their bytes."""
    with _written(room), room.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process downloads into %s; waiting for it", room)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _written(path: Path, needed: int | None = None) -> Iterator[None]:
    """Tell in one line why something could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadError(f"{path}: cannot be written ({_reason(error)}); check the folder's rights") from None
        free = shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.exists())).free
        needs = f"{needed or 'more'} bytes are needed, {free} are free"
        raise DownloadError(f"{path}: the disk is full, {needs}; make room and run again") from None
