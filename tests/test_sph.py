"""SPH: the rules that leave recordings out, tenths of both variants, and HDF5 files out of a mirror."""

import logging
import random
import shutil
from collections import Counter

import h5py
import numpy as np
import pandas as pd
import pytest

import toys
from pqrst.arrays import Record
from pqrst.datasets import sph
from pqrst.datasets._wfdb12 import LEADS
from pqrst.datasets.sph import CLASSES, RARE, Params, kept, memberships, one_code, repeated, unmodified
from pqrst.errors import DownloadError, RecordError
from pqrst.made_up.sph import write as make_up
from toys import listed

RAMP = (np.arange(60, dtype=np.float64).reshape(12, 5) - 30) / 100  # mV


def table(*codes):
    """Make a table of recordings with these codes, each of a person of its own."""
    rows = [(f"A{n:05d}", code, f"S{n:05d}", "61", "F", "5", "2020-01-01") for n, code in enumerate(codes, 1)]
    return pd.DataFrame(rows, columns=[*sph.COLUMNS, "Date"], dtype=str)


def write(raw, *codes, samples=RAMP, **changed):
    """Write a table, with cells changed in its first row, and a file for each recording."""
    (raw / "records").mkdir(parents=True, exist_ok=True)
    given = table(*codes)
    for column, cell in changed.items():
        given.loc[0, column] = cell
    given.to_csv(raw / "metadata.csv", index=False)
    for name in given["ECG_ID"]:
        with h5py.File(raw / f"records/{name}.h5", "w") as file:
            file["ecg"] = samples


def read(raw, **settings):
    return list(sph.records(raw, Params(**settings)))


def left(rule, *codes):
    return rule(table(*codes))["AHA_Code"].tolist()


def test_rows_of_several_codes_are_left_out():
    """A semicolon between them tells."""
    assert left(one_code, "1", "22;23", "1;1", "60+310", "60+310;22") == ["1", "60+310"]


def test_rows_with_a_modifier_are_left_out():
    """A plus sign before it tells."""
    assert left(unmodified, "1", "60+310", "147", "145+362+320") == ["1", "147"]


def test_codes_that_stand_alone_are_left_out():
    """Those three of the published table, and no others that happen to stand alone here."""
    assert left(repeated, "84", "1", "165", "148", "83", "1") == ["1", "83", "1"]


def test_the_rules_are_applied_one_after_another():
    """What is kept stays in its order."""
    assert left(kept, "23", "84", "1;84", "22", "84+310", "1", "60+310") == ["23", "22", "1"]


def test_classes_are_codes_in_the_order_of_their_numbers():
    """31, and 22 without the rare ones; as many recordings as published."""
    assert [int(code) for code in CLASSES] == sorted(int(code) for code in CLASSES)
    assert (len(CLASSES), len(set(CLASSES) - set(RARE))) == (31, 22)
    assert sum(sph.PUBLISHED.values()) == 20_835
    assert sum(n for code, n in sph.PUBLISHED.items() if code not in RARE) == 20_792
    assert sph.PUBLISHED["1"] / 20_835 == pytest.approx(0.667, abs=0.0005)


def test_both_variants_have_tenths_of_their_own():
    """A rare code has a tenth among all, and none among the 22 classes."""
    found = memberships(table(*["1"] * 9, "80", "1"))
    assert [folds["tenths"] for folds in found] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "10"]
    assert [folds["tenths_22"] for folds in found] == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "", "10"]


def published_codes():
    """List as many codes as were published, with those that the rules leave out."""
    codes = [code for code, count in sph.PUBLISHED.items() for _ in range(count)]
    return [*codes, "84", "165", "148", *["60+310"] * 1208, *["1;22"] * 3724]


def test_tenths_have_the_published_sizes():
    """18,751 rows of nine tenths and 2,084 of the last; of 22 classes 18,712 and 2,080."""
    found = memberships(kept(table(*published_codes())))
    last = Counter((folds["tenths"] == "10", folds["tenths_22"] == "10") for folds in found if folds["tenths_22"])
    assert Counter(folds["tenths"] == "10" for folds in found) == {False: 18_751, True: 2_084}
    assert sum(n for (_, inside), n in last.items() if inside) == 2_080
    assert sum(last.values()) == 20_792


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({0: "21"}, ["SPH: recordings by code differ from those published: 1 13902 for 13903, 21 386 for 385"]),
        (
            {0: "1;1"},
            [
                "SPH: recordings after each rule differ from those published: one code 22045 for 22046, no modifier 20837 for 20838, 31 classes 20834 for 20835",
                "SPH: recordings by code differ from those published: 1 13902 for 13903",
            ],
        ),
    ],
)
def test_a_whole_table_is_held_against_the_published_numbers(tmp_path, caplog, change, told):
    """25,770, 22,046, 20,838 and 20,835 recordings, code by code; what differs is told in one line each."""
    codes = published_codes()
    for place, code in change.items():
        codes[place] = code
    table(*codes).to_csv(tmp_path / "metadata.csv", index=False)
    with caplog.at_level(logging.INFO, "pqrst"):
        assert read(tmp_path, partial=True) == []
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == told
    if not change:
        assert "sph: 25770 all, 22046 one code, 20838 no modifier, 20835 31 classes" in caplog.messages


def test_recordings_come_in_the_order_of_the_table(tmp_path):
    """With person, age, sex, label and both memberships; what the rules leave out needs no file."""
    write(tmp_path, "22", "1;22", "1", Patient_ID="S7", Age="47", Sex="M")
    (tmp_path / "records/A00002.h5").unlink()
    first, second = read(tmp_path)
    assert [first.record, second.record] == ["A00001", "A00003"]
    assert [CLASSES[first.label], CLASSES[second.label]] == ["22", "1"]
    np.testing.assert_allclose(first.signal, RAMP, rtol=1e-6)
    assert (first.fs, first.leads, first.gain, first.units) == (500.0, LEADS, None, "mV")
    assert (first.patient, second.patient) == ("S7", "S00003")
    assert first.about == {"age": "47", "sex": "male"}
    assert second.numbers == {"age": 61.0, "male": 0.0}
    assert first.folds == {"tenths": "5", "tenths_22": "5"}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_numbers_of_any_type_are_read(tmp_path, dtype):
    """Half, single or double."""
    write(tmp_path, "1", samples=RAMP.astype(dtype))
    (found,) = read(tmp_path)
    assert found.signal.dtype == np.float32
    np.testing.assert_allclose(found.signal, RAMP, atol=1e-3 if dtype == "f2" else 1e-7)


def test_gaps_are_told_and_become_0(tmp_path):
    """A sample that is no number, in one lead."""
    samples = RAMP.copy()
    samples[9, 4] = np.nan
    write(tmp_path, "1", samples=samples)
    (found,) = read(tmp_path)
    assert toys.faults_of(found) == ("not_finite:V4",)
    assert toys.masked(found)[9, 4] == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"AHA_Code": "999"}, "metadata.csv says code '999' of it, none of the 31"),
        ({"AHA_Code": ""}, "says code '' of it"),
        ({"Patient_ID": ""}, "names no patient of it"),
        ({"N": "6"}, "its array ecg is (12, 5), not numbers of 12 x 6 as metadata.csv says"),
        ({"N": "x"}, "says 'x' samples of it"),
        ({"N": "0"}, "says '0' samples of it"),
        ({"N": "9999999"}, "says '9999999' samples of it"),
        ({"samples": RAMP.T}, "its array ecg is (5, 12), not numbers of 12 x 5"),
        ({"samples": 1000 * np.random.default_rng(0).normal(0, 1, (12, 5))}, "its unit is another"),
        ({"samples": np.full((12, 5), "a", dtype="S1")}, "not numbers of 12 x 5"),
        ({"samples": 5.0}, "its array ecg is (), not numbers of 12 x 5"),
    ],
)
def test_a_row_that_does_not_fit_is_told(tmp_path, changed, words):
    """It is given as its fault, in one line, and keeps its place among the tenths."""
    samples = changed.pop("samples", RAMP)
    write(tmp_path, "1", "22", samples=samples, **changed)
    found = read(tmp_path)
    assert str(found[0]).startswith("record A00001: ")
    assert words in str(found[0])
    assert "\n" not in str(found[0])
    if samples is RAMP:
        assert found[1].folds["tenths"] == "10"


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_a_file_that_is_none_is_told(tmp_path, content):
    """Whatever lies there under its name."""
    write(tmp_path, "1")
    (tmp_path / "records/A00001.h5").write_bytes(content)
    (found,) = read(tmp_path)
    assert (
        str(found) == "record A00001: records/A00001.h5 is no HDF5 file with an array ecg; download the database again"
    )


def test_a_file_without_the_array_is_told(tmp_path):
    """Or with a folder in its place."""
    write(tmp_path, "1", "22")
    for number, make in (
        (1, lambda file: file.create_dataset("other", data=RAMP)),
        (2, lambda file: file.create_group("ecg")),
    ):
        with h5py.File(tmp_path / f"records/A0000{number}.h5", "w") as file:
            make(file)
    assert ["is no HDF5 file with an array ecg" in str(found) for found in read(tmp_path)] == [True, True]


def test_damaged_files_are_faults_and_never_a_crash(tmp_path):
    """Bytes that are changed or missing, wherever they are."""
    write(tmp_path, "1")
    file, rng, seen = tmp_path / "records/A00001.h5", random.Random(0), Counter()
    sound = file.read_bytes()
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        file.write_bytes(content[: rng.choice([None, rng.randrange(len(content))])])
        (found,) = read(tmp_path)
        seen[type(found)] += 1
    assert set(seen) == {Record, RecordError}


@pytest.mark.parametrize("content", [b"", b"ECG_ID,AHA_Code\nA1,1\n", b"\xff\xfe\x00"])
def test_a_table_that_is_none_is_told(tmp_path, content):
    """One line, whatever lies there under its name; a missing table is told as such."""
    with pytest.raises(RecordError, match=r"of SPH: metadata\.csv is missing or damaged"):
        read(tmp_path)
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(RecordError, match=r"^record of SPH: metadata\.csv .*again$"):
        read(tmp_path)


@pytest.fixture
def made_up(tmp_path):
    """Write forty made-up recordings that are kept, as a mirror."""
    folder = tmp_path / "made_up" / "sph"
    folder.mkdir(parents=True)
    make_up(folder, 40, np.random.default_rng(3), 1.0)
    return folder


def test_made_up_recordings_have_all_rules_and_people_who_recur(made_up):
    """Forty are kept of 46, nearly all classes among them; two people have two, and each file says that it is made up."""
    given = pd.read_csv(made_up / "metadata.csv", dtype=str)
    assert [len(given), len(one_code(given)), len(unmodified(one_code(given))), len(kept(given))] == [46, 44, 42, 40]
    found = read(made_up)
    assert all(isinstance(r, Record) for r in found)
    assert len({r.label for r in found}) >= 29
    people = Counter(r.patient for r in found)
    assert sorted(people.values(), reverse=True)[:3] == [2, 2, 1]
    for one in (name for name, count in people.items() if count == 2):
        (first, second) = (r for r in found if r.patient == one)
        assert (first.about, first.label) == (second.about, second.label)
        assert first.signal[:, :5000].tolist() != second.signal[:, :5000].tolist()
    assert {r.patient for r in found} & set(given.loc[~given["AHA_Code"].isin(CLASSES), "Patient_ID"]) == set()
    for file in made_up.glob("records/*.h5"):
        with h5py.File(file) as content:
            assert content.attrs["note"].startswith("SYNTHETIC")


def get(base, tmp_path, **settings):
    return sph.fetch(base and str(base), tmp_path / "raw", tmp_path / "scratch", Params(**settings))


def compared(records):
    return [(r.record, r.label, r.patient, r.folds, r.signal.tolist()) for r in records]


def test_recordings_come_packed_from_a_mirror(made_up, tmp_path):
    """The table beside one archive; what is read out of it is what was made up."""
    told = get(made_up.parent, tmp_path)
    assert (told["source"], told["verified"], told["files"]) == ("mirror", True, 47)
    assert listed(tmp_path / "raw") == ["metadata.csv", "records/001.zip"]
    assert compared(read(tmp_path / "raw")) == compared(read(made_up))


@pytest.mark.parametrize("sums", [True, False])
def test_recordings_come_over_http(made_up, shelf, tmp_path, sums):
    """With a list of sums, or without one by the names in the table."""
    shutil.copytree(made_up, shelf.folder / "sph")
    if not sums:
        (shelf.folder / "sph/SHA256SUMS.txt").unlink()
    assert get(shelf.url, tmp_path)["verified"] == sums
    assert len(read(tmp_path / "raw")) == 40


def test_the_archives_own_folders_make_no_difference(made_up, tmp_path):
    """The records may lie as they were unpacked, a folder deeper."""
    expected = compared(read(made_up))
    (made_up / "SHA256SUMS.txt").unlink()
    shutil.move(made_up / "records", made_up / "unpacked")
    (made_up / "records").mkdir()
    shutil.move(made_up / "unpacked", made_up / "records/records")
    get(made_up.parent, tmp_path)
    assert listed(tmp_path / "raw") == ["metadata.csv", "records/records/001.zip"]
    assert compared(read(tmp_path / "raw")) == expected


def test_a_mirror_with_some_recordings_needs_the_setting(made_up, tmp_path, caplog):
    """Without it one line names it; with it the others come, and what is not there is counted."""
    absent = read(made_up)[3].record
    (made_up / f"records/{absent}.h5").unlink()
    with pytest.raises(DownloadError, match=rf"{absent}\.h5: not found; .* set databases\.sph\.partial to true"):
        get(made_up.parent, tmp_path)
    assert f"records/{absent}.h5 is missing; download the database again, or set databases.sph.partial" in str(
        read(made_up)[3]
    )
    assert get(made_up.parent, tmp_path, partial=True)["missing"] == 1
    with caplog.at_level(logging.INFO, "pqrst"):
        assert len(read(tmp_path / "raw", partial=True)) == 39
    assert "SPH: 1 of 40 recordings are not there" in caplog.messages


def test_no_host_is_asked(tmp_path):
    """One line says what to download, where to put it, and which setting to change."""
    with pytest.raises(DownloadError) as caught:
        get(None, tmp_path)
    told = str(caught.value)
    assert "\n" not in told
    for words in (
        "metadata.csv",
        "doi:10.6084/m9.figshare.c.5779802",
        "FOLDER/sph/records/*.h5",
        "profiles.<profile>.source",
    ):
        assert words in told


@pytest.mark.parametrize(
    "options",
    [
        {"data": np.zeros((12, 5)), "chunks": (12, 10**6), "maxshape": (12, None), "compression": "gzip"},
        {"shape": (12, 5), "dtype": "S1000000"},
    ],
)
def test_what_would_unpack_to_far_more_is_refused_unread(tmp_path, options):
    """A chunk of a million samples around five, or cells of a megabyte, in a file of some kilobytes."""
    write(tmp_path, "1")
    with h5py.File(tmp_path / "records/A00001.h5", "w") as file:
        file.create_dataset("ecg", **options)
    assert (tmp_path / "records/A00001.h5").stat().st_size < 10**5
    assert "its array ecg is (12, 5), not numbers of 12 x 5" in str(read(tmp_path)[0])
