"""A list worked on by a Dask cluster: the same results as in one process, whatever happens to a worker, and faults in one line."""

import os
import signal
import socket
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import toys
from pqrst import clusters, engines, fitting, images, scoring, sides
from pqrst.arrays import Bundle, read
from pqrst.errors import DataError, RecordError, SettingsError
from pqrst.files import digest
from pqrst.made_up import challenge2021, mitdb
from pqrst.opened import open_parts
from pqrst.params import Split, Window
from pqrst.resolved import Encode, Segment
from pqrst.segmentation import of_database
from pqrst.sources import PROVENANCE

WINDOWS = {
    "mitdb": Window("equal", samples=3600, step=1800, leads="first"),
    "challenge2021": Window("whole", samples=500, pieces=2, zscore=True, steps=1000, rate=100.0),
}


def numbers(count):
    return iter(range(count))


def numbers_of(process):
    """List numbers in one process, and none in another, as where the other sees another folder."""
    return iter(range(5 if os.getpid() == process else 0))


def doubled(number):
    if number == 70:
        raise RecordError("seventy", "is too many")
    time.sleep(0.005)
    return 2 * number, os.getpid()


def deadly_once(mark, number):
    if number == 20 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def deadly(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(scope="module")
def cluster():
    """Start a scheduler and two worker processes of one thread."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield cluster


@pytest.fixture
def address(cluster):
    """Give the scheduler's place, as the setting has it."""
    return cluster.scheduler_address.removeprefix("tcp://")


def raw_of(name, folder):
    """Write made-up recordings, one of which lacks its samples."""
    folder.mkdir()
    writer = {"mitdb": mitdb, "challenge2021": challenge2021}[name]
    writer.write(folder, 16, np.random.default_rng(5), 0.5)
    (folder / PROVENANCE).write_text('{"synthetic": true}')
    min(folder.rglob("*.hea" if name == "mitdb" else "*.mat")).unlink()
    return folder


def segmented(name, raw, out, engine):
    of_database(Segment(name, name, {}, WINDOWS[name], "skip", {}), raw, out, out.with_name(f"{out.name}.json"), engine)
    return digest(out), out.with_name(f"{out.name}.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", WINDOWS)
def test_a_cluster_gives_the_same_bytes_as_one_process(name, address, tmp_path, monkeypatch):
    """Rows, tables, meta and the counts of faults do not tell where they were made, nor from which folder it was started."""
    raw_of(name, tmp_path / "raw")
    monkeypatch.chdir(tmp_path)
    serial, local, dask = (
        segmented(name, Path("raw"), Path(f"out{place}"), engine)
        for place, engine in enumerate(("serial", "local", f"dask://{address}"))
    )
    assert dask == local == serial
    assert b'"unreadable": 1' in serial[1]


@pytest.mark.slow
def test_both_workers_work_and_blocks_keep_their_order(address):
    """Give results in the order of the list, from each worker some."""
    found = list(clusters.in_order(address, partial(numbers, 60), doubled))
    assert [number for number, _ in found] == [2 * number for number in range(60)]
    assert len({process for _, process in found} - {os.getpid()}) == 2


@pytest.mark.slow
def test_a_worker_killed_amid_a_block_loses_nothing(address, tmp_path):
    """Let an item kill the worker that has it, once: every item comes, each once, in its order."""
    found = list(clusters.in_order(address, partial(numbers, 60), partial(deadly_once, tmp_path / "died")))
    assert found == list(range(60))
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_a_killed_worker_that_holds_results_loses_nothing(address):
    """Kill a worker that has given results and made others: those are made anew."""
    found = clusters.in_order(address, partial(numbers, 70), doubled)
    first = [next(found) for _ in range(9)]
    os.kill(first[-1][1], signal.SIGKILL)
    every = [*first, *found]
    assert [number for number, _ in every] == [2 * number for number in range(70)]
    assert len({process for _, process in every}) >= 2


@pytest.mark.slow
def test_a_fault_of_an_item_comes_back_as_it_is(address):
    """Raise what the worker raised."""
    with pytest.raises(RecordError, match=r"^record seventy: is too many$") as caught:
        list(clusters.in_order(address, partial(numbers, 100), doubled))
    assert (caught.value.record, caught.value.fault) == ("seventy", "is too many")


@pytest.mark.slow
def test_an_item_that_kills_each_worker_is_told(cluster, address, monkeypatch):
    """Give up after as many deaths as Dask allows, and say over which items."""
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(DataError, match=r"^dask://\S+: workers died over items \d+ to \d+ again and again; "):
        list(clusters.in_order(address, partial(numbers, 5), deadly))


@pytest.mark.slow
def test_workers_of_other_code_are_refused(address, monkeypatch):
    """Say what runs there and what runs here."""
    monkeypatch.setattr(clusters, "identity", lambda: "pqrst 9.9.9")
    with pytest.raises(DataError, match=r"^a worker on \S+ runs pqrst 0\.\S+ .* this is pqrst 9\.9\.9; install"):
        list(clusters.in_order(address, partial(numbers, 5), doubled))


@pytest.mark.slow
def test_workers_that_see_another_folder_are_refused(address, tmp_path, monkeypatch):
    """Where a worker lists fewer recordings, or cannot enter the folder, its files are not these."""
    with pytest.raises(DataError, match=r"^a worker on \S+ lists other recordings in \S+ \(it ends after 0\); let "):
        list(clusters.in_order(address, partial(numbers_of, os.getpid()), doubled))
    monkeypatch.setattr(clusters.Path, "cwd", lambda: tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"^a worker on \S+ cannot enter \S+/nowhere \(No such file or directory\); "):
        list(clusters.in_order(address, partial(numbers, 5), doubled))


@pytest.mark.slow
def test_a_scheduler_that_goes_away_is_told(monkeypatch):
    """Stop the cluster amid a list: one line, and no wait without end."""
    from distributed import LocalCluster

    monkeypatch.setattr(clusters, "REACH", 2.0)

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        place = cluster.scheduler_address.removeprefix("tcp://")
        found = clusters.in_order(place, partial(numbers, 10_000), slowly)
        next(found)
    with pytest.raises(DataError, match=r"^the scheduler at dask://\S+ went away; start it "):
        list(found)


def slowly(_number):
    time.sleep(0.05)


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    """Say where none is, and what to do."""
    monkeypatch.setattr(clusters, "REACH", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(DataError, match=rf"^no scheduler answers at dask://{place} \(.*\); start `dask scheduler`"):
            list(clusters.in_order(place, partial(numbers, 5), doubled))


def test_without_dask_the_extra_is_named(monkeypatch):
    """Say what to install."""
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(SettingsError, match=r"needs the extra dask: pip install 'pqrst\[dask\]', here and on the work"):
        list(engines.in_order("dask://host:8786", partial(numbers, 5), doubled))


def deadly_to(cluster, function):
    """Kill one of the workers when the second result is taken, and go on."""

    def passing(*given, **named):
        for place, one in enumerate(function(*given, **named)):
            if place == 1:
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            yield one

    return passing


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_pictures_drawn_by_a_cluster_are_the_same_bytes(cluster, address, tmp_path, monkeypatch, dtype):
    """Draw them in this process, and by two workers one of which is killed."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 1, 40)).astype(np.float32)
    rows = pd.DataFrame({"record": [f"r{n}" for n in range(120)], "patient": "", "start": 0})
    toys.save_bundle(tmp_path / "windows", Bundle(toys.META, x, np.arange(120) % 2, rows))
    given = Encode(
        "toy",
        "lead_rows",
        {"start": 0, "length": 40, "size": 16, "channels": 1, "mean": [0.0], "deviation": [1.0]},
        dtype,
    )
    monkeypatch.setattr(images, "CHUNK_ROWS", 4)
    monkeypatch.chdir(tmp_path)
    images.encode(Path("windows"), given, Path("serial"), "serial")
    monkeypatch.setattr(images, "track", deadly_to(cluster, images.track))
    images.encode(Path("windows"), given, Path("dask"), f"dask://{address}")
    assert digest(tmp_path / "dask") == digest(tmp_path / "serial")


@pytest.mark.slow
@pytest.mark.usefixtures("own_process")
def test_networks_scored_by_a_cluster_give_the_same_bytes(cluster, address, tmp_path, monkeypatch):
    """Score three networks in this process, and by two workers one of which is killed."""
    x = np.random.default_rng(0).normal(size=(90, 1, 16)).astype(np.float32)
    told = pd.DataFrame({"record": [f"r{n}" for n in range(90)], "patient": "", "start": 0})
    told["fold_cut"] = np.repeat(["train", "validation", "test"], 30)
    toys.save_bundle(tmp_path / "x", Bundle(toys.BEATS, x, np.arange(90) % 7 % 3, told))
    split = Split("cut", ("train",), ("test",), "recording", held=("validation",))
    sides.write(read(tmp_path / "x"), "cut", split, tmp_path / "split")
    monkeypatch.chdir(tmp_path)
    parts = open_parts(Path("x"), Path("split"), [""])
    run = replace(toys.RUN, seeds=(9, 10, 11))
    fitting.train([run], parts, fitting.Places(Path("tiny"), Path("scratch")), lambda _: nullcontext(lambda _: None))
    for name, engine in (("serial", "serial"), ("dask", f"dask://{address}")):
        to = scoring.Places(Path(name, "scores"), Path(name, "plots"), Path(name, "headline.json"))
        if name == "dask":
            monkeypatch.setattr(engines, "in_order", deadly_to(cluster, engines.in_order))
        scoring.evaluate(Path("tiny"), parts, ("f1_macro",), to, engine)
    assert digest(tmp_path / "dask") == digest(tmp_path / "serial")
