"""Read Philips XML (Sierra ECG 1.03 and 1.04): the rhythm, plain or packed by XLI.

Elements and XLI as the sierra-ecg-tools of C. Watford describe them: a chunk a lead, of its length (4 bytes), two bytes
of no known use and a start value (2), then LZW in codes of 10 bits; the bytes that come are the high and then the low
halves of the second differences. III, aVR, aVL and aVF are kept as what is left of them beside I and II. A HeartStart
appends a calibration pulse, the same in every lead, which is no part of the recording.
"""

from xml.etree.ElementTree import Element  # nosec B405 (a type; expat parses, with entities refused)

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings._leads import TWELVE, Lead, Limits, check_size, chosen, record_of, shown
from pqrst.recordings._markup import number, packed, text

VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
STANDARD_SETS = ("STD-12", "10-WIRE")
HEAD, CODE_BITS, LAST_CODE = 8, 10, 1022  # bytes before a chunk; of its codes, the next one ends it
SLACK = 4096  # bytes that a lead may unpack to beyond those that it declares, which are left out
BIAS = 64  # of a second difference
PULSE_S = 0.2  # seconds for which no heart gives three leads the same samples


def read(record: str, root: Element, limits: Limits) -> Record:
    """Read the leads of the rhythm."""
    version = text(root, "documentinfo/documentversion")
    if version not in VERSIONS:
        raise RecordError(
            record, f"it is of version {shown(version)!r}, and {', '.join(VERSIONS)} are read; export it as DICOM"
        )
    waves, about = root.find("waveforms/parsedwaveforms"), root.find("dataacquisition/signalcharacteristics")
    if waves is None:
        raise RecordError(record, "it has no parsedwaveforms; export it with its waveforms")

    def said(attribute: str, element: str) -> str:
        return waves.get(attribute, "") or text(about, element)

    fs = number(record, said("samplespersecond", "samplingrate"), "samplingrate")
    microvolts = number(record, said("resolution", "signalresolution"), "signalresolution")
    zero = number(record, said("signaloffset", "signaloffset") or "0", "signaloffset")
    names = _names(record, waves, about)
    count = _count(record, waves.get("durationperchannel", ""), fs)
    check_size(record, limits, len(names), len(names) * count)
    if said("nbitspersample", "bitspersample") not in ("", "16") or said("signalsigned", "signalsigned") == "False":
        raise RecordError(record, "its samples are not signed numbers of 16 bits; export it as DICOM")
    leads = [Lead(name, "uV", fs) for name in names]
    kept = chosen(record, leads)
    steps = _without_pulse(record, _steps(record, waves, names, count), fs)
    return record_of(record, [leads[place] for place in kept], ((steps[place] - zero) * microvolts for place in kept))


def _names(record: str, waves: Element, about: Element | None) -> list[str]:
    """Give the leads by their names, or those of the standard set that it names."""
    named = waves.get("leadlabels", "").split()
    told = waves.get("numberofleads", "") if named else text(about, "numberchannelsallocated")
    count = int(number(record, told or str(len(named)), "the number of leads"))
    if not named and text(about, "acquisitiontype") in STANDARD_SETS:
        named = list(TWELVE)
    if not 0 < count <= len(named):
        raise RecordError(record, f"it has {count} leads and names {len(named)}; export it again")
    return named[:count]


def _count(record: str, milliseconds: str, fs: float) -> int:
    samples = number(record, milliseconds, "durationperchannel") * fs / 1000
    if not 1 <= samples < 2**40:  # false for nan too
        raise RecordError(record, f"it lasts {shown(milliseconds)} ms at {fs:g} Hz; export it again")
    return round(samples)


def _steps(record: str, waves: Element, names: list[str], count: int) -> np.ndarray:
    """Give the steps of all leads, (leads, samples)."""
    if waves.get("dataencoding", "") != "Base64":
        raise RecordError(record, f"its waveforms are {shown(waves.get('dataencoding', ''))!r}; export them as Base64")
    content = packed(record, waves.text or "", "parsedwaveforms")
    method = waves.get("compressmethod", waves.get("compression", "Uncompressed"))
    if waves.get("compressflag", "") == "False" or method == "Uncompressed":
        if len(content) != 2 * count * len(names):
            raise RecordError(
                record,
                f"parsedwaveforms holds {len(content)} bytes where {len(names)} leads of {count} samples belong; export it again",
            )
        return np.frombuffer(content, "<i2").reshape(len(names), count).astype(np.int64)
    if method != "XLI":
        raise RecordError(record, f"it is packed by {shown(method)!r}, and XLI is read; export it unpacked or as DICOM")
    found, start = np.empty((len(names), count), np.int64), 0
    for place, name in enumerate(names):
        length = int.from_bytes(content[start : start + 4], "little", signed=True)
        chunk = content[start + HEAD : start + HEAD + max(length, 0)]
        if length <= 0 or len(chunk) < length:
            raise RecordError(record, f"parsedwaveforms ends before lead {shown(name)} does; export it again")
        first = int.from_bytes(content[start + 6 : start + HEAD], "little", signed=True)
        found[place] = _differences(record, _unpacked(record, chunk, 2 * count + SLACK), first, count)
        start += HEAD + length
    return _whole_limbs(record, names, found)


def _unpacked(record: str, chunk: bytes, most: int) -> bytes:
    """Undo LZW, no further than to `most` bytes: each code stands for one or more."""
    if len(chunk) > most * CODE_BITS // 8 + HEAD:
        raise RecordError(record, "a lead of parsedwaveforms is longer than it declares; export it again")
    codes = len(chunk) * 8 // CODE_BITS
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))[: codes * CODE_BITS].reshape(codes, CODE_BITS)
    table, before, found, total = [bytes([value]) for value in range(256)], b"", [], 0
    for code in (bits @ (1 << np.arange(CODE_BITS)[::-1])).tolist():
        if code > LAST_CODE:
            break
        if code > len(table) or (code == len(table) and not before):
            raise RecordError(record, "parsedwaveforms is damaged: a code stands for nothing; export it again")
        entry = table[code] if code < len(table) else before + before[:1]
        if before and len(table) <= LAST_CODE:
            table.append(before + entry[:1])
        total += len(entry)
        if total > most:
            raise RecordError(record, "a lead of parsedwaveforms unpacks to more than it declares; export it again")
        found.append(entry)
        before = entry
    return b"".join(found)


def _differences(record: str, content: bytes, first: int, count: int) -> np.ndarray:
    """Sum second differences up: x[i] = 2 x[i-1] - x[i-2] - d[i-1] + 64, where the first d is told apart."""
    halves = np.frombuffer(content + bytes(len(content) % 2), np.uint8).reshape(2, -1).astype(np.int64)
    stored = (halves[0] << 8 | halves[1]).astype(np.int16).astype(np.int64)
    if len(stored) < max(count, 2):
        raise RecordError(record, f"a lead holds {len(stored)} samples where {count} belong; export it again")
    bends = np.concatenate([[-first], BIAS - stored[2:-1]]) if len(stored) > 2 else np.zeros(0, np.int64)
    slopes = np.cumsum(np.concatenate([[stored[1] - stored[0]], bends]))
    return (stored[0] + np.concatenate([[0], np.cumsum(slopes)]))[:count]


def _whole_limbs(record: str, names: list[str], found: np.ndarray) -> np.ndarray:
    """Put together the limb leads that are kept as what is left of them."""
    place = {name: number for number, name in enumerate(names)}
    rest = [name for name in ("III", "aVR", "aVL", "aVF") if name in place]
    if rest and not {"I", "II", "III"} <= place.keys():
        raise RecordError(
            record, f"it keeps {', '.join(rest)} as differences without I, II and III; export it as DICOM"
        )
    if rest:
        one, two = found[place["I"]], found[place["II"]]
        found[place["III"]] = three = two - one - found[place["III"]]
        for name, expected in (("aVR", -((one + two) // 2)), ("aVL", (one - three) // 2), ("aVF", (two + three) // 2)):
            if name in place:
                found[place[name]] = expected - found[place[name]]
    return found


def _without_pulse(record: str, steps: np.ndarray, fs: float) -> np.ndarray:
    """Cut off the end at which all leads hold the same: a calibration pulse with the stillness around it."""
    unlike = np.flatnonzero((steps != steps[0]).any(axis=0))
    end = int(unlike[-1]) + 1 if len(unlike) else steps.shape[1]
    if len(steps) < 3 or steps.shape[1] - end < PULSE_S * fs:
        return steps
    log.info("record %s: its last %.2f s, the same in every lead, were cut off", record, (steps.shape[1] - end) / fs)
    return steps[:, :end]
