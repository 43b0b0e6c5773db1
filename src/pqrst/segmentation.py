"""A Bundle written from a database's recordings, each made ready and cut into rows."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pqrst import catalog
from pqrst.arrays import Meta, Record, Writer
from pqrst.console import log, track
from pqrst.errors import DataError, RecordError
from pqrst.params import Window, component
from pqrst.preparation import in_steps, prepared
from pqrst.resolved import Segment
from pqrst.sources import PROVENANCE
from pqrst.windows import CUTS, Rows, cut_of


def of_database(given: Segment, raw: Path, folder: Path) -> Meta:
    """Cut a database as it was brought, and write the Bundle."""
    dataset = catalog.load("datasets", given.database)
    provenance = json.loads((raw / PROVENANCE).read_text()) | {"database": given.database}
    facts = {"dataset": given.dataset, "task": dataset.TASK, "classes": dataset.CLASSES, "provenance": provenance}
    found = dataset.records(raw, component(("datasets", given.database), given.settings, "settings"))
    return segment(found, given.window, given.on_bad_record, facts, folder)


def segment(
    found: Iterable[Record | RecordError], window: Window, on_bad_record: str, facts: Mapping[str, Any], folder: Path
) -> Meta:
    """Cut every recording and write the Bundle; `facts` are the parts of its meta that the recordings do not tell."""
    skipped: list[dict[str, str]] = []
    writer: Writer | None = None
    meta: Meta | None = None
    borne: list[tuple[str, ...]] = []
    try:
        for record, rows in _cut(found, window, on_bad_record, skipped):
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
        if writer is None or meta is None:
            raise DataError(
                f"{folder}: no recording could be read ({len(skipped)} skipped); download the dataset again"
            )
        names = tuple(dict(Counter(column).most_common()) for column in zip(*borne, strict=True))
        return writer.finish(replace(meta, skipped=tuple(skipped), lead_names=names))
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)


def _cut(
    found: Iterable[Record | RecordError], window: Window, on_bad_record: str, skipped: list[dict[str, str]]
) -> Iterator[tuple[Record, Rows]]:
    for record in track(found, None, "segment", "recordings"):
        try:
            if isinstance(record, RecordError):
                raise record
            made = prepared(record, window)
            yield _stored(made, CUTS[cut_of(made, window)](made, window), window)
        except RecordError as fault:
            if on_bad_record == "stop":
                raise
            log.warning("skipped: %s", fault)
            skipped.append({"record": fault.record, "fault": fault.fault})


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


def _told(window: Window) -> dict[str, Any]:
    """List the settings that differ from their defaults, and those that none can do without."""
    usual = asdict(Window(window.cut, window.samples))
    return {
        k: v for k, v in asdict(window).items() if k in ("cut", "samples", "step", "every", "leads") or v != usual[k]
    }


def _steps_of(record: Record) -> str:
    return "converter steps" if record.units == "mV" else f"steps of {record.units}"


def _table(record: Record, rows: Rows) -> pd.DataFrame:
    table = pd.DataFrame({"record": record.record, "patient": record.patient, "start": rows.start})
    folds = {name: np.full(len(table), value) for name, value in record.folds.items()} | dict(rows.folds)
    for name in sorted(folds):
        table[f"fold_{name}"] = folds[name]
    for name, said in record.about.items():
        table[f"about_{name}"] = said
    table["quality"] = " ".join(record.quality)
    return table
