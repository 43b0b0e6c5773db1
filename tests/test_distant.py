"""Rows of a Bundle at an address: the same as on disk, few requests, and each failure one line."""

from dataclasses import replace
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest

from pqrst import distant, files
from pqrst.errors import DataError, PqrstError

X = np.random.default_rng(3).integers(-99, 99, (500, 2, 40)).astype(np.int16)
MIXED = np.array([7, 499, 8, 7, 0, 250])


@pytest.fixture
def shelf():
    """Give a folder in fsspec's memory with x.npy and a small file."""
    store = fsspec.filesystem("memory")
    store.pipe("/bundle/meta.json", b"{}")
    with store.open("/bundle/x.npy", "wb") as file:
        np.save(file, X)
    yield store
    store.rm("/bundle", recursive=True)


class Counting:
    """A store that remembers which ranges were asked of it, and fails as often as it is told."""

    def __init__(self, store, failures=0):
        self.store, self.failures, self.asked = store, failures, []

    def cat_ranges(self, paths, starts, ends, on_error):
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError("reset by peer")
        self.asked += zip(starts, ends, strict=True)
        return self.store.cat_ranges(paths, starts, ends, on_error=on_error)


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("rows", [MIXED, np.arange(500), np.array([3]), np.zeros(0, int)])
def test_rows_at_an_address_are_those_of_the_array(rows):
    """Give the same values in the order asked for, also twice the same row and none."""
    found = distant.rows("memory://bundle")
    assert (found.shape, len(found), found.dtype) == (X.shape, 500, X.dtype)
    assert np.array_equal(found[rows], X[rows])


@pytest.mark.parametrize(("gap", "spans"), [(0, [(0, 1), (7, 9), (250, 251), (499, 500)]), (159, [(0, 1), (7, 9), (250, 251), (499, 500)]),
                                            (1000, [(0, 9), (250, 251), (499, 500)]), (10**6, [(0, 500)])])  # fmt: skip
def test_rows_close_together_are_one_request(shelf, monkeypatch, gap, spans):
    """Read through gaps that are no longer than GAP, and nothing beyond the rows."""
    monkeypatch.setattr(distant, "GAP", gap)
    opened = distant.rows("memory://bundle")
    counting = Counting(shelf)
    assert np.array_equal(replace(opened, store=counting)[MIXED], X[MIXED])
    assert [((start - 128) // 160, (end - 128) // 160) for start, end in counting.asked] == spans


def test_a_request_that_fails_is_made_again(shelf, monkeypatch):
    """Wait and ask again where a connection breaks, and give up with one line."""
    waited = []
    monkeypatch.setattr(distant, "time", SimpleNamespace(sleep=waited.append))
    opened = distant.rows("memory://bundle")
    assert np.array_equal(replace(opened, store=Counting(shelf, failures=2))[MIXED], X[MIXED])
    assert waited
    with pytest.raises(PqrstError, match=r"^memory://bundle/x.npy: reset by peer, tried 7 times; check network"):
        replace(opened, store=Counting(shelf, failures=99))[MIXED]


def test_a_bundle_at_an_address_has_the_digest_of_its_folder(tmp_path):
    """Copy all but x.npy, once until a file changes, and give the digest that the folder has."""
    folder, room = tmp_path / "there", tmp_path / "room"
    folder.mkdir()
    np.save(folder / "x.npy", X)
    (folder / "rows.csv").write_text("a")
    (folder / "y.npy").write_bytes(b"b")
    for _ in range(2):
        copy, found = distant.fetch(f"file://{folder}", room)
        assert found == files.digest(folder)
        assert sorted(file.name for file in copy.iterdir()) == ["rows.csv", "y.npy"]
    assert len(list(room.iterdir())) == 1
    (folder / "rows.csv").write_text("other")
    assert distant.fetch(f"file://{folder}", room)[1] == files.digest(folder)


@pytest.mark.parametrize("content", [b"no array", b""])
def test_what_is_no_array_is_one_line(shelf, content):
    """Say which file at the address is broken."""
    shelf.pipe("/bundle/x.npy", content)
    with pytest.raises(DataError, match=r"^memory://bundle/x.npy is no array of rows; build it anew"):
        distant.rows("memory://bundle")


def test_a_file_that_ends_too_soon_is_one_line(shelf):
    """Notice bytes that are missing behind a sound header."""
    shelf.pipe("/bundle/x.npy", shelf.cat("/bundle/x.npy")[:-1])
    with pytest.raises(DataError, match=r"^memory://bundle/x.npy ends before byte 80128; build it anew"):
        distant.rows("memory://bundle")[MIXED]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("memory://nowhere", r"^memory://nowhere"),
        ("nothing://user:secret@host/bundle", r"^nothing://host/bundle: Protocol not known: nothing; install"),
    ],
)
def test_an_address_without_a_bundle_is_one_line(tmp_path, address, told):
    """Name the address without its secret, and what to do."""
    with pytest.raises(DataError, match=told) as error:
        distant.fetch(address, tmp_path / "room")
    assert "secret" not in str(error.value)
    assert not (tmp_path / "room").exists()
