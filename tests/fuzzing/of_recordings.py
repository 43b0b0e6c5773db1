"""Targets of `pqrst.recordings`: what strangers hand in, as files of an upload."""

import io
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import wfdb

from fuzzing.core import Target, joined, laid, split
from pqrst.arrays import Record
from pqrst.recordings import Limits, Told, _wfdb, read_bytes, read_marks

LIMITS = Limits(leads=64, samples=2_000_000, bytes=1_000_000)
TOLDS = (
    Told(250.0, ("I", "II"), "mV"),
    Told(),
    Told(360.0, ("MLII",), "", 200.0, 1024.0, "212"),
    Told(500.0, ("I", "II", "V1"), "", 100.0, None, "16"),
    Told(None, ("I", "II"), "uV"),
)


def sound(record: Record) -> bool:
    """Hold a recording to what every recording is."""
    assert record.signal.ndim == 2
    assert record.signal.shape[0] == len(record.leads) == len(set(record.leads)) > 0
    assert record.signal.shape[1] > 0
    assert record.signal.dtype == np.float32
    assert not np.isinf(record.signal).any()
    assert 1 <= record.fs <= 100_000
    return True


def header_of(packing: str) -> bytes:
    lines = [
        "r 2 250 6",
        f"r.dat {packing} 100(10)/mV 12 0 5 0 0 I",
        f"r.dat {packing} 200/uV 12 0 -7 0 0 V5",
        "# a comment",
    ]
    return "\n".join([*lines, ""]).encode()


def _pairs() -> list[bytes]:
    steps = np.arange(-6, 6, dtype="<i2").tobytes()
    full = b"r 2 250/250(0) 6 12:00:00 01/01/2020\nr.dat 16 100(10)/mV 16 0 -6 65530 0 I\nr.dat 16 200/uV 16 0 -5 0 0 V5\n#Dx: 1\n"
    twice = b"r 2 250 3\nr.dat 16x2 100 12 0 0 0 0 I\nr.dat 16x2:1+0 .5e1(-3)/uV 12 0 0 0 0 II\n"
    pairs = [
        *(
            joined(header_of(packing), bytes(range(40)))
            for packing in ("8", "16", "24", "80", "160", "212", "310", "311")
        ),
        joined(full, steps),
        joined(twice, steps),
        joined(b"r 1\nr.dat 32 1/nV 32 0 0 0 0 I\n", bytes(range(1, 13))),
    ]
    return [*told(0, *pairs), *told(1, pairs[-3])]


def wfdb_pair(data: bytes) -> bool:
    """Read a header and its signal file; what comes is what the wfdb package gives of the same files.

    An even first byte leaves the checksums out, so that changed samples are seen by what comes after them.
    """
    header, signal = split(data[1:], 2)
    with ExitStack() as stack:
        if data[:1] and not data[0] % 2:
            stack.enter_context(patch.object(_wfdb, "_check_sums", lambda *_: None))
        record = read_bytes({"r.hea": header, "r.dat": signal}, TOLDS[0], LIMITS)
    sound(record)
    _as_wfdb(record, header, signal)
    return True


def _as_wfdb(record: Record, header: bytes, signal: bytes) -> None:
    """Compare where wfdb reads the header too, and both mean the same by it."""
    folder = laid(r_hea=header, r_dat=signal)
    try:
        theirs = wfdb.rdrecord(str(folder / "r"), smooth_frames=False)
        plain = not any(theirs.skew or ()) and len(set(theirs.samps_per_frame)) == 1
    except Exception:  # noqa: BLE001 (what wfdb cannot read it cannot be asked about)
        return
    names = [name.strip() for name in theirs.sig_name or () if name]
    if (
        not plain
        or len(names) != theirs.n_sig
        or any(not gain > 0 or not 1e-30 < gain < 1e30 for gain in theirs.adc_gain)
    ):
        return
    scales = {"mV": 1.0, "uV": 1e-3, "V": 1e3, "nV": 1e-6}
    for name, ours in zip(record.leads, record.signal, strict=True):
        place = names.index(name) if names.count(name) == 1 else -1
        if place < 0 or theirs.units[place] not in scales or theirs.e_p_signal is None:
            continue
        expected = theirs.e_p_signal[place] * scales[theirs.units[place]]
        np.testing.assert_allclose(ours, expected.astype(np.float32), rtol=1e-5, atol=1e-6)


def upload(name: str) -> Callable[[bytes], bool]:
    """Make a target of one file whose first byte chooses what the caller says of it."""

    def check(data: bytes) -> bool:
        told = TOLDS[data[0] % len(TOLDS)] if data else TOLDS[0]
        return sound(read_bytes({name: data[1:]}, told, LIMITS))

    return check


def several(data: bytes) -> bool:
    """Read an upload whose names are part of the input."""
    parts = split(data, 4)
    files = {name.decode("utf-8", "replace"): content for name, content in zip(parts[::2], parts[1::2], strict=True)}
    return sound(read_bytes(files, TOLDS[0], LIMITS))


def told(choice: int, *contents: bytes) -> list[bytes]:
    return [bytes([choice]) + content for content in contents]


def array_of(values: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, version)
    return file.getvalue()


def edf_of(
    channels: Sequence[tuple[str, str, int]] = (("ECG I", "uV", 4), ("ECG II", "mV", 4)),
    records: int = 2,
    plus: str = "",
) -> bytes:
    """Build an EDF file of (label, unit, samples a record) by its specification."""
    count = len(channels)
    fixed = ("0", "X", "X", "01.01.20", "00.00.00", 256 * (count + 1), plus, records, 1, count)
    rows = [
        *((label, "", unit, -5000, 5000, -1000, 1000, "", samples, "") for label, unit, samples in channels),
    ]
    head = "".join(
        str(value).ljust(width) for value, width in zip(fixed, (8, 80, 80, 8, 8, 8, 44, 8, 8, 4), strict=True)
    )
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    head += "".join(str(row[place]).ljust(width) for place, width in enumerate(widths) for row in rows)
    samples = np.arange(records * sum(samples for *_, samples in channels), dtype="<i2")
    return head.encode("latin-1") + samples.tobytes()


def marks(data: bytes) -> bool:
    """Read the annotations beside a recording; those that come are in order."""
    found = read_marks(laid(r_atr=data) / "r.hea", "atr")
    assert all(isinstance(sample, int) and isinstance(symbol, str) for sample, symbol in found)
    assert [sample for sample, _ in found] == sorted(sample for sample, _ in found)
    return bool(found)


def annotations() -> bytes:
    """Write marks as MIT-BIH's annotators do: a rhythm with its text, beats, a long interval."""
    folder = laid()
    samples, symbols = np.array([5, 77, 370, 662, 9000]), np.array(["+", "N", "V", "N", "A"])
    wfdb.wrann("made", "atr", samples, symbols, aux_note=["(N", "", "", "", ""], fs=360, write_dir=str(folder))
    return (folder / "made.atr").read_bytes()


TABLES = (
    b"# fs=250 units=mV\ntime,I,II\ns,mV,mV\n0.000,1,2\n0.004,3,-4.5e0\n0.008,,5\n",
    b"I,II\n1,2\n3,4\n",
    b"'Elapsed time';'MLII'\n'mm:ss.mmm';'mV'\n0:00.000;-0,145\n0:00.004;-0,145\n",
    b"sample #\tMLII (mV)\tV5 [uV]\n0\t1.5\t2\n1\t1.25\t3\n",
    b"# gain=200 zero=1024 fs=360\nI,II,\n1000,1020,\n-,1_0,\n",
)
ARRAYS = (
    array_of(np.ones((2, 6), np.float32)),
    array_of(np.arange(12, dtype=">i2").reshape(6, 2), (2, 0)),
    array_of(np.asfortranarray(np.arange(12.0).reshape(2, 6))),
    array_of(np.array([1, np.nan, np.inf], np.float16)),
)
TARGETS = {
    "wfdb": Target(wfdb_pair, _pairs, 1024),
    "bare": Target(upload("r.dat"), lambda: [*told(2, bytes(range(60))), *told(3, bytes(range(60)))], 512),
    "csv": Target(upload("a.csv"), lambda: [one for k in range(5) for one in told(k, *TABLES)], 2048),
    "npy": Target(upload("a.npy"), lambda: told(0, *ARRAYS), 512),
    "edf": Target(upload("a.edf"), lambda: told(0, edf_of(), edf_of((("EDF Annotations", "", 30), ("II", "mV", 2)), 1, "EDF+C")), 1536),
    "several": Target(several, lambda: [joined(b"r.hea", header_of("16"), b"r.dat", bytes(24)), joined(b"a.npy", ARRAYS[0]), joined(b"a.csv", TABLES[0])], 1024, 400),
    "marks": Target(marks, lambda: [annotations()], 512),
}  # fmt: skip
