"""The made-up PTB-XL and Challenge: laid out like the real ones, readable by others, with something of everything."""

import ast
import csv
import hashlib
import warnings
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat
from scipy.signal import decimate

with warnings.catch_warnings():  # the same at import, where the mark below does not reach
    warnings.simplefilter("ignore", DeprecationWarning)
    import wfdb

from pqrst import challenge
from pqrst.arrays import digest
from pqrst.datasets import _decks, _twelve_lead
from pqrst.datasets._twelve_lead import write_challenge, write_ptbxl

# wfdb 4.3.1 calls what pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")

PTBXL_LEADS = ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
CHALLENGE_LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
SUPERCLASSES = {"NORM", "MI", "STTC", "CD", "HYP"}
COMMON_RHYTHMS = {"SR", "AFIB", "STACH", "SBRAD", "PACE"}
UNKNOWN = "999999999"


@pytest.fixture(scope="module")
def ptbxl(tmp_path_factory):
    """Write forty recordings of PTB-XL."""
    folder = tmp_path_factory.mktemp("made_up") / "ptbxl"
    write_ptbxl(folder, 40, np.random.default_rng(0))
    return folder


@pytest.fixture(scope="module")
def table(ptbxl):
    found = pd.read_csv(ptbxl / "ptbxl_database.csv", index_col="ecg_id")
    found["scp_codes"] = found["scp_codes"].map(ast.literal_eval)
    return found


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Write 64 recordings of the Challenge."""
    folder = tmp_path_factory.mktemp("made_up") / "challenge2021"
    write_challenge(folder, 64, np.random.default_rng(0))
    return folder


@pytest.fixture(scope="module")
def headers(sources):
    """Give the lines of every header, by source/name."""
    names = (sources / "RECORDS").read_text().split()
    return {name: (sources / f"{name}.hea").read_text().splitlines() for name in names}


def comments(lines):
    pairs = [line.lstrip("# ").partition(":") for line in lines if line.startswith("#")]
    return {key: value.strip() for key, _, value in pairs}


def codes(lines):
    return [code for code in comments(lines)["Dx"].split(",") if code]


@cache
def physical(folder, name):
    """Read a recording of the Challenge by wfdb, which does not take a stray ending of its name."""
    header = folder / f"{name}.hea"
    written = header.read_text()
    header.write_text(written.replace(".mat 12 ", " 12 "))
    found = wfdb.rdrecord(str(folder / name), physical=False)
    header.write_text(written)
    return found


def superclasses():
    with _twelve_lead.STATEMENTS.open() as file:
        return {row["code"]: row["diagnostic_class"] for row in csv.DictReader(file)}


def sums(folder):
    return dict(reversed(line.split(" ", 1)) for line in (folder / "SHA256SUMS.txt").read_text().splitlines())


def checksums(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS.txt"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def einthoven(steps, zero=0):
    """Give how far the four derived leads are from what I and II say, in steps, from (samples, 12)."""
    i, ii, iii, avr, avl, avf = (steps[:, n].astype(float) - zero for n in range(6))
    return np.array([iii - (ii - i), avr + (i + ii) / 2, avl - (i - ii / 2), avf - (ii - i / 2)])


@pytest.mark.parametrize(("write", "records"), [(write_ptbxl, 9), (write_challenge, 9)])
def test_equal_seeds_give_equal_bytes(write, records, tmp_path):
    """The same seed writes the same files, another seed others."""
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        write(tmp_path / name, records, np.random.default_rng(seed))
    one, same, other = (digest(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same != other


@pytest.mark.parametrize("folder", ["ptbxl", "sources"])
def test_every_file_has_its_checksum(folder, request):
    """SHA256SUMS.txt lists every file but itself."""
    made = request.getfixturevalue(folder)
    assert sums(made) == checksums(made)


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
    assert list(table.columns) == list(_twelve_lead.PTBXL_COLUMNS)[1:]
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
    cases, classes = _decks.ptbxl_cases(records, np.random.default_rng(seed)), superclasses()
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
    met = {code for case in _decks.ptbxl_cases(600, np.random.default_rng(0)) for code in case.person.statements}
    assert met == set(superclasses())


def test_atria_that_fibrillate_do_not_lead():
    """No card joins fibrillation with a statement about the P wave."""
    for case in _decks.ptbxl_cases(300, np.random.default_rng(4)):
        found = set(case.person.statements)
        assert not ("AFIB" in found and found & _decks.ATRIAL)
        assert len(found & {"SR", "AFIB", "AFLT", "STACH", "SBRAD", "SARRH", "PACE"}) <= 1


@pytest.mark.parametrize("records", [1, 2, 3, 4, 6, 10, 14])
def test_a_few_recordings_will_do(records, tmp_path):
    """Any number of recordings is written; of four or more, the last two are of one patient."""
    write_ptbxl(tmp_path, records, np.random.default_rng(3))
    found = pd.read_csv(tmp_path / "ptbxl_database.csv")
    assert len(found) == records
    patients = found["patient_id"].tolist()
    assert len(set(patients)) == records - (records > 3)
    if records > 3:
        assert patients[-1] == patients[-2]
    if records > 2:
        assert {1, 9, 10} <= set(found["strat_fold"])


@pytest.mark.parametrize("records", [1, 2, 3, 4, 6, 10, 40])
def test_a_small_challenge_will_do(records, tmp_path):
    """Any number of recordings is written; of four or more, two are one under two names."""
    write_challenge(tmp_path, records, np.random.default_rng(3))
    names = (tmp_path / "RECORDS").read_text().split()
    assert len(set(names)) == len(names) == records
    signals = [(tmp_path / f"{name}.mat").read_bytes() for name in names]
    assert len(set(signals)) == records - (records > 3)


def test_the_challenge_lies_by_source(sources, headers):
    """Eight folders with at least five recordings each, named as the originals are."""
    found = Counter(name.partition("/")[0] for name in headers)
    assert set(found) == set(_twelve_lead.SOURCES)
    assert min(found.values()) >= 5
    assert len(headers) == 64
    firsts = {"cpsc_2018/A0001", "cpsc_2018_extra/Q0001", "st_petersburg_incart/I0001", "ptb/S0001", "ptb-xl/HR00001",
              "georgia/E00002", "georgia/E07509", "georgia/E07510", "chapman_shaoxing/JS00001", "ningbo/JS10647"}  # fmt: skip
    assert firsts <= set(headers)
    assert {path.suffix for path in sources.rglob("*/*") if path.is_file()} == {".hea", ".mat"}


def test_challenge_signals_read_back(sources, headers):
    """As MATLAB reads them and as wfdb does through the header: the same samples, with checksums that hold."""
    for name, lines in headers.items():
        val = loadmat(sources / f"{name}.mat")["val"]
        found = physical(sources, name)
        assert val.dtype == np.dtype("<i2")
        assert np.array_equal(val.T, found.d_signal)
        assert found.sig_name == CHALLENGE_LEADS
        assert found.init_value == val[:, 0].tolist()
        assert [int(value) % 65536 for value in found.checksum] == (val.sum(axis=1, dtype=np.int64) % 65536).tolist()
        assert int(lines[0].split()[3]) == val.shape[1]
        flat = (val == val[:, :1]).all(axis=1)
        assert abs(einthoven(val.T, found.baseline[0])).max() <= 1.5 or flat.any()


def test_sources_differ_as_the_originals_do(sources, headers):
    """Rates, lengths, gains and zeros are those of the source; amplitudes in mV are a heart's everywhere."""
    rates = {"st_petersburg_incart": 257, "ptb": 1000}
    for name in headers:
        source, found = name.partition("/")[0], physical(sources, name)
        assert found.fs == rates.get(source, 500)
        seconds = found.sig_len / found.fs
        low, high = _twelve_lead.SOURCES[source].seconds
        assert low - 0.01 <= seconds <= high + 0.01
        assert found.adc_gain[0] == {"ptb": 2000, "st_petersburg_incart": 306}.get(source, 1000)
        assert found.baseline[0] == (-14 if source == "st_petersburg_incart" else 0)
        height = np.percentile(abs(found.d_signal[:, 1] - found.baseline[0]), 99.5) / found.adc_gain[0]
        assert 0.1 < height < 4
    assert len({physical(sources, name).sig_len for name in headers if name.startswith("cpsc_2018/")}) > 3


def test_headers_come_in_both_styles(headers):
    """Of the Challenges' time and of the last release, some of the former called by their file."""
    old = [lines for lines in headers.values() if any(line.startswith("#Dx: ") for line in lines)]
    new = [lines for lines in headers.values() if any(line.startswith("# Dx: ") for line in lines)]
    assert len(old) + len(new) == len(headers)
    assert min(len(old), len(new)) > 10
    assert all(" 16+24 " in lines[1] and len(lines[0].split()) == 6 for lines in old)
    assert all(" 16x1+24 " in lines[1] and len(lines[0].split()) == 4 for lines in new)
    stray = [name for name, lines in headers.items() if lines[0].split()[0].endswith(".mat")]
    assert 3 <= len(stray) < len(old) / 2
    assert {lines[1].split()[2] for lines in (*old, *new)} >= {"1000/mV", "2000/mv", "306(-14)/mV", "1000.0(0)/mV"}


def test_comments_say_who_it_is(headers):
    """Age, sex and diagnoses as in the originals, some of them unknown, and that nobody was recorded."""
    told = [comments(lines) for lines in headers.values()]
    assert all(set(one) == {"Age", "Sex", "Dx", "Rx", "Hx", "Sx", "SYNTHETIC"} for one in told)
    assert {one["Sex"] for one in told} == {"Male", "Female", "Unknown"}
    ages = {one["Age"] for one in told}
    assert "NaN" in ages
    assert all(17 <= int(age) <= 97 for age in ages - {"NaN"})


def test_one_signal_has_two_names(sources, headers):
    """E07509 and E07510 are one recording; no other two are."""
    signals = defaultdict(list)
    for name in headers:
        signals[(sources / f"{name}.mat").read_bytes()].append(name)
    assert [names for names in signals.values() if len(names) > 1] == [["georgia/E07509", "georgia/E07510"]]
    one, two = (headers[f"georgia/{name}"] for name in ("E07509", "E07510"))
    assert [line.replace("E07510", "E07509") for line in two] == one


def test_real_oddities_are_there(sources, headers):
    """A recording with flat leads, one with a code nobody knows and commas at its end, one without a scored code."""
    flat = {}
    for name in headers:
        val = loadmat(sources / f"{name}.mat")["val"]
        still = [lead for lead, row in zip(CHALLENGE_LEADS, val, strict=True) if (row == row[0]).all()]
        if still:
            flat[name] = still
    assert flat == {"ningbo/JS10648": ["V1", "V2", "V3", "V4", "V5", "V6"]}
    odd = [name for name, lines in headers.items() if UNKNOWN in codes(lines)]
    assert odd == ["cpsc_2018_extra/Q0002"]
    assert comments(headers[odd[0]])["Dx"].endswith(",,")
    scored = {*challenge.CODES, *challenge.SAME_AS}
    assert any(not scored & set(codes(lines)) for lines in headers.values())


def test_codes_are_in_the_official_tables(recordings, headers):
    """But for the one unknown, every code is in the Challenge's own tables."""
    tables = [
        pd.read_csv(recordings / "challenge2021" / "evaluation-2021" / f"dx_mapping_{name}.csv", dtype=str)
        for name in ("scored", "unscored")
    ]
    official = set(pd.concat(tables)["SNOMEDCTCode"])
    assert {code for lines in headers.values() for code in codes(lines)} - {UNKNOWN} <= official
    assert set(_twelve_lead.SNOMED.values()) <= official


def test_the_labels_come_in_several_sources(headers):
    """All 26 classes are there, and the common ones in three sources or more."""
    where = defaultdict(set)
    for name, lines in headers.items():
        for code in codes(lines):
            where[challenge.SAME_AS.get(code, code)].add(name.partition("/")[0])
    assert set(challenge.CODES) <= set(where)
    common = ("NSR", "AF", "SB", "STach", "PVC", "PAC", "RBBB", "TAb", "IAVB", "LAD", "SA", "AFL")
    assert {name for name in common if len(where[challenge.CODES_OF[name]]) < 3} == set()


def test_a_source_has_its_own_word_for_a_thing():
    """Both codes of each merged pair are in use, one of them in each source."""
    one = _decks.person("CLBBB CRBBB PVC PAC", np.random.default_rng(0))
    words = {source: _twelve_lead._labels((source, 0), one).split(",") for source in _twelve_lead.SOURCES}
    kept = [challenge.CODES_OF[name] for name in ("LBBB", "RBBB", "PVC", "PAC")]
    assert all([challenge.SAME_AS.get(code, code) for code in found] == kept for found in words.values())
    assert {code for found in words.values() for code in found} == {*challenge.SAME_AS, *kept}
