"""A request's bytes, counted as they come and kept in memory alone, and the recording that they are."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

import numpy as np
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from pqrst import recordings
from pqrst.arrays import Record
from pqrst.errors import RecordError, SettingsError
from pqrst.parsing import Between, number, parse
from pqrst.serve.limits import Limits, RefusalError

FILES, FIELDS, FIELD_BYTES = 8, 16, 4096
LONGEST_NUMBER = 18  # digits; Python reads no number of thousands of them
TEXT_SHARE = 0.25  # of an upload's bytes that may come as JSON: a number takes ten times its text in memory
FORM, JSON, RAW = "multipart/form-data", "application/json", "application/octet-stream"
ANSWERED = ("signal", "attention")  # what a query asks of the answer, whatever the body is


@dataclass(frozen=True)
class Samples:
    """A recording as JSON tells it."""

    fs: Annotated[float, Between(1, 100_000)]
    leads: tuple[str, ...]
    samples: Any  # a list of numbers by lead; null where a sample is missing
    units: Literal["mV", "uV", "V"] = "mV"
    record: str = "recording"
    lead: dict[str, str] = field(default_factory=dict)  # lead of the run -> lead of the recording


@dataclass(frozen=True)
class Fields:
    """What a form says of files that do not say it themselves."""

    fs: Annotated[float, Between(1, 100_000)] | None = None
    leads: str = ""
    units: str = ""
    gain: float | None = None
    zero: float | None = None
    format: str = ""
    lead: str = ""  # LEAD=NAME, several by commas

    def told(self) -> recordings.Told:
        names = tuple(name.strip() for name in self.leads.split(",") if name.strip())
        return recordings.Told(self.fs, names, self.units, self.gain, self.zero, self.format)


@dataclass(frozen=True)
class Bare:
    """What a query says of a body that is nothing but samples: little-endian float32, one lead after the other."""

    fs: Annotated[float, Between(1, 100_000)]
    leads: str  # by commas
    units: Literal["mV", "uV", "V"] = "mV"
    record: str = "recording"
    lead: str = ""  # LEAD=NAME, several by commas


@dataclass(frozen=True)
class Upload:
    """A recording and the leads that are to be taken for those of the run."""

    record: Record
    renamed: Mapping[str, str]


@dataclass(frozen=True)
class Received:
    """The parts of a request, not yet read."""

    files: Mapping[str, bytes]
    fields: Mapping[str, str]
    body: bytes = b""
    raw: bool = False


class Share:
    """A request's part in the memory that large bodies have: taken once a body grows large, given back with its answer."""

    def __init__(self, of: asyncio.Semaphore) -> None:
        self.of, self.taken = of, False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.taken:
            self.of.release()

    async def take(self) -> None:
        """Wait for it; whoever holds one has all that a body may grow to, so that none waits for another while holding some."""
        if not self.taken:
            await self.of.acquire()
            self.taken = True


async def receive(request: Request, limits: Limits, share: Share) -> Received:
    """Take a request's bytes; one byte too many ends it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusalError(415, "a packed body is not taken; send the recording as it is")
    if kind not in (FORM, JSON, RAW):
        raise RefusalError(415, f"content type {kind or 'none'!r} is not taken", expected=f"{FORM}, {JSON} or {RAW}")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > LONGEST_NUMBER or int(declared) > limits.bytes):
        raise RefusalError(413, f"the upload is larger than the {limits.megabytes:g} MB that this server takes")
    if kind == JSON:
        limits = replace(limits, megabytes=limits.megabytes * TEXT_SHARE)
    parts = _counted(request, limits, share)
    try:
        if kind == FORM:
            return await _form(request, parts, limits)
        body = b"".join([part async for part in parts])
    except ClientDisconnect:
        raise RefusalError(400, "the upload broke off") from None
    if kind == JSON:
        return Received({}, {}, body)
    told = {name: value for name, value in request.query_params.items() if name not in ANSWERED}
    return Received({}, told, body, raw=True)


async def _counted(request: Request, limits: Limits, share: Share) -> AsyncGenerator[bytes, None]:
    """Give a body's bytes as they come, and end it where they are too many or come too slowly."""
    clock, total, stream = asyncio.get_running_loop().time, 0, request.stream()
    ends = clock() + limits.patience
    while True:
        try:
            async with asyncio.timeout_at(ends + total / limits.rate):
                part = await anext(stream, None)
        except TimeoutError:
            raise RefusalError(
                408, f"the body comes too slowly: {total} bytes so far; send {limits.rate} a second or more"
            ) from None
        if part is None:
            return
        total += len(part)
        if total > limits.bytes:
            raise RefusalError(413, f"the upload is larger than the {limits.megabytes:g} MB that this server takes")
        if total > limits.small:
            before = clock()
            await share.take()
            ends += clock() - before  # who waits for the server owes it nothing
        yield part


async def _form(request: Request, parts: AsyncGenerator[bytes, None], limits: Limits) -> Received:
    parser = MultiPartParser(request.headers, parts, max_files=FILES, max_fields=FIELDS, max_part_size=FIELD_BYTES)
    parser.spool_max_size = limits.bytes + 1  # in memory, so that nothing is left on disk whatever happens
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, UnicodeDecodeError, ValueError) as error:
        raise RefusalError(400, f"the form cannot be read ({_line(error)})") from None
    files: dict[str, bytes] = {}
    fields: dict[str, str] = {}
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                _check_name(value.filename or "", files)
                files[value.filename or ""] = await value.read()
            else:
                fields[name] = value
    finally:
        await form.close()
    if not files:
        raise RefusalError(400, "the form holds no file", expected="a part named file for each file of the recording")
    return Received(files, fields)


def _check_name(name: str, seen: Mapping[str, bytes]) -> None:
    """Refuse a name that is a path, or of a kind that is no recording."""
    if not name or name != PurePosixPath(name).name or set("\\:") & set(name) or not name.isprintable():
        raise RefusalError(400, f"{name!r} is no plain file name")
    if PurePosixPath(name).suffix.lower() not in recordings.ENDINGS:
        raise RefusalError(415, f"{name} is of no kind that is read here", expected=", ".join(recordings.ENDINGS))
    if name in seen:
        raise RefusalError(400, f"two files are named {name}; send one recording")


def read(received: Received, limits: Limits) -> Upload:
    """Read the recording of a request."""
    bounds = recordings.Limits(leads=limits.leads, samples=limits.samples, bytes=limits.bytes)
    try:
        if received.raw:
            return _from_floats(received, limits)
        if not received.files:
            return _from_json(received.body, limits)
        fields = parse(Fields, {name: _typed(name, value) for name, value in received.fields.items()}, "form")
        return Upload(recordings.read_bytes(received.files, fields.told(), bounds), _pairs(fields.lead))
    except SettingsError as error:
        raise RefusalError(422, str(error)) from None
    except RecordError as fault:
        raise RefusalError(400, str(fault)) from None


def _typed(name: str, value: str) -> Any:
    return number(value) if name in ("fs", "gain", "zero") else value


def _pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not (lead.strip() and name.strip()) for lead, _, name in pairs):
        raise RefusalError(422, f"lead {text!r} is not LEAD=NAME, such as MLII=II")
    return {lead.strip(): name.strip() for lead, _, name in pairs}


def _from_json(body: bytes, limits: Limits) -> Upload:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, f"the body is no JSON ({_line(error)})") from None
    told = parse(Samples, given, "body")
    return _upload(told, _signal(told.samples), limits)


def _from_floats(received: Received, limits: Limits) -> Upload:
    told = parse(Bare, {name: _typed(name, value) for name, value in received.fields.items()}, "query")
    leads = tuple(name.strip() for name in told.leads.split(",") if name.strip())
    length = 4 * max(1, len(leads))  # bytes of one sample of all leads
    if not received.body or len(received.body) % length:
        raise RefusalError(
            400, f"the body holds {len(received.body)} bytes, which are no float32 samples of {len(leads)} leads"
        )
    signal = np.frombuffer(received.body, "<f4").reshape(max(1, len(leads)), -1)
    return _upload(Samples(told.fs, leads, None, told.units, told.record, _pairs(told.lead)), signal, limits)


def _upload(told: Samples, signal: np.ndarray, limits: Limits) -> Upload:
    """Check what came as numbers, (leads, samples) in the unit that is told."""
    if len(told.leads) != len(signal) or len(set(told.leads)) != len(told.leads):
        raise RefusalError(422, f"body: {len(told.leads)} names for {len(signal)} leads; give each lead one name")
    if len(signal) > limits.leads or signal.size > limits.samples:
        raise RefusalError(422, f"body.samples: {signal.size} in {len(signal)} leads are more than this server takes")
    recordings.check_names(recordings.shown(told.record), told.leads)
    with np.errstate(over="ignore"):
        scaled = (signal * {"mV": 1.0, "uV": 1e-3, "V": 1e3}[told.units]).astype(np.float32)
    return Upload(Record(recordings.shown(told.record), "", scaled, told.fs, told.leads), told.lead)


def _signal(samples: Any) -> np.ndarray:
    """Turn lists of numbers into (leads, samples), nan for null."""
    try:
        signal = np.array(samples, np.float64)
    except (ValueError, TypeError, OverflowError):
        signal = np.zeros(0)
    if signal.ndim != 2 or signal.size == 0:
        raise RefusalError(422, "body.samples must be a list of leads, each a list of equally many numbers")
    return signal


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
