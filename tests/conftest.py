"""What several tests share: real recordings where they lie, made-up ones always, a small network that nobody trained."""

import os
import threading
from dataclasses import asdict, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# before any library starts its threads: threads that wait for each other on a busy machine turn seconds into minutes
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch

import toys
from pqrst import artifact, console
from pqrst.decisions import Calibration
from pqrst.made_up.mitdb import write
from pqrst.models import attention_cnn
from pqrst.standardisation import Standardisation

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def recordings():
    """Give the folder of real recordings, or skip."""
    folder = Path(os.environ.get("PQRST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "mitdb" / "RECORDS").exists():
        pytest.skip(f"no real recordings in {folder}; set PQRST_DATA to a folder that holds mitdb/")
    return folder


class Shelf(ThreadingHTTPServer):
    """A loopback host of one folder, which keeps a record of what it was asked and refuses what it is told to."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), partial(ShelfHandler, directory=folder))
        self.folder, self.asked, self.refused = folder, [], set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Stay silent where a client hangs up."""


class ShelfHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a delayed acknowledgement costs 40 ms a file

    def log_message(self, *_args):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path in self.server.refused:
            self.send_error(403)
        else:
            super().do_GET()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Serve the folder tmp_path/shelf over HTTP on loopback."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "shelf").mkdir()
    host = Shelf(tmp_path / "shelf")
    threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield host
    host.shutdown()
    host.server_close()


@pytest.fixture
def one_thread():
    """Sum in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own_process(monkeypatch):
    """Leave this process's heap alone, and set threads and determinism back."""
    monkeypatch.setenv("PQRST_KEEP_HEAP", "0")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=False)


@pytest.fixture(autouse=True)
def own_log(monkeypatch):
    """Leave the project's log as it was, and let each test see its own lines."""
    monkeypatch.setattr(console.log, "handlers", [])
    monkeypatch.setattr(console.log, "propagate", True)
    level = console.log.level
    yield
    console.log.setLevel(level)


@pytest.fixture(scope="session")
def synthetic_mitbih(tmp_path_factory):
    """Write six made-up recordings of a minute, once."""
    folder = tmp_path_factory.mktemp("synthetic") / "mitdb"
    folder.mkdir()
    write(folder, 6, np.random.default_rng(0), 1.0)
    return folder


@pytest.fixture(scope="session")
def untrained_attention(tmp_path_factory):
    """Give a function that saves an attention network over windows of so many samples at 360 Hz, and gives its folder."""

    def saved(samples, step):
        torch.manual_seed(0)
        small = attention_cnn.Params(widths=(4, 8), heads=2, hidden=8)
        cut = {"cut": "equal", "samples": samples, "step": step, "filter": {"low": 0.5, "high": 50.0, "order": 5}}
        meta = replace(toys.META, dataset="mitdb", classes=("Normal", "Abnormal"), fs=360.0, leads=("first",),
                       window=cut, lead_names=({"MLII": 45, "V5": 3},), shape=(1, samples))  # fmt: skip
        contract = replace(
            toys.CONTRACT, run="attention", system="attention", seed=17, classes=meta.classes, model="attention_cnn",
            model_settings=asdict(small), input=meta.form, standardise=Standardisation("row"), split="patients",
            provenance={"synthetic": True, "database": "mitdb"}, settings_digest="ab",
            calibration=Calibration(2.0, "validation", 9), leak="no patient on two sides",
        )  # fmt: skip
        folder = tmp_path_factory.mktemp("run") / "attention"
        weights = artifact.of_network(attention_cnn.build((1, samples), 2, small).state_dict())
        artifact.save(folder / "seed-17", contract, weights, [])
        return folder

    return saved
