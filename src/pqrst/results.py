"""What tables show, as numbers: the results of a row by seed, their intervals, and how they compare with the baseline.

Intervals and tests of one label a row come from the confusion matrices of each patient. Of several labels a row evaluation
gave the interval, and the test takes this checkout's predictions: what is recorded holds none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Literal

import numpy as np
import pandas as pd

from pqrst import convergence, intervals, label_intervals, ledger, scored, scores
from pqrst.errors import DataError
from pqrst.published import Row, Table

BOOTSTRAP_SEED = 20_040_701
SIGNIFICANT, FEWEST_SEEDS = 0.05, 2
Results = Sequence[Mapping[str, Any]]  # one a seed
Kind = Literal["ours", "recorded"]
Drawn = Literal["patient", "beat"]  # what an interval draws again
INTERVALS = {"patient": intervals.by_patient, "beat": intervals.by_beat}


@dataclass(frozen=True)
class Shown:
    """One row with all that is known of it, by the value that its run is made over."""

    row: Row
    ours: Mapping[str, Results]
    recorded: Mapping[str, Results]
    p: float | None = None  # against the baseline, corrected
    holds: bool = False  # whether that difference is one

    def of(self, kind: Kind, column: str) -> tuple[Results, str]:
        """Give the results, ours or recorded, that a column shows, and its score; `value/score` names another value."""
        found: Mapping[str, Results] = getattr(self, kind)
        return found.get(value_of(self.row, column), []), column.rpartition("/")[2]

    def seeds(self, kind: Kind) -> int:
        """Give the number of seeds of the value that has fewest of them."""
        return min((len(results) for results in getattr(self, kind).values() if results), default=0)

    @property
    def everything(self) -> list[Mapping[str, Any]]:
        return [one for found in (self.ours, self.recorded) for results in found.values() for one in results]

    @property
    def parameters(self) -> str:
        """Give the number of parameters, or the least and the most where it goes with the value."""
        known = sorted({one["parameters"] for one in self.everything if one["parameters"]})
        return " to ".join(f"{count:,}" for count in known[:1] + known[1:][-1:])


def value_of(row: Row, column: str) -> str:
    """Name the value of a run that a cell shows: the row's, the column's, or the column's of the row's arm."""
    return "/".join(filter(None, (row.value, column.rpartition("/")[0])))


def read(row: Row, table: Table, folder: Path, recorded: Path) -> Shown:
    """Read what the columns of a table show of a row; an arm or value that was not trained leaves its cells blank."""
    if not row.run:
        return Shown(row, {}, {})
    values = dict.fromkeys(value_of(row, column) for column in table.scores)
    ours = {value: _of_seeds(folder / row.run / value) for value in values}
    kept = {value: ledger.read(recorded, row.run, value) for value in values}
    if not any((folder / row.run).rglob("scores.json")):
        raise DataError(f"{folder / row.run} holds no scores; evaluate the run with `dvc repro evaluate@{row.run}`")
    return Shown(row, ours, kept)


def _of_seeds(folder: Path) -> Results:
    return [scored.read(file) for file in sorted(folder.glob("seed-*/scores.json"))]


def synthetic(results: Results) -> bool:
    """Say whether any of them was measured on made-up recordings; what does not say so was."""
    return any(result["provenance"].get("synthetic", True) for result in results)


def compared_by(table: Table) -> Kind:
    """Say which results of a table are held against the baseline: the recorded ones, or ours of several labels a row."""
    return "recorded" if scores.of_matrix(table.tested.rpartition("/")[2]) else "ours"


def tested(table: Table, rows: Sequence[Shown], folder: Path) -> list[Shown]:
    """Hold every row against the baseline, where both were measured on the same patients."""
    base = next((shown for shown in rows if table.baseline and shown.row.name == table.baseline), None)
    if base is None:
        return list(rows)
    kind = compared_by(table)
    if kind == "recorded" and base.seeds(kind) < FEWEST_SEEDS:
        return list(rows)
    test = _p_value if kind == "recorded" else partial(_p_value_of_labels, folder=folder)
    found = {shown.row.name: test(shown, base, table.tested) for shown in rows if shown is not base}
    known = {name: p for name, p in found.items() if p is not None}
    corrected = dict(zip(known, intervals.holm(list(known.values())), strict=True))
    return [_judged(shown, base, kind, corrected.get(shown.row.name)) for shown in rows]


def _judged(shown: Shown, base: Shown, kind: Kind, p: float | None) -> Shown:
    enough = min(shown.seeds(kind), base.seeds(kind)) >= FEWEST_SEEDS
    return replace(shown, p=p, holds=p is not None and p < SIGNIFICANT and enough)


def _p_value_of_labels(shown: Shown, base: Shown, column: str, folder: Path) -> float | None:
    """Hold two multi-label runs against each other by what this checkout's evaluation kept, where it was of real recordings."""
    (ours, score), (theirs, _) = shown.of("ours", column), base.of("ours", column)
    if not ours or not theirs or synthetic([*ours, *theirs]):
        return None
    places = [folder / one.row.run / value_of(one.row, column) for one in (shown, base)]
    rows = [pd.read_csv(next(place.glob("seed-*/rows.csv")), dtype=str, keep_default_na=False) for place in places]
    if not rows[0].equals(rows[1]):
        return None
    name = "probabilities" if score in label_intervals.AREAS else "predictions"
    one, other = (np.stack([np.load(f) for f in sorted(place.glob(f"seed-*/{name}.npy"))]) for place in places)
    labels, patients = np.load(next(places[0].glob("seed-*/labels.npy"))), rows[0]["patient"].to_numpy(str)
    return label_intervals.paired(score, labels, one, other, patients, seed=BOOTSTRAP_SEED).p


def _p_value(shown: Shown, base: Shown, column: str) -> float | None:
    (ours, score), (theirs, _) = shown.of("recorded", column), base.of("recorded", column)
    one, other = counts(ours), counts(theirs)
    if one is None or other is None or one.shape[1:] != other.shape[1:] or people(ours) != people(theirs):
        return None
    return intervals.p_value(
        one, other, partial(scores.from_matrix, score, classes=theirs[0]["classes"]), BOOTSTRAP_SEED
    )


def people(results: Results) -> list[str]:
    """Name the patients, in the order of their matrices."""
    return sorted(results[0]["by_patient"])


def counts(results: Results) -> np.ndarray | None:
    """Stack the confusion matrices of every seed and patient, (seeds, patients, classes, classes)."""
    if not results or any(not result.get("by_patient") for result in results):
        return None
    size = len(results[0]["classes"])
    return np.array(
        [
            [np.array(text.split(), np.int64).reshape(size, size) for _, text in sorted(r["by_patient"].items())]
            for r in results
        ]
    )


def values(results: Results, score: str) -> list[float]:
    """Give a score of every seed: as evaluated, or from its confusion matrix."""
    found = []
    for result in results:
        value = result["scores"].get(score)
        if convergence.names_one(score):
            value = convergence.epochs_to(score, result.get("course", {}))
        if value is None and result.get("confusion") and scores.of_matrix(score):
            value = float(scores.from_matrix(score, np.array(result["confusion"]), result["classes"]))
        if value is not None and np.isfinite(value):
            found.append(value)
    return found


def interval(drawn: Drawn, results: Results, score: str) -> tuple[float, float] | None:
    """Give a 95 % interval: from the confusion matrices of each patient, or as evaluation found it for the first seed."""
    if results and drawn == "patient" and results[0].get("intervals", {}).get(score):
        found = results[0]["intervals"][score]
        return found["low"], found["high"]
    matrices = counts(results)
    if matrices is None or not scores.of_matrix(score):
        return None
    of = partial(scores.from_matrix, score, classes=results[0]["classes"])
    low, high = INTERVALS[drawn](matrices, of, BOOTSTRAP_SEED)
    return (low, high) if np.isfinite(low) else None  # nan of a class that is not there


def inside(shown: Shown, column: str) -> bool | None:
    """Say whether a published cell lies inside our spread; None where one of the two is missing."""
    published, (results, score) = shown.row.published.get(column), shown.of("recorded", column)
    found = values(results, score)
    if published is None or not found:
        return None
    if len(found) > 1:
        return abs(published - mean(found)) <= 2 * stdev(found)
    # rows of several labels are recordings, so patients are all that can be drawn
    bounds = interval("beat", results, score) or interval("patient", results, score)
    return None if bounds is None else bounds[0] <= published <= bounds[1]
