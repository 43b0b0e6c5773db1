"""MIT-BIH's files, whole and damaged: a recording comes out, or one line that names it."""

import shutil

import numpy as np
import pytest

from pqrst.arrays import Record
from pqrst.datasets import _mitbih, mitdb
from pqrst.errors import RecordError


@pytest.fixture
def raw(synthetic_mitbih, tmp_path):
    """Give a copy of the made-up recordings that a test may damage."""
    return shutil.copytree(synthetic_mitbih, tmp_path / "mitdb")


def read_all(raw):
    return list(_mitbih.read_all(raw, mitdb.SYMBOLS))


def fault_of(raw, name="s02"):
    """Give the fault of one recording, and hold that the others still come."""
    found = {r.record: r for r in read_all(raw)}
    assert [n for n, r in found.items() if isinstance(r, RecordError)] == [name]
    message = str(found[name])
    assert message.startswith(f"record {name}: ")
    assert "\n" not in message
    return message


def test_recordings_come_in_the_order_of_the_list(raw):
    """Six recordings, two leads of a minute at 360 Hz, in converter steps."""
    found = read_all(raw)
    assert [r.record for r in found] == (raw / "RECORDS").read_text().split()
    assert all(r.signal.shape == (2, 21600) and r.signal.dtype == np.int16 for r in found)
    assert {r.gain for r in found} == {(200.0, 200.0)}
    assert {r.zero for r in found} == {(1024, 1024)}


def test_a_truncated_signal_is_named(raw):
    """A .dat that holds less than its header declares is refused, with both numbers."""
    content = (raw / "s02.dat").read_bytes()
    (raw / "s02.dat").write_bytes(content[:3000])
    assert "s02.dat holds 3000 bytes where its header declares 64800" in fault_of(raw)


def test_a_header_that_declares_more_than_there_is_is_named(raw):
    """A header with ten times the samples is refused before anything is allocated."""
    text = (raw / "s02.hea").read_text()
    (raw / "s02.hea").write_text(text.replace("21600", "216000000000"))
    assert "where its header declares 648000000000" in fault_of(raw)


def test_a_changed_sample_breaks_the_checksum(raw):
    """One changed byte in the signal is seen, although the wfdb package does not look."""
    content = bytearray((raw / "s02.dat").read_bytes())
    content[300] ^= 1
    (raw / "s02.dat").write_bytes(content)
    assert "has checksum" in fault_of(raw)


@pytest.mark.parametrize("ending", ["hea", "dat", "atr"])
def test_a_missing_file_is_named(raw, ending):
    """Each of the three files of a recording is missed by name."""
    (raw / f"s02.{ending}").unlink()
    assert f"s02.{ending}" in fault_of(raw)


def test_a_mark_beyond_the_end_is_refused(raw):
    """Annotations of a longer recording do not fit."""
    shutil.copyfile(raw / "s02.atr", raw / "s03.atr")
    text = (raw / "s03.hea").read_text().replace("21600", "300")
    (raw / "s03.hea").write_text(text)
    assert "s03" in fault_of(raw, "s03")


@pytest.mark.parametrize("ending", ["hea", "atr"])
def test_any_bytes_give_a_recording_or_one_line(raw, ending):
    """Damaged headers and annotations never end in another exception."""
    rng, file = np.random.default_rng(0), raw / f"s02.{ending}"
    whole = file.read_bytes()
    (raw / "RECORDS").write_text("s02\n")
    for trial in range(300):
        content = bytearray(whole[: rng.integers(0, len(whole) + 1)] if trial % 3 == 0 else whole)
        for place in rng.integers(0, max(1, len(content)), rng.integers(1, 6)):
            if content:
                content[place] = rng.integers(0, 256)
        file.write_bytes(content if trial % 10 else rng.bytes(60))
        first = next(r for r in read_all(raw) if r.record == "s02")
        assert isinstance(first, Record) or str(first).startswith("record s02: ")


def test_a_missing_list_is_one_line(raw):
    """Without RECORDS there is nothing to read, and the message says what to do."""
    (raw / "RECORDS").unlink()
    with pytest.raises(RecordError, match="RECORDS is missing; download"):
        read_all(raw)


def test_missing_old_annotations_of_102_say_what_to_do(raw):
    """The message names the file, why it is needed, and where it belongs."""
    with pytest.raises(RecordError, match=r"record 102: 102-0.atr is missing: .* 2018.*mitdb folder") as caught:
        _mitbih.read(_as_102(raw), "102", mitdb.SYMBOLS, _mitbih.OLD_102)
    assert "\n" not in str(caught.value)


def _as_102(raw):
    for ending in ("dat", "atr"):
        shutil.copyfile(raw / f"s02.{ending}", raw / f"102.{ending}")
    (raw / "102.hea").write_text((raw / "s02.hea").read_text().replace("s02", "102"))
    return raw


def test_no_patient_stands_in_two_sets():
    """The lists hold 48 recordings, and 202 follows its person, 201, into DS1."""
    sets = (_mitbih.DS1, _mitbih.DS2, _mitbih.PACED)
    assert [len(s) for s in sets] == [22, 22, 4]
    assert len(set().union(*sets)) == 48
    assert _mitbih.patient_set(_mitbih.SAME_SUBJECT["202"]) == "DS1"


def test_made_up_patients_alternate_and_share_recordings(raw):
    """The last two recordings are one person's, on one side."""
    found = read_all(raw)
    assert found[-1].patient == found[-2].patient
    assert found[-1].folds == found[-2].folds
    assert {r.folds["patients"] for r in found} == {"DS1", "DS2"}


@pytest.mark.real
def test_all_real_recordings_read_with_their_checksums(recordings):
    """48 recordings of 47 people, 112,647 marks, 109,494 of them beats."""
    beats = dict.fromkeys("NLR/VAfFjaEJQeS", 0)
    found = list(_mitbih.read_all(recordings / "mitdb", beats))
    assert all(isinstance(r, Record) for r in found)
    assert len(found) == 48
    assert len({r.patient for r in found}) == 47
    assert sum(len(r.marks.samples) for r in found) == 112_647
    assert sum(int((r.marks.labels == 0).sum()) for r in found) == 109_494
