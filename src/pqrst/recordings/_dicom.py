"""Read a DICOM waveform: the rhythm of a 12-lead, general or ambulatory ECG.

value = sample x sensitivity x correction factor + baseline, in the units of the sensitivity. Source: DICOM PS3.3 C.10.9, and
PS3.16 CID 3001 for the leads, whose numbers SCP-ECG and ISO 11073 share.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings import _elements
from pqrst.recordings._leads import (
    Lead,
    Limits,
    Source,
    Told,
    calibration,
    check_size,
    chosen,
    record_of,
    shown,
    stream,
)

if TYPE_CHECKING:
    from pydicom import Dataset

KINDS: Mapping[tuple[int, str], str] = {
    (8, "SB"): "i1", (8, "UB"): "u1", (16, "SS"): "<i2", (16, "US"): "<u2", (32, "SL"): "<i4", (32, "UL"): "<u4",
}  # fmt: skip
NUMBERED: Mapping[int, str] = {
    1: "I",
    2: "II",
    **{k + 2: f"V{k}" for k in range(1, 7)},
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
}
CODED = re.compile(r"(?:2:|5\.6\.3-9-)(\d{1,3})", re.ASCII)  # of MDC, and of SCP-ECG with DICOM's own tail
NAMED = re.compile(r"(?:MDC_ECG_LEAD_|lead\s+)?(.*?)\s*(?:\(.*\))?", re.IGNORECASE)  # Lead I (Einthoven)
BEAT = re.compile("median|representative|average|template", re.IGNORECASE)


def read(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read the leads of the rhythm; median beats and other groups are left out."""
    group = _group(record, _groups(record, source))
    channels = list(group.get("ChannelDefinitionSequence") or ())
    count, length = _whole(record, group, "NumberOfWaveformChannels"), _whole(record, group, "NumberOfWaveformSamples")
    check_size(record, limits, count, count * length)
    if len(channels) != count or not length:
        raise RecordError(
            record, f"it describes {len(channels)} of {count} channels of {length} samples; export it again"
        )
    fs = _number(record, group, "SamplingFrequency", None)
    leads = [Lead(_name(channel), _unit(channel), fs) for channel in channels]
    scaled = [_scaled(record, channel, told) for channel in channels]
    leads = [Lead(lead.name, lead.units or unit, fs) for lead, (*_, unit) in zip(leads, scaled, strict=True)]
    kept = chosen(record, leads)
    steps, missing = _steps(record, group, count, length)
    columns = (np.where(missing[:, k], np.nan, steps[:, k] * scaled[k][0] + scaled[k][1]) for k in kept)
    return record_of(record, [leads[k] for k in kept], columns)


def _groups(record: str, source: Source) -> "list[Dataset]":
    """Read the multiplex groups of a file, and nothing else of it."""
    try:
        import pydicom  # noqa: PLC0415 (an extra, and half a second)
    except ImportError:
        raise RecordError(record, "DICOM is read by pydicom, which is not here; pip install 'pqrst[dicom]'") from None
    content = source.read_bytes() if isinstance(source, Path) else source
    _elements.check(record, content)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE  # values are checked here, one by one
    with stream(content) as file:
        found = pydicom.dcmread(file, specific_tags=["WaveformSequence"])
    return list(found.get("WaveformSequence") or ())


def _group(record: str, groups: "list[Dataset]") -> "Dataset":
    """Give the group that is the recording: of those that are no median beat, the longest."""
    if not groups:
        raise RecordError(record, "it is DICOM without a waveform, such as an image or a report; export the waveform")
    rhythms = [
        group
        for group in groups
        if str(group.get("WaveformOriginality", "")) != "DERIVED" and not BEAT.search(_label(group))
    ]
    lengths = [_whole(record, group, "NumberOfWaveformSamples") for group in rhythms]
    longest = [group for group, length in zip(rhythms, lengths, strict=True) if length == max(lengths)]
    if len(longest) != 1:
        labels = ", ".join(shown(_label(group)) or "no label" for group in longest[:8]) or "median beats only"
        raise RecordError(record, f"it has {len(longest)} groups that may be the rhythm ({labels}); export it with one")
    if len(groups) > 1:
        log.info(
            "record %s: of %s groups, %s was taken", record, len(groups), shown(_label(longest[0])) or "the longest"
        )
    return longest[0]


def _label(group: "Dataset") -> str:
    return str(group.get("MultiplexGroupLabel") or "")


def _number(record: str, item: "Dataset", keyword: str, usual: float | None) -> float:
    """Read a number; where there is none the usual one holds, if there is a usual one."""
    value = item.get(keyword)
    if value is None and usual is not None:
        return usual
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.nan
    if not np.isfinite(found):
        raise RecordError(record, f"its {keyword} is {shown(str(value))!r}, which is no number; export it again")
    return found


def _whole(record: str, item: "Dataset", keyword: str) -> int:
    found = _number(record, item, keyword, None)
    if found != int(found) or found < 0:
        raise RecordError(record, f"its {keyword} is {found:g}, which cannot be; export it again")
    return int(found)


def _first(item: "Dataset", keyword: str) -> "Dataset | dict[str, Any]":
    found = item.get(keyword)
    return found[0] if found else {}


def _name(channel: "Dataset") -> str:
    """Name a lead by the number that its code holds, else by its words."""
    source = _first(channel, "ChannelSourceSequence")
    code = str(source.get("CodeValue") or "")
    numbered = CODED.fullmatch(code)
    if numbered and int(numbered[1]) in NUMBERED:
        return NUMBERED[int(numbered[1])]
    said = code if code.startswith("MDC_ECG_LEAD_") else channel.get("ChannelLabel") or source.get("CodeMeaning") or ""
    words = NAMED.fullmatch(" ".join(str(said).split()))
    plain = words[1] if words else ""
    return next((name for name in NUMBERED.values() if name.casefold() == plain.casefold()), plain)


def _unit(channel: "Dataset") -> str:
    return str(_first(channel, "ChannelSensitivityUnitsSequence").get("CodeValue") or "").strip()


def _scaled(record: str, channel: "Dataset", told: Told) -> tuple[float, float, str]:
    """Give factor, baseline and unit of a channel; the caller's where the file says that its samples have none."""
    skew = _number(record, channel, "ChannelSampleSkew", 0.0)
    if abs(skew) >= 1:
        raise RecordError(record, f"a channel is skewed by {skew:g} samples; export channels that start together")
    if channel.get("ChannelSensitivity") is None:
        zero, gain, unit = calibration(record, told)
        return 1 / gain, -zero / gain, unit
    factor = _number(record, channel, "ChannelSensitivity", None)
    factor *= _number(record, channel, "ChannelSensitivityCorrectionFactor", 1.0)
    return factor, _number(record, channel, "ChannelBaseline", 0.0), _unit(channel)


def _steps(record: str, group: "Dataset", count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the samples, (samples, channels), and where there are none."""
    bits, meaning = _whole(record, group, "WaveformBitsAllocated"), str(group.get("WaveformSampleInterpretation") or "")
    if (bits, meaning) not in KINDS:
        raise RecordError(
            record, f"its samples are {shown(meaning)} of {bits} bits, which are not read; export 16 bits"
        )
    kind, content = np.dtype(KINDS[bits, meaning]), group.get("WaveformData")
    needed = count * length * kind.itemsize
    if not isinstance(content, bytes) or not needed <= len(content) <= needed + 1:  # of an odd number, one byte more
        held = len(content) if isinstance(content, bytes) else 0
        raise RecordError(record, f"it holds {held} bytes of samples where it declares {needed}; export it again")
    steps = np.frombuffer(content[:needed], kind).reshape(length, count)
    padding = group.get("WaveformPaddingValue")
    if not isinstance(padding, bytes) or len(padding) < kind.itemsize:
        return steps, np.zeros(steps.shape, bool)
    return steps, steps == np.frombuffer(padding[: kind.itemsize], kind)[0]
