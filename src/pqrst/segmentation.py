"""A Bundle written from a database's recordings, each made ready and cut into rows."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import catalog, engines
from pqrst.arrays import Meta, Reading, Record, Writer, taken
from pqrst.console import log, track
from pqrst.errors import DataError, RecordError
from pqrst.faults import digest
from pqrst.files import write_json
from pqrst.params import Window, component
from pqrst.preparation import in_steps, prepared, used
from pqrst.quality import COLUMNS, TABLE, Finding, Policy, Quality, Report, examine, mended, refusal, repeated
from pqrst.resolved import Segment
from pqrst.sources import PROVENANCE
from pqrst.windows import CUTS, Rows, cut_of

Cut = tuple[Record, Rows]
AS_SHIPPED = Quality()


@dataclass(frozen=True)
class Seen:
    """What became of one recording: its rows, or the fault that keeps it out; and what was found in it."""

    record: str
    found: tuple[Finding, ...] = ()
    samples: str = ""  # the digest by which they are known again
    cut: Cut | None = None
    fault: RecordError | None = None
    by_policy: str = ""  # skip or stop, where a finding and not its reader keeps it out


def of_database(
    given: Segment, raw: Path, folder: Path, counts: Path | None = None, engine: str = engines.LOCAL
) -> Meta:
    """Cut a database as it was brought, and write the Bundle; and to `counts` how many recordings have which fault."""
    dataset = catalog.load("datasets", given.database)
    provenance = json.loads((raw / PROVENANCE).read_text(encoding="utf-8")) | {"database": given.database}
    facts = {"dataset": given.dataset, "task": dataset.TASK, "classes": dataset.CLASSES, "provenance": provenance}
    p, report = component(("datasets", given.database), given.settings, "settings"), Report(given.quality.policy)
    look = partial(_seen, window=given.window, quality=given.quality)
    if hasattr(dataset, "readings") and dataset.readings(raw, p) is not None:
        seen = engines.in_order(engine, partial(dataset.readings, raw, p), partial(_read_and_seen, look))
    else:
        seen = (look(one) for one in dataset.records(raw, p))
    # closed, so that no worker outlives a fault
    with closing(seen):
        meta = _written(_sound(seen, given.on_bad_record, report), given.window, facts, folder, report)
    if counts is not None:
        write_json(counts, report.counts())
    return meta


def segment(
    found: Iterable[Record | RecordError],
    window: Window,
    on_bad_record: str,
    facts: Mapping[str, Any],
    folder: Path,
    *,
    quality: Quality = AS_SHIPPED,
) -> Meta:
    """Cut every recording and write the Bundle; `facts` are the parts of its meta that the recordings do not tell."""
    report = Report(quality.policy)
    seen = (_seen(one, window, quality) for one in found)
    return _written(_sound(seen, on_bad_record, report), window, facts, folder, report)


def _read_and_seen(look: Callable[[Record | RecordError], Seen], one: Reading | RecordError) -> Seen:
    return look(taken(one))


def _seen(record: Record | RecordError, window: Window, quality: Quality) -> Seen:
    """Examine and cut one recording; what is given can travel between processes, since the signal is left out of it."""
    if isinstance(record, RecordError):
        return Seen(record.record, fault=record)
    samples, record = digest(record.signal), used(record, window)
    found = examine(record, quality.limits)
    fault, left = refusal(record.record, found, quality.policy)
    if fault:
        return Seen(record.record, found, samples, fault=fault, by_policy=left)
    try:
        made = prepared(mended(record, found, quality.policy), window)
        made, rows = _stored(made, CUTS[cut_of(made, window)](made, window), window)
        return Seen(record.record, found, samples, (replace(made, signal=made.signal[:, :0]), rows))
    except RecordError as fault:
        return Seen(record.record, found, samples, fault=fault)


def _sound(seen: Iterable[Seen], on_bad_record: str, report: Report) -> Iterator[Cut]:
    """Give the recordings that are kept; of the samples of those, digests alone stay in memory."""
    met: dict[str, str] = {}
    for one in track(seen, None, "segment", "recordings"):
        if one.cut is not None and one.samples in met:
            one = _as_repeated(one, met[one.samples], report.policy)  # noqa: PLW2901 (the same recording, known better)
        report.add(one.record, one.found, one.fault, one.by_policy)
        if one.fault is None and one.cut is not None:
            met.setdefault(one.samples, one.record)
            yield one.cut
        elif one.fault is not None and (one.by_policy or on_bad_record) == "stop":
            raise one.fault
        else:
            log.warning("skipped: %s", one.fault)


def _as_repeated(one: Seen, other: str, policy: Policy) -> Seen:
    found = repeated(other)
    fault, left = refusal(one.record, [found], policy)
    if fault or one.cut is None:
        return replace(one, found=(*one.found, found), cut=None, fault=fault, by_policy=left)
    record, rows = one.cut
    return replace(one, found=(*one.found, found), cut=(mended(record, [found], policy), rows))


def _written(found: Iterator[Cut], window: Window, facts: Mapping[str, Any], folder: Path, report: Report) -> Meta:
    unscored: Counter[str] = Counter()
    writer: Writer | None = None
    meta: Meta | None = None
    borne: list[tuple[str, ...]] = []
    try:
        for record, rows in found:
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
            writer.tell(TABLE, COLUMNS, report.taken())
            borne.append(record.leads[: rows.x.shape[1]])
            unscored.update(record.unscored)
        if writer is None or meta is None:
            raise DataError(
                f"{folder}: no recording could be read ({len(report.skipped)} skipped); download the dataset again"
            )
        writer.tell(TABLE, COLUMNS, report.taken())
        _tell_unscored(meta.dataset, unscored)
        log.info("%s: %s", meta.dataset, report.summary())
        names = tuple(dict(Counter(column).most_common()) for column in zip(*borne, strict=True))
        return writer.finish(replace(meta, skipped=tuple(report.skipped), lead_names=names))
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)


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
