"""A split as a folder: the side of every row, how it was made, and whom its sides share."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import leaks, schemas, splits
from pqrst.arrays import Bundle, LabelTask, write_array
from pqrst.errors import DataError, SettingsError
from pqrst.files import file_digest, whole, write_json
from pqrst.labels import of_classes, of_task
from pqrst.params import Split, parts_of

SCHEMA = 2  # of split.json; 1 carried none


@dataclass(frozen=True)
class Sides:
    """Row numbers by side, and what the split's file says of itself."""

    sides: np.ndarray  # (rows,) int8: 0 train, 1 validation, 2 test, -1 unused
    told: Mapping[str, Any]

    def rows(self, side: str) -> np.ndarray:
        """Give the row numbers of a side."""
        return np.flatnonzero(self.sides == splits.SIDES.index(side))

    @property
    def chooses(self) -> str:
        """Name the side that chooses the epoch, and that temperature and thresholds are fitted on."""
        return "test" if self.told["test_chooses"] else "validation"

    def choosing(self) -> np.ndarray:
        """Give the row numbers of the side that chooses."""
        return self.rows(self.chooses)

    @property
    def leak(self) -> str:
        """Say in a few words whom train and test share."""
        chosen = "the test rows chose the epoch and the temperature; " if self.chooses == "test" else ""
        return chosen + self._shared

    @property
    def gate(self) -> str:
        """Say what the leak gate found on two sides."""
        return leaks.words(self.told)

    @property
    def _shared(self) -> str:
        shared = sum("test" in sides for sides in self.told["overlap"].values())
        if self.told["by"] == "group" and not self.told["groups_shared"]:
            unknown = self.told["patients_unknown"]
            if not self.told["patients"]:
                return "patients unknown, no recording or signal on two sides"
            told = f"; {unknown} rows are of unknown patients" if unknown else ""
            return f"no recording or signal on two sides, no patient of those known{told}"
        if self.told["patients_unknown"]:
            return "patients unknown"
        return f"{shared} of {self.told['patients']} patients on both sides" if shared else "no patient on two sides"


def write(
    bundle: Bundle,
    name: str,
    s: Split,
    folder: Path,
    task: LabelTask | None = None,
    *,
    rows: leaks.Identity | None = None,
) -> str:
    """Split a Bundle's rows, pass the gate, and write the folder; give one line that tells what came out."""
    rows = rows or leaks.identity(bundle)
    bundle = of_task(of_classes(bundle, s.classes), task)
    group, patients = _groups(bundle, rows), rows.patients
    made = _made(bundle, name, s, group)
    if task is not None and task.drop_empty:
        made[~bundle.y.any(axis=1)] = splits.UNUSED
    shared = np.isin(bundle.rows[f"fold_{s.fold}"], s.shared) if s.shared else np.zeros(len(made), bool)
    passed = np.isin(patients, patients[shared])
    if s.by == "patient":
        splits.gate(made, patients, name, set(patients[passed]))
    leaks.gate(made, rows, name, by=s.by, doubles=s.doubles, passed=passed)
    if s.mixed:
        made = splits.mix(made, bundle.y, np.random.default_rng(s.seed))
    counts = splits.class_table(made, bundle.y, len(bundle.meta.classes))
    told = {
        "dataset": bundle.meta.dataset, "split": name, **asdict(s), "patients": len(set(patients[made != splits.UNUSED]) - {""}),
        "patients_unknown": int((patients == "").sum()), "overlap": splits.overlap(made, patients),
        "groups_shared": len(splits.overlap(made, group)),
        "rows": {side: int((made == place).sum()) for place, side in enumerate(splits.SIDES)},
        "labels": dict(zip(splits.SIDES, counts.sum(axis=1).tolist(), strict=True)),
        "task_of": None if task is None else asdict(task), "synthetic": bundle.meta.synthetic,
        "gate": leaks.counts(made, rows), "of_rows": leaks.of_rows(bundle.rows), "schema": SCHEMA,
    }  # fmt: skip
    with whole(folder) as partial:
        write_array(partial / "sides.npy", made)
        write_json(partial / "split.json", told | {"of_sides": file_digest(partial / "sides.npy")})
    return f"{told['rows']}, {Sides(made, told).leak}"


def write_all(
    bundle: Bundle, ways: Mapping[str, Split], tasks: Mapping[str, LabelTask], folder: Path
) -> dict[str, str]:
    """Split a Bundle in each way, and in each of its parts; give by name one line that tells what came out."""
    told, rows = {}, leaks.identity(bundle)
    for name, way in ways.items():
        for part, split in parts_of(way, f"splits.{name}").items():
            called = f"{name}/{part}" if part else name
            told[called] = write(bundle, called, split, folder / name / part, tasks.get(split.task), rows=rows)
    return told


def _groups(bundle: Bundle, rows: leaks.Identity) -> np.ndarray:
    """Number the groups of rows of one patient, one recording or one signal, as it was recorded or as it is stored, as text."""
    recorded = [bundle.rows[column].to_numpy(str) for column in ("about_signal",) if column in bundle.rows]
    return splits.groups([rows.patients, rows.records, *recorded, rows.signals]).astype(str)


def _made(bundle: Bundle, name: str, s: Split, group: np.ndarray) -> np.ndarray:
    if s.by == "row":
        made = splits.at_random(len(bundle.x), s.test_share, s.validation, s.seed)
        return np.where(bundle.y < 0, np.int8(splits.UNUSED), made) if bundle.meta.task == "single" else made
    fold = _fold(bundle, name, s) if s.fold else np.zeros(len(bundle.x), str)
    path = f"datasets.{bundle.meta.dataset}.splits.{name}"
    if s.by == "group":
        return _by_group(bundle, s, fold, group, path)
    made = splits.members(fold, s.train, s.test, path, s.held)
    if bundle.meta.task == "single":
        made[bundle.y < 0] = splits.UNUSED
    if s.held or s.test_chooses:
        return made
    if bundle.meta.task == "multi":
        raise SettingsError(
            f"{path}: validation rows of several labels are drawn by group; name parts as held, or split by group"
        )
    if s.by in ("beat", "recording"):
        return splits.hold_out_by_class(made, bundle.y, s.validation, np.random.default_rng(s.seed))
    return splits.hold_out_by_patient(made, bundle.y, bundle.rows["patient"].to_numpy(str), s.validation, s.seed)


def _fold(bundle: Bundle, name: str, s: Split) -> np.ndarray:
    column = f"fold_{s.fold}"
    if column not in bundle.rows:
        known = ", ".join(str(c).removeprefix("fold_") for c in bundle.rows if str(c).startswith("fold_"))
        raise DataError(
            f"split {name}: the rows of {bundle.meta.dataset} have no membership {s.fold!r}; known: {known or 'none'}"
        )
    return bundle.rows[column].to_numpy(str)


def _by_group(bundle: Bundle, s: Split, fold: np.ndarray, group: np.ndarray, path: str) -> np.ndarray:
    """Leave parts out as test rows, or draw test rows; both they and the validation rows have each label and part in proportion."""
    present = sorted(set(fold))
    made = splits.members(fold, [name for name in present if name not in s.test], s.test, path)
    made[(made == splits.TRAIN) & np.isin(group, group[made == splits.TEST])] = splits.UNUSED
    labels = bundle.y if bundle.meta.task == "multi" else bundle.y[:, None] == np.arange(len(bundle.meta.classes))
    if bundle.meta.task == "single":
        made[bundle.y < 0] = splits.UNUSED
    # of patients who recur without a name, none may be held against themselves
    drawn = (made == splits.TRAIN) & ~np.isin(group, group[np.isin(fold, s.whole)])
    if not drawn.any():
        return made
    rest, held = 1 - s.test_share, 0.0 if s.test_chooses else s.validation
    shares = (rest * (1 - held), rest * held, s.test_share)
    counted = np.column_stack([labels > 0, fold[:, None] == present]).astype(np.int64)
    here = np.where(drawn, made, np.int8(splits.UNUSED))
    dealt = splits.hold_out_by_group(here, counted, group, shares, np.random.default_rng(s.seed))
    return np.where(drawn, dealt, made)


def shares(read: Sides, bundle: Bundle) -> pd.DataFrame:
    """Lay the rows of each class on each side out as one line a cell: class, side, rows."""
    classes = bundle.meta.classes
    counts = splits.class_table(read.sides, bundle.y, len(classes))
    cells = [(name, side, int(counts[i, j])) for i, side in enumerate(splits.SIDES) for j, name in enumerate(classes)]
    return pd.DataFrame(cells, columns=["class", "side", "rows"])


def read(folder: Path) -> Sides:
    """Read what `write` wrote."""
    if not (folder / "split.json").exists() or not (folder / "sides.npy").exists():
        raise DataError(f"{folder} holds no split; build it with `dvc repro`")
    told, anew = json.loads((folder / "split.json").read_text(encoding="utf-8")), "build it anew with `dvc repro`"
    schemas.check(told, f"{folder}/split.json", SCHEMA, SCHEMA, anew, unmarked=1)
    if missing := {field.name for field in fields(Split)} - set(told):
        raise DataError(f"{folder} says nothing of {', '.join(sorted(missing))}; {anew}")
    if file_digest(folder / "sides.npy") != told["of_sides"]:
        raise DataError(f"{folder}/sides.npy is not what split.json tells of; {anew}")
    return Sides(np.load(folder / "sides.npy"), told)
