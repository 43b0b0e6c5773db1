"""Downloads against a real HTTP server on loopback that misbehaves on demand."""

import errno
import hashlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import fsspec
import pytest

from pqrst import downloads
from pqrst.downloads import Patience, Source, checksums, exists, fetch, read_text
from pqrst.errors import DownloadError
from toys import kill_once

REAL = Path(os.environ.get("PQRST_DATA") or Path(__file__).parents[1] / "../shared/data")
QUICK = Patience(retries=3, backoff_s=0.01, stall_s=0.3, workers=4, chunk=16 * 1024)
BIG = random.Random(0).randbytes(300_000)


def sha(content):
    return hashlib.sha256(content).hexdigest()


@dataclass
class Fault:
    """What goes wrong for one path, and how often."""

    kind: str
    times: int = 10**9
    at: int = 0  # bytes
    header: dict[str, str] = field(default_factory=dict)


class Host(ThreadingHTTPServer):
    """A loopback host that keeps a record of what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.seen, self.headers = {}, {}, [], []
        self.now, self.most, self.lines, self.pause, self.released = 0, 0, 0, 0.0, threading.Event()
        self.lock, self.tags = threading.Lock(), True
        self.url = f"http://127.0.0.1:{self.server_port}/db"

    def add(self, name, content):
        self.files[f"/db/{name}"] = content

    def list_sums(self):
        lines = "".join(f"{sha(content)}  {path[4:]}\n" for path, content in self.files.items())
        self.add("SHA256SUMS.txt", lines.encode())

    def asked(self, name):
        """Give the Range header of each request for a file, '' where there was none."""
        return [span for path, span in self.seen if path == f"/db/{name}"]

    def process_request(self, request, client_address):
        self.lines += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address):
        """Stay silent: clients that hang up are what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a delayed acknowledgement costs 40 ms a file

    def log_message(self, *_args):
        pass

    def do_CONNECT(self):
        """Play the proxy and the host behind it on one connection."""
        self.server.seen.append((self.path, "CONNECT"))
        self.send_response(200)
        self.end_headers()
        self.close_connection = False

    def do_GET(self):
        host, self.path = self.server, unquote(self.path.partition("?")[0])
        with host.lock:
            host.now += 1
            host.most = max(host.most, host.now)
            host.seen.append((self.path, self.headers.get("Range", "")))
            host.headers.append(dict(self.headers))
        try:
            self.answer()
        finally:
            with host.lock:
                host.now -= 1

    def answer(self):
        host, fault = self.server, self.server.faults.get(self.path)
        time.sleep(host.pause)
        if fault is not None and fault.times > 0:
            fault.times -= 1
            if fault.kind.isdigit():
                return self.plain(int(fault.kind), fault.header)
        else:
            fault = None
        content = host.files.get(self.path)
        if content is None:
            return self.plain(404, {})
        return self.body(content, fault)

    def plain(self, status, headers):
        self.send_response(status)
        for key, value in {"Content-Length": "0", **headers}.items():
            self.send_header(key, value)
        self.end_headers()

    def body(self, content, fault):
        kind = fault.kind if fault else ""
        tag = f'"{sha(content)[:16]}"'
        start = self.first(tag, kind == "notag") if kind not in ("norange", "anew") else 0
        if start >= len(content) > 0:
            return self.plain(416, {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.server.tags:
            self.send_header("ETag", tag)
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif kind == "unsized":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.send(content, start, fault, kind)
        return None

    def first(self, tag, blind):
        wish = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(wish[1]) if wish and (blind or self.headers.get("If-Range", tag) == tag) else 0

    def send(self, content, start, fault, kind):
        if kind == "corrupt":
            content = content[: fault.at] + bytes([content[fault.at] ^ 1]) + content[fault.at + 1 :]
        end = fault.at if kind in ("truncate", "stall", "anew") else len(content)
        data = content[start : max(start, end)]
        if kind == "chunked":
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))
            return
        self.wfile.write(data)
        if kind == "stall":
            self.wfile.flush()
            self.server.released.wait(30)
        if kind in ("truncate", "stall", "unsized", "anew"):
            self.close_connection = True


def serve():
    host = Host()
    threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return host


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def host():
    host = serve()
    yield host
    host.released.set()
    host.shutdown()
    host.server_close()


@pytest.fixture
def get(host, tmp_path):
    """Fetch from the host into tmp_path/raw, and keep the waits."""

    def call(*names, source=None, **more):
        call.slept = []
        more = {"patience": QUICK, "sleep": call.slept.append, **more}
        return fetch(source or Source(host.url, "host"), names, tmp_path / "raw", tmp_path / "scratch", **more)

    return call


def refused(tmp_path, act, *words):
    """Expect one line with these words, and no trace of `raw`; give the line."""
    with pytest.raises(DownloadError) as caught:
        act()
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("raw")]
    whole = [path for path in (tmp_path / "scratch").rglob("whole/**/*") if path.is_file()]
    assert all(path.read_bytes() == BIG or len(path.read_bytes()) < 100 for path in whole)
    return line


def part_of(tmp_path, name):
    return next((tmp_path / "scratch").glob(f"*/parts/{name}.part"))


def test_files_arrive_verified(host, get, tmp_path):
    """Files with a known sum arrive whole, folders and all, over few connections."""
    host.add("a/1.dat", BIG)
    for number in range(20):
        host.add(f"{number} #%.hea", f"header {number}".encode())
    host.list_sums()
    names = ["a/1.dat", *(f"{number} #%.hea" for number in range(20))]
    found = get(*names)
    assert (tmp_path / "raw/a/1.dat").read_bytes() == BIG
    assert (tmp_path / "raw/7 #%.hea").read_text() == "header 7"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "scratch"]
    assert len([path for path in (tmp_path / "raw").rglob("*") if path.is_file()]) == 21
    assert found["verified"]
    assert found["files"] == 21
    assert host.lines <= QUICK.workers + 1


def test_provenance_says_nothing_of_place_or_time(host, get, tmp_path):
    """The same bytes give the same provenance from a host, a folder, in any order, and no path is in it."""
    host.add("b", b"bee")
    host.add("a", b"ay")
    host.list_sums()
    listing = f"{sha(b'ay')}  a\n{sha(b'bee')}  b\n".encode()
    expected = {"source": "mirror", "synthetic": False, "verified": True, "files": 2, "sha256": sha(listing)}
    assert get("b", "a", source=Source(host.url, "mirror")) == expected
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name in ("a", "b", "SHA256SUMS.txt"):
        (folder / name).write_bytes(host.files[f"/db/{name}"])
    assert get("a", "b", "a", source=Source(str(folder), "mirror")) == expected
    assert get("a", source=Source(str(folder), "synthetic"), sums={})["synthetic"]


@pytest.mark.parametrize("known", [True, False])
def test_a_truncated_file_goes_on_at_the_right_byte(host, get, tmp_path, known):
    """A connection that closes early is resumed where it broke."""
    host.add("1.dat", BIG)
    if known:
        host.list_sums()
    host.faults["/db/1.dat"] = Fault("truncate", times=1, at=100_001)
    assert get("1.dat")["verified"] is known
    assert host.asked("1.dat") == ["", "bytes=100001-"]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_a_failed_fetch_goes_on_later(host, get, tmp_path):
    """What arrived before the last failure is used by the next run."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = fault = Fault("truncate", at=100_000)
    refused(tmp_path, lambda: get("1.dat"), f"{host.url}/1.dat", "too early", "tried 4 times", "try again later")
    assert part_of(tmp_path, "1.dat").stat().st_size == 100_000
    fault.times = 0
    get("1.dat")
    assert host.asked("1.dat")[-1] == "bytes=100000-"
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


@pytest.mark.parametrize("kind", ["truncate", "notag"])
def test_a_file_that_changed_meanwhile_is_not_mixed(host, get, tmp_path, kind):
    """Without a sum, a part of an older edition is thrown away, even where the host knows no If-Range."""
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = fault = Fault("truncate", at=100_000)
    refused(tmp_path, lambda: get("1.dat"), "too early")
    newer = BIG[::-1]
    host.add("1.dat", newer)
    fault.times = 0
    if kind == "notag":
        host.faults["/db/1.dat"] = Fault(kind)
    get("1.dat")
    assert (tmp_path / "raw/1.dat").read_bytes() == newer


def test_without_tag_and_sum_a_part_is_not_trusted(host, get, tmp_path):
    """A host that gives neither tag nor sum is asked for the whole file again."""
    host.tags = False
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = Fault("truncate", times=1, at=100_000)
    get("1.dat")
    assert host.asked("1.dat") == ["", ""]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_a_part_of_an_older_edition_with_a_sum_is_replaced(host, get, tmp_path):
    """A resumed file with a wrong sum is fetched once more from zero."""
    host.tags = False
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = fault = Fault("truncate", at=100_000)
    refused(tmp_path, lambda: get("1.dat"), "too early")
    part = part_of(tmp_path, "1.dat")
    part.write_bytes(b"?" * 100_000)
    fault.times = 0
    get("1.dat")
    assert host.asked("1.dat")[-2:] == ["bytes=100000-", ""]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


@pytest.mark.parametrize(("extra", "asked"), [(b"", ["bytes=300000-"]), (b"more", ["bytes=300004-", ""])])
def test_a_part_as_long_as_the_file_ends_well(host, get, tmp_path, extra, asked):
    """A process that died before the renaming left a whole part; one that is too long starts anew."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = fault = Fault("truncate", at=100_000)
    refused(tmp_path, lambda: get("1.dat"), "too early")
    part_of(tmp_path, "1.dat").write_bytes(BIG + extra)
    fault.times = 0
    host.seen.clear()
    get("1.dat")
    assert host.asked("1.dat") == asked
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_a_host_that_ignores_ranges_comes_out_right(host, get, tmp_path):
    """A 200 with the whole body replaces the part instead of being appended."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = Fault("truncate", times=4, at=100_000)
    refused(tmp_path, lambda: get("1.dat"), "too early")
    host.faults["/db/1.dat"] = Fault("norange")
    get("1.dat")
    assert host.asked("1.dat")[-1] == "bytes=100000-"
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_a_host_that_never_gets_further_is_given_up(host, get, tmp_path):
    """Many bytes that are always the same ones do not count as progress."""
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = Fault("anew", at=100_000)
    refused(tmp_path, lambda: get("1.dat", sums={}), "too early, tried 4 times")
    assert len(host.asked("1.dat")) == 4


def test_a_host_that_breaks_off_often_gets_there(host, get, tmp_path):
    """A file that grows with each try is not given up, however often the connection breaks."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = fault = Fault("truncate", at=20_000)
    answer = host.asked

    def grow(_seconds):
        fault.at = 20_000 * (1 + len(answer("1.dat")))

    get("1.dat", sleep=grow)
    assert len(host.asked("1.dat")) == 15
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_a_stalled_file_goes_on(host, get, tmp_path):
    """A host that falls silent is left after stall_s, and asked for the rest."""
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = Fault("stall", times=1, at=50_000)
    get("1.dat")
    assert host.asked("1.dat") == ["", "bytes=50000-"]
    host.faults["/db/1.dat"] = Fault("stall", at=60_000)
    host.add("1.dat", BIG[::-1])
    refused(
        tmp_path, lambda: get("1.dat", sums={"1.dat": sha(BIG[::-1])}), "no byte for 0.3 s", "1.dat", "tried 4 times"
    )


def test_waits_grow_between_failures(host, get, tmp_path):
    """HTTP 500 is tried again after 1, 2, 4 s and a little more, then told."""
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = Fault("500", times=3)
    patience = Patience(retries=3, backoff_s=1.0, stall_s=1.0)
    get("1.dat", sums={}, patience=patience)
    assert 7.0 <= sum(get.slept) <= 7.0 * 1.25
    assert len(host.asked("1.dat")) == 4
    (tmp_path / "raw/1.dat").unlink()
    host.faults["/db/2.dat"] = Fault("503")
    refused(tmp_path, lambda: get("2.dat", sums={}, patience=patience), "HTTP 503", "2.dat", "tried 4 times")
    assert len(host.asked("2.dat")) == 4


def test_retry_after_is_respected(host, get):
    """A host that asks for 7 seconds gets them."""
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = Fault("429", times=1, header={"Retry-After": "7"})
    get("1.dat", sums={})
    assert sum(get.slept) == pytest.approx(7.0)


@pytest.mark.parametrize(
    ("status", "words"), [("404", "not found"), ("403", "licence"), ("401", "authorization"), ("400", "not expected")]
)
def test_what_will_not_pass_is_not_tried_again(host, get, tmp_path, status, words):
    """A missing or forbidden file fails at the first answer."""
    host.faults["/db/1.dat"] = Fault(status)
    refused(tmp_path, lambda: get("1.dat", sums={}), f"{host.url}/1.dat", words)
    assert len(host.asked("1.dat")) == 1
    assert get.slept == []


def test_an_optional_file_may_be_missing(host, get, tmp_path):
    """A name that the host does not have is left out, where it may be."""
    host.add("1.dat", BIG)
    assert get("1.dat", "2.dat", optional=["2.dat"])["files"] == 1
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["1.dat"]
    source = Source(str(tmp_path / "raw"), "mirror")
    found = fetch(source, ["1.dat", "2.dat"], tmp_path / "copy", tmp_path / "scratch", optional=["2.dat"])
    assert found["files"] == 1


def test_a_wrong_checksum_leaves_nothing(host, get, tmp_path):
    """Corrupt bytes are fetched twice, then told; neither raw nor a part remains."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = Fault("corrupt", at=5)
    (tmp_path / "raw").mkdir()
    refused(tmp_path, lambda: get("1.dat"), "1.dat", "wrong SHA-256", "another source")
    assert host.asked("1.dat") == ["", ""]
    assert not list((tmp_path / "scratch").rglob("*.dat*.part"))
    host.faults["/db/1.dat"] = Fault("corrupt", times=1, at=5)
    assert get("1.dat")["verified"]


def test_what_is_whole_in_scratch_is_not_fetched_again(host, get, tmp_path):
    """A whole file is used again after its sum was taken anew; a damaged one is fetched."""
    host.add("1.dat", BIG)
    host.list_sums()
    get("1.dat")
    get("1.dat")
    assert host.asked("1.dat") == [""]
    next((tmp_path / "scratch").glob("*/whole/1.dat")).write_bytes(b"damaged")
    get("1.dat")
    assert host.asked("1.dat") == ["", ""]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_two_sources_do_not_share_bytes(host, get, tmp_path):
    """The same name of another source is another file in scratch."""
    host.add("1.dat", b"first")
    host.add("v2/1.dat", b"second")
    get("1.dat")
    get("1.dat", source=Source(f"{host.url}/v2", "host"))
    assert (tmp_path / "raw/1.dat").read_bytes() == b"second"


def test_a_body_without_announced_size(host, get, tmp_path):
    """A chunked body ends itself; one that ends with the connection needs a sum."""
    host.add("1.dat", BIG)
    host.faults["/db/1.dat"] = Fault("chunked")
    get("1.dat", sums={})
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG
    host.add("2.dat", BIG)
    host.faults["/db/2.dat"] = Fault("unsized")
    get("2.dat", sums={"2.dat": sha(BIG)})
    host.add("3.dat", BIG)
    host.faults["/db/3.dat"] = Fault("unsized")
    refused(tmp_path, lambda: get("3.dat", sums={}), "neither size nor checksum", "3.dat")


def test_never_more_at_once_than_workers(host, get):
    """The host sees as many requests at once as there are workers, and no more."""
    host.pause = 0.02
    for number in range(24):
        host.add(f"{number}", b"x")
    get(*map(str, range(24)), patience=Patience(workers=3))
    assert host.most == 3


def test_the_first_failure_ends_the_others_at_once(host, get, tmp_path):
    """Neither a stalled file nor the rest of the list holds up the error."""
    host.pause = 0.02
    host.faults["/db/stalls"] = Fault("stall", at=1000)
    host.faults["/db/missing"] = Fault("404")
    names = ["stalls", "1", "2", "missing", *map(str, range(3, 500))]
    for name in names:
        host.add(name, BIG if name == "stalls" else b"small")
    start = time.monotonic()
    patience = Patience(retries=3, stall_s=20, workers=2)
    refused(tmp_path, lambda: get(*names, sums={}, patience=patience), "missing: not found")
    assert time.monotonic() - start < 3
    assert len(host.seen) < 20


def test_a_host_that_is_not_there(get, host, tmp_path):
    """A closed port is tried as often as patience says, then told with the reason."""
    host.shutdown()
    host.server_close()
    refused(tmp_path, lambda: get("1.dat", sums={}), "1.dat: Connection refused, tried 4 times", "check network")
    refused(tmp_path, lambda: get("1.dat"), "SHA256SUMS.txt: Connection refused")


def test_a_full_disk(host, get, tmp_path, monkeypatch):
    """ENOSPC says how much is needed and free, and nothing looks whole."""
    host.add("1.dat", BIG)
    true_open = Path.open
    at = ["ab"]

    class Full:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self.file.close()

        def write(self, data):
            self.file.write(data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fake_open(path, mode="r", *rest, **more):
        file = true_open(path, mode, *rest, **more)
        return Full(file) if mode == at[0] else file

    monkeypatch.setattr(Path, "open", fake_open)
    refused(tmp_path, lambda: get("1.dat"), "disk is full", "300000 bytes are needed", "are free", "make room")
    at[0] = "wb"  # now while the whole file is copied beside its place
    refused(tmp_path, lambda: get("1.dat"), "raw.partial/1.dat", "disk is full", "300000 bytes are needed")
    at[0] = "none"
    get("1.dat")
    assert host.asked("1.dat") == ["", "bytes=10-"]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_a_place_where_nothing_can_be_written(host, tmp_path):
    """A file that stands where a folder is needed is named."""
    host.add("1.dat", BIG)
    (tmp_path / "scratch").write_text("a file")
    with pytest.raises(DownloadError, match=r"cannot be written \(Not a directory\)"):
        fetch(Source(host.url, "host"), ["1.dat"], tmp_path / "raw", tmp_path / "scratch", patience=QUICK)


def test_a_local_folder_is_read_straight(get, tmp_path):
    """A folder needs no copy in scratch, and its sums are checked on the way."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "1.dat").write_bytes(BIG)
    source = Source(str(folder), "mirror")
    assert not get("1.dat", source=source)["verified"]
    (folder / "SHA256SUMS.txt").write_text(f"{sha(BIG)} *1.dat\n")
    assert get("1.dat", source=source)["verified"]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG
    assert not list((tmp_path / "scratch").rglob("*.dat*"))
    (folder / "1.dat").write_bytes(BIG[:-1])
    refused(tmp_path, lambda: get("1.dat", source=source), str(folder / "1.dat"), "wrong SHA-256")
    refused(tmp_path, lambda: get("2.dat", source=source), str(folder / "2.dat"), "not found")


def test_a_local_folder_that_is_not_there(get, tmp_path):
    """The error says from where a relative source counts; asking for a file is no error."""
    source = Source("no/such/folder", "mirror")
    refused(tmp_path, lambda: get("1.dat", source=source), "no/such/folder: no such folder", "main checkout")
    refused(tmp_path, lambda: read_text(source, "RECORDS"), "no such folder")
    assert not exists(source, "RECORDS")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_local_file_that_may_not_be_read(get, tmp_path):
    """Permission denied is told with the file."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "1.dat").write_bytes(BIG)
    (folder / "1.dat").chmod(0)
    refused(tmp_path, lambda: get("1.dat", source=Source(str(folder), "mirror")), "1.dat: Permission denied")


def test_permission_denied_is_told(get, tmp_path, monkeypatch):
    """Permission denied is told with the file, whoever runs this test."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "1.dat").write_bytes(BIG)

    def forbid(*_args, **_more):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("fsspec.implementations.local.LocalFileSystem.open", forbid)
    refused(tmp_path, lambda: get("1.dat", source=Source(str(folder), "mirror"), sums={}), "1.dat: Permission denied")


def test_the_source_is_never_replaced(get, tmp_path):
    """A download onto its own source, or onto a folder above, is refused before anything is touched."""
    folder = tmp_path / "raw" / "mirror"
    folder.mkdir(parents=True)
    (folder / "1.dat").write_bytes(BIG)
    with pytest.raises(DownloadError, match="would replace it"):
        get("1.dat", source=Source(str(folder), "mirror"))
    assert (folder / "1.dat").read_bytes() == BIG


def test_an_address_of_fsspec(get, tmp_path):
    """memory:// stands for every protocol that fsspec knows; a part goes on there too."""
    files = fsspec.filesystem("memory")
    files.pipe("/store/a/1.dat", BIG)
    try:
        source = Source("memory://store", "mirror")
        get("a/1.dat", source=source)
        assert (tmp_path / "raw/a/1.dat").read_bytes() == BIG
        assert exists(source, "a/1.dat", QUICK)
        assert not exists(source, "a", QUICK)
        refused(tmp_path, lambda: get("2.dat", source=source), "memory://store/2.dat", "not found")
        refused(tmp_path, lambda: get("1.dat", source=Source("nosuch://x", "mirror")), "nosuch")
    finally:
        files.rm("/store", recursive=True)


def test_a_store_that_fails_for_a_while_goes_on(get, tmp_path, monkeypatch):
    """A failure of a store is tried again from the byte where it came."""
    files = fsspec.filesystem("memory")
    files.pipe("/store/1.dat", BIG)
    true_open, starts = type(files).open, []

    class Flaky:
        def __init__(self, file):
            self.file, self.reads = file, 0

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

        def seek(self, start):
            starts.append(start)
            self.file.seek(start)

        def read(self, n):
            self.reads += 1
            if self.reads == 3 and len(starts) == 1:
                raise RuntimeError("the store hiccups\nat length")
            return self.file.read(n)

    monkeypatch.setattr(type(files), "open", lambda self, *args, **more: Flaky(true_open(self, *args, **more)))
    try:
        get("1.dat", source=Source("memory://store", "mirror"), sums={})
    finally:
        files.rm("/store", recursive=True)
    assert starts == [0, 2 * QUICK.chunk]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/passwd", "a\\b", "", ".", "a//b", "./a", "a\nb", "C:/x", "C:x", "C:\\x"]
)
def test_names_that_leave_the_folder(host, get, tmp_path, name):
    """A name of a host's list that could write elsewhere is refused before any request."""
    refused(tmp_path, lambda: get("1.dat", name), "is no name below it", host.url)
    assert host.seen == []


def test_lists_of_sums(host):
    """Three ways to write a line are read; none at all is no error; anything else is."""
    source = Source(host.url, "host")
    assert checksums(source, QUICK) == {}
    sums = [sha(b"%d" % n) for n in range(3)]
    host.add("SHA256SUMS.txt", f"{sums[0]} a\n{sums[1].upper()}  b/c d\n\n{sums[2]} *./e\n".encode())
    assert checksums(source, QUICK) == {"a": sums[0], "b/c d": sums[1], "e": sums[2]}
    host.add("SHA256SUMS.txt", b"<html>please sign in</html>")
    with pytest.raises(DownloadError, match=r"SHA256SUMS.txt: line 1 is no checksum"):
        checksums(source, QUICK)
    host.faults["/db/SHA256SUMS.txt"] = Fault("500")
    with pytest.raises(DownloadError, match="HTTP 500, tried 4 times"):
        checksums(source, QUICK)


def test_small_files_are_read(host):
    """A small file is looked for and read, again where that helps."""
    source = Source(host.url, "host")
    host.add("RECORDS", b"100\n101\n")
    host.faults["/db/RECORDS"] = Fault("truncate", times=1, at=3)
    assert read_text(source, "RECORDS", QUICK) == "100\n101\n"
    assert exists(source, "RECORDS", QUICK)
    assert not exists(source, "ANNOTATORS", QUICK)
    with pytest.raises(DownloadError, match="ANNOTATORS: not found"):
        read_text(source, "ANNOTATORS", QUICK)
    host.add("RECORDS", b"\xff\xfe")
    with pytest.raises(DownloadError, match="not a text file"):
        read_text(source, "RECORDS", QUICK)


def test_secrets_stay_with_their_host_and_out_of_sight(host, get, tmp_path):
    """Headers reach the host, not the place it redirects to, and no login or header is in a message."""
    other = serve()
    try:
        other.add("1.dat", BIG)
        host.faults["/db/1.dat"] = Fault("302", header={"Location": f"{other.url}/1.dat?signed=hush"})
        source = Source(host.url.replace("//", "//me:hush@"), "host", {"X-Token": "hush"})
        get("1.dat", sums={}, source=source)
        assert host.headers[0]["Authorization"] == "Basic bWU6aHVzaA=="
        assert host.headers[0]["X-Token"] == "hush"
        assert not {"Authorization", "X-Token"} & set(other.headers[0])
        host.faults["/db/2.dat"] = Fault("302", header={"Location": f"{host.url}/2.dat?again=hush"})
        line = refused(tmp_path, lambda: get("2.dat", sums={}, source=source), "redirected without end", "2.dat")
        bad = Source(host.url, "host", {"X-Token": "hush\nhush"})
        line += refused(tmp_path, lambda: get("3.dat", sums={}, source=bad), "HTTP forbids")
        assert "hush" not in line + repr(bad)
    finally:
        other.shutdown()
        other.server_close()


def test_a_proxy_of_the_environment(host, get, tmp_path, monkeypatch):
    """A host that only a proxy reaches is asked through it."""
    host.add("1.dat", BIG)
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{host.server_port}")
    monkeypatch.setenv("no_proxy", "")
    get("1.dat", sums={}, source=Source("http://far.invalid/db", "host"))
    assert host.seen == [("far.invalid:80", "CONNECT"), ("/db/1.dat", "")]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


CHILD = """
import sys, pathlib
from pqrst.downloads import Source, fetch
folder = pathlib.Path(sys.argv[2])
fetch(Source(sys.argv[1], "host"), ["1.dat"], folder / "raw", folder / "scratch")
"""


def test_a_killed_download_goes_on(host, get, tmp_path):
    """After SIGKILL in mid-transfer nothing looks whole, and the next run asks for the rest only."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.faults["/db/1.dat"] = Fault("stall", times=1, at=200_000)
    child = subprocess.Popen([sys.executable, "-c", CHILD, host.url, str(tmp_path)])
    parts = (tmp_path / "scratch").glob
    kill_once(child, lambda: sum(part.stat().st_size for part in parts("*/parts/1.dat.part")) >= 190_000)
    assert not (tmp_path / "raw").exists()
    assert not [path for path in parts("*/whole/**/*") if path.is_file()]
    have = part_of(tmp_path, "1.dat").stat().st_size
    get("1.dat")
    assert host.asked("1.dat") == ["", f"bytes={have}-"]
    assert (tmp_path / "raw/1.dat").read_bytes() == BIG


def test_two_processes_take_turns(host, get, tmp_path):
    """A second process waits for the first, then finds its files whole."""
    host.add("1.dat", BIG)
    host.list_sums()
    host.pause = 0.4
    child = subprocess.Popen([sys.executable, "-c", CHILD.replace('"raw"', '"other"'), host.url, str(tmp_path)])
    try:
        deadline = time.monotonic() + 15
        while not host.asked("1.dat"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        get("1.dat", sums={"1.dat": sha(BIG)})
    finally:
        assert child.wait(15) == 0
    assert host.asked("1.dat") == [""]
    assert (tmp_path / "raw/1.dat").read_bytes() == (tmp_path / "other/1.dat").read_bytes() == BIG


@pytest.mark.real
@pytest.mark.skipif(not (REAL / "mitdb/SHA256SUMS.txt").exists(), reason=f"no real recordings in {REAL}")
def test_real_recordings_over_loopback(host, get, tmp_path):
    """Record 100 and RECORDS arrive verified against PhysioNet's own list."""
    names = ["100.hea", "100.dat", "100.atr", "RECORDS"]
    for name in [*names, "SHA256SUMS.txt"]:
        host.add(name, (REAL / "mitdb" / name).read_bytes())
    host.faults["/db/100.dat"] = Fault("truncate", times=1, at=1_000_000)
    found = get(*names, sums=downloads.checksums(Source(host.url, "host"), QUICK))
    assert found["verified"]
    assert host.asked("100.dat") == ["", "bytes=1000000-"]
    for name in names:
        assert (tmp_path / "raw" / name).read_bytes() == (REAL / "mitdb" / name).read_bytes()
