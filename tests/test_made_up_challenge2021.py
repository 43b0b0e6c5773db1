"""The made-up Challenge 2021: laid out like the real one, readable by others, with something of everything."""

import warnings
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

with warnings.catch_warnings():  # the same at import, where the mark below does not reach
    warnings.simplefilter("ignore", DeprecationWarning)
    import wfdb

from pqrst import challenge
from pqrst.made_up import _decks
from pqrst.made_up import challenge2021 as made_up
from toys import einthoven

# wfdb 4.3.1 calls what pandas 3.1 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:DeprecationWarning")

CHALLENGE_LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
UNKNOWN = "999999999"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Write 64 recordings of the Challenge."""
    folder = tmp_path_factory.mktemp("made_up") / "challenge2021"
    made_up.write(folder, 64, np.random.default_rng(0), 1.0)
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


@pytest.mark.parametrize("records", [1, 2, 3, 4, 6, 10, 40])
def test_a_small_challenge_will_do(records, tmp_path):
    """Any number of recordings is written; of four or more, two are one under two names."""
    made_up.write(tmp_path, records, np.random.default_rng(3), 1.0)
    names = (tmp_path / "RECORDS").read_text().split()
    assert len(set(names)) == len(names) == records
    signals = [(tmp_path / f"{name}.mat").read_bytes() for name in names]
    assert len(set(signals)) == records - (records > 3)


def test_the_challenge_lies_by_source(sources, headers):
    """Eight folders with at least five recordings each, named as the originals are."""
    found = Counter(name.partition("/")[0] for name in headers)
    assert set(found) == set(made_up.SOURCES)
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
        low, high = made_up.SOURCES[source].seconds
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
    assert set(made_up.SNOMED.values()) <= official


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
    words = {source: made_up._labels((source, 0), one).split(",") for source in made_up.SOURCES}
    kept = [challenge.CODES_OF[name] for name in ("LBBB", "RBBB", "PVC", "PAC")]
    assert all([challenge.SAME_AS.get(code, code) for code in found] == kept for found in words.values())
    assert {code for found in words.values() for code in found} == {*challenge.SAME_AS, *kept}
