"""CPSC 2018: one label a recording, out of the challenge's own files and out of the Challenge 2021's, from mirrors and hosts."""

import io
import logging
import random
import shutil
import warnings
import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

with warnings.catch_warnings():  # the same at import, where the mark below does not reach
    warnings.simplefilter("ignore", DeprecationWarning)
    import wfdb

import toys
from pqrst import challenge
from pqrst.arrays import Record
from pqrst.arrays import read as read_bundle
from pqrst.datasets import cpsc2018
from pqrst.datasets._wfdb12 import LEADS
from pqrst.datasets.cpsc2018 import CLASSES, CODES, Params, one_label
from pqrst.errors import DownloadError, RecordError
from pqrst.made_up.cpsc2018 import write
from pqrst.params import Window
from pqrst.segmentation import segment
from toys import listed

# wfdb 4.3.1 calls what pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")

FIRST_LABELS = (918, 1098, 704, 207, 1695, 574, 653, 826, 202)  # of all 6,877, in the order of the classes
STEPS = np.array([[k, 10 * k + 1, -k, 7 * k] for k in range(12)], np.int16)  # 1/1000 mV


def table(*rows):
    """Make a table of a name and up to three labels."""
    return pd.DataFrame([(*row, "", "", "")[:4] for row in rows], columns=list(cpsc2018.COLUMNS), dtype=str)


def write_own(raw, *rows, fields=None):
    """Write the challenge's table, and a file of four samples for each recording."""
    raw.mkdir(parents=True, exist_ok=True)
    table(*rows).to_csv(raw / "REFERENCE.csv", index=False)
    for name, *_ in rows:
        savemat(raw / f"{name}.mat", {"ECG": fields or {"sex": "Male", "age": 74.0, "data": STEPS / 1000}})


def write_challenge(folder, name, dx, fs=500, told=("#Age: 74", "#Sex: Male")):
    """Write the same recording as the Challenge 2021 has it."""
    toys.write_challenge(folder, name, STEPS, (*told, f"#Dx: {dx}"), fs)


def read(raw, **settings):
    return list(cpsc2018.records(raw, Params(**settings)))


def called(records):
    return {r.record: CLASSES[r.label] for r in records}


def test_classes_and_codes_are_those_of_the_challenge():
    """Nine, in the order of their numbers; the Challenge's codes mean the same where it scores them."""
    assert CLASSES == ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
    assert sorted(CODES.values()) == list(range(1, 10))
    scored = {
        code: challenge.CLASSES[challenge.CODES.index(challenge.SAME_AS.get(code, code))]
        for code in CODES
        if code in challenge.SAME_AS or code in challenge.CODES
    }
    assert {CLASSES[CODES[code] - 1]: name for code, name in scored.items()} == {
        "Normal": "NSR", "AF": "AF", "I-AVB": "IAVB", "LBBB": "LBBB", "RBBB": "RBBB", "PAC": "PAC",
    }  # fmt: skip


def test_a_recording_with_a_second_label_is_left_out():
    """Whatever the labels are; one without any has no first."""
    given = table(("A1", "5"), ("A2", "5", "2"), ("A3", "1"), ("A4", "2", "5", "6"), ("A5",))
    assert one_label(given)["Recording"].tolist() == ["A1", "A3"]


def whole_table(change=0):
    """Make a table of as many recordings of each class, with and without a second label, as were published."""
    rows = []
    for number, (kept, first) in enumerate(zip(cpsc2018.PUBLISHED.values(), FIRST_LABELS, strict=True), 1):
        rows += [(str(number),)] * kept + [(str(number), "9")] * (first - kept)
    rows[:change] = [("2",)] * change
    return table(*((f"A{place:04d}", *row) for place, row in enumerate(rows, 1)))


def test_a_whole_table_is_held_against_the_published_counts(tmp_path, caplog):
    """6,400 of 6,877, class by class; a table that gives others is told in one line, a part of one is not."""
    assert sum(FIRST_LABELS) == 6877
    assert sum(cpsc2018.PUBLISHED.values()) == 6400
    for change in (0, 3):
        whole_table(change).to_csv(tmp_path / "REFERENCE.csv", index=False)
        caplog.clear()
        with caplog.at_level(logging.INFO, "pqrst"):
            assert read(tmp_path, partial=True) == []
        warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        told = "CPSC 2018: recordings of one label differ from those published: Normal 915 for 918, AF 979 for 976"
        assert warned == ([told] if change else [])
        assert "cpsc2018: 6400 of 6877 recordings have one label" in caplog.messages
    whole_table(3)[1:].to_csv(tmp_path / "REFERENCE.csv", index=False)
    caplog.clear()
    read(tmp_path, partial=True)
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]


def test_recordings_come_out_of_the_challenges_own_files(tmp_path):
    """In mV, with age and sex, without a patient, in the order of the table; the class is the first label less 1."""
    write_own(tmp_path, ("A0002", "9"), ("A0003", "1", "5"), ("A0001", "1"))
    found = read(tmp_path)
    assert called(found) == {"A0002": "STE", "A0001": "Normal"}
    assert [r.record for r in found] == ["A0002", "A0001"]
    first = found[0]
    np.testing.assert_allclose(first.signal, STEPS / 1000, rtol=1e-6)
    assert (first.fs, first.leads, first.gain, first.units, first.patient) == (500.0, LEADS, None, "mV", "")
    assert first.about == {"age": "74", "sex": "male"}
    assert first.numbers == {"age": 74.0, "male": 1.0}
    assert [r.folds for r in found] == [{"tenths": "5"}, {"tenths": "10"}]


@pytest.mark.parametrize(
    ("fields", "told", "numbers"),
    [
        ({"sex": "Female", "age": np.nan}, {"age": "", "sex": "female"}, (np.nan, 0.0)),
        ({"sex": "", "age": np.zeros((0, 0))}, {"age": "", "sex": ""}, (np.nan, np.nan)),
    ],
)
def test_who_is_not_known_is_told_as_such(tmp_path, fields, told, numbers):
    """An age that is no number, and cells without anything."""
    write_own(tmp_path, ("A0001", "1"), fields={**fields, "data": STEPS / 1000})
    (found,) = read(tmp_path)
    assert found.about == told
    assert tuple(found.numbers.values()) == pytest.approx(numbers, nan_ok=True)


def test_gaps_are_told_and_become_0(tmp_path):
    """A sample that is no number, in one lead."""
    samples = STEPS / 1000
    samples[6, 2] = np.nan
    write_own(tmp_path, ("A0001", "1"), fields={"sex": "Male", "age": 1.0, "data": samples})
    (found,) = read(tmp_path)
    assert toys.faults_of(found) == ("not_finite:V1",)
    assert toys.masked(found)[6].tolist() == pytest.approx([0.006, 0.061, 0, 0.042])


def as_mat(content):
    file = io.BytesIO()
    savemat(file, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no MATLAB 5 file"),
        (bytes(300), "is no MATLAB 5 file"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(512), "is no MATLAB 5 file"),
        (as_mat({"val": STEPS}), "is no MATLAB 5 file with sex, age and data in ECG"),
        (as_mat({"ECG": STEPS}), "is no MATLAB 5 file"),
        (as_mat({"ECG": {"sex": "Male", "data": STEPS}}), "is no MATLAB 5 file"),
        (as_mat({"ECG": {"sex": "Male", "age": 1.0, "data": STEPS.T}}), "its signal is 4 x 12 of int16"),
        (as_mat({"ECG": {"sex": "Male", "age": 1.0, "data": "text"}}), "not numbers of 12 leads"),
        (as_mat({"ECG": {"sex": "Male", "age": 1.0, "data": 1000.0 * STEPS}}), "its unit is another"),
    ],
)
def test_a_file_that_does_not_fit_is_told(tmp_path, content, words):
    """It is given as its fault, in one line, and the others still come."""
    write_own(tmp_path, ("A0001", "1"), ("A0002", "2"))
    (tmp_path / "A0001.mat").write_bytes(content)
    fault, other = read(tmp_path)
    assert str(fault).startswith("record A0001: ")
    assert words in str(fault)
    assert str(fault).endswith("download the database again")
    assert other.record == "A0002"


def test_damaged_files_are_faults_and_never_a_crash(tmp_path):
    """Bytes that are changed or missing, wherever they are."""
    write_own(tmp_path, ("A0001", "1"))
    sound, rng = (tmp_path / "A0001.mat").read_bytes(), random.Random(0)
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / "A0001.mat").write_bytes(content[: rng.choice([None, rng.randrange(len(content))])])
        (found,) = read(tmp_path)
        assert isinstance(found, Record | RecordError)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Recording,First_label,Second_label\nA0001,1,\n", "has no column 'Third_label'"),
        (
            "Recording,First_label,Second_label,Third_label\nA0001,,,\n",
            "A0001 has '' as its First_label, no label from 1 to 9",
        ),
        ("Recording,First_label,Second_label,Third_label\nA0001,0,,\n", "A0001 has '0' as its First_label"),
        ("Recording,First_label,Second_label,Third_label\nA0001,10,,\n", "A0001 has '10' as its First_label"),
        ("Recording,First_label,Second_label,Third_label\nA0001,1,x,\n", "A0001 has 'x' as its Second_label"),
        ("Recording,First_label,Second_label,Third_label\nA0001,1,,\nA0001,2,,\n", "one of them twice"),
    ],
)
def test_a_table_that_does_not_fit_is_told(tmp_path, content, words):
    """Labels are the one thing that cannot be guessed."""
    (tmp_path / "REFERENCE.csv").write_text(content)
    with pytest.raises(RecordError) as caught:
        read(tmp_path)
    assert str(caught.value).startswith("record of CPSC 2018: REFERENCE.csv")
    assert words in str(caught.value)


def test_labels_may_be_written_with_a_point(tmp_path):
    """As a table is by a program that holds a column with gaps as floats."""
    write_own(tmp_path, ("A0001", "4.0"), ("A0002", "4.0", "5.0"))
    assert called(read(tmp_path)) == {"A0001": "LBBB"}


def test_a_missing_file_names_the_setting(tmp_path, caplog):
    """Unless only some recordings are expected: then it is passed over, and counted; tenths are those of what is there."""
    write_own(tmp_path, ("A0001", "1"), ("A0002", "2"), ("A0003", "3"))
    (tmp_path / "A0002.mat").unlink()
    fault = read(tmp_path)[1]
    assert str(fault) == (
        "record A0002: A0002.mat is missing; download the database again, "
        "or set databases.cpsc2018.partial to true if the source has it not"
    )
    with caplog.at_level(logging.INFO, "pqrst"):
        found = read(tmp_path, partial=True)
    assert [(r.record, r.folds["tenths"]) for r in found] == [("A0001", "5"), ("A0003", "10")]
    assert "CPSC 2018: 1 of 3 recordings are not there" in caplog.messages


@pytest.mark.parametrize(
    ("dx", "expected"),
    [
        ("426783006", "Normal"),
        ("164889003", "AF"),
        ("270492004", "I-AVB"),
        ("164909002", "LBBB"),
        ("59118001", "RBBB"),
        ("284470004", "PAC"),
        ("164884008", "PVC"),
        ("429622005", "STD"),
        ("164931005", "STE"),
        ("164931005,999999999,", "STE"),
        ("59118001,59118001", "RBBB"),
        ("59118001,284470004", None),
        ("284470004,59118001", None),
        ("164889003,59118001,429622005,164931005", None),
        ("427172004", None),
        ("", None),
    ],
)
def test_a_header_gives_a_label_where_it_lists_one_code(tmp_path, dx, expected):
    """Two of the nine leave a recording out, in any order; others do not count."""
    write_challenge(tmp_path / "cpsc_2018", "A0007", dx)
    assert called(read(tmp_path)) == ({} if expected is None else {"A0007": expected})


def test_recordings_come_out_of_the_challenge_2021(tmp_path):
    """By their names, whatever folders lie between; other collections stay out; the signal is in the converter's integers."""
    for folder, name, dx in (
        ("cpsc_2018/g2", "A0001", "59118001"),
        ("cpsc_2018/g1", "A0003", "426783006"),
        ("cpsc_2018/g1", "A0002", "59118001,426783006"),
        ("cpsc_2018_extra", "Q0001", "426783006"),
        ("georgia", "E00001", "426783006"),
    ):
        write_challenge(tmp_path / folder, name, dx)
    found = read(tmp_path)
    assert [r.record for r in found] == ["A0001", "A0003"]
    assert found[0].signal.tolist() == STEPS.tolist()
    assert (found[0].gain, found[0].zero, found[0].patient) == ((1000.0,) * 12, (0,) * 12, "")
    assert found[0].about == {"age": "74", "sex": "male"}
    assert found[0].numbers == {"age": 74.0, "male": 1.0}
    assert [r.folds for r in found] == [{"tenths": "5"}, {"tenths": "10"}]


def test_a_whole_collection_is_held_against_the_published_counts(tmp_path, caplog):
    """6,877 headers with the codes of the table's labels, the second label first."""
    codes = {str(number): code for code, number in CODES.items()}
    with zipfile.ZipFile(tmp_path / "001.zip", "w") as pack:
        for name, first, second, _ in whole_table().to_numpy():
            other = "1" if second == first else second
            dx = ",".join(codes[label] for label in (other, first) if label)
            pack.writestr(f"cpsc_2018/{name}.hea", f"{name}\n#Dx: {dx}\n")
    with caplog.at_level(logging.INFO, "pqrst"):
        assert len(read(tmp_path)) == 6400
    assert caplog.messages == ["cpsc2018: 6400 of 6877 recordings have one label"]


def test_faults_of_the_challenges_files_are_given_and_the_others_come(tmp_path):
    """Without Dx, twice, at another rate, without its signal."""
    folder = tmp_path / "cpsc_2018"
    for name in ("A0001", "A0002", "A0003", "A0004", "A0005"):
        write_challenge(folder, name, "426783006", fs=1000 if name == "A0003" else 500)
    (folder / "A0001.hea").write_text((folder / "A0001.hea").read_text().replace("#Dx", "#Rx"))
    write_challenge(folder / "g1", "A0002", "426783006")
    (folder / "A0004.mat").unlink()
    found = read(tmp_path)
    assert {r.record: r.fault for r in found if isinstance(r, RecordError)} == {
        "A0001": "its header has no line Dx; download the database again",
        "A0002": "it lies there as cpsc_2018/A0002 and as cpsc_2018/g1/A0002; keep one",
        "A0003": "its header says 1000 Hz where 500 Hz belong; download the database again",
        "A0004": "cpsc_2018/A0004.mat is missing; download the database again",
    }
    assert called(r for r in found if isinstance(r, Record)) == {"A0005": "Normal"}


def test_nothing_at_all_is_told(tmp_path):
    """Neither the table nor a header of the collection."""
    write_challenge(tmp_path, "Q0001", "426783006")
    with pytest.raises(RecordError, match=r"neither REFERENCE\.csv nor a header of it lies in"):
        read(tmp_path)


def test_both_releases_give_the_same_rows(tmp_path):
    """Stored as whole thousandths of a mV, a recording is the same numbers out of either."""
    write_own(tmp_path / "own", ("A0001", "5"))
    write_challenge(tmp_path / "challenge", "A0001", "59118001")
    rows = []
    for release in ("own", "challenge"):
        window = Window("whole", 6, steps=1000)
        facts = {"dataset": "cpsc2018", "task": "single", "classes": CLASSES, "provenance": {"synthetic": True}}
        segment(cpsc2018.records(tmp_path / release, Params()), window, "stop", facts, tmp_path / f"{release}-rows")
        bundle = read_bundle(tmp_path / f"{release}-rows")
        rows.append((bundle.x.tolist(), bundle.y.tolist(), bundle.x.dtype.name, bundle.rows["fold_tenths"].tolist()))
    assert rows[0] == rows[1]
    assert rows[0][0] == [np.pad(STEPS, ((0, 0), (0, 2))).tolist()]


@pytest.fixture
def made_up(tmp_path):
    """Write twenty made-up recordings of one label, as a mirror."""
    folder = tmp_path / "made_up" / "cpsc2018"
    folder.mkdir(parents=True)
    write(folder, 20, np.random.default_rng(3), 1.0)
    return folder


def test_made_up_recordings_have_all_classes_and_all_rules(made_up):
    """Twenty of one label, five of two or three; each file says that it is made up."""
    given = pd.read_csv(made_up / "REFERENCE.csv")
    assert (len(given), int(given["Second_label"].notna().sum()), int(given["Third_label"].notna().sum())) == (25, 5, 1)
    found = read(made_up)
    assert all(isinstance(r, Record) for r in found)
    assert len(found) == 20
    assert set(called(found).values()) == set(CLASSES)
    assert {r.signal.shape[0] for r in found} == {12}
    assert min(r.signal.shape[1] for r in found) >= 3000
    for file in made_up.glob("*.mat"):
        assert b"SYNTHETIC" in file.read_bytes()[:116]
        assert loadmat(file)["ECG"].dtype.names == ("sex", "age", "data")


def get(base, tmp_path, **settings):
    return cpsc2018.fetch(base and str(base), tmp_path / "raw", tmp_path / "scratch", Params(**settings))


def compared(records):
    return [(r.record, r.label, r.about, r.folds, r.signal.tolist()) for r in records]


def test_the_challenges_own_files_come_packed_from_a_mirror(made_up, tmp_path):
    """The table beside one archive; what is read out of it is what was made up."""
    told = get(made_up.parent, tmp_path)
    assert (told["source"], told["verified"], told["files"]) == ("mirror", True, 26)
    assert listed(tmp_path / "raw") == ["001.zip", "REFERENCE.csv"]
    assert compared(read(tmp_path / "raw")) == compared(read(made_up))


def test_files_may_lie_as_they_were_packed(made_up, tmp_path):
    """In TrainingSet1 to 3, where they can be seen."""
    expected = compared(read(made_up))
    (made_up / "SHA256SUMS.txt").unlink()
    for place, file in enumerate(sorted(made_up.glob("*.mat"))):
        folder = made_up / f"TrainingSet{place % 3 + 1}"
        folder.mkdir(exist_ok=True)
        shutil.move(file, folder / file.name)
    assert compared(read(made_up)) == expected
    assert not get(made_up.parent, tmp_path)["verified"]
    assert listed(tmp_path / "raw") == ["REFERENCE.csv", *(f"TrainingSet{k}/001.zip" for k in (1, 2, 3))]
    assert compared(read(tmp_path / "raw")) == expected


@pytest.mark.parametrize("sums", [True, False])
def test_the_challenges_own_files_come_over_http(made_up, shelf, tmp_path, sums):
    """With a list of sums, or without one from beside the table."""
    shutil.copytree(made_up, shelf.folder / "cpsc2018")
    if not sums:
        (shelf.folder / "cpsc2018/SHA256SUMS.txt").unlink()
    assert get(shelf.url, tmp_path)["verified"] == sums
    assert len(read(tmp_path / "raw")) == 20


def test_a_mirror_with_some_recordings_needs_the_setting(made_up, tmp_path):
    """Without it one line names it."""
    (made_up / "A0003.mat").unlink()
    with pytest.raises(DownloadError, match=r"A0003\.mat: not found; .* set databases\.cpsc2018\.partial to true"):
        get(made_up.parent, tmp_path)
    assert get(made_up.parent, tmp_path, partial=True)["missing"] == 1
    assert len(read(tmp_path / "raw", partial=True)) == 19


def test_the_collection_comes_from_a_mirror_of_the_challenge(tmp_path):
    """Where the mirror has none of the challenge's own files."""
    write_challenge(tmp_path / "mirror/challenge2021/cpsc_2018/g1", "A0001", "59118001")
    write_challenge(tmp_path / "mirror/challenge2021/georgia", "E00001", "59118001")
    assert get(tmp_path / "mirror", tmp_path)["files"] == 2
    assert listed(tmp_path / "raw") == ["cpsc_2018/g1/001.zip"]
    assert called(read(tmp_path / "raw")) == {"A0001": "RBBB"}


def test_the_collection_comes_from_the_host_of_the_challenge(shelf, tmp_path, monkeypatch):
    """Listed by RECORDS of the host's folders, and nothing else of the Challenge."""
    monkeypatch.setattr(cpsc2018, "HOST", shelf.url)
    folder = shelf.folder / "training/cpsc_2018"
    write_challenge(folder / "g1", "A0001", "59118001")
    write_challenge(folder / "g1", "A0002", "426783006")
    (folder / "RECORDS").write_text("g1/\n")
    (folder / "g1/RECORDS").write_text("A0001\nA0002\n")
    assert get(None, tmp_path)["source"] == "host"
    assert called(read(tmp_path / "raw")) == {"A0001": "RBBB", "A0002": "Normal"}
    assert all(path == "/SHA256SUMS.txt" or path.startswith("/training/cpsc_2018") for path in shelf.asked)


def test_a_source_without_the_collection_is_told(tmp_path):
    """By its name."""
    (tmp_path / "mirror/challenge2021").mkdir(parents=True)
    with pytest.raises(DownloadError, match="challenge2021/cpsc_2018: holds no recording that can be listed"):
        get(tmp_path / "mirror", tmp_path)


@pytest.fixture(scope="module")
def real(recordings):
    """Read the real recordings of the collection."""
    return list(cpsc2018.records(recordings / "challenge2021", Params()))


@pytest.mark.real
def test_real_recordings_are_read_as_wfdb_reads_them(real, recordings):
    """12 of 13 have one label; every sample, age and sex is that of the files."""
    assert all(isinstance(r, Record) for r in real)
    headers = sorted((recordings / "challenge2021/cpsc_2018").glob("*.hea"))
    assert (len(headers), len(real)) == (13, 12)
    for record in real:
        other = wfdb.rdrecord(str(recordings / "challenge2021/cpsc_2018" / record.record), physical=False)
        assert record.signal.tolist() == other.d_signal.T.tolist()
        assert record.fs == other.fs
        np.testing.assert_allclose(record.in_units(), ((other.d_signal - other.baseline) / other.adc_gain).T, rtol=1e-6)
        told = dict(comment.split(": ") for comment in other.comments)
        assert record.about == {"age": told["Age"], "sex": told["Sex"].lower()}
        assert not toys.faults_of(record)


@pytest.mark.real
def test_real_labels_are_those_of_the_headers(real, recordings):
    """By the Challenge's own tables of codes, read beside the reader; the one with two is left out."""
    tables = [
        pd.read_csv(recordings / f"challenge2021/evaluation-2021/dx_mapping_{kind}.csv", dtype=str)
        for kind in ("scored", "unscored")
    ]
    short = {row["SNOMEDCTCode"]: row["Abbreviation"] for given in tables for _, row in given.iterrows()}
    names = {"NSR": "Normal", "IAVB": "I-AVB", "VEB": "PVC"}
    expected = {}
    for header in sorted((recordings / "challenge2021/cpsc_2018").glob("*.hea")):
        line = next(line for line in header.read_text().splitlines() if "Dx" in line)
        expected[header.stem] = [names.get(short[code], short[code]) for code in line.split(":")[1].strip().split(",")]
    assert expected.pop("A5215") == ["RBBB", "PAC"]
    assert {name: [found] for name, found in called(real).items()} == expected
    assert Counter(called(real).values()) == {"AF": 6, "RBBB": 2, "Normal": 1, "PVC": 1, "STD": 1, "PAC": 1}


@pytest.mark.real
def test_the_challenge_counts_as_many_labels_as_the_codes_say(recordings):
    """Its tables list, under CPSC, labels of these nine codes only, at least as many of each as were published alone."""
    tables = [
        pd.read_csv(recordings / f"challenge2021/evaluation-2021/dx_mapping_{kind}.csv", dtype={"SNOMEDCTCode": str})
        for kind in ("scored", "unscored")
    ]
    counted = {row["SNOMEDCTCode"]: row["CPSC"] for given in tables for _, row in given.iterrows() if row["CPSC"]}
    assert set(counted) == set(CODES)
    assert counted["426783006"] == cpsc2018.PUBLISHED["Normal"]
    assert all(counted[code] >= FIRST_LABELS[number - 1] for code, number in CODES.items())


@pytest.mark.real
def test_real_recordings_are_packed(recordings, real, tmp_path):
    """Out of an archive they read the same."""
    assert get(recordings, tmp_path)["files"] == 26
    assert compared(read(tmp_path / "raw")) == compared(real)
