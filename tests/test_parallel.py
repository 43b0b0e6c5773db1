"""Stages side by side: a toy graph of shell commands under real dvc, so that no stage costs more than DVC itself."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from pqrst import cli, parallel
from pqrst.errors import PqrstError

pytestmark = pytest.mark.usefixtures("own_log")

ROOT = Path(__file__).resolve().parents[1]
GRAPH = """
stages:
  resolve:
    cmd: mkdir -p resolved && cp settings resolved/
    deps: [settings]
    outs: [resolved]
  train:
    foreach: [a, b]
    do:
      cmd: sh train.sh ${item}
      deps: [resolved, train.sh]
      outs:
      - runs/${item}
  evaluate:
    foreach: [a, b]
    do:
      cmd: mkdir -p metrics && echo "{\\"score\\":" $(cat runs/${item}) "}" > metrics/${item}.json
      deps:
      - runs/${item}
      metrics:
      - metrics/${item}.json:
          cache: false
"""
# each waits for the other to have begun, half a minute at most
TRAIN = """
touch $1.began
for _ in $(seq 300); do [ -f a.began ] && [ -f b.began ] && break; sleep .1; done
[ -f a.began ] && [ -f b.began ] || exit 1
echo $CUDA_VISIBLE_DEVICES $(grep Cpus_allowed_list /proc/self/status) > $1.place
mkdir -p runs && cat settings > runs/$1
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Give a checkout of the toy graph that was never built, and put dvc on the PATH."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    for name, text in {
        "dvc.yaml": GRAPH,
        "train.sh": TRAIN,
        "settings": "1\n",
        ".gitignore": "*.began\n*.place\n/data\n",
    }.items():
        (tmp_path / name).write_text(text)
    call(tmp_path, "git init -q && git config user.email a@b.c && git config user.name test && dvc init -q")
    call(tmp_path, "dvc config core.analytics false && git add -A && git commit -qm start")
    return tmp_path


def call(folder, command):
    """Run a command that succeeds; give what it printed."""
    return subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, text=True).stdout


def started(folder):
    """Start `pqrst repro` in a process of its own."""
    command = [sys.executable, "-m", "pqrst", "repro"]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def at_work(folder):
    """Give the command of each process that works in a folder, by its number."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_text()
    return found


def wait_for(what):
    """Wait until something is so."""
    deadline = time.monotonic() + 120
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert what()


def test_stages_run_side_by_side_and_leave_nothing_to_do(toy, monkeypatch, capfd):
    """Train two that wait for each other, each on a GPU and on cores of its own; afterwards DVC finds nothing changed, and compares."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert cli.main(["repro", "--root", str(toy)]) == 0
    assert json.loads(call(toy, "dvc status --json")) == {}
    assert "Running" not in call(toy, "dvc repro")
    call(toy, "git add -A && git commit -qm built && rm *.began")
    (toy / "settings").write_text("2\n")
    assert cli.main(["repro", "--root", str(toy), "evaluate@a", "evaluate@b"]) == 0
    assert json.loads(call(toy, "dvc metrics diff --json"))["metrics/a.json"]["score"] == {
        "old": 1, "new": 2, "diff": 1,
    }  # fmt: skip
    gpus, cores = zip(*((toy / f"{name}.place").read_text().split(maxsplit=1) for name in "ab"), strict=True)
    assert sorted(gpus) == ["3", "5"]
    assert len(set(cores)) == min(2, len(os.sched_getaffinity(0)))
    assert "train@a: done" in capfd.readouterr().err


def test_what_hangs_on_no_failed_stage_is_done(toy, capfd):
    """Name the stage that failed with its own line, do the others, and go on from there once it is mended."""
    good = (toy / "train.sh").read_text()
    (toy / "train.sh").write_text(
        '[ $1 = a ] && { echo "train: no such loss"; exit 1; }\nmkdir -p runs && echo 3 > runs/$1\n'
    )
    assert cli.main(["repro", "--root", str(toy)]) == 1
    said = capfd.readouterr().err
    assert "train: no such loss" in said
    assert said.splitlines()[-1].startswith("pqrst: failed: train@a;")
    assert sorted(json.loads(call(toy, "dvc status --json"))) == ["evaluate@a", "train@a"]
    (toy / "train.sh").write_text(good.replace("[ -f b.began ]", "true"))
    assert cli.main(["repro", "--root", str(toy), "--jobs", "1", "evaluate@a"]) == 0
    assert sorted(json.loads(call(toy, "dvc status --json"))) == ["train@b"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_all_that_it_started(toy, number):
    """Stop it amid two trainings: no process is left, dvc.lock is whole, and a second one meanwhile was refused."""
    (toy / "train.sh").write_text("touch $1.began; sleep 300\n")
    process = started(toy)
    wait_for(lambda: (toy / "a.began").exists() and (toy / "b.began").exists())
    with pytest.raises(PqrstError, match="another `pqrst repro` is at work"):
        parallel.repro(toy, [], 2)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert said.splitlines()[-1].startswith("pqrst: stopped; the stages that had ended are kept")
    assert "Traceback" not in said
    wait_for(lambda: at_work(toy) == {})
    assert list(yaml.safe_load((toy / "dvc.lock").read_text())["stages"]) == ["resolve"]


def test_no_dvc_outlives_it(toy):
    """Kill it outright: each dvc that it started ends as well, and a stage of ours would end with that (`processes.die_with_parent`)."""
    (toy / "train.sh").write_text("touch $1.began; exec sleep 300\n")
    process = started(toy)
    wait_for(lambda: (toy / "a.began").exists() and (toy / "b.began").exists())
    process.kill()
    process.communicate()
    wait_for(lambda: not [command for command in at_work(toy).values() if "dvc" in command])
    for number in at_work(toy):
        os.kill(number, signal.SIGKILL)


def test_stages_are_ended_while_dvc_writes_nothing(tmp_path, monkeypatch):
    """Wait for DVC's lock before stages are ended: dvc.lock is written under it."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    told = []
    monkeypatch.setattr(parallel, "_kill", lambda _running: told.append("killed"))
    with parallel.processes.sole(tmp_path / ".dvc/tmp/lock", ""):
        ending = threading.Thread(target=parallel._end, args=(tmp_path, []))
        ending.start()
        ending.join(0.3)
        assert told == []
    ending.join()
    assert told


def test_each_slot_has_its_share_of_the_machine(monkeypatch, tmp_path):
    """Deal cores and GPUs out in turn, and take the GPUs that the environment names before those that there are."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 1, 2, 3, 4})
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    slots = parallel._slots(3)
    assert [(list(slot.cores), slot.gpu) for slot in slots] == [([0, 3], "3"), ([1, 4], "5"), ([2], "3")]
    assert [list(slot.cores) for slot in parallel._slots(7)][5:] == [[0], [1]]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {slot.gpu for slot in parallel._slots(2)} == {""}
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 0; echo 1\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert [slot.gpu for slot in parallel._slots(3)] == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("files", "arguments", "line"),
    [
        ([], [], "holds no dvc.yaml"),
        (["dvc.yaml"], ["--jobs", "0"], "--jobs 0: give 1 or more"),
        (["dvc.yaml"], [], "there is no dvc on the PATH"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, files, arguments, line):
    """Refuse a folder that is no checkout, no jobs, and an environment without dvc."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in files:
        (tmp_path / name).touch()
    assert cli.main(["repro", "--root", str(tmp_path), *arguments]) == 1
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
