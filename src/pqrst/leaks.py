"""Who and what stands on two sides of a split, found in the rows themselves, and the gate that a split must pass.

Equal signals are equal to the bit, row by row; a copy at another rate or gain is not seen here. Rows overlap where their stretches of
one recording do.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from pqrst import splits
from pqrst.arrays import Bundle, take
from pqrst.errors import LeakError

CHUNK_BYTES = 2**24  # of rows that are read at once
KINDS = ("subjects", "recordings", "signals", "windows")
WORDS = {
    "subjects": "{} of {} subjects",
    "recordings": "{} of {} recordings",
    "signals": "{} of {} rows whose signal is another's",
    "windows": "{} of {} rows that overlap",
}
NONE = {"subjects": "subject", "recordings": "recording", "signals": "equal signal", "windows": "overlapping window"}
# what a way of splitting leaves on two sides, as published; all else closes the gate
ALLOWED = {"beat": KINDS, "row": KINDS, "recording": ("subjects", "signals"), "patient": (), "group": ()}


@dataclass(frozen=True)
class Identity:
    """What rows are told by, besides their numbers: each (rows,), a name empty where it is not known."""

    patients: np.ndarray
    records: np.ndarray
    signals: np.ndarray
    begins: np.ndarray  # int64, in samples of the recording
    ends: np.ndarray

    @cached_property
    def codes(self) -> dict[str, np.ndarray]:
        """Number the names of each kind; -1 of a row without one."""
        names = {"subjects": self.patients, "recordings": self.records, "signals": self.signals}
        found = {kind: pd.factorize(values) for kind, values in names.items()}
        return {kind: np.where(known[codes] == "", -1, codes) for kind, (codes, known) in found.items()}


def identity(bundle: Bundle) -> Identity:
    """Tell the rows of a Bundle of signals apart; its samples are read once."""
    patients, records = (bundle.rows[column].to_numpy(str) for column in ("patient", "record"))
    signals, lengths = _read(bundle)
    begins = bundle.rows["start"].to_numpy(np.int64) - int(bundle.meta.window.get("before", 0))
    return Identity(patients, records, signals, begins, begins + lengths)


def _read(bundle: Bundle) -> tuple[np.ndarray, np.ndarray]:
    """Give the digest of each row's samples, empty of a flat row, and how many samples of its recording it holds."""
    x, window = bundle.x, bundle.meta.window
    size = max(1, CHUNK_BYTES // max(1, x[:1].nbytes))
    digests, lengths = [], []
    for begin, end in pairwise([*range(0, len(x), size), len(x)]):
        rows = take(x, np.arange(begin, end))
        flat = (rows == rows[..., :1]).reshape(len(rows), -1).all(axis=1)
        digests += ["" if no else hashlib.sha256(row.data).hexdigest()[:32] for row, no in zip(rows, flat, strict=True)]
        lengths.append(_lengths(rows, padded=window.get("cut") == "beats"))
    return np.array(digests, str), np.concatenate(lengths) * int(window.get("every", 1))


def _lengths(rows: np.ndarray, *, padded: bool) -> np.ndarray:
    """Count the samples of rows; a beat ends with its last sample that is not 0, since zeros are put behind it."""
    if not padded:
        return np.full(len(rows), rows.shape[-1])
    some = (rows != 0).any(axis=1)  # (rows, T)
    return np.where(some.any(axis=1), rows.shape[-1] - some[:, ::-1].argmax(axis=1), 0)


def astride(sides: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Say of each row whether its name, by number, stands on another side too; -1 is nobody's."""
    on = np.zeros((codes.max(initial=0) + 1, len(splits.SIDES)), bool)
    named = np.flatnonzero((sides != splits.UNUSED) & (codes >= 0))
    on[codes[named], sides[named]] = True
    found = np.zeros(len(sides), bool)
    found[named] = (on.sum(axis=1) > 1)[codes[named]]
    return found


def overlapping(sides: np.ndarray, rows: Identity) -> np.ndarray:
    """Say of each row whether it overlaps a row of the same recording on another side."""
    apart = int(max(rows.ends.max(initial=0), 0) - min(rows.begins.min(initial=0), 0)) + 1
    # so that recordings lie one behind the other
    begins, ends = (places + rows.codes["recordings"] * apart for places in (rows.begins, rows.ends))
    found = np.zeros(len(sides), bool)
    for side in range(len(splits.SIDES)):
        here, there = np.flatnonzero(sides == side), np.flatnonzero((sides != side) & (sides != splits.UNUSED))
        order = there[np.argsort(begins[there], kind="stable")]
        reach = np.append(np.iinfo(np.int64).min, np.maximum.accumulate(ends[order]))
        found[here] = reach[np.searchsorted(begins[order], ends[here])] > begins[here]
    return found


def shared(sides: np.ndarray, rows: Identity) -> dict[str, np.ndarray]:
    """Give by kind the rows whose like stands on another side."""
    return {kind: astride(sides, codes) for kind, codes in rows.codes.items()} | {"windows": overlapping(sides, rows)}


def counts(sides: np.ndarray, rows: Identity) -> dict[str, list[int]]:
    """Count by kind what stands on two sides, and of how many: subjects and recordings by name, the others by row."""
    used, told = sides != splits.UNUSED, {}
    for kind, here in shared(sides, rows).items():
        if kind in ("subjects", "recordings"):
            known = rows.codes[kind] >= 0
            told[kind] = [len(np.unique(rows.codes[kind][part & known])) for part in (here, used)]
        else:
            told[kind] = [int(part.sum()) for part in (here, used)]
    return told


def by_name(sides: np.ndarray, rows: pd.DataFrame) -> dict[str, list[int]]:
    """Count the subjects and recordings that stand on two sides, by a Bundle's table alone."""
    nothing = np.zeros(len(rows), np.int64)
    known = Identity(rows["patient"].to_numpy(str), rows["record"].to_numpy(str), nothing.astype(str), nothing, nothing)
    return {kind: told for kind, told in counts(sides, known).items() if kind in ("subjects", "recordings")}


def gate(sides: np.ndarray, rows: Identity, name: str, *, by: str, doubles: int, passed: np.ndarray) -> None:
    """Refuse a split that leaves on two sides what it does not declare; `passed` (rows,) are those whose leak is published."""
    found = shared(sides, rows)
    for kind in (kind for kind in KINDS if kind not in ALLOWED[by]):
        here = np.flatnonzero(found[kind] & ~passed)
        if len(here) > (doubles if kind == "signals" else 0):
            raise LeakError(_refusal(sides, rows, name, kind, here))


def _refusal(sides: np.ndarray, rows: Identity, name: str, kind: str, here: np.ndarray) -> str:
    """Say in one line what stands on two sides, and where the first of it does."""
    one = int(here[0])
    others = [row for row in here if sides[row] != sides[one] and _alike(rows, kind, one, row)]
    first = " and ".join(
        f"row {row} of {rows.records[row]} in {splits.SIDES[sides[row]]}" for row in [one, *others[:1]]
    )
    mend = "split by group" + ("; where that is as published, set doubles" if kind == "signals" else "")
    return f"split {name}: {len(here)} rows show {NONE[kind]}s of another side, the first are {first}; {mend}"


def _alike(rows: Identity, kind: str, one: int, other: int) -> bool:
    if kind != "windows":
        return bool(rows.codes[kind][one] == rows.codes[kind][other])
    apart = rows.ends[one] <= rows.begins[other] or rows.ends[other] <= rows.begins[one]
    return bool(rows.records[one] == rows.records[other] and not apart)


def words(told: Mapping[str, Any]) -> str:
    """Say what a split, by what its file tells, leaves on two sides, and by what protocol."""
    counted, unknown = told["gate"], told["patients_unknown"]
    kinds = [kind for kind in KINDS if kind != "subjects" or told["patients"]]
    some = [WORDS[kind].format(*map("{:,}".format, counted[kind])) for kind in kinds if counted[kind][0]]
    none = [NONE[kind] for kind in kinds if not counted[kind][0]]
    protocol = [f"by: {told['by']}", *(["mixed"] if told["mixed"] else []), *(f"shared: {p}" for p in told["shared"])]
    protocol += [f"doubles: {told['doubles']}"] if told["doubles"] else []
    parts = [f"on two sides, as its protocol says ({', '.join(protocol)}): {', '.join(some)}"] if some else []
    parts += [f"no {' or '.join(filter(None, [', '.join(none[:-1]), none[-1]]))} on two sides"] if none else []
    return "; ".join([*parts, *([f"the subjects of {unknown:,} rows are not known"] if unknown else [])])


def mark(rows: np.ndarray) -> str:
    """Name a set of rows of a Bundle by how many they are and by a digest of their numbers."""
    return f"{len(rows)} {hashlib.sha256(np.sort(rows).astype('<i8').tobytes()).hexdigest()[:16]}"


def of_rows(rows: pd.DataFrame) -> str:
    """Name the rows of a Bundle, in their order, by a digest of recording, patient and place."""
    columns = (rows[name].astype(str).tolist() for name in ("record", "patient", "start"))
    return hashlib.sha256("\n".join(map("\t".join, zip(*columns, strict=True))).encode()).hexdigest()
