"""A recording that nobody has seen, prepared as the contract of a trained run says, and what the run answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pqrst import __version__, decisions, preparation, windows
from pqrst.arrays import Record
from pqrst.contracts import Contract
from pqrst.errors import DataError, RecordError
from pqrst.params import Window
from pqrst.parsing import parse
from pqrst.predictors import Predictor

USUAL_SHARE = 0.1  # of the recordings in which a lead must have borne a name for that name to be taken unasked
SMALLEST, LARGEST = 0.02, 20.0  # mV from the 1st to the 99th percentile of a lead; outside, its unit is doubtful


class LeadError(RecordError):
    """Leads that cannot be what they say, with the fault of each."""

    def __init__(self, record: str, fault: str, leads: Mapping[str, str]) -> None:
        super().__init__(record, fault)
        self.leads = leads

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (self.record, self.fault, self.leads)


@dataclass(frozen=True)
class Prepared:
    """A recording as the run sees it."""

    record: str
    rows: np.ndarray  # (windows, leads, samples)
    start: np.ndarray  # (windows,) samples at the run's rate
    signal: np.ndarray  # (leads, T) at the run's rate, filtered, before windows are standardised
    fs: float  # Hz, the run's rate
    leads: Mapping[str, str]  # lead of the run -> lead of the recording
    notes: tuple[str, ...]  # what was changed on the way


@dataclass(frozen=True)
class Answer:
    """What a run says of a recording: of each window, and of the whole by the mean over its windows."""

    prepared: Prepared
    classes: tuple[str, ...]
    probabilities: np.ndarray  # (windows, classes)
    decided: np.ndarray  # (windows,) class number, or (windows, classes) 0/1
    overall: np.ndarray  # (classes,)
    overall_decided: np.ndarray  # () class number, or (classes,) 0/1

    def names(self, decided: Any) -> list[str]:
        """Name the classes of one decision; none where no label is above its threshold."""
        chosen = np.flatnonzero(decided) if np.ndim(decided) else [int(decided)]
        return [self.classes[place] for place in chosen]


def answer(predictor: Predictor, record: Record, renamed: Mapping[str, str] | None = None) -> Answer:
    """Prepare a recording and ask a run; `renamed` gives the recording's lead for a lead of the run."""
    prepared = prepare(record, predictor.contract, renamed or {})
    return ask(predictor, prepared)


def ask(predictor: Predictor, prepared: Prepared) -> Answer:
    """Ask a run about a recording that was prepared for it."""
    return answered(predictor, prepared, predictor.probabilities(prepared.rows))


def answered(predictor: Predictor, prepared: Prepared, found: np.ndarray) -> Answer:
    """Decide by the probabilities of the windows, for each and for the whole."""
    overall = decisions.by_recording(found, np.zeros(len(found), np.int64))
    return Answer(
        prepared,
        predictor.contract.classes,
        found,
        predictor.decide(found),
        overall[0],
        predictor.decide(overall)[0],
    )


def window_of(contract: Contract) -> Window:
    """Give how the run's rows were cut; a run that cannot be asked about a bare recording is refused."""
    if contract.input.axes != ("row", "lead", "time") or contract.side:
        raise DataError(
            f"run {contract.run}{f' ({contract.value})' if contract.value else ''} takes more than a signal "
            f"({', '.join(contract.side) or 'images'}); ask a network that takes signals alone"
        )
    window = parse(Window, contract.input.window, f"contract of {contract.run}: input.window")
    if window.cut not in ("equal", "whole"):
        raise DataError(
            f"run {contract.run} answers single beats cut at annotated marks, which a new recording does not have; "
            "ask a run over windows, such as attention"
        )
    return window


def prepare(record: Record, contract: Contract, renamed: Mapping[str, str]) -> Prepared:
    """Choose leads, check them, bring them to the run's rate, filter, and cut."""
    window, fs = window_of(contract), contract.input.fs
    chosen = _chosen_leads(record, contract, renamed)
    signal = record.in_units()[[record.leads.index(name) for name in chosen.values()]]
    _check(record, signal, chosen)
    one = Record(record.record, record.patient, signal, record.fs, tuple(chosen))
    # a run whose settings name no rate learned at its database's own
    made = preparation.prepared(one if window.rate else preparation.at_rate(one, fs), window)
    length = made.signal.shape[1]
    _check_length(record, length, window, contract)
    cut = windows.stepped(made.signal, window) if window.cut == "equal" else _covered(made.signal, window)
    rows, start = cut
    notes = [] if record.fs == fs else [f"resampled from {record.fs:g} to {fs:g} Hz"]
    if window.cut == "whole" and length < window.samples:
        notes.append(f"filled up with zeros from {length / fs:.1f} to {window.samples / fs:g} s")
    if window.from_start and length > window.samples:
        notes.append(f"only the first {window.samples / fs:g} s count")
    notes += [f"lead {there} stands for {here}" for here, there in chosen.items() if here != there]
    return Prepared(
        record.record, _as_stored(rows, contract), start, made.signal, fs, chosen, (*notes, *record.quality)
    )


def _check_length(record: Record, length: int, window: Window, contract: Contract) -> None:
    """Refuse a recording that is shorter than a window of fixed length, or ends before what is drawn of it begins."""
    fs = contract.input.fs
    if window.cut == "equal" and length < window.samples:
        raise RecordError(
            record.record, f"it lasts {length / fs:.1f} s, a window {window.samples / fs:g} s; give a longer recording"
        )
    first = max(contract.encoding_settings.get("start", 0), contract.model_settings.get("start", 0))
    if length <= first:
        raise RecordError(
            record.record,
            f"it lasts {length / fs:.1f} s, the run looks from {first / fs:g} s on; give a longer recording",
        )


def _chosen_leads(record: Record, contract: Contract, renamed: Mapping[str, str]) -> dict[str, str]:
    """Find the recording's lead for each lead of the run: as told, or under a name that was usual in training."""
    have = {_plain(name): name for name in reversed(record.leads)}
    accepted = [usual(names) for names in contract.input.lead_names]
    for lead in renamed:
        if lead not in {names[0] for names in accepted}:
            wanted = ", ".join(names[0] for names in accepted)
            raise DataError(f"run {contract.run} has no lead {lead}; it takes {wanted}")
    chosen = {}
    for names in accepted:
        told = renamed.get(names[0])
        found = next((have[_plain(name)] for name in ((told,) if told else names) if _plain(name) in have), None)
        if found is None:
            raise RecordError(
                record.record,
                f"lead {told or ' or '.join(names)} is missing, it has {', '.join(record.leads)}; "
                f"give another in its place with --lead {names[0]}=NAME",
            )
        chosen[names[0]] = found
    return chosen


def usual(names: Mapping[str, int]) -> list[str]:
    """Give the names that a lead usually bore, the commonest first."""
    total = sum(names.values())
    return [name for name, count in names.items() if count >= USUAL_SHARE * total]


def _plain(name: str) -> str:
    """Spell a lead's name as others do: without case, blanks, hyphens, or a word before it."""
    return name.casefold().replace(" ", "").replace("-", "").replace("_", "").removeprefix("ecg").removeprefix("lead")


def _check(record: Record, signal: np.ndarray, chosen: Mapping[str, str]) -> None:
    """Refuse a lead that cannot be what it says: all faults in one line."""
    faults = {
        name: fault for name, lead in zip(chosen.values(), signal, strict=True) if (fault := _fault(lead, record.fs))
    }
    if faults:
        said = "; ".join(f"lead {name} {fault}" for name, fault in faults.items())
        raise LeadError(record.record, f"{said}; mend the recording, or say its units", faults)


def _fault(lead: np.ndarray, fs: float) -> str:
    missing = np.flatnonzero(~np.isfinite(lead))
    if len(missing):
        return f"has {len(missing)} missing samples, the first at {missing[0] / fs:.2f} s"
    if len(lead) == 0 or np.ptp(lead) == 0:
        return "is flat"
    low, high = np.percentile(lead, (1, 99))
    if not SMALLEST <= high - low <= LARGEST:
        return f"spans {high - low:.3g} mV from the 1st to the 99th percentile, which is no ECG in mV"
    return ""


def _covered(signal: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Cut a recording, however long, into as many pieces as cover it, where the run did not learn beginnings alone."""
    return windows.covering(signal, window, max(window.pieces, -(-signal.shape[1] // window.samples)))


def _as_stored(rows: np.ndarray, contract: Contract) -> np.ndarray:
    """Give rows in the unit that the run was trained in: mV, or the steps of its converter."""
    steps = contract.input.steps
    return rows if steps is None else preparation.in_steps(rows, np.array(steps.gain), np.array(steps.zero))


def of_window(prepared: Prepared, place: int) -> tuple[float, float]:
    """Give the seconds at which a window starts and ends."""
    start = prepared.start[place] / prepared.fs
    return float(start), float(start + prepared.rows.shape[2] / prepared.fs)


def told(found: Answer, contract: Contract) -> dict[str, Any]:
    """Give an answer as JSON tells it, the same from the command line and from the server."""
    prepared = found.prepared
    spans = [of_window(prepared, place) for place in range(len(prepared.rows))]
    windows_told = [
        {"start": start, "end": end, "class": _said(found, decided), "probabilities": _rounded(p)}
        for (start, end), decided, p in zip(spans, found.decided, found.probabilities, strict=True)
    ]
    return {
        "record": prepared.record,
        "model": model_told(contract),
        "task": contract.task,
        "classes": list(contract.classes),
        "recording": {
            "class": _said(found, found.overall_decided),
            "probabilities": dict(zip(contract.classes, _rounded(found.overall), strict=True)),
            "seconds": round(prepared.signal.shape[1] / prepared.fs, 3),
            "windows": len(prepared.rows),
        },
        "windows": windows_told,
        "prepared": {"leads": dict(prepared.leads), "notes": list(prepared.notes)},
    }


def model_told(contract: Contract) -> dict[str, Any]:
    """Say in short which trained network answered."""
    return {
        "run": contract.run,
        "value": contract.value,
        "seed": contract.seed,
        "schema": contract.schema,
        "digest": contract.settings_digest[:16],
        "version": __version__,
        "synthetic": bool(contract.provenance.get("synthetic", True)),
    }


def _said(found: Answer, decided: Any) -> Any:
    """Name one class, or a list of labels."""
    names = found.names(decided)
    return names if np.ndim(decided) else names[0]


def _rounded(probability: np.ndarray) -> list[float]:
    return [round(float(p), 6) for p in probability]
