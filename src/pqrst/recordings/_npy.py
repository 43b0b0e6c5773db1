"""Read one NumPy array; its names, rate and unit are the caller's to say."""

import math
from typing import BinaryIO

import numpy as np

from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.recordings._array import check_shape, record_of_array
from pqrst.recordings._leads import Limits, Source, Told, size, stream

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read (samples,), (leads, samples), or (samples, leads) where it is plainly that."""
    with stream(source) as file:
        turned = check_shape(record, _check_header(record, file, size(source)), told, limits)
        file.seek(0)
        found = np.lib.format.read_array(file, allow_pickle=False)
    return record_of_array(record, found, turned, told)


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
    needed, held = math.prod(shape) * kind.itemsize, held - file.tell()
    if held < needed:
        raise RecordError(record, f"the array holds {held} bytes where its header declares {needed}; save it again")
    return shape
