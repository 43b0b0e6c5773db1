"""What travels between stages: a Record out of a database, and the Bundle, a folder of few large arrays."""

import csv
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self

import numpy as np

from pqrst import schemas
from pqrst.errors import DataError, RecordError, SettingsError
from pqrst.files import move_into_place, write_json
from pqrst.parsing import parse

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 2
Given = ParamSpec("Given")


@dataclass(frozen=True)
class Marks:
    """The annotations of one recording, in time order, beats or not."""

    samples: np.ndarray  # (marks,) int64, sample numbers
    labels: np.ndarray  # (marks,) int, class index, -1 where the mark belongs to no class
    folds: Mapping[str, np.ndarray] = field(
        default_factory=dict
    )  # published memberships by mark: name -> (marks,) text


@dataclass(frozen=True)
class Declared:
    """What a database says of all its recordings, or of those of one of its sources."""

    fs: float | None = None  # Hz
    gain: float | None = None  # converter steps per mV


@dataclass(frozen=True)
class Record:
    """One recording as its database gives it; `gain` and `zero` turn the converter's integers into mV."""

    record: str
    patient: str  # empty where the database does not say
    signal: np.ndarray  # (leads, samples)
    fs: float  # Hz
    leads: tuple[str, ...]
    gain: tuple[float, ...] | None = None  # converter steps per mV, by lead; None where `signal` is in `units` already
    zero: tuple[int, ...] | None = None
    units: str = "mV"
    label: int | tuple[int, ...] | None = (
        None  # of the whole recording: its class, or a number for each label, 0 = absent
    )
    marks: Marks | None = None
    folds: Mapping[str, str] = field(default_factory=dict)  # published memberships of the whole recording
    about: Mapping[str, str] = field(default_factory=dict)  # what is known of person and device, such as age and sex
    numbers: Mapping[str, float] = field(
        default_factory=dict
    )  # what a network may take beside the signal; nan = missing
    quality: tuple[str, ...] = ()  # what no sample tells; what samples tell is found and added by `segmentation`
    missing: int | None = None  # the step that the format writes where there is no sample
    ends: tuple[tuple[int, int], ...] | None = None  # the lowest and the highest step of the converter, by lead
    declared: Declared = Declared()
    unscored: tuple[str, ...] = ()  # codes of its labels that stand for none of the database's classes

    def in_units(self) -> np.ndarray:
        """Give the signal in `units`, float32 (leads, samples)."""
        if self.gain is None or self.zero is None:
            return self.signal.astype(np.float32)
        zero, gain = np.asarray(self.zero, np.float64)[:, None], np.asarray(self.gain, np.float64)[:, None]
        # where float32 holds steps less zero and gain exactly, its quotient is the same to the bit as float64's, in half the time
        exact = self.signal.dtype == np.int16 and (gain == gain.astype(np.float32)).all() and abs(zero).max() <= 2**15
        kind = np.float32 if exact else np.float64
        units = self.signal - zero.astype(kind)
        units /= gain.astype(kind)
        return units.astype(np.float32, copy=False)


Reading = Callable[[], Record]  # of one recording, its place in the database known


def or_fault(read: Callable[Given, Record], *given: Given.args, **named: Given.kwargs) -> Record | RecordError:
    """Read a recording; one that cannot be read is given as its fault."""
    try:
        return read(*given, **named)
    except RecordError as fault:
        return fault


def taken(one: Reading | RecordError) -> Record | RecordError:
    """Read a recording that a database has listed; one that cannot be read, or not even be listed, is given as its fault."""
    return one if isinstance(one, RecordError) else or_fault(one)


@dataclass(frozen=True)
class LabelTask:
    """A task made of a multi-label database's stored labels: each of its classes is one stored label or several."""

    members: Mapping[str, tuple[str, ...]]  # class of the task -> stored labels, any of which makes it
    least: int = 1  # the stored number from which a label counts
    drop_empty: bool = True  # whether a row without a label of the task is left out

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.members)

    def of(self, stored: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Give 0/1 labels (rows, classes) from stored ones (rows, names)."""
        places = {name: place for place, name in enumerate(names)}
        chosen = [[places[name] for name in members] for members in self.members.values()]
        return np.stack([(stored[:, columns] >= self.least).any(axis=1) for columns in chosen], axis=1).astype(np.int16)


@dataclass(frozen=True)
class Steps:
    """The whole steps that values are stored in, by lead or channel: value = (step − zero) / gain."""

    gain: tuple[float, ...]
    zero: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Form:
    """What one row is: to a network that learned such rows, and to whoever makes another."""

    shape: tuple[int, ...]
    axes: tuple[str, ...]  # that of the rows first
    fs: float  # Hz, of the signal's stored samples
    leads: tuple[str, ...]
    units: str
    window: dict[str, Any]  # the settings by which recordings were cut
    gain: tuple[float, ...] | None = None  # steps a unit, where whole steps are stored
    zero: tuple[int, ...] | None = None
    side: tuple[str, ...] = ()  # names of the numbers that stand beside each row
    lead_names: tuple[dict[str, int], ...] = ()  # what each lead was called, by how many recordings
    encoding: str = ""  # that drew what was cut, where images are stored
    encoding_settings: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> Steps | None:
        """Give the steps that rows are stored in; none where they are in their unit already."""
        return None if self.gain is None or self.zero is None else Steps(self.gain, self.zero)


@dataclass(frozen=True, kw_only=True)
class Meta(Form):
    """All that a reader of a Bundle must know; nothing in it depends on when or where it was made."""

    dataset: str
    task: str  # single | multi
    classes: tuple[str, ...]
    provenance: dict[str, Any]
    skipped: tuple[dict[str, str], ...] = ()
    shape: tuple[int, ...] = ()  # of a row; the Writer fills in these three
    rows: int = 0
    dtype: str = "float32"
    schema: int = SCHEMA

    @property
    def synthetic(self) -> bool:
        return bool(self.provenance.get("synthetic", True))

    @property
    def form(self) -> Form:
        """Give what a row is, without whose it is."""
        return Form(**{one.name: getattr(self, one.name) for one in fields(Form)})


@dataclass(frozen=True)
class Bundle:
    """Rows of signals or images with their labels and where each came from."""

    meta: Meta
    x: np.ndarray  # (rows, lead, time) or (rows, channel, height, width), memory-mapped
    y: np.ndarray  # (rows,) class index, or (rows, classes) 0/1
    rows: "pd.DataFrame"  # record, patient, start, fold_*, quality; one line a row
    side: np.ndarray | None = None  # (rows, columns) float32, where meta.side names columns

    def class_counts(self, chosen: np.ndarray | None = None) -> np.ndarray:
        """Count the rows of each class, or of the chosen row numbers only."""
        y = self.y if chosen is None else self.y[chosen]
        return y.sum(axis=0) if self.meta.task == "multi" else np.bincount(y, minlength=len(self.meta.classes))


class _Growing:
    """An .npy file that rows are appended to."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.row_shape, self.dtype, self.count = row_shape, dtype, 0
        self.file = path.open("wb")
        self._header()

    def _header(self) -> None:
        # numpy leaves room in the header for the first axis to grow, so it can be written again with the final count
        np.lib.format.write_array_header_1_0(
            self.file, {"descr": self.dtype.str, "fortran_order": False, "shape": (self.count, *self.row_shape)}
        )

    def add(self, rows: np.ndarray) -> None:
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.count += len(rows)

    def finish(self) -> None:
        self.file.seek(0)
        self._header()
        self.file.close()


class Writer:
    """Write a Bundle row by row into a temporary folder, and move it into place once it is whole.

    Only the lines of the table that are not yet written stay in memory.
    """

    def __init__(self, folder: Path, row_shape: tuple[int, ...], dtype: str) -> None:
        self.folder, self.row_shape, self.dtype = folder, tuple(row_shape), np.dtype(dtype)
        self.partial = folder.with_name(folder.name + ".partial")
        self.count = 0
        self._arrays: dict[str, _Growing] = {}
        self._columns: list[str] = []  # of the table, once they are known

    def __enter__(self) -> Self:
        shutil.rmtree(self.partial, ignore_errors=True)
        try:
            self.partial.mkdir(parents=True)
            self._table = (self.partial / "rows.csv").open("w", encoding="utf-8", newline="")
        except OSError:
            shutil.rmtree(self.partial, ignore_errors=True)
            raise
        return self

    def add(
        self,
        x: np.ndarray,
        y: np.ndarray,
        rows: "pd.DataFrame | Mapping[str, Sequence[Any]]",
        side: np.ndarray | None = None,
    ) -> None:
        """Append rows: x (n, *row_shape), y (n,) or (n, classes), the table's columns of n lines, side (n, columns) or none."""
        if not len(x) == len(y) == len(rows["record"]) or x.shape[1:] != self.row_shape:
            raise DataError(f"{self.folder}: rows of shape {x.shape[1:]} where {self.row_shape} was promised")
        self._append("x", x, self.dtype)
        self._append("y", y, np.dtype(np.int16))
        if side is not None:
            self._append("side", side, np.dtype(np.float32))
        names, lines = [str(name) for name in rows], csv.writer(self._table, lineterminator="\n")
        if not self._columns:
            self._columns = names
            lines.writerow(self._columns)
        if names != self._columns:
            raise DataError(f"{self.folder}: columns {', '.join(names)} where {', '.join(self._columns)} were promised")
        lines.writerows(zip(*(rows[name] for name in self._columns), strict=True))
        self.count += len(x)

    def _append(self, name: str, rows: np.ndarray, dtype: np.dtype[Any]) -> None:
        if name not in self._arrays:
            self._arrays[name] = _Growing(self.partial / f"{name}.npy", rows.shape[1:], dtype)
        self._arrays[name].add(rows)

    def tell(self, file: str, columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
        """Append lines to a table that stands beside the rows, of whatever the rows do not tell."""
        path = self.partial / file
        begun = path.exists()
        with path.open("a", encoding="utf-8", newline="") as table:
            csv.writer(table, lineterminator="\n").writerows(lines if begun else [columns, *lines])

    def finish(self, meta: Meta) -> Meta:
        """Write what is left and move the folder into place; give the meta with the shape filled in."""
        if self.count == 0:
            raise DataError(f"{self.folder}: no row was made; every recording was empty or skipped")
        for array in self._arrays.values():
            array.finish()
        self._table.close()
        filled = replace(meta, shape=self.row_shape, rows=self.count, dtype=self.dtype.name)
        write_json(self.partial / "meta.json", asdict(filled))
        move_into_place(self.partial, self.folder)
        return filled

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._table, *(array.file for array in self._arrays.values())):
            with suppress(OSError):  # what a full disk did not take is written once more, and fails once more
                file.close()
        shutil.rmtree(self.partial, ignore_errors=True)


def read_meta(folder: Path) -> Meta:
    """Read what a Bundle says of itself."""
    try:
        given = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder} holds no meta.json; build it with `dvc repro`") from None
    except (ValueError, RecursionError, OSError):
        raise DataError(f"{folder}/meta.json is not JSON; build it anew with `dvc repro`") from None
    schemas.check(given, f"{folder}/meta.json", SCHEMA, SCHEMA, "build it anew with `dvc repro`")
    try:
        return parse(Meta, given, f"{folder}/meta.json")
    except SettingsError as error:
        raise DataError(f"{error}; build it anew with `dvc repro`") from None


def read(folder: Path, elsewhere: Any = None) -> Bundle:
    """Open a Bundle; x stays on disk until it is used, or elsewhere where it lies."""
    import pandas as pd  # noqa: PLC0415 (costs a third of a second, and settings and servers need none)

    meta = read_meta(folder)
    # names and memberships stay text even where all of them are digits
    columns: defaultdict[str, Any] = defaultdict(lambda: str, {"start": np.int64})
    try:
        x = _mapped(folder / "x.npy") if elsewhere is None else elsewhere
        y = np.array(_mapped(folder / "y.npy"))
        side = np.array(_mapped(folder / "side.npy")) if meta.side else None
        rows = pd.read_csv(folder / "rows.csv", dtype=columns, keep_default_na=False)
    except Exception as error:  # noqa: BLE001 (what numpy raises on a damaged header has no common parent)
        reason = " ".join(str(error).split())[:100]
        raise DataError(f"{folder} is not whole ({reason}); build it anew with `dvc repro`") from None
    if x.shape != (meta.rows, *meta.shape) or not len(x) == len(y) == len(rows):
        raise DataError(
            f"{folder}: {len(x)} signals, {len(y)} labels, {len(rows)} rows; build it anew with `dvc repro`"
        )
    if side is not None and side.shape != (len(x), len(meta.side)):
        raise DataError(f"{folder}: side.npy has shape {side.shape}; build it anew with `dvc repro`")
    return Bundle(meta, x, y, rows, side)


def take(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Copy rows out of an array; out of a memory-mapped one by reading, since mapped pages count as this process's memory."""
    if not isinstance(x, np.memmap):
        return x[rows]
    out = np.empty((len(rows), *x.shape[1:]), x.dtype)
    size = out[:1].nbytes
    with Path(str(x.filename)).open("rb", buffering=0) as file:
        begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1).tolist()  # of neighbours, which are read at once
        for begin, end in pairwise([*begins, len(rows)]):
            file.seek(x.offset + int(rows[begin]) * size)
            held = file.readinto(out[begin:end].data)
            if held != (end - begin) * size:
                raise DataError(
                    f"{x.filename} ends before row {rows[begin] + held // size}; build it anew with `dvc repro`"
                )
    return out


def _mapped(file: Path) -> np.ndarray:
    """Map an array, so that a header which declares more than the file holds takes no memory."""
    return np.lib.format.open_memmap(file, mode="r")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy file; numpy's own writing drops what a full disk did not take of a small array, and says nothing."""
    content = io.BytesIO()
    np.save(content, array)
    path.write_bytes(content.getbuffer())
