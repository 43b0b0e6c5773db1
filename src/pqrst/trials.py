"""One trial of a search: a training in a copy of the checkout that shares its cache, watched epoch by epoch, kept as a DVC experiment."""

import csv
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from dvc.utils.hydra import apply_overrides

from pqrst import convergence, processes
from pqrst.errors import DataError, SettingsError
from pqrst.files import write_json, write_text
from pqrst.resolved import RunSettings, read_run

COPIES = (
    Path(".dvc") / "tmp" / "exps" / "search"
)  # a stage takes such a folder for an experiment: scratch is the main checkout's
SECONDS = 0.2  # between two looks at a training
FOUND = Path("metrics") / "search"  # what an experiment tells of its trial, a file a run
Watch = Callable[[int, float], bool]  # an epoch and its figure in; whether to stop


@dataclass(frozen=True)
class Copy:
    """A copy of a checkout's last commit."""

    root: Path  # of the checkout
    folder: Path

    @property
    def token(self) -> str:
        """Name the process that holds it."""
        return self.folder.parent.name


@dataclass(frozen=True)
class Ended:
    """How a trial ended: with a figure, or with the reason why there is none."""

    figure: float | None = None
    epoch: float = 0.0  # that the run keeps; the mean over its networks
    epochs: int = 0
    pruned: bool = False
    reason: str = ""


def commit(root: Path) -> str:
    """Name the commit that trials start from; what differs from it is refused, since a copy would not have it."""
    changed = _said(["git", "status", "--porcelain", "--untracked-files=no"], root).splitlines()
    if changed:
        raise SettingsError(
            f"{changed[0][3:]} differs from git, and a trial trains what git has; commit it, or `git stash`"
        )
    return _said(["git", "rev-parse", "HEAD"], root)


@contextmanager
def copied(root: Path) -> Iterator[Copy]:
    """Give a copy of a checkout's last commit, held by this process; copies of searches that were killed go."""
    room = root.absolute() / COPIES
    room.mkdir(parents=True, exist_ok=True)
    with processes.alone(room / ".lock", "another search begins"):
        for left in room.iterdir():
            if left.is_dir() and not alive(root, left.name):
                shutil.rmtree(left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(dir=room, prefix=f"{os.getpid()}-"))
        held = (place / "held").open("wb")
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield Copy(root.absolute(), _clone(root, place / "checkout"))
    finally:
        shutil.rmtree(place, ignore_errors=True)
        held.close()


def alive(root: Path, token: str) -> bool:
    """Say whether the process that holds a copy lives: the system drops its lock when it dies."""
    file = root / COPIES / token / "held"
    if not token or not file.exists():
        return False
    with file.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _clone(root: Path, folder: Path) -> Path:
    _said(["git", "clone", "--quiet", "--shared", str(root.absolute()), str(folder)], root)
    for name in ("user.name", "user.email"):
        with suppress(DataError):  # where it is set at all
            _said(["git", "config", name, _said(["git", "config", name], root)], folder)
    own = root / ".dvc" / "config.local"
    if own.exists():
        shutil.copyfile(own, folder / ".dvc" / "config.local")
    _said([*_dvc(), "config", "--quiet", "--local", "cache.dir", _said([*_dvc(), "cache", "dir"], root)], folder)
    return folder


def _dvc() -> list[str]:
    return [sys.executable, "-m", "dvc"]


def _environment() -> dict[str, str]:
    """Let stages take the interpreter that searches, whatever PATH says."""
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _said(command: Sequence[str], folder: Path) -> str:
    """Run a command that must succeed, and give what it printed."""
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise DataError(f"`{' '.join(command[-4:])}` failed in {folder}: {last}")
    return done.stdout.strip()


def train(copy: Copy, run: str, overrides: Sequence[str], by: str, watch: Watch) -> Ended:
    """Train a run with some settings overridden, until it has learned or the watch says stop."""
    folder, log = copy.folder, copy.folder.parent / "said.txt"
    _said(["git", "checkout", "--quiet", "--force", "HEAD", "--", "."], folder)
    shutil.rmtree(folder / "metrics" / "train" / run, ignore_errors=True)  # else the last trial's were seen
    apply_overrides(folder / "params.yaml", list(overrides))
    seen = 0
    with log.open("wb") as said:
        work = subprocess.Popen(
            [*_dvc(), "repro", f"train@{run}"], cwd=folder, env=_environment(), stdout=said, stderr=subprocess.STDOUT,
            preexec_fn=processes.die_with_parent,  # noqa: PLW1509 (this process has one thread)
        )  # fmt: skip
        try:
            while True:
                status = _ended(work)
                course = Course.of(folder, run, by) if status in (None, 0) else None
                for epoch, figure in course.after(seen) if course else ():
                    seen = epoch
                    if watch(epoch, figure):
                        return Ended(epochs=epoch, pruned=True)
                if status is not None:
                    break
        finally:
            work.terminate()
            work.wait()
    if status or course is None:
        return Ended(reason=_reason(log.read_text(encoding="utf-8", errors="replace")))
    return course.end()


def _ended(work: subprocess.Popen[bytes]) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return work.wait(SECONDS)
    return None


def _reason(said: str) -> str:
    """Find in what DVC printed the line in which a stage says why it failed."""
    told = re.findall(r"^(?:resolve|download|segment|encode|split|train): .+$", said, re.MULTILINE)
    lines = told or re.findall(r"^(?:ERROR|\w*Error): .+$", said, re.MULTILINE) or said.strip().splitlines()
    return lines[-1] if lines else "dvc said nothing"


@dataclass(frozen=True)
class Course:
    """How the networks of a run have learned so far, by the log that each training writes."""

    networks: list[list[dict[str, float]]]  # validation figures, epoch by epoch
    selects: list[str]
    by: str

    @classmethod
    def of(cls, folder: Path, run: str, by: str) -> "Course | None":
        """Read the logs of a run; nothing where none has begun, since its settings may not be resolved yet."""
        logs = folder / "metrics" / "train" / run
        if not logs.exists():
            return None
        variants = read_run(folder / "resolved" / "runs" / f"{run}.yaml")
        members = [(one, logs / one.value / f"seed-{seed}") for one in variants for seed in one.seeds]
        return cls([_figures(place, one, by) for one, place in members], [one.train.select for one, _ in members], by)

    def after(self, epoch: int) -> list[tuple[int, float]]:
        """List the epochs behind one that all networks have ended, each with the mean of their figures."""
        ended = min(map(len, self.networks))
        name = f"validation_{self.by}"
        return [(n + 1, fmean(rows[n][name] for rows in self.networks)) for n in range(epoch, ended)]

    def end(self) -> Ended:
        """Give the mean figure of the epochs that the run keeps."""
        kept = [convergence.chosen(rows, select) for rows, select in zip(self.networks, self.selects, strict=True)]
        if 0 in kept:
            return Ended(reason="a training has left no log of its epochs")
        figures = [rows[n - 1][f"validation_{self.by}"] for rows, n in zip(self.networks, kept, strict=True)]
        return Ended(fmean(figures), fmean(kept), max(map(len, self.networks)))


def _figures(log: Path, settings: RunSettings, by: str) -> list[dict[str, float]]:
    """Give what a log says of validation rows, an epoch a line, as far as all its files have come."""
    names = {"loss", by, *({settings.train.select} - {"last"})}
    columns = {
        f"validation_{name}": _column(log / "plots/metrics/validation" / f"{name}.tsv") for name in sorted(names)
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=False)]


def _column(file: Path) -> list[float]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1]  # the last line may still be on its way
    return [float(row[1]) for row in list(csv.reader(whole.splitlines(), delimiter="\t"))[1:]]


def keep(copy: Copy, run: str, name: str, told: Mapping[str, object]) -> None:
    """Keep a trained trial as an experiment of the checkout, with what it tells as its metrics; it was never tested."""
    folder, file = copy.folder, FOUND / f"{run}.json"
    write_json(folder / file, told)
    (folder / "metrics" / "test" / f"{run}.json").unlink(missing_ok=True)
    listed = sorted(path.name for path in (folder / FOUND).glob("*.json"))
    write_text(folder / FOUND / "dvc.yaml", "\n".join(["metrics:", *(f"- {one}" for one in listed), ""]))
    included = [part for one in (file, FOUND / "dvc.yaml") for part in ("--include-untracked", str(one))]
    _said([*_dvc(), "exp", "save", "--quiet", "--force", "--name", name, *included, f"train@{run}"], folder)
    ref = f"refs/exps/*/{name}"
    _said(["git", "fetch", "--quiet", str(folder), f"+{ref}:{ref}"], copy.root)
    shutil.rmtree(folder / FOUND, ignore_errors=True)


def kept(root: Path, prefix: str) -> list[str]:
    """List the experiments whose name begins so, as references."""
    found = _said(["git", "for-each-ref", "--format=%(refname)", "refs/exps"], root).splitlines()
    return [ref for ref in found if re.fullmatch(rf"{re.escape(prefix)}-\d{{4,}}", ref.rpartition("/")[2])]


def forget(root: Path, name: str) -> None:
    """Take away the experiment of a trial that was killed before it was told."""
    for ref in _said(["git", "for-each-ref", "--format=%(refname)", "refs/exps"], root).splitlines():
        if ref.rpartition("/")[2] == name:
            _said(["git", "update-ref", "-d", ref], root)
