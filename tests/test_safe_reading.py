"""Nothing that is read may run code, and no name inside a file leads out of its folder."""

import ast
import stat
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from pqrst import downloads, packs, recordings
from pqrst.datasets import sph
from pqrst.errors import DownloadError, PqrstError, RecordError
from test_floors import ROOT, modules

RUNNING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}  # reading may run code
UNPACKING = {"extract", "extractall", "unpack_archive"}  # writes where an archive says
ESCAPES = ("../secret", "a/../../secret", "/etc/passwd", "C:\\secret", "..\\secret", "a\x00b", "")
SCRIPTS = {f"benchmarks/{path.stem}": path for path in (ROOT / "benchmarks").glob("*.py")}


def calls(path):
    """Give each call of a file as its dotted name and the names of its keywords with their constants."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {one.arg: getattr(one.value, "value", None) for one in node.keywords}


def unsafe(path):
    """List what a file does that could run code out of a file, or write where an archive says."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [name for name in names if name.partition(".")[0] in RUNNING]
    for name, keywords in calls(path):
        last = name.rpartition(".")[2]
        numpys = name in {"np.load", "np.lib.format.read_array"} and keywords.get("allow_pickle", False) is not False
        torchs = name == "torch.load" and keywords.get("weights_only") is not True
        pandas = last in {"read_pickle", "to_pickle"}
        yaml = name == "yaml.load" or last in {"unsafe_load", "full_load"}
        if numpys or torchs or pandas or yaml or name in {"eval", "exec", "torch.save"} or last in UNPACKING:
            found.append(name)
    return found


@pytest.mark.parametrize("module", [*modules(), *SCRIPTS])
def test_nothing_that_is_read_runs_code(module):
    """Import no pickle, let numpy and torch read none, evaluate nothing, and unpack no archive onto the disk."""
    assert unsafe((modules() | SCRIPTS)[module]) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from joblib import load", "import torch\ntorch.load('a')", "torch.load('a', weights_only=False)",
        "np.load('a', allow_pickle=True)", "np.load('a', allow_pickle=sure)", "pd.read_pickle('a')", "yaml.load('a')", "eval('a')",
        "archive.extractall('a')", "torch.save(1, 'a')",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(tmp_path, line):
    """A file with one such line is named."""
    (tmp_path / "a.py").write_text(line)
    assert unsafe(tmp_path / "a.py")


@pytest.fixture
def folder(tmp_path):
    """Lay a secret beside the folder that is read."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "inside" / "a").mkdir(parents=True)
    return tmp_path / "inside"


def test_entries_of_an_archive_never_reach_the_disk(folder):
    """Paths upwards, absolute paths, drives and links are names of bytes in memory, and nothing is written anywhere."""
    before = sorted(folder.parent.rglob("*"))
    with zipfile.ZipFile(folder / "1.zip", "w") as archive:
        for name in ("../out", "/out", "C:\\out", "a/../../out"):
            archive.writestr(zipfile.ZipInfo(name), b"bytes")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "../secret")
    with packs.open_all(folder) as found:
        assert found.read("link") == b"../secret"
        assert {found.read(name) for name in found.names() if name != "link"} == {b"bytes"}
    assert sorted(folder.parent.rglob("*")) == sorted([*before, folder / "1.zip"])


@pytest.mark.parametrize("name", ESCAPES)
def test_a_folder_gives_no_file_outside_it(folder, name):
    """A record list or a table that names a file elsewhere finds none."""
    with packs.open_all(folder) as found:
        assert name not in found
        with pytest.raises(FileNotFoundError):
            found.read(name)


@pytest.mark.parametrize("name", [name for name in ESCAPES if name])
def test_a_download_lists_no_file_outside(folder, name):
    """Neither a list of records nor a mirror decides where on the disk something is written."""
    source = downloads.Source(str(folder), "mirror")
    with pytest.raises(DownloadError, match="is no name below it"):
        downloads.fetch(source, [name], folder.parent / "dest", folder.parent / "scratch")
    with pytest.raises(DownloadError, match="is no name below it"):
        packs.fetch(source, {"1": [name]}, folder.parent / "dest", folder.parent / "scratch")
    assert not (folder.parent / "dest").exists()


@pytest.mark.parametrize("name", [*ESCAPES, "~/secret", "s3://bucket/secret", "http://host/secret", "-", "."])
def test_a_header_names_no_file_elsewhere(folder, name):
    """On the disk and in an upload, a header reaches the files beside it alone."""
    if not name or "\x00" in name:
        name = "/secret"
    text = f"r 1 360 10\n{name} 16 200 16 0 0 0 0 MLII\n"
    (folder / "r.hea").write_text(text)
    with pytest.raises(RecordError, match="no plain file name"):
        recordings.read(folder / "r.hea")
    with pytest.raises(RecordError, match="no plain file name"):
        recordings.read_bytes({"r.hea": text.encode(), "secret.dat": bytes(20)})


@pytest.mark.parametrize("kind", ["link", "soft", "external", "virtual"])
def test_an_array_that_lies_in_another_file_is_refused(folder, kind):
    """HDF5 would fetch it from wherever the file says."""
    other, shape = folder.parent / "other.h5", (12, 5000)
    with h5py.File(other, "w") as file:
        file["ecg"] = np.ones(shape, np.float16)
    (folder / "raw").write_bytes(bytes(2 * 12 * 5000))
    with h5py.File(folder / "a.h5", "w") as file:
        if kind == "link":
            file["ecg"] = h5py.ExternalLink(str(other), "ecg")
        elif kind == "soft":
            file["there"], file["ecg"] = h5py.ExternalLink(str(other), "ecg"), h5py.SoftLink("/there")
        elif kind == "external":
            file.create_dataset("ecg", shape, np.float16, external=str(folder / "raw"))
        else:
            layout = h5py.VirtualLayout(shape, np.float16)
            layout[:] = h5py.VirtualSource(str(other), "ecg", shape)
            file.create_virtual_dataset("ecg", layout)
    with packs.open_all(folder) as files, pytest.raises(PqrstError, match="kept in another file"):
        sph._samples({"ECG_ID": "a", "N": "5000", "file": "a.h5"}, files)


def test_a_name_of_an_upload_is_no_path(tmp_path, monkeypatch):
    """Whatever an upload calls its files, none is written under that name."""
    monkeypatch.chdir(tmp_path)
    for name in ("../r.csv", "/r.csv", "a/r.csv", "..", ""):
        with pytest.raises(RecordError, match="no plain file name"):
            recordings.read_bytes({name: b"MLII\n1\n2\n"})
    assert list(Path().iterdir()) == []
