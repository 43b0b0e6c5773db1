"""A recording that nobody has seen, from a file or from the bytes of an upload, in mV.

Which formats there are stands in docs/formats.md. Every fault of a file is one line, a RecordError, whatever its bytes are.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings import _csv, _dicom, _edf, _hdf5, _mat, _npy, _wfdb, _xml
from pqrst.recordings._leads import Limits, Source, Told, check_names, reason, shown, size, stream
from pqrst.recordings._marks import read as read_marks

__all__ = ["ENDINGS", "Limits", "Told", "check_names", "find", "read", "read_bytes", "read_marks", "shown"]

Reader = Callable[[str, Source, Told, Limits], Record]

HDF5 = (".h5", ".hdf5")
SIGNALS = (".dat", ".mat")  # what a .hea stands for
OTHERS = {  # recordings that are not read, and what to do with them
    ".bdf": "BDF is not read; convert it to EDF",
    ".npz": "an archive of arrays is not read; save the array of the signal as .npy",
    ".scp": "SCP-ECG is not read; export it as DICOM or HL7 aECG",
    ".pdf": "a PDF holds a picture of a recording; export the waveform, as DICOM or XML",
}
READERS: Mapping[str, Reader] = {
    ".csv": _csv.read, ".npy": _npy.read, ".edf": _edf.read, ".dat": _wfdb.read_bare, ".mat": _mat.read,
    ".dcm": _dicom.read, ".xml": _xml.read, **dict.fromkeys(HDF5, _hdf5.read),
}  # fmt: skip
ENDINGS = (".hea", *READERS)
LISTED = tuple(ending for ending in ENDINGS if ending != ".dat")  # in a folder
# how a file begins whose ending says nothing: where, what, and as what it is read
BEGINNINGS = (
    (128, b"DICM", ".dcm"),
    (0, b"\x89HDF\r\n\x1a\n", ".h5"),
    (0, b"<", ".xml"),
    (0, b"\xef\xbb\xbf<", ".xml"),
)
LONGEST_BEGINNING = 132  # bytes
UNTOLD, USUAL = Told(), Limits()
LARGEST_PART = 255  # characters of a file name
LARGEST_PLACE = 12  # digits of a recording's place in its file


def find(path: Path) -> list[Path]:
    """List the recordings that a path stands for, sorted; a path that holds none stands for itself, for `read` to refuse."""
    if not _is(path, "dir"):
        return _inside(_entry(path))
    found = []
    for folder, inside, names in os.walk(path):
        inside[:] = [name for name in inside if not name.startswith(".")]
        found += [Path(folder, name) for name in names if _ending(name) in LISTED and not name.startswith(".")]
    entries = dict.fromkeys(_entry(one) for one in sorted(found))  # a .mat stands for its header
    return [one for entry in entries for one in _inside(entry)] or [path]


def _inside(path: Path) -> list[Path]:
    """List the recordings of a file that may hold several, as FILE.h5/0 and so on; any other file stands for itself."""
    count = _hdf5.count(path) if _ending(path.name) in HDF5 and _is(path, "file") else 1
    return [path / str(place) for place in range(count)] if count > 1 else [path]


def read(path: Path, told: Told = UNTOLD, limits: Limits = USUAL) -> Record:
    """Read a recording by its file, by its WFDB header, or by its WFDB name without ending."""
    path = _entry(Path(path))
    if _ending(path.parent.name) in HDF5 and path.name.isdecimal() and _is(path.parent, "file"):
        return _read(path.parent.name, path.parent, lambda _: None, told, limits, place=int(path.name[:LARGEST_PLACE]))
    if _is(path, "dir"):
        raise RecordError(shown(path.name), f"the folder holds no recording ({' '.join(LISTED)}); check the path")
    if not _is(path, "file"):
        raise RecordError(shown(path.name), "there is no such file, and no .hea of that name; check the path")

    def beside(name: str) -> Path | None:
        return path.parent / name if _is(path.parent / name, "file") else None

    return _read(path.name, path, beside, told, limits)


def read_bytes(files: Mapping[str, bytes], told: Told = UNTOLD, limits: Limits = USUAL) -> Record:
    """Read the one recording of an upload, given the bytes of each of its files by name."""
    for name in files:
        if name != PurePosixPath(name).name or "\\" in name or name in ("", "..") or len(name) > LARGEST_PART:
            raise RecordError(shown(name), "it is no plain file name; send files without their folders")
    if sum(map(len, files.values())) > limits.bytes:
        raise RecordError("upload", f"it is larger than the {limits.bytes} bytes that are read; cut it")
    heads = sorted(name for name in files if _ending(name) in (*ENDINGS, *OTHERS) and _ending(name) not in SIGNALS)
    signals = sorted(name for name in files if _ending(name) in SIGNALS)
    known = heads or signals or sorted(files)
    if not known:
        raise RecordError("upload", "it holds no file; send a recording")
    if len(known) > 1:
        raise RecordError(
            shown(known[0]), f"{shown(known[1])} came with it; send one recording, with its .hea if it has one"
        )
    asked = {known[0]}

    def beside(name: str) -> bytes | None:
        asked.add(name)
        return files.get(name)

    record = _read(known[0], files[known[0]], beside, told, limits)
    stray = sorted(set(signals) - asked)
    if stray:
        raise RecordError(
            record.record, f"{shown(stray[0])} came with it and does not belong to it; send one recording"
        )
    return record


def _read(
    name: str, source: Source, beside: _wfdb.Part, told: Told, limits: Limits, *, place: int | None = None
) -> Record:
    record = shown(PurePosixPath(name).stem if place is None else f"{PurePosixPath(name).stem}-{place}")
    try:
        kind = _checked(record, name, source, limits)
        if kind == ".hea":
            return _wfdb.read(record, source, beside, limits)
        reader = READERS[kind] if place is None else partial(_hdf5.read, place=place)
        return reader(record, source, told, limits)
    except RecordError:
        raise
    except Exception as error:  # noqa: BLE001 (untrusted bytes: what the libraries raise has no common parent)
        log.debug("record %s", record, exc_info=True)
        raise RecordError(record, f"{shown(name)} cannot be read ({reason(error)}); copy or export it again") from None


def _checked(record: str, name: str, source: Source, limits: Limits) -> str:
    """Say as what a file is read; refuse one of a kind that is not read, an empty one and one that is too large."""
    ending, held = _ending(name), size(source)
    if ending in OTHERS:
        raise RecordError(record, OTHERS[ending])
    if held == 0:
        raise RecordError(record, f"{shown(name)} is empty; copy it again")
    if held > limits.bytes:
        raise RecordError(record, f"it holds {held} bytes where at most {limits.bytes} are read; cut it")
    kind = ending if ending in ENDINGS else _by_beginning(source)
    if not kind:
        raise RecordError(record, f"{shown(name)} is of no kind that is read; give {' '.join(LISTED)} or a bare .dat")
    return kind


def _by_beginning(source: Source) -> str:
    with stream(source) as file:
        begin = file.read(LONGEST_BEGINNING)
    return next((kind for at, sign, kind in BEGINNINGS if begin[at : at + len(sign)] == sign), "")


def _entry(path: Path) -> Path:
    """Give the header where a path is a WFDB name without ending, or one of the header's signal files."""
    named = path.with_name(path.name + ".hea") if path.name else path
    if not _is(path, "file") and _is(named, "file"):
        return named
    header = path.with_suffix(".hea") if path.suffix in SIGNALS else path
    return header if _is(header, "file") else path


def _ending(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _is(path: Path, kind: str) -> bool:
    """Say whether a path is a file or a folder, also where it cannot be looked at or cannot exist."""
    try:
        return path.is_dir() if kind == "dir" else path.is_file()
    except (OSError, ValueError):
        return False
