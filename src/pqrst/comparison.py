"""Two runs on the same test rows: what one scores more than the other, the interval of that, and whether it holds.

A side is a run's folder under data/runs, its scores under data/scores, what is recorded of it under metrics/paper, or its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd

from pqrst import intervals, label_intervals, ledger, results, scored, scores
from pqrst.errors import DataError, SettingsError
from pqrst.intervals import Difference
from pqrst.parsing import nearest

RUNS, SCORES, RECORDED = Path("data/runs"), Path("data/scores"), Path("metrics/paper")
OF_MATRIX = ("f1_macro", "f1_weighted", "accuracy")  # what is held against each other where nothing is asked for
OF_LABELS = ("auroc_macro", "average_precision_macro", "f1_macro")
Test = Callable[[str], Difference]  # of a score


@dataclass(frozen=True)
class Side:
    """One of the two: what each seed scored and, where evaluation kept it, the folder of its predictions."""

    place: Path
    seeds: Sequence[Mapping[str, Any]]
    kept: Path | None  # that holds seed-*/predictions.npy; none of what is recorded


@dataclass(frozen=True)
class Line:
    """One score of both."""

    score: str
    one: float
    other: float
    difference: Difference
    p: float  # corrected for the number of lines, by Holm's rule
    holds: bool | None  # none: one seed says nothing of chance in training


def compare(one: Side, other: Side, wanted: Sequence[str] = ()) -> list[Line]:
    """Hold a run against another, score by score, if both were measured on the same rows."""
    _check(one, other)
    multi = not any(side.seeds[0].get("by_patient") for side in (one, other))
    for name in wanted:
        if not (name in label_intervals.KINDS if multi else scores.of_matrix(name)):
            known = sorted(
                label_intervals.KINDS if multi else {*scores.OF_COUNTS, *scores.OF_MATRIX, *scores.OF_CLASSES}
            )
            raise SettingsError(f"--score {name} has no paired test on these rows; {nearest(name, known)}")
    test = _of_labels(one, other) if multi else _of_matrices(one, other)
    names = wanted or (OF_LABELS if multi else OF_MATRIX)
    found = {name: test(name) for name in names}
    corrected = intervals.holm([difference.p for difference in found.values()])
    enough = min(len(one.seeds), len(other.seeds)) >= results.FEWEST_SEEDS
    lines = zip(found.items(), corrected, strict=True)
    return [
        Line(name, _mean(one, name), _mean(other, name), difference, p, p < results.SIGNIFICANT if enough else None)
        for (name, difference), p in lines
    ]


def find(given: str, root: Path) -> Side:
    """Find what was scored of a run by its folder, or by its name with the value that it is made over."""
    place = Path(given)
    if not place.is_dir():
        named = [*sorted((root / SCORES).glob(f"*/{given}")), root / RECORDED / given]
        place = next((folder for folder in named if folder.is_dir()), place)
    if any(place.glob("seed-*/contract.json")):
        place = _scores_of(place)
    if any(place.glob("seed-*/scores.json")):
        return Side(place, [scored.read(file) for file in sorted(place.glob("seed-*/scores.json"))], place)
    if any(file.stem.lstrip("-").isdigit() for file in place.glob("*.json")):
        return Side(place, ledger.read(place.parent, place.name), None)
    below = sorted(
        {file.parent.parent for file in place.rglob("seed-*/*.json")} | {f.parent for f in place.rglob("[0-9]*.json")}
    )
    if below:
        raise DataError(f"{given} was scored for {len(below)} values; name one, such as {below[0]}")
    raise DataError(
        f"{given} is no run that was scored, neither a folder nor a name under {SCORES} or {RECORDED}; "
        "evaluate it with `dvc repro evaluate@RUN`"
    )


def scores_of(run: Path) -> Path | None:
    """Find the scores of a trained run's folder, or of one of its networks, in the same checkout; none where there are none."""
    parts = run.absolute().parts
    ends = [end for end in range(len(parts) - 1) if parts[end : end + 2] == RUNS.parts]
    if not ends:
        return None
    root, inside = Path(*parts[: ends[-1]]), Path(*parts[ends[-1] + 2 :])
    return next(iter(sorted((root / SCORES).glob(f"*/{inside}"))), None)


def _scores_of(run: Path) -> Path:
    found = scores_of(run)
    if found is None:
        raise DataError(
            f"{run} has no scores under {SCORES} of its checkout; evaluate it with `dvc repro evaluate@RUN`"
        )
    return found


def _check(one: Side, other: Side) -> None:
    """Refuse two runs that were not measured on the same rows with the same labels."""
    places = f"{one.place} and {other.place}"
    first, second = one.seeds[0], other.seeds[0]
    if results.synthetic(one.seeds) != results.synthetic(other.seeds):
        raise DataError(
            f"{places}: one was measured on made-up recordings, the other on real ones; compare like with like"
        )
    classes = [", ".join(seed.get("classes", ())) for seed in (first, second)]
    if classes[0] != classes[1]:
        raise DataError(f"{places} have other classes: {classes[0]}; and {classes[1]}")
    if bool(first.get("by_patient")) != bool(second.get("by_patient")):
        raise DataError(f"{places}: of one the patients are known, of the other not; compare runs of one dataset")
    same = _same_matrices(one, other) if first.get("by_patient") else _same_rows(one, other)
    if not same:
        raise DataError(f"{places} were measured on other rows or labels; compare runs of one dataset, split and part")


def _same_matrices(one: Side, other: Side) -> bool:
    """Say whether each patient has as many rows of each class in every seed of both, and where it is kept, the same rows."""
    if results.people(one.seeds) != results.people(other.seeds):
        return False
    matrices = [results.counts([seed]) for side in (one, other) for seed in side.seeds]
    true = [found.sum(axis=3) for found in matrices if found is not None]  # (1, patients, classes)
    return (
        len(true) == len(matrices) and all(np.array_equal(true[0], found) for found in true) and _rows_agree(one, other)
    )


def _rows_agree(one: Side, other: Side) -> bool:
    """Say whether the rows are the same wherever they are kept."""
    kept = [np.load(file) for side in (one, other) if side.kept for file in side.kept.glob("seed-*/rows.npy")]
    return all(np.array_equal(kept[0], rows) for rows in kept)


def _same_rows(one: Side, other: Side) -> bool:
    """Say whether the recordings of two multi-label runs and their labels are the same."""
    kept = [(side.place, _member(side, "rows.csv"), _member(side, "labels.npy")) for side in (one, other)]
    for place, *files in kept:
        if None in files:
            raise DataError(
                f"{place} holds no labels of its rows, which a paired test needs; compare what `dvc repro` evaluated here"
            )
    (_, rows, labels), (_, other_rows, other_labels) = kept
    return _table(rows).equals(_table(other_rows)) and np.array_equal(np.load(labels), np.load(other_labels))


def _member(side: Side, name: str) -> Any:
    """Give a file of the first seed, or nothing."""
    return next(iter(sorted(side.kept.glob(f"seed-*/{name}"))), None) if side.kept else None


def _table(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def _of_matrices(one: Side, other: Side) -> Test:
    """Draw the patients again by their confusion matrices."""
    first, second = results.counts(one.seeds), results.counts(other.seeds)
    if first is None or second is None:
        raise DataError(f"{one.place} or {other.place} has a seed without patients; evaluate it anew with `dvc repro`")
    classes = tuple(one.seeds[0]["classes"])

    def test(name: str) -> Difference:
        return intervals.paired(
            first, second, partial(scores.from_matrix, name, classes=classes), results.BOOTSTRAP_SEED
        )

    return test


def _of_labels(one: Side, other: Side) -> Test:
    """Draw the patients again by the predictions of their rows."""
    labels, patients = np.load(_member(one, "labels.npy")), _table(_member(one, "rows.csv"))["patient"].to_numpy(str)

    def outputs(side: Side, name: str) -> np.ndarray:
        what = "probabilities" if name in label_intervals.AREAS else "predictions"
        return np.stack([np.load(file) for file in sorted((side.kept or Path()).glob(f"seed-*/{what}.npy"))])

    def test(name: str) -> Difference:
        found = label_intervals.paired(
            name, labels, outputs(one, name), outputs(other, name), patients, seed=results.BOOTSTRAP_SEED
        )
        return Difference(found.difference.point, found.difference.low, found.difference.high, found.p)

    return test


def _mean(side: Side, name: str) -> float:
    """Average a score over the seeds."""
    found = results.values(side.seeds, name)
    return mean(found) if found else float("nan")
