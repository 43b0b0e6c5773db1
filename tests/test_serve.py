"""The server: the same answers as elsewhere, a reason for every refusal, bounds that hold while bytes arrive."""

import asyncio
import base64
import io
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import wfdb
from starlette.testclient import TestClient

from pqrst import artifact, contracts, prediction, recordings
from pqrst.arrays import Record
from pqrst.errors import SettingsError
from pqrst.serve import run
from pqrst.serve.app import build
from pqrst.serve.batching import Batcher
from pqrst.serve.limits import Limits

FS = 360
CLASSES = ("Normal", "Abnormal")


@pytest.fixture(scope="module")
def predictor(untrained_attention):
    """Load an untrained network over windows of 2 s."""
    return artifact.load(untrained_attention(720, 360))


def wave(seconds=6.0, leads=2):
    """Make up leads in mV: a train of narrow peaks, each lead of its own rate."""
    time = np.arange(round(seconds * FS)) / FS
    return np.array([np.exp(-(((time * (1 + lead / 4)) % 1 - 0.5) ** 2) / 0.001) for lead in range(leads)], np.float32)


EXAMPLE = Record("minute", "", wave(4.0), float(FS), ("MLII", "V1"))


@pytest.fixture(scope="module")
def client(predictor):
    """Start the application, with its queue."""
    with TestClient(build(predictor, lambda: {"minute": EXAMPLE}, Limits(megabytes=2, samples=200_000))) as client:
        yield client


def pair(folder, name="r1", names=("MLII", "V1")):
    """Write a WFDB record and give its two files by name."""
    wfdb.wrsamp(
        name, fs=FS, units=["mV"] * len(names), sig_name=list(names), p_signal=wave(leads=len(names)).T.astype(float),
        fmt=["16"] * len(names), write_dir=str(folder),
    )  # fmt: skip
    return {f"{name}.{ending}": (folder / f"{name}.{ending}").read_bytes() for ending in ("hea", "dat")}


def parts(files):
    return [("file", (name, content)) for name, content in files.items()]


def array(values):
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def post(client, files, data=None, **query):
    return client.post("/predict", files=parts(files), data=data or {}, params=query)


def raw(client, samples, **query):
    """Send bare samples, float32 in the order of the wire."""
    kind = {"content-type": "application/octet-stream"}
    return client.post("/predict", content=np.asarray(samples, "<f4").tobytes(), params=query, headers=kind)


def reason(answer, status):
    """Give the reason of a refusal with the expected status."""
    assert answer.status_code == status, answer.text
    return answer.json()["error"]["reason"]


def test_every_format_gets_the_answer_of_the_library(client, predictor, tmp_path):
    """WFDB, CSV, NPY and JSON of one recording give the probabilities that the command line computes."""
    files = pair(tmp_path)
    expected = prediction.answer(predictor, recordings.read(tmp_path / "r1.hea"))
    first = post(client, files)
    assert first.status_code == 200, first.text
    told = first.json()
    assert told["recording"]["class"] in CLASSES
    assert [one["probabilities"] for one in told["windows"]] == np.round(
        expected.probabilities.astype(float), 6
    ).tolist()
    assert told["windows"][1]["start"] == 1.0
    assert told["model"]["schema"] == contracts.SCHEMA
    signal = recordings.read(tmp_path / "r1.hea").signal
    text = "# fs=360 units=mV\nMLII,V1\n" + "\n".join(f"{a:.6f},{b:.6f}" for a, b in signal.T) + "\n"
    said = {"fs": FS, "leads": ["MLII", "V1"], "samples": signal.tolist(), "units": "mV"}
    others = [
        post(client, {"r1.csv": text.encode()}),
        post(client, {"r1.npy": array(signal)}, {"fs": "360", "leads": "MLII, V1", "units": "mV"}),
        post(client, {"r1.npy": array(signal * 1000)}, {"fs": "360", "leads": "MLII,V1", "units": "uV"}),
        client.post("/predict", json=said),
        raw(client, signal, fs="360", leads="MLII,V1"),
        raw(client, signal * 1000, fs="360", leads="MLII, V1", units="uV"),
    ]
    for other in others:
        assert other.status_code == 200, other.text
        found = [one["probabilities"] for one in other.json()["windows"]]
        assert np.abs(np.array(found) - expected.probabilities).max() < 1e-4


def test_signal_and_attention_come_on_request(client, tmp_path):
    """The signal comes in whole microvolts, the attention of a window with mean 1."""
    files = pair(tmp_path)
    told = post(client, files, signal="true", attention="0,2").json()
    samples = np.frombuffer(base64.b64decode(told["signal"]["samples"][0]), "<i2")
    assert np.abs(samples / 1000 - wave()[0]).max() < 0.002
    assert told["signal"]["leads"] == ["MLII", "V1"]
    assert len(told["signal"]["processed"]["samples"]) == 1
    assert [one["window"] for one in told["attention"]["windows"]] == [0, 2]
    received = told["attention"]["windows"][0]["received"]
    assert np.mean(received) == pytest.approx(1, abs=1e-3)
    assert told["attention"]["step_seconds"] * len(received) == pytest.approx(2.0)
    assert "signal" not in post(client, files).json()


def test_another_lead_is_taken_when_told(client, tmp_path):
    """A form field names the recording's lead for the model's; without it the lead is missing."""
    files = pair(tmp_path, names=("I", "V5"))
    assert "lead MLII is missing, it has I, V5" in reason(post(client, files), 422)
    assert post(client, files, {"lead": "MLII=V5"}).json()["prepared"]["leads"] == {"MLII": "V5"}
    assert "is not LEAD=NAME" in reason(post(client, files, {"lead": "V5"}), 422)


GOOD = {"fs": FS, "leads": ["MLII"], "samples": wave(leads=1).tolist()}


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"samples": [[None, *wave(leads=1)[0].tolist()[1:]]]}, 422, "lead MLII has 1 missing samples"),
        ({"samples": [[0.5] * 2000]}, 422, "lead MLII is flat"),
        ({"samples": (wave(leads=1) * 1e6).tolist()}, 422, "which is no ECG in mV"),
        ({"samples": wave(0.5, 1).tolist()}, 422, "it lasts 0.5 s, a window 2 s"),
        ({"samples": []}, 422, "body.samples must be a list of leads"),
        ({"samples": [[1.0, 2.0], [1.0]], "leads": ["MLII", "I"]}, 422, "each a list of equally many numbers"),
        ({"samples": [[[1.0]]]}, 422, "body.samples must be a list of leads"),
        ({"samples": [[10**400]]}, 422, "body.samples must be a list of leads"),
        ({"leads": ["MLII", "V1"]}, 422, "2 names for 1 leads"),
        ({"leads": ["MLII", "MLII"], "samples": wave().tolist()}, 422, "give each lead one name"),
        ({"leads": ["V9"]}, 422, "lead MLII is missing"),
        ({"fs": 0}, 422, "body.fs must be"),
        ({"fs": "fast"}, 422, "body.fs must be"),
        ({"units": "furlong"}, 422, "body.units must be one of"),
        ({"unit": "mV"}, 422, "body.unit is not a setting; did you mean units?"),
        ({"samples": "no"}, 422, "body.samples"),
    ],
)
def test_samples_that_do_not_fit_are_told(client, change, status, said):
    """What is wrong with a JSON recording is one reason with the place."""
    assert said in reason(client.post("/predict", json=GOOD | change), status)


@pytest.mark.parametrize(
    ("body", "query", "status", "said"),
    [
        (wave(leads=1), {"leads": "MLII"}, 422, "query.fs"),
        (wave(leads=1), {"fs": "360"}, 422, "query.leads"),
        (wave(leads=1), {"fs": "fast", "leads": "MLII"}, 422, "query.fs must be"),
        (wave(leads=1), {"fs": "360", "leads": "MLII", "units": "furlong"}, 422, "query.units must be one of"),
        (wave(leads=1), {"fs": "360", "leads": "MLII", "gain": "200"}, 422, "query.gain is not a setting"),
        (wave(leads=1), {"fs": "360", "leads": "MLII,MLII"}, 422, "give each lead one name"),
        (wave(leads=1), {"fs": "360", "leads": " , "}, 422, "give each lead one name"),
        (wave(leads=1), {"fs": "360", "leads": "V9"}, 422, "lead MLII is missing"),
        (wave(leads=1), {"fs": "360", "leads": "V9", "lead": "MLII"}, 422, "is not LEAD=NAME"),
        (wave(leads=1) * np.nan, {"fs": "360", "leads": "MLII"}, 422, "lead MLII has 2160 missing samples"),
        (np.full((1, 2000), np.inf), {"fs": "360", "leads": "MLII"}, 422, "missing samples"),
        (wave(leads=1)[:, :2159], {"fs": "360", "leads": "MLII,V1"}, 400, "no float32 samples of 2 leads"),
        (np.zeros(0), {"fs": "360", "leads": "MLII"}, 400, "the body holds 0 bytes"),
        (np.ones(240_000), {"fs": "360", "leads": "MLII"}, 422, "more than this server takes"),
        (np.ones(600_000), {"fs": "360", "leads": "MLII"}, 413, "larger than the 2 MB"),
    ],
)
def test_bare_samples_that_do_not_fit_are_told(client, body, query, status, said):
    """What is wrong with a raw body, or its query, is one reason."""
    assert said in reason(raw(client, body, **query), status)


def test_bare_samples_take_another_lead_when_told(client):
    """The query names the lead that stands for the run's, and asks for the signal as it does of any body."""
    told = raw(client, wave(leads=1), fs="360", leads="V5", lead="MLII=V5", record="r1", signal="true").json()
    assert (told["record"], told["prepared"]["leads"]) == ("r1", {"MLII": "V5"})
    assert told["signal"]["leads"] == ["V5"]


def test_faults_are_told_by_lead(client):
    """The reason names each lead, and what was expected."""
    error = client.post("/predict", json=GOOD | {"samples": [[0.5] * 2000]}).json()["error"]
    assert error["leads"] == {"MLII": "is flat"}
    assert error["expected"] == "leads MLII in mV, 2 s or longer"


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", "application/json", 400, "the body is no JSON"),
        (b"\xff\xfe", "application/json", 400, "the body is no JSON"),
        (b"[" * 100_000, "application/json", 400, "the body is no JSON"),
        (b"[]", "application/json", 422, "body must be a mapping"),
        (b'{"fs": NaN}', "application/json", 422, "body.fs must be"),
        (b"x", "text/plain", 415, "content type 'text/plain' is not taken"),
        (b"x", "", 415, "content type"),
        (b"", "multipart/form-data; boundary=x", 400, "the form holds no file"),
        (b"junk", "multipart/form-data", 400, "the form cannot be read"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 400, "the form"),
    ],
)
def test_bodies_that_are_nothing_are_told(client, body, kind, status, said):
    """An empty, broken or foreign body is refused with its reason."""
    assert said in reason(client.post("/predict", content=body, headers={"content-type": kind}), status)


@pytest.mark.parametrize("declared", ["9" * 5000, "9" * 19, "2000001"])
def test_a_length_without_end_is_too_large(client, declared):
    """A number of more digits than Python reads is refused like any other that is too large."""
    kind = {"content-type": "application/json", "content-length": declared}
    assert "larger than the 2 MB" in reason(client.post("/predict", content=b"{}", headers=kind), 413)


@pytest.mark.parametrize(
    ("change", "status"),
    [({"record": "\ud800"}, 200), ({"leads": ["\ud800"]}, 400), ({"leads": ["M" * 99]}, 400), ({"\x7f": 1}, 422)],
)
def test_names_that_cannot_be_shown_are_no_failure(client, change, status):
    """Half a letter as a name, or a name of a page, is shown otherwise or refused."""
    answer = client.post(
        "/predict", content=json.dumps(GOOD | change).encode(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text


def test_names_that_are_no_text_are_told(client):
    """A file name in bytes of no known writing is refused, or read as some name, without a failure."""
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xff\xfe.zip"\r\n\r\nPK\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/predict", content=part, headers=kind).status_code in (400, 415)


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ({"a.zip": b"PK"}, 415, "a.zip is of no kind that is read here"),
        ({"a.hea": b"a 1 360 10\na.dat 16 200 16 0 0 0 0 MLII\n"}, 400, "a.dat"),
        ({"a.dat": bytes(100)}, 400, "a"),
        ({"a.hea": b"a 1 360 10\n../../etc/passwd 16 200\n", "passwd.dat": b"x"}, 400, "etc/passwd"),
        ({"a.csv": b""}, 400, "is empty"),
        ({"a.csv": b"MLII\n1\nx\n"}, 400, "line 3, cell 1 holds 'x'"),
        ({"a.npy": b"\x93NUMPY junk"}, 400, "of NPY is not read"),
        ({"a.edf": b"0" * 300}, 400, "does not begin as an EDF file does"),
        ({"a.csv": b"MLII\n1\n2\n", "b.csv": b"MLII\n1\n2\n"}, 400, "send one recording"),
        *(
            ({name: b"MLII\n1\n"}, 400, "is no plain file name")
            for name in ("../a.csv", "/a.csv", "C:a.csv", "a/b.csv")
        ),
    ],
)
def test_files_that_are_no_recording_are_told(client, files, status, said):
    """What a file lacks, or is not, is the reason."""
    assert said in reason(post(client, files), status)


def test_a_broken_off_signal_is_told(client, tmp_path):
    """A .dat shorter than its header says is named with both lengths."""
    files = pair(tmp_path)
    files["r1.dat"] = files["r1.dat"][:-100]
    assert "r1.dat" in reason(post(client, files), 400)


def test_windows_that_do_not_exist_are_told(client, tmp_path):
    """Attention is asked of at most eight windows, and only of those that are there."""
    files = pair(tmp_path)
    assert "window 5 does not exist, the last is 4" in reason(post(client, files, attention="5"), 422)
    assert "attention of 9 windows" in reason(post(client, files, attention="0,1,2,3,4,0,1,2,3"), 422)
    assert post(client, files, attention="x").status_code == 422


def test_an_upload_too_large_is_refused_by_its_word_and_by_its_bytes(client):
    """A declared length is refused unread; without one the bytes are counted as they come."""
    assert "larger than the 2 MB" in reason(post(client, {"a.csv": bytes(2_100_000)}), 413)

    def endless():
        for _ in range(10_000):
            yield bytes(10_000)

    for kind in ("application/json", "application/octet-stream", "multipart/form-data; boundary=x"):
        answer = client.post("/predict", content=endless(), headers={"content-type": kind})
        assert answer.status_code in (400, 413), answer.text


def test_a_packed_body_is_refused(client):
    """A bomb is not unpacked."""
    answer = client.post(
        "/predict", content=b"x", headers={"content-type": "application/json", "content-encoding": "gzip"}
    )
    assert "a packed body is not taken" in reason(answer, 415)


def test_too_long_a_recording_is_refused(predictor):
    """A thousand samples are the bound of this server, of whatever format."""
    with TestClient(build(predictor, dict, Limits(samples=1000))) as client:
        assert "are more than this server takes" in reason(client.post("/predict", json=GOOD), 422)
        told = {"fs": "360", "leads": "MLII", "units": "mV"}
        assert "1000" in reason(post(client, {"a.npy": array(wave(leads=1))}, told), 400)


def test_json_may_be_a_quarter_as_large(client):
    """A number takes ten times its text in memory, so that JSON is cut off sooner."""
    long = GOOD | {"samples": [[0.123456] * 60_000]}
    assert "larger than the 0.5 MB" in reason(client.post("/predict", json=long), 413)


def test_nothing_is_left_on_disk(client, tmp_path, monkeypatch):
    """Good and bad uploads leave the folder for temporary files empty."""
    files = pair(tmp_path)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for upload in (files, {"r1.hea": files["r1.hea"], "r1.dat": b"x"}, {"a.csv": bytes(1_900_000)}):
        post(client, upload)
    assert list(folder.iterdir()) == []


def test_who_comes_while_others_are_answered_waits_for_his_turn(predictor, monkeypatch):
    """Of six requests at once a server that computes one at a time answers all, and never two together."""
    together, most = 0, 0
    real = prediction.prepare

    def counted(*given):
        nonlocal together, most
        together += 1
        most = max(most, together)
        time.sleep(0.02)
        together -= 1
        return real(*given)

    monkeypatch.setattr(prediction, "prepare", counted)
    with TestClient(build(predictor, dict, Limits(at_once=1))) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.post("/predict", json=GOOD), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert most == 1


def test_a_request_without_an_answer_in_time_is_told_to_come_back(predictor):
    """A thousandth of a second is too short to answer in."""
    with TestClient(build(predictor, dict, Limits(seconds=0.001))) as client:
        answer = client.post("/predict", json=GOOD)
        assert "no answer was ready within 0.001 s" in reason(answer, 429)
        assert answer.headers["retry-after"] == "1"
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", ["megabytes", "seconds", "at_once", "connections", "patience"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_that_let_nothing_through_are_refused(name, value):
    """A server that answers nobody, or waits for ever, is a slip of the keys."""
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} must be larger than 0"):
        Limits(**{name: value})


def test_the_server_tells_what_it_is(client):
    """Model, health, examples and OpenAPI."""
    assert client.get("/healthz").json() == client.get("/ready").json() == {"status": "ok"}
    model = client.get("/model").json()
    assert model["input"]["leads"] == [["MLII"]]
    assert model["input"]["seconds"] == 2.0
    assert model["leak"] == "no patient on two sides"
    assert model["attention"] is True
    assert client.get("/examples").json()["examples"][0]["seconds"] == 4.0
    text = client.get("/examples/minute").content
    assert post(client, {"minute.csv": text}).status_code == 200
    assert client.get("/examples/none").status_code == 404
    assert "/predict" in client.get("/openapi.json").json()["paths"]


def test_it_is_not_ready_before_the_model_has_answered(predictor):
    """Without its start the application lives and is not ready."""
    assert TestClient(build(predictor, dict, Limits())).get("/ready").status_code == 503


def test_the_page_is_served_and_keeps_to_itself(client):
    """The page and its files come with headers that let nothing else in."""
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert client.get("/page/page.js").status_code == 200
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/../../artifact.py"):
        assert client.get(path).status_code == 404
    folder = Path(artifact.__file__).parent / "serve" / "page"
    for file in folder.iterdir():
        text = file.read_text()
        assert "http://" not in text.replace("http://www.w3.org", "")
        assert "https://" not in text
        assert "innerHTML" not in text


class Counting:
    """A predictor that counts its passes and the rows of each."""

    def __init__(self):
        self.passes = []

    def probabilities(self, rows):
        self.passes.append(len(rows))
        if np.isnan(rows).any():
            raise ValueError("no number")
        return rows.reshape(len(rows), -1)[:, :2]


def run_batches(*arrived):
    """Let requests arrive together, and give their answers and the passes."""

    async def main():
        counting = Counting()
        batcher = Batcher(counting)
        asked = [asyncio.create_task(batcher.probabilities(rows)) for rows in arrived]
        await asyncio.sleep(0)
        queue = asyncio.create_task(batcher.run())
        found = await asyncio.gather(*asked, return_exceptions=True)
        queue.cancel()
        return found, counting.passes

    return asyncio.run(main())


def numbered(start, rows):
    return np.arange(start, start + rows * 3, dtype=np.float32).reshape(rows, 1, 3)


def test_requests_that_arrive_together_go_together():
    """Four requests of two windows are one pass, and each gets its own rows."""
    arrived = [numbered(100 * place, 2) for place in range(4)]
    found, passes = run_batches(*arrived)
    assert passes == [8]
    for rows, answer in zip(arrived, found, strict=True):
        assert np.array_equal(answer, rows[:, 0, :2])


def test_a_long_recording_lets_a_short_one_pass():
    """One window behind 360 is answered in the first pass, and all 360 come in their order."""
    long, short = numbered(0, 360), numbered(5000, 1)
    found, passes = run_batches(long, short)
    assert passes[0] == 9
    assert np.array_equal(found[0], long[:, 0, :2])
    assert np.array_equal(found[1], short[:, 0, :2])
    assert max(passes) == 32


def test_a_failing_pass_fails_who_asked_and_no_other():
    """The queue goes on after an error."""
    found, passes = run_batches(np.full((40, 1, 3), np.nan, np.float32))
    assert isinstance(found[0], ValueError)
    assert passes == [32]


def test_a_failure_of_the_server_is_a_500_without_details(predictor, monkeypatch):
    """What went wrong stands in the log, not in the answer."""

    def broken(*_):
        raise ZeroDivisionError("a secret")

    with TestClient(build(predictor, dict, Limits()), raise_server_exceptions=False) as client:
        monkeypatch.setattr(prediction, "answered", broken)
        answer = client.post("/predict", json=GOOD)
    assert "secret" not in answer.text
    assert reason(answer, 500).startswith("the server failed")


@pytest.mark.real
def test_a_real_record_is_answered_as_by_the_command_line(client, predictor, recordings):
    """A minute of record 100 as JSON, and the whole of it refused by this small server."""
    folder = recordings / "mitdb"
    signal = wfdb.rdrecord(str(folder / "100"), sampto=60 * FS).p_signal.T
    said = {"fs": FS, "leads": ["MLII", "V5"], "samples": signal.tolist()}
    told = client.post("/predict", json=said).json()
    record = Record("100", "", signal.astype(np.float32), float(FS), ("MLII", "V5"))
    expected = prediction.answer(predictor, record).probabilities
    assert np.abs(np.array([one["probabilities"] for one in told["windows"]]) - expected).max() < 1e-5
    whole = {name: (folder / name).read_bytes() for name in ("100.hea", "100.dat")}
    assert json.loads(post(client, whole).text)["error"]["reason"]


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        ({"database": "mitdb"}, ["6-seconds", "minute"]),
        ({"database": "chapman"}, []),  # without a lead by any name that the run knows
        ({"database": "gone"}, []),
        ({}, []),
    ],
)
def test_examples_are_of_the_database_that_the_run_learned(predictor, monkeypatch, provenance, expected):
    """Only those that the run can be asked about are shown; a run that does not say its database has none."""
    monkeypatch.setattr(run, "MINUTES", (0.03, 0.1, 1.0))
    found = run.examples(replace(predictor.contract, provenance=provenance))
    assert list(found) == expected
    for name, record in found.items():
        assert record.record == name
        assert record.gain is record.marks is None
        assert len(prediction.answer(predictor, record).probabilities) > 0
