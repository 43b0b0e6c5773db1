"""What is wrong with a recording before it is cut, kind by kind, and what is done about it.

A finding is a kind, a lead and an amount. Its policy is to keep the recording as it is, to mask what is wrong (the samples, or
the lead, become the lead's zero), to skip the recording, or to stop. Every finding is told, whatever is done.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal

import numpy as np

from pqrst import faults
from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.parsing import Between

OfSamples = Literal["mask", "skip", "stop"]  # nothing can be computed from what is no sample, so it is not kept
OfLead = Literal["keep", "mask", "skip", "stop"]
OfRecording = Literal["keep", "skip", "stop"]
Positive = Annotated[float, Between(0)]
Share = Annotated[float, Between(0, 1)]

TABLE = "quality.csv"  # in the Bundle's folder
COLUMNS = ("record", "lead", "kind", "amount", "done", "told")
UNREADABLE = "unreadable"  # the kind of a recording that its reader, or what prepares it, refuses
LEAST = 2.0  # s; in less, neither beats nor amplitudes are judged
PRECORDIAL = "V6"


@dataclass(frozen=True)
class Policy:
    """What is done about each kind of fault; params.yaml says what each is."""

    not_finite: OfSamples = "mask"
    missing: OfSamples = "mask"
    flat: OfLead = "keep"
    clipped: OfLead = "keep"
    saturated: OfLead = "keep"
    out_of_range: OfLead = "keep"
    inverted: OfLead = "keep"
    swapped: OfLead = "keep"
    limb_leads: OfRecording = "keep"
    wrong_gain: OfRecording = "keep"
    wrong_rate: OfRecording = "keep"
    no_beat: OfRecording = "keep"
    duplicate: OfRecording = "keep"


KINDS = tuple(one.name for one in fields(Policy))
OF_SAMPLES = ("not_finite", "missing")


@dataclass(frozen=True)
class Limits:
    """From where on something is a fault."""

    flat_seconds: Positive = 1.0
    clipped_times: Annotated[int, Between(1)] = 3
    widest_mv: Positive = 10.0
    least_mv: Positive = 0.2
    most_mv: Positive = 4.0
    limb_error: Share = 0.1
    burst: Positive = 3.3
    alike: Share = 0.35


@dataclass(frozen=True)
class Quality:
    """What is done about each kind of fault, and from where on it is one."""

    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Finding:
    """One fault of one recording."""

    kind: str
    lead: str  # several are joined by +, none is the whole recording
    amount: float  # what `told` names: a share of the samples, mV, steps a mV, Hz
    told: str

    @property
    def flag(self) -> str:
        return f"{self.kind}:{self.lead}" if self.lead else self.kind


@dataclass(frozen=True)
class _Signal:
    """A recording as its faults are looked for: gaps bridged, and its means over 20 ms in mV."""

    record: Record
    bridged: np.ndarray  # (leads, samples), in whatever the recording is in
    absent: np.ndarray  # (leads,) whether a lead has no sample
    low: np.ndarray  # (leads,) the lowest and the highest sample
    high: np.ndarray
    means: np.ndarray  # (leads, T) in mV
    swings: np.ndarray  # (leads, windows) in mV, how far those move within 1.2 s; no window where there are none

    @property
    def live(self) -> np.ndarray:
        """Say which leads move at all, (leads,)."""
        return np.asarray(self.low != self.high)

    @property
    def seconds(self) -> float:
        return self.means.shape[1] * faults.COARSE

    def rows(self, names: Sequence[str]) -> list[int]:
        """Give the places of leads, in this order; nothing where one is not there, or does not move."""
        places = [self.record.leads.index(name) for name in names if name in self.record.leads]
        return places if len(places) == len(names) and self.live[places].all() else []


def examine(record: Record, limits: Limits) -> tuple[Finding, ...]:
    """Find what is wrong with a recording by itself, in the order of the kinds; one that is not in mV has its samples seen only."""
    bad = _bad(record)
    found = list(_gaps(record, bad))
    if record.units == "mV" and record.signal.size:
        seen = _seen(record, bad)
        found += [*_of_leads(seen, limits), *_of_limbs(seen, limits), *_of_recording(seen, limits)]
    return tuple(sorted(found, key=lambda one: KINDS.index(one.kind)))


def _bad(record: Record) -> np.ndarray | None:
    """Say which samples are none: no finite numbers, or the format's code for one that is not there; nothing if all are sound."""
    if record.signal.dtype.kind == "f":
        bad = ~np.isfinite(record.signal)
    elif record.missing is not None:
        bad = record.signal == record.missing
    else:
        return None
    return bad if bad.any() else None


def _gaps(record: Record, bad: np.ndarray | None) -> Iterator[Finding]:
    of_numbers = record.signal.dtype.kind == "f"
    kind = "not_finite" if of_numbers else "missing"
    said = "are no finite numbers" if of_numbers else "are not there, by the format's own code"
    for lead, share in zip(record.leads, () if bad is None else bad.mean(axis=1), strict=False):
        if share:
            yield Finding(kind, lead, float(share), f"{share:.4g} of its samples {said}")


def _seen(record: Record, bad: np.ndarray | None) -> _Signal:
    bridged = record.signal if bad is None else faults.bridged(record.signal, bad)
    absent = np.zeros(len(bridged), bool) if bad is None else np.asarray(bad.all(axis=1))
    means = faults.coarse(bridged, record.fs)
    if record.gain is not None and record.zero is not None:
        means = (means - np.array(record.zero)[:, None]) / np.array(record.gain)[:, None]
    swings = faults.swings(means, 1 / faults.COARSE) if means.size else means
    return _Signal(record, bridged, absent, bridged.min(axis=1), bridged.max(axis=1), means, swings)


def _of_leads(seen: _Signal, limits: Limits) -> Iterator[Finding]:
    """Look at each lead by itself."""
    record, fs = seen.record, seen.record.fs
    ends, least = record.ends or (None,) * len(record.leads), max(1, round(limits.flat_seconds * fs))
    may_be_still = faults.may_be_still(seen.bridged, least)
    held = sum(np.count_nonzero(seen.bridged == one[:, None], axis=1) for one in (seen.low, seen.high))
    for place in np.flatnonzero(~seen.absent):
        lead, name, low, high = seen.bridged[place], record.leads[place], seen.low[place], seen.high[place]
        if may_be_still[place] and (share := faults.still(lead, least)):
            yield Finding("flat", name, share, f"{share:.4g} of its samples lie in stretches of one value")
        span = ends[place]
        # where samples lie beyond them, they are not those of its converter
        met = span is not None and (low == span[0] or high == span[1]) and span[0] <= low and high <= span[1]
        at_ends = faults.at_ends(lead, span) if span and met else 0.0
        if at_ends:
            yield Finding("saturated", name, at_ends, f"{at_ends:.4g} of its samples are at an end of its converter")
        often = held[place] >= faults.SHORT * limits.clipped_times and not at_ends
        times, share = faults.clipped(lead, low, high) if often else (0, 0.0)
        if times >= limits.clipped_times:
            said = f"{share:.4g} of its samples are cut off at its highest or lowest value, at {times} places"
            yield Finding("clipped", name, share, said)
    for name, most in zip(record.leads, seen.swings.max(axis=1, initial=0), strict=True):
        if most > limits.widest_mv:
            yield Finding("out_of_range", name, float(most), f"it moves by {most:.4g} mV within {faults.WINDOW} s")


def _of_limbs(seen: _Signal, limits: Limits) -> Iterator[Finding]:
    """Hold limb leads against each other; where all of them agree, their polarity against V6."""
    limbs = seen.rows(faults.LIMBS)
    if not limbs or seen.seconds < LEAST:
        return
    products = faults.products(seen.means[limbs])
    broken = faults.broken(products)
    if broken > limits.limb_error:
        left, kind, leads = faults.mistake(products)
        said = f"the limb leads break Einthoven's law by {broken:.4g} of their size"
        if left < broken / 4:
            which = "turned over" if kind == "inverted" else "in each other's place"
            yield Finding(kind, leads, broken, f"{said}, with {leads.replace('+', ' and ')} {which} by {left:.4g}")
        else:
            yield Finding("limb_leads", "", broken, said)
        return
    arms = seen.rows(("I", "aVR", PRECORDIAL))
    exchanged, alike = faults.arms_exchanged(seen.means[arms]) if arms else (False, 0.0)
    if exchanged:
        said = f"lead I runs against V6 (correlation {alike:.4g}) as where the electrodes of the arms are exchanged"
        yield Finding("swapped", "I+II+III+aVR+aVL", alike, said)


def _of_recording(seen: _Signal, limits: Limits) -> Iterator[Finding]:
    record, declared = seen.record, seen.record.declared
    if declared.fs is not None and record.fs != declared.fs:
        said = f"its header says {record.fs:g} Hz, its database {declared.fs:g} Hz"
        yield Finding("wrong_rate", "", record.fs, said)
    other = sorted({gain for gain in record.gain or () if declared.gain is not None and gain != declared.gain})
    for gain in other:
        said = f"its header says {gain:g} steps a mV, its database {declared.gain:g}"
        yield Finding("wrong_gain", "", gain, said)
    if seen.seconds < LEAST:
        return
    if seen.live.any() and not other:
        typical = float(np.median(np.median(seen.swings[seen.live], axis=1)))
        if not limits.least_mv <= typical <= limits.most_mv:
            yield Finding("wrong_gain", "", typical, f"its leads move by {typical:.4g} mV a beat, as no ECG does")
    if _without_beat(seen, limits):
        yield Finding("no_beat", "", 0.0, "no beat is found in it")


def _without_beat(seen: _Signal, limits: Limits) -> bool:
    """Ask the marks of a recording, where there are any, and else its samples."""
    if seen.record.marks is not None:
        return not (seen.record.marks.labels >= 0).any()
    means = seen.means[seen.live]
    return faults.bursts(means) < limits.burst and faults.recurrence(means) < limits.alike


def repeated(other: str) -> Finding:
    """Say that a recording's samples were met before."""
    return Finding("duplicate", "", 1.0, f"its samples are those of {other}")


def refusal(record: str, found: Sequence[Finding], policy: Policy) -> tuple[RecordError | None, str]:
    """Give the fault for which a recording is left out, and whether that is to skip it or to stop; nothing where it goes on."""
    for done in ("stop", "skip"):
        for one in found:
            if getattr(policy, one.kind) == done:
                where = f"lead {one.lead}: " if one.lead else ""
                setting = f"quality.policy.{one.kind}"
                instead = "mask" if one.kind in OF_SAMPLES else "keep"
                return RecordError(record, f"{where}{one.told}; set {setting} to {instead} to take it"), done
    return None, ""


def mended(record: Record, found: Sequence[Finding], policy: Policy) -> Record:
    """Mask what is to be masked, and say beside the recording what was found."""
    if not found:
        return record
    masked = [one for one in found if getattr(policy, one.kind) == "mask"]
    signal = record.signal
    if masked:
        samples = _bad(record)  # masked always, since they cannot be kept
        whole = {lead for one in masked if one.kind not in OF_SAMPLES for lead in one.lead.split("+")}
        bad = np.isin(record.leads, list(whole))[:, None] | (False if samples is None else samples)
        zero = np.zeros(len(record.leads)) if record.zero is None else np.asarray(record.zero)
        signal = np.where(bad, zero[:, None].astype(signal.dtype), signal)
    return replace(record, signal=signal, quality=(*(one.flag for one in found), *record.quality))


@dataclass
class Report:
    """Count what was found, and make a line of each finding."""

    policy: Policy
    recordings: int = 0
    faulty: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    skipped: list[dict[str, str]] = field(default_factory=list)
    _lines: list[list[str]] = field(default_factory=list)  # not yet taken

    def add(self, record: str, found: Sequence[Finding], fault: RecordError | None, by_policy: str) -> None:
        """Take one recording in, with what was found and the fault for which it is left out, if any."""
        told = [(one, getattr(self.policy, one.kind)) for one in found]
        if fault is not None:
            self.skipped.append({"record": record, "fault": fault.fault})
            if not by_policy:
                told.append((Finding(UNREADABLE, "", 1.0, fault.fault), "skip"))
        self.recordings += 1
        self.faulty += bool(told)
        self.kinds.update({one.kind for one, _ in told})
        self._lines += [[record, one.lead, one.kind, f"{one.amount:.4g}", done, one.told] for one, done in told]

    def taken(self) -> list[list[str]]:
        """Give the lines that were not given yet."""
        lines, self._lines = self._lines, []
        return lines

    def counts(self) -> dict[str, Any]:
        """Give how many recordings there were, how many had a fault, and how many each kind."""
        return {
            "recordings": self.recordings,
            "skipped": len(self.skipped),
            "faulty": self.faulty,
            "kinds": {kind: self.kinds[kind] for kind in (UNREADABLE, *KINDS)},
        }

    def summary(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.counts()["kinds"].items() if count)
        return f"{self.faulty} of {self.recordings} recordings have a fault" + (f": {kinds}" if kinds else "")
