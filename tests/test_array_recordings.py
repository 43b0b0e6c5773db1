"""HDF5 and MATLAB: one recording of a file or many, and what attributes and variables say of them."""

import io

import h5py
import numpy as np
import pytest

import formats
from pqrst import cli
from pqrst.errors import RecordError
from pqrst.mat5 import variables
from pqrst.recordings import Limits, Told, find, read, read_bytes

MV = (formats.steps(2.0) * formats.STEP).astype(np.float32)
TOLD = Told(500.0, formats.LEADS, "mV")


def fault(name, content, told=TOLD, limits=None):
    """Give the one line that refuses a file."""
    with pytest.raises(RecordError) as caught:
        read_bytes({name: content}, told, limits or Limits())
    message = str(caught.value)
    assert message.isprintable()
    assert "; " in message
    return message


@pytest.fixture
def shelf(tmp_path):
    """Lay out three recordings as CODE does, of 10, 7 and 4 s at 400 Hz."""
    made = [
        (formats.steps(seconds, 400.0, seed) * formats.STEP).astype(np.float32)
        for seed, seconds in enumerate((10, 7, 4))
    ]
    (tmp_path / "exams.hdf5").write_bytes(formats.code(made))
    return tmp_path / "exams.hdf5", made


def test_the_recordings_of_code(shelf):
    """Each by its place, at 400 Hz, without the zeros that fill it up."""
    path, made = shelf
    assert find(path) == find(path.parent) == [path / "0", path / "1", path / "2"]
    for place, expected in zip(find(path), made, strict=True):
        record = read(place)
        assert (record.record, record.fs, record.leads) == (f"exams-{place.name}", 400.0, formats.LEADS)
        np.testing.assert_array_equal(record.signal, expected)
    for where, said in (
        (path, "it holds 3 recordings; give one"),
        (path / "3", "the first is 0"),
        (path / "x", "no such file"),
    ):
        with pytest.raises(RecordError, match=said):
            read(where)
    assert "it holds 3 recordings" in fault("exams.hdf5", path.read_bytes())


def test_the_command_line_answers_every_recording_of_a_file(shelf, untrained_attention, capsys):
    """One line a recording."""
    path, _ = shelf
    assert cli.main(["predict", str(path), "--model", str(untrained_attention(720, 720)), "--lead", "MLII=II"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == [f"{path}/{k}" for k in range(3)]


def test_code_without_units_asks_for_them(shelf):
    """Its README says two things, so the caller says one; the tenth of a millivolt is a gain of 10."""
    path, made = shelf
    with h5py.File(path, "a") as file:
        del file.attrs["units"]
    with pytest.raises(RecordError, match="give units, or gain"):
        read(path / "0")
    np.testing.assert_allclose(read(path / "0", Told(gain=10.0)).signal, made[0] / 10, rtol=1e-6)


def test_arrays_of_other_shapes():
    """(leads, samples), (samples, leads), one of several axes, big-endian, packed; what the file says goes with the caller."""
    said = {"fs": 500, "units": b"mV", "leads": ",".join(formats.LEADS)}
    for values in (MV, MV.T, MV[None], MV.T[None], MV.astype(">f8")):
        np.testing.assert_array_equal(read_bytes({"a.h5": formats.hdf5({"x": values}, said)}).signal, MV)
        np.testing.assert_array_equal(read_bytes({"a.h5": formats.hdf5({"x": values})}, TOLD).signal, MV)
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        kept = made.create_dataset("ecg", data=np.round(MV * 200).astype("<i2"), compression="gzip", chunks=(12, 100))
        made["age"] = np.zeros((3, 4))
        kept.attrs["fs"] = np.array([500.0])
    record = read_bytes({"a.h5": file.getvalue()}, Told(leads=formats.LEADS, gain=200.0))
    np.testing.assert_allclose(record.signal, MV, atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "attributes", "expected"),
    [
        ({}, {}, "0 arrays of samples (none)"),
        ({"a": MV, "b": MV}, {}, "2 arrays of samples (a, b)"),
        ({"a": np.array([b"x", b"y"])}, {}, "0 arrays"),
        ({"a": MV}, {"fs": "fast"}, "fs is 'fast'"),
        ({"a": MV}, {"fs": 250}, "it says 250 Hz and you say 500"),
        ({"a": MV}, {"units": "V"}, "it says V and you say mV"),
        ({"a": MV}, {"leads": 7}, "leads holds no names"),
        ({"a": MV[:3]}, {}, "names of its 3 leads"),
        ({"a": np.zeros((2, 0))}, {}, "is no recording"),
    ],
)
def test_hdf5_that_cannot_be_read(arrays, attributes, expected):
    """No array or several, words that are no numbers, and contradictions."""
    assert expected in fault("a.h5", formats.hdf5(arrays, attributes))


def test_texts_of_no_fixed_length_are_the_callers_to_say():
    """HDF5 would take the memory that such a text declares; what the caller says already is not asked again."""
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made["x"] = MV
        made.attrs["units"] = "mV"
    assert "attribute units is a text of no fixed length" in fault("a.h5", file.getvalue(), Told(500.0, formats.LEADS))
    np.testing.assert_array_equal(read_bytes({"a.h5": file.getvalue()}, TOLD).signal, MV)


def test_a_file_that_declares_endless_recordings_is_one_entry(tmp_path):
    """No list of a milliard paths is made; one of them is asked for."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("tracings", (10**9, 4096, 12), "f4", chunks=(1, 4096, 12))
    assert find(tmp_path) == [tmp_path / "a.h5"]
    with pytest.raises(RecordError, match="it holds 1000000000 recordings"):
        read(tmp_path / "a.h5")


def test_code_of_zeros_holds_no_recording():
    """Nothing is left where all is filling."""
    assert "nothing but zeros" in fault("a.h5", formats.code([np.zeros((12, 4000), np.float32)]), Told())


def test_samples_of_other_files_are_not_fetched(tmp_path):
    """External and soft links, external storage and virtual arrays reach no other file."""
    (tmp_path / "other.h5").write_bytes(formats.hdf5({"x": MV}))
    (tmp_path / "raw").write_bytes(MV.tobytes())
    layout = h5py.VirtualLayout(MV.shape, MV.dtype)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", MV.shape)
    for name, write in {
        "link": lambda file: file.__setitem__("x", h5py.ExternalLink(str(tmp_path / "other.h5"), "x")),
        "soft": lambda file: file.__setitem__("x", h5py.SoftLink("/y")),
        "external": lambda file: file.create_dataset("x", MV.shape, MV.dtype, external=str(tmp_path / "raw")),
        "virtual": lambda file: file.create_virtual_dataset("x", layout),
    }.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            write(file)
        with pytest.raises(RecordError, match=r"0 arrays|lie in another file"):
            read(tmp_path / f"{name}.h5", TOLD)


def test_a_chunk_that_unpacks_to_more_than_the_limits_is_refused():
    """A chunk is unpacked as a whole."""
    file = io.BytesIO()
    with h5py.File(file, "w") as made:
        made.create_dataset("x", (12, 10), "f4", chunks=(12, 10**6), maxshape=(12, None), compression="gzip")
    assert "12000000 samples" in fault("a.h5", file.getvalue(), limits=Limits(samples=1_000_000))


def test_what_is_no_hdf5_is_one_line():
    """Bytes of another kind, and half a file."""
    good = formats.hdf5({"x": MV})
    for content in (b"x" * 100, good[:3000], good[:-1]):
        assert "cannot be read" in fault("a.h5", content)


def test_what_a_mat_says_of_its_signal():
    """Variables, or the fields of a struct, name rate, unit, gain and leads; cells and rows of text alike."""
    names = np.array(formats.LEADS, object)
    for compress in (True, False):
        for given in (
            {"val": MV, "fs": 500, "units": "mV", "leads": names},
            {"ECG": {"data": MV, "Fs": 500.0, "unit": "mV", "sig_name": " ".join(formats.LEADS)}, "note": "text"},
            {"val": MV.T, "freq": 500, "units": "mV", "leads": names, "other": np.ones((4, 4))},
            {"val": np.round(MV * 200) + 7, "fs": 500, "gain": 200, "baseline": 7, "leads": ",".join(formats.LEADS)},
        ):
            record = read_bytes({"a.mat": formats.mat(compress, **given)})
            assert (record.fs, record.leads) == (500.0, formats.LEADS)
            np.testing.assert_allclose(record.signal, MV, atol=1e-6)
    np.testing.assert_array_equal(read_bytes({"a.mat": formats.mat(x=MV)}, TOLD).signal, MV)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (formats.mat(a=np.ones((2, 9)), b=np.ones((2, 9))), "2 matrices (a, b)"),
        (formats.mat(a="text"), "0 matrices (none)"),
        (formats.mat(val=MV, fs=np.array([500, 500])), "its fs is no single number"),
        (formats.mat(val=MV, fs=250), "it says 250 Hz and you say 500"),
        (formats.mat(val=MV, units="V"), "it says V and you say mV"),
        (formats.mat(val=MV)[:-9], "an element"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM", "save it with -v7"),
        (b"x" * 300, "no MATLAB 5 file"),
    ],
)
def test_mat_that_cannot_be_read(content, expected):
    """Several signals or none, contradictions, a torn copy, another version."""
    assert expected in fault("a.mat", content)


def test_variables_of_a_mat():
    """Numbers, texts, cells and structs by their names; what is neither is left out."""
    found = variables(
        formats.mat(
            n=np.arange(3),
            t="text",
            c=np.array(["a", "bc"], object),
            z=np.array([1j]),
            s={"n": 1, "c": np.array([1, "a"], object)},
        )
    )
    assert sorted(found) == ["c", "n", "s", "t"]
    assert (found["t"], found["c"], found["n"].tolist()) == ("text", ("a", "bc"), [[0, 1, 2]])
    assert found["s"]["n"].tolist() == [[1]]
    assert "c" not in found["s"]
