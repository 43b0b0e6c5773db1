"""Every trained network of one run, scored on the test rows: predictions, detail, figures and the headline."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import artifact, convergence, evaluation, figures, inference, loaders, operating, sides
from pqrst.arrays import Bundle, write_json
from pqrst.contracts import Contract
from pqrst.predictors import Predictor
from pqrst.sides import Opened

TOLD = (
    "run", "value", "system", "seed", "parameters", "split", "part", "best_epoch", "classes", "provenance", "settings_digest",
    "train", "epochs", "calibration", "thresholds", "thresholds_by", "frontend", "frontend_settings", "encoding",
    "encoding_settings", "weights",
)  # fmt: skip
MOST_LINES = 12  # that one figure of learning curves holds


@dataclass(frozen=True)
class Places:
    """Where the results of a run go."""

    scores: Path  # predictions and detail, a folder a seed
    plots: Path  # tables for DVC's page, and PNG files
    metrics: Path  # the headline, one small JSON file


def evaluate(trained: Path, parts: Mapping[str, Opened], wanted: Sequence[str], to: Places) -> dict[str, float]:
    """Score every network of a run on the test rows of its part of the split; give the headline, the mean over networks."""
    results = [
        _evaluate_one(folder, parts, wanted, to.scores / folder.relative_to(trained))
        for folder in artifact.members(trained)
    ]
    headline = {name: _mean([result.scores[name] for result in results]) for name in evaluation.HEADLINE}
    rounded = {name: None if np.isnan(value) else round(value, 6) for name, value in headline.items()}
    first = next(iter(parts.values()))
    write_json(to.metrics, rounded | {"synthetic": first.bundle.meta.synthetic})
    _draw(trained, parts, to.scores, to.plots)
    return headline


def _mean(values: Sequence[float]) -> float:
    """Average what is defined: a part with too few rows may have no class on both sides."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def parts_of(trained: Path) -> list[str]:
    """Name the parts of the split that a run's networks learned."""
    return [artifact.read_contract(folder).part for folder in artifact.members(trained)]


def _evaluate_one(
    folder: Path, parts: Mapping[str, Opened], wanted: Sequence[str], target: Path
) -> evaluation.Evaluation:
    predictor = artifact.load(folder)
    inference.use_threads(predictor.contract.train.get("threads", 1))  # as in training: sums round by their order
    contract, opened = predictor.contract, parts[predictor.contract.part]
    bundle, rows = opened.bundle, opened.sides.rows("test")
    probability = _answers(predictor, bundle, rows)
    probability, rows = _by_recording(probability, rows, bundle)
    labels, decided = bundle.y[rows].astype(np.int64), predictor.decide(probability)
    result = evaluation.evaluate(labels, probability, decided, contract.classes, wanted)
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "probabilities.npy", probability)
    np.save(target / "predictions.npy", decided.astype(np.int16))
    np.save(target / "rows.npy", rows)
    told = {key: value for key, value in asdict(contract).items() if key in TOLD}
    told |= {"rows": len(rows), "leak": opened.sides.leak, "course": _course(folder)}
    told |= {"pictures": contract.pictures}
    people = bundle.rows["patient"].to_numpy(str)[rows]
    detail = {"by_patient": _by_patient(labels, decided, people, contract)}
    if contract.task == "multi":
        detail |= _of_labels(predictor, opened, (labels, probability, decided), bundle.rows.iloc[rows], target)
    write_json(target / "scores.json", {**told, **asdict(result), **detail})
    return result


def _course(folder: Path) -> dict[str, list[float]]:
    """Give the validation scores of a training, epoch by epoch."""
    if not (folder / artifact.HISTORY).exists():
        return {}
    history = pd.read_csv(folder / artifact.HISTORY)
    return {name: history[f"validation_{name}"].round(4).tolist() for name in convergence.FOLLOWED}


def _answers(predictor: Predictor, bundle: Bundle, rows: np.ndarray) -> np.ndarray:
    """Give the probabilities of rows, read a part at a time."""
    side = bundle.side
    return np.concatenate([
        predictor.probabilities(loaders.take(bundle.x, part), None if side is None else side[part])
        for part in loaders.chunks(rows, bundle.x.shape[1:])
    ])  # fmt: skip


def _of_labels(
    predictor: Predictor, opened: Opened, found: tuple[np.ndarray, ...], about: pd.DataFrame, target: Path
) -> dict[str, Any]:
    """Give what only a multi-label task has: intervals by patient, scores of subgroups, and operating points as a file."""
    labels, probability, decided = found
    classes = predictor.contract.classes
    bundle, rows = opened.bundle, opened.sides.rows("validation")
    chosen = _answers(predictor, bundle, rows)
    points = [
        operating.points(labels, probability, operating.thresholds_at(bundle.y[rows], chosen, least), classes)
        .assign(target=least)
        for least in operating.SENSITIVITIES
    ]  # fmt: skip
    pd.concat(points).to_csv(target / "operating.csv", index=False, float_format="%.6g", lineterminator="\n")
    np.save(target / "labels.npy", labels.astype(np.int8))
    about[["record", "patient"]].to_csv(target / "rows.csv", index=False, lineterminator="\n")
    return {
        "intervals": evaluation.intervals(labels, probability, decided, about["patient"].to_numpy(str), classes),
        "subgroups": evaluation.subgroups(labels, probability, decided, about, classes),
    }


def _by_recording(probability: np.ndarray, rows: np.ndarray, bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    """Give a recording that was cut into pieces one answer, the mean over them, and its first row for the rest."""
    if bundle.meta.window.get("cut") != "whole":
        return probability, rows
    _, first, which = np.unique(bundle.rows["record"].to_numpy(str)[rows], return_index=True, return_inverse=True)
    total = np.zeros((len(first), probability.shape[1]))
    np.add.at(total, which, probability)
    order = np.argsort(first)
    mean = (total / np.bincount(which)[:, None])[order].astype(np.float32)
    return mean, rows[first[order]]


def _by_patient(labels: np.ndarray, decided: np.ndarray, people: np.ndarray, contract: Contract) -> dict[str, str]:
    """Give each patient's confusion matrix as one line of numbers: enough for intervals and tests, and small."""
    if contract.task == "multi" or (people == "").any():
        return {}
    found = evaluation.by_group(labels, decided, people, len(contract.classes))
    return {person: " ".join(map(str, matrix.ravel().tolist())) for person, matrix in found.items()}


def _draw(trained: Path, parts: Mapping[str, Opened], out: Path, plots: Path) -> None:
    """Write the curves of the first network as tables for DVC's page, and every figure as PNG."""
    folders = sorted(artifact.members(trained), key=lambda folder: artifact.read_contract(folder).place)
    opened = parts[artifact.read_contract(folders[0]).part]
    classes = opened.bundle.meta.classes
    page = Page(plots, trained.name, opened.bundle.meta.synthetic)
    first = out / folders[0].relative_to(trained)
    title = page.title(f"test rows, {first.relative_to(out)}")
    labels, probability = opened.bundle.y[np.load(first / "rows.npy")], np.load(first / "probabilities.npy")
    for kind, curve in (("roc", evaluation.roc), ("precision_recall", evaluation.precision_recall)):
        table = curve(labels.astype(np.int64), probability, classes)
        page.keep(table, kind)
        heading = page.title(f"{kind.replace('_', ' ')}, {first.relative_to(out)}")
        figures.curves(table, heading, plots / f"{kind}.png", page.note)
    found = json.loads((first / "scores.json").read_text())
    if found["confusion"] is not None:
        page.keep(evaluation.confusion_table(found["confusion"], classes), "confusion")
        figures.confusion(np.array(found["confusion"]), classes, title, plots / "confusion.png", page.note)
    else:
        _draw_labels(page, found["per_class"], (labels, probability), title)
    shown = folders if len(folders) <= MOST_LINES else _first_seeds(folders)[:MOST_LINES]
    logs = {str(folder.relative_to(trained)): folder / artifact.HISTORY for folder in shown}
    histories = {name: pd.read_csv(file) for name, file in logs.items() if file.exists()}
    if histories:
        of_all = f", {len(shown)} of {len(folders)} networks" if len(shown) < len(folders) else ""
        figures.learning(histories, page.title(f"loss{of_all}"), plots / "learning.png", page.note)
    shares = sides.shares(opened.sides, opened.bundle)
    page.keep(shares, "shares")
    heading = f"{opened.bundle.meta.dataset}, split {opened.sides.told['split']}: rows by class"
    figures.shares(shares, heading, plots / "shares.png", page.note)


def _first_seeds(folders: Sequence[Path]) -> list[Path]:
    """Keep one network of each value that a run is made over."""
    return list({folder.parent: folder for folder in reversed(folders)}.values())[::-1]


def _draw_labels(page: "Page", per_class: Sequence[Any], found: tuple[np.ndarray, np.ndarray], title: str) -> None:
    """Draw what only a multi-label task has: F1 by label, and how far probabilities can be believed."""
    table = pd.DataFrame(per_class)
    page.keep(table, "labels")
    figures.bars(table, title, page.folder / "f1.png", page.note)
    believed = operating.reliability(*found, list(table["class"]))
    page.keep(believed, "reliability")
    figures.reliability(believed, title, page.folder / "reliability.png", page.note)


@dataclass(frozen=True)
class Page:
    """The figures of one run, each marked when its recordings are made up."""

    folder: Path
    run: str
    synthetic: bool

    @property
    def note(self) -> str:
        return "synthetic recordings" if self.synthetic else ""

    def title(self, what: str) -> str:
        return f"{self.run}: {what}"

    def keep(self, table: pd.DataFrame, name: str) -> None:
        """Write a table for DVC's page, with the kind of recordings in a column of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        marked = table.assign(recordings="synthetic" if self.synthetic else "real")
        marked.to_csv(self.folder / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
