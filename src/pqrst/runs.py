"""One run from its files: data and split in, a trained network per seed out; trained networks in, scores out."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from pqrst import artifact, catalog, evaluation, figures, loaders, sides, training
from pqrst.arrays import Bundle, digest, read, write_json
from pqrst.console import log
from pqrst.errors import SettingsError
from pqrst.params import RunSettings
from pqrst.parsing import parse


@dataclass(frozen=True)
class Opened:
    """The rows of a run and their sides."""

    bundle: Bundle
    sides: sides.Sides
    digest: str  # of both, so that a result says which data it came from


def open_data(data: Path, split: Path) -> Opened:
    """Open what a run learns from."""
    return Opened(read(data), sides.read(split), hashlib.sha256((digest(data) + digest(split)).encode()).hexdigest())


def settings_digest(s: RunSettings) -> str:
    """Name all that decides a network but its seed and the data."""
    chosen = {key: value for key, value in asdict(s).items() if key not in ("seeds", "run", "system", "family")}
    chosen["train"] = {key: value for key, value in chosen["train"].items() if key != "seeds"}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def train(s: RunSettings, opened: Opened, out: Path, scratch: Path, logger: Callable[[str], Any]) -> None:
    """Train every seed of a run; `logger(member)` is a context that gives what to call after each epoch."""
    training.prepare_process(s.train.threads)
    where = training.device(s.train.device)
    bundle, rows = opened.bundle, opened.sides.rows("train")
    standardisation = loaders.fit_standardisation(s.train.standardise, bundle.x, rows)
    data = _data(s, opened, standardisation, where)
    loss, build = _components(s, bundle, rows)
    key = settings_digest(s)
    for seed in s.seeds:
        kept = scratch / "train" / f"{key[:16]}-{opened.digest[:16]}" / f"{seed}.safetensors"
        log.info(
            "run %s, seed %s: %s train rows, %s epochs at most, on %s", s.run, seed, len(rows), s.train.epochs, where
        )
        with logger(artifact.member(seed)) as on_epoch:
            fitted = training.fit(build, loss.to(where), data, s.train, seed, kept, on_epoch)
        contract = _contract(s, opened, seed, fitted, standardisation, key)
        artifact.save(out / artifact.member(seed), contract, fitted.weights, fitted.history)


def _components(
    s: RunSettings, bundle: Bundle, rows: np.ndarray
) -> tuple[torch.nn.Module, Callable[[], torch.nn.Module]]:
    losses, models = catalog.load("losses", s.loss), catalog.load("models", s.model)
    loss = losses.build(s.task, bundle.class_counts(rows), parse(losses.Params, s.loss_settings, f"losses.{s.loss}"))
    p = parse(models.Params, s.model_settings, f"models.{s.model}")
    return loss, lambda: models.build(tuple(bundle.x.shape[1:]), len(bundle.meta.classes), p)


def _data(
    s: RunSettings, opened: Opened, standardisation: loaders.Standardisation, where: torch.device
) -> training.Data:
    bundle, t = opened.bundle, s.train
    rows, chosen = (opened.sides.rows(side) for side in ("train", "validation"))
    counts, labels = bundle.class_counts(rows), torch.from_numpy(bundle.y[rows].astype(np.int64))
    if s.task == "multi" and (t.class_weight_alpha or t.sampler_ratio):
        raise SettingsError(f"run {s.run}: class_weight_alpha and sampler_ratio need one class a row; set both to 0")
    weights = (
        torch.tensor(loaders.class_weights(counts, t.class_weight_alpha), dtype=torch.float32)
        if t.class_weight_alpha
        else None
    )
    return training.Data(
        train_x=loaders.resident(bundle.x, rows, standardisation, where),
        train_y=labels.to(where),
        validation_x=loaders.resident(bundle.x, chosen, standardisation, where),
        validation_y=torch.from_numpy(bundle.y[chosen].astype(np.int64)).to(where),
        n_classes=len(bundle.meta.classes),
        class_weights=None if weights is None else weights.to(where),
        row_weights=loaders.sampling_weights(labels, counts, t.sampler_ratio) if t.sampler_ratio else None,
    )


def _contract(
    s: RunSettings,
    opened: Opened,
    seed: int,
    fitted: training.Fitted,
    standardisation: loaders.Standardisation,
    key: str,
) -> artifact.Contract:
    meta = opened.bundle.meta
    _, build = _components(s, opened.bundle, opened.sides.rows("train"))
    return artifact.Contract(
        run=s.run, system=s.system, seed=seed, task=s.task, classes=meta.classes,
        model=s.model, model_settings=s.model_settings,
        parameters=sum(p.numel() for p in build().parameters() if p.requires_grad),
        input=artifact.input_of(meta), standardise=standardisation,
        output="logits; softmax gives probabilities" if s.task == "single" else "logits; a sigmoid gives each label's probability",
        split=s.split, best_epoch=fitted.best_epoch,
        provenance={**meta.provenance, "dataset": meta.dataset, "digest": opened.digest}, settings_digest=key,
    )  # fmt: skip


def evaluate(
    trained: Path, opened: Opened, wanted: Sequence[str], out: Path, plots: Path, metrics: Path
) -> dict[str, float]:
    """Score every network of a run on the test rows and write predictions, detail, figures and the headline."""
    rows = opened.sides.rows("test")
    results = [_evaluate_one(folder, opened, rows, wanted, out) for folder in artifact.members(trained)]
    headline = {name: float(np.mean([r.scores[name] for r in results])) for name in evaluation.HEADLINE}
    write_json(
        metrics,
        {name: round(value, 6) for name, value in headline.items()} | {"synthetic": opened.bundle.meta.synthetic},
    )
    _draw(trained, opened, out, plots)
    return headline


def _evaluate_one(
    folder: Path, opened: Opened, rows: np.ndarray, wanted: Sequence[str], out: Path
) -> evaluation.Evaluation:
    predictor, bundle = artifact.load(folder), opened.bundle
    contract, labels = predictor.contract, bundle.y[rows].astype(np.int64)
    probability = evaluation.probabilities(predictor.logits(bundle.x[rows]), contract.task)
    result = evaluation.evaluate(labels, probability, contract.task, contract.classes, wanted)
    target = out / folder.name
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "probabilities.npy", probability)
    np.save(target / "predictions.npy", evaluation.predictions(probability, contract.task).astype(np.int16))
    np.save(target / "rows.npy", rows)
    same = ("run", "system", "seed", "parameters", "split", "best_epoch", "classes", "provenance", "settings_digest")
    told = {key: getattr(contract, key) for key in same} | {"rows": len(rows), "leak": opened.sides.leak}
    write_json(target / "scores.json", {**told, **asdict(result)})
    return result


def _draw(trained: Path, opened: Opened, out: Path, plots: Path) -> None:
    """Write the curves of the first seed as tables for DVC's page, and every figure as PNG."""
    folders, meta = artifact.members(trained), opened.bundle.meta
    note, name = "synthetic recordings" if meta.synthetic else "", trained.name
    first = out / folders[0].name
    labels, probability = (
        opened.bundle.y[np.load(first / "rows.npy")].astype(np.int64),
        np.load(first / "probabilities.npy"),
    )
    plots.mkdir(parents=True, exist_ok=True)
    for kind, table in (("roc", evaluation.roc(labels, probability, meta.classes)),
                        ("precision_recall", evaluation.precision_recall(labels, probability, meta.classes))):  # fmt: skip
        table.to_csv(plots / f"{kind}.csv", index=False, float_format="%.6g", lineterminator="\n")
        figures.curves(table, f"{name}: {kind.replace('_', ' ')}, {folders[0].name}", plots / f"{kind}.png", note)
    matrix = json.loads((first / "scores.json").read_text())["confusion"]
    if matrix is not None:
        evaluation.confusion_table(matrix, meta.classes).to_csv(
            plots / "confusion.csv", index=False, lineterminator="\n"
        )
        figures.confusion(
            np.array(matrix), meta.classes, f"{name}: test rows, {folders[0].name}", plots / "confusion.png", note
        )
    histories = {folder.name: pd.read_csv(folder / "history.csv") for folder in folders}
    figures.learning(histories, f"{name}: loss", plots / "learning.png", note)
    shares = sides.shares(opened.sides, opened.bundle)
    shares.to_csv(plots / "shares.csv", index=False, lineterminator="\n")
    figures.shares(
        shares, f"{meta.dataset}, split {opened.sides.told['split']}: rows by class", plots / "shares.png", note
    )
