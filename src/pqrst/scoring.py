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
    results = [_evaluate_one(folder, opened, rows, wanted, to.scores) for folder in artifact.members(trained)]
    headline = {name: float(np.mean([r.scores[name] for r in results])) for name in evaluation.HEADLINE}
    rounded = {name: round(value, 6) for name, value in headline.items()}
    write_json(to.metrics, rounded | {"synthetic": opened.bundle.meta.synthetic})
    _draw(trained, opened, to.scores, to.plots)
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
