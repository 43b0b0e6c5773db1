"""Turn params.yaml into one complete settings file per stage and run, so that only what really changes runs again.

Layers of a run's training settings, later ones over earlier ones: `defaults`, the system's recipe, the profile, the
override layer at the top of params.yaml (only for runs that are not pinned), the run's own `set`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pqrst import catalog, engines, run_checks, table_checks
from pqrst.errors import SettingsError
from pqrst.files import file_digest
from pqrst.params import AUTO, Run, Settings, Train, component, drawing_settings, known, quality_of
from pqrst.parsing import nearest, number, parse
from pqrst.resolved import Download, Encode, RunSettings, Scores, Segment, Splits

# how often and where a network is trained, not what it is: these overrides reach pinned runs too
NOT_PINNED = ("train.seeds", "train.threads", "train.device", "train.processes")
MOST = "most_epochs"  # that a run may be trained, whatever it says of itself; 0 = as many as it says, or as -S does


def resolve(s: Settings) -> dict[str, list[RunSettings]]:
    """Give every run its complete settings, for each value it is made over; an override that no run takes is an error."""
    overrides = {
        "loss": s.loss,
        "frontend": s.frontend,
        **{f"train.{key}": number(value) for key, value in s.train.items()},
    }
    overrides = {key: value for key, value in overrides.items() if value != AUTO}
    for key in s.train:
        known(key, {f.name: f for f in fields(Train)}, "train")
    known(s.scope, {"all": 0} | s.systems | s.runs, "scope")
    for key, entries in (("loss", s.losses), ("frontend", {"": 0} | s.frontends)):
        if key in overrides:
            known(overrides[key], entries, key)
    taken: dict[str, list[str]] = {key: [] for key in overrides}
    runs = {name: _run(s, name, overrides, taken) for name in s.runs}
    for key, names in taken.items():
        if not names:
            raise SettingsError(
                f"{key}={overrides[key]}: no run in scope {s.scope} takes this; set scope to all, or name an unpinned run"
            )
    return runs


def _run(s: Settings, name: str, overrides: Mapping[str, Any], taken: dict[str, list[str]]) -> list[RunSettings]:
    run, path = s.runs[name], f"runs.{name}"
    if len(run.over) > 1:
        raise SettingsError(f"{path}.over names {' and '.join(run.over)}; a run is made over one setting")
    task = run_checks.check(s, run, path)
    profile = s.profiles[s.profile]
    layers: dict[str, Any] = {"loss": s.systems[run.system].loss, "frontend": run.frontend, MOST: profile.most_epochs}
    for place, layer in (("defaults", s.defaults), (f"systems.{run.system}.train", s.systems[run.system].train),
                         (f"profiles.{s.profile}.train", profile.train),
                         (f"profiles.{s.profile}.systems.{run.system}", profile.systems.get(run.system, {}))):  # fmt: skip
        for key, value in layer.items():
            known(key, s.train, place)
            layers[f"train.{key}"] = number(value)
    if s.scope in ("all", run.system, name):
        pinned = {*run.set, *run.over, *run.arms} - {"part"}  # a part of a split is what is learned, not how
        for key, value in overrides.items():
            if pinned and key not in NOT_PINNED:
                continue
            if _takes(s, run, task, (key, value)):
                layers[key] = value
                layers |= {MOST: 0} if key == "train.epochs" else {}
                taken[key].append(name)
    for arm in run.brief:
        known(arm, run.arms, f"{path}.brief")
    chosen = {arm: run.arms[arm] for arm in run.brief} if run.brief and profile.brief else run.arms
    return [_pinned(s, name, layers, label, own) for label, own in _points(replace(run, arms=chosen), path)]


def _takes(s: Settings, run: Run, task: str, override: tuple[str, Any]) -> bool:
    """Say whether an override can serve a run."""
    key, value = override
    if key == "frontend":
        return not run_checks.undrawable(s, run)
    return key != "loss" or run_checks.serves(value, task)


def _points(run: Run, path: str) -> list[tuple[str, dict[str, Any]]]:
    """List what a run is made over, each with its label and its own settings: its arms, the values of `over`, or both."""
    points: list[tuple[str, dict[str, Any]]] = [("", {})]
    if run.arms:
        _check_labels(list(run.arms), f"{path}.arms")
        points = list(run.arms.items())
    for setting, values in run.over.items():
        labels = [str(value) for value in values]
        _check_labels(labels, f"{path}.over.{setting}")
        points = [
            ("/".join(filter(None, (arm, label))), own | {setting: value})
            for arm, own in points
            for label, value in zip(labels, values, strict=True)
        ]
    return points


def _check_labels(labels: Sequence[str], path: str) -> None:
    for label in labels:
        if not re.fullmatch(r"[\w.+-]+", label) or label.startswith("."):
            raise SettingsError(f"{path}: {label!r} cannot name a folder; use letters, digits, _ . + -")
    if len(set(labels)) < len(labels) or not labels:
        raise SettingsError(f"{path} must list different values, got {', '.join(labels) or 'none'}")


def _pinned(s: Settings, name: str, layers: Mapping[str, Any], label: str, point: Mapping[str, Any]) -> RunSettings:
    """Lay a run's own `set`, and that of one of its arms or values, on top of all other layers."""
    pinned = s.runs[name].set | dict(point)
    above, path = dict(layers), _path(s.runs[name], name, label)
    parts = {"frontend": above.pop("frontend")}
    parts |= {key: pinned.pop(key) for key in ("model", "drawing", "frontend") if key in pinned}
    run = replace(s.runs[name], **parts)
    task = run_checks.check(s, run, path)
    own = {
        "model": dict((s.models | s.classifiers)[run.model] or {}),
        "frontend": dict(s.frontends.get(run.frontend) or {}),
        "drawing": _drawn(s, run),
        "losses": {k: dict(v or {}) for k, v in s.losses.items()},
    }
    _pin(above, own, pinned, path)
    return _finish(s, run, (name, task, label), above, own)


def _path(run: Run, name: str, label: str) -> str:
    """Name the run, or its arm that a label begins with, for an error message."""
    return f"runs.{name}.arms.{label.partition('/')[0]}" if run.arms else f"runs.{name}"


def _of(path: str) -> str:
    """Name where the settings of a run stand, or those of its arm."""
    return path if ".arms." in path else f"{path}.set"


def _before(path: str) -> str:
    """Begin a message about a component's setting with the arm that it came from."""
    return f"{path}: " if ".arms." in path else ""


def _drawn(s: Settings, run: Run) -> dict[str, Any]:
    """Give the settings of the encoding that a run draws its batches by.

    A profile may want smaller pictures; an encoding whose own size was changed, by -S say, keeps it.
    """
    if not run.drawing:
        return {}
    found, pixels, name = (
        drawing_settings(s, run.drawing),
        s.profiles[s.profile].pixels,
        s.drawings[run.drawing].encoding,
    )
    shipped = getattr(component(("encodings", name), {}, f"encodings.{name}"), "size", None)
    changed = (s.encodings[name] or {}).get("size", shipped) != shipped
    return found | {"size": pixels} if pixels and "size" in found and not changed else found


def _pin(layers: dict[str, Any], settings: dict[str, Any], pinned: Mapping[str, Any], path: str) -> None:
    """Lay a run's own `set` over everything.

    It holds loss, part, train.<setting>, losses.<loss>.<setting>, and <setting> of model, frontend and drawing.
    """
    for key, value in pinned.items():
        first, _, rest = key.partition(".")
        if key == "loss" or (first == "train" and rest in {f.name for f in fields(Train)}):
            layers[key] = number(value) if first == "train" else value
        elif key == "part":
            layers[key] = value
        elif first in ("model", "frontend", "drawing") and rest:
            settings[first][rest] = value
        elif first == "losses" and rest.count(".") == 1 and rest.split(".")[0] in settings["losses"]:
            settings["losses"][rest.split(".")[0]][rest.split(".")[1]] = value
        else:
            known = ["loss", "part", "model", "frontend", "drawing", *(f"train.{f.name}" for f in fields(Train))]
            raise SettingsError(f"{_of(path)}.{key} is not a setting; {nearest(key, known)}")


def _finish(
    s: Settings, run: Run, which: tuple[str, str, str], layers: Mapping[str, Any], settings: Mapping[str, Any]
) -> RunSettings:
    (name, task, value), loss = which, layers["loss"]
    path = _path(s.runs[name], name, value)
    known(loss, s.losses, f"{_of(path)}.loss")
    part, parts = str(layers.get("part", "")), s.datasets[run.dataset].splits[run.split].parts
    known(part, dict.fromkeys(parts or [""]), f"{_of(path)}.part")
    if not run_checks.serves(loss, task):
        raise SettingsError(f"{path}: the loss {loss} has no {task}-label form, and {run.dataset} is {task}-label")
    train = _training(layers, path)
    run_checks.check_training(s, run, part, train, path)
    kind, arm = run_checks.kind_of(s, run.model), _before(path)
    model = component((kind, run.model), settings["model"], f"{arm}{kind}.{run.model}")
    losses = component(("losses", loss), settings["losses"][loss], f"{arm}losses.{loss}")
    frontend = _optional(("frontends", run.frontend), settings["frontend"], path)
    drawn_by = s.drawings[run.drawing].encoding if run.drawing else ""
    encoding = _optional(("encodings", drawn_by), settings["drawing"], path)
    weights = s.weights.get(run.model, "")
    code = catalog.digests(kind, run.model) | catalog.digests("losses", loss) | frontend.code | encoding.code
    return RunSettings(
        run=name, system=run.system, family=run.family, dataset=run.dataset, input=run.input, split=run.split, part=part,
        task=task, kind=kind, model=run.model, model_settings=asdict(model), loss=loss, loss_settings=asdict(losses),
        frontend=run.frontend, frontend_settings=frontend.settings, encoding=drawn_by, encoding_settings=encoding.settings,
        seeds=tuple(range(s.seed, s.seed + train.seeds)), train=train, value=value, weights=weights,
        code=code | _weights(weights, run.model),
    )  # fmt: skip


def _training(layers: Mapping[str, Any], path: str) -> Train:
    """Read the training settings of all layers, for no more epochs than the profile allows."""
    given = {key.removeprefix("train."): value for key, value in layers.items() if key.startswith("train.")}
    train = parse(Train, given, f"{path}.train")
    return replace(train, epochs=min(train.epochs, layers[MOST] or train.epochs))


@dataclass(frozen=True)
class _Part:
    """A part that a network may do without: its settings, and the digests of its code."""

    settings: dict[str, Any] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)


def _optional(which: tuple[str, str], given: Mapping[str, Any], path: str) -> _Part:
    kind, name = which
    if not name and given:
        word = {"frontends": "frontend", "encodings": "drawing"}[kind]
        raise SettingsError(f"{_of(path)}.{word}.{next(iter(given))} is set, but no {word} is; name one, or remove it")
    if not name:
        return _Part()
    return _Part(asdict(component(which, given, f"{_before(path)}{kind}.{name}")), catalog.digests(kind, name))


def _weights(file: str, model: str) -> dict[str, str]:
    """Name the content of a file of weights, so that another one is noticed."""
    if not file:
        return {}
    if not Path(file).is_file():
        raise SettingsError(f"weights.{model}: there is no file {file}; give one, or '' for random weights")
    return {"weights": file_digest(Path(file))}


def resolved_files(s: Settings) -> dict[str, dict[str, Any]]:
    """Give every file under resolved/ by its name: what each stage reads instead of params.yaml."""
    resolved = resolve(s)
    table_checks.check(s, {name: [one.value for one in found] for name, found in resolved.items()})
    files = _of_data(s)
    for name, found in resolved.items():
        files[f"runs/{name}.yaml"] = (
            {"over": {r.value: asdict(r) for r in found}} if found[0].value else asdict(found[0])
        )
    files["scores.yaml"] = asdict(Scores(s.scores))
    files[engines.FILE] = {"engine": engines.checked(s.engine)}
    return files | {
        f"tables/{name}.yaml": {key: asdict(one) for key, one in page.items()} for name, page in s.tables.items()
    }


def _of_data(s: Settings) -> dict[str, dict[str, Any]]:
    """Give the files of the stages that make data."""
    files: dict[str, dict[str, Any]] = {}
    own = {
        name: asdict(component(("datasets", name), given, f"databases.{name}")) for name, given in s.databases.items()
    }
    for name, settings in own.items():
        brought = asdict(_download(s, name, settings))
        files[f"download/{name}.yaml"] = {key: value for key, value in brought.items() if value is not None}
    for name, data in s.datasets.items():
        code = catalog.digests("datasets", data.database)
        quality = quality_of(s, name)
        cut = Segment(name, data.database, own[data.database], data.window, data.on_bad_record, code, quality)
        tasks = getattr(catalog.load("datasets", data.database), "LABEL_TASKS", {})
        files |= {f"segment/{name}.yaml": asdict(cut), f"split/{name}.yaml": asdict(Splits(name, data.splits, tasks))}
    for name, image in s.images.items():
        drawn_by = s.drawings[image.drawing].encoding
        p = component(("encodings", drawn_by), drawing_settings(s, image.drawing), "")
        drawn = Encode(image.dataset, drawn_by, asdict(p), image.dtype, catalog.digests("encodings", drawn_by))
        files[f"encode/{name}.yaml"] = asdict(drawn)
    return files


def _download(s: Settings, name: str, settings: dict[str, Any]) -> Download:
    profile, path = s.profiles[s.profile], f"profiles.{s.profile}"
    for key in ("recordings", "sources"):
        for given in getattr(profile, key):
            known(given, s.databases, f"{path}.{key}")
    for given in profile.systems:
        known(given, s.systems, f"{path}.systems")
    source = profile.sources.get(name) or profile.source
    if source != "synthetic":  # fetched files are checked by their own sums, whatever code fetched them
        return Download(name, source, settings)
    records, code = profile.recordings.get(name, profile.records), catalog.digests("made_up", name)
    return Download(name, source, settings, records, profile.minutes, s.seed, code)
