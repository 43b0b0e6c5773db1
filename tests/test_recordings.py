"""Recordings from outside, whole, odd and hostile: millivolts come out, or one line that says what to do."""

import io
import logging
import math
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import wfdb

from pqrst.errors import RecordError
from pqrst.recordings import Limits, Told, find, read, read_bytes

TOLD = Told(fs=250, leads=("I", "II"), units="mV")
HEADER = "r 2 250 4\nr.dat 16 100(10)/mV 16 0 110 {} 0 I\nr.dat 16 200/uV 16 0 -7 {} 0 V5\n# a comment\n"
STEPS = np.array([[110, -7], [10, 200], [-32768, 400], [-90, 0]], "<i2")  # -32768 marks a missing sample


def sums(steps):
    return [int(total) & 0xFFFF for total in steps.sum(axis=0, dtype=np.int64)]


def pair(header=HEADER, steps=STEPS):
    """Give a good record of four samples as an upload."""
    return {"r.hea": header.format(*sums(steps)).encode(), "r.dat": steps.tobytes()}


def changed(old, new):
    """Give the good record with a text of its header replaced."""
    files = pair()
    assert old.encode() in files["r.hea"]
    return files | {"r.hea": files["r.hea"].replace(old.encode(), new.encode(), 1)}


def npy(values):
    file = io.BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def edf(channels, records=2, seconds=1, plus="", version="0"):
    """Build an EDF file of (label, unit, physical range, samples per record, int16 samples) by its specification."""
    fields = [
        [label for label, *_ in channels],
        [""] * len(channels),
        [unit for _, unit, *_ in channels],
        [low for _, _, (low, _), *_ in channels],
        [high for _, _, (_, high), *_ in channels],
        [-1000] * len(channels),
        [1000] * len(channels),
        [""] * len(channels),
        [count for *_, count, _ in channels],
        [""] * len(channels),
    ]
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    fixed = [
        version,
        "X",
        "X",
        "01.01.20",
        "00.00.00",
        256 * (len(channels) + 1),
        plus,
        records,
        seconds,
        len(channels),
    ]
    head = "".join(
        str(value).ljust(width) for value, width in zip(fixed, (8, 80, 80, 8, 8, 8, 44, 8, 8, 4), strict=True)
    )
    head += "".join(str(value).ljust(width) for values, width in zip(fields, widths, strict=True) for value in values)
    blocks = [
        np.asarray(samples[k * count : (k + 1) * count], "<i2").tobytes()
        for k in range(records)
        for *_, count, samples in channels
    ]
    return head.encode("latin-1") + b"".join(blocks)


ECG_I = ("ECG I", "uV", (-5000, 5000), 4, [0, 100, -1000, 1000, 1, 2, 3, 4])
ECG_II = ("ECG II", "mV", (-5, 5), 4, [10, 20, 30, 40, 50, 60, 70, 80])


def fault(files, told=TOLD, limits=Limits()):  # noqa: B008
    """Give the fault of an upload, and hold that it is one line with a next step."""
    with pytest.raises(RecordError) as caught:
        read_bytes(files, told, limits)
    message = str(caught.value)
    assert message.startswith("record ")
    assert message.isprintable()
    assert "; " in message
    return message


def csv(text, told=TOLD):
    return read_bytes({"a.csv": text.encode() if isinstance(text, str) else text}, told)


def csv_fault(text, told=TOLD, limits=Limits()):  # noqa: B008
    return fault({"a.csv": text.encode() if isinstance(text, str) else text}, told, limits)


@pytest.fixture
def lines(caplog, monkeypatch):
    """Collect the log's lines."""
    monkeypatch.setattr(logging.getLogger("pqrst"), "propagate", True)
    caplog.set_level(logging.INFO, "pqrst")
    return caplog


def test_format_16_by_hand():
    """Steps less the baseline over the gain are mV, a missing sample is NaN, and microvolts are scaled."""
    record = read_bytes(pair())
    expected = np.array([[1.0, 0.0, np.nan, -1.0], [-3.5e-5, 1e-3, 2e-3, 0.0]], np.float32)
    np.testing.assert_array_equal(record.signal, expected)
    assert record.signal.dtype == np.float32
    assert (record.record, record.patient, record.fs, record.leads) == ("r", "", 250.0, ("I", "V5"))
    assert (record.gain, record.zero, record.units) == (None, None, "mV")


def test_format_212_by_hand():
    """Bytes 64 F0 FF are the samples 100 and -1."""
    files = {"r.hea": b"r 2 360 1\nr.dat 212 100 12 0 0 0 0 I\nr.dat 212 100 12 0 0 0 0 II\n", "r.dat": b"\x64\xf0\xff"}
    assert "checksum 100, its header says 0" in fault(files)
    files["r.hea"] = files["r.hea"].replace(b" 0 0 0 0 I", b" 0 0 100 0 I", 1).replace(b"0 0 0 0 II", b"0 0 -1 0 II")
    np.testing.assert_allclose(read_bytes(files).signal, [[1.0], [-0.01]], rtol=1e-6)


@pytest.mark.parametrize("packing", ["8", "16", "24", "32", "80", "160", "212", "310", "311"])
@pytest.mark.parametrize("length", [4, 5, 6])
def test_every_format_is_read_as_the_wfdb_package_reads_it(tmp_path, packing, length):
    """The peer library is the oracle of each packing, with whole and broken blocks."""
    size = {"8": 2, "24": 6, "32": 8, "80": 2, "212": 3, "310": 8 / 3, "311": 8 / 3}.get(packing, 4) * length
    size = 4 * math.ceil(size / 4) if packing.startswith("31") else math.ceil(size)
    (tmp_path / "r.dat").write_bytes(np.random.default_rng(3).bytes(size))
    header = (
        f"r 2 250 {length}\nr.dat {packing} 100(3)/mV 16 0 9 {{}} 0 a\nr.dat {packing} 100(-3)/mV 16 0 -9 {{}} 0 b\n"
    )
    (tmp_path / "r.hea").write_text(header.format(0, 0))
    steps = wfdb.rdrecord(str(tmp_path / "r"), physical=False).d_signal
    (tmp_path / "r.hea").write_text(header.format(*sums(steps)))
    expected = wfdb.rdrecord(str(tmp_path / "r")).p_signal.T
    np.testing.assert_allclose(read(tmp_path / "r").signal, expected, rtol=1e-6)


def test_a_record_of_the_challenges(tmp_path):
    """Samples begin behind the 24 bytes of a .mat, and an ending in the record's name, as some copies have it, does no harm."""
    files = {"r.hea": pair(HEADER.replace("r.dat 16", "r.mat 16+24"))["r.hea"], "r.mat": bytes(24) + STEPS.tobytes()}
    files["r.hea"] = files["r.hea"].replace(b"r 2 250", b"r.mat 2 250")
    np.testing.assert_array_equal(read_bytes(files).signal, read_bytes(pair()).signal)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert find(tmp_path) == find(tmp_path / "r.mat") == [tmp_path / "r.hea"]
    assert read(tmp_path / "r.mat").leads == ("I", "V5")


def test_header_fields_that_may_be_left_out(lines):
    """Without gain, unit, rate and length the standard's values hold, and the gain is told in the log."""
    header = "r 2\nr.dat 16 0 16 7 0 {} 0 I\nr.dat 16 (3) 16 7 0 {} 0 II\n"
    record = read_bytes(pair(header))
    assert record.fs == 250.0
    np.testing.assert_allclose(record.signal[:, 0], [(110 - 7) / 200, (-7 - 3) / 200], rtol=1e-6)
    assert record.signal.shape == (2, 4)
    assert lines.text.count("no gain") == 2


@pytest.mark.parametrize(
    ("unit", "factor"), [("mV", 1), ("mv", 1), ("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3), ("V", 1e3), ("nV", 1e-6)]
)
def test_units_of_a_header(unit, factor):
    """Both letters mu, and any case, are read as they are meant."""
    record = read_bytes(changed("/uV", f"/{unit}"))
    np.testing.assert_allclose(record.signal[1, 1], factor, rtol=1e-6)


def test_other_signals_are_left_out_and_named(lines):
    """A pressure is no lead, and an EEG is no ECG though it is in volts."""
    assert read_bytes(changed("/uV", "/mmHg")).leads == ("I",)
    assert "V5 (mmHg, 250 Hz)" in lines.text
    assert read_bytes(changed("V5", "EEG C4")).leads == ("I",)
    assert "no lead of an ECG" in fault(
        changed("/uV", "/mmHg")
        | {"r.hea": pair()["r.hea"].replace(b"V/", b"").replace(b"/mV", b"/%").replace(b"/uV", b"/mmHg")}
    )


def test_leads_at_their_own_rates(lines):
    """Of two leads at 500 Hz and one at 250, the two are kept."""
    header = "r 3 250 2\nr.dat 16x2 100/mV 16 0 0 {} 0 I\nr.dat 16x2 100 16 0 0 {} 0 II\nr.dat 16 100 16 0 0 {} 0 III\n"
    frames = np.array([[1, 2, 11, 12, 21], [3, 4, 13, 14, 23]], "<i2")
    files = {"r.hea": header.format(10, 50, 44).encode(), "r.dat": frames.tobytes()}
    record = read_bytes(files)
    assert (record.fs, record.leads) == (500.0, ("I", "II"))
    np.testing.assert_allclose(record.signal, [[0.01, 0.02, 0.03, 0.04], [0.11, 0.12, 0.13, 0.14]], rtol=1e-6)
    assert "III (mV, 250 Hz)" in lines.text
    two = header.replace("r 3", "r 2").replace("16x2 100 16", "16 100 16").rsplit("r.dat", 1)[0]
    assert "different rates" in fault({"r.hea": two.format(0, 0).encode(), "r.dat": frames.tobytes()})


def test_a_skewed_lead_is_moved(lines):
    """A skew of one frame moves a lead to the left and leaves its end missing."""
    assert not lines.text
    record = read_bytes(changed("16 200/uV", "16:1 200/uV"))
    np.testing.assert_allclose(record.signal[1, :3], [1e-3, 2e-3, 0], rtol=1e-6)
    assert np.isnan(record.signal[1, 3])
    assert "skewed" in fault(changed("16 200/uV", "16:4 200/uV"))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("r.dat 16 100", "../r.dat 16 100", "no plain file name"),
        ("r.dat 16 100", "..\\r.dat 16 100", "no plain file name"),
        ("r.dat 16 100", "/etc/passwd 16 100", "no plain file name"),
        ("r.dat 16 100", "C:r.dat 16 100", "no plain file name"),
        ("r.dat 16 100", "s3://x/r.dat 16 100", "no plain file name"),
        ("r.dat 16 100", ".. 16 100", "no plain file name"),
        ("r.dat 16 100", "~ 16 100", "no plain file name"),
        ("r.dat 16 100", "q.dat 16 100", "q.dat is missing"),
        ("r.dat 16 100", "r.dat 516 100", "signal format 516 is not read"),
        ("r.dat 16 100", "r.dat 61 100", "signal format 61 is not read"),
        ("r.dat 16 100", "r.dat 212 100", "two things"),
        ("r.dat 16 100", "r.dat sixteen 100", "is not sound"),
        ("16 100(10)", "16 nan(10)", "is not sound"),
        ("16 100(10)", "16 1e999(10)", "is not sound"),
        ("16 100(10)", "16 1e-300(10)", "infinite numbers"),
        ("r 2 250 4", "r/2 2 250 4", "several segments"),
        ("r 2 250 4", "r 2 250 1000000000", "at most"),
        ("r 2 250 4", "r 2 250 4000", "holds 16 bytes where its header declares 16000"),
        ("r 2 250 4", "r 2 250 3", "has checksum"),
        ("r 2 250 4", "r 2 0 4", "0 Hz is no rate"),
        ("r 2 250 4", "r 2 1e9 4", "is no rate"),
        ("r 2 250 4", "r 2 fast 4", "not sound"),
        ("r 2 250 4", "r 2 250 -4", "not sound"),
        ("r 2 250 4", "r 3 250 4", "declares 3 signals and describes 2"),
        ("r 2 250 4", "r 0 250 4", "declares 0 signals"),
        ("r 2 250 4", "r 99999999 250 4", "99999999 channels"),
        ("r 2 250 4", "what is this", "no record line"),
        ("/uV", "/furlong", "no known unit"),
        (" V5", " I", "two of them are called 'I'"),
        (" V5", "", "lead 2 has no name"),
        (" V5", " V\x075", "unreadable name"),
        (" V5", " " + "V" * 200, "unreadable name"),
    ],
)
def test_a_header_that_cannot_be_followed(old, new, expected):
    """Each fault of a header is named before any signal file is opened or memory is taken."""
    assert expected in fault(changed(old, new), limits=Limits(samples=1000_000))


@pytest.mark.parametrize("counter", ["/(P0)", "/250(", "/x", "/250(0", "/"])
def test_a_counter_that_is_not_sound_is_refused(counter):
    """The wfdb package stops reading the line there, and takes the length of the file for that of the header."""
    assert "is not sound" in fault(changed("r 2 250 4", f"r 2 250{counter} 4"))
    assert read_bytes(changed("r 2 250 4", "r 2 250/1e3(-7.5) 4"), TOLD).fs == 250


def test_damaged_pairs():
    """A torn file, a changed sample, a lost file, a lost header, no text and no byte are told apart."""
    good = pair()
    assert "holds 15 bytes where its header declares 16" in fault(good | {"r.dat": good["r.dat"][:-1]})
    assert "lead V5 of r.dat has checksum" in fault(good | {"r.dat": good["r.dat"][:-1] + b"\1"})
    assert "r.dat is missing" in fault({"r.hea": good["r.hea"]})
    assert "no header" in fault({"r.dat": good["r.dat"]})
    assert "not UTF-8" in fault(good | {"r.hea": good["r.hea"] + b"# Gr\xf6\xdfe"})
    assert "r.hea is empty" in fault(good | {"r.hea": b""})
    assert "its header is empty" in fault(good | {"r.hea": b"# nothing\n"})
    assert "packed MATLAB" in fault(good | {"r.dat": b"MATLAB 5.0 MAT-file"})
    assert "bytes is none" in fault(good | {"r.hea": b"#" * 2_000_000})


def test_uploads_of_another_kind():
    """One upload is one recording, under plain names, of a kind that is read."""
    good = pair()
    assert "came with it" in fault(good | {"s.hea": good["r.hea"]})
    assert "s.dat came with it" in fault(good | {"s.dat": good["r.dat"]})
    assert "came with it" in fault(good | {"a.csv": b"1,2"})
    assert "came with it" in fault({"a.dat": b"1234", "b.dat": b"1234"})
    assert "holds no file" in fault({})
    assert "of no kind that is read" in fault({"a.exe": b"MZ"})
    assert "BDF is not read" in fault({"a.bdf": b"\xffBIOSEMI"})
    assert "archive" in fault({"a.npz": b"PK"})
    assert "lay its .hea beside it" in fault({"a.mat": b"MATLAB 5.0 MAT-file"})
    assert "SCP-ECG is not read" in fault({"a.scp": b"\0" * 9})
    assert "larger than the 10 bytes" in fault(good, limits=Limits(bytes=10))
    for name in ("../r.hea", "a/r.hea", "a\\r.hea", "/r.hea", "", "..", "r" * 300 + ".hea"):
        assert "plain file name" in fault({name: good["r.hea"]})
    assert read_bytes(good | {"r.atr": b"", "notes.txt": b"hello"}).leads == ("I", "V5")


def test_a_bare_signal_file():
    """A .dat without header is read as the caller says."""
    told = Told(fs=250, leads=("I", "V5"), gain=100, zero=10, format="16")
    record = read_bytes({"r.dat": STEPS.tobytes()}, told)
    np.testing.assert_allclose(record.signal[0], [1, 0, np.nan, -1], rtol=1e-6)
    told = Told(fs=360, leads=("I", "II"), gain=100, format="212")
    np.testing.assert_allclose(read_bytes({"r.dat": b"\x64\xf0\xff"}, told).signal, [[1.0], [-0.01]], rtol=1e-6)
    three = Told(fs=250, leads=("I", "II", "III"), gain=100, format="16")
    assert "no whole number of samples of 3 leads" in fault({"r.dat": STEPS.tobytes()}, three)
    assert "cannot be" in fault({"r.dat": STEPS.tobytes()}, Told(fs=250, leads=("I", "V5"), gain=0.0, format="16"))
    assert "give format" in fault({"r.dat": STEPS.tobytes()}, Told(fs=250, leads=("I",), gain=1, format="61"))


def test_nothing_is_left_in_the_temporary_folder(tmp_path, monkeypatch):
    """Whatever becomes of an upload, its private folder is gone afterwards."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    read_bytes(pair())
    fault(changed("r 2 250 4", "r 2 250 3"))
    monkeypatch.setattr(wfdb, "rdrecord", lambda *_, **__: 1 / 0)
    assert "r.hea cannot be read (ZeroDivisionError)" in fault(pair())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes(tmp_path, monkeypatch):
    """Clear its folder at the next reading, and that of no process that runs, nor one of this hour."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"pqrst-{dead.pid}-old", f"pqrst-{os.getpid()}-old", f"pqrst-{dead.pid}-new", "pqrst-notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "signal0").touch()
        if name.endswith("old"):
            os.utime(tmp_path / name, (0, 0))
    read_bytes(pair(), TOLD, Limits())
    assert {path.name for path in tmp_path.iterdir()} == {
        f"pqrst-{os.getpid()}-old",
        f"pqrst-{dead.pid}-new",
        "pqrst-notes",
    }


def test_no_path_leads_to_the_network_or_out_of_the_folder(tmp_path, monkeypatch):
    """A name that looks like an address is a file name, and a header reaches nothing but its neighbours."""

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    for name in (
        "s3://bucket/r",
        "https://physionet.org/files/mitdb/1.0.0/100",
        "simplecache::s3://x/r.hea",
        "mitdb/100",
    ):
        with pytest.raises(RecordError, match="no such file"):
            read(Path(name))
    odd = tmp_path / "zip::x" / "s3:" / "r"
    odd.mkdir(parents=True)
    for name, content in pair().items():
        (odd / name).write_bytes(content)
    assert read(Path("zip::x/s3:/r/r")).leads == ("I", "V5")
    (tmp_path / "r.dat").write_bytes(STEPS.tobytes())
    (odd / "r.hea").write_bytes(changed("r.dat 16 100", "../../../r.dat 16 100")["r.hea"])
    with pytest.raises(RecordError, match="no plain file name"):
        read(odd / "r.hea")


def test_find_lists_one_entry_a_recording(tmp_path):
    """A folder is searched through; headers stand for their signals, and other files do not count."""
    for name in (
        "b/r.hea",
        "b/r.dat",
        "b/r.atr",
        "a.csv",
        "c/x.NPY",
        "c/y.edf",
        "README.md",
        ".git/z.csv",
        "b/._r.hea",
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    names = ["a.csv", "b/r.hea", "c/x.NPY", "c/y.edf"]
    assert [path.relative_to(tmp_path).as_posix() for path in find(tmp_path)] == names
    for name in ("r", "r.hea", "r.dat"):
        assert find(tmp_path / "b" / name) == [tmp_path / "b" / "r.hea"]
    assert find(tmp_path / "README.md") == [tmp_path / "README.md"]
    assert find(tmp_path / "nothing") == [tmp_path / "nothing"]
    (tmp_path / "empty").mkdir()
    (found,) = find(tmp_path / "empty")
    with pytest.raises(RecordError, match="holds no recording"):
        read(found)


def test_a_path_gives_what_its_bytes_give(tmp_path):
    """The file and the upload are read alike, in every format, also through a link and beside a name with a tilde."""
    table, array, physio = b"# fs=250 units=mV\nI,II\n1,2\n3,4\n", npy([[1.0, 2], [3, 4]]), edf([ECG_I, ECG_II])
    for name, files in {
        "r.hea": pair(),
        "a.csv": {"a.csv": table},
        "a.npy": {"a.npy": array},
        "~a.edf": {"~a.edf": physio},
    }.items():
        for part, content in files.items():
            (tmp_path / part).write_bytes(content)
        one, other = read(tmp_path / name, TOLD), read_bytes(files, TOLD)
        np.testing.assert_array_equal(one.signal, other.signal)
        assert (one.record, one.fs, one.leads) == (other.record, other.fs, other.leads)
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    assert read(tmp_path / "link.csv").leads == ("I", "II")
    with pytest.raises(RecordError, match="at most 5 are read"):
        read(tmp_path / "a.csv", limits=Limits(bytes=5))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# fs=250 units=mV\nI,II\n1,2\n3,\n", Told()),
        ("\ufeff# fs=250 units=mV\r\nI,II\r\n1,2\r\n3,nan\r\n\r\n", Told()),
        ("# fs = 250\n# units: uV\nI;II\n1000;2000\n3e3;-\n", Told()),
        ("I;II\n1,0;2,0\n3,0;\n", TOLD),
        ("I\tII\n1\t2\n3\t\n", TOLD),
        ('"I","II"\n"1","2"\n"3",""\n', TOLD),
        ('"I","II"\n"1,0","2,0"\n"3,0",""\n', TOLD),
        ("1,2\n3,\n", TOLD),
        ("1;2\n3;\n", TOLD),
        ("I,II,\n1,2,\n3,,\n", TOLD),
        ("'I','II'\n'mV','mV'\n1,2\n3,-\n", Told(fs=250)),
        ("'Elapsed time','I','II'\n'seconds','mV','mV'\n0.000,1,2\n0.004,3,-\n", Told()),
        ("'Elapsed time','I','II'\n'hh:mm:ss.mmm','mV','uV'\n'0:00.000',1,2000\n'0:00.004',3,-\n", Told()),
        ("I,time_ms,II\n1,8,2\n3,12,\n", Told(units="mV")),
        ("time (ms),I (mV),II [uV]\n8,1,2000\n12,3,\n", Told()),
        (",I,II\n0,1,2\n1,3,\n", TOLD),
        ("'sample #','I','II'\n0,1224,1424\n1,1624,\n", Told(fs=250, gain=200, zero=1024)),
        ("# fs=250 gain=200 zero=1024\nI,II\n1224,1424\n1624,\n", Told()),
        ("I,II\nadu,adu\n200,400\n600,\n", Told(fs=250, gain=200)),
        ("I,II,Resp,Pulse\nmV,mV,mV,bpm\n1,2,9,60\n3,,9,61\n", Told(fs=250)),
    ],
)
def test_tables_of_many_hands(text, told):
    """Separators, quotes, names, units, times, counters and raw counts all lead to the same four numbers."""
    record = csv(text, told)
    assert (record.fs, record.leads) == (250.0, ("I", "II"))
    np.testing.assert_allclose(record.signal, [[1, 3], [2, np.nan]], rtol=1e-6)


def test_a_first_sample_that_is_missing_is_a_sample():
    """A line of empty cells below the names counts as a sample, and is not taken for units."""
    for text in ("I,II\n,\n1,2\n", "I,II\nnan,-\n1,2\n"):
        np.testing.assert_array_equal(csv(text).signal, [[np.nan, 1], [np.nan, 2]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I,II\n1,2\n3,x\n", "line 3, cell 2 holds 'x'"),
        ("I,II\n1,2\n3,inf\n", "line 3, cell 2 holds 'inf'"),
        ("I,II\n1,2\n3,1_0\n", "line 3, cell 2 holds '1_0'"),
        ("I,II\n1,2\n3,1e999\n", "line 3, cell 2 holds an infinite number"),
        ("I,II\n1,2\n3,1e300\n", "lead II has infinite numbers"),
        ("I,II\n1,2\n3,4,5\n", "line 3 has 3 cells where 2 belong"),
        ("I,II\n1,2\n\n3,4\n", "line 3 is empty"),
        ("I,II\n1,2\n" + "3" * 20000, "line 3 is longer"),
        ("I,I\n1,2\n", "two of them are called 'I'"),
        ("I,,II\n1,2,3\n", "lead 2 has no name"),
        ("I,II\n", "holds no numbers"),
        ("# fs=250\n", "holds no numbers"),
        ("\n\n", "holds no numbers"),
        ("# fs=much\nI,II\n1,2\n", "fs=much"),
        ("# fs=0\nI,II\n1,2\n", "do not say the same rate"),
        ("# fs=360\nI,II\n1,2\n", "do not say the same rate"),
        ("# units=V\nI,II\n1,2\n", "it says V and you say mV"),
        ("# gain=0\nI,II\n1,2\n", "cannot be"),
        ("I (V),II\n1,2\n", "it says V and you say mV"),
        ("1,2,3\n", "names of 2 leads"),
        ("time,I\n0,1\n0.004,1\n0.008,1\n0.012,1\n0.020,1\n", "not evenly spaced"),
        ("time,I\n0,1\n,1\n0.008,1\n", "not evenly spaced"),
        ("time,I\n0,1\n0,1\n", "not evenly spaced"),
        ("time,t,I\n0,0,1\n", "two columns of times"),
        ("time,I\nmonths,mV\n0,1\n1,2\n", "its times are in 'months'"),
        ("time\n0\n0.004\n", "has times and no lead"),
        ("sample,I\n0,1\n2,1\nx", "line 4"),
        (b"I,II\n1,2\xff\n", "line 2 is not UTF-8"),
        ("I,II\n1,2\n".encode("utf-16"), "line 1 is not UTF-8"),
        ('I,II\n"1\n2",3\n', "line 2"),
    ],
)
def test_tables_that_cannot_be_read(text, expected):
    """Each fault of a table names its line."""
    assert expected in csv_fault(text)


def test_what_a_table_does_not_say():
    """A table without rate, unit or names asks for them, and takes no word that contradicts it."""
    assert "give fs" in csv_fault("I,II\n1,2\n", Told(units="mV"))
    assert "give units, or gain" in csv_fault("I,II\n1,2\n", Told(fs=250))
    assert "give leads" in csv_fault("1,2\n", Told(fs=250, units="mV"))
    assert "'kg' is no unit" in csv_fault("I,II\n1,2\n", Told(fs=250, units="kg"))
    assert "leave gain out" in csv_fault("I,II\nmV,mV\n1,2\n", Told(fs=250, gain=200))
    assert "no known unit" in csv_fault("I,II\nadu,adu\n1,2\n", Told(fs=250))
    assert "is no rate" in csv_fault("I,II\n1,2\n", Told(fs=1e9, units="mV"))
    assert "rate" in csv_fault("I,II\n1,2\n", Told(fs=float("nan"), units="mV"))


def test_a_table_is_bounded_while_it_is_read():
    """The first line too many ends the reading."""
    assert "at most 10 are read" in csv_fault("I,II\n" + "1,2\n" * 6, limits=Limits(samples=10))
    assert "at most 1 are read" in csv_fault("I,II\n1,2\n", limits=Limits(leads=1))


@pytest.mark.parametrize("fs", [100, 128, 250, 257, 360, 500, 512, 1000])
def test_times_that_were_rounded_give_their_rate(fs):
    """Times written to the millisecond give the whole rate that they were rounded from."""
    rows = "".join(f"{k / fs:.3f},{k}\n" for k in range(2 * fs))
    assert csv("time,I\n" + rows, Told(units="mV")).fs == fs


def test_exact_times_give_a_rate_that_is_not_whole():
    """A rate of 128.5 Hz is not rounded away where the times are exact."""
    rows = "".join(f"{k / 128.5!r},{k}\n" for k in range(300))
    assert csv("time,I\n" + rows, Told(units="mV")).fs == pytest.approx(128.5, rel=1e-9)


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<f2", "<i2", "u1", ">i4"])
def test_arrays(kind, lines):
    """One lead, leads by samples, and an array on its side are told apart."""
    values = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], kind)
    for given_array in (values, np.asfortranarray(values), values.T):
        record = read_bytes({"a.npy": npy(given_array)}, TOLD)
        np.testing.assert_array_equal(record.signal, values.astype(np.float32))
    assert lines.text.count("was taken as (samples, leads)") == 1
    assert read_bytes({"a.npy": npy(values[0])}, Told(fs=250, leads=("I",), units="V")).signal[0, 0] == 1000
    raw = Told(fs=250, leads=("I", "II"), gain=2, zero=1)
    np.testing.assert_allclose(read_bytes({"a.npy": npy(values)}, raw).signal[0], [0, 0.5, 1, 1.5])


def test_arrays_that_cannot_be_read():
    """Objects, texts, shapes of other things, lies about the size, and words that are missing."""
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}, None]), allow_pickle=True)
    assert "array of object" in fault({"a.npy": pickled.getvalue()})
    assert "holds no samples" in fault({"a.npy": npy(["a"])})
    assert "holds no samples" in fault({"a.npy": npy([1j])})
    assert "is no recording" in fault({"a.npy": npy(np.zeros((2, 2, 2)))})
    assert "is no recording" in fault({"a.npy": npy(np.zeros((2, 0)))})
    assert "is no recording" in fault({"a.npy": npy(1.0)})
    assert "names of its 3 leads" in fault({"a.npy": npy(np.zeros((3, 30)))})
    assert "no rate" in fault({"a.npy": npy(np.zeros((2, 30)))}, Told(leads=("I", "II"), units="mV"))
    assert "give units" in fault({"a.npy": npy(np.zeros((2, 30)))}, Told(fs=250, leads=("I", "II")))
    assert "infinite" in fault({"a.npy": npy([[1, np.inf], [1, 2]])})
    assert "infinite" in fault({"a.npy": npy([[1, 1e300], [1, 2]])})
    good = npy(np.zeros((2, 30)))
    assert "holds 479 bytes where its header declares 480" in fault({"a.npy": good[:-1]})
    large = good.replace(b"(2, 30), }        ", b"(2, 9000000000), }")
    assert large != good
    assert "declares 144000000000" in fault({"a.npy": large})
    assert "at most 10 are read" in fault({"a.npy": good}, limits=Limits(samples=10))
    assert "does not begin as an NPY" in fault({"a.npy": b"\x93NUMPY"})
    assert "does not begin as an NPY" in fault({"a.npy": b"PK\3\4 an archive"})
    nested = b"\x93NUMPY\1\0" + (5000).to_bytes(2, "little") + b"(" * 5000
    assert "cannot be read" in fault({"a.npy": nested})
    assert "version (3, 0)" in fault({"a.npy": good[:6] + b"\3\0" + good[8:]})


def test_edf_by_hand(lines):
    """A step is worth the physical over the digital range; annotations, EEG and pressure are left out."""
    extra = [
        ("EEG C4", "uV", (-1, 1), 4, [0] * 8),
        ("Pressure", "mmHg", (-1, 1), 1, [0] * 2),
        ("EDF Annotations", "", (-1, 1), 4, [0] * 8),
    ]
    record = read_bytes({"a.edf": edf([ECG_I, ECG_II, *extra], plus="EDF+C")})
    assert (record.fs, record.leads, record.units) == (4.0, ("ECG I", "ECG II"), "mV")
    np.testing.assert_allclose(record.signal[0], [0, 0.5, -5, 5, 0.005, 0.01, 0.015, 0.02], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(record.signal[1], np.arange(0.05, 0.41, 0.05), rtol=1e-5)
    assert "EEG C4 (uV, 4 Hz), Pressure (mmHg, 1 Hz)" in lines.text


def test_edf_units_and_rates(lines):
    """Micro is written in Latin-1, a rate that most leads have wins, and a silent unit is the caller's to say."""
    micro, slow = ("ECG I", "µV", *ECG_I[2:]), ("ECG III", "mV", (-5, 5), 2, [0] * 4)
    record = read_bytes({"a.edf": edf([micro, ECG_II, slow])})
    assert record.leads == ("ECG I", "ECG II")
    assert record.signal[0, 3] == 5
    assert "ECG III (mV, 2 Hz)" in lines.text
    silent = edf([("I", "", *ECG_I[2:])])
    assert "no unit" in fault({"a.edf": silent}, Told())
    assert read_bytes({"a.edf": silent}, Told(units="uV")).signal[0, 3] == 5
    assert "different rates" in fault({"a.edf": edf([ECG_I, slow])})


def test_edf_that_cannot_be_read():
    """Torn, unfinished, discontinuous, of another kind, or without an ECG."""
    good = edf([ECG_I, ECG_II])
    assert "holds 799 bytes where its header declares 800 in 2 data records" in fault({"a.edf": good[:-1]})
    assert "holds 816 bytes" in fault({"a.edf": good + bytes(16)})
    assert "does not begin as an EDF file" in fault({"a.edf": good[:200]})
    assert "where a number must" in fault({"a.edf": good[:300]})
    assert "discontinuous" in fault({"a.edf": edf([ECG_I], plus="EDF+D")})
    assert "'-1' stands in its header" in fault({"a.edf": good[:236] + b"-1      " + good[244:]})
    assert "BDF" in fault({"a.edf": b"\xffBIOSEMI" + good[8:]})
    assert "does not begin as an EDF" in fault({"a.edf": edf([ECG_I], version="7")})
    assert "at most" in fault({"a.edf": good[:236] + b"99999999" + good[244:]}, limits=Limits(samples=1000_000))
    assert "9999 channels" in fault({"a.edf": good[:252] + b"9999" + good[256:]})
    assert "annotations and no signal" in fault({"a.edf": edf([("EDF Annotations", "", (-1, 1), 4, [0] * 8)])})
    assert "no lead of an ECG" in fault({"a.edf": edf([("EEG", "uV", (-1, 1), 4, [0] * 8)])})
    assert "two of them" in fault({"a.edf": edf([ECG_I, ECG_I])})
    assert "for steps" in fault({"a.edf": edf([("I", "mV", (1, 1), 4, [0] * 8)])})
    assert "cannot be read" in fault({"a.edf": edf([ECG_I], seconds=0)})
    assert "is no rate" in fault({"a.edf": edf([ECG_I], seconds=-1)})


@pytest.mark.real
def test_mit_bih_100_is_as_the_wfdb_package_reads_it(recordings):
    """Record 100, two leads of half an hour, from its path and from its bytes."""
    folder = recordings / "mitdb"
    expected = wfdb.rdrecord(str(folder / "100")).p_signal.T
    record = read(folder / "100")
    assert (record.fs, record.leads, record.signal.shape) == (360.0, ("MLII", "V5"), (2, 650000))
    np.testing.assert_allclose(record.signal, expected, atol=1e-6)
    upload = {name: (folder / name).read_bytes() for name in ("100.hea", "100.dat", "100.atr")}
    np.testing.assert_array_equal(read_bytes(upload).signal, record.signal)


@pytest.mark.real
def test_every_record_of_the_challenge_is_read(recordings):
    """210 records as the Challenges lay them out, one of each source against the wfdb package."""
    found = find(recordings / "challenge2021")
    headers = [path for path in found if path.suffix == ".hea"]
    if not headers:
        pytest.skip("no challenge2021 beside mitdb")
    assert {len(read(path).leads) for path in headers} == {12}
    for path in {path.parent: path for path in headers}.values():
        expected = wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T
        np.testing.assert_allclose(read(path).signal, expected, atol=1e-6)


@pytest.mark.real
def test_ptb_xl_is_read_at_both_rates(recordings):
    """Record 1 has 12 leads of ten seconds at 100 and at 500 Hz."""
    if not (recordings / "ptbxl").exists():
        pytest.skip("no ptbxl beside mitdb")
    for name, fs in (("records100/00000/00001_lr", 100), ("records500/00000/00001_hr", 500)):
        record = read(recordings / "ptbxl" / name)
        assert (record.fs, record.signal.shape) == (fs, (12, 10 * fs))
        expected = wfdb.rdrecord(str(recordings / "ptbxl" / name)).p_signal.T
        np.testing.assert_allclose(record.signal, expected, atol=1e-6)
