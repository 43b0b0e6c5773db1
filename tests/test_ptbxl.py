"""PTB-XL: the labels and folds of its 21,799 recordings to the unit, and its files out of a host, a mirror or packs."""

import csv
import io
import logging
import math
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

from pqrst import files, packs
from pqrst.arrays import LabelTask, Record
from pqrst.datasets import ptbxl
from pqrst.datasets.ptbxl import CLASSES, LABEL_TASKS, Params, labels
from pqrst.errors import DownloadError, RecordError
from pqrst.made_up.ptbxl import write
from toys import listed

# positives among folds 1 to 8 of each of the 52 classes with a likelihood above 0
TRAIN_COUNTS = {
    "NORM": 7596, "IMI": 2143, "ASMI": 1887, "LVH": 1708, "NDT": 1461, "LAFB": 1298, "ISC_": 1019, "IRBBB": 894, "PVC": 830,
    "1AVB": 634, "IVCD": 630, "ISCAL": 527, "NST_": 451, "CRBBB": 432, "CLBBB": 428, "ILMI": 383, "LAO/LAE": 341, "AMI": 282,
    "PACE": 234, "ALMI": 232, "ISCIN": 175, "INJAS": 171, "LMI": 161, "ISCIL": 143, "LPFB": 141, "DIG": 141, "ISCAS": 135,
    "INJAL": 116, "ISCLA": 113, "RVH": 102, "LNGQT": 93, "ANEUR": 84, "RAO/RAE": 79, "EL": 77, "WPW": 64, "ILBBB": 62,
    "AFLT": 47, "IPLMI": 41, "AFIB": 37, "ISCAN": 35, "PAC": 28, "IPMI": 26, "SEHYP": 24, "BIGU": 23, "PSVT": 19, "INJIN": 14,
    "INJLA": 13, "PMI": 13, "3AVB": 12, "2AVB": 12, "INJIL": 11, "STACH": 4,
}  # fmt: skip


@pytest.fixture
def made_up(tmp_path):
    """Write six made-up recordings."""
    folder = tmp_path / "made_up" / "ptbxl"
    folder.mkdir(parents=True)
    write(folder, 6, np.random.default_rng(3), 1.0)
    return folder


def read(raw, **settings):
    return list(ptbxl.records(raw, Params(**settings)))


def stored(**likelihoods):
    """Give the 71 numbers with these and no others."""
    return tuple(likelihoods.get(code, 0) for code in CLASSES)


def test_a_label_is_one_more_than_its_likelihood():
    """0 is absent, 1 is mentioned without a likelihood, 101 is certain."""
    assert labels("{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0}") == stored(NORM=101, LVOLT=1, SR=1)
    assert labels("{'IMI': 35, 'NDT': 0.4, 'ASMI': 49.6}") == stored(IMI=36, NDT=2, ASMI=51)
    assert labels("{}") == stored()
    assert len(labels("{}")) == 71


@pytest.mark.parametrize(
    "codes",
    [
        "", "nan", "['NORM']", "{'NORM'}", "{'NORM': 101}", "{'NORM': -1}", "{'NORM': '5'}", "{'NORM': None}", "{'XYZ': 5}", "{1: 2}",
        "{'NORM': 1e999}", "{'NORM': 1e999 - 1e999}", "{'NORM': 5", "__import__('os').getcwd()", "(" * 5000, "{'NORM': 1}" * 2000,
        "{'NORM': 0,}\0", "{[]: 1}",
    ],
)  # fmt: skip
def test_what_is_no_statement_is_told(codes):
    """Text that is no dictionary of known statements from 0 to 100 is one line; nothing in it is run."""
    with pytest.raises(RecordError) as caught:
        labels(codes, "00007")
    assert str(caught.value).startswith("record 00007: ")
    assert "\n" not in str(caught.value)


def test_tasks_are_those_of_the_benchmark():
    """71 statements, 44 diagnostic in 23 subclasses of 5 classes, 19 of form, 12 of rhythm, and 52 with a likelihood."""
    sizes = {"all": 71, "diagnostic": 44, "sub": 23, "super": 5, "form": 19, "rhythm": 12, "likelihood": 52}
    assert {name: len(task.classes) for name, task in LABEL_TASKS.items()} == sizes
    assert LABEL_TASKS["all"].classes == CLASSES
    assert LABEL_TASKS["super"].classes == ("NORM", "MI", "STTC", "CD", "HYP")
    assert {name: task.least for name, task in LABEL_TASKS.items() if task.least > 1} == {"likelihood": 2}
    assert all(task.drop_empty for task in LABEL_TASKS.values())


def test_tasks_name_their_statements():
    """Four statements are both diagnostic and of form; a subclass gathers several; order is that of the table."""
    diagnostic, form = LABEL_TASKS["diagnostic"].classes, LABEL_TASKS["form"].classes
    assert diagnostic == CLASSES[:44]
    assert form == (*CLASSES[:4], *CLASSES[44:59])
    assert LABEL_TASKS["rhythm"].classes == CLASSES[59:]
    assert CLASSES[59] == "SR"
    assert LABEL_TASKS["sub"].members["ISCA"] == ("ISCAL", "ISCAS", "ISCLA", "ISCAN")
    assert LABEL_TASKS["super"].members["HYP"] == ("LVH", "LAO/LAE", "RVH", "RAO/RAE", "SEHYP")
    members = [code for task in ("sub", "super") for codes in LABEL_TASKS[task].members.values() for code in codes]
    assert Counter(members) == dict.fromkeys(diagnostic, 2)


def test_a_task_reads_what_is_stored():
    """Any mention counts in `all`, only what is above 0 in `likelihood`, any statement of a class in `super`."""
    rows = np.array([labels("{'SR': 0, 'NDT': 0, 'IMI': 50}")])
    assert LABEL_TASKS["all"].of(rows, CLASSES).sum() == 3
    likely = dict(zip(LABEL_TASKS["likelihood"].classes, LABEL_TASKS["likelihood"].of(rows, CLASSES)[0], strict=True))
    assert [code for code, number in likely.items() if number] == ["IMI"]
    assert LABEL_TASKS["super"].of(rows, CLASSES).tolist() == [[0, 1, 1, 0, 0]]


def test_a_task_survives_the_file_of_a_split():
    """Its settings are plain enough to be written down and read again."""
    import json
    from dataclasses import asdict

    task = LABEL_TASKS["sub"]
    again = LabelTask(**json.loads(json.dumps(asdict(task))))
    rows = np.array([labels("{'ISCAL': 5, 'LVH': 0}")])
    assert again.of(rows, CLASSES).tolist() == task.of(rows, CLASSES).tolist()
    assert again.classes == task.classes


def test_the_table_of_statements_ships_with_the_module():
    """It is found beside the module, and a change of it changes the component's digest."""
    from pqrst import catalog

    assert "datasets/ptbxl_statements.csv" in catalog.digests("datasets", "ptbxl")


def test_made_up_recordings_are_read_at_both_rates(made_up):
    """1000 samples at 100 Hz or 5000 at 500 Hz, of the same people with the same labels."""
    low, high = read(made_up), read(made_up, rate=500)
    assert [r.record for r in low] == [f"{number:05d}" for number in range(1, 7)]
    assert {r.signal.shape for r in low} == {(12, 1000)}
    assert {r.signal.shape for r in high} == {(12, 5000)}
    assert [(r.patient, r.label, r.about) for r in low] == [(r.patient, r.label, r.about) for r in high]
    assert {r.leads for r in low} == {("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")}


def change(raw, **cells):
    """Write other cells into the first row of the table, or into a new column."""
    table = pd.read_csv(raw / "ptbxl_database.csv", dtype=str, keep_default_na=False)
    for column, cell in cells.items():
        if column not in table:
            table[column] = ""
        table.loc[0, column] = cell
    table.to_csv(raw / "ptbxl_database.csv", index=False)


@pytest.mark.parametrize(
    ("age", "years", "told"),
    [("56.0", 56.0, "56"), ("300.0", 90.0, ">89"), ("300", 90.0, ">89"), ("89", 89.0, "89"), ("", math.nan, "")],
)
def test_ages_above_89_stand_as_300(made_up, age, years, told):
    """They are told as such; a network is given 90 years."""
    change(made_up, age=age)
    first = read(made_up)[0]
    assert first.about["age"] == told
    assert first.numbers["age"] == pytest.approx(years, nan_ok=True)


@pytest.mark.parametrize(("sex", "told", "male"), [("0", "male", 1.0), ("1", "female", 0.0), ("", "", math.nan)])
def test_0_is_male(made_up, sex, told, male):
    """As PTB-XL has it."""
    change(made_up, sex=sex)
    first = read(made_up)[0]
    assert first.about["sex"] == told
    assert first.numbers["male"] == pytest.approx(male, nan_ok=True)


def test_notes_of_the_official_table_count_by_their_text(made_up):
    """Any text tells of a fault; of the pacemaker's column only one text counts."""
    change(
        made_up,
        pacemaker="ja, pacemaker",
        baseline_drift=" , I-V1,",
        static_noise=" ",
        burst_noise="",
        extra_beats="1ES",
    )
    notes = read(made_up)[0].numbers
    assert [notes[name] for name in ("pacemaker", "baseline_drift", "static_noise", "burst_noise", "extra_beats")] == [
        1,
        1,
        0,
        0,
        1,
    ]
    change(made_up, pacemaker="ja, nan")
    assert read(made_up)[0].numbers["pacemaker"] == 0


def test_notes_of_a_reduced_table_are_0_or_1(made_up):
    """The columns of text may be replaced by columns of flags; columns that are in neither form are missed."""
    table = pd.read_csv(made_up / "ptbxl_database.csv", dtype=str, keep_default_na=False)
    reduced = table.drop(columns=[*ptbxl.NOTES, "device"]).assign(**{f"{name}_present": "0" for name in ptbxl.NOTES})
    reduced.to_csv(made_up / "ptbxl_database.csv", index=False)
    change(made_up, pacemaker_present="1", extra_beats_present="1")
    first, second = read(made_up)[:2]
    assert [name for name in ptbxl.NOTES if first.numbers[name]] == ["pacemaker", "extra_beats"]
    assert sum(second.numbers[name] for name in ptbxl.NOTES) == 0
    assert set(first.about) == {"age", "sex"}
    reduced.drop(columns="burst_noise_present").to_csv(made_up / "ptbxl_database.csv", index=False)
    with pytest.raises(RecordError, match="has no column 'burst_noise'"):
        read(made_up)


def test_the_device_is_told_where_the_table_has_it(made_up):
    """Its name is freed of the blanks that fill it up."""
    change(made_up, device="CS-12   E ")
    assert read(made_up)[0].about["device"] == "CS-12 E"


def test_numbers_come_in_one_order(made_up):
    """Age, sex and the notes, the same columns for every recording."""
    assert {tuple(r.numbers) for r in read(made_up)} == {("age", "male", *ptbxl.NOTES)}


def test_recordings_come_in_the_order_of_their_numbers(made_up):
    """Whatever the order of the table's lines."""
    lines = (made_up / "ptbxl_database.csv").read_text().splitlines()
    (made_up / "ptbxl_database.csv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    assert [r.record for r in read(made_up)] == [f"{number:05d}" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"scp_codes": "{'XYZ': 1}"}, "its statement 'XYZ'"),
        ({"patient_id": "12.5"}, "says '12.5' as its patient_id, no whole number"),
        ({"patient_id": ""}, "no whole number"),
        ({"patient_id": "inf"}, "no whole number"),
        ({"strat_fold": "11"}, "fold 11"),
        ({"age": "-3"}, "-3 years old"),
        ({"age": "old"}, "no whole number"),
        ({"filename_lr": "records100/00000/00002_lr"}, ""),
        ({"filename_lr": "../secret"}, "../secret.hea is missing"),
    ],
)
def test_a_row_that_does_not_fit_is_told(made_up, cells, words):
    """It is given as its fault, in one line, and the others still come."""
    change(made_up, **cells)
    found = read(made_up)
    if cells.get("filename_lr", "").startswith("records100"):
        assert [r.record for r in found] == [f"{number:05d}" for number in range(1, 7)]
        return
    assert [r.record for r in found if isinstance(r, RecordError)] == ["00001"]
    assert words in str(found[0])
    assert "\n" not in str(found[0])
    assert len(found) == 6


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"ecg_id\n1\n", b"a,b\n1\n", b"\x00" * 100, b'"unclosed', b"ecg_id,ecg_id\n1,1\n"]
)
def test_a_table_that_is_none_is_told(made_up, content):
    """One line, whatever lies there under its name."""
    (made_up / "ptbxl_database.csv").write_bytes(content)
    with pytest.raises(RecordError, match=r"^record of PTB-XL: ptbxl_database\.csv .*again$"):
        read(made_up)


def test_a_table_that_names_a_recording_twice_is_told(made_up):
    """Numbers are the identity of recordings."""
    change(made_up, ecg_id="2")
    with pytest.raises(RecordError, match="one of them twice"):
        read(made_up)
    (made_up / "ptbxl_database.csv").unlink()
    with pytest.raises(RecordError, match="missing or damaged"):
        read(made_up)


def test_a_missing_signal_names_the_setting(made_up):
    """Unless only some recordings are expected: then it is passed over, and counted."""
    (made_up / "records100/00000/00003_lr.dat").unlink()
    (made_up / "records100/00000/00004_lr.dat").unlink()
    (made_up / "records100/00000/00004_lr.hea").unlink()
    faults = [str(r) for r in read(made_up) if isinstance(r, RecordError)]
    assert len(faults) == 2
    assert "00003_lr.dat is missing" in faults[0]
    assert "set databases.ptbxl.partial to true" in faults[0]
    found = read(made_up, partial=True)
    assert [r.record for r in found] == ["00001", "00002", "00003", "00005", "00006"]
    assert isinstance(found[2], RecordError)  # half of it is there: that is no gap but damage


def test_a_file_of_another_rate_is_told(made_up):
    """Signals of 500 Hz under the names of those at 100 Hz do not pass."""
    hea = made_up / "records100/00000/00002_lr.hea"
    hea.write_text(hea.read_text().replace(" 12 100 ", " 12 500 "))
    assert "says 500 Hz where 100 Hz belong" in str(read(made_up)[1])


@pytest.mark.parametrize("rate", [100, 500])
def test_signals_are_packed_and_tables_are_not(made_up, tmp_path, rate):
    """A mirror's recordings of one rate arrive verified, and read the same out of their archive."""
    told = ptbxl.fetch(str(made_up.parent), tmp_path / "raw", tmp_path / "scratch", Params(rate))
    assert listed(tmp_path / "raw") == ["ptbxl_database.csv", f"records{rate}/00000.zip", "scp_statements.csv"]
    assert (told["source"], told["verified"], told["files"]) == ("mirror", True, 14)
    assert [r.signal.tolist() for r in read(tmp_path / "raw", rate=rate)] == [
        r.signal.tolist() for r in read(made_up, rate=rate)
    ]


def test_recordings_come_from_a_host(made_up, shelf, tmp_path, monkeypatch):
    """Over HTTP, verified by the host's own list."""
    shutil.copytree(made_up, shelf.folder, dirs_exist_ok=True)
    monkeypatch.setattr(ptbxl, "HOST", shelf.url)
    told = ptbxl.fetch(None, tmp_path / "raw", tmp_path / "scratch", Params())
    assert (told["source"], told["verified"], told["files"]) == ("host", True, 14)
    assert files.file_digest(tmp_path / "raw/ptbxl_database.csv") == files.file_digest(made_up / "ptbxl_database.csv")
    assert all(isinstance(r, Record) for r in read(tmp_path / "raw"))
    assert not [path for path in shelf.asked if "records500" in path]


def test_folders_of_a_thousand_are_archives_of_their_own(made_up, tmp_path):
    """Recording 01000 lies in another archive than recording 00001."""
    (made_up / "records100/01000").mkdir()
    for ending in ("hea", "dat"):
        content = (made_up / f"records100/00000/00006_lr.{ending}").read_bytes().replace(b"00006_lr", b"01000_lr")
        (made_up / f"records100/01000/01000_lr.{ending}").write_bytes(content)
    table = (
        (made_up / "ptbxl_database.csv")
        .read_text()
        .replace("\n6,", "\n1000,")
        .replace("00000/00006_lr", "01000/01000_lr")
    )
    (made_up / "ptbxl_database.csv").write_text(table)
    (made_up / "SHA256SUMS.txt").unlink()
    assert not ptbxl.fetch(str(made_up.parent), tmp_path / "raw", tmp_path / "scratch", Params())["verified"]
    assert {"records100/00000.zip", "records100/01000.zip"} <= set(listed(tmp_path / "raw"))
    assert [r.record for r in read(tmp_path / "raw")][-1] == "01000"


def test_a_mirror_with_some_recordings_needs_the_setting(made_up, tmp_path, caplog):
    """Without it one line names it; with it the recordings that are there come, and the others are counted."""
    (made_up / "records100/00000/00002_lr.hea").unlink()
    (made_up / "records100/00000/00002_lr.dat").unlink()
    given = (str(made_up.parent), tmp_path / "raw", tmp_path / "scratch")
    with pytest.raises(DownloadError, match=r"00002_lr\.hea: not found; .* set databases\.ptbxl\.partial to true"):
        ptbxl.fetch(*given, Params())
    assert not (tmp_path / "raw").exists()
    with caplog.at_level(logging.INFO, "pqrst"):
        assert ptbxl.fetch(*given, Params(partial=True))["missing"] == 2
        assert [r.record for r in read(tmp_path / "raw", partial=True)] == ["00001", "00003", "00004", "00005", "00006"]
    assert "2 files that belong to the table's 6 recordings are not there" in caplog.text
    assert "1 of 6 recordings are not there at 100 Hz" in caplog.text


@pytest.fixture(scope="module")
def table(recordings):
    """Read PTB-XL's values for all its recordings: labels (21799, 71), folds and patients."""
    with (recordings / "ptbxl/ptbxl_database.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    stored_labels = np.array([labels(row["scp_codes"]) for row in rows])
    folds = np.array([int(row["strat_fold"]) for row in rows])
    return stored_labels, folds, np.array([row["patient_id"] for row in rows])


@pytest.mark.real
def test_real_labels_with_a_likelihood_are_counted_as_published(table):
    """Each of the 52 classes among folds 1 to 8, and the sums on the three sides."""
    stored_labels, folds, _ = table
    task = LABEL_TASKS["likelihood"]
    made = task.of(stored_labels, CLASSES)
    assert dict(zip(task.classes, made[folds <= 8].sum(axis=0).tolist(), strict=True)) == TRAIN_COUNTS
    assert [int(made[side].sum()) for side in (folds <= 8, folds == 9, folds == 10)] == [25_626, 3_195, 3_194]
    absent = [
        {c for c, n in zip(task.classes, made[folds == fold].sum(axis=0), strict=True) if not n} for fold in (9, 10)
    ]
    assert absent == [{"STACH", "BIGU"}, {"STACH"}]
    assert made[folds == 10].size - made[folds == 10].sum() == 111_102
    assert (int(made[folds <= 8].any(axis=1).sum()), int((folds <= 8).sum())) == (17_414, 17_418)
    assert set(task.classes) == {c for c, n in zip(CLASSES, (stored_labels >= 2).sum(axis=0), strict=True) if n}


@pytest.mark.real
def test_real_superclasses_are_counted_as_published(table):
    """Any mention of a diagnostic statement counts; 411 recordings have none."""
    made = LABEL_TASKS["super"].of(table[0], CLASSES)
    assert made.sum(axis=0).tolist() == [9514, 5469, 5235, 4898, 2649]
    assert int((~made.any(axis=1)).sum()) == 411


@pytest.mark.real
def test_real_folds_hold_each_patient_once(table):
    """21,799 recordings of 18,869 patients: 17,418 in folds 1 to 8, 2,183 in fold 9, 2,198 in fold 10."""
    _, folds, patients = table
    assert [int((folds <= 8).sum()), int((folds == 9).sum()), int((folds == 10).sum())] == [17_418, 2_183, 2_198]
    pairs = set(zip(patients.tolist(), folds.tolist(), strict=True))
    assert len(pairs) == len(set(patients.tolist())) == 18_869


@pytest.mark.real
def test_every_real_statement_occurs(table):
    """All 71 are said of some recording, and every recording has one."""
    assert (table[0] > 0).any(axis=0).all()
    assert (table[0] > 0).any(axis=1).all()


@pytest.mark.real
def test_the_shipped_statements_are_those_of_physionet(recordings):
    """Every cell that is kept is that of the official table, in its order."""
    official = pd.read_csv(recordings / "ptbxl/scp_statements.csv", index_col=0).reset_index(names="code")
    ours = pd.read_csv(io.StringIO((ptbxl.Path(ptbxl.__file__).parent / "ptbxl_statements.csv").read_text()))
    pd.testing.assert_frame_equal(ours, official[list(ours.columns)], check_dtype=False)


@pytest.mark.real
def test_real_recordings_are_read(recordings):
    """31 at 500 Hz and one at 100 Hz, and nothing where no signal lies."""
    found = read(recordings / "ptbxl", rate=500, partial=True)
    assert all(isinstance(r, Record) for r in found)
    assert len(found) == 31
    assert {(r.fs, r.signal.shape, r.gain, r.zero) for r in found} == {(500.0, (12, 5000), (1000.0,) * 12, (0,) * 12)}
    first = found[0]
    assert (first.record, first.patient, first.folds) == ("00001", "15709", {"official": "3"})
    assert first.about == {"age": "56", "sex": "female"}
    assert [name for name in ptbxl.NOTES if first.numbers[name]] == ["static_noise"]
    assert {c: n for c, n in zip(CLASSES, first.label, strict=True) if n} == {"NORM": 101, "LVOLT": 1, "SR": 1}
    assert [r.record for r in read(recordings / "ptbxl", partial=True)] == ["00001"]


@pytest.mark.real
def test_both_rates_of_a_real_recording_are_one_signal(recordings):
    """00001 at 100 Hz follows itself at 500 Hz, a fifth of a sample late, lead by lead; the ends apart."""
    low = read(recordings / "ptbxl", partial=True)[0].in_units()
    high = read(recordings / "ptbxl", rate=500, partial=True)[0].in_units()
    finer = resample_poly(low.astype(np.float64), 5, 1, axis=1)[:, 50:-50]
    alike = [np.corrcoef(lead, other)[0, 1] for lead, other in zip(finer, high[:, 51:-49], strict=True)]
    assert min(alike) > 0.97
    assert np.mean(alike) > 0.985


@pytest.mark.real
def test_real_recordings_are_packed(recordings, tmp_path):
    """What the mirror holds of the recordings at 500 Hz reads the same out of the archives."""
    told = ptbxl.fetch(str(recordings), tmp_path / "raw", tmp_path / "scratch", Params(500, partial=True))
    assert (told["files"], told["missing"]) == (64, 2 * (21_799 - 31))
    with packs.open_all(tmp_path / "raw") as files:
        assert len([name for name in files.names() if name.endswith(".dat")]) == 31
    found = read(tmp_path / "raw", rate=500, partial=True)
    assert [r.label for r in found] == [r.label for r in read(recordings / "ptbxl", rate=500, partial=True)]
