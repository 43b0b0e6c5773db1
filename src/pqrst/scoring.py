"""Every trained network of one run, scored on the test rows: predictions, detail, figures and the headline."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import (
    artifact,
    audit,
    convergence,
    decisions,
    engines,
    evaluation,
    examples,
    inference,
    operating,
    plots,
    scored,
)
from pqrst.arrays import Bundle, write_array
from pqrst.contracts import Contract
from pqrst.figures import Example
from pqrst.files import write_json
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


@dataclass(frozen=True)
class _Work:
    """What all networks of a run have in common."""

    trained: Path
    parts: Mapping[str, Opened]
    fits: audit.Fits
    wanted: Sequence[str]


@dataclass(frozen=True)
class _Scored:
    """What is told of one network, and what its folder is to hold, by file name; it can travel between processes."""

    network: plots.Network
    told: dict[str, Any]
    arrays: dict[str, np.ndarray]
    tables: dict[str, pd.DataFrame]


def evaluate(
    trained: Path, parts: Mapping[str, Opened], wanted: Sequence[str], to: Places, engine: str = engines.SERIAL
) -> dict[str, float]:
    """Audit every network of a run, score it on the test rows of its part of the split; give the headline, the mean over networks."""
    contracts = {folder: artifact.read_contract(folder) for folder in artifact.members(trained)}
    work = partial(_evaluate_one, _Work(trained, parts, audit.Fits(parts), wanted))
    threads = max(contract.train.get("threads", 1) for contract in contracts.values())
    listed, networks = partial(iter, tuple(contracts)), {}
    with closing(engines.in_order(engine, listed, work, threads=threads, at_once=True)) as found:
        for folder, one in zip(contracts, found, strict=True):
            _write(to.scores / one.network.name, one)
            networks[folder] = one.network
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


def _write(target: Path, found: _Scored) -> None:
    """Write what one network said and scored."""
    target.mkdir(parents=True, exist_ok=True)
    for name, array in found.arrays.items():
        write_array(target / f"{name}.npy", array)
    for name, table in found.tables.items():
        table.to_csv(target / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
    write_json(target / "scores.json", found.told)


def _mean(values: Sequence[float]) -> float:
    """Average what is defined: a part with too few rows may have no class on both sides."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def parts_of(trained: Path) -> list[str]:
    """Name the parts of the split that a run's networks learned."""
    return [artifact.read_contract(folder).part for folder in artifact.members(trained)]


def _evaluate_one(work: _Work, folder: Path) -> _Scored:
    """Audit and score one network."""
    predictor, name = artifact.load(folder), str(folder.relative_to(work.trained))
    history = _history(folder)
    inference.use_threads(predictor.contract.train.get("threads", 1))  # as in training: sums round by their order
    contract, opened = predictor.contract, work.parts[predictor.contract.part]
    audited = audit.check(predictor, opened, history, work.fits, f"{work.trained.name}/{name}")
    bundle, tested = opened.bundle, opened.sides.rows("test")
    said = audited.chosen if opened.sides.chooses == "test" else audit.answers(predictor, bundle, tested)
    probability, rows = _of_recordings(contract, opened, tested, said)
    labels, decided = bundle.y[rows].astype(np.int64), predictor.decide(probability)
    result = evaluation.evaluate(labels, probability, decided, contract.classes, work.wanted)
    arrays = {"probabilities": probability, "predictions": decided.astype(np.int16), "rows": rows}
    told = {key: value for key, value in asdict(contract).items() if key in TOLD}
    told |= {"rows": len(rows), "leak": opened.sides.leak, "gate": f"{opened.sides.gate}; {audited.verdict}"}
    told |= {"course": _course(history), "pictures": contract.pictures, "schema": scored.SCHEMA, **asdict(result)}
    about, tables = bundle.rows.iloc[rows], {}
    told["by_patient"] = _by_patient(labels, decided, about["patient"].to_numpy(str), contract)
    if contract.task == "multi":
        points = _of_recordings(contract, opened, opened.sides.choosing(), audited.chosen)
        arrays["labels"] = labels.astype(np.int8)
        tables = {"operating": _operating(bundle.y, points, (labels, probability), contract.classes)}
        tables["rows"] = about[["record", "patient"]]
        told |= _of_labels((labels, probability, decided), about, contract.classes)
    seen = _seen(predictor, bundle, rows, (labels, probability, decided))
    return _Scored(plots.Network(name, labels, probability, result, history, seen), told, arrays, tables)


def _seen(
    predictor: Predictor, bundle: Bundle, rows: np.ndarray, found: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> list[Example]:
    """Show the surest right and the surest wrong answer; of a recording in pieces, its first."""
    labels, probability, decided = found
    places = examples.chosen(labels, probability, decided)
    told = [
        examples.words((labels[place], probability[place], decided[place]), predictor.contract.classes)
        for place in places
    ]
    return examples.seen(predictor, bundle, rows[places], told)


def _history(folder: Path) -> pd.DataFrame:
    """Read how a network learned, a line an epoch; no line where it was not trained in epochs."""
    file = folder / artifact.HISTORY
    return pd.read_csv(file) if file.exists() else pd.DataFrame()


def _course(history: pd.DataFrame) -> dict[str, list[float]]:
    """Give the validation scores of a training, epoch by epoch."""
    return {name: history[f"validation_{name}"].round(4).tolist() for name in convergence.FOLLOWED if len(history)}


def _of_recordings(
    contract: Contract, opened: Opened, rows: np.ndarray, said: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the probabilities of the recordings that rows are pieces of, by the rows' logits, and the first row of each."""
    which, first = opened.recordings(rows)
    probability = decisions.probabilities(said, contract.task, contract.calibration.temperature)
    return decisions.by_recording(probability, which), first


def _operating(
    y: np.ndarray,
    chosen: tuple[np.ndarray, np.ndarray],
    tested: tuple[np.ndarray, np.ndarray],
    classes: Sequence[str],
) -> pd.DataFrame:
    """Give operating points, chosen on some recordings, the probabilities and first rows of which are given, and measured on others."""
    probability, rows = chosen
    points = [
        operating.points(*tested, operating.thresholds_at(y[rows], probability, least), classes).assign(target=least)
        for least in operating.SENSITIVITIES
    ]
    return pd.concat(points)


def _of_labels(
    found: tuple[np.ndarray, np.ndarray, np.ndarray], about: pd.DataFrame, classes: Sequence[str]
) -> dict[str, Any]:
    """Give what only a multi-label task has: intervals by patient and scores of subgroups."""
    return {
        "intervals": evaluation.intervals(*found, about["patient"].to_numpy(str), classes),
        "subgroups": evaluation.subgroups(*found, about, classes),
    }


def _by_patient(labels: np.ndarray, decided: np.ndarray, people: np.ndarray, contract: Contract) -> dict[str, str]:
    """Give each patient's confusion matrix as one line of numbers: enough for intervals and tests, and small."""
    if contract.task == "multi" or (people == "").any():
        return {}
    found = evaluation.by_group(labels, decided, people, len(contract.classes))
    return {person: " ".join(map(str, matrix.ravel().tolist())) for person, matrix in found.items()}
