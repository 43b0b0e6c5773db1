"""MATLAB 5 files: what scipy writes is read as scipy reads it, and no damage is more than an error."""

import io
import random

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pqrst.mat5 import struct

RNG = np.random.default_rng(0)
FIELDS = {"sex": "Female", "age": 74.0, "data": RNG.normal(0, 1, (12, 7))}


def written(content, compress=False):
    file = io.BytesIO()
    savemat(file, content, do_compression=compress)
    return file.getvalue()


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_numbers_are_those_that_scipy_reads(compress, dtype):
    """Of every type, in their shape, packed or not, behind other variables."""
    given = (50 * RNG.random((12, 5))).astype(dtype)
    content = written({"other": np.arange(3), "ECG": {"data": given, "one": 7.0}, "last": "text"}, compress)
    found = struct(content, "ECG")
    theirs = loadmat(io.BytesIO(content))["ECG"][0, 0]
    assert found["data"].dtype == theirs["data"].dtype == given.dtype
    np.testing.assert_array_equal(found["data"], theirs["data"])
    assert found["one"].tolist() == theirs["one"].tolist() == [[7.0]]


@pytest.mark.parametrize("text", ["Male", "", "é", "a long name of sixteen and more"])
def test_text_is_text(text):
    """Short and long, with or without letters beyond ASCII."""
    found = struct(written({"ECG": {"sex": text, "data": np.zeros((2, 2))}}), "ECG")
    assert (found["sex"] if text else len(found["sex"])) == (text or 0)


def test_fields_come_by_their_names():
    """In the order of the file; an array without numbers has none."""
    found = struct(written({"ECG": {"age": np.zeros((0, 0)), "data": np.ones((1, 1)), "a_longer_name": 1}}), "ECG")
    assert list(found) == ["age", "data", "a_longer_name"]
    assert found["age"].size == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no MATLAB 5 file"),
        (bytes(200), "no MATLAB 5 file"),
        (b"MATLAB 7.3".ljust(124) + b"\x00\x02IM", "no MATLAB 5 file"),
        (b"MATLAB 5.0".ljust(124) + b"\x01\x00MI", "no MATLAB 5 file"),
        (b"MATLAB 5.0".ljust(124) + b"\x00\x01IM", "it has no ECG"),
        (written({"val": np.zeros(3)}), "it has no ECG"),
        (written({"ECG": np.zeros(3)}), "it is no struct"),
        (written({"ECG": "text"}), "it is no struct"),
        (written({"ECG": np.array([(1,), (2,)], [("a", object)])}), "it is no struct of one element"),
        (written({"ECG": {"data": np.ones((2, 2)) * 1j}}), "neither real numbers nor text"),
        (written({"ECG": {"data": {"inner": 1}}}), "neither real numbers nor text"),
        (written(FIELDS | {"ECG": FIELDS})[:-20], "cut short"),
        (written({"ECG": FIELDS}, compress=True)[:-20], "cut short"),
    ],
)
def test_other_files_are_refused(content, words):
    """Of other formats and versions, without the struct, with what is no field of a recording, cut short."""
    with pytest.raises(ValueError, match=words):
        struct(content, "ECG")


def test_a_file_that_unpacks_without_end_is_refused(monkeypatch):
    """No more is unpacked than a recording can hold."""
    content = written({"ECG": {"data": np.zeros((12, 100_000))}}, compress=True)
    assert struct(content, "ECG")["data"].shape == (12, 100_000)
    monkeypatch.setattr("pqrst.mat5.LARGEST", 100_000)
    with pytest.raises(ValueError, match="unpacks to more than 100000 bytes"):
        struct(content, "ECG")


@pytest.mark.parametrize("compress", [True, False])
def test_no_damage_is_more_than_an_error(compress):
    """Bytes that are changed or missing give the struct or one kind of error, wherever they are."""
    sound, rng = written({"ECG": FIELDS}, compress), random.Random(0)
    refused = 0
    for _ in range(3000):
        content = bytearray(sound)
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            found = struct(bytes(content[: rng.choice([None, rng.randrange(len(content))])]), "ECG")
        except ValueError:
            refused += 1
        else:
            assert isinstance(found, dict)
    assert 1000 < refused < 3000
