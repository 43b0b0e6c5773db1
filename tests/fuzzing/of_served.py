"""Targets of the server: a request's headers and bytes, read as the server reads them, and the recording made ready for a run."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from starlette.requests import Request

import toys
from fuzzing.core import Target, joined, split
from fuzzing.of_recordings import ARRAYS, TABLES, edf_of, header_of, sound
from pqrst import prediction
from pqrst.arrays import Record
from pqrst.contracts import Contract
from pqrst.serve import uploads
from pqrst.serve.limits import Limits, RefusalError

LIMITS = Limits(megabytes=1.0, samples=100_000, leads=16)
CUT = {"cut": "equal", "samples": 64, "step": 32, "filter": {"low": 0.5, "high": 40.0, "order": 3}}
FORM = replace(toys.META.form, fs=100.0, leads=("I",), window=CUT, lead_names=({"I": 3, "MLII": 2},), shape=(1, 64))
RUN: Contract = replace(toys.CONTRACT, input=FORM)


@cache
def loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def now(waiting: Coroutine[Any, Any, Any]) -> Any:
    """Run what has all its bytes."""
    return loop().run_until_complete(waiting)


async def received(given: Request) -> uploads.Received:
    async with uploads.Share(asyncio.Semaphore(1)) as share:
        return await uploads.receive(given, LIMITS, share)


def request(headers: list[tuple[bytes, bytes]], query: bytes, body: bytes) -> Request:
    """Make a request whose body comes in two parts."""
    half = len(body) // 2
    events = iter([(body[:half], True), (body[half:], False)])

    async def receive() -> dict[str, Any]:
        part, more = next(events, (b"", False))
        return {"type": "http.request", "body": part, "more_body": more}

    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": query, "headers": headers}
    return Request(scope, receive)


def answered(headers: list[tuple[bytes, bytes]], query: bytes, body: bytes) -> bool:
    """Take a request as the server does; a refusal is a 4xx."""
    try:
        upload = uploads.read(now(received(request(headers, query, body))), LIMITS)
    except RefusalError as refusal:
        _is_answered(refusal)
        raise
    record = upload.record
    assert record.signal.shape[0] <= LIMITS.leads
    assert record.signal.size <= LIMITS.samples
    json.dumps([record.record, *record.leads], ensure_ascii=False).encode()
    prepared(record, dict(upload.renamed))
    return True


def _is_answered(refusal: RefusalError) -> None:
    assert 400 <= refusal.status < 500, refusal.status
    assert json.dumps(refusal.told(), ensure_ascii=False).encode()


def prepared(record: Record, renamed: dict[str, str]) -> None:
    """Hold what a run would see to finite numbers of its own shape, no more of them than the recording lasts."""
    made = prediction.prepare(record, RUN, renamed)
    assert made.rows.shape[1:] == FORM.shape
    assert np.isfinite(made.rows).all()
    assert len(made.rows) <= made.signal.shape[1]


def form(data: bytes) -> bool:
    """Read a multipart form; its content type is the first line of the input."""
    kind, _, body = data.partition(b"\n")
    return answered([(b"content-type", kind), (b"content-length", b"%d" % len(body))], b"", body)


def headers(data: bytes) -> bool:
    """Read a request whose headers and query are the input too."""
    told, query, body = split(data, 3)
    pairs = [line.partition(b": ")[::2] for line in told.split(b"\n")]
    return answered([(name.lower(), value) for name, value in pairs], query, body)


def json_body(data: bytes) -> bool:
    """Read a recording as JSON."""
    return answered([(b"content-type", b"application/json")], b"", data)


def bare(data: bytes) -> bool:
    """Read bare samples; the query is the first line of the input."""
    query, _, body = data.partition(b"\n")
    return answered([(b"content-type", b"application/octet-stream")], query, body)


def floats(data: bytes) -> bool:
    """Prepare any numbers at any rate for a run; the first eight bytes are the rate."""
    if len(data) < 12:
        return False
    fs = float(np.frombuffer(data[:8], "<f8")[0])
    signal = np.frombuffer(data[8 : len(data) // 4 * 4], "<f4")[None]
    if not 1 <= fs <= 100_000 or np.isinf(signal).any():  # no reader gives such a recording
        return False
    record = Record("r", "", signal, fs, ("I",))
    sound(record)
    prepared(record, {})
    return True


def part(name: str, content: bytes, file: str = "") -> bytes:
    named = f'; filename="{file}"' if file else ""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"


@cache
def forms() -> list[bytes]:
    kind, end = b"multipart/form-data; boundary=b\n", b"--b--\r\n"
    wave = b"I\n" + b"\n".join(b"%.3f" % np.sin(k / 5) for k in range(200))
    told = part("fs", b"250") + part("leads", b"I,II") + part("units", b"mV")
    pair = part("file", header_of("16"), "r.hea") + part("file", bytes(24), "r.dat")
    return [
        kind + pair + part("lead", b"I=V5") + end,
        kind + part("file", wave, "a.csv") + told + end,
        kind + part("file", TABLES[0], "a.csv") + end,
        kind + part("file", ARRAYS[0], "a.npy") + told + part("gain", b"200") + part("zero", b"1e3") + end,
        kind + part("file", edf_of(), "a.edf") + end,
        kind + part("file", bytes(60), "r.dat") + told + part("format", b"212") + part("gain", b"100") + end,
    ]


def bodies() -> list[bytes]:
    told = {
        "fs": 100,
        "leads": ["I"],
        "samples": [np.round(np.sin(np.arange(90) / 5), 3).tolist()],
        "units": "mV",
        "record": "r",
    }
    return [
        json.dumps(one).encode() for one in (told, told | {"lead": {"I": "I"}}, told | {"samples": [[1, None, 2e300]]})
    ]


WAVE = np.sin(np.arange(200) / 5).astype("<f4").tobytes()
TARGETS = {
    "form": Target(form, forms, 2048),
    "headers": Target(headers, lambda: [
        joined(b"content-type: application/json; charset=utf-8\nContent-Length: 22", b"signal=1", bodies()[0]),
        joined(b"content-type: application/octet-stream\ncontent-encoding: identity\ncontent-length: 4", b"fs=100&leads=I&attention=0", WAVE),
    ], 1024, 200),
    "json": Target(json_body, bodies, 1024),
    "floats": Target(bare, lambda: [b"fs=100&leads=I&units=mV&record=r\n" + WAVE, b"fs=250.5&leads=I,%20II&lead=I%3DII\n" + WAVE], 1024),
    "prepare": Target(floats, lambda: [np.array([fs], "<f8").tobytes() + WAVE for fs in (100.0, 250.0, 128.5, 3.7, 99_999.0)], 2048, 80),
}  # fmt: skip
