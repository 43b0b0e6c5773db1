"""The files under resolved/, which stages read in place of params.yaml: all that one stage or run needs, complete and typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from pqrst.arrays import write_text
from pqrst.errors import SettingsError
from pqrst.params import Train
from pqrst.parsing import parse


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


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write one resolved file; tuples become lists, keys keep their order."""
    write_text(path, yaml.safe_dump(_plain(content), sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def read_resolved(path: Path) -> dict[str, Any]:
    """Read one resolved file."""
    if not path.exists():
        raise SettingsError(f"{path} is missing; run `dvc repro resolve`")
    return dict(yaml.safe_load(path.read_text()))


def read_run(path: Path) -> list[RunSettings]:
    """Read the resolved settings of one run, one for each value that it is made over."""
    given = read_resolved(path)
    return [parse(RunSettings, one, path.stem) for one in (given["over"].values() if "over" in given else [given])]
