"""Every trained network of one run, scored on the test rows: predictions, detail, figures and the headline."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import artifact, convergence, decisions, evaluation, inference, loaders, operating, plots
from pqrst.arrays import Bundle, take, write_json
from pqrst.contracts import Contract
from pqrst.opened import Opened
from pqrst.predictors import Predictor

TOLD = (
    "run", "value", "system", "seed", "parameters", "split", "part", "best_epoch", "classes", "provenance", "settings_digest",
    "train", "epochs", "calibration", "thresholds", "thresholds_by", "frontend", "frontend_settings", "encoding",
    "encoding_settings", "weights",
)  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where the results of a run go."""

    scores: Path  # predictions and detail, a folder a seed
    plots: Path  # tables for DVC's page, and PNG files
    metrics: Path  # the headline, one small JSON file


def evaluate(trained: Path, parts: Mapping[str, Opened], wanted: Sequence[str], to: Places) -> dict[str, float]:
    """Score every network of a run on the test rows of its part of the split; give the headline, the mean over networks."""
    contracts = {folder: artifact.read_contract(folder) for folder in artifact.members(trained)}
    networks = {
        folder: _evaluate_one(folder, str(folder.relative_to(trained)), parts, wanted, to) for folder in contracts
    }
    headline = {
        name: _mean([network.found.scores[name] for network in networks.values()]) for name in evaluation.HEADLINE
    }
    rounded = {name: None if np.isnan(value) else round(value, 6) for name, value in headline.items()}
    synthetic = next(iter(parts.values())).bundle.meta.synthetic
    write_json(to.metrics, rounded | {"synthetic": synthetic})
    ordered = sorted(contracts, key=lambda folder: contracts[folder].place)
    page = plots.Page(to.plots, trained.name, synthetic)
    plots.draw(page, [networks[folder] for folder in ordered], parts[contracts[ordered[0]].part])
    return headline


def _mean(values: Sequence[float]) -> float:
    """Average what is defined: a part with too few rows may have no class on both sides."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def parts_of(trained: Path) -> list[str]:
    """Name the parts of the split that a run's networks learned."""
    return [artifact.read_contract(folder).part for folder in artifact.members(trained)]


def _evaluate_one(
    folder: Path, name: str, parts: Mapping[str, Opened], wanted: Sequence[str], to: Places
) -> plots.Network:
    """Score one network, and write its predictions and their detail into the folder of its name."""
    predictor, target = artifact.load(folder), to.scores / name
    inference.use_threads(predictor.contract.train.get("threads", 1))  # as in training: sums round by their order
    contract, opened = predictor.contract, parts[predictor.contract.part]
    bundle = opened.bundle
    probability, rows = _of_recordings(predictor, opened, opened.sides.rows("test"))
    labels, decided = bundle.y[rows].astype(np.int64), predictor.decide(probability)
    result, history = evaluation.evaluate(labels, probability, decided, contract.classes, wanted), _history(folder)
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "probabilities.npy", probability)
    np.save(target / "predictions.npy", decided.astype(np.int16))
    np.save(target / "rows.npy", rows)
    told = {key: value for key, value in asdict(contract).items() if key in TOLD}
    told |= {"rows": len(rows), "leak": opened.sides.leak, "course": _course(history)}
    told |= {"pictures": contract.pictures}
    people = bundle.rows["patient"].to_numpy(str)[rows]
    detail = {"by_patient": _by_patient(labels, decided, people, contract)}
    if contract.task == "multi":
        detail |= _of_labels(predictor, opened, (labels, probability, decided), bundle.rows.iloc[rows], target)
    write_json(target / "scores.json", {**told, **asdict(result), **detail})
    return plots.Network(name, labels, probability, result, history)


def _history(folder: Path) -> pd.DataFrame:
    """Read how a network learned, a line an epoch; no line where it was not trained in epochs."""
    file = folder / artifact.HISTORY
    return pd.read_csv(file) if file.exists() else pd.DataFrame()


def _course(history: pd.DataFrame) -> dict[str, list[float]]:
    """Give the validation scores of a training, epoch by epoch."""
    return {name: history[f"validation_{name}"].round(4).tolist() for name in convergence.FOLLOWED if len(history)}


def _of_recordings(predictor: artifact.Predictor, opened: Opened, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities of the recordings that rows are pieces of, and the first row of each."""
    which, first = opened.recordings(rows)
    return decisions.by_recording(_answers(predictor, opened.bundle, rows), which), first


def _answers(predictor: Predictor, bundle: Bundle, rows: np.ndarray) -> np.ndarray:
    """Give the probabilities of rows, read a part at a time."""
    side = bundle.side
    return np.concatenate([
        predictor.probabilities(take(bundle.x, part), None if side is None else side[part])
        for part in loaders.chunks(rows, bundle.x.shape[1:])
    ])  # fmt: skip


def _of_labels(
    predictor: Predictor, opened: Opened, found: tuple[np.ndarray, ...], about: pd.DataFrame, target: Path
) -> dict[str, Any]:
    """Give what only a multi-label task has: intervals by patient, scores of subgroups, and operating points as a file."""
    labels, probability, decided = found
    classes = predictor.contract.classes
    chosen, rows = _of_recordings(predictor, opened, opened.sides.choosing())
    points = [
        operating.points(labels, probability, operating.thresholds_at(opened.bundle.y[rows], chosen, least), classes)
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


def _by_patient(labels: np.ndarray, decided: np.ndarray, people: np.ndarray, contract: Contract) -> dict[str, str]:
    """Give each patient's confusion matrix as one line of numbers: enough for intervals and tests, and small."""
    if contract.task == "multi" or (people == "").any():
        return {}
    found = evaluation.by_group(labels, decided, people, len(contract.classes))
    return {person: " ".join(map(str, matrix.ravel().tolist())) for person, matrix in found.items()}
