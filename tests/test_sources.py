"""Where a database's recordings come from: made up, a host, or a mirror of any kind."""

import hashlib
import json
import os
from pathlib import Path

import fsspec
import numpy as np
import pytest

from pqrst import sources
from pqrst.datasets import mitdb
from pqrst.errors import DownloadError, SettingsError
from pqrst.files import digest
from pqrst.made_up.mitdb import write
from pqrst.resolved import Download

ROOT = Path(__file__).parents[1]
REAL = Path(os.environ.get("PQRST_DATA") or ROOT / "../shared/data").resolve()


def settings(source, dataset="mitdb", **more):
    """Write what the resolver writes for the download of one database."""
    return Download(dataset, source, **({"settings": {}, "records": 2, "minutes": 0.2, "seed": 1} | more))


@pytest.fixture
def obtain(tmp_path):
    """Obtain a database into tmp_path/raw."""

    def call(given, checkout=tmp_path, dest="raw"):
        return sources.obtain(given, tmp_path / dest, tmp_path / "scratch", checkout)

    return call


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """Make a mirror of two made-up recordings, with its list of sums."""
    folder = tmp_path_factory.mktemp("mirrors") / "mirror" / "mitdb"
    folder.mkdir(parents=True)
    write(folder, 2, np.random.default_rng(1), 0.2)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS.txt").write_text("".join(sums))
    return folder.parent


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("dataset", ["mitdb", "heartbeat"])
def test_made_up_recordings_say_so(obtain, tmp_path, dataset):
    """Made-up recordings are marked as such, beside the recordings and in what is given back."""
    provenance = obtain(settings("synthetic", dataset))
    assert provenance["synthetic"]
    assert provenance["source"] == "synthetic"
    assert json.loads((tmp_path / "raw" / sources.PROVENANCE).read_text()) == provenance
    assert provenance["files"] == len(names(tmp_path / "raw")) - 1
    assert names(tmp_path) == ["raw"]


def test_made_up_recordings_are_the_same_bytes_anywhere(obtain, tmp_path):
    """One seed gives one folder, byte for byte, and another seed another."""
    for dest in ("raw", "again"):
        obtain(settings("synthetic"), dest=dest)
    obtain(settings("synthetic", seed=2), dest="other")
    assert digest(tmp_path / "raw") == digest(tmp_path / "again") != digest(tmp_path / "other")


def test_made_up_recordings_replace_what_was_left(obtain, tmp_path):
    """Neither an older folder nor a broken run's half leaves a file behind."""
    for folder in ("raw", "raw.partial"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "old").touch()
    obtain(settings("synthetic"))
    assert "old" not in names(tmp_path / "raw")
    assert names(tmp_path) == ["raw"]


def test_a_mirror_gives_its_own_files(obtain, tmp_path, made_up):
    """A folder laid out like the host gives every recording, verified by its own list."""
    provenance = obtain(settings(str(made_up)))
    mirrored = set(names(made_up / "mitdb")) - {"SHA256SUMS.txt", "ANNOTATORS"}
    assert set(names(tmp_path / "raw")) == mirrored | {sources.PROVENANCE}
    assert all((tmp_path / "raw" / name).read_bytes() == (made_up / "mitdb" / name).read_bytes() for name in mirrored)
    assert (provenance["source"], provenance["synthetic"], provenance["verified"]) == ("mirror", False, True)


def test_the_heart_beats_come_from_the_same_mirror(obtain, tmp_path, made_up):
    """A mirror without Kaggle's files serves the heartbeat set with its recordings."""
    assert obtain(settings(str(made_up), "heartbeat")) == obtain(settings(str(made_up)), dest="again")
    assert digest(tmp_path / "raw") == digest(tmp_path / "again")


def test_a_relative_mirror_counts_from_the_checkout(obtain, tmp_path, made_up, monkeypatch):
    """A relative source means the same folder wherever the stage runs."""
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path)
    relative = os.path.relpath(made_up, tmp_path / "checkout")
    assert obtain(settings(relative), checkout=tmp_path / "checkout")["verified"]


def test_a_mirror_in_a_store(obtain, tmp_path, made_up):
    """An address that fsspec knows is a mirror like any other, with or without a closing stroke."""
    files = fsspec.filesystem("memory")
    files.put(str(made_up), "/mirror", recursive=True)
    try:
        found = [obtain(settings(source), dest="raw") for source in ("memory://mirror", "memory://mirror/")]
    finally:
        files.rm("/mirror", recursive=True)
    assert found == [obtain(settings(str(made_up)), dest="again")] * 2
    assert digest(tmp_path / "raw") == digest(tmp_path / "again")


def test_provenance_names_no_place(obtain, tmp_path, made_up):
    """No path of this machine is in the provenance, so that the same bytes keep one DVC hash."""
    for source in ("synthetic", str(made_up)):
        obtain(settings(source))
        text = (tmp_path / "raw" / sources.PROVENANCE).read_text()
        assert [word for word in (str(tmp_path), str(made_up), "tmp", "/") if word in text] == []


def test_a_missing_mirror_is_one_line(obtain, tmp_path):
    """A mirror that is not there is named in full, with how a relative one counts."""
    with pytest.raises(DownloadError) as caught:
        obtain(settings("nowhere"))
    line = str(caught.value)
    assert "\n" not in line
    assert str(tmp_path / "nowhere" / "mitdb") in line
    assert "main checkout" in line
    assert not (tmp_path / "raw").exists()


def test_a_mirror_without_the_database_is_one_line(obtain, tmp_path):
    """A store without this database names the file that it lacks."""
    with pytest.raises(DownloadError, match=r"^memory://empty/mitdb/RECORDS: not found; .*$"):
        obtain(settings("memory://empty"))
    assert not (tmp_path / "raw").exists()


def test_the_hosts_need_no_address(obtain, tmp_path, monkeypatch):
    """`hosts` leaves the address to the database itself."""
    asked = []

    def fetch(base, dest, *_rest):
        asked.append(base)
        dest.mkdir()
        return {"source": "host"}

    monkeypatch.setattr(mitdb, "fetch", fetch)
    assert obtain(settings("hosts")) == {"source": "host"}
    assert asked == [None]
    assert names(tmp_path / "raw") == [sources.PROVENANCE]


def test_a_databases_wrong_setting_is_one_line_before_any_work(obtain, tmp_path):
    """The place in params.yaml and the values that there are stand in the message, and nothing is made."""
    with pytest.raises(
        SettingsError, match=r"^databases\.heartbeat\.origin must be one of auto, mitdb, kaggle, got 'host'"
    ):
        obtain(settings("synthetic", "heartbeat", settings={"origin": "host"}))
    assert names(tmp_path) == []


@pytest.mark.real
@pytest.mark.skipif(not (REAL / "mitdb/RECORDS").exists(), reason=f"no real recordings in {REAL}")
def test_the_real_recordings_arrive_verified(obtain, tmp_path):
    """The mirror gives 48 records of three files, their list and record 102's older annotations, all verified."""
    provenance = obtain(settings(str(REAL), "heartbeat"))
    assert provenance["files"] == 48 * 3 + 2
    assert provenance["verified"]
    assert not provenance["synthetic"]
    assert (tmp_path / "raw" / "102-0.atr").exists()
