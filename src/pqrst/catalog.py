"""Find components by name: one file is one component, and no list has to be kept."""

import ast
import hashlib
import importlib
from pathlib import Path
from types import ModuleType

from pqrst.errors import SettingsError
from pqrst.parsing import nearest

PACKAGE = Path(__file__).parent
KINDS = ("datasets", "made_up", "frontends", "encodings", "models", "losses", "classifiers")


def names(kind: str) -> list[str]:
    """List the components of a kind, without importing them."""
    return sorted(path.stem for path in (PACKAGE / kind).glob("[!_]*.py"))


def load(kind: str, name: str, path: str = "") -> ModuleType:
    """Import a component; `path` is the setting that named it, for the error message."""
    if name not in names(kind):
        raise SettingsError(
            f"{path or kind}: there is no {kind.removesuffix('s')} {name!r}; {nearest(name, names(kind))}"
        )
    return importlib.import_module(f"pqrst.{kind}.{name}")


def digests(kind: str, name: str) -> dict[str, str]:
    """Give the SHA-256 of a component's file, of its table, and of the shared files that it imports, so a change shows."""
    folder, found, waiting = PACKAGE / kind, {}, [name]
    while waiting:
        module = waiting.pop()
        text = (folder / f"{module}.py").read_bytes()
        found[f"{kind}/{module}.py"] = hashlib.sha256(text).hexdigest()
        tables = [path for path in PACKAGE.glob(f"*/{module}_*.*") if path.suffix in (".csv", ".gz")]
        for table in tables:  # that ship beside it, or beside its namesake of another kind
            found[f"{table.parent.name}/{table.name}"] = hashlib.sha256(table.read_bytes()).hexdigest()
        waiting += [m for m in _shared(ast.parse(text), kind) if f"{kind}/{m}.py" not in found]
    return dict(sorted(found.items()))


def _shared(tree: ast.Module, kind: str) -> list[str]:
    prefix, found = f"pqrst.{kind}", []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == prefix:
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{prefix}."):
            found.append((node.module or "").removeprefix(f"{prefix}."))
    return found
