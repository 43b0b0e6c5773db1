"""Start the server: a trained run opened, examples made up, uvicorn listening."""

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import uvicorn

from pqrst import catalog, exported, prediction
from pqrst.arrays import Record
from pqrst.console import log
from pqrst.contracts import Contract
from pqrst.errors import PqrstError, SettingsError
from pqrst.serve.app import build
from pqrst.serve.limits import Limits

MINUTES = (1.0, 30.0)  # that examples last
CALLED = {60: "minute", 1800: "half-hour"}  # seconds -> what an example is called
EXAMPLE_SEED = 7
GRACE = 5  # seconds that answers under way get when the server is told to stop


@dataclass(frozen=True)
class Place:
    """Where a server listens."""

    host: str
    port: int


def examples(contract: Contract) -> dict[str, Record]:
    """Make up recordings of the database that a run learned, and keep those that it can be asked about."""
    database = contract.provenance.get("database", "")
    made = {}
    for minutes in MINUTES if database in catalog.names("made_up") else ():
        record = _made_up(database, minutes)
        seconds = round(record.signal.shape[1] / record.fs)
        record = replace(record, record=CALLED.get(seconds, f"{seconds}-seconds"))
        with suppress(PqrstError):
            prediction.prepare(record, contract, {})
            made[record.record] = record
    return made


def _made_up(database: str, minutes: float) -> Record:
    """Make up one recording, as long as that where its database says nothing else, and read it as any other; in mV."""
    reader = catalog.load("datasets", database)
    with tempfile.TemporaryDirectory() as folder:
        catalog.load("made_up", database).write(Path(folder), 1, np.random.default_rng(EXAMPLE_SEED), minutes)
        record = next(iter(reader.records(Path(folder), reader.Params())))
    return replace(record, signal=record.in_units(), gain=None, zero=None, marks=None)


def serve(place: Place, model: Path, limits: Limits, device: str = "cpu", threads: int = 1, pin: str = "") -> None:
    """Listen until told to stop."""
    if not 0 <= place.port < 2**16:
        raise SettingsError(f"--port must lie between 0 and 65535, got {place.port}")
    predictor = exported.open_run(model, device, threads, pin)
    app = build(predictor, cache(partial(examples, predictor.contract)), limits)
    log.info("run %s listens at http://%s:%s; no medical device", predictor.contract.run, place.host, place.port)
    uvicorn.run(
        app, host=place.host, port=place.port, log_level="warning", server_header=False,
        timeout_graceful_shutdown=GRACE, timeout_keep_alive=GRACE, limit_concurrency=limits.at_once * 8,
    )  # fmt: skip
