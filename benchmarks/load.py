"""Two hundred clients at once against `pqrst serve` on loopback, most of them good and some of every bad kind, and a stop amid them.

The good ones send recordings of every format, each of another signal, and hold each answer against what the library computes of
it alone. Beside them, all the time: headers and bodies that drip, bodies too large by their word or by their bytes, clients that hang up
midway or never read their answer, wrong tokens, and requests that are none. Then SIGTERM while all of them go on: what was sent before it
must be answered. `python benchmarks/load.py [requests]` prints one table, and ends with status 1 where a promise is broken.
"""

import asyncio
import io
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import wfdb
from edfio import Edf, EdfSignal

from pqrst import exported, prediction, recordings
from pqrst.arrays import Form, Record
from pqrst.contracts import Contract
from pqrst.standardisation import Standardisation

FS, SECONDS, LEAD = 360, 4, "MLII"
REQUESTS, CLIENTS = 10_000, 200  # good requests; clients of all kinds
DIFFERENT = 40  # recordings, each of another signal
FORMATS = ("wfdb", "csv", "npy", "edf", "json", "raw")
BAD_SHARE, PAUSE = 0.25, 0.5  # of the clients, the kinds in turn; seconds between two tries of one
HELD = 60  # seconds after which a bad client counts as held on to
TOKEN = "a-token-of-the-load-test"  # noqa: S105 (of nothing else)
LIMITS = {"megabytes": 4, "patience": 2, "at-once": 8, "seconds": 60, "connections": 512}
CLOSE = 1e-5  # of probabilities that are printed with six digits
SETTLE = 200  # good requests before memory is taken as the start's: allocators have their pools by then


@dataclass
class Found:
    """What came of the requests."""

    latencies: list[float] = field(default_factory=list)  # s, of good requests
    statuses: Counter[str] = field(default_factory=Counter)  # kind and status -> how many
    wrong: int = 0  # answers other than those computed alone
    lost: int = 0  # good requests that were sent whole before the stop and got no answer
    refused: int = 0  # good requests after the stop that found no server
    sent_after: int = 0
    bad: int = 0  # bad requests that were tried
    stopped: float = 0.0  # when SIGTERM went out; 0 before


@dataclass(frozen=True)
class Wish:
    """One good request, as bytes, and the probabilities that must come."""

    path: str
    kind: str
    body: bytes
    expected: np.ndarray  # (windows, classes)

    @property
    def content(self) -> bytes:
        head = [
            f"POST {self.path} HTTP/1.1",
            "Host: load",
            f"Authorization: Bearer {TOKEN}",
            f"Content-Type: {self.kind}",
        ]
        return "\r\n".join([*head, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


# ---- a tiny run, and recordings of every format


def save(folder: Path) -> Path:
    """Save a tiny untrained network over windows of 2 s."""
    import torch  # noqa: PLC0415 (the server's own start is measured elsewhere)

    from pqrst import artifact  # noqa: PLC0415
    from pqrst.models import simple_cnn  # noqa: PLC0415

    torch.manual_seed(0)
    p = simple_cnn.Params(widths=(4,), kernel=3)
    model = simple_cnn.build((1, 720), 2, p)
    cut = {"cut": "equal", "samples": 720, "step": 360, "filter": {"low": 0.5, "high": 50.0, "order": 5}}
    given = Form(shape=(1, 720), axes=("row", "lead", "time"), fs=float(FS), leads=("first",), units="mV", window=cut,
                 lead_names=({LEAD: 1},))  # fmt: skip
    contract = Contract(
        run="tiny", system="load", seed=0, task="single", classes=("a", "b"), model="simple_cnn",
        model_settings={"widths": [4], "kernel": 3}, parameters=1, input=given, standardise=Standardisation("row"),
        output="logits", split="none", best_epoch=0, provenance={"synthetic": True}, settings_digest="",
    )  # fmt: skip
    artifact.save(folder, contract, artifact.of_network(model.state_dict()), [])
    return folder


def wishes(run: Path) -> list[Wish]:
    """Make up recordings and give one of each in every format, with what the library says of it."""
    predictor, made = exported.open_run(run), []
    for place in range(DIFFERENT):
        rng, at = np.random.default_rng(place), np.arange(FS * SECONDS) / FS
        wave = np.exp(-(((at % rng.uniform(0.5, 1.2) - 0.25) ** 2) / 0.001)) + rng.normal(0, 0.05, len(at))
        name = FORMATS[place % len(FORMATS)]
        path, kind, body, record = shaped(name, np.round(wave, 4))
        made.append(Wish(path, kind, body, prediction.answer(predictor, record).probabilities))
    return made


def shaped(name: str, wave: np.ndarray) -> tuple[str, str, bytes, Record]:
    """Give a signal in mV as a request of one format, and as the record that the library reads of it."""
    record = Record("r", "", wave[None].astype(np.float32), float(FS), (LEAD,))
    if name == "raw":
        return f"/predict?fs={FS}&leads={LEAD}", "application/octet-stream", wave.astype("<f4").tobytes(), record
    if name == "json":
        return (
            "/predict",
            "application/json",
            json.dumps({"fs": FS, "leads": [LEAD], "samples": [wave.tolist()]}).encode(),
            record,
        )
    files, fields = written(name, wave)
    told = recordings.Told(FS, (LEAD,), "mV") if fields else recordings.Told()
    return "/predict", "multipart/form-data; boundary=load", form(files, fields), recordings.read_bytes(files, told)


def written(name: str, wave: np.ndarray) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
    """Write a signal as the files of a format, and what must be said beside them."""
    if name == "csv":
        return {
            "r.csv": f"# fs={FS} units=mV\n{LEAD}\n".encode() + "\n".join(f"{one:.4f}" for one in wave).encode() + b"\n"
        }, {}
    if name == "npy":
        np.save(file := io.BytesIO(), wave[None])
        return {"r.npy": file.getvalue()}, {"fs": str(FS), "leads": LEAD, "units": "mV"}
    with tempfile.TemporaryDirectory() as folder:
        if name == "edf":
            Edf([EdfSignal(wave, FS, label=LEAD, physical_dimension="mV")]).write(Path(folder, "r.edf"))
        else:
            wfdb.wrsamp("r", FS, ["mV"], [LEAD], wave[:, None], fmt=["16"], write_dir=folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}, {}


def form(files: Mapping[str, bytes], fields: Mapping[str, str]) -> bytes:
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    parts += [(f'name="file"; filename="{name}"', content) for name, content in files.items()]
    told = b"".join(
        b"--load\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), value) for head, value in parts
    )
    return told + b"--load--\r\n"


# ---- the good clients


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer from a connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return int(head.split(b" ", 2)[1]), await reader.readexactly(int(length[1]) if length else 0)


async def good(port: int, wish: Wish, found: Found) -> None:
    """Send one good request on a connection of its own, again where it is told to, and hold the answer against the one computed alone."""
    began = time.monotonic()
    while True:
        sent = 0.0
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(wish.content)
            await writer.drain()
            sent = time.monotonic()
            status, body = await answer(reader)
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            before = sent and (not found.stopped or sent < found.stopped)
            found.lost += bool(before)
            found.refused += not before
            return
        found.statuses[f"good {status}"] += 1
        if status != 429:
            break
        await asyncio.sleep(1)
    found.latencies.append(time.monotonic() - began)
    found.sent_after += bool(found.stopped and sent > found.stopped)
    if status == 200:
        told = np.array([one["probabilities"] for one in json.loads(body)["windows"]])
        found.wrong += told.shape != wish.expected.shape or bool(np.abs(told - wish.expected).max() > CLOSE)


# ---- the bad ones: each tries once and tells the status that came, or that it was hung up on

Bad = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Wish], Awaitable[None]]


async def slow_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter, wish: Wish) -> None:
    await drip(writer, wish.content[:60], 0.25)


async def slow_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter, wish: Wish) -> None:
    head, _, body = wish.content.partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    await drip(writer, body[:60], 0.25)


async def slow_giant(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: Wish) -> None:
    """Fill a large body's share of memory, and then drip."""
    writer.write(headed(b"Content-Length: 3900000") + bytes(400_000))
    await drip(writer, bytes(60), 0.25)


async def giant_by_word(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: Wish) -> None:
    writer.write(headed(b"Content-Length: 1000000000000"))
    await drip(writer, bytes(20), 0.1)


async def giant_by_bytes(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: Wish) -> None:
    writer.write(headed(b"Transfer-Encoding: chunked"))
    for _ in range(100):
        writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
        await writer.drain()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter, wish: Wish) -> None:
    writer.write(wish.content[:-200])
    await writer.drain()
    writer.transport.abort()


async def hang_up_after(_: asyncio.StreamReader, writer: asyncio.StreamWriter, wish: Wish) -> None:
    writer.write(wish.content)
    await writer.drain()
    writer.transport.abort()


async def wrong_token(_: asyncio.StreamReader, writer: asyncio.StreamWriter, wish: Wish) -> None:
    writer.write(wish.content.replace(TOKEN.encode(), b"another-token-as-long-as", 1))


async def no_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: Wish) -> None:
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n" + bytes(100))


async def no_recording(_: asyncio.StreamReader, writer: asyncio.StreamWriter, wish: Wish) -> None:
    writer.write(replace(wish, body=wish.body[: len(wish.body) // 2] + b"\xff\x00[[[").content)


async def long_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: Wish) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: load\r\nX: " + b"x" * 200_000)


BAD: tuple[Bad, ...] = (
    slow_headers, slow_body, slow_giant, giant_by_word, giant_by_bytes, hang_up, hang_up_after, wrong_token, no_http, no_recording,
    long_headers,
)  # fmt: skip


def headed(length: bytes) -> bytes:
    """Give the head of a request of bare samples, which is refused for nothing but its length or its time."""
    head = Wish(f"/predict?fs={FS}&leads={LEAD}", "application/octet-stream", b"", np.zeros(0)).content
    return head.replace(b"Content-Length: 0", length)


async def drip(writer: asyncio.StreamWriter, content: bytes, pause: float) -> None:
    for place in range(len(content)):
        writer.write(content[place : place + 1])
        await writer.drain()
        await asyncio.sleep(pause)


async def bad(port: int, kind: Bad, wish: Wish, found: Found) -> None:
    """Try one kind of mischief, and note what came back."""
    found.bad += 1
    status = "hung up"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        doing = asyncio.ensure_future(kind(reader, writer, wish))
        try:
            async with asyncio.timeout(HELD):
                status = str((await answer(reader))[0])
        finally:
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)
            writer.transport.abort()
    except TimeoutError:
        status = "held"
    except (OSError, asyncio.IncompleteReadError):
        status = "no server" if found.stopped else status
    found.statuses[f"{kind.__name__} {status}"] += 1


# ---- the server, its memory, and the whole


def resident(process: int, what: str = "VmRSS") -> float:
    """Give the memory of a process in MB, as Linux tells it."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024 / 1e6


async def started(run: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Start a server on a free port, and give it with its port."""
    options = [text for name, value in LIMITS.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "pqrst", "serve", "--model", str(run), "--port", "0", *options]
    told = {**os.environ, "PQRST_TOKEN": TOKEN}
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=told)
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if at := re.search(r"listens at https?://127\.0\.0\.1:(\d+)", line):
            return process, int(at[1])
    raise RuntimeError("the server did not start")


async def under_load(port: int, requests: int, made: list[Wish], found: Found, done: Callable[[], object]) -> None:
    """Keep all clients busy until so many good requests are answered, call `done`, and let everyone end."""
    ended, clients = asyncio.Event(), int(CLIENTS * (1 - BAD_SHARE))
    rng = np.random.default_rng(0)

    async def keep_good() -> None:
        while not ended.is_set() and found.refused == 0:
            await good(port, made[rng.integers(len(made))], found)

    async def keep_bad(place: int) -> None:
        while not ended.is_set() and not found.stopped:
            await bad(port, BAD[place % len(BAD)], made[place % len(made)], found)
            await asyncio.sleep(PAUSE)

    async def watch() -> None:
        while len(found.latencies) < requests:  # noqa: ASYNC110 (a look now and then is plain)
            await asyncio.sleep(0.01)
        done()
        await asyncio.sleep(1)  # the clients go on into the stop
        ended.set()

    tasks = [keep_good() for _ in range(clients)] + [keep_bad(place) for place in range(CLIENTS - clients)]
    await asyncio.gather(watch(), *tasks)


async def measured(run: Path, requests: int) -> tuple[Found, dict[str, float]]:
    """Load one server, stop it amid the load, and give what was found with memory in MB and times in s."""
    made, found = wishes(run), Found()
    process, port = await started(run)
    for place in range(min(SETTLE, requests)):
        await good(port, made[place % len(made)], found)
    told = {"memory at first": resident(process.pid)}
    began, alone = time.monotonic(), len(found.latencies)
    found.latencies.clear()

    def stop() -> None:
        told["load lasted"] = time.monotonic() - began
        told["memory at last"], told["memory at most"] = resident(process.pid), resident(process.pid, "VmHWM")
        found.stopped = time.monotonic()
        process.send_signal(signal.SIGTERM)

    await under_load(port, requests, made, found, stop)
    assert process.stderr is not None
    log = (await process.stderr.read()).decode()
    told["exit status"], told["seconds to stop"] = await process.wait(), time.monotonic() - found.stopped
    ended = re.search(r"stopped after ([\d.]+) s", log)
    told["seconds to stop"] = float(ended[1]) if ended else told["seconds to stop"]
    told["lines in its log"], told["alone"] = log.count("\n"), alone
    return found, told


def broken(found: Found, told: Mapping[str, float]) -> list[str]:
    """List the promises that did not hold."""
    failures = [
        key for key in found.statuses if " 5" in key or (key.startswith("good") and key[-3:] not in ("200", "429"))
    ]
    growth = told["memory at last"] - told["memory at first"]
    held = {
        "good requests had another status, or any had a 5xx": not failures,
        "answers were other than those computed alone": found.wrong == 0,
        "requests sent before the stop got no answer": found.lost == 0,
        f"somebody held a connection for {HELD} s": not any("held" in key for key in found.statuses),
        "memory grew by more than the share of large bodies": growth < LIMITS["megabytes"] * LIMITS["at-once"] * 2,
        "the server ended with a status": told["exit status"] == 0,
    }
    return [promise for promise, kept in held.items() if not kept]


def main(requests: int) -> int:
    """Print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        found, told = asyncio.run(measured(save(Path(folder, "run")), requests))
    p50, p99 = np.percentile(found.latencies, (50, 99)) * 1e3
    print(f"{CLIENTS} clients at once; {len(found.latencies)} good requests answered, p50 {p50:.0f} ms, p99 {p99:.0f} ms, "
          f"longest {max(found.latencies):.1f} s; {found.bad} bad requests")  # fmt: skip
    print(f"other than computed alone: {found.wrong}; lost: {found.lost}; answered though sent after the stop: {found.sent_after}; "
          f"refused after it: {found.refused}")  # fmt: skip
    print("; ".join(f"{name} {value:.1f}" for name, value in told.items()))
    print("\n| kind and status | requests |\n| --- | --- |")
    for kind, count in sorted(found.statuses.items()):
        print(f"| {kind} | {count} |")
    for promise in (failed := broken(found, told)):
        print(f"broken: {promise}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS))
