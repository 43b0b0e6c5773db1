"""The files under resolved/, which stages read in place of params.yaml: all that one stage or run needs, complete and typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from pqrst import schemas
from pqrst.arrays import LabelTask
from pqrst.errors import SettingsError
from pqrst.files import write_text
from pqrst.params import Split, Train, Window
from pqrst.parsing import parse
from pqrst.published import Table
from pqrst.quality import Quality

SCHEMA = 1  # of the files under resolved/; before, they carried none


@dataclass(frozen=True)
class Download:
    """How one database is brought: the content of resolved/download/<database>.yaml."""

    database: str
    source: str
    settings: dict[str, Any]
    records: int | None = None  # this and what follows stand only where recordings are made up
    minutes: float | None = None
    seed: int | None = None
    code: dict[str, str] | None = None


@dataclass(frozen=True)
class Segment:
    """How one dataset is cut: the content of resolved/segment/<dataset>.yaml."""

    dataset: str
    database: str
    settings: dict[str, Any]  # of the database
    window: Window
    on_bad_record: Literal["stop", "skip"]
    code: dict[str, str]  # file -> SHA-256 of what reads the database
    quality: Quality = field(default_factory=Quality)


@dataclass(frozen=True)
class Splits:
    """Each way in which one dataset is split: the content of resolved/split/<dataset>.yaml."""

    dataset: str
    splits: dict[str, Split]
    tasks: dict[str, LabelTask]


@dataclass(frozen=True)
class Encode:
    """How one dataset is drawn ahead of training: the content of resolved/encode/<images>.yaml."""

    dataset: str
    encoding: str
    settings: dict[str, Any]  # of the encoding
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    code: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """What is computed of every network: the content of resolved/scores.yaml."""

    scores: tuple[str, ...]


@dataclass(frozen=True)
class RunSettings:
    """All that training and evaluating one run needs to know: the content of resolved/runs/<run>.yaml."""

    run: str
    system: str
    family: str
    dataset: str
    input: str
    split: str
    task: str
    model: str
    model_settings: dict[str, Any]
    loss: str
    loss_settings: dict[str, Any]
    seeds: tuple[int, ...]
    train: Train
    code: dict[str, str]  # file -> SHA-256 of the components used
    value: str = ""  # of the setting that the run is made over
    kind: Literal["models", "classifiers"] = "models"  # of the model: a network, or a scikit-learn estimator
    part: str = ""  # of the split
    frontend: str = ""
    frontend_settings: dict[str, Any] = field(default_factory=dict)
    encoding: str = ""
    encoding_settings: dict[str, Any] = field(default_factory=dict)
    weights: str = ""  # a file that a network's first weights come from


File = TypeVar("File", Download, Segment, Splits, Encode, Scores)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write one resolved file; tuples become lists, keys keep their order."""
    write_text(path, yaml.safe_dump({**_plain(content), "schema": SCHEMA}, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _content(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise SettingsError(f"{path} is missing; run `dvc repro resolve`")
    given, anew = yaml.safe_load(path.read_text(encoding="utf-8")), "resolve the settings anew with `dvc repro resolve`"
    schemas.check(given, str(path), SCHEMA, SCHEMA, anew)
    return {key: value for key, value in given.items() if key != "schema"}


def read(kind: type[File], path: Path) -> File:
    """Read one resolved file as what it holds."""
    return parse(kind, _content(path), path.stem)


def read_run(path: Path) -> list[RunSettings]:
    """Read the resolved settings of one run, one for each value that it is made over."""
    given = _content(path)
    return [parse(RunSettings, one, path.stem) for one in (given["over"].values() if "over" in given else [given])]


def read_tables(path: Path) -> dict[str, Table]:
    """Read the tables of one family, by name."""
    return {name: parse(Table, given, name) for name, given in _content(path).items()}
