"""The files that a stage's output hangs on, found by walking imports from its script.

`resolve` writes them down with their digests, one file a stage, and a stage depends on that file: listed one by one they
were four fifths of dvc.lock, which DVC reads and writes anew after every stage.
"""

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pqrst import catalog

# What brings settings in and errors out decides no output; params.yaml's content reaches a stage through resolved/.
PLUMBING = {
    "_stage",
    "disk",
    "processes",
    "errors",
    "console",
    "catalog",
    "parsing",
    "params",
    "published",
    "resolver",
    "reached",
    "__init__",
}
# What a component leans on counts for the stage that its work is: the digests of its own files stand beside its settings.
THROUGH = {"download": ("datasets", "made_up"), "segment": ("datasets",)}
NOT_THERE = {"segment": {"downloads", "transport"}}  # it reads by the datasets too, but fetches nothing


def code(root: Path) -> Mapping[str, dict[str, str]]:
    """Give, for each script in stages/ but `resolve`, the SHA-256 of every file that its output hangs on."""
    scripts = sorted(path.stem for path in (root / "stages").glob("[!_]*.py"))
    return {name: {file: _digest(root / file) for file in needed(root, name)} for name in scripts if name != "resolve"}


def needed(root: Path, stage: str) -> list[str]:
    """List the files whose change can change a stage's output: modules, the tables beside them, and its script."""
    passed = PLUMBING | NOT_THERE.get(stage, set())
    files = {f for f in _walk(root, stage) if Path(f).stem not in passed and Path(f).parent.name not in catalog.KINDS}
    named = (path for file in files for path in (root / file).parent.glob(f"{Path(file).stem}_*.*"))
    beside = {path for path in named if path.suffix != ".py"}
    return sorted({*files, *(path.relative_to(root).as_posix() for path in beside), f"stages/{stage}.py"})


def _walk(root: Path, stage: str) -> set[str]:
    """Follow imports from a stage's script, and from the components that are its work."""
    components = [path for kind in THROUGH.get(stage, ()) for path in root.glob(f"src/pqrst/{kind}/*.py")]
    waiting = [f"stages/{stage}.py", *(path.relative_to(root).as_posix() for path in components)]
    found: set[str] = set()
    while waiting:
        more = _imported(root, waiting.pop()) - found
        found |= more
        waiting += more
    return found


@cache
def _imported(root: Path, file: str) -> frozenset[str]:
    """List this project's files that a file imports, at its top and inside functions."""
    found = set()
    for node in ast.walk(ast.parse((root / file).read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        found |= {_file_of(root, name) for name in names}
    return frozenset(found - {""})


def _file_of(root: Path, name: str) -> str:
    """Give the file, of the package or beside the stages, that a dotted name lies in, or nothing."""
    parts = name.split(".")
    places = [f"stages/{parts[0]}.py"]
    if parts[0] == "pqrst":
        places += [f"src/{'/'.join(parts[:length])}.py" for length in range(len(parts), 1, -1)]
    return next((place for place in places if (root / place).exists()), "")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
