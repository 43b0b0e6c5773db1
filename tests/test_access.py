"""The token that a server demands: where it comes from, who passes without it, and what a wrong one is told."""

import os

import pytest
from starlette.testclient import TestClient

from pqrst import artifact
from pqrst.errors import SettingsError
from pqrst.serve import access
from pqrst.serve.app import build
from pqrst.serve.edge import HEADERS
from pqrst.serve.limits import Limits

TOKEN = "0123456789abcdef-of-a-test"  # noqa: S105 (of nothing else)


@pytest.fixture(scope="module")
def client(untrained_attention):
    """Start an application that demands a token."""
    predictor = artifact.load(untrained_attention(720, 360))
    with TestClient(build(predictor, dict, Limits(megabytes=1), TOKEN)) as client:
        yield client


def file_of(tmp_path, content, mode=0o600):
    """Write a file for a token, and give it."""
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def brought(value):
    return {"authorization": value}


@pytest.mark.parametrize(
    "path",
    ["/model", "/examples", "/examples/minute", "/openapi.json", "/nothing", "/predict", "/page", "/healthz/"],
)
def test_without_the_token_nothing_of_the_run_is_told(client, path):
    """Every path but those of a probe and of the page is a 401 that says how to ask."""
    for headers in (
        {},
        brought(f"Bearer {TOKEN}x"),
        brought(TOKEN),
        brought(f"Basic {TOKEN}"),
        brought(""),
        brought("Bearer"),
    ):
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"] == 'Bearer realm="pqrst"'
        assert "Authorization: Bearer TOKEN" in answer.json()["error"]["reason"]
        assert "tiny" not in answer.text


def test_two_tokens_are_none(client):
    """One of them right does not let the other in."""
    both = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")]
    assert client.get("/model", headers=both).status_code == 401


def test_the_token_lets_in(client):
    """The word before it counts in either case."""
    for value in (f"Bearer {TOKEN}", f"bearer {TOKEN}"):
        assert client.get("/model", headers=brought(value)).status_code == 200
        assert client.get("/nothing", headers=brought(value)).status_code == 404


def test_probes_and_the_page_need_none(client):
    """Health and readiness tell nothing of the run; the page asks for the token itself."""
    for path in ("/healthz", "/ready", "/", "/page/page.js", "/page/token.js"):
        assert client.get(path).status_code == 200, path


def test_a_body_without_the_token_is_not_read(client):
    """One larger than the server takes is a 401 and no 413."""
    kind = {"content-type": "application/octet-stream"}
    assert client.post("/predict", content=bytes(1_100_000), headers=kind).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"), [("/", 200), ("/model", 401), ("/nothing", 401), ("/page/nothing", 404), ("/healthz", 200)]
)
def test_every_answer_keeps_to_itself(client, path, status):
    """Refused or not, it may be framed, guessed at, kept and quoted by nobody."""
    answer = client.get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_what_a_stranger_wrote_comes_back_as_text_of_json(client):
    """A name that is a script is quoted in an answer that no browser takes for a page."""
    name = "<script>alert(1)</script>.csv"
    answer = client.post("/predict", files=[("file", (name, b"x"))], headers=brought(f"Bearer {TOKEN}"))
    assert answer.status_code >= 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_token_comes_out_of_a_file_or_the_environment(tmp_path):
    """Of a file its text without the line's end; without either none is demanded."""
    assert access.token(file_of(tmp_path, f"{TOKEN}\n".encode()), {}) == TOKEN
    assert access.token(None, {access.VARIABLE: TOKEN}) == TOKEN
    assert access.token(None, {}) == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_file_that_others_reach_is_refused(tmp_path, mode):
    """Whoever reads it may ask, and whoever writes it decides who may."""
    with pytest.raises(SettingsError, match=r"may be read by others; `chmod 600 "):
        access.token(file_of(tmp_path, TOKEN.encode(), mode), {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"short",
        b"with a blank in the midst",
        "ümlaut-ümlaut-ümlaut".encode(),
        b"\xff" * 20,
        b"a" * 5000,
        b"one-line-of-a-token\nand-another",
    ],
)
def test_what_is_no_token_is_refused(tmp_path, content):
    """Empty, short, long, or of signs that no header carries; and it is not quoted."""
    with pytest.raises(SettingsError, match="holds no token: 16 to 4096 ASCII signs") as caught:
        access.token(file_of(tmp_path, content), {})
    assert "short" not in str(caught.value).replace(str(tmp_path), "")
    if b"\x00" not in content:
        with pytest.raises(SettingsError, match="PQRST_TOKEN holds no token"):
            access.token(None, {access.VARIABLE: content.decode("utf-8", "replace").strip()})


def test_two_places_or_a_missing_file_are_refused(tmp_path):
    """Which of two tokens counts is not guessed."""
    with pytest.raises(SettingsError, match="are both given; keep one"):
        access.token(file_of(tmp_path, TOKEN.encode()), {access.VARIABLE: TOKEN})
    with pytest.raises(SettingsError, match=r"cannot be read \(No such file"):
        access.token(tmp_path / "none", {})
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory"):
        access.token(tmp_path, {})


def test_tokens_are_compared_in_constant_time(monkeypatch):
    """By the one function for it, of digests of one length, whatever is brought."""
    seen = []

    def compare(one, other):
        seen.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(access.hmac, "compare_digest", compare)
    for value in (b"", b"Bearer x", b"Bearer " + b"x" * 1000, b"Basic " + TOKEN.encode()):
        assert not access.allowed("/model", [(b"authorization", value)], TOKEN)
    assert seen == [(32, 32)] * 4


def test_a_running_server_shows_its_token_to_nobody_else():
    """It is no word of the command line, which everybody on a machine can list."""
    from pqrst import cli

    with pytest.raises(SystemExit):
        cli.main(["serve", "--token", TOKEN])
    assert access.VARIABLE not in os.environ
