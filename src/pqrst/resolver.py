"""Turn params.yaml into one complete settings file per stage and run, so that only what really changes runs again.

Layers of a run's training settings, later ones over earlier ones: `defaults`, the system's recipe, the profile, the
override layer at the top of params.yaml (only for runs that are not pinned), the run's own `set`.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, Literal

from pqrst import catalog, scores
from pqrst.errors import SettingsError
from pqrst.params import AUTO, Row, Run, RunSettings, Settings, Table, Train, component, image_settings, known
from pqrst.parsing import nearest, number, parse

# how often and where a network is trained, not what it is: these overrides reach pinned runs too
NOT_PINNED = ("train.seeds", "train.threads", "train.device")


def resolve(s: Settings) -> dict[str, list[RunSettings]]:
    """Give every run its complete settings, for each value it is made over; an override that no run takes is an error."""
    overrides = {"loss": s.loss, **{f"train.{key}": number(value) for key, value in s.train.items()}}
    overrides = {key: value for key, value in overrides.items() if value != AUTO}
    for key in s.train:
        known(key, {f.name: f for f in fields(Train)}, "train")
    known(s.scope, {"all": 0} | s.systems | s.runs, "scope")
    if "loss" in overrides:
        known(s.loss, s.losses, "loss")
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
    task = _check_run(s, run, path)
    layers: dict[str, Any] = {"loss": s.systems[run.system].loss}
    profile = s.profiles[s.profile]
    for place, layer in (("defaults", s.defaults), (f"systems.{run.system}.train", s.systems[run.system].train),
                         (f"profiles.{s.profile}.train", profile.train),
                         (f"profiles.{s.profile}.systems.{run.system}", profile.systems.get(run.system, {}))):  # fmt: skip
        for key, value in layer.items():
            known(key, s.train, place)
            layers[f"train.{key}"] = number(value)
    if s.scope in ("all", run.system, name):
        pinned = {*run.set, *run.over} - {"part"}  # a part of a split is what is learned, not how
        for key, value in overrides.items():
            if pinned and key not in NOT_PINNED:
                continue
            if key != "loss" or task in catalog.load("losses", value).TASKS:
                layers[key] = value
                taken[key].append(name)
    return [_pinned(s, name, layers, point) for point in _values(run, path)]


def _values(run: Run, path: str) -> list[tuple[str, Any]]:
    """List the setting and each value that a run is made over; one empty pair for a plain run."""
    for setting, values in run.over.items():
        labels = [str(value) for value in values]
        for label in labels:
            if not re.fullmatch(r"[\w.+-]+", label) or label.startswith("."):
                raise SettingsError(
                    f"{path}.over.{setting}: {label!r} cannot name a folder; use letters, digits, _ . + -"
                )
        if len(set(labels)) < len(labels) or not labels:
            raise SettingsError(f"{path}.over.{setting} must list different values, got {', '.join(labels) or 'none'}")
        return [(setting, value) for value in values]
    return [("", "")]


def _pinned(s: Settings, name: str, layers: Mapping[str, Any], point: tuple[str, Any]) -> RunSettings:
    """Lay a run's own `set` and one value of its `over` on top of all other layers."""
    run, path, (setting, value) = s.runs[name], f"runs.{name}", point
    model = value if setting == "model" else run.model
    known(model, s.models | s.classifiers, f"{path}.over.model")
    task = _check_run(s, replace(run, model=model), path)
    own = {
        "model": dict((s.models | s.classifiers)[model] or {}),
        "losses": {k: dict(v or {}) for k, v in s.losses.items()},
    }
    above = dict(layers)
    _pin(above, own, run.set | ({setting: value} if setting not in ("", "model") else {}), path)
    return _finish(s, replace(run, model=model), (name, task, str(value)), above, own)


def _kind(s: Settings, model: str) -> Literal["models", "classifiers"]:
    return "classifiers" if model in s.classifiers else "models"


def _check_run(s: Settings, run: Run, path: str) -> str:
    """Check the names that a run gives; return the task of its dataset."""
    known(run.system, s.systems, f"{path}.system")
    known(run.model, s.models | s.classifiers, f"{path}.model")
    known(run.dataset, s.datasets, f"{path}.dataset")
    known(run.split, s.datasets[run.dataset].splits, f"{path}.split")
    inputs = {f"windows/{run.dataset}": "signal"} | {
        f"images/{n}": "image" for n, i in s.images.items() if i.dataset == run.dataset
    }
    known(run.input, inputs, f"{path}.input")
    module = catalog.load(_kind(s, run.model), run.model, f"{path}.model")
    accepts = module.ACCEPTS
    beside = accepts == "side" or getattr(module, "SIDE", ())
    if beside and s.datasets[run.dataset].window.side == "none":
        raise SettingsError(
            f"{path}.model: {run.model} takes what stands beside rows; {run.dataset} has window.side none"
        )
    if accepts not in (inputs[run.input], "side"):
        one = {"image": "an image"}.get(accepts, f"a {accepts}")
        raise SettingsError(f"{path}.model: {run.model} takes {one}, {run.input} holds {inputs[run.input]}s")
    return str(catalog.load("datasets", s.datasets[run.dataset].database).TASK)


def _pin(layers: dict[str, Any], settings: dict[str, Any], pinned: Mapping[str, Any], path: str) -> None:
    """Lay a run's own `set` over everything: loss, train.<setting>, model.<setting>, losses.<loss>.<setting>."""
    for key, value in pinned.items():
        first, _, rest = key.partition(".")
        if key == "loss" or (first == "train" and rest in {f.name for f in fields(Train)}):
            layers[key] = number(value) if first == "train" else value
        elif key == "part":
            layers[key] = value
        elif first == "model" and rest:
            settings["model"][rest] = value
        elif first == "losses" and rest.count(".") == 1 and rest.split(".")[0] in settings["losses"]:
            settings["losses"][rest.split(".")[0]][rest.split(".")[1]] = value
        else:
            known = ["loss", "part", *(f"train.{f.name}" for f in fields(Train))]
            raise SettingsError(f"{path}.set.{key} is not a setting; {nearest(key, known)}")


def _finish(
    s: Settings, run: Run, which: tuple[str, str, str], layers: Mapping[str, Any], settings: Mapping[str, Any]
) -> RunSettings:
    (name, task, value), loss = which, layers["loss"]
    path = f"runs.{name}"
    given = {key.removeprefix("train."): value for key, value in layers.items() if key.startswith("train.")}
    known(loss, s.losses, f"{path}.set.loss")
    part, parts = str(layers.get("part", "")), s.datasets[run.dataset].splits[run.split].parts
    known(part, dict.fromkeys(parts or [""]), f"{path}.set.part")
    if task not in catalog.load("losses", loss).TASKS:
        raise SettingsError(f"{path}: the loss {loss} has no {task}-label form, and {run.dataset} is {task}-label")
    train = parse(Train, given, f"{path}.train")
    kind = _kind(s, run.model)
    model = component((kind, run.model), settings["model"], f"{kind}.{run.model}")
    losses = component(("losses", loss), settings["losses"][loss], f"losses.{loss}")
    return RunSettings(
        name, run.system, run.family, run.dataset, run.input, run.split, task, run.model, asdict(model), loss, asdict(losses),
        tuple(range(s.seed, s.seed + train.seeds)), train,
        catalog.digests(kind, run.model) | catalog.digests("losses", loss), value, kind, part,
    )  # fmt: skip


def _check_tables(s: Settings, resolved: Mapping[str, list[RunSettings]]) -> None:
    """Check that every score exists, and that a table shows runs of its own family, and values that they are made over."""
    for place, score in enumerate(s.scores):
        known(score, dict.fromkeys(scores.names()), f"scores[{place}]")
    for family, page in s.tables.items():
        for name, table in page.items():
            path = f"tables.{family}.{name}"
            _check_columns(s, resolved, table, path)
            if table.baseline:
                known(table.baseline, {row.name: 0 for row in table.rows if row.run}, f"{path}.baseline")
            for place, row in enumerate(table.rows):
                if row.run:
                    _check_row(s, resolved, table, row, f"{path}.rows[{place}]")
                if row.run and s.runs[row.run].family != family:
                    raise SettingsError(
                        f"{path}.rows[{place}].run: {row.run} is of family {s.runs[row.run].family}, the table shows {family}"
                    )


def _check_columns(s: Settings, resolved: Mapping[str, list[RunSettings]], table: Table, path: str) -> None:
    """Check the scores that a table's columns name, and the values before them."""
    known(table.tested, table.scores, f"{path}.tested")
    values = {one.value: 0 for row in table.rows if row.run in resolved for one in resolved[row.run]}
    for column in (*table.scores, *(cell for row in table.rows for cell in row.published)):
        value, _, score = column.rpartition("/")
        if value:
            known(value, values, f"{path}.scores.{column}")
        if not scores.of_matrix(score):
            known(score, dict.fromkeys(s.scores), path)


def _check_row(s: Settings, resolved: Mapping[str, list[RunSettings]], table: Table, row: Row, path: str) -> None:
    """Check that a row's run exists, and has the value that is shown where the columns name none."""
    known(row.run, s.runs, f"{path}.run")
    values = [found.value for found in resolved[row.run]]
    if row.value not in values and any("/" not in column for column in table.scores):
        raise SettingsError(f"{path}.value: run {row.run} has no {row.value!r}; known: {', '.join(values) or 'none'}")


def resolved_files(s: Settings) -> dict[str, dict[str, Any]]:
    """Give every file under resolved/ by its name: what each stage reads instead of params.yaml."""
    resolved = resolve(s)
    _check_tables(s, resolved)
    files = _of_data(s)
    for name, found in resolved.items():
        files[f"runs/{name}.yaml"] = (
            {"over": {r.value: asdict(r) for r in found}} if s.runs[name].over else asdict(found[0])
        )
    files["scores.yaml"] = {"scores": list(s.scores)}
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
        files[f"download/{name}.yaml"] = _download(s, name, settings)
    for name, data in s.datasets.items():
        files[f"segment/{name}.yaml"] = {
            "dataset": name, "database": data.database, "settings": own[data.database], "window": asdict(data.window),
            "on_bad_record": data.on_bad_record, "code": catalog.digests("datasets", data.database),
        }  # fmt: skip
        tasks = getattr(catalog.load("datasets", data.database), "LABEL_TASKS", {})
        files[f"split/{name}.yaml"] = {
            "dataset": name,
            "splits": {key: asdict(value) for key, value in data.splits.items()},
            "tasks": {key: asdict(task) for key, task in tasks.items()},
        }
    for name, image in s.images.items():
        files[f"encode/{name}.yaml"] = {
            "dataset": image.dataset, "encoding": image.encoding, "settings": asdict(image_settings(s, name)),
            "code": catalog.digests("encodings", image.encoding),
        }  # fmt: skip
    return files


def _download(s: Settings, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    profile, path = s.profiles[s.profile], f"profiles.{s.profile}"
    for given in profile.recordings:
        known(given, s.databases, f"{path}.recordings")
    for given in profile.systems:
        known(given, s.systems, f"{path}.systems")
    told = {"database": name, "source": profile.source, "settings": settings}
    if profile.source != "synthetic":  # fetched files are checked by their own sums, whatever code fetched them
        return told
    records = profile.recordings.get(name, profile.records)
    made_up = {"records": records, "minutes": profile.minutes, "seed": s.seed}
    return told | made_up | {"code": catalog.digests("datasets", name)}
