"""Targets of the readers of databases: their headers, arrays, tables and archives, as a damaged or foreign copy has them."""

import io
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat

from fuzzing.core import Target, joined, laid, room, split
from fuzzing.of_recordings import annotations
from pqrst import downloads, mat5, packs, quality
from pqrst.arrays import Record
from pqrst.datasets import (
    _challenge_files,
    _kaggle,
    _label_tables,
    _mitbih,
    _wfdb12,
    challenge2021,
    chapman,
    cpsc2018,
    ptbxl,
    sph,
)
from pqrst.downloads import Source
from pqrst.packs import Packs

LEADS = _wfdb12.LEADS
CLASSES = {"N": 0, "V": 1}


class Held(Packs):
    """Files of a database that are held in memory."""

    def __init__(self, **files: bytes) -> None:
        super().__init__(Path("held"), ())
        self.files = {".".join(name.rsplit("_", 1)): content for name, content in files.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def names(self) -> list[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]


def twelve(record: Record, samples: int | None = None) -> bool:
    """Hold a twelve-lead recording to what every one is, and its numbers in mV, once its faults are mended, to be finite."""
    assert record.signal.shape == (12, samples or record.signal.shape[1])
    assert record.signal.shape[1] > 0
    assert np.isfinite(record.fs)
    assert record.leads == LEADS
    found, made = quality.examine(record, quality.Limits()), record
    if quality.refusal(record.record, found, quality.Policy())[0] is None:
        made = quality.mended(record, found, quality.Policy())
        assert np.isfinite(made.in_units()).all()
    assert all("\n" not in flag and " " not in flag for flag in made.quality)
    return True


def header_of(told: str = "#Age: 74\n#Sex: Male\n#Dx: 426783006,164889003\n", count: int = 12) -> bytes:
    lines = [f"A0001.mat 16+24 1000/mV 16 0 {k} {4 * k + 6} 0 {lead}" for k, lead in enumerate(LEADS[:count])]
    return "\n".join([f"A0001 {count} 500 4", *lines, told]).encode()


def steps_of(count: int = 12) -> bytes:
    return bytes(24) + (np.arange(count)[None, :] + np.arange(4)[:, None]).astype("<i2").tobytes()


def challenge(data: bytes) -> bool:
    """Read a recording of the Challenge 2021, labels and all."""
    header, signal = split(data, 2)
    files = Held(**{"georgia/A0001_hea": header, "georgia/A0001_mat": signal})
    return twelve(challenge2021._record("georgia/A0001", ["georgia/A0001"], files, {}))


def cpsc(data: bytes) -> bool:
    """Read a recording of CPSC 2018: a struct of a MATLAB file, bare or packed by its first byte."""
    content = data[1:]
    if data[:1] == b"P":  # what stands behind the file's head is packed here, so that changes reach the unpacked bytes
        import zlib

        packed = zlib.compress(content[128:])
        content = content[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    row = {"Recording": "A0001", "First_label": "1", "file": "A0001.mat"}
    return twelve(cpsc2018._of_struct(row, "1", Held(A0001_mat=content)))


@cache
def structs() -> list[bytes]:
    found = []
    for packed, data in (
        (False, np.arange(24.0).reshape(12, 2)),
        (False, np.arange(24, dtype=np.int16).reshape(12, 2)),
        (True, np.ones((12, 2))),
    ):
        file = io.BytesIO()
        savemat(file, {"x": 1.0, "ECG": {"sex": "Female", "age": 74.0, "data": data}}, do_compression=packed)
        found += [b"-" + file.getvalue(), *([] if packed else [b"P" + file.getvalue()])]
    return found


def structs_of(data: bytes) -> bool:
    """Read a struct; it has the names of its fields, each an array of numbers or text."""
    try:
        found = mat5.struct(data[1:], "ECG")
    except ValueError:  # what the readers above it turn into a refusal
        return False
    assert all(isinstance(value, str | np.ndarray) for value in found.values())
    return True


def hdf5(data: bytes) -> bool:
    """Read a recording of SPH out of an HDF5 file."""
    row = {
        "ECG_ID": "A00001",
        "AHA_Code": "1",
        "Patient_ID": "S1",
        "Age": "61",
        "Sex": "F",
        "N": "5",
        "file": "A00001.h5",
    }
    return twelve(sph._record(row, {}, Held(A00001_h5=data)), 5)


@cache
def hierarchies() -> list[bytes]:
    found = []
    for options in (
        {},
        {"chunks": (4, 5)},
        {"chunks": (12, 5), "compression": "gzip"},
        {"fletcher32": True},
        {"shuffle": True},
    ):
        file = io.BytesIO()
        with h5py.File(file, "w") as made:
            made.create_dataset("ecg", data=np.arange(60, dtype=np.float16).reshape(12, 5) / 100, **options)
        found.append(file.getvalue())
    return found


def mitbih(data: bytes) -> bool:
    """Read a recording of MIT-BIH: header, samples and annotations."""
    header, signal, marks = split(data, 3)
    record = _mitbih.read(laid(**{"100_hea": header, "100_dat": signal, "100_atr": marks}), "100", CLASSES, "100")
    assert record.signal.shape[0] == 2 == len(record.leads)
    assert np.isfinite(record.in_units()).all()
    assert record.marks is not None
    assert len(record.marks.samples) == len(record.marks.labels) > 0
    assert (np.diff(record.marks.samples) >= 0).all()
    assert 0 <= record.marks.samples[0] <= record.marks.samples[-1] < record.signal.shape[1]
    return True


def mitbih_seeds() -> list[bytes]:
    line = "100.dat 212 200 11 1024"
    plain = f"100 2 360 9100\n{line} 1024 0 0 MLII\n{line} 1024 0 0 V5\n# 69 M\n"
    sparse = "100 2 360 9100\n100.dat 212 200(1024)/mV MLII\n100.dat 212 200(1024)/mV V5\n"
    signal = (b"\x00\x44\x00") * 9100
    return [joined(text.encode(), signal, annotations()) for text in (plain, sparse)]


def ptbxl_table(data: bytes) -> bool:
    """Read PTB-XL's table, and the labels, age and notes of each row."""
    table = ptbxl._ordered(_label_tables.read("PTB-XL", "t.csv", data, ptbxl.COLUMNS, ptbxl.OTHERS))
    for row in _label_tables.rows(table):
        numbers = ptbxl.labels(row["scp_codes"], row["ecg_id"])
        assert len(numbers) == 71
        assert all(0 <= number <= 101 for number in numbers)
        told, person = ptbxl._person(row, row["ecg_id"])
        assert set(told) == {"age", "sex"} and not person["age"] > 130  # noqa: PT018
        assert all(value in (0, 1) for value in ptbxl._notes(row).values())
        assert ptbxl._whole(row, "strat_fold", row["ecg_id"]) >= 0
    return True


PTBXL = (
    b"ecg_id,patient_id,age,sex,scp_codes,strat_fold,filename_lr,filename_hr,pacemaker,baseline_drift,static_noise,burst_noise,"
    b"electrodes_problems,extra_beats,device\n"
    b"2,15709.0,56.0,1,\"{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}\",3,records100/00000/00002_lr,r/2,\"ja, pacemaker\",,\" , I-V1,  \",,,,CS-12\n"
    b"1,3,300,0,{'IMI': 35},10,records100/00000/00001_lr,r/1,,,,,,1ES,\n"
)


def reference(data: bytes) -> bool:
    """Read CPSC's table of labels."""
    table = cpsc2018._reference(data)
    assert set(table["First_label"]) <= set("123456789")
    assert set(table["Second_label"]) <= {"", *"123456789"}
    return True


def metadata(data: bytes) -> bool:
    """Read SPH's table, and apply its rules."""
    kept = sph.kept(_label_tables.read("SPH", "m.csv", data, sph.COLUMNS))
    assert len(sph.memberships(kept)) == len(kept)
    return True


def diagnostics(data: bytes) -> bool:
    """Read Chapman's table, and a recording of its first row out of the CSV file beside it."""
    table, content = split(data, 2)
    rows, _ = chapman._from_table(Held(Diagnostics_csv=table), chapman.Params())
    for row in _label_tables.rows(chapman.one_rhythm(rows))[:1]:
        files = Held(**{row["file"].replace(".csv", "_csv"): content})
        return twelve(chapman._of_csv(row, "1", files), 5000)
    return True


@cache
def chapman_seeds() -> list[bytes]:
    names = ["FileName", "Rhythm", "Beat", "PatientAge", "Gender", *chapman.MEASURES]
    table = pd.DataFrame([("MUSE_1", "AFIB", "RBBB", "85", "MALE", *["117"] * len(chapman.MEASURES))], columns=names)
    text = table.to_csv(index=False).encode()
    samples = b"\n".join([b",".join([b"1"] * 12)] * 5000)
    return [
        joined(text, samples),
        joined(text, b"I,II,III\n1,2,3\n"),
        joined(text, ",".join(LEADS).encode() + b"\n" + samples),
    ]


def kaggle(data: bytes) -> bool:
    """Read a file of Kaggle's heartbeats, each row's label a class and its values finite."""
    table = _kaggle._read(laid(rows_csv=data) / "rows.csv")
    assert table.shape[1] == 188
    assert np.isfinite(table).all()
    assert set(table[:, -1]) <= {0, 1, 2, 3, 4}
    return True


def unpacked(data: bytes) -> bool:
    """Unpack what Kaggle sent, in place of the archive and nowhere else."""
    folder = laid(mitbih_train_csv=data)
    _kaggle._unpack(folder / "mitbih_train.csv")
    assert not (folder / "mitbih_train.plain").exists()
    return True


def archive_of(how: int, **files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(".".join(name.rsplit("_", 1)), content)
    return packed.getvalue()


def pack(data: bytes) -> bool:
    """Read every file of an archive of recordings, as the readers of databases do."""
    folder = room() / "packs"
    folder.mkdir(exist_ok=True)
    (folder / "001.zip").write_bytes(data)
    with packs.open_all(folder) as files:
        total = sum(len(files.read(name)) for name in files.names()[:50])
        assert total <= len(data) * 50, "an archive of stored files cannot hold more than its own bytes"
        assert not any(name in files for name in ("../x", "/etc/passwd", "a\\b"))
    packs._held(folder / "001.zip")
    return True


def sums(data: bytes) -> bool:
    """Read a list of checksums; what it names is checked before anything is fetched."""
    source = Source(str(laid(SHA256SUMS_txt=data)), "mirror")
    found = downloads.checksums(source)
    assert all(len(one) == 64 for one in found.values())
    downloads.check(source, list(found), room() / "elsewhere")
    assert not any(".." in Path(name).parts or name.startswith("/") for name in found)
    return bool(found)


def records_list(data: bytes) -> bool:
    """Read the list of MIT-BIH's records, and refuse names that lead elsewhere."""
    folder = laid(RECORDS_=data)
    (folder / "RECORDS.").replace(folder / "RECORDS")
    names = _mitbih._names(folder)
    downloads.check(Source(str(folder), "mirror"), names, room() / "elsewhere")
    return True


def comments(data: bytes) -> bool:
    """Read what a header of the Challenge tells in its comments."""
    codes = _challenge_files.codes("r", _challenge_files.told(_wfdb12.comments("r", data)))
    assert all(code == code.strip() and code for code in codes)
    return True


SUMS = b"".join(
    bytes([48 + k]) * 64 + name for k, name in enumerate((b"  RECORDS\n", b" *./a/b.hea\n", b"\tx y.dat\r\n"))
)
ROWS = b"\n".join([b",".join([b"0.5"] * 187 + [b"%d" % label]) for label in (0, 4)]) + b"\n"
META = b"ECG_ID,AHA_Code,Patient_ID,Age,Sex,N,Date\nA00001,1,S1,61,F,5,2020\nA2,22;23,S1,,M,5,\nA3,60+310,S2,7,F,5,\n"


SPARSE = b"A0001.mat 2 257/1(0) 4\nA0001.mat 16x1+24 4.5(-7)/uV 16 V6\nA0001.mat 16+24 1e3 16 AVR\n#Dx:1\n#Age: NaN"


def fixed(*given: bytes) -> Sequence[bytes]:
    return given


TARGETS = {
    "challenge": Target(challenge, lambda: fixed(joined(header_of(), steps_of()), joined(header_of("# Dx: 1\n", 2), steps_of(2)), joined(SPARSE, steps_of(2)))),
    "comments": Target(comments, lambda: fixed(header_of(), b"# Dx: 1, 2,\n#Age: NaN\nA 1 500 4"), 1024),
    "cpsc": Target(cpsc, structs),
    "mat5": Target(structs_of, structs),
    "hdf5": Target(hdf5, hierarchies, 16384, 100),
    "mitbih": Target(mitbih, mitbih_seeds, 65536, 12),
    "ptbxl": Target(ptbxl_table, lambda: fixed(PTBXL), 2048, 30),
    "reference": Target(reference, lambda: fixed(b"Recording,First_label,Second_label,Third_label\nA0001,5,,\nA0002,1,8,9\n"), 1024, 60),
    "metadata": Target(metadata, lambda: fixed(META), 1024, 30),
    "chapman": Target(diagnostics, chapman_seeds, 131072, 8),
    "kaggle": Target(kaggle, lambda: fixed(ROWS), 4096, 60),
    "unpack": Target(unpacked, lambda: fixed(archive_of(8, mitbih_train_csv=ROWS), ROWS), 2048),
    "packs": Target(pack, lambda: fixed(archive_of(0, A_hea=b"A 1", b_dat=bytes(9), SHA256SUMS_txt=SUMS), archive_of(8, a_hea=bytes(99))), 2048),
    "sums": Target(sums, lambda: fixed(SUMS), 1024),
    "records": Target(records_list, lambda: fixed(b"100\n101\n", b"a/b\nc"), 512),
}  # fmt: skip
