"""Arrays of numbers that say little of themselves: how they lie, and what the caller or the file says of them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pqrst.arrays import Record
from pqrst.console import log
from pqrst.errors import RecordError
from pqrst.recordings._leads import Lead, Limits, Told, calibration, check_size, chosen, record_of, scale, shown

MOST_LEADS = 16  # of an array that may lie on its side


def check_shape(record: str, shape: Sequence[int], told: Told, limits: Limits) -> bool:
    """Hold an array's shape to what is known of it, before it is read; say whether it is (samples, leads)."""
    if len(shape) not in (1, 2) or not all(length > 0 for length in shape):
        raise RecordError(
            record, f"an array of shape {tuple(shape)} is no recording; save (samples,) or (leads, samples)"
        )
    turned = len(shape) == 2 and shape[1] <= MOST_LEADS and shape[1] < shape[0] != len(told.leads)
    count = shape[1] if turned else math.prod(shape[:-1])
    check_size(record, limits, count, math.prod(shape))
    if told.fs is None or len(told.leads) != count:
        raise RecordError(
            record, f"the array says no rate and no names of its {count} leads; give fs and {count} names as leads"
        )
    return turned


def record_of_array(record: str, found: np.ndarray, turned: bool, told: Told) -> Record:
    """Make a Record of an array whose shape was checked."""
    if turned:
        log.info("record %s: shape %s was taken as (samples, leads)", record, found.shape)
    table = found.T if turned else np.atleast_2d(found)
    zero, gain, units = calibration(record, told)
    leads = [Lead(name.strip(), units, told.fs or 0.0) for name in told.leads]
    kept = chosen(record, leads)
    columns = ((table[number].astype(np.float64) - zero) / gain for number in kept)
    return record_of(record, [leads[number] for number in kept], columns)


def agreed(record: str, told: Told, said: Told) -> Told:
    """Join what the caller says with what the file says; of unit and rate they may not say two things."""
    if said.units and told.units and scale(said.units) != scale(told.units):
        raise RecordError(
            record, f"it says {shown(said.units)} and you say {shown(told.units)}; leave units out, or mend it"
        )
    if said.fs is not None and told.fs is not None and said.fs != told.fs:
        raise RecordError(record, f"it says {said.fs:g} Hz and you say {told.fs:g}; leave fs out, or mend it")
    return replace(
        told,
        fs=told.fs if said.fs is None else said.fs,
        leads=told.leads or said.leads,
        units=said.units or told.units,
        gain=told.gain if said.gain is None else said.gain,
        zero=told.zero if said.zero is None else said.zero,
    )


def words(text: str) -> tuple[str, ...]:
    """Part a list of names that stands in one text, by commas or blanks."""
    return tuple(text.replace(",", " ").split())
