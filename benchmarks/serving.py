"""A request over loopback: `pqrst serve` on torch and on onnxruntime, against the server that a user would write.

The plain server reads the uploaded pair with wfdb from a temporary folder, filters, cuts, and gives all windows to the network
in one pass, one request at a time. Each server is a process of its own with one thread for its network; requests come in turn
to each, so that a busy machine slows all alike. `python benchmarks/serving.py` prints percentiles and throughput as well.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx2
import numpy as np
import torch
import wfdb

from pqrst import artifact, export
from pqrst.arrays import Form
from pqrst.contracts import Contract
from pqrst.models import attention_cnn
from pqrst.standardisation import Standardisation

FS, LEADS = 360, ("MLII", "V1")
SUBJECTS = (("one window of 10 s", 10, 40, 48), ("a record of 30 min", 1800, 3, 4))  # seconds, in turn, at once
CLIENTS, START_SECONDS = 8, 120
SERVERS = ("plain", "torch", "onnxruntime")
CUT = {"cut": "equal", "samples": 3600, "step": 1800, "filter": {"low": 0.5, "high": 50.0, "order": 5}}


def measure() -> Iterator[tuple[str, str, list[tuple[float, float]]]]:
    """Give the pairs of latencies, theirs and ours, of requests sent in turn."""
    with servers() as at:
        for subject, seconds, in_turn, _ in SUBJECTS:
            files = recording(seconds)
            found = {name: [] for name in SERVERS}
            for _ in range(in_turn):
                for name in SERVERS:
                    found[name].append(asked(at[name], files))
            for name in SERVERS[1:]:
                yield (
                    f"request, {subject}, {name}",
                    "FastAPI, wfdb, one pass",
                    list(zip(found["plain"], found[name], strict=True)),
                )


def main() -> None:
    """Print percentiles of requests in turn, and the throughput of eight clients at once."""
    print("| subject | server | p50 | p99 | requests a second, 8 clients |\n| --- | --- | --- | --- | --- |")
    with servers() as at:
        for subject, seconds, in_turn, at_once in SUBJECTS:
            files = recording(seconds)
            found = {name: [] for name in SERVERS}
            for _ in range(in_turn):
                for name in SERVERS:
                    found[name].append(asked(at[name], files))
            for name in SERVERS:
                p50, p99 = np.percentile(found[name], (50, 99)) * 1e3
                rate = throughput(at[name], files, at_once)
                print(f"| {subject} | {name} | {p50:.0f} ms | {p99:.0f} ms | {rate:.2f} |", flush=True)


def throughput(address: str, files: Mapping[str, bytes], requests: int) -> float:
    """Give the requests that eight clients get answered in a second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda _: asked(address, files), range(requests)))
    return requests / (time.perf_counter() - started)


def asked(address: str, files: Mapping[str, bytes]) -> float:
    """Send one recording and give the seconds until its answer has come."""
    parts = [("file", (name, content)) for name, content in files.items()]
    started = time.perf_counter()
    answer = httpx2.post(f"{address}/predict", files=parts, timeout=600)
    assert answer.status_code == 200, answer.text
    assert answer.json()["windows"]
    return time.perf_counter() - started


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
def servers() -> Iterator[Mapping[str, str]]:
    """Start every server over the same untrained network, and give their addresses."""
    with tempfile.TemporaryDirectory() as folder:
        run, file = Path(folder, "run"), Path(folder, "run.onnx")
        save(run)
        export.write(artifact.load(run), file)
        ports = {name: 8701 + place for place, name in enumerate(SERVERS)}
        served = ["-m", "pqrst", "serve", "--seconds", "600", "--model"]
        commands = {
            "plain": [__file__, str(run), str(ports["plain"])],
            "torch": [*served, str(run), "--port", str(ports["torch"])],
            "onnxruntime": [*served, str(file), "--port", str(ports["onnxruntime"])],
        }
        started = [
            subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL) for command in commands.values()
        ]
        try:
            at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            for address in at.values():
                wait_for(address)
            yield at
        finally:
            for process in started:
                process.terminate()


def wait_for(address: str) -> None:
    """Wait until a server has answered its first request."""
    ends, files = time.monotonic() + START_SECONDS, recording(10)
    while time.monotonic() < ends:
        try:
            asked(address, files)
        except httpx2.TransportError:
            time.sleep(0.5)
        else:
            return
    raise TimeoutError(f"no answer from {address}")


def save(folder: Path) -> None:
    """Save an untrained attention network with its contract."""
    torch.manual_seed(0)
    p = attention_cnn.Params()
    given = Form(
        shape=(1, FS * 10), axes=("row", "lead", "time"), fs=float(FS), leads=("first",), units="mV", window=CUT,
        lead_names=({"MLII": 48},),
    )  # fmt: skip
    contract = Contract(
        run="attention", system="attention", seed=0, task="single", classes=("Normal", "Abnormal"), model="attention_cnn",
        model_settings=asdict(p), parameters=7_400_322, input=given, standardise=Standardisation("row"), output="logits",
        split="none", best_epoch=0, provenance={"synthetic": True}, settings_digest="",
    )  # fmt: skip
    weights = artifact.of_network(attention_cnn.build((1, FS * 10), 2, p).state_dict())
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
