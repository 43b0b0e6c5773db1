"""A trained run held against the rows that it may have learned from: what its folder says it was fitted on, computed again.

Nothing here is taken from the run's word alone where the rows can tell: the standardisation is fitted again to the train rows, the network
answers the rows that chose its epoch, and epoch, temperature and thresholds must come out of those answers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pqrst import convergence, decisions, leaks, loaders
from pqrst.arrays import Bundle, take
from pqrst.contracts import Contract
from pqrst.errors import LeakError
from pqrst.opened import Opened
from pqrst.predictors import Predictor
from pqrst.standardisation import fit_standardisation
from pqrst.treatment import Kind, Standardisation, beside

COLUMNS = ("epoch", "lr", "train_loss")  # of a history, beside those of validation rows
SAME = 1e-9  # of a mean or deviation that is fitted to the same rows
# another device rounds otherwise, and bfloat16 coarsely: so many rows, and this share of them, may be decided otherwise
FLIPS, FLIPPED, FLIPPED_BF16 = 2, 0.002, 0.01
WARMTH = 0.01  # how far a temperature may be from that of the same rows


@dataclass(frozen=True)
class Audited:
    """A run that passed."""

    verdict: str  # in words, for the tables
    chosen: np.ndarray  # logits (rows, classes) of the rows that choose


@dataclass(frozen=True)
class Fits:
    """Standardisations fitted to the train rows of the parts of a split, each once a process."""

    parts: Mapping[str, Opened]
    known: dict[tuple[str, Kind], Standardisation] = field(default_factory=dict)

    def fit(self, part: str, kind: Kind) -> Standardisation:
        if (part, kind) not in self.known:
            bundle, rows = self.parts[part].bundle, self.parts[part].sides.rows("train")
            read = loaders.parts(bundle.x, rows, bundle.meta.steps)
            self.known[part, kind] = fit_standardisation(kind, read)
        return self.known[part, kind]


def answers(predictor: Predictor, bundle: Bundle, rows: np.ndarray) -> np.ndarray:
    """Give the logits of rows, read a part at a time."""
    side = bundle.side
    return np.concatenate([
        predictor.logits(take(bundle.x, part), None if side is None else side[part])
        for part in loaders.chunks(rows, bundle.x.shape[1:])
    ])  # fmt: skip


def check(predictor: Predictor, opened: Opened, history: pd.DataFrame, fits: Fits, name: str) -> Audited:
    """Refuse a run that was fitted to other rows than its protocol says, or whose folder does not say to which."""
    contract, chosen = predictor.contract, answers(predictor, opened.bundle, opened.sides.choosing())
    for fault in _faults(contract, opened, history, fits, chosen):
        if fault:
            raise LeakError(f"run {name}: {fault}; train it anew with `dvc repro`")
    return Audited(_verdict(contract, opened), chosen)


def _faults(contract: Contract, opened: Opened, history: pd.DataFrame, fits: Fits, chosen: np.ndarray) -> Iterator[str]:
    """Find what is wrong, the cheapest to find first; empty where nothing is."""
    yield _data(contract, opened)
    yield _sides(opened)
    yield _rows(contract, opened)
    yield _epoch(contract, history)
    yield _standardised(contract, opened, fits)
    if contract.kind == "models" and not _altered(contract):
        yield _scored(contract, opened, history, chosen)
        yield _temperature(contract, opened, chosen)
        yield _thresholds(contract, opened, chosen)


def _data(contract: Contract, opened: Opened) -> str:
    same = contract.provenance.get("digest") == opened.digest
    return "" if same else "it learned other rows, or another split of them, than it is scored on"


def _sides(opened: Opened) -> str:
    """Hold what the split's file says of subjects and recordings against the rows."""
    found, told = leaks.by_name(opened.sides.sides, opened.bundle.rows), opened.sides.told["gate"]
    wrong = [kind for kind in found if found[kind] != told[kind]]
    return (
        f"{found[wrong[0]][0]} {wrong[0]} stand on two sides of its split, which tells of {told[wrong[0]][0]}"
        if wrong
        else ""
    )


def _rows(contract: Contract, opened: Opened) -> str:
    """Hold the rows that the run says it was fitted on against the sides."""
    sides, told = opened.sides, contract.fitted
    train, validation = sides.rows("train"), sides.rows("validation")
    learned = train if contract.kind == "models" else np.union1d(train, validation)
    if told.learned != leaks.mark(learned):
        return f"its weights were fitted on {_whose(told.learned, opened)}, not on the {len(learned)} rows that train"
    if contract.kind != "models":
        return ""
    if told.chose != leaks.mark(sides.choosing()):
        return f"its epoch and thresholds were chosen on {_whose(told.chose, opened)}, not on {sides.chooses} rows"
    counts = tuple(opened.bundle.class_counts(train).tolist())
    return (
        ""
        if told.class_counts == counts
        else "the class counts that its loss was given are not those of the train rows"
    )


def _whose(mark: str, opened: Opened) -> str:
    """Name the side whose rows a mark names."""
    of_sides = {leaks.mark(opened.sides.rows(side)): side for side in ("train", "validation", "test")}
    return (
        f"{of_sides[mark]} rows"
        if mark in of_sides
        else f"rows of no side ({mark.partition(' ')[0]})"
        if mark
        else "rows that it does not name"
    )


def _epoch(contract: Contract, history: pd.DataFrame) -> str:
    """Find the chosen epoch again in what validation said of each."""
    foreign = [str(name) for name in history if name not in COLUMNS and not str(name).startswith("validation_")]
    if foreign:
        return f"its history has a column {foreign[0]}, which no epoch may be chosen by"
    if len(history) != contract.epochs:
        return f"its history has {len(history)} epochs, its contract {contract.epochs}"
    if not len(history):
        return "" if not contract.best_epoch and contract.kind != "models" else "it has no history to find its epoch in"
    select = contract.train["select"]
    rows = [{str(name): float(value) for name, value in row.items()} for row in history.to_dict("records")]
    best = convergence.chosen(rows, select)
    return "" if best == contract.best_epoch else f"its epoch is {contract.best_epoch}, by {select} it would be {best}"


def _standardised(contract: Contract, opened: Opened, fits: Fits) -> str:
    """Fit the standardisation again."""
    rows, side = opened.sides.rows("train"), Standardisation("none")
    if contract.standardise_side.kind != "none":
        values = beside(opened.bundle.side, opened.bundle.meta.side, contract.side)
        side = fit_standardisation(contract.standardise_side.kind, loaders.parts(values, rows))
    same = _same(contract.standardise, fits.fit(contract.part, contract.standardise.kind)) and _same(
        contract.standardise_side, side
    )
    return "" if same else "it is standardised by numbers that are not those of the train rows"


def _same(one: Standardisation, other: Standardisation) -> bool:
    if len(one.mean) != len(other.mean) or len(one.deviation) != len(other.deviation):
        return False
    numbers = [np.array(values) for values in (one.mean, other.mean, one.deviation, other.deviation)]
    room = SAME * (np.abs(numbers[1]) + numbers[3])
    return bool((abs(numbers[0] - numbers[1]) <= room).all() and (abs(numbers[2] - numbers[3]) <= room).all())


def _scored(contract: Contract, opened: Opened, history: pd.DataFrame, chosen: np.ndarray) -> str:
    """Score the chosen epoch again on the rows that chose it."""
    labels = opened.bundle.y[opened.sides.choosing()].astype(np.int64)
    said = chosen.argmax(axis=1) if contract.task == "single" else (chosen > 0).astype(np.int8)
    found = float((said == labels).mean()) if labels.ndim == 1 else float((said == labels).all(axis=1).mean())
    told = float(history["validation_accuracy"][contract.best_epoch - 1])
    share = FLIPPED_BF16 if contract.train["precision"] == "bf16" else FLIPPED
    if abs(found - told) <= share + FLIPS / len(labels):
        return ""
    return f"its accuracy on {opened.sides.chooses} rows is {found:.4f}, and {told:.4f} in its history"


def _temperature(contract: Contract, opened: Opened, chosen: np.ndarray) -> str:
    which, first = opened.recordings(opened.sides.choosing())
    labels, told = opened.bundle.y[first].astype(np.int64), contract.calibration
    found = decisions.calibrate(chosen, labels, which, contract.task, opened.sides.chooses)
    if (told.fitted_on, told.rows) != (found.fitted_on, found.rows):
        return f"its temperature was fitted on {told.rows} {told.fitted_on} rows, not on {found.rows} {found.fitted_on} rows"
    if abs(told.temperature - found.temperature) > WARMTH * found.temperature:
        return f"its temperature is {told.temperature:g}, by {found.fitted_on} rows it would be {found.temperature:g}"
    return ""


def _thresholds(contract: Contract, opened: Opened, chosen: np.ndarray) -> str:
    """Choose the thresholds again, and decide the rows that chose them by both."""
    by = contract.train["thresholds"]
    if contract.task == "single" or by == "none":
        return "it has thresholds that none of its settings asks for" if contract.thresholds else ""
    which, first = opened.recordings(opened.sides.choosing())
    probability = decisions.probabilities(chosen, contract.task, contract.calibration.temperature)
    probability = decisions.by_recording(probability, which)
    found = decisions.fit_thresholds(probability, opened.bundle.y[first].astype(np.int64), by)
    one, other = (decisions.decide(probability, contract.task, values) for values in (contract.thresholds, found))
    if (one != other).sum() <= FLIPS + FLIPPED * one.size:
        return ""
    return f"its thresholds are not those that {by} chooses on {opened.sides.chooses} rows"


def _altered(contract: Contract) -> bool:
    """Say whether the rows that chose were altered, as one original did: then they cannot be answered again."""
    train = contract.train
    return train.get("augment_side") == "validation" and train.get("augment") != "none"


def _verdict(contract: Contract, opened: Opened) -> str:
    """Say what was seen, and what is otherwise than usual by the run's own settings."""
    sides, published = opened.sides, ", as published"
    if contract.kind == "models":
        said = ["fitted on train rows", f"epoch, temperature and thresholds by {sides.chooses} rows"]
        said[1] += published if sides.chooses == "test" else ""
    else:
        both = " and validation" if len(sides.rows("validation")) else ""
        said = [f"fitted on train{both} rows, nothing chosen"]
    said += [f"which were altered{published}"] if contract.kind == "models" and _altered(contract) else []
    said += (
        [f"begun from weights of a file ({contract.weights[:8]}) whose rows are not known"] if contract.weights else []
    )
    stored = opened.bundle.meta.encoding and opened.bundle.meta.gain is not None
    return "; ".join(said + (["stored in steps laid over the pictures of all sides"] if stored else []))
