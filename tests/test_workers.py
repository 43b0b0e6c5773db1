"""Jobs side by side: each runs once, a failure ends the others in one line, and none outlives its parent."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pqrst import workers
from pqrst.errors import DataError, RecordError, SettingsError


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
            time.sleep(1.0 if n > 1 else 0)  # longer than it takes to start a process

        return job

    workers.side_by_side([slow(str(number)) for number in range(5)], n)
    found = sorted(path.name.split("-") for path in tmp_path.iterdir())
    assert [name for name, _ in found] == list("01234")
    assert len({process for _, process in found}) == processes
    assert ({process for _, process in found} == {str(os.getpid())}) == (n == 1)


@pytest.mark.parametrize("n", [2, 3])
def test_no_more_jobs_run_at_a_time_than_there_are_workers(tmp_path, n):
    """Keep as many under way as there are workers, and never one more."""

    def timed(name):
        def job():
            begun = time.monotonic()
            time.sleep(0.2)
            (tmp_path / name).write_text(f"{begun} {time.monotonic()}")

        return job

    workers.side_by_side([timed(str(number)) for number in range(6)], n)
    spans = [tuple(map(float, path.read_text().split())) for path in tmp_path.iterdir()]
    assert len(spans) == 6
    assert max(sum(begun <= at < ended for begun, ended in spans) for at, _ in spans) == n


@pytest.mark.parametrize("jobs", [0, 1])
def test_too_few_jobs_for_two_workers_run_in_this_process(tmp_path, jobs):
    """Fork nothing for a single job, and do nothing for none."""
    workers.side_by_side([touch(tmp_path, "only")] * jobs, 4)
    assert [path.name for path in tmp_path.iterdir()] == [f"only-{os.getpid()}"] * jobs


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


@pytest.mark.parametrize("error", [DataError("build it with `dvc repro`"), RecordError("100", "is cut short")])
def test_every_mistake_that_a_user_can_mend_comes_out_as_one_line(error):
    """Carry the line of any PqrstError out of a worker."""

    def job():
        raise error

    with pytest.raises(SettingsError) as caught:
        workers.side_by_side([job, lambda: None], 2)
    assert str(caught.value) == str(error)


def test_a_fault_of_the_disk_comes_out_of_a_worker():
    """Raise what the system said, so that the stage tells it as its own."""

    def job():
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        workers.side_by_side([job, lambda: None], 2)

    with pytest.raises(OSError, match="No space left on device"):
        list(
            workers.in_order(lambda: iter(range(50)), lambda number: number if number < 20 else job(), 2, at_once=True)
        )


def test_a_failure_ends_the_others_and_starts_no_further_job(tmp_path):
    """Return only when the job that ran beside the failing one is gone, before it came to its end or the next began."""

    def long():
        (tmp_path / "pid.partial").write_text(str(os.getpid()))
        (tmp_path / "pid.partial").rename(tmp_path / "pid")
        time.sleep(2)
        touch(tmp_path, "late")()

    def fail():
        wait_for((tmp_path / "pid").exists)
        raise SettingsError("lower train.lr")

    with pytest.raises(SettingsError, match=r"^lower train\.lr$"):
        workers.side_by_side([long, fail, touch(tmp_path, "next")], 2)
    assert not alive(int((tmp_path / "pid").read_text()))
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


def test_a_worker_that_the_system_kills_is_told():
    """Say with which signal it ended, as when memory runs out."""
    with pytest.raises(
        DataError, match=r"^the system ended a worker by signal 9; is there memory for so many\? run again$"
    ):
        workers.side_by_side([lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: time.sleep(30)], 2)


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
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    crew = [int(path.name) for path in tmp_path.iterdir()]
    assert len(crew) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not any(map(alive, crew)))
    assert [process for process in crew if alive(process)] == []


def wait_for(reached):
    """Wait until something is so, 30 seconds at most."""
    deadline = time.monotonic() + 30
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)


def alive(process):
    """Say whether a process still runs; one that ended and was not asked for yet does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("threads", "room"), [(1, 8), (3, 2), (8, 1), (9, 1)])
def test_room_is_shared_between_threads(monkeypatch, threads, room):
    """Divide eight cores by the threads of a job, and leave room for one job always."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert workers.available(threads) == room


@pytest.mark.parametrize(("cores", "room"), [(4, 4), (None, 1)])
def test_a_system_without_affinity_counts_its_cores(monkeypatch, cores, room):
    """Take the number of cores, and one where that is not known."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert workers.available(1) == room


def doubled(number):
    if number == 7000:
        raise DataError("seven thousand is too many")
    return 2 * number, os.getpid()


def slowly(number):
    time.sleep(0.01)
    return doubled(number)


@pytest.mark.parametrize(("n", "processes"), [(1, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("count", [1, 37, 160])
def test_a_list_is_worked_on_in_its_order(n, processes, count):
    """Workers share all items, and results come in the order of the list; one worker is this process."""
    found = list(workers.in_order(lambda: iter(range(count)), slowly, n, at_once=True))
    assert [number for number, _ in found] == [2 * number for number in range(count)]
    crew = {process for _, process in found}
    assert (os.getpid() in crew) == (n == 1)
    assert len(crew) == min(processes, count)


def test_what_is_left_after_a_moment_is_worked_on_by_workers(monkeypatch):
    """This process works on the first items, workers on all behind them."""
    monkeypatch.setattr(workers, "ALONE", 0.2)
    found = list(workers.in_order(lambda: iter(range(80)), slowly, 2))
    own = [process == os.getpid() for _, process in found]
    assert [number for number, _ in found] == [2 * number for number in range(80)]
    assert 0 < sum(own) == own.index(False) <= 20


def test_a_short_list_starts_no_worker(monkeypatch):
    """What takes a moment is worked on by this process."""
    monkeypatch.setattr(workers, "ALONE", 60.0)
    found = list(workers.in_order(lambda: iter(range(300)), doubled, 4))
    assert {process for _, process in found} == {os.getpid()}


def test_a_users_mistake_comes_out_of_a_list_as_it_is():
    """Raise what the worker raised."""
    with pytest.raises(DataError, match=r"^seven thousand is too many$"):
        list(workers.in_order(lambda: iter(range(6000, 9000)), doubled, 2, at_once=True))


def test_a_failure_of_a_worker_of_a_list_is_not_tried_again(capfd):
    """Say that it failed; what went wrong is told by itself."""
    with pytest.raises(RuntimeError, match="a worker ended with status 1"):
        list(workers.in_order(lambda: iter(range(50)), lambda _: crash(), 2, at_once=True))
    assert capfd.readouterr().err.count("Traceback") in {1, 2}


def deadly(number, mark, times):
    """End the process that works on an item, so many times."""
    if number == 20 and len(list(mark.iterdir())) < times:
        touch(mark, "died")()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("times", [1, workers.DEATHS])
def test_the_work_of_a_worker_that_the_system_kills_is_done_by_another(tmp_path, caplog, times):
    """Give every item once, in its order, and say what happened."""
    found = workers.in_order(lambda: iter(range(60)), lambda number: deadly(number, tmp_path, times), 2, at_once=True)
    with caplog.at_level("WARNING", "pqrst"):
        assert list(found) == list(range(60))
    assert len(list(tmp_path.iterdir())) == times
    assert caplog.messages == ["the system ended a worker by signal 9; another does its work"] * times


def large(number):
    return number, os.getpid(), bytes(2_000_000)  # more than a pipe holds


def test_a_worker_killed_amid_its_answer_loses_nothing():
    """Kill a worker that has begun to send, while nobody listens."""
    found = workers.in_order(lambda: iter(range(12)), large, 2, at_once=True)
    first = [next(found) for _ in range(3)]
    time.sleep(0.5)
    os.kill(first[-1][1], signal.SIGKILL)
    assert [number for number, _, _ in (*first, *found)] == list(range(12))


def test_an_item_that_kills_each_worker_is_told(tmp_path):
    """Give up after some deaths, and say by which signal."""
    found = workers.in_order(lambda: iter(range(60)), lambda number: deadly(number, tmp_path, 99), 2, at_once=True)
    with pytest.raises(
        DataError, match=r"^the system ended a worker by signal 9; is there memory for so many\? run again$"
    ):
        list(found)
    assert len(list(tmp_path.iterdir())) == workers.DEATHS + 1


def test_a_list_left_early_leaves_no_worker():
    """Whoever takes no more ends the workers; the list is gone through only as far as there is room for."""
    found = workers.in_order(lambda: iter(range(10**9)), slowly, 2, at_once=True)
    crew = {process for _, process in (next(found) for _ in range(64))}
    found.close()
    assert len(crew) == 2
    assert not any(map(alive, crew))
