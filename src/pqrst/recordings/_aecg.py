"""Read HL7 aECG, the annotated ECG of clinical trials: the sequences of its rhythm series.

A sequence set holds a sequence of times, of which the increment is read, and one a lead: value = origin + scale x digit.
Source: HL7 aECG Implementation Guide, final of March 21, 2005, "SequenceSet" and "Sequence".
"""

from xml.etree.ElementTree import Element  # nosec B405 (a type; expat parses, with entities refused)

import numpy as np

from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.recordings._leads import Lead, Limits, check_size, chosen, record_of, scale, shown
from pqrst.recordings._markup import number

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
PREFIX = "MDC_ECG_LEAD_"
NAMES = {"AVR": "aVR", "AVL": "aVL", "AVF": "aVF"}
SAME_RATE = 1e-4  # an increment that is written with few digits differs from a whole rate by less


def read(record: str, root: Element, limits: Limits) -> Record:
    """Read the leads of the one rhythm series."""
    sequences = _sequences(record, root)
    times = [value for code, value in sequences if code.startswith("TIME_")]
    if len(times) != 1:
        raise RecordError(record, f"it has {len(times)} sequences of times beside its leads; export it again")
    fs = _rate(record, times[0])
    parts = [(code, value) for code, value in sequences if not code.startswith("TIME_")]
    leads = [Lead(_name(code), _said(value, "scale", "unit"), fs) for code, value in parts]
    total = sum(_most(value) for _, value in parts)
    check_size(record, limits, len(parts), total)
    kept = chosen(record, leads)
    columns = (_column(record, leads[place], parts[place][1]) for place in kept)
    return record_of(record, [leads[place] for place in kept], columns)


def _sequences(record: str, root: Element) -> list[tuple[str, Element]]:
    """Give code and value of each sequence; representative beats are other series, or derived ones."""
    series = root.findall("component/series")
    rhythms = [one for one in series if "BEAT" not in _said(one, "code", "code").upper()]
    if len(rhythms) != 1:
        raise RecordError(record, f"it has {len(rhythms)} series of a rhythm; export them one by one")
    sets = rhythms[0].findall("component/sequenceSet")
    if len(sets) != 1:
        raise RecordError(record, f"its leads are in {len(sets)} sets, and those of one are read; export them in one")
    found = []
    for sequence in sets[0].findall("component/sequence"):
        value = sequence.find("value")
        if value is not None:
            found.append((_said(sequence, "code", "code"), value))
    return found


def _said(element: Element, child: str, attribute: str) -> str:
    found = element.find(child)
    return "" if found is None else found.get(attribute, "").strip()


def _rate(record: str, value: Element) -> float:
    step, unit = number(record, _said(value, "increment", "value"), "the increment"), _said(value, "increment", "unit")
    if unit not in SECONDS or step <= 0:
        raise RecordError(record, f"its times increase by {step:g} {shown(unit)!r}; export them in s or ms")
    rate = 1 / (step * SECONDS[unit])
    return float(round(rate)) if abs(rate - round(rate)) <= SAME_RATE * rate else rate


def _name(code: str) -> str:
    name = code.removeprefix(PREFIX)
    return NAMES.get(name, name)


def _most(value: Element) -> int:
    """Count the samples at most, before they are read: one more than what parts them."""
    digits = value.findtext("digits") or ""
    return sum(map(digits.count, " \t\r\n")) + 1 if digits else 0


def _column(record: str, lead: Lead, value: Element) -> np.ndarray:
    """Give a lead in the unit of its scale."""
    try:
        digits = np.fromstring(value.findtext("digits") or "", sep=" ")
    except ValueError:
        raise RecordError(record, f"lead {shown(lead.name)} has digits that are no numbers; export it again") from None
    step = number(record, _said(value, "scale", "value"), f"the scale of lead {shown(lead.name)}")
    origin = number(record, _said(value, "origin", "value") or "0", f"the origin of lead {shown(lead.name)}")
    unit = scale(_said(value, "origin", "unit") or lead.units)
    if unit is None:
        raise RecordError(record, f"lead {shown(lead.name)} has an origin in no unit of a lead; export it in uV")
    return digits * step + origin * unit / (scale(lead.units) or 1.0)
