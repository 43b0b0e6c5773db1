"""A component or a run to start from: its file out of a template, its settings in params.yaml, its count among the tests.

All of it is worked out and checked before the first file is written; a fault while writing puts back what was there.
"""

import keyword
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from pqrst import parsing
from pqrst.errors import PqrstError, SettingsError
from pqrst.files import write_text

HERE = Path(__file__).parent
CHECKOUT = ("params.yaml", "dvc.yaml", "src/pqrst/catalog.py")  # what a checkout has
# kind -> folders of its files, and the sections of params.yaml that it stands in
FOLDERS: Mapping[str, tuple[str, ...]] = {
    "dataset": ("made_up", "datasets"),
    "model": ("models",),
    "loss": ("losses",),
    "encoding": ("encodings",),
    "run": (),
}
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "dataset": ("databases", "datasets"),
    "model": ("models",),
    "loss": ("losses",),
    "encoding": ("encodings",),
    "run": ("systems", "runs", "tables"),
}
RIVALS = {"model": ("classifiers",)}  # folders and sections whose names a run could mean instead
NAME = re.compile(r"[a-z][a-z0-9_]*")
TESTS, COUNTS = "tests/test_models.py", re.compile(r"^COUNTS = \{.*\n", re.MULTILINE)
COUNTED = re.compile(
    r"^>>> sum\(w\.numel\(\) for w in build\((\(.*?\), \d+), Params\(\)\)\.parameters\(\)\)\n(\d+)$", re.MULTILINE
)


@dataclass(frozen=True)
class Started:
    """What was written, and what a user does with it."""

    files: tuple[Path, ...]
    then: tuple[str, ...]


def start(kind: str, name: str, root: Path, of: Mapping[str, str] | None = None) -> Started:
    """Write a component's files and settings into a checkout; all of it, or nothing. A run is `of` a dataset and a model."""
    settings = _checked(kind, name, root)
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "class_name": _class_name(name)}
    words |= _of_run(settings, of or {}) if kind == "run" else {}
    texts = {
        root / "src" / "pqrst" / folder / f"{name}.py": _template(f"{folder}.py.txt", words) for folder in FOLDERS[kind]
    }
    then = tuple(_template(f"{kind}.then.txt", words).splitlines())
    if kind == "model":
        tests, line = _counted(root, name, texts[root / "src" / "pqrst" / "models" / f"{name}.py"])
        texts |= tests
        then = then if tests else (*then, f"write its count into the table COUNTS of {TESTS}: {line.strip()}")
    if kind == "run":
        texts[root / "tables" / f"{name}.yaml"] = _template("table.txt", words)
    texts[root / "params.yaml"] = _settings(kind, root, words, settings)  # last: a name in it asks for the file
    _write(texts)
    return Started(tuple(texts), then)


def _checked(kind: str, name: str, root: Path) -> Mapping[Any, Any]:
    """Refuse a name that no module can have or that another component has, and a folder that is no checkout; give its settings."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise SettingsError(
            f"{parsing.shown(name)} is no name for {'an' if kind[0] in 'aeiou' else 'a'} {kind}: small letters, digits and _, a letter first, no word of Python"
        )
    missing = [file for file in CHECKOUT if not (root / file).is_file()]
    if missing:
        raise SettingsError(
            f"{root.resolve()} is no checkout, it has no {missing[0]}; go to one, or name it with --root"
        )
    settings = parsing.read(root / "params.yaml", "params.yaml")
    folders = (*FOLDERS[kind], *RIVALS.get(kind, ()))
    sections = (*SECTIONS[kind], *RIVALS.get(kind, ()))
    taken = [f"src/pqrst/{folder}/{name}.py" for folder in folders if (root / f"src/pqrst/{folder}/{name}.py").exists()]
    taken += [f"tables/{name}.yaml"] if kind == "run" and (root / f"tables/{name}.yaml").exists() else []
    taken += [f"params.yaml: {one}.{name}" for one in sections if name in (settings.get(one) or {})]
    if taken:
        raise SettingsError(f"the name {name} is taken: {taken[0]} is there; choose another")
    return settings


def _of_run(settings: Mapping[Any, Any], of: Mapping[str, str]) -> dict[str, str]:
    """Name the dataset, the model and the split of a run, if there are such; the split is the dataset's first."""
    found = {}
    for word, sections in (("dataset", ("datasets",)), ("model", ("models", "classifiers"))):
        known = [one for section in sections for one in settings.get(section) or {}]
        given = of.get(word, "")
        if given not in known:
            what = f"there is no {word} {parsing.shown(given)}" if given else f"a run needs --{word}"
            raise SettingsError(f"{what}; {parsing.nearest(given, known)}")
        found[word] = given
    return found | {"split": next(iter(settings["datasets"][found["dataset"]]["splits"]))}


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _template(file: str, words: Mapping[str, str]) -> str:
    return Template((HERE / file).read_text(encoding="utf-8")).substitute(words)


def _counted(root: Path, name: str, text: str) -> tuple[dict[Path, str], str]:
    """Give the table of the tests with the number of parameters that the docstring tells, and the line; or the line alone."""
    found = COUNTED.search(text)
    if not found:
        raise AssertionError("the template of a model tells its number of parameters")
    line = f'    ("{name}", {found[1]}): {int(found[2]):_},  # replace: ours, none published\n'
    tests = root / TESTS
    before = tests.read_text(encoding="utf-8") if tests.is_file() else ""
    table = COUNTS.search(before)
    return ({tests: before[: table.end()] + line + before[table.end() :]} if table else {}), line


def _settings(kind: str, root: Path, words: Mapping[str, str], settings: Mapping[Any, Any]) -> str:
    """Give params.yaml with a component's lines at the heads of its sections, and every other byte as it is."""
    text, expected = (root / "params.yaml").read_bytes().decode(), dict(settings)
    for section in SECTIONS[kind]:
        lines = _template(f"{section}.yaml.txt", words)
        head = re.search(rf"^{section}:[ ]*(#.*)?\n", text, re.MULTILINE)
        if not head:
            raise SettingsError(f"params.yaml has no line `{section}:` to write under; write the section as a block")
        text = text[: head.end()] + lines + text[head.end() :]
        added, before = yaml.safe_load(lines), expected[section]
        expected[section] = [*added, *(before or [])] if isinstance(added, list) else {**added, **(before or {})}
    if _parsed(text) != expected:
        raise SettingsError(
            "params.yaml is laid out so that lines at the heads of its sections change others; write them by hand"
        )
    return text


def _parsed(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _write(texts: Mapping[Path, str]) -> None:
    """Write every file, or none."""
    before = {path: path.read_bytes() if path.exists() else None for path in texts}
    try:
        for path, text in texts.items():
            write_text(path, text)
    except OSError as error:
        for path, content in before.items():
            with suppress(OSError):  # the machine fails: what was not reached is as it was
                path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
        reason = error.strerror or error
        raise PqrstError(f"{error.filename or 'a file'} cannot be written ({reason}); nothing was changed") from None
