"""Stages of DVC's graph side by side: a `dvc repro -s` for each, begun when what it depends on has ended.

DVC holds its lock while it reads the graph and while it saves a stage, and drops it while the stage's command runs. So its own locks, cache and
run cache stay in force, and a `dvc repro` afterwards finds nothing to do.
"""

import graphlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pqrst import processes
from pqrst.console import log
from pqrst.errors import PqrstError

DVC = ("dvc", "--wait-for-lock")
PAUSE = 0.1  # seconds between two looks at the stages that run
SHOWN = 3  # last lines of a stage that failed: its own, and what DVC says of it
EDGE = re.compile(r'^"([^"]+)" -> "([^"]+)";$', re.MULTILINE)
NODE = re.compile(r'^"([^"]+)";$', re.MULTILINE)
Graph = Mapping[str, Collection[str]]  # stage -> the stages that it depends on


@dataclass(frozen=True)
class Slot:
    """Where a stage runs: its share of the machine."""

    cores: Collection[int]  # empty: wherever the system puts it
    gpu: str  # as CUDA_VISIBLE_DEVICES names it; empty: as the environment says


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    slot: Slot
    log: Path
    begun: float = field(default_factory=time.monotonic)


def repro(root: Path, targets: Sequence[str], jobs: int) -> None:
    """Bring stages, or all, up to date, at most `jobs` at a time; those that hang on none that failed are done anyway."""
    if jobs < 1:
        raise PqrstError(f"--jobs {jobs}: give 1 or more")
    if not (root / "dvc.yaml").is_file():
        raise PqrstError(f"{root.absolute()} holds no dvc.yaml: go to a checkout, or name it by --root")
    logs = root / "data" / "scratch" / "repro"
    logs.mkdir(parents=True, exist_ok=True)
    busy = f"{root.absolute()}: another `pqrst repro` is at work here: wait for its end, or stop it"
    with processes.sole(logs / "lock", busy), _ended_by_terminate():
        graph = _graph(root, targets)
        # `resolve`, which says what else has changed
        roots = {stage: () for stage, upstream in graph.items() if not upstream}
        failed = _side_by_side(root, roots, jobs, logs) or _side_by_side(root, _stale(root, graph), jobs, logs)
        if failed:
            raise PqrstError(f"failed: {', '.join(failed)}; what hangs on them was left; logs in {logs}")
        if _dvc(root, ("repro", *targets), None).returncode:  # finds nothing to run, or what its status did not see
            raise PqrstError("`dvc repro` failed, see above")


def _graph(root: Path, targets: Sequence[str]) -> Graph:
    """Give the stages that the targets hang on, and themselves."""
    dot = _asked(root, "dag", "--dot")
    upstream: dict[str, set[str]] = {name: set() for name in NODE.findall(dot)}
    for before, after in EDGE.findall(dot):
        upstream[after].add(before)
    if not targets:
        return upstream
    left = _asked(root, "stage", "list", "--name-only", *targets).split()
    kept: set[str] = set()
    while left:
        name = left.pop()
        left += upstream[name] - kept
        kept.add(name)
    return {name: upstream[name] for name in upstream if name in kept}


def _stale(root: Path, graph: Graph) -> Graph:
    """Keep the stages that DVC finds changed, and what hangs on them; its status sees no further than one stage."""
    # of all stages, since DVC takes several times as long over fifty that are named
    changed = set(json.loads(_asked(root, "status", "--json"))) & set(graph)
    for name in graphlib.TopologicalSorter(graph).static_order():
        if changed & set(graph[name]):
            changed.add(name)
    return {name: changed & set(graph[name]) for name in graph if name in changed}


def _side_by_side(root: Path, graph: Graph, jobs: int, logs: Path) -> list[str]:
    """Run stages as what they depend on ends, and name those that failed."""
    order, slots = graphlib.TopologicalSorter(graph), _slots(jobs)
    running: dict[str, Running] = {}
    failed: list[str] = []
    ready: list[str] = []
    order.prepare()
    try:
        while True:
            ready += order.get_ready()
            while ready and slots:
                stage, slot = ready.pop(0), slots.pop(0)
                running[stage] = _begin(root, stage, slot, logs)
            if not running:
                return failed
            time.sleep(PAUSE)
            for stage in [name for name, one in running.items() if one.process.poll() is not None]:
                one = running.pop(stage)
                slots.append(one.slot)
                if _good(stage, one):
                    order.done(stage)
                else:
                    failed.append(stage)
    finally:
        if running:
            _end(root, running.values())


def _slots(jobs: int) -> list[Slot]:
    """Share cores and GPUs out, so that a stage that uses all cores it sees leaves the others theirs."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    gpus = _gpus()
    return [
        Slot(cores[number::jobs] or cores[number % max(1, len(cores)) :][:1], gpus[number % len(gpus)] if gpus else "")
        for number in range(jobs)
    ]


def _gpus() -> list[str]:
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return []
        given = "" if done.returncode else ",".join(done.stdout.split())
    return [name.strip() for name in given.split(",") if name.strip()]


def _begin(root: Path, stage: str, slot: Slot, logs: Path) -> Running:
    file = logs / f"{stage}.log"
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": slot.gpu} if slot.gpu else {})
    with file.open("wb") as out:
        process = subprocess.Popen(
            [*DVC, "repro", "-s", stage],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, which can be ended whole
            preexec_fn=partial(_settle, slot.cores),  # noqa: PLW1509 (this process has no other thread)
        )
    log.info("%s: begun", stage)
    return Running(process, slot, file)


def _settle(cores: Collection[int]) -> None:
    processes.die_with_parent()
    if cores:
        os.sched_setaffinity(0, cores)


def _good(stage: str, one: Running) -> bool:
    """Say how a stage ended."""
    seconds = time.monotonic() - one.begun
    if one.process.returncode == 0:
        log.info("%s: done in %.0f s", stage, seconds)
        return True
    lines = [line for line in one.log.read_text(errors="replace").splitlines() if line.strip()]
    status = one.process.returncode
    log.error("\n  ".join([f"{stage}: failed after {seconds:.0f} s with status {status}", *lines[-SHOWN:]]))
    return False


def _end(root: Path, running: Collection[Running]) -> None:
    """End stages with all that they started, but while DVC's lock is free: dvc.lock is written under it."""
    try:
        with processes.alone(root / ".dvc" / "tmp" / "lock", "dvc saves a stage"):
            _kill(running)
    finally:
        _kill(running)  # asked again meanwhile: now, then
        for one in running:
            one.process.wait()


def _kill(running: Collection[Running]) -> None:
    for one in running:
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGTERM)


@contextmanager
def _ended_by_terminate() -> Iterator[None]:
    """Take `kill` for Ctrl-C: either way nothing is left at work."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        raise PqrstError("stopped; the stages that had ended are kept, run again for the others") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _asked(root: Path, *arguments: str) -> str:
    """Ask dvc; where it has no answer, what it says of that is the mistake."""
    done = _dvc(root, arguments, subprocess.PIPE)
    if done.returncode:
        raise PqrstError(done.stderr.strip().removeprefix("ERROR: "))
    return done.stdout


def _dvc(root: Path, arguments: Sequence[str], streams: int | None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run([*DVC, *arguments], cwd=root, stdout=streams, stderr=streams, text=True, check=False)
    except FileNotFoundError:
        raise PqrstError("there is no dvc on the PATH: activate the environment that pqrst is installed in") from None
