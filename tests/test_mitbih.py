"""MIT-BIH's files, whole and damaged: a recording comes out, or one line that names it."""

import shutil

import numpy as np
import pytest
import wfdb

from pqrst.arrays import Record, read
from pqrst.datasets import _mitbih, mitdb
from pqrst.errors import DataError, RecordError
from pqrst.params import Window
from pqrst.segmentation import segment

WINDOW = Window("equal", samples=3600, step=1800, leads="first")
FACTS = {"dataset": "mitdb", "task": "single", "classes": mitdb.CLASSES, "provenance": {"synthetic": True}}


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
    assert_one_line(message, name)
    return message


def assert_one_line(message, name):
    """Hold that a message names the recording and the next step."""
    assert message.startswith(f"record {name}: ")
    assert "download it again" in message
    assert "\n" not in message


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def outcome_of_s02(raw):
    """Read s02 alone; give the recording, or hold that its fault is one line."""
    (raw / "RECORDS").write_text("s02\n")
    (found,) = read_all(raw)
    if isinstance(found, RecordError):
        assert_one_line(str(found), "s02")
    return found


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
    """The last sample, 21599, may bear a mark; the one after it does not exist."""
    wfdb.wrann("s02", "atr", np.array([100, 21599]), ["N", "N"], write_dir=str(raw))
    assert read_all(raw)[1].marks.samples.tolist() == [100, 21599]
    wfdb.wrann("s02", "atr", np.array([100, 21600]), ["N", "N"], write_dir=str(raw))
    assert "s02.atr has marks out of order or outside the 21600 samples" in fault_of(raw)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("s02 2 360", "s02 2 500", "declares no MIT-BIH recording"),
        ("s02 2 360", "s02 1 360", "declares no MIT-BIH recording"),
        ("212 200", "16 200", "declares no MIT-BIH recording"),
        ("212 200", "212 -200", "declares no MIT-BIH recording"),
        ("s02.dat", "s03.dat", "declares no MIT-BIH recording"),
        ("/mV", "/uV", "declares no MIT-BIH recording"),
        ("21600", "20000", "has checksum"),
    ],
)
def test_a_header_of_another_recording_is_refused(raw, old, new, reason):
    """Rate, leads, format, gain, file, unit and length must be those of this database and of the signal beside it."""
    change(raw / "s02.hea", old, new)
    assert reason in fault_of(raw)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"# 69 M\n",
        b"no header\n",
        b"\xff\xfe\x00" * 30,
        b"s02 2 360 21600\n",
        b"s02/2 2 360 9\na 4\nb 5\n",
    ],
)
def test_a_header_of_garbage_is_named(raw, content):
    """Nothing, comments, noise, a header without signals, and one of several segments are no header of MIT-BIH's."""
    (raw / "s02.hea").write_bytes(content)
    assert "s02.hea" in fault_of(raw)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"\0\0", b"\xff" * 20, b"\0\xec", b"\x01\x04\0\xec\0\0", b"\xff\xfc\0\0", b"record 100"],
)
def test_annotations_of_garbage_are_named(raw, content):
    """Nothing, an end mark alone, skips and notes that lead nowhere, and text are no annotations."""
    (raw / "s02.atr").write_bytes(content)
    assert "s02.atr" in fault_of(raw)


def test_annotations_cut_anywhere_are_refused(raw):
    """The wfdb package takes what is left of a file for the whole; each of its beginnings is refused here."""
    whole = (raw / "s02.atr").read_bytes()
    for length in range(len(whole)):
        (raw / "s02.atr").write_bytes(whole[:length])
        with pytest.raises(RecordError, match=r"record s02: s02\.atr .*; download it again"):
            _mitbih._marks(raw, "s02", "s02", mitdb.SYMBOLS, 21600)


@pytest.mark.parametrize("ending", ["hea", "atr"])
def test_any_bytes_give_a_recording_or_one_line(raw, ending):
    """Damaged headers and annotations never end in another exception."""
    rng, file = np.random.default_rng(0), raw / f"s02.{ending}"
    whole = file.read_bytes()
    for _ in range(150):
        content = bytearray(whole)
        for place in rng.integers(0, len(content), rng.integers(1, 6)):
            content[place] = rng.choice([0, 10, 32, 45, 47, 48, 57, 236, 255, rng.integers(256)])
        file.write_bytes(content)
        assert isinstance(outcome_of_s02(raw), Record | RecordError)


@pytest.mark.parametrize("ending", ["hea", "atr"])
def test_noise_gives_one_line(raw, ending):
    """Sixty random bytes are never a recording."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        (raw / f"s02.{ending}").write_bytes(rng.bytes(60))
        assert isinstance(outcome_of_s02(raw), RecordError)


def test_skip_passes_over_the_damaged_and_keeps_the_others(raw, tmp_path):
    """Three damaged recordings of six are listed with their faults, in order; the rows are those of the other three."""
    (raw / "s01.atr").write_bytes(b"\xff" * 20)
    (raw / "s03.hea").unlink()
    (raw / "s06.dat").write_bytes(b"")
    meta = segment(mitdb.records(raw, mitdb.Params()), WINDOW, "skip", FACTS, tmp_path / "windows")
    assert [entry["record"] for entry in meta.skipped] == ["s01", "s03", "s06"]
    assert meta.skipped[1]["fault"] == "s03.hea is missing; download it again"
    assert read(tmp_path / "windows").rows["record"].unique().tolist() == ["s02", "s04", "s05"]


def test_stop_ends_with_the_first_fault(raw, tmp_path):
    """The first damaged recording is the message, and nothing is written."""
    (raw / "s02.dat").unlink()
    with pytest.raises(RecordError, match=r"record s02: s02\.dat holds 0 bytes"):
        segment(mitdb.records(raw, mitdb.Params()), WINDOW, "stop", FACTS, tmp_path / "windows")
    assert not list(tmp_path.glob("windows*"))


def test_nothing_readable_is_one_line(raw, tmp_path):
    """Where every recording is damaged, skipping them all is no Bundle."""
    for file in raw.glob("*.hea"):
        file.unlink()
    with pytest.raises(DataError, match=r"no recording could be read \(6 skipped\); download the dataset again"):
        segment(mitdb.records(raw, mitdb.Params()), WINDOW, "skip", FACTS, tmp_path / "windows")


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "is missing"), (b"", "names no recording"), (b"\xff\xfe1\x000", "cannot be read")]
)
def test_a_damaged_list_is_one_line(raw, content, fault):
    """Without RECORDS there is nothing to read, and the message says what to do."""
    (raw / "RECORDS").unlink()
    if content is not None:
        (raw / "RECORDS").write_bytes(content)
    with pytest.raises(RecordError, match=rf"RECORDS {fault}.*; download") as caught:
        read_all(raw)
    assert "\n" not in str(caught.value)


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


def test_record_102_is_read_with_either_annotations(raw):
    """The old ones are taken where they are asked for, the corrected ones elsewhere."""
    (_as_102(raw) / "RECORDS").write_text("102\n")
    wfdb.wrann("102-0", "atr", np.array([100, 200]), ["N", "N"], write_dir=str(raw))
    (old,) = _mitbih.read_all(raw, mitdb.SYMBOLS, old_102=True)
    (new,) = read_all(raw)
    assert old.marks.samples.tolist() == [100, 200]
    assert len(new.marks.samples) > 2


def test_the_lists_hold_every_record_once():
    """22, 22 and 4 records, 48 in all."""
    sets = (_mitbih.DS1, _mitbih.DS2, _mitbih.PACED)
    assert [len(s) for s in sets] == [22, 22, 4]
    assert len(set().union(*sets)) == 48


def test_no_subject_stands_in_two_sets():
    """202 stands in DS2's list, but is the person 201, who stands in DS1: it is a part of its own."""
    names = [*_mitbih.DS1, *_mitbih.DS2, *_mitbih.PACED]
    subjects = {name: _mitbih._subject(name, []) for name in names}
    assert subjects["202"] == subjects["201"] == "201"
    assert len(set(subjects.values())) == 47
    assert "202" in _mitbih.DS2
    sets = {name: _mitbih.patient_set(subject, name == "202") for name, subject in subjects.items()}
    assert (sets["201"], sets["202"]) == ("DS1", _mitbih.SHARED)
    assert [list(sets.values()).count(s) for s in ("DS1", "DS2", "paced", _mitbih.SHARED)] == [22, 21, 4, 1]


@pytest.mark.parametrize("patient", ["201", "100", "102", "made-up 3"])
def test_a_further_record_of_a_person_is_a_part_of_its_own(patient):
    """Wherever a person's first record stands, a second one joins neither side by itself."""
    assert _mitbih.patient_set(patient) in {"DS1", "DS2", "paced"}
    assert _mitbih.patient_set(patient, again=True) == "DS2 of DS1's person"


def test_a_second_record_whose_first_cannot_be_read_stands_for_its_person(raw):
    """Where s05 is damaged, s06 is all that there is of the person, and takes s05's place."""
    before = [r.folds for r in read_all(raw)]
    (raw / "s05.hea").unlink()
    found = read_all(raw)
    assert isinstance(found[4], RecordError)
    assert found[5].folds == before[4]


def test_record_202_is_a_part_of_its_own_without_201_too(raw):
    """The published membership does not depend on which other recordings there are."""
    for ending in ("dat", "atr"):
        shutil.copyfile(raw / f"s02.{ending}", raw / f"202.{ending}")
    (raw / "202.hea").write_text((raw / "s02.hea").read_text().replace("s02", "202"))
    (raw / "RECORDS").write_text("202\n")
    (found,) = read_all(raw)
    assert found.folds == {"patients": _mitbih.SHARED}


def test_made_up_patients_alternate_and_share_recordings(raw):
    """The last two recordings are one person's, and the second of them is a part of its own, as 202 is."""
    found = read_all(raw)
    assert found[-1].patient == found[-2].patient
    assert found[-1].folds == {"patients": _mitbih.SHARED}
    assert {r.folds["patients"] for r in found[:-1]} == {"DS1", "DS2"}


@pytest.fixture(scope="module")
def real(recordings):
    """Read all real recordings with the symbols that stand for beats, once."""
    return list(_mitbih.read_all(recordings / "mitdb", dict.fromkeys("NLR/VAfFjaEJQeS", 0)))


@pytest.mark.real
def test_all_real_recordings_are_read(real):
    """48 recordings of 47 people, 30 minutes each; a checksum that does not hold would be a fault."""
    assert all(isinstance(r, Record) for r in real)
    assert len(real) == 48
    assert len({r.patient for r in real}) == 47
    assert {r.signal.shape for r in real} == {(2, 650_000)}
    assert {r.gain for r in real} == {(200.0, 200.0)}
    assert [r.record for r in real if r.leads[0] != "MLII"] == ["102", "104", "114"]


@pytest.mark.real
def test_real_recordings_have_the_parts_of_their_people(real):
    """22 recordings in DS1, 21 in DS2, 4 with paced beats, and 202 apart."""
    parts = {r.record: r.folds["patients"] for r in real}
    assert [name for name, part in parts.items() if part == _mitbih.SHARED] == ["202"]
    assert [list(parts.values()).count(part) for part in ("DS1", "DS2", "paced")] == [22, 21, 4]


@pytest.mark.real
def test_real_recordings_have_the_counted_marks(real):
    """112,647 marks, 109,494 of them beats."""
    assert sum(len(r.marks.samples) for r in real) == 112_647
    assert sum(int((r.marks.labels == 0).sum()) for r in real) == 109_494


@pytest.mark.real
def test_real_headers_declare_a_checksum_for_every_lead(recordings):
    """None of the 96 is left out, so that reading verifies all of them."""
    names = (recordings / "mitdb" / "RECORDS").read_text().split()
    sums = [wfdb.rdheader(str(recordings / "mitdb" / name)).checksum for name in names]
    assert len(sums) == 48
    assert all(len(pair) == 2 and None not in pair for pair in sums)
