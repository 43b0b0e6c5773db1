"""Every trained network of one run, scored on the test rows: predictions, detail, figures and the headline."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pqrst import artifact, evaluation, figures, sides
from pqrst.arrays import write_json
from pqrst.sides import Opened


@dataclass(frozen=True)
class Places:
    """Where the results of a run go."""

    scores: Path  # predictions and detail, a folder a seed
    plots: Path  # tables for DVC's page, and PNG files
    metrics: Path  # the headline, one small JSON file


def evaluate(trained: Path, opened: Opened, wanted: Sequence[str], to: Places) -> dict[str, float]:
    """Score every network of a run on the test rows; give the headline, the mean over seeds."""
    rows = opened.sides.rows("test")
    results = [
        _evaluate_one(folder, opened, rows, wanted, to.scores / folder.relative_to(trained))
        for folder in artifact.members(trained)
    ]
    headline = {name: float(np.mean([r.scores[name] for r in results])) for name in evaluation.HEADLINE}
    rounded = {name: None if np.isnan(value) else round(value, 6) for name, value in headline.items()}
    write_json(to.metrics, rounded | {"synthetic": opened.bundle.meta.synthetic})
    _draw(trained, opened, to.scores, to.plots)
    return headline


def _evaluate_one(
    folder: Path, opened: Opened, rows: np.ndarray, wanted: Sequence[str], target: Path
) -> evaluation.Evaluation:
    predictor, bundle = artifact.load(folder), opened.bundle
    contract, labels = predictor.contract, bundle.y[rows].astype(np.int64)
    probability = predictor.probabilities(bundle.x[rows], None if bundle.side is None else bundle.side[rows])
    decided = predictor.decide(probability)
    result = evaluation.evaluate(labels, probability, decided, contract.classes, wanted)
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "probabilities.npy", probability)
    np.save(target / "predictions.npy", decided.astype(np.int16))
    np.save(target / "rows.npy", rows)
    same = (
        "run",
        "value",
        "system",
        "seed",
        "parameters",
        "split",
        "best_epoch",
        "classes",
        "provenance",
        "settings_digest",
        "train",
        "epochs",
        "calibration",
    )
    told = {key: value for key, value in asdict(contract).items() if key in same} | {
        "rows": len(rows),
        "leak": opened.sides.leak,
    }
    people = bundle.rows["patient"].to_numpy(str)[rows]
    write_json(
        target / "scores.json", {**told, **asdict(result), "by_patient": _by_patient(labels, decided, people, contract)}
    )
    return result


def _by_patient(
    labels: np.ndarray, decided: np.ndarray, people: np.ndarray, contract: artifact.Contract
) -> dict[str, str]:
    """Give each patient's confusion matrix as one line of numbers: enough for intervals and tests, and small."""
    if contract.task == "multi" or (people == "").any():
        return {}
    found = evaluation.by_group(labels, decided, people, len(contract.classes))
    return {person: " ".join(map(str, matrix.ravel().tolist())) for person, matrix in found.items()}


def _draw(trained: Path, opened: Opened, out: Path, plots: Path) -> None:
    """Write the curves of the first seed as tables for DVC's page, and every figure as PNG."""
    folders, classes = artifact.members(trained), opened.bundle.meta.classes
    page = Page(plots, trained.name, opened.bundle.meta.synthetic)
    first = out / folders[0].relative_to(trained)
    labels, probability = opened.bundle.y[np.load(first / "rows.npy")], np.load(first / "probabilities.npy")
    for kind, curve in (("roc", evaluation.roc), ("precision_recall", evaluation.precision_recall)):
        table = curve(labels.astype(np.int64), probability, classes)
        page.keep(table, kind)
        figures.curves(
            table, page.title(f"{kind.replace('_', ' ')}, {first.relative_to(out)}"), plots / f"{kind}.png", page.note
        )
    matrix = json.loads((first / "scores.json").read_text())["confusion"]
    if matrix is not None:
        page.keep(evaluation.confusion_table(matrix, classes), "confusion")
        title = page.title(f"test rows, {first.relative_to(out)}")
        figures.confusion(np.array(matrix), classes, title, plots / "confusion.png", page.note)
    logs = {str(folder.relative_to(trained)): folder / artifact.HISTORY for folder in folders}
    histories = {name: pd.read_csv(file) for name, file in logs.items() if file.exists()}
    if histories:
        figures.learning(histories, page.title("loss"), plots / "learning.png", page.note)
    shares = sides.shares(opened.sides, opened.bundle)
    page.keep(shares, "shares")
    title = f"{opened.bundle.meta.dataset}, split {opened.sides.told['split']}: rows by class"
    figures.shares(shares, title, plots / "shares.png", page.note)


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
