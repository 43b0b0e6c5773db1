"""A request over loopback: `pqrst serve` on torch and on onnxruntime, against the server that a user would write.

The plain server reads the uploaded pair with wfdb from a temporary folder, filters, cuts, and gives all windows to the network
in one pass, one request at a time. Each server is a process of its own with one thread for its network; requests come in turn
to each, so that a busy machine slows all alike. A raw body is held against the bare call of the network, which takes the
window as it is: no request, no checks, no filter. `python benchmarks/serving.py` prints percentiles and throughput as well.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType

import httpx2
import numpy as np
import onnxruntime
import torch
import wfdb

from _table import Row
from pqrst import artifact, export, exported, prediction
from pqrst.arrays import Form, Record
from pqrst.contracts import Contract
from pqrst.models import attention_cnn, simple_cnn
from pqrst.standardisation import Standardisation

FS, LEADS = 360, ("MLII", "V1")
SUBJECTS = (("one window of 10 s", 10, 20, 48), ("a record of 1 min", 60, 3, 8))  # seconds, in turn, at once
CLIENTS, START_SECONDS = 8, 120
SERVERS = ("plain", "torch", "onnxruntime")
SERVED = ["-m", "pqrst", "serve", "--seconds", "600", "--model"]
CUT = {"cut": "equal", "samples": 3600, "step": 1800, "filter": {"low": 0.5, "high": 50.0, "order": 5}}


TORCH, ONNX = f"torch {torch.__version__}", f"onnxruntime {onnxruntime.__version__}"
STARTS, RAW = 3, 60  # rounds: of servers that are started, and of raw bodies
PORT = "8709"
AT = f"http://127.0.0.1:{PORT}"
HERTZ = os.sysconf("SC_CLK_TCK")


def measure() -> Iterator[Row]:
    """Give the pairs of latencies of requests sent in turn, wall time, and of what servers take until their first answer."""
    with saved() as (run, file):
        with servers(run, file) as at:
            for subject, seconds, in_turn, _ in SUBJECTS:
                found = latencies(at, recording(seconds), in_turn)
                for name in SERVERS[1:]:
                    pairs = list(zip(found["plain"], found[name], strict=True))
                    yield Row(f"request, {subject}, {name}, wall", "FastAPI, wfdb, one pass", pairs)
        yield from raw_bodies(run, file)
        yield from starts("attention CNN, windows filtered", run, file)
    with saved(simple_cnn, {**CUT, "filter": None}) as (run, file):
        yield from starts("simple CNN, nothing filtered", run, file)


def latencies(at: Mapping[str, str], files: Mapping[str, bytes], in_turn: int) -> Mapping[str, list[float]]:
    """Give the seconds of requests that go to each server in turn."""
    found = {name: [] for name in SERVERS}
    with httpx2.Client(timeout=600) as client:
        for _ in range(in_turn):
            for name in SERVERS:
                found[name].append(asked(client, at[name], files))
    return found


def raw_bodies(run: Path, file: Path) -> Iterator[Row]:
    """Hold what a server computes for one raw window against the bare call of the same network here, turn by turn."""
    torch.set_num_threads(1)
    model, session, signal = artifact.load(run).model, exported.load(file).session, window()
    x = torch.from_numpy(signal)[None, None]
    expected = prediction.answer(artifact.load(run), Record("r", "", signal[None], FS, ("MLII",))).probabilities[0]
    for place, peer, call in (
        (run, f"bare call, {TORCH}", lambda: torch.inference_mode()(model)(x)),
        (file, f"bare call, {ONNX}", lambda: session.run(["logits"], {"rows": x.numpy()})),
    ):
        with started([*SERVED, str(place), "--port", PORT]) as process, httpx2.Client(timeout=600) as client:
            wait_for(AT, lambda client, address: sent(client, address, signal))
            told = sent(client, AT, signal)["windows"][0]["probabilities"]
            assert np.abs(np.array(told) - expected).max() < 1e-5
            call()
            send = partial(sent, client, AT, signal)
            found = [(timed(os.getpid(), call), timed(process.pid, send)) for _ in range(RAW)]
        subject = f"request, one window of 10 s, raw body, {'run' if place == run else 'ONNX file'}"
        for number, what in enumerate(("wall time", "CPU time of the server")):
            pairs = [(bare[number], served[number]) for bare, served in found]
            yield Row(f"{subject}, {what}", peer, pairs, 1 / 1.3, 1 / 1.15)


def timed(process: int, call: Callable[[], object]) -> tuple[float, float]:
    """Give the seconds by the clock, and the CPU seconds that all threads of a process take, while something is called."""
    began, started = on_cpu(process), time.perf_counter()
    call()
    return time.perf_counter() - started, on_cpu(process) - began


def on_cpu(process: int) -> float:
    """Give the CPU seconds of the living threads of a process, to the nanosecond."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def window() -> np.ndarray:
    """Make up one lead of 10 s, float32."""
    wave = np.exp(-(((np.arange(FS * 10) / FS % 0.8 - 0.4) ** 2) / 0.001))
    return (wave + np.random.default_rng(0).normal(0, 0.02, len(wave))).astype("<f4")


def sent(client: httpx2.Client, address: str, signal: np.ndarray) -> dict:
    """Send one window as a raw body, on a connection that stays open."""
    kind = {"content-type": "application/octet-stream"}
    answer = client.post(
        f"{address}/predict", params={"fs": FS, "leads": "MLII"}, content=signal.tobytes(), headers=kind
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def starts(what: str, run: Path, file: Path) -> Iterator[Row]:
    """Start each server anew, and read its CPU time and its largest memory when its first answer has come."""
    found = [(until_answer(run), until_answer(file)) for _ in range(STARTS)]
    for place, (unit, floor, goal) in enumerate((("CPU time", 2.0, 2.5), ("peak memory", 2.5, 1 / 0.3))):
        pairs = [(theirs[place], ours[place]) for theirs, ours in found]
        subject = f"server of an ONNX file until its first answer, {what}, {unit}"
        yield Row(subject, f"the same on {TORCH}", pairs, floor, goal, unit="GB" if place else "s")


def until_answer(model: Path) -> tuple[float, float]:
    """Give the CPU seconds and the peak memory in GB of a server up to its first answer."""
    with started([*SERVED, str(model), "--port", PORT]) as process:
        wait_for(AT, lambda client, address: sent(client, address, window()))
        told = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return (int(told[11]) + int(told[12])) / HERTZ, peak * 1024 / 1e9


def main() -> None:
    """Print percentiles of requests in turn, and the throughput of eight clients at once."""
    print("| subject | server | p50 | p99 | requests a second, 8 clients |\n| --- | --- | --- | --- | --- |")
    with saved() as (run, file), servers(run, file) as at:
        for subject, seconds, in_turn, at_once in SUBJECTS:
            files = recording(seconds)
            found = latencies(at, files, in_turn)
            for name in SERVERS:
                p50, p99 = np.percentile(found[name], (50, 99)) * 1e3
                rate = throughput(at[name], files, at_once)
                print(f"| {subject} | {name} | {p50:.0f} ms | {p99:.0f} ms | {rate:.2f} |", flush=True)


def throughput(address: str, files: Mapping[str, bytes], requests: int) -> float:
    """Give the requests that eight clients get answered in a second."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool, httpx2.Client(timeout=600) as client:
        list(pool.map(lambda _: asked(client, address, files), range(requests)))
    return requests / (time.perf_counter() - began)


def asked(client: httpx2.Client, address: str, files: Mapping[str, bytes]) -> float:
    """Send one recording and give the seconds until its answer has come."""
    parts = [("file", (name, content)) for name, content in files.items()]
    began = time.perf_counter()
    answer = client.post(f"{address}/predict", files=parts)
    assert answer.status_code == 200, answer.text
    assert answer.json()["windows"]
    return time.perf_counter() - began


def recording(seconds: int) -> Mapping[str, bytes]:
    """Make up a WFDB pair in format 212."""
    time_axis = np.arange(seconds * FS) / FS
    wave = np.exp(-(((time_axis % 0.8 - 0.4) ** 2) / 0.001)) + 0.02 * np.random.default_rng(0).normal(
        size=len(time_axis)
    )
    with tempfile.TemporaryDirectory() as folder:
        wfdb.wrsamp("r", FS, ["mV"] * 2, list(LEADS), wave[:, None].repeat(2, 1), fmt=["212"] * 2, write_dir=folder)
        return {name: Path(folder, name).read_bytes() for name in ("r.hea", "r.dat")}


@contextmanager
def saved(module: ModuleType = attention_cnn, cut: Mapping[str, object] = CUT) -> Iterator[tuple[Path, Path]]:
    """Save an untrained network as a run's folder and as an ONNX file."""
    with tempfile.TemporaryDirectory() as folder:
        run, file = Path(folder, "run"), Path(folder, "run.onnx")
        save(run, module, cut)
        export.write(artifact.load(run), file)
        yield run, file


@contextmanager
def servers(run: Path, file: Path) -> Iterator[Mapping[str, str]]:
    """Start every server over the same network, and give their addresses."""
    ports = {name: str(8701 + place) for place, name in enumerate(SERVERS)}
    with (
        started([__file__, str(run), ports["plain"]]),
        started([*SERVED, str(run), "--port", ports["torch"]]),
        started([*SERVED, str(file), "--port", ports["onnxruntime"]]),
    ):
        at, files = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}, recording(10)
        for address in at.values():
            wait_for(address, lambda client, address: asked(client, address, files))
        yield at


@contextmanager
def started(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, and end it afterwards."""
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_for(address: str, ask: Callable[[httpx2.Client, str], object]) -> None:
    """Wait until a server has answered its first request."""
    ends = time.monotonic() + START_SECONDS
    with httpx2.Client(timeout=600) as client:
        while time.monotonic() < ends:
            try:
                ask(client, address)
            except httpx2.TransportError:
                time.sleep(0.1)
            else:
                return
    raise TimeoutError(f"no answer from {address}")


def save(folder: Path, module: ModuleType, cut: Mapping[str, object]) -> None:
    """Save an untrained network with its contract."""
    torch.manual_seed(0)
    p, name = module.Params(), module.__name__.rpartition(".")[2]
    model = module.build((1, FS * 10), 2, p)
    given = Form(
        shape=(1, FS * 10), axes=("row", "lead", "time"), fs=float(FS), leads=("first",), units="mV", window=dict(cut),
        lead_names=({"MLII": 48},),
    )  # fmt: skip
    contract = Contract(
        run="attention", system="attention", seed=0, task="single", classes=("Normal", "Abnormal"), model=name,
        model_settings=asdict(p), parameters=sum(one.numel() for one in model.parameters()), input=given, standardise=Standardisation("row"), output="logits",
        split="none", best_epoch=0, provenance={"synthetic": True}, settings_digest="",
    )  # fmt: skip
    weights = artifact.of_network(model.state_dict())
    artifact.save(folder, contract, weights, [])


def serve_plainly(run: Path, port: int) -> None:
    """Serve as one would without this project's server."""
    import uvicorn  # noqa: PLC0415
    from fastapi import FastAPI, UploadFile  # noqa: PLC0415
    from scipy.signal import butter, sosfiltfilt  # noqa: PLC0415

    torch.set_num_threads(1)
    model, app, lock = artifact.load(run).model, FastAPI(), threading.Lock()
    band = butter(5, (0.5, 50), "bandpass", fs=FS, output="sos")

    @app.post("/predict")
    def predict(file: list[UploadFile]) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            for one in file:
                Path(folder, one.filename).write_bytes(one.file.read())
            record = wfdb.rdrecord(str(Path(folder, Path(file[0].filename).stem)))
        signal = sosfiltfilt(band, record.p_signal[:, 0])
        starts = range(0, len(signal) - 3600 + 1, 1800)
        x = torch.tensor(np.stack([signal[at : at + 3600] for at in starts]), dtype=torch.float32)[:, None]
        x = (x - x.mean(2, keepdim=True)) / x.std(2, keepdim=True)
        with torch.inference_mode(), lock:
            found = torch.softmax(model(x), 1).tolist()
        return {"windows": found}

    uvicorn.run(app, port=port, log_level="critical")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve_plainly(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
