"""Stages side by side: a toy graph of shell commands under real dvc, so that no stage costs more than DVC itself."""

import json
import os
import re
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
      deps: [resolved]
      outs:
      - runs/${item}
  evaluate:
    foreach: [a, b]
    do:
      cmd: echo "{\\"score\\":" $(cat runs/${item}) "}" > scores/${item}.json
      deps:
      - runs/${item}
      metrics:
      - scores/${item}.json:
          cache: false
"""
# each waits for the other to have begun, half a minute at most; DVC does not know the script, nor `broken`
TRAIN = """
touch $1.began
for _ in $(seq 300); do [ -f a.began ] && [ -f b.began ] && break; sleep .1; done
[ -f a.began ] && [ -f b.began ] || exit 1
echo $CUDA_VISIBLE_DEVICES $(grep Cpus_allowed_list /proc/self/status) > $1.place
[ $1 = b ] && [ -f broken ] && { echo "train: no such loss"; exit 1; }
cp settings runs/$1
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
        ".gitignore": "*.began\n*.place\n/broken\n/data\n/.dvc/cache\n/.dvc/tmp\n",
        ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
        "runs/.gitignore": "",
        "scores/b.json": '{"score": 0}\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    call(tmp_path, "git init -q && git config user.email a@b.c && git config user.name test")
    call(tmp_path, "git add -A && git commit -qm start")
    return tmp_path


def call(folder, command):
    """Run a command that succeeds; give what it printed."""
    return subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True, text=True).stdout


def locked(folder):
    """List the stages that dvc.lock holds."""
    return sorted(yaml.safe_load((folder / "dvc.lock").read_text())["stages"])


@pytest.fixture
def amid(toy):
    """Start `pqrst repro` in a process of its own, and give it amid two trainings without end."""
    (toy / "train.sh").write_text("touch $1.began; exec sleep 300\n")
    command = [sys.executable, "-m", "pqrst", "repro"]
    process = subprocess.Popen(command, cwd=toy, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (toy / "a.began").exists() and (toy / "b.began").exists())
    yield process
    process.kill()
    process.wait()
    process.stderr.close()
    for number in at_work(toy):
        os.kill(number, signal.SIGKILL)


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
    """Train two that wait for each other, each on a GPU and cores of its own, one in vain; go on from there once that is mended, and DVC finds nothing left."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    (toy / "broken").touch()
    assert cli.main(["repro", "--root", str(toy)]) == 1
    said = capfd.readouterr().err
    assert re.search(r"train@b: failed after \d+ s with status \d+\n.*train: no such loss", said, re.DOTALL)
    assert said.splitlines()[-1].startswith("pqrst: failed: train@b;")
    assert locked(toy) == ["evaluate@a", "resolve", "train@a"]
    gpus, cores = zip(*((toy / f"{name}.place").read_text().split(maxsplit=1) for name in "ab"), strict=True)
    assert sorted(gpus) == ["3", "5"]
    assert len(set(cores)) == min(2, len(os.sched_getaffinity(0)))

    (toy / "broken").unlink()
    (toy / "runs/a").unlink()
    assert cli.main(["repro", "--root", str(toy), "--jobs", "1", "evaluate@b"]) == 0
    said = capfd.readouterr()
    assert "train@b: done" in said.err
    assert "Running" not in said.out
    assert said.out.splitlines()[-1] == "Data and pipelines are up to date."
    assert not (toy / "runs/a").exists(), "no target hangs on it"
    assert locked(toy) == ["evaluate@a", "evaluate@b", "resolve", "train@a", "train@b"]
    assert json.loads(call(toy, "dvc metrics diff --json"))["scores/b.json"]["score"] == {"old": 0, "new": 1, "diff": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_it_ends_with_all_that_it_started(toy, amid, number):
    """Stop it amid two trainings: no process is left, dvc.lock is whole, and a second one meanwhile was refused."""
    with pytest.raises(PqrstError, match="another `pqrst repro` is at work"):
        parallel.repro(toy, [], 2)
    amid.send_signal(number)
    said = amid.communicate(timeout=60)[1]
    assert said.splitlines()[-1].startswith("pqrst: stopped; the stages that had ended are kept")
    assert "Traceback" not in said
    wait_for(lambda: at_work(toy) == {})
    assert locked(toy) == ["resolve"]


@pytest.mark.slow
def test_no_dvc_outlives_it(toy, amid):
    """Kill it outright: each dvc that it started ends as well, and a stage of ours would end with that (`processes.die_with_parent`)."""
    amid.kill()
    amid.wait()
    wait_for(lambda: not [command for command in at_work(toy).values() if "dvc" in command])


def told(heading):
    """Give the commands below a heading of docs/many_runs.md, block by block."""
    text = (ROOT / "docs/many_runs.md").read_text()
    part = re.split(r"^#", text.partition(heading)[2], flags=re.MULTILINE)[0]
    return [block.group().replace("    ", "") for block in re.finditer(r"(^    .+\n)+", part, re.MULTILINE)]


@pytest.fixture
def follow(toy, tmp_path_factory):
    """Give a function that runs commands of the docs in a clone, as one job of two."""
    cache, scratch = (str(tmp_path_factory.mktemp(name)) for name in ("cache", "scratch"))
    places = {"/shared/pqrst": str(toy), "/shared/cache": cache, "/scratch": scratch, "split encode": "resolve"}

    def run(commands, folder, job=1):
        for place, there in places.items():
            commands = commands.replace(place, there)
        return call(folder, f"export SLURM_ARRAY_TASK_ID={job} SLURM_ARRAY_TASK_COUNT=2\n{commands}")

    (toy / "train.sh").write_text("cp settings runs/$1\n")
    call(toy, "git commit -qam trains")
    return run


@pytest.mark.slow
def test_clones_that_share_a_cache_share_the_runs(toy, follow, tmp_path):
    """Follow the docs with two machines: the main clone runs nothing, and has every score."""
    first, job, last = told("## Several machines")
    follow(first, toy)
    for number in (1, 2):
        assert "Data and pipelines are up to date." in follow(job, tmp_path, number)
    said = follow(last, toy)
    assert len(re.findall("Stage '(train|evaluate)@[ab]' is cached", said)) == 4
    assert "Running" not in said
    assert call(toy, "dvc status").strip() == "Data and pipelines are up to date."
    assert [(toy / f"scores/{name}.json").exists() for name in "ab"] == [True, True]


@pytest.mark.slow
def test_clones_that_share_a_remote_share_the_trainings(toy, follow, tmp_path_factory):
    """Follow the docs with two machines: the main clone takes the trainings from the remote, and evaluates them."""
    job, last = told("### Without a shared disk")
    call(toy, f"dvc remote add -d store {tmp_path_factory.mktemp('store')} && dvc repro resolve && dvc push")
    call(toy, "git add -A && git commit -qm pushed")
    for number in (1, 2):
        clone = tmp_path_factory.mktemp("clone")
        call(clone, f"git clone -q {toy} .")
        follow(job, clone, number)
    take, rest = last.splitlines()
    said = follow(take, toy)
    assert len(re.findall("Stage 'train@[ab]' is cached", said)) == 2
    assert "Running" not in said
    follow(rest, toy)
    assert call(toy, "dvc status").strip() == "Data and pipelines are up to date."


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
        (["dvc.yaml", "dvc"], ["nosuch"], "Stage 'nosuch' not found"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, capsys, files, arguments, line):
    """Refuse a folder that is no checkout, no jobs, an environment without dvc, and what dvc refuses."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in files:
        (tmp_path / name).write_text(
            "#!/bin/sh\necho \"ERROR: Stage 'nosuch' not found inside 'dvc.yaml' file\" >&2; exit 1\n"
        )
        (tmp_path / name).chmod(0o755)
    assert cli.main(["repro", "--root", str(tmp_path), *arguments]) == 1
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
