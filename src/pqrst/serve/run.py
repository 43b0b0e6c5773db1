"""Start the server: a trained run opened, examples made up, uvicorn listening."""

import logging
import os
import signal
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import uvicorn

from pqrst import catalog, prediction
from pqrst.arrays import Record
from pqrst.console import log
from pqrst.contracts import Contract
from pqrst.errors import PqrstError, SettingsError
from pqrst.predictors import Predictor
from pqrst.serve import access, wire
from pqrst.serve.app import build
from pqrst.serve.limits import Limits

MINUTES = (1.0, 30.0)  # that examples last
CALLED = {60: "minute", 1800: "half-hour"}  # seconds -> what an example is called
EXAMPLE_SEED = 7
KEPT = 5  # seconds that a connection without a request stays open
BACKLOG = 256  # connections that the system holds until they are accepted, all of them together: fewer than may be open
HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Place:
    """Where a server listens, for whom, and as whom."""

    host: str
    port: int
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


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


def serve(place: Place, limits: Limits, opened: Callable[[], Predictor]) -> int:
    """Listen until told to stop; 0 where every request was answered by then."""
    if not 0 <= place.port < 2**16:
        raise SettingsError(f"--port must lie between 0 and 65535, got {place.port}")
    token = access.token(place.token_file, os.environ)
    _check_tls(place)
    predictor = opened()
    app = build(predictor, cache(partial(examples, predictor.contract)), limits, token)
    config = uvicorn.Config(
        app, host=place.host, port=place.port, log_level="error", server_header=False, http=wire.connection(limits), ws="none",
        timeout_graceful_shutdown=int(limits.seconds + wire.GRACE), timeout_keep_alive=KEPT, backlog=BACKLOG,
        ssl_certfile=place.certificate, ssl_keyfile=place.key,
    )  # fmt: skip
    server = wire.Server(config, partial(_listens, place, predictor.contract.run, token))
    for one in (signal.SIGINT, signal.SIGTERM):  # uvicorn gives the signal on once it has stopped
        signal.signal(one, lambda *_: None)
    log.addFilter(_nameless)
    server.run()
    return 1 if server.unanswered else 0


def _check_tls(place: Place) -> None:
    """Refuse a certificate without its key, and files that are none."""
    if not place.certificate and not place.key:
        return
    if not place.certificate or not place.key:
        raise SettingsError("--tls-certificate and --tls-key belong together; give both or neither")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(place.certificate, place.key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = " ".join(str(error).split())[:100]
        raise SettingsError(
            f"{place.certificate} and {place.key} are no certificate and its key ({reason}); give PEM files without password"
        ) from None


def _no_password() -> str:
    raise ValueError("the key has a password")


def _listens(place: Place, run: str, token: str, port: int) -> None:
    address = f"{'https' if place.certificate else 'http'}://{place.host}:{port}"
    log.info("run %s listens at %s%s; no medical device", run, address, ", to who brings the token" if token else "")
    if place.host not in HERE and not token:
        log.warning("whoever reaches %s may ask: no token is demanded; give --token-file", place.host)


def _nameless(line: logging.LogRecord) -> bool:
    """Keep what readers say of strangers' recordings out of the log: their names, leads and shapes."""
    return line.levelno >= logging.WARNING or Path(line.pathname).parent.name == "serve"
