"""The wire: one file's bytes out of an HTTP host, a folder or any store that fsspec reads, with patience."""

import base64
import hashlib
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, InvalidURL
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pqrst.console import log
from pqrst.errors import DownloadError

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


def at(base: str | None, folder: str, host: str) -> Source:
    """Give a folder of the mirror at `base`, or the host where there is no mirror."""
    return Source(f"{base}/{folder}", "mirror") if base else Source(host, "host")


@dataclass(frozen=True)
class Patience:
    """How long and how often to try, and how much at once."""

    retries: int = 6
    backoff_s: float = 1.0  # doubles with each failure
    stall_s: float = 30.0  # without one byte
    workers: int = 4
    chunk: int = 4 * 2**20  # bytes


@dataclass(frozen=True)
class Body:
    """The bytes of one file as a source hands them out."""

    first: int  # the byte of the file at which the chunks start: 0 where a host ignores the wish for a range
    size: int | None  # of the whole file; None where the host does not announce it
    tag: str  # changes when the file changes; empty where the host gives none
    chunks: Iterator[bytes]
    framed: bool = True  # a broken connection can be told from the end


class TemporaryError(Exception):
    """A failure that may pass; `gained` new bytes came before it."""

    def __init__(self, what: str, after_s: float = 0.0) -> None:
        super().__init__(what)
        self.after_s, self.gained = after_s, 0


class _Web:
    """A connection to an HTTP host, kept open from file to file; each thread has its own."""

    def __init__(self, source: Source, patience: Patience) -> None:
        self.source, self.patience, self.folder = source, patience, None
        self.connection: HTTPConnection | None = None
        self.response: HTTPResponse | None = None
        self.socket: socket.socket | None = None
        self.origin: tuple[Any, ...] = ()

    def open(self, name: str, start: int = 0, tag: str = "") -> Body:
        """Ask for a file from byte `start` on, provided that it is still the file with this tag."""
        wish = {"Range": f"bytes={start}-"} | ({"If-Range": tag} if tag else {}) if start else {}
        with self._told():
            response = self._follow(name, wish)
        span = re.match(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)$", response.headers.get("Content-Range", ""))
        now = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        now = "" if now.startswith("W/") else now  # RFC 9110, 13.1.5: no weak tag in If-Range
        if response.status == 200:
            framed = response.chunked or response.length is not None
            return Body(0, response.length, now, self._chunks(response), framed)
        if response.status == 206 and start and span and span[1] == str(start) and tag in ("", now):
            return Body(start, int(span[2]) + 1, now, self._chunks(response))
        self.close()
        if response.status in (206, 416) and start:
            whole = response.status == 416 and span and span[3] == str(start)
            return Body(start, start, now, iter(())) if whole else self.open(name)
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
        self.connection = connection = kept or _dial(parts, self.patience.stall_s)
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
                    raise TemporaryError(f"the connection closed {response.length} bytes too early")
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
                raise DownloadError(f"{self.source.shown()}: {reason(error)}; {hint}") from None
            if isinstance(error, TimeoutError):
                raise TemporaryError(f"no byte for {self.patience.stall_s:g} s") from None
            if isinstance(error, OSError | HTTPException) and not isinstance(error, InvalidURL):
                raise TemporaryError(reason(error)) from None
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
            raise DownloadError(f"{source.shown()}: {reason(error)}; {hint}") from None
        self.root = root.rstrip("/")
        self.folder = Path(self.root or "/") if isinstance(self.files, LocalFileSystem) else None

    def open(self, name: str, start: int = 0, tag: str = "") -> Body:
        """Open a file from byte `start` on, provided that it is still the file with this tag."""
        path = f"{self.root}/{name}"
        with self._told(name):
            info = self.files.info(path)
            if info["type"] == "directory":
                raise FileNotFoundError(path)
        now = hashlib.sha256(str(info).encode()).hexdigest()
        start = start if tag == now and start <= (info["size"] or 0) else 0
        return Body(start, info["size"], now, self._chunks(name, start))

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
            if self.folder or isinstance(error, PermissionError):
                hint = "check the right to read it, and the disk"
                raise DownloadError(f"{self.source.shown(name)}: {reason(error)}; {hint}") from None
            raise TemporaryError(reason(error)) from None

    def cut(self) -> None:
        """Leave the waiting to the protocol: its own limits end it."""

    def close(self) -> None:
        """Leave the store open: fsspec shares it."""


Link = _Web | _Store


def connect(source: Source, patience: Patience) -> Link:
    """Prepare to read from a source; no request is made yet."""
    return (_Web if source.url.lower().startswith(("http://", "https://")) else _Store)(source, patience)


def persist(act: Callable[[], Result], shown: str, patience: Patience, sleep: Sleep, stop: threading.Event) -> Result:
    """Act until it succeeds, with longer and longer waits between failures that may pass."""
    failures = 0
    while not stop.is_set():
        try:
            return act()
        except TemporaryError as error:
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
        return TemporaryError(f"HTTP {status}", min(float(asked), RETRY_AFTER_CAP_S) if asked.isdecimal() else 0.0)
    return DownloadError(f"{shown}: HTTP {status} was not expected; check the source's address")


def _dial(parts: SplitResult, stall_s: float) -> HTTPConnection:
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


def _hide(text: str) -> str:
    """Take out the login and the query of an address."""
    return re.sub(r"(?<=\w)\?\S*", "", re.sub(r"//[^/\s]*@", "//", text))


def reason(error: Exception) -> str:
    """Give the first line of what an error says, without what may be a secret."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _hide(text.strip().partition("\n")[0]) or type(error).__name__
