"""Every value and seed of one run, trained: data and split in, a folder per trained network out."""

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pqrst import artifact, catalog, estimators, leaks, loaders, networks, training, weights
from pqrst.console import log
from pqrst.contracts import Contract, Fitted
from pqrst.decisions import Calibration, by_recording, calibrate, fit_thresholds, probabilities
from pqrst.errors import SettingsError
from pqrst.inference import Rows, logits
from pqrst.opened import Opened
from pqrst.parsing import parse
from pqrst.ranks import ALONE, Group
from pqrst.resolved import RunSettings
from pqrst.standardisation import Kind, Standardisation, fit_standardisation
from pqrst.treatment import beside
from pqrst.workers import side_by_side

# Settings that decide no training: names, among them that of a file whose content is named among the code; and how many
# seeds there are, where rows lie, how many processes share a batch, and what is fitted once they are learned.
NAMES = ("seeds", "run", "value", "system", "family", "split", "part", "weights", "train")
AFTERWARDS = ("seeds", "thresholds", "resident_gb", "processes")
Logger = Callable[[str], Any]  # of a member's name; a context that gives what to call after each epoch


@dataclass(frozen=True)
class Places:
    """Where trained networks go, and where their checkpoints are kept."""

    out: Path
    scratch: Path


@dataclass(frozen=True)
class Prepared:
    """What training one network needs."""

    settings: RunSettings
    opened: Opened
    standardisation: Standardisation
    side: "Beside"
    digest: str  # of the settings
    place: int = 0  # among the values that the run is made over

    # what each number is fitted on is taken here and nowhere else, and the contract tells it
    @cached_property
    def rows(self) -> np.ndarray:
        """Give the numbers of the train rows."""
        return self.opened.sides.rows("train")

    @cached_property
    def chosen(self) -> np.ndarray:
        """Give the numbers of the rows that choose epoch, temperature and thresholds."""
        return self.opened.sides.choosing()

    @cached_property
    def counts(self) -> np.ndarray:
        """Count the train rows of each class."""
        return self.opened.bundle.class_counts(self.rows)

    @property
    def fitted(self) -> Fitted:
        """Tell on what a network was fitted."""
        return Fitted(leaks.mark(self.rows), leaks.mark(self.chosen), tuple(self.counts.tolist()))


@dataclass(frozen=True)
class Beside:
    """The numbers beside all rows that the model takes, and how they are standardised."""

    columns: tuple[str, ...]
    values: np.ndarray  # (rows, columns)
    standardisation: Standardisation


def settings_digest(s: RunSettings) -> str:
    """Name all that decides a network but its seed and the data; a setting at its default names nothing."""
    told = _unusual(s, NAMES) | {"train": _unusual(s.train, AFTERWARDS)}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _unusual(settings: Any, without: Collection[str]) -> dict[str, Any]:
    """List the fields that have no default or differ from it, so that one more of them renames no training."""
    usual = {f.name: f.default_factory() if callable(f.default_factory) else f.default for f in fields(settings)}
    values = ((name, getattr(settings, name)) for name in usual if name not in without)
    return {name: value for name, value in values if value != usual[name]}


def train(
    variants: Sequence[RunSettings], parts: Mapping[str, Opened], places: Places, logger: Logger, workers: int = 1,
    *, group: Group = ALONE,
) -> None:  # fmt: skip
    """Train every value and seed of a run, side by side on a CPU; `logger(member)` gives what to call after each epoch.

    The processes of a group train one network after another together.
    """
    training.prepare_process(variants[0].train.threads)
    jobs = [
        partial(_train_one, (s, place), seed, parts[s.part], places, logger, group=group)
        for place, s in enumerate(variants)
        for seed in s.seeds
    ]
    side_by_side(jobs, workers if training.device(variants[0].train.device).type == "cpu" else 1)


def _train_one(
    which: tuple[RunSettings, int], seed: int, opened: Opened, places: Places, logger: Logger, *, group: Group
) -> None:
    s, place = which
    where, rows = training.device(s.train.device), opened.sides.rows("train")
    seen = loaders.parts(opened.bundle.x, rows, opened.bundle.meta.steps)
    standardisation = group.told(lambda: fit_standardisation(s.train.standardise, seen))
    run = Prepared(s, opened, standardisation, _beside(s, opened, rows), settings_digest(s), place)
    kept = places.scratch / "train" / f"{run.digest[:16]}-{opened.learned[:16]}" / f"{seed}.safetensors"
    member = artifact.member(seed, s.value)
    if s.kind == "classifiers":
        if not group.rank:
            _fit_estimator(run, seed, places, logger)
        return
    log.info("run %s, %s: %s train rows, %s epochs at most, on %s", s.run, member, len(rows), s.train.epochs, where)
    with nullcontext(_say_nothing) if group.rank else logger(member) as on_epoch:
        data = _data(run, where, seed)
        fitted = training.fit(_lesson(run, where), data, seed, kept, on_epoch, group=group)
    if group.rank:
        return
    learned = _contract(run, seed, _parameters(_build(run)), fitted.best_epoch, len(fitted.history))
    calibration, thresholds = _decisions(run, fitted, data)
    contract = replace(learned, calibration=calibration, thresholds=thresholds)
    artifact.save(places.out / member, contract, artifact.of_network(fitted.weights), fitted.history)


def _say_nothing(_row: training.Row) -> None:
    """Leave what there is to say after an epoch to the first process."""


def _decisions(run: Prepared, fitted: training.Fitted, data: training.Data) -> tuple[Calibration, tuple[float, ...]]:
    """Fit temperature and thresholds of the chosen epoch's weights, on the recordings that chose it."""
    t, task, opened = run.settings.train, run.settings.task, run.opened
    model = _build(run)
    model.load_state_dict(fitted.weights)
    model.to(data.validation_y.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    found = logits(model, data.validation_x, crop=training.crop_of(t)).cpu().numpy()
    which, first = opened.recordings(run.chosen)
    labels = opened.bundle.y[first].astype(np.int64)
    calibration = calibrate(found, labels, which, task, opened.sides.chooses)
    if task == "single" or t.thresholds == "none":
        return calibration, ()
    probability = by_recording(probabilities(found, task, calibration.temperature), which)
    return calibration, fit_thresholds(probability, labels, t.thresholds)


def _fit_estimator(run: Prepared, seed: int, places: Places, logger: Logger) -> None:
    """Fit a scikit-learn estimator; validation rows, which it has no use for, train too."""
    member = artifact.member(seed, run.settings.value)
    rows = np.union1d(run.rows, run.opened.sides.rows("validation"))
    contract = replace(_contract(run, seed, None, 0, 0), fitted=Fitted(leaks.mark(rows)))
    log.info("run %s, %s: %s train rows", contract.run, member, len(rows))
    with logger(member):
        estimator = estimators.fit(contract, run.opened.bundle, rows)
    artifact.save(places.out / member, contract, estimators.saved(estimator), [])


def _beside(s: RunSettings, opened: Opened, train_rows: np.ndarray) -> Beside:
    """Choose what stands beside the rows for a model that takes it, and fit its standardisation."""
    meta, module = opened.bundle.meta, catalog.load(s.kind, s.model)
    columns = meta.side if s.kind == "classifiers" else getattr(module, "SIDE", ())
    if not columns:
        return Beside((), np.zeros((0, 0)), Standardisation("none"))
    values = beside(opened.bundle.side, meta.side, columns)
    kind: Kind = "none" if s.kind == "classifiers" else "train"
    return Beside(tuple(columns), values, fit_standardisation(kind, loaders.parts(values, train_rows)))


def _parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def _build(run: Prepared) -> torch.nn.Module:
    s, bundle = run.settings, run.opened.bundle
    shape = training.crop_of(s.train).shape(tuple(bundle.x.shape[1:]))
    return networks.build(s, shape, len(bundle.meta.classes), bundle.meta.fs)


def _lesson(run: Prepared, where: torch.device) -> training.Lesson:
    s, module = run.settings, catalog.load("losses", run.settings.loss)
    p = parse(module.Params, s.loss_settings, f"losses.{s.loss}")
    more = {"rows": len(run.rows)} if "rows" in inspect.signature(module.build).parameters else {}
    loss = module.build(s.task, run.counts, p, **more)
    return training.Lesson(lambda: _first(run), loss.to(where), s.train)


def _first(run: Prepared) -> torch.nn.Module:
    """Build the network that training starts from: with weights drawn at random, or those of a file."""
    model, file = _build(run), run.settings.weights
    if file:
        log.info("run %s: %s", run.settings.run, weights.load(getattr(model, "model", model), Path(file)))
    return model


def _data(run: Prepared, where: torch.device, seed: int) -> training.Data:
    s, bundle, t = run.settings, run.opened.bundle, run.settings.train
    rows, chosen, counts = run.rows, run.chosen, run.counts
    labels = torch.from_numpy(bundle.y[rows].astype(np.int64))
    if s.task == "multi" and (t.class_weight_alpha or t.sampler_ratio):
        raise SettingsError(f"run {s.run}: class_weight_alpha and sampler_ratio need one class a row; set both to 0")
    if t.sampler_ratio and t.shard_rows > 1:
        raise SettingsError(f"run {s.run}: sampler_ratio draws rows from anywhere; set it to 0, or shard_rows to 1")
    by_class = torch.tensor(loaders.class_weights(counts, t.class_weight_alpha), dtype=torch.float32, device=where)
    change = {side: t.augment if t.augment_side == side else "none" for side in ("train", "validation")}
    return training.Data(
        train_x=(_rows(run, rows, where, change["train"], seed), *_side(run, rows, where)),
        train_y=labels.to(where),
        validation_x=(_rows(run, chosen, where, change["validation"], seed), *_side(run, chosen, where)),
        validation_y=torch.from_numpy(bundle.y[chosen].astype(np.int64)).to(where),
        n_classes=len(bundle.meta.classes),
        class_weights=by_class if t.class_weight_alpha else None,
        row_weights=loaders.sampling_weights(labels, counts, t.sampler_ratio) if t.sampler_ratio else None,
    )


def _rows(run: Prepared, rows: np.ndarray, where: torch.device, change: str, seed: int) -> Rows:
    """Bring rows to the device, or leave them on disk where they would not fit."""
    bundle, room = run.opened.bundle, run.settings.train.resident_gb * 1e9
    x, steps = bundle.x, bundle.meta.steps
    if len(rows) * math.prod(x.shape[1:]) * 4 <= room or type(x) is np.ndarray:
        return loaders.resident(x, rows, run.standardisation, where, steps=steps, change=change, seed=seed)
    if change != "none":
        raise SettingsError(
            f"run {run.settings.run}: augmented rows must fit into train.resident_gb ({room / 1e9:g}); raise it"
        )
    return loaders.Streamed(x, rows, run.standardisation, where, steps, run.settings.train.shard_rows)


def _side(run: Prepared, rows: np.ndarray, where: torch.device) -> training.Inputs:
    return (loaders.resident(run.side.values, rows, run.side.standardisation, where),) if run.side.columns else ()


def _told(s: RunSettings) -> dict[str, Any]:
    """Tell how a network was trained; of processes and shards only where there were any."""
    unused = {name for name in ("processes", "shard_rows") if getattr(s.train, name) == 1}
    told = {"loss": s.loss, **s.loss_settings, **asdict(s.train)}
    return {key: value for key, value in told.items() if key not in unused}


def _contract(run: Prepared, seed: int, parameters: int | None, best_epoch: int, epochs: int) -> Contract:
    s, meta = run.settings, run.opened.bundle.meta
    last = {"single": "softmax gives probabilities", "multi": "a sigmoid gives each label's probability"}[s.task]
    return Contract(
        run=s.run, value=s.value, system=s.system, seed=seed, task=s.task, classes=meta.classes,
        kind=s.kind, model=s.model, model_settings=s.model_settings, parameters=parameters,
        input=meta.form, standardise=run.standardisation, side=run.side.columns,
        standardise_side=run.side.standardisation, output=f"logits; {last}", split=s.split,
        leak=run.opened.sides.leak, best_epoch=best_epoch, part=s.part, crop=training.crop_of(s.train),
        thresholds_by="" if s.task == "single" else s.train.thresholds,
        provenance={**meta.provenance, "dataset": meta.dataset, "digest": run.opened.digest}, settings_digest=run.digest,
        train=_told(s) if s.kind == "models" else {}, epochs=epochs,
        frontend=s.frontend, frontend_settings=s.frontend_settings, encoding=s.encoding,
        encoding_settings=s.encoding_settings, weights=s.code.get("weights", ""), place=run.place,
        fitted=run.fitted,
    )  # fmt: skip
