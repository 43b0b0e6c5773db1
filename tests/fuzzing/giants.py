"""Small inputs that declare, unpack to or nest into something huge, by target: each is refused at once, in bounded memory.

`python tests/fuzzing/giants.py` tries them in a process of its own, whose memory no other test has grown, and prints their number.
"""

import contextlib
import io
import json
import resource
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

ROOM = 1 << 30  # bytes of address space above what the process has when it begins
ZEROS = 200 << 20  # bytes that a bomb unpacks to


def headers() -> Iterator[tuple[str, bytes]]:
    """Give headers that declare too much."""
    from fuzzing.core import joined
    from fuzzing.of_datasets import header_of, mitbih_seeds, steps_of

    line, signal = "r.dat 16 200 16 0 0 0 0 I\n", bytes(8)
    for head in (
        "r 1000000 250 4\n",
        "r 1 250 1000000000000\n",
        "r 1 1e300 4\n",
        "r 999999999999 250\n",
        "r 1 250 " + "9" * 18 + "\n",
    ):
        yield "wfdb", b"\0" + joined(f"{head}{line}".encode(), signal)
    for packing in ("16x999999", "16:999999999", "16+999999999999", "212x999999", "8x999999"):
        yield "wfdb", b"\0" + joined(f"r 1 250 4\n{line.replace(' 16 ', f' {packing} ', 1)}".encode(), signal)
    yield "wfdb", b"\0" + joined(("r 64 250\n" + line * 64 + "# \n" * 400_000).encode(), signal)
    head, marks = header_of().decode(), mitbih_seeds()[1].split(b"-8<-")[2]
    for old, new in (
        (" 12 500 4", " 999999999 500 4"),
        (" 500 4", " 500 999999999"),
        (" 500 4", " 1e300 4"),
        ("+24", "+999999999"),
    ):
        yield "challenge", joined(head.replace(old, new).encode(), steps_of())
    for length in (10**12, 10**18, 10**30):
        yield "mitbih", joined(f"100 2 360 {length}\n{'100.dat 212 200(1024)/mV V5'}\n".encode() * 2, b"", marks)


def arrays() -> Iterator[tuple[str, bytes]]:
    """Give arrays that declare more than they hold."""
    from fuzzing.core import joined
    from fuzzing.of_recordings import edf_of
    from fuzzing.of_settings import bundles

    for shape in ((10**12,), (2, 10**9), (10**6, 10**6), (2, 2**62), (2**40, 2**40)):
        head = str({"descr": "<f8", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
        made = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head
        yield "npy", b"\0" + made
        parts = bundles()[0].split(b"\n-8<-\n")
        yield "bundle", joined(parts[0], parts[1], made, parts[3])
        yield "bundle", joined(parts[0], made, parts[2], parts[3])
    yield "npy", b"\0\x93NUMPY\x02\x00\xff\xff\xff\xff{'shape'"
    edf = edf_of()
    for start, text in ((236, b"99999999"), (252, b"9999"), (256 + 2 * 216, b"99999999"), (244, b"1e-300")):
        yield "edf", b"\0" + edf[:start] + text + edf[start + len(text) :]


def files() -> Iterator[tuple[str, bytes]]:
    """Give files whose parts unpack to, or declare, far more than they are."""
    from fuzzing.of_datasets import structs

    for size in (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"):
        yield "mat5", b"-" + structs()[0][1:129] + b"\x0e\0\0\0" + size + bytes(64)
    packed = zlib.compress(bytes(ZEROS), 1)
    yield "mat5", b"-" + structs()[0][1:129] + (b"\x0f\0\0\0" + len(packed).to_bytes(4, "little") + packed) * 9
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.hea", bytes(ZEROS))
    yield "packs", archive.getvalue()
    for options in ({"data": np.zeros((12, 5)), "chunks": (12, 10**7), "maxshape": (12, None), "compression": "gzip"},
                    {"shape": (12, 10**12), "dtype": "f8", "chunks": (12, 1000)}, {"shape": (12, 5), "dtype": "S30000000"}):  # fmt: skip
        file = io.BytesIO()
        with h5py.File(file, "w") as held:
            held.create_dataset("ecg", **options)
        yield "hdf5", file.getvalue()


def texts() -> Iterator[tuple[str, bytes]]:
    """Give tables and settings that are one endless line, nested without end, or refer to themselves."""
    yield "csv", b"\0" + b"1," * 20_000_000
    yield "csv", b"\0I\n" + b"1" * 40_000_000
    levels = [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" if k else "a0: &a0 [x, x]" for k in range(30)]
    yield "yaml", "\n".join(levels).encode()
    yield "yaml", b"a: &a [*a]\n"
    yield "yaml", b"[" * 50_000
    yield "yaml", b"a: 1\n" * 400_000
    yield "yaml", b"epochs: 0x" + b"f" * 100_000
    yield "tables", "\n".join(levels).encode()
    for name in ("contract", "ledger", "json"):
        yield name, b"[" * 100_000
        yield name, b'{"schema": 5, "seed": ' + b"9" * 100_000 + b"}"
    yield "contract", json.dumps({"schema": 5, "run": ["x" * 1000] * 1000}).encode()
    yield "json", json.dumps({"fs": 1, "leads": ["I"], "samples": "x" * 200_000, "x" * 40_000: 1}).encode()


def exports() -> Iterator[tuple[str, bytes]]:
    """Give XML of many elements, tags and entities without end, waveforms that unpack to or declare far more than they hold, small elements of DICOM."""
    import formats

    laughs = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "ha" * 10}">' for k in range(12))
    for text in (
        f"<!DOCTYPE a [{laughs}]><a>&l11;</a>",
        f'<!DOCTYPE a [<!ENTITY a "{"a" * 100_000}">]><a>{"&a;" * 10_000}</a>',
        f'<!DOCTYPE a [<!ATTLIST a b CDATA "{"x" * 100_000}">]><a>{"<a/>" * 20_000}</a>',
        "<a>" * 1_000_000,
        "<a>" + "<b/>" * 1_000_000,
        '<a b="' + "x" * 20_000_000,
        "<a " + " ".join(f'b{k}=""' for k in range(1_000_000)) + "/>",
        "<!--" + "x" * 20_000_000,
    ):
        yield "muse", b"\0" + text.encode()
    found = formats.steps(0.1, 250.0)
    muse, philips = formats.muse(found[:2], 250, ("I", "II")), formats.philips(found, 250)
    yield "muse", b"\0" + muse.replace(b"<WaveFormData>", b"<WaveFormData>" + b"A" * 8_000_000)
    yield "aecg", b"\0" + formats.aecg(found, 250).replace(b"<digits>", b"<digits>" + b"1 " * 2_500_000)
    yield "philips", b"\0" + philips.replace(b'durationperchannel="100"', b'durationperchannel="1e12"')
    zeros = formats.lzw(bytes(1_000_000))
    for length in (len(zeros), 2**31 - 1, 2**32 - 8):
        yield "xli", length.to_bytes(4, "little") + bytes(4) + zeros
    for options in ({"shape": (12, 10**12), "dtype": "f8", "chunks": (12, 1000)}, {"shape": (10**9, 4096, 12), "dtype": "f4", "chunks": (1, 4096, 12)},
                    {"shape": (12, 5), "dtype": "f8", "chunks": (12, 10**7), "maxshape": (12, None), "compression": "gzip"}):  # fmt: skip
        file = io.BytesIO()
        with h5py.File(file, "w") as held:
            held.create_dataset("tracings", **options)
        yield "tracings", b"\0" + file.getvalue()
    bomb = formats.mat(val=np.zeros((12, ZEROS // 96)))
    yield "mat", b"\0" + bomb
    with contextlib.suppress(ImportError):
        head = formats.dicom_file(None)
        for inside in (b"\xfe\xff\x00\xe0\0\0\0\0" * 1_000_000, b"\x01\x54\x01\x00LO\0\0" * 1_000_000):
            yield "dicom", b"\0" + head + b"\x00\x54\x00\x01SQ\0\0" + len(inside).to_bytes(4, "little") + inside
            yield "dicom", b"\0" + head + inside


def requests() -> Iterator[tuple[str, bytes]]:
    """Give requests with endless lengths, parts and rates."""
    from fuzzing.core import joined
    from fuzzing.of_served import part

    yield "headers", joined(b"content-type: application/json\ncontent-length: " + b"9" * 5000, b"", b"{}")
    yield "form", b"multipart/form-data; boundary=b\n" + part("a", b"") * 20_000
    yield "form", b"multipart/form-data; boundary=" + b"b" * 200_000 + b"\n--b"
    yield "form", b"multipart/form-data; boundary=b\n" + part("fs", b"1" * 300_000)
    wave = np.sin(np.arange(4_000_000) / 5).astype("<f4").tobytes()
    yield "prepare", np.array([1.0], "<f8").tobytes() + wave


def main() -> None:
    """Try every giant."""
    from fuzzing import targets
    from fuzzing.core import attempt

    known = targets.everyone()
    tried = [given for made in (headers, arrays, files, texts, exports, requests) for given in made()]
    for name in dict(tried):
        attempt(known[name], known[name].seeds()[0])  # imports and caches
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM, held + ROOM))
    for name, data in tried:
        try:
            assert not attempt(known[name], data), "it was taken for a recording"
        except Exception as error:
            raise AssertionError(f"{name}: {data[:80]!r}") from error
    print(len(tried))  # noqa: T201 (the test that starts this reads it)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
