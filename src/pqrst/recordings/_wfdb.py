"""Read WFDB records of one segment, the Challenges' .mat files among them, and bare .dat files.

The header is read here, strictly; the samples are unpacked by the wfdb package, which sees nothing but a private folder with a
header that was made for it, so that no name, path or address in a file from outside ever reaches it.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings._leads import Lead, Limits, Source, Told, check_size, chosen, record_of, shown, size, stream

# format -> bytes for so many samples, and the step that marks a missing one; the wfdb package fails on 61, and its packed
# formats 508 to 524 would be unpacked before their size is known
FORMATS: Mapping[str, tuple[int, int, int | None]] = {
    "8": (1, 1, None),
    "16": (2, 1, -(2**15)),
    "24": (3, 1, -(2**23)),
    "32": (4, 1, -(2**31)),
    "80": (1, 1, -(2**7)),
    "160": (2, 1, -(2**15)),
    "212": (3, 2, -(2**11)),
    "310": (4, 3, -(2**9)),
    "311": (4, 3, -(2**9)),
}
BARE = ("212", "16")  # formats of a .dat without header
USUAL_GAIN, USUAL_RATE = 200.0, 250.0  # what a WFDB header means that says none: steps per mV, Hz
LARGEST_HEADER = 1 << 20  # bytes
ROOM, LONG_S = "pqrst-", 3600  # temporary folders; a reading takes seconds

# behind the rate that of a counter, and the counter's first value; a line where they are not sound is read by nobody alike
RATE = re.compile(
    r"(\d+\.?\d*(?:[eE][+-]?\d+)?)(?:/-?\d+\.?\d*(?:[eE][+-]?\d+)?(?:\(-?\d+\.?\d*(?:[eE][+-]?\d+)?\))?)?", re.ASCII
)
FORMAT = re.compile(r"(\d{1,3})(?:x(\d{1,6}))?(?::(\d{1,9}))?(?:\+(\d{1,12}))?", re.ASCII)
GAIN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)?(?:\((-?\d{1,12})\))?(?:/(\S+))?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,12}", re.ASCII)

Part = Callable[[str], Source | None]  # a file beside the header, by its name


@dataclass(frozen=True)
class Channel:
    """One signal line of a header."""

    file: str
    format: str
    per_frame: int
    skew: int  # frames
    offset: int  # bytes
    gain: float
    baseline: int
    units: str
    initial: int
    checksum: int | None
    name: str


@dataclass(frozen=True)
class Header:
    fs: float  # frames per second
    length: int  # frames; 0 where the header does not say
    channels: tuple[Channel, ...]


def read(record: str, source: Source, part: Part, limits: Limits) -> Record:
    """Read a record by its header and the files beside it that the header names."""
    if size(source) > LARGEST_HEADER:
        raise RecordError(record, f"a header of {size(source)} bytes is none; check the file")
    with stream(source) as file:
        header = _header(record, file.read(), limits)
    return _record(record, header, part, limits)


def read_bare(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read a signal file without header, as the caller says it is packed."""
    if told.fs is None or not told.leads or told.gain is None or told.format not in BARE:
        raise RecordError(
            record, f"a .dat has no header; lay {record}.hea beside it, or give format (212 or 16), fs, leads and gain"
        )
    zero = told.zero or 0.0
    if not np.isfinite([told.gain, zero]).all() or told.gain == 0 or zero != int(zero):
        raise RecordError(record, f"gain {told.gain:g} and zero {zero:g} cannot be; give whole steps and steps per mV")
    channels = tuple(
        Channel("", told.format, 1, 0, 0, told.gain, int(zero), "mV", 0, None, name.strip()) for name in told.leads
    )
    check_size(record, limits, len(channels), 0)
    step, of, _ = FORMATS[told.format]
    if size(source) * of // step % len(channels) or (told.format == "16" and size(source) % 2):
        raise RecordError(
            record,
            f"{size(source)} bytes are no whole number of samples of {len(channels)} leads; check format and leads",
        )
    return _record(record, Header(told.fs, 0, channels), lambda _: source, limits)


def _header(record: str, content: bytes, limits: Limits) -> Header:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordError(record, f"byte {error.start} of its header is not UTF-8 text; save it as UTF-8") from None
    lines = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    if not lines:
        raise RecordError(record, "its header is empty; copy it again")
    fields = lines[0].split()
    if "/" in fields[0]:
        raise RecordError(record, "it is in several segments, which are not read; join them, or give one segment")
    if len(fields) < 2 or not WHOLE.fullmatch(fields[1]):
        raise RecordError(record, f"its header begins with {shown(lines[0])!r}, which is no record line; copy it again")
    count = int(fields[1])
    check_size(record, limits, count, 0)
    if count < 1 or len(lines) != count + 1:
        raise RecordError(record, f"its header declares {count} signals and describes {len(lines) - 1}; copy it again")
    rate = RATE.fullmatch(fields[2]) if len(fields) > 2 else None
    length = fields[3] if len(fields) > 3 else "0"
    if (len(fields) > 2 and not rate) or not re.fullmatch(r"\d{1,18}", length, re.ASCII):
        raise RecordError(record, f"its header's first line, {shown(lines[0])!r}, is not sound; copy it again")
    channels = tuple(_channel(record, number, line) for number, line in enumerate(lines[1:]))
    return Header(float(rate[1]) if rate else USUAL_RATE, int(length), channels)


def _channel(record: str, number: int, line: str) -> Channel:
    """Read FILE FORMAT[xFRAME][:SKEW][+OFFSET] GAIN[(BASELINE)][/UNITS] BITS ZERO INITIAL CHECKSUM BLOCK NAME."""
    fields = line.split(None, 8)
    file, packing, gain, _, zero, initial, checksum, _, name = fields + [""] * (9 - len(fields))
    if re.search(r"[/\\:\x00]", file) or file.startswith(("~", "..")) or file in (".", "-"):
        raise RecordError(
            record, f"its header names {shown(file)!r}, which is no plain file name; lay the files beside the header"
        )
    packed, scaled = FORMAT.fullmatch(packing), GAIN.fullmatch(gain)
    whole = all(not text or WHOLE.fullmatch(text) for text in (zero, initial, checksum))
    if packed is None or scaled is None or not whole or not np.isfinite(float(scaled[1] or 0)):
        raise RecordError(record, f"its header's line {shown(line)!r} is not sound; copy the header again")
    if packed[1] not in FORMATS:
        raise RecordError(record, f"signal format {packed[1]} is not read; convert it to format 16")
    if not float(scaled[1] or 0):
        log.info("record %s: lead %s has no gain; WFDB's usual %g steps per mV is taken", record, number, USUAL_GAIN)
    return Channel(
        file=file,
        format=packed[1],
        per_frame=int(packed[2] or 1) or 1,
        skew=int(packed[3] or 0),
        offset=int(packed[4] or 0),
        gain=float(scaled[1] or 0) or USUAL_GAIN,
        baseline=int(scaled[2] or zero or 0),
        units=scaled[3] or "mV",
        initial=int(initial or 0),
        checksum=int(checksum) & 0xFFFF if checksum else None,
        name=name.strip(),
    )


def _record(record: str, header: Header, part: Part, limits: Limits) -> Record:
    channels = header.channels
    frame = sum(channel.per_frame for channel in channels)
    check_size(record, limits, len(channels), header.length * frame)
    leads = [Lead(channel.name, channel.units, header.fs * channel.per_frame) for channel in channels]
    kept = chosen(record, leads)
    sources, length = _files(record, header, part, limits)
    check_size(record, limits, len(channels), length * frame)
    if length == 0:
        raise RecordError(record, "it holds no samples; copy it again")
    steps = _steps(channels, sources, length)
    _check_sums(record, channels, steps)
    return record_of(
        record,
        [leads[number] for number in kept],
        (_physical(record, channels[number], steps[number]) for number in kept),
    )


def _files(record: str, header: Header, part: Part, limits: Limits) -> tuple[dict[str, Source], int]:
    """Find the signal files, hold their bytes against the header, and give them with the number of frames."""
    files: dict[str, list[Channel]] = {}
    for channel in header.channels:
        files.setdefault(channel.file, []).append(channel)
    sources, length, total = {}, header.length, 0
    for file, channels in files.items():
        source = part(file)
        if source is None:
            raise RecordError(record, f"{shown(file)} is missing, which its header names; lay it beside the header")
        sources[file], held = source, size(source)
        total += held
        if total > limits.bytes:
            raise RecordError(record, f"its files are larger than the {limits.bytes} bytes that are read; cut them")
        if len({(channel.format, channel.offset) for channel in channels}) > 1:
            raise RecordError(record, f"its header says two things of how {shown(file)} is packed; copy it again")
        step, of, _ = FORMATS[channels[0].format]
        offset, frame = channels[0].offset, sum(channel.per_frame for channel in channels)
        length = length or max(held - offset, 0) * of // step // frame
        needed = offset - (-length * frame * step // of)
        if held < needed:
            raise RecordError(
                record, f"{shown(file)} holds {held} bytes where its header declares {needed}; copy it again"
            )
        _check_matlab(record, file, source)
    order = [channel.file for channel in header.channels]
    if order != [file for file, channels in files.items() for _ in channels]:
        raise RecordError(record, "its header mixes the signals of several files; write those of one file together")
    return sources, length


def _check_matlab(record: str, file: str, source: Source) -> None:
    with stream(source) as opened:
        if (
            opened.read(6) == b"MATLAB"
        ):  # of version 5 and later; the Challenges' version 4 is plain samples behind 24 bytes
            raise RecordError(
                record, f"{shown(file)} is a packed MATLAB file, which is not read; save it as CSV or WFDB"
            )


def _steps(channels: Sequence[Channel], sources: Mapping[str, Source], length: int) -> list[np.ndarray]:
    """Unpack the converter's steps of every channel, each at its own rate."""
    import wfdb  # noqa: PLC0415 (costs half a second, and other formats need none)

    _clear()
    with tempfile.TemporaryDirectory(prefix=f"{ROOM}{os.getpid()}-") as folder:
        names = {file: f"signal{number}" for number, file in enumerate(sources)}
        for file, source in sources.items():
            _lay(source, Path(folder, names[file]))
        lines = [f"record {len(channels)} 250 {length}"]
        for number, channel in enumerate(channels):
            packing = f"{channel.format}x{channel.per_frame}+{channel.offset}"
            lines.append(f"{names[channel.file]} {packing} 200(0)/mV 16 0 {channel.initial} 0 0 lead{number}")
        Path(folder, "record.hea").write_text("\n".join(lines) + "\n", encoding="ascii")
        found = wfdb.rdrecord(str(Path(folder, "record")), physical=False, smooth_frames=False, return_res=32)
    return list(found.e_d_signal)


def _clear() -> None:
    """Remove the temporary folders of processes that were killed: what was sent to a server lies in them."""
    for left in Path(tempfile.gettempdir()).glob(f"{ROOM}[0-9]*-*"):
        with suppress(OSError, ValueError):
            if left.stat().st_mtime < time.time() - LONG_S and not _runs(int(left.name.split("-")[1])):
                shutil.rmtree(left)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _lay(source: Source, place: Path) -> None:
    if isinstance(source, bytes):
        place.write_bytes(source)
        return
    try:
        place.symlink_to(source.absolute())
    except OSError:  # a system without links
        shutil.copyfile(source, place)


def _check_sums(record: str, channels: Sequence[Channel], steps: Sequence[np.ndarray]) -> None:
    """Hold the samples against the header's checksums; the wfdb package compares none on reading."""
    for channel, found in zip(channels, steps, strict=True):
        total = int(found.sum(dtype=np.int64)) & 0xFFFF
        if channel.checksum is not None and total != channel.checksum:
            raise RecordError(
                record,
                f"lead {shown(channel.name)} of {shown(channel.file)} has checksum {total}, its header says "
                f"{channel.checksum}; copy it again",
            )


def _physical(record: str, channel: Channel, steps: np.ndarray) -> np.ndarray:
    """Turn a channel's steps into its unit, in float64, NaN where a sample is missing."""
    found = (steps.astype(np.float64) - channel.baseline) / channel.gain
    missing = FORMATS[channel.format][2]
    if missing is not None:
        found[steps == missing] = np.nan
    late = channel.skew * channel.per_frame
    if late >= len(found):
        raise RecordError(record, f"lead {channel.name} is skewed by {late} samples of {len(found)}; check its header")
    if late:
        found = np.concatenate([found[late:], np.full(late, np.nan)])
    return found
