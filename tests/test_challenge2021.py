"""The Challenge 2021: headers of both styles with all their quirks, and its files out of a host, a mirror or packs."""

import csv
import hashlib
import logging
import shutil
from collections import Counter

import numpy as np
import pytest

import toys
from pqrst import challenge
from pqrst.arrays import Record
from pqrst.datasets import challenge2021, ptbxl
from pqrst.datasets._wfdb12 import LEADS
from pqrst.datasets.challenge2021 import CLASSES, Params
from pqrst.errors import DownloadError, RecordError, SettingsError
from pqrst.made_up import challenge2021 as made_up_challenge
from pqrst.made_up import ptbxl as made_up_ptbxl
from pqrst.params import Window
from pqrst.parsing import parse
from pqrst.segmentation import segment
from toys import listed

HELD = ("cpsc_2018", "cpsc_2018_extra", "ptb", "ptb-xl", "georgia", "chapman_shaoxing", "ningbo")
GEORGIA = Params(("georgia",))

# scored labels of the 210 real recordings, by source in the order of HELD: the table of their README, merged pairs summed
COUNTS = {
    "AF": (6, 1, 0, 0, 4, 1, 0),
    "AFL": (0, 1, 0, 0, 1, 2, 5),
    "BBB": (0, 0, 0, 0, 0, 0, 0),
    "Brady": (0, 3, 0, 0, 0, 0, 0),
    "LBBB": (0, 1, 0, 0, 0, 0, 0),
    "RBBB": (3, 2, 0, 0, 4, 1, 2),
    "IAVB": (0, 1, 0, 1, 3, 2, 1),
    "IRBBB": (0, 0, 0, 1, 3, 0, 0),
    "LAD": (0, 0, 0, 4, 3, 0, 3),
    "LAnFB": (0, 0, 0, 0, 4, 0, 0),
    "LPR": (0, 0, 0, 0, 0, 0, 0),
    "LQRSV": (0, 0, 1, 1, 0, 0, 0),
    "LQT": (0, 1, 0, 0, 5, 0, 0),
    "NSIVCB": (0, 1, 0, 1, 0, 1, 8),
    "NSR": (1, 0, 2, 29, 17, 3, 9),
    "PAC": (2, 2, 0, 0, 5, 0, 19),
    "PR": (0, 1, 0, 1, 0, 0, 1),
    "PRWP": (0, 0, 0, 0, 0, 0, 2),
    "PVC": (0, 3, 0, 0, 2, 0, 6),
    "QAb": (0, 1, 0, 1, 0, 0, 1),
    "RAD": (0, 0, 0, 0, 1, 0, 1),
    "SA": (0, 1, 1, 2, 1, 0, 3),
    "SB": (0, 1, 0, 3, 14, 9, 13),
    "STach": (0, 1, 0, 1, 10, 2, 16),
    "TAb": (0, 1, 0, 1, 4, 3, 11),
    "TInv": (0, 1, 0, 0, 1, 0, 6),
}


def write(folder, name="E1", told=("#Age: 85", "#Sex: Male", "#Dx: 426783006"), scale="1000/mV", steps=None):
    """Write one recording of three samples in the style of the Challenge."""
    steps = np.array([[k, 10 * k + 1, -k] for k in range(12)], np.int16) if steps is None else steps
    toys.write_challenge(folder, name, steps, told, scale=scale)


def read(raw, p=GEORGIA):
    return list(challenge2021.records(raw, p))


def only(raw, p=GEORGIA):
    (found,) = read(raw, p)
    return found


def called(record):
    """Name the classes of a recording."""
    return {name for name, number in zip(CLASSES, record.label, strict=True) if number}


@pytest.fixture
def made_up(tmp_path):
    """Write forty made-up recordings of eight sources, as a mirror."""
    folder = tmp_path / "made_up" / "challenge2021"
    folder.mkdir(parents=True)
    made_up_challenge.write(folder, 40, np.random.default_rng(3), 1.0)
    return folder


def test_classes_are_those_of_the_challenge():
    """26 classes, 30 codes."""
    assert CLASSES == challenge.CLASSES
    assert len(challenge2021.PLACES) == 30
    assert sorted(set(challenge2021.PLACES.values())) == list(range(26))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["#Dx: 164889003,59118001"], {"AF", "RBBB"}),  # of the Challenges' time
        (["# Dx: 164889003,59118001"], {"AF", "RBBB"}),  # of the last release
        (["#  dx :164889003 , 59118001 "], {"AF", "RBBB"}),
        (["#Dx: 426783006,,"], {"NSR"}),
        (["#Dx: ,426783006,426783006,"], {"NSR"}),
        (["#Dx: 713427006"], {"RBBB"}),
        (["#Dx: 59118001,713427006"], {"RBBB"}),
        (["#Dx: 284470004"], {"PAC"}),
        (["#Dx: 63593006"], {"PAC"}),
        (["#Dx: 427172004"], {"PVC"}),
        (["#Dx: 17338001"], {"PVC"}),
        (["#Dx: 733534002"], {"LBBB"}),
        (["#Dx: 164909002"], {"LBBB"}),
        (["#Dx: 999999999,Unknown"], set()),
        (["#Dx:"], set()),
        (["#Rx: Unknown", "#Dx: 6374002", "#Hx: Unknown"], {"BBB"}),
    ],
)
def test_diagnoses_are_read_in_every_style(tmp_path, told, expected):
    """With blanks, trailing commas, codes twice, codes that mean the same, and codes that are not scored."""
    write(tmp_path / "georgia", told=told)
    assert called(only(tmp_path)) == expected


def test_a_header_without_diagnosis_is_told(tmp_path):
    """No line Dx is not the same as no label."""
    write(tmp_path / "georgia", told=["#Age: 85"])
    assert str(only(tmp_path)) == "record georgia/E1: its header has no line Dx; download the database again"


def test_codes_that_are_not_scored_are_counted(tmp_path, caplog):
    """They are no fault, but one line tells of them."""
    write(tmp_path / "georgia", told=["#Dx: 999999999,426783006"])
    write(tmp_path / "georgia", "E2", told=["#Dx: 999999999,888888888"])
    found = read(tmp_path)
    assert [called(r) for r in found] == [{"NSR"}, set()]
    facts = {"dataset": "challenge2021", "task": "multi", "classes": CLASSES, "provenance": {"synthetic": True}}
    with caplog.at_level(logging.INFO, "pqrst"):
        segment(found, Window("whole", samples=3), "stop", facts, tmp_path / "rows")
    assert caplog.messages == [
        "challenge2021: 3 mentions of 2 codes are not scored: 999999999, 888888888 ...",
        "challenge2021: 1 of 2 recordings have a fault: duplicate 1",
    ]


@pytest.mark.parametrize(
    ("age", "told"),
    [
        ("85", "85"),
        ("NaN", ""),
        ("", ""),
        ("Unknown", ""),
        ("0.5", "0.5"),
        ("300", ">89"),
        ("-1", ""),
        ("131", ""),
        ("inf", ""),
    ],
)
def test_an_age_that_is_none_is_unknown(tmp_path, age, told):
    """Ages are told in years; a person of PTB-XL who is older than 89 is told as such."""
    write(tmp_path / "georgia", told=[f"#Age: {age}", "#Dx: "])
    assert only(tmp_path).about["age"] == told


@pytest.mark.parametrize(
    ("line", "told"),
    [("#Sex: Male", "male"), ("# Sex: Female", "female"), ("#Sex: F", "female"), ("#Sex: m", "male"), ("#Sex: Unknown", ""),
     ("#Sex: NaN", ""), ("#Sex:", ""), ("#Rx: Unknown", "")],
)  # fmt: skip
def test_a_sex_that_is_not_told_is_unknown(tmp_path, line, told):
    """In any spelling, or not at all."""
    write(tmp_path / "georgia", told=[line, "#Dx: "])
    assert only(tmp_path).about["sex"] == told


@pytest.mark.parametrize(
    ("scale", "gain", "zero"), [("1000/mV", 1000, 0), ("1000.0(0)/mv", 1000, 0), ("306(-14)/mV", 306, -14)]
)
def test_gain_and_zero_are_those_of_the_header(tmp_path, scale, gain, zero):
    """The signal stays in the converter's integers."""
    write(tmp_path / "georgia", scale=scale)
    found = only(tmp_path)
    assert (found.gain, found.zero) == ((gain,) * 12, (zero,) * 12)
    np.testing.assert_allclose(found.in_units()[3], (np.array([3, 31, -3]) - zero) / gain, rtol=1e-6)


def test_flat_and_missing_leads_are_kept_and_told(tmp_path):
    """A flat lead, one that is not in the header, and one without a sample; none of it is a fault."""
    steps = np.array([[k + 1, 10 * k + 1, -k] for k in range(12)], np.int16)
    steps[7], steps[8] = 4, -(2**15)
    write(tmp_path / "georgia", steps=steps)
    header = tmp_path / "georgia/E1.hea"
    lines = header.read_text().replace("E1 12 500", "E1 11 500").splitlines()
    header.write_text("\n".join(line for line in lines if not line.endswith(" V6")) + "\n")
    (tmp_path / "georgia/E1.mat").write_bytes(bytes(24) + steps[:11].T.tobytes())
    found = only(tmp_path)
    assert toys.faults_of(found) == ("missing:V3", "missing:V6", "flat:V2")
    assert found.leads == LEADS
    assert toys.masked(found)[[8, 11]].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_recordings_of_doubtful_diagnosis_are_told(tmp_path):
    """Three recordings whose copies disagree bear a flag."""
    write(tmp_path / "ningbo", "JS20005")
    write(tmp_path / "ningbo", "JS20007")
    assert [r.quality for r in read(tmp_path, Params(("ningbo",)))] == [("doubtful_labels",), ()]


def test_one_signal_under_two_names_is_known_by_its_digest(tmp_path):
    """The same samples have the same digest, whatever the labels; another sample changes it."""
    steps = np.arange(36, dtype=np.int16).reshape(12, 3)
    write(tmp_path / "georgia", "E1", steps=steps)
    write(tmp_path / "georgia", "E2", steps=steps, told=["#Dx: 164889003"])
    write(tmp_path / "georgia", "E3", steps=steps + np.int16(1))
    one, two, three = (r.about["signal"] for r in read(tmp_path))
    assert one == two != three
    assert one == hashlib.sha256(steps.astype("<i2").tobytes()).hexdigest()[:16]


def test_recordings_are_named_by_source_and_come_source_by_source(tmp_path):
    """In the order of the settings, by name within a source, whatever folders lie between."""
    for folder, name in (
        ("ningbo", "JS2"),
        ("ningbo", "JS1"),
        ("georgia/g2", "E1"),
        ("georgia/g1", "E2"),
        ("other", "X1"),
    ):
        write(tmp_path / folder, name)
    assert [r.record for r in read(tmp_path, Params(("ningbo", "georgia")))] == [
        "ningbo/JS1",
        "ningbo/JS2",
        "georgia/E1",
        "georgia/E2",
    ]
    assert [r.folds for r in read(tmp_path)] == [{"source": "georgia"}] * 2
    assert {r.about["source"] for r in read(tmp_path)} == {"georgia"}


def test_a_recording_that_lies_there_twice_is_told(tmp_path):
    """Names are the identity of recordings."""
    write(tmp_path / "georgia")
    write(tmp_path / "georgia/g1")
    assert "georgia/E1: it lies there as georgia/E1 and as georgia/g1/E1; keep one" in str(only(tmp_path))


def test_faults_are_given_and_the_others_come(tmp_path):
    """A damaged recording and one without its signal are one line each."""
    for name in ("E1", "E2", "E3"):
        write(tmp_path / "georgia", name)
    (tmp_path / "georgia/E1.mat").write_bytes(bytes(7))
    (tmp_path / "georgia/E2.mat").unlink()
    found = read(tmp_path)
    assert [type(r) for r in found] == [RecordError, RecordError, Record]
    assert str(found[0]).startswith("record georgia/E1: its signal file holds 7 bytes")
    assert str(found[1]) == "record georgia/E2: georgia/E2.mat is missing; download the database again"


def test_nothing_at_all_is_told(tmp_path):
    """A folder without any recording of the sources is a fault."""
    write(tmp_path / "ptb")
    with pytest.raises(RecordError, match="none of georgia lies in"):
        read(tmp_path)


def test_patients_of_ptbxl_come_from_its_own_table(tmp_path):
    """HR00007 is recording 7 there; one that the table does not have, and all other sources, have no known patient."""
    for name in ("HR00007", "HR00008"):
        write(tmp_path / "ptb-xl", name)
    write(tmp_path / "georgia", "E00007")
    both = Params(("ptb-xl", "georgia"))
    assert [r.patient for r in read(tmp_path, both)] == ["", "", ""]
    (tmp_path / "ptbxl_database.csv").write_text("ecg_id,age,patient_id\n7,60.0,15709.0\n9,1,2.0\n")
    assert [r.patient for r in read(tmp_path, both)] == ["15709", "", ""]


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"ecg_id,patient_id\nx,y\n", b"ecg_id,age,patient_id\n7,60,8,\n", b"\xff\xfe"]
)
def test_a_table_of_patients_that_is_none_is_told(tmp_path, content):
    """Rather than patients silently unknown."""
    write(tmp_path / "ptb-xl", "HR00007")
    (tmp_path / "ptbxl_database.csv").write_bytes(content)
    with pytest.raises(RecordError, match=r"ptbxl_database\.csv is no table of patients"):
        read(tmp_path, Params(("ptb-xl",)))


@pytest.mark.parametrize("given", [[], ["georgia", "georgia"], ["incart"], "georgia"])
def test_sources_are_a_list_of_known_ones(given):
    """An empty list, a source twice or an unknown one is refused with the setting's name."""
    with pytest.raises(SettingsError, match=r"^databases\.challenge2021"):
        parse(Params, {"sources": given}, "databases.challenge2021")


def get(base, tmp_path, p=GEORGIA):
    return challenge2021.fetch(base and str(base), tmp_path / "raw", tmp_path / "scratch", p)


def test_made_up_recordings_come_packed_from_a_mirror(made_up, tmp_path):
    """One archive a source; what is read out of them is what was made up."""
    told = get(made_up.parent, tmp_path, Params())
    assert (told["source"], told["verified"], told["files"]) == ("mirror", True, 80)
    assert listed(tmp_path / "raw") == sorted(f"{source}/001.zip" for source in Params().sources)
    packed, plain = read(tmp_path / "raw", Params()), read(made_up, Params())
    assert all(isinstance(r, Record) for r in plain)
    assert [(r.record, r.label, r.about, r.quality) for r in packed] == [
        (r.record, r.label, r.about, r.quality) for r in plain
    ]


def test_a_mirror_without_lists_is_seen_through(tmp_path):
    """Where neither RECORDS nor sums lie in a folder, its headers tell; a level of folders makes no difference."""
    mirror = tmp_path / "mirror/challenge2021/georgia"
    write(mirror / "g1", "E1")
    write(mirror / "g2", "E2")
    write(mirror, "E3")
    (mirror / "index.html").write_text("not wanted")
    assert not get(tmp_path / "mirror", tmp_path)["verified"]
    assert listed(tmp_path / "raw") == ["georgia/001.zip", "georgia/g1/001.zip", "georgia/g2/001.zip"]
    assert [r.record for r in read(tmp_path / "raw")] == ["georgia/E1", "georgia/E2", "georgia/E3"]


@pytest.mark.parametrize("nested", [True, False])
def test_a_list_of_records_is_believed_first(tmp_path, nested):
    """RECORDS names recordings with their folder, or folders with a RECORDS of their own; what else lies there stays."""
    mirror = tmp_path / "mirror/challenge2021/georgia"
    for name in ("E1", "E2"):
        write(mirror / "g1", name)
    if nested:
        (mirror / "RECORDS").write_text("g1/\n")
        (mirror / "g1/RECORDS").write_text("E2\n")
    else:
        (mirror / "RECORDS").write_text("g1/E2\n")
    get(tmp_path / "mirror", tmp_path)
    assert [r.record for r in read(tmp_path / "raw")] == ["georgia/E2"]


def test_a_list_with_a_recording_that_is_not_there_is_told(tmp_path):
    """The line names the file and the setting."""
    write(tmp_path / "mirror/challenge2021/georgia")
    (tmp_path / "mirror/challenge2021/georgia/RECORDS").write_text("E1\nE2\n")
    with pytest.raises(DownloadError, match=r"georgia/E2\.hea: not found; .* out of databases\.challenge2021\.sources"):
        get(tmp_path / "mirror", tmp_path)
    assert not (tmp_path / "raw").exists()


def test_a_source_that_a_mirror_lacks_is_told(made_up, tmp_path):
    """By its name, with the setting; left out there, the others come."""
    shutil.rmtree(made_up / "ptb")
    (made_up / "SHA256SUMS.txt").unlink()
    with pytest.raises(
        DownloadError, match=r"challenge2021/ptb: holds no recording .* databases\.challenge2021\.sources"
    ):
        get(made_up.parent, tmp_path, Params())
    get(made_up.parent, tmp_path, Params(tuple(source for source in Params().sources if source != "ptb")))
    assert "ptb/001.zip" not in listed(tmp_path / "raw")


@pytest.fixture
def physionet(made_up, shelf, monkeypatch):
    """Lay the made-up recordings out as the host has them, with PTB-XL beside."""
    root = shelf.folder / "challenge"
    for path in sorted(made_up.rglob("*.*")):
        if path.suffix in (".hea", ".mat"):
            target = root / "training" / path.parent.name / "g1" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    lines = (made_up / "SHA256SUMS.txt").read_text().splitlines()
    pairs = [line.split() for line in lines if "/" in line]
    sums = [f"{sum_} training/{name.replace('/', '/g1/')}\n" for sum_, name in pairs]
    (root / "SHA256SUMS.txt").write_text("".join(sums))
    (shelf.folder / "ptb").mkdir()
    made_up_ptbxl.write(shelf.folder / "ptb", 4, np.random.default_rng(0), 1.0)
    monkeypatch.setattr(challenge2021, "HOST", f"{shelf.url}/challenge")
    monkeypatch.setattr(challenge2021, "PTBXL_HOST", f"{shelf.url}/ptb")
    return shelf


def test_recordings_come_from_a_host(physionet, tmp_path):
    """Listed and verified by its sums, with the table of PTB-XL's patients and nothing else of that database."""
    told = get(None, tmp_path, Params())
    assert (told["source"], told["verified"], told["files"]) == ("host", True, 81)
    assert listed(tmp_path / "raw") == sorted(["ptbxl_database.csv", *(f"{s}/g1/001.zip" for s in Params().sources)])
    found = read(tmp_path / "raw", Params())
    assert len(found) == 40
    assert all(isinstance(r, Record) for r in found)
    assert {bool(r.patient) for r in found if r.folds["source"] == "ptb-xl" and r.record < "ptb-xl/HR00005"} == {True}
    assert not [path for path in physionet.asked if "RECORDS" in path or "records" in path]


def test_a_host_that_fails_half_way_is_asked_for_the_rest(physionet, tmp_path):
    """Sources that are packed already are not asked for again."""
    physionet.refused = {"/challenge/training/ningbo/g1/JS10647.mat"}
    with pytest.raises(DownloadError, match=r"JS10647\.mat: HTTP 403"):
        get(None, tmp_path, Params())
    assert not (tmp_path / "raw").exists()
    physionet.refused = set()
    physionet.asked.clear()
    get(None, tmp_path, Params())
    assert {path.split("/")[3] for path in physionet.asked if path.startswith("/challenge/training")} == {"ningbo"}


def test_the_table_of_patients_may_be_missing(physionet, tmp_path):
    """Then people are unknown in ptb-xl too."""
    (physionet.folder / "ptb/ptbxl_database.csv").unlink()
    assert get(None, tmp_path, Params(("ptb-xl",)))["verified"]
    assert {r.patient for r in read(tmp_path / "raw", Params(("ptb-xl",)))} == {""}


@pytest.fixture(scope="module")
def real(recordings):
    """Read all real recordings, once."""
    return {r.record: r for r in challenge2021.records(recordings / "challenge2021", Params(HELD))}


@pytest.mark.real
def test_all_real_recordings_are_read(real, recordings):
    """210, with the rate, the length and the source that their list says."""
    with (recordings / "challenge2021/manifest.csv").open(newline="") as file:
        rows = {f"{row['source']}/{row['record']}": row for row in csv.DictReader(file)}
    assert all(isinstance(r, Record) for r in real.values())
    assert set(real) == set(rows)
    assert len(real) == 210
    for name, row in rows.items():
        assert (real[name].fs, real[name].signal.shape) == (float(row["fs"]), (12, int(row["n_samples"])))
        assert real[name].folds == {"source": row["source"]}
    assert {r.gain for r in real.values()} == {(1000.0,) * 12}
    assert Counter(row["header_style"] for row in rows.values()) == {"challenge-period": 169, "release": 41}


@pytest.mark.real
def test_real_headers_of_both_styles_have_labels(real, recordings):
    """188 of 210 have a scored one; the codes are those of their list."""
    with (recordings / "challenge2021/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for style in ("challenge-period", "release"):
        chosen = [row for row in rows if row["header_style"] == style]
        for row in chosen:
            codes = [challenge.SAME_AS.get(code, code) for code in row["dx"].split(",")]
            expected = {CLASSES[challenge.CODES.index(code)] for code in codes if code in challenge.CODES}
            assert called(real[f"{row['source']}/{row['record']}"]) == expected
    assert sum(any(r.label) for r in real.values()) == 188


@pytest.mark.real
def test_real_labels_are_counted_as_listed(real):
    """Each class in each of the seven sources."""
    found = np.array([[r.label for r in real.values() if r.folds["source"] == s] for s in HELD], dtype=object)
    made = {name: tuple(sum(label[k] for label in found[s]) for s in range(7)) for k, name in enumerate(CLASSES)}
    assert made == COUNTS


@pytest.mark.real
def test_real_quirks_are_told(real):
    """Flat chest leads in four recordings, artefacts of 10 mV in two, doubtful labels in three, and nothing else."""
    assert {name.partition("/")[2]: flags for name, r in real.items() if (flags := toys.faults_of(r))} == {
        "JS00005": ("doubtful_labels",),
        "JS20005": ("doubtful_labels",),
        "JS20006": ("doubtful_labels",),
        "JS11438": tuple(f"flat:V{k}" for k in range(1, 7)),
        "JS20008": ("flat:V2", "flat:V4", "flat:V6"),
        "JS45542": tuple(f"flat:V{k}" for k in range(1, 7)),
        # V1 stands still for 8.3 of its 10 s
        "JS45544": tuple(f"flat:V{k}" for k in range(1, 7)),
        "Q0010": ("out_of_range:II", "out_of_range:III", "out_of_range:aVF", "out_of_range:V5"),
        "JS20019": ("out_of_range:V6",),
    }


@pytest.mark.real
def test_a_real_signal_is_there_twice(real):
    """E07509 and E07510, and no other pair."""
    names = [name for name, n in Counter(r.about["signal"] for r in real.values()).items() if n > 1]
    assert [r.record for r in real.values() if r.about["signal"] in names] == ["georgia/E07509", "georgia/E07510"]


@pytest.mark.real
def test_real_people_are_told_as_far_as_known(real):
    """113 men and 97 women, three without an age; ptb alone has 1000 Hz; no header names a person."""
    assert Counter(r.about["sex"] for r in real.values()) == {"male": 113, "female": 97}
    assert sum(not r.about["age"] for r in real.values()) == 3
    assert {r.folds["source"] for r in real.values() if r.fs == 1000} == {"ptb"}
    assert {r.patient for r in real.values()} == {""}


@pytest.mark.real
def test_real_recordings_of_ptbxl_are_those_of_ptbxl(real, recordings):
    """The 31 at 500 Hz are the same samples as in PTB-XL's own files."""
    theirs = {int(r.record): r for r in ptbxl.records(recordings / "ptbxl", ptbxl.Params(500, partial=True))}
    ours = {int(name[-5:]): r for name, r in real.items() if name.startswith("ptb-xl/")}
    assert set(ours) == set(theirs)
    assert all(np.array_equal(ours[number].signal, theirs[number].signal) for number in ours)


@pytest.mark.real
def test_real_recordings_are_packed_with_their_patients(recordings, real, tmp_path):
    """Out of the archives they read the same; those of ptb-xl now have a patient, by PTB-XL's table."""
    told = get(recordings, tmp_path, Params(HELD))
    assert (told["files"], told["verified"]) == (421, False)
    found = read(tmp_path / "raw", Params(HELD))
    assert [(r.record, r.label, r.about) for r in found] == [(r.record, r.label, r.about) for r in real.values()]
    patients = {r.record: r.patient for r in found}
    assert patients["ptb-xl/HR00001"] == "15709"
    assert all(bool(patient) == name.startswith("ptb-xl/") for name, patient in patients.items())
    with pytest.raises(DownloadError, match="st_petersburg_incart: holds no recording"):
        get(recordings, tmp_path, Params())
