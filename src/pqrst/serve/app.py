"""The server: POST /predict, what it says of itself, and the page."""

import asyncio
import base64
import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from pqrst import __version__, catalog, prediction
from pqrst.arrays import Record
from pqrst.errors import PqrstError
from pqrst.params import Window
from pqrst.predictors import NetworkPredictor, Predictor
from pqrst.serve import schemas, uploads
from pqrst.serve.batching import Batcher
from pqrst.serve.edge import guarded
from pqrst.serve.limits import Limits, RefusalError

NUMBERS = r"^(\d{1,6}(,\d{1,6})*)?$"
MISSING, LARGEST = -32768, 32767  # of a signal in whole microvolts


@dataclass
class State:
    """What one server holds."""

    predictor: Predictor
    limits: Limits
    examples: Callable[[], Mapping[str, Record]]
    batcher: Batcher
    window: Window
    turns: asyncio.Semaphore  # of requests whose recording is read and computed
    large: asyncio.Semaphore  # of bodies that fill memory
    ready: bool = False


def build(
    predictor: Predictor, examples: Callable[[], Mapping[str, Record]], limits: Limits, demanded: str = ""
) -> FastAPI:
    """Make the application around a trained run; its examples are made when somebody asks for them."""
    turns, large = (asyncio.Semaphore(limits.at_once) for _ in range(2))
    window = prediction.window_of(predictor.contract)
    state = State(predictor, limits, examples, Batcher(predictor), window, turns, large)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        queue = asyncio.create_task(state.batcher.run())
        await state.batcher.probabilities(np.zeros((1, *predictor.contract.input.shape), np.float32))
        state.ready = True
        yield
        state.ready = False
        queue.cancel()
        with suppress(asyncio.CancelledError):
            await queue

    app = FastAPI(
        title="pqrst", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        description="A trained ECG classifier over HTTP. No medical device.",
    )  # fmt: skip
    app.state.pqrst = state
    app.add_middleware(guarded, demanded=demanded)
    app.exception_handler(RefusalError)(_refused)
    _add_answers(app, state)
    _add_page(app, state)
    return app


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    if not isinstance(refusal, RefusalError):  # the handler is registered for this class alone
        raise refusal
    wait = {"Retry-After": "1"} if refusal.status in (429, 503) else None
    return JSONResponse(refusal.told(), refusal.status, wait)


def _add_answers(app: FastAPI, state: State) -> None:
    @app.post("/predict", response_model=schemas.Answer, responses=schemas.REFUSALS, openapi_extra=schemas.BODY)
    async def predict(
        request: Request,
        signal: Annotated[bool, Query(description="add the signal as measured and as the model saw it")] = False,
        attention: Annotated[str, Query(pattern=NUMBERS, description="windows whose attention is added")] = "",
    ) -> JSONResponse:
        """Answer for each window of a recording, and for the whole."""
        wanted = [int(number) for number in attention.split(",") if number]
        return JSONResponse(await _within_limits(state, request, signal, wanted))

    @app.get("/healthz", response_model=schemas.Health)
    async def healthz() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @app.get("/ready", response_model=schemas.Health, responses={503: {"model": schemas.Refused}})
    async def ready() -> dict[str, str]:
        """Say that the model has answered."""
        if not state.ready:
            raise RefusalError(503, "the model is not loaded yet")
        return {"status": "ok"}

    @app.get("/model", response_model=schemas.Model)
    async def model() -> dict[str, Any]:
        """Tell what the model takes, gives, and learned from."""
        return _model_told(state)


async def _within_limits(state: State, request: Request, signal: bool, wanted: list[int]) -> dict[str, Any]:
    """Answer one request in its time: its body is taken, and then it waits for its turn."""
    try:
        async with asyncio.timeout(state.limits.seconds), uploads.Share(state.large) as share:
            received = await uploads.receive(request, state.limits, share)
            async with state.turns:
                if await request.is_disconnected():  # nobody is there to read the answer
                    raise RefusalError(400, "the client has hung up")
                return await _answer(state, received, signal, wanted)
    except TimeoutError:
        raise RefusalError(
            429, f"no answer was ready within {state.limits.seconds:g} s; try again, or send a shorter recording"
        ) from None


async def _answer(state: State, received: uploads.Received, signal: bool, wanted: list[int]) -> dict[str, Any]:
    upload = await asyncio.to_thread(uploads.read, received, state.limits)
    contract = state.predictor.contract
    try:
        prepared = await asyncio.to_thread(prediction.prepare, upload.record, contract, upload.renamed)
    except PqrstError as fault:
        raise _no_fit(fault, state) from None
    _check_windows(wanted, len(prepared.rows), state.limits)
    found = prediction.answered(state.predictor, prepared, await state.batcher.probabilities(prepared.rows))
    told = prediction.told(found, contract)
    if signal:
        told["signal"] = await asyncio.to_thread(_signal_told, upload.record, prepared)
    if wanted:
        told["attention"] = await asyncio.to_thread(_attention_told, state, prepared, wanted)
    return told


def _no_fit(fault: PqrstError, state: State) -> RefusalError:
    names = ", ".join(next(iter(names), "") for names in state.predictor.contract.input.lead_names)
    seconds = state.window.samples / state.predictor.contract.input.fs
    expected = f"leads {names} in mV, {seconds:g} s or longer"
    if isinstance(fault, prediction.LeadError):
        return RefusalError(422, str(fault), leads=dict(fault.leads), expected=expected)
    return RefusalError(422, str(fault), expected=expected)


def _check_windows(wanted: list[int], have: int, limits: Limits) -> None:
    if len(wanted) > limits.explained:
        raise RefusalError(
            422, f"attention of {len(wanted)} windows is asked for, {limits.explained} are shown at once"
        )
    beyond = [number for number in wanted if number >= have]
    if beyond:
        raise RefusalError(422, f"window {beyond[0]} does not exist, the last is {have - 1}")


def _signal_told(record: Record, prepared: prediction.Prepared) -> dict[str, Any]:
    return {
        "fs": record.fs, "units": "uV", "leads": list(record.leads), "encoding": "int16-base64", "missing": MISSING,
        "samples": [_packed(lead) for lead in record.in_units()],
        "processed": {
            "fs": prepared.fs, "leads": list(prepared.leads), "samples": [_packed(lead) for lead in prepared.signal],
        },
    }  # fmt: skip


def _packed(lead: np.ndarray) -> str:
    """Write a lead in mV as whole microvolts, little-endian, in base64."""
    steps = np.where(np.isfinite(lead), np.clip(np.rint(lead * 1000), -LARGEST, LARGEST), MISSING)
    return base64.b64encode(steps.astype("<i2").tobytes()).decode()


def _attention_told(state: State, prepared: prediction.Prepared, wanted: list[int]) -> dict[str, Any]:
    from pqrst import explanations  # noqa: PLC0415 (torch, which an ONNX file is asked without)

    try:
        received = explanations.received_by_step(state.predictor, prepared.rows[wanted])[:, -1]
    except PqrstError as fault:
        raise RefusalError(422, str(fault)) from None
    seconds = prepared.rows.shape[2] / prepared.fs / received.shape[1]
    windows = [
        {"window": number, "received": [round(float(value), 4) for value in row]}
        for number, row in zip(wanted, received, strict=True)
    ]
    return {"step_seconds": seconds, "windows": windows}


def _model_told(state: State) -> dict[str, Any]:
    contract, window = state.predictor.contract, state.window
    fs, filtered = contract.input.fs, contract.input.window.get("filter")
    network = isinstance(state.predictor, NetworkPredictor)
    return {
        **prediction.model_told(contract), "system": contract.system, "classes": list(contract.classes),
        "task": contract.task, "parameters": contract.parameters, "split": contract.split, "leak": contract.leak,
        "model": contract.model,
        "input": {
            "fs": fs, "leads": [prediction.usual(names) for names in contract.input.lead_names], "units": "mV",
            "seconds": window.samples / fs, "step_seconds": window.step / fs, "filter": filtered,
        },
        "calibration": {"temperature": contract.calibration.temperature}, "thresholds": list(contract.thresholds),
        "attention": network and hasattr(catalog.load("models", contract.model), "attention"),
        "limits": {"megabytes": state.limits.megabytes, "seconds": state.limits.seconds},
        "provenance": contract.provenance,
    }  # fmt: skip


def _add_page(app: FastAPI, state: State) -> None:
    page = files("pqrst.serve") / "page"

    @app.get("/examples", response_model=schemas.Examples)
    async def examples() -> dict[str, Any]:
        """List the made-up recordings that can be tried."""
        made = await asyncio.to_thread(state.examples)
        return {"examples": [_example_told(name, record) for name, record in made.items()]}

    @app.get("/examples/{name}", response_class=PlainTextResponse, responses={404: {"model": schemas.Refused}})
    async def example(name: str) -> PlainTextResponse:
        """Give a made-up recording as CSV."""
        made = await asyncio.to_thread(state.examples)
        if name not in made:
            raise RefusalError(404, f"there is no example {name!r}; there are {', '.join(made) or 'none'}")
        return PlainTextResponse(_as_csv(made[name]), media_type="text/csv")

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return Response((page / "index.html").read_bytes(), media_type="text/html; charset=utf-8")

    app.mount("/page", StaticFiles(directory=str(page)), name="page")


def _example_told(name: str, record: Record) -> dict[str, Any]:
    seconds = record.signal.shape[1] / record.fs
    return {"name": name, "title": f"Made-up recording {name}", "leads": list(record.leads), "seconds": seconds}


def _as_csv(record: Record) -> str:
    text = io.StringIO()
    text.write(f"# fs={record.fs:g} units=mV\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(record.leads)
    writer.writerows(np.round(record.in_units().T.astype(float), 4).tolist())
    return text.getvalue()
