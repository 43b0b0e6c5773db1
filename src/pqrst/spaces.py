"""What a search may change: ranges and choices in the words of `dvc exp run -S`, held against params.yaml before the first trial."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides, to_hydra_overrides
from hydra.errors import HydraException

from pqrst import params, parsing, resolver
from pqrst.errors import SettingsError
from pqrst.params import Run, Settings, known

OVERRIDES = ("loss", "frontend")  # with train.<setting>, what `scope` narrows
ALWAYS = ("loss", "accuracy", "f1_macro")  # what every training says of its validation rows, epoch by epoch
GRAMMAR = "give interval(a,b), int(interval(a,b)), tag(log,interval(a,b)), range(a,b,step), choice(a,b,c) or one value"


@dataclass(frozen=True)
class Dimension:
    """One setting that is searched: numbers of a range, or some values as text."""

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None  # none: any number between
    whole: bool = False

    @property
    def ends(self) -> tuple[Any, ...]:
        """Give the values that are tried before the first trial: all choices, or both ends."""
        return self.choices or (self.low, self.high)


@dataclass(frozen=True)
class Space:
    """What is searched, and what is set alike in every trial."""

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...]  # as -S takes them

    def overrides(self, point: Mapping[str, Any]) -> list[str]:
        """Give one point as what -S takes."""
        return [*self.fixed, *(f"{key}={_text(value)}" for key, value in point.items())]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def read(file: Path) -> list[str]:
    """Read a file of `setting: range` lines as what -S takes."""
    return [f"{parsing.named(key)}={_text(value)}" for key, value in parsing.read(file, str(file)).items()]


def space(given: Sequence[str], run: str) -> Space:
    """Read a search's settings; those that `scope` narrows reach this run alone unless a scope is given."""
    overrides = [_override(text) for text in given]
    keys = [one.key_or_group for one in overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise SettingsError(f"{key} is given twice; give it once")
    searched = tuple(_dimension(one) for one in overrides if one.is_sweep_override())
    if not searched:
        raise SettingsError(f"nothing is searched; {GRAMMAR}, such as -S 'train.lr=tag(log,interval(1e-4,1e-2))'")
    fixed = [text for text, one in zip(given, overrides, strict=True) if not one.is_sweep_override()]
    narrowed = any(key in OVERRIDES or key.startswith("train.") for key in keys)
    return Space(searched, tuple(fixed + [f"scope={run}"] * (narrowed and "scope" not in keys)))


def _override(text: str) -> Any:
    try:
        return to_hydra_overrides([text])[0]
    except HydraException as error:
        why = str(error.__cause__ or error).partition("\n")[0]
        raise SettingsError(f"-S {text}: {why}; {GRAMMAR}") from None


def _dimension(one: Any) -> Dimension:
    key, sweep = one.key_or_group, one.value()
    if not one.is_choice_sweep() and sweep.tags - {"log"}:
        raise SettingsError(f"{key}: the tag {min(sweep.tags - {'log'})} is not known; known: log")
    if one.is_choice_sweep():
        choices = tuple(one.sweep_string_iterator())
        if len(set(choices)) < len(choices):
            raise SettingsError(f"{key} lists a value twice; list it once")
        return Dimension(key, choices)
    if one.is_interval_sweep():
        found = Dimension(key, (), sweep.start, sweep.end, "log" in sweep.tags, None, isinstance(sweep.start, int))
    else:
        values, whole = list(sweep.range()), isinstance(sweep.step, int) and isinstance(sweep.start, int)
        if not values or sweep.step <= 0:
            raise SettingsError(f"{key}: range counts upwards, and stops before its end; it holds no value")
        found = Dimension(key, (), values[0], values[-1], "log" in sweep.tags, sweep.step, whole)
    if found.low > found.high or (found.log and found.low <= 0) or (found.log and found.step):
        raise SettingsError(
            f"{key}: from {found.low} to {found.high} is no such range; low first, log above 0 and without steps"
        )
    return found


def check(root: Path, run: str, searched: Space, by: str) -> int:
    """Hold the ends and choices of every setting against the real parser and against the run; give the epochs of a trial at most."""
    first = {one.key: one.ends[0] for one in searched.dimensions}
    with TemporaryDirectory() as place:
        folder = Path(place)
        if not (root / "params.yaml").is_file():
            raise SettingsError(
                f"{root.absolute()} holds no params.yaml; run this in a checkout of pqrst, or give --root"
            )
        given = parsing.read(root / "params.yaml", "params.yaml")
        for text in searched.overrides(first):
            _check_key(_override(text), given)
        shutil.copytree(root / "tables", folder / "tables")
        base = _resolved(root, folder, run, searched.overrides(first))
        _check_run(base, run, by)
        most = base.epochs
        for one in searched.dimensions:
            for value in one.ends[1:]:
                other = _resolved(root, folder, run, searched.overrides(first | {one.key: value}))
                _check_run(other, run, by)
                _check_alike(base, other, one.key, by)
                if other.files == base.files:
                    raise SettingsError(
                        f"{one.key}: {run} learns the same with {first[one.key]} and {value}; search what it uses"
                    )
                most = max(most, other.epochs)
    return most


@dataclass(frozen=True)
class _Resolved:
    """The settings of one point, and the resolved files that a run hangs on."""

    settings: Settings
    run: Run
    files: dict[str, Any]
    networks: list[dict[str, Any]]  # the run's settings, one for each value that it is made over

    @property
    def epochs(self) -> int:
        return max(int(one["train"]["epochs"]) for one in self.networks)


def _resolved(root: Path, folder: Path, run: str, overrides: list[str]) -> _Resolved:
    file = folder / "params.yaml"
    shutil.copyfile(root / "params.yaml", file)
    try:
        apply_overrides(file, overrides)
    except DvcException as error:
        why = " ".join(str(error.__cause__ or error).split())
        raise SettingsError(f"{', '.join(overrides)}: {why}") from None
    settings = params.load(file)
    known(run, settings.runs, "RUN")
    one = settings.runs[run]
    found = resolver.resolved_files(replace(settings, runs={run: one}, tables={}))  # the others cost a second
    database, image = settings.datasets[one.dataset].database, one.input.partition("/")[2]
    names = (f"runs/{run}", f"segment/{one.dataset}", f"split/{one.dataset}", f"download/{database}", f"encode/{image}")
    files = {name: found[f"{name}.yaml"] for name in names if f"{name}.yaml" in found}
    networks = files[f"runs/{run}"]
    return _Resolved(settings, one, files, list(networks["over"].values()) if "over" in networks else [networks])


def _check_key(override: Any, given: Mapping[Any, Any]) -> None:
    """Refuse a setting that params.yaml does not have, unless it is added or taken away."""
    if override.type.name != "CHANGE":
        return
    place: Any = given
    path = ""
    for part in override.key_or_group.split("."):
        if not isinstance(place, Mapping) or part not in place:
            names = [str(name) for name in place] if isinstance(place, Mapping) else []
            raise SettingsError(f"{path}{part} is not a setting of params.yaml; {parsing.nearest(part, names)}")
        place, path = place[part], f"{path}{part}."


def _check_run(found: _Resolved, run: str, by: str) -> None:
    """Refuse a run that validation rows say nothing of, or nothing that a test row has not said."""
    split = found.settings.datasets[found.run.dataset].splits[found.run.split]
    parts = params.parts_of(split, "")
    for network in found.networks:
        if network["kind"] == "classifiers":
            raise SettingsError(f"{run} has a classifier, which learns from validation rows too; search a network")
        if parts[network["part"]].test_chooses:
            raise SettingsError(
                f"{run}: in the split {found.run.split} test rows choose the epoch; search a run whose split has validation rows"
            )
        select = network["train"]["select"]
        known(by, dict.fromkeys((*ALWAYS, *({select} - {"last"}))), "--by")


def _check_alike(one: _Resolved, other: _Resolved, key: str, by: str) -> None:
    """Refuse trials whose figures could not be compared: of other rows, or of another loss."""

    def rows(found: _Resolved) -> Any:
        return found.files[f"split/{found.run.dataset}"]["splits"][found.run.split]

    def measure(found: _Resolved) -> Any:
        return [(n["loss"], n["loss_settings"], n["train"]["class_weight_alpha"]) for n in found.networks]

    if rows(one) != rows(other):
        raise SettingsError(
            f"{key} changes which rows are validation rows, and figures of other rows do not compare; leave it out"
        )
    if by == "loss" and measure(one) != measure(other):
        raise SettingsError(
            f"{key} changes what the loss is, and two losses do not compare; take --by f1_macro or accuracy"
        )
