"""Preparing: recordings read, filtered or scaled, cut and written, by the code of the stage `segment` against the usual scripts.

MIT-BIH as the attention system takes it, half an hour a recording, made up; or, given a folder with the database as it was
downloaded, its first recordings. Twelve leads as the Challenge's system takes them: 10 s at 500 Hz, noise in WFDB's format 16.

    python benchmarks/preparing.py FOLDER
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import wfdb
from scipy.signal import butter, sosfiltfilt

from _table import Row
from _turns import cpu_seconds, pairs
from pqrst import params, segmentation, workers
from pqrst.datasets import challenge2021, mitdb
from pqrst.made_up import _wfdb
from pqrst.made_up import mitdb as made_up
from pqrst.resolved import Segment

ROOT, ROUNDS = Path(__file__).resolve().parents[1], 3
RECORDINGS, MINUTES = 8, 30.0  # of MIT-BIH
PATIENTS, RATE, SECONDS = 800, 500, 10  # of twelve leads
SCRIPT = f"a script of wfdb {version('wfdb')} and scipy {version('scipy')}"
LOOP = f"a loop over wfdb {version('wfdb')} rdrecord"


def measure() -> Iterator[Row]:
    """Time both sides on made-up recordings, turn by turn, after both have written the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        made_up.write(raw, RECORDINGS, np.random.default_rng(0), MINUTES)
        yield beats(raw, "made-up recordings")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        write_twelve(raw / "georgia")
        yield from twelve(raw)


def beats(raw: Path, what: str) -> Row:
    """Hold the windows of MIT-BIH against those of a script, and time both."""
    names = (raw / "RECORDS").read_text().split()[:RECORDINGS]
    (raw / "RECORDS").write_text("\n".join(names) + "\n")
    own, other = partial(ours, "mitdb", raw), partial(script, raw, raw.with_name("theirs"))
    own(), other()
    found, wanted = np.load(raw.with_name("ours") / "x.npy"), np.load(raw.with_name("theirs") / "x.npy")
    assert np.allclose(found, wanted, rtol=0, atol=1e-5)  # mV; float32 before the filter, theirs float64
    assert np.array_equal(np.load(raw.with_name("ours") / "y.npy"), np.load(raw.with_name("theirs") / "y.npy"))
    timed = pairs(ROUNDS, partial(cpu_seconds, other), partial(cpu_seconds, own))
    subject = f"prepare MIT-BIH, {len(names)} {what} of {MINUTES:g} minutes: read, annotations, filter, windows"
    return Row(subject, SCRIPT, timed, 1.4, 2)


def twelve(raw: Path) -> Iterator[Row]:
    """Hold twelve leads against those of a loop, and time both on one core; then ours on one core and on all."""
    own, other = partial(ours, "challenge2021", raw), partial(loop, raw / "georgia", raw.with_name("theirs"))
    own(), other()
    found, wanted = np.load(raw.with_name("ours") / "x.npy"), np.load(raw.with_name("theirs") / "x.npy")
    assert np.abs(found / 1000 - wanted).max() <= 0.5 / 1000 + 1e-5  # ours stands in thousandths of a deviation
    assert np.array_equal(
        np.load(raw.with_name("ours") / "y.npy").any(axis=1), np.load(raw.with_name("theirs") / "y.npy")
    )
    single = partial(on_one_core, own)
    subject = f"prepare {PATIENTS} recordings of twelve leads in format 16, {SECONDS} s at {RATE} Hz, z-scored"
    yield Row(
        f"{subject}, one core", LOOP, pairs(ROUNDS, partial(cpu_seconds, other), partial(cpu_seconds, single)), 1.5, 2
    )
    cores = workers.available(1)
    peer = "ours on one core"
    worked = pairs(ROUNDS, partial(cpu_seconds, single), partial(cpu_seconds, own))
    yield Row(f"{subject}, {cores} cores: CPU seconds of all processes", peer, worked)
    waited = pairs(ROUNDS, partial(wall_seconds, single), partial(wall_seconds, own))
    most = f"below {cores}: one process prepares the first {workers.ALONE:g} s"
    yield Row(f"{subject}, {cores} cores: wall time", peer, waited, share=most)


def ours(database: str, raw: Path) -> None:
    """Write a Bundle under the dataset's own settings."""
    told = params.load(ROOT / "params.yaml").datasets[database]
    (raw / "provenance.json").write_text('{"synthetic": true}')
    given = Segment(database, database, {}, told.window, told.on_bad_record, {})
    segmentation.of_database(given, raw, raw.with_name("ours"))


def script(raw: Path, out: Path) -> None:
    """Prepare MIT-BIH as it is usually done."""
    sections = butter(5, (0.5, 50.0), "bandpass", fs=360, output="sos")
    rows, labels = [], []
    for name in (raw / "RECORDS").read_text().split():
        record, marks = wfdb.rdrecord(str(raw / name)), wfdb.rdann(str(raw / name), "atr")
        signal = sosfiltfilt(sections, record.p_signal[:, 0])
        kinds = np.array([mitdb.SYMBOLS.get(symbol, -1) for symbol in marks.symbol])
        for start in range(0, len(signal) - 3600 + 1, 1800):
            inside = kinds[(marks.sample >= start) & (marks.sample < start + 3600)]
            rows.append(signal[start : start + 3600])
            labels.append(np.bincount(inside[inside >= 0], minlength=2).argmax())
    out.mkdir(exist_ok=True)
    np.save(out / "x.npy", np.stack(rows).astype(np.float32)[:, None])
    np.save(out / "y.npy", np.array(labels, np.int16))


def loop(raw: Path, out: Path) -> None:
    """Prepare twelve leads as it is usually done; whether a recording has any scored label stands for its labels."""
    rows, labels = [], []
    for header in sorted(raw.glob("*.hea")):
        record = wfdb.rdrecord(str(header.with_suffix("")))
        signal = record.p_signal.T
        scaled = (signal - signal.mean(axis=1, keepdims=True)) / (signal.std(axis=1, keepdims=True) + 1e-8)
        rows.append(scaled.astype(np.float32))
        codes = next(comment for comment in record.comments if comment.startswith("Dx:")).removeprefix("Dx:").split(",")
        labels.append(any(code.strip() in challenge2021.PLACES for code in codes))
    out.mkdir(exist_ok=True)
    np.save(out / "x.npy", np.stack(rows))
    np.save(out / "y.npy", np.array(labels))


def write_twelve(folder: Path) -> None:
    """Write noise with drift, header and signal file a recording, as the Challenge has them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((12, RATE * SECONDS + PATIENTS)).cumsum(axis=1) / 50
    for number in range(PATIENTS):
        name, steps = f"E{number:05d}", _wfdb.steps(noise[:, number : number + RATE * SECONDS], 1000, 0)
        lines = [f"{name} 12 {RATE} {steps.shape[1]}"]
        lines += _wfdb.lead_lines(f"{name}.mat 16+24 1000/mV", steps, challenge2021._wfdb12.LEADS, -(2**15))  # noqa: SLF001
        lines += ["#Age: 50", "#Sex: Male", f"#Dx: {('426783006', '164889003', '1')[number % 3]}"]
        (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
        (folder / f"{name}.mat").write_bytes(bytes(24) + steps.T.tobytes())


def on_one_core(work: Callable[[], None]) -> None:
    """Let this process see one core alone, so that it starts no worker."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        work()
    finally:
        os.sched_setaffinity(0, allowed)


def wall_seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def shown(rows: Iterator[Row]) -> None:
    for one in rows:
        theirs, own = (statistics.median(side) for side in zip(*one.pairs, strict=True))
        spread = f"{one.ratio:.2f} ({min(one.ratios):.2f} to {max(one.ratios):.2f})"
        print(f"{one.subject}; {one.peer}: {theirs:.2f} s, ours {own:.2f} s, {spread} {one.share}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as place:
            shutil.copytree(sys.argv[1], Path(place, "raw"))
            shown(iter([beats(Path(place, "raw"), "recordings")]))
    else:
        shown(measure())
