"""Read GE MUSE XML: the rhythm of a `RestingECG`.

Of a `Waveform`, `SampleBase` times ten to the `SampleExponent` is the rate; each `LeadData` holds 16-bit steps, low byte first, in base64,
and says how many `LeadAmplitudeUnits` one step is. GE hands out restecg.dtd to its customers; this is the structure as open readers
have it (BRAVEHEART's load_musexml.m, ecghelper, ecgdatakit). MUSE stores I, II and V1 to V6; the other limb leads follow from I and II.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element  # nosec B405 (a type; expat parses, with entities refused)

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings._leads import Lead, Limits, check_size, chosen, record_of, shown
from pqrst.recordings._markup import number, packed, text

UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV", "VOLTS": "V", "NANOVOLTS": "nV"}
STEP = np.dtype("<i2")
# by Einthoven's and Goldberger's definitions: what I and II count in each
DERIVED: Mapping[str, tuple[float, float]] = {"III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}


def read(record: str, root: Element, limits: Limits) -> Record:
    """Read the leads of the rhythm, and derive those that MUSE leaves out."""
    waveform = _rhythm(record, root)
    fs = number(record, text(waveform, "SampleBase"), "SampleBase")
    fs *= 10.0 ** number(record, text(waveform, "SampleExponent") or "0", "SampleExponent")
    parts = waveform.findall("LeadData")
    total = sum(len(text(part, "WaveFormData")) for part in parts) * 3 // 4 // STEP.itemsize
    check_size(record, limits, len(parts), total)
    leads = [Lead(text(part, "LeadID"), _unit(part), fs) for part in parts]
    kept = chosen(record, leads)
    columns = {leads[place].name: _column(record, parts[place]) for place in kept}
    named = {leads[place].name: leads[place] for place in kept}
    return _with_derived(record, named, columns)


def _rhythm(record: str, root: Element) -> Element:
    """Give the waveform that is the recording; the other is a median beat."""
    found = root.findall("Waveform")
    rhythms = [waveform for waveform in found if text(waveform, "WaveformType").casefold() == "rhythm"]
    if len(rhythms) != 1:
        kinds = ", ".join(shown(text(waveform, "WaveformType")) for waveform in found[:8]) or "none"
        raise RecordError(record, f"it has {len(rhythms)} rhythms among its waveforms ({kinds}); export it with one")
    return rhythms[0]


def _unit(part: Element) -> str:
    said = text(part, "LeadAmplitudeUnits")
    return UNITS.get(said.upper(), said)


def _column(record: str, part: Element) -> np.ndarray:
    """Give a lead in its own unit; one whose electrode was off is missing as a whole."""
    name = shown(text(part, "LeadID"))
    if text(part, "LeadSampleSize") not in ("", "2"):
        raise RecordError(record, f"lead {name} has samples of {shown(text(part, 'LeadSampleSize'))} bytes; export 2")
    content = packed(record, text(part, "WaveFormData"), f"the waveform of lead {name}")
    declared = text(part, "LeadSampleCountTotal")
    if len(content) % STEP.itemsize or (declared and declared != str(len(content) // STEP.itemsize)):
        raise RecordError(
            record, f"lead {name} holds {len(content)} bytes where {shown(declared) or 'whole'} samples of 2 belong; "
            "export it again",
        )  # fmt: skip
    gain = number(record, text(part, "LeadAmplitudeUnitsPerBit"), f"LeadAmplitudeUnitsPerBit of lead {name}")
    found = np.frombuffer(content, STEP) * gain
    return np.full_like(found, np.nan) if text(part, "LeadOff").casefold() == "true" else found


def _with_derived(record: str, leads: dict[str, Lead], columns: dict[str, np.ndarray]) -> Record:
    one, two = leads.get("I"), leads.get("II")
    if one and two and one.units == two.units and len(columns["I"]) == len(columns["II"]):
        missing = [name for name in DERIVED if name not in leads]
        for name in missing:
            of_one, of_two = DERIVED[name]
            leads[name] = Lead(name, one.units, one.fs)
            columns[name] = of_one * columns["I"] + of_two * columns["II"]
        if missing:
            log.info("record %s: %s derived from I and II", record, ", ".join(missing))
    usual = [name for name in ("I", "II", *DERIVED) if name in leads]
    order = [*usual, *(name for name in leads if name not in usual)]
    return record_of(record, [leads[name] for name in order], (columns[name] for name in order))
