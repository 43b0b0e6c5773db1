"""Read one NumPy array; its names, rate and unit are the caller's to say."""

import math
from typing import BinaryIO

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings._leads import Lead, Limits, Source, Told, calibration, check_size, chosen, record_of, size, stream

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
MOST_LEADS = 16  # of an array that may lie on its side


def read(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read (samples,), (leads, samples), or (samples, leads) where it is plainly that."""
    with stream(source) as file:
        shape = _check_header(record, file, size(source))
        turned = len(shape) == 2 and shape[1] <= MOST_LEADS and shape[1] < shape[0] != len(told.leads)
        count = shape[1] if turned else math.prod(shape[:-1])
        check_size(record, limits, count, math.prod(shape))
        if told.fs is None or len(told.leads) != count:
            raise RecordError(
                record, f"the array says no rate and no names of its {count} leads; give fs and {count} names as leads"
            )
        file.seek(0)
        found = np.lib.format.read_array(file, allow_pickle=False)
    if turned:
        log.info("record %s: shape %s was taken as (samples, leads)", record, shape)
    table = found.T if turned else np.atleast_2d(found)
    zero, gain, units = calibration(record, told)
    leads = [Lead(name.strip(), units, told.fs) for name in told.leads]
    kept = chosen(record, leads)
    columns = ((table[number].astype(np.float64) - zero) / gain for number in kept)
    return record_of(record, [leads[number] for number in kept], columns)


def _check_header(record: str, file: BinaryIO, held: int) -> tuple[int, ...]:
    """Give the shape that a header declares, if it is numbers of that shape which follow."""
    begin = file.read(len(np.lib.format.MAGIC_PREFIX) + 2)
    if begin[:-2] != np.lib.format.MAGIC_PREFIX:
        raise RecordError(record, "it does not begin as an NPY file does; save the array with numpy.save")
    version = (begin[-2], begin[-1])
    if version not in HEADERS:
        raise RecordError(record, f"version {version} of NPY is not read; save the array anew with numpy.save")
    shape, _, kind = HEADERS[version](file)
    if kind.kind not in "iuf":
        raise RecordError(record, f"an array of {kind} holds no samples; save whole or floating numbers")
    if len(shape) not in (1, 2) or not all(length > 0 for length in shape):
        raise RecordError(record, f"an array of shape {shape} is no recording; save (samples,) or (leads, samples)")
    needed, held = math.prod(shape) * kind.itemsize, held - file.tell()
    if held < needed:
        raise RecordError(record, f"the array holds {held} bytes where its header declares {needed}; save it again")
    return shape
