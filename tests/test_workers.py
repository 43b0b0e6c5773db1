"""Jobs side by side: each runs once, a failure ends the others in one line, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pqrst import workers
from pqrst.errors import SettingsError


def touch(folder, name):
    def job():
        (folder / f"{name}-{os.getpid()}").write_text("")

    return job


@pytest.mark.parametrize(("n", "processes"), [(1, 1), (2, 2), (9, 5)])
def test_every_job_runs_once(tmp_path, n, processes):
    """Share five jobs among so many processes; one worker is this process."""

    def slow(name):
        def job():
            touch(tmp_path, name)()
            time.sleep(0.3 if n > 1 else 0)

        return job

    workers.side_by_side([slow(str(number)) for number in range(5)], n)
    found = sorted(path.name.split("-") for path in tmp_path.iterdir())
    assert [name for name, _ in found] == list("01234")
    assert len({process for _, process in found}) == processes
    assert ({process for _, process in found} == {str(os.getpid())}) == (n == 1)


def refuse():
    raise SettingsError("lower train.lr")


def crash():
    raise ZeroDivisionError


@pytest.mark.parametrize("n", [1, 2])
def test_a_users_mistake_comes_out_as_its_line(tmp_path, n):
    """Raise what the job raised, and start no further job."""
    jobs = [refuse, *[touch(tmp_path, "late") if n == 1 else lambda: time.sleep(30)] * 3]
    started = time.monotonic()
    with pytest.raises(SettingsError, match=r"^lower train\.lr$"):
        workers.side_by_side(jobs, n)
    assert time.monotonic() - started < 20
    assert list(tmp_path.iterdir()) == []


def test_another_failure_ends_the_others():
    """Say that a worker failed, and do not wait for those that run."""
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="a worker ended with status 1"):
        workers.side_by_side([crash, lambda: time.sleep(30)], 2)
    assert time.monotonic() - started < 20


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems do not tell a process of its parent's end"
)
def test_workers_end_with_their_parent(tmp_path):
    """Kill the parent outright: its workers go too."""
    code = (
        "import sys, time, os\nfrom pathlib import Path\nfrom pqrst import workers\n"
        "def job():\n    (Path(sys.argv[1]) / str(os.getpid())).write_text('')\n    time.sleep(60)\n"
        "workers.side_by_side([job, job], 2)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    deadline = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    crew = [int(path.name) for path in tmp_path.iterdir()]
    assert len(crew) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, crew)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [process for process in crew if alive(process)] == []


def alive(process):
    """Say whether a process still runs; one that ended and was not asked for yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_room_is_shared_between_threads():
    """Give at least one worker, and as many as there are cores for one-thread jobs."""
    assert workers.available(1) >= 1
    assert workers.available(10_000) == 1
