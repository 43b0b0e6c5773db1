"""The shapes of what the server takes and gives, for its OpenAPI page and for those who read it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Told(BaseModel):
    """A part of an answer; nothing that is not named here is in it."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Reason(Told):
    """Why a request was refused."""

    reason: str
    leads: dict[str, str] = {}
    expected: str = ""


class Refused(Told):
    """The body of every 4xx and 5xx."""

    error: Reason


class Health(Told):
    status: str


class Network(Told):
    """Which trained network answered."""

    run: str
    value: str
    seed: int
    of_schema: int = Field(alias="schema")  # the version of the contract
    digest: str
    version: str
    synthetic: bool


class Whole(Told):
    """The answer for a recording: the mean over its windows."""

    said: str | list[str] = Field(alias="class")
    probabilities: dict[str, float]
    seconds: float
    windows: int


class OneWindow(Told):
    """The answer for one window."""

    start: float
    end: float
    said: str | list[str] = Field(alias="class")
    probabilities: list[float]


class Prepared(Told):
    """What was done before the network was asked."""

    leads: dict[str, str]
    notes: list[str]


class Processed(Told):
    fs: float
    leads: list[str]
    samples: list[str]


class Signal(Told):
    """The recording in whole microvolts, and what the model saw of it."""

    fs: float
    units: str
    leads: list[str]
    encoding: str
    missing: int
    samples: list[str]
    processed: Processed


class WindowAttention(Told):
    window: int
    received: list[float]


class Attention(Told):
    """The attention that each step of some windows receives, mean 1."""

    step_seconds: float
    windows: list[WindowAttention]


class Answer(Told):
    """What POST /predict gives."""

    record: str
    model: Network
    task: str
    classes: list[str]
    recording: Whole
    windows: list[OneWindow]
    prepared: Prepared
    signal: Signal | None = None
    attention: Attention | None = None


class Model(BaseModel):
    """What GET /model gives."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
    run: str
    classes: list[str]
    task: str
    input: dict[str, Any]
    synthetic: bool


class Example(Told):
    name: str
    title: str
    leads: list[str]
    seconds: float


class Examples(Told):
    examples: list[Example]


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": why}
    for status, why in {
        400: "the upload cannot be read",
        401: "a token is demanded, and the request brings none or another",
        408: "headers or body come too slowly",
        413: "the upload is too large",
        415: "the content type or kind of file is not taken",
        422: "the recording does not fit the model, or a parameter is wrong",
        429: "too many connections, or no answer in time; Retry-After says when to come back",
    }.items()
}
_TEXT = {"type": "string", "maxLength": 4096}
_ONLY = "of a body of bare samples only: "
BODY: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": f"{_ONLY}{what}"}
        for name, schema, what in (
            ("fs", {"type": "number", "minimum": 1, "maximum": 100000}, "its rate in Hz, required"),
            ("leads", _TEXT, "the names of its leads by commas, required"),
            ("units", {"type": "string", "enum": ["mV", "uV", "V"]}, "of its samples; mV where nothing is said"),
            ("record", _TEXT, "its name"),
            ("lead", _TEXT, "LEAD=NAME by commas: which lead stands for a lead of the run"),
        )
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1, "maxItems": 8},
                        "fs": {"type": "number", "minimum": 1, "maximum": 100000},
                        "leads": _TEXT, "units": _TEXT, "gain": {"type": "number"}, "zero": {"type": "number"},
                        "format": _TEXT, "lead": _TEXT,
                    },
                }
            },
            "application/octet-stream": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "little-endian float32, one lead after the other; the query says fs and leads",
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["fs", "leads", "samples"],
                    "additionalProperties": False,
                    "properties": {
                        "fs": {"type": "number", "minimum": 1, "maximum": 100000},
                        "leads": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                        "samples": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 1},
                        },
                        "units": {"type": "string", "enum": ["mV", "uV", "V"]},
                        "record": {"type": "string"},
                        "lead": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                }
            },
        },
    }
}  # fmt: skip
