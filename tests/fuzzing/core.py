"""What a fuzz target is, and what holds after every input: a result or a PqrstError, in bounded time and memory, nothing left behind."""

import atexit
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pqrst.errors import PqrstError

WEIGHTS = "weights.safetensors"
MARK = b"\n-8<-\n"  # between the files of one input
MEMORY = 128 << 20  # bytes that one input may add to the process
SECONDS, HANG = 5.0, 20.0  # of the processor: what one input may take, its first imports included, and when it is ended
LONGEST_LINE = 1000  # characters of a refusal
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Target:
    """One reader as a function of bytes; `check` gives whether it gave a result, and raises where that is wrong."""

    check: Callable[[bytes], bool]
    seeds: Callable[[], Sequence[bytes]]
    longest: int = 4096  # bytes of an input
    usual: int = 400  # changed inputs that the ordinary suite tries


def joined(*parts: bytes) -> bytes:
    return MARK.join(parts)


def split(data: bytes, count: int) -> list[bytes]:
    """Give the files of an input, empty ones where there are too few."""
    return (data.split(MARK, count - 1) + [b""] * count)[:count]


class HangError(Exception):
    """An input that takes the processor without end; a reader may take it for a fault of its file, which is seen as well."""


class _Watch:
    """What the interpreter's audit hook tells while an input is read."""

    def __init__(self) -> None:
        self.active = False
        self.seen: list[str] = []

    def __call__(self, event: str, told: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in FORBIDDEN:
            self.seen.append(f"{event} {told!r:.200}")
        elif event == "open" and isinstance(told[0], str | bytes) and isinstance(told[2], int):
            self._opened(os.fsdecode(told[0]), told[2])

    def _opened(self, path: str, flags: int) -> None:
        inside = os.path.realpath(path).startswith(f"{room()}{os.sep}")
        if not inside and (flags & WRITES or path.startswith(("/etc", "/proc/self/environ"))):
            self.seen.append(f"open {path!r} {flags:#x}")


@cache
def watch() -> _Watch:
    """Install the audit hook, which stays for the life of the process."""
    made = _Watch()
    sys.addaudithook(made)
    return made


@cache
def room() -> Path:
    """Make the folder in which targets lay their files, gone when the process ends; in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 (a folder of one's own is made in it)
    made = Path(tempfile.mkdtemp(prefix="pqrst-fuzz-", dir=memory if os.access(memory, os.W_OK) else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def _files() -> Path:
    folder = room() / "files"
    folder.mkdir()
    return folder


def laid(**files: bytes) -> Path:
    """Lay files into the room, and give the folder; a name's last underscore stands for its dot."""
    folder = _files()
    for name, content in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(content)
    return folder


def vouched(folder: Path) -> Path:
    """Write the sums of a run anew, as who may write all its files does, so that what is in them is read."""
    told = (folder / "contract.json").read_bytes()
    with suppress(ValueError, RecursionError):
        given = json.loads(told)
        if isinstance(given, dict) and isinstance(files := given.get("files"), dict) and WEIGHTS in files:
            files[WEIGHTS] = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
            told = json.dumps(given).encode()
            (folder / "contract.json").write_bytes(told)
    (folder / "contract.sha256").write_text(f"{hashlib.sha256(told).hexdigest()}  contract.json\n")
    return folder


@cache
def private_temporary_folder() -> str:
    """Let the library's temporary files lie where they are seen, for the life of the process."""
    folder = room() / "tmp"
    folder.mkdir(exist_ok=True)
    tempfile.tempdir = str(folder)
    signal.signal(signal.SIGVTALRM, _hangs)
    return str(folder)


def attempt(target: Target, data: bytes) -> bool:
    """Give a target one input; say whether a result came, and raise on what is neither that nor a PqrstError in one line."""
    seen, folder = watch(), private_temporary_folder()
    before, started = _peak(), time.process_time()
    seen.seen, seen.active = [], True
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG)
    try:
        found = target.check(data)
    except PqrstError as error:
        found = False
        _one_line(error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        seen.active = False
    seconds, grown = time.process_time() - started, _peak() - before
    left = os.listdir(folder)  # noqa: PTH208 (a third of the time, after every input)
    assert not seen.seen, f"it reached out of its folder: {seen.seen[0]}"
    assert not left, f"it left {left} in the temporary folder"
    assert seconds < SECONDS, f"it took {seconds:.1f} s of the processor"
    assert grown < MEMORY >> 10, f"it took {grown} KiB more"
    return found


def _peak() -> int:
    """Give the most memory that this process ever held, in KiB, where Linux tells; what getrusage tells began with its parent's."""
    try:
        told = Path("/proc/self/status").read_bytes()
    except OSError:
        return 0
    return int(told.partition(b"VmHWM:")[2].split(None, 1)[0])


def _hangs(*_: object) -> None:
    raise HangError("it hangs")


def _one_line(error: BaseException) -> None:
    """Hold a refusal to one printable line that was not made of a lack of memory."""
    said = str(error)
    assert said.isprintable(), f"its refusal is no printable line: {said[:200]!r}"
    assert len(said) <= LONGEST_LINE, f"its refusal has {len(said)} characters: {said[:200]!r}"
    cause: BaseException | None = error
    while cause is not None:
        assert not isinstance(cause, MemoryError | HangError), f"it hides {cause!r:.200}"
        cause = cause.__cause__ or cause.__context__


TELLING = (b"0", b"-1", b"1", b"4294967296", b"999999999999", b"1e300", b"-1e-300", b"nan", b"inf", b"", b" ", b"\n",
           b"\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"../../etc/passwd", b"/dev/zero", b"\xc3\x28", b"#",
           b",", b";", b'"', b"'", b"(", b")", b"[", b"]", b"{", b"}", b":", b"x", b"+", b"/", b"&a ", b"*a", b"!!python/name:os.system",
           MARK)  # fmt: skip


def mutated(data: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Change a valid input in one to four places: bits, bytes, lengths, words that tell, pieces of itself and of others."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
        near = min(at + rng.choice((1, 2, 4, 8)), len(data))
        choice = rng.randrange(8)
        if choice == 0 and data:
            place = min(at, len(data) - 1)
            data = data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        elif choice == 1:
            data = data[:at] + rng.choice(TELLING) + data[at:]
        elif choice == 2:
            data = data[:at] + rng.choice(TELLING) + data[near:]
        elif choice == 3:
            data = data[:at] + rng.randbytes(near - at) + data[near:]
        elif choice == 4:
            data = data[:at] + data[to:] if rng.random() < 0.5 else data[:at] + data[near:]
        elif choice == 5:
            data = data[:to] + data[at:to] * rng.choice((1, 2, 9)) + data[to:]
        elif choice == 6:
            other = rng.choice(others)
            cut = rng.randint(0, len(other))
            data = data[:at] + other[cut:]
        else:
            data = data[:at]
    return data
