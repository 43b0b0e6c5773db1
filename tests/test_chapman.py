"""Chapman-Shaoxing: one rhythm a recording, out of CSV files with their table and out of the Challenge 2021's, from mirrors and hosts."""

import io
import logging
import math
import shutil
import types
import warnings
import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pytest

with warnings.catch_warnings():  # the same at import, where the mark below does not reach
    warnings.simplefilter("ignore", DeprecationWarning)
    import wfdb

import toys
from pqrst.arrays import Record
from pqrst.arrays import read as read_bundle
from pqrst.datasets import chapman
from pqrst.datasets._wfdb12 import LEADS
from pqrst.datasets.chapman import CHALLENGE, CLASSES, CODES, LISTED, USED, Params, one_rhythm
from pqrst.errors import DownloadError, RecordError, SettingsError
from pqrst.made_up.chapman import write
from pqrst.params import Window
from pqrst.parsing import parse
from pqrst.segmentation import segment
from toys import listed

# wfdb 4.3.1 calls what pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")

MEASURES = {"PatientAge": "85", "Gender": "MALE", "VentricularRate": "117", "AtrialRate": "234", "QRSDuration": "114",
            "QTInterval": "356", "QTCorrected": "496", "RAxis": "81", "TAxis": "-27", "QRSCount": "19", "QOnset": "208",
            "QOffset": "265", "TOffset": "386"}  # fmt: skip
STEPS = np.tile(np.array([[k, 10 * k + 1, -k, 7 * k] for k in range(12)], np.int16), 1250)  # µV, (12, 5000)
BOTH = ("chapman_shaoxing", "ningbo")


def table(*rows):
    """Make the release's table of names and rhythms."""
    return pd.DataFrame([{"FileName": name, "Rhythm": rhythm, "Beat": "NONE", **MEASURES} for name, rhythm in rows])


def write_own(raw, *rows, microvolts=STEPS):
    """Write the table, and a CSV file for each recording."""
    (raw / "ECGDataDenoised").mkdir(parents=True, exist_ok=True)
    table(*rows).to_csv(raw / "Diagnostics.csv", index=False)
    text = pd.DataFrame(microvolts.T).to_csv(header=False, index=False)
    for name, _ in rows:
        (raw / f"ECGDataDenoised/{name}.csv").write_text(text)


def write_challenge(folder, name, dx, fs=500, steps=STEPS):
    """Write the same recording as the Challenge 2021 has it."""
    toys.write_challenge(folder, name, steps, ("#Age: 85", "#Sex: Male", f"#Dx: {dx}"), fs)


def read(raw, **settings):
    return list(chapman.records(raw, Params(**settings)))


def called(records):
    return {r.record: CLASSES[r.label] for r in records}


def warned(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_classes_stand_in_the_order_of_the_alphabet():
    """Eleven, each with one code; their counts are those published."""
    assert list(CLASSES) == sorted(CLASSES)
    assert sorted(CODES.values()) == list(CLASSES)
    assert [sum(counts.values()) for counts in (LISTED, USED, CHALLENGE)] == [10_646, 10_588, 10_247]
    assert (list(LISTED), list(USED), list(CHALLENGE)) == ([*CLASSES],) * 3


def test_rows_of_one_rhythm_are_kept_by_their_names():
    """Whatever the order of the table."""
    given = pd.DataFrame({"FileName": ["b", "d", "a", "c"], "Rhythm": ["SB", "", "AF", "SVT"]})
    assert one_rhythm(given)["FileName"].tolist() == ["a", "b", "c"]


def test_recordings_come_out_of_csv_files(tmp_path):
    """In mV out of µV, with age, sex and what the machine measured; each is a person of its own."""
    write_own(tmp_path, ("MUSE_2", "AFIB"), ("MUSE_1", "SB"))
    found = read(tmp_path)
    assert called(found) == {"MUSE_1": "SB", "MUSE_2": "AFIB"}
    first = found[0]
    np.testing.assert_allclose(first.signal, STEPS / 1000, rtol=1e-6)
    assert (first.fs, first.leads, first.gain, first.units, first.patient) == (500.0, LEADS, None, "mV", "MUSE_1")
    assert first.about == {"age": "85", "sex": "male"}
    assert first.numbers == {
        "age": 85, "male": 1, "ventricular_rate": 117, "atrial_rate": 234, "qrs": 114, "qt": 356, "qt_corrected": 496,
        "r_axis": 81, "t_axis": -27, "qrs_count": 19, "q_onset": 208, "q_offset": 265, "t_offset": 386,
    }  # fmt: skip
    assert [r.folds for r in found] == [{"tenths": "5"}, {"tenths": "10"}]


def test_names_of_leads_may_stand_above(tmp_path):
    """As in the files of raw signals."""
    write_own(tmp_path, ("MUSE_1", "SB"))
    file = tmp_path / "ECGDataDenoised/MUSE_1.csv"
    file.write_text(",".join(LEADS) + "\n" + file.read_text())
    assert read(tmp_path)[0].signal[:, 0].tolist() == pytest.approx((STEPS[:, 0] / 1000).tolist())


def test_a_measure_that_is_not_there_is_no_number(tmp_path):
    """It stays missing, as an age does."""
    write_own(tmp_path, ("MUSE_1", "SB"))
    given = table(("MUSE_1", "SB")).assign(TAxis="", PatientAge="")
    given.to_csv(tmp_path / "Diagnostics.csv", index=False)
    numbers = read(tmp_path)[0].numbers
    assert [name for name, value in numbers.items() if math.isnan(value)] == ["age", "t_axis"]


def test_samples_that_are_no_numbers_are_told_and_0(tmp_path):
    """The others keep their places."""
    samples = STEPS.astype(float)
    samples[7, 1:3] = np.nan
    write_own(tmp_path, ("MUSE_1", "SB"), microvolts=samples)
    write_own(tmp_path, ("MUSE_1", "SB"), ("MUSE_2", "SR"))
    (tmp_path / "ECGDataDenoised/MUSE_1.csv").write_text(
        pd.DataFrame(samples.T).to_csv(header=False, index=False, na_rep="NaN")
    )
    first, second = read(tmp_path)
    assert [[flag for flag in toys.faults_of(r) if ":" in flag] for r in (first, second)] == [["not_finite:V2"], []]
    assert toys.masked(first)[7, :4].tolist() == pytest.approx([0.007, 0, 0, 0.049])
    assert second.folds == {"tenths": "10"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no table of numbers"),
        (b"\xff\xfe\x00", "is no table of numbers"),
        (b"a,b\n1,2\n", "is no table of numbers"),
        (b"1,2\n" * 5000, "has 5000 rows of 2, not 5000 of 12"),
        (b",".join([b"1"] * 12) + b"\n", "has 1 rows of 12, not 5000 of 12"),
        (
            (b",".join([b"1e7", b"-1e7"] * 6) + b"\n" + b",".join([b"-1e7", b"1e7"] * 6) + b"\n") * 2500,
            "its unit is another",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_told(tmp_path, content, words):
    """It is given as its fault, in one line, and the others still come."""
    write_own(tmp_path, ("MUSE_1", "SB"), ("MUSE_2", "SR"))
    (tmp_path / "ECGDataDenoised/MUSE_1.csv").write_bytes(content)
    fault, other = read(tmp_path)
    assert str(fault).startswith("record MUSE_1: ")
    assert words in str(fault)
    assert str(fault).endswith("download the database again")
    assert other.record == "MUSE_2"


def test_a_rhythm_that_is_none_of_the_eleven_is_told(tmp_path):
    """It is a fault of that recording, and takes no place among the tenths."""
    write_own(tmp_path, ("MUSE_1", "NSR"), ("MUSE_2", "SR"))
    fault, other = read(tmp_path)
    assert str(fault) == "record MUSE_1: its rhythm 'NSR' is none of the eleven; download the database again"
    assert other.folds == {"tenths": "10"}


def test_a_table_that_is_none_is_told(tmp_path):
    """Without its columns, or without rows."""
    for content, words in (
        ("FileName,Rhythm\na,SB\n", "has no column 'PatientAge'"),
        ("", "is no table of recordings"),
    ):
        (tmp_path / "Diagnostics.csv").write_text(content)
        with pytest.raises(RecordError, match=rf"^record of Chapman-Shaoxing: Diagnostics\.csv {words}"):
            read(tmp_path)


def test_a_missing_file_names_the_setting(tmp_path, caplog):
    """Unless only some recordings are expected: then tenths are those of what is there."""
    write_own(tmp_path, ("MUSE_1", "SB"), ("MUSE_2", "SR"), ("MUSE_3", "ST"))
    (tmp_path / "ECGDataDenoised/MUSE_2.csv").unlink()
    assert "set databases.chapman.partial to true" in str(read(tmp_path)[1])
    with caplog.at_level(logging.INFO, "pqrst"):
        found = read(tmp_path, partial=True)
    assert [(r.record, r.folds["tenths"]) for r in found] == [("MUSE_1", "5"), ("MUSE_3", "10")]
    assert "chapman: 2 of 3 recordings are there and have one rhythm" in caplog.messages


def whole_table(counts):
    """Make a table of as many recordings of each rhythm."""
    rhythms = [name for name, count in counts.items() for _ in range(count)]
    return table(*((f"MUSE_{place:05d}", rhythm) for place, rhythm in enumerate(rhythms)))


def test_a_whole_table_is_held_against_the_published_counts(tmp_path, caplog):
    """10,646 rows, rhythm by rhythm; where only some of their files lie, nothing is said of those."""
    whole_table(LISTED).to_csv(tmp_path / "Diagnostics.csv", index=False)
    assert read(tmp_path, partial=True) == []
    assert not warned(caplog)
    whole_table({**LISTED, "SB": 3888, "SR": 1827}).to_csv(tmp_path / "Diagnostics.csv", index=False)
    assert read(tmp_path, partial=True) == []
    assert warned(caplog) == [
        "Chapman-Shaoxing: rhythms in Diagnostics.csv differ from those published: SB 3888 for 3889, SR 1827 for 1826"
    ]


def test_files_are_held_against_those_that_were_used(caplog):
    """10,588 of the published rhythms are what HeartResearch had; all 10,646 are more, and that is told."""
    listed = whole_table(LISTED)
    used = pd.concat([rows[: USED[rhythm]] for rhythm, rows in listed.groupby("Rhythm")])
    chapman._tell(listed, used, own=True)
    assert not warned(caplog)
    chapman._tell(listed, listed, own=True)
    assert warned(caplog) == [
        "Chapman-Shaoxing: rhythms of 10646 files differ from those published: AF 445 for 438, SA 399 for 397, SB 3889 for 3888, SR 1826 for 1825, ST 1568 for 1564, SVT 587 for 544"
    ]


def test_tables_of_excel_need_their_library(tmp_path, monkeypatch):
    """Without openpyxl one line says what to do; with it the sheet is read as the CSV is."""
    write_own(tmp_path, ("MUSE_1", "SB"))
    expected = read(tmp_path)
    shutil.move(tmp_path / "Diagnostics.csv", tmp_path / "Diagnostics.xlsx")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        RecordError, match=r"Diagnostics\.xlsx needs openpyxl; install it, or save the table as Diagnostics\.csv"
    ):
        read(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: types.ModuleType("openpyxl"))
    as_csv = lambda file, **settings: pd.read_csv(io.BytesIO(file.read()), **settings)  # noqa: E731
    monkeypatch.setattr(pd, "read_excel", as_csv)
    assert compared(read(tmp_path)) == compared(expected)
    (tmp_path / "Diagnostics.xlsx").write_bytes(b"")
    with pytest.raises(RecordError, match=r"Diagnostics\.xlsx is no table"):
        read(tmp_path)


def test_a_real_sheet_is_read(tmp_path):
    """Where openpyxl is installed: numbers as they are, names as text."""
    pytest.importorskip("openpyxl")
    write_own(tmp_path, ("MUSE_1", "SB"))
    expected = read(tmp_path)
    pd.read_csv(tmp_path / "Diagnostics.csv").to_excel(tmp_path / "Diagnostics.xlsx", index=False)
    (tmp_path / "Diagnostics.csv").unlink()
    assert compared(read(tmp_path)) == compared(expected)


@pytest.mark.parametrize(
    ("dx", "expected"),
    [
        ("164890007", "AF"),
        ("164889003,59118001,164934002", "AFIB"),
        ("713422000", "AT"),
        ("251166008", "AVNRT"),
        ("233897008", "AVRT"),
        ("427393009", "SA"),
        ("17366009", "SAAWR"),
        ("55827005,426177001,426177001", "SB"),
        ("426783006,", "SR"),
        ("427084000", "ST"),
        ("426761007", "SVT"),
        ("426177001,427393009", None),
        ("427084000,713422000", None),
        ("59118001", None),
        ("195101003", None),
        ("", None),
    ],
)
def test_a_header_gives_a_rhythm_where_it_lists_one(tmp_path, caplog, dx, expected):
    """None or two of the eleven leave a recording out, in any order, and that is counted; other findings do not count."""
    write_challenge(tmp_path / "chapman_shaoxing", "JS00007", dx)
    with caplog.at_level(logging.INFO, "pqrst"):
        assert called(read(tmp_path)) == ({} if expected is None else {"JS00007": expected})
    assert ("chapman: 0 of 1 recordings are there and have one rhythm" in caplog.messages) == (expected is None)


def test_recordings_come_out_of_the_challenge_2021(tmp_path):
    """By their numbers, whatever folders lie between; those of Ningbo where they are asked for; no measures are known."""
    for folder, name, dx in (
        ("chapman_shaoxing/g2", "JS00001", "426177001"),
        ("chapman_shaoxing/g1", "JS10646", "426783006"),
        ("ningbo/g1", "JS10647", "427084000"),
        ("georgia", "E00001", "426783006"),
    ):
        write_challenge(tmp_path / folder, name, dx)
    found = read(tmp_path)
    assert called(found) == {"JS00001": "SB", "JS10646": "SR"}
    assert called(read(tmp_path, sources=BOTH)) == {"JS00001": "SB", "JS10646": "SR", "JS10647": "ST"}
    assert called(read(tmp_path, sources=("ningbo",))) == {"JS10647": "ST"}
    first = found[0]
    assert first.signal.tolist() == STEPS.tolist()
    assert (first.gain, first.zero, first.patient) == ((1000.0,) * 12, (0,) * 12, "JS00001")
    assert first.about == {"age": "85", "sex": "male"}
    assert {name for name, value in first.numbers.items() if not math.isnan(value)} == {"age", "male"}
    assert list(first.numbers) == ["age", "male", *chapman.MEASURES.values()]


def test_gaps_of_the_challenges_files_are_told_beside_doubtful_labels(tmp_path):
    """What WFDB calls missing has a kind of its own."""
    steps = STEPS.copy()
    steps[2, 3] = -(2**15)
    write_challenge(tmp_path / "chapman_shaoxing", "JS00005", "426177001", steps=steps)
    assert {"missing:III", "doubtful_labels"} <= set(toys.faults_of(read(tmp_path)[0]))


def test_faults_of_the_challenges_files_are_given_and_the_others_come(tmp_path):
    """Without Dx, twice, at another rate, without its signal."""
    folder = tmp_path / "chapman_shaoxing"
    for number in range(1, 6):
        write_challenge(folder, f"JS0000{number}", "426783006", fs=1000 if number == 3 else 500)
    (folder / "JS00001.hea").write_text((folder / "JS00001.hea").read_text().replace("#Dx", "#Rx"))
    write_challenge(folder / "g1", "JS00002", "426783006")
    (folder / "JS00004.mat").unlink()
    found = read(tmp_path)
    assert {r.record: r.fault.partition(";")[0] for r in found if isinstance(r, RecordError)} == {
        "JS00001": "its header has no line Dx",
        "JS00002": "it lies there as chapman_shaoxing/JS00002 and as chapman_shaoxing/g1/JS00002",
        "JS00003": "its header says 1000 Hz where 500 Hz belong",
        "JS00004": "chapman_shaoxing/JS00004.mat is missing",
    }
    assert called(r for r in found if isinstance(r, Record)) == {"JS00005": "SR"}


def test_a_whole_collection_is_held_against_the_published_counts(tmp_path, caplog):
    """10,247 headers, of which two have a rhythm that others should have, and one has none."""
    names = {rhythm: code for code, rhythm in CODES.items()}
    for change in (0, 2):
        codes = [names[rhythm] for rhythm, count in CHALLENGE.items() for _ in range(count)]
        codes[:change] = ["426783006", ""][:change]
        with zipfile.ZipFile(tmp_path / "001.zip", "w") as pack:
            for number, code in enumerate(codes, 1):
                pack.writestr(f"chapman_shaoxing/JS{number:05d}.hea", f"JS\n#Dx: {code}\n")
        caplog.clear()
        assert len(read(tmp_path)) == 10_247 - change // 2
        told = "Chapman-Shaoxing: rhythms in the Challenge's headers differ from those published: AF 443 for 445, SR 1827 for 1826, none 1 for 0"
        assert warned(caplog) == ([told] if change else [])


def test_nothing_at_all_is_told(tmp_path):
    """Neither a table nor a header of the collections."""
    write_challenge(tmp_path, "JS10647", "426783006")
    with pytest.raises(RecordError, match=r"neither Diagnostics\.csv nor a header of it lies in"):
        read(tmp_path)


def test_ningbo_is_not_in_the_first_release(tmp_path):
    """To ask for it there is a mistake, told with the setting."""
    write_own(tmp_path, ("MUSE_1", "SB"))
    with pytest.raises(
        RecordError, match=r"ningbo is in the Challenge's release only; set databases\.chapman\.sources"
    ):
        read(tmp_path, sources=BOTH)


@pytest.mark.parametrize("given", [[], ["ningbo", "ningbo"], ["georgia"], "ningbo"])
def test_sources_are_a_list_of_known_ones(given):
    """An empty list, a source twice or an unknown one is refused with the setting's name."""
    with pytest.raises(SettingsError, match=r"^databases\.chapman"):
        parse(Params, {"sources": given}, "databases.chapman")


def test_both_releases_give_the_same_rows(tmp_path):
    """Stored as whole thousandths of a mV, a recording is the same numbers out of either."""
    write_own(tmp_path / "own", ("JS00001", "SB"))
    write_challenge(tmp_path / "challenge", "JS00001", "426177001")
    rows = []
    for release in ("own", "challenge"):
        facts = {"dataset": "chapman", "task": "single", "classes": CLASSES, "provenance": {"synthetic": True}}
        found = chapman.records(tmp_path / release, Params())
        segment(found, Window("whole", 3000, steps=1000, side="record"), "stop", facts, tmp_path / f"{release}-rows")
        bundle = read_bundle(tmp_path / f"{release}-rows")
        rows.append((bundle.x.tolist(), bundle.y.tolist(), bundle.x.dtype.name, bundle.meta.side))
    assert rows[0] == rows[1]
    assert rows[0][0] == [STEPS[:, 1000:4000].tolist()]


@pytest.fixture
def made_up(tmp_path):
    """Write sixteen made-up recordings, as a mirror."""
    folder = tmp_path / "made_up" / "chapman"
    folder.mkdir(parents=True)
    write(folder, 16, np.random.default_rng(3), 1.0)
    return folder


def test_made_up_recordings_have_all_rhythms_and_a_gap(made_up):
    """Each a person of its own; names and a note say that they are made up."""
    found = read(made_up)
    assert len(found) == 16
    assert set(called(found).values()) == set(CLASSES)
    assert [flags for r in found if (flags := toys.faults_of(r))] == [("not_finite:V2",)]
    assert len({r.patient for r in found}) == 16
    assert all(r.record.startswith("SYNTHETIC") for r in found)
    assert (made_up / "SYNTHETIC.txt").read_text().startswith("SYNTHETIC")
    assert all(not math.isnan(value) for r in found for value in r.numbers.values())
    slow = [r.numbers["ventricular_rate"] for r in found if CLASSES[r.label] == "SB"]
    assert slow
    assert max(slow) < 60


def get(base, tmp_path, **settings):
    return chapman.fetch(base and str(base), tmp_path / "raw", tmp_path / "scratch", Params(**settings))


def compared(records):
    return [(r.record, r.label, r.about, r.folds, r.numbers, toys.masked(r).tolist()) for r in records]


def test_csv_files_come_packed_from_a_mirror(made_up, tmp_path):
    """The table beside one archive; files of raw signals under the same names stay where they are."""
    shutil.copytree(made_up / "ECGDataDenoised", made_up / "ECGData")
    told = get(made_up.parent, tmp_path)
    assert (told["source"], told["verified"], told["files"]) == ("mirror", True, 17)
    assert listed(tmp_path / "raw") == ["Diagnostics.csv", "ECGDataDenoised/001.zip"]
    assert compared(read(tmp_path / "raw")) == compared(read(made_up))


@pytest.mark.parametrize("sums", [True, False])
def test_csv_files_come_over_http(made_up, shelf, tmp_path, sums):
    """With a list of sums, or without one by the names in the table."""
    shutil.copytree(made_up, shelf.folder / "chapman")
    if not sums:
        (shelf.folder / "chapman/SHA256SUMS.txt").unlink()
    assert get(shelf.url, tmp_path)["verified"] == sums
    assert len(read(tmp_path / "raw")) == 16


def test_a_mirror_with_a_sheet_lists_its_files(made_up, shelf, tmp_path):
    """By its sums, or as they lie; where neither tells, one line asks for a list or for the table as CSV."""
    shutil.move(made_up / "Diagnostics.csv", made_up / "Diagnostics.xlsx")
    (made_up / "SHA256SUMS.txt").unlink()
    assert get(made_up.parent, tmp_path)["files"] == 17
    assert listed(tmp_path / "raw") == ["Diagnostics.xlsx", "ECGDataDenoised/001.zip"]
    shutil.copytree(made_up, shelf.folder / "chapman")
    with pytest.raises(
        DownloadError, match=r"ECGDataDenoised: holds no recording .* add Diagnostics\.csv or SHA256SUMS\.txt"
    ):
        get(shelf.url, tmp_path)


def test_a_mirror_with_some_recordings_needs_the_setting(made_up, tmp_path):
    """Without it one line names it."""
    (made_up / "ECGDataDenoised/SYNTHETIC_00003.csv").unlink()
    with pytest.raises(DownloadError, match=r"00003\.csv: not found; .* set databases\.chapman\.partial to true"):
        get(made_up.parent, tmp_path)
    assert get(made_up.parent, tmp_path, partial=True)["missing"] == 1
    assert len(read(tmp_path / "raw", partial=True)) == 15


def test_collections_come_from_a_mirror_of_the_challenge(tmp_path):
    """Where the mirror has no table of the first release; one that it lacks is told with the setting."""
    write_challenge(tmp_path / "mirror/challenge2021/chapman_shaoxing/g1", "JS00001", "426177001")
    assert get(tmp_path / "mirror", tmp_path)["files"] == 2
    assert called(read(tmp_path / "raw")) == {"JS00001": "SB"}
    with pytest.raises(DownloadError, match=r"challenge2021/ningbo: holds no recording .* databases\.chapman\.sources"):
        get(tmp_path / "mirror", tmp_path, sources=BOTH)


def test_collections_come_from_the_host_of_the_challenge(shelf, tmp_path, monkeypatch):
    """Listed by RECORDS of the host's folders, and nothing else of the Challenge."""
    monkeypatch.setattr(chapman, "HOST", shelf.url)
    for source, name in (("chapman_shaoxing", "JS00001"), ("ningbo", "JS10647")):
        folder = shelf.folder / f"training/{source}"
        write_challenge(folder / "g1", name, "426177001")
        (folder / "RECORDS").write_text(f"g1/{name}\n")
    assert get(None, tmp_path)["source"] == "host"
    assert listed(tmp_path / "raw") == ["chapman_shaoxing/g1/001.zip"]
    get(None, tmp_path, sources=BOTH)
    assert called(read(tmp_path / "raw", sources=BOTH)) == {"JS00001": "SB", "JS10647": "SB"}


@pytest.fixture(scope="module")
def real(recordings):
    """Read the real recordings of both collections."""
    return list(chapman.records(recordings / "challenge2021", Params(sources=BOTH)))


def headers(recordings):
    folder = recordings / "challenge2021"
    return sorted([*folder.glob("chapman_shaoxing/*.hea"), *folder.glob("ningbo/*.hea")], key=lambda path: path.stem)


@pytest.mark.real
def test_real_recordings_are_read_as_wfdb_reads_them(real, recordings):
    """Every sample, age and sex is that of the files."""
    assert all(isinstance(r, Record) for r in real)
    paths = {path.stem: path.with_suffix("") for path in headers(recordings)}
    for record in real:
        other = wfdb.rdrecord(str(paths[record.record]), physical=False)
        assert record.signal.tolist() == other.d_signal.T.tolist()
        assert record.fs == other.fs
        told = dict(comment.strip().split(": ") for comment in other.comments)
        assert record.about == {"age": told["Age"], "sex": told["Sex"].lower()}
        assert record.patient == record.record


@pytest.mark.real
def test_real_rhythms_are_those_of_the_headers(real, recordings):
    """By the Challenge's own tables of codes, read beside the reader; recordings of no rhythm or two are left out."""
    tables = [
        pd.read_csv(recordings / f"challenge2021/evaluation-2021/dx_mapping_{kind}.csv", dtype=str)
        for kind in ("scored", "unscored")
    ]
    short = {row["SNOMEDCTCode"]: row["Abbreviation"] for given in tables for _, row in given.iterrows()}
    names = {"AFL": "AF", "AF": "AFIB", "ATach": "AT", "NSR": "SR", "STach": "ST"}
    names |= {name: name for name in ("AVNRT", "AVRT", "SA", "SAAWR", "SB", "SVT")}
    expected = {}
    for header in headers(recordings):
        line = next(line for line in header.read_text().splitlines() if "Dx" in line)
        rhythms = {names[short[code]] for code in line.split(":")[1].strip().split(",") if short[code] in names}
        if len(rhythms) == 1:
            expected[header.stem] = rhythms.pop()
    assert called(real) == expected
    shaoxing = Counter(rhythm for name, rhythm in called(real).items() if int(name[2:]) <= 10_646)
    assert shaoxing == {"SB": 9, "SR": 3, "AF": 2, "ST": 2, "AFIB": 1}
    assert (len(headers(recordings)), len(real)) == (72, 61)


@pytest.mark.real
def test_the_challenge_counts_as_many_rhythms_as_expected(recordings):
    """Its tables list, under Chapman_Shaoxing, as many recordings of each code as `CHALLENGE` has."""
    tables = [
        pd.read_csv(recordings / f"challenge2021/evaluation-2021/dx_mapping_{kind}.csv", dtype={"SNOMEDCTCode": str})
        for kind in ("scored", "unscored")
    ]
    counted = {row["SNOMEDCTCode"]: row["Chapman_Shaoxing"] for given in tables for _, row in given.iterrows()}
    assert {rhythm: counted[code] for code, rhythm in CODES.items()} == CHALLENGE


@pytest.mark.real
def test_real_quirks_are_told(real):
    """Flat chest leads in two that have a rhythm, an artefact in another, and three doubtful labels."""
    assert {r.record: flags for r in real if (flags := toys.faults_of(r))} == {
        "JS00005": ("doubtful_labels",),
        "JS11438": tuple(f"flat:V{k}" for k in range(1, 7)),
        "JS20005": ("doubtful_labels",),
        "JS20006": ("doubtful_labels",),
        "JS20008": ("flat:V2", "flat:V4", "flat:V6"),
        "JS20019": ("out_of_range:V6",),
    }


@pytest.mark.real
def test_real_recordings_are_packed(recordings, tmp_path):
    """Those of the first collection alone, which read the same out of an archive."""
    assert get(recordings, tmp_path)["files"] == 34
    plain = read(recordings / "challenge2021")
    assert [(r.record, r.label, r.signal.tolist()) for r in read(tmp_path / "raw")] == [
        (r.record, r.label, r.signal.tolist()) for r in plain
    ]
    assert len(plain) == 17


def test_rows_of_one_cell_more_than_names_are_told(tmp_path):
    """With names above them pandas would take the first lead away and call each other lead by its neighbour's name."""
    write_own(tmp_path, ("MUSE_1", "SB"))
    names, rows = ",".join(LEADS), pd.DataFrame(STEPS.T).to_csv(header=False, index=False)
    file = tmp_path / "ECGDataDenoised/MUSE_1.csv"
    file.write_text(f"{names}\n{rows}")
    assert isinstance(read(tmp_path)[0], Record)
    file.write_text(f"{names}\n" + rows.replace("\n", ",\n"))
    assert "has 5000 rows of 13, not 5000 of 12" in str(read(tmp_path)[0])
