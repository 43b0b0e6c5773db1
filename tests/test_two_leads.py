"""The made-up recordings of two leads: true to MIT-BIH's format, to the heart, and to the task that they are made for."""

import hashlib
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

with warnings.catch_warnings():  # the same at import, where the mark below does not reach
    warnings.simplefilter("ignore", DeprecationWarning)
    import wfdb

    from pqrst.made_up._two_leads import write

# wfdb 4.3.1 calls what pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")

FS = 360  # Hz
CLASSES = "NSVFQ"
SYMBOLS = {"N": "NLRej", "S": "AaJS", "V": "VE", "F": "F", "Q": "/fQ"}
CLASS_OF = {symbol: CLASSES.index(name) for name, symbols in SYMBOLS.items() for symbol in symbols}
NAMES = [f"s{number:02d}" for number in range(1, 11)]


@dataclass(frozen=True)
class Tape:
    """One recording as wfdb reads it back."""

    header: wfdb.Record
    digital: np.ndarray  # (samples, leads)
    samples: np.ndarray  # (marks,)
    symbols: np.ndarray  # (marks,)
    notes: list[str]

    @property
    def classes(self) -> np.ndarray:
        """Give the class index of each mark, -1 for a mark that is no beat."""
        return np.array([CLASS_OF.get(symbol, -1) for symbol in self.symbols])

    @property
    def beats(self) -> "Tape":
        """Keep the marks that are beats."""
        kept = self.classes >= 0
        return Tape(self.header, self.digital, self.samples[kept], self.symbols[kept], [])


def tape(folder: Path, name: str) -> Tape:
    header = wfdb.rdrecord(str(folder / name), physical=False)
    marks = wfdb.rdann(str(folder / name), "atr")
    return Tape(header, header.d_signal, marks.sample, np.array(marks.symbol), marks.aux_note)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made_up")
    write(made, 10, np.random.default_rng(0), 3)
    return made


@pytest.fixture(scope="module")
def tapes(folder):
    return {name: tape(folder, name) for name in NAMES}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_equal_seeds_give_equal_bytes(tmp_path):
    """Write the same bytes for the same seed, wherever the folder is, and others for another seed."""
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        write(tmp_path / name, 2, np.random.default_rng(seed), 0.5)
    one, same, other = (contents(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in ("s01.dat", "s01.atr", "s02.dat", "s02.atr", "SHA256SUMS.txt"))


def test_the_folder_is_laid_out_like_mit_bih(folder):
    """List the records, and give the SHA-256 of every file but the list itself."""
    assert (folder / "RECORDS").read_text().split() == NAMES
    assert (folder / "ANNOTATORS").read_text().startswith("atr\t")
    sums = dict(reversed(line.split(" ")) for line in (folder / "SHA256SUMS.txt").read_text().splitlines())
    files = contents(folder)
    files.pop("SHA256SUMS.txt")
    assert len(files) == 2 + 3 * len(NAMES)
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_the_header_promises_what_the_samples_hold(tapes):
    """Read back two leads at 360 Hz in MIT-BIH's units, with checksums and first values that hold."""
    for found in tapes.values():
        header, digital = found.header, found.digital
        assert (header.fs, header.sig_name, header.fmt) == (FS, ["MLII", "V1"], ["212", "212"])
        assert digital.shape == (3 * 60 * FS, 2)
        assert (header.adc_gain, header.baseline, header.adc_zero) == ([200, 200], [1024, 1024], [1024, 1024])
        assert (header.adc_res, header.units) == ([11, 11], ["mV", "mV"])
        assert header.init_value == digital[0].tolist()
        assert [int(value) % 65536 for value in header.checksum] == (digital.sum(axis=0) % 65536).tolist()


def test_samples_stay_inside_the_converter(tapes):
    """Keep to eleven bits, which leaves out the invalid code, and rarely touch the ends."""
    for found in tapes.values():
        assert found.digital.min() >= 0
        assert found.digital.max() < 2**11
        assert np.isin(found.digital, [0, 2**11 - 1]).mean() < 0.001


def test_the_samples_written_are_the_samples_read(tmp_path, monkeypatch):
    """Lose nothing between the array that is handed to wfdb and the array that wfdb reads."""
    written = {}
    wrsamp = wfdb.Record.wrsamp

    def spy(record, **options):
        written[record.record_name] = record.d_signal.copy()
        wrsamp(record, **options)

    monkeypatch.setattr(wfdb.Record, "wrsamp", spy)
    write(tmp_path, 2, np.random.default_rng(3), 0.3)
    for name, digital in written.items():
        assert np.array_equal(tape(tmp_path, name).digital, digital)


def test_the_header_says_synthetic_and_names_the_subject(tapes):
    """Say plainly that nobody was recorded, and give the last two records one subject."""
    comments = {name: found.header.comments for name, found in tapes.items()}
    assert all(lines[0].startswith("SYNTHETIC") for lines in comments.values())
    subjects = [dict(line.split(": ", 1) for line in lines)["subject"] for lines in comments.values()]
    assert subjects[0] == "p01"
    assert len(set(subjects)) == len(NAMES) - 1
    assert subjects[-1] == subjects[-2]
    assert comments["s09"] == comments["s10"]
    assert not np.array_equal(tapes["s09"].digital, tapes["s10"].digital)


def test_marks_are_in_order_and_inside(tapes):
    """Put every mark at its own place in time, the first a rhythm, and beats at both ends inside the record."""
    for found in tapes.values():
        assert (np.diff(found.samples) > 0).all()
        assert (found.symbols[0], found.notes[0]) == ("+", "(N\0")
        beats = found.beats.samples
        assert 18 < beats[0] < 2 * FS
        assert len(found.digital) - 3 * FS < beats[-1] < len(found.digital)
        assert set(found.symbols) <= set(CLASS_OF) | {"+", "~"}
    assert any("(P\0" in found.notes for found in tapes.values())
    assert any("~" in found.symbols for found in tapes.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_class_occurs_on_both_sides(tmp_path, seed):
    """Make forty beats of every class and more, from three subjects or more, in odd and in even records."""
    write(tmp_path, 10, np.random.default_rng(seed), 3)
    counts = np.stack([np.bincount(tape(tmp_path, name).beats.classes, minlength=5) for name in NAMES])
    total = counts.sum(axis=0)
    assert (total >= 40).all()
    assert 0.6 < total[0] / total.sum() < 0.9
    assert (counts[::2].sum(axis=0) >= 10).all()
    assert (counts[1::2].sum(axis=0) >= 10).all()
    assert ((counts[:-1] > 0).sum(axis=0) >= 3).all()  # the last record repeats a subject
    assert ((counts.sum(axis=1) > 50 * 3) & (counts.sum(axis=1) < 105 * 3)).all()  # beats a minute


def around(found: Tape, symbols: str, before: int, after: int) -> np.ndarray:
    """Cut the first lead around the beats of some symbols, (beats, samples), each less its own median."""
    places = found.samples[np.isin(found.symbols, list(symbols))]
    places = places[(places >= before) & (places + after <= len(found.digital))]
    cut = found.digital[places[:, None] + np.arange(-before, after), 0]
    return cut - np.median(cut, axis=1, keepdims=True)


def test_annotations_sit_on_the_main_peak(tapes):
    """Find the highest value of the QRS within 30 ms of the annotation, for nearly every conducted beat."""
    for found in tapes.values():
        cut = abs(around(found, "NLR", 36, 36))
        distance = abs(np.argmax(cut, axis=1) - 36)
        assert (distance <= 11).mean() > 0.9
        assert np.median(distance) <= 3


def test_supraventricular_beats_are_early(tapes):
    """Leave less time before nearly every S beat than the subject's median."""
    for found in tapes.values():
        intervals, classes = np.diff(found.beats.samples), found.beats.classes[1:]
        assert (intervals[classes == 1] < 0.92 * np.median(intervals[classes == 0])).mean() > 0.9


def half_width(cut: np.ndarray) -> float:
    """Count the samples above half of the highest, the mean over beats."""
    return float((abs(cut) > abs(cut).max(axis=1, keepdims=True) / 2).sum(axis=1).mean())


def test_ventricular_beats_are_wide(tapes):
    """Draw the QRS of V beats at least half as wide again as that of narrow beats, subject by subject."""
    for name in ("s01", "s02", "s03", "s04", "s09", "s10"):
        assert half_width(around(tapes[name], "V", 36, 36)) > 1.5 * half_width(around(tapes[name], "N", 36, 36))


def test_paced_beats_carry_a_spike(tapes):
    """Find a jump before paced beats that no beat of the own rhythm has."""
    paced = [found for found in tapes.values() if "/" in found.symbols]
    assert len(paced) >= 6
    for found in paced:
        jump = {
            symbols: np.median(abs(np.diff(around(found, symbols, 60, 60)[:, :48], n=2)).max(axis=1))
            for symbols in ("/", "NL")
        }
        assert jump["/"] > 3 * jump["NL"]


def windows(found: Tape) -> tuple[np.ndarray, np.ndarray]:
    """Cut beats as the Kaggle files do (spec 4.1a) and standardise each: (beats, 187) and their classes."""
    ends, rows, kept = np.append(found.samples, len(found.digital)), [], []
    for mark, label in enumerate(found.classes[:-1]):
        if label < 0:
            continue
        end = int(ends[mark + 1] + 0.2 * (ends[mark + 2] - ends[mark + 1]))
        cut = found.digital[ends[mark] : end : 3, 0].astype(float)
        row = np.zeros(187)
        row[: len(cut)] = ((cut - cut.min()) / (np.ptp(cut) + 1e-8))[:187]
        rows.append((row - row.mean()) / (row.std() + 1e-8))
        kept.append(label)
    return np.array(rows, dtype=np.float32), np.array(kept)


@cache
def network_type():
    """Import torch late, since only one test needs it."""
    from torch import nn

    def build() -> nn.Module:
        layers = []
        for inward, outward in ((1, 32), (32, 64), (64, 128)):
            layers += [nn.Conv1d(inward, outward, 5, stride=2, padding=2), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(128, len(CLASSES)))

    return build


def score(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], seed: int, epochs: int) -> float:
    """Train a small network and give its macro F1 on the test beats."""
    import torch

    torch.manual_seed(seed)
    model = network_type()()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    x, y = torch.from_numpy(train[0])[:, None], torch.from_numpy(train[1])
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        answers = model(torch.from_numpy(test[0])[:, None]).argmax(dim=1).numpy()
    return f1_score(test[1], answers, labels=range(len(CLASSES)), average="macro", zero_division=0)


@pytest.mark.slow
def test_the_classes_can_be_learnt_across_subjects(tapes):
    """Reach unseen subjects clearly above the majority answer and below perfection; from shuffled labels, learn nothing."""
    cut = {name: windows(found) for name, found in tapes.items()}
    odd = [*NAMES[::2], "s10"]  # with s09, whose subject it shares
    train, test = (
        tuple(np.concatenate([cut[name][part] for name in NAMES if (name in odd) == side]) for part in (0, 1))
        for side in (True, False)
    )
    majority = f1_score(test[1], np.zeros_like(test[1]), average="macro", zero_division=0)
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(train[1])
        assert majority + 0.3 < score(train, test, seed, epochs=30) < 0.95
        assert score((train[0], shuffled), test, seed, epochs=5) < majority + 0.1


def test_short_and_few_recordings_work(tmp_path):
    """Write a single recording of a few seconds."""
    write(tmp_path, 1, np.random.default_rng(5), 0.1)
    assert Counter(tape(tmp_path, "s01").symbols).total() > 3
