"""A Bundle written from a database's recordings, each made ready and cut into rows."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import catalog, workers
from pqrst.arrays import Meta, Record, Writer, taken
from pqrst.console import log, track
from pqrst.errors import DataError, RecordError
from pqrst.params import Window, component
from pqrst.preparation import in_steps, prepared
from pqrst.resolved import Segment
from pqrst.sources import PROVENANCE
from pqrst.windows import CUTS, Rows, cut_of

Cut = tuple[Record, Rows]


def of_database(given: Segment, raw: Path, folder: Path) -> Meta:
    """Cut a database as it was brought, and write the Bundle."""
    dataset = catalog.load("datasets", given.database)
    provenance = json.loads((raw / PROVENANCE).read_text(encoding="utf-8")) | {"database": given.database}
    facts = {"dataset": given.dataset, "task": dataset.TASK, "classes": dataset.CLASSES, "provenance": provenance}
    p = component(("datasets", given.database), given.settings, "settings")
    if not hasattr(dataset, "readings"):
        return segment(dataset.records(raw, p), given.window, given.on_bad_record, facts, folder)
    listed, work = partial(dataset.readings, raw, p), lambda one: _cut(taken(one), given.window)
    # closed, so that no worker outlives a fault
    with closing(workers.in_order(listed, work, workers.available(1))) as found:
        return _written(found, given.window, given.on_bad_record, facts, folder)


def segment(
    found: Iterable[Record | RecordError], window: Window, on_bad_record: str, facts: Mapping[str, Any], folder: Path
) -> Meta:
    """Cut every recording and write the Bundle; `facts` are the parts of its meta that the recordings do not tell."""
    return _written((_cut(one, window) for one in found), window, on_bad_record, facts, folder)


def _written(
    found: Iterable[Cut | RecordError], window: Window, on_bad_record: str, facts: Mapping[str, Any], folder: Path
) -> Meta:
    skipped: list[dict[str, str]] = []
    unscored: Counter[str] = Counter()
    writer: Writer | None = None
    meta: Meta | None = None
    borne: list[tuple[str, ...]] = []
    try:
        for record, rows in _sound(found, on_bad_record, skipped):
            own = _meta(record, rows, window, facts)
            if meta is not None and (own.gain, own.zero, own.fs) != (meta.gain, meta.zero, meta.fs):
                raise DataError(
                    f"record {record.record}: its gain, zero or rate differs from the records before it; "
                    "set window.steps, and window.rate, to bring all to one"
                )
            if writer is None or meta is None:
                meta = own
                writer = Writer(folder, rows.x.shape[1:], rows.x.dtype.name).__enter__()
            writer.add(rows.x, rows.y, _table(record, rows), rows.side)
            borne.append(record.leads[: rows.x.shape[1]])
            unscored.update(record.unscored)
        if writer is None or meta is None:
            raise DataError(
                f"{folder}: no recording could be read ({len(skipped)} skipped); download the dataset again"
            )
        _tell_unscored(meta.dataset, unscored)
        names = tuple(dict(Counter(column).most_common()) for column in zip(*borne, strict=True))
        return writer.finish(replace(meta, skipped=tuple(skipped), lead_names=names))
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)


def _cut(record: Record | RecordError, window: Window) -> Cut | RecordError:
    """Cut one recording; what is given can travel between processes, since the signal is left out of it."""
    try:
        if isinstance(record, RecordError):
            return record
        made = prepared(record, window)
        made, rows = _stored(made, CUTS[cut_of(made, window)](made, window), window)
        return replace(made, signal=made.signal[:, :0]), rows
    except RecordError as fault:
        return fault


def _sound(found: Iterable[Cut | RecordError], on_bad_record: str, skipped: list[dict[str, str]]) -> Iterator[Cut]:
    for one in track(found, None, "segment", "recordings"):
        if not isinstance(one, RecordError):
            yield one
        elif on_bad_record == "stop":
            raise one
        else:
            log.warning("skipped: %s", one)
            skipped.append({"record": one.record, "fault": one.fault})


def _tell_unscored(dataset: str, unscored: Counter[str]) -> None:
    if unscored:
        most = ", ".join(code for code, _ in unscored.most_common(3))
        log.info("%s: %s mentions of %s codes are not scored: %s ...", dataset, unscored.total(), len(unscored), most)


def _stored(record: Record, rows: Rows, w: Window) -> tuple[Record, Rows]:
    """Round rows to int16 steps where that is wanted."""
    if not w.steps:
        return record, rows
    leads = rows.x.shape[1]
    whole_steps = in_steps(rows.x, np.full(leads, w.steps), np.zeros(leads))
    told = replace(record, gain=(float(w.steps),) * len(record.leads), zero=(0,) * len(record.leads))
    return told, replace(rows, x=whole_steps.astype(np.int16))


def _meta(record: Record, rows: Rows, window: Window, facts: Mapping[str, Any]) -> Meta:
    cut = cut_of(record, window)
    return Meta(
        fs=record.fs / window.every if cut in ("beats", "around") else record.fs,
        side=rows.columns,
        leads=record.leads[: rows.x.shape[1]] if window.leads == "all" else ("first",),
        units="from 0 to 1" if cut == "beats" else record.units if record.gain is None else _steps_of(record),
        axes=("row", "lead", "time"),
        gain=None if cut == "beats" or record.gain is None else record.gain[: rows.x.shape[1]],
        zero=None if cut == "beats" or record.zero is None else record.zero[: rows.x.shape[1]],
        window=_told(window),
        **facts,
    )


@cache
def _told(window: Window) -> dict[str, Any]:
    """List the settings that differ from their defaults, and those that none can do without."""
    usual = asdict(Window(window.cut, window.samples))
    return {
        k: v for k, v in asdict(window).items() if k in ("cut", "samples", "step", "every", "leads") or v != usual[k]
    }


def _steps_of(record: Record) -> str:
    return "converter steps" if record.units == "mV" else f"steps of {record.units}"


def _table(record: Record, rows: Rows) -> dict[str, list[Any]]:
    """Give the table's columns: what tells of the recording stands in each of its lines."""
    folds: dict[str, Any] = {**record.folds, **rows.folds}
    own: dict[str, Any] = {"record": record.record, "patient": record.patient, "start": rows.start}
    own |= {f"fold_{name}": folds[name] for name in sorted(folds)}
    own |= {f"about_{name}": said for name, said in record.about.items()}
    own["quality"] = " ".join(record.quality)
    lines = len(rows.start)
    return {name: told.tolist() if isinstance(told, np.ndarray) else [told] * lines for name, told in own.items()}
