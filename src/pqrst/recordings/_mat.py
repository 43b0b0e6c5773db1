"""Read a MATLAB 5 file: its one matrix of samples, with what other variables say of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pqrst import mat5
from pqrst.arrays import Record
from pqrst.errors import RecordError
from pqrst.recordings._array import agreed, check_shape, record_of_array, words
from pqrst.recordings._leads import Limits, Source, Told, shown, stream

HEAD = 128  # bytes of text and version
# names under which others write what a recording is, in lower case
RATES = ("fs", "freq", "frequency", "sampling_rate", "sampling_frequency", "sfreq", "samplerate")
GAINS, ZEROS = ("gain",), ("zero", "baseline", "adczero")
UNITS, LEADS = ("units", "unit"), ("leads", "lead_names", "sig_name", "signame", "desc", "channels", "labels")
SIGNALS = ("val", "ecg", "signal", "data", "tracings", "x")


def read(record: str, source: Source, told: Told, limits: Limits) -> Record:
    """Read (leads, samples) or (samples, leads); structs are looked into."""
    with stream(source) as file:
        head = file.read(HEAD)
    if head.startswith(b"MATLAB 7.3"):
        raise RecordError(record, "it is a MATLAB 7.3 file, which is not read; save it with -v7")
    if head[HEAD - len(mat5.MARK) :] != mat5.MARK:
        raise RecordError(
            record, "it is no MATLAB 5 file; lay its .hea beside it if it has one, or save it anew with -v7, or as CSV"
        )
    try:
        found = mat5.variables(source.read_bytes() if isinstance(source, Path) else source)
    except ValueError as error:
        raise RecordError(record, f"it cannot be read ({shown(str(error))}); save it anew with -v7") from None
    flat = _flat(found)
    name = _signal(record, flat)
    told = agreed(record, told, _said(record, flat))
    turned = check_shape(record, flat[name].shape, told, limits)
    return record_of_array(record, flat[name], turned, told)


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give variables and the fields of structs alike; a variable goes before a field of its name."""
    fields = {name: value for inner in found.values() if isinstance(inner, dict) for name, value in inner.items()}
    return fields | {name: value for name, value in found.items() if not isinstance(value, dict)}


def _signal(record: str, found: Mapping[str, Any]) -> str:
    """Name the matrix that is the recording."""
    about = {*RATES, *GAINS, *ZEROS, *UNITS, *LEADS}
    matrices = [
        name
        for name, value in found.items()
        if isinstance(value, np.ndarray) and value.size > 1 and name.lower() not in about
    ]
    usual = [name for name in matrices if name.lower() in SIGNALS]
    named = usual if len(usual) == 1 else matrices
    if len(named) != 1:
        listed = ", ".join(shown(name) for name in named[:8]) or "none"
        raise RecordError(record, f"it holds {len(named)} matrices ({listed}); save the one of the signal alone")
    return named[0]


def _said(record: str, found: Mapping[str, Any]) -> Told:
    """Give what the file says of its signal; a gain by lead is not read."""
    low = {name.lower(): value for name, value in found.items()}

    def number(names: tuple[str, ...]) -> float | None:
        name = next((name for name in names if name in low), None)
        value = low.get(name or "")
        if name is None:
            return None
        if not isinstance(value, np.ndarray) or value.size != 1:
            raise RecordError(record, f"its {shown(name)} is no single number; give it as one, or leave it out")
        return float(value.flat[0])

    units = next((low[name] for name in UNITS if isinstance(low.get(name), str)), "")
    names = next((low[name] for name in LEADS if isinstance(low.get(name), str | tuple)), ())
    leads = words(names) if isinstance(names, str) else tuple(name.strip() for name in names)
    return Told(number(RATES), leads, units.strip(), number(GAINS), number(ZEROS))
