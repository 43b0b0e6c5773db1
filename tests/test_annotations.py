"""Annotation files: what the wfdb package reads is read alike, and what it never returns from is refused."""

import numpy as np
import pytest
import wfdb
from wfdb.io.annotation import rdann

from pqrst import annotations
from pqrst.errors import RecordError
from pqrst.recordings import read_marks

END = b"\0\0"
NOTE = 22 << 10
NORMAL = (1 << 10).to_bytes(2, "little")


def text(said):
    """Give a note at sample 0 with a text."""
    content = said.encode() + b"\0" * (len(said) % 2)
    return NOTE.to_bytes(2, "little") + (63 << 10 | len(said)).to_bytes(2, "little") + content


def skip(samples):
    high, low = divmod(samples % 2**32, 2**16)
    return b"".join(word.to_bytes(2, "little") for word in (59 << 10, high, low))


def test_marks_by_hand():
    """A beat after 5 samples, one more than 1023 samples later, fields of its own between them, no end but the end."""
    fields = b"".join((code << 10 | 3).to_bytes(2, "little") for code in (60, 61, 62))
    found = annotations.read(
        (1 << 10 | 5).to_bytes(2, "little") + fields + skip(70_000) + (5 << 10 | 2).to_bytes(2, "little") + END
    )
    assert found.samples.tolist() == [5, 70_007]
    assert found.symbols() == ["N", "V"]


def test_it_reads_what_the_wfdb_package_writes_and_reads(tmp_path):
    """Beats, rhythms with their text, long steps, a rate, and symbols that the file defines itself."""
    rng = np.random.default_rng(0)
    samples = np.sort(rng.integers(0, 2**28, 500))
    symbols = [["N", "V", "+", "~", "A"][place] for place in rng.integers(0, 5, 500)]
    notes = ["(AFIB" if symbol == "+" else "" for symbol in symbols]
    wfdb.wrann("r", "atr", samples, symbols, aux_note=notes, fs=360, write_dir=str(tmp_path))
    theirs, ours = rdann(str(tmp_path / "r"), "atr"), annotations.read((tmp_path / "r.atr").read_bytes())
    assert ours.samples.tolist() == theirs.sample.tolist() == samples.tolist()
    assert ours.symbols() == theirs.symbol == symbols


def test_a_file_may_define_symbols():
    """Between two words about itself; they are known in this file alone."""
    mark = (45 << 10 | 9).to_bytes(2, "little")
    told = [text("## annotation type definitions"), text("45 zz a new kind"), text("## end of definitions")]
    found = annotations.read(b"".join(told) + mark + END)
    assert (found.samples.tolist(), found.symbols()) == ([9], ["zz"])
    with pytest.raises(ValueError, match="no known kind"):
        annotations.read(mark + END).symbols()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "before its end mark"),
        (b"\0", "before its end mark"),
        (NORMAL, "before its end mark"),
        (skip(7)[:2] + END, "before its end mark"),
        (skip(0)[:4] + END, "before its end mark"),
        (NORMAL + END + NORMAL + END, "behind its end mark"),
        (NORMAL + (63 << 10 | 900).to_bytes(2, "little") + bytes(900) + END, "too long"),
        (
            text("## annotation type definitions") + text("no number") + text("## end of definitions") + END,
            "cannot be read",
        ),
        (text("## annotation type definitions") + END, "cannot be read"),
    ],
)
def test_what_is_no_whole_file_is_refused(content, said):
    """Cut short, longer than its end, with a text or a definition that cannot be."""
    with pytest.raises(ValueError, match=said):
        annotations.read(content)


@pytest.mark.parametrize("said", ["## a remark", "## time resolution: x", "## time resolution: 360"])
def test_a_word_too_many_about_the_file_ends(said, tmp_path):
    """The wfdb package 4.3.1 reads such a file for ever; it is read, by both readers, or refused in one line."""
    content = text("## time resolution: 360") + text(said) + NORMAL + END
    assert annotations.read(content).symbols() == ["N"]
    (tmp_path / "r.atr").write_bytes(content)
    assert read_marks(tmp_path / "r.hea", "atr") == [(0, "N")]


def test_marks_before_the_first_sample_are_told(tmp_path):
    """A long step may lead backwards, but not out of the recording."""
    (tmp_path / "r.atr").write_bytes(skip(-9) + NORMAL + END)
    with pytest.raises(RecordError, match=r"r\.atr has marks before its first sample; copy it again"):
        read_marks(tmp_path / "r.hea", "atr")


@pytest.mark.real
def test_every_file_of_mit_bih_is_as_the_wfdb_package_reads_it(recordings):
    """Samples and symbols of all its marks."""
    files = sorted((recordings / "mitdb").glob("*.atr"))
    for file in files:
        theirs, ours = rdann(str(file.with_suffix("")), "atr"), annotations.read(file.read_bytes())
        assert ours.samples.tolist() == theirs.sample.tolist()
        assert ours.symbols() == theirs.symbol
    assert files
