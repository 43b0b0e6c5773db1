"""Reading: a recording of MIT-BIH brought to mV through the wfdb package, against `rdrecord` as everybody calls it.

Half an hour of two leads in format 212 at 360 Hz, made up; or, given a folder with the database as it was downloaded, each of its
recordings:

    python benchmarks/reading.py FOLDER
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import wfdb

from _table import Row
from _turns import cpu_seconds, pairs
from pqrst.arrays import Record
from pqrst.datasets import _mitbih
from pqrst.made_up import mitdb as made_up

ROUNDS, MINUTES = 25, 30.0


def measure() -> Iterator[Row]:
    """Time both readers of one made-up recording, turn by turn."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        made_up.write(raw, 1, np.random.default_rng(0), MINUTES)
        yield row(raw, "a made-up recording", (raw / "RECORDS").read_text().split()[:1])


def row(raw: Path, what: str, names: list[str]) -> Row:
    """Hold both readers to the same bits, and time them."""
    for name in names:
        assert_same(raw, name)
    found = [
        pair
        for name in names
        for pair in pairs(
            max(3, ROUNDS // len(names)),
            partial(cpu_seconds, partial(theirs, raw, name)),
            partial(cpu_seconds, partial(ours, raw, name)),
        )
    ]
    subject = f"read {what} of {MINUTES:g} minutes to mV, its header and sums checked"
    alone = [cpu_seconds(partial(digital, raw, names[0])) / own for _, own in found]
    share = f"{statistics.median(alone):.0%} of the time is wfdb's digital path"
    return Row(subject, f"wfdb {wfdb.__version__} rdrecord", found, 3, 4, share)


def theirs(raw: Path, name: str) -> np.ndarray:
    """Read as every tutorial does: float64 mV (samples, leads)."""
    return np.asarray(wfdb.rdrecord(str(raw / name)).p_signal)


def digital(raw: Path, name: str) -> object:
    """Read the converter's integers alone, as fast as the wfdb package can."""
    return wfdb.rdrecord(str(raw / name), physical=False, return_res=16)


def ours(raw: Path, name: str) -> np.ndarray:
    """Read as the stage `segment` does: the converter's integers by wfdb, then float32 mV (leads, samples)."""
    return in_steps(raw, name).in_units()


def in_steps(raw: Path, name: str) -> Record:
    header, signal = _mitbih.steps(raw, name)
    gain, zero = tuple(map(float, header.adc_gain)), tuple(map(int, header.baseline))
    return Record(name, "", signal, float(header.fs), tuple(header.sig_name), gain, zero)


def assert_same(raw: Path, name: str) -> None:
    """Hold that our steps and gains are theirs to the last bit of float64, and our mV to that of float32."""
    found, wanted = in_steps(raw, name), theirs(raw, name).T
    exact = (found.signal - np.array(found.zero)[:, None]) / np.array(found.gain)[:, None]
    assert np.array_equal(exact, wanted)
    assert np.array_equal(found.in_units(), wanted.astype(np.float32))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        place = Path(sys.argv[1])
        rows = [row(place, "the database's recordings, each", (place / "RECORDS").read_text().split())]
    else:
        rows = list(measure())
    for one in rows:
        own = statistics.median(own for _, own in one.pairs) * 1e3
        print(
            f"{one.subject}: {one.ratio:.2f} ({min(one.ratios):.2f} to {max(one.ratios):.2f}), {own:.2f} ms; {one.share}"
        )
