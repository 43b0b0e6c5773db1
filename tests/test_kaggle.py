"""Kaggle's own heartbeat files: from a loopback server that plays Kaggle, from a mirror's folder, and row by row."""

import base64
import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest

from pqrst.datasets import _kaggle, heartbeat
from pqrst.datasets._kaggle import SAMPLES, TEST, TRAIN
from pqrst.errors import DownloadError, RecordError

TOKEN = "Basic " + base64.b64encode(b"someone:hush").decode()
CONTENT = {TRAIN: b"0.25,0\n" * 40, TEST: b"0.75,4\n" * 30}
TABLE = pd.DataFrame({"record": ["100", "202", "104"], "sample": [7, 8, 9]})


def zipped(content, name):
    """Pack one file as Kaggle does."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def damaged(archive):
    """Turn bytes in the middle of an archive, and leave its directory whole."""
    return archive[:45] + bytes(255 - byte for byte in archive[45:50]) + archive[50:]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_GET(self):
        kaggle, path = self.server, self.path.partition("?")[0]
        kaggle.seen.append((path, self.headers.get("Authorization")))
        if path.startswith("/api/") and self.headers.get("Authorization") != TOKEN:
            return self.answer(401)
        if path.startswith("/api/"):
            return self.answer(302, {"Location": f"{kaggle.moved_to}{path.removeprefix('/api')}?signed=hush"})
        content = kaggle.files.get(path.removeprefix("/store/"))
        return self.answer(404) if content is None else self.answer(200, {"ETag": '"one"'}, content)

    def answer(self, status, headers=None, content=b""):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """One side of Kaggle: the address that wants a token, or the store that it sends a client to."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.seen = {TRAIN: zipped(CONTENT[TRAIN], TRAIN), TEST: CONTENT[TEST]}, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.moved_to = f"{self.url}/store"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Give no proxy and no token of the machine, and the sums of the small files."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "config"))
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    monkeypatch.setattr(_kaggle, "SHA256", sums)


@pytest.fixture
def kaggle(monkeypatch):
    """Play Kaggle, with a token in the environment."""
    server = Server()
    monkeypatch.setattr(_kaggle, "HOST", f"{server.url}/api")
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "hush")
    yield server
    server.end()


@pytest.fixture
def store():
    """Play the store on another port to which Kaggle sends its clients."""
    server = Server()
    yield server
    server.end()


@pytest.fixture
def mirror(tmp_path):
    """Lay both files where a user would."""
    folder = tmp_path / "mirror" / "heartbeat"
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder.parent


def fetch(tmp_path, base=None):
    return _kaggle.fetch(base, tmp_path / "raw", tmp_path / "scratch")


def refused(tmp_path, *words, base=None):
    """Expect one line with these words, and nothing at or beside the destination."""
    with pytest.raises(DownloadError) as caught:
        fetch(tmp_path, base)
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in words if word not in line] == []
    assert "hush" not in line
    assert list(tmp_path.glob("raw*")) == []


def arrived(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "raw").iterdir()}


def test_a_zipped_and_a_plain_file_arrive(kaggle, tmp_path):
    """Both files are in place unpacked and verified, and Kaggle is asked for nothing else."""
    provenance = fetch(tmp_path)
    assert arrived(tmp_path) == CONTENT
    assert provenance["verified"]
    assert provenance["source"] == "host"
    asked = {path for path, _ in kaggle.seen}
    assert asked == {f"/{place}/{name}" for place in ("api", "store") for name in CONTENT}


def test_provenance_does_not_hang_on_kaggles_packing(kaggle, tmp_path):
    """The same two files give the same provenance, zipped or plain."""
    first = fetch(tmp_path)
    kaggle.files = {TRAIN: CONTENT[TRAIN], TEST: zipped(CONTENT[TEST], TEST)}
    assert _kaggle.fetch(None, tmp_path / "again", tmp_path / "fresh") == first


def test_the_token_stays_with_kaggle(kaggle, store, tmp_path):
    """The header goes to Kaggle, and not to the other port that it sends its client to."""
    kaggle.moved_to = f"{store.url}/store"
    fetch(tmp_path)
    assert [header for _, header in kaggle.seen] == [TOKEN, TOKEN]
    assert [header for _, header in store.seen] == [None, None]
    assert arrived(tmp_path) == CONTENT


@pytest.mark.parametrize(
    "wrong",
    [
        b"please sign in",
        damaged(zipped(CONTENT[TRAIN], TRAIN)),
        zipped(CONTENT[TRAIN], "other.csv"),
        zipped(b"0.5,1\n", TRAIN),
    ],
    ids=["page", "damaged", "other name", "other content"],
)
def test_wrong_content_is_refused_and_not_kept(kaggle, tmp_path, wrong):
    """Anything but the known file is one error that leaves nothing, and the next run fetches the file again."""
    right, kaggle.files[TRAIN] = kaggle.files[TRAIN], wrong
    refused(tmp_path, TRAIN, "is not the file known by SHA-256", "origin to mitdb")
    kaggle.files[TRAIN] = right
    fetch(tmp_path)
    assert arrived(tmp_path) == CONTENT


def test_a_refused_token_is_told(kaggle, tmp_path, monkeypatch):
    """A token that Kaggle does not know is one error that does not repeat it."""
    monkeypatch.setenv("KAGGLE_KEY", "hush-hush")
    refused(tmp_path, "HTTP 401", "authorization")
    assert len(kaggle.seen) <= len(CONTENT)


def test_without_token_and_files_the_error_says_what_to_do(tmp_path):
    """Three ways out are named: lay the files down, save a token, or take the recordings."""
    token = str(tmp_path / "config" / "kaggle.json")
    refused(tmp_path, "lay both files there", f"heartbeat/{TRAIN}", f"save a token as {token}", "origin to mitdb")


def test_the_token_is_read_where_kaggles_client_keeps_it(kaggle, tmp_path, monkeypatch):
    """kaggle.json serves where the environment names no token."""
    monkeypatch.delenv("KAGGLE_KEY")
    file = tmp_path / "config" / "kaggle.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"username": "someone", "key": "hush"}))
    assert fetch(tmp_path)["verified"]
    assert kaggle.seen[0][1] == TOKEN


@pytest.mark.parametrize("content", ["hush", "[]", "{}", "\x00"])
def test_a_damaged_token_file_is_told(tmp_path, content):
    """A kaggle.json without a token is named, and its content is not repeated."""
    file = tmp_path / "config" / "kaggle.json"
    file.parent.mkdir()
    file.write_text(content)
    refused(tmp_path, f"{file} holds no Kaggle token", "origin to mitdb")


def test_files_of_a_mirror_are_known_by_their_sums(mirror, tmp_path):
    """Files laid into <source>/heartbeat need no token and no list of sums."""
    provenance = fetch(tmp_path, str(mirror))
    assert arrived(tmp_path) == CONTENT
    assert provenance["verified"]
    assert provenance["source"] == "mirror"
    assert provenance["files"] == len(CONTENT)


def test_an_unknown_file_of_a_mirror_is_refused(mirror, tmp_path):
    """A file of the right name and another SHA-256 is refused with its place."""
    (mirror / "heartbeat" / TEST).write_bytes(b"0.5,1\n")
    refused(tmp_path, str(mirror / "heartbeat" / TEST), "wrong SHA-256", base=str(mirror))


def test_a_mirror_holds_both_files_or_none(mirror):
    """A mirror without the folder, or with one file only, does not hold the set, and asking is no error."""
    assert _kaggle.lies_in(str(mirror))
    (mirror / "heartbeat" / TEST).unlink()
    assert not _kaggle.lies_in(str(mirror))
    (mirror / "heartbeat" / TRAIN).unlink()
    (mirror / "heartbeat").rmdir()
    assert not _kaggle.lies_in(str(mirror))
    assert not _kaggle.lies_in(str(mirror / "nowhere"))
    assert not _kaggle.lies_in(None)


@pytest.mark.parametrize(
    ("origin", "files", "expected"),
    [
        ("auto", True, "kaggle"),
        ("auto", False, "recordings"),
        ("mitdb", True, "recordings"),
        ("kaggle", True, "kaggle"),
    ],
)
def test_the_origin_chooses(mirror, monkeypatch, origin, files, expected):
    """`auto` takes Kaggle's files where the source holds them; the other two take what they say."""
    if not files:
        (mirror / "heartbeat" / TEST).unlink()
    monkeypatch.setattr(heartbeat._mitbih, "fetch", lambda *_args: "recordings")
    monkeypatch.setattr(_kaggle, "fetch", lambda *_args: "kaggle")
    found = heartbeat.fetch(str(mirror), mirror.parent / "raw", mirror.parent / "scratch", heartbeat.Params(origin))
    assert found == expected


def line(label, count=SAMPLES, first="0.5"):
    """Write one row: `count` values and the class."""
    return ",".join([first, *["0.0"] * (count - 1), str(label)]) + "\n"


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """Lay down three good rows in each file, and a table of three test rows."""
    monkeypatch.setattr(heartbeat, "test_rows", lambda: TABLE)
    for name in (TRAIN, TEST):
        (tmp_path / name).write_text(line("0.0") + line("2.000000000000000000e+00") + line(4))
    return tmp_path


def rows_of(folder):
    return list(heartbeat.records(folder, heartbeat.Params("kaggle")))


def test_rows_have_their_class_and_their_side(raw):
    """Each row is one lead of 187 samples at 120 Hz with its class and the file it came from."""
    found = rows_of(raw)
    assert [record.label for record in found] == [0, 2, 4, 0, 2, 4]
    assert [record.folds["kaggle"] for record in found] == ["train"] * 3 + ["test"] * 3
    assert {record.signal.shape for record in found} == {(1, SAMPLES)}
    assert {record.fs for record in found} == {120.0}
    assert found[0].signal[0, :2].tolist() == [0.5, 0.0]
    assert found[0].signal.dtype == np.float32


def test_test_rows_have_their_patient(raw):
    """The table gives each test row its recording, patient and side by patient; a train row has none."""
    found = rows_of(raw)
    assert [record.record for record in found] == [f"{TRAIN}:{n}" for n in (1, 2, 3)] + ["100", "202", "104"]
    assert [record.patient for record in found] == ["", "", "", "100", "201", "104"]
    assert [record.folds["patients"] for record in found] == ["", "", "", "DS2", "DS2 of DS1's person", "paced"]


def test_a_table_of_another_length_gives_no_patients(raw):
    """A test file with more rows than the table is taken without patients, not with wrong ones."""
    (raw / TEST).write_text(line(0) * 4)
    found = rows_of(raw)[3:]
    assert [record.record for record in found] == [f"{TEST}:{n}" for n in (1, 2, 3, 4)]
    assert {(record.patient, record.folds["patients"], record.folds["kaggle"]) for record in found} == {
        ("", "", "test")
    }


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (line(0, first="heart"), "row 2 holds text"),
        (line(0, first=""), "row 2 holds text"),
        (line(0, first="\xff"), "row 2 holds text"),
        (line(0, count=100), "row 2 has 101 values where 188 belong"),
        (line(0, count=200), "row 2 has 201 values where 188 belong"),
        (line(0, first="NaN"), "row 2 holds a value that is not finite"),
        (line(0, first="inf"), "row 2 holds a value that is not finite"),
        (line(7), "row 2 holds a value that is not finite or no class from 0 to 4"),
        (line(0.5), "row 2 holds a value that is not finite or no class from 0 to 4"),
    ],
    ids=["text", "hole", "no UTF-8", "short", "long", "NaN", "infinite", "class 7", "class 0.5"],
)
@pytest.mark.parametrize("name", [TRAIN, TEST])
def test_an_unreadable_row_is_named(raw, name, bad, words):
    """A bad row is one fault with its file and number, and the other file's rows come all the same."""
    (raw / name).write_text(line(0) + bad + line(0), encoding="latin-1")
    found = rows_of(raw)
    faults = [record for record in found if isinstance(record, RecordError)]
    assert [fault.record for fault in faults] == [name]
    assert words in str(faults[0])
    assert len(found) == 1 + 3


def test_an_empty_or_missing_file_is_named(raw):
    """A file without rows, and one that is not there, are one fault each."""
    (raw / TRAIN).write_text("")
    (raw / TEST).unlink()
    assert [str(fault) for fault in rows_of(raw)] == [
        f"record {TRAIN}: it holds no row; fetch the file again",
        f"record {TEST}: it is missing; fetch it again",
    ]


def test_an_archive_that_unpacks_without_end_is_left(tmp_path, monkeypatch):
    """No more is unpacked than the larger file has; what was begun is gone, and the archive's sum gives it away."""
    monkeypatch.setattr(_kaggle, "LARGEST", 1000)
    file = tmp_path / TRAIN
    for size, plain in ((1000, True), (1001, False), (10**6, False)):
        content = zipped(bytes(size), TRAIN)
        file.write_bytes(content)
        _kaggle._unpack(file)
        assert file.read_bytes() == (bytes(size) if plain else content)
    assert [one.name for one in tmp_path.iterdir()] == [TRAIN]


@pytest.mark.parametrize("place", range(0, 150, 3))
@pytest.mark.parametrize("byte", [0, 8, 33, 255])
def test_a_damaged_archive_is_left_as_it_is(tmp_path, place, byte):
    """Whatever byte of its directory is another, unpacking ends without an exception and leaves one file."""
    content = bytearray(zipped(CONTENT[TRAIN], TRAIN))
    content[place % len(content)] = byte
    (tmp_path / TRAIN).write_bytes(content)
    _kaggle._unpack(tmp_path / TRAIN)
    assert [one.name for one in tmp_path.iterdir()] == [TRAIN]
    assert (tmp_path / TRAIN).read_bytes() in (bytes(content), CONTENT[TRAIN])
