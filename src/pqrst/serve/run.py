"""Start the server: a trained run opened, examples made up, uvicorn listening."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import uvicorn

from pqrst import catalog, export
from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import SettingsError
from pqrst.serve.app import build
from pqrst.serve.limits import Limits

EXAMPLES = (("minute", 1.0), ("half-hour", 30.0))  # name, minutes
EXAMPLE_SEED = 7
GRACE = 5  # seconds that answers under way get when the server is told to stop


@dataclass(frozen=True)
class Place:
    """Where a server listens."""

    host: str
    port: int


def examples() -> Mapping[str, Record]:
    """Make up recordings in the format of MIT-BIH, and read them as any other."""
    mitdb, writer, made = catalog.load("datasets", "mitdb"), catalog.load("made_up", "mitdb"), {}
    for name, minutes in EXAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            writer.write(Path(folder), 1, np.random.default_rng(EXAMPLE_SEED), minutes)
            record = next(mitdb.records(Path(folder), mitdb.Params()))
        made[name] = replace(record, record=name, signal=record.millivolts(), gain=None, zero=None, marks=None)
    return made


def serve(place: Place, model: Path, limits: Limits, device: str = "cpu", threads: int = 1) -> None:
    """Listen until told to stop."""
    if not 0 <= place.port < 2**16:
        raise SettingsError(f"--port must lie between 0 and 65535, got {place.port}")
    torch.set_num_threads(threads)
    predictor = export.open_run(model, device, threads)
    app = build(predictor, examples(), limits)
    log.info("run %s listens at http://%s:%s; no medical device", predictor.contract.run, place.host, place.port)
    uvicorn.run(
        app, host=place.host, port=place.port, log_level="warning", server_header=False,
        timeout_graceful_shutdown=GRACE, timeout_keep_alive=GRACE, limit_concurrency=limits.at_once * 8,
    )  # fmt: skip
