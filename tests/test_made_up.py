"""What every made-up database promises; that its own reader takes it is held in test_datasets.py."""

import hashlib

import numpy as np
import pytest

from pqrst import catalog
from pqrst.files import digest

NAMES = catalog.names("made_up")


def written(name, folder, seed=5):
    """Write a few recordings, of a tenth of a minute where their length can be told."""
    folder.mkdir()
    catalog.load("made_up", name).write(folder, 9, np.random.default_rng(seed), 0.1)
    return folder


def test_every_database_can_be_made_up():
    """Each database has its namesake among those that are made up, and no other is made up."""
    assert catalog.names("datasets") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_made_up_recordings_are_byte_stable(name, tmp_path):
    """The same seed writes the same files, another seed others."""
    one, again, other = (written(name, tmp_path / key, seed) for key, seed in (("one", 5), ("again", 5), ("other", 6)))
    assert digest(one) == digest(again) != digest(other)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_its_checksum(name, tmp_path):
    """SHA256SUMS.txt lists every file but itself."""
    folder = written(name, tmp_path / "made_up")
    told = (folder / "SHA256SUMS.txt").read_text().splitlines()
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS.txt"]
    sums = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert dict(reversed(line.split(" ", 1)) for line in told) == sums


@pytest.mark.parametrize("name", NAMES)
def test_the_files_say_that_nobody_was_recorded(name, tmp_path):
    """Some file of each database says so in plain bytes, so that no copy passes for a real one."""
    files = [path.read_bytes() for path in written(name, tmp_path / "made_up").rglob("*") if path.is_file()]
    assert any(b"SYNTHETIC: made by pqrst out of random numbers" in content for content in files)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_real_depends_on_what_is_made_up(name):
    """The digests of a reader, by which real windows are cut anew, name no file that makes recordings up."""
    assert not [file for file in catalog.digests("datasets", name) if file.startswith("made_up/")]


def test_a_table_of_the_reader_that_is_written_counts():
    """Making up PTB-XL writes its statements, so its digests name their table."""
    assert "datasets/ptbxl_statements.csv" in catalog.digests("made_up", "ptbxl")
