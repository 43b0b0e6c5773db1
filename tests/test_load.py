"""The server as a process under load: a short form of `benchmarks/load.py`, and its clocks one by one."""

import asyncio
import importlib.util
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import h11
import numpy as np
import pytest
import uvicorn

from pqrst.serve import wire
from pqrst.serve.limits import Limits

ROOT = Path(__file__).parents[1]
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def _load():
    """Import the script as the file that it is."""
    told = importlib.util.spec_from_file_location("load", ROOT / "benchmarks" / "load.py")
    module = importlib.util.module_from_spec(told)
    sys.modules["load"] = module  # dataclasses look there for their own module
    told.loader.exec_module(module)
    return module


load = _load()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Save the tiny network of the script."""
    return load.save(tmp_path_factory.mktemp("load") / "run")


def test_under_load_no_answer_is_lost_or_swapped(run):
    """Two hundred clients, good and bad, and SIGTERM amid them: every promise of the script holds over a few hundred requests."""
    found, told = asyncio.run(load.measured(run, 300))
    assert load.broken(found, told) == []
    assert len(found.latencies) >= 300
    assert found.bad >= load.CLIENTS * load.BAD_SHARE
    assert {key.split()[0] for key in found.statuses} >= {kind.__name__ for kind in load.BAD} | {"good"}


@pytest.fixture(scope="module")
def port(run):
    """Start a server for the tests below, and end it afterwards."""
    loop = asyncio.new_event_loop()
    process, port = loop.run_until_complete(load.started(run))
    yield port
    process.terminate()
    assert loop.run_until_complete(process.wait()) == 0
    loop.close()


async def talked(port, *parts, pause=0.0, limit=20.0):
    """Send parts with pauses, and give what came back until the server closed, and after how long."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began, came = time.monotonic(), b""

    async def send():
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause)

    sending = asyncio.ensure_future(send())
    try:
        async with asyncio.timeout(limit):
            while more := await reader.read(1 << 16):
                came += more
    except (TimeoutError, ConnectionError):
        pass
    took = time.monotonic() - began
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.transport.abort()
    return came, took


PATIENCE = load.LIMITS["patience"]
DRIP = [bytes([one]) for one in GET[:-2]] * 20
BODY = (
    b"POST /predict?fs=360&leads=MLII HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    + load.TOKEN.encode()
    + b"\r\nContent-Type: application/octet-stream\r\n"
)


WAITING = {  # what a client sends, and the status that it gets
    "nothing": ([b""], 408),
    "headers that drip": (DRIP, 408),
    "half of a second request": ([GET, GET[:-2]], 408),
    "a body that drips": ([BODY + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 400], 408),
    "no body": ([BODY + b"Content-Length: 1000\r\n\r\n"], 408),
    "a giant that drips": ([BODY + b"Content-Length: 5000000\r\n\r\n", *[b"x"] * 400], 413),
}


def test_who_keeps_the_server_waiting_is_told_and_let_go(port):
    """Nothing that is owed is waited for longer than the patience, and a little for the machine."""

    async def main():
        return await asyncio.gather(*(talked(port, *parts, pause=0.05) for parts, _ in WAITING.values()))

    for (what, (_, status)), (came, took) in zip(WAITING.items(), asyncio.run(main()), strict=True):
        assert f"HTTP/1.1 {status}".encode() in came, what
        assert took < 3 * PATIENCE + 5, what


def test_an_early_answer_reaches_who_still_sends(port):
    """A body too large by its bytes is refused, and heard to its end for a while, so that the reason is read."""

    async def main():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BODY + b"Content-Length: 4500000\r\n\r\n")
        for _ in range(45):
            writer.write(bytes(100_000))
            await writer.drain()
        status, body = await load.answer(reader)
        writer.write(GET)  # and the connection goes on
        again, _ = await load.answer(reader)
        writer.close()
        return status, body, again

    status, body, again = asyncio.run(main())
    assert (status, again) == (413, 200)
    assert b"larger than the 4 MB" in body


async def reading(chunk, pause, seconds):
    """Serve an answer of 30 MB to a client that takes so many bytes at a time, and give how many it got."""
    size = 30_000_000

    async def app(scope, _, send):
        if scope["type"] == "http":
            head = [(b"content-length", str(size).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": bytes(size)})

    kind = wire.connection(Limits(patience=0.5))
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=kind, lifespan="off", log_level="error"))
    with server.capture_signals():
        serving = asyncio.ensure_future(server._serve())
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
        writer.write(GET)
        got, ends = 0, time.monotonic() + seconds
        while (server.server_state.connections or got == 0) and time.monotonic() < ends:
            got += len(await reader.read(chunk)) if chunk or got == 0 else 0
            await asyncio.sleep(pause)
        left = len(server.server_state.connections)
        writer.transport.abort()
        server.should_exit = True
        await serving
    return got, left


def test_an_answer_that_nobody_reads_is_not_kept():
    """Its connection is cut; one that is read slowly, and faster than the rate, is heard to its end."""
    assert asyncio.run(reading(0, 0.05, 20))[1] == 0
    got, left = asyncio.run(reading(1 << 20, 0.02, 60))
    assert left == 0
    assert got > 20_000_000


def test_connections_beyond_the_bound_are_sent_away(run, monkeypatch):
    """The third of two is a 429 with the time to come back; when one has gone there is room again."""
    monkeypatch.setitem(load.LIMITS, "connections", 2)

    async def main():
        process, port = await load.started(run)
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        await asyncio.sleep(0.2)
        away, _ = await talked(port, GET)
        held[0][1].close()
        await asyncio.sleep(0.2)
        back = await asyncio.open_connection("127.0.0.1", port)
        back[1].write(GET)
        status, _ = await load.answer(back[0])
        for writer in (held[1][1], back[1]):
            writer.close()
        process.terminate()
        return away, status, await process.wait()

    away, status, ended = asyncio.run(main())
    assert b"HTTP/1.1 429" in away
    assert b"Retry-After: 1" in away
    assert (status, ended) == (200, 0)


def test_a_stop_waits_for_a_body_on_its_way(run):
    """A request whose body comes after the word to stop is answered, and the server ends with status 0 and says so."""
    [wish] = [wish for wish in load.wishes(run)[:6] if wish.kind == "application/octet-stream"]

    async def main():
        process, port = await load.started(run)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(wish.content[:-1000])
        await writer.drain()
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(1.0)
        writer.write(wish.content[-1000:])
        answer = await load.answer(reader)
        writer.close()
        return answer, await process.wait(), (await process.stderr.read()).decode()

    (status, body), ended, log = asyncio.run(main())
    assert status == 200
    told = [one["probabilities"] for one in load.json.loads(body)["windows"]]
    assert np.abs(np.array(told) - wish.expected).max() < load.CLOSE
    assert ended == 0
    assert "stopping: 1 requests are under way" in log
    assert "1 requests answered, 0 not" in log


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Make a certificate that signs itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, which makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_it_speaks_tls_with_a_certificate(run, pair, monkeypatch):
    """A client that trusts the certificate gets its answer; one that speaks plainly gets none."""
    monkeypatch.setitem(load.LIMITS, "tls-certificate", pair[0])
    monkeypatch.setitem(load.LIMITS, "tls-key", pair[1])
    trusting = ssl.create_default_context(cafile=pair[0])

    async def main():
        process, port = await load.started(run)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(GET)
        status, _ = await load.answer(reader)
        writer.close()
        plain, _ = await talked(port, GET)
        process.terminate()
        return status, plain, await process.wait()

    assert asyncio.run(main()) == (200, b"", 0)


def test_a_certificate_that_is_none_is_one_line(pair, tmp_path, capsys):
    """Half a pair, files that are missing, junk, and a key of another certificate."""
    from pqrst import cli

    (tmp_path / "junk").write_text("junk")
    for given, said in (
        ({"--tls-certificate": pair[0]}, "belong together"),
        ({"--tls-key": pair[1]}, "belong together"),
        ({"--tls-certificate": pair[0], "--tls-key": tmp_path / "none"}, "No such file"),
        ({"--tls-certificate": tmp_path / "junk", "--tls-key": pair[1]}, "are no certificate and its key"),
    ):
        assert cli.main(["serve", *[str(text) for one in given.items() for text in one]]) == 1
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1


def test_the_clock_of_a_connection_rests_on_a_known_uvicorn():
    """What this project overrides is there: a new uvicorn that renames it fails here and not under load."""
    from pqrst.serve.wire import Connection

    for name in (
        "connection_made",
        "connection_lost",
        "data_received",
        "on_response_complete",
        "send_400_response",
        "pause_writing",
        "resume_writing",
    ):
        assert any(name in vars(parent) for parent in Connection.__mro__[1:]), name
    assert h11.SEND_BODY
