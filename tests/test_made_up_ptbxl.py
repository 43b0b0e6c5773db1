"""The made-up PTB-XL: laid out like the real one, readable by others, with something of everything."""

import ast
import csv
import warnings
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from scipy.signal import decimate

with warnings.catch_warnings():  # the same at import, where the mark below does not reach
    warnings.simplefilter("ignore", DeprecationWarning)
    import wfdb

from pqrst.made_up import ptbxl as made_up
from toys import einthoven

# wfdb 4.3.1 calls what pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")

PTBXL_LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
SUPERCLASSES = {"NORM", "MI", "STTC", "CD", "HYP"}
COMMON_RHYTHMS = {"SR", "AFIB", "STACH", "SBRAD", "PACE"}


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory):
    """Write forty recordings of PTB-XL."""
    folder = tmp_path_factory.mktemp("made_up") / "ptbxl"
    made_up.write(folder, 40, np.random.default_rng(0), 1.0)
    return folder


@pytest.fixture(scope="module")
def table(ptbxl):
    found = pd.read_csv(ptbxl / "ptbxl_database.csv", index_col="ecg_id")
    found["scp_codes"] = found["scp_codes"].map(ast.literal_eval)
    return found


def superclasses():
    with made_up.STATEMENTS.open() as file:
        return {row["code"]: row["diagnostic_class"] for row in csv.DictReader(file)}


def test_ptbxl_lies_as_on_physionet(ptbxl, table):
    """Two rates in folders by the thousand, all listed, the small ones first."""
    names = (ptbxl / "RECORDS").read_text().split()
    assert names == [*table["filename_lr"], *table["filename_hr"]]
    assert names[0] == "records100/00000/00001_lr"
    assert names[-1] == "records500/00000/00040_hr"
    files = {path.relative_to(ptbxl).as_posix() for path in ptbxl.rglob("*") if path.is_file()}
    signals = {f"{name}.{ending}" for name in names for ending in ("dat", "hea")}
    assert files == signals | {"RECORDS", "SHA256SUMS.txt", "ptbxl_database.csv", "scp_statements.csv"}


def test_ptbxl_signals_read_back(ptbxl, table):
    """By wfdb: 12 leads as PTB-XL spells them, 10 s, 1000 steps a mV, first samples and checksums that hold."""
    for column, fs in (("filename_lr", 100), ("filename_hr", 500)):
        for name in table[column]:
            found = wfdb.rdrecord(str(ptbxl / name), physical=False)
            assert (found.fs, found.sig_name, found.units) == (fs, PTBXL_LEADS, ["mV"] * 12)
            assert (found.fmt, found.adc_gain, found.baseline) == (["16"] * 12, [1000.0] * 12, [0] * 12)
            assert found.d_signal.shape == (10 * fs, 12)
            assert found.init_value == found.d_signal[0].tolist()
            assert found.checksum == (found.d_signal.sum(axis=0) % 65536).tolist()
            assert found.comments[0].startswith("SYNTHETIC")
            assert abs(einthoven(found.d_signal)).max() <= 1.5
            assert abs(einthoven(found.d_signal)[0]).max() <= 1


def test_both_rates_are_one_recording(ptbxl, table):
    """The 100 Hz file is the 500 Hz one through a filter, as another filter finds."""
    for low, high in zip(table["filename_lr"], table["filename_hr"], strict=True):
        one, two = (wfdb.rdrecord(str(ptbxl / name)).p_signal for name in (low, high))
        inside = slice(20, -20)  # samples; the filter knows nothing beyond the ends
        other = decimate(two, 5, axis=0)
        close = [np.corrcoef(one[inside, n], other[inside, n])[0, 1] for n in range(12)]
        assert np.median(close) > 0.99


def test_the_table_reads_as_the_real_one(table):
    """Official columns, ages with their 300, text where something is wrong, and statements of the table only."""
    assert list(table.columns) == list(made_up.COLUMNS)[1:]
    assert table.index.tolist() == list(range(1, 41))
    assert (table["age"] == 300).any()
    assert table["age"].isna().any()
    assert table["age"].dropna().between(17, 300).all()
    assert not table["age"].between(90, 299).any()
    assert set(table["sex"]) == {0, 1}
    paced = table["scp_codes"].map(lambda found: "PACE" in found)
    assert (table["pacemaker"] == "ja, pacemaker").equals(paced)
    assert table[["baseline_drift", "static_noise"]].notna().any().any()
    assert set().union(*table["scp_codes"]) <= set(superclasses())
    likelihoods = {value for found in table["scp_codes"] for value in found.values()}
    assert 0.0 in likelihoods
    assert 100.0 in likelihoods
    assert likelihoods <= {0.0, 15.0, 35.0, 50.0, 80.0, 100.0}
    assert all(found["SR"] == 0 for found in table["scp_codes"] if "SR" in found)


def test_the_real_table_has_the_same_columns(recordings, ptbxl, table):
    """Our statements are the official ones in their order, our columns those of the real table where both have them."""
    real = pd.read_csv(recordings / "ptbxl" / "scp_statements.csv", index_col=0)
    ours = pd.read_csv(ptbxl / "scp_statements.csv", index_col=0)
    same = ["diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass"]
    assert list(ours.columns) == list(real.columns)
    pd.testing.assert_frame_equal(ours[same], real[same], check_names=False)
    official = pd.read_csv(recordings / "ptbxl" / "ptbxl_database.csv", nrows=5)
    shared = ["patient_id", "age", "sex", "scp_codes", "strat_fold", "filename_lr", "filename_hr"]
    assert set(shared) <= set(official.columns) & set(table.columns)
    assert official["filename_hr"][0] == table["filename_hr"].iloc[0]


def test_statements_are_seventy_one(ptbxl):
    """44 diagnostic, 19 of form and 12 of rhythm, as published."""
    found = pd.read_csv(ptbxl / "scp_statements.csv", index_col=0)
    assert len(found) == 71
    assert found[["diagnostic", "form", "rhythm"]].sum().tolist() == [44, 19, 12]


def test_a_patient_stays_in_one_fold(table):
    """Some patients have two recordings, the last two among them, and nobody is in two folds."""
    assert len(table.groupby(["patient_id", "strat_fold"])) == table["patient_id"].nunique()
    assert set(table["patient_id"].value_counts()) == {1, 2}
    assert table["patient_id"].iloc[-1] == table["patient_id"].iloc[-2]
    for _, both in table.groupby("patient_id"):
        assert len({str(found) for found in both["scp_codes"]}) == 1


@pytest.mark.parametrize("records", [40, 64, 200])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_fold_and_side_has_what_is_common(records, seed):
    """All ten folds have recordings, and train, validation and test each have the superclasses and common rhythms."""
    cases, classes = made_up.deal(records, np.random.default_rng(seed)), superclasses()
    assert len(cases) == records
    assert {case.fold for case in cases} == set(range(1, 11))
    met = defaultdict(set)
    for case in cases:
        side = case.fold if case.fold > 8 else 1
        met[side] |= {classes[code] for code in case.person.statements} | set(case.person.statements)
    assert all(met[side] >= SUPERCLASSES | COMMON_RHYTHMS for side in (1, 9, 10))
    assert Counter(case.fold for case in cases)[10] <= max(9, 0.15 * records)


def test_a_large_database_has_every_statement():
    """With enough recordings the decks come round to all 71."""
    met = {code for case in made_up.deal(600, np.random.default_rng(0)) for code in case.person.statements}
    assert met == set(superclasses())


def test_atria_that_fibrillate_do_not_lead():
    """No card joins fibrillation with a statement about the P wave."""
    for case in made_up.deal(300, np.random.default_rng(4)):
        found = set(case.person.statements)
        assert not ("AFIB" in found and found & made_up.ATRIAL)
        assert len(found & {"SR", "AFIB", "AFLT", "STACH", "SBRAD", "SARRH", "PACE"}) <= 1


@pytest.mark.parametrize("records", [1, 2, 3, 4, 6, 10, 14])
def test_a_few_recordings_will_do(records, tmp_path):
    """Any number of recordings is written; of four or more, the last two are of one patient."""
    made_up.write(tmp_path, records, np.random.default_rng(3), 1.0)
    found = pd.read_csv(tmp_path / "ptbxl_database.csv")
    assert len(found) == records
    patients = found["patient_id"].tolist()
    assert len(set(patients)) == records - (records > 3)
    if records > 3:
        assert patients[-1] == patients[-2]
    if records > 2:
        assert {1, 9, 10} <= set(found["strat_fold"])
