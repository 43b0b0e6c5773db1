"""Turn params.yaml into one complete settings file per stage and run, so that only what really changes runs again.

Layers of a run's training settings, later ones over earlier ones: `defaults`, the system's recipe, the profile, the
override layer at the top of params.yaml (only for runs that are not pinned), the run's own `set`.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from pqrst import catalog, scores
from pqrst.errors import SettingsError
from pqrst.params import AUTO, Run, RunSettings, Settings, Train, component, image_settings, known
from pqrst.parsing import nearest, number, parse


def resolve(s: Settings) -> dict[str, RunSettings]:
    """Give every run its complete settings; an override that no run takes is an error."""
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


def _run(s: Settings, name: str, overrides: Mapping[str, Any], taken: dict[str, list[str]]) -> RunSettings:
    run, path = s.runs[name], f"runs.{name}"
    task = _check_run(s, run, path)
    layers: dict[str, Any] = {"loss": s.systems[run.system].loss}
    for place, layer in (("defaults", s.defaults), (f"systems.{run.system}.train", s.systems[run.system].train),
                         (f"profiles.{s.profile}.train", s.profiles[s.profile].train)):  # fmt: skip
        for key, value in layer.items():
            known(key, s.train, place)
            layers[f"train.{key}"] = number(value)
    if not run.set and s.scope in ("all", run.system, name):
        for key, value in overrides.items():
            if key != "loss" or task in catalog.load("losses", value).TASKS:
                layers[key] = value
                taken[key].append(name)
    settings = {"model": dict(s.models[run.model] or {}), "losses": {k: dict(v or {}) for k, v in s.losses.items()}}
    _pin(layers, settings, run.set, path)
    return _finish(s, name, task, layers, settings)


def _check_run(s: Settings, run: Run, path: str) -> str:
    """Check the names that a run gives; return the task of its dataset."""
    known(run.system, s.systems, f"{path}.system")
    known(run.model, s.models, f"{path}.model")
    known(run.dataset, s.datasets, f"{path}.dataset")
    known(run.split, s.datasets[run.dataset].splits, f"{path}.split")
    inputs = {f"windows/{run.dataset}": "signal"} | {
        f"images/{n}": "image" for n, i in s.images.items() if i.dataset == run.dataset
    }
    known(run.input, inputs, f"{path}.input")
    accepts = catalog.load("models", run.model, f"{path}.model").ACCEPTS
    if accepts != inputs[run.input]:
        one = {"image": "an image"}.get(accepts, f"a {accepts}")
        raise SettingsError(f"{path}.model: {run.model} takes {one}, {run.input} holds {inputs[run.input]}s")
    return str(catalog.load("datasets", s.datasets[run.dataset].database).TASK)


def _pin(layers: dict[str, Any], settings: dict[str, Any], pinned: Mapping[str, Any], path: str) -> None:
    """Lay a run's own `set` over everything: loss, train.<setting>, model.<setting>, losses.<loss>.<setting>."""
    for key, value in pinned.items():
        first, _, rest = key.partition(".")
        if key == "loss" or (first == "train" and rest in {f.name for f in fields(Train)}):
            layers[key] = number(value) if first == "train" else value
        elif first == "model" and rest:
            settings["model"][rest] = value
        elif first == "losses" and rest.count(".") == 1 and rest.split(".")[0] in settings["losses"]:
            settings["losses"][rest.split(".")[0]][rest.split(".")[1]] = value
        else:
            known = ["loss", *(f"train.{f.name}" for f in fields(Train))]
            raise SettingsError(f"{path}.set.{key} is not a setting; {nearest(key, known)}")


def _finish(s: Settings, name: str, task: str, layers: Mapping[str, Any], settings: Mapping[str, Any]) -> RunSettings:
    run, path, loss = s.runs[name], f"runs.{name}", layers["loss"]
    given = {key.removeprefix("train."): value for key, value in layers.items() if key.startswith("train.")}
    known(loss, s.losses, f"{path}.set.loss")
    if task not in catalog.load("losses", loss).TASKS:
        raise SettingsError(f"{path}: the loss {loss} has no {task}-label form, and {run.dataset} is {task}-label")
    train = parse(Train, given, f"{path}.train")
    model = component(("models", run.model), settings["model"], f"models.{run.model}")
    losses = component(("losses", loss), settings["losses"][loss], f"losses.{loss}")
    return RunSettings(
        name, run.system, run.family, run.dataset, run.input, run.split, task, run.model, asdict(model), loss, asdict(losses),
        tuple(range(s.seed, s.seed + train.seeds)), train,
        catalog.digests("models", run.model) | catalog.digests("losses", loss),
    )  # fmt: skip


def _check_tables(s: Settings) -> None:
    """Check that every score exists, and that a table shows runs of its own family and scores that are computed."""
    for place, score in enumerate(s.scores):
        known(score, dict.fromkeys(scores.names()), f"scores[{place}]")
    for name, table in s.tables.items():
        for score in (*table.scores, *(cell for row in table.rows for cell in row.published)):
            known(score, dict.fromkeys(s.scores), f"tables.{name}")
        for place, row in enumerate(table.rows):
            if s.runs[row.run].family != table.family:
                raise SettingsError(
                    f"tables.{name}.rows[{place}].run: {row.run} is of family {s.runs[row.run].family}, the table shows {table.family}"
                )


def resolved_files(s: Settings) -> dict[str, dict[str, Any]]:
    """Give every file under resolved/ by its name: what each stage reads instead of params.yaml."""
    _check_tables(s)
    profile = s.profiles[s.profile]
    made_up = {"records": profile.records, "minutes": profile.minutes, "seed": s.seed}
    files: dict[str, dict[str, Any]] = {}
    own = {name: asdict(component(("datasets", name), given, f"databases.{name}")) for name, given in s.databases.items()}
    for name, settings in own.items():
        files[f"download/{name}.yaml"] = {"database": name, "source": profile.source, "settings": settings}
        if profile.source == "synthetic":  # fetched files are checked by their own sums, whatever code fetched them
            files[f"download/{name}.yaml"] |= made_up | {"code": catalog.digests("datasets", name)}
    for name, data in s.datasets.items():
        files[f"segment/{name}.yaml"] = {
            "dataset": name, "database": data.database, "settings": own[data.database], "window": asdict(data.window),
            "on_bad_record": data.on_bad_record, "code": catalog.digests("datasets", data.database),
        }  # fmt: skip
        files[f"split/{name}.yaml"] = {
            "dataset": name,
            "splits": {key: asdict(value) for key, value in data.splits.items()},
        }
    for name, image in s.images.items():
        files[f"encode/{name}.yaml"] = {
            "dataset": image.dataset, "encoding": image.encoding, "settings": asdict(image_settings(s, name)),
            "code": catalog.digests("encodings", image.encoding),
        }  # fmt: skip
    for name, run in resolve(s).items():
        files[f"runs/{name}.yaml"] = asdict(run)
    files["scores.yaml"] = {"scores": list(s.scores)}
    files |= {f"tables/{name}.yaml": asdict(table) for name, table in s.tables.items()}
    return files
