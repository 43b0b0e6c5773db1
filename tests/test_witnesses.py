"""Known faults of published recordings, each held against what the pipeline does with it; real ones where they lie."""

import csv
import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import toys
from pqrst.arrays import Record, read
from pqrst.datasets import _wfdb12, challenge2021, mitdb, ptbxl
from pqrst.datasets.challenge2021 import Params
from pqrst.errors import RecordError
from pqrst.faults import broken, products
from pqrst.params import Window
from pqrst.preparation import used
from pqrst.quality import Limits, Policy, Quality, examine
from pqrst.segmentation import segment
from test_quality import arms, changed, cut_off, ecg, exchange, noise, put, turned

HELD = ("cpsc_2018", "cpsc_2018_extra", "ptb", "ptb-xl", "georgia", "chapman_shaoxing", "ningbo")
WINDOW = Window("whole", samples=5000, rate=500.0, steps=1000)
FACTS = {
    "dataset": "challenge2021",
    "task": "multi",
    "classes": challenge2021.CLASSES,
    "provenance": {"synthetic": True},
}
TOLD = ("#Age: 61", "#Sex: Male", "#Dx: 426783006")


def rows_of(folder, quality=None, sources=("georgia",)):
    """Cut what lies in a folder, and give the Bundle with the lines of its report."""
    found = challenge2021.records(folder, Params(sources))
    segment(found, WINDOW, "stop", FACTS, folder.with_name("rows"), quality=quality or Quality())
    rows = folder.with_name("rows")
    return read(rows), list(csv.DictReader((rows / "quality.csv").read_text().splitlines()))


def written(tmp_path, steps, *, scale="1000/mV", told=TOLD, fs=500):
    toys.write_challenge(tmp_path / "raw" / "georgia", "E1", steps, told, fs, scale)
    return tmp_path / "raw"


def of(change):
    return changed(change).signal


# as files: samples, the header's scale and rate, and what the report says of them
FILES = {
    "gain 4880": (ecg().signal, "4880/mV", 500, {("wrong_gain", ""): "keep"}),
    "gain 200": (ecg().signal, "200/mV", 500, {("wrong_gain", ""): "keep"}),
    "another rate": (ecg().signal, "1000/mV", 250, {("wrong_rate", ""): "keep"}),
    "invalid codes": (of(put(8, slice(100, 200), _wfdb12.MISSING)), "1000/mV", 500, {("missing", "V3"): "mask"}),
    "a lead of invalid codes": (of(put(8, slice(None), _wfdb12.MISSING)), "1000/mV", 500, {("missing", "V3"): "mask"}),
    "lead II upside down": (of(turned(1)), "1000/mV", 500, {("inverted", "II"): "keep"}),
    "leads I and III exchanged": (of(exchange((0, 2))), "1000/mV", 500, {("swapped", "I+III"): "keep"}),
    "arms exchanged": (of(arms), "1000/mV", 500, {("swapped", "I+II+III+aVR+aVL"): "keep"}),
    "clipped": (of(cut_off), "1000/mV", 500, {("clipped", "V2"): "keep"}),
    "no beat": (of(noise), "1000/mV", 500, {("no_beat", ""): "keep"}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_with_a_fault_is_read_and_told(tmp_path, name):
    """Its rows come, finite, with the fault in the report and beside them; `stop` gives one line in place of them."""
    steps, scale, fs, expected = FILES[name]
    raw = written(tmp_path, steps, scale=scale, fs=fs)
    bundle, lines = rows_of(raw)
    assert {(line["kind"], line["lead"]): line["done"] for line in lines} == expected
    assert bundle.rows["quality"][0] == " ".join(f"{kind}:{lead}" if lead else kind for kind, lead in expected)
    assert np.isfinite(bundle.x).all()
    (kind, _), *_ = expected
    with pytest.raises(RecordError, match=rf"record georgia/E1: .*; set quality\.policy\.{kind} to "):
        rows_of(raw, Quality(Policy(**{kind: "stop"})))


def test_invalid_codes_are_zero_in_the_rows(tmp_path):
    """Not 33 mV below it."""
    steps = of(put(8, slice(100, 200), _wfdb12.MISSING))
    bundle, _ = rows_of(written(tmp_path, steps))
    assert (bundle.x[0, 8, 100:200] == 0).all()
    assert bundle.x.min() > -2000


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("1000/mV", "0/mV", "the gain is no number above zero"),
        ("E1 12 500", "E1 13 500", "declares 13 leads, 5000 samples at 500 Hz, and describes 12 leads"),
        ("#Age: 61", "#Age: \xff", "is no UTF-8 text"),
        ("#Dx: 426783006", "#Rx: x", "its header has no line Dx"),
    ],
)
def test_a_header_that_cannot_be_right_is_one_line(tmp_path, old, new, fault):
    """A gain of 0, fewer lines than it declares, bytes that are no text, no diagnosis."""
    raw = written(tmp_path, ecg().signal)
    header = raw / "georgia/E1.hea"
    header.write_bytes(header.read_bytes().replace(old.encode(), new.encode("latin-1")))
    with pytest.raises(RecordError, match=f"record georgia/E1: .*{fault}"):
        rows_of(raw)


@pytest.mark.parametrize(
    ("told", "age", "sex", "label"),
    [
        (("#Age: 300", "#Sex: F", "#Dx: 426783006,426783006,"), ">89", "female", 1),
        (("#Age: NaN", "#Dx: ,426783006,,"), "", "", 1),
        (("#Age: 61", "#Sex: Unknown", "#Dx: 164889003"), "61", "", 0),
    ],
)
def test_what_a_header_tells_is_taken_as_far_as_it_can_be(tmp_path, told, age, sex, label):
    """Age 300 is older than 89; a sex or an age that is missing is none; a code twice, or a trailing comma, is one code."""
    bundle, lines = rows_of(written(tmp_path, ecg().signal, told=told))
    assert (bundle.rows["about_age"][0], bundle.rows["about_sex"][0]) == (age, sex)
    assert bundle.y[0, challenge2021.CLASSES.index("NSR")] == label
    assert bundle.y.sum() == 1
    assert lines == []


@pytest.fixture(scope="module")
def real(recordings):
    """Read all real recordings of the Challenge, once."""
    return {r.record: r for r in challenge2021.records(recordings / "challenge2021", Params(HELD))}


@pytest.mark.real
def test_real_recordings_have_these_faults_and_no_other(real, recordings, tmp_path):
    """Six of 210 have a fault of a lead, and E07510 is E07509 once more; of 31 of PTB-XL at 500 Hz and one at 100 Hz none has."""
    segment(real.values(), WINDOW, "stop", FACTS, tmp_path / "rows")
    found = pd.read_csv(tmp_path / "rows/quality.csv", keep_default_na=False)
    assert Counter(found["kind"]) == {"flat": 21, "out_of_range": 5, "duplicate": 1}
    assert found.groupby("kind")["record"].nunique().to_dict() == {"flat": 4, "out_of_range": 2, "duplicate": 1}
    assert found[found["kind"] == "duplicate"][["record", "told"]].to_numpy().tolist() == [
        ["georgia/E07510", "its samples are those of georgia/E07509"]
    ]
    for rate in (100, 500):
        theirs = list(ptbxl.records(recordings / "ptbxl", ptbxl.Params(rate, partial=True)))
        assert [examine(one, Limits()) for one in theirs] == [()] * len(theirs)


@pytest.mark.real
def test_real_halves_of_mitbih_have_these_faults_and_no_other(recordings):
    """Three leads of 96 reach the ends of their converter; by its first lead alone one recording does."""
    found = [(r, examine(r, Limits())) for r in mitdb.records(recordings / "mitdb", mitdb.Params())]
    assert [(r.record, one.kind, one.lead) for r, faults in found for one in faults] == [
        ("103", "saturated", "V2"), ("116", "saturated", "MLII"), ("223", "saturated", "V1"),
    ]  # fmt: skip
    first = [
        r.record for r, faults in found if faults and examine(used(r, Window("equal", 9, leads="first")), Limits())
    ]
    assert first == ["116"]
    assert {r.record: r.leads for r, _ in found if r.leads[0] != "MLII"} == {
        "102": ("V5", "V2"), "104": ("V5", "V2"), "114": ("V5", "MLII"),
    }  # fmt: skip
    people = {r.record: r.patient for r, _ in found}
    assert people["201"] == people["202"]
    assert len(set(people.values())) == 47


@pytest.mark.real
def test_real_limb_leads_keep_einthovens_law(real):
    """III = II - I in all 210, to 3 of their smallest steps; all laws, to 1 % of the leads' size."""
    for record in real.values():
        one, two, three = record.signal[:3].astype(np.int64)
        assert np.abs(one + three - two).max() <= 3 * 2, record.record
        assert broken(products(record.in_units()[:6].astype(np.float64))) < 0.02, record.record


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "expected", "least"),
    [(turned(0), ("inverted", "I"), 209), (turned(5), ("inverted", "aVF"), 210), (exchange((1, 4)), ("swapped", "II+aVL"), 210),
     (arms, ("swapped", "I+II+III+aVR+aVL"), 100)],
)  # fmt: skip
def test_real_leads_that_are_turned_or_exchanged_are_found(real, change, expected, least):
    """By the law in all of 210 but one, which has artefacts of 10 mV; exchanged arms, by polarity alone, in half of them."""
    found = []
    for record in real.values():
        signal = record.signal.copy()
        change(signal)
        faults = examine(replace(record, signal=signal), Limits())
        found += [(one.kind, one.lead) for one in faults if one.kind in ("inverted", "swapped", "limb_leads")]
    assert set(found) == {expected}
    assert len(found) >= least


@pytest.mark.real
def test_real_gains_of_the_early_headers_are_told(real):
    """Each recording under a gain of 4880 or of 200 differs from what its collection declares."""
    for record in real.values():
        for gain in (4880.0, 200.0):
            faults = examine(replace(record, gain=(gain,) * 12), Limits())
            assert [one.amount for one in faults if one.kind == "wrong_gain"] == [gain]


@pytest.mark.real
def test_a_stray_ending_on_a_real_name_is_read_alike(recordings, real):
    """35 headers once called the recording by its file; with that put back they read the same."""
    folder = recordings / "challenge2021"
    with (folder / "manifest.csv").open(newline="") as file:
        fixed = [row for row in csv.DictReader(file) if row["record_name_fixed"] == "1"]
    assert len(fixed) == 35
    for row in fixed:
        stem = folder / row["source"] / row["record"]
        header, content = (stem.with_suffix(f".{ending}").read_bytes() for ending in ("hea", "mat"))
        name = row["record"].encode()
        assert header.startswith(name + b" ")
        found = _wfdb12.read(row["record"], f"{row['record']}.mat", header.replace(name, name + b".mat", 1), content)
        assert np.array_equal(found.signal, real[f"{row['source']}/{row['record']}"].signal)
    assert hashlib.sha256(content).hexdigest() == row["sha256_mat"]


@pytest.mark.real
def test_real_rates_are_those_declared(real):
    """One source alone, ptb, has 1000 Hz; a header of another rate would be told."""
    assert {r.folds["source"] for r in real.values() if r.fs == 1000} == {"ptb"}
    assert all(r.fs == r.declared.fs for r in real.values())


@pytest.mark.real
def test_real_people_older_than_89_are_told_so(recordings):
    """293 of PTB-XL's rows have age 300."""
    table = pd.read_csv(recordings / "ptbxl/ptbxl_database.csv", dtype=str, keep_default_na=False)
    ages = [ptbxl.person(age, "")[0]["age"] for age in table["age"]]
    assert ages.count(">89") == 293
    assert max(float(age) for age in ages if age not in ("", ">89")) == 89


@pytest.mark.real
def test_real_recordings_of_two_databases_have_one_digest(real, recordings):
    """The 31 of PTB-XL that are in the Challenge too are known by their samples, though their headers differ."""
    theirs = [r for r in ptbxl.records(recordings / "ptbxl", ptbxl.Params(500, partial=True)) if isinstance(r, Record)]
    digests = {r.about["signal"] for name, r in real.items() if name.startswith("ptb-xl/")}
    assert len(digests) == len(theirs) == 31
    assert {challenge2021.digest(r.signal) for r in theirs} == digests
