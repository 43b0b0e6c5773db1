"""Say of each row whether it trains, chooses or tests, and whether any patient stands on two sides."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from pqrst.errors import LeakError, SettingsError

SIDES = ("train", "validation", "test")
TRAIN, VALIDATION, TEST, UNUSED = 0, 1, 2, -1
ALIKE = 0.99  # sides that need a label within a hundredth alike: the one with more room gets it, or rare labels all go to one


def members(
    fold: np.ndarray, train: Sequence[str], test: Sequence[str], setting: str, held: Sequence[str] = ()
) -> np.ndarray:
    """Give each row its side by its published membership; a row that is in none of the parts is left out."""
    present, seen = sorted(set(map(str, fold))), dict[str, str]()
    sides = np.full(len(fold), UNUSED, np.int8)
    for side, names in enumerate((train, held, test)):
        for name in names:
            if name in seen:
                raise SettingsError(
                    f"{setting} names the part {name!r} for {seen[name]} and for {SIDES[side]}; give it one side"
                )
            if name not in present:
                raise SettingsError(
                    f"{setting} names the part {name!r}, but the rows only know {', '.join(map(repr, present))}"
                )
            seen[name] = SIDES[side]
        sides[np.isin(fold, names)] = side
    return sides


def hold_out_by_class(sides: np.ndarray, labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Move a share of each class's train rows, drawn at random and rounded down, to validation."""
    sides = sides.copy()
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero((sides == TRAIN) & (labels == label)))
        sides[rows[: int(share * len(rows))]] = VALIDATION
    return sides


def hold_out_by_patient(
    sides: np.ndarray, labels: np.ndarray, patients: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Move whole patients, some `share` of the train rows with classes in proportion, to validation."""
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 (costs a second, and training only reads splits)

    sides, rows = sides.copy(), np.flatnonzero(sides == TRAIN)
    people = len(set(patients[rows]))
    if people < 2:
        raise SettingsError(f"a validation part by patient needs two patients in train, there is {people}")
    largest = int(np.bincount(labels[rows]).max())
    if largest < 2:
        raise SettingsError("a validation part by patient needs two rows of one class in train, each class has one")
    parts = min(people, largest, max(2, round(1 / share)))
    folds = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    _, held = next(iter(folds.split(rows, labels[rows], patients[rows])))
    sides[rows[held]] = VALIDATION
    return sides


def at_random(rows: int, test: float, validation: float, seed: int) -> np.ndarray:
    """Draw test rows out of all, then validation rows out of the rest, as scikit-learn does: sizes rounded up."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 (costs a second, and training only reads splits)

    sides = np.full(rows, TRAIN, np.int8)
    rest, tested = train_test_split(np.arange(rows), test_size=test, random_state=seed)
    _, held = train_test_split(rest, test_size=validation, random_state=seed)
    sides[tested], sides[held] = TEST, VALIDATION
    return sides


def groups(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Number the groups of rows that must stay together: rows that share a name in any column, but an empty one."""
    from scipy.sparse import coo_matrix  # noqa: PLC0415 (costs a second, and training only reads splits)
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    rows, links = len(columns[0]), []
    for column in columns:
        codes, names = pd.factorize(column)
        named = np.flatnonzero(names[codes] != "")
        first = np.full(len(names), rows)
        np.minimum.at(first, codes[named], named)  # the first row of each name
        links.append((named, first[codes[named]]))
    one, other = (np.concatenate(ends) for ends in zip(*links, strict=True))
    graph = coo_matrix((np.ones(len(one), bool), (one, other)), shape=(rows, rows))
    return np.asarray(connected_components(graph, directed=False)[1])


def stratified(labels: np.ndarray, sizes: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Deal units out to sides by their shares, the rarest label first, so that each side gets its share of every label.

    `labels` (units, classes) counts the rows of each label in a unit, `sizes` (units,) its rows. Source: Sechidis,
    Tsoumakas, Vlahavas, On the stratification of multi-label data, ECML PKDD 2011.
    """
    wanted = np.outer(shares, labels.sum(axis=0)).astype(float)  # (sides, classes), still to be dealt
    room, left = np.asarray(shares) * sizes.sum(), labels.sum(axis=0).astype(float)
    sides, waiting = np.full(len(labels), UNUSED, np.int8), np.ones(len(labels), bool)
    while waiting.any():
        label = int(np.where(left > 0, left, np.inf).argmin()) if (left > 0).any() else None
        chosen = waiting if label is None else waiting & (labels[:, label] > 0)
        for unit in rng.permutation(np.flatnonzero(chosen)):
            need = room if label is None else wanted[:, label]
            most = np.flatnonzero(need >= ALIKE * need.max() if need.max() > 0 else need == need.max())
            side = most[room[most].argmax()]
            sides[unit] = side
            wanted[side] -= labels[unit]
            room[side] -= sizes[unit]
        left = left - labels[chosen].sum(axis=0)
        waiting &= ~chosen
    return sides


def hold_out_by_group(
    sides: np.ndarray, labels: np.ndarray, group: np.ndarray, shares: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Deal the groups of the train rows out to train, validation and test, with every label in proportion."""
    sides, rows = sides.copy(), np.flatnonzero(sides == TRAIN)
    names, unit = np.unique(group[rows], return_inverse=True)
    counts = np.zeros((len(names), labels.shape[1]), np.int64)
    np.add.at(counts, unit, labels[rows])
    sides[rows] = stratified(counts, np.bincount(unit), shares, rng)[unit]
    return sides


def overlap(sides: np.ndarray, patients: np.ndarray) -> dict[str, list[str]]:
    """Name the patients who stand on more than one side, with those sides; rows without a patient count as nobody."""
    found: dict[str, list[str]] = {}
    for place, side in enumerate(SIDES):
        for patient in sorted(set(patients[sides == place]) - {""}):
            found.setdefault(str(patient), []).append(side)
    return {patient: where for patient, where in found.items() if len(where) > 1}


def mix(sides: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exchange the sides of rows at random within each class: every side keeps its count of every class."""
    sides = sides.copy()
    for label in np.unique(labels[sides != UNUSED]):
        rows = np.flatnonzero((sides != UNUSED) & (labels == label))
        sides[rows] = rng.permutation(sides[rows])
    return sides


def gate(sides: np.ndarray, patients: np.ndarray, name: str, passed: Collection[str] = ()) -> None:
    """Refuse a split that claims to be by patient and is not; `passed` names patients whose leak is published."""
    unknown = int((patients[sides != UNUSED] == "").sum())
    if unknown:
        raise LeakError(
            f"split {name} claims to be by patient, but {unknown} rows have no patient; split by beat, or build from recordings"
        )
    shared = {patient: where for patient, where in overlap(sides, patients).items() if patient not in passed}
    if shared:
        patient, where = next(iter(shared.items()))
        raise LeakError(
            f"split {name} claims to be by patient, but {len(shared)} patients stand on two sides, "
            f"the first is {patient} in {' and '.join(where)}; give each patient one part"
        )


def class_table(sides: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count rows by side and class, (3, classes)."""
    if labels.ndim == 2:
        return np.array([labels[sides == side].sum(axis=0) for side in range(len(SIDES))])
    return np.array([np.bincount(labels[sides == side], minlength=n_classes) for side in range(len(SIDES))])
