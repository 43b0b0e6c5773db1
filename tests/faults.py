"""Stages run in forked children that share loaded libraries, each child with a fault of its own.

    python tests/faults.py        one order a line in (JSON), one answer a line out

A stage spends most of its time on imports; forked from a process that has loaded the libraries (and nothing of pqrst) it
takes a tenth, so that hundreds of kills take minutes. `Nursery` is the other end.
"""

import contextlib
import datetime as dt
import errno
import importlib
import json
import multiprocessing
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

LIBRARIES = (
    "numpy", "pandas", "torch", "scipy.optimize", "scipy.signal", "scipy.special", "sklearn.ensemble", "sklearn.model_selection",
    "skops.io", "matplotlib.figure", "matplotlib.backends.backend_agg", "wfdb", "fsspec", "dvclive", "safetensors.torch", "yaml", "tqdm",
)  # fmt: skip
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")
GROWING = ("open", "os.mkdir", "os.link", "os.symlink")  # what a full disk refuses
DAY = 86_400
PATIENCE_S = 600  # for a stage that nobody kills


@dataclass(frozen=True)
class Fault:
    """What goes wrong in one run of a stage; counted are the operations that change a file or folder."""

    kill_at: int = 0  # the process group is killed before the operation of this number; 0 = never
    kill_after: float = 0.0  # s, or the share of an undisturbed run's seconds where `crash` plans it
    alone: bool = False  # kill only the stage's own process: its workers must see to themselves
    refuse_from: int = 0  # from this operation on the disk gives no room
    error: str = "ENOSPC"
    largest: int = 0  # bytes that a file may have; 0 = any
    jump_at: int = 0  # the clock jumps before this operation
    jump_days: float = 0.0
    day: float = 0.0  # days by which the clock is off from the start
    workers: int = 0  # processes side by side; 0 = as many as there are cores
    umask: int = 0o022
    few: int = 0  # items of a block at most, and no time for one process alone; 0 = as it is


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    status: int  # -9: killed
    said: str
    seconds: float
    operations: int
    orphans: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # names in the system's temporary folder


class Nursery:
    """A process that has loaded the libraries, and runs stages in children of its own."""

    def __init__(self, python=sys.executable, **env):
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [python, __file__],
            env=kept | {"OMP_NUM_THREADS": "1"} | env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def run(self, folder, command, fault=None):
        """Run a stage's command in a folder."""
        order = {"folder": str(folder), "command": list(command), "fault": asdict(fault or Fault())}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


def serve():
    """Load the libraries, and fork a child for every order."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for line in sys.stdin:
        order = json.loads(line)
        answer = run(Path(order["folder"]), order["command"], Fault(**order["fault"]))
        sys.stdout.write(json.dumps(asdict(answer)) + "\n")
        sys.stdout.flush()


def run(folder, command, fault):
    """Run one stage in a child, and clear up behind it."""
    with tempfile.TemporaryDirectory() as room:
        said, temporary = Path(room, "said"), Path(room, "tmp")
        temporary.mkdir()
        said.touch()
        count = multiprocessing.Value("i", 0)
        started = time.monotonic()
        child = os.fork()
        if not child:
            _child(folder, command, fault, (said, temporary, count))
        status = _wait(child, fault, started)
        seconds = time.monotonic() - started
        orphans = _orphans(child)
        left = sorted(path.name for path in temporary.iterdir())
        return Ended(status, said.read_text(), seconds, count.value, orphans, left)


def _wait(child, fault, started):
    deadline = started + (fault.kill_after or PATIENCE_S)
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    if not fault.alone:
        with contextlib.suppress(ProcessLookupError):  # killed before it led a group of its own
            os.killpg(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _orphans(session, patience_s=5.0):
    """Tell which processes of a stage outlive it by some seconds, and end them."""
    deadline = time.monotonic() + patience_s
    while (found := _of_session(session)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return list(map(str, found))


def _of_session(session):
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, _, _, own = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(own) == session and state != "Z":
                found.append(int(folder.name))
    return found


def _child(folder, command, fault, given):
    said, temporary, count = given
    os.setsid()
    os.chdir(folder)
    os.umask(fault.umask)
    file = os.open(said, os.O_WRONLY | os.O_APPEND)
    for one in (1, 2):
        os.dup2(file, one)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
    status = 1
    try:
        _install(fault, folder, count)
        sys.argv, sys.path[0] = list(command), str(Path(folder, command[0]).parent)
        runpy.run_path(command[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 (told as Python tells it)
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(status)


def _install(fault, folder, count):
    if fault.largest:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.largest, resource.RLIM_INFINITY))
    clock = _Clock(fault.day * DAY)
    if fault.day or fault.jump_at:
        clock.install()
    if fault.workers or fault.few:
        _crew(fault, folder)
    room = str(folder)

    def watch(event, arguments):
        if not _changes(event, arguments, room):
            return
        with count.get_lock():
            count.value += 1
            now = count.value
        if now == fault.kill_at:
            os.killpg(0, signal.SIGKILL)
            time.sleep(60)  # a worker: the signal is on its way
        if now == fault.jump_at:
            clock.offset += fault.jump_days * DAY
        refused = 0 < fault.refuse_from <= now
        if refused and (fault.error != "ENOSPC" or event in GROWING):
            number = getattr(errno, fault.error)
            raise OSError(number, os.strerror(number), str(arguments[0]))

    sys.addaudithook(watch)


def _changes(event, arguments, room):
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return False
    elif event in CHANGES:
        path = arguments[0]
    else:
        return False
    if isinstance(path, int):
        return False
    named = os.fsdecode(path)
    return (not named.startswith("/") or named.startswith(room)) and "__pycache__" not in named


def _crew(fault, folder):
    sys.path.insert(0, str(Path(folder, "src")))
    workers = importlib.import_module("pqrst.workers")
    if fault.workers:
        workers.available = lambda _threads: fault.workers
    if fault.few:
        workers.ALONE, workers.blocks.MOST = 0.0, fault.few


class _Clock:
    """Another time of day for everything in Python that asks; the clock that only counts on goes on."""

    def __init__(self, offset):
        self.offset = offset

    def install(self):
        now, nanoseconds, local, greenwich = time.time, time.time_ns, time.localtime, time.gmtime
        time.time = lambda: now() + self.offset
        time.time_ns = lambda: nanoseconds() + int(self.offset) * 10**9
        time.localtime = lambda seconds=None: local(time.time() if seconds is None else seconds)
        time.gmtime = lambda seconds=None: greenwich(time.time() if seconds is None else seconds)
        clock, plain = self, dt.datetime

        class Shifted(plain):
            @classmethod
            def now(cls, tz=None):
                return plain.now(tz) + dt.timedelta(seconds=clock.offset)

        dt.datetime = Shifted


if __name__ == "__main__":
    serve()
