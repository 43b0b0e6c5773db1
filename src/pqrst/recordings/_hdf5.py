"""Read HDF5: one recording, or the recordings of an array `tracings` as the CODE study lays them out.

CODE: tracings of (recordings, 4096 samples, 12 leads) at 400 Hz, shorter ones filled up with zeros at both ends. Source: README
of "Automatic diagnosis of the 12-lead ECG using a deep neural network" (Ribeiro et al., doi:10.1038/s41467-020-15432-4). It says "at
the scale 1e-4V" and to multiply volts by 1000, which cannot both be; so a file without the attribute `units` needs the caller's word.
"""

import math
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings._array import agreed, check_shape, record_of_array, words
from pqrst.recordings._leads import TWELVE, Limits, Source, Told, check_size, shown, stream

if TYPE_CHECKING:
    import h5py

TRACINGS, CODE_SHAPE = "tracings", (4096, 12)
CODE = Told(400.0, TWELVE)
USUAL = (TRACINGS, "ecg", "signal", "data", "val")
MOST_NAMES, MOST_RECORDINGS, LARGEST_WORD = 1000, 100_000, 4096  # of a file; bytes of an attribute


def read(record: str, source: Source, told: Told, limits: Limits, place: int | None = None) -> Record:
    """Read (leads, samples) or (samples, leads), or that of several which stands at a place."""
    import h5py  # noqa: PLC0415 (costs a quarter of a second, and other formats need none)

    with stream(source) as opened, h5py.File(opened, "r") as file:
        found = _array(record, file)
        many = len(found.shape) == 3
        _check(record, found, place, limits)
        shape = found.shape[1:] if many else found.shape
        told = agreed(record, told, _said(record, found, file, told))
        code = many and found.name == f"/{TRACINGS}" and shape == CODE_SHAPE
        if code:
            told = replace(told, fs=told.fs or CODE.fs, leads=told.leads or CODE.leads)
        turned = check_shape(record, shape, told, limits)
        samples = np.asarray(found[place or 0] if many else found[()])
    return record_of_array(record, _unfilled(record, samples) if code else samples, turned, told)


def count(source: Source) -> int:
    """Count the recordings of a file; one that cannot be read, or holds none or too many, counts as one, for `read` to refuse."""
    import h5py  # noqa: PLC0415 (see above)

    try:
        with stream(source) as opened, h5py.File(opened, "r") as file:
            shape = _array("", file).shape
    except Exception:  # noqa: BLE001 (what h5py raises on bytes that are no such file has no common parent)
        return 1
    return shape[0] if len(shape) == 3 and shape[0] <= MOST_RECORDINGS else 1


def _array(record: str, file: "h5py.File") -> "h5py.Dataset":
    """Give the one array of samples at the root of a file; what lies in another file is not followed there."""
    import h5py  # noqa: PLC0415 (see above)

    names = list(islice(file.keys(), MOST_NAMES))
    inside = [name for name in names if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    arrays = [file[name] for name in inside if file.get(name, getclass=True) is h5py.Dataset]
    samples = [one for one in arrays if one.dtype.kind in "iuf" and len(one.shape or ()) in (2, 3)]
    usual = [one for one in samples if one.name.strip("/") in USUAL]
    found = usual if len(usual) == 1 else samples
    if len(found) != 1:
        listed = ", ".join(shown(one.name.strip("/")) for one in found[:8]) or "none"
        raise RecordError(record, f"it holds {len(found)} arrays of samples ({listed}); save one, as {TRACINGS}")
    if found[0].is_virtual or found[0].external:
        raise RecordError(record, "its samples lie in another file, which is not read; save them in this one")
    return found[0]


def _check(record: str, found: "h5py.Dataset", place: int | None, limits: Limits) -> None:
    """Refuse a place that is none, and a chunk too large, which is unpacked as a whole."""
    several = found.shape[0] if len(found.shape) == 3 else 1
    if place is None and several != 1:
        raise RecordError(record, f"it holds {several} recordings; give one of them, as FILE.h5/0, or save it alone")
    if place is not None and not place < several:
        raise RecordError(record, f"it holds {several} recordings, the first is 0; give one of them")
    check_size(record, limits, 0, math.prod(found.chunks or (0,)))


def _said(record: str, found: "h5py.Dataset", file: "h5py.File", told: Told) -> Told:
    """Give what attributes of the array, or of the file, say."""
    known = {"fs": told.fs is not None, "units": bool(told.units), "leads": bool(told.leads)}
    fs, units, leads = (_attribute(record, found, file, name, known[name]) for name in known)
    if fs is not None and not isinstance(fs, int | float):
        raise RecordError(record, f"its attribute fs is {shown(str(fs))!r}, which is no number; mend it")
    if leads is not None and not isinstance(leads, str | list):
        raise RecordError(record, "its attribute leads holds no names; mend it")
    names = words(leads) if isinstance(leads, str) else tuple(str(name).strip() for name in leads or ())
    return Told(None if fs is None else float(fs), names, "" if units is None else str(units).strip())


def _attribute(record: str, found: "h5py.Dataset", file: "h5py.File", name: str, known: bool) -> Any:
    """Give an attribute as plain text, number or list; one that is too large to be any of them is left.

    HDF5 takes the memory that a text of no fixed length declares, gigabytes of a damaged one, before it looks for the text.
    """
    for place in (found, file):
        if name in place.attrs and place.attrs.get_id(name).get_storage_size() <= LARGEST_WORD:
            if place.attrs.get_id(name).dtype.kind == "O":
                if known:
                    return None
                raise RecordError(
                    record,
                    f"its attribute {name} is a text of no fixed length; write it as numpy.bytes_, or give {name}",
                )
            value = place.attrs[name]
            plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
            if isinstance(plain, list) and len(plain) == 1 and name != "leads":
                plain = plain[0]
            return [_text(one) for one in plain] if isinstance(plain, list) else _text(plain)
    return None


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _unfilled(record: str, samples: np.ndarray) -> np.ndarray:
    """Cut off the zeros by which CODE fills recordings up; samples is (samples, leads)."""
    there = np.flatnonzero(samples.any(axis=1))
    if not len(there):
        raise RecordError(record, "it holds nothing but zeros; give another recording")
    first, end = int(there[0]), int(there[-1]) + 1
    if end - first < len(samples):
        log.info("record %s: %s samples of zeros at its ends were cut off", record, len(samples) - end + first)
    return samples[first:end]
