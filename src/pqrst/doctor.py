"""What a checkout has to work with: libraries, recordings, a GPU; what `dvc repro` would run, and how long that took before.

Nothing is estimated: each figure says where it was recorded, and what nobody recorded is not known.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pqrst import params, sources
from pqrst.errors import PqrstError, SettingsError

State = Literal["ok", "differs", "missing"]
AGAIN = "python -m pip install --editable ."
SHARED = {"heartbeat": "mitdb"}  # a database whose recordings lie in the folder of another
ENDINGS = (".hea", ".h5", ".mat", ".csv")  # one file a recording, in the order in which they are looked for
SECONDS = Path("data/scratch/stages/seconds")  # a file a stage, written when it ends
TRAINED = Path("metrics/train")
PERFORMANCE = Path("docs/performance.md")
WHOLE_DEMO = re.compile(r"The whole demo took (\d+:\d\d) by the clock")
STATUS_SECONDS = 300


@dataclass(frozen=True)
class Library:
    """A library as it is needed, and as it was found."""

    name: str
    needed: str
    found: str
    state: State


@dataclass(frozen=True)
class Extra:
    """What can be installed beside it, and what of that is not there."""

    name: str
    missing: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Database:
    """Where a profile says that a database lies, and what of it is there."""

    name: str
    profile: str
    source: str
    files: int | None  # none where it was not looked: the network is not asked
    recordings: int | None
    missing: int | None  # of those that the folder's own list names
    built: str  # what lies under data/raw already
    then: str


@dataclass(frozen=True)
class Gpu:
    """The first GPU that torch sees, or why there is none."""

    name: str
    memory_gb: float | None
    bf16: bool
    count: int
    told: str


@dataclass(frozen=True)
class Stage:
    """A stage that is out of date, and the seconds that it took before."""

    name: str
    seconds: float | None
    source: str  # of the figure


@dataclass(frozen=True)
class Findings:
    """All that was found."""

    python: Library
    libraries: tuple[Library, ...]
    extras: tuple[Extra, ...]
    databases: tuple[Database, ...]
    gpu: Gpu
    stages: tuple[Stage, ...]
    whole_demo: str  # minutes and seconds that the whole took where it was measured
    free_gb: float
    faults: tuple[str, ...]  # why the demo could not run; none: it could


def examine(root: Path) -> Findings:
    """Look at everything; nothing is changed."""
    if not (root / "dvc.yaml").is_file() or not (root / "params.yaml").is_file():
        raise SettingsError(
            f"{root.resolve()} is no checkout, it has no dvc.yaml and params.yaml; go to one, or name it with --root"
        )
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [
        line for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines() if line[:1].isalnum()
    ]
    python, found = _python(project["requires-python"]), tuple(map(library, needs))
    stages, fault = out_of_date(root)
    databases, settings_fault = _databases(root)
    faults = [_fault(one) for one in (python, *found) if one.state == "missing"]
    return Findings(
        python,
        found,
        tuple(_extra(name, lines) for name, lines in project.get("optional-dependencies", {}).items()),
        databases,
        gpu(),
        stages,
        _whole_demo(root),
        round(shutil.disk_usage(root).free / 1e9, 1),
        tuple(filter(None, (*faults, settings_fault, fault))),
    )


def _python(needed: str) -> Library:
    version = platform.python_version()
    return Library(
        "Python", needed, version, "ok" if SpecifierSet(needed).contains(version, prereleases=True) else "missing"
    )


def library(line: str) -> Library:
    """Hold a line of requirements against what is installed."""
    one = Requirement(line)
    try:
        found = metadata.version(one.name)
    except metadata.PackageNotFoundError:
        return Library(one.name, str(one.specifier), "", "missing")
    return Library(
        one.name, str(one.specifier), found, "ok" if one.specifier.contains(found, prereleases=True) else "differs"
    )


def _fault(one: Library) -> str:
    if one.name == "Python":
        return f"Python {one.found} is outside {one.needed}; make a virtual environment of another one"
    return f"{one.name} is not installed: {AGAIN}"


def _extra(name: str, lines: Iterable[str]) -> Extra:
    missing = tuple(one.name for one in map(library, lines) if one.state == "missing")
    return Extra(name, missing, f"python -m pip install --editable '.[{name}]'" if missing else "")


def gpu() -> Gpu:
    """Ask torch for the first GPU."""
    try:
        import torch  # noqa: PLC0415 (whether it can be imported is what is asked)
    except (ImportError, OSError) as error:
        return Gpu("", None, False, 0, f"torch cannot be imported ({error})")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    if not there:
        return Gpu("", None, False, 0, _why_none(torch.version.cuda, [str(one.message) for one in said]))
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30  # bytes to GiB
    return Gpu(
        torch.cuda.get_device_name(0), round(memory, 1), torch.cuda.is_bf16_supported(), torch.cuda.device_count(), ""
    )


def _why_none(built_for: str | None, said: list[str]) -> str:
    """Say why torch sees no GPU."""
    if shutil.which("nvidia-smi") is None:
        return "none"
    if built_for is None:
        return (
            "none that torch can use: nvidia-smi is there, but this torch was built without CUDA; install one that was"
        )
    return " ".join(f"none that torch can use: {said[0] if said else 'look at what nvidia-smi says'}".split())


def _databases(root: Path) -> tuple[tuple[Database, ...], str]:
    """Look for every database where the profiles that take real recordings say it lies; or tell what is wrong in the settings."""
    try:
        settings = params.load(root / "params.yaml")
    except PqrstError as error:
        return (), f"params.yaml: {error}"
    real = {name: one for name, one in settings.profiles.items() if one.source != sources.SYNTHETIC}
    return tuple(
        _database(root, name, profile, told.sources.get(name) or told.source)
        for profile, told in real.items()
        for name in settings.databases
    ), ""


def _database(root: Path, name: str, profile: str, source: str) -> Database:
    built, option = _built(root / "data" / "raw" / name), f"-S profiles.{profile}.sources.{name}=FOLDER"
    fetched = f"dvc exp run -S profile={profile} download@{name}"
    if source == sources.HOSTS or "://" in source:
        return Database(name, profile, source, None, None, None, built, fetched)
    folder = next((one for one in _folders(root / source, name) if one.is_dir()), None)
    if folder is None:
        lacking = f"lay it into {root / source / name}, or name the folder that holds {name}/ with {option}"
        return Database(name, profile, source, 0, 0, None, built, lacking)
    files = [path for path in folder.rglob("*") if path.is_file()]
    missing = _missing(folder, {path.relative_to(folder).with_suffix("").as_posix() for path in files})
    then = f"complete {folder}" if missing else fetched
    return Database(name, profile, str(folder), len(files), _recordings(files), missing, built, then)


def _folders(source: Path, name: str) -> list[Path]:
    return [source / name, *([source / SHARED[name]] if name in SHARED else [])]


def _recordings(files: Iterable[Path]) -> int:
    """Count the files that are one a recording."""
    counts = dict.fromkeys(ENDINGS, 0)
    for path in files:
        if path.suffix in counts:
            counts[path.suffix] += 1
    return next((count for count in counts.values() if count), 0)


def _missing(folder: Path, stems: set[str]) -> int | None:
    """Count what the list of recordings names and is not there, in those of its folders that are; none without a list."""
    if not (folder / "RECORDS").is_file():
        return None
    listed = [line.strip() for line in (folder / "RECORDS").read_text(encoding="utf-8").splitlines()]
    named = [line for line in listed if line and not line.endswith("/")]
    there = [line for line in named if "/" not in line or (folder / line.partition("/")[0]).is_dir()]
    return sum(line not in stems for line in there) if named else None


def _built(raw: Path) -> str:
    """Say what was downloaded or made up before."""
    try:
        told = json.loads((raw / sources.PROVENANCE).read_text(encoding="utf-8"))
        kind = "made up" if told.get("synthetic", True) else f"real, from {told['source']}"
        return f"{kind}, {told['files']} files"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "nothing yet"


def out_of_date(root: Path) -> tuple[tuple[Stage, ...], str]:
    """Ask DVC which stages would run, or tell why it cannot say."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=STATUS_SECONDS)
        told = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return (), f"`dvc status` does not answer ({' '.join(str(error).split())}); try it by hand"
    if not isinstance(told, Mapping):
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return (), f"`dvc status` fails: {said}"
    return tuple(_stage(root, name) for name in told if not name.endswith(".dvc")), ""


def _stage(root: Path, name: str) -> Stage:
    seconds = _number(root / SECONDS / f"{name}.json")
    if seconds is not None:
        return Stage(name, seconds, "the last time here")
    kind, _, key = name.partition("@")
    epochs = [_number(file) for file in (root / TRAINED / key).rglob("timing.json")] if kind == "train" and key else []
    known = [one for one in epochs if one is not None]
    if known:
        return Stage(name, sum(known), f"{TRAINED / key}, epochs of {len(known)} networks added up")
    return Stage(name, None, "not known")


def _number(file: Path) -> float | None:
    """Read the seconds of a log; nothing where there are none."""
    try:
        return float(json.loads(file.read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _whole_demo(root: Path) -> str:
    """Find what the whole demo took where it was measured, in the words of docs/performance.md."""
    try:
        found = WHOLE_DEMO.search((root / PERFORMANCE).read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else ""


def as_told(found: Findings) -> dict[str, Any]:
    """Give what was found for machines."""
    return {"demo_could_run": not found.faults, **asdict(found)}
